"""A new password, by whatever way a person sets it: one policy, one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from engine.accounts.api_tokens import revoke_all
from engine.accounts.links import drop_links
from engine.accounts.logins import store_hash, unlock
from engine.accounts.passwords import hash_password
from engine.accounts.policy import weak
from engine.accounts.rules import rules_of
from engine.accounts.sessions import end_sessions_of
from engine.problems import Problem
from engine.storage import Database
from engine.tables.system import USER


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. `old`: the password it replaces, if it was asked for."""

    password: str = field(repr=False)
    repeated: str = field(repr=False)
    old: str = field(default="", repr=False)


def problems_of(database: Database, user: int, wanted: Wanted, company: str = "") -> list[Problem]:
    """Why a person may not have this password; [] when he may."""
    with database.read() as connection:
        minimum = rules_of(connection).minimum
        person = connection.execute(
            sa.select(USER.c.login, USER.c.name, USER.c.email, USER.c.phone).where(
                USER.c.id == user
            )
        ).one()
    if wanted.password != wanted.repeated:
        return [Problem("L005", pointer="/repeated")]
    if wanted.old and wanted.password == wanted.old:
        return [Problem("L007", pointer="/password")]
    return weak(wanted.password, [*map(str, filter(None, person)), company], minimum=minimum)


def hashed(wanted: Wanted) -> str:
    """The hash of what was typed: slow, so made before the transaction that keeps it."""
    return hash_password(wanted.password)


def change_password(connection: sa.Connection, user: int, hashed: str, now: datetime) -> None:
    """Keep a person's new password. All sessions end (whoever does it in one begins another), the
    tokens of his programs are revoked, links that wait are dead, a name that was locked opens."""
    store_hash(connection, user, hashed, now)
    drop_links(connection, user)
    end_sessions_of(connection, user)
    revoke_all(connection, now, user, by=user)
    login = connection.scalar(sa.select(USER.c.login).where(USER.c.id == user))
    unlock(connection, str(login))
