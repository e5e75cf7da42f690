"""One's own account: who one is here, the password, the devices, the language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, flash, g, make_response, render_template, request
from flask import url_for as address_of
from flask_babel import gettext, ngettext

from dougong.devices import device_of
from dougong.entering import begin, carried, tell
from dougong.i18n import COOKIE, LANGUAGES, NAMES, language, offered
from dougong.moments import exact
from dougong.proving import is_proven
from dougong.routing import go, login_required, reading, writing
from dougong.security import session_token, set_cookie
from dougong.shell import shell
from dougong.views.auth import told
from engine.accounts import attempts, changing, factors, passwords, sessions
from engine.accounts.rules import Rules, rules_of
from engine.accounts.tokens import digest
from engine.definitions.model import text_of
from engine.problems import Problem
from engine.records.people import change_user
from engine.records.unit import Unit
from engine.tables.system import DEPARTMENT, USER

blueprint = Blueprint("account", __name__, url_prefix="/<company>/account")


@blueprint.get("")
@login_required
def index() -> str:
    """One's own account and where one is logged in."""
    return _page()


@blueprint.post("/password")
@login_required
def change_password() -> Response:
    """Change one's own password; every session ends, and this browser gets a new one."""
    database, me, now = g.company.database, g.actor.id, datetime.now(UTC)
    form = request.form
    with database.read() as connection:
        old = connection.scalar(sa.select(USER.c.password_hash).where(USER.c.id == me))
    if old is None and not is_proven():
        return go(address_of("prove.ask", next=address_of(".index")))
    if old is not None and (wrong := _wrong_old(old, form.get("current", ""), now)):
        return make_response(_page([wrong]), 429 if wrong.code == "L012" else 422)
    wanted = changing.Wanted(
        form.get("password", ""), form.get("repeated", ""), form.get("current", "")
    )
    if problems := changing.problems_of(database, me, wanted, g.company.title(language())):
        return make_response(_page(problems), 422)
    hashed = changing.hashed(wanted)
    with database.write() as connection:
        changing.change_password(connection, me, hashed, now)
        token, hours = begin(connection, me, g.signed.method)
        if factors.enabled(connection, me) is not None:  # its code proves more than a password
            sessions.keep_proof(connection, token, g.signed.proved_at)
        tell(connection, "password.changed", me, by="account")
    flash(gettext("Your password was changed. All other devices were logged out."), "success")
    return carried(go(address_of(".index")), token, hours)


def _wrong_old(old: str, typed: str, now: datetime) -> Problem | None:
    """Whether the password to be replaced is the right one; guessing at it has a limit too."""
    database, me = g.company.database, g.actor.id
    with database.write() as connection:
        if not attempts.take(connection, database.ids, now, factors.PROVE, me):
            return Problem("L012")
    if not passwords.verify_password(old, typed):
        with database.write() as connection:
            tell(connection, "login.failed", me, step="password")
        return Problem("L006", pointer="/current")
    with database.write() as connection:
        attempts.forget(connection, factors.PROVE, me)
    return None


@blueprint.post("/sessions")
@login_required
def end_session() -> Response:
    """End one of one's own sessions, or all but this one."""
    database, me = g.company.database, g.actor.id
    id, others = request.form.get("id", ""), request.form.get("others") == "1"
    with database.write() as connection:
        if others:
            ended = sessions.end_sessions_of(connection, me, but=session_token())
        else:
            ended = int(sessions.end_own_session(connection, me, id))
        if ended:
            tell(connection, "session.ended", me, count=ended)
    if not ended and not others:
        abort(404)
    told_ended = ngettext(
        "%(num)d device was logged out.", "%(num)d devices were logged out.", ended
    )
    flash(told_ended, "success")
    return go(address_of(".index"))


@blueprint.post("/language")
@login_required
def choose_language() -> Response:
    """The language of one's pages and mails, in every browser."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    with writing() as unit:
        change_user(unit, unit.actor.id, language=chosen)
    g.language = chosen
    flash(gettext("Saved."), "success")
    response = go(address_of(".index"))
    set_cookie(response, COOKIE, chosen, hours=24 * 365, path=address_of("home.index"))
    return response


def _page(problems: Sequence[Problem] = ()) -> str:
    with reading() as unit:
        row = unit.connection.execute(
            sa.select(USER.c.email, USER.c.password_hash, USER.c.password_at, DEPARTMENT.c.name)
            .outerjoin(DEPARTMENT, DEPARTMENT.c.id == USER.c.department_id)
            .where(USER.c.id == unit.actor.id)
        ).one()
        rules = rules_of(unit.connection)
        return render_template(
            "account.html",
            shell=shell(unit),
            title=gettext("My account"),
            person=_person(unit, row),
            password={
                "known": row.password_hash is not None,
                "at": _when(unit, row.password_at),
                "problems": told([*problems]),
                "minimum": rules.minimum,
            },
            factor=_factor(unit, rules),
            devices=_devices(unit),
            languages=[(tag, NAMES[tag]) for tag in offered()],
            chosen=language(),
        )


def _person(unit: Unit, row: Any) -> dict[str, Any]:
    me, known = unit.actor, unit.app.model.roles
    roles = [text_of(known[one].title, language()) for one in sorted(me.roles & known.keys())]
    return {
        "name": me.name,
        "login": me.login,
        "email": row.email,
        "department": row.name,
        "roles": roles,
    }


def _when(unit: Unit, moment: datetime | None) -> str:
    """A moment as the rest of the product shows it."""
    return exact(moment.astimezone(unit.zone), language()) if moment else ""


def _factor(unit: Unit, rules: Rules) -> dict[str, Any]:
    me = unit.actor
    found = factors.enabled(unit.connection, me.id)
    return {
        "on": found is not None,
        "since": _when(unit, found.since) if found else "",
        "left": found.left if found else 0,
        "needed": rules.needs_factor(me.roles, operator=me.operator),
    }


def _devices(unit: Unit) -> list[dict[str, Any]]:
    current = digest(session_token())
    found = []
    for one in sessions.sessions_of(unit.connection, unit.actor.id, unit.now):
        device = device_of(one.agent)
        words = (device.browser, device.system)
        both = gettext("%(browser)s on %(system)s", browser=words[0], system=words[1])
        found.append(
            {
                "id": one.hash,
                "title": both if all(words) else "".join(words) or gettext("Unknown browser"),
                "small": device.small,
                "address": one.address,
                "since": _when(unit, one.since),
                "seen": _when(unit, one.seen),
                "current": one.hash == current,
            }
        )
    return sorted(found, key=lambda one: not one["current"])
