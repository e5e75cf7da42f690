"""A person's notices, and how he wants to be told.

Looking changes nothing: a notice is marked as read by a post, from its button or from the script
that follows its link. The links in mails lead to ordinary pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from babel.dates import format_date, format_time
from flask import (
    Blueprint,
    Response,
    flash,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.i18n import language
from dougong.routing import go, login_required, patient, reading, safe_next, writing
from dougong.shell import shell
from engine.fields.basics import locale_of
from engine.problems import Problem, hint, text
from engine.records import notices
from engine.records.failures import Invalid
from engine.records.notices import Notice
from engine.records.notices.company_channels import channels
from engine.records.notices.settings import Preferences, preferences, save_preferences
from engine.records.notices.words import KINDS, URGENT
from engine.records.unit import Unit
from engine.tables.system import USER

blueprint = Blueprint("notifications", __name__, url_prefix="/<company>/notifications")
SIZE: Final = 30
ICONS: Final = {
    "approval": "checklist",
    "remind": "clock",
    "overdue": "alarm",
    "escalation": "trending-up",
    "message": "message",
    "copy": "files",
    "mention": "message-circle",
    "system": "info-circle",
}


def kind_titles() -> Mapping[str, str]:
    """What the kinds are called, in their order."""
    titles = {
        "approval": gettext("Tasks for me"),
        "remind": gettext("Reminders"),
        "overdue": gettext("Overdue"),
        "escalation": gettext("Escalations"),
        "message": gettext("News of workflows"),
        "copy": gettext("Copies"),
        "mention": gettext("Mentions"),
        "system": gettext("System"),
    }
    return {kind: titles[kind] for kind in KINDS}


@blueprint.get("")
@login_required
def index() -> str:
    """One's notices by day, newest first."""
    only_unread = request.args.get("show") == "unread"
    before = request.args.get("before", type=int)
    with reading() as unit:
        found = notices.mine(unit, size=SIZE + 1, before=before, only_unread=only_unread)
        show = "unread" if only_unread else None
        frame = shell(unit)
        return render_template(
            "notifications.html",
            shell=frame,
            title=gettext("Notifications"),
            days=_days(unit, found[:SIZE]),
            only_unread=only_unread,
            unread=frame.unread,
            tabs=[
                {"title": gettext("All"), "href": url_for(".index"), "active": not only_unread},
                {
                    "title": gettext("Unread"),
                    "href": url_for(".index", show="unread"),
                    "active": only_unread,
                    "count": frame.unread,
                },
            ],
            here=url_for(".index", show=show, before=before),
            next_href=url_for(".index", show=show, before=found[SIZE - 1].id)
            if len(found) > SIZE
            else "",
            prev_href=url_for(".index", show=show) if before else "",
        )


@blueprint.get("/count")
@login_required
def count() -> Response:
    """How many are unread: for the bell."""
    with reading() as unit:
        return jsonify(unread=notices.unread(unit))


@blueprint.post("/read")
@login_required
@patient
def read() -> Response:
    """Mark notices as read: those named, or all."""
    everything = bool(request.form.get("all"))
    ids = None if everything else request.form.getlist("id", type=int)
    with writing() as unit:
        notices.mark_read(unit, ids)
    if request.headers.get("X-Requested-With"):
        return make_response("", 204)
    return go(safe_next(request.form.get("next") or url_for(".index")))


def _days(unit: Unit, found: Sequence[Notice]) -> list[dict[str, Any]]:
    titles = kind_titles()
    return [
        {"title": _day(unit, day), "items": [_item(unit, one, titles) for one in group]}
        for day, group in groupby(found, lambda one: one.at.astimezone(unit.zone).date())
    ]


def _day(unit: Unit, day: date) -> str:
    if day == unit.today:
        return gettext("Today")
    if day == unit.today - timedelta(days=1):
        return gettext("Yesterday")
    return str(format_date(day, "full", locale=locale_of(language())))


def _item(unit: Unit, one: Notice, titles: Mapping[str, str]) -> dict[str, Any]:
    entity = unit.app.model.entities.get(one.entity)
    href = ""
    if one.readable:
        href = url_for("records.show", entity=one.entity, id=one.record)
    elif one.kind in ("approval", "remind"):
        href = url_for("approvals.index")
    local = one.at.astimezone(unit.zone)
    return {
        "id": one.id,
        "title": one.title,
        "body": one.body,
        "kind": titles.get(one.kind, one.kind),
        "icon": ICONS.get(one.kind, "bell"),
        "urgent": one.kind in URGENT,
        "known": entity is not None,
        "href": href,
        "read": one.read,
        "at": format_time(local.time(), "short", locale=locale_of(language())),
        "iso": one.at.isoformat(),
    }


# --- settings ----------------------------------------------------------------------------------
@blueprint.get("/settings")
@login_required
def settings() -> str:
    """By which ways one wants to be told, and when not."""
    with reading() as unit:
        return _settings_page(unit, preferences(unit.connection, unit.actor.id))


@blueprint.post("/settings")
@login_required
@patient
def save() -> str | Response:
    """Keep what was chosen."""
    form = request.form
    start, end = form.get("start", "").strip(), form.get("end", "").strip()
    try:
        with writing() as unit:
            chosen = {
                way.name: form.getlist(f"channel.{way.id}")
                for way in channels(unit.connection)
                if way.personal
            }
            save_preferences(
                unit,
                chosen,
                start,
                end,
                weekends=bool(form.get("weekends")),
                urgent=bool(form.get("urgent")),
            )
    except Invalid as failure:
        with reading() as unit:
            before = preferences(unit.connection, unit.actor.id)
            page = _settings_page(unit, before, failure.problems)
            return make_response(page, 422)
    flash(gettext("Saved."), "success")
    return go(url_for(".settings"))


def _settings_page(unit: Unit, chosen: Preferences, problems: Sequence[Problem] = ()) -> str:
    ways = [way for way in channels(unit.connection) if way.personal and way.enabled]
    person = unit.connection.execute(
        sa.select(USER.c.email, USER.c.phone, USER.c.login).where(USER.c.id == unit.actor.id)
    ).one()
    told = {
        one.field: f"{text(one, language())} {hint(one, language())}".strip() for one in problems
    }
    quiet, form = chosen.quiet, request.form
    return render_template(
        "notification_settings.html",
        shell=shell(unit),
        title=gettext("Notification settings"),
        ways=[
            {
                "id": way.id,
                "name": way.name,
                "reachable": bool(way.offered and getattr(person, way.offered.address)),
            }
            for way in ways
        ],
        kinds=[
            {
                "name": kind,
                "title": title,
                "icon": ICONS[kind],
                "urgent": kind in URGENT,
                "chosen": {way.id: chosen.wants(kind, way.name) for way in ways},
            }
            for kind, title in kind_titles().items()
        ],
        start=form.get("start", f"{quiet.start:%H:%M}" if quiet.start else ""),
        end=form.get("end", f"{quiet.end:%H:%M}" if quiet.end else ""),
        weekends=bool(form.get("weekends")) if problems else quiet.weekends,
        urgent=bool(form.get("urgent")) if problems else quiet.urgent,
        zone=str(unit.zone),
        problems=told,
    )
