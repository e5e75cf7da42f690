"""Days, months and moments. A moment is kept in UTC and shown on its reader's clock."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from babel.dates import format_date, format_datetime

from engine.expressions.types import DATE, DATETIME, Type
from engine.fields.base import HOME, BadValue, Comparison, FieldType, Moment, Names
from engine.fields.basics import locale_of
from engine.problems import Problem
from engine.storage.types import UtcDateTime

PERIODS: Final = (
    "today",
    "yesterday",
    "tomorrow",
    "this_week",
    "last_week",
    "next_week",
    "this_month",
    "last_month",
    "next_month",
    "this_quarter",
    "this_year",
    "last_year",
)
"""Operators without a right side: the period around the reader's today."""

RELATIVE: Final = (*PERIODS, "within_days", "last_days", "older_than_days")
"""``within_days`` n: from today to n days ahead; ``last_days`` n: the n days up to today;
``older_than_days`` n: before that."""

_FARTHEST: Final = 36_600
_EARLIEST: Final = date(1000, 1, 1)


def _month(year: int, month: int) -> date:
    """The first day of a month that may lie outside 1–12."""
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def span(period: str, today: date) -> tuple[date, date]:
    """First day of `period` and first day after it."""
    year, month, day = today.year, today.month, timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    quarter = month - (month - 1) % 3
    match period.partition("_")[::2]:
        case ("today", _):
            return today, today + day
        case ("yesterday", _):
            return today - day, today
        case ("tomorrow", _):
            return today + day, today + 2 * day
        case (which, "week"):
            start = monday + 7 * _shift(which) * day
            return start, start + 7 * day
        case (which, "month"):
            return _month(year, month + _shift(which)), _month(year, month + _shift(which) + 1)
        case (which, "quarter"):
            first = quarter + 3 * _shift(which)
            return _month(year, first), _month(year, first + 3)
        case (which, _):
            return date(year + _shift(which), 1, 1), date(year + _shift(which) + 1, 1, 1)


def _shift(which: str) -> int:
    return {"last": -1, "this": 0, "next": 1}[which]


class _TimeType(FieldType):
    """What days and moments share."""

    operators: ClassVar[tuple[str, ...]] = (
        *("eq", "ne", "lt", "le", "gt", "ge", "between"),
        *RELATIVE,
        *("empty", "filled"),
    )

    def parse_filter(self, op: str, raw: object) -> Any:
        return None if op in PERIODS else super().parse_filter(op, raw)

    def _filter_value(self, op: str, raw: object) -> Any:
        if not op.endswith("_days"):
            return super()._filter_value(op, raw)
        text = str(raw).strip()
        if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _FARTHEST:
            raise BadValue("V097", value=text)
        return int(text)

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        today, day = moment.local.date(), timedelta(days=1)
        match op:
            case "within_days":
                return self._days(today, today + (value + 1) * day, moment)
            case "last_days":
                return self._days(today - (value - 1) * day, today + day, moment)
            case "older_than_days":
                return (Comparison("lt", self._start(today - value * day, moment)),)
            case _ if op in PERIODS:
                return self._days(*span(op, today), moment)
            case _:
                return super().comparisons(op, value, moment)

    def _days(self, first: date, after: date, moment: Moment) -> tuple[Comparison, ...]:
        return (
            Comparison("ge", self._start(first, moment)),
            Comparison("lt", self._start(after, moment)),
        )

    def _start(self, day: date, moment: Moment) -> Any:
        """The first value that belongs to `day`."""
        return day

    def default_word(self, word: object, moment: Moment) -> Any:
        return self._now(moment) if word in ("today", "now") else None

    def _now(self, moment: Moment) -> Any:
        return moment.local.date()


