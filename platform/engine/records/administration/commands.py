"""What administrators do with a single case: put it elsewhere, end it, wake it up, help it on.

Each command has a reason, is one line of the case's log (and those it sets off), and is told to
the people concerned. Nobody else may do it, at whatever door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.fields import USER
from engine.problems import Problem
from engine.records import flows
from engine.records.administration.differences import places, title_of
from engine.records.company import Company
from engine.records.evaluation import Relations
from engine.records.failures import Conflict, Failure, Invalid, NotFound
from engine.records.flows import store
from engine.records.flows.cases import Situation, env_of
from engine.records.flows.creations import carried_out
from engine.records.flows.env import BEYOND_IDS
from engine.records.flows.words import NotAllowed, refusal
from engine.records.labels import names_of
from engine.records.storing import Saving, store_change
from engine.records.unit import SYSTEM, Actor, Unit
from engine.tables import system
from engine.workflow import Chart, Effect, Event, EventRow, Outcome, Task, administer

Command = Literal["jump", "terminate", "wake_up"]
TOLD: Final[Mapping[str, str]] = {
    "jump": "case_moved",
    "terminate": "case_terminated",
    "wake_up": "case_woken",
    "reassign": "task_reassigned",
    "retry": "case_retried",
}
LONGEST: Final = 2_000  # characters of a reason
_INSTANCE, _TIMER, _OUTBOX = system.WF_INSTANCE, system.WF_TIMER, system.OUTBOX
_TASK, _USER = system.WF_TASK, system.USER


# --- who may, and why --------------------------------------------------------------------------
def only_administrators(unit: Unit) -> None:
    """Refuse everybody else. Raises: NotAllowed."""
    if not unit.administers:
        raise NotAllowed([Problem("C140")])


def reason_of(given: str) -> str:
    """The reason, as it is kept. Raises: Invalid when there is none."""
    reason = given.strip()[:LONGEST]
    if not reason or "\x00" in reason:
        raise Invalid([Problem("C141", pointer="/reason")])
    return reason


# --- finding -----------------------------------------------------------------------------------
def located(unit: Unit, id: int, *, lock: bool = False) -> Situation:
    """A case by its number with its record, whoever may read that. Whoever locks gets the record
    first and the case second, as everybody does.

    Raises: NotFound.
    """
    wait = lock and unit.app.database.kind != "sqlite"
    if not 0 < id < BEYOND_IDS:
        raise NotFound
    wanted = sa.select(_INSTANCE).where(_INSTANCE.c.id == id)
    row = unit.connection.execute(wanted).mappings().first()
    entity = unit.app.model.entities.get(row["entity"]) if row is not None else None
    if row is None or entity is None:
        raise NotFound
    record = unit.app.reader.load(unit.connection, entity.name, row["record_id"], lock=wait)
    if record is None:
        raise NotFound
    if wait:
        row = unit.connection.execute(wanted.with_for_update()).mappings().one()
    case = store.stored(unit, dict(row))
    return Situation(entity, record, case, env_of(unit, entity, record, case))


def _for_change(unit: Unit, id: int, reason: str) -> tuple[Situation, str]:
    """The case, ours alone, for somebody who may."""
    only_administrators(unit)
    reason = reason_of(reason)
    return located(unit, id, lock=True), reason


# --- commands ----------------------------------------------------------------------------------
def jump(unit: Unit, id: int, state: str, reason: str) -> None:
    """Put a running case into another state of its version; its ways, people and deadlines are
    those of the state, as if the case had come there by itself.

    Raises: NotAllowed, NotFound, Invalid, Conflict.
    """
    _command(unit, id, "jump", reason, state)


def terminate(unit: Unit, id: int, reason: str) -> None:
    """End a running case: nobody is asked any more, no deadline falls due, the record is free.

    Raises: NotAllowed, NotFound, Invalid, Conflict.
    """
    _command(unit, id, "terminate", reason)


def wake_up(unit: Unit, id: int, state: str, reason: str) -> None:
    """Let a case that has ended go on in a state.

    Raises: NotAllowed, NotFound, Invalid, Conflict.
    """
    _command(unit, id, "wake_up", reason, state)


def _command(unit: Unit, id: int, command: Command, reason: str, state: str = "") -> None:
    found, reason = _for_change(unit, id, reason)
    case = found.case
    if command == "wake_up":
        _check_asleep(unit, found)
    elif case.instance.done:
        raise Conflict([Problem("C146")])
    if command != "terminate":
        _check_place(case.chart, state)
    outcome = administer(case.chart, case.instance, command, found.env, target=state, reason=reason)
    if outcome.problems:
        raise refusal(unit, case.chart, found.entity, outcome.problems)
    concerned = _concerned(found, outcome)
    _save(unit, found, telling(outcome, case.instance.sequence, command, concerned, reason), reason)


def _check_asleep(unit: Unit, found: Situation) -> None:
    case = found.case
    if not case.instance.done:
        raise Conflict([Problem("C147")])
    newest = store.latest(unit, case.entity, case.record)
    if newest is not None and newest.id != case.id:
        raise Conflict([Problem("C157")])


def _check_place(chart: Chart, state: str) -> None:
    known = places(chart)
    if state not in known:
        titles = [title_of(chart, one) for one in known]
        about = {"state": state[:100], "flow": chart.title or chart.id, "states": titles}
        raise Invalid([Problem("C142", about, "/state")])


def _concerned(found: Situation, outcome: Outcome) -> list[int]:
    """Whose case it is, and who was asked; whoever is asked anew hears of it by his task."""
    instance = found.case.instance
    asked = [one for task in instance.tasks if task.pending for one in people_of(task)]
    fresh = {one for effect in outcome.effects if effect.type == "task" for one in effect.to}
    people = [one for one in (instance.starter, *asked) if one is not None]
    me = found.env.actor
    return [one for one in dict.fromkeys(people) if one not in fresh and one != me]


def people_of(task: Task) -> tuple[int, ...]:
    """Whom a task waits for."""
    return task.candidates if task.assignee is None else (task.assignee,)


def telling(
    outcome: Outcome, before: int, command: str, people: Sequence[int], reason: str
) -> Outcome:
    """The outcome with a notice to the people concerned."""
    if not people:
        return outcome
    number = max((one.number for one in outcome.effects), default=0) + 1
    data = {"template": TOLD[command], "reason": reason}
    told = Effect(before + 1, number, "notify", outcome.state, data, tuple(people))
    return replace(outcome, effects=(*outcome.effects, told))


def _save(unit: Unit, found: Situation, outcome: Outcome, reason: str) -> None:
    save_record(unit, found, found.case.chart, outcome, reason)
    store.update(unit, found.case, outcome)


def save_record(
    unit: Unit, found: Situation, chart: Chart, outcome: Outcome, reason: str
) -> Outcome:
    """Write the record as a command leaves it, as the platform: past rights and rules, which the
    next person to change the record is held to again. The outcome with what else was created."""
    entity, record = found.entity, found.record
    outcome = carried_out(unit, entity, record, outcome)
    told = Event(outcome.events[0].type if outcome.events else "", source="system")
    relations = Relations(unit)
    new = flows.settled(unit, entity, record, chart.state_field, outcome, told, relations)
    saving = Saving(entity, record, new, frozenset(), relations)
    if store_change(unit, saving, action="flow", comment=reason):
        record.update(saving.new)
    return outcome


# --- tasks -------------------------------------------------------------------------------------
def reassign(unit: Unit, task: int, person: int, reason: str) -> None:
    """Give an open task to somebody else, whose decision is final; the one who had it is told.

    Raises: NotAllowed, NotFound, Invalid, Conflict.
    """
    only_administrators(unit)
    wanted = sa.select(_TASK.c.instance_id, _TASK.c.number).where(_TASK.c.id == task)
    row = unit.connection.execute(wanted).first() if 0 < task < BEYOND_IDS else None
    if row is None:
        raise NotFound
    found, reason = _for_change(unit, row.instance_id, reason)
    instance = found.case.instance
    given = instance.task(row.number)
    if given is None or given.status != "open" or instance.done:
        raise Conflict([Problem("C150")])
    _check_person(unit, found, given, person)
    before = people_of(given)
    now = replace(
        given,
        assignee=person,
        candidates=(),
        on_behalf_of=None,
        passed_on=(*given.passed_on, *before),
    )
    sequence = instance.sequence + 1
    data = {"comment": reason, "from": list(before), "to": person}
    outcome = _line(found, "reassigned", reason, data, task=now.id)
    outcome = replace(
        outcome,
        instance=replace(
            outcome.instance,
            tasks=tuple(now if one.id == now.id else one for one in instance.tasks),
        ),
        tasks=(now,),
        effects=(Effect(sequence, 1, "task", now.state, {"task": now.id}, (person,)),),
    )
    relieved = [one for one in before if one != found.env.actor]
    _save(unit, found, telling(outcome, instance.sequence, "reassign", relieved, reason), reason)
    _clear_pool(unit, task)


def _check_person(unit: Unit, found: Situation, task: Task, person: int) -> None:
    wanted = sa.select(_USER.c.disabled_at).where(_USER.c.id == person)
    row = unit.connection.execute(wanted).first() if 0 < person < BEYOND_IDS else None
    if row is None or row.disabled_at is not None:
        raise Invalid([Problem("C151", pointer="/person")])
    taken = {
        one.assignee
        for one in found.case.instance.tasks
        if (one.state, one.round) == (task.state, task.round) and one.status != "cancelled"
    }
    policy = found.case.chart.states[task.state].policy
    barred = (
        policy is not None and policy.starter != "self" and person == found.case.instance.starter
    )
    if person in taken or barred:
        name = names_of(unit, {USER: [person]}).label(USER, person)
        code = "C161" if barred else "C149"
        raise Invalid([Problem(code, {"person": name}, "/person")])


def _clear_pool(unit: Unit, task: int) -> None:
    candidate = system.WF_CANDIDATE
    unit.connection.execute(sa.delete(candidate).where(candidate.c.task_id == task))


def _line(
    found: Situation, type_: str, reason: str, data: Mapping[str, Any], task: int | None = None
) -> Outcome:
    """A line in the log, and nothing else."""
    case, env = found.case, found.env
    sequence = case.instance.sequence + 1
    leaves = case.chart.leaves(case.instance.active)
    row = EventRow(
        sequence=sequence,
        type=type_,
        actor=env.actor,
        at=env.now,
        before=leaves,
        after=leaves,
        cause=sequence,
        task=task,
        comment=reason,
        data=dict(data),
    )
    instance = replace(case.instance, sequence=sequence)
    state = case.chart.reported(case.instance.active)
    return Outcome(instance, state=state, timers=instance.timers, events=(row,))


# --- cases that are stuck ----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a case does not go on by itself."""

    kind: Literal["timer", "effect", "nobody"]
    name: str
    error: str
    attempts: int
    at: datetime | None  # when it is tried again by itself; None: never


