"""Headers, cookies and the token that proves a form is ours."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from flask import Flask, Response, abort, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from werkzeug.datastructures import Headers

from engine.accounts.tokens import digest

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; manifest-src 'self'"
)
ALWAYS = Headers(
    {
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
)
SESSION_COOKIE = "dg_session"
VISITOR_COOKIE = "dg_visitor"  # before login there is no session to bind the token to
LONGEST_ADDRESS = 16 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Flashes(SecureCookieSessionInterface):
    """Flask's cookie for messages to the next page, with its signer made once."""

    def __init__(self, app: Flask) -> None:
        self._signer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """The signer of the installation's secret."""
        del app
        return self._signer


def init_security(app: Flask) -> None:
    """Install the checks before, and the headers after, every request."""
    app.session_interface = Flashes(app)
    app.before_request(check_length)
    app.before_request(check_origin)
    app.after_request(_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token


def cookie_name(name: str) -> str:
    """A cookie's name on this installation. Over https `__Host-` has the browser refuse it from a
    neighbouring host or without encryption; such a cookie is sent everywhere, so the company is
    part of a session's name (docs/decisions/0023). Over plain http, which is for this machine
    alone, the session is bound to the company's path instead."""
    if not current_app.config["SESSION_COOKIE_SECURE"]:
        return name
    company = g.get("company") if name == SESSION_COOKIE else None
    return f"__Host-{name}-{company.key}" if company is not None else f"__Host-{name}"


def session_token() -> str:
    """The token of this browser's session in this company, "" without one."""
    return request.cookies.get(cookie_name(SESSION_COOKIE), "")


def _seed() -> str:
    return session_token() or request.cookies.get(cookie_name(VISITOR_COOKIE), "")


def csrf_token() -> str:
    """The token of this browser's session; asked for outside one, it starts a visitor's."""
    seed = _seed()
    if not seed:
        if "visitor_seed" not in g:
            g.visitor_seed = secrets.token_urlsafe(24)
        seed = g.visitor_seed
    return _token(seed)


def _token(seed: str) -> str:
    return hmac.new(current_app.config["SECRET_BYTES"], digest(seed).encode(), "sha256").hexdigest()


def check_length() -> None:
    """Refuse an address that no link of ours can be. Only uploads may be as large as uploads."""
    if request.mimetype != "multipart/form-data":
        request.max_content_length = current_app.config["MAX_FORM_MEMORY_SIZE"]
    if len(request.environ.get("QUERY_STRING", "")) + len(request.path) > LONGEST_ADDRESS:
        abort(414)


def check_origin() -> None:
    """Refuse a write that another site could have caused: cookies alone prove nothing."""
    if request.method in SAFE_METHODS or g.get("token") is not None:
        return  # a token comes in a header that no other site can make a browser send
    seed = _seed()
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not seed or not hmac.compare_digest(given.encode(), _token(seed).encode()):
        abort(400, description="csrf")


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.extend(ALWAYS)
    if policy := g.get("referrer_policy"):  # of a page whose address is a secret
        headers["Referrer-Policy"] = policy
    if not request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Vary", "Cookie, HX-Request")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if seed := g.get("visitor_seed"):
        set_cookie(response, cookie_name(VISITOR_COOKIE), seed, hours=12)
    return response


def set_cookie(response: Response, name: str, value: str, *, hours: int, path: str = "/") -> None:
    """A cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        name,
        value,
        max_age=hours * 3600,
        path=path,
        httponly=True,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        samesite="Lax",
    )


def set_session(response: Response, token: str, path: str, *, hours: int) -> None:
    """Hand a session's token to the browser; "" takes it back. `path`: the company's."""
    path = "/" if current_app.config["SESSION_COOKIE_SECURE"] else path
    name = cookie_name(SESSION_COOKIE)
    if token:
        set_cookie(response, name, token, hours=hours, path=path)
    else:
        secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
        response.delete_cookie(name, path=path, secure=secure, httponly=True, samesite="Lax")


def fingerprint(text: str) -> str:
    """A short, stable, meaningless name for `text` (log lines, cache keys)."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
