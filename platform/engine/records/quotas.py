"""How much somebody may take from a pool and see of it: `x-entity.pool`, counted in QUOTA.

One row per person, day and record, so that nothing counts twice. Whatever makes a record of the
pool somebody's own - the button, a change of the field, an event of a workflow - comes past
`spend`; there is no way around it. Of several roles the most generous counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Entity, PoolLimits
from engine.problems import Problem
from engine.records.failures import Conflict
from engine.records.unit import Unit
from engine.tables.system import QUOTA, USER

Kind = Literal["view", "claim"]
OWNER: Final = "owner"


@dataclass(frozen=True, slots=True)
class Left:
    """What somebody may still take today, and what he owns of what he may own; None: no limit."""

    claims: int | None
    held: int
    holds: int | None

    @property
    def any(self) -> bool:
        """Whether one more may be taken."""
        return self.claims != 0 and (self.holds is None or self.held < self.holds)


def limits_of(unit: Unit, entity: Entity) -> PoolLimits | None:
    """The limits of the actor in the pool; None when none of his roles is named there."""
    found = [entity.pool[role] for role in unit.actor.roles if role in entity.pool]
    if not found:
        return None
    return PoolLimits(
        views=_most([one.views for one in found]),
        claims=_most([one.claims for one in found]),
        holds=_most([one.holds for one in found]),
    )


def left(unit: Unit, entity: Entity) -> Left | None:
    """What the pool still lets the actor take; None for who may take nothing of it at all."""
    limits = limits_of(unit, entity)
    if limits is None or limits.claims == 0:
        return None
    taken = counted(unit, "claim", entity.name) if limits.claims is not None else 0
    claims = None if limits.claims is None else max(0, limits.claims - taken)
    return Left(claims, _held(unit, entity), limits.holds)


def spend(unit: Unit, entity: Entity, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Count a record that the actor takes from the pool for himself; nothing for any other change,
    and for people whom the pool does not limit.

    Raises: Conflict when a limit is reached (J202 a day, J203 owned).
    """
    if not entity.pool or old.get(OWNER) is not None or not unit.actor.id:
        return
    limits = limits_of(unit, entity) if new.get(OWNER) == unit.actor.id else None
    if limits is None:
        return
    alone(unit)
    if limits.claims is not None and counted(unit, "claim", entity.name) >= limits.claims:
        raise Conflict([Problem("J202", {"most": limits.claims})])
    if limits.holds is not None and _held(unit, entity) >= limits.holds:
        raise Conflict([Problem("J203", {"most": limits.holds})])
    count(unit, "claim", entity.name, old["id"])


def alone(unit: Unit) -> None:
    """One request of a person after the other, where it is about what he may still take."""
    if unit.app.database.kind == "postgresql":
        me = sa.select(USER.c.id).where(USER.c.id == unit.actor.id)
        unit.connection.execute(me.with_for_update(key_share=True))


def counted(unit: Unit, kind: Kind, entity: str) -> int:
    """How many records the actor took or opened today."""
    found = sa.select(sa.func.count()).select_from(QUOTA).where(_mine(unit, kind, entity))
    return unit.connection.scalar(found) or 0


def known(unit: Unit, kind: Kind, entity: str, id: int) -> bool:
    """Whether this record counted today already."""
    same = sa.select(QUOTA.c.record_id).where(_mine(unit, kind, entity), QUOTA.c.record_id == id)
    return unit.connection.scalar(same) is not None


def count(unit: Unit, kind: Kind, entity: str, id: int) -> None:
    """Count a record, once a day."""
    insert: Callable[[sa.Table], Any] = (
        postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
    )
    row = {
        "user_id": unit.actor.id,
        "kind": kind,
        "day": _today(unit),
        "entity": entity,
        "record_id": id,
        "at": unit.now,
    }
    unit.connection.execute(insert(QUOTA).values(**row).on_conflict_do_nothing())


def _held(unit: Unit, entity: Entity) -> int:
    place = unit.app.tables.of(entity.name)
    mine = sa.and_(place.column(OWNER) == unit.actor.id, place.removed_at.is_(None))
    found = sa.select(sa.func.count()).select_from(place.table).where(mine)
    return unit.connection.scalar(found) or 0


def _most(values: list[int | None]) -> int | None:
    """The most generous of several limits; None is none."""
    kept = [value for value in values if value is not None]
    return max(kept) if len(kept) == len(values) else None


def _today(unit: Unit) -> str:
    return unit.now.astimezone(unit.company_zone).date().isoformat()


def _mine(unit: Unit, kind: Kind, entity: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        QUOTA.c.user_id == unit.actor.id,
        QUOTA.c.kind == kind,
        QUOTA.c.day == _today(unit),
        QUOTA.c.entity == entity,
    )
