"""Who changed what, when, and from which door: one row per change, in the change's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.access import EntityAccess, compile_access, narrowed
from engine.definitions.model import Entity, Field
from engine.fields import USER, FieldType, Names, bind
from engine.records.accesses import note_access
from engine.records.erased import is_erased, words
from engine.records.labels import label_of, names_of
from engine.records.reading import read, visible
from engine.records.unit import Unit
from engine.records.views import logged_in, shown_rows
from engine.tables import system

_TABLE = system.HISTORY
MASKED = "******"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a history row: values of its type, None for nothing. `masked` ones are text."""

    field: Field
    old: Any
    new: Any
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a record's history, as the reader may see it."""

    id: int
    action: str
    version: int
    at: datetime
    by: int | None
    on_behalf: int | None
    source: str
    comment: str
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Recent:
    """A record the actor changed lately."""

    entity: str
    id: int
    label: str
    at: datetime


def changes_of(
    types: Mapping[str, FieldType], old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """What differs, in wire form: {field: [old, new]}. A value that nobody may read is not kept
    here either; only that it changed."""
    found: dict[str, list[Any]] = {}
    for name, kind in types.items():
        field = kind.field
        if field.system or (field.compute and not field.compute.store):
            continue
        before = old.get(name) if old else None
        after = new.get(name)
        if old is None and after in (None, "", [], {}):
            continue
        if not kind.changed(before, after):
            continue
        found[name] = (
            [None, None] if field.write_only else [_wire(kind, before), _wire(kind, after)]
        )
    return found


def _wire(kind: FieldType, value: Any) -> Any:
    return None if value is None else kind.to_json(value)


def note(
    unit: Unit,
    entity: str,
    id: int,
    version: int,
    action: str,
    changes: Mapping[str, Any],
    comment: str = "",
    on_behalf: int | None = None,
) -> None:
    """Write one row."""
    note_many(unit, [row_of(unit, entity, id, version, action, changes, comment, on_behalf)])


def row_of(
    unit: Unit,
    entity: str,
    id: int,
    version: int,
    action: str,
    changes: Mapping[str, Any],
    comment: str = "",
    on_behalf: int | None = None,
) -> dict[str, Any]:
    """One row, not yet written."""
    sealer = unit.app.sealer(entity)
    return {
        "id": 0,
        "entity": entity,
        "record_id": id,
        "version": version,
        "action": action,
        "at": unit.now,
        "by_id": unit.actor.id or None,
        "on_behalf_id": on_behalf,
        "source": unit.source,
        "changes": sealer.sealed(changes) if sealer else dict(changes),
        "comment": comment,
        "version_id": unit.app.version,
    }


def note_many(unit: Unit, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of `row_of`, with their ids."""
    ids = unit.app.database.ids.take(unit.connection, len(rows))
    for row, id in zip(rows, ids, strict=True):
        row["id"] = id
    statement = unit.app.statement(
        ("history",),
        lambda: sa.insert(_TABLE).values(
            {column.name: sa.bindparam(column.name, type_=column.type) for column in _TABLE.c}
        ),
    )
    statement.run_many(unit.connection, rows)


def history(unit: Unit, entity: str, id: int, *, size: int = 50, before: int = 0) -> list[Entry]:
    """A record's history, newest first, with only the fields the actor may read now.

    Raises: NotFound for a record he may not see.
    """
    record = read(unit, entity, id)
    definition, sealer = unit.app.model.entities[entity], unit.app.sealer(entity)
    access = _access(unit, definition, record)
    statement = (
        sa.select(_TABLE)
        .where(_TABLE.c.entity == entity, _TABLE.c.record_id == id)
        .order_by(_TABLE.c.id.desc())
        .limit(size)
    )
    if before:
        statement = statement.where(_TABLE.c.id < before)
    found = []
    for row in unit.connection.execute(statement).mappings():
        changes = _shown(unit, definition, access, sealer.opened(row["changes"] or {}))
        if row["changes"] and not changes:
            continue  # nothing in it is for his eyes, not even that it happened
        found.append(
            Entry(
                row["id"],
                row["action"],
                row["version"],
                row["at"],
                row["by_id"],
                row["on_behalf_id"],
                row["source"],
                row["comment"],
                changes,
            )
        )
    _note_seen(unit, entity, id, found)
    return found


def _note_seen(unit: Unit, entity: str, id: int, entries: Sequence[Entry]) -> None:
    """Sensitive values of the past are seen too, be they gone from the record since."""
    shown = [one for entry in entries for one in entry.changes if not one.masked]
    access = unit.access(entity)
    names = [path for one in shown for path in logged_in(one.field, access.fields[one.field.name])]
    note_access(unit, "open", entity, id, names)


def values_at(unit: Unit, entity: str, id: int, version: int) -> dict[str, Any]:
    """What the fields that changed since a version of a record held then.

    Not cut to what the actor may read everywhere, as `history` is: it is for a form that has shown
    him these very values on this very record.
    """
    definition, sealer = unit.app.model.entities[entity], unit.app.sealer(entity)
    statement = (
        sa.select(_TABLE.c.changes)
        .where(_TABLE.c.entity == entity, _TABLE.c.record_id == id, _TABLE.c.version > version)
        .order_by(_TABLE.c.id.desc())
    )
    found: dict[str, Any] = {}
    for changes in unit.connection.scalars(statement):
        for name, (old, _) in sealer.opened(changes or {}).items():
            if (field := definition.fields.get(name)) and not is_erased(old):
                found[name] = _value(bind(field), old)
    return found


def _access(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> EntityAccess:
    """What counts for the past of a record: what the actor may read on every one, less the pool's
    curtain once the record has an owner."""
    access = unit.access(entity.name)
    if access.admin or not entity.pool or record.get("owner") is None:
        return access

    def open_() -> EntityAccess:
        taken = compile_access(unit.app.model, replace(entity, pool={}), unit.actor.roles)
        return narrowed(taken, unit.actor.scopes)

    found: EntityAccess = unit.app.kept(("past", entity.name, access.holder), open_)
    return found


def _shown(
    unit: Unit, entity: Entity, access: EntityAccess, changes: Mapping[str, Any]
) -> list[Change]:
    """The changes of fields the actor may read on every record; others would tell too much."""
    found = []
    for name, (old, new) in changes.items():
        field = entity.fields.get(name)
        if field is None:
            continue  # retired since
        cell = access.fields[name]
        if is_erased(old) or is_erased(new):
            if cell.read.ever or cell.masked.ever:
                before, after = (words(unit) if one is not None else None for one in (old, new))
                found.append(Change(field, before, after, masked=True))
        elif field.write_only:
            found.append(Change(field, None, MASKED, masked=True))
        elif cell.read.always:
            kind = bind(field)
            values = [_value(kind, old), _value(kind, new)]
            if field.rows is not None and cell.columns:
                values = [value and shown_rows(field, value, cell) for value in values]
                if values[0] == values[1]:
                    continue
            found.append(Change(field, *values))
        elif cell.masked.always:
            found.append(Change(field, old and MASKED, new and MASKED, masked=True))
    return found


def _value(kind: FieldType, raw: Any) -> Any:
    """A value of the past as today's type has it; text when the type has changed since."""
    try:
        return None if raw is None else kind.from_json(raw)
    except Exception:
        return raw


def history_names(unit: Unit, entries: Sequence[Entry]) -> Names:
    """The labels of people and records in a history."""
    wanted: dict[str, set[int]] = {}
    for entry in entries:
        for user in (entry.by, entry.on_behalf):
            if user:
                wanted.setdefault(USER, set()).add(user)
        for change in entry.changes:
            if change.masked:
                continue
            for value in (change.old, change.new):
                if value is not None:
                    for target, id in bind(change.field).references(value):
                        wanted.setdefault(target, set()).add(id)
    return names_of(unit, wanted)


def recent(unit: Unit, size: int = 8) -> list[Recent]:
    """The records the actor changed last and still may see, newest first."""
    latest = sa.func.max(_TABLE.c.id).label("latest")
    statement = (
        sa.select(_TABLE.c.entity, _TABLE.c.record_id, sa.func.max(_TABLE.c.at).label("at"), latest)
        .where(_TABLE.c.by_id == unit.actor.id)
        .group_by(_TABLE.c.entity, _TABLE.c.record_id)
        .order_by(latest.desc())
        .limit(size * 3)
    )
    found: list[Recent] = []
    for row in unit.connection.execute(statement):
        if len(found) == size:
            break
        if row.entity in unit.app.model.entities and visible(unit, row.entity, [row.record_id]):
            record = read(unit, row.entity, row.record_id, told=False)
            label = label_of(unit, row.entity, record)
            found.append(Recent(row.entity, row.record_id, label, row.at))
    return found
