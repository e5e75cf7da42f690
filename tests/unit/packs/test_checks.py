"""Mistakes in expressions, workflows and queries are told with file, pointer and line."""

from __future__ import annotations

import json
from typing import Any

from engine.packs import check_sources
from engine.problems import Problem, Severity


def entity(name: str, **more: Any) -> dict[str, Any]:
    return {
        "x-entity": {"name": name},
        "title": name,
        "type": "object",
        "properties": {"name": {"type": "string", "title": "Name"}, **more.pop("fields", {})},
        "x-access": {"clerk": {"read": True, "write": True, "create": True}},
        **more,
    }


def problems(*entities: dict[str, Any], flow: Any = None, **pack: Any) -> list[Problem]:
    roles = {"clerk": {"title": "Clerk"}, "boss": {"title": "Boss", "admin": True}}
    manifest = {"name": "p", "title": "P", "version": "1", "languages": ["en"], "roles": roles}
    manifest |= pack
    sources = {"entity_defs/p/pack.json": manifest}
    for one in entities:
        sources[f"entity_defs/p/{one['x-entity']['name']}.json"] = one
    if flow:
        sources[f"workflows/p/{flow['id']}.json"] = flow
    _, found = check_sources({at: json.dumps(one, indent=1) for at, one in sources.items()}, "p")
    return found


NUMBER = {"type": ["number", "null"], "title": "N"}


def computed(expr: str, store: bool = True) -> dict[str, Any]:
    return {**NUMBER, "readOnly": True, "x-compute": {"expr": expr, "store": store}}


def test_a_sound_pack_has_none() -> None:
    fields = {"a": NUMBER, "b": computed("a + 1")}
    assert problems(entity("thing", fields=fields)) == []


def test_an_unknown_name_is_told_where_it_stands() -> None:
    fields = {"a": NUMBER, "b": computed("aa + 1")}
    (found,) = problems(entity("thing", fields=fields))
    assert (found.code, found.file) == ("X020", "entity_defs/p/thing.json")
    assert found.pointer == "/properties/b/x-compute/expr"
    assert found.line is not None
    assert found.line > 1


def test_a_formula_must_give_its_fields_type() -> None:
    (found,) = problems(entity("thing", fields={"b": computed("name")}))
    assert found.code == "X026"


def test_rules_forms_and_rights_are_typed() -> None:
    thing = entity(
        "thing",
        **{
            "x-rules": {"r": {"when": "name", "assert": "name == 1", "message": "no"}},
            "x-form": [{"tab": "T", "when": "nam == ''", "rows": [["name"]]}],
            "x-access": {"clerk": {"read": "name > 3", "create": True}},
        },
    )
    assert {one.pointer for one in problems(thing)} == {
        "/x-rules/r/when",
        "/x-rules/r/assert",
        "/x-form/0/when",
        "/x-access/clerk/read",
    }


def test_rows_have_a_scope_of_their_own() -> None:
    row = {"q": NUMBER, "p": computed("q * 2"), "bad": computed("name")}
    lines = {"type": "array", "title": "L", "x-type": "lines",
             "items": {"type": "object", "properties": row}}  # fmt: skip
    (found,) = problems(entity("thing", fields={"rows": lines}))
    assert found.pointer == "/properties/rows/items/properties/bad/x-compute/expr"


def test_a_circle_of_formulas_is_told_once() -> None:
    fields = {"a": computed("b + 1"), "b": computed("a + 1")}
    (found,) = problems(entity("thing", fields=fields))
    assert found.code == "D101"
    assert found.params["circle"] == "thing.a → thing.b → thing.a"


def test_a_circle_through_a_relation_is_found() -> None:
    whole = entity("whole", fields={"total": computed("sum(parts.share)")})
    link = {"type": ["integer", "null"], "title": "W", "x-type": "ref",
            "x-ref": {"to": "whole", "inverse": "parts"}}  # fmt: skip
    part = entity("part", fields={"whole": link, "share": computed("whole.total / 2")})
    assert [one.code for one in problems(whole, part)] == ["D101"]


def test_row_permissions_must_be_known_to_the_database() -> None:
    rights = {"clerk": {"read": "text(id) == '1'", "create": True}}
    (found,) = problems(entity("thing", **{"x-access": rights}))
    assert (found.code, found.pointer) == ("X050", "/x-access/clerk/read")


