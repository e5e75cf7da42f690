"""Mistakes in expressions, workflows and queries are told with file, pointer and line."""

from __future__ import annotations

import json
from typing import Any

from engine.packs import check_sources
from engine.problems import Problem


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
