"""What a database objects to, in words the engine understands on both databases."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
import sqlalchemy as sa

from engine.problems import Problem, text


class StorageError(Exception):
    """The database cannot be used as asked; `problem` says why and what to do."""

    def __init__(self, code: str, /, **params: Any) -> None:
        self.problem = Problem(code, params)
        super().__init__(text(self.problem, "en"))


class StorageBusy(StorageError):
    """Somebody else holds the lock, or a deadlock was broken up: trying again is right."""

    def __init__(self) -> None:
        super().__init__("S010")


Kind = Literal["unique", "foreign", "check", "not_null", "other"]


@dataclass(frozen=True, slots=True)
class Violation:
    """Which kind of constraint was broken, and what the database tells of it.

    `constraint` is the constraint's or index's name where the database gives one; SQLite names
    the `columns` ("table.column") of a plain unique index instead, and nothing for foreign keys.
    """

    kind: Kind
    constraint: str = ""
    columns: tuple[str, ...] = ()


_SQLITE_KINDS: dict[str, Kind] = {
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_ROWID": "unique",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign",
    "SQLITE_CONSTRAINT_CHECK": "check",
    "SQLITE_CONSTRAINT_NOTNULL": "not_null",
}
_POSTGRES_KINDS: dict[str, Kind] = {
    "23505": "unique",
    "23503": "foreign",
    "23514": "check",
    "23502": "not_null",
}
# deadlock, serialisation, lock not available, and what Citus says at COMMIT instead of 40001
_BUSY_STATES = {"40P01", "40001", "55P03"}
_FULL_STATES = {"53100", "53200"}
_CANCELLED = "57014"  # it took longer than a statement may
_GONE_STATES = ("08", "57P")


def violation(error: sa.exc.IntegrityError) -> Violation:
    """What `error` is about."""
    cause = error.orig
    if isinstance(cause, psycopg.Error):
        return _postgres_violation(cause)
    name = str(getattr(cause, "sqlite_errorname", ""))
    kind = _SQLITE_KINDS.get(name, "other")
    detail = str(cause).partition("constraint failed: ")[2]
    if found := re.fullmatch(r"index '(.+)'", detail):
        return Violation(kind, constraint=found[1])
    if kind == "check":
        return Violation(kind, constraint=detail)
    return Violation(kind, columns=tuple(detail.split(", ")) if detail else ())


def _postgres_violation(cause: psycopg.Error) -> Violation:
    kind = _POSTGRES_KINDS.get(cause.sqlstate or "", "other")
    name = cause.diag.constraint_name
    if name is None:  # a distributed table tells it only in the text
        found = re.search(r'constraint "([^"]+)"', str(cause))
        name = found[1] if found else ""
    table, column = cause.diag.table_name, cause.diag.column_name
    columns = (f"{plain_name(table)}.{column}",) if table and column else ()
    return Violation(kind, constraint=plain_name(name), columns=columns)


def plain_name(name: str) -> str:
    """`name` without the shard number that Citus appends; our names never end in one."""
    return re.sub(r"_\d+$", "", name)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageBusy or StorageError for what the environment does to us: locks, a full disk,
    a server that went away. Everything else passes unchanged."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise StorageBusy from error
    except sa.exc.DBAPIError as error:
        if (found := _environment(error.orig)) is not None:
            raise found from error
        raise
    except (sqlite3.Error, psycopg.Error) as error:  # the raw cursor of the fast read path
        if (found := _environment(error)) is not None:
            raise found from error
        raise


def _environment(cause: BaseException | None) -> StorageError | None:
    if isinstance(cause, psycopg.Error):
        return _postgres_environment(cause)
    name = str(getattr(cause, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageBusy()
    if name == "SQLITE_FULL":
        return StorageError("S011")
    if name == "SQLITE_INTERRUPT":
        return StorageError("S015")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StorageError("S003", path="")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR")):
        return StorageError("S012", detail=str(cause))
    return None


def _postgres_environment(cause: psycopg.Error) -> StorageError | None:
    state = cause.sqlstate or ""
    if state in _BUSY_STATES or (state == "XX000" and "could not serialize" in str(cause)):
        return StorageBusy()
    if state in _FULL_STATES:
        return StorageError("S011")
    if state == _CANCELLED:
        return StorageError("S015")
    if state.startswith(_GONE_STATES) or (
        not state and isinstance(cause, psycopg.OperationalError)
    ):
        return StorageError("S007", detail=str(cause).strip().splitlines()[0])
    return None
