"""The company's working hours: how long a deadline really is. Pure; holidays are data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

MOST_DAYS: Final = 3_700  # a calendar without any working day must not be searched for ever


@dataclass(frozen=True, slots=True)
class WorkClock:
    """Hours on working days, in one time zone.

    `holidays` are working days off, `extra` days off that are worked after all. A day of work is
    one working day, whatever its hours; an hour of work is an hour between `opens` and `closes`.
    """

    zone: tzinfo
    opens: time = time(9)
    closes: time = time(18)
    weekdays: frozenset[int] = frozenset(range(5))  # Monday is 0
    holidays: frozenset[date] = field(default=frozenset())
    extra: frozenset[date] = field(default=frozenset())

    def works(self, day: date) -> bool:
        """Whether people work on that day."""
        if day in self.extra:
            return True
        return day.weekday() in self.weekdays and day not in self.holidays

    def due(self, start: datetime, days: int = 0, seconds: int = 0) -> datetime:
        """The instant that many working days and then seconds of work after `start`, in UTC."""
        here = self._working(start.astimezone(self.zone))
        for _ in range(days):
            here = datetime.combine(self._next(here.date()), here.time(), self.zone)
        left = timedelta(seconds=seconds)
        while left > (today := self._end(here) - _utc(here)):
            left -= today
            here = datetime.combine(self._next(here.date()), self.opens, self.zone)
        return _utc(here) + left

    def _working(self, here: datetime) -> datetime:
        """The first moment of work not before `here`."""
        day = here.date()
        if self.works(day) and here.time() < self.closes:
            return max(here, datetime.combine(day, self.opens, self.zone))
        return datetime.combine(self._next(day), self.opens, self.zone)

    def _next(self, day: date) -> date:
        """The next working day."""
        for _ in range(MOST_DAYS):
            day += timedelta(days=1)
            if self.works(day):
                return day
        return day

    def _end(self, here: datetime) -> datetime:
        return _utc(datetime.combine(here.date(), self.closes, self.zone))


def calendar_due(zone: tzinfo, start: datetime, days: int, seconds: int) -> datetime:
    """The instant days (by the calendar of `zone`) and seconds after `start`, in UTC."""
    here = start.astimezone(zone)
    moved = datetime.combine(here.date() + timedelta(days=days), here.timetz())
    return _utc(moved) + timedelta(seconds=seconds)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
