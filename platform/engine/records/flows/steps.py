"""Workflows on records: cases begin, events are sent, tasks are decided.

The instance, its log, its tasks and timers, the effects to come and the record itself change in
one transaction, or nothing does. The state field is written here and nowhere else.

Beside this module: `store` (rows), `cases` (which case a record has), `env` (what a step sees),
`creations` (records that an action creates), `signatures`, `inbox` (task lists), `views` (a
record's case for its page), `timers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from engine.access import granted
from engine.definitions.model import Entity
from engine.fields import BadValue, bind
from engine.problems import Problem, Severity
from engine.records.computing import compute, live_values
from engine.records.evaluation import Relations
from engine.records.failures import BeyondToken, Conflict, Invalid, NotFound, Stale
from engine.records.flows import cases, store
from engine.records.flows.cases import Situation, situation
from engine.records.flows.creations import carried_out
from engine.records.flows.env import BEYOND_IDS, FlowEnv
from engine.records.flows.signatures import claim_signature
from engine.records.flows.words import refusal
from engine.records.reading import cleared
from engine.records.references import check_sent
from engine.records.storing import Saving, stale, store_change
from engine.records.unit import SYSTEM, Unit
from engine.tables import system
from engine.workflow import Event, Outcome, compile_chart, field_rights, noticed, retime, step

__all__ = [
    "Fired",
    "begin_case",
    "changed",
    "decide",
    "fire",
    "initial_values",
    "removed",
    "restored",
    "rights",
    "settled",
    "started",
    "take",
    "written",
]

LARGEST: Final = 20_000  # bytes of an event's data
Record = dict[str, Any]
_TASK = system.WF_TASK


# --- for the write path ------------------------------------------------------------------------
def initial_values(unit: Unit, entity: Entity) -> Record:
    """A new record of an entity with a workflow begins in its first state."""
    workflow = unit.app.workflow(entity.name)
    if workflow is None or workflow.state_field not in entity.fields:
        return {}
    if cases.trigger_of(workflow) not in {"create", "manual"}:
        return {}
    return {workflow.state_field: cases.first_state(compile_chart(workflow))}


def started(unit: Unit, entity: Entity, record: Record) -> None:
    """A record was created: begin its case, when the workflow says so.

    One that the platform puts into a later state joins there; one that is through needs no case.
    Raises: Invalid and the like with what the chart objects to.
    """
    workflow = unit.app.workflow(entity.name)
    if workflow is None or cases.trigger_of(workflow) != "create":
        return
    if not cases.triggers(unit, workflow, entity, record):
        return
    chart = compile_chart(workflow)
    state = record.get(chart.state_field) if chart.state_field else None
    if state in chart.reportable() and state != cases.first_state(chart):
        if chart.states[str(state)].type == "final":
            return
        outcome = cases.adopted(unit, entity, record, workflow, str(state))
    else:
        outcome = cases.beginning(unit, entity, record, workflow)
    _begin(unit, entity, record, outcome)


def changed(unit: Unit, entity: Entity, old: Mapping[str, Any], new: Record) -> None:
    """A record was changed by somebody: timers that hang on its fields move, and a case begins
    where the workflow waits for a change."""
    workflow = unit.app.workflow(entity.name)
    if workflow is None:
        return
    case = store.latest(unit, entity.name, old["id"], lock=True)
    if case is not None and not case.instance.done:
        env = cases.env_of(unit, entity, new, case)
        outcome = retime(case.chart, case.instance, env)
        if outcome.problems:
            raise refusal(unit, case.chart, entity, outcome.problems)
        answered = _answered(unit, entity, old, new, case, outcome)
        if not answered and outcome.instance != case.instance:
            store.update(unit, case, outcome)
    elif cases.trigger_of(workflow) == "update" and cases.triggers(unit, workflow, entity, new):
        _begin(unit, entity, new, cases.beginning(unit, entity, new, workflow))


def _answered(
    unit: Unit,
    entity: Entity,
    old: Mapping[str, Any],
    new: Record,
    case: store.Stored,
    before: Outcome,
) -> bool:
    """Whether the case's states answer to the change: a contract that is worth more now goes back
    to whoever decides about such. `before`: the case with its timers moved."""
    env = FlowEnv(unit, entity, new, workflow=case.instance.workflow, old=old)
    fields = [name for name in entity.fields if old.get(name) != new.get(name)]
    outcome = noticed(case.chart, before.instance, env, fields)
    if outcome is None:
        return False
    if outcome.problems:
        raise refusal(unit, case.chart, entity, outcome.problems)
    dropped = tuple(dict.fromkeys((*before.dropped, *outcome.dropped)))
    found = Situation(entity, new, case, env)
    written(unit, found, replace(outcome, dropped=dropped), Event("", source="system"))
    return True


def removed(unit: Unit, entity: Entity, id: int) -> None:
    """A record goes to the recycle bin; its case stands still until it comes back.

    Raises: Conflict while somebody is asked to decide about it.
    """
    if unit.app.workflow(entity.name) is None:
        return
    case = store.latest(unit, entity.name, id, lock=True)
    if case is None:
        return
    if any(task.pending for task in case.instance.tasks):
        raise Conflict([Problem("R703", {"workflow": case.chart.title})])
    store.suspend(unit, case)


def restored(unit: Unit, entity: Entity, id: int) -> None:
    """A record came back from the recycle bin: its case goes on."""
    if unit.app.workflow(entity.name) is None:
        return
    case = store.latest(unit, entity.name, id, lock=True)
    if case is not None:
        store.resume(unit, case)


def rights(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> dict[str, str]:
    """What the record's present state says about its fields, where it says anything: "hidden",
    "read", "write" or "required". It only narrows what roles allow; the platform is not bound."""
    if unit.actor.system or unit.app.workflow(entity.name) is None or not record.get("id"):
        return {}
    case = cases.case_of(unit, entity, dict(record))
    if case is None:
        return {}
    found = field_rights(case.chart, case.instance, unit.actor.id)
    return {name: right for name in entity.fields if (right := found.of(name)) is not None}


# --- steps -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Fired:
    """What came of an event: the case, the state it is in now, the number of the log's line and
    the record's version. `repeated`: it was carried out before, under the same key."""

    instance: int
    state: str
    sequence: int
    done: bool
    version: int
    repeated: bool = False


