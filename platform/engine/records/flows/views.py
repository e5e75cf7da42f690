"""A record's case for its page: the bar, the card, the buttons, the timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Literal

import sqlalchemy as sa

from engine.definitions.model import Label
from engine.fields import USER, Names
from engine.records.flows import store
from engine.records.flows.called import Called, called_cases
from engine.records.flows.cases import Situation, situation
from engine.records.flows.inputs import Choice, Input, choices_of, inputs_of
from engine.records.flows.waiting import Pending, pending
from engine.records.flows.words import event_title, state_title, worded_problem
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import (
    Card,
    Chart,
    Command,
    Event,
    EventRow,
    Step,
    approval_card,
    commands_for,
    step,
)
from engine.workflow import progress as progress_of

_EVENT = system.WF_EVENT
_AUTOMATIC: Mapping[str, Label] = {
    "start": {"zh-CN": "开始", "en": "Begun"},
    "timer": {"zh-CN": "到期自动处理", "en": "Came due"},
}


@dataclass(frozen=True, slots=True)
class Happened:
    """One step of the case: what was done and where that led. `before` and `after` are the titles
    of the inner states; `moved` says whether they differ. `actor` None is the platform."""

    sequence: int
    type: str
    kind: Literal["start", "event", "decision", "timer"]
    title: Label
    actor: int | None
    on_behalf_of: int | None
    at: datetime
    before: Sequence[Label]
    after: Sequence[Label]
    moved: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Flow:
    """A record's case, for its page.

    `tasks` leads from the numbers that `card` and `commands` use to the ids that `decide` wants;
    `mine` is the actor's own open task there, None when there is none or there are several.
    `version` is the record's. `names` knows every person in `steps`, `card` and `events`.
    """

    instance: int
    title: Label
    state: str
    state_title: Label
    done: bool
    since: datetime | None  # when the present state was entered
    version: int
    steps: Sequence[Step]
    card: Card
    commands: Sequence[Command]
    events: Sequence[Happened]
    tasks: Mapping[int, int]
    mine: int | None
    names: Names
    starter: int | None = None
    asked: bool = False  # whether an open task waits for the actor
    waiting: Sequence[Pending] = ()
    choices: Sequence[Choice] = ()
    inputs: Mapping[str, Sequence[Input]] = field(default_factory=dict)  # of authors' events
    required: Sequence[str] = ()  # fields that must be filled before the actor can approve
    signature: bool = False
    look: Look | None = None
    chart: Chart | None = None
    reminded: Mapping[str, datetime] = field(default_factory=dict)  # by state, the last time
    called: Sequence[Called] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """When the actor, or the round before, saw the record last, and the record's version then (None
    when it is not known)."""

    at: datetime
    version: int | None
    own: bool  # it was the actor himself


def flow_of(unit: Unit, entity: str, id: int, *, known: bool = False) -> Flow | None:
    """The case of a record; None when it has none. `known`: the actor may know of it.

    Raises: NotFound for who may neither read the record nor is asked about it.
    """
    found = situation(unit, entity, id, known=known)
    if found is None:
        return None
    case, chart, instance = found.case, found.case.chart, found.case.instance
    rows = store.events_of(unit, case.id)
    steps, told = _steps(found, rows), _happened(found, rows)
    seen = approval_card(chart, instance)
    tasks = store.task_ids(unit, case.id)
    moves = [row for row in rows if row.before != row.after]
    state = chart.reported(instance.active)
    orders = _commands(unit, found)
    waiting, choices = pending(found, seen), choices_of(found, steps)
    return Flow(
        instance=case.id,
        title=chart.title,
        state=state,
        state_title=state_title(chart, state),
        done=instance.done,
        since=moves[-1].at if moves else None,
        version=found.record["version"],
        steps=steps,
        card=seen,
        commands=orders,
        events=told,
        tasks=tasks,
        mine=_mine(unit, found, tasks),
        names=_names(unit, instance.starter, steps, seen, told, _beside(waiting, choices)),
        starter=instance.starter,
        asked=any(wait.user == unit.actor.id for wait in seen.waits_for),
        waiting=waiting,
        choices=choices,
        inputs=_inputs(found, orders),
        required=_required(found, orders),
        signature=any("signature" in one.asks for one in orders if one.event == "task.approve"),
        look=_last_look(unit, found, rows),
        chart=chart,
        reminded=instance.reminded,
        called=called_cases(unit, found),
    )


def _mine(unit: Unit, found: Situation, tasks: Mapping[int, int]) -> int | None:
    """The id of the actor's open task, when there is just one."""
    mine = [
        task.id
        for task in found.case.instance.tasks
        if task.status == "open" and task.assignee == unit.actor.id and task.id in tasks
    ]
    return tasks[mine[0]] if len(mine) == 1 else None


def _inputs(found: Situation, orders: Sequence[Command]) -> Mapping[str, Sequence[Input]]:
    """What the author's events ask for, those that ask for something."""
    events = [one.event for one in orders if not one.event.startswith("task.")]
    asked = {event: inputs_of(found.case.chart, found.entity, event) for event in events}
    return {event: inputs for event, inputs in asked.items() if inputs}


def _required(found: Situation, orders: Sequence[Command]) -> list[str]:
    """The fields that have to be filled where the actor may approve."""
    own = dict.fromkeys(one.state for one in orders if one.event == "task.approve")
    return [
        name
        for state in own
        for name, right in found.case.chart.states[state].fields.items()
        if right == "required" and name in found.entity.fields
    ]


