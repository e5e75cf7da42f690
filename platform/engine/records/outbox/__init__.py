"""The outbox: what has to happen because something was committed.

Rows are written in the transaction that wants them (`post`, and the effects of workflows). Internal
work (no channel) is done by the `Handler` of its kind in ONE transaction with marking the row:
exactly once. Deliveries are handed to the `Sender` of their channel outside any transaction:
at least once, always under the same key.

Beside this module: `rows` (claims), `sending` (threads), `admin` (what people
see and do about it), `reasons` (why it did not work).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from engine.hooks.channels import GiveUp, Retry
from engine.problems import Problem
from engine.records.company import Company
from engine.records.outbox import rows
from engine.records.outbox.admin import (
    Counts,
    FailingTimer,
    Letter,
    State,
    counts,
    dead_letters,
    discard,
    failing_timers,
    letters,
    send_again,
    try_timers,
)
from engine.records.outbox.reasons import kept, trail
from engine.records.outbox.rows import Delivery, Trouble, post
from engine.records.outbox.sending import Sender, Sending, Work
from engine.records.unit import SYSTEM, Unit
from engine.storage import StorageError

__all__ = [
    "HANDLERS",
    "Counts",
    "Delivery",
    "FailingTimer",
    "GiveUp",
    "Handler",
    "Letter",
    "Retry",
    "Sender",
    "Sending",
    "State",
    "Work",
    "counts",
    "dead_letters",
    "discard",
    "failing_timers",
    "handle",
    "letters",
    "post",
    "register",
    "run_internal",
    "run_outbox",
    "send_again",
    "try_timers",
    "wake",
]

log = logging.getLogger(__name__)
Handler = Callable[[Unit, Mapping[str, Any]], None]
HANDLERS: Final[dict[str, Handler]] = {}
"""Who does the internal work of a kind."""

POLITE: Final = 0.001  # seconds between two transactions, for writers of other processes


def register(kind: str, handler: Handler) -> None:
    """Let `handler` do the internal work of a kind. It gets the row and writes in the unit that
    marks the row done; what it raises undoes both, and the row is tried again later.

    Raises: ValueError when somebody else has the kind.
    """
    known = HANDLERS.setdefault(kind, handler)
    if known is not handler and _name(known) != _name(handler):
        message = f"outbox kind {kind!r} is handled by {_name(known)} already"
        raise ValueError(message)
    HANDLERS[kind] = handler


def handle(kind: str) -> Callable[[Handler], Handler]:
    """`register` as a decorator."""

    def keep(handler: Handler) -> Handler:
        register(kind, handler)
        return handler

    return keep


def _name(handler: Handler) -> str:
    return f"{handler.__module__}.{getattr(handler, '__qualname__', handler)}"


def wake(company: Company) -> None:
    """Have the runner of this process look now; units that post do it with their commit."""
    company.wake()


def run_outbox(
    company: Company, now: datetime, senders: Mapping[str, Sender], *, patience: float = 30
) -> Work:
    """Do the internal work that is due at `now`, send what is due, and wait for that (`patience`:
    seconds; what takes longer ends by itself)."""
    work = run_internal(company, now)
    sending = Sending(senders, clock=lambda: now, patient=False)
    sending.start(company)
    sending.wait(patience)
    return work + sending.work


def run_internal(
    company: Company, now: datetime, *, seconds: float = 60, most: int = 10_000
) -> Work:
    """Do the internal work that is due at `now`, one transaction each, for so many seconds at
    most. A row that fails waits for its next try and keeps nobody."""
    with company.unit(SYSTEM, now=now, source="job") as unit:
        if not rows.anything(unit):
            return Work()
    work, end = Work(), time.monotonic() + seconds
    for _ in range(most):
        one = _next(company, now)
        if one is None:
            break
        work += one
        if time.monotonic() > end:
            break
        if company.database.kind == "sqlite":
            time.sleep(POLITE)
    return work


def _next(company: Company, now: datetime) -> Work | None:
    """Do one row; None when none is due."""
    row = None
    try:
        with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
            row = rows.locked(unit)
            if row is None:
                return None
            handler = HANDLERS.get(row["kind"])
            if handler is None:
                rows.mark_unknown(unit, row["id"], Problem("Q101", {"kind": row["kind"]}))
                return Work(dead=1)
            handler(unit, row)
            rows.mark_done(unit, row["id"])
            return Work(done=1)
    except StorageError:
        raise  # the database has a trouble of its own: no fault of the row
    except Exception as error:
        if row is None:
            raise
        return _failed(company, now, row, error)


def _failed(company: Company, now: datetime, row: Mapping[str, Any], error: Exception) -> Work:
    log.warning(
        "company %s: outbox row %s (%s): %s", company.key, row["id"], row["kind"], trail(error)
    )
    with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
        dead = rows.mark_failed(unit, row["id"], Trouble(kept(error)))
    return Work(dead=1) if dead else Work(failed=1)
