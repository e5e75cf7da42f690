"""Logging in by an identity provider: to it, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
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
from itsdangerous import BadData, URLSafeTimedSerializer

from dougong.doctor.process import is_loopback
from dougong.entering import enter, tell
from dougong.i18n import language
from dougong.routing import safe_next
from dougong.security import cookie_name, set_cookie
from engine.accounts import attempts, identities
from engine.accounts.attempts import Brake
from engine.accounts.identities import Claimed
from engine.problems import Problem, hint, text
from engine.records.failures import Failure
from engine.records.people import create_user
from engine.records.unit import SYSTEM
from engine.storage import StorageError

if TYPE_CHECKING:
    from dougong.oidc import Client

blueprint = Blueprint("oidc", __name__, url_prefix="/<company>/login/oidc")
COOKIE: Final = "dg_sign_on"
BRAKE: Final = Brake("oidc", 30)  # failures of one address that are written down
LASTS: Final = 600  # seconds for logging in at the provider
STATUS: Final = {"T161": 502}
WHY: Final = {
    "unknown": "T164",
    "unverified": "T165",
    "closed": "T166",
    "several": "T167",
    "taken": "T168",
}


def init_oidc(app: Flask) -> None:
    """Offer the way by the provider, when the operator has set one.

    Raises: StorageError when what it needs is not installed.
    """
    provider = app.extensions["installation"].settings.oidc
    label = provider.name if provider is not None else ""
    app.jinja_env.globals["sign_on"] = lambda: provider is not None
    app.jinja_env.globals["sign_on_name"] = label
    app.extensions["oidc"] = None
    if provider is None:
        return
    try:
        from dougong.oidc import Client
    except ImportError as error:
        raise StorageError("T151", missing=error.name or "authlib") from error
    app.extensions["oidc"] = Client(provider)


@blueprint.get("")
def start() -> Response:
    """Send the browser to the provider; what it has to come back with stays in a cookie."""
    from dougong.oidc import Refused, Ticket

    client, ticket = _client(), Ticket.fresh()
    try:
        url = client.begin(ticket, _callback())
    except Refused as refused:
        return _refused(refused.code, refused.why)
    response = redirect(url)
    kept = [ticket.state, ticket.nonce, ticket.verifier, safe_next(request.args.get("next"))]
    _keep(response, str(_signer().dumps(kept)))
    return response  # type: ignore[return-value]


@blueprint.get("/callback")
def callback() -> Response:
    """Back from the provider: begin a session, or say in a sentence why there is none."""
    from dougong.oidc import Refused, Ticket

    client = _client()
    if request.method != "GET":  # HEAD must not log anybody in
        abort(405)
    try:
        given = request.cookies.get(cookie_name(COOKIE), "")
        state, nonce, verifier, target = _signer().loads(given, max_age=LASTS)
        ticket = Ticket(state, nonce, verifier)
        claimed = client.finish(ticket, _callback(), request.args.to_dict())
        user = _person(claimed)
    except (BadData, ValueError, TypeError):
        return _refused("T160", "cookie")
    except Refused as refused:
        return _refused(refused.code, refused.why)
    response = enter(user, safe_next(target), "oidc+mfa" if claimed.strong else "oidc")
    _keep(response, "")
    return response


def _person(claimed: Claimed) -> int:
    """Whose account it is, linked the first time. Raises: Refused."""
    from dougong.oidc import Refused

    now, database = datetime.now(UTC), g.company.database
    with database.write() as connection:
        found = identities.find(connection, claimed)
        if found.user is not None:
            if found.new:
                address = request.remote_addr or ""
                identities.link(connection, now, claimed, found.user, address)
            else:
                identities.used(connection, now, claimed)
            return found.user
    if found.why == "unknown" and claimed.email and claimed.verified and _provisions():
        return _made(claimed)
    raise Refused(WHY[found.why or "unknown"], claimed.subject)


def _made(claimed: Claimed) -> int:
    """A new account: with a name, without a role. Raises: Refused."""
    from dougong.oidc import Refused

    try:
        with g.company.unit(SYSTEM, write=True) as unit:
            login, name = claimed.email[:64], claimed.name or claimed.email
            user = create_user(unit, login, name, email=claimed.email)
            identities.link(unit.connection, unit.now, claimed, user, request.remote_addr or "")
            tell(unit.connection, "user.made", user, by="oidc")
            return user
    except Failure as failure:  # a login that cannot be one, or is taken
        raise Refused("T164", failure.code) from failure


def _refused(code: str, why: str) -> Response:
    """A page that says why, and how to go on."""
    database, now = g.company.database, datetime.now(UTC)
    with database.write() as connection:  # what a stranger can repeat must not fill the log
        if attempts.take(connection, database.ids, now, BRAKE, request.remote_addr or ""):
            tell(connection, "login.failed", None, way="oidc", why=f"{code} {why}".strip())
    problem = Problem(code, {"provider": _client().provider.name or "OpenID Connect"})
    page = render_template(
        "oidc.html",
        title=gettext("Log in"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
        text=text(problem, language()),
        hint=hint(problem, language()),
    )
    response = make_response(page, STATUS.get(code, 403))
    _keep(response, "")
    return response


def _client() -> Client:
    client: Client | None = current_app.extensions["oidc"]
    if client is None:
        abort(404)
    return client


def _provisions() -> bool:
    return _client().provider.provision


def _callback() -> str:
    """Our own address, as the operator set it; on this machine as the browser sees it, which is
    the listening address: other names are refused before anybody gets here."""
    base = str(current_app.extensions["installation"].settings.base_url)
    if not base:
        if not is_loopback(urlsplit(request.host_url).hostname or ""):
            abort(400)
        base = request.host_url.rstrip("/")
    return base + url_for("oidc.callback")


def _signer() -> URLSafeTimedSerializer:
    secret = current_app.config["SECRET_BYTES"]
    return URLSafeTimedSerializer(secret, salt=f"sign-on {g.company.key}")


def _keep(response: Any, value: str) -> None:
    """The ticket for this browser; "" takes it back."""
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    path = "/" if secure else url_for("home.index")
    name = cookie_name(COOKIE)
    if value:
        set_cookie(response, name, value, hours=1, path=path)
    else:
        response.delete_cookie(name, path=path, secure=secure, httponly=True, samesite="Lax")


__all__ = ["blueprint", "init_oidc"]
