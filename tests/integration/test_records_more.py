"""Publishing, forms, related lists, people: beside and around the write path."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.records_world import CUSTOMER, World, build, computed, money, sources

from engine.packs import check_sources
from engine.records import (
    effects,
    history,
    people,
    reading,
    related,
    writing,
)
from engine.records.actor import SYSTEM
from engine.records.company import Company
from engine.records.failures import Conflict, Failure, Invalid
from engine.records.publish import plan_publish, publish
from engine.storage import Database
from engine.tables import system

ITEM = [{"what": "a", "quantity": 2, "price": "50"}]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path / "files")


def deal(world: World, who: str = "alice", **more: Any) -> dict[str, Any]:
    customer = world.create(who, "customer", name="恒泰信", owner=world.actors[who].id)
    return world.create(who, "contract", title="t", customer=customer["id"], **more)


# --- publishing ----------------------------------------------------------------------------------
def more_fields() -> dict[str, Any]:
    properties = {**CUSTOMER["properties"], "bonus": money("Bonus")}
    del properties["tags"]
    rules = {k: v for k, v in CUSTOMER["x-rules"].items() if k != "vip_has_phone"}
    return {**CUSTOMER, "properties": properties, "x-rules": rules}


def test_publishing_adds_hides_and_brings_back(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", tags=["new"])
    changed = sources(customer=more_fields())
    plan = plan_publish(world.company, changed, "small")
    assert {operation.kind for operation in plan.operations} >= {"add_column", "retire_column"}
    before = world.company.current.version
    publish(world.company, changed, "small", SYSTEM, "more", check=check_sources)
    assert world.company.current.version > before
    found = world.get("root", "customer", made["id"])
    assert "tags" not in found
    world.change("root", "customer", found, bonus="12.5")
    publish(world.company, sources(), "small", SYSTEM, "back")
    assert world.get("root", "customer", made["id"])["tags"] == ["new"]


def test_new_formulas_reach_old_records(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", cost="10")
    item = [{"what": "a", "quantity": 2, "price": "1.25"}]
    world.create("root", "contract", title="t", customer=made["id"], items=item)
    properties = {
        **CUSTOMER["properties"],
        "double": computed("Double", "cost * 2"),
        "signed": computed("Signed", "sum(contracts.amount) * 10"),
        "rest": computed("Rest", "signed - double"),
    }
    changed = {**CUSTOMER, "properties": properties}
    publish(world.company, sources(customer=changed), "small", SYSTEM, check=check_sources)
    found = world.get("root", "customer", made["id"])
    assert [str(found[name]) for name in ("double", "signed", "rest")] == ["20.00", "25.00", "5.00"]
    assert found["version"] == 1


def test_other_workers_see_the_new_version(world: World) -> None:
    other = Company("small", world.company.database)
    with other.unit(world.actors["root"]) as unit:
        assert "bonus" not in unit.entity("customer").fields
    publish(world.company, sources(customer=more_fields()), "small", SYSTEM)
    with other.unit(world.actors["root"]) as unit:
        assert "bonus" in unit.entity("customer").fields


def test_wrong_definitions_are_not_published(world: World) -> None:
    before = world.digest()
    broken = {**CUSTOMER, "x-rules": {"r": {"assert": "nothing > 1"}}}
    with pytest.raises(Invalid):
        publish(world.company, sources(customer=broken), "small", SYSTEM, check=check_sources)
    taken = {**CUSTOMER, "x-keys": {"unique": [["name"]]}}
    for _ in range(2):
        world.create("root", "customer", name="twice")
    before = world.digest()
    with pytest.raises(Conflict):
        publish(world.company, sources(customer=taken), "small", SYSTEM)
    assert world.digest() == before
    assert world.company.current.model.entities["customer"].keys.unique == (("tax_id",),)


# --- forms ---------------------------------------------------------------------------------------
def test_a_form_asks_what_would_be(world: World) -> None:
    with world.write("alice") as unit:
        typed = {"name": "恒泰", "level": "B", "tags": ["vip"]}
        found = effects.outlook(unit, "customer", None, typed)
        assert found.effects["phone"].required
        assert (
            not effects.outlook(unit, "customer", None, {"name": "a", "level": "C"})
            .effects["joined"]
            .visible
        )
        rows = [{"what": "a", "quantity": 3, "price": Decimal("1.50")}]
        found = effects.outlook(unit, "contract", None, {"title": "t", "items": rows})
        assert str(found.values["amount"]) == "4.50"
        assert "cost" not in effects.outlook(unit, "customer", None, {"cost": 5}).shown


def test_related_lists(world: World) -> None:
    made = deal(world, items=ITEM)
    with world.read("alice") as unit:
        relations = {r.name: r for r in related.relations_of(unit, "customer", made["customer"])}
        assert relations.keys() >= {"contracts", "notes", "children", "projects"}
        page = reading.find(unit, relations["contracts"].query)
    assert [row["id"] for row in page.rows] == [made["id"]]


def test_recent_records_are_those_one_still_sees(world: World) -> None:
    mine = world.create("alice", "customer", name="mine", owner=world.actors["alice"].id)
    given = world.create("alice", "customer", name="given", owner=world.actors["bob"].id)
    assert given.keys() == {"id", "version"}
    with world.read("alice") as unit:
        assert [found.label for found in history.recent(unit)] == ["mine"]
    assert mine["owner"] == world.actors["alice"].id


# --- people --------------------------------------------------------------------------------------
def test_people_and_departments(world: World) -> None:
    with world.write("@system") as unit:
        team = people.create_department(unit, "Team", world.east)
        user = people.create_user(unit, "dan", "Dan", roles=["manager"], department=team)
        for login, roles in (("DAN", []), ("d an", []), ("eve", ["nobody"])):
            with pytest.raises(Failure):
                people.create_user(unit, login, "X", roles=roles)
        with pytest.raises(Invalid):
            people.change_department(unit, world.east, name="East", parent=team, manager=None)
        with pytest.raises(Conflict):
            people.remove_department(unit, team)
    with world.company.database.read() as connection:
        carol = people.actor_of(connection, world.actors["carol"].id)
        assert carol is not None
        assert set(carol.departments) == {world.east, team}
        assert people.below(connection, team) == {team}
    with world.write("@system") as unit:
        people.change_department(unit, team, name="Team", parent=world.west, manager=user)
        people.change_user(unit, user, disabled_at=unit.now)
    with world.company.database.read() as connection:
        assert people.below(connection, world.west) == {world.west, team}
        assert people.actor_of(connection, user) is None
        path = connection.scalar(
            sa.select(system.DEPARTMENT.c.path).where(system.DEPARTMENT.c.id == team)
        )
    assert path == f"/{world.west}/{team}/"


def test_everything_leaves_a_plain_dict(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信")
    assert all(type(name) is str for name in made)
    with world.read("root") as unit:
        kinds = unit.app.types(unit.entity("customer"))
        json.dumps(
            {n: kinds[n].to_json(v) for n, v in made.items() if n in kinds and v is not None}
        )
        assert writing.defaults(unit, unit.entity("customer"))["level"] == "C"
