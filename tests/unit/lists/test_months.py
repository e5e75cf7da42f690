"""The days of a month as a calendar draws them."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dougong.views.calendars import FIRST, LAST, beside, month_grid, month_of

MONTHS = st.dates(FIRST, LAST).map(lambda day: day.replace(day=1))


@given(MONTHS)
def test_a_grid_is_whole_weeks_from_monday_around_the_month(month: date) -> None:
    days = month_grid(month)
    assert len(days) in (28, 35, 42)
    assert days[0].weekday() == 0
    assert all(after - day == timedelta(1) for day, after in pairwise(days))
    inside = [day for day in days if (day.year, day.month) == (month.year, month.month)]
    assert inside[0] == month
    assert (inside[-1] + timedelta(1)).day == 1
    assert days[7] > month
    assert days[-8] < inside[-1]


@given(MONTHS, st.integers(-30, 30))
def test_months_are_counted_there_and_back(month: date, step: int) -> None:
    there = beside(month, step)
    assert there.day == 1
    assert beside(there, -step) == month
    assert (there > month) == (step > 0)


@given(MONTHS)
def test_an_address_names_a_month(month: date) -> None:
    assert month_of(f"{month:%Y-%m}") == month


@pytest.mark.parametrize(
    "asked", ["", "2026", "2026-1", "2026-00", "2026-13", "1899-12", "2200-01"]
)
def test_anything_else_is_no_month(asked: str) -> None:
    assert month_of(asked) is None
