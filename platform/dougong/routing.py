"""Which company a request is for, who asks, and the unit of work he asks in.

Every address of a company starts with its key. The person is known by the session cookie, which is
bound to the company's path; the session, the person and the published version are read in one
transaction with the rest of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

from flask import Flask, Response, abort, g, redirect, request, url_for

from dougong.i18n import language
from dougong.installation import Installation
from dougong.security import SAFE_METHODS, SESSION_COOKIE
from engine.accounts.sessions import session_user, touch_session
from engine.records.company import Company
from engine.records.people import actor_of
from engine.records.unit import Actor, Unit

F = TypeVar("F", bound=Callable[..., Any])


def init_companies(app: Flask, installation: Installation) -> None:
    """Take the company out of every address and put it back into every link."""

    @app.url_value_preprocessor
    def _company(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.company = None
        if values and "company" in values:
            g.company = installation.company(values.pop("company"))
            if g.company is None:
                abort(404)

    @app.url_defaults
    def _link(endpoint: str, values: dict[str, Any]) -> None:
        if (
            "company" not in values
            and g.get("company") is not None
            and app.url_map.is_endpoint_expecting(endpoint, "company")
        ):
            values["company"] = g.company.key

    @app.before_request
    def _who() -> None:
        if g.get("company") is not None:
            g.actor = _actor(g.company)


def _actor(company: Company) -> Actor | None:
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    now = datetime.now(UTC)
    with company.database.read() as connection:
        found = session_user(connection, token, now)
        actor = actor_of(connection, found[0]) if found else None
    if found and found[1]:
        with company.database.write() as connection:
            touch_session(connection, token, now)
    return actor and replace(actor, language=language(actor))


def login_required(view: F) -> F:
    """Send a stranger to the login page (and back afterwards); an htmx or API call gets a 401."""

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        if g.get("actor") is None:
            if request.method in SAFE_METHODS and not request.headers.get("HX-Request"):
                return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))
            abort(401)
        return view(*args, **values)

    return guarded  # type: ignore[return-value]


@contextmanager
def reading() -> Iterator[Unit]:
    """A unit of work that reads, for the person of this request."""
    company: Company = g.company
    with company.unit(g.actor) as unit:
        yield unit


@contextmanager
def writing(source: str = "page") -> Iterator[Unit]:
    """A unit of work that writes: committed at the end, undone on any exception."""
    company: Company = g.company
    with company.unit(g.actor, write=True, source=source) as unit:
        yield unit


def safe_next(target: str | None) -> str:
    """`target` when it is an address of this company, else the company's first page."""
    home = str(url_for("home.index"))
    if not target or not target.startswith(home) or "\\" in target or not target.isprintable():
        return home
    return target


def go(target: str, status: int = 303) -> Response:
    """A redirect after a post; htmx follows it as a new page."""
    if request.headers.get("HX-Request"):
        response = Response(status=204)
        response.headers["HX-Redirect"] = target
        return response
    return redirect(target, status)  # type: ignore[return-value]
