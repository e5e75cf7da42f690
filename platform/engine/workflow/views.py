"""A case to look at: the progress bar and the card with who decided what and whom it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.definitions.model import Label
from engine.workflow.case import Case, Refused
from engine.workflow.chart import ROOT, Chart, Quorum, State
from engine.workflow.env import Env, Event
from engine.workflow.instance import Call, EventRow, Instance, Round, Task


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the bar. "off" is an end beside the main path, shown only when it was reached."""

    state: str
    title: Label
    status: Literal["done", "current", "future", "off"]
    at: datetime | None = None
    by: int | None = None


def progress(
    chart: Chart, instance: Instance, history: Sequence[EventRow], env: Env | None = None
) -> tuple[Step, ...]:
    """Main path: what was passed (once each, in order), where it stands, what lies ahead.

    With `env` the way ahead follows the guards as they stand now; without, the defaults. Steps
    passed before a return and lying ahead again count as ahead.
    """
    here = chart.reported(instance.active)
    case = Case(chart, instance, Event(""), env) if env else None
    ahead = list(_ahead(chart, here, case))
    visited = [one for one in dict.fromkeys(instance.visits) if one != here and one not in ahead]
    passed = [one for one in visited if one in chart.reportable()]
    left = {state: row for row in history for state in row.before if state not in row.after}
    steps = [_step(chart, one, "done", left.get(one)) for one in passed]
    if here != ROOT:
        aside = chart.states[here].type == "final" and here not in main_path(chart)
        steps.append(_step(chart, here, "off" if aside else "current"))
    return (*steps, *(_step(chart, one, "future") for one in ahead))


def _step(
    chart: Chart,
    state: str,
    status: Literal["done", "current", "future", "off"],
    row: EventRow | None = None,
) -> Step:
    title = chart.states[state].title or {"": state}
    return Step(state, title, status, row.at if row else None, row.actor if row else None)


def main_path(chart: Chart) -> tuple[str, ...]:
    """The states of the usual way from the start to an end, by the definition alone."""
    first = _landing(chart, chart.states[ROOT].initial[0]) if chart.states[ROOT].initial else ROOT
    return (first, *_ahead(chart, first, None))


def _ahead(chart: Chart, state: str, case: Case | None) -> Iterator[str]:
    seen = {state}
    while state != ROOT and (following := _following(chart, chart.states[state], case)):
        if following in seen:
            return
        seen.add(following)
        yield following
        state = following


def _following(chart: Chart, state: State, case: Case | None) -> str:
    """Where a state usually leads: approval to its approval, a parallel state to its end, others
    along the first event that does not give up."""
    for one in (state.id, *chart.ancestors(state.id)):
        arrows = [arrow for arrow in chart.states[one].transitions if arrow.targets]
        wanted = {"approval": f"done.approved.{one}", "call": f"done.call.{one}"}.get(
            chart.states[one].type, f"done.state.{one}"
        )
        groups = [[arrow for arrow in arrows if arrow.event == wanted]]
        if one == state.id and state.type in ("atomic", "call"):
            events = dict.fromkeys(arrow.event for arrow in arrows)
            groups += [[arrow for arrow in arrows if arrow.event == event] for event in events]
        for group in groups:
            for arrow in group:
                passes = not arrow.guard if case is None else _test(case, arrow.guard)
                if passes or (case is None and arrow is group[-1]):
                    return _landing(chart, arrow.targets[0])
        if state.type == "final" and one == ROOT:
            break
    return ""


def _test(case: Case, guard: str) -> bool:
    try:
        return case.test(guard)
    except Refused:
        return False


def _landing(chart: Chart, target: str) -> str:
    """The reported state one arrives at when a target is entered."""
    outer = [one for one in chart.ancestors(target) if chart.states[one].type == "parallel"]
    if outer:
        return outer[-1]
    state = chart.states[target]
    while state.type in ("compound", "history") and state.initial:
        state = chart.states[state.initial[0]]
    return state.id


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the card."""

    task: int
    user: int | None
    status: str
    hold: str
    kind: str
    comment: str
    at: datetime | None
    weight: int
    auto: str
    note: str
    groups: tuple[str, ...]
    candidates: tuple[int, ...]
    passed_on: tuple[int, ...]
    on_behalf_of: int | None
    added_by: int | None
    parent: int | None
    decided_by: int | None
    signature: int | None = None  # the file of the signature it was decided with


@dataclass(frozen=True, slots=True)
class RoundView:
    """One round on the card, with its people, the rule that decides it and its next due instant."""

    state: str
    title: Label
    number: int
    outcome: str
    opened_at: datetime
    closed_at: datetime | None
    quorum: Quorum
    order: str
    veto: bool
    people: tuple[Person, ...]
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whom the case waits for. `why`: "decide", "claim", or "opinion" for a delegated one,
    "before"/"after" for an added signer."""

    user: int
    task: int
    state: str
    why: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Card:
    """The approval card: every round so far and whom it waits for now. `calls`: the cases of other
    workflows it waits for, with the reason where they failed."""

    rounds: tuple[RoundView, ...]
    waits_for: tuple[Waiting, ...]
    copies: tuple[int, ...]
    calls: tuple[Call, ...] = ()


def approval_card(chart: Chart, instance: Instance) -> Card:
    """All rounds, oldest first. A reader with `Person.status` "waiting" sees in `hold` why."""
    due: Mapping[str, datetime] = {
        timer.state: timer.due
        for timer in sorted(instance.timers, key=lambda timer: timer.due, reverse=True)
    }
    return Card(
        tuple(_round(chart, instance, one, due) for one in instance.rounds),
        tuple(_waits(instance)),
        instance.cc,
        instance.calls,
    )


def _round(
    chart: Chart, instance: Instance, round_: Round, due: Mapping[str, datetime]
) -> RoundView:
    state = chart.states.get(round_.state)  # none: of a version the case has left
    policy = state.policy if state else None
    own = [
        task for task in instance.tasks if (task.state, task.round) == (round_.state, round_.number)
    ]
    own.sort(key=lambda task: (task.position, task.id))
    return RoundView(
        state=round_.state,
        title=(state.title if state else {}) or {"": round_.state},
        number=round_.number,
        outcome=round_.outcome,
        opened_at=round_.opened_at,
        closed_at=round_.closed_at,
        quorum=policy.quorum if policy else Quorum("all"),
        order=policy.order if policy else "parallel",
        veto=policy.veto if policy else True,
        people=tuple(map(_person, own)),
        due=None if round_.outcome else due.get(round_.state),
    )


def _person(task: Task) -> Person:
    return Person(
        task=task.id,
        user=task.assignee,
        status=task.status,
        hold=task.hold,
        kind=task.kind,
        comment=task.comment,
        at=task.decided_at,
        weight=task.weight,
        auto=task.auto,
        note=task.note,
        groups=task.groups,
        candidates=task.candidates,
        passed_on=task.passed_on,
        on_behalf_of=task.on_behalf_of,
        added_by=task.added_by,
        parent=task.parent,
        decided_by=task.decided_by,
        signature=task.signature,
    )


def _waits(instance: Instance) -> Iterator[Waiting]:
    for task in instance.tasks:
        if task.status != "open":
            continue
        if task.assignee is None:
            for user in task.candidates:
                yield Waiting(user, task.id, task.state, "claim", task.opened_at)
        else:
            why = "decide" if task.kind == "vote" else task.kind
            yield Waiting(task.assignee, task.id, task.state, why, task.opened_at)
