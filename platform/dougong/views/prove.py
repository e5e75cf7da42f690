"""The page that asks once more who is there (see `dougong.proving`)."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    current_app,
    g,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.entering import carried, see_other, tell
from dougong.i18n import language
from dougong.proving import signed_in, somebody
from dougong.routing import safe_next
from dougong.security import session_token
from dougong.views.auth import told
from engine.accounts import attempts, factors, passwords, sessions
from engine.problems import Problem
from engine.tables.system import USER

blueprint = Blueprint("prove", __name__, url_prefix="/<company>/prove")


@blueprint.get("")
@signed_in
def ask() -> str:
    """Ask for the code of the second factor, or for the password where there is none."""
    return _page(safe_next(request.args.get("next")))


@blueprint.post("")
@signed_in
def check() -> Response:
    """The right answer counts for a quarter of an hour; the session gets a new token."""
    target, me = safe_next(request.form.get("next")), somebody().id
    database, now = g.company.database, datetime.now(UTC)
    with database.write() as connection:
        if not attempts.take(connection, database.ids, now, factors.PROVE, me):
            return _again(target, "L012", 429)
    method = _method(me, now)
    with database.write() as connection:
        token = "" if method is None else _renewed(connection, me, method, now)
        if not token:
            tell(connection, "login.failed", me, step="prove")
    if not token:
        return _again(target, "L011" if _has_factor(me) else "L006", 422)
    settings = current_app.extensions["installation"].settings
    return carried(see_other(target), token, settings.session_hours)


def _method(me: int, now: datetime) -> str | None:
    """How the person proved himself; "" by password."""
    form = request.form
    if _has_factor(me):
        secret = current_app.extensions["installation"].settings.secret
        with g.company.database.write() as connection:
            return factors.check_code(connection, me, secret, form.get("code", ""), now)
    hashed = _hash_of(me)
    return "" if passwords.verify_password(hashed, form.get("password", "")) else None


def _renewed(connection: sa.Connection, me: int, method: str, now: datetime) -> str:
    attempts.forget(connection, factors.PROVE, me)
    return sessions.renew_session(connection, session_token(), now, method)


def _has_factor(me: int) -> bool:
    with g.company.database.read() as connection:
        return factors.enabled(connection, me) is not None


def _hash_of(me: int) -> str | None:
    with g.company.database.read() as connection:
        return connection.scalar(sa.select(USER.c.password_hash).where(USER.c.id == me))


def _again(target: str, code: str, status: int) -> Response:
    return make_response(_page(target, told([Problem(code)])[0]), status)


def _page(target: str, error: str = "") -> str:
    me = somebody()
    return render_template(
        "prove.html",
        title=gettext("Is it you?"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
        name=me.name,
        login=me.login,
        by="code" if _has_factor(me.id) else "password" if _hash_of(me.id) else "",
        next=target,
        error=error,
    )
