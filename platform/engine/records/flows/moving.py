"""Tasks of a person move to others: because his account is closed, or his work is handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Failure, NotFound
from engine.records.flows import steps
from engine.records.flows.cases import Situation, situation
from engine.records.flows.words import worded_problem
from engine.records.unit import SYSTEM, Unit
from engine.tables import system
from engine.workflow import Event, Outcome
from engine.workflow.reassign import EVENT, reassign, stand_in

_TASK, _CANDIDATE, _INSTANCE = system.WF_TASK, system.WF_CANDIDATE, system.WF_INSTANCE
_PENDING: Final = ("open", "waiting")
CLOSED: Final[Mapping[str, str]] = {"zh-CN": "账号已停用", "en": "account closed"}


@dataclass(frozen=True, slots=True)
class Stuck:
    """A case that could not be moved, and why."""

    entity: str
    record: int
    problems: Sequence[Problem]


@dataclass(slots=True)
class Moved:
    """What moving came to: tasks that have somebody else now (or fell away), cases that have
    another starter, and cases where it did not work."""

    tasks: int = 0
    cases: int = 0
    stuck: list[Stuck] = field(default_factory=list)


def waiting(connection: sa.Connection, user: int) -> list[tuple[str, int]]:
    """The records with tasks that wait for a person, now or when their turn comes: in the one
    order in which everybody locks."""
    pool = sa.select(_CANDIDATE.c.task_id).where(_CANDIDATE.c.user_id == user)
    mine = sa.or_(
        _TASK.c.assignee_id == user,
        sa.and_(_TASK.c.assignee_id.is_(None), _TASK.c.id.in_(pool)),
    )
    rows = connection.execute(
        sa.select(_TASK.c.entity, _TASK.c.record_id)
        .where(_TASK.c.status.in_(_PENDING), mine)
        .distinct()
        .order_by(_TASK.c.entity, _TASK.c.record_id)
    )
    return [(row.entity, row.record_id) for row in rows]


def begun(connection: sa.Connection, user: int) -> list[tuple[str, int]]:
    """The records with running cases that a person started."""
    rows = connection.execute(
        sa.select(_INSTANCE.c.entity, _INSTANCE.c.record_id)
        .where(_INSTANCE.c.starter_id == user, _INSTANCE.c.done_at.is_(None))
        .order_by(_INSTANCE.c.entity, _INSTANCE.c.record_id)
    )
    return [(row.entity, row.record_id) for row in rows]


def move_tasks(unit: Unit, user: int, to: int | None, reason: str) -> Moved:
    """Let everything that waits for `user` wait for `to`; for None, for whom the rules say."""

    def move(found: Situation) -> Outcome:
        case = found.case
        return reassign(case.chart, case.instance, user, to, found.env, reason=reason)

    return _moved(unit, waiting(unit.connection, user), move, reason)


def lend_tasks(unit: Unit, user: int, agent: int, reason: str) -> Moved:
    """Let `agent` decide for `user` what waits for him now. What the agent may not take stays."""

    def move(found: Situation) -> Outcome:
        case = found.case
        return stand_in(case.chart, case.instance, user, agent, found.env, reason=reason)

    return _moved(unit, waiting(unit.connection, user), move, reason)


def move_cases(unit: Unit, user: int, to: int, reason: str) -> Moved:
    """Make `to` the starter of the running cases of `user`: what is sent back reaches him. A case
    in which `to` has a say keeps its starter, and is told as stuck."""

    def move(found: Situation) -> Outcome:
        case = found.case
        env = found.env
        outcome = reassign(
            case.chart, case.instance, user, to, env, reason=reason, tasks=False, starter=True
        )
        kept = not outcome.events and not outcome.problems
        return replace(outcome, problems=(Problem("H138"),)) if kept else outcome

    return _moved(unit, begun(unit.connection, user), move, reason)


def account_closed(unit: Unit, user: int) -> Moved:
    """What waits for somebody whose account was closed finds others, in the platform's name."""
    platform = replace(unit, actor=SYSTEM)
    moved = move_tasks(platform, user, None, " · ".join(CLOSED.values()))
    unit.posted = unit.posted or platform.posted
    return moved


def _moved(
    unit: Unit,
    places: Sequence[tuple[str, int]],
    move: Callable[[Situation], Outcome],
    reason: str,
) -> Moved:
    """Every case by itself: one that does not let itself be moved does not hold up the others."""
    moved = Moved()
    for entity, record in places:
        if entity not in unit.app.model.entities:
            continue
        try:
            found = situation(unit, entity, record, lock=True, known=True)
        except NotFound:
            continue  # in the recycle bin: its case stands still
        if found is None or not found.case.id:
            continue
        try:
            with unit.connection.begin_nested():
                _write(unit, found, move(found), reason, moved)
        except Failure as failure:
            moved.stuck.append(Stuck(entity, record, failure.problems))
    return moved


def _write(unit: Unit, found: Situation, outcome: Outcome, reason: str, moved: Moved) -> None:
    case = found.case
    if outcome.problems:
        told = [worded_problem(unit, case.chart, found.entity, one) for one in outcome.problems]
        moved.stuck.append(Stuck(found.entity.name, found.record["id"], told))
        return
    if not outcome.events:
        return
    steps.written(unit, found, outcome, Event(EVENT, {"comment": reason}, source="system"))
    moved.tasks += sum(row.type == EVENT for row in outcome.events)
    starter = outcome.instance.starter
    if starter != case.instance.starter:
        moved.cases += 1
        change = sa.update(_INSTANCE).where(_INSTANCE.c.id == case.id)
        unit.connection.execute(change.values(starter_id=starter))
