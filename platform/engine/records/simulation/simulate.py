"""`simulate`: one record walks through a chart under a false clock, and nothing is written or sent.

Every step is the interpreter's own `step` on a copy, with the company's real people, calendar and
records around it. What nobody knows beforehand (who decides what) comes from a script or from a
strategy such as "everybody approves".
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from engine.definitions.model import Entity, Label, Workflow
from engine.fields import BadValue, bind
from engine.problems import Problem
from engine.records import writing
from engine.records.actor import SYSTEM
from engine.records.computing import compute
from engine.records.evaluation import Relations
from engine.records.failures import NotFound
from engine.records.flows.cases import first_state, knows
from engine.records.flows.words import event_title, state_title, worded_problem
from engine.records.simulation.scene import (
    HARMLESS,
    Move,
    Played,
    Scene,
    event_moves,
    mark,
    opening,
    platform_moves,
    play,
    task_moves,
    timer_move,
)
from engine.records.simulation.told import Sent, Told, sent, told
from engine.records.simulation.world import World
from engine.records.unit import Unit
from engine.workflow import Task
from engine.workflow.chart import Delay

Record = dict[str, Any]
End = Literal["finished", "open", "stuck", "loop", "limit"]
Kind = Literal["start", "event", "decision", "timer", "platform", "refused"]
STRATEGIES: Final = ("approve", "reject", "nobody", "return", "random", "script")
LONGEST: Final = 80  # steps of one walk
AT_ONCE: Final = Delay()


@dataclass(frozen=True, slots=True)
class Act:
    """A line of a script: a person's command, or waiting until the clock or the next timer.

    `event` "wait" lets `hours` pass, "timer" lets the next timer come due; anything else is sent
    by `who` (None: whoever may). `task`: its number within the case, 0 for the person's own.
    """

    event: str
    who: int | None = None
    task: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    hours: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """What people do. `pace`: working time that everybody takes to decide. After the `acts` of
    "script", the walk stands still and tells what may come next."""

    strategy: str = "approve"
    acts: tuple[Act, ...] = ()
    seed: int = 1
    pace: Delay = AT_ONCE


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a walk, and the situation after it.

    `changes`: values of the record before and after; `assumed`: fields that the case asked for and
    that were filled with something; `problem`: why the step was refused.
    """

    number: int
    at: datetime
    elapsed: timedelta
    kind: Kind
    event: str
    title: Label
    who: int | None
    state: str
    state_title: Label
    leaves: tuple[Label, ...]
    moved: bool
    told: Told
    sent: tuple[Sent, ...] = ()
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    created: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A record's way through a chart. `why` says what the end means; `choices` is what may happen
    next; `record` is the copy as it would be."""

    workflow: str
    version: int
    title: Label
    entity: str
    starter: int | None
    begun: datetime
    steps: tuple[Step, ...]
    end: End
    why: tuple[Problem, ...]
    choices: tuple[Move, ...]
    state: str
    state_title: Label
    elapsed: timedelta
    record: Mapping[str, Any]

    @property
    def path(self) -> tuple[str, ...]:
        """The states in the order they were entered."""
        found: list[str] = []
        for one in self.steps:
            if one.problem is None and (not found or found[-1] != one.state):
                found.append(one.state)
        return tuple(found)

    @property
    def people(self) -> frozenset[int]:
        """Everybody who occurs in it."""
        found: set[int | None] = {self.starter, *(one.who for one in self.steps)}
        found |= {move.who for move in self.choices}
        for one in self.steps:
            for ask in one.told.asks:
                for seat in ask.seats:
                    found |= {seat.person, seat.on_behalf_of, *seat.candidates}
                for rule in ask.rules:
                    found |= set(rule.people)
            for sender in one.told.senders:
                found |= set(sender.people)
            for out in one.sent:
                found |= set(out.to)
        return frozenset(one for one in found if one)


def simulate(
    unit: Unit,
    workflow: Workflow,
    *,
    record: int | None = None,
    values: Mapping[str, Any] | None = None,
    script: Script | None = None,
    starter: int | None = None,
    at: datetime | None = None,
    viewer: int | None = None,
) -> Walk:
    """Walk a record (`record`, changed by `values` if there are any) or one made of `values`
    through a definition, from its beginning, at `at`.

    `workflow` need not be published (`world.draft_workflow`). Nothing is written or sent.
    Raises: NotFound for a record that the actor may not know of.
    """
    world = World.of(unit, workflow)
    began = at or unit.now
    subject = subject_of(world, record, values or {}, starter, began)
    by = starter or starter_of(world.entity, subject, unit.actor.id)
    return walk(world, subject, script or Script(), by, began, viewer)


def read_values(
    entity: Entity, given: Mapping[str, object]
) -> tuple[dict[str, Any], list[Problem]]:
    """Values in wire form, or as people type them, as their fields have them."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, raw in given.items():
        field_ = entity.fields.get(name)
        if field_ is None:
            problems.append(Problem("M164", {"field": name}, f"/{name}"))
            continue
        try:
            found[name] = None if raw in (None, "") else bind(field_).parse(raw)
        except BadValue as bad:
            problems += [one.under(f"/{name}") for one in bad.found(field_)]
    return found, problems


