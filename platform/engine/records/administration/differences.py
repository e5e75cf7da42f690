"""Two versions of a workflow side by side: what differs in words, where cases could go, what a
version needs of the company's other definitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from engine.definitions.changes import Change
from engine.definitions.model import Label
from engine.expressions import ExpressionError, parse
from engine.expressions.dependencies import dependencies
from engine.workflow import Chart, expressions_of
from engine.workflow.chart import ROOT, Action, State, Transition

_ALIKE: Final = 0.6  # from here on two names are taken for the same thing
_NOT_FIELDS: Final = frozenset({"id", "old", "me", "my", "event", "starter", "states", "decisions"})
_VOTING: Final = ("quorum", "order", "veto", "close", "weights", "claim")
_RULES: Final = ("empty", "starter", "repeat", "allow", "comment", "return_to", "resubmit")


# --- in words ----------------------------------------------------------------------------------
def differences(old: Chart, new: Chart) -> list[Change]:
    """What the new version does differently, state by state."""
    found: list[Change] = []
    if old.state_field != new.state_field:
        found.append(Change("~", "C124"))
    if _entry(old) != _entry(new):
        found.append(Change("~", "C123", {"state": _titles(new, _entry(new))}))
    for id, state in new.states.items():
        if id == ROOT:
            continue
        about = {"state": title_of(new, id)}
        before = old.states.get(id)
        if before is None:
            found.append(Change("+", "C120", about))
        elif parts := tuple(_parts(before, state)):
            found.append(Change("~", "C122", about, parts))
    gone = [id for id in old.states if id not in new.states]
    found += [Change("-", "C121", {"state": title_of(old, id)}) for id in gone]
    return found


def title_of(chart: Chart, state: str) -> Label:
    """What a state is called; its id when it has no name."""
    found = chart.states.get(state)
    return (found.title if found else {}) or {"": state}


def _titles(chart: Chart, states: Iterable[str]) -> list[Label]:
    return [title_of(chart, state) for state in states]


def _entry(chart: Chart) -> tuple[str, ...]:
    return chart.states[ROOT].initial


def _parts(before: State, now: State) -> Iterator[str]:
    """The codes of what is different about a state."""
    if before.type != now.type or before.parent != now.parent or before.initial != now.initial:
        yield "C130"
    if before.title != now.title:
        yield "C131"
    was, is_ = before.policy, now.policy
    if was is not None and is_ is not None:
        if was.assignees != is_.assignees or was.cc != is_.cc:
            yield "C132"
        if any(getattr(was, name) != getattr(is_, name) for name in _VOTING):
            yield "C133"
        if any(getattr(was, name) != getattr(is_, name) for name in _RULES):
            yield "C134"
    if _ways(before) != _ways(now):
        yield "C135"
    if _timers(before) != _timers(now):
        yield "C136"
    locks = [None if policy is None else policy.lock for policy in (was, is_)]
    if before.fields != now.fields or locks[0] != locks[1]:
        yield "C137"
    if before.may != now.may:
        yield "C138"
    if (before.entry, before.exit) != (now.entry, now.exit):
        yield "C139"


def _ways(state: State) -> list[tuple[Any, ...]]:
    """The arrows without what is only for people."""
    return [
        (one.event, one.targets, one.guard, one.actions, one.reenter) for one in state.transitions
    ]


def _timers(state: State) -> list[tuple[Any, ...]]:
    return [
        (one.name, one.delay, one.at, one.shift, one.clock, one.every, one.times)
        for one in state.timers
    ]


# --- where cases could go ----------------------------------------------------------------------
def places(chart: Chart) -> list[str]:
    """The states a case can be moved to, in document order."""
    return [id for id, state in chart.states.items() if id != ROOT and state.type != "history"]


def suggested(old: Chart, new: Chart, states: Iterable[str]) -> dict[str, str]:
    """For each state the one in the new version that is the same, or is most like it; states
    without any are left out."""
    found = {state: _nearest(old, new, state) for state in states}
    return {state: target for state, target in found.items() if target}


def _nearest(old: Chart, new: Chart, state: str) -> str:
    if state in new.states and new.states[state].type != "history":
        return state
    here = old.states.get(state)
    if here is None:
        return ""
    same_kind = [id for id in places(new) if new.states[id].type == here.type]
    same_title = [
        id for id in same_kind if set(here.title.values()) & set(new.states[id].title.values())
    ]
    if same_title:
        return same_title[0]
    likeness = {id: _likeness(state, here, id, new.states[id]) for id in same_kind}
    best = max(likeness, key=lambda id: likeness[id], default="")
    return best if best and likeness[best] >= _ALIKE else ""


def _likeness(id: str, here: State, other_id: str, other: State) -> float:
    pairs = [(id, other_id)]
    pairs += [
        (text, other.title[language])
        for language, text in here.title.items()
        if language in other.title
    ]
    return max(SequenceMatcher(None, one, two).ratio() for one, two in pairs)


# --- what a version needs ----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Needs:
    """Names of other definitions that a version of a workflow uses."""

    fields: frozenset[str]
    roles: frozenset[str]
    states: frozenset[str]  # what its state field may say


def needs(chart: Chart) -> Needs:
    """What a chart uses of its entity and of the company."""
    fields = {name for source, _, _ in expressions_of(chart) for name in _read(source)}
    fields |= {chart.state_field} - {""}
    roles: set[str] = set()
    for state in chart.states.values():
        fields |= set(state.fields) - {"*"}
        for one in _dictionaries(_parts_of(state)):
            fields |= {str(one[key]) for key in ("field", "ofField") if one.get(key)}
            if isinstance(one.get("assign"), Mapping):
                fields |= set(one["assign"])
            roles |= {str(one[key]) for key in ("role", "untilRole") if one.get(key)}
    return Needs(frozenset(fields), frozenset(roles), frozenset(chart.reportable()))


def _read(source: str) -> set[str]:
    try:
        return {path[0] for path in dependencies(parse(source))} - _NOT_FIELDS
    except ExpressionError:
        return set()


def _parts_of(state: State) -> list[Any]:
    """Everything of a state in which people, roles or fields are named."""
    arrows: tuple[Transition, ...] = state.transitions
    actions: list[Action] = [*state.entry, *state.exit]
    actions += [action for arrow in arrows for action in arrow.actions]
    policy = state.policy
    asked = [policy.assignees, policy.cc, policy.empty] if policy else []
    return [actions, list(state.may.values()), *asked]


def _dictionaries(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for item in value.values():
            yield from _dictionaries(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _dictionaries(item)
