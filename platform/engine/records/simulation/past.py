"""What really happened to the cases of a workflow: who decided what, when, on which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from types import SimpleNamespace
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.fields import BadValue, bind
from engine.records.erased import is_erased
from engine.records.sealing import EVENT, open_whole
from engine.records.unit import Unit
from engine.tables import system

Record = dict[str, Any]
BATCH: Final = 100
USUAL: Final = timedelta(hours=4)  # to decide, where nobody ever decided
_REMEMBERED: Final = 200  # decisions of one person that tell how long he takes
_VERDICTS: Final = ("task.approve", "task.reject", "task.return")
_INSTANCE, _EVENT, _TASK = system.WF_INSTANCE, system.WF_EVENT, system.WF_TASK
_HISTORY, _DEFINITION = system.HISTORY, system.WF_DEFINITION


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on a task: in which step, whose it was, and how long it took."""

    state: str
    person: int | None
    event: str
    at: datetime
    delay: timedelta
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """An author's event that somebody sent."""

    event: str
    who: int
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """A case as it was. `waiting`: the tasks that still wait for somebody; `record`: the values as
    they were when it was submitted, or today's where the history does not reach back (`rebuilt`
    False)."""

    instance: int
    record_id: int
    starter: int | None
    begun: datetime
    done: bool
    state: str
    hash: str
    decisions: tuple[Decision, ...]
    events: tuple[Said, ...]
    waiting: frozenset[tuple[str, int | None]]
    states: frozenset[str]
    record: Record
    rebuilt: bool


def count(unit: Unit, workflow: str, since: datetime) -> int:
    """How many records have a case that began since."""
    wanted = sa.select(sa.func.count(sa.distinct(_INSTANCE.c.record_id))).where(
        _INSTANCE.c.workflow == workflow, _INSTANCE.c.started_at >= since
    )
    return int(unit.connection.scalar(wanted) or 0)


def batches(
    unit: Unit, entity: Entity, workflow: str, since: datetime, after: int = 0
) -> Iterator[list[Past]]:
    """The latest case of every record that began since, oldest first, some at a time."""
    latest = (
        sa.select(sa.func.max(_INSTANCE.c.id))
        .where(_INSTANCE.c.workflow == workflow, _INSTANCE.c.started_at >= since)
        .group_by(_INSTANCE.c.record_id)
    )
    while True:
        columns = [one for one in _INSTANCE.c if one.name != "body"]
        wanted = (
            sa.select(*columns, _DEFINITION.c.hash)
            .join(_DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id)
            .where(_INSTANCE.c.id.in_(latest), _INSTANCE.c.id > after)
            .order_by(_INSTANCE.c.id)
            .limit(BATCH)
        )
        rows = unit.connection.execute(wanted).all()
        if not rows:
            return
        after = rows[-1].id
        yield list(_pasts(unit, entity, rows))
        if len(rows) < BATCH:
            return


def _pasts(unit: Unit, entity: Entity, rows: Sequence[Any]) -> Iterator[Past]:
    ids = [row.id for row in rows]
    records = {
        one["id"]: one
        for one in unit.app.reader.load_many(
            unit.connection, entity.name, [row.record_id for row in rows], removed=True
        )
    }
    events, tasks = _by(unit, _EVENT, ids), _by(unit, _TASK, ids)
    changes = _changes(unit, entity, list(records))
    for row in rows:
        record = records.get(row.record_id)
        if record is None:
            continue
        past = _past(unit, row, events.get(row.id, []), tasks.get(row.id, []))
        submitted = past.events[0].at if past.events else past.begun
        values, rebuilt = _rewound(entity, record, changes.get(record["id"], []), submitted)
        yield replace(past, record=values, rebuilt=rebuilt)


def _by(unit: Unit, table: sa.Table, ids: Sequence[int]) -> dict[int, list[Any]]:
    """Rows of several instances, in their order."""
    order = table.c.seq if "seq" in table.c else table.c.number
    wanted = sa.select(table).where(table.c.instance_id.in_(ids)).order_by(order)
    found: dict[int, list[Any]] = {}
    for row in unit.connection.execute(wanted):
        found.setdefault(row.instance_id, []).append(row)
    return found


