"""Running cases as administrators see them: a list with filters, and all there is about one.

What a record is called, and whether it may be opened, stays a matter of roles; what its case does
is the administrator's business, whoever may read the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.definitions.changes import Change
from engine.definitions.model import Label
from engine.fields import USER, Names
from engine.records.administration.commands import Trouble, only_administrators, troubles
from engine.records.administration.differences import differences, places, title_of
from engine.records.administration.versions import charts_of, late_tasks, trouble
from engine.records.failures import NotFound
from engine.records.flows import store
from engine.records.flows.env import BEYOND_IDS
from engine.records.flows.waiting import deeds
from engine.records.flows.words import event_title
from engine.records.labels import names_of
from engine.records.reading import cleared
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Chart, EventRow, compile_chart

_DEFINITION, _INSTANCE = system.WF_DEFINITION, system.WF_INSTANCE
_TASK, _CANDIDATE, _TIMER = system.WF_TASK, system.WF_CANDIDATE, system.WF_TIMER
_OUTBOX = system.OUTBOX


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases to list; what is empty does not narrow. `over`: those that have ended."""

    workflow: str = ""
    definition: int = 0
    state: str = ""
    person: int = 0
    days: int = 0  # began at least so long ago
    late: bool = False
    stuck: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case of the list."""

    id: int
    entity: str
    record: int
    label: str
    readable: bool
    workflow: str
    title: Label
    version: int
    present: bool
    state: Label
    started: datetime
    ended: datetime | None
    people: tuple[int, ...]
    due: datetime | None
    stuck: bool


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that waits. `id` is that of its row."""

    id: int
    state: Label
    people: tuple[int, ...]
    pool: bool
    opened: datetime | None
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A timer that runs; with `error` it failed `attempts` times and is tried again at `again`."""

    name: str
    state: Label
    due: datetime
    attempts: int
    error: str
    again: datetime | None
    deeds: Sequence[tuple[str, Label]] = ()  # see `waiting.deeds`


@dataclass(frozen=True, slots=True)
class Leaving:
    """A row of the outbox that this case wrote."""

    id: int
    kind: str
    at: datetime
    status: str  # "done", "waiting", "dead"
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log in words."""

    sequence: int
    type: str
    title: Label
    actor: int | None
    on_behalf_of: int | None
    before: Sequence[Label]
    after: Sequence[Label]
    comment: str
    at: datetime
    follows: bool  # set off by the line before it


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """All there is about a case. `differences` is empty for one on the published version;
    `published` is that version's number, 0 without one."""

    line: CaseLine
    starter: int | None
    log: Sequence[LogLine]
    tasks: Sequence[OpenTask]
    timers: Sequence[Deadline]
    outbox: Sequence[Leaving]
    troubles: Sequence[Trouble]
    published: int
    differences: Sequence[Change]
    places: Sequence[tuple[str, Label]]
    names: Names
    parent: int | None = None
    children: Sequence[int] = field(default_factory=tuple)


# --- the list ----------------------------------------------------------------------------------
def list_cases(
    unit: Unit, wanted: Wanted, *, size: int = 50, before: int | None = None
) -> list[CaseLine]:
    """Cases, newest first, at most `size`, older than the case `before`.

    Raises: NotAllowed.
    """
    only_administrators(unit)
    statement = sa.select(_INSTANCE).where(*_conditions(unit, wanted))
    if before is not None:
        statement = statement.where(_INSTANCE.c.id < min(before, BEYOND_IDS))
    rows = unit.connection.execute(statement.order_by(_INSTANCE.c.id.desc()).limit(size))
    return _lines(unit, [dict(row) for row in rows.mappings()])


def count_cases(unit: Unit, wanted: Wanted) -> int:
    """How many cases there are. Raises: NotAllowed."""
    only_administrators(unit)
    query = sa.select(sa.func.count()).select_from(_INSTANCE).where(*_conditions(unit, wanted))
    return unit.connection.scalar(query) or 0


