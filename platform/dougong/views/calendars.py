"""A list as a calendar: a month of days, Monday first, each with what falls on it."""

from __future__ import annotations

import re
from calendar import Calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from babel.dates import format_date, get_day_names
from flask import render_template, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.shell import shell
from dougong.views.listing import Display, Listing, board_field, calendar_fields, with_label
from engine.access import Level
from engine.definitions.model import Entity, Field, text_of
from engine.fields import Names
from engine.fields.basics import locale_of
from engine.lists import Condition, Query, Sort, to_args
from engine.records import reading as records
from engine.records.labels import worded
from engine.records.unit import Unit

ENTRIES: Final = 4  # of a day; the list has the rest
AT_ONCE: Final = 400  # records of a month that are fetched together
FIRST, LAST = date(1900, 1, 1), date(2199, 12, 1)
MORNING: Final = "T09:00"  # when a new record of a day begins

Row = Mapping[str, Any]


def month_of(asked: str) -> date | None:
    """The first day of the month in an address ("2026-11"); None when there is no such month."""
    match = re.fullmatch(r"([0-9]{4})-([0-9]{2})", asked)
    if match is None or not 1 <= int(match[2]) <= 12:
        return None
    found = date(int(match[1]) or 1, int(match[2]), 1)
    return found if FIRST <= found <= LAST else None


