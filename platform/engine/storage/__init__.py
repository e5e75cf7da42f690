"""Databases: one company's SQLite file or PostgreSQL schema, opened, guarded and read back.

Knows nothing of entities. Everything here means the same on both engines.
"""

from engine.storage.database import Database
from engine.storage.errors import StorageBusy, StorageError, Violation, violation
from engine.storage.ids import Ids
from engine.storage.keys import Keyring
from engine.storage.lock import ServerLock
from engine.storage.overwriting import overwriting
from engine.storage.statements import RAW, Statement, raw

__all__ = [
    "RAW",
    "Database",
    "Ids",
    "Keyring",
    "ServerLock",
    "Statement",
    "StorageBusy",
    "StorageError",
    "Violation",
    "overwriting",
    "raw",
    "violation",
]
