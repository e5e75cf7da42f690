"""The rows of the outbox: added, claimed, settled.

A row waits (`next_try`), is done (`done_at`) or was given up (`dead_at`); a given-up row that was
discarded has both. Internal work is claimed by the lock of the transaction that does it. What goes
outside is claimed by a lease, because nothing is sent inside a transaction: a row whose worker
was killed comes back when the lease is over.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.problems import Problem
from engine.records.outbox.reasons import kept
from engine.records.unit import Unit
from engine.tables import system

MOST_ATTEMPTS: Final = 8
LEASE: Final = timedelta(seconds=60)
FIRST_PAUSE: Final = timedelta(seconds=15)  # four times as long with every failure
LONGEST_PAUSE: Final = timedelta(hours=6)
LONGEST_WAIT: Final = timedelta(hours=24)  # that a receiver may ask for

_TABLE = system.OUTBOX
_c = _TABLE.c


@dataclass(frozen=True, slots=True)
class Delivery:
    """What shall go outside. `key` is the same with every attempt: hand it on, so that the
    receiver can tell a repeat (Message-ID, Idempotency-Key)."""

    id: int
    key: str
    kind: str
    body: Mapping[str, Any] = field(repr=False)
    channel: str
    user: int | None
    instance: int | None
    attempts: int
    created_at: datetime
    lease: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """An attempt that came to nothing. `final`: there will be no other. `after`: not sooner."""

    reason: str
    final: bool = False
    after: timedelta | None = None


def post(
    unit: Unit,
    key: str,
    kind: str,
    body: Mapping[str, Any],
    *,
    channel: str = "",
    user: int | None = None,
    instance: int | None = None,
    at: datetime | None = None,
) -> None:
    """Have something done after this unit's commit, or at `at`: internal work (no `channel`) or a
    delivery. A key that is known already is the same row, whatever became of it."""
    insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
    values = {
        "id": unit.app.database.ids.next(unit.connection),
        "key": key,
        "kind": kind,
        "body": dict(body),
        "instance_id": instance,
        "created_at": unit.now,
        "next_try": at or unit.now,
        "channel": channel,
        "user_id": user,
    }
    unit.connection.execute(
        insert(_TABLE).values(values).on_conflict_do_nothing(index_elements=["key"])
    )
    unit.posted = True


# --- claiming ----------------------------------------------------------------------------------
def free(now: datetime) -> sa.ColumnElement[bool]:
    """Due, and nobody is at it."""
    rested = sa.or_(_c.lease_until.is_(None), _c.lease_until <= now)
    return sa.and_(_c.next_try <= now, rested)


def anything(unit: Unit, channel: str = "") -> bool:
    """Whether a row of the channel is due; a look without any lock."""
    wanted = sa.select(_c.id).where(_c.channel == channel, free(unit.now)).limit(1)
    return unit.connection.execute(wanted).first() is not None


def locked(unit: Unit, channel: str = "", without: Collection[int] = ()) -> Any:
    """The next due row of a channel, locked until the end of the transaction; None without one."""
    wanted = sa.select(_TABLE).where(_c.channel == channel, free(unit.now))
    if without:
        wanted = wanted.where(_c.id.not_in(without))
    wanted = wanted.order_by(_c.next_try, _c.id).limit(1).with_for_update(skip_locked=True)
    return unit.connection.execute(wanted).mappings().first()


def leased(unit: Unit, channel: str) -> Delivery | None:
    """The next due row of a channel, for the time of the lease."""
    row = locked(unit, channel)
    if row is None:
        return None
    until = unit.now + LEASE
    _update(unit, row["id"], lease_until=until)
    return Delivery(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        body=row["body"],
        channel=channel,
        user=row["user_id"],
        instance=row["instance_id"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        lease=until,
    )


def first() -> sa.Select[Any]:
    """When the first row of each channel that has any is due; "" is internal work."""
    later = sa.case((_c.lease_until > _c.next_try, _c.lease_until), else_=_c.next_try)
    return (
        sa.select(
            _c.channel.label("channel"), sa.func.min(later, type_=_c.next_try.type).label("due")
        )
        .where(_c.next_try.is_not(None))
        .group_by(_c.channel)
    )


# --- settling ----------------------------------------------------------------------------------
def mark_done(unit: Unit, id: int) -> None:
    """It was done, be it late; a row that was discarded meanwhile stays what it is."""
    unit.connection.execute(
        sa.update(_TABLE)
        .where(_c.id == id, _c.done_at.is_(None))
        .values(done_at=unit.now, dead_at=None, next_try=None, lease_until=None, error="")
    )


def mark_failed(
    unit: Unit, id: int, trouble: Trouble, *, lease: datetime | None = None
) -> bool | None:
    """An attempt failed: the row waits longer and longer, and is given up after
    `MOST_ATTEMPTS`. Whether it was given up; None when it is no longer ours (`lease`)."""
    where = [_c.id == id, _c.done_at.is_(None), _c.dead_at.is_(None)]
    if lease is not None:
        where.append(_c.lease_until == lease)
    locked_row = sa.select(_c.attempts).where(*where).with_for_update()
    attempts = unit.connection.scalar(locked_row)
    if attempts is None:
        return None
    attempts += 1
    dead = trouble.final or attempts >= MOST_ATTEMPTS
    wait = max(pause(attempts), min(trouble.after or timedelta(), LONGEST_WAIT))
    _update(
        unit,
        id,
        attempts=attempts,
        error=kept(trouble.reason),
        lease_until=None,
        next_try=None if dead else unit.now + wait,
        dead_at=unit.now if dead else None,
    )
    return dead


def mark_unknown(unit: Unit, id: int, problem: Problem) -> None:
    """Nobody here knows what to do with the row."""
    mark_failed(unit, id, Trouble(kept(problem), final=True))


def pause(attempts: int) -> timedelta:
    """How long to wait after so many failures, give or take a fifth, lest all come back at once."""
    wait: timedelta = min(FIRST_PAUSE * 4 ** min(attempts - 1, 12), LONGEST_PAUSE)
    return timedelta(seconds=wait.total_seconds() * random.uniform(0.8, 1.2))  # noqa: S311


def _update(unit: Unit, id: int, **values: Any) -> None:
    unit.connection.execute(
        sa.update(_TABLE)
        .where(_c.id == id, _c.done_at.is_(None), _c.dead_at.is_(None))
        .values(values)
    )


def clear_done(unit: Unit, before: datetime, most: int = 500) -> int:
    """Forget what was done or discarded before a moment; how many rows."""
    old = sa.select(_c.id).where(_c.done_at < before).limit(most)
    ids = list(unit.connection.scalars(old))
    if ids:
        unit.connection.execute(sa.delete(_TABLE).where(_c.id.in_(ids)))
    return len(ids)
