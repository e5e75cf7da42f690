"""The recycle bin: what goes in, what goes with it, what keeps it out, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field, Model
from engine.problems import Problem
from engine.records import flows
from engine.records.computing import Ripple
from engine.records.evaluation import Relations
from engine.records.failures import Conflict, Forbidden, MissingVersion, NotFound
from engine.records.history import changes_of, note
from engine.records.reader import pointing
from engine.records.reading import visible
from engine.records.storing import Saving, guarded, seen, stale, store_change
from engine.records.unit import Unit
from engine.records.writing import current

Record = dict[str, Any]
TOUCHED = ("updated_at", "updated_by")


@dataclass(frozen=True, slots=True)
class Link:
    """A field of `entity` that points somewhere; `rows` is the lines field it stands in, if any."""

    entity: Entity
    field: Field
    rows: Field | None = None


def links_to(model: Model, entity: str) -> Iterator[Link]:
    """Every field that points at an entity, named relation or not."""
    for other in model.entities.values():
        for field in other.fields.values():
            if field.reference and field.reference.to == entity:
                yield Link(other, field)
            for inner in field.rows.fields.values() if field.rows else ():
                if inner.reference and inner.reference.to == entity:
                    yield Link(other, inner, field)


def remove(unit: Unit, entity: str, id: int, version: int | None, *, comment: str = "") -> None:
    """Put a record into the recycle bin.

    Raises: NotFound, Forbidden, MissingVersion, Stale, Conflict while others refer to it.
    """
    definition = unit.entity(entity)
    _alone(unit, entity, id)
    old = current(unit, entity, id, "delete")
    if version is None:
        raise MissingVersion
    if version != old["version"]:
        raise stale(unit, entity, id)
    # nobody names a system field: its right is that of the record as a whole
    if flows.rights(unit, definition, old).get("created_at") in {"read", "hidden"}:
        raise Forbidden("delete", entity=definition.title)
    ripple = Ripple(unit)
    _Removal(unit, ripple, comment).record(definition, old, frozenset())
    ripple.run()


class _Removal:
    """One removal with all that goes with it."""

    def __init__(self, unit: Unit, ripple: Ripple, comment: str) -> None:
        self.unit, self.ripple, self.comment = unit, ripple, comment

    def record(self, entity: Entity, old: Record, above: frozenset[tuple[str, int]]) -> None:
        """Remove one record; `above` are those it goes with."""
        above |= {(entity.name, old["id"])}
        _alone(self.unit, entity.name, old["id"])
        for link in links_to(self.unit.app.model, entity.name):
            self._link(link, old, above)
        if not mark(self.unit, entity.name, old, self.unit.now):
            raise stale(self.unit, entity.name, old["id"])
        note(self.unit, entity.name, old["id"], old["version"] + 1, "remove", {}, self.comment)
        self.unit.touched.add((entity.name, old["id"]))
        flows.removed(self.unit, entity, old["id"])
        self.ripple.changed(entity.name, old, None)

    def _link(self, link: Link, old: Record, above: frozenset[tuple[str, int]]) -> None:
        ids = [
            id
            for id in referring(self.unit, link, old["id"])
            if (link.entity.name, id) not in above
        ]
        if not ids:
            return
        assert link.field.reference is not None
        rule = link.field.reference.on_delete
        if rule == "restrict":
            raise self._refused(link, ids)
        for other in self.unit.app.reader.load_many(
            self.unit.connection,
            link.entity.name,
            ids,
            lock=self.unit.app.database.kind != "sqlite",
        ):
            if rule == "cascade" and link.rows is None:
                self.record(link.entity, other, above)
            else:
                self._loosen(link, other, old["id"])

    def _refused(self, link: Link, ids: list[int]) -> Conflict:
        """How many stand in the way, as far as the actor may know them."""
        known = len(visible(self.unit, link.entity.name, ids))
        params = {"count": known, "entity": link.entity.plural or link.entity.title}
        return Conflict([Problem("R208" if known else "R215", params)])

    def _loosen(self, link: Link, other: Record, id: int) -> None:
        """Take the reference out of a record that stays."""
        new = dict(other)
        if link.rows is None:
            new[link.field.name] = _without(other.get(link.field.name), id)
        else:
            rows = [dict(row) for row in other[link.rows.name]]
            for row in rows:
                row[link.field.name] = _without(row.get(link.field.name), id)
            if (reference := link.field.reference) and reference.on_delete == "cascade":
                rows = [row for row in rows if row[link.field.name]]
            new[link.rows.name] = rows
        saving = Saving(link.entity, other, new, frozenset(), Relations(self.unit))
        store_change(self.unit, saving, comment=self.comment)


def _alone(unit: Unit, entity: str, id: int) -> None:
    """Wait for whoever is pointing at the record (see `references`), and keep others from it: who
    asks afterwards what points here is told all of it."""
    if unit.app.database.kind != "sqlite":
        place = unit.app.tables.of(entity)
        unit.connection.execute(sa.select(place.id).where(place.id == id).with_for_update())


def _without(value: Any, id: int) -> Any:
    if isinstance(value, list):
        return [each for each in value if each != id]
    return None if value == id else value


def referring(unit: Unit, link: Link, id: int) -> list[int]:
    """The living records whose field, or a row's, points at the record."""
    place = unit.app.tables.of(link.entity.name)

    def build() -> sa.Select[Any]:
        if link.rows is None:
            return sa.select(place.id).where(pointing(place, link.field)).order_by(place.id)
        inner = place.lines[link.rows.name]
        target = sa.bindparam("target", type_=place.id.type)
        tie: sa.ColumnElement[bool]
        if link.field.name in inner.links:
            pairs = inner.links[link.field.name]
            tie = inner.id.in_(sa.select(pairs.c.left_id).where(pairs.c.right_id == target))
        else:
            tie = inner.columns[link.field.name] == target
        owners = sa.select(inner.parent_id).where(tie)
        return (
            sa.select(place.id)
            .where(place.id.in_(owners), place.removed_at.is_(None))
            .order_by(place.id)
        )

    rows = link.rows.name if link.rows else ""
    key = ("referring", link.entity.name, rows, link.field.name)
    statement = unit.app.statement(key, build)
    return [row["id"] for row in statement.rows(unit.connection, {"target": id})]


