"""Two laws for every answer in every test: none says that the fault is ours, and what was refused
has left no trace in a company.

The test client is watched in one place, so that no test has to remember. `expects_fault` marks the
tests that break something on purpose. The second law is looked at cheaply here (the newest rows of
what every change writes); `tests/security/guards.py` compares everything.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

WRITTEN: Final = "SELECT " + ", ".join(
    f"(SELECT max(id) FROM dg_{name})" for name in ("history", "comment", "wf_event", "version")
)
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_broken: list[str] = []
_looking: dict[Path, sqlite3.Connection] = {}


def watch() -> None:
    """Look at every answer from now on."""
    real = FlaskClient.open

    @wraps(real)
    def opened(self: FlaskClient, *args: Any, **more: Any) -> Any:
        alone = threading.active_count() == 1  # else somebody else may be writing meanwhile
        path = _database(self, args, more) if alone else None
        before = _newest(path) if path else None
        answer = real(self, *args, **more)
        said = f"{answer.request.method} {answer.request.path} → {answer.status_code}"
        if answer.status_code >= 500:
            _broken.append(f"{said}: a fault of ours")
        elif path and answer.status_code >= 400 and before != _newest(path):
            _broken.append(f"{said}: it was refused, and something was written")
        return answer

    FlaskClient.open = opened  # type: ignore[method-assign]


@contextmanager
def lawful(item: pytest.Item) -> Iterator[None]:
    """A test whose answers keep to the laws."""
    _broken.clear()
    try:
        yield
    finally:
        while _looking:
            _looking.popitem()[1].close()
    if _broken and item.get_closest_marker("expects_fault") is None:
        pytest.fail("\n".join(_broken), pytrace=False)


def _database(client: FlaskClient, args: Any, more: Any) -> Path | None:
    """The file of the company that a writing request is for."""
    if str(more.get("method", "GET")) in SAFE or not args or not isinstance(args[0], str):
        return None
    installation = client.application.extensions.get("installation")
    key = args[0].partition("?")[0].strip("/").partition("/")[0]
    company = installation.company(key) if installation and key else None
    found: Path | None = company.database.path if company is not None else None
    return found if found and found.exists() else None


def _newest(path: Path) -> Any:
    if path not in _looking:
        _looking[path] = sqlite3.connect(path, check_same_thread=False)
    return _looking[path].execute(WRITTEN).fetchone()
