"""Who saw sensitive values in the clear: fields marked as `logged`, and values that were revealed.

Whatever shows records notes what it shows on its unit of work; when the answer is made and before
it is sent, the notes are written. What cannot be written down is not answered. The same person
seeing the same fields of the same record again within an hour is not written twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.records.unit import Seen, Unit
from engine.tables.system import ACCESS

AGAIN: Final = timedelta(hours=1)
_REMEMBERED: Final = 50_000  # notes of a process: beyond that all are forgotten
_KINDS_OF_ONE: Final = frozenset({"reveal", "report"})  # each time counts


def note_access(
    unit: Unit,
    action: str,
    entity: str,
    record: int | None,
    fields: Iterable[str],
    count: int = 1,
) -> None:
    """Note that the actor gets to see `fields` of a record (None: of `count` records together)."""
    names = frozenset(fields)
    if names and unit.actor.id and not unit.actor.system:
        key: Seen = (action, entity, record, names)
        unit.seen[key] = max(count, unit.seen.get(key, 0))


def note_records(
    unit: Unit, action: str, entity: str, logged: Sequence[str], records: Iterable[dict[str, Any]]
) -> None:
    """The same for rows as they are shown: a value that is missing or masked was not seen."""
    for record in records:
        seen = [name for name in logged if in_the_clear(record, name)]
        note_access(unit, action, entity, record.get("id"), seen)


def in_the_clear(record: dict[str, Any], path: str) -> bool:
    """Whether a row holds the value of a field (or of a column of rows: "contacts.email")."""
    name, _, column = path.partition(".")
    value = record.get(name)
    if column:
        return any(in_the_clear(row, column) for row in value or () if isinstance(row, dict))
    return value not in (None, "", []) and not getattr(value, "is_mask", False)


class Recent:
    """What was written within the last hour by this process, so that looking again costs nothing.
    Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[tuple[int, str, int | None, str], datetime] = {}

    def fresh(self, user: int, seen: Iterable[Seen], now: datetime) -> list[Seen]:
        """What is still to be written."""
        return [one for one in seen if one[0] in _KINDS_OF_ONE or not self._known(user, one, now)]

    def _known(self, user: int, seen: Seen, now: datetime) -> bool:
        _, entity, record, names = seen
        at = [self._at.get((user, entity, record, name)) for name in names]
        return all(one is not None and now - one < AGAIN for one in at)

    def keep(self, user: int, seen: Iterable[Seen], now: datetime) -> None:
        """Remember what is written now."""
        with self._lock:
            if len(self._at) > _REMEMBERED:
                self._at.clear()
            for _, entity, record, names in seen:
                for name in names:
                    self._at[user, entity, record, name] = now


def write_accesses(unit: Unit, connection: sa.Connection, wanted: Sequence[Seen]) -> None:
    """Write what was not written within the last hour, by whatever process."""
    rows = [
        {
            "at": unit.now,
            "user_id": unit.actor.id,
            "action": action,
            "entity": entity,
            "record_id": record,
            "fields": sorted(names),
            "count": unit.seen[action, entity, record, names],
            "source": unit.source,
            "address": unit.address[:100],
        }
        for action, entity, record, names in _unwritten(unit, connection, wanted)
    ]
    if rows:
        ids = unit.app.database.ids.take(connection, len(rows))
        connection.execute(
            sa.insert(ACCESS), [{"id": id, **row} for id, row in zip(ids, rows, strict=True)]
        )


def _unwritten(unit: Unit, connection: sa.Connection, wanted: Sequence[Seen]) -> list[Seen]:
    lately = (ACCESS.c.user_id == unit.actor.id, ACCESS.c.at > unit.now - AGAIN)
    entities = {entity for _, entity, _, _ in wanted}
    rows = connection.execute(
        sa.select(ACCESS.c.entity, ACCESS.c.record_id, ACCESS.c.fields).where(
            *lately, ACCESS.c.entity.in_(entities)
        )
    )
    known = {(row.entity, row.record_id, name) for row in rows for name in row.fields}
    return [
        (action, entity, record, names)
        for action, entity, record, names in wanted
        if action in _KINDS_OF_ONE or any((entity, record, name) not in known for name in names)
    ]
