"""Checks of a workflow's people: whether somebody can act where somebody has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.problems import Problem
from engine.workflow.chart import Chart, Policy, State, Who, many
from engine.workflow.expressions import actions_of
from engine.workflow.rounds import groups_of

_ONE = frozenset({"starter", "user", "supervisor"})  # a `who` of one person at most


class Report(Protocol):
    """Makes a problem of the file at hand."""

    def __call__(self, code: str, pointer: str, *, warn: bool = False, **params: Any) -> Problem:
        """The problem at a place of the document."""


@dataclass(frozen=True, slots=True)
class Known:
    """Who there is in a company: keys of groups, keys and names of departments, logins of open
    accounts, roles that somebody holds."""

    groups: frozenset[str]
    departments: frozenset[str]
    logins: frozenset[str]
    held: frozenset[str]


def check(chart: Chart, report: Report) -> Iterator[Problem]:
    """What the definition alone tells about its approvals."""
    for state in chart.states.values():
        if state.policy is not None:
            yield from _approval(state, state.policy, report)


def _approval(state: State, policy: Policy, report: Report) -> Iterator[Problem]:
    own = [who for who in policy.assignees if who.get("starter")]
    barred = policy.starter in ("skip", "deny")
    if barred and len(own) == len(policy.assignees) and policy.empty == "error":
        yield report("W204", f"{state.pointer}/assignees", state=state.title or state.id)
    seats = [who for who in policy.assignees if _ONE & who.keys()]
    most = len(seats) if len(seats) == len(policy.assignees) else None
    needed = policy.quorum.number if policy.quorum.kind == "count" else 0
    if most is not None and needed > most and policy.empty == "error":
        place = f"{state.pointer}/quorum"
        yield report("W205", place, state=state.title or state.id, count=needed, most=most)
    if policy.quorum.kind == "perGroup" and policy.quorum.number > 1 and seats:
        place = f"{state.pointer}/quorum"
        yield report(
            "W205", place, state=state.title or state.id, count=policy.quorum.number, most=1
        )
    decides = {"approve", "reject"} & policy.allow
    timers = any(action.get("type") == "decide" for action, _ in actions_of(state))
    if not decides and not timers:
        yield report("W206", f"{state.pointer}/allow", state=state.title or state.id)
    known = {*groups_of(policy), *(str(who["user"]) for who in policy.assignees if "user" in who)}
    persons = all(_ONE & who.keys() or "label" in who for who in policy.assignees)
    for key in policy.weights:
        if key not in known and persons:
            place = f"{state.pointer}/weights/{key}"
            yield report("W225", place, warn=True, key=key, state=state.title or state.id)


# -- with a company at hand ----------------------------------------------------------------------


def check_known(chart: Chart, known: Known, report: Report) -> Iterator[Problem]:
    """Warnings about people and groups that the company does not have."""
    for who, pointer in _whos(chart):
        for key, codes, there in (
            ("group", "W200", known.groups),
            ("department", "W201", known.departments),
            ("user", "W202", known.logins),
            ("role", "W203", known.held),
        ):
            name = who.get(key)
            if isinstance(name, str) and name not in there:
                yield report(codes, pointer, warn=True, **{key: name})


def _whos(chart: Chart) -> Iterator[tuple[Who, str]]:
    for state in chart.states.values():
        for event, whos in state.may.items():
            yield from _each(whos, f"{state.pointer}/may/{event}")
        policy = state.policy
        if policy is not None:
            yield from _each(policy.assignees, f"{state.pointer}/assignees")
            yield from _each(policy.cc, f"{state.pointer}/cc")
            if isinstance(policy.empty, Mapping):
                yield from _each([policy.empty], f"{state.pointer}/empty")
        for action, pointer in actions_of(state):
            if isinstance(action.get("to"), Mapping | list | tuple):
                yield from _each(many(action["to"]), f"{pointer}/to")


def _each(whos: Iterable[Any], pointer: str) -> Iterator[tuple[Who, str]]:
    for who in whos:
        if isinstance(who, Mapping):
            yield who, pointer
            yield from _each(who.get("from", ()), f"{pointer}/from")
