"""The security log: logins, refusals, changes of rights; a chain in which nothing can be altered.

Each row carries the hash of the row before it and of its own content. Whoever changes or removes a
row in the database breaks the chain at that place, and `broken_at` says where. Values of records
and secrets are never in it: names, numbers and codes only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.tables.system import SECURITY

_LOCK: Final = 0x646F7567  # one writer at a time on PostgreSQL; on SQLite there is only one
_BEYOND: Final = 2**63  # a number in an address that no record can have
_LONGEST: Final = 300  # characters of a text that came from outside
_KEPT: Final = ("id", "kind", "user_id", "address", "agent", "entity", "record_id", "details")


def log_event(
    connection: sa.Connection,
    now: datetime,
    kind: str,
    *,
    user: int | None = None,
    address: str = "",
    agent: str = "",
    about: tuple[str, int | None] = ("", None),
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an event in the transaction of `connection`: it stands or falls with what it tells.

    `kind` is "<area>.<what>", such as "login.failed"; `about` an entity and a record of it. Texts
    are cut to 300 characters and lose their control characters, so that nobody forges a line.
    """
    told = [(about, details or {})]
    log_events(connection, now, kind, told, user=user, address=address, agent=agent)


def log_events(
    connection: sa.Connection,
    now: datetime,
    kind: str,
    told: Sequence[tuple[tuple[str, int | None], Mapping[str, Any]]],
    *,
    user: int | None = None,
    address: str = "",
    agent: str = "",
) -> None:
    """Append several events of one kind and origin, each with what it is about and its details."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    newest = sa.select(SECURITY.c.id, SECURITY.c.hash).order_by(SECURITY.c.id.desc()).limit(1)
    last, previous = next(iter(connection.execute(newest)), (0, ""))
    rows = []
    for number, ((entity, record), details) in enumerate(told, last + 1):
        row: dict[str, Any] = {
            "id": number,
            "at": now,
            "kind": kind,
            "user_id": user,
            "address": plain(address),
            "agent": plain(agent),
            "entity": plain(entity),
            "record_id": record if record is None or 0 <= record < _BEYOND else None,
            "details": {key: _told(value) for key, value in details.items()},
            "previous": previous,
        }
        previous = row["hash"] = _hash(row)
        rows.append(row)
    if rows:
        connection.execute(SECURITY.insert(), rows)


def broken_at(connection: sa.Connection, after: int | None = None) -> int | None:
    """The id of the first row that does not follow from the one before it; None for a sound chain.
    Rows removed from the beginning (kept no longer) do not break it. `after`: only the rows that
    follow this one are looked at."""
    previous: str | None = None
    rows = sa.select(SECURITY).order_by(SECURITY.c.id)
    if after is not None:
        rows = rows.where(SECURITY.c.id > after)
    for row in connection.execute(rows).mappings():
        if previous is not None and row["previous"] != previous:
            return int(row["id"])
        if row["hash"] != _hash(dict(row)):
            return int(row["id"])
        previous = row["hash"]
    return None


def plain(text: str) -> str:
    """A text from outside as it may stand in a log: short, and on one line."""
    return "".join(char if char.isprintable() else "�" for char in text[:_LONGEST])


def _told(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(one) for one in (sorted(value) if isinstance(value, set) else value)]
    return value if value is None or isinstance(value, bool | int) else plain(str(value))


def _hash(row: Mapping[str, Any]) -> str:
    at = row["at"].astimezone(UTC).isoformat(timespec="microseconds")
    said = [row["previous"], at, *(row[name] for name in _KEPT)]
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