class DateType(_TimeType):
    """A day."""

    name = "date"
    python = date
    widget = "date"
    checks = frozenset({"type", "format"})
    _FORM: ClassVar = re.compile(
        r"([0-9]{4})(?:-([0-9]{1,2})-|/([0-9]{1,2})/|\.([0-9]{1,2})\.|年([0-9]{1,2})月)([0-9]{1,2})日?"
    )

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return sa.Date()

    def parse(self, raw: object) -> date | None:
        match raw:
            case None:
                return None
            case datetime():  # a spreadsheet's day
                if raw.time() != time(0):
                    raise BadValue("V022")
                return raw.date()
            case date():
                return raw
            case str():
                return self._read(raw.strip())
            case _:
                raise BadValue("V022")

    def _read(self, text: str) -> date | None:
        if not text:
            return None
        found = self._FORM.fullmatch(text)
        if found is None or not text.isprintable():
            raise BadValue("V022")
        year, *months, day = found.groups()
        month = next(part for part in months if part)
        try:
            value = date(int(year), int(month), int(day))
        except ValueError:
            raise BadValue("V022") from None
        if value < _EARLIEST:
            raise BadValue("V022")
        return value

    def to_json(self, value: Any) -> Any:
        return None if value is None else value.isoformat()

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "format": "date"})

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        if language.startswith("zh"):
            return str(value.isoformat())
        return format_date(value, "medium", locale=locale_of(language))

    def export(self, value: Any, language: str, names: Names) -> Any:
        return value

    @property
    def expression_type(self) -> Type:
        return DATE


class MonthType(_TimeType):
    """A month of a year, "2015-03"."""

    name = "month"
    widget = "month"
    checks = frozenset({"type", "pattern", "format"})
    operators = (
        *("eq", "ne", "lt", "le", "gt", "ge", "between", "in"),
        *("this_month", "last_month", "next_month", "this_quarter", "this_year", "last_year"),
        *("empty", "filled"),
    )
    _FORM: ClassVar = re.compile(r"([0-9]{4})(?:[-/.]|年)([0-9]{1,2})月?")

    def parse(self, raw: object) -> str | None:
        match raw:
            case None:
                return None
            case date():
                return f"{raw.year:04}-{raw.month:02}"
            case str():
                text = raw.strip()
                if not text:
                    return None
                found = self._FORM.fullmatch(text)
                if found and 1 <= int(found[2]) <= 12 and int(found[1]) >= _EARLIEST.year:
                    return f"{found[1]}-{int(found[2]):02}"
        raise BadValue("V023")

    def problems(self, value: Any) -> Sequence[Problem]:
        good = type(value) is str and re.fullmatch(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])", value)
        return () if good else (self.problem("V023"),)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "pattern": "^[1-9][0-9]{3}-(0[1-9]|1[0-2])$"})

    def _start(self, day: date, moment: Moment) -> Any:
        return f"{day.year:04}-{day.month:02}"

    def _now(self, moment: Moment) -> Any:
        return self._start(moment.local.date(), moment)

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        year, month = int(value[:4]), int(value[5:])
        if language.startswith("zh"):
            return f"{year}年{month}月"
        return format_date(date(year, month, 1), "MMM y", locale=locale_of(language))


