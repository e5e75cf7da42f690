"""SQL values that know their scale, and what the functions are in SQL.

SQLite has no decimals: a decimal column holds value * 10**scale as an integer. So a number in SQL
is an element *with* its scale, and arithmetic happens on integers: scales are made equal for
+ - and comparison and added up for *. PostgreSQL has exact numerics: there every scale is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from engine.expressions.types import BOOL, DATE, NUMBER, TEXT, ListOf, Type
from engine.expressions.values import BLANKS, MAX_PLACES

Element = sa.ColumnElement[Any]
MAX_SCALE: Final = 12  # with more, 64 bits would hold fewer than 6 digits before the point
_LARGEST: Final = 2**63 - 1


class NotInSql(Exception):
    """This has no exact counterpart in SQL; the caller names the place."""


@dataclass(frozen=True, slots=True)
class SqlValue:
    """A column expression, its type in the language and, on SQLite, the scale of its integers."""

    element: Element
    type: Type
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """The few things in which the two databases differ."""

    sqlite: bool

    def number(self, value: int | Decimal) -> SqlValue:
        """A constant as bound parameter."""
        if not self.sqlite:
            kind: sa.types.TypeEngine[Any] = (
                sa.BigInteger()
                if isinstance(value, int) and abs(value) <= _LARGEST
                else sa.Numeric()
            )
            return SqlValue(sa.literal(value, kind), NUMBER)
        exact = Decimal(value)
        exponent = exact.normalize().as_tuple().exponent if exact else 0
        scale = max(0, -exponent) if isinstance(exponent, int) else 0
        whole = int(exact.scaleb(scale))
        if abs(whole) > _LARGEST or scale > MAX_SCALE:
            raise NotInSql
        return SqlValue(sa.literal(whole, sa.BigInteger()), NUMBER, scale)

    def column(self, value: SqlValue) -> SqlValue:
        """A number of the resolver freed of its type decorator, so that we see what is stored."""
        if value.type != NUMBER:
            return value
        if self.sqlite:
            return replace(value, element=sa.type_coerce(value.element, sa.BigInteger()))
        if isinstance(value.element.type, sa.Integer):
            return replace(value, scale=0)
        return SqlValue(sa.type_coerce(value.element, sa.Numeric()), NUMBER)

    def wide(self, value: SqlValue) -> SqlValue:
        """A number ready for arithmetic: PostgreSQL's integers would overflow."""
        if self.sqlite or not isinstance(value.element.type, sa.Integer):
            return value
        return replace(value, element=sa.cast(value.element, sa.Numeric()))

    def collated(self, element: Element) -> Element:
        """Text in the order of its code points, whatever the database's own language."""
        return element if self.sqlite else sa.collate(element, "C")


def rescaled(value: SqlValue, scale: int) -> SqlValue:
    """The same number with more places."""
    if scale == value.scale:
        return value
    if scale > MAX_SCALE:
        raise NotInSql
    if isinstance(value.element, sa.BindParameter):
        return SqlValue(
            sa.literal(value.element.value * 10 ** (scale - value.scale), sa.BigInteger()),
            NUMBER,
            scale,
        )
    factor = sa.literal(10 ** (scale - value.scale), sa.BigInteger())
    return SqlValue(value.element * factor, NUMBER, scale)


def aligned(*values: SqlValue) -> tuple[SqlValue, ...]:
    """Numbers with one scale; everything else as it is."""
    scale = max(value.scale for value in values)
    return tuple(rescaled(value, scale) if value.type == NUMBER else value for value in values)


def known(*values: SqlValue) -> Element:
    """None of the values is null."""
    return sa.and_(sa.true(), *(value.element.is_not(None) for value in values))


