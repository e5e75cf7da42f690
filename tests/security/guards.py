"""What holds for every request of every test: no answer is a fault of ours, and what is refused
has changed nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served
from werkzeug.test import TestResponse

from engine.records.company import Company
from engine.storage import Database
from engine.storage.errors import translated
from engine.tables import system

BESIDE = (
    system.HISTORY, system.COMMENT, system.SHARE, system.NOTICE, system.WF_INSTANCE,
    system.WF_TASK, system.WF_EVENT, system.OUTBOX, system.SAVED_VIEW, system.USER,
    system.USER_ROLE, system.DEPARTMENT, system.VERSION,
)  # fmt: skip
QUIET = {"seen_at"}  # columns that change with every login


def business(company: Company) -> str:
    """A digest of all that people keep in a company: records, their history, what goes with them,
    and who may do what. What the platform notes about its own doings does not count."""
    total = hashlib.sha256()
    with company.database.read() as connection:
        for table in (*company.current.tables.metadata.sorted_tables, *BESIDE):
            columns = [column for column in table.c if column.name not in QUIET]
            rows = connection.execute(sa.select(*columns)).all()
            total.update(table.name.encode())
            total.update("\n".join(sorted(repr(tuple(row)) for row in rows)).encode())
    return total.hexdigest()


class Changed(AssertionError):
    """A refused request that has written."""


class Fault(AssertionError):
    """An answer that says that we have made a mistake."""


class Guarded(FlaskClient):
    """A client that holds every answer to the two laws."""

    checked = 0  # refusals that were looked at
    tried = 0

    def open(self, *args: Any, **more: Any) -> TestResponse:
        """Any request."""
        company = _company(self, args, more)
        before = _State.of(company) if company else None
        answer = super().open(*args, **more)
        Guarded.tried += 1
        said = f"{answer.request.method} {answer.request.path} → {answer.status_code}"
        if answer.status_code >= 500:
            raise Fault(said)
        if answer.status_code >= 400:
            Guarded.checked += 1
            if company and before and before.digest != _State.of(company).digest:
                raise Changed(said)
        return answer


def state(company: Company) -> str:
    """The digest of a company, read anew only when something was written."""
    return _State.of(company).digest


@dataclass(frozen=True)
class _State:
    """What a company held when its file had a certain number. SQLite changes the number with each
    commit of anybody else, so that most of the time nothing has to be read."""

    number: int
    digest: str

    @classmethod
    def of(cls, company: Company) -> _State:
        known: _State | None = _KNOWN.get(company)
        path = company.database.path
        if path is None:
            return cls(0, business(company))
        if company not in _WATCHES:
            _WATCHES[company] = sqlite3.connect(path, check_same_thread=False)
        number = int(_WATCHES[company].execute("PRAGMA data_version").fetchone()[0])
        if known is None or known.number != number:
            known = _KNOWN[company] = cls(number, business(company))
        return known


_KNOWN: WeakKeyDictionary[Company, _State] = WeakKeyDictionary()
_WATCHES: WeakKeyDictionary[Company, sqlite3.Connection] = WeakKeyDictionary()


def _company(client: FlaskClient, args: Any, more: Any) -> Company | None:
    path = more.get("path") or (args[0] if args and isinstance(args[0], str) else "")
    found: Company | None = client.application.extensions["installation"].company(
        str(path).strip("/").partition("/")[0]
    )
    return found


@contextmanager
def guarded(served: Served) -> Iterator[Served]:
    """Every client of the application is guarded."""
    before, served.app.test_client_class = served.app.test_client_class, Guarded
    served._browsers.clear()
    try:
        yield served
    finally:
        served.app.test_client_class = before
        served._browsers.clear()
        while _WATCHES:
            _WATCHES.popitem()[1].close()


@contextmanager
def dry() -> Iterator[None]:
    """Whatever is written is undone at the end of its transaction, so that each of thousands of
    requests meets the same world."""

    @contextmanager
    def write(self: Database) -> Iterator[sa.Connection]:
        with translated(), self._writers.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.rollback()
                self.ids.settle(connection, False)

    before = Database.write
    Database.write = write  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.write = before  # type: ignore[method-assign]
