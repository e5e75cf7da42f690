"""Deadlines in working time: against a minute-by-minute count, and the odd days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.records.worktime import WorkClock, calendar_due, known_country, national_days

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
LUNCH = ((time(9), time(12)), (time(13), time(18)))
PLAIN = WorkClock(SHANGHAI)
# New Year is off, and the Sunday after it is worked instead
FESTIVE = WorkClock(
    SHANGHAI,
    spans=LUNCH,
    holidays=frozenset({date(2026, 1, 1), date(2026, 1, 2)}),
    extra=frozenset({date(2026, 1, 4)}),
)


def of(country: str, zone: ZoneInfo) -> WorkClock:
    """The clock of a company that follows a country's calendar."""
    return WorkClock(
        zone, spans=LUNCH, special=lambda day: national_days(country, day.year).get(day)
    )


CHINA, GERMANY = of("CN", SHANGHAI), of("DE", BERLIN)
# works at night, through the hours that summer time takes and gives
NIGHT = WorkClock(BERLIN, spans=((time(0), time(6)), (time(22), time(23, 30))))


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


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


def test_lunch_is_no_work() -> None:
    assert FESTIVE.due(at("2026-03-02T11:30"), seconds=3600) == at("2026-03-02T13:30")
    assert FESTIVE.due(at("2026-03-02T12:20"), seconds=60) == at("2026-03-02T13:01")
    assert FESTIVE.due(at("2026-03-02T11:00"), seconds=3600) == at("2026-03-02T12:00")
    assert FESTIVE.due(at("2026-03-02T09:00"), seconds=8 * 3600) == at("2026-03-02T18:00")


def test_holidays_and_days_worked_instead() -> None:
    assert FESTIVE.due(at("2025-12-31T10:00"), days=1) == at("2026-01-04T10:00")
    assert FESTIVE.due(at("2025-12-31T17:00"), seconds=7200) == at("2026-01-04T10:00")


def test_a_calendar_without_working_days_comes_to_an_end() -> None:
    assert WorkClock(SHANGHAI, weekdays=frozenset()).due(at("2026-03-02T10:00"), days=1)


def test_calendar_days_keep_the_hour_when_the_clocks_change() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    assert calendar_due(BERLIN, start, 1, 0) == datetime(2026, 3, 29, 10, tzinfo=UTC)
    assert calendar_due(SHANGHAI, start, 0, 90) - start == timedelta(seconds=90)


def test_the_spring_festival_and_the_weekends_worked_for_it() -> None:
    """2026: off from Monday the 16th to Monday the 23rd of February, and the Saturdays before and
    after it are worked."""
    assert CHINA.works(date(2026, 2, 14))
    assert not any(CHINA.works(date(2026, 2, day)) for day in range(15, 24))
    assert CHINA.works(date(2026, 2, 24))
    assert CHINA.works(date(2026, 2, 28))
    assert CHINA.due(at("2026-02-13T17:00"), seconds=2 * 3600) == at("2026-02-14T10:00")
    assert CHINA.due(at("2026-02-14T17:00"), seconds=2 * 3600) == at("2026-02-24T10:00")


def test_the_national_day_and_the_saturday_worked_for_it() -> None:
    assert CHINA.due(at("2026-09-30T10:00"), days=1) == at("2026-10-08T10:00")
    assert CHINA.due(at("2026-10-09T17:30"), seconds=3600) == at("2026-10-10T09:30")
    assert CHINA.works(date(2026, 9, 20)), "a Sunday"


def test_other_countries_have_theirs_and_parts_of_them_too() -> None:
    assert not GERMANY.works(date(2026, 10, 3))
    assert not GERMANY.works(date(2026, 4, 3)), "Good Friday"
    assert GERMANY.works(date(2026, 10, 1))
    assert date(2026, 1, 6) in national_days("DE-BY", 2026)
    assert date(2026, 1, 6) not in national_days("DE-BE", 2026)
    assert known_country("DE-BY")
    assert not known_country("DE-QQ")
    assert not known_country("QQ")
    assert national_days("QQ", 2026) == {}


