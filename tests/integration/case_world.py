"""A company of papers that two chiefs sign, with people who have a part in it and people who have
none; served, for the tests of what goes wrong in production."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.companies import Served, Visitor
from tests.integration.records_world import ALL, entity, money, ref, text
from tests.worlds import settle

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.packs import check_sources
from engine.records import flows, writing
from engine.records.company import Company
from engine.records.people import actor_of, create_user, find_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor, Unit
from engine.storage import Database
from engine.tables import system

KEY = "papers"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
STATES = ("draft", "review", "approved", "rejected", "cancelled")
PEOPLE = {
    "clara": "clerk",  # starts the papers
    "cyril": "clerk",  # her colleague: sees and writes them, has no part in the case
    "ann": "chief",
    "ben": "chief",
    "rita": "reader",
    "otto": "outsider",  # not even the entity exists for him
    "boss": "admin",
}
PAPER = entity(
    "paper",
    "{title}",
    {
        "title": {"type": "string", "title": "Title"},
        "amount": money("Amount"),
        "state": {
            "type": ["string", "null"],
            "title": "State",
            "oneOf": [{"const": one, "title": one.title()} for one in STATES],
        },
        "items": {
            "type": "array",
            "title": "Items",
            "x-type": "lines",
            "default": [],
            "items": {
                "type": "object",
                "unevaluatedProperties": False,
                "properties": {"what": text("What"), "price": money("Price")},
            },
        },
    },
    required=["title"],
    **{
        "x-access": {
            "clerk": ALL,
            "chief": {"read": True, "create": True},
            "reader": {"read": True},
            "admin": ALL,
        },
        "x-list": {"columns": ["title", "amount", "state"], "board": "state"},
        "x-ui": {"quick": ["title", "amount", "state"]},
    },
)
REMARK = entity(
    "remark",
    "{body}",
    {
        "body": {"type": "string", "title": "Body"},
        "paper": ref("Paper", "paper", "remarks", "cascade"),
    },
    required=["body"],
    **{"x-access": {"clerk": ALL, "admin": ALL, "outsider": ALL}},
)
REVIEW: dict[str, Any] = {
    "type": "approval",
    "title": {"en": "Review"},
    "assignees": [{"role": "chief"}],
    "quorum": "all",
    "lock": True,
    "allow": [
        *("approve", "reject", "return", "transfer", "delegate"),
        *("addsign", "removesign", "cc", "remind"),
    ],
    "return": {"to": ["#start"], "resubmit": "restart"},
    "recall": "until-next-acts",
    "onDone": {"approved": "approved", "rejected": "rejected"},
}
FLOW: dict[str, Any] = {
    "$schema": "https://dougong.dev/schema/workflow-1.json",
    "id": "signing",
    "version": 1,
    "entity": "paper",
    "stateField": "state",
    "title": {"en": "Signing"},
    "trigger": {"on": "create"},
    "initial": "draft",
    "states": {
        "draft": {
            "title": {"en": "Draft"},
            "may": {"submit": {"starter": True}, "cancel": {"starter": True}},
            "on": {
                "submit": {"target": "review", "guard": "amount > 0"},
                "cancel": "cancelled",
            },
        },
        "in_review": {
            "title": {"en": "In review"},
            "initial": "review",
            "fields": {"*": "read"},
            "may": {"withdraw": {"starter": True}, "terminate": {"role": "admin"}},
            "on": {"withdraw": "draft", "terminate": "cancelled"},
            "states": {"review": REVIEW},
        },
        "approved": {"type": "final", "title": {"en": "Approved"}, "fields": {"*": "read"}},
        "rejected": {"type": "final", "title": {"en": "Rejected"}},
        "cancelled": {"type": "final", "title": {"en": "Cancelled"}},
    },
}
PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "papers",
    "title": "Papers",
    "version": "1.0.0",
    "languages": ["en"],
    "roles": {
        **{name: {"title": name.title()} for name in ("clerk", "chief", "reader", "outsider")},
        "admin": {"title": "Admin", "admin": True},
    },
}


def sources(flow: Any = None) -> dict[str, str]:
    """The definition files."""
    return {
        "entity_defs/papers/pack.json": json.dumps(PACK),
        "entity_defs/papers/paper.json": json.dumps(PAPER),
        "entity_defs/papers/remark.json": json.dumps(REMARK),
        "workflows/papers/signing.json": json.dumps(flow or FLOW),
    }


def prepare_papers(data: Path, flow: Any = None) -> None:
    """The company in the folder `data`."""
    installation = Installation(load_settings(data))
    company = create_company(installation, Listing(KEY, "", KEY), sources(flow))
    with company.unit(SYSTEM, write=True) as unit:
        for login, role in PEOPLE.items():
            create_user(unit, login, login.title(), roles=[role])
    installation.close()


@dataclass
class Office:
    """The served company."""

    served: Served

    @property
    def company(self) -> Company:
        return self.served.company(KEY)

    def actor(self, login: str) -> Actor:
        return self.served.actor(KEY, login)

    def visitor(self, login: str) -> Visitor:
        return self.served.visitor(KEY, login)

    def person(self, login: str) -> int:
        with self.company.database.read() as connection:
            found = find_user(connection, login)
        assert found is not None
        return int(found["id"])

    def paper(self, amount: str = "5", *, who: str = "clara", events: tuple[str, ...] = ()) -> int:
        with self.company.unit(self.actor(who), write=True) as unit:
            id = int(writing.create(unit, "paper", {"title": "Paper", "amount": amount})["id"])
            for event in events:
                flows.fire(unit, "paper", id, event)
        return id

    def send(self, who: str, id: int, event: str, **data: Any) -> flows.Fired:
        with self.company.unit(self.actor(who), write=True) as unit:
            return flows.fire(unit, "paper", id, event, data)

    def task(self, id: int, who: str) -> tuple[int, int]:
        """Somebody's open task on a paper: its id and its number within the case."""
        table = system.WF_TASK.c
        wanted = sa.select(table.id, table.number).where(
            table.record_id == id, table.assignee_id == self.person(who), table.status == "open"
        )
        with self.company.database.read() as connection:
            row = connection.execute(wanted).one()
        return int(row.id), int(row.number)

    def state(self, id: int) -> str:
        place = self.company.current.tables.of("paper")
        with self.company.database.read() as connection:
            wanted = sa.select(place.column("state")).where(place.id == id)
            return str(connection.scalar(wanted))


