"""Who a person is at an identity provider.

An identity is the pair of issuer and subject, which the provider never gives to anybody else. An
e-mail address may change hands, so it only counts the first time, and never for an account that has
an identity of that provider already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from engine.accounts.security_log import log_event
from engine.tables.system import IDENTITY, USER

Why = Literal["unknown", "unverified", "closed", "several", "taken"]
LONGEST: Final = 400  # characters of an issuer, a subject, an address


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a provider says of somebody."""

    issuer: str
    subject: str
    email: str = ""
    verified: bool = False
    name: str = ""
    strong: bool = False  # the provider asked for a second factor


@dataclass(frozen=True, slots=True)
class Found:
    """Whose account it is: `user`, or why it is nobody's."""

    user: int | None = None
    why: Why | None = None
    new: bool = False  # known by his address, not yet by his identity


def find(connection: sa.Connection, claimed: Claimed) -> Found:
    """The account of who was claimed; changes nothing."""
    known = connection.execute(
        sa.select(USER.c.id, USER.c.disabled_at)
        .join(IDENTITY, IDENTITY.c.user_id == USER.c.id)
        .where(_is(claimed))
    ).first()
    if known is not None:
        return Found(why="closed") if known.disabled_at is not None else Found(known.id)
    email = claimed.email.strip().lower()
    if not email:
        return Found(why="unknown")
    if not claimed.verified:
        return Found(why="unverified")
    rows = connection.execute(
        sa.select(USER.c.id, USER.c.disabled_at).where(sa.func.lower(USER.c.email) == email)
    ).all()
    active = [row.id for row in rows if row.disabled_at is None]
    if len(active) > 1:
        return Found(why="several")
    if not active:
        return Found(why="closed" if rows else "unknown")
    linked = sa.select(IDENTITY.c.subject).where(
        IDENTITY.c.user_id == active[0], IDENTITY.c.issuer == claimed.issuer
    )
    if connection.execute(linked).first() is not None:
        return Found(why="taken")
    return Found(active[0], new=True)


def link(
    connection: sa.Connection, now: datetime, claimed: Claimed, user: int, address: str = ""
) -> None:
    """Remember whose identity it is: from now on it counts, whatever becomes of the address."""
    connection.execute(
        IDENTITY.insert().values(
            issuer=claimed.issuer,
            subject=claimed.subject,
            user_id=user,
            email=claimed.email[:LONGEST],
            created_at=now,
            used_at=now,
        )
    )
    details = {"issuer": claimed.issuer, "subject": claimed.subject}
    log_event(connection, now, "oidc.linked", user=user, address=address, details=details)


def used(connection: sa.Connection, now: datetime, claimed: Claimed) -> None:
    """Note when somebody last came by his identity."""
    connection.execute(IDENTITY.update().where(_is(claimed)).values(used_at=now))


def unlink(connection: sa.Connection, now: datetime, user: int) -> int:
    """Forget a person's identities, so that the next login links by address again; how many."""
    done = connection.execute(IDENTITY.delete().where(IDENTITY.c.user_id == user)).rowcount
    if done:
        log_event(connection, now, "oidc.unlinked", user=user, details={"count": done})
    return done


def _is(claimed: Claimed) -> sa.ColumnElement[bool]:
    return sa.and_(IDENTITY.c.issuer == claimed.issuer, IDENTITY.c.subject == claimed.subject)
