"""Text search on both databases: short Chinese words, exactness, changes, permissions."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import sqlalchemy as sa
from tests.models import entity, field, model

from engine.fields.registry import bind
from engine.storage import Database
from engine.tables import EntityTable, apply, build_tables, plan
from engine.tables.search import index, index_many, match, rebuild, unindex

NAMES = {
    1: "上海恒泰信息技术有限公司",
    2: "北京麒麟软件",
    3: "泰信息恒",
    4: "ABC Trading 50%",
    5: "abc-trading_504",
    6: "𠮷野家 Größe",
    7: None,
}
MODEL = model(
    entity("customer", field("name"), field("memo", "longtext"), field("size", "integer"))
)


@pytest.fixture
def customer(database: Database) -> EntityTable:
    first = plan(None, None, MODEL, bind)
    tables = build_tables(MODEL, first.layout, bind)
    table = tables.of("customer")
    assert table.search
    with database.write() as connection:
        apply(connection, first, tables)
        for id, name in NAMES.items():
            row = {"name": name, "memo": f"秘密{id}"}
            values = {table.column(key).name: value for key, value in row.items()}
            connection.execute(table.table.insert(), {"id": id, "version": 1, **values})
            index(connection, table.search, id, row)
    return table


def found(
    database: Database, table: EntityTable, term: str, fields: Collection[str] | None = None
) -> list[int]:
    assert table.search
    with database.read() as connection:
        statement = sa.select(table.id).where(match(table.search, term, fields)).order_by(table.id)
        return [row[0] for row in connection.execute(statement)]


@pytest.mark.parametrize(
    ("term", "ids"),
    [
        ("恒泰", [1]),
        ("麒麟", [2]),
        ("泰信息", [1, 3]),
        ("麟", [2]),
        ("公司", [1]),
        ("恒泰 公司", [1]),
        ("恒泰 北京", []),
        ("不存在的", []),
        ("abc", [4, 5]),
        ("ABC trading", [4, 5]),
        ("c-t", [5]),
        ("50%", [4]),
        ("_", [5]),
        ("𠮷野", [6]),
        ("Größe", [6]),
        ("' OR 1=1 --", []),
        ('" AND "', []),
        ("NEAR(a b)", []),
        ("", [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_terms(database: Database, customer: EntityTable, term: str, ids: list[int]) -> None:
    assert found(database, customer, term) == ids


def test_hidden_fields_are_not_found(database: Database, customer: EntityTable) -> None:
    assert found(database, customer, "秘密2") == [2]
    assert found(database, customer, "秘密2", {"name"}) == []
    assert found(database, customer, "秘密2", ()) == []


def test_changes_are_found_and_old_texts_forgotten(
    database: Database, customer: EntityTable
) -> None:
    assert customer.search
    with database.write() as connection:
        name = customer.column("name").name
        connection.execute(customer.table.update().where(customer.id == 2).values({name: "银河"}))
        index(connection, customer.search, 2, {"name": "银河", "memo": None})
        unindex(connection, customer.search, 1)
    assert found(database, customer, "银河") == [2]
    assert found(database, customer, "麒麟") == []
    assert found(database, customer, "恒泰") == []
    with database.write() as connection:
        rebuild(connection, customer.search)
        index_many(connection, customer.search, [])
    assert found(database, customer, "恒泰") == [1]
    assert found(database, customer, "秘密2") == [2]


def test_the_index_is_used(database: Database, customer: EntityTable) -> None:
    """Without the pairs nothing is found, so the pairs were asked."""
    assert customer.search
    with database.write() as connection:
        for id in NAMES:
            unindex(connection, customer.search, id)
    assert found(database, customer, "恒泰") == []
    assert found(database, customer, "恒") == [1, 3]  # too short for pairs


def test_the_index_goes_and_comes_with_its_fields(
    database: Database, customer: EntityTable
) -> None:
    first = plan(None, None, MODEL, bind)
    plain = model(entity("customer", field("size", "integer")))
    second = plan(first.layout, MODEL, plain, bind)
    assert [one.kind for one in second.operations] == [
        "retire_column",
        "retire_column",
        "drop_search",
    ]
    third = plan(second.layout, plain, MODEL, bind)
    assert [one.kind for one in third.operations] == [
        "restore_column",
        "restore_column",
        "create_search",
    ]
    for step, target in ((second, plain), (third, MODEL)):
        tables = build_tables(target, step.layout, bind)
        with database.write() as connection:
            apply(connection, step, tables)
    assert found(database, tables.of("customer"), "恒泰") == [1]


def test_a_field_that_becomes_searchable_is_indexed(database: Database) -> None:
    first_model = model(entity("thing", field("name"), field("kind", "choice")))
    first = plan(None, None, first_model, bind)
    tables = build_tables(first_model, first.layout, bind)
    with database.write() as connection:
        apply(connection, first, tables)
        table = tables.of("thing")
        values = {table.column("kind").name: "特别", "id": 1, "version": 1}
        connection.execute(table.table.insert(), values)
    new = model(entity("thing", field("name"), field("kind")))
    second = plan(first.layout, first_model, new, bind)
    assert [one.kind for one in second.operations] == ["retype_column", "rebuild_search"]
    tables = build_tables(new, second.layout, bind)
    with database.write() as connection:
        apply(connection, second, tables)
    assert found(database, tables.of("thing"), "特别") == [1]
