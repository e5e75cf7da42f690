"""When people are not disturbed."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from engine.records.notices.settings import Preferences, Quiet

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
NIGHT = Quiet(time(22), time(8))
NOON = Quiet(time(12), time(13, 30))


def until(quiet: Quiet, text: str, zone: ZoneInfo = SHANGHAI) -> str:
    """The end of the quiet at a local moment, as local text."""
    now = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    end = quiet.until(now, zone)
    return "" if end is None else end.astimezone(zone).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (Quiet(), "2026-03-02T03:00", ""),
        (NIGHT, "2026-03-02T21:59", ""),
        (NIGHT, "2026-03-02T22:00", "2026-03-03 08:00"),
        (NIGHT, "2026-03-03T00:00", "2026-03-03 08:00"),
        (NIGHT, "2026-03-03T07:59", "2026-03-03 08:00"),
        (NIGHT, "2026-03-03T08:00", ""),
        (NOON, "2026-03-02T11:59", ""),
        (NOON, "2026-03-02T12:00", "2026-03-02 13:30"),
        (NOON, "2026-03-02T13:30", ""),
        (Quiet(weekends=True), "2026-03-06T23:59", ""),
        (Quiet(weekends=True), "2026-03-07T00:00", "2026-03-09 00:00"),
        (Quiet(weekends=True), "2026-03-08T23:59", "2026-03-09 00:00"),
        # the night of Friday ends on a Saturday, the weekend ends in the night to Monday
        (Quiet(time(22), time(8), weekends=True), "2026-03-06T23:00", "2026-03-09 08:00"),
        (Quiet(time(22), time(8), weekends=True), "2026-03-08T12:00", "2026-03-09 08:00"),
    ],
)
def test_quiet_hours(quiet: Quiet, now: str, end: str) -> None:
    assert until(quiet, now) == end


def test_the_clock_is_the_persons() -> None:
    now = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 23:00 in Shanghai, 16:00 in Berlin
    assert NIGHT.until(now, SHANGHAI) == datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
    assert NIGHT.until(now, BERLIN) is None


def test_the_night_of_the_changed_clock_ends_by_the_wall() -> None:
    assert until(NIGHT, "2026-03-28T23:00", BERLIN) == "2026-03-29 08:00"
    assert until(NIGHT, "2026-10-24T23:00", BERLIN) == "2026-10-25 08:00"


def test_what_is_urgent_passes_if_one_likes() -> None:
    night = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
    for urgent in (True, False):
        chosen = Preferences(quiet=Quiet(time(22), time(8), urgent=urgent))
        assert (chosen.at("overdue", night, SHANGHAI) is None) is urgent
        assert (chosen.at("escalation", night, SHANGHAI) is None) is urgent
        assert chosen.at("approval", night, SHANGHAI) is not None


def test_copies_stay_inside_until_they_are_asked_for() -> None:
    assert Preferences().wants("approval", "mail")
    assert not Preferences().wants("copy", "mail")
    chosen = Preferences({"mail": frozenset({"copy"})})
    assert chosen.wants("copy", "mail")
    assert not chosen.wants("approval", "mail")
    assert chosen.wants("approval", "other")
