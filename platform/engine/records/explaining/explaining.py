"""The use case: why may somebody do something, or why not, and what would change that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.access import Level, full_access
from engine.definitions.model import Entity
from engine.problems import Problem
from engine.records.explaining.answer import Explanation
from engine.records.explaining.events import EventMatter
from engine.records.explaining.matter import ACTIONS, ASPECTS, Matter, found
from engine.records.explaining.reasons import VERBS, Telling
from engine.records.explaining.remedies import remedies
from engine.records.explaining.subject import Subject, subject_of
from engine.records.explaining.wording import Wording, title_of
from engine.records.failures import Forbidden, NotFound
from engine.records.flows.cases import case_of
from engine.records.flows.words import event_title
from engine.records.reading import visible
from engine.records.unit import Unit

BEYOND_IDS: Final = 2**53


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `action` is one of `ACTIONS`, "reveal" or an event of the workflow ("submit",
    "task.approve"); `record` None is the list as a whole, or a new record."""

    entity: str
    action: str = "read"
    record: int | None = None
    field: str = ""


def explain(
    unit: Unit, user: int, entity: str, record: int | None, action: str, field: str | None = None
) -> Explanation:
    """Whether the user may do it, why, and the smallest changes that would allow it.

    Administrators ask about everybody, everybody else about himself. The answer knows only what
    the asking person may know: a record that does not exist for him is not explained.

    Raises: Forbidden, NotFound.
    """
    question = Question(entity, action, record, field or "")
    matter = matter_of(unit, subject_for(unit, user), question)
    wording = Wording.of(matter)
    head = Problem("G140", _head(matter, wording))
    if action not in ACTIONS and action != "reveal":
        if matter.record is None:
            raise NotFound
        return _answered(EventMatter(matter, wording, action).explanation(head))
    told = found(matter)
    reasons = tuple(Telling(matter, wording, told).reasons())
    less = () if told.allowed else tuple(remedies(matter, wording, told))
    return _answered(
        Explanation(
            told.allowed,
            head,
            reasons,
            less,
            conditional=told.allowed and _conditional(matter),
            level=told.level,
        )
    )


def subject_for(unit: Unit, user: int) -> Subject:
    """The person asked about, for somebody who may ask.

    Raises: Forbidden, NotFound.
    """
    if user == unit.actor.id and not unit.actor.system:
        return Subject(unit.actor)
    if not unit.administers:
        raise Forbidden("read")
    found = subject_of(unit.connection, user, unit.app.model) if 0 < user < BEYOND_IDS else None
    if found is None:
        raise NotFound
    return found


def matter_of(unit: Unit, subject: Subject, question: Question) -> Matter:
    """The question with its facts, as far as the asking person may know of them.

    Raises: NotFound for an entity, a field or a record that is not there for who asks.
    """
    definition = _entity(unit, question.entity)
    name = question.field.partition(".")[0]
    if question.field:
        _check_field(unit, definition, question)
    elif question.action == "reveal":
        raise NotFound
    if question.record is None:
        return Matter(
            unit, subject.actor, definition, question.action, question.field, closed=subject.closed
        )
    record = _record(unit, definition, question.record)
    case = None if "removed_at" in record else case_of(unit, definition, record)
    assert not name or name in definition.fields
    return Matter(
        unit=unit,
        actor=subject.actor,
        entity=definition,
        action=question.action,
        field=question.field,
        record=record,
        closed=subject.closed,
        case=case,
    )


def _entity(unit: Unit, name: str) -> Entity:
    if unit.actor.system or unit.administers:
        found = unit.app.model.entities.get(name)
        if found is None:
            raise NotFound
        return found
    return unit.entity(name)


def _check_field(unit: Unit, entity: Entity, question: Question) -> None:
    """A field that the asking person may not know of is not there."""
    name, _, column = question.field.partition(".")
    field = entity.fields.get(name)
    if field is None or question.action not in ASPECTS:
        raise NotFound
    if not unit.access(entity.name).shown(name):
        raise NotFound
    if column:
        cell = unit.access(entity.name).fields[name].columns.get(column)
        if field.rows is None or column not in field.rows.fields:
            raise NotFound
        if cell is not None and cell.level is Level.HIDDEN:
            raise NotFound


def _record(unit: Unit, entity: Entity, id: int) -> dict[str, Any]:
    if not 0 < id < BEYOND_IDS:
        raise NotFound
    seen = unit.actor.system or any(
        visible(unit, entity.name, [id], removed=removed) for removed in (False, True)
    )
    found = unit.app.reader.load(unit.connection, entity.name, id, removed=True) if seen else None
    if found is None:
        raise NotFound
    return found


# --- the sentence above it -----------------------------------------------------------------------
def _head(matter: Matter, wording: Wording) -> dict[str, Any]:
    case = matter.case
    entity = matter.entity
    if matter.action not in VERBS:
        event = event_title(case.chart, matter.action) if case else {"": matter.action}
        return {"who": wording.who, "event": event, "entity": entity.title}
    verb = VERBS[matter.action]
    what = entity.title if matter.record is not None or matter.action == "create" else entity.plural
    return {
        "who": wording.who,
        "action": verb,
        "entity": what or entity.title,
        "field": title_of(entity, matter.field) if matter.field else {},
    }


def _answered(explanation: Explanation) -> Explanation:
    """The head says yes, no, or it depends."""
    event = "event" in explanation.head.params
    code = ("G144" if event else "G140") if explanation.allowed else "G145" if event else "G141"
    if explanation.conditional:
        code = "G142"
    elif not explanation.allowed and explanation.level is Level.MASKED:
        code = "G143"
    head = Problem(code, explanation.head.params)
    return Explanation(
        explanation.allowed,
        head,
        explanation.reasons,
        explanation.remedies,
        explanation.conditional,
        explanation.level,
    )


def _conditional(matter: Matter) -> bool:
    """Without a record: whether it depends on the record."""
    if matter.record is not None:
        return False
    access = matter.unit.app.access(matter.entity.name, matter.actor)
    if matter.actor.system:
        access = full_access(matter.entity)
    action = "read" if matter.action == "reveal" else matter.action
    allowed = access[action]  # type: ignore[index]
    if not allowed.always:
        return True
    if not matter.field:
        return False
    cell = access.fields[matter.field.partition(".")[0]]
    return not getattr(cell, ASPECTS[matter.action]).always
