"""How long one statement may take: whoever asks too much gets an error, and the worker survives.

PostgreSQL counts by itself (``statement_timeout``). SQLite is asked every `STRIDE` steps of its
machine; a pause between two of these looks, while our own code works on rows, counts a little only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, Self

SECONDS: Final = 10.0
STRIDE: Final = 500_000
_COUNTED: Final = 0.5  # the most that counts between two looks


class Clock:
    """What the statement under way has taken so far."""

    __slots__ = ("_last", "_spent", "limit")

    def __init__(self) -> None:
        self.limit = SECONDS
        self.start()

    def start(self) -> None:
        """A statement begins."""
        self._last, self._spent = monotonic(), 0.0

    def late(self) -> bool:
        """Whether it has to end."""
        now = monotonic()
        self._spent += min(now - self._last, _COUNTED)
        self._last = now
        return self._spent > self.limit


class TimedCursor(sqlite3.Cursor):
    """Starts its connection's clock with every statement."""

    connection: TimedConnection

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        self.connection.clock.start()
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        self.connection.clock.start()
        return super().executemany(sql, parameters)


class TimedConnection(sqlite3.Connection):
    """A connection on which no statement takes longer than its clock allows."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock = Clock()
        self.set_progress_handler(self.clock.late, STRIDE)

    def cursor(self, factory: Any = TimedCursor) -> Any:
        return super().cursor(factory)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let everything take its time: changes of tables."""
        before, self.clock.limit = self.clock.limit, float("inf")
        try:
            yield
        finally:
            self.clock.limit = before
