"""One moment of a simulated case: what may happen next, and what it makes of the case.

A scene is never changed: `play` gives the next one. That is what lets an exploration go back to a
fork, and what makes it certain that nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from engine.definitions.model import Label
from engine.expressions import ExpressionError, dependencies, parse
from engine.problems import Problem
from engine.records import flows
from engine.records.evaluation import Relations
from engine.records.failures import Failure
from engine.records.simulation.world import World, plausible
from engine.workflow import (
    CannotEvaluate,
    Event,
    Instance,
    Meta,
    Outcome,
    Timer,
    begin,
    commands_for,
    plain_expression,
    step,
)
from engine.workflow.chart import CLIENT_FORBIDDEN, State, Transition
from engine.workflow.commands import Command

Record = dict[str, Any]
_FEW: Final = 3  # people looked at for one event: the others have the same right
# a refusal that only says "not now, not like this": the way exists for others, or with other data
HARMLESS: Final = frozenset(
    {"W102", "W103", "W104", "W105", "W111", "W112", "W113", "W116", "W119", "W121", "W122"}
)
_FILLS: Final = 3  # times that a step may ask for more fields


@dataclass(frozen=True, slots=True)
class Move:
    """Something that can happen: a person's command or event, a timer, or the platform itself."""

    event: str
    who: int | None = None
    task: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    source: Literal["client", "timer", "system"] = "client"
    title: Label = field(default_factory=dict)
    state: str = ""

    @property
    def command(self) -> str:
        """The command on a task, "" for anything else."""
        return self.event.removeprefix("task.") if self.event.startswith("task.") else ""


@dataclass(frozen=True, slots=True)
class Scene:
    """The case, the copy of the record and the time."""

    world: World
    instance: Instance
    record: Record
    now: datetime
    begun: datetime

    @property
    def elapsed(self) -> timedelta:
        """How long the case has lasted."""
        return self.now - self.begun

    @property
    def state(self) -> str:
        """What the record's state field says."""
        return self.world.chart.reported(self.instance.active)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The innermost active states."""
        return self.world.chart.leaves(self.instance.active)

    @property
    def timer(self) -> Timer | None:
        """The timer that is due next."""
        return min(self.instance.timers, key=lambda one: (one.due, one.name), default=None)

    def at(self, now: datetime) -> Scene:
        """The same, later."""
        return replace(self, now=max(self.now, now))

    def holding(self, values: Mapping[str, Any]) -> Scene:
        """The same with other values in the record."""
        return replace(self, record={**self.record, **values})


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a move: with a `problem`, `scene` is the one before. `assumed`: fields that the
    case asked for and that were filled with something."""

    scene: Scene
    outcome: Outcome | None = None
    problem: Problem | None = None
    assumed: Mapping[str, Any] = field(default_factory=dict)


# --- what happens ------------------------------------------------------------------------------
def opening(world: World, record: Record, now: datetime, starter: int | None) -> Played:
    """A case that begins now."""
    nothing = Instance(world.chart.id, world.chart.version, world.chart.hash, starter)
    scene = Scene(world, nothing, dict(record), now, now)
    outcome = begin(world.chart, world.env(scene.record, now, starter))
    return _taken(scene, outcome, Event("start", source="system"), starter)


def play(scene: Scene, move: Move) -> Played:
    """One move; fields that the case demands are filled with something and told as `assumed`."""
    assumed: Record = {}
    for _ in range(_FILLS):
        played = _once(scene.holding(assumed), move)
        missing = _demanded(scene, played.problem)
        more = {
            name: plausible(scene.world.entity, name, scene.now, scene.instance.starter)
            for name in missing
            if name not in assumed
        }
        more = {name: value for name, value in more.items() if value is not None}
        if not more:
            break
        assumed |= more
    if played.problem is not None:
        return Played(scene, problem=played.problem)
    return replace(played, assumed=assumed)


def _once(scene: Scene, move: Move) -> Played:
    event = Event(move.event, dict(move.data), move.task, move.source)
    env = scene.world.env(scene.record, scene.now, move.who)
    outcome = step(scene.world.chart, scene.instance, event, env)
    return _taken(scene, outcome, event, move.who)


def _taken(scene: Scene, outcome: Outcome, event: Event, who: int | None) -> Played:
    """The outcome with the record as it would be saved."""
    if outcome.problems:
        return Played(scene, outcome, outcome.problems[0])
    try:
        record = _saved(scene, outcome, event, who)
    except Failure as failure:
        return Played(scene, problem=failure.problems[0])
    return Played(replace(scene, instance=outcome.instance, record=record), outcome)


def _saved(scene: Scene, outcome: Outcome, event: Event, who: int | None) -> Record:
    world, name = scene.world, scene.world.chart.state_field
    if not world.exact and not outcome.changes:
        known = name in world.entity.fields and bool(outcome.state)
        return {**scene.record, name: outcome.state} if known else scene.record
    if world.pins or not scene.record["id"] or outcome.state not in world.options:
        # a made-up record, or a state that its field does not know yet, is nobody's mistake
        event = replace(event, source="system")
    unit = world.unit_of(who, scene.now)
    relations = Relations(unit)
    found = flows.settled(unit, world.entity, scene.record, name, outcome, event, relations)
    return {**found, **world.pins}


def _demanded(scene: Scene, problem: Problem | None) -> list[str]:
    """The empty fields that stopped a move: those the state demands, and those its conditions
    look at."""
    if problem is None:
        return []
    if problem.code == "W115":
        return list(problem.params.get("fields", ()))
    if problem.code != "W104":
        return []
    found: set[str] = set()
    for source in problem.params.get("conditions", ()):
        try:
            found |= {path[0] for path in dependencies(parse(plain_expression(source)))}
        except ExpressionError:
            continue
    fields = scene.world.entity.fields
    return [one for one in fields if one in found and scene.record.get(one) in (None, "", [])]


