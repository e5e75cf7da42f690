"""A17.5 What must hold stands in the database itself: it refuses what a mistake of ours would let
through."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.security.world import World

from engine.tables import system

REFUSED: Final = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.OperationalError)


def physical(world: World) -> tuple[Any, str | None]:
    """The inspector of a company's database and where its tables are."""
    database = world.served.company("t1").database
    with database.read() as connection:
        schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
        return sa.inspect(connection.engine), schema


def test_a17_5_every_reference_is_a_foreign_key(tried: World) -> None:
    inspector, schema = physical(tried)
    app = tried.served.company("t1").current
    for entity in app.model.entities.values():
        table = app.tables.of(entity.name)
        keys = {
            one["constrained_columns"][0]
            for one in inspector.get_foreign_keys(table.table.name, schema=schema)
        }
        for field in entity.fields.values():
            if field.type in ("ref", "user", "department") and not field.compute:
                assert table.column(field.name).name in keys, (entity.name, field.name)


def test_a17_5_what_must_be_there_is_not_null(tried: World) -> None:
    inspector, schema = physical(tried)
    app = tried.served.company("t1").current
    for entity in app.model.entities.values():
        table = app.tables.of(entity.name)
        columns = {one["name"]: one for one in inspector.get_columns(table.table.name, schema)}
        for name in ("id", "version"):
            assert not columns[name]["nullable"], (entity.name, name)
    for own in system.METADATA.sorted_tables:
        columns = {one["name"]: one for one in inspector.get_columns(own.name, schema)}
        for column in own.columns:
            assert bool(columns[column.name]["nullable"]) == bool(column.nullable), column
        wanted = len({fk.parent.name for fk in own.foreign_keys})
        assert len(inspector.get_foreign_keys(own.name, schema=schema)) >= wanted, own.name


def test_a17_5_the_database_itself_refuses(tried: World) -> None:
    """Past all of our code, with plain statements."""
    company = tried.served.company("t1")
    app = company.current
    customer, contact = app.tables.of("customer"), app.tables.of("contact")
    c1, c2, t1 = (tried.id(one) for one in ("customer-c1", "customer-c2", "contact-t1"))
    wrong = [
        sa.update(contact.table)
        .values({contact.column("customer").name: 999_999_998})
        .where(contact.id == t1),
        sa.update(customer.table).values(version=None).where(customer.id == c1),
        sa.delete(customer.table).where(customer.id == c1),
        sa.update(customer.table)
        .values({customer.column("owner").name: 999_999_998})
        .where(customer.id == c1),
        sa.insert(system.USER_ROLE).values(user_id=999_999_998, role="admin"),
        sa.update(system.USER).values(login="admin").where(system.USER.c.login == "alice"),
        sa.update(customer.table)
        .values(
            {
                customer.column("id_card_no").name: sa.select(customer.column("id_card_no"))
                .where(customer.id == c2)
                .scalar_subquery()
            }
        )
        .where(customer.id == c1),
    ]
    for statement in wrong:
        with pytest.raises(REFUSED), company.database.write() as connection:
            connection.execute(statement)


def test_a17_5_every_connection_keeps_to_it(still: World) -> None:
    """SQLite asks for it connection by connection."""
    database = still.served.company("t1").database
    for opened in (database.read, database.write):
        with opened() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
