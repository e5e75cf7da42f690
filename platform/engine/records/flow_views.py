"""A record's case for its page: the bar, the card, the buttons, the timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Literal

from engine.definitions.model import Label
from engine.fields import USER, Names
from engine.records import flow_store
from engine.records.flow_cases import Situation, situation
from engine.records.flow_words import event_title, state_title, worded_problem
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.workflow import (
    Card,
    Command,
    Event,
    EventRow,
    Step,
    approval_card,
    commands_for,
    step,
)
from engine.workflow import progress as progress_of

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


def flow_of(unit: Unit, entity: str, id: int) -> Flow | None:
    """The case of a record; None when it has none.

    Raises: NotFound for who may neither read the record nor is asked about it.
    """
    found = situation(unit, entity, id)
    if found is None:
        return None
    case, chart, instance = found.case, found.case.chart, found.case.instance
    rows = flow_store.events_of(unit, case.id)
    steps, told = _steps(found, rows), _happened(found, rows)
    seen = approval_card(chart, instance)
    tasks = flow_store.task_ids(unit, case.id)
    moves = [row for row in rows if row.before != row.after]
    mine = [
        task.id
        for task in instance.tasks
        if task.status == "open" and task.assignee == unit.actor.id and task.id in tasks
    ]
    state = chart.reported(instance.active)
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
        commands=_commands(unit, found),
        events=told,
        tasks=tasks,
        mine=tasks[mine[0]] if len(mine) == 1 else None,
        names=_names(unit, instance.starter, steps, seen, told),
    )


def progress(unit: Unit, entity: str, id: int) -> tuple[Step, ...]:
    """The bar; () without a case. Raises: NotFound."""
    found = situation(unit, entity, id)
    return _steps(found, flow_store.events_of(unit, found.case.id)) if found else ()


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
    return _happened(found, flow_store.events_of(unit, found.case.id)) if found else []


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
) -> Names:
    people: set[int | None] = {starter, *seen.copies}
    people |= {step.by for step in steps} | {line.actor for line in told}
    people |= {line.on_behalf_of for line in told} | {wait.user for wait in seen.waits_for}
    for round_ in seen.rounds:
        for one in round_.people:
            people |= {one.user, one.on_behalf_of, one.added_by, one.decided_by}
            people |= {*one.candidates, *one.passed_on}
    return names_of(unit, {USER: [person for person in people if person]})