# --- the record --------------------------------------------------------------------------------
def subject_of(
    world: World,
    id: int | None,
    values: Mapping[str, Any],
    starter: int | None,
    now: datetime,
) -> Record:
    """The copy of a record that a walk begins with: in its first state, with formulas computed.

    A value for a formula holds, whatever the formula says. Raises: NotFound.
    """
    unit, entity = world.unit, world.entity
    if id is None:
        found = _typed(world, values, starter, now)
    else:
        kept = unit.app.reader.load(unit.connection, entity.name, id)
        if kept is None or not knows(unit, entity.name, id):
            raise NotFound
        found = _with(world, kept, values, now)
    if world.chart.state_field in entity.fields:
        found[world.chart.state_field] = first_state(world.chart)
    return found


def _typed(world: World, values: Mapping[str, Any], starter: int | None, now: datetime) -> Record:
    """A record that does not exist, as if `starter` had typed it; nothing is demanded of it."""
    actor = world.actor(starter or world.unit.actor.id or None) or SYSTEM
    unit = replace(world.unit, actor=replace(actor, system=True), now=now)
    begun = {"id": 0, "version": 1, "created_at": now, "created_by": actor.id or None}
    empty: Record = dict.fromkeys(world.entity.fields)
    return _with(world, {**empty, **begun, **writing.defaults(unit, world.entity)}, values, now)


def _with(world: World, record: Record, values: Mapping[str, Any], now: datetime) -> Record:
    """The record with other values, formulas computed again."""
    if not values and record["id"]:
        return dict(record)
    formulas = {n: v for n, v in values.items() if world.entity.fields[n].compute}
    found = {**record, **values}
    unit = world.unit_of(None, now)
    compute(unit, world.entity, found, Relations(unit), record)
    world.pins = formulas
    return {**found, **formulas}


def starter_of(entity: Entity, record: Mapping[str, Any], otherwise: int) -> int | None:
    """Whose case it would be: the owner, else who made the record, else who asks."""
    owner = entity.fields.get("owner")
    if owner is not None and owner.type == "user" and record.get("owner"):
        return int(record["owner"])
    return record.get("created_by") or otherwise or None


# --- the walk ----------------------------------------------------------------------------------
def walk(
    world: World,
    subject: Record,
    script: Script,
    starter: int | None,
    now: datetime,
    viewer: int | None = None,
) -> Walk:
    """Walk a copy of a record through the world's chart."""
    return _Walking(world, script, viewer).run(subject, starter, now)


