"""A small company with every kind of thing that records have to get right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.worlds import settle

from engine.packs import check_sources
from engine.records import bulk, people, reading, removing, writing
from engine.records.actor import SYSTEM, Actor
from engine.records.company import Company
from engine.records.publish import publish
from engine.records.unit import Unit
from engine.storage import Database
from engine.tables import system

ENTITY = "https://dougong.dev/schema/entity-1.json"


def text(title: str, **more: Any) -> dict[str, Any]:
    return {"type": ["string", "null"], "title": title, **more}


def money(title: str, **more: Any) -> dict[str, Any]:
    return {"type": ["number", "null"], "title": title, "x-type": "money", **more}


def ref(
    title: str, to: str, inverse: str, on_delete: str = "restrict", **more: Any
) -> dict[str, Any]:
    link = {"to": to, "inverse": inverse, "on_delete": on_delete}
    return {"type": ["string", "null"], "title": title, "x-type": "ref", "x-ref": link, **more}


def computed(title: str, expr: str, kind: str = "money", *, store: bool = True) -> dict[str, Any]:
    plain = {"money": "number", "integer": "integer", "text": "string"}[kind]
    return {
        "type": [plain, "null"],
        "title": title,
        "x-type": kind,
        "readOnly": True,
        "x-compute": {"expr": expr, "store": store},
    }


def entity(name: str, label: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "$schema": ENTITY,
        "x-entity": {"name": name, "plural": name.title(), "label": label},
        "title": name.title(),
        "type": "object",
        "unevaluatedProperties": False,
        "properties": properties,
        **more,
    }


OWN = {"read": "own", "write": "own", "create": True, "delete": "own"}
ALL = {"read": True, "write": True, "create": True, "delete": True, "export": True}

CUSTOMER = entity(
    "customer",
    "{name}",
    {
        "code": {
            **text("Code"),
            "readOnly": True,
            "x-type": "autonumber",
            "x-ui": {"pattern": "C{seq:5}"},
        },
        "name": {"type": "string", "title": "Name", "minLength": 2, "maxLength": 100},
        "tax_id": text("Tax id", maxLength=30),
        "level": {
            "title": "Level",
            "default": "C",
            "oneOf": [{"const": each, "title": each} for each in "ABC"],
        },
        "owner": {**text("Owner"), "x-type": "user"},
        "phone": {
            **text("Phone"),
            "x-type": "phone",
            "x-access": {"auditor": {"mask": "phone"}, "sales": {"read": "owner == me"}},
        },
        "cost": money("Cost", **{"x-access": {"sales": {"read": False}}}),
        "tags": {
            "type": "array",
            "title": "Tags",
            "uniqueItems": True,
            "default": [],
            "items": {"enum": ["vip", "late", "new"]},
        },
        "parent": ref("Parent", "customer", "children", "null"),
        "contacts": {
            "type": "array",
            "title": "Contacts",
            "x-type": "lines",
            "default": [],
            "items": {
                "type": "object",
                "required": ["name"],
                "unevaluatedProperties": False,
                "properties": {
                    "name": {"type": "string", "title": "Name"},
                    "email": {"type": ["string", "null"], "title": "Mail", "format": "email"},
                },
            },
        },
        "joined": {"type": ["string", "null"], "title": "Joined", "format": "date"},
        "signed": computed("Signed", "sum(contracts.amount)"),
        "contract_count": computed("Contracts", "count(contracts)", "integer"),
        "initial": computed("Shout", "upper(name)", "text", store=False),
    },
    required=["name", "level"],
    **{
        "x-keys": {"unique": [["tax_id"]], "duplicate": [["name"]]},
        "x-rules": {
            "vip_has_phone": {"when": "'vip' in tags", "require": ["phone"]},
            "level_final": {"when": "old.level == 'A'", "readonly": ["level"]},
            "no_joined": {"when": "level == 'C'", "hide": ["joined"]},
            "not_own_parent": {"assert": "parent is null or parent.id != id"},
        },
        "x-access": {
            "sales": {
                "read": "owner == me or owner is null",
                "write": "own",
                "create": True,
                "delete": "own",
            },
            "manager": {**ALL, "read": "department_tree"},
            "auditor": {"read": True},
        },
        "x-list": {
            "columns": ["code", "name", "level", "owner", "phone", "cost", "signed"],
            "sort": ["-updated_at"],
            "filters": ["level"],
        },
    },
)

CONTRACT = entity(
    "contract",
    "{title}",
    {
        "title": {"type": "string", "title": "Title"},
        "customer": ref("Customer", "customer", "contracts"),
        "customer_level": computed("Level", "customer.level", "text"),
        "state": {
            "title": "State",
            "readOnly": True,
            "oneOf": [{"const": each, "title": each} for each in ("draft", "review", "approved")],
        },
        "owner": {**text("Owner"), "x-type": "user", "x-ui": {"default": "me"}},
        "items": {
            "type": "array",
            "title": "Items",
            "x-type": "lines",
            "default": [],
            "items": {
                "type": "object",
                "unevaluatedProperties": False,
                "properties": {
                    "what": {"type": "string", "title": "What"},
                    "quantity": {"type": "integer", "title": "Quantity", "default": 1},
                    "price": money("Price"),
                    "paid": money("Paid", **{"x-access": {"sales": {"read": False}}}),
                    "amount": computed("Amount", "round(quantity * price, 2)"),
                },
            },
        },
        "amount": computed("Amount", "sum(items.amount)"),
    },
    required=["title", "customer"],
    **{"x-access": {"sales": OWN, "manager": ALL, "auditor": {"read": True}}},
)

NOTE = entity(
    "note",
    "{body}",
    {
        "body": {"type": "string", "title": "Body"},
        "customer": ref("Customer", "customer", "notes", "cascade"),
    },
    required=["body"],
    **{"x-access": {"sales": ALL, "manager": ALL, "auditor": {"read": True}}},
)

PROJECT = entity(
    "project",
    "{name}",
    {
        "name": {"type": "string", "title": "Name"},
        "customers": {
            "type": "array",
            "title": "Customers",
            "default": [],
            "items": {"type": "string"},
            "x-type": "refs",
            "x-ref": {"to": "customer", "inverse": "projects", "on_delete": "null"},
        },
        "main": ref("Main", "customer", "led"),
    },
    required=["name"],
    **{"x-access": {"sales": ALL, "manager": ALL, "auditor": {"read": True}}},
)
PROJECT["properties"]["main"]["x-ref"]["where"] = "level == 'A'"

FLOW = {
    "$schema": "https://dougong.dev/schema/workflow-1.json",
    "id": "approval",
    "version": 1,
    "entity": "contract",
    "stateField": "state",
    "title": {"en": "Approval"},
    "trigger": {"on": "create"},
    "initial": "draft",
    "states": {
        "draft": {
            "title": {"en": "Draft"},
            "may": {"submit": [{"starter": True}]},
            "on": {"submit": {"target": "review", "guard": "amount > 0"}},
        },
        "review": {
            "type": "approval",
            "title": {"en": "Review"},
            "assignees": [{"role": "manager"}],
            "quorum": "any",
            "lock": True,
            "fields": {"*": "read"},
            "onDone": {"approved": "approved", "rejected": "draft"},
        },
        "approved": {"type": "final", "title": {"en": "Approved"}, "fields": {"*": "read"}},
    },
}

PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "small",
    "title": "Small",
    "version": "1.0.0",
    "languages": ["en"],
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "roles": {
        "admin": {"title": "Admin", "admin": True},
        "manager": {"title": "Manager"},
        "sales": {"title": "Sales"},
        "auditor": {"title": "Auditor"},
    },
}


def sources(**changes: Any) -> dict[str, str]:
    """The definition files; `changes` replace entities by name."""
    entities = {
        "customer": CUSTOMER,
        "contract": CONTRACT,
        "note": NOTE,
        "project": PROJECT,
        **changes,
    }
    found = {f"entity_defs/small/{name}.json": json.dumps(body) for name, body in entities.items()}
    found["entity_defs/small/pack.json"] = json.dumps(PACK)
    found["workflows/small/approval.json"] = json.dumps(FLOW)
    return found


@dataclass
class World:
    """The company and its people."""

    company: Company
    actors: dict[str, Actor] = field(default_factory=dict)
    east: int = 0
    west: int = 0

    @contextmanager
    def write(self, who: str) -> Iterator[Unit]:
        with self.company.unit(self.actors[who], write=True) as unit:
            yield unit

    @contextmanager
    def read(self, who: str) -> Iterator[Unit]:
        with self.company.unit(self.actors[who]) as unit:
            yield unit

    def create(self, who: str, name: str, /, **values: Any) -> dict[str, Any]:
        with self.write(who) as unit:
            return writing.create(unit, name, values)

    def change(
        self, who: str, name: str, record: Mapping[str, Any], /, **values: Any
    ) -> dict[str, Any]:
        with self.write(who) as unit:
            return writing.change(unit, name, record["id"], values, record["version"])

    def remove(self, who: str, name: str, record: Mapping[str, Any]) -> None:
        with self.write(who) as unit:
            removing.remove(unit, name, record["id"], record["version"])

    def get(self, who: str, name: str, id: int) -> dict[str, Any]:
        with self.read(who) as unit:
            return reading.read(unit, name, id)

    def digest(self) -> str:
        """A hash over everything in the company: what was refused must not change it."""
        total = hashlib.sha256()
        with self.company.database.read() as connection:
            tables = [*self.company.current.tables.metadata.sorted_tables]
            tables += [t for t in system.METADATA.sorted_tables if t.name != "dg_id_block"]
            for table in tables:
                for row in connection.execute(sa.select(table).order_by(*table.primary_key)):
                    total.update(repr(tuple(row)).encode())
        return total.hexdigest()


def build(database: Database, files: Path | None = None) -> World:
    """The company, published, with its people: alice and bob sell in the east, erin in the west,
    carol manages the east, zoe audits, root administers."""
    settle(database, "small", make)
    return opened(database, files)


def opened(database: Database, files: Path | None = None) -> World:
    """The company that `make` made."""
    world = World(Company("small", database, files))
    with database.read() as connection:
        places = {one.name: one.id for one in people.departments(connection)}
        for row in people.list_users(connection):
            actor = people.actor_of(connection, row["id"])
            assert actor is not None
            world.actors[row["login"]] = actor
    world.east, world.west = places["East"], places["West"]
    world.actors["@system"] = SYSTEM
    return world


def make(database: Database) -> None:
    """Make the company in an empty database."""
    company = Company("small", database)
    publish(company, sources(), "small", SYSTEM, "first", check=check_sources)
    with company.unit(SYSTEM, write=True) as unit:
        east = people.create_department(unit, "East")
        west = people.create_department(unit, "West")
        for login, role, place in (
            ("root", "admin", None),
            ("carol", "manager", east),
            ("alice", "sales", east),
            ("bob", "sales", east),
            ("erin", "sales", west),
            ("zoe", "auditor", None),
        ):
            people.create_user(unit, login, login.title(), roles=[role], department=place)


__all__ = ["World", "build", "bulk", "make", "opened", "sources"]
