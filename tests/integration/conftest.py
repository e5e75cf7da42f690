"""The served company of the page tests: made once, copied for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.companies import Served, prepare_small, prepare_trades
from tests.web import Site, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation with one company, nobody using it."""
    data = tmp_path_factory.mktemp("site")
    prepare(data)
    return data


@pytest.fixture
def site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    """A company of one's own, served."""
    data = tmp_path / "site"
    shutil.copytree(prepared, data)
    found = Site.open(data)
    yield found
    found.installation.close()


@pytest.fixture(scope="session")
def trades(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation with a company of every shipped trade."""
    data = tmp_path_factory.mktemp("trades")
    prepare_trades(data)
    return data


@pytest.fixture
def served(trades: Path, tmp_path: Path) -> Iterator[Served]:
    """Companies of every trade, one's own, served."""
    data = tmp_path / "data"
    shutil.copytree(trades, data)
    found = Served.open(data)
    yield found
    found.installation.close()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installation with the small company of `records_world`."""
    data = tmp_path_factory.mktemp("small")
    prepare_small(data)
    return data
