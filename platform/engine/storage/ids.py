"""Ids for records: blocks of numbers from one row per company, handed out from memory.

Safe for any number of processes: the row is advanced in the caller's transaction (on SQLite, which
has only one writer) or in one of its own, and the rest of a block is shared with other threads only
after the caller's was committed. A rollback leaves a gap at most, never a number given out twice.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.storage.types import big_integer

BLOCK: Final = 100

ID_BLOCK = sa.Table(
    "dg_id_block",
    sa.MetaData(),
    sa.Column("key", sa.Text(), primary_key=True),
    sa.Column("next", big_integer(), nullable=False),
    sqlite_strict=True,
)


class Ids:
    """The allocator of one company; `Database.ids`."""

    def __init__(self, key: str = "record", apart: sa.Engine | None = None) -> None:
        self._key = key
        # where many write at once, the row must not stay locked until a caller commits: whoever
        # holds another lock by then and waits for this one would wait for ever
        self._apart = apart
        self._lock = threading.Lock()
        self._free = range(0)
        self._pending: WeakKeyDictionary[sa.Connection, range] = WeakKeyDictionary()

    def next(self, connection: sa.Connection) -> int:
        """One new id; `connection` is in a write transaction of this company."""
        return self.take(connection, 1)[0]

    def take(self, connection: sa.Connection, count: int) -> list[int]:
        """`count` new ids, ascending."""
        with self._lock:
            own = self._pending.get(connection, range(0))
            taken = [*own[:count]]
            if own:
                self._pending[connection] = own[count:]
            more = count - len(taken)
            taken += self._free[:more]
            self._free = self._free[more:]
        if more := count - len(taken):
            block = self._advance(connection, max(more, BLOCK))
            taken += block[:more]
            with self._lock:
                self._pending[connection] = block[more:]
        return sorted(taken)

    def settle(self, connection: sa.Connection, committed: bool) -> None:
        """Told by `Database.write` how the transaction ended."""
        with self._lock:
            rest = self._pending.pop(connection, range(0))
            if committed and len(rest) > len(self._free):
                self._free = rest

    def _advance(self, connection: sa.Connection, size: int) -> range:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = (
            insert(ID_BLOCK)
            .values(key=self._key, next=size + 1)
            .on_conflict_do_update(index_elements=["key"], set_={"next": ID_BLOCK.c.next + size})
            .returning(ID_BLOCK.c.next)
        )
        end: int
        try:
            with self._apart.begin() if self._apart else nullcontext(connection) as own:
                end = own.execute(statement).scalar_one()
        except sa.exc.ProgrammingError:
            if self._apart is None:
                raise
            # the company is being made: only its first transaction sees the table yet
            end = connection.execute(statement).scalar_one()
        return range(end - size, end)
