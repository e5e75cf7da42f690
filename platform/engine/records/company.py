"""A company at run time: its database and the published version that requests run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from engine.definitions import build_model
from engine.definitions.model import Model, text_of
from engine.fields import TYPES
from engine.problems import Problem
from engine.records.accesses import Recent, write_accesses
from engine.records.application import Application
from engine.records.failures import Busy, Conflict
from engine.records.keeping import check_keys, note_key
from engine.records.unit import Actor, Unit
from engine.records.visits import Visit
from engine.storage import Database, StorageBusy, raw
from engine.storage.errors import translated
from engine.tables import Layout, system

_GONE = {"42703", "42P01", "0A000", "23502"}  # what a stale worker meets (storage.md, chapter D)


class NotPublished(Conflict):
    """The company has no published version yet."""

    def __init__(self) -> None:
        super().__init__([Problem("R005")])


class Company:
    """One company, shared by the threads of a process.

    Which version is in force stands in its own database and is asked at the start of every unit,
    so a publish in one process is seen by all others with their next request.
    """

    def __init__(self, key: str, database: Database, files: Path | None = None) -> None:
        self.key, self.database = key, database
        self.files = files
        self.waker: Callable[[], None] | None = None  # of the runner in this process
        self._app: Application | None = None
        self._lock = threading.Lock()
        self._recent = Recent()

    @property
    def current(self) -> Application:
        """The version in force as this process last saw it.

        Raises: NotPublished.
        """
        if self._app is None:
            with self.database.read() as connection:
                return self.application(connection)
        return self._app

    def title(self, language: str) -> str:
        """The company's name."""
        return text_of(self.current.model.title, language)

    @property
    def published(self) -> bool:
        """Whether there is a version."""
        with self.database.read() as connection:
            return _latest(connection, self.database) is not None

    @contextmanager
    def unit(
        self,
        actor: Actor,
        *,
        write: bool = False,
        now: datetime | None = None,
        source: str = "page",
        within: Visit | None = None,
    ) -> Iterator[Unit]:
        """A unit of work: one transaction, undone as a whole by any exception. `within`: read on in
        the transaction that the visit began with.

        Raises: Busy when the database could not be written in time, NotPublished.
        """
        if within is not None:
            begin: AbstractContextManager[sa.Connection] = _going_on(within.connection)
        else:
            begin = self.database.write() if write else self.database.read()
        try:
            with begin as connection:
                app = self.application(connection, within.version if within else None)
                if write and app.note_key:  # the first values that a new key will seal
                    note_key(connection, app.tables.keys)
                moment = now or datetime.now(UTC)
                unit = Unit(app, connection, actor, moment, source, self.files, write)
                yield unit
                if write:
                    self._note_accesses(unit, connection)
                # who had to wait for a publish wrote with formulas that hold no longer
                if write and self.database.kind != "sqlite":
                    self._still(connection, app)
            if not write:
                self._note_accesses(unit)
        except StorageBusy as busy:
            raise Busy from busy
        except Exception as error:
            if _stale(error):
                self.forget()  # the next unit reads the version again
            raise
        if write:
            app.note_key = False
        if unit.posted:
            self.wake()

    def _note_accesses(self, unit: Unit, connection: sa.Connection | None = None) -> None:
        """Write down who saw what, in the transaction of what he did or in one of its own."""
        user = unit.actor.id
        wanted = self._recent.fresh(user, unit.seen, unit.now) if unit.seen else []
        if not wanted or not user or unit.actor.system:
            return
        if connection is not None:
            write_accesses(unit, connection, wanted)
            return  # not remembered: the transaction may come to nothing yet
        with self.database.write() as writer:
            write_accesses(unit, writer, wanted)
        self._recent.keep(user, wanted, unit.now)

    def wake(self) -> None:
        """Tell the runner of this process, if there is one, that something is to be done."""
        if (waker := self.waker) is not None:
            waker()

    def _still(self, connection: sa.Connection, app: Application) -> None:
        try:
            version = _latest(connection, self.database)
        except psycopg.errors.InFailedSqlTransaction:
            return  # nothing of it will be kept
        if version != app.version:
            raise Busy

    def application(self, connection: sa.Connection, version: int | None = None) -> Application:
        """The version in force, seen through `connection` unless it is told; compiled when it is
        a new one."""
        if version is None:
            version = _latest(connection, self.database)
        if version is None:
            raise NotPublished
        if (app := self._app) is not None and app.version == version:
            return app
        with self._lock:
            if self._app is None or self._app.version != version:
                self._app = self._compile(connection, version)
            return self._app

    def forget(self) -> None:
        """Compile the version anew with the next unit."""
        self._app = None

    def adopt(self, app: Application) -> None:
        """Take over a version that was compiled for publishing."""
        with self._lock:
            self._app = app

    def _compile(self, connection: sa.Connection, version: int) -> Application:
        table = system.VERSION
        row = connection.execute(sa.select(table).where(table.c.id == version)).one()
        model = build(row.sources, row.pack)
        layout = Layout.from_json(row.layout)
        app = Application(self.database, model, layout, version, row.sources)
        app.note_key = check_keys(connection, app)
        return app


@contextmanager
def _going_on(connection: sa.Connection) -> Iterator[sa.Connection]:
    """Reading on in a transaction that somebody else ends; errors are told in our words here."""
    with translated():
        yield connection


def build(sources: Any, pack: str) -> Model:
    """The model of sources that were checked when they were published."""
    model, problems = build_model(sources, pack, types=TYPES)
    if model is None:
        raise Conflict(problems)
    return model


_LATEST = "SELECT max(id) FROM {}dg_version"


def _latest(connection: sa.Connection, database: Database) -> int | None:
    """The newest version: one indexed look on the driver's cursor, a few microseconds."""
    cursor = raw(connection)
    try:
        cursor.execute(_LATEST.format(f'"{database.schema}".' if database.schema else ""))
        found: int | None = cursor.fetchone()[0]
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return None  # not even the platform's own tables: a brand-new database
    finally:
        cursor.close()
    return found


def _stale(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(cause, psycopg.Error):
        return cause.sqlstate in _GONE
    return isinstance(cause, sqlite3.OperationalError) and "no such" in str(cause)