def _beside(waiting: Sequence[Pending], choices: Sequence[Choice]) -> set[int | None]:
    """The people of what is to come."""
    people: set[int | None] = {one for wait in waiting for one in wait.people}
    people |= {one for wait in waiting for coming in wait.coming for one in coming.to}
    return people | {one for choice in choices for one in (*(choice.people or ()), *choice.chosen)}


def _last_look(unit: Unit, found: Situation, rows: Sequence[EventRow]) -> Look | None:
    """The actor's own last decision; else where the last round that came to nothing ended."""
    instance, me = found.case.instance, unit.actor.id
    mine = max((task.decided_seq for task in instance.tasks if task.decided_by == me), default=0)
    sequence = mine
    if not mine:
        lost = {one.state for one in instance.rounds if one.outcome not in ("", "approved")}
        left = [row for row in rows if lost & ({*row.before} - {*row.after})]
        ends = [row.cause for row in left if not row.type.startswith("done.approved.")]
        sequence = max(ends, default=0)
    row = next((one for one in rows if one.sequence == sequence), None)
    if row is None:
        return None
    kept = unit.connection.scalar(
        sa.select(_EVENT.c.result).where(
            _EVENT.c.instance_id == found.case.id, _EVENT.c.seq == sequence
        )
    )
    return Look(row.at, (kept or {}).get("version"), bool(mine))


def progress(unit: Unit, entity: str, id: int) -> tuple[Step, ...]:
    """The bar; () without a case. Raises: NotFound."""
    found = situation(unit, entity, id)
    return _steps(found, store.events_of(unit, found.case.id)) if found else ()


def card(unit: Unit, entity: str, id: int) -> tuple[Card, Names] | None:
    """The approval card and the names of everybody on it. Raises: NotFound."""
    found = situation(unit, entity, id)
    if found is None:
        return None
    seen = approval_card(found.case.chart, found.case.instance)
    return seen, _names(unit, found.case.instance.starter, (), seen, ())


def commands(unit: Unit, entity: str, id: int) -> tuple[Command, ...]:
    """What the actor may do with the record's case now. Raises: NotFound."""
    found = situation(unit, entity, id)
    return _commands(unit, found) if found else ()


def prospects(unit: Unit, entity: str, id: int) -> list[tuple[Command, str]]:
    """Each command that the actor may send now, with the state that the record would then be in:
    "" where the case wants to know more first. Nothing is written. Raises: NotFound."""
    found = situation(unit, entity, id)
    if found is None:
        return []
    case = found.case
    told = []
    for command in _commands(unit, found):
        if command.why:
            continue
        event = Event(command.event, {}, command.task, "client")
        outcome = step(case.chart, case.instance, event, found.env)
        told.append((command, "" if outcome.problems else outcome.state))
    return told


def flow_events(unit: Unit, entity: str, id: int) -> list[Happened]:
    """What happened to the record's case, newest first. Raises: NotFound."""
    found = situation(unit, entity, id)
    return _happened(found, store.events_of(unit, found.case.id)) if found else []


# --- parts -------------------------------------------------------------------------------------
def _steps(found: Situation, rows: Sequence[EventRow]) -> tuple[Step, ...]:
    return progress_of(found.case.chart, found.case.instance, rows, found.env)


def _commands(unit: Unit, found: Situation) -> tuple[Command, ...]:
    case = found.case
    given = commands_for(case.chart, case.instance, unit.actor.id, found.env)
    return tuple(
        replace(one, why=worded_problem(unit, case.chart, found.entity, one.why))
        if one.why
        else one
        for one in given
    )


def _happened(found: Situation, rows: Sequence[EventRow]) -> list[Happened]:
    """One line for each step; what it set off by itself belongs to it."""
    told = []
    for _, together in groupby(rows, key=lambda row: row.cause):
        first, *others = together
        told.append(_line(found, first, others[-1] if others else first))
    return told[::-1]


def _line(found: Situation, first: EventRow, last: EventRow) -> Happened:
    chart = found.case.chart
    kind: Literal["start", "event", "decision", "timer"] = "event"
    if first.type == "start":
        kind = "start"
    elif first.type.startswith("task."):
        kind = "decision"
    elif first.type.startswith("after."):
        kind = "timer"
    return Happened(
        sequence=first.sequence,
        type=first.type,
        kind=kind,
        title=_AUTOMATIC.get(kind) or event_title(chart, first.type),
        actor=first.actor,
        on_behalf_of=first.on_behalf_of,
        at=first.at,
        before=[state_title(chart, state) for state in first.before],
        after=[state_title(chart, state) for state in last.after],
        moved=first.before != last.after,
        comment=first.comment,
    )


def _names(
    unit: Unit,
    starter: int | None,
    steps: Sequence[Step],
    seen: Card,
    told: Sequence[Happened],
    more: set[int | None] | None = None,
) -> Names:
    people: set[int | None] = {starter, *seen.copies, *(more or ())}
    people |= {step.by for step in steps} | {line.actor for line in told}
    people |= {line.on_behalf_of for line in told} | {wait.user for wait in seen.waits_for}
    for round_ in seen.rounds:
        for one in round_.people:
            people |= {one.user, one.on_behalf_of, one.added_by, one.decided_by}
            people |= {*one.candidates, *one.passed_on}
    return names_of(unit, {USER: [person for person in people if person]})
