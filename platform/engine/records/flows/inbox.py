"""Task lists: what waits for the actor, what he may claim, what he decided, which cases he started,
of which he was sent a copy.

What is shown of a record is what the actor may read of it. Whoever is asked to decide about a
record that his roles do not let him read sees its label and those of its facts that no field grant
guards: nobody can decide blindly. A page takes the same number of statements whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.access import EVERY, granted
from engine.definitions.model import Entity, Field, Label
from engine.fields import USER, Names, bind
from engine.lists import Condition, Query, default_query
from engine.records.flows import store
from engine.records.flows.bulk import may_bulk
from engine.records.flows.cases import waits_for
from engine.records.flows.env import BEYOND_IDS
from engine.records.flows.waiting import only_reminds
from engine.records.flows.words import state_title
from engine.records.labels import names_for, names_of, worded
from engine.records.reading import cleared, find, visible
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.tables import system
from engine.tables.folded import fold, folded
from engine.workflow import Chart, compile_chart

_TASK, _INSTANCE, _DEFINITION = system.WF_TASK, system.WF_INSTANCE, system.WF_DEFINITION
_EVENT, _CANDIDATE, _COPY, _USER = system.WF_EVENT, system.WF_CANDIDATE, system.WF_COPY, system.USER
_TIMER = system.WF_TIMER
FACTS: Final = 4
LONGEST_TEXT: Final = 100
Record = dict[str, Any]
Order = Literal["new", "old", "due"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines of a task list, and in which order. `entity`, `workflow` and `state` narrow it
    when given; `text` looks into what the record is called and who applied. `whose`: only what is
    the actor's own, or only what several may claim. "due" puts first what is due first."""

    entity: str = ""
    workflow: str = ""
    state: str = ""
    text: str = ""
    order: Order = "new"
    whose: Literal["", "own", "pool"] = ""
    ids: tuple[int, ...] = ()  # of tasks, when only these are meant


EVERYTHING: Final = Wanted()


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
    on_behalf_of: str = ""  # the name of the person whom the actor stands in for
    bulk: bool = False  # may be approved together with others
    unread: bool = False  # a copy that was not opened yet


def my_tasks(
    unit: Unit, *, size: int = 25, before: int | None = None, wanted: Wanted = EVERYTHING
) -> list[InboxItem]:
    """What waits for the actor, newest first; `before` is the `task_id` of the last one seen."""
    base = _narrowed(unit, _tasks(), wanted, _TASK.c.state).where(
        _TASK.c.status == "open", _whose(wanted)
    )
    id, due = _TASK.c.id, _TASK.c.due_at
    if wanted.ids:
        base = base.where(id.in_(wanted.ids))

    def portion(last: int | None, most: int) -> sa.Select[Any]:
        found = base
        if wanted.order == "new":
            found = found if last is None else found.where(id < last)
            return found.order_by(id.desc()).limit(most)
        if wanted.order == "old":
            found = found if last is None else found.where(id > last)
            return found.order_by(id).limit(most)
        if last is not None:
            edge = sa.select(due).where(id == last).scalar_subquery()
            later = sa.or_(due > edge, sa.and_(edge.is_not(None), due.is_(None)))
            same = sa.and_(sa.or_(due == edge, sa.and_(edge.is_(None), due.is_(None))), id > last)
            found = found.where(sa.or_(later, same))
        return found.order_by(due.is_(None), due, id).limit(most)

    return _listed(unit, portion, size, before, asked=True)


def _whose(wanted: Wanted) -> sa.ColumnElement[bool]:
    if not wanted.whose:
        return waits_for("me")
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    if wanted.whose == "own":
        return _TASK.c.assignee_id == me
    pool = sa.select(_CANDIDATE.c.task_id).where(_CANDIDATE.c.user_id == me)
    return sa.and_(_TASK.c.assignee_id.is_(None), _TASK.c.id.in_(pool))


