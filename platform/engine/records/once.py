"""A form sent twice makes one record: the second time the first one's outcome is given back."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.records.unit import Unit
from engine.tables import system

_TABLE = system.REQUEST
KEPT: Final = timedelta(days=2)


def claim(unit: Unit, key: str, entity: str) -> int | None:
    """Begin what `key` stands for: None when it is new, else the record it has made already.

    Of two that run at once the second waits here for the first. Follow up with `settle`.
    """
    unit.connection.execute(sa.delete(_TABLE).where(_TABLE.c.at < unit.now - KEPT))
    insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
    fresh = unit.connection.execute(
        insert(_TABLE)
        .values(key=_own(unit, key), entity=entity, record_id=0, at=unit.now)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(_TABLE.c.key)
    )
    if fresh.first() is not None:
        return None
    made = sa.select(_TABLE.c.record_id).where(_TABLE.c.key == _own(unit, key))
    return int(unit.connection.scalar(made) or 0)


def settle(unit: Unit, key: str, id: int) -> None:
    """Keep what the key has made, in the transaction that made it."""
    mine = _TABLE.c.key == _own(unit, key)
    unit.connection.execute(sa.update(_TABLE).where(mine).values(record_id=id))


def _own(unit: Unit, key: str) -> str:
    """Nobody can claim another's key."""
    return f"{unit.actor.id}:{key[:100]}"
