"""Timers that are due: reminders, escalations, decisions by the clock.

Each is a step like any other, in a transaction of its own. The instance's body says whether a
timer still stands, so it fires once however many runners look for it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import text
from engine.records import flow_store
from engine.records.company import Company
from engine.records.failures import Failure
from engine.records.flow_cases import Situation, env_of
from engine.records.flows import take
from engine.records.unit import SYSTEM, Unit
from engine.tables import system
from engine.workflow import Event

log = logging.getLogger(__name__)
MOST: Final = 200  # timers in one go
PAUSE: Final = timedelta(minutes=5)  # before a timer that failed is tried again, and longer later
_TIMER = system.WF_TIMER


def run_due(company: Company, now: datetime) -> int:
    """Fire the timers that are due at `now`; how many fired. One that fails waits for its next
    try with the reason in its row, and does not keep the others."""
    with company.unit(SYSTEM, now=now, source="job") as unit:
        due = _due(unit)
    fired = 0
    for timer in due:
        try:
            with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
                fired += _fire(unit, timer)
        except Failure as failure:
            _failed(company, now, timer, text(failure.problems[0], "en"))
        except Exception as error:
            log.exception("timer %s of case %s", timer.name, timer.instance_id)
            _failed(company, now, timer, f"{type(error).__name__}: {error}")
    return fired


def _due(unit: Unit) -> list[Any]:
    """The due timers, oldest first, without those that failed a moment ago."""
    rested = sa.or_(_TIMER.c.lease_until.is_(None), _TIMER.c.lease_until <= unit.now)
    wanted = (
        sa.select(_TIMER.c.id, _TIMER.c.instance_id, _TIMER.c.name)
        .where(_TIMER.c.due <= unit.now, rested)
        .order_by(_TIMER.c.due, _TIMER.c.id)
        .limit(MOST)
    )
    return list(unit.connection.execute(wanted))


def _fire(unit: Unit, timer: Any) -> bool:
    """One timer; False when it is gone, or when somebody is at work on its record."""
    table = system.WF_INSTANCE
    where = sa.select(table.c.entity, table.c.record_id).where(table.c.id == timer.instance_id)
    row = unit.connection.execute(where).one()
    entity = unit.app.model.entities.get(row.entity)
    if entity is None or not _lock(unit, row.entity, row.record_id):
        return False
    record = unit.app.reader.load(unit.connection, row.entity, row.record_id)
    case = flow_store.latest(unit, row.entity, row.record_id, lock=True)
    if record is None or case is None or case.id != timer.instance_id:
        return False
    if not any(one.name == timer.name and one.due <= unit.now for one in case.instance.timers):
        return False
    found = Situation(entity, record, case, env_of(unit, entity, record, case))
    take(unit, found, Event(timer.name, source="timer"))
    return True


def _lock(unit: Unit, entity: str, id: int) -> bool:
    """The record's row for ourselves, without waiting: the next round comes soon enough."""
    if unit.app.database.kind == "sqlite":
        return True  # nobody else writes
    place = unit.app.tables.of(entity)
    row = sa.select(place.id).where(place.id == id).with_for_update(skip_locked=True)
    return unit.connection.execute(row).first() is not None


def _failed(company: Company, now: datetime, timer: Any, why: str) -> None:
    with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
        same = _TIMER.c.id == timer.id
        attempts = unit.connection.scalar(sa.select(_TIMER.c.attempts).where(same)) or 0
        pause = PAUSE * 2 ** min(attempts, 8)
        unit.connection.execute(
            sa.update(_TIMER)
            .where(same)
            .values(attempts=attempts + 1, error=why[:500], lease_until=now + pause)
        )