def _publish(company: Company, flow: Mapping[str, Any], version: int) -> None:
    publish(company, sources({**flow, "version": version}), "papers", check=check_sources)


def _make(database: Database, flow: Mapping[str, Any]) -> None:
    company = Company("papers", database)
    _publish(company, flow, 1)
    with company.unit(SYSTEM, write=True, now=NOON) as unit:
        for login, role in PEOPLE.items():
            create_user(unit, login, login.title(), roles=[role])


class Papers:
    """The company of papers with a workflow of its own; every act has its own instant."""

    def __init__(self, database: Database, flow: Mapping[str, Any]) -> None:
        settle(database, f"papers {json.dumps(flow)}", partial(_make, flow=flow))
        self.company, self.version = Company("papers", database), 1

    def publish(self, flow: Mapping[str, Any]) -> None:
        """Another version of the workflow."""
        self.version += 1
        _publish(self.company, flow, self.version)

    def actor(self, who: str) -> Actor:
        with self.company.database.read() as connection:
            person = find_user(connection, who)
            assert person is not None
            found = actor_of(connection, person["id"])
        assert found is not None
        return found

    @contextmanager
    def as_(self, who: str, now: datetime) -> Iterator[Unit]:
        with self.company.unit(self.actor(who), write=True, now=now) as unit:
            yield unit

    def paper(self, now: datetime = NOON, *events: str, who: str = "clara") -> int:
        with self.as_(who, now) as unit:
            id = int(writing.create(unit, "paper", {"title": "Paper", "amount": "5"})["id"])
            for event in events:
                flows.fire(unit, "paper", id, event)
        return id

    def send(self, who: str, id: int, event: str, now: datetime) -> str:
        with self.as_(who, now) as unit:
            return flows.fire(unit, "paper", id, event).state

    def rows(self, table: sa.Table, *order: Any) -> list[Mapping[str, Any]]:
        with self.company.database.read() as connection:
            wanted = sa.select(table).order_by(*(order or table.primary_key))
            return [dict(row) for row in connection.execute(wanted).mappings()]

    def state(self, id: int) -> str:
        cases = self.rows(system.WF_INSTANCE)
        return next(str(case["state"]) for case in cases if case["record_id"] == id)

    def types(self) -> list[str]:
        return [one["type"] for one in self.rows(system.WF_EVENT, system.WF_EVENT.c.seq)]

    def everything(self) -> list[Any]:
        tables = [system.WF_INSTANCE, system.WF_EVENT, system.WF_TASK, system.WF_TIMER]
        tables += [system.OUTBOX, system.HISTORY, self.company.current.tables.of("paper").table]
        return [sorted(map(repr, self.rows(table))) for table in tables]


def reviewed(*timers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The flow whose review has these timers; one signature is enough."""
    states = json.loads(json.dumps(FLOW["states"]))
    states["in_review"]["states"]["review"] = {
        **REVIEW,
        "quorum": "any",
        "after": [*timers],
        **more,
    }
    return {**FLOW, "states": states}


__all__ = [
    "FLOW",
    "KEY",
    "NOON",
    "PEOPLE",
    "REVIEW",
    "Office",
    "Papers",
    "prepare_papers",
    "reviewed",
    "sources",
]
