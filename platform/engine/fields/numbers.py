"""Numbers: integers, exact decimals, money, percent, rating; and yes/no."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from engine.expressions.types import BOOL, NUMBER, Type
from engine.fields.base import HOME, BadValue, Cell, FieldType, Names
from engine.fields.basics import locale_of
from engine.problems import Problem
from engine.storage.types import DIGITS, ScaledDecimal, big_integer

LARGEST: Final = 2**53
"""Integers beyond ± this are not exact in every reader of the API."""

INTEGER_DIGITS: Final = 15
"""Digits before the point of a decimal (fewer when its scale needs them)."""

_BREAKS: Final[Mapping[str, tuple[str, Callable[[Any, Decimal], bool]]]] = {
    "minimum": ("V015", operator.lt),
    "maximum": ("V016", operator.gt),
    "exclusiveMinimum": ("V017", operator.le),
    "exclusiveMaximum": ("V018", operator.ge),
    "multipleOf": ("V019", lambda value, step: value % step != 0),
}
"""Keyword -> code, and whether a value breaks it: on exact numbers only."""

_PLAIN: Final = re.compile(r"[+-]?(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
_LONGEST: Final = 64


def number(raw: object) -> Decimal | None:
    """`raw` as an exact finite number, None when empty. Thousands may be grouped: ``12,345.60``.

    Raises: BadValue for anything else, NaN and infinities included.
    """
    match raw:
        case None:
            return None
        case bool():
            raise BadValue("V012")
        case int():
            found = Decimal(raw) if abs(raw) < 10**_LONGEST else Decimal("NaN")
        case Decimal():
            found = raw
        case float():  # a spreadsheet's number: its shortest decimal is what was typed
            found = Decimal(repr(raw)) if math.isfinite(raw) else Decimal("NaN")
        case str():
            text = raw.strip().replace("，", ",")
            if not text:
                return None
            if len(text) > _LONGEST or not _PLAIN.fullmatch(text):
                raise BadValue("V012")
            found = Decimal(text.replace(",", ""))
        case _:
            raise BadValue("V012")
    if not found.is_finite():
        raise BadValue("V012")
    return found


@lru_cache(maxsize=64)
def _signs(language: str) -> dict[int, str]:
    """What `language` writes for the comma between groups and for the point."""
    locale = locale_of(language)
    return str.maketrans({",": get_group_symbol(locale), ".": get_decimal_symbol(locale)})


def shown(value: Decimal | int, language: str, least: int = 0, most: int = 0) -> str:
    """The number grouped as `language` does it, with `least` to `most` places after the point."""
    whole, point, places = f"{Decimal(value):,.{most}f}".partition(".")
    places = places[:least] + places[least:].rstrip("0")
    return (whole + point + places if places else whole).translate(_signs(language))


class _NumberType(FieldType):
    """What all numbers share: order, limits, alignment."""

    operators = ("eq", "ne", "lt", "le", "gt", "ge", "between", "in", "empty", "filled")
    align = "end"
    widget = "number"
    checks = frozenset(
        {"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    )

    @cached_property
    def _bounds(self) -> tuple[tuple[str, Decimal], ...]:
        """The keywords in use with their limits."""
        found = ((keyword, self.number_limit(keyword)) for keyword in _BREAKS)
        return tuple((keyword, limit) for keyword, limit in found if limit is not None)

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not self.python:
            return (self.problem("V003"),)
        for keyword, limit in self._bounds:
            code, breaks = _BREAKS[keyword]
            if breaks(value, limit):
                return (self.problem(code, limit=f"{limit.normalize():f}"),)
        return ()

    @property
    def expression_type(self) -> Type:
        return NUMBER


class IntegerType(_NumberType):
    """A whole number."""

    name = "integer"
    python: ClassVar[type] = int

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return big_integer()

    def parse(self, raw: object) -> int | None:
        found = number(raw)
        if found is None:
            return None
        if found.adjusted() > INTEGER_DIGITS or abs(found) > LARGEST:
            raise BadValue("V011", limit=LARGEST)
        if found != int(found):
            raise BadValue("V010")
        return int(found)

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is int and abs(value) > LARGEST:
            return (self.problem("V011", limit=LARGEST),)
        return super().problems(value)

    def schema(self) -> Mapping[str, Any]:
        kept = {key: _json_number(limit) for key, limit in self._bounds}
        return self.nullable({"type": "integer", **kept})

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        plain = self.field.ui.get("grouping") is False  # years and the like
        return str(value) if plain else shown(value, language)

    def export(self, value: Any, language: str, names: Names) -> Any:
        return value


class DecimalType(_NumberType):
    """An exact decimal. Its places after the point come from `multipleOf`, else from `x-ui.scale`,
    else from the type; a value with more of them is refused, never rounded."""

    name = "decimal"
    python: ClassVar[type] = Decimal
    places: ClassVar[int] = 4
    fixed: ClassVar[bool] = False  # whether trailing zeros are shown without being asked for

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return ScaledDecimal(self.scale)

    @cached_property
    def _declared(self) -> int | None:
        if step := self.number_limit("multipleOf"):
            exponent = step.normalize().as_tuple().exponent
            return max(0, -exponent) if isinstance(exponent, int) else None
        scale = self.field.ui.get("scale")
        return scale if isinstance(scale, int) else None

    @cached_property
    def scale(self) -> int:
        """Places after the point."""
        return self.places if self._declared is None else self._declared

    @cached_property
    def _unit(self) -> Decimal:
        return Decimal(1).scaleb(-self.scale)

    @property
    def whole(self) -> int:
        """Digits allowed before the point."""
        return min(INTEGER_DIGITS, DIGITS - self.scale)

    def parse(self, raw: object) -> Decimal | None:
        found = number(raw)
        if found is None:
            return None
        if not found:
            return Decimal(0).quantize(self._unit)
        if found.adjusted() >= self.whole:
            raise BadValue("V013", limit=self.whole)
        if found.adjusted() < -self.scale:
            raise BadValue("V014", limit=self.scale)
        exact = found.quantize(self._unit)
        if exact != found:
            raise BadValue("V014", limit=self.scale)
        return exact

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not Decimal or not value.is_finite():
            return (self.problem("V003"),)
        if value and value.adjusted() >= self.whole:
            return (self.problem("V013", limit=self.whole),)
        if value and (value.adjusted() < -self.scale or value.quantize(self._unit) != value):
            return (self.problem("V014", limit=self.scale),)
        return super().problems(value)

    def lint(self) -> Sequence[Problem]:
        if not 0 <= self.scale <= 8:
            return (self.problem("V204", scale=self.scale),)
        return super().lint()

    def from_expression(self, value: Any) -> Any:
        """Rounded commercially to the field's places: a division seldom ends by itself."""
        exact = number(value)
        if exact is not None and exact.adjusted() < self.whole:
            exact = exact.quantize(self._unit, ROUND_HALF_UP)
        return self.parse(exact)

    def to_json(self, value: Any) -> Any:
        return None if value is None else f"{value:f}"

    def to_instance(self, value: Any) -> Any:
        return value

    def schema(self) -> Mapping[str, Any]:
        tail = f"(\\.[0-9]{{1,{self.scale}}})?" if self.scale else ""
        form = f"^-?[0-9]{{1,{self.whole}}}{tail}$"
        return self.nullable({"type": "string", "pattern": form})

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        return shown(value, language, self._least, self.scale)

    @property
    def _least(self) -> int:
        """Places that are always shown: a step says what may be entered, not how it looks."""
        return self.scale if self.fixed or "scale" in self.field.ui else 0

    def form_text(self, value: Any, zone: object = HOME) -> Any:
        if value is None:
            return ""
        text = f"{value:f}"
        whole, point, part = text.partition(".")
        kept = part[: self._least] + part[self._least :].rstrip("0")
        return f"{whole}{point}{kept}" if kept else whole

    def export(self, value: Any, language: str, names: Names) -> Any:
        return value