def _conditions(unit: Unit, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    case = _INSTANCE.c
    ended = case.done_at.is_not(None) if wanted.over else case.done_at.is_(None)
    found: list[sa.ColumnElement[bool]] = [ended]
    if wanted.workflow:
        found.append(case.workflow == wanted.workflow)
    if wanted.definition:
        found.append(case.definition_id == min(wanted.definition, BEYOND_IDS))
    if wanted.state:
        found.append(case.state == wanted.state)
    if wanted.days > 0:
        found.append(case.started_at <= unit.now - timedelta(days=min(wanted.days, 36_500)))
    if wanted.person:
        found.append(case.id.in_(_waiting_for(min(wanted.person, BEYOND_IDS))))
    if wanted.late:
        found.append(case.id.in_(late_tasks(unit.now)))
    if wanted.stuck:
        found.append(case.id.in_(trouble()))
    return found


def _waiting_for(person: int) -> sa.Select[Any]:
    pool = sa.select(_CANDIDATE.c.task_id).where(_CANDIDATE.c.user_id == person)
    mine = sa.or_(_TASK.c.assignee_id == person, _TASK.c.id.in_(pool))
    return sa.select(_TASK.c.instance_id).where(_TASK.c.status == "open", mine)


def _lines(unit: Unit, rows: Sequence[Mapping[str, Any]]) -> list[CaseLine]:
    ids = [row["id"] for row in rows]
    charts = charts_of(unit.connection, {row["definition_id"] for row in rows})
    tasks = _open_tasks(unit, ids, charts, {row["id"]: row["definition_id"] for row in rows})
    bad = set(
        unit.connection.scalars(
            sa.select(_INSTANCE.c.id).where(_INSTANCE.c.id.in_(ids), _INSTANCE.c.id.in_(trouble()))
        )
    )
    records: dict[str, list[int]] = {}
    for row in rows:
        records.setdefault(row["entity"], []).append(row["record_id"])
    names = names_of(unit, records)
    return [
        _line(unit, row, charts[row["definition_id"]], tasks.get(row["id"], []), names, bad)
        for row in rows
    ]


def _line(
    unit: Unit,
    row: Mapping[str, Any],
    chart: Chart,
    tasks: Sequence[OpenTask],
    names: Names,
    stuck: Iterable[int],
) -> CaseLine:
    now = unit.app.model.workflows.get(chart.id)
    target = (row["entity"], row["record_id"])
    return CaseLine(
        id=row["id"],
        entity=row["entity"],
        record=row["record_id"],
        label=names.label(*target),
        readable=target in names.labels,
        workflow=chart.id,
        title=(now.title if now else chart.title) or {"": chart.id},
        version=chart.version,
        present=now is not None and now.hash == chart.hash,
        state=title_of(chart, row["state"]),
        started=row["started_at"],
        ended=row["done_at"],
        people=tuple(dict.fromkeys(person for task in tasks for person in task.people)),
        due=min((task.due for task in tasks if task.due), default=None),
        stuck=row["id"] in stuck and row["done_at"] is None,
    )


def _open_tasks(
    unit: Unit, cases: Sequence[int], charts: Mapping[int, Chart], pinned: Mapping[int, int]
) -> dict[int, list[OpenTask]]:
    """The open tasks of cases with the people they wait for."""
    wanted = sa.select(_TASK).where(_TASK.c.instance_id.in_(cases), _TASK.c.status == "open")
    rows = unit.connection.execute(wanted.order_by(_TASK.c.id)).all()
    pools: dict[int, list[int]] = {}
    unclaimed = [row.id for row in rows if row.assignee_id is None]
    someone = sa.select(_CANDIDATE).where(_CANDIDATE.c.task_id.in_(unclaimed))
    for one in unit.connection.execute(someone.order_by(_CANDIDATE.c.position)):
        pools.setdefault(one.task_id, []).append(one.user_id)
    found: dict[int, list[OpenTask]] = {}
    for row in rows:
        pool = row.assignee_id is None
        people = tuple(pools.get(row.id, ())) if pool else (row.assignee_id,)
        title = title_of(charts[pinned[row.instance_id]], row.state)
        task = OpenTask(row.id, title, people, pool, row.opened_at, row.due_at)
        found.setdefault(row.instance_id, []).append(task)
    return found


# --- one case ----------------------------------------------------------------------------------
def case_detail(unit: Unit, id: int) -> CaseDetail:
    """All there is about a case. Raises: NotAllowed, NotFound."""
    only_administrators(unit)
    wanted = sa.select(_INSTANCE).where(_INSTANCE.c.id == id)
    row = unit.connection.execute(wanted).mappings().first() if 0 < id < BEYOND_IDS else None
    if row is None:
        raise NotFound
    (line,) = _lines(unit, [dict(row)])
    pinned = row["definition_id"]
    chart = charts_of(unit.connection, [pinned])[pinned]
    now = unit.app.model.workflows.get(line.workflow)
    rows = store.events_of(unit, id)
    if not cleared(unit, line.entity, [line.record]):
        rows = [replace(one, comment="") for one in rows]  # words about what is above his grade
    tasks = _open_tasks(unit, [id], {pinned: chart}, {id: pinned}).get(id, [])
    known = _all_states(unit, line.workflow, chart)
    children = sa.select(_INSTANCE.c.id).where(_INSTANCE.c.parent_id == id)
    return CaseDetail(
        line=line,
        starter=row["starter_id"],
        log=_log(chart, known, rows),
        tasks=tasks,
        timers=_deadlines(unit, id, chart),
        outbox=_outbox(unit, id),
        troubles=() if line.ended else troubles(unit, id),
        published=now.version if now else 0,
        differences=() if line.present or now is None else differences(chart, compile_chart(now)),
        places=[(state, title_of(chart, state)) for state in places(chart)],
        names=_people(unit, row["starter_id"], rows, tasks),
        parent=row["parent_id"],
        children=list(unit.connection.scalars(children.order_by(_INSTANCE.c.id))),
    )


def _all_states(unit: Unit, workflow: str, chart: Chart) -> dict[str, Label]:
    """The names of states in whatever version, for lines of before a migration."""
    ids = unit.connection.scalars(
        sa.select(_DEFINITION.c.id).where(_DEFINITION.c.workflow == workflow)
    )
    charts = [*charts_of(unit.connection, ids).values(), chart]
    return {state: title_of(one, state) for one in charts for state in one.states}


def _log(chart: Chart, known: Mapping[str, Label], rows: Sequence[EventRow]) -> list[LogLine]:
    """Newest first."""
    told = [
        LogLine(
            row.sequence,
            row.type,
            event_title(chart, row.type),
            row.actor,
            row.on_behalf_of,
            [known.get(state, {"": state}) for state in row.before],
            [known.get(state, {"": state}) for state in row.after],
            row.comment,
            row.at,
            row.cause != row.sequence,
        )
        for row in rows
    ]
    return told[::-1]


def _deadlines(unit: Unit, id: int, chart: Chart) -> list[Deadline]:
    rows = unit.connection.execute(
        sa.select(_TIMER).where(_TIMER.c.instance_id == id).order_by(_TIMER.c.due)
    )
    return [
        Deadline(
            row.name,
            title_of(chart, row.state),
            row.due,
            row.attempts,
            row.error or "",
            row.lease_until if row.error else None,
            deeds(chart, row.name),
        )
        for row in rows
    ]


def _outbox(unit: Unit, id: int) -> list[Leaving]:
    rows = unit.connection.execute(
        sa.select(_OUTBOX)
        .where(_OUTBOX.c.instance_id == id)
        .order_by(_OUTBOX.c.id.desc())
        .limit(100)
    )
    return [
        Leaving(
            row.id,
            row.kind,
            row.created_at,
            "done" if row.done_at else "dead" if row.dead_at else "waiting",
            row.attempts,
            row.error or "",
        )
        for row in rows
    ]


def _people(
    unit: Unit, starter: int | None, rows: Iterable[EventRow], tasks: Iterable[OpenTask]
) -> Names:
    people = {starter}
    people |= {person for row in rows for person in (row.actor, row.on_behalf_of)}
    people |= {person for task in tasks for person in task.people}
    return names_of(unit, {USER: [one for one in people if one]})
