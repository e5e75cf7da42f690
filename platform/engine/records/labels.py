"""What records are called: labels of whatever a page points at, fetched once per page.

A record the actor may not read stays "#id"; people's and departments' names are known to all who
work in the company.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.fields import DEPARTMENT, FILE, USER, FieldType, Names, bind
from engine.records.unit import Unit
from engine.records.views import Masked, View, row_filter, unit_env, viewer_key
from engine.storage import Statement
from engine.tables import system

_PLATFORM = {USER: system.USER, DEPARTMENT: system.DEPARTMENT, FILE: system.FILE}
_SIZES = (1, 5, 20, 50)
_no_references = FieldType.references  # whoever keeps this one points at nothing
Keys = dict[str, set[int]]


def names_for(
    unit: Unit,
    entity: Entity,
    rows: Sequence[Mapping[str, Any]],
    columns: Iterable[str] | None = None,
) -> Names:
    """The labels that the shown values of `rows` need."""
    pointing: Mapping[str, FieldType] = unit.app.kept(
        ("labelled", entity.name), lambda: _pointing(entity)
    )
    wanted: Keys = {}
    for name in pointing if columns is None else columns:
        kind = pointing.get(name)
        if kind is None:
            continue
        for row in rows:
            value = row.get(name)
            if value is not None and not isinstance(value, Masked):
                for target, id in kind.references(value):
                    wanted.setdefault(target, set()).add(id)
    return names_of(unit, wanted)


def _pointing(entity: Entity) -> Mapping[str, FieldType]:
    """The fields that need labels."""
    kinds = {name: bind(field) for name, field in entity.fields.items()}
    return {n: k for n, k in kinds.items() if type(k).references is not _no_references}


def names_of(unit: Unit, wanted: Mapping[str, Iterable[int]]) -> Names:
    """The labels of the given ids by target (an entity, or USER, DEPARTMENT, FILE)."""
    labels: dict[tuple[str, int], str] = {}
    for target, ids in wanted.items():
        for part in _portions(sorted(set(ids))):
            if target in _PLATFORM:
                found = _platform(unit, target, part)
            elif target in unit.app.model.entities:
                found = _records(unit, target, part)
            else:
                found = {}
            labels |= {(target, id): label for id, label in found.items()}
    return Names(labels, unit.zone, unit.app.model.currency)


def label_of(unit: Unit, entity: str, record: Mapping[str, Any]) -> str:
    """A record in words, from its own values as the actor sees them."""
    definition = unit.app.model.entities[entity]
    names = names_for(unit, definition, [record], definition.label_fields)
    return worded(definition, record, unit.language, names)


def worded(entity: Entity, record: Mapping[str, Any], language: str, names: Names) -> str:
    """A record's name, from the values it has and the labels of what they point at."""
    values: dict[str, str] = {}
    for name in entity.label_fields:
        value = record.get(name)
        if isinstance(value, Masked) or name not in entity.fields:
            values[name] = str(value or "")
        else:
            values[name] = bind(entity.fields[name]).format(value, language, names)
    text = entity.label.format_map(values).strip() if values else ""
    return text or f"#{record['id']}"


def _records(unit: Unit, target: str, ids: Sequence[int]) -> dict[int, str]:
    access = unit.access(target)
    if not access.may("read"):
        return {}
    entity, size = unit.app.model.entities[target], _room(len(ids))

    def build() -> tuple[Statement, View]:
        view = View(unit.app.names(target, unit_env(unit), plain=True), access)
        for name in entity.label_fields:
            if name in entity.fields:
                view.add(name)
        table = view.names.table
        statement = sa.select(table.c.id, *view.columns).where(
            table.c.id.in_([sa.bindparam(f"i{at}", type_=table.c.id.type) for at in range(size)]),
            row_filter(view.names, access["read"]),
        )
        return unit.app.database.prepare(statement), view.sealed()

    statement, view = unit.app.kept(("labels", target, viewer_key(unit, target), size), build)
    rows = statement.rows(unit.connection, _values(ids, size))
    view.finish(unit, rows)
    names = _plain_names(unit, entity, rows)
    return {row["id"]: worded(entity, row, unit.language, names) for row in rows}


def _plain_names(unit: Unit, entity: Entity, rows: Sequence[Mapping[str, Any]]) -> Names:
    """Names inside names go one step deep only: people, not records in a circle."""
    wanted: Keys = {}
    for name in entity.label_fields:
        if name in entity.fields:
            for row in rows:
                value = row.get(name)
                if value is None or isinstance(value, Masked):
                    continue
                for target, id in bind(entity.fields[name]).references(value):
                    if target in _PLATFORM:
                        wanted.setdefault(target, set()).add(id)
    return names_of(unit, wanted)


def _platform(unit: Unit, target: str, ids: Sequence[int]) -> dict[int, str]:
    table, size = _PLATFORM[target], _room(len(ids))

    def build() -> sa.Select[Any]:
        wanted = [sa.bindparam(f"i{at}", type_=table.c.id.type) for at in range(size)]
        return sa.select(table.c.id, table.c.name).where(table.c.id.in_(wanted))

    statement = unit.app.statement(("labels", target, size), build)
    rows = statement.rows(unit.connection, _values(ids, size))
    return {row["id"]: row["name"] for row in rows}


def _room(count: int) -> int:
    return next(size for size in _SIZES if size >= count)


def _values(ids: Sequence[int], size: int) -> dict[str, int]:
    padded = [*ids, *[ids[-1]] * (size - len(ids))]
    return {f"i{at}": id for at, id in enumerate(padded)}


def _portions(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    most = _SIZES[-1]
    return [ids[start : start + most] for start in range(0, len(ids), most)]
