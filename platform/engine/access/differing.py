"""What differs between two sets of compiled rights: predicates beside predicates, nothing counted.

Pure, like the rest of the package. Equal trees are equal rights; whatever differs in words is told,
also where it may come to the same: who publishes has to look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.access.clearance import cleared
from engine.access.compiled import Action, EntityAccess, FieldAccess
from engine.access.inherited import sources
from engine.access.predicates import Term, all_of, any_of
from engine.definitions.model import Entity, Field, Model

Aspect = Literal["read", "masked", "write", "reveal"]
ASPECTS: Final[tuple[Aspect, ...]] = ("read", "masked", "write", "reveal")
_BARE: Final = ("read_only", "write_only", "system", "compute", "access")


@dataclass(frozen=True, slots=True)
class Changed:
    """One right that differs: an action on rows, or (`field`) an aspect of that field's cells.
    `before` and `after` are whole: what they say of the row is part of them."""

    action: str
    before: Term
    after: Term
    field: str = ""


def concerned(old: Model, new: Model) -> frozenset[str]:
    """The entities of `new` whose compiled rights may differ from those in `old`: the others need
    not be compiled to compare. What is new as a whole is among them."""
    if _everywhere(old) != _everywhere(new):
        return frozenset(new.entities)
    differ = {
        name
        for name, entity in new.entities.items()
        if name not in old.entities or _entity(entity) != _entity(old.entities[name])
    }
    differ |= {name for name in old.entities if name not in new.entities}
    return frozenset(
        name
        for name, entity in new.entities.items()
        if name in differ or (differ and _leans(new, entity, differ))
    )


def _leans(model: Model, entity: Entity, differ: set[str]) -> bool:
    """Whether a formula looks at an entity that differs: it is as hidden as what it is made of."""
    return any(
        owner.name.partition(".")[0] in differ
        for field in entity.fields.values()
        if field.compute
        for owner, _ in sources(model, entity, field)
    )


def changed(
    before: EntityAccess, after: EntityAccess, fields: Iterable[tuple[str, str]]
) -> list[Changed]:
    """The rights that differ; `fields` are the names of the fields that are in both, as they were
    and as they are."""
    found = [
        Changed(action, before[action].node, after[action].node)
        for action in before.actions
        if before[action].node != after[action].node
    ]
    for was, name in fields:
        found += _cells(before, after, was, name)
    return found


def _cells(before: EntityAccess, after: EntityAccess, was: str, name: str) -> list[Changed]:
    old, new = before.fields[was], after.fields[name]
    return [
        Changed(aspect, _whole(before, old, aspect), _whole(after, new, aspect), name)
        for aspect in ASPECTS
        if _own(before, old, aspect) != _own(after, new, aspect)
    ]


def _own(access: EntityAccess, cell: FieldAccess, aspect: Aspect) -> Term:
    """What is said of the cell among the rows that the action is granted on."""
    if not access.may(_row(aspect)):
        return False
    node = getattr(cell, aspect).node
    return any_of((cell.read.node, node)) if aspect == "masked" else node


def _whole(access: EntityAccess, cell: FieldAccess, aspect: Aspect) -> Term:
    return all_of(access[_row(aspect)].node, _own(access, cell, aspect))


def _row(aspect: Aspect) -> Action:
    return "write" if aspect == "write" else "read"


def _everywhere(model: Model) -> tuple[Any, ...]:
    """What the rights to every entity are compiled from."""
    roles = {role.name: (role.admin, role.clearance) for role in model.roles.values()}
    return roles, [grade.name for grade in model.grades], model.everyone


def alike_for(model: Model, entity: Entity, roles: Collection[str]) -> tuple[Any, ...]:
    """Roles for which this key is equal have the same compiled rights to the entity."""
    known = [model.roles[role] for role in roles if role in model.roles]
    admin = any(role.admin for role in known)
    grades = cleared(model, roles) if entity.grade else ()
    named = frozenset(role.name for role in known if role.name in entity.access)
    return (admin, grades, frozenset() if admin else named)


def _entity(entity: Entity) -> tuple[Any, ...]:
    fields = {name: _field(field) for name, field in entity.fields.items()}
    return (
        entity.access,
        "shared" in entity.traits,
        entity.grade,
        entity.pool,
        {name: said for name, said in fields.items() if said is not None},
        sorted(entity.was),
    )


def _field(field: Field) -> tuple[Any, ...] | None:
    """None for a field that says nothing: a new one of that kind gives nobody anything."""
    rows = _entity(field.rows) if field.rows is not None else None
    said = (*(getattr(field, name) for name in _BARE), field.was)
    if rows is not None:
        return (*said, rows)
    return said if any(said) else None
