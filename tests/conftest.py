"""Fixtures for every test: databases of both engines."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests import compiled, lawful, worlds
from tests.databases import hurry, server

from engine.storage import Database

# shipped definitions encrypt fields: without a key no company of theirs opens
os.environ["DOUGONG_KEYS"] = f"tests:{'A' * 43}"
compiled.keep()
hurry()
lawful.watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """No answer of any test is a fault of ours, unless the test is marked as expecting one."""
    with lawful.lawful(item):
        return (yield)


def pytest_collection_finish() -> None:
    """The collected tests and the imported modules stay until the end: looking through all of
    them for garbage again and again was a fifth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """A PostgreSQL server of this test run; its absence is a failure, never a skip."""
    base = tmp_path_factory.getbasetemp()
    with server(base if worker_id == "master" else base.parent) as url:
        yield url
        worlds.leave(url)


@pytest.fixture(scope="session", autouse=True)
def _worlds(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    base = tmp_path_factory.getbasetemp()
    worlds.begin(base if worker_id == "master" else base.parent)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """An empty company in an SQLite file."""
    database = Database.sqlite(tmp_path / "company.db")
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """An empty company on a PostgreSQL server, dropped afterwards."""
    database = worlds.empty(postgres_url)
    yield database
    worlds.discard(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty company, once on each engine."""
    found: Database = request.getfixturevalue(
        "sqlite_database" if request.param == "sqlite" else "postgres_database"
    )
    return found
