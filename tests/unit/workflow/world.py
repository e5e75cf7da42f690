"""A small world for workflow tests: people, roles, bosses, a clock, Python's own expressions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.definitions.model import Workflow
from engine.problems import Problem
from engine.workflow import (
    CannotEvaluate,
    Chart,
    Command,
    Delay,
    Event,
    Instance,
    Meta,
    Outcome,
    Task,
    begin,
    commands_for,
    compile_chart,
    instance_from_json,
    noticed,
    step,
    to_json,
)

HERE = Path(__file__).parent
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def workflow(document: Mapping[str, Any], mark: str = "") -> Workflow:
    """The definition as the reader of definition files would give it."""
    return Workflow(
        id=document.get("id", "flow"),
        version=document.get("version", 1),
        entity=document.get("entity", "thing"),
        state_field=document.get("stateField", ""),
        title={},
        chart=document,
        hash=json.dumps(document, default=str) + mark,
        file="workflows/flow.json",
    )


def chart_of(document: Mapping[str, Any]) -> Chart:
    return compile_chart(workflow(document))


def example(name: str) -> Chart:
    return chart_of(json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")))


class Dotted(dict[str, Any]):
    """A payload whose keys read as attributes, null when absent."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


@dataclass
class World:
    """Implements the `Env` protocol. `bosses`: person -> superior; `away`: person -> stand-in."""

    roles: dict[str, list[int]] = field(default_factory=dict)
    bosses: dict[int, int] = field(default_factory=dict)
    away: dict[int, int] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    record: dict[str, Any] = field(default_factory=dict)
    now: datetime = START
    actor: int | None = 1

    def test(self, source: str, names: Mapping[str, Any]) -> bool:
        return bool(self.value(source, names))

    def value(self, source: str, names: Mapping[str, Any]) -> Any:
        known = {"null": None, "true": True, "false": False, **self.record, **names}
        known["event"] = Dotted(names["event"])
        try:
            return eval(source, {"__builtins__": {}}, known)
        except NameError as failure:
            raise CannotEvaluate(Problem("W109", {"expression": source})) from failure

    def resolve(
        self, who: Mapping[str, Any], names: Mapping[str, Any], meta: Meta
    ) -> Sequence[int]:
        return [one for one in self._resolve(who, names, meta) if one not in self.left]

    def _resolve(self, who: Mapping[str, Any], names: Mapping[str, Any], meta: Meta) -> list[int]:
        known = {**self.record, **names}
        match who:
            case {"user": person}:
                return [int(person)] if int(person) < 1000 else []
            case {"role": role}:
                return self.roles.get(role, [])
            case {"admin": True}:
                return self.roles.get("admin", [])
            case {"supervisor": level, **more}:
                of = [known[more["ofField"]]] if "ofField" in more else list(meta.of)
                for _ in range(level):
                    of = [self.bosses[one] for one in of if one in self.bosses]
                return of
            case {"supervisors": {"upTo": count}}:
                chain: list[int] = []
                here = meta.of[0]
                while here in self.bosses and len(chain) < count:
                    here = self.bosses[here]
                    chain.append(here)
                return chain
            case {"field": name}:
                return [known[name]] if known.get(name) else []
        return []

    def due(self, start: datetime, delay: Delay, clock: str) -> datetime:
        """The work clock of this world is eight hours a day, seven days a week."""
        seconds = delay.seconds * 3 if clock == "work" else delay.seconds
        return start + timedelta(days=delay.days, seconds=seconds)

    def agent(self, user: int) -> int | None:
        return self.away.get(user)


