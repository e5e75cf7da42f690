"""Worlds that many tests begin with: made once per test run, copied for every test.

A world is all that stands in a company's database. Its copies share nothing: on SQLite each is a
file of its own, on PostgreSQL a whole database.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import psycopg
import sqlalchemy as sa

from engine.records.company import Company
from engine.storage import Database
from engine.testing import temporary_company

ROOT = Path(__file__).parents[1]
SCHEMA = "world"
Make = Callable[[Database], None]

_folders: list[Path] = []
_servers: WeakKeyDictionary[Database, str] = WeakKeyDictionary()
_copies: WeakKeyDictionary[Database, str] = WeakKeyDictionary()


def begin(shared: Path) -> None:
    """Keep the worlds of this test run in a folder that all its workers share."""
    folder = shared / "worlds"
    folder.mkdir(exist_ok=True)
    _folders[:] = [folder]


def empty(url: str) -> Database:
    """An empty company on the PostgreSQL server at `url`."""
    found = Database.postgres(url, f"test_{uuid.uuid4().hex[:12]}")
    _servers[found] = url
    return found


def discard(database: Database) -> None:
    """End a company on PostgreSQL, whatever it has become."""
    if (name := _copies.pop(database, None)) is None:
        database.drop()
        return
    database.close()
    _administer(_servers[database], f"DROP DATABASE {name} WITH (FORCE)")


def settle(database: Database, name: str, make: Make) -> None:
    """Fill the empty `database` with the world called `name`; `make` makes it, in a database of
    its own, when no test of this run wanted it before. Different worlds have different names."""
    mark = hashlib.sha256(name.encode()).hexdigest()[:16]
    if database.path is not None:
        _copy_file(database.path, mark, make)
    else:
        _copy_database(database, mark, make)


def folder(name: str, make: Callable[[Path], None]) -> Path:
    """The folder called `name`, which `make` filled once in this run: to copy, never to use."""
    found = _folders[0] / name
    with _once(f"folder-{name}") as done:
        if done is not None:
            shutil.rmtree(found, ignore_errors=True)
            found.mkdir()
            make(found)
            done.touch()
    return found


@contextmanager
def company_of(
    pack: str,
    database: Database,
    people: Callable[[Company], None] | None = None,
    *,
    roots: Sequence[Path] = (ROOT,),
    name: str = "",
) -> Iterator[Company]:
    """What `temporary_company` gives, copied: a company of a pack, with the people that `people`
    takes on. `name` tells worlds of the same pack apart."""

    def make(scratch: Database) -> None:
        with temporary_company(roots, pack, scratch) as company:
            if people is not None:
                people(company)

    settle(database, f"{name} {pack}", make)
    with tempfile.TemporaryDirectory() as folder:
        yield Company(pack, database, Path(folder) / "files")


@contextmanager
def _once(mark: str) -> Iterator[Path | None]:
    """Where to leave a mark when something is done that one worker does for all; None when it is
    done."""
    done = _folders[0] / f"{mark}.done"
    with (_folders[0] / f"{mark}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield None if done.exists() else done


def _copy_file(path: Path, mark: str, make: Make) -> None:
    world = _folders[0] / f"{mark}.db"
    with _once(f"sqlite-{mark}") as done:
        if done is not None:
            scratch = Database.sqlite(world)
            try:
                make(scratch)
            finally:
                scratch.close()
            # with the last connection gone everything is in the file itself
            assert not world.with_name(f"{world.name}-wal").exists()
            done.touch()
    with (
        closing(sqlite3.connect(f"{world.as_uri()}?mode=ro&immutable=1", uri=True)) as source,
        closing(sqlite3.connect(path)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy)


def _copy_database(database: Database, mark: str, make: Make) -> None:
    url, world = _servers[database], f"world_{mark}"
    with _once(f"postgres-{mark}") as done:
        if done is not None:
            _administer(url, f"DROP DATABASE IF EXISTS {world}", f"CREATE DATABASE {world}")
            scratch = Database.postgres(_at(url, world), SCHEMA)
            try:
                make(scratch)
            finally:
                scratch.close()
            done.touch()
    discard(database)
    name = f"copy_{uuid.uuid4().hex[:12]}"
    _administer(url, f"CREATE DATABASE {name} TEMPLATE {world}{_strategy(url)}")
    vars(database).update(vars(Database.postgres(_at(url, name), SCHEMA)))
    _copies[database] = name


def _strategy(url: str) -> str:
    """Copying files is the quickest where the server has a choice."""
    return " STRATEGY FILE_COPY" if _connection(url).info.server_version >= 150000 else ""


def _at(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _administer(url: str, *statements: str) -> None:
    for statement in statements:
        _connection(url).execute(statement.encode())


_connections: dict[tuple[str, int], psycopg.Connection] = {}


def _connection(url: str) -> psycopg.Connection:
    key = (url, os.getpid())
    if key not in _connections:
        _connections[key] = psycopg.connect(url, autocommit=True)
    return _connections[key]


def leave(url: str) -> None:
    """Close what was opened at the server for this process."""
    if (found := _connections.pop((url, os.getpid()), None)) is not None:
        found.close()
