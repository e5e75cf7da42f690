"""Definitions as large as a stranger can make them: told, quickly, and without an exception."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.unit.definitions.samples import COMMON, CONTRACT, CUSTOMER, FLOW, PACK, build, told

from engine.definitions.layers import stack


def entity(name: str) -> dict[str, Any]:
    return {"x-entity": {"name": name}, "title": name, "type": "object",
            "properties": {"name": {"type": "string", "title": "N"}}}  # fmt: skip


def test_many_entities() -> None:
    many = {f"entity_defs/crm/e{i}.json": json.dumps(entity(f"e{i}")) for i in range(201)}
    assert [code for code, *_ in told(many)] == ["D018"]


def test_many_fields_one_by_one_and_by_overlay() -> None:
    many = {f"f{i}": {"type": "string", "title": "F"} for i in range(301)}
    assert ("D025", CUSTOMER, "/properties") in told({CUSTOMER: {"properties": many}})


def test_many_fields_through_references() -> None:
    some = {f"f{i}": {"type": "string", "title": "F"} for i in range(250)}
    more = {f"g{i}": {"type": "string", "title": "F"} for i in range(60)}
    changes = {CUSTOMER: {"properties": some}, "overlay/customer.json": {"properties": more}}
    assert "D025" in [code for code, *_ in told(changes)]


def test_many_options() -> None:
    many = [{"const": f"o{i}"} for i in range(1_001)]
    codes = told({CUSTOMER: json.dumps({**entity("customer"), "properties": {
        "name": {"oneOf": many}}})})  # fmt: skip
    assert ("D010", CUSTOMER, "/properties/name/oneOf") in codes


def test_references_that_double() -> None:
    defs: dict[str, Any] = {"a0": {"type": "string", "title": "T"}}
    for i in range(1, 9):
        defs[f"a{i}"] = {"title": "T", "allOf": [{"$ref": f"#/$defs/a{i - 1}"}] * 9}
    started = time.process_time()
    codes = told({COMMON: {"$defs": defs},
                  CONTRACT: {"properties": {"x": {"$ref": "common.json#/$defs/a8"}}}})  # fmt: skip
    assert "D033" in [code for code, *_ in codes]
    assert time.process_time() - started < 20


def test_a_long_chain_of_references() -> None:
    defs: dict[str, Any] = {"a0": {"type": "string", "title": "T"}}
    defs |= {f"a{i}": {"$ref": f"#/$defs/a{i - 1}"} for i in range(1, 12)}
    assert told({COMMON: {"$defs": defs}}) == [("D032", COMMON, "/$defs/a11")]


def test_a_circle_over_two_files_is_told_where_it_is_written() -> None:
    changes = {
        COMMON: {"$defs": {"a": {"$ref": "contract.json#/$defs/b"}}},
        CONTRACT: {"$defs": {"b": {"$ref": "common.json#/$defs/a"}}},
        CUSTOMER: {"properties": {"x": {"$ref": "common.json#/$defs/a"}}},
    }
    assert [code for code, *_ in told(changes)][:1] == ["D032"]
    assert build(changes)[0] is None


def test_deep_schemas() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(25):
        deep = {"type": "array", "items": {"allOf": [deep]}}
    model, problems = build({CUSTOMER: {"properties": {"x": deep}}})
    assert model is None
    assert problems


def test_many_packs() -> None:
    packs = {
        f"entity_defs/p{i}/pack.json": json.dumps(
            {"name": f"p{i}", "title": "P", "version": "1", "builds_on": [f"p{i + 1}"]}
        )
        for i in range(50)
    }
    assert len(stack(packs, "p0").packs) <= 20


@pytest.mark.parametrize(
    "sources",
    [
        {},
        {PACK: ""},
        {PACK: "{}"},
        {PACK: '{"name": 1, "builds_on": 7, "roles": [], "menus": 3, "languages": "zh"}'},
        {PACK: '{"roles": {"a": null}, "cards": {"c": 1}, "menus": {"m": {"items": []}}}'},
        {"../../etc/passwd": "root", "": "", "entity_defs/crm/../x.json": "{}"},
        {"overlay/customer.json": "{}"},
        {PACK: "{}", CUSTOMER: '{"x-entity": 1, "properties": [1], "x-form": {}, "x-rules": 3}'},
        {PACK: "{}", CUSTOMER: '{"x-entity": {}, "properties": {"a": [], "b": true, "c": null}}'},
        {PACK: "{}", FLOW: '{"states": [], "id": {}, "layout": 3}'},
        {PACK: "{}", COMMON: '{"$defs": [1]}', CUSTOMER: '{"$ref": "#"}'},
    ],
)
def test_hostile_sources_are_problems(sources: dict[str, str]) -> None:
    from engine.definitions import build_model

    model, problems = build_model(sources, "crm", types=())
    assert model is None
    assert problems