class _Walking:
    """One walk in the making."""

    def __init__(self, world: World, script: Script, viewer: int | None) -> None:
        self.world, self.script, self.viewer = world, script, viewer
        self.chance = random.Random(script.seed)  # noqa: S311 - a walk, not a secret
        self.steps: list[Step] = []
        self.returned = False
        self.why: tuple[Problem, ...] = ()

    def run(self, subject: Record, starter: int | None, now: datetime) -> Walk:
        begun = opening(self.world, subject, now, starter)
        scene = begun.scene
        self.note(begun, Move("start", starter, source="system"), scene)
        if begun.problem is not None:
            end: End = "stuck"
        elif self.script.strategy == "script":
            scene, end = self.follow(scene)
        else:
            scene, end = self.play_on(scene)
        chart = self.world.chart
        return Walk(
            workflow=chart.id,
            version=chart.version,
            title=chart.title,
            entity=chart.entity,
            starter=starter,
            begun=now,
            steps=tuple(self.steps),
            end=end,
            why=self.why,
            choices=tuple(choices(scene)) if begun.problem is None else (),
            state=scene.state,
            state_title=state_title(chart, scene.state),
            elapsed=scene.elapsed,
            record=scene.record,
        )

    # --- what people do ------------------------------------------------------------------------
    def follow(self, scene: Scene) -> tuple[Scene, End]:
        """The acts of the script, one after the other."""
        for act in self.script.acts[:LONGEST]:
            scene = self.one_act(scene, act)
        return scene, self.standing(scene)

    def one_act(self, scene: Scene, act: Act) -> Scene:
        if act.event == "wait":
            return self.wait(scene, scene.now + timedelta(hours=act.hours))
        if act.event == "timer":
            timer = scene.timer
            return self.wait(scene, timer.due, just_one=True) if timer else scene
        move = self.meant(scene, act)
        played = play(scene, move)
        self.note(played, move, scene)
        return played.scene

    def meant(self, scene: Scene, act: Act) -> Move:
        """The move that a line of a script means."""
        who, task = act.who, act.task or None
        if act.event.startswith("task.") and (task is None or who is None):
            meant = next((one for one in scene.instance.tasks if _means(act, one)), None)
            if meant is not None:
                first = next(iter(meant.candidates), None)
                who, task = who or meant.assignee or first, meant.id
        elif who is None:
            found = next((one for one in event_moves(scene) if one.event == act.event), None)
            who = found.who if found else scene.instance.starter
        return Move(act.event, who, task, dict(act.data))

    def wait(self, scene: Scene, until: datetime, *, just_one: bool = False) -> Scene:
        """Let time pass; what comes due happens at its own instant."""
        while (timer := scene.timer) is not None and timer.due <= until:
            if len(self.steps) >= LONGEST:
                return scene
            later = scene.at(timer.due)
            move = Move(timer.name, source="timer", state=timer.state)
            played = play(later, move)
            self.note(played, move, later)
            if played.problem is not None:
                return later
            scene = played.scene
            if just_one:
                return scene
        return scene.at(until)

    def standing(self, scene: Scene) -> End:
        """How the case stands when nothing more is said."""
        if scene.instance.done:
            return "finished"
        if not any(choices(scene)):
            self.why = stuck_because(scene)
            return "stuck"
        return "open"

    # --- strategies ----------------------------------------------------------------------------
    def play_on(self, scene: Scene) -> tuple[Scene, End]:
        """Go on until the case ends, stands still or goes round."""
        seen = {mark(scene): 0}
        back = False
        while not scene.instance.done:
            if len(self.steps) >= LONGEST:
                self.why = (Problem("M104", {"limit": LONGEST}),)
                return scene, "limit"
            move = self.next(scene)
            if move is None:
                return scene, self.at_rest(scene)
            move, scene = self.due(scene, move)
            played = play(scene, move)
            self.note(played, move, scene)
            if played.problem is not None:
                self.why = (self.worded(played.problem),)
                return scene, "stuck"
            scene = played.scene
            here = mark(scene)
            if self.returned and not back:  # the second time round is meant
                seen, back = {}, True
            if here in seen and self.script.strategy != "random":
                self.why = (Problem("M103", {"step": seen[here] + 1}),)
                return scene, "loop"
            seen.setdefault(here, len(self.steps) - 1)
        return scene, "finished"

    def at_rest(self, scene: Scene) -> End:
        """Nobody does anything any more: on purpose, or because nobody can."""
        if any(one.status == "open" for one in scene.instance.tasks):
            self.why = (Problem("M105", {"state": state_title(self.world.chart, scene.state)}),)
        else:
            self.why = stuck_because(scene)
        return "stuck"

    def due(self, scene: Scene, move: Move) -> tuple[Move, Scene]:
        """The move at its time; or the timer that comes before it."""
        timer = scene.timer
        if move.source == "timer":
            assert timer is not None
            return move, scene.at(timer.due)
        when = self.ready(scene, move)
        if timer is not None and timer.due <= when and timer.due > scene.now:
            return Move(timer.name, source="timer", state=timer.state), scene.at(timer.due)
        return move, scene.at(when)

    def ready(self, scene: Scene, move: Move) -> datetime:
        """When a person has got round to it."""
        pace = self.script.pace
        if not move.command or pace == AT_ONCE:
            return scene.now
        task = scene.instance.task(move.task or 0)
        since = task.opened_at if task and task.opened_at else scene.now
        return self.world.env(scene.record, scene.now, None).due(since, pace, "work")

    def next(self, scene: Scene) -> Move | None:
        """What happens next by the strategy."""
        match self.script.strategy:
            case "random":
                possible = choices(scene)
                return self.chance.choice(possible) if possible else None
            case "nobody":
                opened = any(one.status == "open" for one in scene.instance.tasks)
                begins = None if opened else self.forward(scene, scene.instance.starter)
                return begins or timer_move(scene)
            case "reject":
                return self.voting(scene, "reject")
            case "return" if not self.returned:
                return self.voting(scene, "return")
        return self.voting(scene, "approve")

    def voting(self, scene: Scene, wanted: str) -> Move | None:
        """The decision on the first open task, else the event that leads on, else the clock."""
        possible = list(task_moves(scene))
        first = next((one for one in possible if one.command == wanted), None)
        if first is not None and wanted == "return":
            self.returned = True
        otherwise = next((one for one in possible if one.command in ("approve", "claim")), None)
        move = first or otherwise or self.forward(scene)
        return move or next(iter(platform_moves(scene)), None) or timer_move(scene)

    def forward(self, scene: Scene, only: int | None = None) -> Move | None:
        """The first event, in the definition's order, that leads on to something new; one that
        gives up (a final state at once) only when there is no other."""
        ends: Move | None = None
        for one in event_moves(scene):
            if only is not None and one.who != only:
                continue
            played = play(scene, one)
            if played.problem is not None and played.problem.code not in HARMLESS:
                return one  # the walk shall tell why it cannot go on here
            if played.problem is not None or played.scene.leaves == scene.leaves:
                continue
            if not played.scene.instance.done and self.fresh(scene, played.scene):
                return one
            ends = ends or one
        return ends

    @staticmethod
    def fresh(before: Scene, after: Scene) -> bool:
        """Whether it leads somewhere the case has not been."""
        return bool(set(after.leaves) - set(before.instance.visits))

    # --- writing down --------------------------------------------------------------------------
    def worded(self, problem: Problem) -> Problem:
        """The problem with titles instead of ids."""
        return worded_problem(self.world.unit, self.world.chart, self.world.entity, problem)

    def note(self, played: Played, move: Move, before: Scene) -> None:
        """One more step."""
        scene, chart, outcome = played.scene, self.world.chart, played.outcome
        fine = played.problem is None
        self.steps.append(
            Step(
                number=len(self.steps) + 1,
                at=scene.now,
                elapsed=scene.elapsed,
                kind=_kind(move) if fine else "refused",
                event=move.event,
                title=event_title(chart, move.event) if move.source == "client" else {},
                who=move.who,
                state=scene.state,
                state_title=state_title(chart, scene.state),
                leaves=tuple(state_title(chart, one) for one in scene.leaves),
                moved=scene.leaves != before.leaves or move.event == "start",
                told=told(scene, self.viewer) if scene.instance.active else Told(),
                sent=sent(outcome.effects) if outcome and fine else (),
                changes=_changes(before.record, scene.record) if fine else {},
                created=tuple(one.entity for one in outcome.creations) if outcome and fine else (),
                assumed=tuple(played.assumed),
                problem=None if fine else self.worded(played.problem),  # type: ignore[arg-type]
            )
        )
        if not fine and move.event == "start":
            self.why = (self.worded(played.problem),)  # type: ignore[arg-type]