def troubles(unit: Unit, id: int) -> list[Trouble]:
    """What has failed in a case, and who cannot act any more."""
    timers = sa.select(_TIMER).where(_TIMER.c.instance_id == id, _TIMER.c.error != "")
    found = [
        Trouble("timer", row.name, row.error, row.attempts, row.lease_until)
        for row in unit.connection.execute(timers.order_by(_TIMER.c.due))
    ]
    dead = sa.select(_OUTBOX).where(_given_up(id))
    found += [
        Trouble("effect", row.kind, row.error or "", row.attempts, None)
        for row in unit.connection.execute(dead.order_by(_OUTBOX.c.id))
    ]
    closed = (
        sa.select(_USER.c.name, _TASK.c.state)
        .join(_USER, _USER.c.id == _TASK.c.assignee_id)
        .where(
            _TASK.c.instance_id == id, _TASK.c.status == "open", _USER.c.disabled_at.is_not(None)
        )
    )
    rows = unit.connection.execute(closed)
    return found + [Trouble("nobody", row.name, "", 0, None) for row in rows]


def _given_up(id: int) -> sa.ColumnElement[bool]:
    """The effects of a case that nobody tries any more, but for those put aside by hand."""
    return sa.and_(
        _OUTBOX.c.instance_id == id, _OUTBOX.c.dead_at.is_not(None), _OUTBOX.c.done_at.is_(None)
    )


