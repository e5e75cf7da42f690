"""The last steps of every write: rows, history, files, and what follows in other records.

What comes here was allowed and found good; only the database may still object.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.fields import FILE, USER
from engine.problems import Problem, Severity
from engine.records import rows
from engine.records.computing import Ripple
from engine.records.evaluation import Relations
from engine.records.failures import Conflict, Invalid, NotFound, Stale
from engine.records.history import changes_of, note, note_many, row_of
from engine.records.labels import names_of
from engine.records.numbers import number
from engine.records.quotas import spend
from engine.records.reading import read
from engine.records.references import pointers_of
from engine.records.unit import Unit
from engine.storage import violation
from engine.tables import system

Record = dict[str, Any]


@dataclass(slots=True)
class Saving:
    """A record on its way: as it was, as it will be, and what there is to say about it."""

    entity: Entity
    old: Record | None
    new: Record
    given: frozenset[str]
    relations: Relations
    problems: list[Problem] = field(default_factory=list)
    rows: Mapping[str, Any] = field(default_factory=dict)  # lines as they were given
    made: tuple[datetime, int | None] | None = None  # when and by whom, unless now by the actor

    @property
    def errors(self) -> list[Problem]:
        """What stops it."""
        return [found for found in self.problems if found.severity is Severity.ERROR]


def store_new(unit: Unit, savings: list[Saving], comment: str = "") -> None:
    """Write checked new records of one entity and everything that follows from them.

    Raises: Invalid when a unique key is taken.
    """
    entity = savings[0].entity
    ids = unit.app.database.ids.take(unit.connection, len(savings))
    for saving, id in zip(savings, ids, strict=True):
        new = saving.new
        new["id"], new["version"] = id, 1
        at, by = saving.made or (unit.now, unit.actor.id or None)
        new["created_at"] = new["updated_at"] = at
        new["created_by"] = new["updated_by"] = by
        number(unit, entity, new)
    with guarded(unit):
        rows.insert_many(unit, entity, [saving.new for saving in savings])
    types = unit.app.types(entity)
    note_many(
        unit,
        [
            row_of(
                unit, entity.name, s.new["id"], 1, "create", changes_of(types, None, s.new), comment
            )
            | {"at": s.new["created_at"], "by_id": s.new["created_by"]}
            for s in savings
        ],
    )
    ripple = Ripple(unit)
    for saving in savings:
        _claim_files(unit, entity, saving.new, None)
        ripple.changed(entity.name, None, saving.new)
    ripple.run()
    unit.touched.update((entity.name, saving.new["id"]) for saving in savings)


def store_change(unit: Unit, saving: Saving, *, action: str = "change", comment: str = "") -> bool:
    """Write a checked change and everything that follows from it; a change of nothing is none
    (False).

    Raises: Stale, Invalid when a unique key is taken, Conflict when the pool gives no more.
    """
    entity, old, new = saving.entity, saving.old, saving.new
    assert old is not None
    types = unit.app.types(entity)
    changed = {
        name
        for name, kind in types.items()
        if not kind.field.system
        and not (kind.field.compute and not kind.field.compute.store)
        and kind.changed(old.get(name), new.get(name))
    }
    if not changed:
        return False
    spend(unit, entity, old, new)
    new["updated_at"], new["updated_by"] = unit.now, unit.actor.id or None
    with guarded(unit):
        if not rows.update(unit, entity, old, new, {*changed, "updated_at", "updated_by"}):
            raise stale(unit, entity.name, old["id"])
    new["version"] = old["version"] + 1
    note(unit, entity.name, old["id"], new["version"], action, changes_of(types, old, new), comment)
    _claim_files(unit, entity, new, old)
    ripple = Ripple(unit)
    ripple.changed(entity.name, old, new)
    ripple.run()
    unit.touched.add((entity.name, old["id"]))
    return True


def seen(unit: Unit, entity: str, record: Mapping[str, Any]) -> Record:
    """The saved record as the actor may see it; only its id and version when he may not."""
    try:
        return read(unit, entity, record["id"])
    except NotFound:
        return {"id": record["id"], "version": record["version"]}


def stale(unit: Unit, entity: str, id: int) -> Stale:
    """Why the change came too late, with the record as it is now."""
    now = read(unit, entity, id)
    table = system.HISTORY
    last = unit.connection.execute(
        sa.select(table.c.by_id, table.c.at)
        .where(table.c.entity == entity, table.c.record_id == id)
        .order_by(table.c.id.desc())
        .limit(1)
    ).first()
    by = names_of(unit, {USER: [last.by_id]}).label(USER, last.by_id) if last and last.by_id else ""
    return Stale(now, by, last.at if last else None, entity)


@contextmanager
def guarded(unit: Unit) -> Iterator[None]:
    """Turn what the database's own guards object to into problems of fields."""
    try:
        yield
    except (sa.exc.IntegrityError, sqlite3.IntegrityError, psycopg.IntegrityError) as error:
        wrapped = (
            error
            if isinstance(error, sa.exc.IntegrityError)
            else sa.exc.IntegrityError("", None, error)
        )
        raise _translated(unit, wrapped) from error


def _translated(unit: Unit, error: sa.exc.IntegrityError) -> Invalid | Conflict:
    found = violation(error)
    key = unit.app.tables.violated(found)
    if key is None:
        return Conflict([Problem("R006", {"kind": found.kind})])
    name, fields = key
    owner, _, inner = name.partition(".")
    entity = unit.app.model.entities[owner]
    part = entity.fields[inner].rows if inner else entity
    assert part is not None
    prefix = f"/{inner}" if inner else ""
    titles = [part.fields[each].title for each in fields]
    return Invalid(
        [Problem("R206", {"field": titles}, prefix or f"/{each}") for each in fields[:1]]
        + [Problem("R206", {"field": titles}, f"/{each}") for each in fields[1:] if not prefix]
    )


def _claim_files(
    unit: Unit, entity: Entity, new: Mapping[str, Any], old: Mapping[str, Any] | None
) -> None:
    """Fresh uploads become this record's."""
    pointers = pointers_of(unit, entity)
    if not pointers.files:
        return
    before = {p.id for p in pointers.of(old) if p.target == FILE} if old else set()
    fresh = {p.id for p in pointers.of(new) if p.target == FILE} - before
    if fresh:
        table = system.FILE
        unit.connection.execute(
            sa.update(table)
            .where(table.c.id.in_(fresh), table.c.record_id.is_(None))
            .values(entity=entity.name, record_id=new["id"])
        )
