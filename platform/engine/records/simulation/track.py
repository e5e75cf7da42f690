"""One case of the past, taken through a chart with the decisions that people really gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from engine.problems import Problem
from engine.records.flows.cases import first_state
from engine.records.simulation.past import Decision, Habits, Past, Said
from engine.records.simulation.scene import Move, Scene, opening, play, timer_move
from engine.records.simulation.simulate import stuck_because
from engine.records.simulation.world import World
from engine.workflow import Task

MOST: Final = 200  # moves of one case
_LAST: Final = 3  # events that may come in another order than they did


@dataclass(slots=True)
class Track:
    """Where a case went. `votes`: the people who had to decide, by step; `assumed`: how many of
    them decided nothing of the kind in reality."""

    end: Literal["finished", "open", "stuck"] = "open"
    state: str = ""
    elapsed: timedelta = timedelta()
    votes: list[tuple[str, int]] = field(default_factory=list)
    asked: dict[tuple[str, int], None] = field(default_factory=dict)
    assumed: int = 0
    why: Problem | None = None


@dataclass(slots=True)
class _Option:
    """Something that may happen next, and when."""

    at: datetime
    rank: int
    move: Move
    decision: Decision | None = None
    said: Said | None = None
    guessed: bool = False


def retrace(world: World, past: Past, habits: Habits) -> Track:
    """The past case in the world's chart; nothing is written."""
    record = dict(past.record)
    if world.chart.state_field in world.entity.fields:
        record[world.chart.state_field] = first_state(world.chart)
    begun = opening(world, record, past.begun, past.starter)
    if begun.problem is not None:
        return Track("stuck", begun.scene.state, why=begun.problem)
    return _Retracing(world, past, habits).run(begun.scene)


