"""Logging in and out, one-time links, the language."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.i18n import COOKIE, LANGUAGES, language
from dougong.routing import safe_next
from dougong.security import SESSION_COOKIE, set_cookie
from engine.accounts import links, logins, passwords, sessions

blueprint = Blueprint("auth", __name__, url_prefix="/<company>")


@blueprint.get("/login")
def login() -> str | Response:
    """The login page; who is in already goes on."""
    if g.get("actor") is not None:
        return _to(safe_next(request.args.get("next")))
    return _login_page()


@blueprint.post("/login")
def log_in() -> Response:
    """Check name and password; both wrong and unknown get the same answer in the same time."""
    name = request.form.get("login", "")
    now = datetime.now(UTC)
    try:
        user = logins.log_in(
            g.company.database,
            name,
            request.form.get("password", ""),
            request.remote_addr or "",
            now,
        )
    except logins.TooManyAttempts:
        words = gettext("Too many attempts. Please wait a quarter of an hour.")
        return make_response(_login_page(name, words), 429)
    if user is None:
        return make_response(_login_page(name, gettext("Login name or password is wrong.")), 422)
    return _start(user, safe_next(request.form.get("next")))


@blueprint.get("/once/<token>")
def once(token: str) -> str:
    """Show whose link it is; opening it changes nothing."""
    return _once_page(token)


@blueprint.post("/once/<token>")
def use_once(token: str) -> Response:
    """Use the link up: set a password if it is for that, and log in."""
    now = datetime.now(UTC)
    with g.company.database.read() as connection:
        found = links.peek_link(connection, token, now)
    if found is None:
        abort(404)
    password = request.form.get("password", "")
    if found[2] == "password":
        if len(password) < passwords.MINIMUM_LENGTH:
            return make_response(_once_page(token, gettext("The password is too short.")), 422)
        if password != request.form.get("repeated", ""):
            return make_response(_once_page(token, gettext("The two passwords differ.")), 422)
    with g.company.database.write() as connection:
        if not links.use_link(connection, token, now):
            abort(404)
    if found[2] == "password":
        logins.set_password(g.company.database, found[0], password, now)
    return _start(found[0], url_for("home.index"))


@blueprint.post("/logout")
def logout() -> Response:
    """End this session, on the server too."""
    if token := request.cookies.get(SESSION_COOKIE):
        with g.company.database.write() as connection:
            sessions.end_session(connection, token)
    response = _to(url_for("auth.login"))
    response.delete_cookie(SESSION_COOKIE, path=_cookie_path())
    return response


@blueprint.post("/language")
def choose_language() -> Response:
    """Remember the language in this browser."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    response = _to(
        safe_next(urlsplit(request.form.get("next", ""))._replace(scheme="", netloc="").geturl())
    )
    set_cookie(response, COOKIE, chosen, hours=24 * 365, path=_cookie_path())
    return response


def _start(user: int, target: str) -> Response:
    """A fresh session: never the one a stranger may have planted before the login."""
    hours = current_app.extensions["installation"].settings.session_hours
    with g.company.database.write() as connection:
        token = sessions.start_session(
            connection,
            user,
            datetime.now(UTC),
            hours=hours,
            address=request.remote_addr or "",
            agent=request.user_agent.string,
        )
    response = _to(target)
    set_cookie(response, SESSION_COOKIE, token, hours=hours, path=_cookie_path())
    return response


def _login_page(name: str = "", error: str = "") -> str:
    return render_template(
        "login.html",
        title=gettext("Log in"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
        login=name,
        next=request.values.get("next", ""),
        error=error,
        notice="",
        hint=(),
    )


def _once_page(token: str, error: str = "") -> str:
    with g.company.database.read() as connection:
        found = links.peek_link(connection, token, datetime.now(UTC))
    if found is None:
        abort(404)
    return render_template(
        "once.html",
        title=gettext("Log in"),
        company=g.company.title(language()),
        name=found[1],
        purpose=found[2],
        error=error,
        minimum=passwords.MINIMUM_LENGTH,
    )


def _cookie_path() -> str:
    return url_for("home.index")


def _to(target: str) -> Response:
    return redirect(target, 303)  # type: ignore[return-value]
