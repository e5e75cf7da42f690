"""Which keys a company's encrypted values are sealed with: noted in its own database.

So that a company whose keys are not at hand is not opened at all, instead of failing at the first
value, and so that another key under a known name is found out before anything is sealed with it.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from engine.records.application import Application
from engine.storage import Keyring, StorageError
from engine.storage.keys import VARIABLE
from engine.tables.system import SETTING

_KEY: Final = "privacy.keys"


def noted(connection: sa.Connection) -> dict[str, str]:
    """The keys in use, with what tells each from another of its name."""
    found = connection.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == _KEY))
    return dict(found or {})


def check_keys(connection: sa.Connection, app: Application) -> bool:
    """Whether the active key is still to be noted.

    Raises: StorageError for a company with encrypted values whose keys are not all here.
    """
    keys = app.tables.keys
    known = noted(connection) if app.encrypted or keys else {}
    for name, mark in known.items():
        if name not in keys.names:
            raise StorageError("Y003", name=name, variable=VARIABLE)
        if keys.mark(name) != mark:
            raise StorageError("Y006", name=name, variable=VARIABLE)
    if not app.encrypted:
        return False
    if not keys:
        raise StorageError("Y002", variable=VARIABLE)
    return keys.active not in known


def note_key(connection: sa.Connection, keys: Keyring) -> None:
    """Remember that the active key seals values from now on."""
    known = noted(connection)
    if keys.active in known:
        return
    write_keys(connection, {**known, keys.active: keys.mark(keys.active)})


def write_keys(connection: sa.Connection, known: dict[str, str]) -> None:
    """Put down which keys are in use."""
    same = SETTING.c.key == _KEY
    met = connection.execute(sa.update(SETTING).where(same).values(value=known))
    if not met.rowcount:
        connection.execute(sa.insert(SETTING).values(key=_KEY, value=known))
