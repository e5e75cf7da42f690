"""What a record points at has to be there, to be visible to who points, and to be eligible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field, Model
from engine.expressions import ExpressionError, Scope, parse, scope_of
from engine.expressions import compile as compile_expression
from engine.expressions.types import RecordOf
from engine.fields import DEPARTMENT, FILE, USER, FieldType, bind
from engine.problems import Problem
from engine.records.evaluation import Relations
from engine.records.reading import Also, visible
from engine.records.sqlnames import SqlNames
from engine.records.unit import Unit
from engine.tables import system


@dataclass(frozen=True, slots=True)
class Pointing:
    """One id in a record: its field, its place and what it should be."""

    field: Field
    pointer: str
    target: str
    id: int


@dataclass(frozen=True, slots=True)
class Pointers:
    """The fields of an entity that may hold ids, worked out once."""

    plain: tuple[tuple[Field, FieldType], ...]
    rows: tuple[tuple[Field, Pointers], ...]
    files: bool  # whether a file may be among what they hold

    def of(self, record: Mapping[str, Any], prefix: str = "") -> Iterator[Pointing]:
        """Every id a record holds, those in its rows too."""
        for field, kind in self.plain:
            value = record.get(field.name)
            if value is None:
                continue
            for at, (target, id) in enumerate(kind.references(value)):
                place = f"/{at}" if isinstance(value, list) else ""
                yield Pointing(field, f"{prefix}/{field.name}{place}", target, id)
        for field, inner in self.rows:
            for at, row in enumerate(record.get(field.name) or ()):
                yield from inner.of(row, f"{prefix}/{field.name}/{at}")


def pointers_of(unit: Unit, entity: Entity) -> Pointers:
    """The pointing fields of an entity."""
    found: Pointers = unit.app.kept(("pointers", entity.name), lambda: _pointers(entity))
    return found


def _pointers(entity: Entity) -> Pointers:
    plain = []
    rows = []
    for field in entity.fields.values():
        kind = bind(field)
        if field.rows is not None:
            rows.append((field, _pointers(field.rows)))
        elif not field.system and type(kind).references is not FieldType.references:
            plain.append((field, kind))
    files = any(kind.name in {"file", "image"} for _, kind in plain)
    return Pointers(tuple(plain), tuple(rows), files or any(inner.files for _, inner in rows))


def check_references(
    unit: Unit,
    entity: Entity,
    record: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    relations: Relations,
    among: Collection[int] | None = None,
) -> list[Problem]:
    """Problems with what `record` points at anew; what it pointed at before may stay, even when
    the actor does not see it or it went away since. `among`: only these ids are looked at."""
    pointers = pointers_of(unit, entity)
    before = {(p.field.name, p.target, p.id) for p in pointers.of(old)} if old else set()
    fresh = [
        found
        for found in pointers.of(record)
        if (found.field.name, found.target, found.id) not in before
        and not found.field.compute
        and (among is None or found.id in among)
    ]
    if not fresh:
        return []
    known = _known(unit, fresh, record, relations)
    problems = []
    for found in fresh:
        if found.id not in known[found.target]:
            code = {USER: "R211", DEPARTMENT: "R211", FILE: "R212"}.get(found.target, "R204")
            problems.append(Problem(code, {"field": found.field.title}, found.pointer))
        elif found.field.reference and found.field.reference.where:
            problems += _eligible(unit, entity, found, record, relations)
    return problems


def check_sent(
    unit: Unit,
    entity: Entity,
    record: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    data: Mapping[str, Any],
) -> list[Problem]:
    """Problems with what `record` points at because the actor's event said so. The platform writes
    for him what the definition says, but an id that he sends is his own choice: it must be there,
    visible to him and eligible, as in a form."""
    sent = frozenset(_numbers(data))
    if unit.actor.system or not sent:
        return []
    return check_references(unit, entity, record, old, Relations(unit), sent)


def _numbers(data: Any) -> Iterator[int]:
    """All that may be an id in the data of an event."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list | tuple):
        for one in data:
            yield from _numbers(one)
    elif isinstance(data, str) and data.isdecimal() and len(data) < 20:
        yield int(data)
    elif isinstance(data, int) and not isinstance(data, bool):
        yield data


