"""Which company a request is for, who asks, and the unit of work he asks in.

Every address of a company starts with its key. The person is known by the session cookie, which is
bound to the company's path; the session, the person and the published version are read in one
statement, in the transaction that serves the rest of the page.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final, TypeVar

from flask import Flask, Response, abort, g, redirect, request, url_for

from dougong.bearer import bearer_actor, given, refuse_in_address
from dougong.i18n import language
from dougong.installation import Installation
from dougong.refusals import watched
from dougong.security import SAFE_METHODS, session_token
from engine.accounts.sessions import touch_session
from engine.records.company import Company
from engine.records.failures import Busy
from engine.records.unit import Actor, Unit
from engine.records.visits import visit_of

F = TypeVar("F", bound=Callable[..., Any])
UNATTENDED: Final = frozenset({"notifications.count"})  # asked by open pages with nobody there
PATIENCE: Final = 2  # more tries of a write that found the database busy


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
            refuse_in_address()
            token = given()
            g.actor = _actor(g.company) if token is None else bearer_actor(g.company, token)

    app.teardown_request(_release)


def _actor(company: Company) -> Actor | None:
    token = session_token()
    if not token:
        return None
    now = datetime.now(UTC)
    g.transaction = transaction = ExitStack()
    connection = transaction.enter_context(company.database.read())
    visit = visit_of(company.database, connection, token, now)
    touch = visit is not None and visit.touch and request.endpoint not in UNATTENDED
    if visit is not None and not touch and request.method in SAFE_METHODS:
        g.visit = visit  # what follows sees the same moment
    else:
        _release()
    if visit is None:
        return None
    g.signed = visit.signed
    if visit.signed.waits:  # for the page that asks for the second factor, and for no other
        g.waiting = replace(visit.actor, language=language(visit.actor))
        return None
    if touch:
        with company.database.write() as writer:
            touch_session(writer, token, now)
    return replace(visit.actor, language=language(visit.actor))


def _release(error: BaseException | None = None) -> None:
    """End the transaction that reads: before writing, or with the request."""
    g.pop("visit", None)
    if (transaction := g.pop("transaction", None)) is not None:
        transaction.__exit__(type(error) if error else None, error, None)


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


def administrators_only(view: F) -> F:
    """Pages on which a company is shaped: for everybody else they do not exist."""

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        with reading() as unit:
            if not unit.administers:
                abort(404)
        return view(*args, **values)

    return login_required(guarded)  # type: ignore[return-value]


@contextmanager
def reading() -> Iterator[Unit]:
    """A unit of work that reads, for the person of this request."""
    company: Company = g.company
    source = "api" if "/api/" in request.path else "page"
    with company.unit(g.actor, within=g.get("visit"), source=source) as unit:
        unit.address = request.remote_addr or ""
        yield unit


@contextmanager
def writing(source: str = "page") -> Iterator[Unit]:
    """A unit of work that writes: committed at the end, undone on any exception. What is refused
    is written down here, because pages answer most refusals themselves."""
    company: Company = g.company
    _release()
    with watched(), company.unit(g.actor, write=True, source=source) as unit:
        unit.address = request.remote_addr or ""
        yield unit


def patient(view: F) -> F:
    """Run a view once more when the database was too busy, or a publish came between: whatever it
    had begun was undone, so nothing can happen twice."""

    @wraps(view)
    def tried(*args: Any, **values: Any) -> Any:
        for _ in range(PATIENCE):
            try:
                return view(*args, **values)
            except Busy:
                time.sleep(0.02)
        return view(*args, **values)

    return tried  # type: ignore[return-value]


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
