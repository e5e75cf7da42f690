"""A company's database: transactions to read and to write in, the same on both engines."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import LRUCache

from engine.problems import Problem
from engine.storage import postgres, sqlite
from engine.storage.errors import StorageBusy, StorageError, translated
from engine.storage.ids import Ids
from engine.storage.keys import Keyring, environment_keys
from engine.storage.patience import TimedConnection
from engine.storage.statements import Statement, raw

T = TypeVar("T")

COMPILED: Final[LRUCache[Any, Any]] = LRUCache(2000)
"""Compiled statements of all companies: the same statement on two companies compiles once."""


class Database:
    """One company's data: an SQLite file or a PostgreSQL schema.

    Safe for threads. `close` may come at any time: connections in use finish their work, and
    later use opens new ones, so a cache of companies can drop one that somebody still holds.
    `keys` seal what is marked as encrypted: the environment's, unless others are given.
    """

    ids: Ids
    keys: Keyring

    def __init__(
        self,
        kind: Literal["sqlite", "postgresql"],
        readers: sa.Engine,
        writers: sa.Engine,
        close: Callable[[], None],
        schema: str = "",
        path: Path | None = None,
    ) -> None:
        options: dict[str, Any] = {"compiled_cache": COMPILED}
        if schema:
            options["schema_translate_map"] = {None: schema}
        self.kind, self.schema, self.path = kind, schema, path
        self.dialect: sa.Dialect = writers.dialect
        self._readers = readers.execution_options(**options)
        self._writers = writers.execution_options(**options)
        self.keys = environment_keys()
        self.ids = Ids(apart=self._writers if kind == "postgresql" else None)
        self._close = close
        self._prepared: dict[Hashable, Statement] = {}

    @classmethod
    def sqlite(cls, path: Path | str) -> Self:
        """The database in the file `path`, created when missing.

        Raises: StorageError when the place cannot be written, the file is not ours or too new.
        """
        path = Path(path)
        sqlite.prepare(path)
        readers, writers = sqlite.engines(path)

        def close() -> None:
            readers.dispose()
            writers.dispose()

        return cls("sqlite", readers, writers, close, path=path)

    @classmethod
    def postgres(cls, url: str, schema: str, *, prepare_threshold: int | None = 5) -> Self:
        """The database in `schema` of the server at `url`, created when missing.

        `prepare_threshold` None turns prepared statements off, as poolers in transaction mode need.
        Raises: StorageError when the server cannot be reached, the schema is not ours or too new.
        """
        postgres.check_name(schema)
        engine = postgres.acquire(url, prepare_threshold)
        try:
            postgres.prepare(engine, schema)
        except BaseException:
            postgres.release(url, prepare_threshold)
            raise
        # every statement of READ COMMITTED has its own view anyway: reading without BEGIN and
        # COMMIT saves two trips
        readers = engine.execution_options(isolation_level="AUTOCOMMIT")
        return cls(
            "postgresql",
            readers,
            engine,
            lambda: postgres.release(url, prepare_threshold),
            schema=schema,
        )

    @contextmanager
    def read(self, *, snapshot: bool = False) -> Iterator[sa.Connection]:
        """A connection to read with. `snapshot`: all statements see the same moment (they always
        do on SQLite). SQLite refuses to write here; on PostgreSQL do not try."""
        readers = self._readers
        if snapshot and self.kind == "postgresql":
            readers = self._writers.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with translated(), readers.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection in a write transaction: committed at the end, rolled back on any exception.

        On SQLite nobody else writes meanwhile: keep it under 0.2 seconds. Raises: StorageBusy.
        """
        with translated(), self._writers.connect() as connection:
            committed = False
            try:
                with connection.begin():
                    yield connection
                committed = True
            finally:
                self.ids.settle(connection, committed)

    def ddl(self, work: Callable[[sa.Connection], T], *, attempts: int = 40) -> T:
        """Run `work` in a write transaction that changes tables, again from the start when a lock
        was not to be had at once: a table's writers must never queue behind a waiting change.

        Raises: StorageBusy after `attempts`.
        """
        for attempt in range(attempts):
            try:
                with self.write() as connection, self._unhurried(connection):
                    return work(connection)
            except StorageBusy:
                if attempt == attempts - 1:
                    raise
                time.sleep(random.uniform(0.02, 0.1) * min(attempt + 1, 5))  # noqa: S311
        raise StorageBusy

    @contextmanager
    def _unhurried(self, connection: sa.Connection) -> Iterator[None]:
        """Changing a table may take longer than anything else; waiting for its lock may not."""
        if self.kind == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {postgres.DDL_LOCK_MS}")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield
            return
        driver = connection.connection.driver_connection
        assert isinstance(driver, TimedConnection)
        with driver.unhurried():
            yield

    def prepare(self, statement: sa.Executable) -> Statement:
        """`statement` compiled for this company, for the driver's own cursor."""
        return Statement(self.dialect, self.schema, statement)

    def prepared(self, key: Hashable, build: Callable[[], sa.Executable]) -> Statement:
        """A statement on the platform's own tables, compiled once per key."""
        found = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = self.prepare(build())
        return found

    def check(self) -> list[Problem]:
        """What an operator should know about this database: doubtful settings of the server."""
        if self.kind == "sqlite":
            return []  # its settings were read back when it was opened
        with self.read() as connection:
            return postgres.settings(connection)

    def settle(self) -> None:
        """Empty the journal of an SQLite file into it: what was overwritten there is then nowhere
        in the folder. While somebody reads an older moment it stays as it is: nobody waits.
        PostgreSQL forgets with its next VACUUM."""
        if self.kind != "sqlite":
            return
        with self._writers.connect() as connection:
            cursor = raw(connection)
            (patience,) = cursor.execute("PRAGMA busy_timeout").fetchone()
            try:
                cursor.execute("PRAGMA busy_timeout=0")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={patience}")
                cursor.close()

    def backup(self, target: Path) -> None:
        """Copy the SQLite file while it is in use; a plain copy of the files would be broken.

        Raises: StorageError for PostgreSQL (use pg_dump), or when `target` cannot be written.
        """
        if self.path is None:
            raise StorageError("S014", schema=self.schema)
        try:
            with (
                closing(
                    sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
                ) as source,
                closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
        except sqlite3.Error as error:
            raise StorageError("S012", detail=str(error)) from error

    def drop(self) -> None:
        """Delete the company's data for good."""
        if self.path is None:
            with self.write() as connection:
                connection.execute(sa.schema.DropSchema(self.schema, cascade=True))
            self.close()
            return
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._close()
        self._close = _nothing if self.kind == "postgresql" else self._close

    def __repr__(self) -> str:
        return f"Database({self.kind}, {self.schema or self.path})"


def _nothing() -> None:
    """A company gives its server's engine back once."""