class _Retracing:
    """One case under way."""

    def __init__(self, world: World, past: Past, habits: Habits) -> None:
        self.world, self.past, self.habits = world, past, habits
        self.left: list[Decision] = list(past.decisions)
        self.said: list[Said] = list(past.events)
        self.track = Track()

    def run(self, scene: Scene) -> Track:
        self.watch(scene)
        for _ in range(MOST):
            if scene.instance.done:
                return self.ended(scene, "finished")
            following = self.further(scene)
            if following is None:
                return self.at_rest(scene)
            if self.track.why is not None:
                return self.ended(scene, "stuck")
            scene = following
            self.watch(scene)
        return self.ended(scene, "open")

    def further(self, scene: Scene) -> Scene | None:
        """The case after the next thing that happens; None when nothing does any more."""
        for option in sorted(self.options(scene), key=lambda one: (one.at, one.rank)):
            if (after := self.take(scene, option)) is not None:
                return after
        return None

    def take(self, scene: Scene, option: _Option) -> Scene | None:
        """Let it happen; None when the case does not take it now."""
        played = play(scene.at(option.at), option.move)
        if played.problem is not None and option.move.command == "return":
            # the way back is closed in this chart: he would have rejected
            move = Move("task.reject", option.move.who, option.move.task, {"comment": "…"})
            played = play(scene.at(option.at), move)
        if played.problem is not None:
            if option.said is None:
                self.track.why = played.problem
                return scene
            return None
        if option.decision is not None:
            self.left.remove(option.decision)
        if option.said is not None:
            self.said.remove(option.said)
        self.track.assumed += option.guessed
        if option.move.command in ("approve", "reject", "return"):
            task = scene.instance.task(option.move.task or 0)
            if task is not None and option.move.who is not None:
                self.track.votes.append((task.state, task.on_behalf_of or option.move.who))
        return played.scene

    # --- what may happen -----------------------------------------------------------------------
    def options(self, scene: Scene) -> Iterator[_Option]:
        """What really happened, as far as it fits the situation; what has to be guessed; and the
        next timer. For a case that still runs in reality no timer of tomorrow fires."""
        yield from self.decisions(scene)
        yield from self.sayings(scene)
        for option in _timer(scene):
            if self.past.done or option.at <= self.world.unit.now:
                yield option

    def decisions(self, scene: Scene) -> Iterator[_Option]:
        """Decisions on the open tasks. Who really decided nothing in a step is guessed at only
        where nobody else did: he approves after his usual time, unless the real case waits for
        him."""
        taken: list[Decision] = []
        rest: list[Task] = []
        for task in _open(scene):
            decision = self.matching(task, taken)
            if decision is None:
                rest.append(task)
            else:
                taken.append(decision)
                yield self.deciding(scene, task, decision)
        decided = {one.state for one in taken}
        for task in rest:
            waits = not self.past.done and (task.state, task.assignee) in self.past.waiting
            if task.state not in decided and not waits:
                yield self.guess(scene, task)

    def sayings(self, scene: Scene) -> Iterator[_Option]:
        for said in self.said[:_LAST]:
            move = Move(said.event, said.who, data=dict(said.data))
            yield _Option(max(scene.now, said.at), 1, move, said=said)

    def matching(self, task: Task, taken: Sequence[Decision]) -> Decision | None:
        """The decision that was given on a task: by this person in this step, else by another one
        in this step, else by this person in a step that this chart does not have."""
        free = [one for one in self.left if one not in taken]
        here = [one for one in free if one.state == task.state]
        people = (task.assignee, task.on_behalf_of, *task.candidates)
        own = next((one for one in here if one.person in people), None)
        if own is not None:
            return own
        others = next((one for one in here if not self.asks(one)), None)
        if others is not None:
            return others
        gone = [one for one in free if one.state not in self.world.chart.states]
        return next((one for one in gone if one.person in people), None)

    def asks(self, decision: Decision) -> bool:
        """Whether the chart asked the person who gave a decision in that step: it is his, then."""
        return (decision.state, decision.person or 0) in self.track.asked

    def deciding(self, scene: Scene, task: Task, decision: Decision) -> _Option:
        when = max(scene.now, (task.opened_at or scene.now) + decision.delay)
        if task.assignee is None:
            return _Option(when, 0, _claim(task, decision.person))
        move = Move(decision.event, task.assignee, task.id, dict(decision.data))
        return _Option(when, 0, move, decision)

    def guess(self, scene: Scene, task: Task) -> _Option:
        person = task.assignee
        when = max(scene.now, (task.opened_at or scene.now) + self.habits.of(person))
        if person is None:
            return _Option(when, 0, _claim(task, None))
        move = Move("task.approve", person, task.id, {"comment": "…"})
        return _Option(when, 0, move, guessed=True)

    # --- the end -------------------------------------------------------------------------------
    def watch(self, scene: Scene) -> None:
        for task in _open(scene):
            person = task.on_behalf_of or task.assignee
            if person is not None:
                self.track.asked[(task.state, person)] = None

    def at_rest(self, scene: Scene) -> Track:
        """Nothing happens any more. A case that was through in reality is stuck then."""
        if self.past.done:
            self.track.why = next(iter(stuck_because(scene)))
            return self.ended(scene, "stuck")
        return self.ended(scene, "open")

    def ended(self, scene: Scene, end: Literal["finished", "open", "stuck"]) -> Track:
        self.track.end, self.track.state, self.track.elapsed = end, scene.state, scene.elapsed
        return self.track


def _timer(scene: Scene) -> Iterator[_Option]:
    move = timer_move(scene)
    if move is not None and scene.timer is not None:
        yield _Option(max(scene.now, scene.timer.due), 2, move)


def _open(scene: Scene) -> list[Task]:
    return [one for one in scene.instance.tasks if one.status == "open"]


def _claim(task: Task, person: int | None) -> Move:
    """Somebody of the pool takes a task up: the one who really did, if he is in it."""
    who: Any = person if person in task.candidates else next(iter(task.candidates), None)
    return Move("task.claim", who, task.id)
