"""Timers that are due: reminders, escalations, decisions by the clock.

Each is a step like any other, in a transaction of its own that also holds the timer's row: several
workers take different ones, and one that is killed leaves nothing half. The instance's body says
whether a timer still stands, so it fires once however many look for it; after a downtime it is one
timer that is late, not one for each interval that was missed.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.company import Company
from engine.records.failures import Busy, Conflict
from engine.records.flows import store
from engine.records.flows.cases import Situation, env_of
from engine.records.flows.steps import take
from engine.records.outbox.reasons import kept, trail
from engine.records.unit import SYSTEM, Unit
from engine.storage import StorageError
from engine.tables import system
from engine.workflow import Event, Timer

log = logging.getLogger(__name__)

PAUSE: Final = timedelta(minutes=5)  # before a timer that failed is tried again, and longer later
LONGEST_PAUSE: Final = timedelta(days=1)
_TIMER, _INSTANCE = system.WF_TIMER, system.WF_INSTANCE
_c = _TIMER.c


def run_due(company: Company, now: datetime, *, seconds: float = 60) -> int:
    """Fire the timers that are due at `now`, for so many seconds at most; how many fired. One that
    fails waits for its next try with the reason in its row, and does not keep the others."""
    with company.unit(SYSTEM, now=now, source="job") as unit:
        if unit.connection.execute(_due(now, ())).first() is None:
            return 0
    fired, end = 0, time.monotonic() + seconds
    passed: set[int] = set()  # somebody is at work on their records: later
    while time.monotonic() <= end:
        found = _next(company, now, passed)
        if found is None:
            break
        fired += found
    return fired


def first() -> tuple[sa.Select[str, Any], sa.Select[str, Any]]:
    """When the next timer is to be looked at: those that wait for their hour, and the few that
    failed and wait for another try. Each is one step in an index."""
    kind = _c.due.type
    waits = sa.select(sa.literal("", sa.Text()), sa.func.min(_c.due, type_=kind))
    rests = sa.select(sa.literal("", sa.Text()), sa.func.min(_c.lease_until, type_=kind))
    return waits.where(_c.lease_until.is_(None)), rests.where(_c.lease_until.is_not(None))


def _due(now: datetime, without: Collection[int]) -> sa.Select[Any]:
    """The first of the due timers, without those that failed a moment ago."""
    rested = sa.or_(_c.lease_until.is_(None), _c.lease_until <= now)
    wanted = sa.select(_c.id, _c.instance_id, _c.name).where(_c.due <= now, rested)
    if without:
        wanted = wanted.where(_c.id.not_in(without))
    return wanted.order_by(_c.due, _c.id).limit(1)


def _next(company: Company, now: datetime, passed: set[int]) -> bool | None:
    """See to one timer, whether it fired; None when there is none."""
    timer = None
    try:
        with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
            locked = _due(now, passed).with_for_update(skip_locked=True)
            timer = unit.connection.execute(locked).first()
            if timer is None:
                return None
            fired = _fire(unit, timer)
        if fired is None:
            passed.add(timer.id)
        return bool(fired)
    except StorageError:
        raise  # the database has a trouble of its own: no fault of the timer
    except Busy:
        if timer is None:
            raise
        passed.add(timer.id)  # somebody else was faster there: the next round comes soon enough
        return False
    except Exception as error:
        if timer is None:
            raise
        where = (company.key, timer.name, timer.instance_id)
        log.warning("company %s: timer %s of case %s: %s", *where, trail(error))
        _failed(company, now, timer, kept(error))
        return False


def _fire(unit: Unit, timer: Any) -> bool | None:
    """One timer; False when it does not stand any more, None when somebody is at work on its
    record."""
    at = sa.select(_INSTANCE).where(_INSTANCE.c.id == timer.instance_id)
    place = unit.connection.execute(at).mappings().one()
    entity = unit.app.model.entities.get(place["entity"])
    if entity is None:
        params = {"workflow": place["workflow"], "entity": place["entity"]}
        raise Conflict([Problem("Q107", params)])
    # the record first, as everybody does; the case as it is once the record is ours
    if not _lock(unit, entity.name, place["record_id"]):
        return None
    record = unit.app.reader.load(unit.connection, entity.name, place["record_id"])
    row = unit.connection.execute(at.with_for_update()).mappings().one()
    case = store.stored(unit, dict(row))
    stands = None if record is None else _standing(case, timer.name)
    if record is None or stands is None or stands.due > unit.now:
        _correct(unit, timer.id, stands)
        return False
    found = Situation(entity, record, case, env_of(unit, entity, record, case))
    take(unit, found, Event(timer.name, source="timer"))
    return True


def _standing(case: store.Stored, name: str) -> Timer | None:
    """The timer as the case has it; None when the case has not."""
    if case.instance.done:
        return None
    return next((one for one in case.instance.timers if one.name == name), None)


def _correct(unit: Unit, id: int, stands: Timer | None) -> None:
    """The row says something else than its case: the case is right."""
    if stands is None:
        unit.connection.execute(sa.delete(_TIMER).where(_c.id == id))
    else:
        unit.connection.execute(sa.update(_TIMER).where(_c.id == id).values(due=stands.due))


def _lock(unit: Unit, entity: str, id: int) -> bool:
    """The record's row for ourselves, without waiting: the next round comes soon enough."""
    if unit.app.database.kind == "sqlite":
        return True  # nobody else writes
    place = unit.app.tables.of(entity)
    found = sa.select(place.id).where(place.id == id)
    if unit.connection.execute(found.with_for_update(skip_locked=True)).first() is not None:
        return True
    return unit.connection.execute(found).first() is None  # not locked but gone


def _failed(company: Company, now: datetime, timer: Any, why: str) -> None:
    with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
        same = _c.id == timer.id
        attempts = unit.connection.scalar(sa.select(_c.attempts).where(same).with_for_update())
        if attempts is None:
            return
        pause = min(PAUSE * 2 ** min(attempts, 12), LONGEST_PAUSE)
        wait = timedelta(seconds=pause.total_seconds() * random.uniform(1, 1.2))  # noqa: S311
        unit.connection.execute(
            sa.update(_TIMER)
            .where(same)
            .values(attempts=attempts + 1, error=why, lease_until=now + wait)
        )