def _means(act: Act, task: Task) -> bool:
    """Whether a line of a script can be about this task."""
    its = (None, task.assignee, *task.candidates)
    return task.status == "open" and act.who in its and act.task in (0, task.id)


def _kind(move: Move) -> Kind:
    if move.event == "start":
        return "start"
    if move.source == "timer":
        return "timer"
    if move.source == "system":
        return "platform"
    return "decision" if move.command else "event"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (old.get(name), value)
        for name, value in new.items()
        if old.get(name) != value and name not in ("updated_at", "updated_by", "version")
    }


def choices(scene: Scene) -> list[Move]:
    """Everything that may happen next."""
    if scene.instance.done:
        return []
    timer = timer_move(scene)
    found = [*task_moves(scene), *event_moves(scene), *platform_moves(scene)]
    return [*found, timer] if timer else found


def stuck_because(scene: Scene) -> tuple[Problem, ...]:
    """Why nothing can happen any more."""
    here = told(scene, None)
    titles = [state_title(scene.world.chart, one) for one in scene.leaves]
    asked = [one for one in here.senders if not one.people]
    if asked:
        return tuple(Problem("M106", {"event": one.title, "state": titles}) for one in asked)
    waiting = [one for one in here.senders if one.people]
    if waiting:
        return tuple(Problem("M108", {"event": one.title, "state": titles}) for one in waiting)
    return (Problem("M107", {"state": titles}),)
