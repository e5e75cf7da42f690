"""Column types that mean the same on SQLite and on PostgreSQL, without loss.

Also read without SQLAlchemy's result objects: ``type.dialect_impl(dialect).result_processor(…)``
gives the function that turns what the driver returns into the engine's value.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

DIGITS: Final = 18
"""Digits of a scaled decimal, before and after the point together: they fit 64 bits."""

MAX_ID: Final = 2**53 - 1
"""The largest id: JavaScript reads it exactly."""

_WIDE = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def big_integer() -> TypeEngine[int]:
    """64 bits on both; INTEGER on SQLite, so that a primary key is the row's own number."""
    return sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def to_scaled(value: Decimal | int, scale: int) -> int:
    """`value` times ten to the `scale`, exactly: ``to_scaled(Decimal("12.5"), 2) == 1250``.

    Raises: ValueError when the value is not finite, has more than `scale` digits after the point
    or more than ``DIGITS`` in all.
    """
    value = Decimal(value)
    if not value.is_finite():
        raise ValueError("not a finite number")
    if not value:
        return 0
    # first the size: int() of 1e9999999 would never end
    if value.adjusted() >= DIGITS - scale:
        raise ValueError("too many digits before the point")
    shifted = value.scaleb(scale, _WIDE)
    number = int(shifted)
    if number != shifted:
        raise ValueError("too many digits after the point")
    return number


def from_scaled(number: int, scale: int) -> Decimal:
    """Inverse of `to_scaled`: ``from_scaled(1250, 2) == Decimal("12.50")``."""
    return Decimal(number).scaleb(-scale, _WIDE)


class ScaledDecimal(TypeDecorator[Decimal]):
    """An exact decimal with `scale` digits after the point: 64-bit integer on SQLite (whose
    NUMERIC is a float), NUMERIC on PostgreSQL. Sums and comparisons in SQL are exact on both.

    A value with more digits is refused with ValueError, never rounded.
    """

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__(DIGITS, scale)
        self.scale = scale

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.INTEGER())
        return dialect.type_descriptor(sa.Numeric(DIGITS, self.scale))

    def process_bind_param(self, value: Decimal | int | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        number = to_scaled(value, self.scale)
        return number if dialect.name == "sqlite" else from_scaled(number, self.scale)

    def result_processor(
        self, dialect: sa.Dialect, coltype: object
    ) -> Callable[[Any], Decimal | None] | None:
        del coltype  # PostgreSQL's number of the type; the raw read path has none to give
        if dialect.name != "sqlite":
            return None  # the driver makes decimals of NUMERIC itself
        scale = self.scale
        return lambda value: None if value is None else from_scaled(value, scale)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with microseconds: ISO text ending in Z on SQLite (sorts as time does),
    TIMESTAMPTZ on PostgreSQL. Aware datetimes go in, UTC comes out; a naive one is refused."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        moment = value.astimezone(UTC)
        return _iso(moment) if dialect.name == "sqlite" else moment

    def result_processor(
        self, dialect: sa.Dialect, coltype: object
    ) -> Callable[[Any], datetime | None]:
        del coltype  # both drivers have one form for it
        if dialect.name == "sqlite":
            return lambda value: None if value is None else datetime.fromisoformat(value)
        return lambda value: None if value is None else value.astimezone(UTC)


class JsonText(TypeDecorator[Any]):
    """Any JSON value: text on SQLite, JSONB on PostgreSQL; None is SQL's NULL.

    PostgreSQL forgets the order of an object's keys, so nobody may rely on it.
    """

    impl = sa.JSON
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name != "sqlite" else dumps(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return value if value is None or dialect.name != "sqlite" else json.loads(value)


def dumps(value: Any) -> str:
    """`value` as compact JSON; NaN and infinities are refused."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _iso(moment: datetime) -> str:
    """UTC with all six digits: the only form in the files, so text order is time order."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
