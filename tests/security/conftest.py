"""The standard world, made once for a run of the tests and copied for those that write."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import copytree

import pytest
from tests.security.guards import dry
from tests.security.world import READERS, TENANTS, World, prepare


def begin(world: World, tenants: Iterable[str]) -> None:
    """Everybody logs in, before whatever is written is undone."""
    for tenant in tenants:
        for login in ("admin", *READERS):
            world.served.visitor(tenant, login).send("POST", "/search")


@pytest.fixture(scope="session")
def prepared_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation with both companies, nobody using it."""
    data = tmp_path_factory.mktemp("w1")
    prepare(data)
    return data


@pytest.fixture
def world(prepared_world: Path, tmp_path: Path) -> Iterator[World]:
    """The world, one's own to change."""
    copytree(prepared_world, tmp_path / "w1")
    found = World.open(tmp_path / "w1")
    yield found
    found.close()


@pytest.fixture(scope="module")
def kept(prepared_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world, for tests of what must not change it."""
    data = tmp_path_factory.mktemp("kept") / "w1"
    copytree(prepared_world, data)
    found = World.open(data)
    yield found
    found.close()


@pytest.fixture(scope="session")
def still_open(prepared_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world that stays as it is."""
    data = tmp_path_factory.mktemp("still") / "w1"
    copytree(prepared_world, data)
    found = World.open(data)
    begin(found, TENANTS)
    yield found
    found.close()


@pytest.fixture
def still(still_open: World) -> Iterator[World]:
    """The world that stays as it is: whatever is written is undone."""
    with dry():
        yield still_open


@pytest.fixture(scope="session")
def still_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world that stays as it is, on PostgreSQL."""
    data = tmp_path_factory.mktemp("still_postgres")
    schema = f"w1_{uuid.uuid4().hex[:10]}"
    prepare(data, postgres_url, schema, ("t1",))
    found = World.open(data)
    begin(found, ("t1",))
    yield found
    found.served.company("t1").database.drop()
    found.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def tried(request: pytest.FixtureRequest) -> Iterator[World]:
    """The world that stays as it is, once on each database."""
    name = "still_open" if request.param == "sqlite" else "still_postgres"
    found: World = request.getfixturevalue(name)
    with dry():
        yield found
