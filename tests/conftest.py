"""Fixtures for every test: databases of both engines."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import server

from engine.storage import Database


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """A PostgreSQL server of this test run; its absence is a failure, never a skip."""
    base = tmp_path_factory.getbasetemp()
    with server(base if worker_id == "master" else base.parent) as url:
        yield url


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """An empty company in an SQLite file."""
    database = Database.sqlite(tmp_path / "company.db")
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """An empty company in a PostgreSQL schema, dropped afterwards."""
    database = Database.postgres(postgres_url, f"test_{uuid.uuid4().hex[:12]}")
    yield database
    database.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty company, once on each engine."""
    found: Database = request.getfixturevalue(
        "sqlite_database" if request.param == "sqlite" else "postgres_database"
    )
    return found
