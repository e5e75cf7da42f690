"""The frozen description of one list: what, in which order, which page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.definitions.model import Entity
from engine.lists.cursor import Cursor, encode_cursor

SIZES: Final = (20, 25, 50, 100)
SIZE: Final = 25


@dataclass(frozen=True, slots=True)
class Condition:
    """`field op raw`. `raw` is as it stands in an address (text, number, or a tuple of them);
    `value` is what the field's type made of it (`FieldType.parse_filter`)."""

    field: str
    op: str
    raw: str | int | tuple[str | int, ...] = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by "and" or "or"; with "not" it holds when none of them does."""

    mode: Literal["and", "or", "not"]
    parts: tuple[Filter, ...]


Filter = Condition | Group


@dataclass(frozen=True, slots=True)
class Sort:
    """One step of the order."""

    field: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.field}" if self.descending else self.field


@dataclass(frozen=True, slots=True)
class Query:
    """One list of one entity. `conditions` are the plain filters (all of them hold), `where` is
    the tree of the filter builder on top of them, `shared` keeps what others shared with the actor;
    `after`/`before` name the page."""

    entity: str
    columns: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    where: Filter | None = None
    text: str = ""
    sort: tuple[Sort, ...] = ()
    size: int = SIZE
    after: Cursor | None = None
    before: Cursor | None = None
    shared: bool = False

    def filters(self) -> Iterator[Condition]:
        """Every condition, those inside the tree too."""
        yield from self.conditions
        if self.where is not None:
            yield from _leaves(self.where)


def _leaves(found: Filter) -> Iterator[Condition]:
    if isinstance(found, Condition):
        yield found
        return
    for part in found.parts:
        yield from _leaves(part)


def default_query(entity: Entity) -> Query:
    """The list as its definition draws it, before access narrows it."""
    shown = entity.list.columns or tuple(
        field.name for field in entity.fields.values() if not field.system and field.rows is None
    )
    sort = tuple(Sort(name.removeprefix("-"), name.startswith("-")) for name in entity.list.sort)
    return Query(entity.name, columns=shown[:8] if not entity.list.columns else shown, sort=sort)


def to_args(query: Query, entity: Entity) -> list[tuple[str, str]]:
    """The query as the arguments of an address; what equals the default is left out."""
    plain = default_query(entity)
    args = [
        (f"f.{condition.field}.{condition.op}", _escaped(condition.raw))
        for condition in query.conditions
    ]
    if query.where is not None:
        tree = _tree(query.where)
        args.append(("where", json.dumps(tree, ensure_ascii=False, separators=(",", ":"))))
    if query.text:
        args.append(("q", query.text))
    if query.shared:
        args.append(("shared", "me"))
    if query.sort != plain.sort:
        args.append(("sort", ",".join(map(str, query.sort))))
    if query.columns != plain.columns:
        args.append(("cols", ",".join(query.columns)))
    if query.size != plain.size:
        args.append(("size", str(query.size)))
    if query.after:
        args.append(("after", encode_cursor(query.after)))
    if query.before:
        args.append(("before", encode_cursor(query.before)))
    return args


def _escaped(raw: object) -> str:
    """A comma inside one of several values is marked, because commas part them."""
    if not isinstance(raw, tuple):
        return str(raw)
    return ",".join(str(item).replace("\\", "\\\\").replace(",", "\\,") for item in raw)


def _tree(found: Filter) -> Any:
    if isinstance(found, Group):
        return {found.mode: [_tree(part) for part in found.parts]}
    return [found.field, found.op, found.raw]
