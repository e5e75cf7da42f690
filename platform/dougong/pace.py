"""How often one person may look something up: more than anybody types, less than a program that
wants to know everything.

The count lies in the database, so that all processes share it. Not every keystroke is written down:
a process notes one in `SHARE` of what it serves, each of which counts for so many.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, Final, TypeVar

from flask import g
from werkzeug.exceptions import TooManyRequests

from engine.accounts import attempts
from engine.accounts.attempts import Brake
from engine.storage import StorageBusy

F = TypeVar("F", bound=Callable[..., Any])
MOST: Final = 120
WINDOW: Final = timedelta(minutes=1)
SHARE: Final = 10

_served: Counter[tuple[str, str, int]] = Counter()
_lock = threading.Lock()


def within(kind: str) -> bool:
    """Whether the person of this request may look something of this kind up once more."""
    key = (g.company.key, kind, g.actor.id)
    with _lock:
        _served[key] += 1
        due = _served[key] >= SHARE
        if due:
            del _served[key]
    if not due or _noted(kind):
        return True
    with _lock:
        _served[key] = SHARE - 1  # the next one asks again
    return False


def _noted(kind: str) -> bool:
    """Count `SHARE` at once; whether there was room for them."""
    database, now = g.company.database, datetime.now(UTC)
    brake = Brake(kind, MOST // SHARE, WINDOW)
    try:
        with database.read() as connection:
            if not attempts.allowed(connection, now, brake, g.actor.id):
                return False
        with database.write() as connection:
            return attempts.take(connection, database.ids, now, brake, g.actor.id)
    except StorageBusy:
        return True  # nobody waits for a count


def paced(kind: str) -> Callable[[F], F]:
    """A view, below `login_required`, that answers 429 to who asks too often."""

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            if not within(kind):
                raise TooManyRequests(retry_after=int(WINDOW.total_seconds()))
            return view(*args, **values)

        return guarded  # type: ignore[return-value]

    return decorate
