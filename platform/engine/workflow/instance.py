"""A running case as frozen data, and what one step makes of it. All of it serialises to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from engine.problems import Problem

TaskStatus = Literal["open", "waiting", "approved", "rejected", "returned", "cancelled"]
Hold = Literal["", "order", "before", "after", "delegate"]
PENDING: frozenset[TaskStatus] = frozenset({"open", "waiting"})


@dataclass(frozen=True, slots=True)
class Task:
    """One person's piece of a round. `id` counts within the instance.

    `kind`: "vote" counts in the round; "before", "after" and "opinion" answer to `parent`.
    `hold`: what a waiting task waits for. `on_behalf_of`: the person an agent stands in for.
    `auto`: why no human decided ("repeat"), else "". `note`: why a task was cancelled.
    """

    id: int
    state: str
    round: int
    assignee: int | None
    status: TaskStatus = "open"
    kind: Literal["vote", "before", "after", "opinion"] = "vote"
    hold: Hold = ""
    candidates: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    weight: int = 1
    position: int = 0
    parent: int | None = None
    added_by: int | None = None
    passed_on: tuple[int, ...] = ()  # people the task was transferred away from
    on_behalf_of: int | None = None
    auto: str = ""
    note: str = ""
    comment: str = ""
    decided_by: int | None = None
    decided_at: datetime | None = None
    decided_seq: int = 0
    opened_at: datetime | None = None
    cycle: int = 0
    signature: int | None = None  # the file of the signature the decision was given with

    @property
    def pending(self) -> bool:
        """Whether it is still to be decided."""
        return self.status in PENDING

    @property
    def hold_kind(self) -> str:
        """The kind of the tasks that this waiting one waits for."""
        return "opinion" if self.hold == "delegate" else self.hold


@dataclass(frozen=True, slots=True)
class Round:
    """One visit of an approval state. `outcome` is "" while it is open."""

    state: str
    number: int
    opened_at: datetime
    outcome: Literal["", "approved", "rejected", "returned", "left"] = ""
    closed_at: datetime | None = None
    cycle: int = 0


@dataclass(frozen=True, slots=True)
class Timer:
    """A due instant. `name` is the event to send when it comes; unique within the instance."""

    name: str
    state: str
    due: datetime
    fired: int = 0


@dataclass(frozen=True, slots=True)
class Detour:
    """After a ``direct`` return: the next way forward out of `at` leads to `back`."""

    at: str
    back: str


@dataclass(frozen=True, slots=True)
class Call:
    """Cases that a ``call`` state waits for. `number` tells one visit of the state from another;
    `reason`: why they cannot end as they should, per language, while nobody has dealt with it."""

    state: str
    number: int
    at: datetime
    reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Instance:
    """A case of one workflow on one record, pinned to the version it started with.

    `active`: all active states in document order. `cycle` counts fresh starts (return, rejection,
    withdrawal): automatic approval looks back no further. `acted`: the row of the last human act.
    """

    workflow: str
    version: int
    hash: str
    starter: int | None
    active: tuple[str, ...] = ()
    done: bool = False
    locked: bool = False
    history: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    visits: tuple[str, ...] = ()
    rounds: tuple[Round, ...] = ()
    tasks: tuple[Task, ...] = ()
    timers: tuple[Timer, ...] = ()
    cc: tuple[int, ...] = ()
    reminded: Mapping[str, datetime] = field(default_factory=dict)
    chosen: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    detour: Detour | None = None
    cycle: int = 0
    sequence: int = 0
    acted: int = 0
    calls: tuple[Call, ...] = ()
    terminated: bool = False  # ended by an administrator or a calling case, not by its own way

    def task(self, number: int) -> Task | None:
        """The task of that id."""
        return next((task for task in self.tasks if task.id == number), None)


@dataclass(frozen=True, slots=True)
class Effect:
    """Something for the outbox, run after the commit. (instance, `sequence`, `number`) is its
    idempotency key. `to` holds the people an action's ``to`` named."""

    sequence: int
    number: int
    type: str
    state: str
    data: Mapping[str, Any] = field(default_factory=dict)
    to: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Creation:
    """A record to create in the step's transaction, in order, before the record itself is saved.

    `values`: field -> expression (text) or constant; `into`: the own field that gets the new id.
    `names` is what the expressions see beside the record: `FLOW_TYPES` and what was assigned so
    far; ids that earlier creations put ``into`` fields are for the caller to add.
    """

    entity: str
    values: Mapping[str, Any]
    into: str
    state: str
    pointer: str
    names: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the append-only log. `actor` None is the platform; `cause` is the row that set
    this one off (itself for the first). `before` and `after` are the active leaf states."""

    sequence: int
    type: str
    actor: int | None
    at: datetime
    before: tuple[str, ...]
    after: tuple[str, ...]
    cause: int
    on_behalf_of: int | None = None
    task: int | None = None
    comment: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gives. With `problems`, `instance` is the old one and all the rest is empty.

    `changes`: record fields to set in the same transaction (the state field not among them);
    `state`: the value for the state field; `tasks`: those added or changed; `timers`: all that are
    pending now, `dropped`: names of those that are no longer; `creations`: records to create.
    """

    instance: Instance
    state: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    tasks: tuple[Task, ...] = ()
    timers: tuple[Timer, ...] = ()
    dropped: tuple[str, ...] = ()
    events: tuple[EventRow, ...] = ()
    creations: tuple[Creation, ...] = ()
    problems: tuple[Problem, ...] = ()


def to_json(thing: Instance | Task | Timer | Effect | EventRow) -> dict[str, Any]:
    """Plain JSON values: instants as ISO text, decimals as text."""
    found: dict[str, Any] = msgspec.to_builtins(thing)
    return found


def instance_from_json(body: Mapping[str, Any]) -> Instance:
    """The instance of `to_json`."""
    return msgspec.convert(body, Instance)


def event_from_json(body: Mapping[str, Any]) -> EventRow:
    """The log line of `to_json`."""
    return msgspec.convert(body, EventRow)
