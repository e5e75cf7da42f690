"""Channels: how notices and webhooks leave the company. Secrets are written, never shown."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    g,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.channels import ChannelSender
from dougong.channels.email import Email
from dougong.i18n import language
from dougong.present import ago
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.hooks import ChannelKind, GiveUp, Retry
from engine.problems import Problem, hint, text
from engine.records.failures import Failure, NotFound
from engine.records.notices import company_channels
from engine.records.notices.company_channels import ROLE, Channel
from engine.records.outbox.reasons import kept, told
from engine.records.unit import Unit
from engine.tables.system import USER

blueprint = Blueprint("channels", __name__, url_prefix="/<company>/admin/channels")
log = logging.getLogger(__name__)


def _sender() -> ChannelSender:
    found: ChannelSender = current_app.extensions["channels"]
    return found


@blueprint.get("")
@administrators_only
def index() -> str:
    """All channels, and what lately did not arrive by them."""
    with reading() as unit:
        found = company_channels.channels(unit.connection)
        failed = company_channels.failures(unit, [one.name for one in found])
        return render_template(
            "studio/channels.html",
            shell=shell(unit),
            title=gettext("Channels"),
            channels=[_line(unit, one, failed[one.name]) for one in found],
            kinds=[_offer(kind) for kind in _sender().kinds.values()],
        )


@blueprint.get("/new/<kind>")
@administrators_only
def new(kind: str) -> str:
    """The form of a new channel."""
    offered = _sender().kinds.get(kind)
    if offered is None:
        abort(404)
    with reading() as unit:
        return _form(unit, offered, None, {"name": text_of(offered.title, language())})


@blueprint.post("/new/<kind>")
@administrators_only
@patient
def create(kind: str) -> str | Response:
    """Set a channel up."""
    offered = _sender().kinds.get(kind)
    if offered is None:
        abort(404)
    given = _given()
    try:
        with writing() as unit:
            id = company_channels.add_channel(unit, kind, given["name"], given, _sender().out)
    except Failure as failure:
        return _again(offered, None, given, failure)
    log.info("company %s: channel %s (%s) added by user %s", g.company.key, id, kind, g.actor.id)
    flash(gettext("Saved. Send a test message to see that it arrives."), "success")
    return go(url_for(".edit", id=id))


@blueprint.get("/<int:id>")
@administrators_only
def edit(id: int) -> str:
    """The form of a channel."""
    with reading() as unit:
        found = company_channels.channel(unit.connection, id)
        return _form(unit, _kind_of(found), found, {"name": found.name, **found.config})


@blueprint.post("/<int:id>")
@administrators_only
@patient
def save(id: int) -> str | Response:
    """Change a channel; an empty secret stays what it was."""
    given = _given()
    try:
        with writing() as unit:
            company_channels.change_channel(unit, id, given["name"], given, _sender().out)
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            found = company_channels.channel(unit.connection, id)
        return _again(_kind_of(found), found, given, failure)
    log.info("company %s: channel %s changed by user %s", g.company.key, id, g.actor.id)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.post("/<int:id>/switch")
@administrators_only
@patient
def switch(id: int) -> Response:
    """Use a channel, or use it no more."""
    on = request.form.get("on") == "1"
    with writing() as unit:
        company_channels.switch_channel(unit, id, on=on)
    log.info("company %s: channel %s on=%s by user %s", g.company.key, id, on, g.actor.id)
    flash(gettext("The channel is in use.") if on else gettext("The channel is off."), "success")
    return go(url_for(".edit", id=id))


@blueprint.post("/<int:id>/remove")
@administrators_only
@patient
def remove(id: int) -> Response:
    """Forget a channel and its secrets."""
    with writing() as unit:
        company_channels.remove_channel(unit, id)
    log.info("company %s: channel %s removed by user %s", g.company.key, id, g.actor.id)
    flash(gettext("The channel was removed."), "success")
    return go(url_for(".index"))


@blueprint.post("/<int:id>/test")
@administrators_only
def test(id: int) -> Response:
    """Send a message now, outside any transaction, and tell what came of it."""
    with reading() as unit:
        found = company_channels.channel(unit.connection, id)
        me = unit.connection.execute(sa.select(USER).where(USER.c.id == unit.actor.id)).one()
    kind = _kind_of(found)
    to = str(getattr(me, kind.address) or "") if kind.personal else ""
    words = (
        gettext("Test message"),
        gettext("%(name)s tried out the channel “%(channel)s”.", name=me.name, channel=found.name),
    )
    stamp = secrets.token_hex(4)
    message = _sender().trial(g.company, found, stamp, words, to)
    try:
        _sender().hand_over(found, replace(message, language=language(), name=me.name))
    except (Retry, GiveUp) as error:
        reason = told(kept(error.reason), language())
        flash(gettext("The test message did not arrive: %(reason)s", reason=reason), "error")
    else:
        flash(gettext("The test message was accepted."), "success")
    return go(url_for(".edit", id=id))


# --- pages -------------------------------------------------------------------------------------
def _given() -> dict[str, str]:
    return {name: value.strip() for name, value in request.form.items()} | {
        "name": request.form.get("name", "").strip()
    }


def _kind_of(found: Channel) -> ChannelKind:
    kind = _sender().kinds.get(found.kind)
    if kind is None:
        abort(404)
    return kind


def _offer(kind: ChannelKind) -> dict[str, Any]:
    return {
        "title": text_of(kind.title, language()),
        "help": text_of(kind.help, language()),
        "icon": kind.icon,
        "href": url_for(".new", kind=kind.name),
    }


def _line(unit: Unit, one: Channel, failed: Sequence[Any]) -> dict[str, Any]:
    kind = _sender().kinds.get(one.kind)
    return {
        "name": one.name,
        "kind": text_of(kind.title, language()) if kind else one.kind,
        "icon": kind.icon if kind else "plug",
        "href": url_for(".edit", id=one.id) if kind else "",
        "enabled": one.enabled,
        "installed": kind is not None,
        "remove": url_for(".remove", id=one.id),
        "deliveries": _deliveries(one.name),
        "failed": [
            {
                "reason": told(row.error, language()),
                "when": ago(row.created_at, unit.now, language()),
                "dead": row.dead_at is not None,
            }
            for row in failed
        ],
    }


def _deliveries(name: str) -> str:
    """The page of what goes out, where the installation has it."""
    known = "deliveries.index" in current_app.view_functions
    return url_for("deliveries.index", channel=name) if known else ""


def _again(
    kind: ChannelKind, found: Channel | None, given: Mapping[str, str], failure: Failure
) -> Response:
    with reading() as unit:
        return make_response(_form(unit, kind, found, given, failure.problems), 422)


def _form(
    unit: Unit,
    kind: ChannelKind,
    found: Channel | None,
    given: Mapping[str, Any],
    problems: Sequence[Problem] = (),
) -> str:
    lang = language()
    failed = company_channels.failures(unit, [found.name])[found.name] if found else []
    trouble = kind.trouble if isinstance(kind, Email) else None
    return render_template(
        "studio/channel.html",
        shell=shell(unit),
        title=found.name if found else text_of(kind.title, lang),
        kind=_offer(kind),
        line=_line(unit, found, failed) if found else None,
        id=found.id if found else 0,
        name=given.get("name", ""),
        trouble=f"{text(trouble, lang)} {hint(trouble, lang)}" if trouble else "",
        fields=[
            {
                "name": one.name,
                "title": text_of(one.title, lang),
                "help": text_of(one.help, lang),
                "kind": one.kind,
                "required": one.required,
                # what is secret never leaves, not even back to whoever has just typed it
                "value": "" if one.secret else given.get(one.name, ""),
                "set": bool(one.secret and found and found.config.get(one.name)),
            }
            for one in kind.settings
        ],
        roles=[]
        if kind.personal
        else [(name, text_of(role.title, lang)) for name, role in unit.app.model.roles.items()],
        role=given.get(ROLE, ""),
        problems={one.field: f"{text(one, lang)} {hint(one, lang)}".strip() for one in problems},
    )