def fire(
    unit: Unit,
    entity: str,
    id: int,
    event: str,
    payload: Mapping[str, Any] | None = None,
    *,
    comment: str = "",
    version: int | None = None,
    idempotency_key: str = "",
) -> Fired:
    """Send an event to a record's case: an author's ("submit") or a command on a task
    ("task.approve", with the task's number within the case as `task` of the payload; without, the
    actor's own open task is meant). `version`: the record's, when it must not have changed since.

    Raises: NotFound, Forbidden (`NotAllowed`) for what is not the actor's to do, Conflict when it
    was done already or the case is closed, Stale, and Invalid for everything else.
    """
    found = situation(unit, entity, id, lock=True)
    _within(unit, entity, "tasks" if event.startswith("task.") else "events")
    if found is None:
        raise Conflict([Problem("R403")])
    data = dict(payload or {})
    number = data.pop("task", None) if event.startswith("task.") else None
    if comment:
        data["comment"] = comment
    if event.startswith("task.") and not isinstance(number, int):
        number = _own_task(unit, found.case)
    source: Any = "system" if unit.actor.system else "client"
    told = Event(event, data, number, source)
    return take(unit, found, told, version=version, key=idempotency_key)


def decide(
    unit: Unit,
    task_id: int,
    command: str,
    comment: str = "",
    *,
    version: int | None = None,
    idempotency_key: str = "",
    data: Mapping[str, Any] | None = None,
) -> Fired:
    """A command on a task of the inbox: approve, reject, return, transfer, delegate, addsign,
    removesign, claim, remind, cc, recall (`Command.asks` says what `data` must hold).

    Raises: as `fire`; NotFound for a task that is none of the actor's business.
    """
    wanted = sa.select(_TASK).where(_TASK.c.id == task_id)
    row = unit.connection.execute(wanted).first() if 0 < task_id < BEYOND_IDS else None
    if row is None:
        raise NotFound
    mine = unit.actor.id in {row.assignee_id, row.decided_by_id}
    mine = mine and bool(cleared(unit, row.entity, [row.record_id]))
    found = situation(unit, row.entity, row.record_id, lock=True, known=mine)
    _within(unit, row.entity, "tasks")
    if found is None or found.case.id != row.instance_id:
        raise Conflict([Problem("R401")])
    body = {**(data or {}), **({"comment": comment} if comment else {})}
    name = command.removeprefix("task.")
    source: Any = "system" if unit.actor.system else "client"
    told = Event(f"task.{name}", body, row.number, source)
    return take(unit, found, told, version=version, key=idempotency_key)


