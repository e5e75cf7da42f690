"""The working copy of an instance during one step. Private to the package."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.problems import Problem
from engine.workflow.chart import Chart, State, Who
from engine.workflow.env import CannotEvaluate, Env, Event, Meta, plain_expression
from engine.workflow.instance import (
    Call,
    Creation,
    Effect,
    EventRow,
    Instance,
    Outcome,
    Round,
    Task,
    Timer,
)


class Refused(Exception):
    """The step cannot be taken. Nothing of it remains but the problem."""

    def __init__(self, code: str, pointer: str = "", **params: Any) -> None:
        super().__init__(code)
        self.problem = Problem(code, params, pointer)


class Case:
    """Mutable while the step runs; `outcome` freezes it again."""

    def __init__(self, chart: Chart, instance: Instance, event: Event, env: Env) -> None:
        self.chart, self.env, self.event = chart, env, event
        self.start = instance
        self.active = set(instance.active)
        self.history = dict(instance.history)
        self.visits = list(instance.visits)
        self.rounds = list(instance.rounds)
        self.tasks = {task.id: task for task in instance.tasks}
        self.timers = {timer.name: timer for timer in instance.timers}
        self.cc = list(instance.cc)
        self.reminded = dict(instance.reminded)
        self.chosen = dict(instance.chosen)
        self.detour = instance.detour
        self.done, self.locked = instance.done, instance.locked
        self.terminated = instance.terminated
        self.calls: dict[str, Call] = {call.state: call for call in instance.calls}
        self.cycle, self.acted = instance.cycle, instance.acted
        self.sequence = instance.sequence
        self.queue: deque[str] = deque()
        self.changes: dict[str, Any] = {}
        self.effects: list[Effect] = []
        self.creations: list[Creation] = []
        self.rows: list[EventRow] = []
        self.restore: str = ""  # an approval state whose last round goes on (recall)

    # -- looking out ---------------------------------------------------------------------------

    def names(self) -> dict[str, Any]:
        """What expressions see beside the record."""
        answered = self.event.source == "system" and self.event.type.startswith("done.call.")
        results = (self.event.data.get("results") or []) if answered else []
        return {
            **self.changes,
            "event": dict(self.event.data),
            "results": results,
            "result": results[0] if results else None,
            "starter": self.start.starter,
            "states": self.chart.in_order(self.active),
            "decisions": len(
                [task for task in self.tasks.values() if self.human(task) and not task.auto]
            ),
        }

    def human(self, task: Task) -> bool:
        """Whether a person decided this task since the last fresh start."""
        return task.decided_by is not None and task.cycle == self.cycle

    def test(self, guard: str) -> bool:
        """Whether a guard lets pass; the empty one does."""
        if not guard:
            return True
        try:
            return self.env.test(plain_expression(guard), self.names())
        except CannotEvaluate as failure:
            raise Refused("W109", expression=guard) from failure

    def value(self, source: Any) -> Any:
        """The value of an expression; anything but text stands for itself."""
        if not isinstance(source, str):
            return source
        try:
            return self.env.value(plain_expression(source), self.names())
        except CannotEvaluate as failure:
            raise Refused("W109", expression=source) from failure

    def people(self, who: Who, state: str, of: Sequence[int] | None = None) -> list[int]:
        """The people a `who` names, none twice."""
        starter = self.start.starter
        if who.get("starter"):
            return [] if starter is None else [starter]
        if "chosenBy" in who:
            return self._chosen(who, state)
        bosses_of = tuple(of) if of is not None else (() if starter is None else (starter,))
        meta = Meta(starter, state, bosses_of)
        try:
            return list(dict.fromkeys(self.env.resolve(who, self.names(), meta)))
        except CannotEvaluate as failure:
            raise Refused("W109", expression=str(dict(who))) from failure

    def _chosen(self, who: Who, state: str) -> list[int]:
        """People picked beforehand, as far as they are people and among those to pick from."""
        picked = [one for one in self.chosen.get(state, ()) if self.people({"user": one}, state)]
        if "from" not in who:
            return picked
        among = {one for source in who["from"] for one in self.people(source, state)}
        return [one for one in picked if one in among]

    # -- writing down --------------------------------------------------------------------------

    def leaves(self) -> tuple[str, ...]:
        """The active leaf states."""
        return self.chart.leaves(self.active)

    def row(self, type_: str, before: tuple[str, ...], *, task: Task | None = None) -> int:
        """One line of the log. The first of a step is the actor's, those it sets off are not."""
        self.sequence += 1
        first = not self.rows
        self.rows.append(
            EventRow(
                sequence=self.sequence,
                type=type_,
                actor=self.env.actor if first else None,
                at=self.env.now,
                before=before,
                after=self.leaves(),
                cause=self.sequence if first else self.rows[0].sequence,
                on_behalf_of=task.on_behalf_of if task else None,
                task=task.id if task else None,
                comment=str(self.event.data.get("comment") or "") if first else "",
                data=dict(self.event.data) if first else {},
            )
        )
        return self.sequence

    def effect(self, type_: str, state: str, to: Sequence[int] = (), **data: Any) -> None:
        """Something to do after the commit."""
        number = len(self.effects) + 1
        to = tuple(dict.fromkeys(to))
        sequence = self.start.sequence + 1
        self.effects.append(Effect(sequence, number, type_, state, data, to))

    def creation(self, entity: str, values: Mapping[str, Any], into: str, state: str) -> None:
        """A record to create together with this step."""
        pointer = f"/create_record/{len(self.creations)}"
        made = Creation(entity, values, into, state, pointer, self.names())
        self.creations.append(made)

    def put(self, task: Task, **changes: Any) -> Task:
        """Store a task, changed."""
        self.tasks[task.id] = task = replace(task, **changes)
        return task

    def new_task(self, state: str, number: int, assignee: int | None, **more: Any) -> Task:
        """One more task of a round."""
        identity = max(self.tasks, default=0) + 1
        return self.put(Task(identity, state, number, assignee, cycle=self.cycle, **more))

    def round_of(self, state: str) -> Round | None:
        """The latest round of an approval state."""
        return next((one for one in reversed(self.rounds) if one.state == state), None)

    def put_round(self, round_: Round, **changes: Any) -> None:
        """Change a round in its place."""
        self.rounds[self.rounds.index(round_)] = replace(round_, **changes)

    def tasks_of(self, state: str) -> list[Task]:
        """All tasks of the latest round of a state, by position."""
        round_ = self.round_of(state)
        number = round_.number if round_ else 0
        found = [
            task for task in self.tasks.values() if (task.state, task.round) == (state, number)
        ]
        return sorted(found, key=lambda task: (task.position, task.id))

    def state(self, name: str) -> State:
        """A state of the chart."""
        return self.chart.states[name]

    def arm(self, name: str, state: str, due: Any, fired: int = 0) -> None:
        """Set a timer."""
        self.timers[name] = Timer(name, state, due, fired)

    def outcome(self) -> Outcome:
        """The frozen result."""
        instance = replace(
            self.start,
            active=tuple(self.chart.in_order(self.active)),
            done=self.done,
            locked=self.locked,
            history=self.history,
            visits=tuple(self.visits),
            rounds=tuple(self.rounds),
            tasks=tuple(self.tasks.values()),
            timers=tuple(self.timers.values()),
            cc=tuple(self.cc),
            reminded=self.reminded,
            chosen=self.chosen,
            detour=self.detour,
            cycle=self.cycle,
            sequence=self.sequence,
            acted=self.acted,
            calls=tuple(self.calls.values()),
            terminated=self.terminated,
        )
        known: Mapping[int, Task] = {task.id: task for task in self.start.tasks}
        return Outcome(
            instance=instance,
            state=self.chart.reported(self.active),
            changes=self.changes,
            effects=tuple(self.effects),
            tasks=tuple(task for task in instance.tasks if known.get(task.id) != task),
            timers=instance.timers,
            dropped=tuple(
                timer.name for timer in self.start.timers if timer.name not in self.timers
            ),
            events=tuple(self.rows),
            creations=tuple(self.creations),
        )
