"""Logging in by password, with a brake on guessing that all processes share.

Unknown, closed, locked and wrong are one answer after the same work: neither the words nor the time
tell who works here. Every guess is counted before it is checked, so a hundred at the same moment
are no more than a hundred one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.attempts import hold
from engine.accounts.passwords import hash_password, needs_rehash, verify_password
from engine.accounts.security_log import log_event
from engine.accounts.tokens import digest
from engine.storage import Database
from engine.tables.system import LOGIN_FAILURE, USER

WINDOW: Final = timedelta(minutes=15)
PER_LOGIN: Final = 10
PER_ADDRESS: Final = 100
_LONGEST: Final = 100


class TooManyAttempts(Exception):
    """Wrong passwords too often from this address; wait."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One guess. `locked`: too many before it for this name, whoever is right now."""

    id: int
    login: str
    address: str
    agent: str
    locked: bool
    last: bool  # if this one is wrong too, the name is locked
    person: Any = field(repr=False)


def log_in(
    database: Database, login: str, password: str, address: str, now: datetime, agent: str = ""
) -> int | None:
    """The id of the person, None when name and password do not belong together or the name is
    locked for now. The slow hash runs outside any transaction. Raises: TooManyAttempts.
    """
    found = _counted(database, login.strip().lower()[:_LONGEST], address, agent, now)
    hashed = found.person.password_hash if found.person and not found.locked else None
    if verify_password(hashed, password) and hashed is not None:
        user = int(found.person.id)
        fresh = hash_password(password) if needs_rehash(hashed) else None
        with database.write() as connection:
            mine = (LOGIN_FAILURE.c.login == found.login, LOGIN_FAILURE.c.address == address)
            connection.execute(LOGIN_FAILURE.delete().where(*mine))
            if fresh:
                same = (USER.c.id == user, USER.c.password_hash == hashed)
                connection.execute(USER.update().where(*same).values(password_hash=fresh))
        return user
    _failed(database, found, now)
    return None


def unlock(connection: sa.Connection, login: str) -> None:
    """Forget the wrong passwords of a name: its person came in another way."""
    connection.execute(LOGIN_FAILURE.delete().where(LOGIN_FAILURE.c.login == login.lower()))


def set_password(database: Database, user_id: int, password: str, now: datetime) -> None:
    """Give a person a password; `engine.accounts.changing` is for what people type."""
    hashed = hash_password(password)
    with database.write() as connection:
        store_hash(connection, user_id, hashed, now)


def store_hash(connection: sa.Connection, user_id: int, hashed: str, now: datetime) -> None:
    """Keep the hash of a new password."""
    connection.execute(
        USER.update()
        .where(USER.c.id == user_id)
        .values(password_hash=hashed, password_at=now, version=USER.c.version + 1)
    )


def _counted(database: Database, login: str, address: str, agent: str, now: datetime) -> _Try:
    """Count a guess before it is looked at, and find whom it is about."""
    with database.write() as connection:
        hold(connection, f"login from {address}")
        hold(connection, f"login {login}")
        if _failures(connection, LOGIN_FAILURE.c.address, address, now) >= PER_ADDRESS:
            raise TooManyAttempts
        person = connection.execute(
            sa.select(USER.c.id, USER.c.password_hash, USER.c.disabled_at).where(
                sa.func.lower(USER.c.login) == login
            )
        ).first()
        # what names nobody may be a password that was typed into the wrong line
        key = login if person is not None else f"#{digest(login)[:12]}"
        before = _failures(connection, LOGIN_FAILURE.c.login, key, now)
        locked = before >= PER_LOGIN
        id = database.ids.next(connection)
        # a locked name stays so for the quarter of an hour, and not as long as somebody knocks
        kept = {"id": id, "login": "" if locked else key, "address": address, "at": now}
        connection.execute(LOGIN_FAILURE.insert().values(kept))
    open_one = person if person is not None and person.disabled_at is None else None
    return _Try(id, key, address, agent, locked, before + 1 == PER_LOGIN, open_one)


def _failed(database: Database, found: _Try, now: datetime) -> None:
    """Write down what did not work. An unknown name is told by its hash."""
    user = int(found.person.id) if found.person else None
    told = {} if user else {"name": found.login}
    where: dict[str, Any] = {"user": user, "address": found.address, "agent": found.agent}
    with database.write() as connection:
        if found.locked:
            told["locked"] = "1"
        log_event(connection, now, "login.failed", **where, details=told)
        if found.last:
            log_event(connection, now, "login.blocked", **where, details=told)


def _failures(connection: sa.Connection, column: sa.Column[Any], value: str, now: datetime) -> int:
    count = sa.select(sa.func.count()).select_from(LOGIN_FAILURE)
    found = count.where(LOGIN_FAILURE.c.at > now - WINDOW, column == value)
    return int(connection.execute(found).scalar_one())
