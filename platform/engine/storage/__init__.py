"""Databases: one company's SQLite file or PostgreSQL schema, opened, guarded and read back.

Knows nothing of entities. Everything here means the same on both engines.
"""

from engine.storage.database import Database, raw
from engine.storage.errors import StorageBusy, StorageError, Violation, violation
from engine.storage.ids import Ids
from engine.storage.lock import ServerLock

__all__ = [
    "Database",
    "Ids",
    "ServerLock",
    "StorageBusy",
    "StorageError",
    "Violation",
    "raw",
    "violation",
]
