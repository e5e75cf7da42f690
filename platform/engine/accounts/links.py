"""One-time links: for the first login, an invitation and a forgotten password.

A link is used by POST, never by GET: mail scanners open links. It is bound to the account as it
was when it was made: a new password or another e-mail address kills it, and so does its use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.accounts.tokens import digest, new_token
from engine.tables.system import ONCE_LINK, USER

Purpose = Literal["login", "password", "invite"]
BY_HAND: Final = timedelta(hours=24)  # printed for an operator, who hands it over
VALID: Final[Mapping[Purpose, timedelta]] = {
    "login": BY_HAND,
    "password": timedelta(minutes=30),
    "invite": timedelta(days=7),
}
SETS_PASSWORD: Final = frozenset({"password", "invite"})


@dataclass(frozen=True, slots=True)
class Link:
    """What a link that works is good for."""

    user: int
    name: str
    login: str
    email: str
    purpose: str

    @property
    def sets_password(self) -> bool:
        """Whether its page asks for a new password."""
        return self.purpose in SETS_PASSWORD


def make_link(
    connection: sa.Connection,
    user_id: int,
    now: datetime,
    purpose: Purpose = "login",
    *,
    by: int | None = None,
    valid: timedelta | None = None,
) -> str:
    """The token of a new link; `by` is who had it made, `valid` how long it works."""
    token = new_token()
    account = connection.execute(_account(USER.c.id == user_id)).one()
    connection.execute(
        ONCE_LINK.insert().values(
            token_hash=digest(token),
            user_id=user_id,
            purpose=purpose,
            created_at=now,
            expires_at=now + (valid or VALID[purpose]),
            bound=_bound(account),
            by_id=by,
        )
    )
    return token


def peek_link(connection: sa.Connection, token: str, now: datetime) -> Link | None:
    """What a link is good for, if it still works; uses nothing up."""
    row = connection.execute(
        _account(_valid(token, now), USER.c.disabled_at.is_(None))
        .add_columns(USER.c.name, USER.c.login, ONCE_LINK.c.purpose, ONCE_LINK.c.bound)
        .select_from(USER.join(ONCE_LINK, ONCE_LINK.c.user_id == USER.c.id))
    ).first()
    if row is None or row.bound != _bound(row):
        return None
    return Link(row.id, row.name, row.login, row.email or "", row.purpose)


def use_link(connection: sa.Connection, token: str, now: datetime) -> bool:
    """Use a link up. Of two at the same moment one wins: the row is changed only while unused."""
    if peek_link(connection, token, now) is None:
        return False
    done = connection.execute(ONCE_LINK.update().where(_valid(token, now)).values(used_at=now))
    return done.rowcount == 1


def drop_links(connection: sa.Connection, user_id: int) -> None:
    """Make every link of a person that waits worthless."""
    waiting = sa.and_(ONCE_LINK.c.user_id == user_id, ONCE_LINK.c.used_at.is_(None))
    connection.execute(ONCE_LINK.delete().where(waiting))


def _account(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(USER.c.id, USER.c.password_hash, USER.c.email).where(*where)


def _bound(account: Any) -> str:
    return digest(f"{account.id}\n{account.password_hash or ''}\n{account.email or ''}")


def _valid(token: str, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        ONCE_LINK.c.token_hash == digest(token),
        ONCE_LINK.c.used_at.is_(None),
        ONCE_LINK.c.expires_at > now,
    )
