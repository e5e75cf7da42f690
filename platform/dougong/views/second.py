"""The code of the second factor, after the password and before anything else."""

from __future__ import annotations

from datetime import UTC, datetime

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

from dougong.entering import begin, carried, see_other, tell
from dougong.i18n import language
from dougong.routing import safe_next
from dougong.views.auth import told
from engine.accounts import attempts, factors
from engine.problems import Problem

blueprint = Blueprint("second", __name__, url_prefix="/<company>/login/second")


@blueprint.get("")
def ask() -> str | Response:
    """Ask for the code; whoever has no second factor yet and needs one sets it up."""
    target = safe_next(request.args.get("next"))
    if (waiting := g.get("waiting")) is None:
        return see_other(target if g.get("actor") else url_for("auth.login", next=target))
    with g.company.database.read() as connection:
        enabled = factors.enabled(connection, waiting.id) is not None
    return _page(target) if enabled else see_other(url_for("factor.index", next=target))


@blueprint.post("")
def check() -> Response:
    """Check the code: the right one begins the session, under a new token."""
    target = safe_next(request.form.get("next"))
    if (waiting := g.get("waiting")) is None:
        return see_other(url_for("auth.login", next=target))
    done = _checked(waiting.id, request.form.get("code", ""), datetime.now(UTC))
    if isinstance(done, str):
        return _again(target, done, 429 if done == "L012" else 422)
    return carried(see_other(target), *done)


def _checked(user: int, code: str, now: datetime) -> str | tuple[str, int]:
    """The new session and its hours, or the code of what was wrong."""
    database = g.company.database
    secret = current_app.extensions["installation"].settings.secret
    with database.write() as connection:
        if not attempts.take(connection, database.ids, now, factors.SECOND, user):
            return "L012"
        method = factors.check_code(connection, user, secret, code, now)
        if method is not None:
            attempts.forget(connection, factors.SECOND, user)
            tell(connection, "login.ok", user, method=method)
            return begin(connection, user, method)
        tell(connection, "login.failed", user, step="second")
        if not attempts.allowed(connection, now, factors.SECOND, user):
            tell(connection, "login.blocked", user, step="second")
    return "L011"


def _again(target: str, code: str, status: int) -> Response:
    return make_response(_page(target, told([Problem(code)])[0]), status)


def _page(target: str, error: str = "") -> str:
    return render_template(
        "second.html",
        title=gettext("Second factor"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
        name=g.waiting.name,
        next=target,
        error=error,
    )
