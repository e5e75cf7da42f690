"""What a field's own definition says to each role, and what a formula takes from its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.access.predicates import Term, all_of, term
from engine.definitions.model import Entity, Field, Grant, Model
from engine.expressions import ExpressionError, dependencies, parse
from engine.expressions.tree import Path

_NOTHING: Final = Grant()


def owns(
    model: Model | None, entity: Entity, field: Field, grants: Mapping[str, Grant]
) -> Mapping[str, Grant]:
    """What the field's own definition says to each role. A formula that says nothing itself is
    as hidden as the fields that it is made of, those of other records too: else it would give them
    away. (`model` is None for columns of rows: their formulas look at their own row only.)"""
    found: dict[str, Grant] = {}
    for role in grants:
        if role in field.access or not field.compute:
            found[role] = field.access.get(role, _NOTHING)
            continue
        open_ = all(_open(source, owner, role) for owner, source in sources(model, entity, field))
        found[role] = _NOTHING if open_ else Grant(read=False)
    return found


def sources(model: Model | None, entity: Entity, field: Field) -> list[tuple[Entity, Field]]:
    """The fields that a formula looks at, through other formulas too; each with its entity, rows
    of lines being part of the record that holds them."""
    found: dict[tuple[str, str], tuple[Entity, Field]] = {}
    waiting = [(entity, field)]
    while waiting:
        owner, one = waiting.pop()
        for source in _inputs(model, owner, one):
            key = (source[0].name, source[1].name)
            if key not in found:
                found[key] = source
                waiting.append(source)
    return list(found.values())


def _inputs(model: Model | None, entity: Entity, field: Field) -> list[tuple[Entity, Field]]:
    if field.compute is None:
        return []
    try:
        paths = dependencies(parse(field.compute.expr))
    except ExpressionError:
        return []
    return [source for path in paths for source in _along(model, entity, path)]


def _along(model: Model | None, entity: Entity, path: Path) -> list[tuple[Entity, Field]]:
    """The fields that a path goes over: `customer.level` is two."""
    found = []
    here: Entity | None = entity
    for name in path:
        if here is None:
            break
        field = here.fields.get(name)
        if field is not None:
            found.append((here, field))
            here = field.rows or _target(model, field)
        else:
            back = model.inverses(here.name).get(name) if model else None
            here = back[0] if back else None
    return found


def _target(model: Model | None, field: Field) -> Entity | None:
    return model.entities.get(field.reference.to) if model and field.reference else None


def _open(field: Field, owner: Entity, role: str) -> bool:
    """Whether a role may read a field at all: of rows it is the record that is granted."""
    foreign = not field.system and bool(owner.access) and not owner.access.get(role, _NOTHING).read
    return not foreign and _readable(field.access.get(role, _NOTHING)) is True


def _readable(own: Grant) -> Term:
    return all_of(not own.mask if own.read is None else term(own.read))
