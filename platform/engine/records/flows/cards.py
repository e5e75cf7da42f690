"""One case as whoever has to decide about it sees it: the facts, and what changed since the last
time.

Being asked, or having been sent a copy, opens the case, not the record's page: such a person sees
the label, the columns of the list, amounts, lines and files, as far as no field grant guards them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.fields import Names, bind
from engine.records.failures import NotFound
from engine.records.flows.cases import asked
from engine.records.flows.env import BEYOND_IDS
from engine.records.flows.inbox import fact_columns, open_to_asked
from engine.records.flows.views import Flow, Look, flow_of
from engine.records.history import MASKED, Change, Entry, history, history_names, values_at
from engine.records.labels import names_for, worded
from engine.records.reading import cleared, read, visible
from engine.records.unit import Unit
from engine.tables import system

_TASK, _COPY, _INSTANCE = system.WF_TASK, system.WF_COPY, system.WF_INSTANCE
_LONGEST = 200
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowChange:
    """A line of the record that is new (`old` None), gone (`new` None) or changed in `columns`."""

    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that changed; of lines, which `rows`."""

    change: Change
    rows: tuple[RowChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A case that was opened. `record` holds what the actor may see of the record; `task` is the
    one it was opened by, None when it was not by a task."""

    entity: Entity
    id: int
    label: str
    readable: bool
    record: Record
    names: Names
    flow: Flow
    task: int | None
    copied: bool
    differences: Sequence[Difference]
    past: Names  # of what the differences point at


def open_task(unit: Unit, task: int) -> Opened:
    """The case of a task of the inbox.

    Raises: NotFound for a case that is none of the actor's business.
    """
    row = None
    if 0 < task < BEYOND_IDS:
        row = unit.connection.execute(sa.select(_TASK).where(_TASK.c.id == task)).first()
    if row is None:
        raise NotFound
    return _opened(unit, row.entity, row.record_id, row.instance_id, task)


def place_of(unit: Unit, task: int) -> tuple[str, int]:
    """The entity and the record of a task.

    Raises: NotFound.
    """
    row = None
    if 0 < task < BEYOND_IDS:
        wanted = sa.select(_TASK.c.entity, _TASK.c.record_id).where(_TASK.c.id == task)
        row = unit.connection.execute(wanted).first()
    if row is None:
        raise NotFound
    return row.entity, row.record_id


def open_case(unit: Unit, instance: int) -> Opened:
    """A case by its own number: one that the actor started, or was sent a copy of.

    Raises: NotFound for a case that is none of the actor's business.
    """
    row = None
    if 0 < instance < BEYOND_IDS:
        row = unit.connection.execute(
            sa.select(_INSTANCE.c.entity, _INSTANCE.c.record_id).where(_INSTANCE.c.id == instance)
        ).first()
    if row is None:
        raise NotFound
    return _opened(unit, row.entity, row.record_id, instance, None)


def _opened(unit: Unit, entity: str, id: int, instance: int, task: int | None) -> Opened:
    definition = unit.app.model.entities.get(entity)
    if definition is None:
        raise NotFound
    whole = unit.app.reader.load(unit.connection, entity, id)
    if whole is None:
        raise NotFound
    readable = bool(visible(unit, entity, [id]))
    copied = _copied(unit, instance) and bool(cleared(unit, entity, [id]))
    if not (readable or copied or asked(unit, entity, id)):
        raise NotFound
    flow = flow_of(unit, entity, id, known=True)
    if flow is None or (flow.instance != instance and not readable):
        raise NotFound
    record = read(unit, entity, id) if readable else as_asked(unit, definition, whole)
    names = names_for(unit, definition, [record])
    changes = differences(unit, definition, id, flow.look if flow.asked else None, record)
    return Opened(
        entity=definition,
        id=id,
        label=_label(unit, definition, record if readable else whole),
        readable=readable,
        record=record,
        names=names,
        flow=flow,
        task=task,
        copied=copied,
        differences=changes,
        past=names_of_differences(unit, changes),
    )


def _label(unit: Unit, entity: Entity, record: Record) -> str:
    """As in the list of tasks: whoever is asked knows what about."""
    names = names_for(unit, entity, [record], entity.label_fields)
    return worded(entity, record, unit.language, names)


def _copied(unit: Unit, instance: int) -> bool:
    mine = (_COPY.c.instance_id == instance, _COPY.c.user_id == unit.actor.id)
    found = sa.select(_COPY.c.instance_id).where(*mine)
    return unit.connection.execute(found).first() is not None


def as_asked(unit: Unit, entity: Entity, whole: Mapping[str, Any]) -> Record:
    """What somebody sees of a record that he may not read but has to decide about."""
    shown = {*entity.label_fields, *fact_columns(unit, entity)}
    shown |= {
        field.name
        for field in entity.fields.values()
        if field.rows is not None or field.type in ("file", "image")
    }
    found: Record = {"id": whole["id"], "version": whole.get("version")}
    for name, field in entity.fields.items():
        if name in shown and open_to_asked(field) and name in whole:
            found[name] = _open_rows(field, whole[name]) if field.rows else whole[name]
    return found


def _open_rows(field: Field, rows: Sequence[Mapping[str, Any]] | None) -> list[Record]:
    """Lines without the columns that a grant guards."""
    assert field.rows is not None
    guarded = {name for name, one in field.rows.fields.items() if not open_to_asked(one)}
    return [{key: row[key] for key in row if key not in guarded} for row in rows or ()]


# --- what changed ------------------------------------------------------------------------------
def differences(
    unit: Unit, entity: Entity, id: int, look: Look | None, record: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """What is different from what was seen at `look`, as far as the actor may see it."""
    if look is None:
        return ()
    flow = unit.app.workflow(entity.name)
    state = flow.state_field if flow else ""
    if visible(unit, entity.name, [id]):
        found = _merged(_since(history(unit, entity.name, id, size=_LONGEST), look))
    else:
        found = _of_asked(unit, entity, id, look, record)
    return tuple(
        Difference(change, _rows(change))
        for change in found
        if change.field.name != state and _differs(change)
    )


def names_of_differences(unit: Unit, found: Sequence[Difference]) -> Names:
    """The labels of what the differences point at."""
    if not found:
        return Names({}, unit.zone, unit.app.model.currency)
    entry = Entry(0, "", 0, unit.now, None, None, "", "", [one.change for one in found])
    return history_names(unit, [entry])


def _since(entries: Sequence[Entry], look: Look) -> list[Entry]:
    if look.version is not None:
        return [entry for entry in entries if entry.version > look.version]
    return [entry for entry in entries if entry.at > look.at]


def _merged(entries: Sequence[Entry]) -> list[Change]:
    """Newest first, as the history has them: the first old value and the last new one."""
    found: dict[str, Change] = {}
    for entry in entries:
        for change in entry.changes:
            name = change.field.name
            newest = found.get(name)
            new = newest.new if newest else change.new
            masked = change.masked or bool(newest and newest.masked)
            found[name] = Change(change.field, change.old, new, masked)
    return list(found.values())


def _of_asked(
    unit: Unit, entity: Entity, id: int, look: Look, record: Mapping[str, Any]
) -> list[Change]:
    if look.version is None:
        return []
    found = []
    for name, old in values_at(unit, entity.name, id, look.version).items():
        field = entity.fields[name]
        if name in record and open_to_asked(field):
            before = _open_rows(field, old) if field.rows and isinstance(old, list) else old
            found.append(Change(field, before, record[name]))
    return found


def _differs(change: Change) -> bool:
    if change.masked:
        return change.old != change.new or MASKED in (change.old, change.new)
    try:
        return bind(change.field).changed(change.old, change.new)
    except (TypeError, ValueError, AttributeError):
        return bool(change.old != change.new)  # the field had another type then


def _rows(change: Change) -> tuple[RowChange, ...]:
    """Which lines are new, gone or different; a line keeps its id."""
    if change.field.rows is None or change.masked:
        return ()
    old = {row.get("id"): row for row in change.old or () if isinstance(row, Mapping)}
    new = {row.get("id"): row for row in change.new or () if isinstance(row, Mapping)}
    found = []
    for id, row in new.items():
        before = old.get(id)
        if before is None:
            found.append(RowChange(None, row, ()))
            continue
        columns = tuple(
            name
            for name in change.field.rows.fields
            if before.get(name) != row.get(name)
            and (before.get(name), row.get(name)) not in ((None, []), ([], None))
        )
        if columns:
            found.append(RowChange(before, row, columns))
    found += [RowChange(row, None, ()) for id, row in old.items() if id not in new]
    return tuple(found)


__all__ = [
    "Difference",
    "Opened",
    "RowChange",
    "as_asked",
    "differences",
    "names_of_differences",
    "open_case",
    "open_task",
    "place_of",
]
