"""Logging in by password, with a brake on guessing that all processes share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from engine.accounts.passwords import hash_password, needs_rehash, verify_password
from engine.storage import Database
from engine.tables.system import LOGIN_FAILURE, USER

WINDOW: Final = timedelta(minutes=15)
PER_LOGIN: Final = 8
PER_ADDRESS: Final = 40


class TooManyAttempts(Exception):
    """Wrong passwords too often, for this name or from this address; wait."""


def log_in(
    database: Database, login: str, password: str, address: str, now: datetime
) -> int | None:
    """The id of the person, None when name and password do not belong together.

    The slow hash runs outside any transaction. Raises: TooManyAttempts.
    """
    login = login.strip().lower()
    with database.read() as connection:
        if _failures(connection, login, address, now):
            raise TooManyAttempts
        row = connection.execute(
            sa.select(USER.c.id, USER.c.password_hash).where(
                sa.func.lower(USER.c.login) == login, USER.c.disabled_at.is_(None)
            )
        ).first()
    hashed = row.password_hash if row else None
    if row is not None and verify_password(hashed, password):
        assert hashed is not None  # nobody logs in without one
        if needs_rehash(hashed):
            set_password(database, row.id, password, now)
        return int(row.id)
    if row is None:
        verify_password(None, password)
    with database.write() as connection:
        connection.execute(
            LOGIN_FAILURE.insert().values(
                id=database.ids.next(connection), login=login[:100], address=address, at=now
            )
        )
    return None


def _failures(connection: sa.Connection, login: str, address: str, now: datetime) -> bool:
    since = LOGIN_FAILURE.c.at > now - WINDOW
    for column, value, most in (
        (LOGIN_FAILURE.c.login, login, PER_LOGIN),
        (LOGIN_FAILURE.c.address, address, PER_ADDRESS),
    ):
        count = sa.select(sa.func.count()).select_from(LOGIN_FAILURE).where(since, column == value)
        if connection.execute(count).scalar_one() >= most:
            return True
    return False


def set_password(database: Database, user_id: int, password: str, now: datetime) -> None:
    """Give a person a password; the policy is checked by whoever asks for one."""
    hashed = hash_password(password)
    with database.write() as connection:
        connection.execute(
            USER.update()
            .where(USER.c.id == user_id)
            .values(password_hash=hashed, password_at=now, version=USER.c.version + 1)
        )
