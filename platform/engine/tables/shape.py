"""What a model asks of the database, in the definitions' own names: shared by plan and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from engine.definitions.model import Entity, Field, Model
from engine.fields.base import FieldType

Bind = Callable[[Field], FieldType]

LINKS = {"refs": "", "users": "dg_user"}
"""Types whose values are pairs in a table of their own -> the table they point at."""

_PEOPLE = {"user": "dg_user", "department": "dg_department"}
_POSTGRES: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Part:
    """An entity or the rows of a lines field, with the key of its table."""

    key: str
    entity: Entity
    parent: str = ""
    field: Field | None = None  # the lines field


def parts(model: Model) -> Iterator[Part]:
    """All entities with, after each, its lines."""
    for name, entity in model.entities.items():
        yield Part(name, entity)
        yield from _lines(name, entity)


def _lines(key: str, entity: Entity) -> Iterator[Part]:
    for field in entity.fields.values():
        if field.rows is not None:
            inner = f"{key}.{field.name}"
            yield Part(inner, field.rows, key, field)
            yield from _lines(inner, field.rows)


def form(field: Field, bind: Bind) -> str:
    """How a field is kept: "column", "link", "lines", or "" for nothing of its own."""
    if field.rows is not None:
        return "lines"
    if field.compute and not field.compute.store:
        return ""
    if field.type in LINKS:
        return "link"
    return "column" if bind(field).stored else ""


def columns(entity: Entity, bind: Bind) -> list[Field]:
    """The fields that have a column."""
    return [field for field in entity.fields.values() if form(field, bind) == "column"]


def links(entity: Entity, bind: Bind) -> list[Field]:
    """The fields that have a table of pairs."""
    return [field for field in entity.fields.values() if form(field, bind) == "link"]


def target(field: Field) -> str:
    """What a column points at: an entity's key, a system table, or "".

    Who created or changed a record is not held by a foreign key: the platform itself does it too.
    """
    if field.reference:
        return field.reference.to
    return _PEOPLE.get(field.type) or LINKS.get(field.type, "")


def sql_form(kind: FieldType) -> str:
    """The stored form of a type; two types with one form can share a column."""
    return kind.column_type().compile(_POSTGRES)


def is_text(kind: FieldType) -> bool:
    """Whether the column holds plain text."""
    return isinstance(kind.column_type(), sa.String)


def sealed(field: Field, bind: Bind) -> bool:
    """Whether the values of a field are encrypted."""
    return "encrypted" in field.privacy and form(field, bind) == "column"


def searched(entity: Entity, bind: Bind) -> list[Field]:
    """The fields whose text is in the search index: lists and reference pickers look there. What is
    encrypted is not: the index would give it away."""
    return [
        field
        for field in columns(entity, bind)
        if bind(field).searchable and not sealed(field, bind)
    ]


@dataclass(frozen=True, slots=True)
class Index:
    """A wanted index over fields ("id", "parent_id", "position", "right_id" are no fields)."""

    fields: tuple[str, ...]
    unique: bool = False


def indexes(model: Model, part: Part, bind: Bind) -> list[Index]:
    """The indexes of an entity's or lines' table, without those that another one covers."""
    entity, kept = part.entity, {field.name for field in columns(part.entity, bind)}
    wanted: dict[Index, None] = {}

    def add(*names: str, unique: bool = False) -> None:
        if all(name in kept or name in {"id", "parent_id", "position"} for name in names):
            wanted[Index(names, unique)] = None

    for names in entity.keys.unique:
        add(*names, unique=True)
    if part.parent:
        add("parent_id", "position")
    for names in (*entity.keys.index, *entity.keys.duplicate):
        add(*names)
    for name in entity.list.sort:
        if name.lstrip("-") != "id":  # the primary key is one already
            add(name.lstrip("-"), "id")
    flow = model.workflow_of(part.key)
    if flow:
        add(flow.state_field, "id")
    for field in entity.fields.values():
        if target(field):
            add(field.name)
    return [found for found in wanted if not _covered(found, wanted)]


def _covered(index: Index, others: dict[Index, None]) -> bool:
    """A plain index is superfluous when another plain one begins with the same fields."""
    size = len(index.fields)
    return not index.unique and any(
        not other.unique and other != index and other.fields[:size] == index.fields
        for other in others
    )
