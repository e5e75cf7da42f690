"""Who it is about, which fields are about him, and which records point at him."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import ExpressionError, dependencies, parse
from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.labels import names_for, worded
from engine.records.reading import cleared
from engine.records.removing import Link, links_to
from engine.records.unit import Unit
from engine.tables import system

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """A record that is a human being, as a whole; be it in the recycle bin."""

    entity: Entity
    record: Record
    label: str

    @property
    def id(self) -> int:
        """The record's id."""
        return int(self.record["id"])


def administers(unit: Unit) -> None:
    """Raises: NotFound for everybody but administrators: the pages do not exist for them."""
    if not unit.administers:
        raise NotFound


def subject_of(unit: Unit, entity: str, id: int) -> Subject:
    """The human being behind a record.

    Raises: NotFound, also for one above the grade of secrecy of who asks; Invalid for an entity
    whose records are no human beings.
    """
    administers(unit)
    definition = unit.app.model.entities.get(entity)
    if definition is None:
        raise NotFound
    if not definition.person:
        raise Invalid([Problem("Y030", {"entity": definition.title})])
    record = unit.app.reader.load(unit.connection, entity, id, removed=True)
    if record is None or not cleared(unit, entity, [id]):
        raise NotFound
    return Subject(definition, record, called(unit, definition, record))


def called(unit: Unit, entity: Entity, record: Record) -> str:
    """What a record is called, whoever asks."""
    names = names_for(unit, entity, [record], entity.label_fields)
    return worded(entity, record, unit.language, names)


def personal(entity: Entity) -> dict[str, Field]:
    """The fields that are about a human being, and lines with such columns."""
    return {
        name: field
        for name, field in entity.fields.items()
        if "personal" in field.privacy or (field.rows is not None and personal(field.rows))
    }


def derived(entity: Entity) -> frozenset[str]:
    """Stored formulas that are made of personal fields of the same record."""
    known = set(personal(entity))
    found: set[str] = set()
    formulas = {n: f.compute for n, f in entity.fields.items() if f.compute and f.compute.store}
    for _ in formulas:
        for name, compute in formulas.items():
            if name not in found and _heads(compute.expr) & (known | found):
                found.add(name)
    return frozenset(found)


def _heads(source: str) -> set[str]:
    try:
        return {path[0] for path in dependencies(parse(source))}
    except ExpressionError:
        return set()


def names_of_fields(entity: Entity) -> dict[str, Field]:
    """Every name that a personal field, or a formula over one, has or had in a history."""
    wanted = personal(entity) | {name: entity.fields[name] for name in derived(entity)}
    return {
        name: field
        for field in wanted.values()
        for name in (field.name, *(one for one in field.was if one not in entity.fields))
    }


@dataclass(frozen=True, slots=True)
class Pointing:
    """A record that points at somebody."""

    link: Link
    record: Record

    @property
    def entity(self) -> Entity:
        """Its entity."""
        return self.link.entity


def pointing(unit: Unit, subject: Subject) -> Iterator[Pointing]:
    """The records that point at somebody and hold personal fields, in the bin too, each once. A
    record that is a human being of its own is told apart by its entity's `person`."""
    seen: set[tuple[str, int]] = {(subject.entity.name, subject.id)}
    for link in links_to(unit.app.model, subject.entity.name):
        if not personal(link.entity):
            continue
        ids = [id for id in _ids(unit, link, subject.id) if (link.entity.name, id) not in seen]
        seen |= {(link.entity.name, id) for id in ids}
        reader = unit.app.reader
        for record in reader.load_many(unit.connection, link.entity.name, ids, removed=True):
            yield Pointing(link, record)


def _ids(unit: Unit, link: Link, id: int) -> list[int]:
    place = unit.app.tables.of(link.entity.name)
    inner = place if link.rows is None else place.lines[link.rows.name]
    if link.field.name in inner.links:
        pairs = inner.links[link.field.name]
        holders = sa.select(pairs.c.left_id).where(pairs.c.right_id == id)
    elif link.field.name in inner.columns:
        holders = sa.select(inner.id).where(inner.columns[link.field.name] == id)
    else:
        return []
    if link.rows is not None:
        holders = sa.select(inner.parent_id).where(inner.id.in_(holders))
    return sorted(set(unit.connection.scalars(holders)))


def running(unit: Unit, entity: str, ids: list[int]) -> Mapping[int, str]:
    """The records with a case that is under way, and its workflow."""
    table = system.WF_INSTANCE
    rows = unit.connection.execute(
        sa.select(table.c.record_id, table.c.workflow).where(
            table.c.entity == entity, table.c.record_id.in_(ids), table.c.done_at.is_(None)
        )
    )
    return {row.record_id: row.workflow for row in rows}
