"""Reading: one record, a page of a list, counts and sums, as the actor may see them.

The row predicate, the field mask, the filters and the order are one SQL statement, compiled once
per shape. What the actor may not read is not fetched, filtered, sorted, searched or counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from engine.access import Action, Allowed
from engine.definitions.model import Entity
from engine.expressions.types import NUMBER
from engine.fields import Names, bind
from engine.lists import Cursor, Query
from engine.problems import Problem
from engine.records import facts, filters
from engine.records.failures import Forbidden, Invalid, NotFound
from engine.records.labels import names_for
from engine.records.sqlnames import SqlNames
from engine.records.totals import added, summed
from engine.records.unit import Unit
from engine.records.views import View, acting_key, row_filter, unit_env, viewer_key
from engine.storage import RAW, Statement

COUNTED: Final = 1_000  # beyond that a count says "more"
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. `after` and `before` lead on, None at the ends; `names` labels whatever
    the rows point at."""

    rows: Sequence[Record]
    after: Cursor | None
    before: Cursor | None
    names: Names


@dataclass(frozen=True, slots=True)
class Count:
    """How many; `more` when there are more than were counted."""

    number: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Listing:
    """A compiled list."""

    statement: Statement
    view: View


def read(unit: Unit, entity: str, id: int, *, removed: bool = False, told: bool = True) -> Record:
    """One record as the actor may see it: fields he may not see are missing, masked ones are
    `Masked`. `removed`: the one in the recycle bin instead; `told`: what he gets to see of it,
    else nobody has seen what is sensitive.

    Raises: NotFound, for a record that is not there and for one he may not see alike.
    """
    definition = unit.entity(entity)
    listing = _record(unit, definition, removed)
    rows = listing.statement.rows(unit.connection, {"id": id})
    if not rows:
        raise NotFound
    listing.view.finish(unit, rows, told="open" if told else "")
    return rows[0]


Also = Callable[[SqlNames], sa.ColumnElement[bool]]


def find(
    unit: Unit,
    query: Query,
    *,
    removed: bool = False,
    action: Action = "read",
    also: Also | None = None,
) -> Page:
    """A page of a list. `removed` lists the recycle bin; `action` "export" asks for that right;
    `also` is a condition beside the query, of this one question: its statement is not kept."""
    definition = unit.entity(query.entity)
    if not unit.access(query.entity).may(action):
        raise Forbidden(action, entity=definition.title)
    flat = filters.flatten(query, definition, unit.moment)
    seen = (viewer_key(unit, definition.name), _receiver(unit, query))
    key = ("list", definition.name, query.columns, seen, flat.shape)
    if also is None:
        listing: _Listing = unit.app.kept(
            (*key, removed, action), lambda: _list(unit, definition, query, flat, removed, action)
        )
    else:
        listing = _list(unit, definition, query, flat, removed, action, also)
    rows = listing.statement.rows(unit.connection, flat.values)
    more = len(rows) > query.size
    rows = rows[: query.size]
    if query.before:
        rows.reverse()
    edges = [_cursor(query, definition, row, listing.statement) for row in rows[:1] + rows[-1:]]
    for name in [name for name in listing.statement.names if name.startswith(RAW)]:
        for row in rows:
            del row[name]
    listing.view.finish(unit, rows)
    names = names_for(unit, definition, rows, query.columns)
    if not rows:
        return Page((), None, None, names)
    first, last = edges[0], edges[-1]
    if query.before:
        return Page(rows, last, first if more else None, names)
    return Page(rows, last if more else None, first if query.after else None, names)


def count(unit: Unit, query: Query, *, most: int = COUNTED, removed: bool = False) -> Count:
    """How many records a list has, counted up to `most`."""
    definition = unit.entity(query.entity)
    if not unit.access(query.entity).may("read"):
        return Count(0)
    plain = _narrowing(query)
    flat = filters.flatten(plain, definition, unit.moment)
    seen = (viewer_key(unit, definition.name), _receiver(unit, plain))
    key = ("count", definition.name, seen, flat.shape, most, removed)

    def build() -> sa.Select[Any]:
        view = _view(unit, definition)
        inner = sa.select(view.names.table.c.id).where(*_where(view, flat, plain, removed, "read"))
        return sa.select(sa.func.count().label("n")).select_from(inner.limit(most + 1).subquery())

    number = int(unit.app.statement(key, build).scalar(unit.connection, flat.values))
    return Count(min(number, most), number > most)


