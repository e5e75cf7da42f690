"""Values that point elsewhere: people, departments, records, and rows that belong to a record."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import types as kinds
from engine.expressions.types import ListOf, RecordOf, Type
from engine.fields.base import (
    DEPARTMENT,
    HOME,
    USER,
    BadValue,
    Cell,
    Comparison,
    FieldType,
    Moment,
    Names,
    Posted,
)
from engine.fields.choices import ListType
from engine.fields.registry import bind
from engine.problems import Problem
from engine.storage.types import MAX_ID, JsonText, big_integer

MOST_ROWS: Final = 500
"""Rows of a ``lines`` field whose definition sets no `maxItems`."""


def record_id(raw: object) -> int | None:
    """`raw` as an id, None when empty. The API writes ids as numbers; forms post their digits.

    Raises: BadValue.
    """
    match raw:
        case None:
            return None
        case bool() | float():
            raise BadValue("V060")
        case int():
            value = raw
        case Decimal() if raw == raw.to_integral_value() and raw.adjusted() < 17:
            value = int(raw)
        case str():
            text = raw.strip()
            if not text:
                return None
            if not (text.isascii() and text.isdigit() and len(text) < 17):
                raise BadValue("V060")
            value = int(text)
        case _:
            raise BadValue("V060")
    if not 0 < value <= MAX_ID:
        raise BadValue("V060")
    return value


class RefType(FieldType):
    """One record of another entity, by id. Whether it is there and may be seen, records check."""

    name = "ref"
    python = int
    operators: ClassVar[tuple[str, ...]] = ("eq", "ne", "in", "empty", "filled")
    sortable = False
    widget = "ref"
    cell_kind: ClassVar[str] = "ref"

    @property
    def target(self) -> str:
        """The entity pointed at, or ``USER``, ``DEPARTMENT``, ``FILE``."""
        return self.field.reference.to if self.field.reference else ""

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return big_integer()

    def parse(self, raw: object) -> int | None:
        return record_id(raw)

    def problems(self, value: Any) -> Sequence[Problem]:
        return () if type(value) is int and 0 < value <= MAX_ID else (self.problem("V060"),)

    def references(self, value: Any) -> Iterable[tuple[str, int]]:
        return () if value is None else ((self.target, value),)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "integer", "minimum": 1, "maximum": MAX_ID})

    def lint(self) -> Sequence[Problem]:
        return super().lint() if self.target else (self.problem("V206"),)

    def format(self, value: Any, language: str, names: Names) -> str:
        return "" if value is None else names.label(self.target, value)

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        """`href` is "<entity>/<id>": the shell knows where that lives."""
        if value is None:
            return Cell("")
        text = self.format(value, language, names)
        return Cell(text, self.cell_kind, href=f"{self.target}/{value}")

    @property
    def expression_type(self) -> Type:
        return RecordOf(self.target)


class UserType(RefType):
    """A person of the company. Filters know "me"."""

    name = "user"
    operators = ("eq", "ne", "in", "me", "empty", "filled")
    widget = "user"
    mask_kind = "name"
    cell_kind = "user"

    @property
    def target(self) -> str:
        return USER

    def parse_filter(self, op: str, raw: object) -> Any:
        return None if op == "me" else super().parse_filter(op, raw)

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        if op == "me":
            return (Comparison("eq", moment.actor),)
        return super().comparisons(op, value, moment)

    def default_word(self, word: object, moment: Moment) -> Any:
        return moment.actor or None if word == "me" else None


class DepartmentType(RefType):
    """A department. Filters know "mine" (my own) and "mine_tree" (and those below)."""

    name = "department"
    operators = ("eq", "ne", "in", "mine", "mine_tree", "empty", "filled")
    widget = "department"

    @property
    def target(self) -> str:
        return DEPARTMENT

    def parse_filter(self, op: str, raw: object) -> Any:
        return None if op.startswith("mine") else super().parse_filter(op, raw)

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        match op:
            case "mine":
                return (Comparison("in", (moment.department,) if moment.department else ()),)
            case "mine_tree":
                return (Comparison("in", moment.departments),)
            case _:
                return super().comparisons(op, value, moment)


class RefsType(ListType):
    """Several records of another entity: a link table, in the order they were chosen."""

    name = "refs"
    stored = False
    member = int
    widget = "refs"
    cell_kind: ClassVar[str] = "ref"

    @property
    def target(self) -> str:
        """The entity pointed at, or ``USER``."""
        return self.field.reference.to if self.field.reference else ""

    def parse_member(self, raw: object) -> int | None:
        return record_id(raw)

    def references(self, value: Any) -> Iterable[tuple[str, int]]:
        return [(self.target, member) for member in value or ()]

    def member_problems(self, value: list[Any]) -> Sequence[Problem]:
        return [
            self.problem("V060", f"/{at}")
            for at, member in enumerate(value)
            if not 0 < member <= MAX_ID
        ]

    def member_schema(self) -> Mapping[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": MAX_ID}

    def lint(self) -> Sequence[Problem]:
        return super().lint() if self.target else (self.problem("V206"),)

    def member_text(self, member: Any, language: str, names: Names) -> str:
        return names.label(self.target, member)

    def member_cell(self, member: Any, language: str, names: Names) -> Cell:
        text = self.member_text(member, language, names)
        return Cell(text, self.cell_kind, href=f"{self.target}/{member}")

    @property
    def expression_type(self) -> Type:
        return ListOf(RecordOf(self.target))


class UsersType(RefsType):
    """Several people."""

    name = "users"
    stored = True
    operators = ("contains", "in", "me", "empty", "filled")
    widget = "users"
    mask_kind = "all"
    cell_kind = "user"

    @property
    def target(self) -> str:
        return USER

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return JsonText()

    def parse_filter(self, op: str, raw: object) -> Any:
        return None if op == "me" else super().parse_filter(op, raw)

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        if op == "me":
            return (Comparison("contains", moment.actor),)
        return super().comparisons(op, value, moment)

    def default_word(self, word: object, moment: Moment) -> Any:
        return [moment.actor] if word == "me" and moment.actor else []


class BadRows(BadValue):
    """Raised by rows: every bad cell, with its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("V070")
        self.problems = tuple(problems)

    def found(self, field: Field) -> tuple[Problem, ...]:
        return self.problems


