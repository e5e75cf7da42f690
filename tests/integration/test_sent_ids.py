"""Ids in an event's data are the sender's own choice, whatever the definition does with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.integration.records_world import FLOW, World, build, sources

from engine.packs import check_sources
from engine.records import flows, people, writing
from engine.records.failures import Invalid
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import Database

NOTE = {"type": "create_record", "entity": "note"}


@pytest.fixture
def world(sqlite_database: Database) -> World:
    """Contracts whose seller may pass them on, move them to another customer, and take notes."""
    found = build(sqlite_database)
    states: Any = FLOW["states"]
    draft: Mapping[str, Any] = states["draft"]
    note = {**NOTE, "values": {"body": "title", "customer": "event.customer"}}
    seller = [{"starter": True}]
    acts = {
        **draft,
        "may": {**draft["may"], "hand": seller, "move": seller, "take_note": seller},
        "on": {
            **draft["on"],
            "hand": {"actions": [{"assign": {"owner": "event.to"}}]},
            "move": {"actions": [{"assign": {"customer": "event.customer"}}]},
            "take_note": {"actions": [note]},
        },
    }
    flow = {**FLOW, "states": {**states, "draft": acts}}
    files = {**sources(), "workflows/small/approval.json": json.dumps(flow)}
    publish(found.company, files, "small", SYSTEM, "its flow", check=check_sources)
    return found


def customer(world: World, owner: str) -> int:
    firm = {"name": f"Firm of {owner}", "level": "C", "owner": world.actors[owner].id}
    with world.company.unit(SYSTEM, write=True) as unit:
        return int(writing.create(unit, "customer", firm)["id"])


def contract(world: World) -> int:
    values = {"title": "Pumps", "customer": customer(world, "alice")}
    with world.write("alice") as unit:
        return int(writing.create(unit, "contract", values)["id"])


def send(world: World, id: int, event: str, **data: Any) -> None:
    with world.write("alice") as unit:
        flows.fire(unit, "contract", id, event, data)


def test_an_event_names_people_whose_accounts_are_open(world: World) -> None:
    id, bob = contract(world), world.actors["bob"].id
    with world.company.unit(SYSTEM, write=True) as unit:
        people.change_user(unit, bob, disabled_at=unit.now)
    for nobody in (bob, str(bob), 2**52):
        with pytest.raises(Invalid) as caught:
            send(world, id, "hand", to=nobody)
        assert [(one.code, one.pointer) for one in caught.value.problems] == [("R211", "/owner")]
    send(world, id, "hand", to=world.actors["erin"].id)


@pytest.mark.parametrize("event", ["move", "take_note"])
def test_an_event_does_not_point_at_what_its_sender_does_not_see(world: World, event: str) -> None:
    id, theirs = contract(world), customer(world, "erin")
    with pytest.raises(Invalid) as caught:
        send(world, id, event, customer=theirs)
    assert {one.code for one in caught.value.problems} <= {"R204", "W302"}
    send(world, id, event, customer=customer(world, "alice"))
