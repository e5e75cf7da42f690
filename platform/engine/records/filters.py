"""A `Query` as SQL: its filters, its text search, its order and its page.

`Shape` is what decides the SQL text, `values` what is put in; two queries of one shape share one
compiled statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from engine.definitions.model import Entity, Field
from engine.fields import Comparison, Moment, bind
from engine.lists import Condition, Cursor, Filter, Group, Query, Sort
from engine.records.views import View, row_filter
from engine.tables import search
from engine.tables.folded import fold, folded
from engine.tables.sorting import NEVER_NULL


@dataclass(slots=True)
class Flat:
    """A query with its values taken out. `shape` can be hashed."""

    shape: tuple[Any, ...]
    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """The name of a new bound value."""
        name = f"f{len(self.values)}"
        self.values[name] = value
        return name


def flatten(query: Query, entity: Entity, moment: Moment) -> Flat:
    """The shape of a query and its values."""
    flat = Flat(())
    tree = [_flat(condition, entity, moment, flat) for condition in query.conditions]
    if query.where is not None:
        tree.append(_flat(query.where, entity, moment, flat))
    words = search.parameters(query.text) if query.text else {}
    flat.values |= words
    cursor = query.after or query.before
    flat.shape = (
        tuple(tree),
        tuple(words),
        tuple((sort.field, sort.descending) for sort in query.sort),
        "after" if query.after else "before" if query.before else "",
        tuple(value is None for value in cursor.values) if cursor else (),
        query.size,
    )
    if cursor:
        flat.values |= _cursor_values(cursor, query.sort, entity)
    return flat


def _flat(found: Filter, entity: Entity, moment: Moment, flat: Flat) -> tuple[Any, ...]:
    if isinstance(found, Group):
        return (found.mode, tuple(_flat(part, entity, moment, flat) for part in found.parts))
    return ("and", tuple(_comparisons(found, entity, moment, flat)))


def _comparisons(
    condition: Condition, entity: Entity, moment: Moment, flat: Flat
) -> Sequence[tuple[Any, ...]]:
    name = condition.field
    if name == "id":
        parts: Sequence[Comparison] = (Comparison(condition.op, condition.value),)
    else:
        parts = bind(entity.fields[name]).comparisons(condition.op, condition.value, moment)
    found: list[tuple[Any, ...]] = []
    for part in parts:
        if part.op in {"empty", "filled"}:
            found.append((name, part.op))
        elif part.op == "in":
            values = sorted(set(part.value), key=repr)
            values += values[-1:] * (_room(len(values)) - len(values))
            found.append((name, part.op, *(flat.bind(value) for value in values)))
        else:
            texts = part.op in {"contains", "starts"} and not bind(entity.fields[name]).many
            found.append((name, part.op, flat.bind(fold(part.value) if texts else part.value)))
    return found


def _room(count: int) -> int:
    """Lists of values come in a few lengths, so that statements do."""
    return next((size for size in (1, 2, 4, 8, 16, 64, 250) if size >= count), max(count, 1))


def condition_of(view: View, tree: tuple[Any, ...]) -> sa.ColumnElement[bool]:
    """The condition of a flattened tree."""
    if tree[0] in {"and", "or", "not"} and isinstance(tree[1], tuple):
        parts = [condition_of(view, part) for part in tree[1]]
        if tree[0] == "and":
            return sa.and_(sa.true(), *parts)
        joined = sa.or_(sa.false(), *parts)
        if tree[0] == "or":
            return joined
        # NOT must give the other half of the records, those without a value too
        return sa.not_(sa.func.coalesce(joined, sa.false(), type_=sa.Boolean()))
    name, op, *binds = tree
    if name == "id":
        return _scalar(view.readable("id"), op, binds)
    definition = view.names.entity.fields[name]
    if op == "eq" and view.access.searchable(name):
        access = view.access.fields[name]
        read, masked, search = (
            row_filter(view.names, one) for one in (access.read, access.masked, access.search)
        )
        asked = sa.or_(read, sa.and_(masked, search))
        return sa.and_(asked, _scalar(view.names.column(name), op, binds))
    if definition.rows is not None or name in view.names.place.links:
        found = _rows(view, definition, op, binds)
    else:
        column, kind = view.readable(name), bind(definition)
        found = _listed(view, column, op, binds) if kind.many else _column(column, op, binds)
    access = view.access.fields[name]
    if access.read.always:
        return found
    # where the actor may not read the value, no answer about it is given: not even "empty"
    return sa.and_(row_filter(view.names, access.read), found)


def _scalar(column: sa.ColumnElement[Any], op: str, binds: list[str]) -> sa.ColumnElement[bool]:
    values = [sa.bindparam(name, type_=column.type) for name in binds]
    simple: dict[str, Callable[[], sa.ColumnElement[bool]]] = {
        "eq": lambda: column == values[0],
        "ne": lambda: sa.or_(column.is_(None), column != values[0]),
        "lt": lambda: column < values[0],
        "le": lambda: column <= values[0],
        "gt": lambda: column > values[0],
        "ge": lambda: column >= values[0],
        "in": lambda: column.in_(values) if values else sa.false(),
        "empty": lambda: column.is_(None),
        "filled": lambda: column.is_not(None),
    }
    return simple[op]()


def _column(column: sa.ColumnElement[Any], op: str, binds: list[str]) -> sa.ColumnElement[bool]:
    if op not in {"contains", "starts"}:
        return _scalar(column, op, binds)
    text: sa.BindParameter[str] = sa.bindparam(binds[0], type_=sa.Text())
    if op == "starts":
        length = sa.cast(sa.func.length(text), sa.Integer())
        return sa.func.substr(folded(column), 1, length, type_=sa.Text()) == text
    return _position(folded(column), text)


class _position(FunctionElement[bool]):  # noqa: N801
    """Whether the second text is in the first: no wildcards to escape."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_position)