@dataclass
class Story:
    """A case told step by step. Every step goes through JSON, as it does between requests."""

    chart: Chart
    world: World
    instance: Instance = field(init=False)
    last: Outcome = field(init=False)
    changes: dict[str, Any] = field(default_factory=dict)
    log: list[Outcome] = field(default_factory=list)

    def begin(self, actor: int = 1, **data: Any) -> Story:
        self.world.actor = actor
        self._take(begin(self.chart, self.world, Event("start", data)))
        return self

    def send(self, actor: int | None, type_: str, *, task: int | None = None, **data: Any) -> Story:
        """An event that must be accepted."""
        outcome = self.attempt(actor, type_, task=task, **data)
        assert not outcome.problems, outcome.problems
        self._take(outcome)
        return self

    def attempt(
        self,
        actor: int | None,
        type_: str,
        *,
        task: int | None = None,
        source: str = "client",
        **data: Any,
    ) -> Outcome:
        self.world.actor = actor
        event = Event(type_, data, task, source)  # type: ignore[arg-type]
        return step(self.chart, self.instance, event, self.world)

    def refuses(self, code: str, actor: int | None, type_: str, **more: Any) -> None:
        """The event is refused with that code and changes nothing."""
        outcome = self.attempt(actor, type_, **more)
        assert [one.code for one in outcome.problems] == [code]
        assert outcome.instance == self.instance
        assert (outcome.effects, outcome.tasks, outcome.events, outcome.changes) == ((), (), (), {})

    def does(self, actor: int, command: str, **data: Any) -> Story:
        """A command on the actor's open task."""
        return self.send(actor, f"task.{command}", task=self.task_of(actor).id, **data)

    def answers_change(self, *fields: str, actor: int = 1) -> bool:
        """Somebody changed the record: whether the case answers to it."""
        self.world.actor = actor
        outcome = noticed(self.chart, self.instance, self.world, fields)
        if outcome is not None:
            self._take(outcome)
        return outcome is not None

    def wait(self, **delta: int) -> list[str]:
        """Let time pass and fire what becomes due, in order; the names that fired."""
        until = self.world.now + timedelta(**delta)
        fired: list[str] = []
        while due := [one for one in self.instance.timers if one.due <= until]:
            timer = min(due, key=lambda one: one.due)
            self.world.now = max(self.world.now, timer.due)
            outcome = self.attempt(None, timer.name, source="timer")
            assert not outcome.problems, outcome.problems
            self._take(outcome)
            fired.append(timer.name)
        self.world.now = until
        return fired

    def task_of(self, actor: int) -> Task:
        return next(
            one for one in self.instance.tasks if one.status == "open" and one.assignee == actor
        )

    def commands(self, actor: int) -> dict[str, Command]:
        self.world.actor = actor
        found = commands_for(self.chart, self.instance, actor, self.world)
        return {one.event: one for one in found}

    @property
    def at(self) -> list[str]:
        """The active leaves."""
        return list(self.chart.leaves(self.instance.active))

    @property
    def open(self) -> list[int | None]:
        """Who has an open task."""
        return [one.assignee for one in self.instance.tasks if one.status == "open"]

    @property
    def effects(self) -> list[str]:
        return [one.type for one in self.last.effects]

    def _take(self, outcome: Outcome) -> None:
        assert not outcome.problems, outcome.problems
        again = instance_from_json(json.loads(json.dumps(to_json(outcome.instance))))
        assert again == outcome.instance
        check(self.chart, again)
        self.instance, self.last = again, outcome
        self.changes |= outcome.changes
        self.world.record |= outcome.changes
        self.log.append(outcome)


def check(chart: Chart, instance: Instance) -> None:
    """What holds after every step."""
    active = set(instance.active)
    for name in ["", *active]:
        state = chart.states[name]
        inside = [one for one in state.children if one in active]
        if state.type == "compound":
            assert len(inside) == 1, (name, inside)
        elif state.type == "parallel":
            assert len(inside) == len(
                [one for one in state.children if chart.states[one].type != "history"]
            )
        assert name == "" or state.parent == "" or state.parent in active
    for task in instance.tasks:
        if task.pending:
            assert task.state in active
            assert chart.states[task.state].type == "approval"
    for timer in instance.timers:
        assert timer.state in active
    for name in active:
        if chart.states[name].type == "approval" and not instance.done:
            assert any(one.pending for one in instance.tasks if one.state == name), name
    rows = instance.sequence
    assert rows >= 1


def story(document: Mapping[str, Any] | Chart, world: World | None = None, **record: Any) -> Story:
    world = replace(world) if world else World()
    world.record = {**world.record, **record}
    return Story(document if isinstance(document, Chart) else chart_of(document), world)