def test_guards_and_assigned_values_are_typed() -> None:
    field = {"title": "S", "oneOf": [{"const": "a", "title": "A"}, {"const": "z", "title": "Z"}]}
    flow = {
        "id": "f", "version": 1, "entity": "thing", "stateField": "state", "initial": "a",
        "states": {
            "a": {
                "may": {"go": {"role": "clerk"}},
                "on": {"go": {"target": "z", "guard": "n + 1",
                              "actions": [{"assign": {"n": "name"}}]}},
            },
            "z": {"type": "final"},
        },
    }  # fmt: skip
    found = problems(entity("thing", fields={"n": NUMBER, "state": field}), flow=flow)
    assert {one.pointer for one in found} == {
        "/states/a/on/go/guard",
        "/states/a/on/go/actions/0/assign/n",
    }
    assert {one.file for one in found} == {"workflows/p/f.json"}


def test_queries_of_cards_and_menus_are_checked() -> None:
    (card, menu) = problems(
        entity("thing"),
        cards={"c": {"entity": "thing", "query": "f.nam.eq=x"}},
        menus={"m": {"title": "M", "items": {"i": {"entity": "thing", "query": "sort=nam"}}}},
    )
    assert card.pointer == "/cards/c/query"
    assert menu.pointer == "/menus/m/items/i/query"


def test_broken_definitions_are_told_without_noise_from_expressions() -> None:
    fields = {"b": {**computed("a"), "x-type": "nonsense"}}
    assert {one.code[0] for one in problems(entity("thing", fields=fields))} == {"D"}


# --- icons, options, types -----------------------------------------------------------------------
def checked(*entities: dict[str, Any], icons: tuple[str, ...] = (), **pack: Any) -> list[Problem]:
    roles = {"clerk": {"title": "Clerk"}, "boss": {"title": "Boss", "admin": True}}
    manifest = {"name": "p", "title": "P", "version": "1", "languages": ["en"], "roles": roles}
    sources: dict[str, Any] = {"entity_defs/p/pack.json": manifest | pack}
    for one in entities:
        sources[f"entity_defs/p/{one['x-entity']['name']}.json"] = one
    texts = {at: json.dumps(one, indent=1) for at, one in sources.items()}
    return check_sources(texts, "p", icons=icons)[1]


def test_an_icon_that_nobody_can_draw_is_a_warning() -> None:
    thing = entity("thing")
    thing["x-entity"]["icon"] = "receit"
    items = {"in": {"entity": "thing", "icon": "hose"}}
    menus = {"m": {"title": "M", "icon": "home", "items": items}}
    found = checked(thing, icons=("home", "receipt"), menus=menus)
    assert [(one.code, one.pointer, one.params["guess"]) for one in found] == [
        ("D111", "/x-entity/icon", "receipt"),
        ("D111", "/menus/m/items/in/icon", "home"),
    ]
    assert {one.severity for one in found} == {Severity.WARNING}
    assert checked(thing, menus=menus) == []  # nobody said which there are


def test_a_query_for_an_option_that_there_is_not_is_a_warning() -> None:
    options = [{"const": "high", "title": "H"}, {"const": "low", "title": "L"}]
    level = {"title": "Level", "oneOf": options}
    tree = '{"or":[["level","eq","low"],["level","in",["none","hgh"]]]}'
    cards = {
        "a": {"title": "A", "entity": "thing", "query": "f.level=hihg"},
        "b": {"title": "B", "entity": "thing", "query": f"where={tree}"},
        "c": {"title": "C", "entity": "thing", "query": "f.level.in=high,low&f.level.filled=1"},
    }
    found = checked(entity("thing", fields={"level": level}), cards=cards)
    assert [(one.code, one.pointer, one.params["value"], one.params["guess"]) for one in found] == [
        ("D112", "/cards/a/query", "hihg", "high"),
        ("D112", "/cards/b/query", "none", ""),
        ("D112", "/cards/b/query", "hgh", "high"),
    ]


def test_types_have_their_say_in_rows_too() -> None:
    wrong = {"type": "string", "title": "W", "x-type": "email", "default": "many"}
    rows = {"type": "object", "properties": {"w": wrong}}
    lines = {"type": "array", "title": "L", "x-type": "lines", "items": rows}
    found = checked(entity("thing", fields={"w": wrong, "l": lines}))
    pointers = [one.pointer for one in found if one.code == "V203"]
    assert pointers == ["/properties/w", "/properties/l/items/properties/w"]


def test_what_does_not_depend_on_the_row_may_stand_in_a_permission() -> None:
    day = {"type": ["string", "null"], "title": "D", "format": "date"}

    def codes(read: str) -> list[str]:
        thing = entity("thing", fields={"day": day, "n": NUMBER})
        thing["x-access"] = {"clerk": {"read": read}}
        return [one.code for one in checked(thing)]

    for read in (
        "day > date('2026-01-01')",
        "day > add_months(today(), -3)",
        "n > 100 / 3 + 1",
        "me.has_role('boss') or day == today()",
    ):
        assert codes(read) == [], read
    assert codes("add_months(day, 1) > today()") == ["X050"]
