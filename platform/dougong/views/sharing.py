"""Sharing a record by hand: with whom it is shared, and a form to share it with one more. A page of
its own, and the content of a dialog on the record's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext

from dougong.failures import status_of
from dougong.i18n import language
from dougong.persons import people_lookup, people_options, posted_person
from dougong.present import ago
from dougong.routing import go, login_required, patient, reading, writing
from dougong.sharedwords import day
from dougong.shell import shell
from engine.problems import Problem, text
from engine.records import people, sharing
from engine.records.failures import Failure, NotFound
from engine.records.labels import label_of
from engine.records.reading import read, visible
from engine.records.unit import Unit

blueprint = Blueprint("sharing", __name__, url_prefix="/<company>/e/<entity>/<int:id>/shares")

TERMS: Final[Mapping[str, int]] = {"7": 7, "30": 30}
"""The quick choices of how long, in days; "none" is without an end, "date" until the day given."""


@blueprint.get("")
@login_required
def index(entity: str, id: int) -> str:
    """With whom the record is shared, for those who may share it."""
    with reading() as unit:
        return _page(unit, entity, id)


@blueprint.post("")
@login_required
@patient
def give(entity: str, id: int) -> Response:
    """Share it with one more, or change how it is shared with somebody."""
    try:
        with writing() as unit:
            sharing.share(unit, entity, id, _wish(unit))
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            page = _page(unit, entity, id, failure.problems)
            return make_response(page, status_of(failure))
    flash(gettext("Shared."), "success")
    return go(url_for(".index", entity=entity, id=id))


@blueprint.post("/<int:share>/take")
@login_required
@patient
def take(entity: str, id: int, share: int) -> Response:
    """Take a share back."""
    with writing() as unit:
        sharing.take_back(unit, entity, id, share)
    flash(gettext("Taken back."), "success")
    return go(url_for(".index", entity=entity, id=id))


def _wish(unit: Unit) -> sharing.Wish:
    form = request.form
    return sharing.Wish(
        user=posted_person("user"),
        department=posted_person("department"),
        level=form.get("level", "read"),
        until=_until(unit),
        note=form.get("note", ""),
    )


def _until(unit: Unit) -> date | None:
    """The last day; one that is no day is refused like one that is over."""
    term, day = request.form.get("term", "none"), request.form.get("until", "").strip()
    today = unit.now.astimezone(unit.company_zone).date()
    if term in TERMS:
        return today + timedelta(days=TERMS[term])
    if term == "none":
        return None
    try:
        return date.fromisoformat(day)
    except ValueError:
        return date.min


def _page(unit: Unit, entity: str, id: int, problems: Sequence[Problem] = ()) -> str:
    shares = sharing.shares_of(unit, entity, id)
    form = request.form
    user, department = posted_person("user"), posted_person("department")
    today = unit.now.astimezone(unit.company_zone).date()
    return render_template(
        "sharing.html",
        shell=shell(unit),
        title=gettext("Share"),
        record={
            "title": label_of(unit, entity, read(unit, entity, id, told=False)),
            "href": url_for("records.show", entity=entity, id=id),
        },
        action=url_for(".index", entity=entity, id=id),
        shares=[_shown(unit, entity, id, one) for one in shares],
        people=people_options(unit, filter(None, [user])),
        people_lookup=people_lookup(),
        departments=_departments(unit),
        given={
            "user": user,
            "department": department,
            "level": form.get("level", "read"),
            "term": form.get("term", "30"),
            "until": form.get("until", ""),
            "note": form.get("note", ""),
        },
        first_day=today.isoformat(),
        last_day=(today + sharing.FARTHEST).isoformat(),
        may_write=bool(visible(unit, entity, [id], action="write")),
        problems=_told(problems),
    )


def _shown(unit: Unit, entity: str, id: int, one: sharing.Share) -> dict[str, Any]:
    return {
        "name": one.name,
        "department": one.whom == "department",
        "level": gettext("May change") if one.level == "write" else gettext("May see"),
        "write": one.level == "write",
        "until": day(one.until),
        "ended": one.ended,
        "note": one.note,
        "by": one.by or gettext("System"),
        "when": ago(one.at, unit.now, language()),
        "take_href": url_for(".take", entity=entity, id=id, share=one.id),
    }


def _departments(unit: Unit) -> list[dict[str, Any]]:
    """All departments, those below others set in."""
    return [
        {"value": one.id, "label": "　" * (one.path.count("/") - 2) + one.name}
        for one in people.departments(unit.connection)
    ]


def _told(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """What was wrong, by the entry it belongs to; "" for what belongs to none."""
    found: dict[str, list[str]] = {}
    for one in problems:
        place = one.field if one.field in ("to", "level", "until") else ""
        found.setdefault(place, []).append(text(one, language()))
    return found