def _instr(element: _position, compiler: Any, **kw: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **kw)}) > 0)"


@compiles(_position, "postgresql")
def _strpos(element: _position, compiler: Any, **kw: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **kw)}) > 0)"


def _listed(
    view: View, column: sa.ColumnElement[Any], op: str, binds: list[str]
) -> sa.ColumnElement[bool]:
    """A list kept as JSON in the record's own row."""
    sqlite = view.names.dialect == "sqlite"
    if op in {"empty", "filled"}:
        count = sa.func.json_array_length if sqlite else sa.func.jsonb_array_length
        raw = sa.type_coerce(column, sa.Text() if sqlite else postgresql.JSONB())
        some = sa.func.coalesce(count(raw, type_=sa.Integer()), 0) > 0
        return some if op == "filled" else sa.not_(some)
    found: list[sa.ColumnElement[bool]] = []
    for name in binds:
        if sqlite:
            item: sa.BindParameter[Any] = sa.bindparam(name)
            each = sa.func.json_each(sa.type_coerce(column, sa.Text())).table_valued("value")
            found.append(sa.exists().where(each.c.value == item).correlate_except(each))
        else:
            item = sa.bindparam(name, type_=postgresql.JSONB())
            array = sa.type_coerce(column, postgresql.JSONB())
            held = array.op("@>", return_type=sa.Boolean())(item)
            found.append(sa.func.coalesce(held, sa.false(), type_=sa.Boolean()))
    return sa.or_(sa.false(), *found)


def _rows(view: View, definition: Field, op: str, binds: list[str]) -> sa.ColumnElement[bool]:
    """A list kept in a table of its own."""
    place, own = view.names.place, view.names.table.c.id
    if definition.rows is not None:
        inner = place.lines[definition.name].table.alias()
        tie, target = inner.c.parent_id == own, None
    else:
        inner = place.links[definition.name].alias()
        tie, target = inner.c.left_id == own, inner.c.right_id
    if op in {"empty", "filled"} or target is None:
        some = sa.exists().where(tie).correlate_except(inner)
        return sa.not_(some) if op == "empty" else some
    values = [sa.bindparam(name, type_=target.type) for name in binds]
    return sa.exists().where(tie, target.in_(values)).correlate_except(inner)


# --- search ------------------------------------------------------------------------------------
def search_of(view: View, text: str) -> sa.ColumnElement[bool]:
    """The records that contain the text in a field that the actor may read."""
    index = view.names.place.search
    if index is None:
        return sa.false()
    access = view.access.fields
    found = []
    if plain := [name for name in index.fields if access[name].read.always]:
        found.append(search.match(index, text, plain))
    for name in index.fields:
        read = access[name].read
        if read.ever and not read.always:
            found.append(sa.and_(row_filter(view.names, read), search.match(index, text, [name])))
    return sa.or_(sa.false(), *found)


# --- order and pages ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Key:
    """One step of the order in SQL; `nullable` ones need more words."""

    name: str
    column: sa.ColumnElement[Any]
    descending: bool
    nullable: bool


def order_of(view: View, sort: Sequence[tuple[str, bool]]) -> list[Key]:
    """The order of the list, made total by the id. Null is the smallest value on both databases."""
    keys = [
        Key(name, view.readable(name), descending, name not in NEVER_NULL)
        for name, descending in sort
    ]
    if not any(key.name == "id" for key in keys):
        keys.append(Key("id", view.readable("id"), keys[-1].descending if keys else True, False))
    return keys


def ordered(key: Key, dialect: str, *, backwards: bool) -> sa.ColumnElement[Any]:
    """The key in ORDER BY."""
    descending = key.descending != backwards
    found = key.column.desc() if descending else key.column.asc()
    if not key.nullable or dialect == "sqlite":
        return found
    return found.nulls_last() if descending else found.nulls_first()


def beyond(
    keys: Sequence[Key], nulls: Sequence[bool], *, backwards: bool
) -> sa.ColumnElement[bool]:
    """The rows after (or before) the cursor. A row value where all keys agree, so that the index
    is used; else `a <= x AND (a < x OR …)` (storage.md, chapter F)."""
    plain = not any(key.nullable for key in keys)
    if plain and len({key.descending for key in keys}) == 1:
        row, edge = sa.tuple_(*(key.column for key in keys)), sa.tuple_(*map(_edge, keys))
        return row < edge if keys[0].descending != backwards else row > edge
    key, null = keys[0], nulls[0]
    descending = key.descending != backwards
    further = _further(key, null, descending)
    if len(keys) == 1:
        return further
    same = key.column.is_(None) if null else key.column == _edge(key)
    return sa.or_(further, sa.and_(same, beyond(keys[1:], nulls[1:], backwards=backwards)))


def _further(key: Key, null: bool, descending: bool) -> sa.ColumnElement[bool]:
    if null:
        return sa.false() if descending else key.column.is_not(None)
    if not descending:
        return key.column > _edge(key)
    less = key.column < _edge(key)
    return sa.or_(less, key.column.is_(None)) if key.nullable else less


def _edge(key: Key) -> sa.BindParameter[Any]:
    return sa.bindparam(f"c_{key.name}", type_=key.column.type)


def _cursor_values(cursor: Cursor, sorts: Sequence[Sort], entity: Entity) -> dict[str, Any]:
    values: dict[str, Any] = {"c_id": cursor.id}
    for sort, raw in zip(sorts, cursor.values, strict=True):
        if raw is None:
            continue
        values[f"c_{sort.field}"] = (
            raw if sort.field == "id" else bind(entity.fields[sort.field]).from_json(raw)
        )
    return values
