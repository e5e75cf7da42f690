"""Throwing away what has ended by itself: sessions, links, counted attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from engine.accounts.attempts import KEPT
from engine.accounts.sessions import clear_sessions
from engine.tables.system import ATTEMPT, LOGIN_FAILURE, ONCE_LINK

LINKS_KEPT: Final = timedelta(days=30)  # the security log tells what became of them


def tidy(connection: sa.Connection, now: datetime) -> None:
    """Forget what counts no more; the security log keeps what happened."""
    clear_sessions(connection, now)
    connection.execute(ONCE_LINK.delete().where(ONCE_LINK.c.expires_at < now - LINKS_KEPT))
    connection.execute(ATTEMPT.delete().where(ATTEMPT.c.at < now - KEPT))
    connection.execute(LOGIN_FAILURE.delete().where(LOGIN_FAILURE.c.at < now - KEPT))
