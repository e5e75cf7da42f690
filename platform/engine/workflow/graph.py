"""Where states lead, without guards: for the linter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.workflow.chart import ROOT, Chart, State


def entered(chart: Chart, target: str) -> set[str]:
    """The states that are entered with a target, above and below it. Unknown targets are none."""
    found: set[str] = set()
    pending = [target]
    while pending:
        name = pending.pop()
        if name in found or name not in chart.states:
            continue
        found.add(name)
        for ancestor in chart.ancestors(name):
            if ancestor not in found and chart.states[ancestor].type == "parallel":
                pending += chart.states[ancestor].children
            found.add(ancestor)
        state = chart.states[name]
        if state.type == "parallel":
            pending += state.children
        elif state.type in ("compound", "history"):
            pending += state.initial
    return found


def reachable(chart: Chart) -> set[str]:
    """All states that some sequence of events can enter."""
    found: set[str] = set()
    fresh = set().union(*(entered(chart, one) for one in chart.states[ROOT].initial), {ROOT})
    while fresh:
        found |= fresh
        following = {
            target
            for name in fresh
            for transition in chart.states[name].transitions
            for target in transition.targets
        }
        following |= {target for name in fresh for target in _returns(chart.states[name])}
        fresh = set().union(*(entered(chart, one) for one in following)) - found
    return found


def _returns(state: State) -> Iterator[str]:
    if state.policy is not None:
        yield from (one for one in state.policy.return_to if not one.startswith(("#", "*")))


def onward(chart: Chart, name: str) -> set[str]:
    """The states one event away: by the state's own transitions, those of its ancestors, and by
    entering what lies inside it."""
    found: set[str] = set()
    for one in (name, *chart.ancestors(name)):
        for transition in chart.states[one].transitions:
            ends = transition.event.startswith("done.state.")
            # the end of an ancestor comes through one of its final states only
            if ends and one != name and not _can_end(chart, name, one):
                continue
            if ends and one == name and chart.states[name].type == "parallel":
                continue
            for target in transition.targets:
                found |= entered(chart, target)
    state = chart.states[name]
    if state.type in ("compound", "history"):
        found |= set().union(*(entered(chart, one) for one in state.initial))
    elif state.type == "parallel":
        found |= set(state.children)
    return found - {name}


def _can_end(chart: Chart, name: str, ancestor: str) -> bool:
    """Whether being in `name` can be what completes `ancestor`."""
    state = chart.states[name]
    if state.type != "final":
        return False
    return state.parent == ancestor or chart.states[ancestor].type == "parallel"


def leads_to_end(chart: Chart) -> set[str]:
    """All states from which a final state of the document can be reached."""
    ends = {
        name for name in chart.states[ROOT].children if chart.states[name].type == "final"
    }  # fmt: skip
    ways = {name: onward(chart, name) for name in chart.states if name != ROOT}
    found = set(ends)
    while True:
        more = {name for name, targets in ways.items() if name not in found and targets & found}
        if not more:
            return found
        found |= more


def circles(edges: dict[str, set[str]]) -> Iterable[list[str]]:
    """One circle for each state that leads back to itself, each circle once."""
    seen: set[frozenset[str]] = set()
    for start in edges:
        path = _back_to(edges, start)
        if path and frozenset(path) not in seen:
            seen.add(frozenset(path))
            yield path


def _back_to(edges: dict[str, set[str]], start: str) -> list[str]:
    parents: dict[str, str] = {}
    pending = [start]
    while pending:
        name = pending.pop()
        for target in edges.get(name, ()):
            if target == start:
                path = [name]
                while path[-1] != start:
                    path.append(parents[path[-1]])
                return path[::-1]
            if target not in parents:
                parents[target] = name
                pending.append(target)
    return []
