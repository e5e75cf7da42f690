"""Which stored formulas mean something else in a new version than they did in the old one. Pure.

A formula is to be computed again when it is new, when its words or the type of its value changed,
and also when its words are the same but what they name is not: a formula without a column that it
looks at was rewritten, a relation of the same name leads back from elsewhere, another calendar
holds. Stored formulas it looks at need no mention: when their values
change, whoever depends on them is computed again anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from engine.definitions.model import Entity, Field, Model
from engine.records.graph import Path, own_paths
from engine.tables import claims

_WORDS: Final = frozenset({"title", "description", "default", "examples", "deprecated"})
"""Keywords that say nothing about how a value is kept."""


@dataclass(frozen=True, slots=True)
class Refill:
    """The stored formulas of one entity that have to be computed for all its records; `lines`:
    some of them stand in rows."""

    entity: Entity
    fields: tuple[Field, ...]
    lines: bool


def refills(old: Model | None, new: Model) -> list[Refill]:
    """What publishing `new` after `old` has to compute again, by entity."""
    if old is None:
        return []
    wanted = {entity.name: (entity.name, *entity.was) for entity in new.entities.values()}
    named = claims(wanted, old.entities)
    found = []
    for entity in new.entities.values():
        if entity.name not in named:
            continue  # it has no records yet
        before = old.entities[named[entity.name]]
        own = _changed(old, before, new, entity)
        inner: list[Field] = []
        for field in entity.fields.values():
            was = before.fields.get(field.name)
            if field.rows is not None and was is not None and was.rows is not None:
                inner += _changed(old, was.rows, new, field.rows)
        if own or inner:
            found.append(Refill(entity, (*own, *inner), bool(inner)))
    return found


def _changed(old: Model, before: Entity, new: Model, now: Entity) -> list[Field]:
    """A field under a new name is computed once too often, which harms nobody."""

    def same(field: Field) -> bool:
        was = before.fields.get(field.name)
        if was is None or was.compute is None or not was.compute.store:
            return False
        return _meaning(old, before, was) == _meaning(new, now, field)

    stored = [field for field in now.fields.values() if field.compute and field.compute.store]
    return [field for field in stored if not same(field)]


def _meaning(model: Model, entity: Entity, field: Field) -> object:
    """Something that is equal for formulas that give the same values over the same data."""
    assert field.compute is not None
    kept = {key: value for key, value in field.schema.items() if key not in _WORDS}
    named = frozenset(_named(model, entity, own_paths(field)))
    return field.compute.expr, field.type, kept, model.timezone, named


def _named(model: Model, entity: Entity, paths: Iterable[Path]) -> Iterator[tuple[str, ...]]:
    """The fields that paths name, with the formulas of those without a column."""
    for path in paths:
        here: Entity | None = entity
        for name in path:
            if here is None:
                break
            if (field := here.fields.get(name)) is not None:
                yield here.name, name
                if field.compute and not field.compute.store:
                    yield here.name, name, field.compute.expr
                    yield from _named(model, here, own_paths(field))
                here = model.entities.get(field.reference.to) if field.reference else field.rows
            elif (back := model.inverses(here.name).get(name)) is not None:
                yield back[0].name, back[1].name
                here = back[0]
