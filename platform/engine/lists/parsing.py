"""From the arguments of an address to a `Query`.

A field that does not exist and one the actor may not read give the same problem, word for word:
whoever may not see a field must not learn that it exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from engine.definitions.model import Entity
from engine.fields import BadValue, FieldType, bind
from engine.lists.cursor import Cursor, decode_cursor
from engine.lists.query import SIZES, Condition, Filter, Group, Query, Sort, default_query
from engine.problems import Problem

DEPTH: Final = 8
CONDITIONS: Final = 50
VALUES: Final = 500
TEXT: Final = 100
SORTS: Final = 4
_SEVERAL: Final = frozenset({"in", "between"})
_ID_OPERATORS: Final = frozenset({"eq", "ne", "in", "lt", "le", "gt", "ge"})

Args = str | Mapping[str, str] | Iterable[tuple[str, str]]


class Readable(Protocol):
    """Tells what an actor may ask about (`engine.access.EntityAccess` does)."""

    def usable(self, name: str) -> bool:
        """Whether the field may be filtered, sorted and searched."""

    def searchable(self, name: str) -> bool:
        """Whether the field is masked, and may be filtered by its whole value."""

    def shown(self, name: str) -> bool:
        """Whether the field may be a column."""


def parse_query(args: Args, entity: Entity, access: Readable) -> tuple[Query, list[Problem]]:
    """The query in `args` and what is wrong with them; wrong parts are left out of the query.

    Arguments that are not a list's (`view`, `tab` …) are none of its business and passed over.
    """
    return _Parser(entity, access).query(_pairs(args))


def _pairs(args: Args) -> list[tuple[str, str]]:
    if isinstance(args, str):
        return parse_qsl(args.lstrip("?"), keep_blank_values=True, max_num_fields=500)
    return list(args.items() if isinstance(args, Mapping) else args)


class _Parser:
    """One pass over the arguments; collects problems on the way."""

    def __init__(self, entity: Entity, access: Readable) -> None:
        self.entity, self.access = entity, access
        self.problems: list[Problem] = []
        self.count = 0

    def query(self, pairs: list[tuple[str, str]]) -> tuple[Query, list[Problem]]:
        """See `parse_query`."""
        single = dict(pairs)
        query = self.default()
        if raw := single.get("sort", ""):
            query = replace(query, sort=self.sort(raw))
        if raw := single.get("cols", ""):
            query = replace(query, columns=self.columns(raw))
        query = replace(
            query,
            conditions=self.conditions(pairs),
            where=self.where(single.get("where", "")),
            text=self.text(single.get("q", "")),
            size=self.size(single.get("size", "")),
            shared=self.shared(single.get("shared", "")),
        )
        query = replace(query, after=self.cursor("after", single.get("after", ""), query))
        if query.after is None:
            query = replace(query, before=self.cursor("before", single.get("before", ""), query))
        return query, self.problems

    def object_(self, code: str, argument: str, **params: Any) -> None:
        """Note a problem with one argument."""
        self.problems.append(Problem(code, {"argument": argument, **params}))

    def default(self) -> Query:
        """The definition's list, less what the actor may not see."""
        plain = default_query(self.entity)
        return replace(
            plain,
            columns=tuple(name for name in plain.columns if self.access.shown(name)),
            sort=tuple(sort for sort in plain.sort if self.sortable(sort.field)),
        )

    def sortable(self, name: str) -> bool:
        """Whether the list may be ordered by `name`."""
        if name == "id":
            return True
        field = self.entity.fields.get(name)
        return field is not None and self.access.usable(name) and bind(field).sortable

    def known(self, name: str, argument: str) -> bool:
        """Whether the actor may ask about `name`; else the one problem for every reason."""
        if name == "id" or (name in self.entity.fields and self.access.usable(name)):
            return True
        self.object_("R101", argument, field=name)
        return False

    def _looked_for(self, name: str) -> bool:
        """Whether a masked field may be looked for by its whole value."""
        return name in self.entity.fields and self.access.searchable(name)

    def sort(self, raw: str) -> tuple[Sort, ...]:
        """The order, each field once."""
        found: dict[str, Sort] = {}
        for part in raw.split(",")[:SORTS]:
            name = part.strip().removeprefix("-")
            if not self.known(name, "sort"):
                continue
            if not self.sortable(name):
                self.object_("R102", "sort", field=name)
                continue
            found.setdefault(name, Sort(name, part.strip().startswith("-")))
        return tuple(found.values())

    def columns(self, raw: str) -> tuple[str, ...]:
        """The columns in the order asked for."""
        names = dict.fromkeys(part.strip() for part in raw.split(",")[:100] if part.strip())
        for name in [name for name in names if not self._shown(name)]:
            self.object_("R101", "cols", field=name)
            del names[name]
        return tuple(names)

    def _shown(self, name: str) -> bool:
        return name in self.entity.fields and self.access.shown(name)

    def text(self, raw: str) -> str:
        """The searched text, trimmed."""
        if len(raw) > TEXT:
            self.object_("R106", "q", most=TEXT)
        return raw.strip()[:TEXT].strip().replace("\x00", "")

    def size(self, raw: str) -> int:
        """The page size."""
        if not raw:
            return default_query(self.entity).size
        if not raw.isascii() or not raw.isdigit() or len(raw) > 4 or int(raw) not in SIZES:
            self.object_("R105", "size", sizes=[str(size) for size in SIZES])
            return default_query(self.entity).size
        return int(raw)

    def shared(self, raw: str) -> bool:
        """Whether only what was shared with the actor is asked for."""
        if raw and (raw != "me" or "shared" not in self.entity.traits):
            self.object_("J110", "shared", value=raw[:20])
            return False
        return raw == "me"

    def cursor(self, argument: str, raw: str, query: Query) -> Cursor | None:
        """The page's edge; it must fit the order of this very query."""
        if not raw:
            return None
        sort = ",".join(map(str, query.sort))
        types = [self._type(part.field) for part in query.sort]
        found = decode_cursor(raw, sort, types)
        if found is None:
            self.object_("R104", argument)
        return found

    def _type(self, name: str) -> FieldType | None:
        return None if name == "id" else bind(self.entity.fields[name])

    # --- filters -------------------------------------------------------------------------------
    def conditions(self, pairs: list[tuple[str, str]]) -> tuple[Condition, ...]:
        """The plain filters; one field and operator given twice lists its values."""
        gathered: dict[str, list[str]] = {}
        for key, raw in pairs:
            if key.startswith("f."):
                gathered.setdefault(key, []).append(raw)
        found = []
        for key, values in gathered.items():
            _, name, op = (*key.split(".", 2), "eq")[:3]
            several = op in _SEVERAL
            condition = self.condition(
                name, op, split(",".join(values)) if several else values[-1], key
            )
            if condition is not None:
                found.append(condition)
        return tuple(found)

    def condition(self, name: str, op: str, raw: Any, argument: str) -> Condition | None:
        """One condition, its value parsed by the field's own type."""
        self.count += 1
        if self.count > CONDITIONS:
            if self.count == CONDITIONS + 1:
                self.object_("R107", argument, most=CONDITIONS, depth=DEPTH)
            return None
        if not (op == "eq" and self._looked_for(name)) and not self.known(name, argument):
            return None
        if not _plain(raw) or (op in _SEVERAL and not 1 <= len(raw) <= VALUES):
            self.object_("R108", argument, field=name)
            return None
        try:
            return Condition(name, op, raw, self.value(name, op, raw))
        except BadValue as bad:
            title = {} if name == "id" else {"field": self.entity.fields[name].title}
            self.object_(bad.code, argument, **title, **bad.params)
            return None

    def value(self, name: str, op: str, raw: Any) -> Any:
        """The right side of a condition.

        Raises: BadValue when the field does not take the operator or the value.
        """
        if name != "id":
            return bind(self.entity.fields[name]).parse_filter(op, raw)
        if op not in _ID_OPERATORS:
            raise BadValue("R103", field=name, operator=op)
        return tuple(map(_id, raw)) if op == "in" else _id(raw)

    def where(self, raw: str) -> Filter | None:
        """The filter builder's tree."""
        if not raw:
            return None
        try:
            tree = json.loads(raw, parse_constant=_refuse) if len(raw) <= 20_000 else None
        except (ValueError, RecursionError):
            tree = None
        if tree is None:
            self.object_("R109", "where")
            return None
        return self.branch(tree, 1)

    def branch(self, tree: Any, depth: int) -> Filter | None:
        """One level of the tree; levels beyond the limit are refused, not cut."""
        if depth > DEPTH:
            self.object_("R107", "where", most=CONDITIONS, depth=DEPTH)
            return None
        match tree:
            case [str(name), str(op)]:
                return self.condition(name, op, "", "where")
            case [str(name), str(op), list(value)] if op in _SEVERAL:
                return self.condition(name, op, tuple(value), "where")
            case [str(name), str(op), str() | int() as value] if op not in _SEVERAL:
                return self.condition(name, op, value, "where")
            case {"and": [*parts]} if len(tree) == 1:
                return self.group("and", parts, depth)
            case {"or": [*parts]} if len(tree) == 1:
                return self.group("or", parts, depth)
            case {"not": [*parts]} if len(tree) == 1:
                return self.group("not", parts, depth)
        self.object_("R109", "where")
        return None

    def group(self, mode: Any, parts: list[Any], depth: int) -> Group | None:
        """A group of what is left of its parts."""
        found = [self.branch(part, depth + 1) for part in parts]
        kept = tuple(part for part in found if part is not None)
        return Group(mode, kept) if kept else None


def split(raw: str) -> tuple[str, ...]:
    """The values in one argument: parted by commas, a backslash takes the next sign as it is."""
    values, current, escaped = [], "", False
    for sign in raw:
        if escaped or sign not in "\\,":
            current, escaped = current + sign, False
        elif sign == "\\":
            escaped = True
        else:
            values.append(current)
            current = ""
    return tuple(value for value in (*values, current) if value)


def _plain(raw: object) -> bool:
    """Whether `raw` is a text, a whole number or a flat list of them."""
    if isinstance(raw, tuple):
        return all(isinstance(item, str | int) for item in raw)
    return isinstance(raw, str | int)


def _id(raw: object) -> int:
    text = str(raw)
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise BadValue("R108", field="id")
    return int(text)


def _refuse(word: str) -> None:
    raise ValueError(word)
