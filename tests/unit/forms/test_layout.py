"""Where fields stand on a form."""

from __future__ import annotations

from engine.definitions.model import Entity, Field, FormPart
from engine.forms import Placed, form_layout
from engine.forms.layout import placed_names


def entity(*parts: FormPart, **types: str) -> Entity:
    title = {"en": "T"}
    fields = {name: Field(name, kind, title) for name, kind in types.items()}
    return Entity("thing", title, title, "{name}", fields, form=parts)


def everything(_: str) -> bool:
    return True


def part(kind: str, *rows: tuple[str, ...], when: str = "") -> FormPart:
    return FormPart(kind, {"en": kind}, rows, when)  # type: ignore[arg-type]


def test_without_a_form_fields_stand_in_pairs_and_wide_ones_alone() -> None:
    layout = form_layout(entity(a="text", b="longtext", c="text", d="text", e="text"), everything)
    rows = layout[0].sections[0].rows
    assert [[place.name for place in row] for row in rows] == [["a"], ["b"], ["c", "d"], ["e"]]
    assert rows[1] == (Placed("b", 12),)


def test_a_section_belongs_to_the_tab_before_it() -> None:
    found = form_layout(
        entity(
            part("tab", ("a",)),
            part("section", ("b",)),
            part("tab", ("c",)),
            a="text",
            b="text",
            c="text",
        ),
        everything,
    )
    assert [len(tab.sections) for tab in found] == [2, 1]
    assert [tab.key for tab in found] == ["t0", "t1"]


def test_a_row_is_shared_evenly_and_a_lone_short_field_takes_half() -> None:
    form = entity(part("tab", ("a", "b", "c"), ("d",)), a="text", b="text", c="text", d="text")
    rows = form_layout(form, everything)[0].sections[0].rows
    assert [place.span for place in rows[0]] == [4, 4, 4]
    assert rows[1][0].span == 6


def test_invisible_fields_leave_no_gap_and_empty_tabs_vanish() -> None:
    form = entity(part("tab", ("a", "b")), part("tab", ("c",)), a="text", b="text", c="text")
    found = form_layout(form, lambda name: name == "a")
    assert placed_names(found) == ("a",)
    assert len(found) == 1


def test_what_no_part_places_follows_at_the_end_of_the_first_tab() -> None:
    form = entity(part("tab", ("a",)), part("tab", ("b",)), a="text", b="text", own="text")
    assert placed_names(form_layout(form, everything)) == ("a", "own", "b")
    assert placed_names(form_layout(form, everything, leftovers=False)) == ("a", "b")


def test_width_is_a_wish_of_the_definition() -> None:
    title = {"en": "T"}
    fields = {
        "a": Field("a", "text", title, ui={"width": "third"}),
        "b": Field("b", "text", title, ui={"width": 9}),
    }
    found = form_layout(Entity("thing", title, title, "{a}", fields), everything)
    assert [place.span for place in found[0].sections[0].rows[0]] == [4, 9]
