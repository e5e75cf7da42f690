"""What administrators do about somebody's ways in: links, sessions, the second factor, tokens, and
closing the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.invitations import invited, links_page, told
from dougong.origin import origin
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records import handover, leaving
from engine.records.failures import Failure, NotFound
from engine.records.personnel import entrance, rules
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("entrance", __name__, url_prefix="/<company>/admin/users/<int:user>")


@blueprint.post("/link")
@administrators_only
@proven
@patient
def link(user: int) -> str | Response:
    """Make a fresh link; earlier ones work no more."""
    try:
        with writing() as unit:
            shown = invited(unit, [user])
    except NotFound:
        raise
    except Failure as failure:
        return _told(user, failure)
    back = url_for("users.person", user=user)
    if shown:
        return links_page(shown, back)
    flash(told(1), "success")
    return go(back)


@blueprint.post("/sessions")
@administrators_only
@proven
@patient
def end(user: int) -> Response:
    """End one session, or all with `all`."""
    hash = "" if request.form.get("all") else request.form.get("id", "-")[:100]
    return _done(
        user,
        lambda unit: entrance.end_session(unit, user, hash, origin()),
        gettext("Logged out there."),
        "#sessions",
    )


@blueprint.post("/factor")
@administrators_only
@proven
@patient
def factor(user: int) -> Response:
    """Reset the second factor."""
    return _done(
        user,
        lambda unit: entrance.reset_factor(unit, user, origin()),
        gettext("The second factor was reset, and all sessions were ended."),
        "#ways",
    )


@blueprint.post("/tokens")
@administrators_only
@proven
@patient
def revoke(user: int) -> Response:
    """Revoke a token."""
    given = request.form.get("id", "")
    token = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else 0
    return _done(
        user,
        lambda unit: entrance.revoke_token(unit, user, token, origin()),
        gettext("The token was revoked."),
        "#tokens",
    )


@blueprint.get("/close")
@administrators_only
@proven
def leave(user: int) -> str:
    """What becomes of somebody's work when the account is closed."""
    with reading() as unit:
        return _leave_page(unit, user)


@blueprint.post("/close")
@administrators_only
@proven
@patient
def close(user: int) -> str | Response:
    """Close the account without handing anything over."""
    try:
        with writing() as unit:
            done = leaving.close_account(unit, user, origin())
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            return make_response(_leave_page(unit, user, failure.problems), 422)
    flash(gettext("The account is closed."), "success")
    if number := done.moved.tasks:
        flash(ngettext("%(num)d open task moved.", "%(num)d open tasks moved.", number), "success")
    for stuck in done.moved.stuck[:5]:
        flash(" ".join(text(one, language()) for one in stuck.problems), "error")
    return go(url_for("users.person", user=user))


@blueprint.post("/open")
@administrators_only
@proven
@patient
def reopen(user: int) -> Response:
    """Open a closed account again."""
    return _done(
        user,
        lambda unit: leaving.open_account(unit, user, origin()),
        gettext("The account is open again. Roles and department are as they were."),
    )


def _done(user: int, work: Callable[[Unit], Any], words: str, part: str = "") -> Response:
    try:
        with writing() as unit:
            work(unit)
    except NotFound:
        raise
    except Failure as failure:
        return _told(user, failure)
    flash(words, "success")
    return go(url_for("users.person", user=user) + part)


def _told(user: int, failure: Failure) -> Response:
    flash(" ".join(text(one, language()) for one in failure.problems), "error")
    return go(url_for("users.person", user=user))


def _leave_page(unit: Unit, user: int, problems: tuple[Problem, ...] = ()) -> str:
    row = unit.connection.execute(
        sa.select(system.USER).where(system.USER.c.id == user)
    ).one_or_none()
    if row is None:
        raise NotFound
    found = handover.preview(unit, user)
    locked = row.is_operator and not rules.above_all(unit)
    return render_template(
        "studio/user_close.html",
        shell=shell(unit),
        title=gettext("Close the account of %(name)s", name=row.name),
        user=user,
        name=row.name,
        blocked=row.disabled_at is not None or locked or user == unit.actor.id,
        sections=[(text_of(one.title, language()), one.count) for one in found.sections],
        total=found.total,
        remarks=[text(one, language()) for one in found.remarks],
        problems=[text(one, language()) for one in problems],
    )
