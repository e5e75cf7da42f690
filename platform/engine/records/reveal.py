"""Uncovering a masked value: allowed by `x-access.<role>.reveal`, written down each time, and only
so often a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.access import Allowed
from engine.accounts.attempts import hold
from engine.accounts.security_log import log_event
from engine.definitions.model import Entity
from engine.problems import Problem
from engine.records.accesses import note_access
from engine.records.evaluation import Relations
from engine.records.failures import Conflict, Forbidden, NotFound
from engine.records.intake import holds
from engine.records.reading import read
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.tables.system import ACCESS, SETTING

A_DAY: Final = 200
MOST: Final = 100_000
_SETTING: Final = "privacy.reveals_a_day"


def reveal(unit: Unit, entity: str, id: int, field: str) -> Any:
    """The value behind a mask, in Python form. In a unit that writes: that it was seen is part of
    the same transaction.

    Raises: NotFound for what the actor may not even see masked, Forbidden without the right,
    Conflict beyond the day's limit.
    """
    definition = unit.entity(entity)
    record = read(unit, entity, id, told=False)
    if field not in definition.fields or field not in record:
        raise NotFound
    value = record[field]
    if isinstance(value, Masked):
        whole = unit.app.reader.load(unit.connection, entity, id)
        if whole is None or not _may(unit, definition, whole, field):
            raise Forbidden("reveal", entity=definition.title)
        _within_limit(unit)
        value = whole.get(field)
    note_access(unit, "reveal", entity, id, [field])
    return value


def revealable(unit: Unit, entity: str, record: dict[str, Any]) -> frozenset[str]:
    """The masked fields of a record, as it was read, that the actor may uncover."""
    access = unit.access(entity)
    wanted = [
        name
        for name, value in record.items()
        if isinstance(value, Masked) and access.fields[name].reveal.ever
    ]
    if not wanted:
        return frozenset()
    whole = unit.app.reader.load(unit.connection, entity, record["id"])
    definition = unit.app.model.entities[entity]
    found = (name for name in wanted if whole and _may(unit, definition, whole, name))
    return frozenset(found)


def _may(unit: Unit, entity: Entity, whole: dict[str, Any], field: str) -> bool:
    allowed: Allowed = unit.access(entity.name).fields[field].reveal
    return holds(unit, entity, allowed, Relations(unit).env(whole))


# --- how often -----------------------------------------------------------------------------------
def reveals_a_day(unit: Unit) -> int:
    """How many values one person may uncover a day."""
    found = unit.connection.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == _SETTING))
    return A_DAY if found is None else int(found)


def set_reveals_a_day(unit: Unit, number: int) -> None:
    """Change the limit. Raises: Forbidden for anybody but administrators, Conflict for nonsense."""
    if not unit.administers:
        raise Forbidden("write")
    if not 0 <= number <= MOST:
        raise Conflict([Problem("Y021", {"most": MOST}, "/reveals")])
    same = SETTING.c.key == _SETTING
    met = unit.connection.execute(sa.update(SETTING).where(same).values(value=number))
    if not met.rowcount:
        unit.connection.execute(sa.insert(SETTING).values(key=_SETTING, value=number))
    told = {"reveals": number}
    log_event(unit.connection, unit.now, "privacy.limit", user=unit.actor.id, details=told)


def _within_limit(unit: Unit) -> None:
    hold(unit.connection, f"reveal {unit.actor.id}")  # of those at the same moment each counts
    start = unit.now.astimezone(unit.company_zone).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    done = unit.connection.scalar(
        sa.select(sa.func.count()).where(
            ACCESS.c.user_id == unit.actor.id,
            ACCESS.c.action == "reveal",
            ACCESS.c.at >= start,
            ACCESS.c.at < start + timedelta(days=1),
        )
    )
    most = reveals_a_day(unit)
    if int(done or 0) >= most:
        raise Conflict([Problem("Y020", {"most": most})])