def test_a_night_shift_gets_its_hours_whatever_the_clocks_do() -> None:
    """Six hours from midnight are over at seven by the clock when an hour is skipped: what the
    shift lacks is worked in the evening."""
    spring = at("2026-03-29T00:00", BERLIN)  # a Sunday, worked here
    clock = WorkClock(BERLIN, spans=NIGHT.spans, weekdays=frozenset(range(7)))
    assert clock.due(spring, seconds=6 * 3600) == at("2026-03-29T23:00", BERLIN)
    autumn = at("2026-10-25T00:00", BERLIN)
    assert clock.due(autumn, seconds=7 * 3600) == at("2026-10-25T06:00", BERLIN)


def counted(start: datetime, minutes: int) -> datetime:
    """Minute by minute."""
    here = start
    while minutes:
        local = here.astimezone(SHANGHAI)
        if FESTIVE.works(local.date()) and any(a <= local.time() < b for a, b in LUNCH):
            minutes -= 1
        here += timedelta(minutes=1)
    return here


MOMENTS = st.integers(0, 10 * 24 * 60).map(lambda m: at("2025-12-27T00:00") + timedelta(minutes=m))
YEAR = st.integers(0, 400 * 24 * 3600).map(
    lambda s: datetime(2025, 12, 1, tzinfo=UTC) + timedelta(seconds=s)
)
CLOCKS = st.sampled_from([PLAIN, FESTIVE, CHINA, GERMANY, NIGHT])
DELAYS = st.integers(0, 30 * 3600)


@settings(max_examples=60, deadline=None)
@given(MOMENTS, st.integers(1, 1500))
def test_it_is_what_counting_gives(start: datetime, minutes: int) -> None:
    assert FESTIVE.due(start, seconds=minutes * 60) == counted(start, minutes)


@settings(max_examples=150, deadline=None)
@given(CLOCKS, YEAR, YEAR, st.integers(0, 5), DELAYS)
def test_who_starts_later_is_due_later(
    clock: WorkClock, a: datetime, b: datetime, days: int, seconds: int
) -> None:
    first, second = sorted((a, b))
    assert clock.due(first, days, seconds) <= clock.due(second, days, seconds)


@settings(max_examples=150, deadline=None)
@given(CLOCKS, YEAR, st.lists(DELAYS, min_size=2, max_size=2), st.integers(0, 5))
def test_more_time_is_never_over_sooner(
    clock: WorkClock, start: datetime, delays: list[int], days: int
) -> None:
    less, more = sorted(delays)
    assert clock.due(start, days, less) <= clock.due(start, days, more)
    assert clock.due(start, days, less) <= clock.due(start, days + 1, less)


@settings(max_examples=200, deadline=None)
@given(CLOCKS, YEAR, DELAYS, DELAYS)
def test_delays_add_up(clock: WorkClock, start: datetime, a: int, b: int) -> None:
    assert clock.due(clock.due(start, seconds=a), seconds=b) == clock.due(start, seconds=a + b)


@settings(max_examples=200, deadline=None)
@given(CLOCKS, YEAR, st.integers(0, 5), DELAYS)
def test_nothing_is_due_when_nobody_works(
    clock: WorkClock, start: datetime, days: int, seconds: int
) -> None:
    due = clock.due(start, days, seconds)
    local = due.astimezone(clock.zone)
    assert due >= start
    assert clock.works(local.date())
    assert any(a <= local.time() <= b for a, b in clock.spans)


@settings(max_examples=50, deadline=None)
@given(YEAR, st.integers(0, 20))
def test_a_day_of_work_is_one_working_day(start: datetime, days: int) -> None:
    begun = CHINA.due(start).astimezone(SHANGHAI)
    ended = CHINA.due(start, days).astimezone(SHANGHAI)
    between = [
        begun.date() + timedelta(days=n) for n in range((ended.date() - begun.date()).days + 1)
    ]
    assert sum(CHINA.works(day) for day in between) == days + 1
    assert begun.time() == ended.time()


@pytest.mark.parametrize("country", ["CN", "DE", "US", "JP"])
def test_a_year_has_its_holidays(country: str) -> None:
    found = national_days(country, 2026)
    assert sum(not works for works in found.values()) >= 9
    assert all(day.year == 2026 for day in found)
    assert all(day.weekday() >= 5 for day, works in found.items() if works)
    assert all(a < b for a, b in pairwise(span[0] for span in LUNCH))
