"""The small company with records that lie in a pool, and that are shared by hand."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.integration import records_world as small
from tests.integration.records_world import World
from tests.worlds import settle

from engine.packs import check_sources
from engine.records import people
from engine.records.actor import SYSTEM
from engine.records.company import Company
from engine.records.publish import WHATEVER, publish
from engine.storage import Database

GRADES = {"open": {"title": "Open", "order": 1}, "secret": {"title": "Secret", "order": 2}}
PACK = {**small.PACK, "clearance": {"grades": GRADES, "everyone": "open"}}
SELLERS = tuple(f"seller{number}" for number in range(8))


def build(database: Database, files: Path | None = None) -> World:
    """The company. Beside the people of `records_world`: nora without any role, fred who sells in a
    department below the west, eight sellers more."""
    settle(database, "ownership", make)
    return small.opened(database, files)


def customers() -> dict[str, Any]:
    """Customers: sold to from a pool, shared by hand, some of them secret."""
    found = deepcopy(small.CUSTOMER)
    found["x-entity"] |= {
        "traits": ["owned", "pooled", "shared", "history"],
        "grade": "secrecy",
        "pool": {
            "sales": {"shows": ["code", "name", "secrecy"], "views": 3, "claims": 2, "holds": 4},
            "manager": {},
        },
    }
    found["properties"]["secrecy"] = {
        "title": "Secrecy",
        "default": "open",
        "oneOf": [{"const": one, "title": one} for one in GRADES],
    }
    found["x-access"]["sales"]["share"] = "own"
    found["x-access"]["manager"]["share"] = True
    return found


def make(database: Database) -> None:
    """Make it in an empty database."""
    small.make(database)
    company = Company("small", database)
    sources = small.sources(customer=customers())
    sources["entity_defs/small/pack.json"] = json.dumps(PACK)
    publish(company, sources, "small", SYSTEM, check=check_sources, acknowledged=WHATEVER)
    with company.unit(SYSTEM, write=True) as unit:
        west = next(one.id for one in people.departments(unit.connection) if one.name == "West")
        inner = people.create_department(unit, "Inner west", parent=west)
        people.create_user(unit, "nora", "Nora")
        people.create_user(unit, "fred", "Fred", roles=["sales"], department=inner)
        for login in SELLERS:
            people.create_user(unit, login, login.title(), roles=["sales"], department=west)


def customer(world: World, owner: str | None, **more: Any) -> dict[str, Any]:
    """A customer of somebody, or of the pool."""
    me = world.actors[owner].id if owner else None
    return world.create("@system", "customer", name=f"of {owner}", owner=me, level="B", **more)
