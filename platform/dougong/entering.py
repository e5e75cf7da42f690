"""Beginning a session: the same for a password, a link, a code and an identity provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Response, current_app, g, redirect, url_for

from dougong.origin import origin
from dougong.security import session_token, set_session
from engine.accounts import factors, sessions
from engine.accounts.rules import rules_of
from engine.accounts.security_log import log_event
from engine.accounts.sessions import Method


def enter(user: int, target: str, method: Method) -> Response:
    """Let somebody in who has proved who he is, and go on to `target`. It is always a fresh
    session: never one that a stranger may have planted before. Whoever has a second factor is
    asked for its code first, unless the identity provider says that it asked for one."""
    with g.company.database.write() as connection:
        second = method != "oidc+mfa" and factors.enabled(connection, user) is not None
        token, hours = begin(connection, user, method, second=second)
        if not second:
            tell(connection, "login.ok", user, method=method)
    if second:
        target = url_for("second.ask", next=target)
    return carried(see_other(target), token, hours)


def begin(
    connection: sa.Connection, user: int, method: Method, *, second: bool = False
) -> tuple[str, int]:
    """A fresh session instead of this browser's present one: its token and its hours."""
    settings = current_app.extensions["installation"].settings
    hours = rules_of(connection).session_hours(settings.session_hours)
    if old := session_token():
        sessions.end_session(connection, old)
    here = origin()
    token = sessions.start_session(
        connection,
        user,
        datetime.now(UTC),
        hours=hours,
        address=here.address,
        agent=here.agent,
        method=method,
        second=second,
    )
    return token, hours


def carried(response: Response, token: str, hours: int) -> Response:
    """The answer with a session's token for the browser."""
    set_session(response, token, url_for("home.index"), hours=hours)
    return response


def left(response: Response) -> Response:
    """The answer that takes the session's token back."""
    set_session(response, "", url_for("home.index"), hours=0)
    return response


def tell(connection: sa.Connection, kind: str, user: int | None, **details: Any) -> None:
    """Write down what somebody did about his own account."""
    here = origin()
    log_event(
        connection,
        datetime.now(UTC),
        kind,
        user=user,
        address=here.address,
        agent=here.agent,
        details=details,
    )


def see_other(target: str) -> Response:
    """A redirect after a form."""
    return redirect(target, 303)  # type: ignore[return-value]
