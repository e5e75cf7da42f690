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
    app.before_request(check_origin)
    app.after_request(_headers)
    app.jinja_env.globals["csrf_token"] = csrf_token


def csrf_token() -> str:
    """The token of this browser's session; asked for outside one, it starts a visitor's."""
    seed = request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISITOR_COOKIE)
    if not seed:
        if "visitor_seed" not in g:
            g.visitor_seed = secrets.token_urlsafe(24)
        seed = g.visitor_seed
    return _token(seed)


def _token(seed: str) -> str:
    return hmac.new(current_app.config["SECRET_BYTES"], digest(seed).encode(), "sha256").hexdigest()


def check_origin() -> None:
    """Refuse a write that another site could have caused: cookies alone prove nothing."""
    if request.method in SAFE_METHODS:
        return
    seed = request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISITOR_COOKIE)
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not seed or not hmac.compare_digest(given.encode(), _token(seed).encode()):
        abort(400, description="csrf")


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.extend(ALWAYS)
    if not request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Vary", "Cookie, HX-Request")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if seed := g.get("visitor_seed"):
        set_cookie(response, VISITOR_COOKIE, seed, hours=12)
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


def fingerprint(text: str) -> str:
    """A short, stable, meaningless name for `text` (log lines, cache keys)."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
