"""Records that name a person: found, counted, and given to a successor.

Ownership moves as the platform moves it: past locks and field rights (an approval must not keep a
record with somebody who left), not past the history, formulas and keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.fields import USER, bind
from engine.fields.relations import RefsType, RefType
from engine.records import flows
from engine.records.computing import compute
from engine.records.evaluation import Relations
from engine.records.failures import Failure, Invalid
from engine.records.flows.moving import Stuck
from engine.records.storing import Saving, store_change
from engine.records.unit import Unit

ACTION: Final = "handover"
OWNER: Final = "owner"
PORTION: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A field that names people. `many`: a list of them."""

    entity: Entity
    field: Field
    many: bool

    @property
    def key(self) -> str:
        """The place as text: "customer.owner"."""
        return f"{self.entity.name}.{self.field.name}"

    @property
    def owns(self) -> bool:
        """Whether it says whose the record is."""
        return self.field.name == OWNER and not self.many


def places(unit: Unit) -> Iterator[Place]:
    """All fields that name people and are not the system's: owners first."""
    found = []
    for entity in unit.app.model.entities.values():
        for field in entity.fields.values():
            kind = bind(field)
            if field.system or field.compute or not isinstance(kind, RefType | RefsType):
                continue
            if kind.target == USER:
                found.append(Place(entity, field, isinstance(kind, RefsType)))
    yield from sorted(found, key=lambda place: not place.owns)


def count(unit: Unit, place: Place, user: int) -> int:
    """How many records name a person there."""
    inner = _naming(unit, place, user).subquery()
    return int(unit.connection.scalar(sa.select(sa.func.count()).select_from(inner)) or 0)


def naming(unit: Unit, place: Place, user: int, most: int, but: Sequence[int] = ()) -> list[int]:
    """Ids of records that name a person there, ascending."""
    statement = _naming(unit, place, user)
    table = unit.app.tables.of(place.entity.name)
    if but:
        statement = statement.where(table.id.not_in(but))
    return list(unit.connection.scalars(statement.order_by(table.id).limit(most)))


def _naming(unit: Unit, place: Place, user: int) -> sa.Select[Any]:
    table = unit.app.tables.of(place.entity.name)
    alive = table.removed_at.is_(None)
    if place.many:
        pairs = table.links[place.field.name]
        named = sa.select(pairs.c.left_id).where(pairs.c.right_id == user)
        return sa.select(table.id).where(alive, table.id.in_(named))
    return sa.select(table.id).where(alive, table.column(place.field.name) == user)


def give(
    unit: Unit, place: Place, ids: Sequence[int], user: int, to: int, why: str
) -> tuple[int, list[Stuck]]:
    """Put a successor in a person's place in these records: how many, and which would not."""
    done, stuck = 0, []
    lock = unit.app.database.kind != "sqlite"
    name = place.entity.name
    for record in unit.app.reader.load_many(unit.connection, name, ids, lock=lock):
        try:
            with unit.connection.begin_nested():
                done += _give(unit, place, record, user, to, why)
        except Failure as failure:
            stuck.append(Stuck(name, record["id"], failure.problems))
    return done, stuck


def _give(unit: Unit, place: Place, old: dict[str, Any], user: int, to: int, why: str) -> bool:
    name, before = place.field.name, old.get(place.field.name)
    if place.many:
        after: Any = list(dict.fromkeys(to if one == user else one for one in before or ()))
    else:
        after = to if before == user else before
    relations = Relations(unit)
    new = {**old, name: after}
    validator = unit.app.validator(place.entity)
    if validator.has_rules:
        new = {**validator.settle(new, relations.env({}, old)), name: after}
    if problems := compute(unit, place.entity, new, relations, old):
        raise Invalid(problems)
    saving = Saving(place.entity, old, new, frozenset({name}), relations)
    if not store_change(unit, saving, action=ACTION, comment=why):
        return False
    flows.changed(unit, place.entity, old, saving.new)
    return True
