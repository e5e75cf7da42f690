"""What has to happen without anybody asking: due timers and schedules, the outbox, old uploads.

One thread of the serving process by default, or processes of their own (``dougong worker``), any
number: every piece of work is claimed in the database. The thread sleeps until something is due;
a commit in this process that left work wakes it at once, one elsewhere within `EVERY`. What goes
outside is sent by threads of its own, so that no receiver keeps a timer waiting.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from dougong.installation import Installation
from engine.accounts.tidying import tidy
from engine.records import notices
from engine.records.actor import SYSTEM
from engine.records.agenda import Agenda, agenda
from engine.records.company import Company, NotPublished
from engine.records.files import clear_uploads
from engine.records.flows import calls
from engine.records.flows.schedules import run_schedules
from engine.records.flows.timers import run_due
from engine.records.outbox import Sender, Sending, Work, rows, run_internal

__all__ = ["EVERY", "HANDLED", "Runner"]

log = logging.getLogger("dougong.runner")

HANDLED: Final = (calls, notices)
"""Modules that are here because they register handlers of the outbox (`outbox.HANDLERS`)."""

EVERY: Final = timedelta(seconds=20)
CLEARED_EVERY: Final = timedelta(hours=6)
UPLOADS_KEPT: Final = timedelta(days=7)
DONE_KEPT: Final = timedelta(days=30)
TURN: Final = 1.0  # seconds for one kind of work of one company, then it is the next one's turn
CLAIMED: Final = 0.3  # seconds before looking again at what somebody else is at work on
GOODBYE: Final = 4.0  # seconds for what is under way when the process is asked to stop


@dataclass(frozen=True, slots=True)
class Round:
    """What one look at a company came to."""

    fired: int = 0  # timers
    begun: int = 0  # cases set to begin by a schedule
    work: Work = field(default_factory=Work)

    def __add__(self, other: Round) -> Round:
        return Round(self.fired + other.fired, self.begun + other.begun, self.work + other.work)

    def __bool__(self) -> bool:
        return bool(self.fired or self.begun or self.work)

    def __str__(self) -> str:
        told = {
            "timers fired": self.fired,
            "cases set to begin": self.begun,
            "done": self.work.done,
            "failed": self.work.failed,
            "given up": self.work.dead,
        }
        return ", ".join(f"{count} {name}" for name, count in told.items() if count)


class Runner:
    """``with Runner(installation): serve()``. `only`: these companies, else all. `telling`: the
    level of the log's line about a round that did something."""

    def __init__(
        self,
        installation: Installation,
        every: timedelta = EVERY,
        *,
        senders: Mapping[str, Sender] | None = None,
        only: Collection[str] = (),
        telling: int = logging.DEBUG,
    ) -> None:
        self._installation, self._only = installation, frozenset(only)
        self._every, self._telling = every.total_seconds(), telling
        self._senders = senders or {}
        self._sending = Sending(self._senders, ended=self.wake)
        self._stop, self._rung = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._woken: set[str] = set()
        self._next: dict[str, float] = {}  # when to look at a company again (monotonic)
        self._versions: dict[str, int] = {}  # published, as of the last turn
        self._thread = threading.Thread(target=self._loop, name="runner", daemon=True)
        self._cleared = datetime.min.replace(tzinfo=UTC)

    def __enter__(self) -> Runner:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def alive(self) -> bool:
        """Whether it is at work."""
        return self._thread.is_alive()

    def wake(self, key: str) -> None:
        """Look at a company now. From any thread, cheap."""
        with self._lock:
            self._woken.add(key)
        self._rung.set()

    def stop(self) -> None:
        """End what is under way and begin nothing new; no longer than ten seconds."""
        self._stop.set()
        self._rung.set()
        if self._thread.is_alive():
            self._thread.join(timeout=GOODBYE)
        self._sending.stop(GOODBYE)

    # --- the thread ----------------------------------------------------------------------------
    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                pause = self._turns()
            except Exception:
                log.exception("background work failed, will be tried again")
                pause = self._every
            self._rung.wait(pause)
            self._rung.clear()

    def _turns(self) -> float:
        """Look at the companies that are due; seconds until the next one is."""
        with self._lock:
            woken, self._woken = self._woken, set()
        clearing = self._time_to_clear(datetime.now(UTC))
        keys = self._keys()
        for key in keys:
            due = key in woken or clearing or self._next.get(key, 0.0) <= time.monotonic()
            if due and not self._stop.is_set():
                pause = self._look(key, clearing)
                self._next[key] = time.monotonic() + pause
        soonest = min((self._next.get(key, 0.0) for key in keys), default=float("inf"))
        return min(max(soonest - time.monotonic(), 0.0), self._every)

    def _keys(self) -> list[str]:
        keys = self._installation.companies()
        return [key for key in keys if not self._only or key in self._only]

    def _look(self, key: str, clearing: bool) -> float:
        """Do what is due in one company; seconds until there is more. Its trouble is logged and
        does not keep the others waiting."""
        try:
            company = self._installation.company(key)
            if company is None:
                return self._every
            company.waker = partial(self.wake, key)
            ahead = self._agenda(company)
            known = self._versions.get(key) == ahead.version
            if known and not clearing and self._seconds(company, ahead) > 0:
                self._tell(key, Round(work=self._sending.take_work(key)))
                return min(self._seconds(company, ahead), self._every)
            found = self._work(company, datetime.now(UTC), TURN)
            self._versions[key] = ahead.version  # its schedules are kept up now
            self._sending.start(company)
            found += Round(work=self._sending.take_work(key))
            if clearing:
                self._clear(company, datetime.now(UTC))
            self._tell(key, found)
            return self._pause(company, bool(found))
        except NotPublished:
            return self._every
        except Exception:
            log.exception("company %s: background work failed, will be tried again", key)
            return self._every

    def _work(self, company: Company, now: datetime, seconds: float) -> Round:
        """Internal work first, what timers and schedules make of it too."""
        found = Round(work=run_internal(company, now, seconds=seconds))
        if not self._stop.is_set():
            fired = run_due(company, now, seconds=seconds)
            found += Round(fired, run_schedules(company, now, seconds=seconds))
        if (found.fired or found.begun) and not self._stop.is_set():
            found += Round(work=run_internal(company, now, seconds=seconds))
        return found

    def _tell(self, key: str, found: Round) -> None:
        if found:
            log.log(self._telling, "company %s: %s", key, found)

    def _pause(self, company: Company, busy: bool) -> float:
        """Seconds to wait after a turn."""
        pause = self._seconds(company, self._agenda(company))
        if pause <= 0:  # more than a turn holds, or somebody else is at it
            return 0.0 if busy else CLAIMED
        return min(pause, self._every)

    @staticmethod
    def _agenda(company: Company) -> Agenda:
        with company.unit(SYSTEM, source="job") as unit:
            return agenda(unit)

    def _seconds(self, company: Company, ahead: Agenda) -> float:
        """Seconds until the company's next timer, schedule or row of the outbox is due."""
        outside = [
            self._sending.next_moment(company.key, channel, moment)
            for channel, moment in ahead.channels.items()
        ]
        due = [one for one in (ahead.own, *outside) if one is not None]
        return (min(due) - ahead.now).total_seconds() if due else math.inf

    # --- without the thread --------------------------------------------------------------------
    def once(self, now: datetime) -> int:
        """Do what is due in every company and wait for it; how many timers fired."""
        return self.everything(now).fired

    def everything(self, now: datetime, patience: float = 30.0) -> Round:
        """Do what is due in every company until nothing is, and wait for what is sent."""
        total, clearing = Round(), self._time_to_clear(now)
        for key in self._keys():
            company = self._installation.company(key)
            if company is None or self._stop.is_set():
                continue
            try:
                total += self._all_of(company, now, patience)
                if clearing:
                    self._clear(company, now)
            except NotPublished:
                continue
            except Exception:
                log.exception("company %s: background work failed, will be tried again", key)
        return total

    def _all_of(self, company: Company, now: datetime, patience: float) -> Round:
        total, sending = Round(), Sending(self._senders, clock=lambda: now)
        while found := self._work(company, now, patience):
            total += found
            if self._stop.is_set():
                return total
        sending.start(company)
        sending.wait(patience)
        found = total + Round(work=sending.work)
        if found:
            log.log(self._telling, "company %s: %s", company.key, found)
        return found

    # --- tidying up ----------------------------------------------------------------------------
    def _time_to_clear(self, now: datetime) -> bool:
        due = now - self._cleared >= CLEARED_EVERY
        if due:
            self._cleared = now
        return due

    @staticmethod
    def _clear(company: Company, now: datetime) -> None:
        with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
            clear_uploads(unit, now - UPLOADS_KEPT)
            tidy(unit.connection, now)
        for _ in range(50):
            with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
                if not rows.clear_done(unit, now - DONE_KEPT):
                    break