def _known(
    unit: Unit, fresh: Iterable[Pointing], record: Mapping[str, Any], relations: Relations
) -> Mapping[str, set[int]]:
    """Which of the ids are there for the actor, by target; asked once for many records."""
    wanted: dict[str, set[int]] = {}
    for found in fresh:
        wanted.setdefault(found.target, set()).add(found.id)
    for target, ids in wanted.items():
        known = relations.known.setdefault(target, set())
        if missing := ids - known:
            known |= _there(unit, target, missing, record)
    return relations.known


def _there(unit: Unit, target: str, ids: set[int], record: Mapping[str, Any]) -> frozenset[int]:
    if target in unit.app.model.entities:
        return _held(unit, target, visible(unit, target, sorted(ids)))
    table, open_ = _open(unit, target, record)
    found = unit.connection.scalars(sa.select(table.c.id).where(table.c.id.in_(ids), open_))
    return frozenset(found)


def _held(unit: Unit, target: str, ids: frozenset[int]) -> frozenset[int]:
    """Those of the ids that nobody is removing, and nobody can before this transaction ends. A
    removal waits here, or is waited for; people who only write do not stand in one another's way.
    """
    if not ids or not unit.writes or unit.app.database.kind == "sqlite":
        return ids
    place = unit.app.tables.of(target)
    here = sa.select(place.id).where(place.id.in_(sorted(ids)), place.removed_at.is_(None))
    held = here.order_by(place.id).with_for_update(read=True, key_share=True)
    return frozenset(unit.connection.scalars(held))


def _open(
    unit: Unit, target: str, record: Mapping[str, Any]
) -> tuple[sa.Table, sa.ColumnElement[bool]]:
    """A table of the platform and which of its rows may be pointed at anew."""
    if target == USER:
        return system.USER, system.USER.c.disabled_at.is_(None)
    if target == DEPARTMENT:
        return system.DEPARTMENT, system.DEPARTMENT.c.removed_at.is_(None)
    table = system.FILE
    if unit.actor.system:
        return table, table.c.removed_at.is_(None)
    # a fresh upload belongs to whoever made it; a kept file to its record
    fresh = sa.and_(table.c.record_id.is_(None), table.c.by_id == unit.actor.id)
    kept = sa.and_(table.c.record_id.is_not(None), table.c.record_id == record.get("id"))
    return table, sa.and_(table.c.removed_at.is_(None), sa.or_(fresh, kept))


def _eligible(
    unit: Unit,
    entity: Entity,
    found: Pointing,
    record: Mapping[str, Any],
    relations: Relations,
) -> list[Problem]:
    assert found.field.reference is not None
    source, target = found.field.reference.where, unit.app.model.entities[found.target]
    values = unit.app.reader.load(unit.connection, target.name, found.id) or {}
    if eligible(unit, entity, target, source, values, record, relations):
        return []
    return [Problem("R205", {"field": found.field.title}, found.pointer)]


def eligible(
    unit: Unit,
    entity: Entity,
    target: Entity,
    source: str,
    values: Mapping[str, Any],
    record: Mapping[str, Any],
    relations: Relations,
) -> bool:
    """`x-ref.where`: names are those of the record pointed at; `record` is the one that points."""
    evaluate = unit.app.kept(
        ("where", entity.name, target.name, source),
        lambda: compile_expression(parse(source), _where_scope(unit.app.model, target, entity)),
    )
    try:
        return evaluate(relations.env({**values, "record": record})) is True
    except ExpressionError:
        return False


def _where_scope(model: Model, target: Entity, entity: Entity) -> Scope:
    """The target's names, and those of the record that points under `record`."""
    more = {"record": RecordOf(entity.name)}
    return scope_of(model, target, lambda field: bind(field).expression_type, more)


@dataclass(frozen=True, slots=True)
class _Candidates(SqlNames):
    """The names of the target with those of the record that points, which is known."""

    choosing: Scope

    @property
    def scope(self) -> Scope:
        return self.choosing


def eligible_in_sql(
    unit: Unit, entity: Entity, target: Entity, source: str, record: Mapping[str, Any]
) -> Also | None:
    """`x-ref.where` as a condition on the records of `target`; None when the database cannot
    judge it exactly."""
    scope = _where_scope(unit.app.model, target, entity)
    env = Relations(unit).env({"record": record})

    def condition(names: SqlNames) -> sa.ColumnElement[bool]:
        inner = _Candidates(names.app, names.entity, names.place, names.table, env, scope)
        return inner.truth(parse(source))

    try:
        condition(unit.app.names(target.name, env, plain=True))
    except ExpressionError:
        return None
    return condition
