"""What opens and closes records beside the roles' own words: grades of secrecy, records shared by
hand, taking part in a workflow, the pool - in SQL and in Python alike, on both databases."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import records_world as small
from tests.integration.records_world import World

from engine.lists import parse_query
from engine.packs import check_sources
from engine.records import flows, people, reading
from engine.records.actor import SYSTEM
from engine.records.failures import Failure, NotFound
from engine.records.labels import names_of
from engine.records.publish import WHATEVER, publish
from engine.storage import Database
from engine.tables.system import SHARE, WF_TASK

GRADES = {
    "grades": {
        "open": {"title": "Open", "order": 1},
        "secret": {"title": "Secret", "order": 2},
        "top": {"title": "Top", "order": 3},
    },
    "everyone": "open",
}
ROLES = {
    "cleared": {"title": "Cleared", "clearance": "secret"},
    "officer": {"title": "Officer", "clearance": "top"},
}


def company(database: Database, folder: Path) -> World:
    """The small company with grades, sharing, a pool, and a participant's right."""
    return enriched(small.build(database, folder))


def enriched(world: World) -> World:
    """The small company with all that is new about rights."""
    pack = {**small.PACK, "clearance": GRADES, "roles": {**small.PACK["roles"], **ROLES}}  # type: ignore[dict-item]
    customer = deepcopy(small.CUSTOMER)
    customer["x-entity"] |= {
        "traits": ["owned", "pooled", "shared"],
        "grade": "secrecy",
        "pool": {"sales": {"shows": ["code", "name", "secrecy"]}},
    }
    customer["properties"]["secrecy"] = {
        "title": "Secrecy",
        "default": "open",
        "oneOf": [{"const": one, "title": one} for one in ("open", "secret", "top")],
    }
    phone = customer["properties"]["phone"]["x-access"]
    phone["auditor"] = {"read": False, "mask": "phone", "search": True}
    contract = deepcopy(small.CONTRACT)
    contract["x-access"]["auditor"] = {"read": "participant"}
    note = deepcopy(small.NOTE)
    note["x-entity"]["grade"] = "customer.secrecy"
    sources = small.sources(customer=customer, contract=contract, note=note)
    sources["entity_defs/small/pack.json"] = json.dumps(pack)
    publish(world.company, sources, "small", SYSTEM, check=check_sources, acknowledged=WHATEVER)
    return world


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return company(database, tmp_path)


def give(world: World, who: str, *roles: str) -> None:
    """More roles for somebody, from the next request on."""
    with world.company.unit(SYSTEM, write=True) as unit:
        user = world.actors[who].id
        people.set_roles(unit, user, [*world.actors[who].roles, *roles])
    with world.company.database.read() as connection:
        actor = people.actor_of(connection, user)
        assert actor is not None
        world.actors[who] = actor


def share(world: World, record: int, level: str = "read", **whom: Any) -> None:
    with world.company.unit(SYSTEM, write=True) as unit:
        row = {"entity": "customer", "record_id": record, "level": level, "at": unit.now, **whom}
        unit.connection.execute(
            sa.insert(SHARE).values(id=unit.app.database.ids.next(unit.connection), **row)
        )


def sees(world: World, who: str, entity: str = "customer") -> set[int]:
    """The ids on somebody's list; one by one has to say the same."""
    with world.read(who) as unit:
        query, problems = parse_query([], unit.entity(entity), unit.access(entity))
        assert not problems
        listed = {row["id"] for row in reading.find(unit, query).rows}
        assert reading.count(unit, query).number == len(listed)
        every = [row[0] for row in unit.connection.execute(sa.select(_table(world, entity).c.id))]
        assert reading.visible(unit, entity, every) == listed
        for id in every:
            if id in listed:
                assert reading.read(unit, entity, id)["id"] == id
            else:
                with pytest.raises(NotFound):
                    reading.read(unit, entity, id)
    return listed


def _table(world: World, entity: str) -> sa.Table:
    return world.company.current.tables.of(entity).table


def customer(world: World, owner: str | None, **more: Any) -> dict[str, Any]:
    me = world.actors[owner].id if owner else None
    return world.create("@system", "customer", name=f"of {owner}", owner=me, level="B", **more)


# --- grades --------------------------------------------------------------------------------------
def test_a_record_above_ones_grade_does_not_exist(world: World) -> None:
    plain = customer(world, "alice")["id"]
    secret = customer(world, "alice", secrecy="secret")["id"]
    top = customer(world, "alice", secrecy="top")["id"]
    assert sees(world, "alice") == {plain}
    assert sees(world, "root") == {plain}  # for administrators neither
    give(world, "alice", "cleared")
    assert sees(world, "alice") == {plain, secret}
    give(world, "root", "officer")
    assert sees(world, "root") == {plain, secret, top}


def test_a_grade_follows_references_and_names_of_what_is_above_are_not_told(world: World) -> None:
    secret = customer(world, "alice", secrecy="secret")["id"]
    plain = customer(world, "alice")["id"]
    about = [
        world.create("@system", "note", body=f"on {id}", customer=id)["id"]
        for id in (secret, plain)
    ]
    loose = world.create("@system", "note", body="on nobody")["id"]
    assert sees(world, "carol", "note") == {about[1], loose}  # what belongs to nothing is open
    give(world, "carol", "officer")
    assert sees(world, "carol", "note") == {*about, loose}
    with world.read("alice") as unit:
        assert names_of(unit, {"customer": {secret, plain}}).labels.keys() == {("customer", plain)}


