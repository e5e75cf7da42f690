"""The set arithmetic of statecharts (SCXML appendix D): what is left, what is entered.

One difference from the Recommendation, shared with XState 5: a transition to its own source or
into it does not leave the source unless it says ``reenter``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.workflow.chart import ROOT, Chart, Transition

Memory = Mapping[str, tuple[str, ...]]


def domain(chart: Chart, transition: Transition, memory: Memory) -> str:
    """The innermost state that a transition with targets stays inside of."""
    source, targets = transition.source, _effective(chart, transition.targets, memory)
    inside = all(target == source or chart.within(target, source) for target in targets)
    if inside and not transition.reenter:
        return source
    for ancestor in chart.ancestors(source):
        compound = ancestor == ROOT or chart.states[ancestor].type == "compound"
        if compound and all(chart.within(target, ancestor) for target in targets):
            return ancestor
    return ROOT


def exit_set(chart: Chart, transition: Transition, active: set[str], memory: Memory) -> set[str]:
    """The active states a transition leaves."""
    if not transition.targets:
        return set()
    area = domain(chart, transition, memory)
    return {state for state in active if chart.within(state, area)}


def without_conflicts(
    chart: Chart, transitions: Sequence[Transition], active: set[str], memory: Memory
) -> list[Transition]:
    """At most one of two transitions that leave the same state: the inner one, else the first."""
    kept: list[Transition] = []
    for candidate in transitions:
        leaving = exit_set(chart, candidate, active, memory)
        rivals = [one for one in kept if exit_set(chart, one, active, memory) & leaving]
        if all(chart.within(candidate.source, rival.source) for rival in rivals):
            kept = [one for one in kept if one not in rivals] + [candidate]
    return kept


def entry_set(
    chart: Chart, transitions: Sequence[Transition], remaining: set[str], memory: Memory
) -> list[str]:
    """The states to enter, in document order, given the active states that remain."""
    entered: set[str] = set()
    for transition in transitions:
        if not transition.targets:
            continue
        area = domain(chart, transition, memory)
        _enter_several(chart, transition.targets, area, entered, memory)
    return chart.in_order(entered - remaining)


def _effective(chart: Chart, targets: Sequence[str], memory: Memory) -> list[str]:
    """The targets with histories replaced by what they remember."""
    found: list[str] = []
    for target in targets:
        state = chart.states[target]
        if state.type == "history":
            found += memory.get(target) or _effective(chart, state.initial, memory)
        else:
            found.append(target)
    return found


def _enter_inside(chart: Chart, target: str, entered: set[str], memory: Memory) -> None:
    """A target with what is entered below it by default."""
    state = chart.states[target]
    if state.type == "history":
        _enter_several(chart, _effective(chart, (target,), memory), state.parent, entered, memory)
        return
    entered.add(target)
    if state.type == "compound":
        _enter_several(chart, state.initial, target, entered, memory)
    elif state.type == "parallel":
        _enter_regions(chart, target, entered, memory)


def _enter_several(
    chart: Chart, targets: Sequence[str], area: str, entered: set[str], memory: Memory
) -> None:
    """Targets below `area`: all of them come before the regions nobody named."""
    for target in targets:
        _enter_inside(chart, target, entered, memory)
    for target in _effective(chart, targets, memory):
        _enter_between(chart, target, area, entered, memory)


def _enter_between(chart: Chart, target: str, area: str, entered: set[str], memory: Memory) -> None:
    """The ancestors of a target up to the domain, with the other regions of parallel ones."""
    for ancestor in chart.ancestors(target, area):
        if ancestor == ROOT:
            return
        entered.add(ancestor)
        if chart.states[ancestor].type == "parallel":
            _enter_regions(chart, ancestor, entered, memory)
    if area != ROOT and chart.states[area].type == "parallel" and target != area:
        _enter_regions(chart, area, entered, memory)


def _enter_regions(chart: Chart, parallel: str, entered: set[str], memory: Memory) -> None:
    for region in chart.states[parallel].children:
        if chart.states[region].type == "history":
            continue
        if not any(one == region or chart.within(one, region) for one in entered):
            _enter_inside(chart, region, entered, memory)


def remembered(
    chart: Chart, leaving: Sequence[str], active: set[str]
) -> dict[str, tuple[str, ...]]:
    """What the history states inside the states about to be left have to remember."""
    found: dict[str, tuple[str, ...]] = {}
    for parent in leaving:
        for child in chart.states[parent].children:
            history = chart.states[child]
            if history.type != "history":
                continue
            inside = {state for state in active if chart.within(state, parent)}
            found[child] = (
                chart.leaves(inside)
                if history.deep
                else tuple(state for state in inside if chart.states[state].parent == parent)
            )
    return found


def complete(chart: Chart, state: str, active: set[str]) -> bool:
    """Whether a state has reached its end: a final child, or every region complete."""
    here = chart.states[state]
    match here.type:
        case "final":
            return state in active
        case "compound":
            return any(
                child in active and chart.states[child].type == "final" for child in here.children
            )
        case "parallel":
            regions = [child for child in here.children if chart.states[child].type != "history"]
            return all(complete(chart, region, active) for region in regions)
        case _:
            return False
