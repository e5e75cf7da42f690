"""Finding the record to point at, and finding out whether one exists already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.fields import bind
from engine.lists import Query
from engine.records.evaluation import Relations
from engine.records.failures import NotFound
from engine.records.labels import label_of, names_of, worded
from engine.records.reading import find, read, visible
from engine.records.references import eligible
from engine.records.unit import Unit
from engine.tables import system
from engine.tables.folded import fold, folded

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A record that may be pointed at."""

    id: int
    label: str
    note: str = ""  # a second line: login, department


def lookup(
    unit: Unit,
    entity: str,
    field: str,
    text: str = "",
    *,
    record: Mapping[str, Any] | None = None,
    size: int = MOST,
) -> list[Choice]:
    """What a field may point at: records the actor may see that contain `text`, or those he used
    last without one. `field` is "customer", or "items.product" for a field of rows; `record` are
    the values of the form so far, for `x-ref.where`.

    Raises: NotFound for a field that does not point anywhere, or that he may not know of.
    """
    definition = unit.entity(entity)
    found = _field(unit, definition, field)
    if found.type in {"user", "users"}:
        return users(unit, text, size)
    if found.type == "department":
        return departments(unit, text, size)
    if found.reference is None:
        raise NotFound
    return _records(unit, definition, found, text, record or {}, size)


def _field(unit: Unit, entity: Entity, path: str) -> Field:
    name, _, inner = path.partition(".")
    field = entity.fields.get(name)
    access = unit.access(entity.name)
    if field is None or not (access.shown(name) or access.fields[name].create.ever):
        raise NotFound
    if not inner:
        return field
    if field.rows is None or inner not in field.rows.fields:
        raise NotFound
    return field.rows.fields[inner]


def users(unit: Unit, text: str = "", size: int = MOST) -> list[Choice]:
    """People whose name or login contains the text."""
    user, department = system.USER, system.DEPARTMENT
    statement = (
        sa.select(user.c.id, user.c.name, department.c.name.label("department"))
        .outerjoin(department, department.c.id == user.c.department_id)
        .where(user.c.disabled_at.is_(None))
        .order_by(user.c.name, user.c.id)
        .limit(size)
    )
    if text:
        part = fold(text.strip())
        statement = statement.where(
            sa.or_(
                folded(user.c.name).contains(part, autoescape=True),
                folded(user.c.login).contains(part, autoescape=True),
            )
        )
    rows = unit.connection.execute(statement)
    return [Choice(row.id, row.name, row.department or "") for row in rows]


def departments(unit: Unit, text: str = "", size: int = MOST) -> list[Choice]:
    """Departments whose name contains the text."""
    table = system.DEPARTMENT
    statement = (
        sa.select(table.c.id, table.c.name)
        .where(table.c.removed_at.is_(None))
        .order_by(table.c.position, table.c.id)
        .limit(size)
    )
    if text:
        part = fold(text.strip())
        statement = statement.where(folded(table.c.name).contains(part, autoescape=True))
    return [Choice(row.id, row.name) for row in unit.connection.execute(statement)]


def _records(
    unit: Unit,
    entity: Entity,
    field: Field,
    text: str,
    record: Mapping[str, Any],
    size: int,
) -> list[Choice]:
    assert field.reference is not None
    target = unit.app.model.entities[field.reference.to]
    if not unit.access(target.name).may("read"):
        return []
    columns = tuple(name for name in target.label_fields if name in target.fields)
    query = Query(target.name, columns=columns, text=text.strip()[:100], size=100)
    page = find(unit, query)
    rows = page.rows
    if not text:
        rows = _recent_first(unit, target.name, rows, columns)
    if field.reference.where:
        relations = Relations(unit)
        whole = unit.app.reader.load_many(unit.connection, target.name, [r["id"] for r in rows])
        good = {
            values["id"]
            for values in whole
            if eligible(unit, entity, target, field.reference.where, values, record, relations)
        }
        rows = [row for row in rows if row["id"] in good]
    return [
        Choice(row["id"], worded(target, row, unit.language, page.names)) for row in rows[:size]
    ]


def _recent_first(
    unit: Unit, entity: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Those the actor changed last come first."""
    table = system.HISTORY
    latest = sa.func.max(table.c.id)
    used = list(
        unit.connection.scalars(
            sa.select(table.c.record_id)
            .where(table.c.by_id == unit.actor.id, table.c.entity == entity)
            .group_by(table.c.record_id)
            .order_by(latest.desc())
            .limit(10)
        )
    )
    seen = visible(unit, entity, used) if used else frozenset()
    first = []
    for id in used:
        if id in seen:
            whole = read(unit, entity, id)
            first.append({"id": id, **{name: whole.get(name) for name in columns}})
    rest = [row for row in rows if row["id"] not in seen]
    return [*first, *rest]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record with the same values under a key of `x-keys.duplicate`. That it exists is told to
    everybody who may create one; what it is, only to those who may see it."""

    fields: tuple[str, ...]
    id: int | None
    label: str
    owner: str


def duplicates(
    unit: Unit, entity: str, values: Mapping[str, Any], id: int | None = None
) -> list[Duplicate]:
    """Existing records that are exactly the same in one of the duplicate keys.

    A key with a field the actor may not read is passed over: it would answer guesses.
    """
    definition = unit.entity(entity)
    access = unit.access(entity)
    found: list[Duplicate] = []
    for key in definition.keys.duplicate:
        given = [values.get(name) for name in key]
        known = all(access.fields[name].read.always or access.fields[name].create.ever for name in key)
        if not known or any(value in (None, "", []) for value in given):
            continue
        for match in _same(unit, definition, key, given):
            if match != id and all(match != other.id for other in found):
                found.append(_duplicate(unit, definition, key, match))
    return found[:MOST]


def _same(unit: Unit, entity: Entity, key: Sequence[str], given: Sequence[Any]) -> list[int]:
    place = unit.app.tables.of(entity.name)
    conditions = [place.removed_at.is_(None)]
    for name, value in zip(key, given, strict=True):
        if name not in place.columns:
            return []
        column = place.columns[name]
        text = isinstance(value, str) and isinstance(column.type, sa.String)
        conditions.append(folded(column) == fold(value) if text else column == value)
    statement = sa.select(place.id).where(*conditions).order_by(place.id).limit(3)
    return list(unit.connection.scalars(statement))


def _duplicate(unit: Unit, entity: Entity, key: tuple[str, ...], id: int) -> Duplicate:
    if visible(unit, entity.name, [id]):
        record = read(unit, entity.name, id)
        label = label_of(unit, entity.name, record)
        return Duplicate(key, id, label, _owner(unit, entity, record))
    return Duplicate(key, None, "", "")


def _owner(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> str:
    owner = record.get("owner")
    if not isinstance(owner, int) or "owner" not in entity.fields:
        return ""
    target = next(iter(bind(entity.fields["owner"]).references(owner)), None)
    return names_of(unit, {target[0]: [owner]}).label(*target) if target else ""