def _past(unit: Unit, row: Any, events: Sequence[Any], tasks: Sequence[Any]) -> Past:
    by_number = {task.number: task for task in tasks}
    decisions, said = [], []
    for event in events:
        payload = event.payload or {}
        if event.actor_id is None or payload.get("cause") != event.seq or event.type == "start":
            continue
        sent = open_whole(unit.app.tables.keys, payload.get("data") or {}, EVENT)
        data = {k: v for k, v in sent.items() if k != "signature"}
        if event.comment:
            data["comment"] = event.comment
        task = by_number.get(payload.get("task") or 0)
        if event.type in _VERDICTS and task is not None:
            whose = task.on_behalf_id or task.assignee_id or event.actor_id
            delay = event.at - (task.opened_at or event.at)
            decisions.append(Decision(task.state, whose, event.type, event.at, delay, data))
        elif not event.type.startswith("task."):
            said.append(Said(event.type, event.actor_id, event.at, data))
    return Past(
        instance=row.id,
        record_id=row.record_id,
        starter=row.starter_id,
        begun=row.started_at,
        done=row.done_at is not None,
        state=row.state,
        hash=row.hash,
        decisions=tuple(decisions),
        events=tuple(said),
        waiting=frozenset((t.state, t.assignee_id) for t in tasks if t.status == "open"),
        states=frozenset(name for event in events for name in event.after),
        record={},
        rebuilt=False,
    )


# --- values as they were -----------------------------------------------------------------------
def _changes(unit: Unit, entity: Entity, ids: Sequence[int]) -> dict[int, list[Any]]:
    """What was changed on several records, newest first."""
    wanted = (
        sa.select(_HISTORY.c.record_id, _HISTORY.c.action, _HISTORY.c.at, _HISTORY.c.changes)
        .where(_HISTORY.c.entity == entity.name, _HISTORY.c.record_id.in_(ids))
        .order_by(_HISTORY.c.id.desc())
    )
    found: dict[int, list[Any]] = {}
    sealer = unit.app.sealer(entity.name)
    for row in unit.connection.execute(wanted).mappings():
        opened = {**row, "changes": sealer.opened(row["changes"] or {})}
        found.setdefault(row["record_id"], []).append(SimpleNamespace(**opened))
    return found


def _rewound(
    entity: Entity, record: Mapping[str, Any], rows: Sequence[Any], moment: datetime
) -> tuple[Record, bool]:
    """The record as it was at a moment, and whether its history reaches back that far."""
    found = dict(record)
    for row in rows:
        if row.at <= moment or row.action == "create":
            continue
        for name, (old, _) in (row.changes or {}).items():
            if (field_ := entity.fields.get(name)) and not is_erased(old):
                try:
                    found[name] = None if old is None else bind(field_).from_json(old)
                except (BadValue, TypeError, ValueError, AttributeError):
                    continue  # a value of the past whose field had another type then
    return found, any(row.action == "create" for row in rows)


# --- how long people take ----------------------------------------------------------------------
class Habits:
    """How long everybody usually takes to decide, from what they decided since."""

    def __init__(self, unit: Unit, workflow: str, since: datetime) -> None:
        wanted = (
            sa.select(_TASK.c.decided_by_id, _TASK.c.opened_at, _TASK.c.decided_at)
            .join(_INSTANCE, _INSTANCE.c.id == _TASK.c.instance_id)
            .where(
                _INSTANCE.c.workflow == workflow,
                _TASK.c.decided_at >= since,
                _TASK.c.opened_at.is_not(None),
                _TASK.c.decided_by_id.is_not(None),
            )
            .order_by(_TASK.c.id.desc())
            .limit(20_000)
        )
        known: dict[int | None, list[float]] = {}
        for person, opened, decided in unit.connection.execute(wanted):
            for key in (person, None):
                kept = known.setdefault(key, [])
                if len(kept) < _REMEMBERED:
                    # clocks of two machines need not agree
                    kept.append(max((decided - opened).total_seconds(), 0.0))
        self._usual = {key: timedelta(seconds=median(kept)) for key, kept in known.items()}

    def of(self, person: int | None) -> timedelta:
        """How long this person takes; what is usual for one who never decided."""
        return self._usual.get(person) or self._usual.get(None) or USUAL