class DateTimeType(_TimeType):
    """A moment. In the API it carries its offset; a person's input is on the person's clock.

    In filters a bare day means the whole day of the reader.
    """

    name = "datetime"
    python = datetime
    operators = tuple(op for op in _TimeType.operators if op != "ne")  # no moment equals another
    widget = "datetime"
    checks = frozenset({"type", "format"})
    _FORM: ClassVar = re.compile(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
        r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
    )

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return UtcDateTime()

    def parse(self, raw: object) -> datetime | None:
        found = self._read(raw)
        if found is not None and found.tzinfo is None:
            raise BadValue("V025")
        return _utc(found)

    def parse_local(self, raw: object, zone: tzinfo = HOME) -> datetime | None:
        found = self._read(raw)
        if found is not None and found.tzinfo is None:
            found = found.replace(tzinfo=zone)
        return _utc(found)

    def parse_file(self, raw: object, language: str, zone: tzinfo = HOME) -> datetime | None:
        """A spreadsheet's bare day is its midnight."""
        if isinstance(raw, date) and not isinstance(raw, datetime):
            raw = datetime.combine(raw, time(0))
        elif isinstance(raw, str) and re.fullmatch(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*", raw):
            raw = f"{raw.strip()}T00:00"
        return self.parse_local(raw, zone)

    def _read(self, raw: object) -> datetime | None:
        match raw:
            case None:
                return None
            case datetime():
                return raw
            case str():
                text = raw.strip()
                if not text:
                    return None
                found = self._FORM.fullmatch(text)
                if found is None:
                    raise BadValue("V024")
                try:
                    return datetime.fromisoformat("".join((found[1], "T", *_tail(found))))
                except ValueError:
                    raise BadValue("V024") from None
            case _:
                raise BadValue("V024")

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not datetime:
            return (self.problem("V003"),)
        return () if value.tzinfo is not None else (self.problem("V025"),)

    def to_json(self, value: Any) -> Any:
        return None if value is None else iso(value)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "format": "date-time"})

    def _operand(self, raw: object) -> Any:
        text = str(raw).strip()
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                raise BadValue("V097", value=text) from None
        # times a person typed into a filter have no offset; `comparisons` knows whose clock
        found = self._read(raw)
        if found is None:
            raise BadValue("V097", value=text)
        return found

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        if op == "between":
            first, last = value
            return (
                *self.comparisons("ge", first, moment),
                *self.comparisons("le", last, moment),
            )
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=moment.zone)
            return (Comparison(op, _utc(aware)),)
        if isinstance(value, date):
            return self._whole_day(op, value, moment)
        return super().comparisons(op, value, moment)

    def _whole_day(self, op: str, day: date, moment: Moment) -> tuple[Comparison, ...]:
        start = self._start(day, moment)
        after = self._start(day + timedelta(days=1), moment)
        match op:
            case "eq":
                return (Comparison("ge", start), Comparison("lt", after))
            case "le":
                return (Comparison("lt", after),)
            case "gt":
                return (Comparison("ge", after),)
            case _:
                return (Comparison(op, start),)

    def _start(self, day: date, moment: Moment) -> Any:
        return datetime.combine(day, time(0), tzinfo=moment.zone).astimezone(UTC)

    def _now(self, moment: Moment) -> Any:
        return moment.now.astimezone(UTC)

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        local = value.astimezone(names.zone)
        if language.startswith("zh"):
            return f"{local:%Y-%m-%d %H:%M}"
        return format_datetime(local, "MMM d, y, HH:mm", locale=locale_of(language))

    def export(self, value: Any, language: str, names: Names) -> Any:
        """The reader's clock, without an offset: spreadsheets know none."""
        return None if value is None else value.astimezone(names.zone).replace(tzinfo=None)

    def form_text(self, value: Any, zone: tzinfo = HOME) -> Any:
        return "" if value is None else f"{value.astimezone(zone):%Y-%m-%dT%H:%M}"

    @property
    def expression_type(self) -> Type:
        return DATETIME


def iso(value: datetime) -> str:
    """``2026-01-02T03:04:05Z``, with microseconds when there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _utc(value: datetime | None) -> datetime | None:
    """In UTC; the ends of the calendar, where that overflows, are no moments."""
    if value is None:
        return None
    try:
        moved = value.astimezone(UTC)
    except OverflowError:
        raise BadValue("V024") from None
    if moved.date() < _EARLIEST:
        raise BadValue("V024")
    return moved


def _tail(found: re.Match[str]) -> Sequence[str]:
    """Time and offset as ISO wants them."""
    offset = found[3] or ""
    return found[2], "+00:00" if offset in ("Z", "z") else offset


TYPES = (DateType, MonthType, DateTimeType)

__all__ = ["PERIODS", "RELATIVE", "TYPES", "DateTimeType", "DateType", "MonthType", "iso", "span"]
