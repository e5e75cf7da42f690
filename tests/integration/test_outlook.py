"""What `dougong plan` says before a publish: everything that differs, and how many records."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.records_world import (
    CONTRACT,
    CUSTOMER,
    FLOW,
    PACK,
    World,
    build,
    computed,
    sources,
)

from engine.packs import check_sources
from engine.problems import text
from engine.records.failures import Conflict
from engine.records.publish import plan_publish, publish
from engine.storage import Database


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path / "files")


def plan(world: World, **entities: Any) -> tuple[list[str], list[str]]:
    """The sentences and the warnings."""
    changed = sources(**{k: v for k, v in entities.items() if k != "flow"})
    if "flow" in entities:
        changed["workflows/small/approval.json"] = json.dumps(entities["flow"])
    found = plan_publish(world.company, changed, "small", check=check_sources)
    seen = found.rights.hash  # who loses or gains what was looked at; a warning stops nothing
    publish(world.company, changed, "small", check=check_sources, acknowledged=seen)
    return found.sentences("en"), [text(one, "en") for one in found.problems]


def customer(**fields: Any) -> dict[str, Any]:
    return {**CUSTOMER, "properties": {**CUSTOMER["properties"], **fields}}


def test_nothing(world: World) -> None:
    assert plan(world) == ([], [])


def test_what_nobody_notices_is_told_too(world: World) -> None:
    told = ["~ The files differ, but in nothing that people or records notice."]
    assert plan(world, customer={**CUSTOMER, "$comment": "reworded"}) == (told, [])


def test_a_new_field_is_told_once(world: World) -> None:
    told = ["+ Customer: field “Size” is new."]
    assert plan(world, customer=customer(size={"type": ["string", "null"], "title": "Size"})) == (
        told,
        [],
    )


def test_access_alone_is_told(world: World) -> None:
    changed = copy.deepcopy(CUSTOMER)
    changed["x-access"]["auditor"] = {"read": True, "export": True}
    assert plan(world, customer=changed) == (
        ["~ Customer: the rights of role “Auditor” change: export."],
        [],
    )


def test_formulas_and_how_many_records(world: World) -> None:
    for name in ("ab", "cd"):
        world.create("root", "customer", name=name)
    changed = customer(signed=computed("Signed", "sum(contracts.amount) * 2"))
    assert plan(world, customer=changed)[0] == [
        "~ Customer: “Signed” changes: formula.",
        "~ Customer: recompute field Signed: 2 records.",
    ]


def test_running_cases(world: World) -> None:
    made = world.create("root", "customer", name="ab")
    for title in "abc":
        world.create("alice", "contract", title=title, customer=None or made["id"])
    flow: dict[str, Any] = copy.deepcopy(FLOW)
    flow["version"] = 2
    flow["states"]["draft"]["on"]["submit"]["guard"] = "amount > 1"
    assert plan(world, flow=flow)[0] == [
        "~ Workflow “Approval” changes from version 1 to 2.",
        "~ Workflow “Approval”: 3 running cases stay on the version they began with.",
        "~ Version 1: 3 running cases: Draft 3.",
        "~ To move them instead: Administration → Running cases, or "
        "`dougong cases migrate COMPANY approval`.",
    ]


def test_records_that_will_not_do(world: World) -> None:
    for name, level in (("abcdef", "A"), ("abc", "B")):
        world.create("root", "customer", name=name, level=level, tags=["new"], cost="12.50")
    gone = world.create("root", "customer", name="gone away", cost="99")
    world.remove("root", "customer", gone)
    changed = customer(
        name={"type": "string", "title": "Name", "minLength": 2, "maxLength": 5},
        level={
            **CUSTOMER["properties"]["level"],
            "default": "A",
            "oneOf": [{"const": "A", "title": "A"}],
        },
        tags={**CUSTOMER["properties"]["tags"], "items": {"enum": ["vip", "late"]}},
        cost={**CUSTOMER["properties"]["cost"], "maximum": 10},
        size={"type": "string", "title": "Size"},
    )
    changed["required"] = ["name", "level", "phone", "size", "contacts", "cost"]
    changed["x-rules"] = {}
    sentences, warnings = plan(world, customer=changed)
    assert "+ Customer: field “Size” is new." in sentences
    assert "~ Customer: “Name” changes: which values are valid." in sentences
    assert warnings == [
        "Customer: “Name” is now limited by maxLength 5; 1 record lies beyond it.",
        "Customer: “Level” loses options that 1 record holds: B, C.",
        "Customer: “Phone” becomes required; 2 records have no value.",
        "Customer: “Cost” is now limited by maximum 10; 2 records lie beyond it.",
        "Customer: “Tags” loses options that 2 records hold: new.",
        "Customer: “Contacts” becomes required; 2 records have no value.",
        "Customer: “Size” becomes required; 2 records have no value.",
    ]


def test_rows_that_will_not_do(world: World) -> None:
    made = world.create("root", "customer", name="ab")
    items = [{"what": "long words", "price": "1"}, {"what": "x"}]
    world.create("root", "contract", title="t", customer=made["id"], items=items)
    changed = copy.deepcopy(CONTRACT)
    inner = changed["properties"]["items"]["items"]
    inner["required"] = ["price"]
    inner["properties"]["what"]["maxLength"] = 4
    assert plan(world, contract=changed)[1] == [
        "Items: “What” is now limited by maxLength 4; 1 record lies beyond it.",
        "Items: “Price” becomes required; 1 record has no value.",
    ]


def test_a_step_that_nobody_could_take_today_is_told(world: World) -> None:
    flow = json.loads(json.dumps(FLOW))
    flow["states"]["review"]["assignees"] = [{"role": "jurist"}, {"group": "board"}]
    pack = json.loads(json.dumps(PACK))
    pack["roles"]["jurist"] = {"title": "Jurist"}
    changed = {
        **sources(),
        "entity_defs/small/pack.json": json.dumps(pack),
        "workflows/small/approval.json": json.dumps(flow),
    }
    told = [one.code for one in plan_publish(world.company, changed, "small").warnings]
    assert {"W200", "W203"} <= set(told)
    assert not plan_publish(world.company, sources(), "small").warnings


def test_what_was_made_from_an_older_version_is_not_put_over_a_newer_one(world: World) -> None:
    seen = world.company.current.version
    note = json.loads(sources()["entity_defs/small/note.json"])
    newer = {**sources(), "entity_defs/small/note.json": json.dumps({**note, "title": "Memo"})}
    publish(world.company, newer, "small", after=seen)
    with pytest.raises(Conflict) as caught:
        publish(world.company, sources(), "small", after=seen)
    assert caught.value.code == "P299"
    assert world.company.current.model.entities["note"].title["en"] == "Memo"
