"""Adding up, exactly, whatever the size: SQLite's sum of integers ends at 64 bits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from engine.fields import FieldType
from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.views import View, live_column
from engine.storage.types import ScaledDecimal, from_scaled

_PART: Final = 10**9


def added(view: View, name: str) -> sa.Select[Any]:
    """The sum of a field: in one number, or on SQLite in two, thousands of millions and the rest.

    Raises: Invalid for a formula that SQL cannot say: its sum would be a guess.
    """
    definition = view.names.entity.fields[name]
    live = definition.compute is not None and not definition.compute.store
    if live and live_column(view.names, definition) is None:
        raise Invalid([Problem("R813", {"field": definition.title})])
    column = view.readable(name)
    if view.names.dialect != "sqlite":
        return sa.select(sa.func.sum(column, type_=sa.Numeric()).label("total"))
    number = sa.type_coerce(column, sa.Integer())
    part: sa.ColumnElement[int] = sa.literal_column(str(_PART))
    return sa.select(
        sa.func.sum(number.op("/")(part), type_=sa.BigInteger()).label("high"),
        sa.func.sum(number.op("%")(part), type_=sa.BigInteger()).label("low"),
    )


def summed(kind: FieldType, row: Mapping[str, Any]) -> Decimal | int | None:
    """The number that a row of `added` says, as values of the field are."""
    whole = kind.python is int
    if "total" in row:
        total: Decimal | None = row["total"]
        return None if total is None else int(total) if whole else total
    if row["high"] is None:
        return None
    number = int(row["high"]) * _PART + int(row["low"])
    column = kind.column_type()
    return from_scaled(number, column.scale) if isinstance(column, ScaledDecimal) else number
