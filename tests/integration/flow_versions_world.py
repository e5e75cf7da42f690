"""A company whose workflow changes under its running cases."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from tests.integration.records_world import CONTRACT, FLOW, World, make, opened, sources
from tests.worlds import settle

from engine.packs import check_sources
from engine.records import flows, writing
from engine.records.publish import publish
from engine.records.unit import Unit
from engine.storage import Database
from engine.tables import system

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
STATES = ("draft", "review", "board", "check", "approved", "dropped")


def contract(*states: str) -> dict[str, Any]:
    """The entity, with these states to choose from."""
    body = copy.deepcopy(CONTRACT)
    body["properties"]["state"]["oneOf"] = [
        {"const": each, "title": each.title()} for each in states or STATES
    ]
    return body


def approval(title: str, role: str, to: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "approval",
        "title": {"en": title, "zh-CN": title},
        "assignees": [{"role": role}],
        "quorum": "any",
        "lock": True,
        "fields": {"*": "read"},
        "onDone": {"approved": to, "rejected": "draft"},
        **more,
    }


def flow(version: int, states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**FLOW, "version": version, "states": dict(states), **more}


DRAFT = {
    "title": {"en": "Draft", "zh-CN": "Draft"},
    "may": {"submit": [{"starter": True}], "drop": [{"starter": True}]},
    "on": {"submit": {"target": "review", "guard": "amount > 0"}, "drop": "dropped"},
}
LATER = {"id": "nudge", "delay": "P2D", "actions": [{"type": "remind"}]}
ENDS = {
    "approved": {"type": "final", "title": {"en": "Approved"}, "fields": {"*": "read"}},
    "dropped": {"type": "final", "title": {"en": "Dropped"}},
}
V1 = flow(
    1,
    {
        "draft": DRAFT,
        "review": approval("Review", "manager", "board", after=[LATER]),
        "board": approval("Board", "manager", "approved"),
        **ENDS,
    },
)
"""Draft, review, board, approved."""
V2 = flow(
    2,
    {
        "draft": DRAFT,
        "review": approval("Review", "manager", "check", after=[{**LATER, "delay": "P5D"}]),
        "check": approval("Final check", "admin", "approved"),
        **ENDS,
    },
)
"""The board is gone; somebody else checks instead."""


def _definitions(chart: Mapping[str, Any] | None, **entities: Any) -> dict[str, str]:
    found = sources(**{"contract": contract(), **entities})
    found["workflows/small/approval.json"] = json.dumps(chart)
    if chart is None:
        del found["workflows/small/approval.json"]
    return found


def _make(database: Database, chart: Mapping[str, Any]) -> None:
    make(database)
    world = opened(database)
    publish(world.company, _definitions(chart), "small", check=check_sources)
    world.create("root", "customer", name="Firm", level="B")


class Office:
    """The company with a clock of its own."""

    def __init__(self, database: Database, chart: Mapping[str, Any] = V1) -> None:
        self.now = MONDAY
        settle(database, f"office {json.dumps(chart)}", partial(_make, chart=chart))
        self.world: World = opened(database)
        self.company = self.world.company
        place = self.company.current.tables.of("customer")
        with self.company.database.read() as connection:
            self.customer = int(connection.execute(sa.select(place.id)).scalar_one())

    def actor(self, who: str) -> Any:
        return self.world.actors[who]

    def as_(self, who: str, *, write: bool = True) -> Any:
        return self.company.unit(self.actor(who), write=write, now=self.now)

    def definitions(self, chart: Mapping[str, Any] | None, **entities: Any) -> dict[str, str]:
        return _definitions(chart, **entities)

    def publish(self, chart: Mapping[str, Any] | None, **entities: Any) -> None:
        publish(self.company, self.definitions(chart, **entities), "small", check=check_sources)

    def contract(self, who: str = "alice", price: int = 100) -> int:
        with self.as_(who) as unit:
            values = {
                "title": "Deal",
                "customer": self.customer,
                "items": [{"what": "Pump", "quantity": 1, "price": str(price)}],
            }
            return int(writing.create(unit, "contract", values)["id"])

    def fire(self, who: str, record: int, event: str) -> flows.Fired:
        with self.as_(who) as unit:
            return flows.fire(unit, "contract", record, event)

    def decide(self, who: str, record: int, command: str = "approve", comment: str = "") -> None:
        with self.as_(who) as unit:
            task = next(one for one in flows.my_tasks(unit, size=100) if one.record_id == record)
            flows.decide(unit, task.task_id or 0, command, comment)

    def at(self, state: str) -> int:
        """A contract on its way, in that state of the first version."""
        record = self.contract()
        if state in ("review", "board", "approved"):
            self.fire("alice", record, "submit")
        if state in ("board", "approved"):
            self.decide("carol", record)
        if state == "approved":
            self.decide("carol", record)
        if state == "dropped":
            self.fire("alice", record, "drop")
        return record

    def case(self, record: int) -> int:
        """The number of a record's case."""
        table = system.WF_INSTANCE
        with self.company.database.read() as connection:
            wanted = sa.select(table.c.id).where(table.c.record_id == record)
            return int(connection.scalars(wanted.order_by(table.c.id.desc())).first() or 0)

    def row(self, record: int) -> Mapping[str, Any]:
        """The row of a record's case."""
        return next(one for one in self.rows(system.WF_INSTANCE) if one["record_id"] == record)

    def state(self, record: int) -> str:
        return str(self.world.get("@system", "contract", record)["state"])

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        with self.company.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def todo(self, who: str) -> set[int]:
        with self.as_(who, write=False) as unit:
            return {one.record_id for one in flows.my_tasks(unit, size=100)}

    def events(self, record: int) -> list[dict[str, Any]]:
        case = self.case(record)
        rows = [one for one in self.rows(system.WF_EVENT) if one["instance_id"] == case]
        return sorted(rows, key=lambda one: one["seq"])

    def close_account(self, who: str) -> None:
        table = system.USER
        same = table.c.id == self.actor(who).id
        with self.company.database.write() as connection:
            connection.execute(sa.update(table).where(same).values(disabled_at=self.now))

    def later(self, **more: float) -> None:
        self.now += timedelta(**more)

    def everything(self) -> str:
        return self.world.digest()


__all__ = ["DRAFT", "ENDS", "LATER", "MONDAY", "V1", "V2", "Office", "Unit", "approval", "flow"]