def decided_tasks(
    unit: Unit, *, size: int = 25, before: int | None = None, wanted: Wanted = EVERYTHING
) -> list[InboxItem]:
    """What the actor decided, latest first; `before` is the `task_id` of the last one seen."""
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    base = _narrowed(unit, _tasks(), wanted, _TASK.c.state).where(_TASK.c.decided_by_id == me)

    def portion(last: int | None, most: int) -> sa.Select[Any]:
        found = base
        if last is not None:
            edge = sa.select(_TASK.c.decided_at).where(_TASK.c.id == last).scalar_subquery()
            same = sa.and_(_TASK.c.decided_at == edge, _TASK.c.id < last)
            found = found.where(sa.or_(_TASK.c.decided_at < edge, same))
        return found.order_by(_TASK.c.decided_at.desc(), _TASK.c.id.desc()).limit(most)

    return _listed(unit, portion, size, before)


def started_cases(
    unit: Unit, *, size: int = 25, before: int | None = None, wanted: Wanted = EVERYTHING
) -> list[InboxItem]:
    """The actor's own cases about which somebody was asked, newest first; `before` is the
    `instance` of the last one seen."""
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    was_asked = sa.exists().where(_TASK.c.instance_id == _INSTANCE.c.id)
    cases = _cases(sa.null().label("copied_at"), sa.null().label("read_at"))
    base = _narrowed(unit, cases, wanted, _INSTANCE.c.state).where(
        _INSTANCE.c.starter_id == me, was_asked
    )
    return _listed(unit, _newest(base), size, before)


def copied_cases(
    unit: Unit, *, size: int = 25, before: int | None = None, wanted: Wanted = EVERYTHING
) -> list[InboxItem]:
    """The cases of which the actor was sent a copy, newest first; `before` is the `instance` of
    the last one seen. A copy lets him see the case, as being asked does."""
    me = sa.bindparam("me", type_=_TASK.c.id.type)
    cases = _cases(_COPY.c.at.label("copied_at"), _COPY.c.read_at).join(
        _COPY, _COPY.c.instance_id == _INSTANCE.c.id
    )
    base = _narrowed(unit, cases, wanted, _INSTANCE.c.state).where(_COPY.c.user_id == me)
    return _listed(unit, _newest(base), size, before, asked=True)


def read_copy(unit: Unit, instance: int) -> None:
    """The actor has opened the case of which he was sent a copy."""
    mine = sa.and_(_COPY.c.instance_id == instance, _COPY.c.user_id == unit.actor.id)
    unit.connection.execute(
        sa.update(_COPY).where(mine, _COPY.c.read_at.is_(None)).values(read_at=unit.now)
    )


def _newest(base: sa.Select[Any]) -> Portion:
    def portion(last: int | None, most: int) -> sa.Select[Any]:
        later = base if last is None else base.where(_INSTANCE.c.id < last)
        return later.order_by(_INSTANCE.c.id.desc()).limit(most)

    return portion


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks are the actor's, how many he may claim, how many copies he has not opened."""

    own: int
    pool: int
    copies: int


def counts(unit: Unit) -> Counts:
    """What the tabs of the inbox say: one compiled statement over three indexes."""
    within = _within(unit)

    def build() -> sa.Select[Any]:
        me = sa.bindparam("me", type_=_TASK.c.id.type)
        own, pool = _counted(me, within)
        copies = sa.select(sa.func.count()).where(_COPY.c.user_id == me, _COPY.c.read_at.is_(None))
        if within is not None:
            copies = copies.where(_COPY.c.instance_id == _INSTANCE.c.id)
            copies = copies.where(_INSTANCE.c.entity.in_(within))
        return sa.select(
            own.label("own"), pool.label("pool"), copies.scalar_subquery().label("copies")
        )

    statement = unit.app.statement(("wf counts", within), build)
    (row,) = statement.rows(unit.connection, {"me": unit.actor.id})
    return Counts(row["own"], row["pool"], row["copies"])


@dataclass(frozen=True, slots=True)
class Place:
    """A step at which tasks wait for the actor."""

    entity: str
    workflow: str
    state: str
    title: Label
    count: int