class LinesType(FieldType):
    """Rows that belong to the record: a child table. A row keeps its "id" between saves."""

    name = "lines"
    python = list
    operators = ("empty", "filled")
    sortable = False
    stored = False
    many = True
    widget = "lines"
    checks = frozenset({"type", "items", "minItems", "maxItems", "uniqueItems"})

    @property
    def rows(self) -> Entity:
        """What one row looks like.

        Raises: ValueError when the definition has no rows; `lint` reports that earlier.
        """
        if self.field.rows is None:
            raise ValueError(self.field.name)
        return self.field.rows

    @cached_property
    def columns(self) -> Mapping[str, FieldType]:
        """The bound types of a row's fields."""
        return {name: bind(field) for name, field in self.rows.fields.items()}

    @cached_property
    def summed(self) -> frozenset[str]:
        """The columns whose sum means something: those that say so (`x-ui.total`); else calculated
        amounts; else, where nothing is calculated, all amounts. A price per piece is none."""
        if said := [name for name, c in self.columns.items() if c.field.ui.get("total")]:
            return frozenset(said)
        amounts = {name: c.field.compute for name, c in self.columns.items() if c.name == "money"}
        return frozenset([name for name, compute in amounts.items() if compute] or amounts)

    def parse(self, raw: object) -> list[dict[str, Any]]:
        return self._parse(raw, lambda column, cell: column.parse(cell))

    def parse_local(self, raw: object, zone: tzinfo = HOME) -> list[dict[str, Any]]:
        return self._parse(raw, lambda column, cell: column.parse_local(cell, zone))

    def _parse(self, raw: object, read: Any) -> list[dict[str, Any]]:
        """Rows with all their problems in one pass."""
        if raw is None or raw == "":
            return []
        if isinstance(raw, str):
            try:
                raw = json.loads(raw, parse_float=Decimal)
            except (ValueError, RecursionError):
                raise BadValue("V070") from None
        if not isinstance(raw, list | tuple):
            raise BadValue("V070")
        if len(raw) > (most := self._most):
            raise BadValue("V072", limit=most)
        problems: list[Problem] = []
        rows = [self._row(row, f"/{at}", read, problems) for at, row in enumerate(raw)]
        if problems:
            raise BadRows(problems)
        return rows

    def _row(self, raw: object, at: str, read: Any, problems: list[Problem]) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            problems.append(self.problem("V070", at))
            return {}
        row: dict[str, Any] = {}
        for name, cell in raw.items():
            column = self.columns.get(name)
            try:
                if column is not None:
                    row[name] = read(column, cell)
                elif name == "id":
                    if (known := record_id(cell)) is not None:
                        row["id"] = known
                else:
                    problems.append(Problem("V002", {"name": str(name)[:64]}, f"{at}/{name}"))
            except BadValue as bad:
                field = column.field if column else self.field
                problems += [problem.under(f"{at}/{name}") for problem in bad.found(field)]
        return row

    @property
    def _most(self) -> int:
        return int(self.limits.get("maxItems", MOST_ROWS))

    def problems(self, value: Any) -> Sequence[Problem]:
        """How many rows; what is inside them the validator checks, recursively."""
        if type(value) is not list or any(type(row) is not dict for row in value):
            return (self.problem("V070"),)
        least = self.limits.get("minItems", 0)
        if value and len(value) < least:
            return (self.problem("V071", limit=least),)
        return (self.problem("V072", limit=self._most),) if len(value) > self._most else ()

    def to_json(self, value: Any) -> Any:
        return [self._each(row, "to_json") for row in value or ()]

    def from_json(self, value: Any) -> Any:
        return [self._each(row, "from_json") for row in value or ()]

    def to_instance(self, value: Any) -> Any:
        return [self._each(row, "to_instance") for row in value or ()]

    def _each(self, row: Mapping[str, Any], method: str) -> dict[str, Any]:
        return {
            name: getattr(self.columns[name], method)(cell) if name in self.columns else cell
            for name, cell in row.items()
        }

    def references(self, value: Any) -> Iterable[tuple[str, int]]:
        for row in value or ():
            for name, column in self.columns.items():
                yield from column.references(row.get(name))

    def schema(self) -> Mapping[str, Any]:
        properties: dict[str, Any] = {"id": {"type": "integer"}}
        properties |= {name: column.schema() for name, column in self.columns.items()}
        required = [name for name, column in self.columns.items() if column.field.required]
        row = {"type": "object", "properties": properties, "additionalProperties": False}
        return {
            "type": "array",
            "items": {**row, "required": required} if required else row,
            "maxItems": self._most,
        }

    def lint(self) -> Sequence[Problem]:
        if self.field.rows is None:
            return (self.problem("V207"),)
        return [
            problem.under(f"/{name}")
            for name, column in self.columns.items()
            for problem in column.lint()
        ]

    def format(self, value: Any, language: str, names: Names) -> str:
        """Row by row, the filled cells: what history and a single cell of a file can show."""
        return "\n".join(
            " · ".join(
                text
                for name, column in self.columns.items()
                if (text := column.format(row.get(name), language, names))
            )
            for row in value or ()
        )

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        items = tuple(
            Cell(text) for row in value or () for text in [self.format([row], language, names)]
        )
        return Cell(str(len(items)) if items else "", "lines", items=items)

    def mask(self, value: Any, kind: str = "") -> Any:
        return super().mask(value, kind) if value else None

    def changed(self, old: Any, new: Any) -> bool:
        """Ids given to new rows on the way are no change of content."""
        return self._content(old) != self._content(new)

    def _content(self, rows: Any) -> list[dict[str, Any]]:
        return [
            {name: cell for name, cell in row.items() if cell not in (None, []) and name != "id"}
            for row in rows or ()
        ]

    def posted(self, form: Posted, name: str) -> Any:
        """Rows in the order of the form, which a script may have changed, whatever their numbers;
        rows left wholly empty are no rows."""
        known = re.compile(rf"{re.escape(name)}-([0-9]{{1,6}})\.")
        numbers = list(dict.fromkeys(found[1] for key in form if (found := known.match(key))))
        if not numbers:
            return [] if form.getlist(name) else None
        # one more than is allowed is enough to be refused
        rows = [self._posted_row(form, f"{name}-{at}.") for at in numbers[: self._most + 1]]
        return [row for row in rows if not all(map(_blank, row.values()))]

    def _posted_row(self, form: Posted, prefix: str) -> dict[str, Any]:
        row = {name: column.posted(form, prefix + name) for name, column in self.columns.items()}
        row["id"] = next(iter(form.getlist(f"{prefix}id")), "")
        return {name: cell for name, cell in row.items() if cell is not None}

    def form_text(self, value: Any, zone: tzinfo = HOME) -> Any:
        return [
            {
                "id": row.get("id", ""),
                **{n: column.form_text(row.get(n), zone) for n, column in self.columns.items()},
            }
            for row in value or ()
        ]

    @property
    def expression_type(self) -> Type:
        return ListOf(RecordOf(self.rows.name))


def _blank(cell: object) -> bool:
    """Whether nobody typed anything: an address has parts, all of them empty."""
    if isinstance(cell, Mapping):
        return all(map(_blank, cell.values()))
    return cell in ("", [], None)


TYPES = (RefType, RefsType, UserType, UsersType, DepartmentType, LinesType)

assert kinds.USER.entity == USER  # one name for people, in expressions and on screens
assert kinds.DEPARTMENT.entity == DEPARTMENT
