"""Sessions live in the database: revoked means gone, in every process, with the next request."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from engine.accounts.tokens import digest, new_token
from engine.tables.system import SESSION, USER

SEEN_EVERY: Final = timedelta(minutes=5)  # how exact "last seen" is; less would write on every read


def start_session(
    connection: sa.Connection,
    user_id: int,
    now: datetime,
    *,
    hours: int,
    address: str = "",
    agent: str = "",
) -> str:
    """A new session of a person; returns its token, of which only the hash is kept."""
    token = new_token()
    connection.execute(
        SESSION.insert().values(
            id_hash=digest(token),
            user_id=user_id,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(hours=hours),
            address=address[:100],
            agent=agent[:300],
        )
    )
    connection.execute(USER.update().where(USER.c.id == user_id).values(seen_at=now))
    return token


def touch_session(connection: sa.Connection, token: str, now: datetime) -> None:
    """Note that the session was used."""
    connection.execute(
        SESSION.update().where(SESSION.c.id_hash == digest(token)).values(seen_at=now)
    )


def end_session(connection: sa.Connection, token: str) -> None:
    """Log out."""
    end_session_hash(connection, digest(token))


def end_session_hash(connection: sa.Connection, id_hash: str) -> bool:
    """Revoke one session by what the database knows of it; whether there was one."""
    return connection.execute(SESSION.delete().where(SESSION.c.id_hash == id_hash)).rowcount == 1


def end_sessions_of(connection: sa.Connection, user_id: int, *, but: str = "") -> int:
    """Revoke all sessions of a person, except the one with the token `but`; how many there were."""
    chosen = sa.and_(SESSION.c.user_id == user_id, SESSION.c.id_hash != digest(but))
    return connection.execute(SESSION.delete().where(chosen)).rowcount