def total(unit: Unit, query: Query, name: str) -> Decimal | int | None:
    """What a field of the records of a list adds up to, exactly; None when there is nothing to
    add. Where the actor may not read the value it does not count.

    Raises: Forbidden for a list, Invalid for a field that the actor may not read (R101) or that
    cannot be added up.
    """
    definition = unit.entity(query.entity)
    access = unit.access(query.entity)
    if not access.may("read"):
        raise Forbidden("read", entity=definition.title)
    if name not in definition.fields or not access.usable(name):
        raise Invalid([Problem("R101", {"field": name, "argument": "sum"})])
    kind = bind(definition.fields[name])
    if kind.many or kind.expression_type != NUMBER:
        raise Invalid([Problem("R813", {"field": definition.fields[name].title})])
    plain = _narrowing(query)
    flat = filters.flatten(plain, definition, unit.moment)

    def build() -> sa.Select[Any]:
        view = _view(unit, definition)
        where = _where(view, flat, plain, False, "read")
        return added(view, name).select_from(view.names.table).where(*where)

    seen = (viewer_key(unit, definition.name), _receiver(unit, plain))
    key = ("total", definition.name, name, seen, flat.shape)
    return summed(kind, unit.app.statement(key, build).rows(unit.connection, flat.values)[0])


def visible(
    unit: Unit,
    entity: str,
    ids: Sequence[int],
    *,
    action: Action = "read",
    removed: bool = False,
) -> frozenset[int]:
    """Which of the records the actor may see (or act on); `removed`: of those in the bin."""
    if entity not in unit.app.model.entities or not unit.access(entity).may(action):
        return frozenset()
    key = ("visible", entity, viewer_key(unit, entity), action, removed)

    def where(view: View) -> list[sa.ColumnElement[bool]]:
        table = view.names.table
        return [
            table.c.removed_at.is_not(None) if removed else table.c.removed_at.is_(None),
            row_filter(view.names, view.access["read"]),
            row_filter(view.names, view.access[action]),
        ]

    # writing predicates may look at the actor too: then the key must know him
    return _those(unit, entity, ids, where, (*key, acting_key(unit, entity, action)))


def cleared(unit: Unit, entity: str, ids: Sequence[int]) -> frozenset[int]:
    """Which of the records are not above the grade of secrecy that the actor is cleared for,
    whether or not his roles show them to him."""
    known = entity in unit.app.model.entities
    gate = unit.access(entity).gate if known else True
    if isinstance(gate, bool):
        return frozenset(ids) if gate else frozenset()

    def where(view: View) -> list[sa.ColumnElement[bool]]:
        return [row_filter(view.names, Allowed(gate))]

    return _those(unit, entity, ids, where, ("cleared", entity, unit.access(entity).roles))


def _those(
    unit: Unit,
    entity: str,
    ids: Sequence[int],
    where: Callable[[View], Sequence[sa.ColumnElement[bool]]],
    key: tuple[Hashable, ...],
) -> frozenset[int]:
    """Which of the records meet a condition; `key` stands for all that its SQL depends on."""
    definition = unit.app.model.entities[entity]
    found: set[int] = set()
    for start in range(0, len(ids), 50):
        part = list(ids[start : start + 50])
        part += part[-1:] * ((1 if len(part) == 1 else 50) - len(part))
        size = len(part)

        def build(size: int = size) -> sa.Select[Any]:
            view = _view(unit, definition)
            wanted = [sa.bindparam(f"i{at}", type_=sa.BigInteger()) for at in range(size)]
            table = view.names.table
            return sa.select(table.c.id).where(table.c.id.in_(wanted), *where(view))

        statement = unit.app.statement((*key, size), build)
        values = {f"i{at}": id for at, id in enumerate(part)}
        found.update(row["id"] for row in statement.rows(unit.connection, values))
    return frozenset(found)