# --- what may happen ---------------------------------------------------------------------------
def task_moves(scene: Scene, *, alike: bool = False) -> Iterator[Move]:
    """Decisions on the open tasks. `alike`: of people whose votes count the same, only the
    first."""
    seen: set[object] = set()
    for task in scene.instance.tasks:
        if task.status != "open":
            continue
        kind = (task.state, task.round, task.kind, task.groups, task.weight, task.parent)
        if alike and kind in seen:
            continue
        seen.add(kind)
        person = task.assignee if task.assignee is not None else next(iter(task.candidates), None)
        if person is None:
            continue
        for one in _commands(scene, person):
            if one.task == task.id:
                yield from _as_moves(one, person)


def _as_moves(command: Command, person: int) -> Iterator[Move]:
    name = command.event.removeprefix("task.")
    if name not in ("approve", "reject", "return", "claim"):
        return
    said: dict[str, Any] = {} if name in ("approve", "claim") else {"comment": "…"}
    if command.comment == "required":
        said["comment"] = "…"
    for place in command.places if name == "return" else ("",):
        data = {**said, "to": place} if place else said
        yield Move(command.event, person, command.task, data, "client", command.title, place)


def event_moves(scene: Scene) -> list[Move]:
    """An author's events that somebody may send now and that lead on, each with the first person
    who may."""
    found: dict[str, Move] = {}
    for person in _senders(scene):
        for one in _commands(scene, person):
            if one.task is not None or one.event in found:
                continue
            move = Move(one.event, person, title=one.title, state=one.state)
            if one.why is None or play(scene, move).problem is None:
                found[one.event] = move
    order = [name for name, _ in _plain_events(scene)]
    return sorted(found.values(), key=lambda move: order.index(move.event))


def platform_moves(scene: Scene) -> list[Move]:
    """What the platform itself does: the end of a case that was called."""
    called = [one for one in scene.leaves if scene.world.chart.states[one].type == "call"]
    return [Move(f"done.call.{one}", source="system", state=one) for one in called]


def timer_move(scene: Scene) -> Move | None:
    """The next timer, as a move."""
    timer = scene.timer
    return Move(timer.name, source="timer", state=timer.state) if timer else None


def _commands(scene: Scene, person: int) -> tuple[Command, ...]:
    env = scene.world.env(scene.record, scene.now, person)
    return commands_for(scene.world.chart, scene.instance, person, env)


def _plain_events(scene: Scene) -> Iterator[tuple[str, Transition]]:
    chart = scene.world.chart
    for leaf in scene.leaves:
        for name in (leaf, *chart.ancestors(leaf)):
            for arrow in chart.states[name].transitions:
                if arrow.event and not arrow.event.startswith((*CLIENT_FORBIDDEN, "task.")):
                    yield arrow.event, arrow


def _senders(scene: Scene) -> list[int]:
    """A few people for every event that can be sent now, the starter before all others."""
    found: list[int] = []
    if scene.instance.starter is not None:
        found.append(scene.instance.starter)
    events = {name for name, _ in _plain_events(scene)}
    for name in scene.instance.active:
        state = scene.world.chart.states[name]
        for event in events & state.may.keys():
            found += who_may(scene, state, event)[:_FEW]
    return list(dict.fromkeys(found))


def who_may(scene: Scene, state: State, event: str) -> list[int]:
    """The people whom a state allows to send an event."""
    starter = scene.instance.starter
    env = scene.world.env(scene.record, scene.now, starter)
    names: dict[str, Any] = {"event": {}, "starter": starter, "states": list(scene.instance.active)}
    found: list[int] = []
    for who in state.may.get(event, ()):
        meta = Meta(starter, state.id, () if starter is None else (starter,))
        if who.get("starter"):
            found += [] if starter is None else [starter]
        elif "chosenBy" not in who:
            try:
                found += env.resolve(who, {**names, "decisions": 0}, meta)
            except CannotEvaluate:
                continue
    return list(dict.fromkeys(found))


# --- the same again ----------------------------------------------------------------------------
def mark(scene: Scene) -> object:
    """Equal for situations from which the same things can happen, whatever the time and whatever
    was decided on the way there. Of the record only what the chart looks at counts."""
    case, chart = scene.instance, scene.world.chart
    tasks = [
        (one.state, one.status, one.assignee, one.candidates, one.kind, one.hold, one.groups)
        for one in case.tasks
        if one.pending or (one.status in ("approved", "rejected") and _counts(case, one.state))
    ]
    repeats = any(one.policy and one.policy.repeat != "none" for one in chart.states.values())
    past = {
        (one.state, one.decided_by)
        for one in case.tasks
        if repeats and one.status == "approved" and one.cycle == case.cycle
    }
    limits = {rule.name: rule.times for one in case.active for rule in chart.states[one].timers}
    timers = [(one.name, min(one.fired, limits.get(one.name) or 0)) for one in case.timers]
    seen = scene.world.looked_at
    changed = {name: repr(scene.record.get(name)) for name in seen}
    return (
        *(case.active, case.done, case.locked, case.detour, tuple(sorted(set(case.visits)))),
        *(tuple(sorted(tasks, key=repr)), tuple(sorted(past, key=repr)), tuple(sorted(timers))),
        *(tuple(sorted(case.history.items())), tuple(sorted(changed.items()))),
    )


def _counts(case: Instance, state: str) -> bool:
    latest = next((one for one in reversed(case.rounds) if one.state == state), None)
    return latest is not None and not latest.outcome
