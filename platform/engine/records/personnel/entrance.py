"""How somebody gets in: links, sessions, the second factor, tokens of programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.accounts import api_tokens, factors, links, sessions
from engine.accounts.api_tokens import ApiToken
from engine.accounts.links import Purpose
from engine.accounts.sessions import Session
from engine.problems import Problem
from engine.records import outbox, sign_in
from engine.records.failures import Invalid, NotFound
from engine.records.personnel.rules import NOWHERE, PERSON, Origin, log, manageable
from engine.records.unit import Unit

SESSIONS_SHOWN: Final = 50


def make_link(unit: Unit, user: int, origin: Origin = NOWHERE) -> tuple[str, Purpose]:
    """The token of a fresh link with which somebody sets a password, and what it is called; links
    made before work no more.

    Raises: NotFound, Conflict for an operator's account, Invalid for a closed one and one's own.
    """
    row = manageable(unit, user)
    _others_only(unit, user)
    if row.disabled_at is not None:
        raise Invalid([Problem("U141", {"name": row.name})])
    purpose: Purpose = "invite" if row.password_hash is None else "password"
    links.drop_links(unit.connection, user)
    token = links.make_link(
        unit.connection,
        user,
        unit.now,
        purpose,
        by=unit.actor.id or None,
        valid=links.BY_HAND if purpose == "password" else None,
    )
    log(unit, "link.made", (PERSON, user), {"purpose": purpose}, origin)
    return token, purpose


def mail_link(unit: Unit, user: int, origin: Origin = NOWHERE) -> None:
    """Have a fresh link mailed to its owner; it is made when the mail goes out, and stands nowhere
    else.

    Raises: NotFound, Conflict, Invalid as `make_link`, and for somebody without an address.
    """
    row = manageable(unit, user)
    _others_only(unit, user)
    if row.disabled_at is not None:
        raise Invalid([Problem("U141", {"name": row.name})])
    if not row.email:
        raise Invalid([Problem("U142", {"name": row.name})])
    purpose: Purpose = "invite" if row.password_hash is None else "password"
    links.drop_links(unit.connection, user)
    id = unit.app.database.ids.next(unit.connection)
    body = {"purpose": purpose, "by": unit.actor.id or None}
    outbox.post(
        unit, f"{sign_in.KIND}:{id}", sign_in.KIND, body, channel=sign_in.CHANNEL, user=user
    )
    log(unit, "link.asked", (PERSON, user), {"purpose": purpose}, origin)


def sessions_of(unit: Unit, user: int) -> Sequence[Session]:
    """Where somebody is logged in.

    Raises: NotFound, Conflict.
    """
    manageable(unit, user)
    return sessions.sessions_of(unit.connection, user, unit.now)[:SESSIONS_SHOWN]


def end_session(unit: Unit, user: int, hash: str, origin: Origin = NOWHERE) -> None:
    """End one session of somebody, or all of them with "".

    Raises: NotFound, Conflict.
    """
    manageable(unit, user)
    if not hash:
        count = sessions.end_sessions_of(unit.connection, user)
    elif not sessions.end_own_session(unit.connection, user, hash):
        raise NotFound
    else:
        count = 1
    log(unit, "session.ended", (PERSON, user), {"count": count}, origin)


def factor_since(unit: Unit, user: int) -> datetime | None:
    """Since when somebody has a second factor; None without one."""
    found = factors.enabled(unit.connection, user)
    return found.since if found else None


def reset_factor(unit: Unit, user: int, origin: Origin = NOWHERE) -> None:
    """Take somebody's second factor away, with his recovery codes and his sessions: he lost the
    device, and whoever found it is out.

    Raises: NotFound, Conflict, Invalid for one's own.
    """
    manageable(unit, user)
    _others_only(unit, user)
    if not factors.remove(unit.connection, user):
        raise NotFound
    sessions.end_sessions_of(unit.connection, user)
    log(unit, "factor.removed", (PERSON, user), {"by": unit.actor.id}, origin)


def tokens_of(unit: Unit, user: int) -> Sequence[ApiToken]:
    """The tokens of programs that act in somebody's name.

    Raises: NotFound, Conflict.
    """
    manageable(unit, user)
    return api_tokens.tokens_of(unit.connection, user)


def revoke_token(unit: Unit, user: int, token: int, origin: Origin = NOWHERE) -> None:
    """Revoke one of them.

    Raises: NotFound, Conflict.
    """
    manageable(unit, user)
    done = api_tokens.revoke(
        unit.connection, unit.now, token, user=user, by=unit.actor.id, address=origin.address
    )
    if not done:
        raise NotFound


def shut(unit: Unit, user: int) -> None:
    """Nothing of somebody's opens the door any more: his account is being closed."""
    sessions.end_sessions_of(unit.connection, user)
    links.drop_links(unit.connection, user)
    api_tokens.revoke_all(unit.connection, unit.now, user, by=unit.actor.id or None)


def _others_only(unit: Unit, user: int) -> None:
    if user == unit.actor.id:
        raise Invalid([Problem("U140")])