# --- functions: (dialect, *values) -> value; booleans come out two-valued ------------------------
def sql_len(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Characters of a text, items of a list kept as JSON."""
    if isinstance(value.type, ListOf):
        count = sa.func.json_array_length if dialect.sqlite else sa.func.jsonb_array_length
        stored = sa.type_coerce(value.element, sa.Text() if dialect.sqlite else sa.JSON())
        return SqlValue(sa.func.coalesce(count(stored, type_=sa.BigInteger()), 0), NUMBER)
    length = sa.func.length if dialect.sqlite else sa.func.char_length
    return SqlValue(length(value.element, type_=sa.BigInteger()), NUMBER)


def sql_lower(dialect: Dialect, value: SqlValue) -> SqlValue:
    """A–Z only, on both."""
    return SqlValue(sa.func.lower(dialect.collated(value.element), type_=sa.Text()), TEXT)


def sql_upper(dialect: Dialect, value: SqlValue) -> SqlValue:
    """a–z only, on both."""
    return SqlValue(sa.func.upper(dialect.collated(value.element), type_=sa.Text()), TEXT)


def sql_trim(dialect: Dialect, value: SqlValue) -> SqlValue:
    """The same blanks as in Python."""
    strip = sa.func.trim if dialect.sqlite else sa.func.btrim
    return SqlValue(strip(value.element, sa.literal(BLANKS, sa.Text()), type_=sa.Text()), TEXT)


def sql_contains(dialect: Dialect, value: SqlValue, part: SqlValue) -> SqlValue:
    """Case counts; false for null."""
    find = sa.func.instr if dialect.sqlite else sa.func.strpos
    found = find(value.element, part.element, type_=sa.BigInteger()) > 0
    return SqlValue(sa.func.coalesce(found, sa.false(), type_=sa.Boolean()), BOOL)


def sql_startswith(dialect: Dialect, value: SqlValue, part: SqlValue) -> SqlValue:
    """Case counts; false for null."""
    length = sql_len(dialect, SqlValue(part.element, TEXT)).element
    if not dialect.sqlite:
        length = sa.cast(length, sa.Integer())
    found = sa.func.substr(value.element, 1, length, type_=sa.Text()) == part.element
    return SqlValue(sa.func.coalesce(found, sa.false(), type_=sa.Boolean()), BOOL)


def sql_concat(_dialect: Dialect, *values: SqlValue) -> SqlValue:
    """Null as empty text."""
    parts = [sa.func.coalesce(value.element, "", type_=sa.Text()) for value in values]
    joined: Element = parts[0]
    for part in parts[1:]:
        joined = joined.concat(part)
    return SqlValue(joined, TEXT)


def sql_abs(_dialect: Dialect, value: SqlValue) -> SqlValue:
    """Works on scaled integers too."""
    return replace(value, element=sa.func.abs(value.element, type_=value.element.type))


def _cut(value: SqlValue, places: int, extra: Element) -> SqlValue:
    """(stored + extra) without the digits beyond `places`: SQLite's `/` truncates integers."""
    unit = sa.literal(10 ** (value.scale - places), sa.BigInteger())
    return SqlValue(
        (value.element + extra).op("/", precedence=8, return_type=sa.BigInteger())(unit),
        NUMBER,
        places,
    )


def sql_round(dialect: Dialect, value: SqlValue, places: SqlValue | None = None) -> SqlValue:
    """Half away from zero, by integer arithmetic on SQLite."""
    digits = 0
    if places is not None:
        if not isinstance(places.element, sa.BindParameter) or places.scale:
            raise NotInSql
        digits = int(places.element.value or 0)
        if not 0 <= digits <= MAX_PLACES:
            raise NotInSql
    if not dialect.sqlite:
        exact = sa.cast(value.element, sa.Numeric())
        return SqlValue(
            sa.func.round(exact, sa.cast(digits, sa.Integer()), type_=sa.Numeric()), NUMBER
        )
    if value.scale <= digits:
        return value
    half = 5 * 10 ** (value.scale - digits - 1)
    return _cut(value, digits, sa.case((value.element < 0, -half), else_=half))


def sql_floor(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Integer arithmetic on SQLite."""
    if not dialect.sqlite:
        exact = sa.cast(value.element, sa.Numeric())
        return SqlValue(sa.func.floor(exact, type_=sa.Numeric()), NUMBER)
    less = 10**value.scale - 1
    return _cut(value, 0, sa.case((value.element < 0, -less), else_=0)) if value.scale else value


def sql_ceil(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Integer arithmetic on SQLite."""
    if not dialect.sqlite:
        exact = sa.cast(value.element, sa.Numeric())
        return SqlValue(sa.func.ceil(exact, type_=sa.Numeric()), NUMBER)
    more = 10**value.scale - 1
    return _cut(value, 0, sa.case((value.element > 0, more), else_=0)) if value.scale else value


def sql_coalesce(_dialect: Dialect, *values: SqlValue) -> SqlValue:
    """Numbers are brought to one scale first."""
    same = aligned(*values)
    first = next((value for value in same if value.type.name != "null"), same[0])
    elements = [value.element for value in same]
    return replace(first, element=sa.func.coalesce(*elements, type_=first.element.type))


def _extreme(name: str, dialect: Dialect, values: tuple[SqlValue, ...]) -> SqlValue:
    """The smaller or larger of several values; null when one is null, as in arithmetic."""
    same = aligned(*values)
    elements = [value.element for value in same]
    kind = elements[0].type
    if dialect.sqlite:
        return replace(same[0], element=getattr(sa.func, name)(*elements, type_=kind))
    if same[0].type.name == "text":
        elements = [dialect.collated(element) for element in elements]
    pick = getattr(sa.func, {"min": "least", "max": "greatest"}[name])
    return replace(same[0], element=sa.case((known(*same), pick(*elements, type_=kind))))


def sql_min(dialect: Dialect, *values: SqlValue) -> SqlValue:
    """The smaller of several."""
    return _extreme("min", dialect, values)


def sql_max(dialect: Dialect, *values: SqlValue) -> SqlValue:
    """The larger of several."""
    return _extreme("max", dialect, values)


def _part(dialect: Dialect, value: SqlValue, unit: str, form: str) -> SqlValue:
    if value.type != DATE:  # a point in time would need the company's time zone inside SQL
        raise NotInSql
    if dialect.sqlite:
        number: Element = sa.cast(sa.func.strftime(form, value.element), sa.BigInteger())
    else:
        number = sa.cast(sa.extract(unit, value.element), sa.BigInteger())
    return SqlValue(number, NUMBER)


def sql_year(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Of a date only."""
    return _part(dialect, value, "year", "%Y")


def sql_month(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Of a date only."""
    return _part(dialect, value, "month", "%m")


def sql_day(dialect: Dialect, value: SqlValue) -> SqlValue:
    """Of a date only."""
    return _part(dialect, value, "day", "%d")


def sql_days_between(dialect: Dialect, start: SqlValue, end: SqlValue) -> SqlValue:
    """Whole days."""
    if dialect.sqlite:
        days = sa.func.julianday(end.element) - sa.func.julianday(start.element)
        return SqlValue(sa.cast(days, sa.BigInteger()), NUMBER)
    difference = end.element.op("-", precedence=7, return_type=sa.Integer())(start.element)
    return SqlValue(sa.cast(difference, sa.BigInteger()), NUMBER)


def sql_add_days(dialect: Dialect, day: SqlValue, days: SqlValue) -> SqlValue:
    """Whole days."""
    if dialect.sqlite:
        if days.scale:
            raise NotInSql
        shift = sa.cast(days.element, sa.Text()).concat(" days")
        moved = sa.func.date(day.element, shift, type_=sa.Date())
        fits = sa.type_coerce(moved, sa.Text()) >= "0001-01-01"
        return SqlValue(sa.case((fits, moved)), DATE)
    whole = sa.cast(sa.func.trunc(sa.cast(days.element, sa.Numeric())), sa.Integer())
    return SqlValue(day.element.op("+", precedence=7, return_type=sa.Date())(whole), DATE)
