"""Who asks: a session, its person and the version in force, read in one statement.

Nothing of it outlives the request: a session that was revoked, a role that was taken away or a
version that was published counts with the next one, in every process. So do the company's limits:
a session that was left alone too long, or lasted too long, is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.rules import KEY, Rules, rules_read
from engine.accounts.sessions import SEEN_EVERY
from engine.accounts.tokens import digest
from engine.records.actor import Actor, ids_of
from engine.storage import Database
from engine.tables.system import DEPARTMENT, SESSION, SETTING, USER, USER_ROLE, VERSION

STRONG: Final = frozenset({"totp", "recovery", "oidc+mfa"})
"""Ways of signing in that are more than a password; "oidc+mfa" is a provider that says so."""


@dataclass(frozen=True, slots=True)
class Signed:
    """How the person signed in. `waits`: a second factor is missing, so this session opens nothing
    but the page that asks for it."""

    method: str
    proved_at: datetime | None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request begins with. `touch`: it is time to note that the session was used."""

    actor: Actor
    version: int | None
    touch: bool
    connection: sa.Connection  # the transaction that saw all this
    signed: Signed


def visit_of(
    database: Database, connection: sa.Connection, token: str, now: datetime
) -> Visit | None:
    """Whose session `token` is; None when it does not hold or the account is closed."""
    statement = database.prepared("visit", _build)
    rows = statement.rows(connection, {"hash": digest(token), "now": now})
    if not rows:
        return None
    row = rows[0]
    rules = rules_read(row["rules"])
    if _over(row, rules, now):
        return None
    department = row["department_id"]
    below = map(int, row["below"].split(",")) if row["below"] else ()
    actor = Actor(
        id=row["id"],
        name=row["name"],
        login=row["login"],
        roles=frozenset(row["roles"].split(",") if row["roles"] else ()),
        department=department,
        departments=tuple(sorted({department, *below})) if department else (),
        above=ids_of(row["path"] or "") if department else (),
        language=row["language"],
        timezone=row["timezone"],
        operator=bool(row["is_operator"]),
    )
    needed = rules.needs_factor(actor.roles, operator=actor.operator)
    waits = row["second_due"] is not None or (needed and row["method"] not in STRONG)
    signed = Signed(row["method"], row["proved_at"], waits)
    touch = now - row["used"] > min(SEEN_EVERY, rules.idle_time / 5)  # else idle comes first
    return Visit(actor, row["published"], touch, connection, signed)


def _over(row: Any, rules: Rules, now: datetime) -> bool:
    """Whether the company's limits end the session sooner than it was made for."""
    if now - row["used"] > rules.idle_time:
        return True
    return rules.hours is not None and now - row["created_at"] > timedelta(hours=rules.hours)


def _build() -> sa.Select[Any]:
    top = DEPARTMENT.alias()
    inside = sa.func.substr(DEPARTMENT.c.path, 1, sa.func.length(top.c.path)) == top.c.path
    below = sa.select(
        sa.func.aggregate_strings(sa.cast(DEPARTMENT.c.id, sa.Text()), ","),
    ).where(top.c.id == USER.c.department_id, inside, DEPARTMENT.c.removed_at.is_(None))
    path = sa.select(top.c.path).where(top.c.id == USER.c.department_id)
    held = sa.select(sa.func.aggregate_strings(USER_ROLE.c.role, ","))
    rules = sa.select(sa.cast(SETTING.c.value, sa.Text())).where(SETTING.c.key == KEY)
    person = ("id", "name", "login", "department_id", "language", "timezone", "is_operator")
    return (
        sa.select(
            *(USER.c[name] for name in person),
            SESSION.c.seen_at.label("used"),
            *(SESSION.c[name] for name in ("created_at", "method", "proved_at", "second_due")),
            rules.scalar_subquery().label("rules"),
            held.where(USER_ROLE.c.user_id == USER.c.id).scalar_subquery().label("roles"),
            below.scalar_subquery().label("below"),
            path.scalar_subquery().label("path"),
            sa.select(sa.func.max(VERSION.c.id)).scalar_subquery().label("published"),
        )
        .join_from(SESSION, USER, USER.c.id == SESSION.c.user_id)
        .where(
            SESSION.c.id_hash == sa.bindparam("hash", type_=sa.Text()),
            SESSION.c.expires_at > sa.bindparam("now", type_=SESSION.c.expires_at.type),
            USER.c.disabled_at.is_(None),
        )
    )
