"""The year as deadlines see it: working days, days off, and those the company marked itself."""

from __future__ import annotations

import calendar as months
from datetime import date, timedelta
from typing import Any, Final

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import format_date, gettext

from dougong.i18n import language
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.fields.basics import locale_of
from engine.problems import Problem, text
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.unit import Unit
from engine.records.worktime import WorkClock, clock_of, mark_days, marked_days

blueprint = Blueprint("calendar", __name__, url_prefix="/<company>/admin/calendar")
LONGEST: Final = 62  # days that are marked at once
_MARKS: Final = {"on": True, "off": False, "": None}


@blueprint.get("")
@administrators_only
def index() -> str:
    """The calendar of a year."""
    with reading() as unit:
        return _page(unit)


@blueprint.post("")
@administrators_only
@patient
def mark() -> str | Response:
    """Mark some days as off or worked, or take the marks back."""
    form = request.form
    try:
        with writing() as unit:
            day, until = _day(form.get("day", ""), "/day"), form.get("until", "")
            last = _day(until, "/until") if until else day
            count = (last - day).days + 1
            if not 1 <= count <= LONGEST or form.get("mark", "") not in _MARKS:
                raise Invalid([Problem("H115", {"most": LONGEST}, "/until")])
            what = _MARKS[form.get("mark", "")]
            mark_days(unit, {day + timedelta(days=n): what for n in range(count)})
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            problem = " ".join(text(one, language()) for one in failure.problems)
            return make_response(_page(unit, problem), 422)
    flash(gettext("Saved. Deadlines that are set already stay as they are."), "success")
    return go(url_for(".index", year=day.year))


def _day(typed: str, pointer: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError as error:
        raise Invalid([Problem("H112", {"day": typed[:20]}, pointer)]) from error


def _page(unit: Unit, problem: str = "") -> str:
    today = unit.now.astimezone(unit.company_zone).date()
    year = request.values.get("year", today.year, type=int)
    year = min(max(year, 2000), 2100)
    clock, marks = clock_of(unit), marked_days(unit)
    hours = unit.app.model.calendar.hours
    return render_template(
        "studio/calendar.html",
        shell=shell(unit),
        title=gettext("Working days"),
        year=year,
        problem=problem,
        given=request.form,
        hours=[f"{opens} – {closes}" for opens, closes in hours],
        country=_country(unit.app.model.calendar.holidays),
        heads=[format_date(date(2024, 1, 1) + timedelta(days=n), "ccccc") for n in range(7)],
        months=[_month(year, number, clock, marks, today) for number in range(1, 13)],
        total=sum(
            clock.works(date(year, 1, 1) + timedelta(days=n))
            for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)
        ),
        previous=url_for(".index", year=year - 1),
        following=url_for(".index", year=year + 1),
    )


def _country(code: str) -> str:
    """The name of a country, for "CN" or "CN-XJ"."""
    country, _, part = code.partition("-")
    name = locale_of(language()).territories.get(country, country)
    return f"{name} ({part})" if part else name


def _month(
    year: int, number: int, clock: WorkClock, marks: dict[date, bool], today: date
) -> dict[str, Any]:
    first, count = months.monthrange(year, number)
    days = []
    for day in (date(year, number, n) for n in range(1, count + 1)):
        works = clock.works(day)
        usual = day.weekday() in clock.weekdays
        said = (
            gettext("marked")
            if day in marks
            else gettext("worked instead")
            if works and not usual
            else gettext("day off")
            if usual and not works
            else ""
        )
        kind = "on" if works else "off"
        special = " special" if works != usual or day in marks else ""
        days.append(
            {
                "number": day.day,
                "kind": kind + special,
                "said": said,
                "today": day == today,
            }
        )
    return {
        "title": format_date(date(year, number, 1), "LLLL"),
        "blanks": first,
        "days": days,
    }
