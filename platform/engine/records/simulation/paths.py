"""`explore`: every way a case can take through a chart, as far as decisions make a difference.

Situations from which the same can happen are one; people whose votes count the same take turns.
What comes out is a verdict on the chart: where cases end, how long they may wait, and every way
that gets stuck.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import Any, Final

from engine.definitions.model import Label, Workflow
from engine.expressions import ExpressionError, parse
from engine.expressions.tree import Compare, Literal, Name, Negative, Node
from engine.problems import Problem
from engine.records.flows.words import event_title, state_title, worded_problem
from engine.records.simulation.scene import (
    HARMLESS,
    Move,
    Scene,
    event_moves,
    mark,
    opening,
    platform_moves,
    play,
    task_moves,
    timer_move,
)
from engine.records.simulation.simulate import starter_of, stuck_because, subject_of
from engine.records.simulation.told import in_both
from engine.records.simulation.world import World
from engine.records.unit import Unit
from engine.workflow import Chart, expressions_of, plain_expression

Record = dict[str, Any]
MOST: Final = 3_000  # situations
_NONE: Final = timedelta()
_BANDS: Final = 48  # combinations of amounts


@dataclass(frozen=True, slots=True)
class Trap:
    """A way that gets stuck: the moves that lead there, where it is, and why."""

    moves: tuple[Move, ...]
    state: str
    state_title: Label
    why: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    """What the ways of one record come to.

    `finals`: final states with the way that leads there soonest. `longest`: the longest time that
    a case can stand while nobody acts and only the clock goes on, until nothing more is due.
    `never`: states that no way enters. `complete` is False when there were more situations than
    the limit.
    """

    situations: int
    finals: Mapping[str, tuple[Move, ...]]
    longest: timedelta
    traps: tuple[Trap, ...]
    never: tuple[str, ...]
    complete: bool

    @property
    def fine(self) -> bool:
        """Whether every way leads to an end."""
        return bool(self.finals) and not self.traps


@dataclass(slots=True)
class _Node:
    scene: Scene
    parent: int | None
    move: Move | None
    ways: list[tuple[int, timedelta, bool]] = field(default_factory=list)
    blocked: list[tuple[Move, Problem]] = field(default_factory=list)


def explore(
    unit: Unit,
    workflow: Workflow,
    *,
    record: int | None = None,
    values: Mapping[str, Any] | None = None,
    starter: int | None = None,
    at: datetime | None = None,
    limit: int = MOST,
) -> Explored:
    """All ways of a record (or of one made of `values`) through a definition; nothing is written.

    Raises: NotFound for a record that the actor may not know of.
    """
    world = World.of(unit, workflow, exact=False)
    now = at or unit.now
    subject = subject_of(world, record, values or {}, starter, now)
    by = starter or starter_of(world.entity, subject, unit.actor.id)
    return explore_record(world, subject, by, now, limit)


def explore_record(
    world: World, subject: Record, starter: int | None, now: datetime, limit: int = MOST
) -> Explored:
    """The same in a world that is known already."""
    begun = opening(world, subject, now, starter)
    if begun.problem is not None:
        why = (_worded(world, begun.problem),)
        trap = Trap((), begun.scene.state, state_title(world.chart, begun.scene.state), why)
        return Explored(1, {}, timedelta(), (trap,), (), True)
    nodes, complete = _spread(begun.scene, limit)
    return _judged(world, nodes, complete)


def _spread(first: Scene, limit: int) -> tuple[list[_Node], bool]:
    """The graph of situations, nearest first."""
    nodes = [_Node(first, None, None)]
    known = {mark(first): 0}
    waiting = deque([0])
    while waiting:
        here = waiting.popleft()
        node = nodes[here]
        for move in _moves(node.scene):
            scene = node.scene
            if move.source == "timer" and scene.timer is not None:
                scene = scene.at(scene.timer.due)
            played = play(scene, move)
            if played.problem is not None:
                if played.problem.code not in HARMLESS:
                    node.blocked.append((move, played.problem))
                continue
            key = mark(played.scene)
            if key not in known:
                if len(nodes) >= limit:
                    return nodes, False
                known[key] = len(nodes)
                waiting.append(len(nodes))
                nodes.append(_Node(played.scene, here, move))
            node.ways.append(
                (known[key], played.scene.now - node.scene.now, move.source == "timer")
            )
    return nodes, True


def _moves(scene: Scene) -> list[Move]:
    if scene.instance.done:
        return []
    timer = timer_move(scene)
    found = [*task_moves(scene, alike=True), *event_moves(scene), *platform_moves(scene)]
    return [*found, timer] if timer else found


def _judged(world: World, nodes: Sequence[_Node], complete: bool) -> Explored:
    chart = world.chart
    finals: dict[str, tuple[Move, ...]] = {}
    entered: set[str] = set()
    for at, node in enumerate(nodes):
        entered |= set(node.scene.instance.active)
        if node.scene.instance.done:
            finals.setdefault(node.scene.state, _way(nodes, at))
    never = tuple(
        name
        for name, state in chart.states.items()
        if name and name not in entered and state.type != "history"
    )
    return Explored(
        situations=len(nodes),
        finals=finals,
        longest=_longest(nodes),
        traps=tuple(_traps(world, nodes, complete)),
        never=never,
        complete=complete,
    )


def _way(nodes: Sequence[_Node], at: int) -> tuple[Move, ...]:
    found: list[Move] = []
    here: int | None = at
    while here is not None:
        node = nodes[here]
        if node.move is not None:
            found.append(node.move)
        here = node.parent
    return tuple(reversed(found))


def _traps(world: World, nodes: Sequence[_Node], complete: bool) -> Iterator[Trap]:
    """Situations that nothing leads out of, decisions that cannot be carried out, and circles that
    no way leads out of; one for each state and reason."""
    told: set[object] = set()
    out = _ending(nodes)
    for at, node in enumerate(nodes):
        for why in _reasons(world, node, stuck=at not in out and complete):
            key = (node.scene.leaves, why.code, repr(why.params))
            if key in told:
                continue
            told.add(key)
            state = node.scene.state
            yield Trap(_way(nodes, at), state, state_title(world.chart, state), (why,))
            if why.code == "M170":
                return  # one circle tells of all


def _reasons(world: World, node: _Node, *, stuck: bool) -> Iterator[Problem]:
    for move, problem in node.blocked:
        title = event_title(world.chart, move.event)
        yield Problem(
            "M109",
            {
                "event": {"zh-CN": "到期处理", "en": "The timer"}
                if move.source == "timer"
                else title,
                "state": [state_title(world.chart, one) for one in node.scene.leaves],
                "reason": in_both(_worded(world, problem)),
            },
        )
    if not node.ways and not node.scene.instance.done:
        if not node.blocked:
            yield from stuck_because(node.scene)
    elif stuck and not node.scene.instance.done:
        yield Problem("M170", {"state": state_title(world.chart, node.scene.state)})


def _worded(world: World, problem: Problem) -> Problem:
    return worded_problem(world.unit, world.chart, world.entity, problem)


def _ending(nodes: Sequence[_Node]) -> set[int]:
    """The situations from which an end, or a dead end told elsewhere, can be reached."""
    before: dict[int, list[int]] = {}
    for at, node in enumerate(nodes):
        for target, *_ in node.ways:
            before.setdefault(target, []).append(at)
    found = {at for at, node in enumerate(nodes) if node.scene.instance.done or not node.ways}
    open_ = list(found)
    while open_:
        for one in before.get(open_.pop(), ()):
            if one not in found:
                found.add(one)
                open_.append(one)
    return found


def _longest(nodes: Sequence[_Node]) -> timedelta:
    """The longest way by the clock alone (one that comes back to itself is cut there)."""
    best: dict[int, timedelta] = {}
    on_way: set[int] = set()
    stack = [(at, False) for at in range(len(nodes))]
    while stack:
        at, done = stack.pop()
        timers = [(to, wait) for to, wait, clock in nodes[at].ways if clock]
        if done:
            on_way.discard(at)
            best[at] = max((wait + best.get(to, _NONE) for to, wait in timers), default=_NONE)
        elif at not in best and at not in on_way:
            on_way.add(at)
            stack.append((at, True))
            stack += [(to, False) for to, _ in timers if to not in best]
    return max(best.values(), default=_NONE)


# --- amounts that make a difference ------------------------------------------------------------
def bands(chart: Chart, entity_fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Values for the fields that conditions compare with numbers: each side of every threshold, in
    every combination (at most `_BANDS` of them). One empty set when there is nothing to compare.
    """
    found: dict[str, set[Any]] = {}
    for source, _, expected in expressions_of(chart):
        if expected != "bool":
            continue
        try:
            tree = parse(plain_expression(source))
        except ExpressionError:
            continue
        for name, number in _thresholds(tree):
            if name in entity_fields:
                found.setdefault(name, set()).update((number - 1, number, number + 1))
    names = sorted(found)
    ranges = [sorted(found[name]) for name in names]
    for at, values in enumerate(product(*ranges)):
        if at >= _BANDS:
            return
        yield dict(zip(names, values, strict=True))


