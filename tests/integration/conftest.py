"""The served company of the page tests: made once per run, copied for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import worlds
from tests.companies import Served, prepare_small, prepare_trades
from tests.web import Site, prepare


@pytest.fixture(scope="session")
def prepared() -> Path:
    """The folder of an installation with one company, nobody using it."""
    return worlds.folder("site", prepare)


@pytest.fixture
def site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    """A company of one's own, served."""
    data = tmp_path / "site"
    shutil.copytree(prepared, data)
    found = Site.open(data)
    yield found
    found.installation.close()


@pytest.fixture(scope="session")
def trades() -> Path:
    """The folder of an installation with a company of every shipped trade."""
    return worlds.folder("trades", prepare_trades)


@pytest.fixture
def served(trades: Path, tmp_path: Path) -> Iterator[Served]:
    """Companies of every trade, one's own, served."""
    data = tmp_path / "data"
    shutil.copytree(trades, data)
    found = Served.open(data)
    yield found
    found.installation.close()


@pytest.fixture(scope="session")
def small() -> Path:
    """The folder of an installation with the small company of `records_world`."""
    return worlds.folder("small", prepare_small)
