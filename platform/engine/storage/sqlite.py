"""SQLite as we run it: strict tables, WAL, our own transactions, settings read back.

One dialect object and one compiled-statement cache serve all files: both are part of the cache's
key, and a company's first request then costs a tenth.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import QueuePool

from engine.storage.errors import StorageError
from engine.storage.patience import TimedConnection

APPLICATION: Final = 0x44474E47
"""Marks a file as ours in its header (``PRAGMA application_id``)."""

FORMAT: Final = 1
"""The layout of the platform's own tables (``PRAGMA user_version``); newer files are refused."""

BUSY_SECONDS: Final = 10
_SETTINGS: Final[dict[str, str | int]] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: a commit that was told survives a power cut
    "foreign_keys": 1,
    "busy_timeout": BUSY_SECONDS * 1000,
    "trusted_schema": 0,
}


class StrictTypes(SQLiteTypeCompiler):
    """The words a STRICT table allows: INTEGER, REAL, TEXT, BLOB."""

    def _integer(self, *_: Any, **__: Any) -> str:
        return "INTEGER"

    def _text(self, *_: Any, **__: Any) -> str:
        return "TEXT"

    visit_BIGINT = visit_SMALLINT = visit_BOOLEAN = _integer  # noqa: N815
    visit_VARCHAR = visit_CHAR = visit_NVARCHAR = visit_JSON = _text  # noqa: N815
    visit_DATE = visit_DATETIME = visit_TIME = visit_TIMESTAMP = _text  # noqa: N815


class StrictDialect(SQLiteDialect_pysqlite):
    """The standard dialect, speaking to STRICT tables and leaving transactions to us."""

    supports_statement_cache = True
    type_compiler_cls = StrictTypes


registry.register("sqlite.strict", __name__, "StrictDialect")


@cache
def dialect() -> sa.Dialect:
    """The one dialect of all SQLite files, told about this SQLite by a connection to memory."""
    engine = sa.create_engine("sqlite+strict://")
    engine.connect().close()
    engine.dispose()
    return engine.dialect


def engines(path: Path) -> tuple[sa.Engine, sa.Engine]:
    """Engines for reading and for writing `path`.

    SQLite has one writer at a time: threads of this process queue at a pool of one connection
    (fair, no polling), other processes at ``busy_timeout``. Readers never wait. A read connection
    refuses to write.
    """
    url = sa.URL.create("sqlite+strict", database=str(path))
    shared = dialect()

    def pool(read_only: bool, size: int, more: int) -> QueuePool:
        return QueuePool(
            lambda: cast(Any, _connect(path, read_only)),
            pool_size=size,
            max_overflow=more,
            timeout=BUSY_SECONDS,
            use_lifo=True,
            dialect=shared,
        )

    reader = sa.Engine(pool(read_only=True, size=4, more=28), shared, url)
    writer = sa.Engine(pool(read_only=False, size=1, more=0), shared, url)
    sa.event.listen(reader, "begin", _begin("BEGIN"))
    sa.event.listen(writer, "begin", _begin("BEGIN IMMEDIATE"))
    return reader, writer


def _begin(words: str) -> Callable[[sa.Connection], None]:
    def begin(connection: sa.Connection) -> None:
        cast(sqlite3.Connection, connection.connection.driver_connection).execute(words)

    return begin


def prepare(path: Path) -> None:
    """Create the file, or make sure that it is one of ours.

    Raises: StorageError for a folder that is missing or not writable, a file that is no database,
    belongs to another program, or was written by a newer version.
    """
    _check_place(path)
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    except sqlite3.Error as error:
        raise StorageError("S012", detail=str(error)) from error
    try:
        _claim(connection, path)
    except sqlite3.DatabaseError as error:
        if str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_NOTADB"):
            raise StorageError("S003", path=str(path)) from error
        raise StorageError("S012", detail=str(error)) from error
    finally:
        connection.close()


def _check_place(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise StorageError("S001", path=str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError("S002", path=str(folder))
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        raise StorageError("S002", path=str(path))


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Write our marks into an empty file; check them in any other."""
    marks = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    if connection.execute(marks).fetchone() != (APPLICATION, FORMAT):
        connection.execute("BEGIN IMMEDIATE")
        owner, version = connection.execute(marks).fetchone()  # again: another process was first?
        if owner == APPLICATION and version > FORMAT:
            raise StorageError("S005", path=str(path), found=version, known=FORMAT)
        if owner != APPLICATION:
            if owner or connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                raise StorageError("S004", path=str(path))
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={FORMAT}")
        connection.execute("COMMIT")
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError("S006", setting="journal_mode", wanted="wal", found=mode)


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    # URI mode=rw: a file that vanished must not come back as an empty database
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=BUSY_SECONDS,
        factory=TimedConnection,
    )
    try:
        for name, wanted in _SETTINGS.items():
            _set(connection, name, wanted)
        if read_only:
            connection.execute("PRAGMA query_only=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _set(connection: sqlite3.Connection, name: str, wanted: str | int) -> None:
    """Set a PRAGMA and read it back: SQLite says nothing when it does not comply."""
    connection.execute(f"PRAGMA {name}={wanted}")
    found = connection.execute(f"PRAGMA {name}").fetchone()[0]
    if found != wanted:
        raise StorageError("S006", setting=name, wanted=wanted, found=found)
