"""What an actor may not see must not show anywhere: two companies that differ in nothing else
give the same answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.records_world import World, build

from engine.lists import parse_query
from engine.records import effects, history, reading, related, writing
from engine.records.failures import Failure, Invalid
from engine.storage import Database

QUERIES = [
    "",
    "size=20&sort=name",
    "sort=-phone,name",
    "sort=phone",
    "q=秘密",
    "q=138",
    "q=恒泰",
    "f.phone.contains=138",
    "f.phone.filled=1",
    'where={"not":[["phone","filled"]]}',
    "f.signed.gt=10",
    "f.name.contains=密",
    "f.parent.empty=1",
    "cols=name,parent,phone,cost",
    "sort=cost",
    "f.cost.gt=100",
]


def company(database: Database, folder: Path, secret: dict[str, Any]) -> World:
    """Alice's records and bob's; what she may not see is `secret`."""
    world = build(database, folder)
    alice, bob = world.actors["alice"].id, world.actors["bob"].id
    hidden = world.create(
        "root", "customer", name=secret["name"], phone=secret["phone"], owner=bob, level="A"
    )
    world.create("root", "note", body="to bob", customer=hidden["id"])
    for at, owner in enumerate((alice, alice, None)):
        world.create(
            "root",
            "customer",
            name=f"恒泰{at}",
            owner=owner,
            cost=secret["cost"],
            phone=secret["phone"] if owner is None else "13800138000",
            parent=hidden["id"],
        )
    for at in range(secret["more"]):
        world.create("root", "customer", name=f"秘密{at}", owner=bob)
    return world


def answers(world: World) -> list[str]:
    """Everything alice can ask, as text without times and numbers of the rows' making."""
    found: list[str] = []
    with world.read("alice") as unit:
        for entity in ("customer", "note", "project", "contract"):
            definition, access = unit.entity(entity), unit.access(entity)
            for args in QUERIES:
                query, problems = parse_query(args, definition, access)
                page = reading.find(unit, query)
                found.append(repr((args, problems, page.rows, sorted(page.names.labels.items()))))
                found.append(repr(reading.count(unit, query)))
                for row in page.rows:
                    found.append(repr(reading.read(unit, entity, row["id"])))
                    found.append(repr(history.history(unit, entity, row["id"])))
                    found.append(repr(effects.outlook(unit, entity, row["id"], row).shown))
                    relations = related.relations_of(unit, entity, row["id"])
                    found += [repr(reading.find(unit, each.query)) for each in relations]
        found.append(repr(attempt(lambda: reading.read(unit, "customer", 5))))
    return [re.sub(r"datetime\([^)]*\)|file='[^']*'", "…", each) for each in found]


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Failure as failure:
        return type(failure), failure.problems


def test_two_companies_look_alike(
    sqlite_database: Database, tmp_path: Path, postgres_database: Database
) -> None:
    other = Database.sqlite(tmp_path / "other.db")
    one = company(
        sqlite_database, tmp_path, {"name": "甲方", "phone": "13811111111", "cost": "1", "more": 0}
    )
    two = company(
        other, tmp_path, {"name": "秘密公司", "phone": "13922222222", "cost": "999", "more": 3}
    )
    three = company(
        postgres_database,
        tmp_path,
        {"name": "秘密公司", "phone": "13922222222", "cost": "999", "more": 3},
    )
    said = [answers(each) for each in (one, two, three)]
    other.close()
    for first, second, third in zip(*said, strict=True):
        assert first == second
        assert second == third  # nor does the database make a difference


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path)


def test_hidden_columns_of_rows_survive_their_writers(world: World) -> None:
    customer = world.create("root", "customer", name="恒泰", owner=world.actors["alice"].id)
    rows = [{"what": "a", "quantity": 2, "price": "1.50", "paid": "0.70"}]
    made = world.create(
        "root",
        "contract",
        title="t",
        customer=customer["id"],
        items=rows,
        owner=world.actors["alice"].id,
    )
    seen = world.get("alice", "contract", made["id"])
    (row,) = seen["items"]
    assert "paid" not in row
    changed = world.change(
        "alice", "contract", seen, items=[{**row, "quantity": 3}, {"what": "b", "price": "1"}]
    )
    assert [each["amount"] for each in changed["items"]] == [Decimal("4.50"), Decimal("1.00")]
    assert [each["paid"] for each in world.get("root", "contract", made["id"])["items"]] == [
        Decimal("0.70"),
        None,
    ]
    with world.read("alice") as unit:
        entries = history.history(unit, "contract", made["id"])
    values = [repr((c.old, c.new)) for entry in entries for c in entry.changes]
    assert any("quantity" in each for each in values)
    assert not any("paid" in each for each in values)
    for column, code in (("paid", "R201"), ("amount", "R202")):
        with pytest.raises(Invalid) as refused:
            world.change("alice", "contract", changed, items=[{"what": "c", column: "7"}])
        assert [(p.code, p.pointer) for p in refused.value.problems] == [
            (code, f"/items/0/{column}")
        ]


def test_paging_tells_nothing_of_hidden_cells(world: World) -> None:
    """A cursor repeats the sort keys of a row: not those its reader may not see."""
    for at in range(25):
        world.create("root", "customer", name=f"n{at:02}", phone=f"138{at:08}")
    with world.read("alice") as unit:
        query, _ = parse_query(
            "sort=phone&size=20", unit.entity("customer"), unit.access("customer")
        )
        page = reading.find(unit, query)
        assert page.after is not None
        assert page.after.values == (None,)
        rest = reading.find(unit, replace(query, after=page.after))
    assert len(rest.rows) == 5


def test_defaults_are_made_for_whoever_asks(world: World) -> None:
    with world.read("alice") as unit:
        begun = writing.defaults(unit, unit.entity("contract"))
    assert begun["owner"] == world.actors["alice"].id