def _within(unit: Unit, entity: str, right: str) -> None:
    if not granted(unit.actor.scopes, entity, right):
        raise BeyondToken(right)


def take(
    unit: Unit, found: Situation, event: Event, *, version: int | None = None, key: str = ""
) -> Fired:
    """One step of a case whose record is locked: all of it, or nothing and the reason."""
    if (before := _repeated(unit, found.case, event, key)) is not None:
        return before
    if version is not None and version != found.record["version"]:
        raise _stale(unit, found)
    _check_data(event)
    case = found.case
    if case.beginning is not None:
        case = _begin(unit, found.entity, found.record, case.beginning)
    elif event.source == "client":
        case = _by_the_clock(unit, found)
    outcome = step(case.chart, case.instance, event, found.env)
    if outcome.problems:
        raise refusal(unit, case.chart, found.entity, outcome.problems)
    if "signature" in event.data:
        claim_signature(unit, found.entity.name, found.record["id"], event.data["signature"])
    return written(unit, replace(found, case=case), outcome, event, key)


def _by_the_clock(unit: Unit, found: Situation) -> store.Stored:
    """The case after what time has decided already: nobody decides after the deadline only because
    the runner has not come round to it. What merely reminds is left to the runner, and so is what
    it has failed at."""
    case = found.case
    overdue = [one for one in case.instance.timers if one.due <= unit.now]
    if not overdue:
        return case
    clock = replace(unit, actor=SYSTEM, source="job")  # not the doing of whoever comes too late
    for timer in sorted(overdue, key=lambda one: one.due):
        env = cases.env_of(clock, found.entity, found.record, case)
        told = Event(timer.name, source="timer")
        outcome = step(case.chart, case.instance, told, env)
        before, after = case.instance, outcome.instance
        moved = (before.active, before.tasks) != (after.active, after.tasks)
        if outcome.problems or not moved or store.failing(unit, case.id, timer.name):
            continue
        written(clock, replace(found, case=case, env=env), outcome, told)
        case = replace(case, version=case.version + 1, instance=after)
    unit.posted = unit.posted or clock.posted
    found.env.forget()
    return case


def written(unit: Unit, found: Situation, outcome: Outcome, event: Event, key: str = "") -> Fired:
    """Write what a step, or an act of the platform, made of a case that has its row."""
    case = found.case
    _save(unit, found.entity, found.record, case.chart.state_field, outcome, event)
    fired = Fired(
        instance=case.id,
        state=outcome.state,
        sequence=outcome.events[0].sequence if outcome.events else outcome.instance.sequence,
        done=outcome.instance.done,
        version=found.record["version"],
    )
    store.update(unit, case, outcome, key, asdict(fired))
    return fired


def _check_data(event: Event) -> None:
    """Refuse data that the log could not keep."""
    try:
        body = msgspec.json.encode(event.data)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid([Problem("R704")]) from error
    if len(body) > LARGEST or b"\\u0000" in body:  # PostgreSQL keeps no NUL
        raise Invalid([Problem("R704")])


def _own_task(unit: Unit, case: store.Stored) -> int | None:
    """The number of the actor's open task, when there is just one."""
    me = unit.actor.id
    mine = [
        task.id
        for task in case.instance.tasks
        if task.status == "open"
        and (task.assignee == me or (task.assignee is None and me in task.candidates))
    ]
    return mine[0] if len(mine) == 1 else None


def _repeated(unit: Unit, case: store.Stored, event: Event, key: str) -> Fired | None:
    """The stored result of a request that came before."""
    done = store.done_before(unit, case.id, key)
    if done is None:
        return None
    if (done.type, done.actor) != (event.type, unit.actor.id or None):
        raise Conflict([Problem("R702", {"key": key[:64]})])
    return Fired(**{**done.result, "repeated": True})


def _stale(unit: Unit, found: Situation) -> Stale:
    try:
        return stale(unit, found.entity.name, found.record["id"])
    except NotFound:  # he is asked to decide but may not read the record
        return Stale({}, "", None)


