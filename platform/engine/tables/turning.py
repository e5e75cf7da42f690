"""Moving the values of a column to where they are encrypted, and back."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from engine.fields import bind
from engine.storage import Keyring, StorageError, overwriting
from engine.storage.keys import VARIABLE
from engine.tables.plan import Operation
from engine.tables.sealed import Sealed, place_of

BATCH: Final = 500


def shadow_of(table: str, column: str, kind: sa.types.TypeEngine[Any]) -> sa.Table:
    """A table as far as one of its columns goes."""
    id = sa.Column("id", sa.BigInteger(), primary_key=True)
    return sa.Table(table, sa.MetaData(), id, sa.Column(column, kind))


def turn(connection: sa.Connection, table: sa.Table, operation: Operation, keys: Keyring) -> int:
    """Fill the new column from the old one and empty that; how many values were moved.

    On SQLite what was freed is overwritten, so that no plain text stays in the file's free pages.
    Raises: StorageError without a key to seal or open with.
    """
    assert operation.field is not None
    kind = bind(operation.field)
    plain = kind.column_type()
    sealed = operation.kind == "seal_column"
    if sealed and not keys:
        raise StorageError("Y002", variable=VARIABLE)
    was = plain if sealed else Sealed(kind, keys, place_of(table.name, operation.source))
    now = table.c[operation.column]
    shadow = shadow_of(table.name, operation.source, was)
    old = shadow.c[operation.source]
    fill = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("at_"))
        .values({now: sa.bindparam("v_", type_=now.type)})
    )
    with overwriting(connection):
        moved = _moved(connection, old, fill)
        connection.execute(sa.update(shadow).values({old: None}))
    return moved


def _moved(connection: sa.Connection, old: sa.Column[Any], fill: sa.Update) -> int:
    id = old.table.c.id
    moved = last = 0
    while rows := connection.execute(
        sa.select(id, old).where(old.is_not(None), id > last).order_by(id).limit(BATCH)
    ).all():
        connection.execute(fill, [{"at_": id, "v_": value} for id, value in rows])
        moved, last = moved + len(rows), rows[-1][0]
    return moved
