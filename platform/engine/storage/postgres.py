"""PostgreSQL as we run it: one schema per company, one pool per server address.

Names are qualified through ``schema_translate_map``; nothing is set for a session, so a pooler in
transaction mode may stand between (then with ``prepare_threshold=None``).
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import Problem, Severity
from engine.storage.errors import StorageError, translated
from engine.storage.patience import SECONDS
from engine.storage.types import dumps

FORMAT: Final = 1
"""The layout of the platform's own tables, kept as the schema's comment."""

DDL_LOCK_MS: Final = 80
"""How long a change of a table waits for its lock: whoever comes after it waits as well."""

_MARK = "dougong storage "
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(slots=True)
class _Cell:
    engine: sa.Engine
    users: int = 0


_cells: dict[tuple[str, int | None], _Cell] = {}
_guard = threading.Lock()


def acquire(url: str, prepare_threshold: int | None) -> sa.Engine:
    """The engine of this server address, shared by all its companies in this process."""
    with _guard:
        key = (url, prepare_threshold)
        if key not in _cells:
            _cells[key] = _Cell(_engine(url, prepare_threshold))
        _cells[key].users += 1
        return _cells[key].engine


def release(url: str, prepare_threshold: int | None) -> None:
    """Give the engine back; the last one to do so closes its connections."""
    with _guard:
        key = (url, prepare_threshold)
        if (cell := _cells.get(key)) is None:
            return
        cell.users -= 1
        if not cell.users:
            del _cells[key]
            cell.engine.dispose()


def _engine(url: str, prepare_threshold: int | None) -> sa.Engine:
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    pooled = address.query.get("pooler") == "1"  # in transaction mode: nothing of a session holds
    address = address.difference_update_query(["pooler"])
    threshold = None if pooled else prepare_threshold
    options: dict[str, Any] = {"prepare_threshold": threshold, "connect_timeout": 5}
    if threshold is not None and "options" not in address.query:
        options["options"] = f"-c statement_timeout={int(SECONDS * 1000)}"
    return sa.create_engine(
        address,
        connect_args=options,
        json_serializer=dumps,
        pool_size=5,
        max_overflow=15,
        pool_timeout=10,
        # a backend keeps the catalogue of every company it met: let it go now and then
        pool_recycle=1800,
        pool_use_lifo=True,
    )


def check_name(schema: str) -> str:
    """`schema` when it may be one: lower-case ASCII, short, not PostgreSQL's own.

    Raises: StorageError.
    """
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise StorageError("S008", schema=schema)
    return schema


def prepare(engine: sa.Engine, schema: str) -> None:
    """Create the company's schema, or make sure that it is one of ours.

    Raises: StorageError when the server cannot be reached, the schema belongs to somebody else or
    was written by a newer version.
    """
    with translated(), engine.begin() as connection:
        if _mark(connection, schema) is None:
            # two processes may open a new company at once: the second waits for the first here
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": schema}
            )
        if (mark := _mark(connection, schema)) is None:
            connection.execute(sa.schema.CreateSchema(schema))
            connection.exec_driver_sql(f"COMMENT ON SCHEMA {schema} IS '{_MARK}{FORMAT}'")
        elif not mark.startswith(_MARK):
            raise StorageError("S004", path=schema)
        elif (version := int(mark.removeprefix(_MARK))) > FORMAT:
            raise StorageError("S005", path=schema, found=version, known=FORMAT)


def _mark(connection: sa.Connection, schema: str) -> str | None:
    """The schema's comment, "" when it has none, None when there is no such schema."""
    found = connection.execute(
        sa.text(
            "SELECT coalesce(obj_description(oid, 'pg_namespace'), '')"
            " FROM pg_namespace WHERE nspname = :name"
        ),
        {"name": schema},
    ).scalar()
    return None if found is None else str(found)


def settings(connection: sa.Connection) -> list[Problem]:
    """Warnings about a server that may lose data or misread text."""
    found = connection.execute(
        sa.text(
            "SELECT current_setting('server_encoding'), current_setting('fsync'),"
            " current_setting('synchronous_commit'), current_setting('full_page_writes')"
        )
    ).one()
    wanted = {
        "server_encoding": ("UTF8",),
        "fsync": ("on",),
        "synchronous_commit": ("on", "remote_write", "remote_apply"),
        "full_page_writes": ("on",),
    }
    return [
        Problem(
            "S009",
            {"setting": name, "found": value, "wanted": allowed[0]},
            severity=Severity.WARNING,
        )
        for (name, allowed), value in zip(wanted.items(), found, strict=True)
        if value not in allowed
    ]
