"""Databases of the tests' own, which nobody would miss after a power cut: SQLite that waits for no
disk, and a PostgreSQL server, started once per test run and shared by its workers."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine.storage import sqlite

SET: Final = vars(sqlite)["_set"]
"""How the platform sets a PRAGMA."""

USER = "postgres"
SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",  # tests only: a lost temporary folder is no loss
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_locks_per_transaction": "256",
}


def hurry() -> None:
    """From here on this process's SQLite leaves it to the operating system when to write."""

    def quick(connection: sqlite3.Connection, name: str, wanted: str | int) -> None:
        SET(connection, name, 0 if name == "synchronous" else wanted)

    vars(sqlite)["_set"] = quick


def binaries() -> Path:
    """The newest server on this machine."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name),
    )
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    message = "PostgreSQL is missing: install the package postgresql"
    raise RuntimeError(message)


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    if os.geteuid() == 0:  # the server refuses to run as root
        words = ["runuser", "-u", USER, "--", *words]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        message = f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)


def _start(folder: Path) -> None:
    tools = binaries()
    _run(
        *(tools / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8"),
        *("--locale=C.UTF-8", "--no-sync"),
    )
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        settings = {**SETTINGS, "unix_socket_directories": f"'{folder}'"}
        conf.writelines(f"{name} = {value}\n" for name, value in settings.items())
    _run(tools / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-t", "60", "start")


def _stop(folder: Path) -> None:
    _run(binaries() / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")


def _place() -> Path:
    # a socket's path may have 107 characters: the tests' own folders are too deep
    folder = Path(tempfile.mkdtemp(prefix="dougong-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    return folder


@contextmanager
def server(shared: Path) -> Iterator[str]:
    """The address of the server that belongs to the test run with the folder `shared`.

    The first worker to come starts it, the last one to leave stops it.
    """
    lock, users, place = shared / "pg.lock", shared / "pg.users", shared / "pg.place"
    with lock.open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not place.exists():
            folder = _place()
            _start(folder)
            place.write_text(str(folder))
        users.write_text(str(int(users.read_text() if users.exists() else "0") + 1))
    folder = Path(place.read_text())
    try:
        yield f"postgresql://{USER}@/postgres?host={folder}"
    finally:
        with lock.open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            left = int(users.read_text()) - 1
            users.write_text(str(left))
            if not left:
                place.unlink()
                _stop(folder)
                shutil.rmtree(folder, ignore_errors=True)