def test_nobody_writes_what_he_would_not_see(world: World) -> None:
    with pytest.raises(Failure):
        world.create("alice", "customer", name="Secret one", level="B", secrecy="top")
    secret = customer(world, "alice", secrecy="secret")
    with pytest.raises(NotFound):
        world.change("alice", "customer", secret, name="Seen after all")


# --- sharing -------------------------------------------------------------------------------------
def test_a_record_shared_with_a_person_is_one_more_of_his(world: World) -> None:
    bobs = customer(world, "bob", phone="13800138000")
    assert bobs["id"] not in sees(world, "alice")
    share(world, bobs["id"], user_id=world.actors["alice"].id)
    assert bobs["id"] in sees(world, "alice")
    with world.read("alice") as unit:  # the field's own word still counts: it is not hers
        assert "phone" not in reading.read(unit, "customer", bobs["id"])
    with pytest.raises(Failure):
        world.change("alice", "customer", bobs, name="Mine now")
    assert bobs["id"] not in sees(world, "erin")


def test_a_share_to_write_and_one_with_a_department_above(world: World) -> None:
    bobs = customer(world, "bob")
    share(world, bobs["id"], "write", department_id=world.west)
    with world.company.unit(SYSTEM, write=True) as unit:
        inner = people.create_department(unit, "Inner west", parent=world.west)
        people.create_user(unit, "fred", "Fred", roles=["sales"], department=inner)
        found = people.list_users(unit.connection)
        fred = people.actor_of(
            unit.connection, next(row["id"] for row in found if row["login"] == "fred")
        )
        assert fred is not None
        world.actors["fred"] = fred
    assert sees(world, "fred") == {bobs["id"]} == sees(world, "erin")
    assert world.change("fred", "customer", bobs, name="Changed")["version"] == 2


def test_a_share_ends_with_its_last_day(world: World) -> None:
    bobs = customer(world, "bob")["id"]
    today = datetime.now(UTC).astimezone().date()
    share(world, bobs, user_id=world.actors["alice"].id, until=str(today - timedelta(days=2)))
    assert bobs not in sees(world, "alice")
    share(world, bobs, user_id=world.actors["erin"].id, until=str(today + timedelta(days=2)))
    assert bobs in sees(world, "erin")


def test_a_share_opens_nothing_to_roles_that_see_no_such_records_at_all(world: World) -> None:
    secret = customer(world, "bob", secrecy="secret")["id"]
    share(world, secret, user_id=world.actors["alice"].id)
    assert secret not in sees(world, "alice")  # nor above the grade
    with world.company.unit(SYSTEM, write=True) as unit:
        people.set_roles(unit, world.actors["erin"].id, ["officer"])
        erin = people.actor_of(unit.connection, world.actors["erin"].id)
        assert erin is not None
    share(world, secret, user_id=erin.id)
    with world.company.unit(erin) as unit, pytest.raises(NotFound):
        reading.read(unit, "customer", secret)


# --- participants --------------------------------------------------------------------------------
def test_who_takes_part_in_a_workflow_sees_the_record(world: World) -> None:
    mine = customer(world, "alice")["id"]
    contract = world.create(
        "alice", "contract", title="One", customer=mine, items=[{"what": "x", "price": "5"}]
    )["id"]
    assert sees(world, "zoe", "contract") == set()
    with world.write("alice") as unit:
        flows.fire(unit, "contract", contract, "submit", {})
    assert sees(world, "zoe", "contract") == set()
    with world.write("carol") as unit:
        task = unit.connection.scalar(sa.select(WF_TASK.c.id).where(WF_TASK.c.status == "open"))
        assert task is not None
        flows.decide(unit, task, "approve")
    with world.company.unit(SYSTEM, write=True) as unit:
        people.set_roles(unit, world.actors["carol"].id, ["auditor"])
    world.actors["carol"] = replace(world.actors["carol"], roles=frozenset({"auditor"}))
    assert sees(world, "carol", "contract") == {contract}  # she decided
    assert sees(world, "zoe", "contract") == set()


# --- the pool ------------------------------------------------------------------------------------
def test_what_nobody_took_shows_its_public_fields_only(world: World) -> None:
    free = customer(world, None, phone="13800138000", tags=["vip"])["id"]
    hers = customer(world, "alice", phone="13900139000")["id"]
    with world.read("alice") as unit:
        found = reading.read(unit, "customer", free)
        assert found["name"] == "of None"
        assert "owner" in found
        assert {"phone", "level", "tags", "signed"}.isdisjoint(found)
        assert reading.read(unit, "customer", hers)["phone"] == "13900139000"
        query, _ = parse_query(
            [("f.level.eq", "B")], unit.entity("customer"), unit.access("customer")
        )
        assert {row["id"] for row in reading.find(unit, query).rows} == {hers}
    with world.read("zoe") as unit:  # a role that the pool does not name is not limited
        assert reading.read(unit, "customer", free)["level"] == "B"


# --- masks ---------------------------------------------------------------------------------------
def test_a_masked_value_is_found_by_the_whole_of_it_only(world: World) -> None:
    one = customer(world, "alice", phone="13800138000")["id"]
    with world.read("zoe") as unit:
        entity, access = unit.entity("customer"), unit.access("customer")

        def found(*pairs: tuple[str, str]) -> Any:
            query, problems = parse_query(list(pairs), entity, access)
            return problems or [row["id"] for row in reading.find(unit, query).rows]

        assert found(("f.phone.eq", "13800138000")) == [one]
        assert found(("f.phone.eq", "13800138001")) == []
        for op in ("contains", "starts", "ne", "filled", "in"):
            assert found((f"f.phone.{op}", "138"))[0].code == "R101"
        assert found(("sort", "phone"))[0].code == "R101"
