"""What has to happen without anybody asking: due timers, uploads that no record took.

One thread of the serving process by default. Every piece of work is a transaction of its own and
may be done by several processes at once, so nothing here needs a lock.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from dougong.installation import Installation
from engine.records.actor import SYSTEM
from engine.records.company import Company
from engine.records.files import clear_uploads
from engine.records.flow_timers import run_due

log = logging.getLogger("dougong.runner")

EVERY: Final = timedelta(seconds=20)
CLEARED_EVERY: Final = timedelta(hours=6)
UPLOADS_KEPT: Final = timedelta(days=7)


class Runner:
    """``with Runner(installation): serve()``."""

    def __init__(self, installation: Installation, every: timedelta = EVERY) -> None:
        self._installation = installation
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="runner", daemon=True)
        self._cleared = datetime.min.replace(tzinfo=UTC)

    def __enter__(self) -> Runner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _loop(self) -> None:
        while not self._stop.wait(self._every.total_seconds()):
            self.once(datetime.now(UTC))

    def once(self, now: datetime) -> int:
        """Do what is due in every company; how many timers fired. One company's trouble is logged
        and does not keep the others waiting."""
        fired = 0
        clearing = now - self._cleared >= CLEARED_EVERY
        for key in self._installation.companies():
            company = self._installation.company(key)
            if company is None or self._stop.is_set():
                continue
            try:
                fired += run_due(company, now)
                if clearing:
                    self._clear(company, now)
            except Exception:
                log.exception("company %s: background work failed, will be tried again", key)
        if clearing:
            self._cleared = now
        return fired

    @staticmethod
    def _clear(company: Company, now: datetime) -> None:
        with company.unit(SYSTEM, write=True, source="job") as unit:
            clear_uploads(unit, now - UPLOADS_KEPT)
