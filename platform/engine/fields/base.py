"""What a field type is: ONE class that answers for its type on every face.

A subclass is named in the registry by its `name`; ``bind(field)`` binds it to one definition.
A bound type is immutable and shared between threads.

Problems found here point below the value itself: pointer "" is the value, "/0/email" a cell of the
first row. Who knows the field's name puts it in front (`Problem.under`).
"""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from engine.definitions.model import MISSING, Field
from engine.expressions.types import TEXT, Type
from engine.expressions.values import id_of
from engine.fields.basics import (
    BASIC,
    DEPARTMENT,
    FILE,
    HOME,
    USER,
    BadValue,
    Cell,
    Comparison,
    Moment,
    Names,
    Posted,
)
from engine.fields.masks import masked
from engine.problems import Problem

if TYPE_CHECKING:
    from wtforms.fields.core import UnboundField

__all__ = [
    "BASIC",
    "DEPARTMENT",
    "FILE",
    "HOME",
    "USER",
    "BadValue",
    "Cell",
    "Comparison",
    "FieldType",
    "Moment",
    "Names",
    "Posted",
]


class FieldType:
    """Base of all types: a short text. Override what differs, nothing more."""

    name: ClassVar[str]
    python: ClassVar[type] = str  # the class of its values
    operators: ClassVar[tuple[str, ...]] = (
        *("eq", "ne", "in", "contains", "starts", "empty", "filled"),
    )
    sortable: ClassVar[bool] = True
    searchable: ClassVar[bool] = False  # part of the list's text search
    stored: ClassVar[bool] = True  # has a column of its own in the entity's table
    many: ClassVar[bool] = False  # values are lists
    align: ClassVar[str] = "start"  # "end" for numbers
    widget: ClassVar[str] = "text"  # the Jinja macro that draws the input
    mask_kind: ClassVar[str] = "all"  # how `mask` hides a value when the grant names no kind
    checks: ClassVar[frozenset[str]] = frozenset({"type"})
    """Schema keywords this class enforces itself; the validator's engine gets the others."""

    def __init__(self, field: Field) -> None:
        self.field = field

    # --- storage -------------------------------------------------------------------------------
    def column_type(self) -> sa.types.TypeEngine[Any]:
        """The SQL type; exact on both databases."""
        return sa.Text()

    # --- values --------------------------------------------------------------------------------
    def parse(self, raw: object) -> Any:
        """A value from JSON, a form or a file as this type's Python value; None for empty
        ([] for types with `many`).

        Raises: BadValue when `raw` cannot be one.
        """
        raise NotImplementedError

    def parse_local(self, raw: object, zone: tzinfo = HOME) -> Any:
        """`parse` for what a person typed: times without an offset are of `zone`."""
        return self.parse(raw)

    def parse_file(self, raw: object, language: str, zone: tzinfo = HOME) -> Any:
        """`parse` for a cell of an imported file, which may use the words of `export`."""
        return self.parse_local(raw, zone)

    def problems(self, value: Any) -> Sequence[Problem]:
        """What the schema's keywords and the type itself (check digits …) object to; never None."""
        return () if type(value) is self.python else (self.problem("V003"),)

    def problem(self, code: str, /, pointer: str = "", **params: Any) -> Problem:
        """A problem of this field; its title is the parameter `field`."""
        return Problem(code, {"field": self.field.title, **params}, pointer)

    def lint(self) -> Sequence[Problem]:
        """What is wrong with the definition of the field, as far as its type can tell."""
        if self.field.default is MISSING or self.field.default is None:
            return ()
        try:
            value = self.parse(self.field.default)
        except BadValue as bad:
            found: Sequence[Problem] = bad.found(self.field)
        else:
            found = () if value is None else self.problems(value)
        return [self.problem("V203", cause=self.field.default) for _ in found[:1]]

    def to_json(self, value: Any) -> Any:
        """The wire form: str, int, bool, None, list or dict; decimals as plain strings."""
        return value

    def from_json(self, value: Any) -> Any:
        """Inverse of `to_json`, trusted (history, drafts)."""
        return None if value is None else self.parse(value)

    def to_instance(self, value: Any) -> Any:
        """The value as schema conditions see it: like `to_json`, but numbers stay exact numbers."""
        return self.to_json(value)

    def from_expression(self, value: Any) -> Any:
        """What an expression gave (computed fields, rules that set) as a value of this type.

        Raises: BadValue when it does not fit.
        """
        if isinstance(value, list | tuple):
            return self.parse([id_of(member) for member in value])
        return self.parse(id_of(value))

    def changed(self, old: Any, new: Any) -> bool:
        """Whether a history row has anything to tell."""
        return bool(old != new)

    def default(self, now: datetime, actor: int, zone: tzinfo = HOME) -> Any:
        """The value of a new record, None (or []) when there is none.

        `x-ui.default` may be a word the type knows: "today" and "now" for times, "me" for people.
        """
        if word := self.field.ui.get("default"):
            return self.default_word(word, Moment(now, actor, zone=zone))
        return self.parse(None if self.field.default is MISSING else self.field.default)

    def default_word(self, word: object, moment: Moment) -> Any:
        """What `word` means as a default at this `moment`."""
        return self.parse(None)

    def references(self, value: Any) -> Iterable[tuple[str, int]]:
        """What the value points at, as keys of `Names.labels`."""
        return ()

    def schema(self) -> Mapping[str, Any]:
        """The JSON-Schema fragment of the wire form, for the API and for forms of other makers."""
        return self.nullable({"type": "string"})

    def nullable(self, fragment: Mapping[str, Any]) -> Mapping[str, Any]:
        """`fragment`, with null allowed when the field may stay empty."""
        if self.field.required or self.many:
            return fragment
        kept = dict(fragment)
        kept["type"] = [kept["type"], "null"]
        if "enum" in kept:
            kept["enum"] = [*kept["enum"], None]
        return kept

    # --- filters -------------------------------------------------------------------------------
    def parse_filter(self, op: str, raw: object) -> Any:
        """The right side of a filter as a value: for ``in`` and ``between`` raw is a list or a
        text with commas, for ``empty`` and ``filled`` it does not matter.

        Raises: BadValue for an operator the type does not have or a value that fits not.
        """
        if op not in self.operators:
            raise BadValue("V096", operator=op, allowed=self.operators)
        match op:
            case "empty" | "filled":
                return None
            case "in":
                return tuple(self._operand(part) for part in _parts(raw))
            case "between":
                ends = tuple(self._operand(part) for part in _parts(raw))
                if len(ends) != 2:
                    raise BadValue("V097", value=str(raw))
                return ends
            case _:
                return self._filter_value(op, raw)

    def _filter_value(self, op: str, raw: object) -> Any:
        """One operand; types with operators of their own read them here."""
        return self._operand(raw)

    def _operand(self, raw: object) -> Any:
        value = self.parse([raw] if self.many else raw)
        if self.many:
            value = value[0] if value else None
        if value is None:
            raise BadValue("V097", value=str(raw))
        return value

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        """The filter as comparisons of ``BASIC``, all of which must hold; relative operators
        become dates and ids of this `moment`."""
        if op == "between":
            return (Comparison("ge", value[0]), Comparison("le", value[1]))
        return (Comparison(op, value),)

    # --- people --------------------------------------------------------------------------------
    def format(self, value: Any, language: str, names: Names) -> str:
        """The value as its reader expects it; "" for None."""
        return "" if value is None else str(value)

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        """The value in a list or on a record page."""
        return Cell(self.format(value, language, names))

    def export(self, value: Any, language: str, names: Names) -> Any:
        """The value in a file: str, int, Decimal, date, datetime, bool or None."""
        return None if value is None else self.format(value, language, names)

    def mask(self, value: Any, kind: str = "") -> Any:
        """The value for a reader who may only see that there is one, and its rough shape.

        `kind` (a key of ``masks.KINDS``) defaults to the type's own. The result is text to show,
        not a value of the type.
        """
        return None if value is None else masked(value, kind or self.mask_kind)

    def form_field(self, language: str) -> UnboundField[Any]:
        """An unbound WTForms field that hands its raw input to `parse_local`."""
        from engine.fields.inputs import unbound

        return unbound(self, language)

    def posted(self, form: Posted, name: str) -> Any:
        """The raw input of a field as `parse_local` takes it; None when the form has no such field.

        What can be empty without leaving a trace in a form (a check box, a list) posts its name
        once with an empty value.
        """
        values = form.getlist(name)
        if not values:
            return None
        if not self.many:
            return values[-1]  # after the hidden empty one
        kept = [value for value in values if value != ""]
        return kept[0] if len(kept) == 1 else kept

    def form_text(self, value: Any, zone: tzinfo = HOME) -> Any:
        """The value as the input shows it: text, or a list of texts for types with `many`."""
        return "" if value is None else str(self.to_json(value))

    # --- expressions ---------------------------------------------------------------------------
    @property
    def expression_type(self) -> Type:
        """The type of the field in expressions."""
        return TEXT

    # --- helpers of the families ---------------------------------------------------------------
    @cached_property
    def limits(self) -> Mapping[str, Any]:
        """The plain keywords of the definition; those of one item are under "items"."""
        return self.field.schema

    def number_limit(self, keyword: str) -> Decimal | None:
        """A numeric keyword, exactly."""
        found = self.limits.get(keyword)
        return None if found is None else Decimal(str(found))


def _parts(raw: object) -> Sequence[object]:
    """The members of a list operand."""
    if isinstance(raw, str):
        return [part for part in raw.split(",") if part.strip()]
    return raw if isinstance(raw, list | tuple) else [raw]
