"""Who acts by a token: read anew with every request; what was taken away is gone at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.access import scopes_of
from engine.accounts import api_tokens, attempts
from engine.accounts.attempts import Brake
from engine.accounts.tokens import digest
from engine.records.actor import Actor
from engine.records.people import actor_of
from engine.storage import Database, StorageBusy
from engine.tables.system import TOKEN, USER

BRAKE: Final = Brake("token", 30, timedelta(minutes=15))  # bad tokens of one address


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that holds and who acts by it. `touch`: it is time to note that it was used."""

    actor: Actor
    token: int
    touch: bool


def bearer_of(database: Database, text: str, now: datetime) -> Bearer | None:
    """Whose token `text` is; None for one that does not hold, or whose owner's account is closed:
    which of these it is nobody is told."""
    if not api_tokens.looks_like(text):
        return None
    with database.read() as connection:
        rows = database.prepared("bearer", _build).rows(
            connection, {"hash": digest(text), "now": now}
        )
        if not rows:
            return None
        row = rows[0]
        actor = actor_of(connection, row["user_id"])
    if actor is None:
        return None
    late = row["used_at"] is None or now - row["used_at"] > api_tokens.USED_EVERY
    return Bearer(replace(actor, scopes=scopes_of(row["scopes"])), row["id"], late)


def touched(database: Database, bearer: Bearer, now: datetime, address: str) -> None:
    """Note that a token was used, when it is time to. Nobody waits for that."""
    if not bearer.touch:
        return
    try:
        with database.write() as connection:
            api_tokens.touch(connection, now, bearer.token, address)
    except StorageBusy:
        return  # the next request notes it


def guessed(database: Database, now: datetime, address: str) -> bool:
    """A token that does not hold came from `address`: whether it may go on trying."""
    with database.read() as connection:
        if not attempts.allowed(connection, now, BRAKE, address):
            return False
    with database.write() as connection:
        return attempts.take(connection, database.ids, now, BRAKE, address)


def _build() -> sa.Select[Any]:
    return (
        sa.select(TOKEN.c.id, TOKEN.c.user_id, TOKEN.c.scopes, TOKEN.c.used_at)
        .join_from(TOKEN, USER, USER.c.id == TOKEN.c.user_id)
        .where(
            TOKEN.c.token_hash == sa.bindparam("hash", type_=sa.Text()),
            TOKEN.c.revoked_at.is_(None),
            TOKEN.c.expires_at > sa.bindparam("now", type_=TOKEN.c.expires_at.type),
            USER.c.disabled_at.is_(None),
        )
    )
