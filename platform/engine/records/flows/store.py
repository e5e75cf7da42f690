"""Workflow instances in tables: the body is the truth, tasks and timers are read off it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Workflow
from engine.records.failures import Busy
from engine.records.outbox.rows import post
from engine.records.sealing import EVENT, open_whole, seal_whole
from engine.records.unit import Unit
from engine.storage.types import dumps
from engine.tables import system
from engine.workflow import (
    Chart,
    EventRow,
    Instance,
    Outcome,
    Task,
    Timer,
    compile_chart,
    instance_from_json,
    to_json,
)
from engine.workflow.chart import label_of

_DEFINITION, _INSTANCE, _EVENT = system.WF_DEFINITION, system.WF_INSTANCE, system.WF_EVENT
_TASK, _CANDIDATE, _COPY = system.WF_TASK, system.WF_CANDIDATE, system.WF_COPY
_TIMER, _OUTBOX = system.WF_TIMER, system.OUTBOX


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance with its row's id and version, and the chart it is pinned to. `id` is 0 for a
    case that is not written yet: its first step will."""

    id: int
    version: int
    entity: str
    record: int
    instance: Instance
    chart: Chart
    beginning: Outcome | None = None  # of a case not written yet
    parent: Parent | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """The case whose ``call`` state waits for this one; `key` says which of its children it is."""

    id: int
    state: str
    key: str


def latest(unit: Unit, entity: str, record: int, *, lock: bool = False) -> Stored | None:
    """The newest instance on a record. Whoever locks it has locked the record before: one order
    for all, so that nobody waits in a circle."""
    lock = lock and unit.app.database.kind != "sqlite"

    def build() -> sa.Select[Any]:
        wanted = sa.select(_INSTANCE).where(
            _INSTANCE.c.entity == sa.bindparam("entity", type_=sa.Text()),
            _INSTANCE.c.record_id == sa.bindparam("record", type_=_INSTANCE.c.id.type),
        )
        newest = wanted.order_by(_INSTANCE.c.id.desc()).limit(1)
        return newest.with_for_update() if lock else newest

    statement = unit.app.statement(("wf latest", lock), build)
    rows = statement.rows(unit.connection, {"entity": entity, "record": record})
    return stored(unit, rows[0]) if rows else None


def stored(unit: Unit, row: Mapping[str, Any]) -> Stored:
    """The instance of a row of `dg_wf_instance`."""
    instance = instance_from_json(row["body"])
    chart = chart_of(unit, row["definition_id"], instance.workflow, instance.hash)
    return Stored(
        row["id"],
        row["version"],
        row["entity"],
        row["record_id"],
        instance,
        chart,
        parent=_parent(row),
    )


def _parent(row: Mapping[str, Any]) -> Parent | None:
    if not row["parent_key"]:
        return None
    return Parent(row["parent_id"], row["parent_state"], row["parent_key"])


def chart_of(unit: Unit, definition: int, workflow: str, hash: str) -> Chart:
    """The chart a case began with, be it published over since."""
    now = unit.app.model.workflows.get(workflow)
    if now is not None and now.hash == hash:
        return compile_chart(now)

    def load() -> Chart:
        row = unit.connection.execute(
            sa.select(_DEFINITION).where(_DEFINITION.c.id == definition)
        ).one()
        body = json.loads(row.body)
        return compile_chart(_definition(row.workflow, row.version, row.hash, body))

    chart: Chart = unit.app.kept(("wf chart", definition), load)
    return chart


def _definition(id: str, version: int, hash: str, body: Mapping[str, Any]) -> Workflow:
    return Workflow(
        id=id,
        version=version,
        entity=body["entity"],
        state_field=body.get("stateField", ""),
        title=label_of(body.get("title")),
        chart=body,
        hash=hash,
    )


