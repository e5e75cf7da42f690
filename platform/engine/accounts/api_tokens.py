"""Tokens for programs that act in a person's name.

A token is shown once; the database keeps its hash. It ends by itself, narrows what its owner may do
(`engine.access.scopes`) and holds no longer than he does: whose token it is, whether the account is
open and which roles it has is read with every request, in every process.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.access.scopes import EVERY, RIGHTS, Scopes, kept, scopes_of
from engine.accounts.security_log import log_event, plain
from engine.accounts.tokens import digest
from engine.problems import Problem
from engine.storage import Database
from engine.tables.system import TOKEN

PREFIX: Final = "dg_"
LENGTH: Final = len(PREFIX) + 43  # 256 random bits, URL-safe
DAYS: Final = 90
MOST_DAYS: Final = 366
MOST_TOKENS: Final = 50  # of one person that still hold
SHOWN: Final = 8  # first characters that are kept, for its owner to know it again
USED_EVERY: Final = timedelta(minutes=5)  # how exact "last used" is
LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as its owner sees it; what was shown once is not in it."""

    id: int
    start: str
    user: int
    name: str
    scopes: Scopes
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and self.expires_at > now


def check(
    name: str, scopes: Mapping[str, Iterable[str]], days: int, entities: Collection[str]
) -> list[Problem]:
    """What is wrong with a token that somebody wants; `entities` are those he may know of."""
    problems = []
    if not 1 <= len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        problems.append(Problem("T010", {"most": LONGEST_NAME}, "/name"))
    if not 1 <= days <= MOST_DAYS:
        problems.append(Problem("T011", {"most": MOST_DAYS}, "/days"))
    if not any(set(rights) for rights in scopes.values()):
        problems.append(Problem("T012", pointer="/scopes"))
    for entity, rights in scopes.items():
        if entity != EVERY and entity not in entities:
            problems.append(Problem("T013", {"entity": entity[:60]}, "/scopes"))
        unknown = [right[:30] for right in rights if right not in RIGHTS]
        if unknown:
            problems.append(Problem("T014", {"rights": unknown, "known": RIGHTS}, "/scopes"))
    return problems


def make(
    database: Database,
    connection: sa.Connection,
    now: datetime,
    wanted: ApiToken,
    *,
    by: int | None,
    address: str = "",
) -> str:
    """Keep a new token that was checked; returns its text, which nobody can read again. `wanted`
    comes from `new`; `by` is who made it, None for the command line."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = database.ids.next(connection)
    connection.execute(
        TOKEN.insert().values(
            id=token,
            token_hash=digest(text),
            start=text[:SHOWN],
            user_id=wanted.user,
            name=wanted.name,
            scopes=kept(wanted.scopes),
            created_at=now,
            by_id=by,
            expires_at=wanted.expires_at,
        )
    )
    details = {"token": token, "start": text[:SHOWN], "scopes": _words(wanted.scopes)}
    log_event(connection, now, "token.made", user=wanted.user, address=address, details=details)
    return text


def new(
    user: int, name: str, scopes: Mapping[str, Iterable[str]], days: int, now: datetime
) -> ApiToken:
    """A token that is yet to be kept."""
    return ApiToken(
        id=0,
        start="",
        user=user,
        name=plain(name.strip()),
        scopes=scopes_of({entity: list(rights) for entity, rights in scopes.items()}),
        created_at=now,
        expires_at=now + timedelta(days=days),
        used_at=None,
        used_from="",
        revoked_at=None,
    )


def tokens_of(
    connection: sa.Connection, user: int | None = None, *, all_of_them: bool = False
) -> list[ApiToken]:
    """The tokens of a person, or of everybody, newest first; revoked ones only when asked for."""
    wanted = sa.select(TOKEN).order_by(TOKEN.c.id.desc())
    if user is not None:
        wanted = wanted.where(TOKEN.c.user_id == user)
    if not all_of_them:
        wanted = wanted.where(TOKEN.c.revoked_at.is_(None))
    return [_read(dict(row)) for row in connection.execute(wanted).mappings()]


def too_many(connection: sa.Connection, user: int, now: datetime) -> bool:
    """Whether a person has as many tokens that hold as anybody may have."""
    return sum(token.holds(now) for token in tokens_of(connection, user)) >= MOST_TOKENS


def revoke(
    connection: sa.Connection,
    now: datetime,
    token: int,
    *,
    user: int | None = None,
    by: int | None = None,
    address: str = "",
) -> bool:
    """Revoke a token (of `user`, when one is given); whether there was one that could be."""
    open_ = sa.and_(TOKEN.c.id == token, TOKEN.c.revoked_at.is_(None))
    if user is not None:
        open_ = sa.and_(open_, TOKEN.c.user_id == user)
    row = connection.execute(sa.select(TOKEN.c.user_id, TOKEN.c.start).where(open_)).first()
    if row is None:
        return False
    connection.execute(TOKEN.update().where(open_).values(revoked_at=now))
    details = {"token": token, "start": row.start, "by": by}
    log_event(connection, now, "token.revoked", user=row.user_id, address=address, details=details)
    return True


def revoke_all(
    connection: sa.Connection, now: datetime, user: int, *, by: int | None = None
) -> int:
    """Revoke every token of a person: his account is closed, or its password was lost."""
    held = [token.id for token in tokens_of(connection, user)]
    return sum(revoke(connection, now, token, by=by) for token in held)


def looks_like(text: str) -> bool:
    """Whether a text has the form of a token: what has not is not worth a look."""
    return len(text) == LENGTH and text.startswith(PREFIX) and text.isascii()


def touch(connection: sa.Connection, now: datetime, token: int, address: str) -> None:
    """Note that a token was used."""
    done = TOKEN.update().where(TOKEN.c.id == token)
    connection.execute(done.values(used_at=now, used_from=address[:100]))


def _read(row: Mapping[str, Any]) -> ApiToken:
    return ApiToken(
        id=row["id"],
        start=row["start"],
        user=row["user_id"],
        name=row["name"],
        scopes=scopes_of(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        used_from=row["used_from"],
        revoked_at=row["revoked_at"],
    )


def _words(scopes: Scopes) -> list[str]:
    return [f"{entity}: {' '.join(rights)}" for entity, rights in kept(scopes).items()]


__all__ = [
    "DAYS",
    "MOST_DAYS",
    "MOST_TOKENS",
    "PREFIX",
    "RIGHTS",
    "SHOWN",
    "USED_EVERY",
    "ApiToken",
    "check",
    "looks_like",
    "make",
    "new",
    "revoke",
    "revoke_all",
    "tokens_of",
    "too_many",
    "touch",
]