def begin_case(unit: Unit, entity: Entity, record: Record) -> store.Stored:
    """Begin a case on a record that has none running, whatever its trigger waits for. One that is
    on its way without a case joins in its state.

    Raises: Invalid and the like with what the chart objects to; Conflict without a workflow.
    """
    workflow = unit.app.workflow(entity.name)
    if workflow is None:
        raise Conflict([Problem("R403")])
    known = cases.case_of(unit, entity, record, lock=True)
    if known is not None and known.beginning is not None and not known.instance.done:
        return _begin(unit, entity, record, known.beginning)
    return _begin(unit, entity, record, cases.beginning(unit, entity, record, workflow))


def _begin(unit: Unit, entity: Entity, record: Record, outcome: Outcome) -> store.Stored:
    """Write a case that began."""
    workflow = unit.app.workflow(entity.name)
    assert workflow is not None
    if outcome.problems:
        raise refusal(unit, compile_chart(workflow), entity, outcome.problems)
    case = store.insert(unit, workflow, entity.name, record["id"], outcome)
    _save(unit, entity, record, workflow.state_field, outcome, Event("start", source="system"))
    return case


# --- the record --------------------------------------------------------------------------------
def _save(
    unit: Unit, entity: Entity, record: Record, state_field: str, outcome: Outcome, event: Event
) -> None:
    """Write the state and whatever the step assigned, as the platform: past the rights of fields,
    not past the rules of the record."""
    outcome = carried_out(unit, entity, record, outcome)
    relations = Relations(unit)
    new = settled(unit, entity, record, state_field, outcome, event, relations)
    action = "approval" if event.type.startswith("task.") else "flow"
    saving = Saving(entity, record, new, frozenset(), relations)
    comment = str(event.data.get("comment") or "")
    if store_change(unit, saving, action=action, comment=comment):
        record.update(saving.new)


def settled(
    unit: Unit,
    entity: Entity,
    record: Record,
    state_field: str,
    outcome: Outcome,
    event: Event,
    relations: Relations,
) -> Record:
    """The record as a step leaves it; nothing is written.

    Raises: Invalid when the step breaks a rule of the record.
    """
    new, problems = _assigned(entity, outcome)
    if state_field in entity.fields and outcome.state:
        new[state_field] = outcome.state
    new = {**record, **new}
    validator = unit.app.validator(entity)
    if validator.has_rules:
        new = validator.settle(new, relations.env({}, record))
    problems += compute(unit, entity, new, relations, record)
    if event.source == "client" and not problems:
        problems += check_sent(unit, entity, new, record, event.data)
        problems += _newly_broken(unit, entity, record, new)
    if problems:
        raise Invalid(problems)
    return new


def _assigned(entity: Entity, outcome: Outcome) -> tuple[Record, list[Problem]]:
    """The assigned values as their fields have them. A field that was retired since the case
    began has no place any more; the rest of the step counts all the same."""
    values: Record = {}
    problems: list[Problem] = []
    for name, given in outcome.changes.items():
        field = entity.fields.get(name)
        if field is None or field.compute:
            continue
        kind = bind(field)
        try:
            values[name] = kind.from_expression(given)
        except BadValue as bad:
            try:  # a constant of the definition, or data of the event: as JSON has it
                values[name] = kind.from_json(given)
            except BadValue:
                problems += [one.under(f"/{name}") for one in bad.found(field)]
    return values, problems


def _newly_broken(
    unit: Unit, entity: Entity, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[Problem]:
    """The record's rules that the new state breaks. What was wrong before stops nobody: an
    approver cannot mend an old record."""
    if not unit.app.validator(entity).has_rules:
        return []
    before = {_mark(problem) for problem in _complaints(unit, entity, old, old)}
    return [one for one in _complaints(unit, entity, new, old) if _mark(one) not in before]


def _complaints(
    unit: Unit, entity: Entity, record: Mapping[str, Any], old: Mapping[str, Any]
) -> list[Problem]:
    relations = Relations(unit)
    known = live_values(unit, entity, record, relations)
    checked = unit.app.validator(entity).check(known, relations.env({}, old))
    return [found for found in checked.problems if found.severity is Severity.ERROR]


def _mark(problem: Problem) -> tuple[str, str, str]:
    return problem.code, problem.pointer, repr(problem.message)
