"""From a posted form to values and problems, and what the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest
from werkzeug.datastructures import MultiDict

from engine.definitions.model import Computation, Entity, Field, Option, Reference
from engine.fields import Names, bind
from engine.forms import RecordForm, Scene, build_form, draw, form_layout
from engine.problems import Problem


def made(name: str, kind: str, **more: object) -> Field:
    return Field(name, kind, {"en": name.title()}, **more)  # type: ignore[arg-type]


TITLE = {"en": "Order"}
ROW = Entity(
    "order.items",
    TITLE,
    TITLE,
    "{what}",
    {"what": made("what", "text", required=True), "price": made("price", "money")},
)
KINDS = (Option("a", {"en": "A"}), Option("b", {"en": "B"}))
ORDER = Entity(
    "order",
    TITLE,
    TITLE,
    "{name}",
    {
        "name": made("name", "text", required=True),
        "version": made("version", "integer"),
        "kind": made(
            "kind", "choice", options=(Option("a", {"en": "A"}), Option("b", {"en": "B"}))
        ),
        "buyer": made("buyer", "ref", reference=Reference("buyer")),
        "labels": made("labels", "tags"),
        "urgent": made("urgent", "boolean"),
        "items": made("items", "lines", rows=ROW),
        "total": made("total", "money", compute=Computation("1")),
        "secret": made("secret", "text"),
    },
)


@dataclass
class Levels:
    hidden: tuple[str, ...] = ()

    def level(self, name: str) -> int:
        return 2 if name in self.hidden else 3


@pytest.fixture(scope="module")
def form_class() -> type[RecordForm]:
    return build_form(ORDER, Levels(("secret",)), "en", bind)


def posted(form_class: type[RecordForm], *pairs: tuple[str, str]) -> RecordForm:
    return form_class.reading(MultiDict(pairs))


def test_only_what_may_be_written_has_an_input(form_class: type[RecordForm]) -> None:
    assert form_class.writable == ("name", "version", "kind", "buyer", "labels", "urgent", "items")


def test_a_post_becomes_typed_values(form_class: type[RecordForm]) -> None:
    form = posted(
        form_class,
        ("f_name", "Desk"),
        ("f_version", "3"),
        ("f_buyer", "7"),
        ("f_labels", "red, blue"),
        ("f_urgent", "false"),
        ("f_urgent", "true"),
        ("f_items", ""),
        ("f_items-0.id", "5"),
        ("f_items-0.what", "Leg"),
        ("f_items-0.price", "1,200.50"),
        ("f_items-4.what", ""),
        ("f_secret", "x"),
    )
    values = form.values()
    assert values["name"] == "Desk"
    assert values["version"] == 3
    assert values["buyer"] == 7
    assert values["labels"] == ["red", "blue"]
    assert values["urgent"] is True
    assert values["items"][0]["price"] == Decimal("1200.50")
    assert len(values["items"]) == 1
    assert "secret" not in values
    assert "kind" not in values  # not posted: left as it is


def test_what_cannot_be_read_is_a_problem_and_shown_again(form_class: type[RecordForm]) -> None:
    form = posted(form_class, ("f_version", "many"), ("f_items-0.price", "cheap"))
    assert {problem.field for problem in form.problems()} == {"version", "items"}
    view = draw(form, form_layout(ORDER, lambda _: True), Scene(bind=bind, language="en"))
    items = {item.name: item for item in view.items()}
    assert items["version"].value == "many"
    assert items["version"].problems
    assert items["items"].lines is not None
    assert items["items"].lines.rows[0].items[1].value == "cheap"
    assert items["items"].lines.rows[0].items[1].problems
    assert {remark.id for remark in view.problems} == {"f_version", "f_items-0-price"}


def test_the_page_shows_labels_totals_and_what_is_read_only(form_class: type[RecordForm]) -> None:
    values = {
        "name": "Desk",
        "buyer": 7,
        "total": Decimal("9.00"),
        "items": [{"id": 1, "what": "Leg", "price": Decimal("4.50")}] * 2,
    }
    form = form_class.reading(None, values)
    names = Names(labels={("buyer", 7): "Ada"})
    scene = Scene(bind=bind, language="en", values=values, names=names)
    items = {
        item.name: item for item in draw(form, form_layout(ORDER, lambda _: True), scene).items()
    }
    assert [(option.value, option.label) for option in items["buyer"].options] == [("7", "Ada")]
    assert items["total"].readonly
    assert items["total"].computed
    assert items["total"].shown is not None
    assert items["total"].shown.text == "¥9.00"
    lines = items["items"].lines
    assert lines is not None
    assert lines.totals == ("", "¥9.00")
    assert [row.spare for row in lines.rows] == [False, False, True]
    assert lines.columns[0].input == "f_items-__row__.what"
    assert items["name"].required


@dataclass
class Rule:
    visible: bool = True
    required: bool = False
    readonly: bool = False
    options: tuple[str, ...] | None = None


def test_rules_hide_lock_and_narrow(form_class: type[RecordForm]) -> None:
    rules = {
        "kind": Rule(options=("a",)),
        "labels": Rule(visible=False),
        "version": Rule(required=True),
        "name": Rule(readonly=True),
    }
    scene = Scene(bind=bind, language="en", settings=rules)
    view = draw(form_class.reading(), form_layout(ORDER, lambda _: True), scene)
    items = {item.name: item for item in view.items()}
    assert [option.off for option in items["kind"].options] == [False, True]
    assert items["labels"].hidden
    assert items["version"].required
    assert items["name"].readonly


def test_problems_of_the_record_stand_first_in_the_summary(form_class: type[RecordForm]) -> None:
    said = {"en": "said"}
    problems = [
        Problem("V001", pointer="/name", message=said),
        Problem("V001", message={"en": "all"}),
    ]
    scene = Scene(bind=bind, language="en", problems=problems)
    view = draw(form_class.reading(), form_layout(ORDER, lambda _: True), scene)
    assert [(remark.text, remark.id) for remark in view.problems] == [
        ("all", ""),
        ("said", "f_name"),
    ]
    assert view.tabs[0].bad == 1
