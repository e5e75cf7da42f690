"""Refusals in the security log: written when the refused request is over, and never too many.

Whoever floods a door must not fill the disk: per minute an address writes `PER_ADDRESS` entries,
and all strangers together `STRANGERS`. What goes beyond is counted, and one entry tells how much.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from flask import Flask, g, request

from engine.accounts.security_log import log_event
from engine.records.company import Company
from engine.storage import StorageError
from engine.tables.system import SECURITY

log = logging.getLogger("dougong.refused")
MINUTE: Final = timedelta(minutes=1)
PER_ADDRESS: Final = 60
STRANGERS: Final = 120
PER_REQUEST: Final = 5
ALL: Final = "*"  # all strangers together
_KEPT: Final = 10_000  # addresses remembered at once
_EXTENSION: Final = "refused_log"


@dataclass(slots=True)
class _Window:
    since: datetime
    count: int = 0
    over: int = 0


@dataclass(slots=True)
class Meter:
    """How much was refused in the present minute, in this process."""

    windows: dict[str, _Window] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, key: str, limit: int, now: datetime) -> bool:
        """Whether one more entry may be written for `key`; if not, it is counted."""
        with self.lock:
            window = self.windows.get(key)
            if window is None or (not window.over and now - window.since >= MINUTE):
                if len(self.windows) >= _KEPT:
                    self._forget(now)
                window = self.windows[key] = _Window(now)
            if window.count >= limit:
                window.over += 1
                return False
            window.count += 1
            return True

    def fill(self, key: str, limit: int) -> None:
        """Other processes have written as much as there may be: the entry is counted instead."""
        with self.lock:
            if (window := self.windows.get(key)) is not None:
                window.count, window.over = limit, window.over + 1

    def due(self, now: datetime) -> list[tuple[str, _Window]]:
        """The minutes that are over and in which something was only counted; told once."""
        with self.lock:
            ended = [
                (key, one)
                for key, one in self.windows.items()
                if one.over and now - one.since >= MINUTE
            ]
            for key, _ in ended:
                del self.windows[key]
            return ended

    def _forget(self, now: datetime) -> None:
        over = [key for key, one in self.windows.items() if not one.over]
        old = [key for key in over if now - self.windows[key].since >= MINUTE]
        for key in old or over:
            del self.windows[key]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry that waits for the end of its request."""

    why: str
    about: tuple[str, int | None]
    details: Mapping[str, Any]


def init_refused_log(app: Flask) -> None:
    """Write what requests remember when they are over."""
    app.extensions[_EXTENSION] = meters = dict[str, Meter]()

    @app.teardown_request
    def _over(_error: BaseException | None) -> None:
        found: list[Refusal] = g.pop("refused", [])
        company = g.get("company")
        if company is None or not (found or company.key in meters):
            return
        _write(company, meters.setdefault(company.key, Meter()), found)


def remember(refusal: Refusal) -> None:
    """Keep a refusal of the present request for its end."""
    found: list[Refusal] = g.setdefault("refused", [])
    if len(found) < PER_REQUEST and refusal not in found:
        found.append(refusal)


def _write(company: Company, meter: Meter, found: list[Refusal]) -> None:
    """In a transaction of its own. The line in the text log is there already: whatever goes wrong
    here never turns into an answer."""
    now = datetime.now(UTC)
    actor = g.get("actor")
    address = request.remote_addr or ""
    ended = meter.due(now)
    limits = {address: PER_ADDRESS} | ({} if actor is not None else {ALL: STRANGERS})
    admitted = [
        one for one in found if all(meter.admit(key, most, now) for key, most in limits.items())
    ]
    if not admitted and not ended:
        return
    try:
        with company.database.write() as connection:
            for one in admitted:
                if _crowded(connection, address, now):
                    meter.fill(address, PER_ADDRESS)
                    continue
                log_event(
                    connection,
                    now,
                    f"refused.{one.why}",
                    user=actor.id if actor is not None else None,
                    address=address,
                    agent=request.user_agent.string,
                    about=one.about,
                    details=one.details,
                )
            for key, window in ended:
                details = {"count": window.over, "since": window.since.isoformat()}
                whose = "" if key == ALL else key
                log_event(connection, now, "refused.many", address=whose, details=details)
    except (StorageError, sa.exc.SQLAlchemyError) as error:
        log.warning("the security log could not be written: %s", type(error).__name__)


def _crowded(connection: sa.Connection, address: str, now: datetime) -> bool:
    """Whether all processes together have written enough about an address."""
    recent = sa.select(sa.func.count()).where(
        SECURITY.c.at > now - MINUTE,
        SECURITY.c.address == address,
        SECURITY.c.kind.startswith("refused.", autoescape=True),
    )
    return int(connection.scalar(recent) or 0) >= PER_ADDRESS


__all__ = ["Meter", "Refusal", "init_refused_log", "remember"]
