"""Setting the second factor up, renewing its recovery codes, switching it off."""

from __future__ import annotations

from datetime import UTC, datetime

import segno
from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    g,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.entering import begin, carried, tell
from dougong.i18n import language
from dougong.proving import proven, signed_in, somebody
from dougong.routing import go, login_required, safe_next
from dougong.views.auth import told
from engine.accounts import attempts, factors, sessions
from engine.accounts.rules import rules_of
from engine.problems import Problem

blueprint = Blueprint("factor", __name__, url_prefix="/<company>/account/factor")


@blueprint.get("")
@signed_in
def index() -> str | Response:
    """What to do: begin, or scan the code and type the first number of the telephone."""
    if _enabled():
        return go(url_for("account.index"))
    return _page(safe_next(request.args.get("next")))


@blueprint.post("/begin")
@signed_in
@proven
def start() -> Response:
    """Make a new secret."""
    with g.company.database.write() as connection:
        factors.begin(connection, somebody().id, _secret(), datetime.now(UTC))
    return go(url_for(".index", next=safe_next(request.form.get("next"))))


@blueprint.post("/confirm")
@signed_in
@proven
def confirm() -> Response:
    """Take the factor into use by its first code. All sessions end, and this browser gets a new
    one; the answer is the only place where the recovery codes are ever shown."""
    me, now, target = somebody().id, datetime.now(UTC), safe_next(request.form.get("next"))
    done = _confirmed(me, request.form.get("code", ""), now)
    if isinstance(done, str):
        return make_response(_page(target, done), 429 if done == "L012" else 422)
    codes, token, hours = done
    return carried(make_response(_codes_page(codes, target, first=True)), token, hours)


def _confirmed(me: int, code: str, now: datetime) -> str | tuple[list[str], str, int]:
    """The recovery codes and the new session, or the code of what was wrong."""
    database = g.company.database
    with database.write() as connection:
        if not attempts.take(connection, database.ids, now, factors.SECOND, me):
            return "L012"
        if factors.unfinished(connection, me, _secret(), now) is None:
            return "L014"
        codes = factors.confirm(connection, me, _secret(), code, now)
        if codes is None:
            return "L011"
        attempts.forget(connection, factors.SECOND, me)
        sessions.end_sessions_of(connection, me)
        token, hours = begin(connection, me, "totp")
        tell(connection, "factor.added", me)
    return codes, token, hours


@blueprint.post("/codes")
@login_required
@proven
def renew() -> Response:
    """New recovery codes instead of the old ones."""
    me = g.actor.id
    if not _enabled():
        return go(url_for(".index"))
    with g.company.database.write() as connection:
        codes = factors.renew_recovery(connection, me, datetime.now(UTC))
        tell(connection, "factor.added", me, recovery=len(codes))
    return make_response(_codes_page(codes, url_for("account.index"), first=False))


@blueprint.post("/remove")
@login_required
@proven
def remove() -> Response:
    """Switch the second factor off, where the company lets one."""
    me = g.actor
    with g.company.database.read() as connection:
        needed = rules_of(connection).needs_factor(me.roles, operator=me.operator)
    if needed:
        flash(told([Problem("L013")])[0], "error")
        return go(url_for("account.index"))
    with g.company.database.write() as connection:
        factors.remove(connection, me.id)
        sessions.end_sessions_of(connection, me.id)
        token, hours = begin(connection, me.id, "password")
        tell(connection, "factor.removed", me.id)
    flash(gettext("The second factor was switched off."), "success")
    return carried(go(url_for("account.index")), token, hours)


def _enabled() -> bool:
    with g.company.database.read() as connection:
        return factors.enabled(connection, somebody().id) is not None


def _secret() -> bytes:
    found: bytes = current_app.extensions["installation"].settings.secret
    return found


def _page(target: str, code: str = "") -> str:
    me, company = somebody(), g.company.title(language())
    with g.company.database.read() as connection:
        shared = factors.unfinished(connection, me.id, _secret(), datetime.now(UTC))
    picture = ""
    if shared is not None:
        address = factors.address_of(shared, me.login, company)
        picture = segno.make(address, micro=False).svg_data_uri(scale=5, border=3, light="#fff")
    return render_template(
        "factor.html",
        title=gettext("Second factor"),
        company=company,
        base=url_for("home.index").rstrip("/"),
        needed=g.get("waiting") is not None,
        shared=" ".join(shared[at : at + 4] for at in range(0, len(shared), 4)) if shared else "",
        picture=picture,
        next=target,
        error=told([Problem(code)])[0] if code else "",
    )


def _codes_page(codes: list[str], target: str, *, first: bool) -> str:
    return render_template(
        "factor_codes.html",
        title=gettext("Recovery codes"),
        company=g.company.title(language()),
        codes=codes,
        next=target,
        first=first,
    )
