"""Who gains or loses which rows and fields by a publish: counted before, and nothing applies until
somebody has said that he saw it."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import records_world as small
from tests.integration.records_world import CUSTOMER, World, build, sources

from engine.definitions.model import Model
from engine.packs import check_sources
from engine.problems import text
from engine.records.explaining.counting import STATEMENTS
from engine.records.explaining.difference import Diff, permission_diff
from engine.records.failures import Conflict
from engine.records.publish import WHATEVER, plan_publish, publish
from engine.storage import Database
from engine.tables.system import SECURITY


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """Three customers of alice, two of erin, one of nobody."""
    found = build(database, tmp_path / "files")
    for owner, count in (("alice", 3), ("erin", 2), (None, 1)):
        me = found.actors[owner].id if owner else None
        for number in range(count):
            found.create("@system", "customer", name=f"{owner} {number}", owner=me, level="B")
    return found


def rights(**changes: Any) -> dict[str, Any]:
    """The customer with other grants."""
    changed = deepcopy(CUSTOMER)
    changed["x-access"] |= changes
    return changed


def model(**entities: Any) -> Model:
    found, problems = check_sources(sources(**entities), "small")
    assert found is not None, problems
    return found


def told(world: World, **entities: Any) -> list[str]:
    return permission_diff(world.company, model(**entities)).sentences("en")


def test_nothing_about_rights_is_nothing_to_acknowledge(world: World) -> None:
    new = deepcopy(CUSTOMER)
    new["properties"]["size"] = {"type": ["string", "null"], "title": "Size"}
    assert permission_diff(world.company, model(customer=new)) == Diff()
    publish(world.company, sources(customer=new), "small", check=check_sources)


def test_rows_are_counted_for_each_person(world: World) -> None:
    """Sellers saw their own and nobody's; now they see all: bob gains more than alice."""
    sales = {**CUSTOMER["x-access"]["sales"], "read": True}
    assert told(world, customer=rights(sales=sales)) == [
        "+ 3 people (Alice, Bob, Erin) can see 2–5 more Customer.",
    ]


def test_what_is_lost_is_told_too(world: World) -> None:
    manager = {"read": "owner == me", "write": True, "create": False}
    assert told(world, customer=rights(manager=manager)) == [
        "- 1 person (Carol) can no longer see 3 Customer.",
        "- 1 person (Carol) can no longer change 3 Customer.",
        "- 1 person (Carol) can no longer create Customer.",
        "- 1 person (Carol) can no longer remove 3 Customer.",
        "- 1 person (Carol) can no longer export 3 Customer.",
    ]


def test_fields_gained_and_lost(world: World) -> None:
    changed = deepcopy(CUSTOMER)
    changed["properties"]["phone"]["x-access"] = {"auditor": {"read": True}}
    changed["properties"]["cost"]["x-access"]["auditor"] = {"read": False}
    assert told(world, customer=changed) == [
        "+ 4 people (Alice, Bob, Erin, Zoe) can now see Phone of Customer (1–6 records).",
        "- 1 person (Zoe) can no longer see Cost of Customer (6 records).",
    ]


def test_a_name_that_the_tables_do_not_have_is_not_guessed(world: World) -> None:
    changed = rights(auditor={"read": "size == 'big'"})
    changed["properties"]["size"] = {"type": ["string", "null"], "title": "Size"}
    found = permission_diff(world.company, model(customer=changed))
    assert [line.sign for line in found.lines if line.action == "read" and not line.fields] == ["-"]
    remarks = [text(one, "en") for one in found.remarks]
    assert remarks[0] == (
        "Cannot be counted before publishing: Customer; the rule names Size, which the tables do "
        "not have yet."
    )
    assert not found.empty


def test_nothing_is_published_before_it_was_seen(world: World) -> None:
    sales = {**CUSTOMER["x-access"]["sales"], "read": True}
    changed = sources(customer=rights(sales=sales))
    before = world.digest()
    with pytest.raises(Conflict) as refused:
        publish(world.company, changed, "small", world.actors["root"], check=check_sources)
    assert refused.value.code == "G220"
    assert "Alice, Bob, Erin" in text(refused.value.problems[0], "en")
    assert world.digest() == before
    plan = plan_publish(world.company, changed, "small", check=check_sources)
    publish(
        world.company,
        changed,
        "small",
        world.actors["root"],
        check=check_sources,
        acknowledged=plan.rights.hash,
    )
    with world.company.database.read() as connection:
        (event,) = connection.execute(
            sa.select(SECURITY).where(SECURITY.c.kind == "publish.rights")
        ).mappings()
    assert event["user_id"] == world.actors["root"].id
    assert event["details"]["hash"] == plan.rights.hash
    # the same acknowledgement is not good for another change
    with pytest.raises(Conflict):
        publish(
            world.company, sources(), "small", check=check_sources, acknowledged=plan.rights.hash
        )


def test_a_role_taken_from_the_definitions_takes_its_rights(world: World) -> None:
    pack = {**small.PACK, "roles": {k: v for k, v in small.PACK["roles"].items() if k != "auditor"}}  # type: ignore[attr-defined]
    entities = {}
    for name in ("customer", "contract", "note", "project"):
        body = deepcopy(getattr(small, name.upper()))
        body["x-access"].pop("auditor")
        for field in body["properties"].values():
            field.get("x-access", {}).pop("auditor", None)
        entities[name] = body
    files = sources(**entities) | {"entity_defs/small/pack.json": json.dumps(pack)}
    new, problems = check_sources(files, "small")
    assert new is not None, problems
    lines = permission_diff(world.company, new).lines
    assert {line.names for line in lines} == {("Zoe",)}
    assert {line.sign for line in lines} <= {"-", "~"}


def test_counting_has_an_end_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.records.explaining.counting.STATEMENTS", 1)
    sales = {**CUSTOMER["x-access"]["sales"], "read": True}
    found = permission_diff(world.company, model(customer=rights(sales=sales)))
    assert [one.code for one in found.remarks] == ["G212"]
    assert not found.empty
    assert STATEMENTS > 100


def test_whatever_is_for_programs(world: World) -> None:
    sales = {**CUSTOMER["x-access"]["sales"], "read": True}
    changed = sources(customer=rights(sales=sales))
    publish(world.company, changed, "small", check=check_sources, acknowledged=WHATEVER)


def test_twenty_people_and_ten_thousand_rows_take_less_than_two_seconds(
    sqlite_database: Database, tmp_path: Path
) -> None:
    world = build(sqlite_database, tmp_path / "files")
    place = world.company.current.tables.of("customer")
    people = [one.id for one in world.actors.values()]
    columns = {name: place.columns[name].name for name in ("name", "level", "owner")}
    rows = [
        {
            "id": 10_000 + number,
            "version": 1,
            columns["name"]: "n",
            columns["level"]: "B",
            columns["owner"]: people[number % 6],
        }
        for number in range(10_000)
    ]
    with world.company.database.write() as connection:
        connection.execute(sa.insert(place.table), rows)
    sales = {**CUSTOMER["x-access"]["sales"], "read": "department_tree"}
    begun = time.perf_counter()
    found = permission_diff(world.company, model(customer=rights(sales=sales)))
    assert not found.empty
    assert time.perf_counter() - begun < 2
