"""Why a case waits: for whom, how many of them it needs, and what happens when nobody acts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from engine.definitions.model import Label
from engine.records.flows.cases import Situation
from engine.records.flows.words import state_title
from engine.workflow import CannotEvaluate, Card, Chart, Meta
from engine.workflow.chart import many
from engine.workflow.views import RoundView


@dataclass(frozen=True, slots=True)
class Coming:
    """What happens by itself at an instant. "escalate" brings in the people of `to`, in the
    `mode` "notify", "add" or "replace"; "decide" gives the round its `outcome`; "move" leads to
    the state `target`."""

    at: datetime
    kind: Literal["remind", "escalate", "decide", "move", "act"]
    to: tuple[int, ...] = ()
    mode: str = ""
    outcome: str = ""
    target: Label | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """An open round: `needed` of `total` people have to agree, `agreed` did; it waits for
    `people` (who may `claim` it first, if that is set)."""

    state: str
    title: Label
    people: tuple[int, ...]
    claim: bool
    needed: int
    agreed: int
    total: int
    per_group: bool
    sequential: bool
    coming: tuple[Coming, ...]


def pending(found: Situation, card: Card) -> tuple[Pending, ...]:
    """The rounds that somebody has to decide now."""
    return tuple(_pending(found, card, one) for one in card.rounds if not one.outcome)


def only_reminds(chart: Chart, timer: str) -> bool:
    """Whether a timer does nothing but remind: the task stays where it is."""
    arrows = [one for state in chart.states.values() for one in state.transitions]
    mine = [one for one in arrows if one.event == timer]
    acts = [action.get("type") for one in mine for action in one.actions]
    return bool(acts) and set(acts) == {"remind"} and not any(one.targets for one in mine)


def deeds(chart: Chart, timer: str) -> list[tuple[str, Label]]:
    """What a timer will do, whoever is concerned: kinds as in `Coming` ("approved" and "rejected"
    instead of "decide"), with the state it leads to."""
    told: list[tuple[str, Label]] = []
    arrows = [one for state in chart.states.values() for one in state.transitions]
    for arrow in (one for one in arrows if one.event == timer):
        for action in arrow.actions:
            kind = str(action.get("type"))
            if kind == "decide":
                kind = str(action.get("outcome", ""))
            if kind in ("remind", "escalate", "notify", "approved", "rejected"):
                told.append((kind, {}))
        if arrow.targets:
            told.append(("move", state_title(chart, arrow.targets[0])))
    return told or [("act", {})]


def _pending(found: Situation, card: Card, one: RoundView) -> Pending:
    waits = [wait for wait in card.waits_for if wait.state == one.state]
    votes = [
        p for p in one.people if p.kind == "vote" and p.status not in ("cancelled", "returned")
    ]
    total = sum(person.weight for person in votes)
    return Pending(
        state=one.state,
        title=one.title,
        people=tuple(dict.fromkeys(wait.user for wait in waits)),
        claim=any(wait.why == "claim" for wait in waits),
        needed=_needed(one, total),
        agreed=sum(person.weight for person in votes if person.status == "approved"),
        total=total,
        per_group=one.quorum.kind == "perGroup",
        sequential=one.order == "sequential",
        coming=_coming(found, one.state),
    )


def _needed(one: RoundView, total: int) -> int:
    match one.quorum.kind:
        case "any":
            return min(1, total)
        case "count":
            return min(one.quorum.number, total)
        case "percent":
            return -(-total * one.quorum.number // 100)
        case "perGroup":
            groups = {group for person in one.people for group in person.groups}
            return one.quorum.number * len(groups)
        case _:
            return total


def _coming(found: Situation, state: str) -> tuple[Coming, ...]:
    """The clock of the step and of the states around it, soonest first."""
    chart, instance = found.case.chart, found.case.instance
    around = (state, *chart.ancestors(state))
    timers = sorted(
        (one for one in instance.timers if one.state in around), key=lambda one: one.due
    )
    return tuple(
        coming for timer in timers for coming in _acts(found, chart, timer.name, timer.due, state)
    )


def _acts(found: Situation, chart: Chart, name: str, due: datetime, state: str) -> Sequence[Coming]:
    told: list[Coming] = []
    arrows = [arrow for one in chart.states.values() for arrow in one.transitions]
    for arrow in (one for one in arrows if one.event == name):
        for action in arrow.actions:
            match action.get("type"):
                case "remind":
                    told.append(Coming(due, "remind"))
                case "escalate":
                    mode = str(action.get("mode", "notify"))
                    told.append(Coming(due, "escalate", _people(found, action, state), mode))
                case "decide":
                    told.append(Coming(due, "decide", outcome=str(action.get("outcome", ""))))
                case "notify":
                    people = _people(found, action, state)
                    told.append(Coming(due, "escalate", people, "notify"))
        if arrow.targets:
            told.append(Coming(due, "move", target=state_title(chart, arrow.targets[0])))
    return told or [Coming(due, "act")]


def _people(found: Situation, action: Any, state: str) -> tuple[int, ...]:
    """Whom an action names, as things stand; nobody where that cannot be told yet."""
    instance = found.case.instance
    present = tuple(
        task.assignee
        for task in instance.tasks
        if task.state == state and task.status == "open" and task.assignee is not None
    )
    meta = Meta(
        instance.starter, state, present or ((instance.starter,) if instance.starter else ())
    )
    people: list[int] = []
    for who in many(action.get("to")):
        try:
            people += found.env.resolve(who, {"starter": instance.starter}, meta)
        except CannotEvaluate:
            continue
    return tuple(dict.fromkeys(people))
