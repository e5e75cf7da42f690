"""What names mean: the scope of an expression, built from the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.definitions.model import Entity, Field, Model
from engine.expressions.types import (
    ADDRESS,
    ANY,
    DEPARTMENT,
    FILE,
    MINE,
    NUMBER,
    TEXT,
    USER,
    ListOf,
    OptionOf,
    RecordOf,
    Type,
)

TypeOf = Callable[[Field], Type]
# What the records of the platform have; packs cannot change these.
PLATFORM: Final[Mapping[str, Mapping[str, Type]]] = {
    USER.entity: {
        "id": NUMBER,
        "name": TEXT,
        "login": TEXT,
        "dept": DEPARTMENT,
        "manager": USER,
        "roles": ListOf(TEXT),
    },
    DEPARTMENT.entity: {"id": NUMBER, "name": TEXT, "parent": DEPARTMENT, "manager": USER},
    MINE.entity: {"dept": DEPARTMENT, "departments": ListOf(DEPARTMENT)},
    ADDRESS.entity: {"region": TEXT, "detail": TEXT, "postcode": TEXT},
    FILE.entity: {"id": NUMBER, "name": TEXT, "size": NUMBER},
}


def _no_members(_entity: str) -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Names and their types.

    entity: whose record the plain names belong to ("" when there is none).
    attribute: (entity, name) -> type of that field or relation, None when there is no such.
    members: entity -> all its names, so that a typo can be answered with the name that was meant.
    """

    names: Mapping[str, Type]
    attribute: Callable[[str, str], Type | None]
    entity: str = ""
    members: Callable[[str], Collection[str]] = field(default=_no_members)


def scope_of(
    model: Model, entity: Entity, type_of: TypeOf, extra: Mapping[str, Type] | None = None
) -> Scope:
    """The scope of rules, computes, row permissions and guards of `entity`.

    `type_of` is ``lambda field: bind(field).expression_type``; `extra` adds names of one place,
    such as ``event`` of a workflow. A row of a ``lines`` field is an entity too.
    """
    rows = {
        found.rows.name: found.rows
        for owner in model.entities.values()
        for found in owner.fields.values()
        if found.rows is not None
    }
    entities = {**model.entities, **rows, entity.name: entity}
    tables: dict[str, Mapping[str, Type]] = dict(PLATFORM)

    def members(name: str) -> Mapping[str, Type]:
        if name not in tables:
            owner = entities.get(name)
            tables[name] = {} if owner is None else _members(model, owner, type_of)
        return tables[name]

    own = {"old": RecordOf(entity.name), "me": USER, "my": MINE}
    return Scope(
        names={**members(entity.name), **own, **(extra or {})},
        attribute=lambda owner, name: members(owner).get(name),
        entity=entity.name,
        members=members,
    )


def _members(model: Model, entity: Entity, type_of: TypeOf) -> Mapping[str, Type]:
    """Fields, `id` and the relations that lead back."""
    back = {
        name: ListOf(RecordOf(other.name))
        for name, (other, _) in model.inverses(entity.name).items()
    }
    fields = {name: _field_type(found, type_of) for name, found in entity.fields.items()}
    return {"id": NUMBER, **back, **fields}


def _field_type(found: Field, type_of: TypeOf) -> Type:
    """The field type's answer, sharpened by what only the definition knows."""
    kind = type_of(found)
    if found.rows is not None:
        return ListOf(RecordOf(found.rows.name))
    if found.reference is not None and kind.name in ("record", "list", "any", "number"):
        to = RecordOf(found.reference.to)
        return ListOf(to) if found.multiple or kind.name == "list" else to
    if found.options:
        options = OptionOf([option.value for option in found.options])
        if kind == TEXT:
            return options
        if kind in (ListOf(TEXT), ListOf(ANY)):
            return ListOf(options)
    return kind