def places(unit: Unit, whose: Literal["own", "pool"] = "own") -> list[Place]:
    """Where the actor's tasks stand: what he may filter them by."""
    count = sa.func.count().label("n")
    rows = unit.connection.execute(
        sa.select(_INSTANCE.c.entity, _INSTANCE.c.workflow, _TASK.c.state, count)
        .join(_INSTANCE, _INSTANCE.c.id == _TASK.c.instance_id)
        .where(_TASK.c.status == "open", _whose(Wanted(whose=whose)))
        .group_by(_INSTANCE.c.entity, _INSTANCE.c.workflow, _TASK.c.state)
        .order_by(_INSTANCE.c.entity, count.desc()),
        {"me": unit.actor.id},
    )
    found = []
    for row in rows:
        if row.entity in unit.app.model.entities:
            workflow = unit.app.model.workflows.get(row.workflow)
            title = state_title(compile_chart(workflow), row.state) if workflow else {"": row.state}
            found.append(Place(row.entity, row.workflow, row.state, title, row.n))
    return found


def own_phrases(unit: Unit, most: int = 4) -> list[str]:
    """What the actor wrote to his last decisions, short ones, each once."""
    rows = unit.connection.scalars(
        sa.select(_TASK.c.comment)
        .where(_TASK.c.decided_by_id == unit.actor.id, _TASK.c.comment != "")
        .order_by(_TASK.c.decided_at.desc())
        .limit(30)
    )
    return [one for one in dict.fromkeys(rows) if len(one) <= 40 and "\n" not in one][:most]


def _narrowed(
    unit: Unit, base: sa.Select[Any], wanted: Wanted, state: sa.ColumnElement[str]
) -> sa.Select[Any]:
    """Only the lines that were asked for, as far as a token goes."""
    if (within := _within(unit)) is not None:
        base = base.where(_INSTANCE.c.entity.in_(within))
    if wanted.entity:
        base = base.where(_INSTANCE.c.entity == wanted.entity)
    if wanted.workflow:
        base = base.where(_INSTANCE.c.workflow == wanted.workflow)
    if wanted.state:
        base = base.where(state == wanted.state)
    text = fold(" ".join(wanted.text.replace("\x00", "").split())[:LONGEST_TEXT])
    return base.where(_called(unit, text)) if text else base


