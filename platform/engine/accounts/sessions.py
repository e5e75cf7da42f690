"""Sessions live in the database: revoked means gone, in every process, with the next request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from engine.accounts.rules import rules_of
from engine.accounts.tokens import digest, new_token
from engine.tables.system import SESSION, USER

SEEN_EVERY: Final = timedelta(minutes=5)  # how exact "last seen" is; less would write on every read
CODE_WAITS: Final = timedelta(minutes=5)  # how long the code of a second factor is waited for
Method = Literal["password", "totp", "recovery", "link", "oidc", "oidc+mfa"]


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody is logged in. `hash` is what the database knows of its token."""

    hash: str
    since: datetime
    seen: datetime
    address: str
    agent: str
    method: str


def start_session(
    connection: sa.Connection,
    user_id: int,
    now: datetime,
    *,
    hours: int,
    address: str = "",
    agent: str = "",
    method: Method = "password",
    second: bool = False,
) -> str:
    """A new session of a person who has just proved who he is; returns its token, of which only
    the hash is kept. With `second` the code of the second factor is still to come: until then it
    opens nothing, and not for long."""
    token = new_token()
    lasts = CODE_WAITS if second else timedelta(hours=hours)
    connection.execute(
        SESSION.insert().values(
            id_hash=digest(token),
            user_id=user_id,
            created_at=now,
            seen_at=now,
            expires_at=now + lasts,
            address=address[:100],
            agent=agent[:300],
            method=method,
            proved_at=now,
            second_due=now + lasts if second else None,
        )
    )
    if not second:
        connection.execute(USER.update().where(USER.c.id == user_id).values(seen_at=now))
    return token


def sessions_of(connection: sa.Connection, user_id: int, now: datetime) -> list[Session]:
    """Where a person is logged in, the last used first."""
    rules = rules_of(connection)
    holds = [SESSION.c.expires_at > now, SESSION.c.seen_at >= now - rules.idle_time]
    if rules.hours is not None:
        holds.append(SESSION.c.created_at >= now - timedelta(hours=rules.hours))
    rows = connection.execute(
        sa.select(SESSION)
        .where(SESSION.c.user_id == user_id, SESSION.c.second_due.is_(None), *holds)
        .order_by(SESSION.c.seen_at.desc(), SESSION.c.id_hash)
    )
    return [
        Session(row.id_hash, row.created_at, row.seen_at, row.address, row.agent, row.method)
        for row in rows
    ]


def renew_session(connection: sa.Connection, token: str, now: datetime, method: str = "") -> str:
    """The same session under a new token: what it may do has changed, so nobody keeps it who had
    the old one. The person has just proved who he is. "" when there is no such session."""
    fresh = new_token()
    values = {"id_hash": digest(fresh), "proved_at": now, "seen_at": now}
    if method:
        values["method"] = method
    done = connection.execute(
        SESSION.update().where(SESSION.c.id_hash == digest(token)).values(values)
    )
    return fresh if done.rowcount == 1 else ""


def keep_proof(connection: sa.Connection, token: str, at: datetime | None) -> None:
    """A session that goes on from another: its person proved who he is at `at`, and not anew."""
    connection.execute(
        SESSION.update().where(SESSION.c.id_hash == digest(token)).values(proved_at=at)
    )


def touch_session(connection: sa.Connection, token: str, now: datetime) -> None:
    """Note that the session was used."""
    connection.execute(
        SESSION.update().where(SESSION.c.id_hash == digest(token)).values(seen_at=now)
    )


def end_session(connection: sa.Connection, token: str) -> bool:
    """Log out; whether there was a session."""
    return end_session_hash(connection, digest(token))


def end_session_hash(connection: sa.Connection, id_hash: str) -> bool:
    """Revoke one session by what the database knows of it; whether there was one."""
    return connection.execute(SESSION.delete().where(SESSION.c.id_hash == id_hash)).rowcount == 1


def end_own_session(connection: sa.Connection, user_id: int, id_hash: str) -> bool:
    """Revoke a session of a person; whether he had it."""
    own = sa.and_(SESSION.c.user_id == user_id, SESSION.c.id_hash == id_hash)
    return connection.execute(SESSION.delete().where(own)).rowcount == 1


def end_sessions_of(connection: sa.Connection, user_id: int, *, but: str = "") -> int:
    """Revoke all sessions of a person, except the one with the token `but`; how many there were."""
    chosen = sa.and_(SESSION.c.user_id == user_id, SESSION.c.id_hash != digest(but))
    return connection.execute(SESSION.delete().where(chosen)).rowcount


def clear_sessions(connection: sa.Connection, now: datetime) -> int:
    """Throw away what has ended by itself; how many."""
    return connection.execute(SESSION.delete().where(SESSION.c.expires_at < now)).rowcount
