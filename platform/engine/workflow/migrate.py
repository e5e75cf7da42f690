"""A running case under another version of its definition: a pure step like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from engine.workflow import interpreter, rounds, sets
from engine.workflow.case import Case, Refused
from engine.workflow.chart import ROOT, Chart, State, Transition
from engine.workflow.env import Env, Event
from engine.workflow.instance import Instance, Outcome
from engine.workflow.step import demand_version, outcome_of


def migrate(
    old: Chart,
    new: Chart,
    instance: Instance,
    mapping: Mapping[str, str],
    env: Env,
    *,
    reason: str = "",
) -> Outcome:
    """The case under another version of its definition, with one line ``migrated`` in the log.

    `mapping`: active leaf state of `old` -> state of `new`; a state that is not named keeps its
    id. A state under its own id is not entered again: its round goes on when the people are
    described alike (with the votes given so far, counted by the new rule), else it opens anew.
    A timer whose definition did not change keeps its instant, one that changed starts now. States
    that are entered ask people and set timers, but do none of their entry actions: moving a case
    is not one of its steps. A finished case is only marked.
    """
    told = {"comment": reason, "from": old.version, "to": new.version, "mapping": dict(mapping)}
    moved = replace(instance, version=new.version, hash=new.hash)
    case = Case(new, moved, Event("migrated", told), env)
    outcome = outcome_of(case, partial(_migrate, old=old, original=instance, mapping=mapping))
    return replace(outcome, instance=instance) if outcome.problems else outcome


def _migrate(case: Case, old: Chart, original: Instance, mapping: Mapping[str, str]) -> None:
    demand_version(old, original)
    if old.id != case.chart.id:
        raise Refused("W308", workflow=old.id, other=case.chart.id)
    before = old.leaves(original.active)
    targets = {leaf: mapping.get(leaf, leaf) for leaf in before}
    if lost := [leaf for leaf, to in targets.items() if not _can_stand(case.chart, to)]:
        raise Refused("W309", "/mapping", places=[old.states[one].title or one for one in lost])
    active = _configuration(case.chart, list(dict.fromkeys(targets.values())))
    stays = {state for state in active & set(original.active) if _alike(case, old, state)}
    for leaf, to in targets.items():
        if leaf != to:
            stays.discard(leaf)
    _forget(case, old, active, stays)
    case.active = active
    case.row("migrated", before)
    case.acted = case.sequence
    if case.done:
        return
    for state in case.chart.in_order(active):
        _stand(case, old.states.get(state) if state in stays else None, case.state(state))
    interpreter.macrostep(case)


def _can_stand(chart: Chart, state: str) -> bool:
    found = chart.states.get(state)
    return found is not None and state != ROOT and found.type != "history"


def _configuration(chart: Chart, targets: list[str]) -> set[str]:
    """All that is active when these states are; regions nobody named begin at their start."""
    jump = Transition(ROOT, "", tuple(targets))
    active = set(sets.entry_set(chart, [jump], set(), {}))
    for name in (ROOT, *active):
        state = chart.states[name]
        inside = [child for child in state.children if child in active]
        if state.type == "compound" and len(inside) != 1:
            raise Refused("W310", "/mapping", states=inside)
    return active


def _alike(case: Case, old: Chart, state: str) -> bool:
    """Whether a state of the same id can go on as it stands."""
    was, now = old.states[state], case.state(state)
    if was.type != now.type:
        return False
    return (
        was.policy is None
        or now.policy is None
        or (was.policy.assignees, was.policy.claim, was.policy.starter)
        == (now.policy.assignees, now.policy.claim, now.policy.starter)
    )


def _forget(case: Case, old: Chart, active: set[str], stays: set[str]) -> None:
    """End what the old version had going and the new one does not go on with."""
    known = case.chart.states
    for state in case.start.active:
        round_ = case.round_of(state)
        if round_ and not round_.outcome and not (state in stays and state in active):
            rounds.end_round(case, round_, "left", "migrated")
        if state not in stays and old.states[state].type == "call":
            interpreter.end_calls(case, state)
    case.history = {
        state: kept
        for state, kept in case.history.items()
        if state in known and all(one in known for one in kept)
    }
    case.visits = [state for state in case.visits if state in known]
    case.reminded = {state: at for state, at in case.reminded.items() if state in stays}
    case.chosen = {state: people for state, people in case.chosen.items() if state in known}
    detour = case.detour
    if detour and not (detour.at in stays and detour.back in known):
        case.detour = None
    case.timers = {name: one for name, one in case.timers.items() if one.state in stays}


def _stand(case: Case, was: State | None, here: State) -> None:
    """Let a state go on (`was`: as the old version had it), or begin without its entry actions."""
    if was is None:
        interpreter.settle_in(case, here.id)
        return
    rules = {rule.name: replace(rule, pointer="") for rule in was.timers}
    unchanged = {
        rule.name for rule in here.timers if rules.get(rule.name) == replace(rule, pointer="")
    }
    case.timers = {
        name: one
        for name, one in case.timers.items()
        if one.state != here.id or name in unchanged
    }  # fmt: skip
    for rule in here.timers:
        if rule.name not in unchanged:
            interpreter.arm(case, here.id, rule)
    if here.type == "approval":
        rounds.settle(case, here.id)
