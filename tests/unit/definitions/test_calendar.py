"""The company's calendar in pack.json: read, merged by overlays, refused when it is nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.definitions.samples import PACK, good, told

from engine.definitions.changes import changes
from engine.definitions.model import Calendar
from engine.packs import check_sources
from engine.problems import text

LUNCH = [["09:00", "12:00"], ["13:00", "18:00"]]


def test_without_one_people_work_from_nine_to_six_on_weekdays() -> None:
    assert good().calendar == Calendar((("09:00", "18:00"),), (1, 2, 3, 4, 5), "", {})


def test_a_calendar_as_it_is_written() -> None:
    days = {"2026-10-09": "off", "2026-10-10": "on"}
    said = {"hours": LUNCH, "weekdays": [1, 2, 3, 4, 5, 6], "holidays": "CN", "days": days}
    found = good({PACK: {"calendar": said}}).calendar
    assert found.hours == (("09:00", "12:00"), ("13:00", "18:00"))
    assert found.weekdays == (1, 2, 3, 4, 5, 6)
    assert (found.holidays, found.days) == ("CN", days)


def test_an_overlay_adds_single_days_and_takes_them_back() -> None:
    days = {"2026-10-09": "off", "2026-10-10": "on"}
    mine = {"2026-10-09": None, "2026-12-24": "off"}
    overlay = json.dumps({"calendar": {"days": mine}})  # as text: null takes back
    given = {PACK: {"calendar": {"days": days}}, "overlay/pack.json": overlay}
    assert good(given).calendar.days == {"2026-10-10": "on", "2026-12-24": "off"}


@pytest.mark.parametrize(
    ("said", "code", "place"),
    [
        ({"hours": [["18:00", "09:00"]]}, "H110", "/calendar/hours/0"),
        ({"hours": [["09:00", "12:00"], ["11:00", "18:00"]]}, "H110", "/calendar/hours/1"),
        ({"hours": [["09:00", "09:00"]]}, "H110", "/calendar/hours/0"),
        ({"days": {"2026-02-30": "off"}}, "H112", "/calendar/days/2026-02-30"),
    ],
)
def test_hours_in_order_and_days_that_exist(said: dict[str, Any], code: str, place: str) -> None:
    assert [(found[0], found[2]) for found in told({PACK: {"calendar": said}})] == [(code, place)]


@pytest.mark.parametrize(
    "said",
    [
        {"hours": []},
        {"hours": [["9", "18"]]},
        {"hours": [["09:00", "24:00"]]},
        {"weekdays": []},
        {"weekdays": [0]},
        {"weekdays": [8]},
        {"holidays": "China"},
        {"days": {"tomorrow": "off"}},
        {"days": {"2026-10-01": "half"}},
        {"off": ["2026-10-01"]},
        ["09:00"],
    ],
)
def test_what_the_format_does_not_know(said: Any) -> None:
    assert told({PACK: {"calendar": said}})


def test_publishing_tells_of_another_calendar() -> None:
    [change] = changes(good(), good({PACK: {"calendar": {"holidays": "CN"}}}))
    assert "H114" in change.parts


@pytest.mark.parametrize(("country", "codes"), [("CN", []), ("DE-BY", []), ("QQ", ["H111"])])
def test_a_country_whose_holidays_nobody_knows_is_not_published(
    country: str, codes: list[str]
) -> None:
    pack = {
        "name": "p",
        "title": "P",
        "version": "1",
        "roles": {"admin": {"title": "A", "admin": True}},
        "calendar": {"holidays": country},
    }
    found = check_sources({"entity_defs/p/pack.json": json.dumps(pack)}, "p")[1]
    told_codes = [problem.code for problem in found if problem.code.startswith("H")]
    assert told_codes == codes
    assert all(text(problem, language) for problem in found for language in ("zh-CN", "en"))
