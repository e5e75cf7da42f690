"""Task lists: what waits for the actor, what he decided, which cases he started.

What is shown of a record is what the actor may read of it. Whoever is asked to decide about a
record that his roles do not let him read sees its label and those of its facts that no field grant
guards: nobody can decide blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field, Label
from engine.fields import USER, Names, bind
from engine.lists import default_query
from engine.records import flow_store
from engine.records.failures import NotFound
from engine.records.flow_cases import waits_for
from engine.records.flow_env import BEYOND_IDS
from engine.records.flow_words import state_title
from engine.records.labels import names_for, names_of, worded
from engine.records.reading import read, visible
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.tables import system

_TASK, _INSTANCE, _DEFINITION = system.WF_TASK, system.WF_INSTANCE, system.WF_DEFINITION
_EVENT, _CANDIDATE = system.WF_EVENT, system.WF_CANDIDATE
FACTS: Final = 4
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """A value worth knowing before deciding; `text` is it in the actor's language."""

    field: Field
    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One line of a task list.

    `task_id` is None for a case the actor started. `version` is the record's: given back to
    `decide` it makes sure that what is decided on is what was shown. `status` is the task's ("open"
    and what it became), "running" or "done" for a case. `claim`: several may take it, somebody
    has to. `comment` is the last thing anybody said in the case.
    """

    task_id: int | None
    instance: int
    entity: str
    record_id: int
    version: int
    label: str
    readable: bool  # whether the record's page is open to the actor
    workflow: Label
    state: Label
    status: str
    applicant: int | None
    applicant_name: str
    opened_at: datetime | None
    due_at: datetime | None
    overdue: bool
    decided_at: datetime | None
    comment: str
    claim: bool
    facts: Sequence[Fact]


def my_tasks(unit: Unit, *, size: int = 25, before: int | None = None) -> list[InboxItem]:
    """What waits for the actor, newest first; `before` is the `task_id` of the last one seen."""
    wanted = _tasks().where(_TASK.c.status == "open", waits_for("me"))

    def portion(last: int | None, most: int) -> sa.Select[Any]:
        later = wanted if last is None else wanted.where(_TASK.c.id < last)
        return later.order_by(_TASK.c.id.desc()).limit(most)

    return _listed(unit, portion, size, before, asked=True)


def decided_tasks(unit: Unit, *, size: int = 25, before: int | None = None) -> list[InboxItem]:
    """What the actor decided, latest first; `before` is the `task_id` of the last one seen."""
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    wanted = _tasks().where(_TASK.c.decided_by_id == me)

    def portion(last: int | None, most: int) -> sa.Select[Any]:
        found = wanted
        if last is not None:
            edge = sa.select(_TASK.c.decided_at).where(_TASK.c.id == last).scalar_subquery()
            same = sa.and_(_TASK.c.decided_at == edge, _TASK.c.id < last)
            found = found.where(sa.or_(_TASK.c.decided_at < edge, same))
        return found.order_by(_TASK.c.decided_at.desc(), _TASK.c.id.desc()).limit(most)

    return _listed(unit, portion, size, before)


def started_cases(unit: Unit, *, size: int = 25, before: int | None = None) -> list[InboxItem]:
    """The actor's own cases about which somebody was asked, newest first; `before` is the
    `instance` of the last one seen."""
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    was_asked = sa.exists().where(_TASK.c.instance_id == _INSTANCE.c.id)
    wanted = (
        sa.select(*_CASE, *(sa.null().label(name) for name in _OF_TASK))
        .join(_DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id)
        .where(_INSTANCE.c.starter_id == me, was_asked)
    )

    def portion(last: int | None, most: int) -> sa.Select[Any]:
        later = wanted if last is None else wanted.where(_INSTANCE.c.id < last)
        return later.order_by(_INSTANCE.c.id.desc()).limit(most)

    return _listed(unit, portion, size, before)


def count_tasks(unit: Unit) -> int:
    """How many tasks wait for the actor: one compiled statement over two indexes."""

    def build() -> sa.Select[Any]:
        me = sa.bindparam("me", type_=_TASK.c.id.type)
        open_ = _TASK.c.status == "open"
        own = sa.select(sa.func.count()).where(_TASK.c.assignee_id == me, open_)
        pool = (
            sa.select(sa.func.count())
            .select_from(_CANDIDATE)
            .join(_TASK, _TASK.c.id == _CANDIDATE.c.task_id)
            .where(_CANDIDATE.c.user_id == me, _TASK.c.assignee_id.is_(None), open_)
        )
        return sa.select((own.scalar_subquery() + pool.scalar_subquery()).label("n"))

    statement = unit.app.statement(("wf count",), build)
    return int(statement.scalar(unit.connection, {"me": unit.actor.id}))


# --- rows --------------------------------------------------------------------------------------
_CASE = (
    _INSTANCE.c.id.label("instance"),
    _INSTANCE.c.definition_id,
    _INSTANCE.c.workflow,
    _DEFINITION.c.hash,
    _INSTANCE.c.entity,
    _INSTANCE.c.record_id,
    _INSTANCE.c.starter_id,
    _INSTANCE.c.started_at,
    _INSTANCE.c.done_at,
    _INSTANCE.c.state.label("case_state"),
)
_OF_TASK = ("task", "task_state", "status", "assignee_id", "opened_at", "due_at", "decided_at")


def _tasks() -> sa.Select[Any]:
    return (
        sa.select(
            *_CASE,
            _TASK.c.id.label("task"),
            _TASK.c.state.label("task_state"),
            _TASK.c.status,
            _TASK.c.assignee_id,
            _TASK.c.opened_at,
            _TASK.c.due_at,
            _TASK.c.decided_at,
        )
        .join(_INSTANCE, _INSTANCE.c.id == _TASK.c.instance_id)
        .join(_DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id)
    )


Portion = Callable[[int | None, int], sa.Select[Any]]


def _listed(
    unit: Unit, portion: Portion, size: int, before: int | None, *, asked: bool = False
) -> list[InboxItem]:
    """A page of lines. Those about records that the actor may not read are passed over, unless he
    is asked about them."""
    found: list[InboxItem] = []
    before = min(before, BEYOND_IDS) if before else None
    while len(found) < size:
        rows = unit.connection.execute(portion(before, size), {"me": unit.actor.id}).all()
        found += _Page(unit, rows).items(everything=asked)
        if len(rows) < size:
            break
        before = rows[-1].task or rows[-1].instance
    return found[:size]


class _Page:
    """Some rows with everything that is looked up for all of them at once."""

    def __init__(self, unit: Unit, rows: Sequence[Any]) -> None:
        self.unit = unit
        self.rows = [row for row in rows if row.entity in unit.app.model.entities]
        self.records: dict[tuple[str, int], Record] = {}
        self.readable: set[tuple[str, int]] = set()
        self.labels: dict[tuple[str, int], str] = {}
        for name in dict.fromkeys(row.entity for row in self.rows):
            self._look_up(unit.app.model.entities[name])
        starters = {row.starter_id for row in self.rows if row.starter_id}
        self.people = names_of(unit, {USER: starters})
        self.comments = self._comments()

    def _look_up(self, entity: Entity) -> None:
        unit, name = self.unit, entity.name
        ids = sorted({row.record_id for row in self.rows if row.entity == name})
        records = unit.app.reader.load_many(unit.connection, name, ids)
        self.records |= {(name, record["id"]): record for record in records}
        shown = visible(unit, name, ids)
        self.readable |= {(name, id) for id in shown}
        labels = names_of(unit, {name: shown})
        names = names_for(unit, entity, records, entity.label_fields)
        for record in records:
            key = (name, record["id"])
            own = key in self.readable
            self.labels[key] = (
                labels.label(*key) if own else worded(entity, record, unit.language, names)
            )

    def _comments(self) -> Mapping[int, str]:
        ids = [row.instance for row in self.rows]
        said = self.unit.connection.execute(
            sa.select(_EVENT.c.instance_id, _EVENT.c.comment)
            .where(_EVENT.c.instance_id.in_(ids), _EVENT.c.comment != "")
            .order_by(_EVENT.c.seq)
        )
        return {row.instance_id: row.comment for row in said}

    def items(self, *, everything: bool) -> list[InboxItem]:
        return [
            self._item(row)
            for row in self.rows
            if (row.entity, row.record_id) in self.records
            and (everything or (row.entity, row.record_id) in self.readable)
        ]

    def _item(self, row: Any) -> InboxItem:
        unit, key = self.unit, (row.entity, row.record_id)
        chart = flow_store.chart_of(unit, row.definition_id, row.workflow, row.hash)
        running = row.status == "open" or (row.task is None and row.done_at is None)
        return InboxItem(
            task_id=row.task,
            instance=row.instance,
            entity=row.entity,
            record_id=row.record_id,
            version=self.records[key]["version"],
            label=self.labels[key],
            readable=key in self.readable,
            workflow=chart.title,
            state=state_title(chart, row.task_state or row.case_state),
            status=row.status or ("running" if running else "done"),
            applicant=row.starter_id,
            applicant_name=self.people.label(USER, row.starter_id) if row.starter_id else "",
            opened_at=row.opened_at or row.started_at,
            due_at=row.due_at,
            overdue=bool(running and row.due_at and row.due_at < unit.now),
            decided_at=row.decided_at or (row.done_at if row.task is None else None),
            comment=self.comments.get(row.instance, ""),
            claim=row.status == "open" and row.assignee_id is None,
            facts=self._facts(key, chart.state_field),
        )

    def _facts(self, key: tuple[str, int], state_field: str) -> list[Fact]:
        unit, entity = self.unit, self.unit.app.model.entities[key[0]]
        record = self._shown(entity, key)
        skipped = {state_field, *entity.label_fields}
        names = [
            name
            for name in default_query(entity).columns
            if name not in skipped and record.get(name) not in (None, "", [])
        ][:FACTS]
        labels = names_for(unit, entity, [record], names)
        return [
            Fact(entity.fields[name], record[name], _text(entity, name, record, unit, labels))
            for name in names
        ]

    def _shown(self, entity: Entity, key: tuple[str, int]) -> Record:
        if key in self.readable:
            try:
                return read(self.unit, *key)
            except NotFound:
                return {}
        return {
            name: self.records[key].get(name)
            for name, field in entity.fields.items()
            if not field.access and not field.write_only
        }


def _text(entity: Entity, name: str, record: Record, unit: Unit, names: Names) -> str:
    value = record[name]
    if isinstance(value, Masked):
        return str(value)
    return bind(entity.fields[name]).format(value, unit.language, names)