def mark(unit: Unit, entity: str, record: Mapping[str, Any], at: datetime | None) -> bool:
    """Set or clear the mark of removal; False when somebody was faster."""
    place = unit.app.tables.of(entity)
    statement = unit.app.statement(
        ("mark", entity),
        lambda: (
            sa.update(place.table)
            .where(
                place.id == sa.bindparam("id_", type_=place.id.type),
                place.version == sa.bindparam("was", type_=sa.Integer()),
            )
            .values(
                {
                    place.removed_at: sa.bindparam("at_", type_=place.removed_at.type),
                    place.version: place.version + 1,
                    **{place.column(name): sa.bindparam(f"{name}_") for name in TOUCHED},
                }
            )
        ),
    )
    values = {"id_": record["id"], "was": record["version"], "at_": at}
    values |= {"updated_at_": unit.now, "updated_by_": unit.actor.id or None}
    return statement.run(unit.connection, values) == 1


def restore(unit: Unit, entity: str, id: int) -> Record:
    """Bring a record back from the recycle bin, with what went there together with it.

    Raises: NotFound, Forbidden, Conflict when what it points at is gone, Invalid when its unique
    values were taken meanwhile.
    """
    definition = unit.entity(entity)
    old = unit.app.reader.load(unit.connection, entity, id, removed=True)
    if old is None or "removed_at" not in old:
        raise NotFound
    _may_restore(unit, definition, id)
    ripple = Ripple(unit)
    _bring_back(unit, definition, old, ripple)
    ripple.run()
    return seen(unit, entity, {"id": id, "version": old["version"] + 1})


def _may_restore(unit: Unit, entity: Entity, id: int) -> None:
    if not visible(unit, entity.name, [id], removed=True):
        raise NotFound
    if not visible(unit, entity.name, [id], action="delete", removed=True):
        raise Forbidden("restore", entity=entity.title)


def _bring_back(unit: Unit, entity: Entity, old: Record, ripple: Ripple) -> None:
    removed_at = old.pop("removed_at")
    for field in entity.fields.values():
        if not field.reference or field.multiple or not (target := old.get(field.name)):
            continue
        if unit.app.reader.load(unit.connection, field.reference.to, target) is None:
            raise Conflict([Problem("R209", {"field": field.title}, f"/{field.name}")])
    with guarded(unit):
        if not mark(unit, entity.name, old, None):
            raise NotFound
    new = {**old, "version": old["version"] + 1}
    changes = changes_of(unit.app.types(entity), old, new)
    note(unit, entity.name, old["id"], new["version"], "restore", changes)
    unit.touched.add((entity.name, old["id"]))
    flows.restored(unit, entity, old["id"])
    ripple.changed(entity.name, None, new)
    for link in links_to(unit.app.model, entity.name):
        assert link.field.reference is not None
        if link.field.reference.on_delete == "cascade" and link.rows is None:
            for child in _gone_with(unit, link, old["id"], removed_at):
                _bring_back(unit, link.entity, child, ripple)


def _gone_with(unit: Unit, link: Link, id: int, at: datetime) -> list[Record]:
    """What was removed in the same moment because it belonged to the record."""
    place = unit.app.tables.of(link.entity.name)
    if link.field.name not in place.columns:
        return []
    ids = unit.connection.scalars(
        sa.select(place.id).where(place.columns[link.field.name] == id, place.removed_at == at)
    )
    found = list(ids)
    return unit.app.reader.load_many(unit.connection, link.entity.name, found, removed=True)
