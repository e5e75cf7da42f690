"""The brake on guessing: attempts are counted in the database, so that all processes share it.

What counts is noted before it is tried: of a hundred guesses at the same moment no more than the
limit gets through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from engine.storage import Ids
from engine.tables.system import ATTEMPT

WINDOW: Final = timedelta(minutes=15)
KEPT: Final = timedelta(days=2)
_LONGEST: Final = 200  # characters of a key


@dataclass(frozen=True, slots=True)
class Brake:
    """`most` attempts of a kind within `window`, for each key."""

    kind: str
    most: int
    window: timedelta = WINDOW


def allowed(connection: sa.Connection, now: datetime, brake: Brake, key: str | int) -> bool:
    """Whether one more attempt is within the limit; notes nothing."""
    return counted(connection, now, brake, key) < brake.most


def counted(connection: sa.Connection, now: datetime, brake: Brake, key: str | int) -> int:
    """How many attempts there were within the window."""
    mine = (ATTEMPT.c.kind == brake.kind, ATTEMPT.c.key == _kept(key))
    found = sa.select(sa.func.count()).where(*mine, ATTEMPT.c.at > now - brake.window)
    return int(connection.execute(found).scalar_one())


def note(connection: sa.Connection, ids: Ids, now: datetime, brake: Brake, key: str | int) -> None:
    """Count an attempt, in a transaction that writes."""
    values = {"kind": brake.kind, "key": _kept(key), "at": now}
    connection.execute(ATTEMPT.insert().values(id=ids.next(connection), **values))


def take(connection: sa.Connection, ids: Ids, now: datetime, brake: Brake, key: str | int) -> bool:
    """Count an attempt if there is one left, and say whether there was: of those who ask at the
    same moment each sees the others."""
    hold(connection, f"{brake.kind} {key}")
    if not allowed(connection, now, brake, key):
        return False
    note(connection, ids, now, brake, key)
    return True


def forget(connection: sa.Connection, brake: Brake, key: str | int) -> None:
    """Begin counting anew: it was the right person."""
    mine = sa.and_(ATTEMPT.c.kind == brake.kind, ATTEMPT.c.key == _kept(key))
    connection.execute(ATTEMPT.delete().where(mine))


def hold(connection: sa.Connection, name: str) -> None:
    """Let nobody else count the same until this transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        number = sa.func.hashtextextended(name, 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _kept(key: str | int) -> str:
    return str(key)[:_LONGEST]
