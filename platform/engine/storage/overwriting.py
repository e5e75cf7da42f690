"""Changes after which nothing is left of what was there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa


@contextmanager
def overwriting(connection: sa.Connection) -> Iterator[None]:
    """What is changed or deleted inside is overwritten in an SQLite file, not only let go of; with
    `Database.settle` after the commit it is nowhere in the folder. PostgreSQL keeps old versions of
    rows until its VACUUM, and nobody can ask for them."""
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar()
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete={int(before or 0)}")
