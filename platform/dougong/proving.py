"""Step-up: before something that could be turned against its owner, we ask again who is there.

A session proves who somebody is when it begins; an open browser on a desk does not. Views below
`proven` want a proof (password or code) from the last quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from flask import g, request, url_for

from dougong.routing import go, login_required, safe_next
from dougong.security import SAFE_METHODS
from engine.accounts import factors
from engine.problems import Problem
from engine.records.actor import Actor
from engine.records.failures import Failure, Forbidden

F = TypeVar("F", bound=Callable[..., Any])
FRESH: Final = timedelta(minutes=15)


class Unproven(Forbidden):
    """The person has to prove who he is once more; a program cannot."""

    def __init__(self) -> None:
        self.action = "prove"
        Failure.__init__(self, [Problem("L010")])


def proven(view: F) -> F:
    """The person proved who he is a moment ago; else a page asks and then goes on to this one.

    Stands below `login_required` or `administrators_only`. A program with a token is refused: a
    token proves nothing about who holds it.
    """

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        if is_proven():
            return view(*args, **values)
        if g.get("token") is not None or "/api/" in request.path:
            raise Unproven
        return go(url_for("prove.ask", next=_back()))

    return guarded  # type: ignore[return-value]


def somebody() -> Actor:
    """Who this session belongs to, be it that his second factor is still missing."""
    found: Actor = g.get("actor") or g.waiting
    return found


def signed_in(view: F) -> F:
    """Like `login_required`, but also for somebody who has to set his second factor up first.
    Whoever has one and did not show it yet is asked for it."""

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        if (waiting := g.get("waiting")) is not None:
            with g.company.database.read() as connection:
                if factors.enabled(connection, waiting.id) is not None:
                    return go(url_for("second.ask", next=_back()))
            return view(*args, **values)
        return login_required(view)(*args, **values)

    return guarded  # type: ignore[return-value]


def is_proven() -> bool:
    """Whether who asks has proved himself within the last quarter of an hour."""
    if g.get("token") is not None:
        return False
    signed = g.get("signed")
    at = signed.proved_at if signed is not None else None
    return at is not None and datetime.now(UTC) - at < FRESH


def _back() -> str:
    """Where to go on: to this page; after a form to the page it stood on, never to the form's
    own address (what was typed is gone, and a repeated POST would be a surprise)."""
    if request.method in SAFE_METHODS:
        return safe_next(request.full_path.rstrip("?"))
    came = urlsplit(request.headers.get("HX-Current-URL") or request.referrer or "")
    return safe_next(came._replace(scheme="", netloc="").geturl())
