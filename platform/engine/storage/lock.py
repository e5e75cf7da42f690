"""One server per data folder.

The serving parent holds the lock of its data folder for as long as it runs; its worker processes
inherit it and commands such as publish or backup work beside it without asking, because every
transaction is safe between processes. What the lock forbids is a second *server* on the same
SQLite files, with its own timers and its own idea of being alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from engine.storage.errors import StorageError

NAME: Final = "server.lock"


class ServerLock:
    """``with ServerLock(folder): serve()``.

    Raises: StorageError when another process serves this folder, or the folder is not writable.
    The operating system lets go when the process ends, however it ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def __enter__(self) -> Self:
        if not self._folder.is_dir():
            raise StorageError("S001", path=str(self._folder))
        try:
            handle = os.open(self._folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError("S002", path=str(self._folder)) from error
        try:
            _lock(handle)
        except OSError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace") or "?"
            os.close(handle)
            raise StorageError("S013", path=str(self._folder), process=holder) from error
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._file = handle
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
