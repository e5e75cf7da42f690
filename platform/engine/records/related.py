"""What belongs to a record: the lists of other records that point at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.definitions.model import Entity, Field
from engine.fields import bind
from engine.lists import Condition, Query, default_query
from engine.records.unit import Unit


@dataclass(frozen=True, slots=True)
class Relation:
    """A named relation back: `query` lists the records, `link` is their field that points here."""

    name: str
    entity: Entity
    link: Field
    query: Query


def relations_of(unit: Unit, entity: str, id: int) -> list[Relation]:
    """The relations of a record whose lists the actor may read, in the model's order."""
    found = []
    for name, (other, link) in unit.app.inverses(entity).items():
        access = unit.access(other.name)
        if not access.may("read") or not access.usable(link.name):
            continue
        op = "contains" if bind(link).many else "eq"
        if op not in bind(link).operators:
            continue
        plain = default_query(other)
        columns = tuple(
            column for column in plain.columns if column != link.name and access.shown(column)
        )
        sort = tuple(one for one in plain.sort if one.field == "id" or access.usable(one.field))
        query = replace(
            plain, columns=columns, sort=sort, conditions=(Condition(link.name, op, id, id),)
        )
        found.append(Relation(name, other, link, query))
    return found
