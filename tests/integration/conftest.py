"""The served company of the page tests: made once, copied for every test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
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
