"""Numbers the system gives out, in the transaction of the record that gets them.

The counter's row is locked until the end of that transaction: nobody gets a number twice, and a
record that is not saved leaves no gap.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Entity
from engine.fields import bind
from engine.fields.codes import AutoNumberType
from engine.records.unit import Unit
from engine.tables import system


def number(unit: Unit, entity: Entity, record: MutableMapping[str, Any]) -> None:
    """Fill the automatic numbers of a new record."""
    kinds: list[AutoNumberType] = unit.app.kept(("numbers", entity.name), lambda: _numbered(entity))
    for kind in kinds:
        name, numbering, zone = kind.field.name, kind.numbering, unit.company_zone
        if not record.get(name):
            key = f"{entity.name}.{name}:{numbering.counter(unit.now, zone)}"
            record[name] = numbering.text(unit.now, take(unit, key), zone)


def _numbered(entity: Entity) -> list[AutoNumberType]:
    kinds = [bind(field) for field in entity.fields.values()]
    return [kind for kind in kinds if isinstance(kind, AutoNumberType)]


def take(unit: Unit, key: str, count: int = 1) -> int:
    """The next number of a counter; with `count`, the last of as many."""
    table = system.COUNTER
    insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert

    def build() -> sa.Executable:
        step = sa.bindparam("count", type_=table.c.value.type)
        return (
            insert(table)
            .values(key=sa.bindparam("key", type_=sa.Text()), value=step)
            .on_conflict_do_update(index_elements=["key"], set_={"value": table.c.value + step})
            .returning(table.c.value)
        )

    statement = unit.app.statement(("counter",), build)
    return int(statement.scalar(unit.connection, {"key": key, "count": count}))
