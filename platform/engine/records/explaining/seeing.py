"""A company as somebody sees it: what he may do with which records, and how many they are.

Nothing here shows more than the asking person may see himself: what lies above his own clearance
is neither shown nor counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.access import Action, EntityAccess, Level
from engine.accounts.security_log import log_event
from engine.definitions.model import Entity, Field
from engine.problems import Problem
from engine.records.actor import Actor
from engine.records.explaining.explaining import Question, matter_of
from engine.records.explaining.matter import ACTIONS, found
from engine.records.explaining.reasons import Telling
from engine.records.explaining.subject import Subject
from engine.records.explaining.wording import Wording
from engine.records.reading import read
from engine.records.unit import Unit
from engine.records.views import Masked, row_filter, shown_rows, unit_env

Extent = Literal["all", "some", "none"]
_INNER: Final = ("mask", "pool", "state", "rule", "system", "field")  # what is one field's own


@dataclass(frozen=True, slots=True)
class Sight:
    """One entity as the person sees it: what he may do with all, some or none of its records, and
    how many he sees of how many."""

    entity: Entity
    actions: Mapping[Action, Extent]
    rows: int
    of: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a record as the person sees it. `rule` is what decides."""

    field: Field
    level: Level
    value: Any
    shown: bool  # whether there is a value to show
    rule: Problem | None
    write: Problem | None  # why he may not change it, None when he may


def sights(unit: Unit, subject: Subject) -> list[Sight]:
    """Every entity that the person or anybody may know of, in the order of the definitions."""
    person = replace(unit, actor=subject.actor)
    told = []
    for entity in unit.app.model.entities.values():
        access = person.access(entity.name)
        actions: dict[Action, Extent] = {
            action: "all" if access[action].always else "some" if access.may(action) else "none"
            for action in ACTIONS
        }
        rows, of = _rows(unit, person, entity)
        told.append(Sight(entity, actions, 0 if subject.closed else rows, of))
    return told


def _rows(unit: Unit, person: Unit, entity: Entity) -> tuple[int, int]:
    """How many records the person sees of those that the asking person sees."""
    mine = unit.app.names(entity.name, unit_env(unit), plain=True)
    his = unit.app.names(entity.name, unit_env(person), plain=True)
    seen = row_filter(mine, unit.access(entity.name)["read"])
    also = row_filter(his, person.access(entity.name)["read"])
    counted = sa.func.sum(sa.case((also, 1), else_=0))
    living = mine.place.removed_at.is_(None)
    statement = sa.select(counted, sa.func.count()).select_from(mine.table).where(living, seen)
    row = unit.connection.execute(statement).one()
    return int(row[0] or 0), int(row[1])


def cells(unit: Unit, subject: Subject, entity: str, id: int) -> list[Cell]:
    """The fields of a record, cell by cell. Raises: NotFound."""
    matter = matter_of(unit, subject, Question(entity, "read", id))
    wording = Wording.of(matter)
    access = unit.access(entity)
    person = replace(unit, actor=subject.actor)
    row = found(matter)
    his: Mapping[str, Any] = {}
    if row.allowed:
        his = read(person, entity, id, removed=matter.removed)
    told = []
    for name, field in matter.entity.fields.items():
        if field.system or not access.shown(name):
            continue
        asked = replace(matter, field=name)
        reading = found(asked)
        changing = replace(asked, action="write")
        writing = found(changing)
        level = Level.WRITE if writing.allowed and reading.allowed else reading.level
        rule = _rule(Telling(asked, wording, reading), allows=reading.allowed)
        why = None if writing.allowed else _rule(Telling(changing, wording, writing), allows=False)
        own = wording.seen or {}
        both = name in his and name in own
        value = _common(field, his[name], own[name], access) if both else None
        told.append(Cell(field, level, value, both, rule, why))
    return told


def _common(field: Field, his: Any, own: Any, access: EntityAccess) -> Any:
    """What of the person's value the asking person may see himself: behind a mask of his own he
    sees no more."""
    if isinstance(own, Masked):
        return own
    cell = access.fields[field.name]
    return shown_rows(field, his, cell) if cell.columns and isinstance(his, list) else his


def _rule(telling: Telling, *, allows: bool) -> Problem | None:
    """What decides about this field in particular; None where it is what decides about the record
    as a whole, which is told once."""
    reasons = [one for one in telling.reasons() if one.allows == allows and one.kind in _INNER]
    if allows:
        reasons = [one for one in reasons if one.problem.params.get("rule")]
    reasons.sort(key=lambda one: _INNER.index(one.kind))
    return reasons[0].problem if reasons else None


def note_view(unit: Unit, subject: Actor, question: Question | None) -> None:
    """Write down that somebody looked at the rights of somebody else."""
    asker = unit.actor
    if asker.id == subject.id and not asker.system:
        return
    about = (question.entity, question.record) if question else ("", None)
    details: dict[str, Any] = {"login": subject.login, "person": subject.id}
    if question and question.entity:
        details |= {"action": question.action, "field": question.field}
    log_event(
        unit.connection,
        unit.now,
        "rights.viewed",
        user=asker.id or None,
        address=unit.address,
        about=about,
        details=details,
    )
