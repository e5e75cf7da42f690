"""Deadlines in working time: against a minute-by-minute count, and the odd days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.records.worktime import WorkClock, calendar_due

SHANGHAI = ZoneInfo("Asia/Shanghai")
PLAIN = WorkClock(SHANGHAI)
# New Year is off, and the Sunday after it is worked instead
FESTIVE = WorkClock(
    SHANGHAI,
    holidays=frozenset({date(2026, 1, 1), date(2026, 1, 2)}),
    extra=frozenset({date(2026, 1, 4)}),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_hours_end_within_the_day_or_go_on_the_next() -> None:
    assert PLAIN.due(at("2026-03-02T10:00"), seconds=3600) == at("2026-03-02T11:00")
    assert PLAIN.due(at("2026-03-02T17:00"), seconds=2 * 3600) == at("2026-03-03T10:00")
    assert PLAIN.due(at("2026-03-02T09:00"), seconds=9 * 3600) == at("2026-03-02T18:00")
    assert PLAIN.due(at("2026-03-06T17:30"), seconds=3600) == at("2026-03-09T09:30")


def test_outside_of_hours_the_clock_starts_with_the_next_morning() -> None:
    assert PLAIN.due(at("2026-03-02T03:00"), seconds=60) == at("2026-03-02T09:01")
    assert PLAIN.due(at("2026-03-02T18:00"), seconds=60) == at("2026-03-03T09:01")
    assert PLAIN.due(at("2026-03-07T12:00"), days=1) == at("2026-03-10T09:00")


def test_days_are_working_days_at_the_same_hour() -> None:
    assert PLAIN.due(at("2026-03-02T10:30"), days=1) == at("2026-03-03T10:30")
    assert PLAIN.due(at("2026-03-06T10:30"), days=3) == at("2026-03-11T10:30")
    assert PLAIN.due(at("2026-03-02T10:00"), days=400) > at("2027-08-01T00:00")


def test_holidays_and_days_worked_instead() -> None:
    assert FESTIVE.due(at("2025-12-31T10:00"), days=1) == at("2026-01-04T10:00")
    assert FESTIVE.due(at("2025-12-31T17:00"), seconds=7200) == at("2026-01-04T10:00")


def test_a_calendar_without_working_days_comes_to_an_end() -> None:
    assert WorkClock(SHANGHAI, weekdays=frozenset()).due(at("2026-03-02T10:00"), days=1)


def test_calendar_days_keep_the_hour_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=berlin)
    assert calendar_due(berlin, start, 1, 0) == datetime(2026, 3, 29, 10, tzinfo=UTC)
    assert calendar_due(SHANGHAI, start, 0, 90) - start == timedelta(seconds=90)


def counted(start: datetime, minutes: int) -> datetime:
    """Minute by minute."""
    here = start
    while minutes:
        local = here.astimezone(SHANGHAI)
        if FESTIVE.works(local.date()) and time(9) <= local.time() < time(18):
            minutes -= 1
        here += timedelta(minutes=1)
    return here


MOMENTS = st.integers(0, 10 * 24 * 60).map(lambda m: at("2025-12-27T00:00") + timedelta(minutes=m))


@settings(max_examples=60, deadline=None)
@given(MOMENTS, st.integers(1, 1500))
def test_it_is_what_counting_gives(start: datetime, minutes: int) -> None:
    assert FESTIVE.due(start, seconds=minutes * 60) == counted(start, minutes)


@settings(max_examples=60, deadline=None)
@given(MOMENTS, MOMENTS, st.integers(0, 5), st.integers(0, 90_000))
def test_who_starts_later_is_due_later(a: datetime, b: datetime, days: int, seconds: int) -> None:
    first, second = sorted((a, b))
    assert FESTIVE.due(first, days, seconds) <= FESTIVE.due(second, days, seconds)
