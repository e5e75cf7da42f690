"""Putting records into tables: compiled statements, rows of lines matched by id, lists, search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.problems import Problem
from engine.records.unit import Unit
from engine.tables import EntityTable, search

Record = dict[str, Any]


def insert_many(unit: Unit, entity: Entity, records: Sequence[Record]) -> None:
    """New records (ids given), with their rows, lists and search index."""
    place = unit.app.tables.of(entity.name)
    _insert(unit, place, records, {"version": 1, "removed_at": None})
    for name in place.links:
        _link(unit, place, name, records)
    for field in entity.fields.values():
        if field.rows is not None:
            below = []
            for record in records:
                below += _numbered(unit, record["id"], record.get(field.name) or ())
            _insert_rows(unit, place.lines[field.name], below)
    if place.search is not None:
        texts = [(r["id"], [r.get(name) for name in place.search.fields]) for r in records]
        search.index_many(unit.connection, place.search, texts, fresh=True)


def _numbered(unit: Unit, parent: int, rows: Sequence[Record]) -> list[Record]:
    ids = unit.app.database.ids.take(unit.connection, len(rows)) if rows else []
    found = []
    for position, (row, id) in enumerate(zip(rows, ids, strict=True)):
        row["id"] = id
        found.append({**row, "parent_id": parent, "position": position})
    return found


def _insert(
    unit: Unit, place: EntityTable, records: Sequence[Mapping[str, Any]], more: Mapping[str, Any]
) -> None:
    """One statement for all: every column is given, absent values are null."""
    if not records:
        return
    own = [c for c in place.table.c if c.name in {"id", "parent_id", "position", *more}]

    def build() -> sa.Executable:
        columns = [*((c.name, c) for c in own), *place.columns.items()]
        return sa.insert(place.table).values(
            {column: sa.bindparam(f"v_{name}", type_=column.type) for name, column in columns}
        )

    statement = unit.app.statement(("insert", place.name), build)
    names = [*(c.name for c in own), *place.columns]
    statement.run_many(
        unit.connection,
        ({f"v_{name}": record.get(name, more.get(name)) for name in names} for record in records),
    )


def _insert_rows(unit: Unit, place: EntityTable, rows: Sequence[Record]) -> None:
    _insert(unit, place, rows, {})
    for name in place.links:
        _link(unit, place, name, rows)


def _link(unit: Unit, place: EntityTable, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    table = place.links[name]
    pairs = [
        {"left": record["id"], "right": id, "at": at}
        for record in records
        for at, id in enumerate(dict.fromkeys(record.get(name) or ()))
    ]
    if not pairs:
        return

    def build() -> sa.Executable:
        kind = table.c.left_id.type
        return sa.insert(table).values(
            left_id=sa.bindparam("left", type_=kind),
            right_id=sa.bindparam("right", type_=kind),
            position=sa.bindparam("at", type_=sa.Integer()),
        )

    unit.app.statement(("link", place.name, name), build).run_many(unit.connection, pairs)


def update(
    unit: Unit, entity: Entity, old: Mapping[str, Any], new: Record, changed: Iterable[str]
) -> bool:
    """Write what changed of a record and count its version up; False when somebody was faster."""
    place = unit.app.tables.of(entity.name)
    names = tuple(sorted(name for name in changed if name in place.columns))
    statement = unit.app.statement(("update", entity.name, names), lambda: _update(place, names))
    values = {f"v_{name}": new[name] for name in names}
    met = statement.run(
        unit.connection,
        {**values, "id_": old["id"], "was": old["version"], "now": old["version"] + 1},
    )
    if met != 1:
        return False
    wanted = set(changed)
    for name in place.links.keys() & wanted:
        relink(unit, place, name, new)
    for field in entity.fields.values():
        if field.rows is not None and field.name in wanted:
            inner = place.lines[field.name]
            _merge_rows(unit, inner, new["id"], old.get(field.name) or (), new[field.name])
    if place.search is not None and wanted & place.search.fields.keys():
        search.index(unit.connection, place.search, new["id"], new)
    return True


def _update(place: EntityTable, names: Iterable[str]) -> sa.Executable:
    values = {
        place.columns[name]: sa.bindparam(f"v_{name}", type_=place.columns[name].type)
        for name in names
    }
    return (
        sa.update(place.table)
        .where(
            place.id == sa.bindparam("id_", type_=place.id.type),
            place.version == sa.bindparam("was", type_=sa.Integer()),
            place.removed_at.is_(None),
        )
        .values({**values, place.version: sa.bindparam("now", type_=sa.Integer())})
    )


def relink(unit: Unit, place: EntityTable, name: str, record: Mapping[str, Any]) -> None:
    """Replace the list of a field."""
    table = place.links[name]
    unit.connection.execute(sa.delete(table).where(table.c.left_id == record["id"]))
    _link(unit, place, name, [record])


def row_problems(
    entity: Entity, old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> list[Problem]:
    """Rows that claim an id which is not one of this record's, or claim one twice."""
    problems = []
    for field in entity.fields.values():
        if field.rows is None:
            continue
        known = {row["id"] for row in (old or {}).get(field.name) or ()}
        seen: set[int] = set()
        for at, row in enumerate(new.get(field.name) or ()):
            if (id := row.get("id")) is None:
                continue
            if id not in known or id in seen:
                code = "R213" if id in seen else "R207"
                problems.append(Problem(code, {"field": field.title}, f"/{field.name}/{at}"))
            seen.add(id)
    return problems


def _merge_rows(
    unit: Unit,
    place: EntityTable,
    parent: int,
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Record],
) -> None:
    """Rows by their ids: the known ones changed, the others new, the missing ones gone."""
    before = {row["id"]: (at, row) for at, row in enumerate(old)}
    kept = {row["id"] for row in new if row.get("id") is not None}
    if gone := [id for id in before if id not in kept]:
        unit.connection.execute(sa.delete(place.table).where(place.id.in_(gone)))
    fresh = [row for row in new if row.get("id") is None]
    ids = unit.app.database.ids.take(unit.connection, len(fresh)) if fresh else []
    added = []
    for row, id in zip(fresh, ids, strict=True):
        row["id"] = id
    for at, row in enumerate(new):
        if row["id"] not in before:
            added.append({**row, "parent_id": parent, "position": at})
        elif before[row["id"]] != (at, row):
            _update_row(unit, place, at, row, before[row["id"]][1])
    _insert_rows(unit, place, added)


def update_rows(
    unit: Unit,
    place: EntityTable,
    old: Sequence[Mapping[str, Any]],
    new: Sequence[Mapping[str, Any]],
) -> None:
    """Write the rows that differ from what they were, one by one in their places."""
    for at, (before, now) in enumerate(zip(old, new, strict=True)):
        if before != now:
            _update_row(unit, place, at, now, before)


def _update_row(
    unit: Unit, place: EntityTable, at: int, row: Mapping[str, Any], old: Mapping[str, Any]
) -> None:
    statement = unit.app.statement(
        ("row", place.name),
        lambda: (
            sa.update(place.table)
            .where(place.id == sa.bindparam("id_", type_=place.id.type))
            .values(
                {
                    place.position: sa.bindparam("at_", type_=sa.Integer()),
                    **{
                        column: sa.bindparam(f"v_{name}", type_=column.type)
                        for name, column in place.columns.items()
                    },
                }
            )
        ),
    )
    values = {f"v_{name}": row.get(name) for name in place.columns}
    statement.run(unit.connection, {**values, "id_": row["id"], "at_": at})
    for name in place.links:
        if row.get(name) != old.get(name):
            relink(unit, place, name, row)
