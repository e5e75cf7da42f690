"""Sending: one thread for each company's channel that has something due, and no more.

So a receiver that is slow, or never answers, delays its own channel only: no save, no timer, no
other channel and no other company. Nothing is sent inside a transaction; the end of one sending
and the claim of the next row are one short transaction.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, runtime_checkable

import sqlalchemy as sa

from engine.hooks.channels import GiveUp, Retry
from engine.problems import Problem
from engine.records.company import Company
from engine.records.outbox import rows
from engine.records.outbox.reasons import kept, trail
from engine.records.outbox.rows import Delivery, Trouble
from engine.records.unit import SYSTEM, Unit
from engine.tables import system

log = logging.getLogger(__name__)

SEND_SECONDS: Final = 20
"""After so many seconds a sender has to give up waiting for its receiver."""

HUNG: Final = rows.LEASE  # a sender that did not keep to it is left to itself
MOST_HUNG: Final = 3  # threads of a channel that were left to themselves
MANY_FAILURES: Final = 3  # one after another: the channel as a whole rests
REST: Final = 30.0  # seconds, twice as long each time
LONGEST_REST: Final = 300.0

Clock = Callable[[], datetime]
Key = tuple[str, str]  # company, channel


@runtime_checkable
class Sender(Protocol):
    """Brings deliveries of one kind of channel to their receivers, from any thread."""

    def send(self, company: Company, delivery: Delivery) -> None:
        """Send it, within `SEND_SECONDS`. A repeat has the same key.

        Raises: Retry, GiveUp; anything else counts as Retry without its message.
        """


@dataclass(frozen=True, slots=True)
class Work:
    """How many rows were done, failed (they will be tried again) or were given up."""

    done: int = 0
    failed: int = 0
    dead: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.done + other.done, self.failed + other.failed, self.dead + other.dead)

    def __bool__(self) -> bool:
        return bool(self.done or self.failed or self.dead)


class _Job:
    """A thread at work on a channel."""

    def __init__(self, company: Company, channel: str) -> None:
        self.company, self.channel = company, channel
        self.key: Key = (company.key, channel)
        self.thread: threading.Thread | None = None
        self.delivery: Delivery | None = None
        self.since = time.monotonic()  # of the sending under way
        self.left = False  # to itself: another thread may have taken its place
        self.failures = 0  # one after another

    @property
    def alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Sending:
    """The threads of a process that send, for all its companies. `patient`: a channel whose
    receiver failed several times in a row rests for a while. `ended` is called when a channel has
    nothing more to send."""

    def __init__(
        self,
        senders: Mapping[str, Sender],
        *,
        clock: Clock | None = None,
        patient: bool = True,
        ended: Callable[[str], None] | None = None,
    ) -> None:
        self._senders, self._patient = senders, patient
        self._clock = clock or (lambda: datetime.now(UTC))
        self._ended = ended
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._jobs: dict[Key, _Job] = {}
        self._hung: list[_Job] = []
        self._rests: dict[Key, tuple[float, float]] = {}  # until (monotonic), how long
        self._work: dict[str, Work] = {}

    @property
    def work(self) -> Work:
        """What was done so far, and not taken."""
        with self._lock:
            return sum(self._work.values(), Work())

    def take_work(self, company: str) -> Work:
        """What was done in a company since this was asked last."""
        with self._lock:
            return self._work.pop(company, Work())

    def start(self, company: Company) -> None:
        """Begin to send what is due in a company, each channel for itself."""
        self._leave_hung()
        with company.unit(SYSTEM, now=self._clock(), source="job") as unit:
            due = due_channels(unit)
        for channel in due:
            job = _Job(company, channel)
            with self._lock:
                if self._stop.is_set() or self._occupied(job.key):
                    continue
                self._jobs[job.key] = job
                name = f"send {company.key} {channel}"
                job.thread = threading.Thread(target=self._run, args=[job], name=name, daemon=True)
                job.thread.start()

    def next_moment(self, company: str, channel: str, due: datetime) -> datetime | None:
        """When to look at a channel whose first row is due at `due`; None while a thread is at it,
        because that tells when it ends."""
        with self._lock:
            if (job := self._jobs.get((company, channel))) is not None and job.alive:
                left = HUNG.total_seconds() - (time.monotonic() - job.since)
                return self._clock() + timedelta(seconds=left)
            until, _ = self._rests.get((company, channel), (0.0, 0.0))
        rest = until - time.monotonic()
        return max(due, self._clock() + timedelta(seconds=rest)) if rest > 0 else due

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being sent; whether it came to that in time."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                running = [job for job in self._jobs.values() if job.alive]
            if not running:
                return True
            left = end - time.monotonic()
            if left <= 0 or running[0].thread is None:
                return False
            running[0].thread.join(left)

    def stop(self, seconds: float) -> bool:
        """Begin nothing new and wait for what is under way. What does not end in time is sent
        again by whoever comes next, when its lease is over."""
        self._stop.set()
        return self.wait(seconds)

    def _occupied(self, key: Key) -> bool:
        if (job := self._jobs.get(key)) is not None and job.alive:
            return True
        self._hung = [one for one in self._hung if one.alive]
        if sum(one.key == key for one in self._hung) >= MOST_HUNG:
            return True
        return self._rests.get(key, (0.0, 0.0))[0] > time.monotonic()

    def _leave_hung(self) -> None:
        """Give the place of senders that do not come back to others."""
        now = time.monotonic()
        with self._lock:
            jobs = [
                job
                for job in self._jobs.values()
                if job.alive and job.delivery and now - job.since > HUNG.total_seconds()
            ]
            for job in jobs:
                job.left = True
                self._hung.append(job)
                del self._jobs[job.key]
        for job in jobs:
            seconds = int(HUNG.total_seconds())
            log.error("company %s: channel %s: no end after %d s", *job.key, seconds)
            trouble = Trouble(kept(Problem("Q104", {"seconds": seconds})))
            self._settle(job, trouble)

    # --- a channel's thread --------------------------------------------------------------------
    def _run(self, job: _Job) -> None:
        try:
            with self._unit(job) as unit:
                sender = sender_of(unit, self._senders, job.channel)
                delivery = self._claim(job, unit)
            while delivery is not None:
                trouble = self._attempt(job, sender, delivery)
                delivery = self._settle(job, trouble, more=True)
        except Exception as error:
            log.warning("company %s: channel %s: %s", *job.key, trail(error))
            self._rest(job, None)
        finally:
            with self._lock:
                job.delivery = None
                if self._jobs.get(job.key) is job:
                    del self._jobs[job.key]
            if self._ended is not None and not job.left:
                self._ended(job.company.key)

    def _unit(self, job: _Job) -> AbstractContextManager[Unit]:
        return job.company.unit(SYSTEM, write=True, now=self._clock(), source="job")

    def _claim(self, job: _Job, unit: Unit) -> Delivery | None:
        if self._stop.is_set() or job.left or self._resting(job):
            job.delivery = None
            return None
        job.delivery, job.since = rows.leased(unit, job.channel), time.monotonic()
        return job.delivery

    def _attempt(self, job: _Job, sender: Sender | None, delivery: Delivery) -> Trouble | None:
        """Send one; None when it worked."""
        if sender is None:
            problem = Problem("Q102", {"channel": job.channel})
            return Trouble(kept(problem), final=True)
        try:
            sender.send(job.company, delivery)
        except GiveUp as error:
            trouble = Trouble(kept(error.reason), final=True)
        except Retry as error:
            trouble = Trouble(kept(error.reason), after=_span(error.after))
        except Exception as error:
            log.warning("company %s: channel %s: %s", *job.key, trail(error))
            trouble = Trouble(kept(error))
        else:
            job.failures = 0
            with self._lock:
                self._rests.pop(job.key, None)
            return None
        job.failures = 0 if trouble.final else job.failures + 1
        if job.failures >= MANY_FAILURES:
            self._rest(job, trouble.after)
        return trouble

    def _settle(self, job: _Job, trouble: Trouble | None, *, more: bool = False) -> Delivery | None:
        """Write down what came of the sending, and claim the next with `more`."""
        delivery = job.delivery
        if delivery is None:
            return None
        with self._unit(job) as unit:
            if trouble is None:
                rows.mark_done(unit, delivery.id)
                work = Work(done=1)
            else:
                dead = rows.mark_failed(unit, delivery.id, trouble, lease=delivery.lease)
                work = Work(dead=1) if dead else Work(failed=0 if dead is None else 1)
            following = self._claim(job, unit) if more else None
        with self._lock:
            self._work[job.company.key] = self._work.get(job.company.key, Work()) + work
        return following

    # --- rests ---------------------------------------------------------------------------------
    def _resting(self, job: _Job) -> bool:
        with self._lock:
            return self._rests.get(job.key, (0.0, 0.0))[0] > time.monotonic()

    def _rest(self, job: _Job, after: timedelta | None) -> None:
        if not self._patient:
            return
        with self._lock:
            _, before = self._rests.get(job.key, (0.0, 0.0))
            length = min(before * 2 or REST, LONGEST_REST)
            wanted = max(length, min(after.total_seconds() if after else 0, LONGEST_REST))
            self._rests[job.key] = (time.monotonic() + wanted, length)


def _span(after: object) -> timedelta | None:
    """What a plugin's sender was asked to wait, in seconds or as it should be."""
    if isinstance(after, int | float):
        return timedelta(seconds=min(max(after, 0), rows.LONGEST_WAIT.total_seconds()))
    return after if isinstance(after, timedelta) else None


def due_channels(unit: Unit) -> list[str]:
    """The channels that have something to send."""
    table = system.OUTBOX
    wanted = sa.select(table.c.channel).where(rows.free(unit.now), table.c.channel != "")
    return sorted(unit.connection.scalars(wanted.distinct()))


def sender_of(unit: Unit, senders: Mapping[str, Sender], channel: str) -> Sender | None:
    """Who sends for a channel: by the kind of the channel that an administrator named so, else
    the channel is a kind itself."""
    table = system.CHANNEL
    kind = unit.connection.scalar(sa.select(table.c.kind).where(table.c.name == channel))
    return senders.get(channel if kind is None else str(kind))