def retry(
    company: Company, actor: Actor, id: int, reason: str, *, now: datetime | None = None
) -> list[Problem]:
    """Try again at once what has failed in a case: its timers by the platform, its effects with
    the next run. What fails again, with the reason; the case stays as it is then.

    Raises: NotAllowed, NotFound, Invalid, Conflict when nothing has failed.
    """
    with company.unit(actor, write=True, now=now, source="workflow") as unit:
        found, reason = _for_change(unit, id, reason)
        told = [one for one in troubles(unit, id) if one.kind != "nobody"]
        if not told:
            raise Conflict([Problem("C148")])
        names = [one.name for one in told]
        outcome = _line(found, "retried", reason, {"comment": reason, "failed": names})
        concerned = _concerned(found, outcome)
        before = found.case.instance.sequence
        _save(unit, found, telling(outcome, before, "retry", concerned, reason), reason)
        _release(unit, id)
    return _again(company, id, [one.name for one in told if one.kind == "timer"], now)


def _release(unit: Unit, id: int) -> None:
    """Let the runner have what it had given up."""
    unit.connection.execute(
        sa.update(_TIMER).where(_TIMER.c.instance_id == id).values(lease_until=None, attempts=0)
    )
    unit.connection.execute(
        sa.update(_OUTBOX)
        .where(_given_up(id))
        .values(dead_at=None, attempts=0, next_try=unit.now, error="")
    )
    unit.posted = True


def _again(company: Company, id: int, timers: Iterable[str], now: datetime | None) -> list[Problem]:
    """Fire timers that had failed, each in a transaction of its own."""
    failed: list[Problem] = []
    for name in timers:
        try:
            with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
                found = located(unit, id, lock=True)
                if any(
                    one.name == name and one.due <= unit.now for one in found.case.instance.timers
                ):
                    flows.take(unit, found, Event(name, source="timer"))
        except Failure as failure:
            failed += failure.problems[:1]
    return failed
