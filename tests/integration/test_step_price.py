"""What a step costs the database: a round of many is as few questions as a round of one."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tests.integration.records_world import FLOW, World, build, sources

from engine.packs import check_sources
from engine.records import delegation, flows, people, writing
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import Database


def company(database: Database, managers: int) -> World:
    """All of the managers countersign."""
    world = build(database)
    states: Any = FLOW["states"]
    review = {**states["review"], "quorum": "all"}
    flow = {**FLOW, "states": {**states, "review": review}}
    files = {**sources(), "workflows/small/approval.json": json.dumps(flow)}
    publish(world.company, files, "small", SYSTEM, "its flow", check=check_sources)
    with world.company.unit(SYSTEM, write=True) as unit:
        for at in range(managers):
            people.create_user(unit, f"m{at}", f"M {at}", roles=["manager"])
    return world


def contract(world: World) -> int:
    with world.write("alice") as unit:
        firm = {"name": "Firm", "level": "C", "owner": world.actors["alice"].id}
        customer = writing.create(unit, "customer", firm)
        lines = [{"what": "Pump", "quantity": 1, "price": "5"}]
        values = {"title": "Pumps", "customer": customer["id"], "items": lines}
        return int(writing.create(unit, "contract", values)["id"])


def questions(world: World, who: str, id: int, event: str) -> list[str]:
    asked: list[str] = []
    with world.write(who) as unit:
        driver = unit.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(asked.append)
        flows.fire(unit, "contract", id, event)
        driver.set_trace_callback(None)
    return [one for one in asked if one.startswith("SELECT")]


def test_a_step_asks_as_much_for_many_approvers_as_for_one(sqlite_database: Database) -> None:
    """会签人数增加，查询次数不增加。"""
    world = company(sqlite_database, managers=30)
    first, id = contract(world), contract(world)
    questions(world, "alice", first, "submit")  # whatever is looked at once
    assert len(questions(world, "alice", id, "submit")) <= 9
    assert len(questions(world, "carol", id, "task.approve")) <= 9


def test_each_of_many_has_his_own_stand_in(sqlite_database: Database) -> None:
    """逐人代理不因批量查询而混淆。"""
    world = company(sqlite_database, managers=2)
    with world.company.unit(SYSTEM, write=True) as unit:
        ids = {row["login"]: row["id"] for row in people.list_users(unit.connection)}
        for user, agent in (("carol", "zoe"), ("m0", "erin")):
            delegation.delegate(unit, ids[agent], user=ids[user])
        delegation.delegate(unit, ids["bob"], workflows=["approval"], user=ids["carol"])
    id = contract(world)
    with world.write("alice") as unit:
        flows.fire(unit, "contract", id, "submit")
    with world.read("root") as unit:
        case = flows.flow_of(unit, "contract", id)
        assert case is not None
        found = unit.connection.exec_driver_sql(
            "SELECT assignee_id, on_behalf_id FROM dg_wf_task ORDER BY number"
        ).all()
    wanted = [("bob", "carol"), ("erin", "m0"), ("m1", None)]
    assert found == [(ids[one], ids[other] if other else None) for one, other in wanted]