def definition_row(unit: Unit, workflow: Workflow) -> int:
    """The id of the immutable row of a definition, written on first use."""
    same = (_DEFINITION.c.workflow == workflow.id, _DEFINITION.c.hash == workflow.hash)
    wanted = sa.select(_DEFINITION.c.id).where(*same)
    if (found := unit.connection.scalar(wanted)) is not None:
        return int(found)
    id = unit.app.database.ids.next(unit.connection)
    values = {
        "id": id,
        "workflow": workflow.id,
        "version": workflow.version,
        "hash": workflow.hash,
        # as text: PostgreSQL would forget the order of the keys, and document order decides
        "body": dumps(_plain(workflow.chart)),
        "at": unit.now,
    }
    try:
        with unit.connection.begin_nested():
            unit.connection.execute(sa.insert(_DEFINITION).values(values))
    except sa.exc.IntegrityError:  # somebody else began the first case in this very moment
        return int(unit.connection.scalars(wanted).one())
    return id


def _plain(value: Any) -> Any:
    """The document as JSON has it: exact decimals as text, which stands for them everywhere."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int) else str(value)


# --- writing -----------------------------------------------------------------------------------
def insert(
    unit: Unit, workflow: Workflow, entity: str, record: int, outcome: Outcome, key: str = ""
) -> Stored:
    """A new instance with all that its first step made."""
    id = unit.app.database.ids.next(unit.connection)
    instance = outcome.instance
    unit.connection.execute(
        sa.insert(_INSTANCE).values(
            id=id,
            definition_id=definition_row(unit, workflow),
            workflow=workflow.id,
            entity=entity,
            record_id=record,
            state=outcome.state,
            body=to_json(instance),
            version=1,
            starter_id=instance.starter,
            started_at=unit.now,
            done_at=unit.now if instance.done else None,
        )
    )
    found = Stored(id, 1, entity, record, instance, compile_chart(workflow))
    _write(unit, found, outcome, (), key)
    return found


def update(
    unit: Unit,
    old: Stored,
    outcome: Outcome,
    key: str = "",
    result: Mapping[str, Any] | None = None,
) -> None:
    """What a step made of an instance.

    Raises: Busy when somebody was faster; nothing is lost by trying again.
    """
    instance = outcome.instance
    values = {
        "state": outcome.state,
        "body": to_json(instance),
        "version": old.version + 1,
        "done_at": unit.now if instance.done else None,
    }

    def build() -> sa.Executable:
        mine = (_INSTANCE.c.id == _given(_INSTANCE, "id"),)
        same = (_INSTANCE.c.version == sa.bindparam("was", type_=_INSTANCE.c.version.type),)
        given = {name: _given(_INSTANCE, name) for name in values}
        return sa.update(_INSTANCE).where(*mine, *same).values(given)

    found = {f"v_{name}": value for name, value in {"id": old.id, **values}.items()}
    statement = unit.app.statement(("wf update",), build)
    if statement.run(unit.connection, {**found, "was": old.version}) != 1:
        raise Busy
    _write(unit, old, outcome, old.instance.timers, key, result)


def _write(
    unit: Unit,
    case: Stored,
    outcome: Outcome,
    timers: Iterable[Timer],
    key: str,
    result: Mapping[str, Any] | None = None,
) -> None:
    _events(unit, case, outcome.events, key, result)
    _tasks(unit, case, outcome)
    _timers(unit, case, outcome, {timer.name: timer for timer in timers})
    _effects(unit, case, outcome)
    _copies(unit, case.id, outcome.instance)
    if case.parent is not None and outcome.instance.done:
        _answer(unit, case, case.parent, outcome.instance.sequence)


def _answer(unit: Unit, case: Stored, parent: Parent, sequence: int) -> None:
    """Tell the case that called this one that it has ended."""
    body = {"state": parent.state, "child": case.id, "key": parent.key}
    post(unit, f"{case.id}:{sequence}:called", "called", body, instance=parent.id)


def failing(unit: Unit, case: int, timer: str) -> bool:
    """Whether the runner has tried this timer and failed."""
    tried = sa.select(_TIMER.c.attempts).where(_TIMER.c.instance_id == case, _TIMER.c.name == timer)
    return bool(unit.connection.scalar(tried))


def adopt(unit: Unit, case: Stored, parent: Parent) -> None:
    """Make a case the child of another; one that has ended answers at once."""
    unit.connection.execute(
        sa.update(_INSTANCE)
        .where(_INSTANCE.c.id == case.id)
        .values(parent_id=parent.id, parent_state=parent.state, parent_key=parent.key)
    )
    if case.instance.done:
        _answer(unit, case, parent, case.instance.sequence)


def called_by(unit: Unit, parent: int, state: str, prefix: str) -> list[Stored]:
    """The children that one visit of a ``call`` state began, in the order of their keys."""
    rows = unit.connection.execute(
        sa.select(_INSTANCE)
        .where(
            _INSTANCE.c.parent_id == parent,
            _INSTANCE.c.parent_state == state,
            _INSTANCE.c.parent_key.startswith(prefix, autoescape=True),
        )
        .order_by(_INSTANCE.c.id)
    ).mappings()
    return [stored(unit, dict(row)) for row in rows]


def callers(unit: Unit, case: Stored) -> list[int]:
    """The cases above this one, each called by the next."""
    found: list[int] = []
    above = case.parent.id if case.parent else None
    while above is not None and above not in found:
        found.append(above)
        wanted = sa.select(_INSTANCE.c.parent_id).where(_INSTANCE.c.id == above)
        above = unit.connection.scalar(wanted)
    return found


def _given(table: sa.Table, name: str) -> sa.BindParameter[Any]:
    """The value for a column: every step writes, so its statements are compiled once."""
    return sa.bindparam(f"v_{name}", type_=table.c[name].type)


def _insert_many(
    unit: Unit,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    finish: Callable[[Any], sa.Executable] = lambda insert: insert,
) -> None:
    """Rows with ids of their own, in one statement; `finish` says what else is to be in it."""
    if not rows:
        return
    ids = unit.app.database.ids.take(unit.connection, len(rows))
    names = ("id", *rows[0])

    def build() -> sa.Executable:
        insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
        return finish(insert(table).values({name: _given(table, name) for name in names}))

    statement = unit.app.statement(("wf insert", table.name, names), build)
    numbered = [{f"v_{name}": value for name, value in row.items()} for row in rows]
    statement.run_many(
        unit.connection, ({"v_id": id, **row} for id, row in zip(ids, numbered, strict=True))
    )
    if table is _TIMER or table is _OUTBOX:
        unit.posted = True


def _events(
    unit: Unit, case: Stored, events: Iterable[EventRow], key: str, result: Mapping[str, Any] | None
) -> None:
    rows, seals = [], bool(unit.app.sealer(case.entity))
    for at, event in enumerate(events):
        data = to_json(event)["data"]
        if data and seals:  # it may hold what becomes a value of an encrypted field
            data = seal_whole(unit.app.tables.keys, data, EVENT)
        rows.append(
            {
                "instance_id": case.id,
                "seq": event.sequence,
                "type": event.type,
                "actor_id": event.actor,
                "on_behalf_id": event.on_behalf_of,
                "before": list(event.before),
                "after": list(event.after),
                "payload": {"data": data, "cause": event.cause, "task": event.task},
                "result": dict(result) if result and at == 0 else None,
                "idem_key": key or None if at == 0 else None,
                "comment": event.comment,
                "at": event.at,
            }
        )
    _insert_many(unit, _EVENT, rows)


def _tasks(unit: Unit, case: Stored, outcome: Outcome) -> None:
    """Rows of the tasks that are new or changed. A task that waited for its turn gets its deadline
    when it opens, and keeps it."""

    def merged(insert: Any) -> sa.Executable:
        set_ = {name: insert.excluded[name] for name in _task_values(outcome.tasks[0])}
        set_["due_at"] = sa.func.coalesce(_TASK.c.due_at, insert.excluded.due_at)
        done: sa.Executable = insert.on_conflict_do_update(
            index_elements=["instance_id", "number"], set_=set_
        )
        return done

    _insert_many(unit, _TASK, [_task_row(case, task, outcome) for task in outcome.tasks], merged)
    _candidates(unit, case.id, outcome.tasks)


def _task_row(case: Stored, task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "instance_id": case.id,
        "number": task.id,
        "entity": case.entity,
        "record_id": case.record,
        "due_at": _deadline(task, outcome) if task.status == "open" else None,
        **_task_values(task),
    }


def _deadline(task: Task, outcome: Outcome) -> datetime | None:
    """The first instant at which something happens because nobody decided."""
    due = [timer.due for timer in outcome.timers if timer.state == task.state]
    return min(due, default=None)


def _task_values(task: Task) -> dict[str, Any]:
    return {
        "state": task.state,
        "round": task.round,
        "kind": task.kind,
        "status": task.status,
        "hold": task.hold,
        "assignee_id": task.assignee,
        "on_behalf_id": task.on_behalf_of,
        "decided_by_id": task.decided_by,
        "comment": task.comment,
        "opened_at": task.opened_at,
        "decided_at": task.decided_at,
        "signature_id": task.signature,
    }


def _candidates(unit: Unit, id: int, tasks: Iterable[Task]) -> None:
    """Who may claim a task, as long as nobody did."""
    pools = {task.id: task.candidates for task in tasks if task.candidates}
    if not pools:
        return
    ids = unit.connection.execute(
        sa.select(_TASK.c.number, _TASK.c.id, _TASK.c.status, _TASK.c.assignee_id).where(
            _TASK.c.instance_id == id, _TASK.c.number.in_(list(pools))
        )
    ).all()
    unit.connection.execute(
        sa.delete(_CANDIDATE).where(_CANDIDATE.c.task_id.in_([row.id for row in ids]))
    )
    rows = [
        {"task_id": row.id, "position": at, "user_id": user, "role": ""}
        for row in ids
        if row.status == "open" and row.assignee_id is None
        for at, user in enumerate(pools[row.number])
    ]
    if rows:
        unit.connection.execute(sa.insert(_CANDIDATE), rows)


def _timers(unit: Unit, case: Stored, outcome: Outcome, before: Mapping[str, Timer]) -> None:
    """Only what changed is written."""
    gone = [name for name in before if name in outcome.dropped]
    set_ = [timer for timer in outcome.timers if before.get(timer.name) != timer]
    gone += [timer.name for timer in set_ if timer.name in before]
    if gone:
        unit.connection.execute(
            sa.delete(_TIMER).where(_TIMER.c.instance_id == case.id, _TIMER.c.name.in_(gone))
        )
    set_timers(unit, case.id, set_)


def set_timers(unit: Unit, id: int, timers: Iterable[Timer]) -> None:
    """New rows of timers."""
    rows = [
        {"instance_id": id, "name": timer.name, "state": timer.state, "due": timer.due}
        for timer in timers
    ]
    _insert_many(unit, _TIMER, rows)


def _effects(unit: Unit, case: Stored, outcome: Outcome) -> None:
    """What shall happen outside goes out after the commit, each under a key of its own."""
    about = {"entity": case.entity, "record": case.record, "workflow": outcome.instance.workflow}
    rows = [
        {
            "key": f"{case.id}:{effect.sequence}:{effect.number}",
            "kind": effect.type,
            "body": {**about, **to_json(effect)},
            "instance_id": case.id,
            "created_at": unit.now,
            "next_try": unit.now,
        }
        for effect in outcome.effects
    ]
    _insert_many(unit, _OUTBOX, rows)


def _copies(unit: Unit, id: int, instance: Instance) -> None:
    if not instance.cc:
        return
    same = _COPY.c.instance_id == id
    known = set(unit.connection.scalars(sa.select(_COPY.c.user_id).where(same)))
    rows = [
        {"instance_id": id, "user_id": user, "at": unit.now}
        for user in dict.fromkeys(instance.cc)
        if user not in known
    ]
    if rows:
        unit.connection.execute(sa.insert(_COPY), rows)


def suspend(unit: Unit, case: Stored) -> None:
    """The record went to the recycle bin: the case stands still, and counts as over."""
    unit.connection.execute(sa.delete(_TIMER).where(_TIMER.c.instance_id == case.id))
    if not case.instance.done:
        _set_done(unit, case, unit.now)


def resume(unit: Unit, case: Stored) -> None:
    """The record came back: the case goes on where it stood. What was due meanwhile is due now,
    and cases it waits for may have ended."""
    if not case.instance.done:
        set_timers(unit, case.id, case.instance.timers)
        for call in case.instance.calls:
            parent = Parent(case.id, call.state, call_prefix(case.id, call.state, call.number))
            _answer(unit, replace(case, parent=parent), parent, _moment(unit))
        if case.instance.calls:
            _call_again(unit, case.id)
        _set_done(unit, case, None)


def suspended(unit: Unit, id: int) -> bool:
    """Whether a case stands still because its record is in the recycle bin."""
    wanted = sa.select(_INSTANCE.c.body).where(
        _INSTANCE.c.id == id, _INSTANCE.c.done_at.is_not(None)
    )
    body = unit.connection.scalar(wanted)
    return body is not None and not instance_from_json(body).done


def _call_again(unit: Unit, id: int) -> None:
    """What a case that stood still could not begin meanwhile is begun now."""
    asked = (_OUTBOX.c.instance_id == id, _OUTBOX.c.kind == "call", _OUTBOX.c.done_at.is_(None))
    unit.connection.execute(
        sa.update(_OUTBOX).where(*asked).values(next_try=unit.now, attempts=0, dead_at=None)
    )
    unit.posted = True


def _moment(unit: Unit) -> int:
    return int(unit.now.timestamp() * 1_000_000)


def call_prefix(parent: int, state: str, number: int) -> str:
    """What the keys of the children of one visit of a ``call`` state begin with."""
    return f"{parent}:{state}:{number}:"


def _set_done(unit: Unit, case: Stored, at: datetime | None) -> None:
    unit.connection.execute(
        sa.update(_INSTANCE).where(_INSTANCE.c.id == case.id).values(done_at=at)
    )


# --- reading -----------------------------------------------------------------------------------
def events_of(unit: Unit, id: int) -> list[EventRow]:
    """The log of an instance, oldest first."""
    if not id:
        return []
    rows = unit.connection.execute(
        sa.select(_EVENT).where(_EVENT.c.instance_id == id).order_by(_EVENT.c.seq)
    )
    return [
        EventRow(
            sequence=row.seq,
            type=row.type,
            actor=row.actor_id,
            at=row.at,
            before=tuple(row.before),
            after=tuple(row.after),
            cause=row.payload["cause"],
            on_behalf_of=row.on_behalf_id,
            task=row.payload["task"],
            comment=row.comment,
            data=open_whole(unit.app.tables.keys, row.payload["data"], EVENT),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Done:
    """What was carried out under an idempotency key."""

    type: str
    actor: int | None
    sequence: int
    result: Mapping[str, Any]


def done_before(unit: Unit, id: int, key: str) -> Done | None:
    """What was carried out under this key already."""
    if not key or not id:
        return None
    row = unit.connection.execute(
        sa.select(_EVENT).where(_EVENT.c.instance_id == id, _EVENT.c.idem_key == key)
    ).first()
    return None if row is None else Done(row.type, row.actor_id, row.seq, row.result or {})


def task_ids(unit: Unit, id: int) -> dict[int, int]:
    """The ids of the tasks' rows by their numbers within the case."""
    if not id:
        return {}
    rows = unit.connection.execute(
        sa.select(_TASK.c.number, _TASK.c.id).where(_TASK.c.instance_id == id)
    )
    return {row.number: row.id for row in rows}
