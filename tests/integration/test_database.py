"""Transactions, settings, locks and errors of both engines."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.databases import SET

from engine.storage import (
    Database,
    ServerLock,
    StorageBusy,
    StorageError,
    raw,
    sqlite,
    violation,
)
from engine.storage.ids import BLOCK, ID_BLOCK
from engine.storage.types import JsonText, ScaledDecimal, UtcDateTime, big_integer

THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", big_integer(), primary_key=True, autoincrement=False),
    sa.Column("amount", ScaledDecimal(2)),
    sa.Column("at", UtcDateTime()),
    sa.Column("data", JsonText()),
    sa.Column("code", sa.Text()),
    sa.CheckConstraint("id < 1000000", name="x9"),
    sa.Index("x1", sa.text('lower("code")'), unique=True),
    sqlite_strict=True,
)


@pytest.fixture
def things(database: Database) -> Database:
    with database.write() as connection:
        THINGS.metadata.create_all(connection)
        ID_BLOCK.metadata.create_all(connection)
    return database


def test_values_come_back_as_they_went(things: Database) -> None:
    china = timezone(timedelta(hours=8))
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=china)
    row = {
        "id": 7,
        "amount": Decimal("9999999999999999.99"),
        "at": moment,
        "data": {"名": ["a", 1, None, {"b": True}]},
        "code": "斗拱",
    }
    with things.write() as connection:
        connection.execute(THINGS.insert(), [row, {"id": 8, **dict.fromkeys(list(row)[1:])}])
    with things.read() as connection:
        found = connection.execute(sa.select(THINGS).order_by(THINGS.c.id)).mappings().all()
    assert dict(found[0]) == row
    assert found[0]["at"].tzinfo is UTC
    assert str(found[0]["amount"]) == "9999999999999999.99"
    assert set(list(found[1].values())[1:]) == {None}


def test_sums_are_exact(things: Database) -> None:
    rows = [{"id": n, "amount": Decimal("0.10")} for n in range(1, 4)]
    with things.write() as connection:
        connection.execute(THINGS.insert(), rows)
        assert connection.scalar(sa.select(sa.func.sum(THINGS.c.amount))) == Decimal("0.30")
        above = sa.select(sa.func.count()).where(THINGS.c.amount > Decimal("0.09"))
        assert connection.scalar(above) == 3


def test_too_many_digits_are_refused(things: Database) -> None:
    with (
        pytest.raises(sa.exc.StatementError, match="after the point"),
        things.write() as connection,
    ):
        connection.execute(THINGS.insert(), {"id": 1, "amount": Decimal("0.001")})
    with pytest.raises(sa.exc.StatementError, match="time zone"), things.write() as connection:
        connection.execute(THINGS.insert(), {"id": 1, "at": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_ddl_rolls_back(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        THINGS.metadata.create_all(connection)
        _break_key(connection)

    with pytest.raises(sa.exc.IntegrityError):
        database.ddl(work)
    with database.read() as connection:
        names = sa.inspect(connection).get_table_names(schema=database.schema or None)
    assert names == []


def test_writers_lose_no_update(things: Database) -> None:
    with things.write() as connection:
        connection.execute(THINGS.insert(), {"id": 1, "amount": 0})

    def work(_: int) -> None:
        with things.write() as connection:
            row = sa.select(THINGS.c.amount).where(THINGS.c.id == 1).with_for_update()
            before = connection.execute(row).scalar_one()
            connection.execute(THINGS.update().values(amount=before + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(80)))
    with things.read() as connection:
        assert connection.execute(sa.select(THINGS.c.amount)).scalar_one() == 80


def test_readers_do_not_wait_for_the_writer(things: Database) -> None:
    with things.write() as writer:
        writer.execute(THINGS.insert(), {"id": 1})
        with things.read() as reader:
            assert reader.execute(sa.select(THINGS.c.id)).all() == []


def test_a_snapshot_stays(things: Database) -> None:
    count = sa.select(sa.func.count()).select_from(THINGS)
    with things.read(snapshot=True) as reader:
        assert reader.scalar(count) == 0
        with things.write() as writer:
            writer.execute(THINGS.insert(), {"id": 1})
        assert reader.scalar(count) == 0


def test_the_raw_cursor_reads_compiled_text(things: Database) -> None:
    with things.write() as connection:
        connection.execute(THINGS.insert(), {"id": 1, "amount": Decimal("1.50")})
    statement = things.prepare(sa.select(THINGS.c.id, THINGS.c.amount))
    with things.read() as connection:
        cursor = raw(connection)
        cursor.execute(statement.sql)
        (row,) = cursor.fetchall()
        assert row[0] == 1
        assert statement.rows(connection, {}) == [{"id": 1, "amount": Decimal("1.50")}]


def test_companies_share_compiled_statements(
    things: Database, tmp_path: Path, postgres_url: str
) -> None:
    other = (
        Database.sqlite(tmp_path / "other.db")
        if things.kind == "sqlite"
        else Database.postgres(postgres_url, "test_other")
    )
    try:
        with other.write() as connection:
            THINGS.metadata.create_all(connection)
            connection.execute(THINGS.insert(), {"id": 5})
        statement = sa.select(THINGS.c.id).where(THINGS.c.code.is_(None))
        states = []
        for database in (things, other):
            with database.read() as connection:
                result = connection.execute(statement)
                states.append((result.context.cache_hit.name, result.scalars().all()))
        assert states == [("CACHE_MISS", []), ("CACHE_HIT", [5])]
        assert things.dialect is other.dialect
    finally:
        other.drop()


def _break_unique(connection: sa.Connection) -> None:
    connection.execute(THINGS.insert(), [{"id": 1, "code": "A"}, {"id": 2, "code": "a"}])


def _break_key(connection: sa.Connection) -> None:
    connection.execute(THINGS.insert(), [{"id": 1}, {"id": 1}])


def _break_check(connection: sa.Connection) -> None:
    connection.execute(THINGS.insert(), {"id": 1000000})


@pytest.mark.parametrize(
    ("break_it", "kind", "name"),
    [(_break_unique, "unique", "x1"), (_break_key, "unique", None), (_break_check, "check", "x9")],
)
def test_violations_are_named(
    things: Database, break_it: Callable[[sa.Connection], None], kind: str, name: str | None
) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, things.write() as connection:
        break_it(connection)
    found = violation(caught.value)
    assert found.kind == kind
    assert name is None or found.constraint == name


def test_ids_are_never_given_twice(things: Database) -> None:
    def work(turn: int) -> list[int]:
        try:
            with things.write() as connection:
                found = things.ids.take(connection, 7)
                if turn % 5 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return []
        return found

    with ThreadPoolExecutor(6) as pool:
        given = [number for block in pool.map(work, range(60)) for number in block]
    assert len(given) == len(set(given)) == 48 * 7
    with things.write() as connection:
        many = things.ids.take(connection, 3 * BLOCK)
    assert len(set(many) | set(given)) == len(given) + 3 * BLOCK


def test_closed_while_in_use_and_used_again(things: Database) -> None:
    with things.read() as connection:
        things.close()
        assert connection.execute(sa.select(THINGS.c.id)).all() == []
    with things.write() as connection:
        connection.execute(THINGS.insert(), {"id": 1})


def test_tables_change_under_load(postgres_database: Database) -> None:
    """A change waits for its lock only shortly, and tries again."""
    with postgres_database.write() as connection:
        THINGS.metadata.create_all(connection)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with postgres_database.write() as connection:
            connection.execute(sa.select(THINGS.c.id)).all()
            held.set()
            go_on.wait(5)

    def change(connection: sa.Connection) -> str:
        connection.exec_driver_sql(
            f"ALTER TABLE {postgres_database.schema}.things ADD COLUMN more TEXT"
        )
        return "done"

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(5)
    with pytest.raises(StorageBusy):
        postgres_database.ddl(change, attempts=2)
    threading.Timer(0.2, go_on.set).start()
    assert postgres_database.ddl(change) == "done"
    holder.join()


# --- SQLite's own ------------------------------------------------------------------------------


def test_sqlite_settings(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_set", SET)  # as outside of tests
    for context in (sqlite_database.read, sqlite_database.write):
        with context() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 10000,
        }


def test_sqlite_reading_cannot_write(sqlite_database: Database) -> None:
    with pytest.raises(StorageError), sqlite_database.read() as connection:
        THINGS.metadata.create_all(connection)


def test_sqlite_tables_are_strict(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        THINGS.metadata.create_all(connection)
    with pytest.raises(sa.exc.IntegrityError), sqlite_database.write() as connection:
        connection.exec_driver_sql("INSERT INTO things (id, amount) VALUES (1, 'much')")


def test_sqlite_refuses_foreign_files(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("no database, but long enough to look at" * 40)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    newer = tmp_path / "newer.db"
    Database.sqlite(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    for path, code in [
        (text, "S003"),
        (foreign, "S004"),
        (newer, "S005"),
        (tmp_path / "nowhere" / "a.db", "S001"),
        (tmp_path, "S002"),
    ]:
        with pytest.raises(StorageError) as caught:
            Database.sqlite(path)
        assert caught.value.problem.code == code


def test_sqlite_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may all
    with pytest.raises(StorageError) as caught:
        Database.sqlite(tmp_path / "a.db")
    assert caught.value.problem.code == "S002"


def test_sqlite_file_that_vanished_does_not_come_back_empty(tmp_path: Path) -> None:
    database = Database.sqlite(tmp_path / "a.db")
    (tmp_path / "a.db").unlink()
    with pytest.raises(StorageError), database.read():
        pass


def test_sqlite_backup_of_a_database_in_use(sqlite_database: Database, tmp_path: Path) -> None:
    with sqlite_database.write() as connection:
        THINGS.metadata.create_all(connection)
        connection.execute(THINGS.insert(), {"id": 1})
    sqlite_database.backup(tmp_path / "copy.db")
    copy = Database.sqlite(tmp_path / "copy.db")
    with copy.read() as connection:
        assert connection.execute(sa.select(THINGS.c.id)).scalars().all() == [1]
    copy.close()


def test_only_one_server_per_folder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from engine.storage import ServerLock\n"
        "with ServerLock(Path(sys.argv[1])):\n"
        "    print('holding', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holding\n"
        with pytest.raises(StorageError) as caught, ServerLock(tmp_path):
            pass
        assert caught.value.problem.code == "S013"
        assert caught.value.problem.params["process"] == str(other.pid)
        Database.sqlite(tmp_path / "a.db").close()  # a command beside the server is welcome
        other.kill()
    with ServerLock(tmp_path):
        pass


# --- PostgreSQL's own --------------------------------------------------------------------------


def test_postgres_refusals(postgres_url: str, postgres_database: Database) -> None:
    for schema, code in [("public", "S004"), ("Öl; drop", "S008"), ("pg_x", "S008")]:
        with pytest.raises(StorageError) as caught:
            Database.postgres(postgres_url, schema)
        assert caught.value.problem.code == code
    with postgres_database.write() as connection:
        connection.exec_driver_sql(
            f"COMMENT ON SCHEMA {postgres_database.schema} IS 'dougong storage 99'"
        )
    with pytest.raises(StorageError) as caught:
        Database.postgres(postgres_url, postgres_database.schema)
    assert caught.value.problem.code == "S005"
    with pytest.raises(StorageError) as caught:
        Database.postgres("postgresql://nobody@/none?host=/nowhere", "a")
    assert caught.value.problem.code == "S007"


def test_postgres_doubtful_settings_are_told(postgres_database: Database) -> None:
    assert {found.params["setting"] for found in postgres_database.check()} == {
        "fsync",
        "full_page_writes",
    }


def test_postgres_without_prepared_statements(postgres_url: str) -> None:
    database = Database.postgres(postgres_url, "test_unprepared", prepare_threshold=None)
    with database.read() as connection:
        for _ in range(8):
            connection.execute(sa.select(sa.literal(1)))
        found = connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar()
    database.drop()
    assert found == 0
