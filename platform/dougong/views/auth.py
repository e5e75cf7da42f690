"""Logging in and out, one-time links, the language."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, g, make_response, render_template, request, url_for
from flask_babel import gettext

from dougong.entering import enter, left, see_other, tell
from dougong.i18n import COOKIE, LANGUAGES, language
from dougong.invitations import mails
from dougong.routing import safe_next
from dougong.security import session_token, set_cookie
from engine.accounts import changing, links, logins, sessions
from engine.accounts.links import Link
from engine.accounts.rules import rules_of
from engine.problems import Problem, hint, text

blueprint = Blueprint("auth", __name__, url_prefix="/<company>")


@blueprint.get("/login")
def login() -> str | Response:
    """The login page; who is in already goes on."""
    target = safe_next(request.args.get("next"))
    if g.get("actor") is not None:
        return see_other(target)
    if g.get("waiting") is not None:
        return see_other(url_for("second.ask", next=target))
    return _login_page()


@blueprint.post("/login")
def log_in() -> Response:
    """Check name and password; wrong, unknown, closed and locked get the same answer in the same
    time."""
    name = request.form.get("login", "")
    try:
        user = logins.log_in(
            g.company.database,
            name,
            request.form.get("password", ""),
            request.remote_addr or "",
            datetime.now(UTC),
            request.user_agent.string,
        )
    except logins.TooManyAttempts:
        words = gettext("Too many attempts. Please wait a quarter of an hour.")
        return make_response(_login_page(name, words), 429)
    if user is None:
        return make_response(_login_page(name, gettext("Login name or password is wrong.")), 422)
    return enter(user, safe_next(request.form.get("next")), "password")


@blueprint.get("/once/<token>")
def once(token: str) -> str:
    """Show whose link it is; opening it changes nothing."""
    return _once_page(_link(token))


@blueprint.post("/once/<token>")
def use_once(token: str) -> Response:
    """Use the link up: set a password if it is for that, and log in."""
    link, now = _link(token), datetime.now(UTC)
    hashed = ""
    if link.sets_password:
        form = request.form
        wanted = changing.Wanted(form.get("password", ""), form.get("repeated", ""))
        title = g.company.title(language())
        if wrong := changing.problems_of(g.company.database, link.user, wanted, title):
            return make_response(_once_page(link, wrong), 422)
        hashed = changing.hashed(wanted)
    with g.company.database.write() as connection:
        if not links.use_link(connection, token, now):
            abort(_gone())
        tell(connection, "link.used", link.user, purpose=link.purpose)
        if hashed:
            changing.change_password(connection, link.user, hashed, now)
            tell(connection, "password.changed", link.user, by="link")
    return enter(link.user, url_for("home.index"), "link")


@blueprint.post("/logout")
def logout() -> Response:
    """End this session, on the server too."""
    if token := session_token():
        who = g.get("actor") or g.get("waiting")
        with g.company.database.write() as connection:
            if sessions.end_session(connection, token) and who is not None:
                tell(connection, "logout", who.id)
    return left(see_other(url_for("auth.login")))


@blueprint.post("/language")
def choose_language() -> Response:
    """Remember the language in this browser."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    response = see_other(
        safe_next(urlsplit(request.form.get("next", ""))._replace(scheme="", netloc="").geturl())
    )
    set_cookie(response, COOKIE, chosen, hours=24 * 365, path=url_for("home.index"))
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
        mails=mails(),
    )


def _link(token: str) -> Link:
    """The link that is asked for. Its address is a secret: no other page is told it."""
    g.referrer_policy = "strict-origin"
    with g.company.database.read() as connection:
        found = links.peek_link(connection, token, datetime.now(UTC))
    if found is None:
        abort(_gone())
    return found


def _gone() -> Response:
    """The answer to a link that does not work any more; it tells nothing about whose it was."""
    page = render_template(
        "once_gone.html",
        title=gettext("This link does not work any more"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
    )
    return make_response(page, 404)


def _once_page(link: Link, problems: list[Problem] | None = None) -> str:
    with g.company.database.read() as connection:
        minimum = rules_of(connection).minimum
    return render_template(
        "once.html",
        title=gettext("Set your password") if link.sets_password else gettext("Log in by link"),
        company=g.company.title(language()),
        name=link.name,
        login=link.login,
        purpose=link.purpose,
        sets_password=link.sets_password,
        problems=told(problems or []),
        minimum=minimum,
    )


def told(problems: list[Problem]) -> list[str]:
    """Problems as sentences that say what to do."""
    spoken = language()
    between = "" if spoken.startswith("zh") else " "
    return [f"{text(one, spoken)}{between}{hint(one, spoken)}".strip() for one in problems]
