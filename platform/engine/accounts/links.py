"""One-time links: for the first login and for a forgotten password.

A link is used by POST, never by GET: mail scanners open links.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from engine.accounts.tokens import digest, new_token
from engine.tables.system import ONCE_LINK, USER

Purpose = Literal["login", "password"]
VALID: Final = timedelta(hours=24)


def make_link(
    connection: sa.Connection, user_id: int, now: datetime, purpose: Purpose = "login"
) -> str:
    """The token of a new link."""
    token = new_token()
    connection.execute(
        ONCE_LINK.insert().values(
            token_hash=digest(token),
            user_id=user_id,
            purpose=purpose,
            created_at=now,
            expires_at=now + VALID,
        )
    )
    return token


def peek_link(connection: sa.Connection, token: str, now: datetime) -> tuple[int, str, str] | None:
    """User id, name and purpose behind a link that still works; uses nothing up."""
    row = connection.execute(
        sa.select(USER.c.id, USER.c.name, ONCE_LINK.c.purpose)
        .join(ONCE_LINK, ONCE_LINK.c.user_id == USER.c.id)
        .where(_valid(token, now), USER.c.disabled_at.is_(None))
    ).first()
    return (row.id, row.name, row.purpose) if row else None


def use_link(connection: sa.Connection, token: str, now: datetime) -> bool:
    """Use a link up. Of two at the same moment one wins: the row is changed only while unused."""
    done = connection.execute(ONCE_LINK.update().where(_valid(token, now)).values(used_at=now))
    return done.rowcount == 1


def _valid(token: str, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        ONCE_LINK.c.token_hash == digest(token),
        ONCE_LINK.c.used_at.is_(None),
        ONCE_LINK.c.expires_at > now,
    )