def _narrowing(query: Query) -> Query:
    """What decides which records a list has, without what decides how they are shown."""
    return Query(
        query.entity,
        conditions=query.conditions,
        where=query.where,
        text=query.text,
        shared=query.shared,
    )


def _receiver(unit: Unit, query: Query) -> Hashable:
    """Whom the statement of a list of shared records is for: his ids are part of it."""
    if not query.shared:
        return None
    today = unit.now.astimezone(unit.company_zone).date()
    return (unit.actor.id, unit.actor.above, today)


def _view(unit: Unit, entity: Entity) -> View:
    names = unit.app.names(entity.name, unit_env(unit), plain=True)
    return View(names, unit.access(entity.name))


def _record(unit: Unit, entity: Entity, removed: bool) -> _Listing:
    def build() -> _Listing:
        view = _view(unit, entity)
        for name in entity.fields:
            view.add(name)
        table = view.names.table
        statement = sa.select(table.c.id, table.c.version, *view.columns).where(
            table.c.id == sa.bindparam("id", type_=table.c.id.type),
            table.c.removed_at.is_not(None) if removed else table.c.removed_at.is_(None),
            row_filter(view.names, view.access["read"]),
        )
        return _Listing(unit.app.database.prepare(statement), view.sealed())

    found: _Listing = unit.app.kept(
        ("get", entity.name, viewer_key(unit, entity.name), removed), build
    )
    return found


def _list(
    unit: Unit,
    entity: Entity,
    query: Query,
    flat: filters.Flat,
    removed: bool,
    action: Action,
    also: Also | None = None,
) -> _Listing:
    view = _view(unit, entity)
    for name in query.columns:
        if name in entity.fields:
            view.add(name)
    table = view.names.table
    keys = filters.order_of(view, [(sort.field, sort.descending) for sort in query.sort])
    backwards = query.before is not None
    statement = sa.select(
        table.c.id,
        table.c.version,
        *view.columns,
        *(key.column.label(RAW + key.name) for key in keys if key.name != "id"),
    ).where(*_where(view, flat, query, removed, action))
    if also is not None:
        statement = statement.where(also(view.names))
    if cursor := query.after or query.before:
        nulls = [value is None for value in cursor.values]
        nulls += [False] * (len(keys) - len(nulls))
        statement = statement.where(filters.beyond(keys, nulls, backwards=backwards))
    dialect = view.names.dialect
    statement = statement.order_by(
        *(filters.ordered(key, dialect, backwards=backwards) for key in keys)
    ).limit(query.size + 1)
    return _Listing(unit.app.database.prepare(statement), view.sealed())


def _where(
    view: View, flat: filters.Flat, query: Query, removed: bool, action: Action
) -> list[sa.ColumnElement[bool]]:
    table = view.names.table
    found = [
        table.c.removed_at.is_not(None) if removed else table.c.removed_at.is_(None),
        row_filter(view.names, view.access["read"]),
    ]
    if action != "read":
        found.append(row_filter(view.names, view.access[action]))
    found += [filters.condition_of(view, tree) for tree in flat.shape[0]]
    if query.text:
        found.append(filters.search_of(view, query.text))
    if query.shared:
        found.append(facts.received(query.entity, table.c.id, view.names.env))
    return [part for part in found if not isinstance(part, sa.sql.elements.True_)]


def _cursor(query: Query, entity: Entity, row: Mapping[str, Any], statement: Statement) -> Cursor:
    values = []
    for sort in query.sort:
        name = RAW + sort.field
        value = row["id"] if sort.field == "id" else statement.value(name, row[name])
        if sort.field != "id" and value is not None:
            value = bind(entity.fields[sort.field]).to_json(value)
        values.append(value)
    return Cursor(",".join(map(str, query.sort)), tuple(values), row["id"])
