"""The person that a question about rights is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa

from engine.definitions.model import Model
from engine.records import people
from engine.records.actor import Actor
from engine.tables.system import USER, USER_ROLE


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody with all that rights depend on; `closed` when his account is."""

    actor: Actor
    closed: bool = False


def subject_of(connection: sa.Connection, user: int, model: Model) -> Subject | None:
    """The person with that id, whether or not he may log in; None when there is none."""
    row = connection.execute(sa.select(USER).where(USER.c.id == user)).one_or_none()
    if row is None:
        return None
    held = connection.scalars(sa.select(USER_ROLE.c.role).where(USER_ROLE.c.user_id == user))
    actor = Actor(
        id=row.id,
        name=row.name,
        login=row.login,
        roles=frozenset(held),
        language=row.language or model.default_language,
        timezone=row.timezone or model.timezone,
        operator=row.is_operator,
    )
    return Subject(placed(connection, actor, row.department_id), row.disabled_at is not None)


def placed(connection: sa.Connection, actor: Actor, department: int | None) -> Actor:
    """The actor as if he belonged to a department."""
    if not department:
        return replace(actor, department=None, departments=(), above=())
    return replace(
        actor,
        department=department,
        departments=tuple(sorted(people.below(connection, department))),
        above=people.above(connection, department),
    )


def with_roles(actor: Actor, roles: Iterable[str]) -> Actor:
    """The actor as if he held more roles."""
    return replace(actor, roles=actor.roles | frozenset(roles))