def beside(month: date, step: int) -> date:
    """The first day of the month `step` months on."""
    count = month.year * 12 + month.month - 1 + step
    return date(count // 12, count % 12 + 1, 1)


def month_grid(month: date) -> list[date]:
    """The days of the whole weeks that a month touches, from a Monday to a Sunday."""
    return list(Calendar().itermonthdates(month.year, month.month))


def calendar_page(
    unit: Unit, entity: Entity, query: Query, display: Display, problems: Sequence[str]
) -> str:
    """The list as a calendar."""
    month = month_of(display.month)
    if display.month and month is None:
        told = gettext("“%(month)s” is not a month such as 2026-11.", month=display.month[:20])
        problems = [*problems, told]
    now = unit.today.replace(day=1)
    shown = replace(display, month=f"{month:%Y-%m}" if month and month != now else "")
    drawn = _Calendar(unit, entity, query, shown, month or now)
    context = {**drawn.view.frame(problems), **drawn.context()}
    return render_template("calendar.html", shell=shell(unit), **context)


class _Calendar:
    """One month drawn in one language."""

    def __init__(
        self, unit: Unit, entity: Entity, query: Query, display: Display, month: date
    ) -> None:
        self.unit, self.entity, self.month = unit, entity, month
        self.access = unit.access(entity.name)
        self.fields = calendar_fields(entity, self.access)
        self.field = entity.fields[display.by or self.fields[0].name]
        self.timed = self.field.type != "date"
        self.board = board_field(entity, self.access)
        told = {self.field.name, entity.list.board, *entity.label_fields}
        self.fact = next((name for name in query.columns if name not in told), "")
        self.query = replace(query, after=None, before=None)
        self.view = Listing(unit, entity, self.query, Names({}, unit.zone), display)
        self.days = month_grid(month)
        self.locale = locale_of(language())

    def context(self) -> dict[str, Any]:
        """Everything that calendar.html wants beside the list's frame."""
        names = get_day_names("abbreviated", locale=self.locale)
        found = self._found()
        today = self.unit.today.replace(day=1)
        return {
            "month": format_date(self.month, self._form("yMMMM"), locale=self.locale),
            "prev_href": self._month_href(-1),
            "next_href": self._month_href(1),
            "today_href": self._href(month="") if self.month != today else "",
            "choices": self._choices(),
            "weekdays": [names[at] for at in range(7)],
            "days": [self._day(day, *found.get(day, ((), 0))) for day in self.days],
            "filled": any(day.month == self.month.month and one[1] for day, one in found.items()),
        }

    def _form(self, skeleton: str) -> str:
        """A date's form with the parts that are wanted, as the language has it."""
        return str(self.locale.datetime_skeletons[skeleton])

    def _href(self, **changes: str) -> str:
        args = replace(self.view.display, **changes).args()
        return self.view.link([*self.view.plain, *args])

    def _month_href(self, step: int) -> str:
        month = beside(self.month, step)
        return self._href(month=f"{month:%Y-%m}") if FIRST <= month <= LAST else ""

    def _choices(self) -> list[dict[str, Any]]:
        """The fields that may place the records, when there are several."""
        if len(self.fields) < 2:
            return []
        return [
            {
                "title": text_of(field.title, language()),
                "href": self._href(by=field.name if at else ""),
                "active": field is self.field,
            }
            for at, field in enumerate(self.fields)
        ]

    # --- records -------------------------------------------------------------------------------
    def _found(self) -> dict[date, tuple[list[dict[str, Any]], int]]:
        """For each day its first entries and how many there are."""
        first, last = self.days[0], self.days[-1]
        page = self._page(self._between(first, last), AT_ONCE)
        if page.after is None:
            return self._by_day(page.rows, page.names)
        found = {}
        for day in self.days:  # a full month: every day for itself, so that none goes short
            query = self._on(day)
            page = self._page(query, ENTRIES)
            count = records.Count(len(page.rows))
            if page.after is not None:
                count = records.count(self.unit, query)
            found[day] = (self._entries(page.rows, page.names), count.number)
        return found

    def _page(self, query: Query, size: int) -> records.Page:
        columns = (self.field.name, self.board.name if self.board else "", self.fact)
        return records.find(
            self.unit,
            replace(
                query,
                columns=with_label(tuple(filter(None, columns)), self.entity),
                sort=(Sort(self.field.name), Sort("id")),
                size=size,
            ),
        )

    def _between(self, first: date, last: date) -> Query:
        name = self.field.name
        raw = (first.isoformat(), last.isoformat())
        part = Condition(name, "between", raw, (first, last))
        return replace(self.query, conditions=(*self.query.conditions, part))

    def _on(self, day: date) -> Query:
        part = Condition(self.field.name, "eq", day.isoformat(), day)
        kept = [one for one in self.query.conditions if one != part]
        return replace(self.query, conditions=(*kept, part))

    def _by_day(
        self, rows: Iterable[Row], names: Names
    ) -> dict[date, tuple[list[dict[str, Any]], int]]:
        grouped: dict[date, list[Row]] = {}
        for row in rows:
            grouped.setdefault(self._local(row[self.field.name]).date(), []).append(row)
        return {
            day: (self._entries(found[:ENTRIES], names), len(found))
            for day, found in grouped.items()
        }

    def _local(self, value: date | datetime) -> datetime:
        """The value on the reader's clock, which is the company's unless he has his own."""
        if isinstance(value, datetime):
            return value.astimezone(self.unit.zone)
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no zone

    def _entries(self, rows: Iterable[Row], names: Names) -> list[dict[str, Any]]:
        self.view.names = names
        found = []
        for row in rows:
            when = self._local(row[self.field.name])
            state = self.view.cell(row, self.board.name) if self.board else None
            found.append(
                {
                    "href": f"{self.view.href}/{row['id']}",
                    "title": worded(self.entity, row, language(), names),
                    "fact": self.view.cell(row, self.fact).text if self.fact else "",
                    "time": f"{when:%H:%M}" if self.timed else "",
                    "color": state.color if state else "",
                    "state": state.text if state else "",
                }
            )
        return found

    # --- days ----------------------------------------------------------------------------------
    def _day(self, day: date, entries: Sequence[dict[str, Any]], count: int) -> dict[str, Any]:
        more = count - len(entries)
        return {
            "date": day.isoformat(),
            "number": day.day,
            "name": format_date(day, self._form("MMMEd"), locale=self.locale),
            "today": day == self.unit.today,
            "outside": day.month != self.month.month,
            "entries": entries,
            "more": more,
            "more_href": self.view.link(to_args(self._on(day), self.entity)) if more else "",
            "new_href": self._new_href(day),
        }

    def _new_href(self, day: date) -> str:
        """A new record of that day, for those who may create one and say when."""
        if not self.access.may("create") or not _settable(self.field):
            return ""
        if self.access.level(self.field.name) < Level.WRITE:
            return ""
        value = day.isoformat() + (MORNING if self.timed else "")
        href = url_for("forms.new", entity=self.entity.name)
        return f"{href}?{urlencode({self.field.name: value})}"


def _settable(field: Field) -> bool:
    return not (field.system or field.read_only or field.compute)
