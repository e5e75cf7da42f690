"""Who asks: a session, its person and the version in force, read in one statement.

Nothing of it outlives the request: a session that was revoked, a role that was taken away or a
version that was published counts with the next one, in every process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.accounts.sessions import SEEN_EVERY
from engine.accounts.tokens import digest
from engine.records.actor import Actor, ids_of
from engine.storage import Database
from engine.tables.system import DEPARTMENT, SESSION, USER, USER_ROLE, VERSION


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request begins with. `touch`: it is time to note that the session was used."""

    actor: Actor
    version: int | None
    touch: bool
    connection: sa.Connection  # the transaction that saw all this


def visit_of(
    database: Database, connection: sa.Connection, token: str, now: datetime
) -> Visit | None:
    """Whose session `token` is; None when it does not hold or the account is closed."""
    statement = database.prepared("visit", _build)
    rows = statement.rows(connection, {"hash": digest(token), "now": now})
    if not rows:
        return None
    row = rows[0]
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
    return Visit(actor, row["published"], now - row["used"] > SEEN_EVERY, connection)


def _build() -> sa.Select[Any]:
    top = DEPARTMENT.alias()
    inside = sa.func.substr(DEPARTMENT.c.path, 1, sa.func.length(top.c.path)) == top.c.path
    below = sa.select(
        sa.func.aggregate_strings(sa.cast(DEPARTMENT.c.id, sa.Text()), ","),
    ).where(top.c.id == USER.c.department_id, inside, DEPARTMENT.c.removed_at.is_(None))
    path = sa.select(top.c.path).where(top.c.id == USER.c.department_id)
    held = sa.select(sa.func.aggregate_strings(USER_ROLE.c.role, ","))
    person = ("id", "name", "login", "department_id", "language", "timezone", "is_operator")
    return (
        sa.select(
            *(USER.c[name] for name in person),
            SESSION.c.seen_at.label("used"),
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
