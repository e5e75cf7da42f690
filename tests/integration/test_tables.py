"""What the tables of a model offer to those who query them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.models import entity, field, lines, model

from engine.definitions.model import Computation, Workflow
from engine.fields.registry import bind
from engine.storage import Database
from engine.storage.types import MAX_ID
from engine.tables import apply, build_tables, plan

FLOW = Workflow("approval", 1, "deal", "stage", {}, {}, "")
MODEL = model(
    entity("customer", field("name"), index=(("name",),), sort=("name", "-id")),
    entity(
        "deal",
        field("title"),
        field("stage", "choice"),
        field("customer", "ref", to="customer"),
        field("owner", "user"),
        field("amount", "money"),
        field("double", "money", compute=Computation("amount * 2", store=False)),
        field("kept", "money", compute=Computation("amount * 2")),
        field("team", "users"),
        lines("items", field("what"), field("from", "ref", to="customer"), owner="deal"),
        sort=("-amount",),
    ),
    flows=(FLOW,),
)
LAYOUT = plan(None, None, MODEL, bind).layout
TABLES = build_tables(MODEL, LAYOUT, bind)


def test_columns_by_the_names_of_the_definitions() -> None:
    deal = TABLES.of("deal")
    assert deal.column("title").name == "f1_title"
    assert deal.column("id") is deal.id
    assert deal.column("version") is deal.version
    assert "kept" in deal.columns
    for name in ("double", "team", "items", "nothing"):
        with pytest.raises(KeyError):
            deal.column(name)
    assert TABLES.of("deal.items") is deal.lines["items"]
    assert deal.lines["items"].parent_id.references(deal.id)
    assert set(deal.links["team"].c.keys()) == {"left_id", "right_id", "position"}
    assert deal.search is not None


def test_indexes_follow_the_model() -> None:
    names = {table.table.name: name for name, table in TABLES.entities.items()}
    listed = {
        (names[index.table.name], tuple(index.columns.keys()))
        for entity_table in TABLES.entities.values()
        for index in entity_table.table.indexes
        if index.table is not None
    }
    assert listed == {
        ("customer", ("f1_name", "id")),  # the sort order covers the index asked for
        ("deal", ("f2_stage", "id")),
        ("deal", ("f5_amount", "id")),
        ("deal", ("f3_customer",)),
        ("deal", ("f4_owner",)),
        ("deal.items", ("parent_id", "position")),
        ("deal.items", ("f2_from",)),
    }


def test_all_names_are_short_ascii_and_used_once() -> None:
    names = [table.name for table in TABLES.metadata.tables.values()]
    for table in TABLES.metadata.tables.values():
        names += [str(index.name) for index in table.indexes]
        names += [str(key.name) for key in table.foreign_key_constraints]
        names += [column.name for column in table.columns if len(column.name) > 50]
    assert len(names) == len(set(names))
    assert all(name.isascii() and len(name) < 50 for name in names)


def test_ids_stay_in_the_range_that_browsers_read(database: Database) -> None:
    with database.write() as connection:
        apply(connection, plan(None, None, MODEL, bind), TABLES)
        connection.execute(TABLES.of("customer").table.insert(), {"id": MAX_ID, "version": 1})
    for id in (0, MAX_ID + 1):
        with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
            connection.execute(TABLES.of("customer").table.insert(), {"id": id, "version": 1})


def test_rows_go_with_the_record_they_belong_to(database: Database) -> None:
    deal = TABLES.of("deal")
    items = deal.lines["items"]
    with database.write() as connection:
        apply(connection, plan(None, None, MODEL, bind), TABLES)
        connection.execute(deal.table.insert(), {"id": 1, "version": 1})
        connection.execute(items.table.insert(), {"id": 2, "parent_id": 1, "position": 0})
        connection.execute(deal.table.delete())
        assert connection.execute(sa.select(items.id)).all() == []