def _called(unit: Unit, text: str) -> sa.ColumnElement[bool]:
    """The record's label contains the text, in a part of it that no field grant guards, or the
    name of who applied does."""
    inside = sa.func.strpos if unit.app.database.kind == "postgresql" else sa.func.instr

    def has(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return inside(folded(column), text) > 0

    people = sa.select(_USER.c.id).where(has(_USER.c.name))
    found: list[sa.ColumnElement[bool]] = [_INSTANCE.c.starter_id.in_(people)]
    for name in {flow.entity for flow in unit.app.model.workflows.values()}:
        entity = unit.app.model.entities.get(name)
        if entity is None:
            continue
        place = unit.app.tables.of(name)
        columns = [
            place.columns[one]
            for one in entity.label_fields
            if one in place.columns
            and isinstance(place.columns[one].type, sa.Text | sa.String)
            and open_to_asked(entity.fields[one])
        ]
        if columns:
            table = place.table.alias()
            named = sa.or_(*(has(table.c[column.name]) for column in columns))
            is_it = sa.and_(table.c.id == _INSTANCE.c.record_id, named)
            found.append(sa.and_(_INSTANCE.c.entity == name, sa.exists().where(is_it)))
    return sa.or_(*found)


def open_to_asked(field: Field) -> bool:
    """Whether somebody who is asked about a record that he may not read sees this field of it."""
    sensitive = field.privacy & {"encrypted", "logged"}
    return not field.access and not field.write_only and not sensitive


def count_tasks(unit: Unit) -> int:
    """How many tasks wait for the actor: one compiled statement over two indexes."""

    def build() -> sa.Select[Any]:
        own, pool = _counted(sa.bindparam("me", type_=_TASK.c.id.type))
        return sa.select((own + pool).label("n"))

    statement = unit.app.statement(("wf count",), build)
    return int(statement.scalar(unit.connection, {"me": unit.actor.id}))


def _counted(
    me: sa.BindParameter[Any], within: tuple[str, ...] | None = None
) -> tuple[sa.ScalarSelect[int], sa.ScalarSelect[int]]:
    """How many open tasks are a person's own, and how many he may claim."""
    open_ = _TASK.c.status == "open"
    if within is not None:
        open_ = sa.and_(open_, _TASK.c.entity.in_(within))
    own = sa.select(sa.func.count()).where(_TASK.c.assignee_id == me, open_)
    pool = (
        sa.select(sa.func.count())
        .select_from(_CANDIDATE)
        .join(_TASK, _TASK.c.id == _CANDIDATE.c.task_id)
        .where(_CANDIDATE.c.user_id == me, _TASK.c.assignee_id.is_(None), open_)
    )
    return own.scalar_subquery(), pool.scalar_subquery()


def _within(unit: Unit) -> tuple[str, ...] | None:
    """The entities whose tasks a token may see; None without a token, or when it may see all."""
    scopes = unit.actor.scopes
    if granted(scopes, EVERY, "tasks"):
        return None
    return tuple(name for name in unit.app.model.entities if granted(scopes, name, "tasks"))


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
_OF_TASK = (
    *("task", "task_state", "status", "kind", "assignee_id", "on_behalf_id"),
    *("opened_at", "due_at", "decided_at"),
)


def _tasks() -> sa.Select[Any]:
    return (
        sa.select(
            *_CASE,
            _TASK.c.id.label("task"),
            _TASK.c.state.label("task_state"),
            _TASK.c.status,
            _TASK.c.kind,
            _TASK.c.assignee_id,
            _TASK.c.on_behalf_id,
            _TASK.c.opened_at,
            _TASK.c.due_at,
            _TASK.c.decided_at,
            sa.null().label("copied_at"),
            sa.null().label("read_at"),
        )
        .join(_INSTANCE, _INSTANCE.c.id == _TASK.c.instance_id)
        .join(_DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id)
    )


def _cases(copied: sa.ColumnElement[Any], read: sa.ColumnElement[Any]) -> sa.Select[Any]:
    nothing = (sa.null().label(name) for name in _OF_TASK)
    return sa.select(*_CASE, *nothing, copied, read).join(
        _DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id
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
        self.open: set[tuple[str, int]] = set()  # not above the actor's grade of secrecy
        self.labels: dict[tuple[str, int], str] = {}
        self.facts: dict[tuple[str, int], list[Fact]] = {}
        for name in dict.fromkeys(row.entity for row in self.rows):
            self._look_up(unit.app.model.entities[name])
        people = {id for row in self.rows for id in (row.starter_id, row.on_behalf_id) if id}
        self.people = names_of(unit, {USER: people})
        self.comments = self._comments()
        self.timers = self._timers()

    def _look_up(self, entity: Entity) -> None:
        unit, name = self.unit, entity.name
        ids = sorted({row.record_id for row in self.rows if row.entity == name})
        records = unit.app.reader.load_many(unit.connection, name, ids)
        self.records |= {(name, record["id"]): record for record in records}
        shown = visible(unit, name, ids)
        self.readable |= {(name, id) for id in shown}
        self.open |= {(name, id) for id in cleared(unit, name, ids)}
        labels = names_of(unit, {name: shown})
        names = names_for(unit, entity, records, entity.label_fields)
        for record in records:
            key = (name, record["id"])
            own = key in self.readable
            self.labels[key] = (
                labels.label(*key) if own else worded(entity, record, unit.language, names)
            )
        self._look_closer(entity, records)

    def _look_closer(self, entity: Entity, records: Sequence[Record]) -> None:
        """The facts of all records of an entity: as their readers see them, and for whoever is
        only asked what no field grant guards."""
        name = entity.name
        columns = fact_columns(unit := self.unit, entity)
        ids = [id for one, id in self.readable if one == name]
        seen: dict[int, Record] = {}
        if ids:
            asked = (Condition("id", "in", value=tuple(ids)),)
            query = Query(name, columns=columns, conditions=asked, size=len(ids))
            seen = {row["id"]: row for row in find(unit, query).rows}
        open_ = [one for one in columns if open_to_asked(entity.fields[one])]
        for record in records:
            if (name, record["id"]) not in self.readable:
                seen[record["id"]] = {one: record.get(one) for one in open_}
        names = names_for(unit, entity, list(seen.values()), columns)
        for id, row in seen.items():
            shown = [one for one in columns if row.get(one) not in (None, "", [])]
            self.facts[name, id] = [
                Fact(entity.fields[one], row[one], _text(entity, one, row, unit, names))
                for one in _most(entity, shown)
            ]

    def _comments(self) -> Mapping[int, str]:
        ids = [row.instance for row in self.rows]
        said = self.unit.connection.execute(
            sa.select(_EVENT.c.instance_id, _EVENT.c.comment)
            .where(_EVENT.c.instance_id.in_(ids), _EVENT.c.comment != "")
            .order_by(_EVENT.c.seq)
        )
        return {row.instance_id: row.comment for row in said}

    def _timers(self) -> Mapping[int, Sequence[Any]]:
        """What the clocks of the running cases will do."""
        found: dict[int, list[Any]] = {}
        ids = [row.instance for row in self.rows if row.status == "open"]
        timers = sa.select(_TIMER.c.instance_id, _TIMER.c.name, _TIMER.c.state, _TIMER.c.due)
        for row in self.unit.connection.execute(timers.where(_TIMER.c.instance_id.in_(ids))):
            found.setdefault(row.instance_id, []).append(row)
        return found

    def _due(self, row: Any, chart: Chart) -> datetime | None:
        """When the task is taken out of somebody's hands, which a reminder does not do; without
        such a timer, what the task was due at when it came."""
        acting = [
            timer.due
            for timer in self.timers.get(row.instance, ())
            if timer.state == row.task_state and not only_reminds(chart, timer.name)
        ]
        due: datetime | None = min(acting, default=row.due_at)
        return due

    def items(self, *, everything: bool) -> list[InboxItem]:
        return [
            self._item(row)
            for row in self.rows
            if (row.entity, row.record_id) in self.records
            and (row.entity, row.record_id) in (self.open if everything else self.readable)
        ]

    def _item(self, row: Any) -> InboxItem:
        unit, key = self.unit, (row.entity, row.record_id)
        chart = store.chart_of(unit, row.definition_id, row.workflow, row.hash)
        due = self._due(row, chart) if row.status == "open" else row.due_at
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
            opened_at=row.opened_at or row.copied_at or row.started_at,
            due_at=due,
            overdue=bool(running and due and due < unit.now),
            decided_at=row.decided_at or (row.done_at if row.task is None else None),
            comment=self.comments.get(row.instance, ""),
            claim=row.status == "open" and row.assignee_id is None,
            facts=self.facts.get(key, ()),
            on_behalf_of=self.people.label(USER, row.on_behalf_id) if row.on_behalf_id else "",
            bulk=row.status == "open"
            and row.assignee_id is not None
            and row.kind == "vote"
            and may_bulk(unit, chart, row.task_state, row.definition_id),
            unread=row.copied_at is not None and row.read_at is None,
        )


def fact_columns(unit: Unit, entity: Entity) -> tuple[str, ...]:
    """The columns of the list and the amounts of an entity: what one decides by. The label and the
    state stand beside them anyway, lines have a place of their own."""
    workflow = unit.app.workflow(entity.name)
    beside = {*entity.label_fields, workflow.state_field if workflow else ""}
    amounts = [field.name for field in entity.fields.values() if field.type == "money"]
    names = dict.fromkeys([*default_query(entity).columns, *amounts])
    return tuple(name for name in names if name not in beside and entity.fields[name].rows is None)


def _most(entity: Entity, names: Sequence[str]) -> list[str]:
    """The first few; an amount is always among them."""
    first = list(names[:FACTS])
    amount = next((name for name in names if entity.fields[name].type == "money"), None)
    if amount and amount not in first:
        first[-1] = amount
    return first


def _text(entity: Entity, name: str, record: Record, unit: Unit, names: Names) -> str:
    value = record[name]
    if isinstance(value, Masked):
        return str(value)
    return bind(entity.fields[name]).format(value, unit.language, names)
