"""The company's working hours: how long a deadline really is.

`WorkClock` is pure. Holidays are data: a country's from the `holidays` package (with China's
working weekends), then what the pack's calendar says, then what an administrator marked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Calendar
from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.unit import Unit
from engine.tables import system

MOST_DAYS: Final = 3_700  # a calendar without any working day must not be searched for ever
SETTING: Final = "calendar.days"  # {date: "off" | "on"}, an administrator's
MOST_MARKED: Final = 2_000
Span = tuple[time, time]
_SETTING: Final = system.SETTING


def _ordinary(_day: date) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class WorkClock:
    """Hours on working days, in one time zone.

    `spans` are the hours of a working day in their order, the breaks left out. `holidays` are
    working days off, `extra` days off that are worked after all; `special` says the same of days
    that neither names (True: worked, False: off, None: as the weekday has it). A day of work is one
    working day, whatever its hours; an hour of work is an hour within the spans.
    """

    zone: tzinfo
    spans: tuple[Span, ...] = ((time(9), time(18)),)
    weekdays: frozenset[int] = frozenset(range(5))  # Monday is 0
    holidays: frozenset[date] = field(default=frozenset())
    extra: frozenset[date] = field(default=frozenset())
    special: Callable[[date], bool | None] = _ordinary

    def works(self, day: date) -> bool:
        """Whether people work on that day."""
        if day in self.extra:
            return True
        if day in self.holidays:
            return False
        said = self.special(day)
        return day.weekday() in self.weekdays if said is None else said

    def due(self, start: datetime, days: int = 0, seconds: int = 0) -> datetime:
        """The instant that many working days and then seconds of work after `start`, in UTC."""
        here = self._working(start)
        for _ in range(days):
            local = here.astimezone(self.zone)
            here = _utc(
                datetime.combine(self._next(local.date()), local.time(), self.zone).replace(fold=0)
            )
        left = timedelta(seconds=seconds)
        day = here.astimezone(self.zone).date()
        while True:
            for opens, closes in self._spans(day):
                begins = max(here, opens)
                if begins > closes:
                    continue
                if left <= closes - begins:
                    return begins + left if left else here
                left -= closes - begins
            day = self._next(day)

    def _working(self, start: datetime) -> datetime:
        """The first moment of work not before `start`, in UTC. The end of a span belongs to it:
        what was due then is not due later because nothing was added."""
        start = _utc(start)
        day = start.astimezone(self.zone).date()
        if self.works(day):
            for opens, closes in self._spans(day):
                if start <= closes:
                    return max(start, opens)
        return self._spans(self._next(day))[0][0]

    def _next(self, day: date) -> date:
        """The next working day."""
        for _ in range(MOST_DAYS):
            day += timedelta(days=1)
            if self.works(day):
                return day
        return day

    def _spans(self, day: date) -> list[tuple[datetime, datetime]]:
        """The hours of a day as instants: on the two odd days of summer time they are as long as
        the clocks make them."""
        return [
            (
                _utc(datetime.combine(day, opens, self.zone)),
                _utc(datetime.combine(day, closes, self.zone)),
            )
            for opens, closes in self.spans
        ]


def calendar_due(zone: tzinfo, start: datetime, days: int, seconds: int) -> datetime:
    """The instant days (by the calendar of `zone`) and seconds after `start`, in UTC."""
    here = start.astimezone(zone)
    moved = datetime.combine(here.date() + timedelta(days=days), here.timetz())
    return _utc(moved) + timedelta(seconds=seconds)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


# --- a country's holidays ----------------------------------------------------------------------
@lru_cache(maxsize=1024)
def national_days(country: str, year: int) -> Mapping[date, bool]:
    """The public holidays of a country ("CN", or "DE-BY" for a part of it) in a year: False for a
    day off, True for a weekend day that is worked instead. Nothing for a country unknown.

    The package is loaded with the first question: most processes never ask.
    """
    from holidays import country_holidays

    code, _, part = country.partition("-")
    try:  # next year too: its first holidays may be worked for in December
        found = country_holidays(code, subdiv=part or None, years=(year, year + 1), expand=False)
    except NotImplementedError:
        return {}
    off = {day: False for day in found if day.year == year}
    return off | {day: True for day in found.weekend_workdays if day.year == year}


def known_country(country: str) -> bool:
    """Whether the holidays of a country, or of that part of it, are known."""
    from holidays import country_holidays

    code, _, part = country.partition("-")
    try:
        country_holidays(code, subdiv=part or None)
    except NotImplementedError:
        return False
    return True


# --- the company's clock -----------------------------------------------------------------------
def clock_of(unit: Unit) -> WorkClock:
    """The working time of the company: its pack's calendar, with the days that an administrator
    marked. Kept with the published version as long as the marks stay the same."""
    marks = marked_days(unit)
    key = ("work clock", tuple(sorted(marks.items())))
    clock: WorkClock = unit.app.kept(
        key, lambda: _clock(unit.app.model.calendar, unit.company_zone, marks)
    )
    return clock


def _clock(calendar: Calendar, zone: tzinfo, marks: Mapping[date, bool]) -> WorkClock:
    said = {date.fromisoformat(day): mark == "on" for day, mark in calendar.days.items()}
    said |= marks
    country = calendar.holidays

    def special(day: date) -> bool | None:
        return national_days(country, day.year).get(day) if country else None

    return WorkClock(
        zone,
        spans=tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in calendar.hours),
        weekdays=frozenset(day - 1 for day in calendar.weekdays),
        holidays=frozenset(day for day, works in said.items() if not works),
        extra=frozenset(day for day, works in said.items() if works),
        special=special,
    )


def marked_days(unit: Unit) -> dict[date, bool]:
    """The days an administrator marked: True is worked, False is off."""
    statement = unit.app.statement(
        ("calendar days",), lambda: sa.select(_SETTING.c.value).where(_SETTING.c.key == SETTING)
    )
    rows = statement.rows(unit.connection, {})
    given: Mapping[str, Any] = rows[0]["value"] if rows else {}
    return {date.fromisoformat(day): mark == "on" for day, mark in given.items()}


def mark_days(unit: Unit, days: Mapping[date, bool | None]) -> None:
    """Say of days that they are worked (True), off (False), or as the calendar has them (None).
    Deadlines that were set before stay as they are.

    Raises: NotFound for who may not, Invalid for too many.
    """
    if not unit.administers:
        raise NotFound
    marks: dict[date, bool | None] = {**marked_days(unit), **days}
    value = {
        day.isoformat(): "on" if works else "off"
        for day, works in sorted(marks.items())
        if works is not None
    }
    if len(value) > MOST_MARKED:
        raise Invalid([Problem("H113", {"most": MOST_MARKED})])
    unit.connection.execute(sa.delete(_SETTING).where(_SETTING.c.key == SETTING))
    unit.connection.execute(sa.insert(_SETTING).values(key=SETTING, value=value))
