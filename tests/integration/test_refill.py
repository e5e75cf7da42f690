"""Stored formulas that are new or mean something else reach the records that are there."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.records_world import (
    CONTRACT,
    CUSTOMER,
    World,
    build,
    computed,
    sources,
)

from engine.definitions import build_model
from engine.fields import TYPES
from engine.lists import Query
from engine.packs import check_sources
from engine.records import writing
from engine.records.company import Company
from engine.records.failures import Busy
from engine.records.meaning import refills
from engine.records.publish import publish
from engine.records.reading import find
from engine.storage import Database
from engine.tables import system


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path / "files")


def with_fields(entity: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**entity, "properties": {**entity["properties"], **fields}}


def put(world: World, **entities: Any) -> None:
    publish(world.company, sources(**entities), "small", check=check_sources)


def history(world: World) -> int:
    with world.company.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(system.HISTORY)) or 0


def wanted(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, list[str]]]:
    models = [build_model(sources(**entities), "small", types=TYPES)[0] for entities in (old, new)]
    assert models[0] is not None
    assert models[1] is not None
    return [(r.entity.name, [f.name for f in r.fields]) for r in refills(models[0], models[1])]


def test_formula_lookup_and_roll_up_are_filled_without_a_trace(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", cost="10")
    item = [{"what": "a", "quantity": 2, "price": "1.25"}]
    contract = world.create("root", "contract", title="t", customer=made["id"], items=item)
    gone = world.create("root", "contract", title="gone", customer=made["id"], items=item)
    world.remove("root", "contract", gone)
    before, rows = world.get("root", "customer", made["id"]), history(world)
    put(
        world,
        customer=with_fields(
            CUSTOMER,
            double=computed("Double", "cost * 2"),
            twice=computed("Twice", "double * 2"),
            best=computed("Best", "max(contracts.amount)"),
        ),
        contract=with_fields(
            CONTRACT,
            customer_name=computed("Name", "customer.name", "text"),
            customer_best=computed("Best", "customer.best"),
        ),
    )
    found = world.get("root", "customer", made["id"])
    assert [str(found[name]) for name in ("double", "twice", "best")] == ["20.00", "40.00", "2.50"]
    deal = world.get("root", "contract", contract["id"])
    assert (deal["customer_name"], str(deal["customer_best"])) == ("恒泰信", "2.50")
    assert (found["version"], found["updated_at"]) == (before["version"], before["updated_at"])
    assert history(world) == rows
    with world.read("root") as unit:  # the search index follows: the new text was never in it
        page = find(unit, Query("contract", columns=("title",), text="恒泰"))
        assert [row["title"] for row in page.rows] == ["t"]
    world.change("root", "customer", before, cost="11")  # whoever had it open may still save it


def test_rows_are_filled(world: World) -> None:
    made = world.create("root", "customer", name="ab")
    items = [{"what": "a", "quantity": 2, "price": "1.25"}, {"what": "b", "price": "3"}]
    deal = world.create("root", "contract", title="t", customer=made["id"], items=items)
    changed = copy.deepcopy(CONTRACT)
    row = changed["properties"]["items"]["items"]["properties"]
    row["amount"] = computed("Amount", "quantity * price * 2")
    row["tax"] = computed("Tax", "round(price * 0.1, 2)")
    put(world, contract=changed)
    found = world.get("root", "contract", deal["id"])
    assert [(str(r["amount"]), str(r["tax"])) for r in found["items"]] == [
        ("5.00", "0.13"),
        ("6.00", "0.30"),
    ]
    assert str(found["amount"]) == "11.00"
    assert str(world.get("root", "customer", made["id"])["signed"]) == "11.00"


def test_a_formula_without_a_column_that_changed_reaches_those_that_look_at_it(
    world: World,
) -> None:
    formulas = {"rate": computed("Rate", "2", "integer", store=False)}
    formulas["worth"] = computed("Worth", "cost * rate")
    put(world, customer=with_fields(CUSTOMER, **formulas))
    made = world.create("root", "customer", name="ab", cost="10")
    assert str(made["worth"]) == "20.00"
    formulas["rate"] = computed("Rate", "3", "integer", store=False)
    put(world, customer=with_fields(CUSTOMER, **formulas))
    assert str(world.get("root", "customer", made["id"])["worth"]) == "30.00"


def test_a_failing_rule_does_not_stop_publishing(world: World) -> None:
    made = world.create("root", "customer", name="ab", cost="10")
    changed = with_fields(CUSTOMER, double=computed("Double", "cost * 2"))
    changed["x-rules"] = {**CUSTOMER["x-rules"], "small": {"assert": "double < 5"}}
    put(world, customer=changed)
    assert str(world.get("root", "customer", made["id"])["double"]) == "20.00"


def test_who_began_before_a_publish_begins_again(
    postgres_database: Database, tmp_path: Path
) -> None:
    """(On SQLite a publish waits for whoever writes.)"""
    world = build(postgres_database, tmp_path / "files")
    other = Company("small", postgres_database)
    changed = with_fields(CUSTOMER, double=computed("Double", "cost * 2"))

    def late() -> None:
        with world.write("root") as unit:
            publish(other, sources(customer=changed), "small", check=check_sources)
            writing.create(unit, "customer", {"name": "late", "cost": "10"})

    with pytest.raises(Busy):
        late()
    assert str(world.create("root", "customer", name="late", cost="10")["double"]) == "20.00"
    with world.read("root") as unit:
        assert len(find(unit, Query("customer", columns=("name",))).rows) == 1


def test_many_slices(world: World) -> None:
    with world.write("root") as unit:
        from engine.records.bulk import create_many

        create_many(unit, "customer", ({"name": f"n{i}", "cost": str(i)} for i in range(901)))
    put(world, customer=with_fields(CUSTOMER, double=computed("Double", "cost * 2")))
    place = world.company.current.tables.of("customer")
    with world.company.database.read() as connection:
        total = connection.scalar(sa.select(sa.func.sum(place.column("double"))))
        nothing = connection.scalar(
            sa.select(sa.func.count()).where(place.column("double").is_(None))
        )
    assert int(total or 0) in {901 * 900, 901 * 900 * 100}  # SQLite keeps hundredths
    assert nothing == 0


# --- what has to be computed again -------------------------------------------------------------
def test_only_what_means_something_else_is_computed_again() -> None:
    double = with_fields(CUSTOMER, double=computed("Double", "cost * 2"))
    assert wanted({}, {}) == []
    assert wanted({"customer": double}, {"customer": double}) == []
    assert wanted({}, {"customer": double}) == [("customer", ["double"])]
    titled = with_fields(CUSTOMER, double=computed("Twice the cost", "cost * 2"))
    assert wanted({"customer": double}, {"customer": titled}) == []
    live = with_fields(CUSTOMER, double=computed("Double", "cost * 2", store=False))
    assert wanted({"customer": double}, {"customer": live}) == []
    assert wanted({"customer": live}, {"customer": double}) == [("customer", ["double"])]


def test_a_relation_that_leads_elsewhere_counts() -> None:
    changed = copy.deepcopy(CONTRACT)
    changed["properties"]["customer"]["x-ref"]["inverse"] = "deals"
    changed["properties"]["payer"] = copy.deepcopy(CONTRACT["properties"]["customer"])
    assert wanted({}, {"contract": changed}) == [("customer", ["signed", "contract_count"])]
