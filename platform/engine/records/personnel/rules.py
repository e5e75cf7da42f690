"""Who may manage whom, at every door: pages, back office and commands alike.

Administrators manage people, operators manage operators too. Nobody raises his own rights, and
somebody who administers the company is always left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.security_log import log_events
from engine.problems import Problem
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.unit import Unit
from engine.tables import system

_USER, _ROLE = system.USER, system.USER_ROLE
_LOCK: Final = 0x70656F70  # changes of people and places wait for each other on PostgreSQL
PERSON: Final = "@user"
PLACE: Final = "@department"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from: the address and the browser."""

    address: str = ""
    agent: str = ""


NOWHERE: Final = Origin()


def allowed(unit: Unit) -> None:
    """Raises: NotFound for who is no administrator: the pages do not exist for him."""
    if not unit.administers:
        raise NotFound


def alone(unit: Unit) -> None:
    """Wait for others who change people or places: what is read from now on stays true. (On SQLite
    there is one writer anyway.)"""
    if unit.app.dialect == "postgresql":
        unit.connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def manageable(unit: Unit, user: int) -> sa.Row[Any]:
    """The account of somebody whom the actor may manage.

    Raises: NotFound; Conflict for an operator's account, unless an operator asks: whoever makes a
    link for an account, or changes its address, could become that account.
    """
    allowed(unit)
    row = unit.connection.execute(sa.select(_USER).where(_USER.c.id == user)).one_or_none()
    if row is None:
        raise NotFound
    if row.is_operator and not above_all(unit):
        raise Conflict([Problem("U101", {"name": row.name})])
    return row


def above_all(unit: Unit) -> bool:
    """Whether the actor operates the installation, or is the platform itself."""
    return unit.actor.system or unit.actor.operator


def administering(unit: Unit, roles: Iterable[str]) -> bool:
    """Whether one of the roles makes an administrator."""
    known = unit.app.model.roles
    return any(known[name].admin for name in roles if name in known)


def administrators(unit: Unit) -> frozenset[int]:
    """Who may administer the company now: open accounts only."""
    roles = [role.name for role in unit.app.model.roles.values() if role.admin]
    held = sa.select(_ROLE.c.user_id).where(_ROLE.c.role.in_(roles))
    found = sa.select(_USER.c.id).where(
        _USER.c.disabled_at.is_(None), sa.or_(_USER.c.is_operator, _USER.c.id.in_(held))
    )
    return frozenset(unit.connection.scalars(found))


def keep_one(unit: Unit, user: int) -> None:
    """Ask before somebody stops being an administrator.

    Raises: Conflict when he is the last one.
    """
    if administrators(unit) == {user}:
        raise Conflict([Problem("U102")])


def not_oneself(unit: Unit, user: int, what: str) -> None:
    """Raises: Invalid when somebody below an operator would raise his own rights in the field
    `what`."""
    if user == unit.actor.id and not above_all(unit):
        raise Invalid([Problem("U103", pointer=f"/{what}")])


def log(
    unit: Unit,
    kind: str,
    about: tuple[str, int | None],
    details: Mapping[str, Any],
    origin: Origin = NOWHERE,
) -> None:
    """An event of the security log in the actor's name; the platform itself has none."""
    log_all(unit, kind, [(about, details)], origin)


def log_all(
    unit: Unit,
    kind: str,
    told: Sequence[tuple[tuple[str, int | None], Mapping[str, Any]]],
    origin: Origin = NOWHERE,
) -> None:
    """Several events of one kind at once."""
    source = {} if unit.actor.id else {"source": unit.source}
    log_events(
        unit.connection,
        unit.now,
        kind,
        [(about, {**details, **source}) for about, details in told],
        user=unit.actor.id or None,
        address=origin.address,
        agent=origin.agent,
    )