class MoneyType(DecimalType):
    """An amount; the currency is `x-ui.currency`, else the company's."""

    name = "money"
    places = 2
    fixed = True
    widget = "money"

    def parse(self, raw: object) -> Decimal | None:
        if isinstance(raw, str):  # copied from a page: ¥12,345.60
            raw = raw.strip().lstrip("¥￥")
        return super().parse(raw)

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        symbol = _symbol(str(self.field.ui.get("currency") or names.currency))
        sign = "-" if value < 0 else ""
        return f"{sign}{symbol}{super().format(abs(value), language, names)}"

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell(self.format(value, language, names), "money")


@lru_cache(maxsize=64)
def _symbol(currency: str) -> str:
    """``¥`` for CNY whoever reads: in a Chinese company it needs no country."""
    return str(get_currency_symbol(currency, "zh_CN"))


class PercentType(DecimalType):
    """A share in percent: 12.5 means 12.5 %."""

    name = "percent"
    places = 2
    widget = "percent"

    def parse(self, raw: object) -> Decimal | None:
        if isinstance(raw, str):
            raw = raw.strip().removesuffix("%").removesuffix("％").rstrip()
        return super().parse(raw)

    def format(self, value: Any, language: str, names: Names) -> str:
        return "" if value is None else f"{super().format(value, language, names)}%"


class RatingType(IntegerType):
    """Stars from 1 to `maximum` (5)."""

    name = "rating"
    widget = "rating"

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return sa.Integer()

    @cached_property
    def limits(self) -> Mapping[str, Any]:
        return {"minimum": 1, "maximum": 5, **self.field.schema}

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        if value is None:
            return Cell("")
        stars = tuple(Cell("★" if n < value else "☆") for n in range(int(self.limits["maximum"])))
        return Cell(str(value), "rating", items=stars)


class BooleanType(FieldType):
    """Yes or no."""

    name = "boolean"
    python = bool
    operators = ("eq", "ne", "empty", "filled")
    widget = "checkbox"
    YES: ClassVar = frozenset(("true", "1", "on", "yes", "y", "是", "√", "对"))
    NO: ClassVar = frozenset(("false", "0", "off", "no", "n", "否", "×", "错"))

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return sa.Boolean()

    def parse(self, raw: object) -> bool | None:
        match raw:
            case None | bool():
                return raw
            case int() | float() | Decimal() if raw in (0, 1):
                return bool(raw)
            case str():
                word = raw.strip().lower()
                if word in self.YES:
                    return True
                if word in self.NO:
                    return False
                if not word:
                    return None
        raise BadValue("V021")

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "boolean"})

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        if language.startswith("zh"):
            return "是" if value else "否"
        return "Yes" if value else "No"

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        kind = "text" if value is None else "bool"
        return Cell(self.format(value, language, names), kind, color="green" if value else "")

    @property
    def expression_type(self) -> Type:
        return BOOL


def _json_number(limit: Decimal) -> int | float:
    return int(limit) if limit == limit.to_integral_value() else float(limit)


TYPES = (
    IntegerType,
    DecimalType,
    MoneyType,
    PercentType,
    RatingType,
    BooleanType,
)