def _thresholds(node: Node) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Compare) and node.op in ("<", "<=", ">", ">=", "=="):
        for one, other in ((node.left, node.right), (node.right, node.left)):
            number = _number(other)
            if isinstance(one, Name) and number is not None:
                yield one.name, number
    for child in _children(node):
        yield from _thresholds(child)


def _number(node: Node) -> Any:
    if isinstance(node, Negative):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, Literal) and not isinstance(node.value, bool | str | None.__class__):
        return node.value
    return None


def _children(node: Node) -> Iterator[Node]:
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Node):
                yield one


@dataclass(frozen=True, slots=True)
class Verdict:
    """A chart with one record in every band of its amounts. `finals`: ends that some band
    reaches; `never`: states that none enters."""

    bands: Sequence[tuple[Mapping[str, Any], Explored]]

    @property
    def traps(self) -> list[tuple[Mapping[str, Any], Trap]]:
        """Every way that gets stuck, with its band."""
        return [(values, trap) for values, found in self.bands for trap in found.traps]

    @property
    def finals(self) -> frozenset[str]:
        """All ends."""
        return frozenset(name for _, found in self.bands for name in found.finals)

    @property
    def never(self) -> frozenset[str]:
        """States that no record enters."""
        kept = [set(found.never) for _, found in self.bands]
        return frozenset(set.intersection(*kept)) if kept else frozenset()

    @property
    def longest(self) -> timedelta:
        """The longest time in any band."""
        return max((found.longest for _, found in self.bands), default=timedelta())

    @property
    def complete(self) -> bool:
        """Whether every situation of every band was looked at."""
        return all(found.complete for _, found in self.bands)


def explore_bands(
    unit: Unit,
    workflow: Workflow,
    *,
    record: int | None = None,
    values: Mapping[str, Any] | None = None,
    starter: int | None = None,
    at: datetime | None = None,
    limit: int = MOST,
) -> Verdict:
    """`explore` for a record in every band of the amounts that conditions of the chart look at."""
    world = World.of(unit, workflow, exact=False)
    found = []
    for band in bands(world.chart, world.entity.fields):
        said = {**(values or {}), **band}
        explored = explore(
            unit, workflow, record=record, values=said, starter=starter, at=at, limit=limit
        )
        found.append((band, explored))
    return Verdict(tuple(found))


__all__ = ["Explored", "Trap", "Verdict", "bands", "explore", "explore_bands", "explore_record"]
