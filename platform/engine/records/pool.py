"""The pool: records that nobody owns yet, taken by one person and given back.

`x-entity.pool` says which roles may take them, how many a day, how many somebody may own and still
take one more, and how many he may open a day. Of several roles the most generous counts. What is
counted stands in QUOTA, one row per person, day and record, so that nothing counts twice; the
person's own row is locked while it is counted, so that two requests at once cannot both be the
last one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Entity, PoolLimits
from engine.problems import Problem
from engine.records.failures import Conflict, Forbidden, MissingVersion, NotFound
from engine.records.reading import visible
from engine.records.storing import seen, stale
from engine.records.unit import Unit
from engine.records.writing import change, current
from engine.tables.system import QUOTA, USER

Kind = Literal["view", "claim"]
OWNER: Final = "owner"


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


def may_claim(unit: Unit, entity: Entity) -> bool:
    """Whether the actor may take records of this entity out of the pool at all."""
    limits = limits_of(unit, entity)
    return limits is not None and limits.claims != 0


def claim(unit: Unit, entity: str, id: int, version: int | None) -> dict[str, Any]:
    """Take a record that nobody owns. Of several at once one gets it, the others are told.

    Raises: NotFound, Forbidden, MissingVersion, Stale, Conflict when somebody was faster (J201) or
    a limit is reached (J202 a day, J203 owned).
    """
    definition = unit.entity(entity)
    limits = limits_of(unit, definition)
    if "pooled" not in definition.traits or not visible(unit, entity, [id]):
        raise NotFound
    if limits is None or limits.claims == 0:
        raise Forbidden("claim", entity=definition.title)
    _alone(unit)
    old = current(unit, entity, id, "read")
    if old.get(OWNER) is not None:
        raise Conflict([Problem("J201", {"entity": definition.title})])
    if version is None:
        raise MissingVersion
    if version != old["version"]:
        raise stale(unit, entity, id)
    _within(unit, definition, limits)
    _count(unit, "claim", entity, id)
    return _given(unit, entity, id, unit.actor.id, version)


def release(unit: Unit, entity: str, id: int, version: int | None) -> dict[str, Any]:
    """Give a record of one's own back to the pool.

    Raises: NotFound, Forbidden, MissingVersion, Stale.
    """
    definition = unit.entity(entity)
    if "pooled" not in definition.traits or not visible(unit, entity, [id]):
        raise NotFound
    old = current(unit, entity, id, "read")
    if old.get(OWNER) != unit.actor.id or limits_of(unit, definition) is None:
        current(unit, entity, id, "write")  # who may change it may do this too
    if version is None:
        raise MissingVersion
    return _given(unit, entity, id, None, version)


def open_one(unit: Unit, entity: str, id: int) -> None:
    """Count that the actor opens a record of the pool; nothing for one that has an owner, and for
    people whom the pool does not limit. A record opened twice a day counts once.

    Raises: Conflict (J204) beyond the limit of the day.
    """
    definition = unit.app.model.entities[entity]
    limits = limits_of(unit, definition) if definition.pool else None
    if limits is None or limits.views is None or not _free(unit, entity, id):
        return
    _alone(unit)
    if _known(unit, "view", entity, id):
        return
    if _counted(unit, "view", entity) >= limits.views:
        raise Conflict([Problem("J204", {"most": limits.views})])
    _count(unit, "view", entity, id)


def limited(unit: Unit, entity: Entity) -> bool:
    """Whether opening records of the pool is counted for the actor."""
    limits = limits_of(unit, entity) if entity.pool else None
    return limits is not None and limits.views is not None


def _most(values: list[int | None]) -> int | None:
    """The most generous of several limits; None is none."""
    kept = [value for value in values if value is not None]
    return max(kept) if len(kept) == len(values) else None


def _within(unit: Unit, entity: Entity, limits: PoolLimits) -> None:
    if limits.claims is not None and _counted(unit, "claim", entity.name) >= limits.claims:
        raise Conflict([Problem("J202", {"most": limits.claims})])
    if limits.holds is None:
        return
    place = unit.app.tables.of(entity.name)
    mine = sa.and_(place.column(OWNER) == unit.actor.id, place.removed_at.is_(None))
    held = unit.connection.scalar(sa.select(sa.func.count()).select_from(place.table).where(mine))
    if (held or 0) >= limits.holds:
        raise Conflict([Problem("J203", {"most": limits.holds})])


def _free(unit: Unit, entity: str, id: int) -> bool:
    place = unit.app.tables.of(entity)

    def build() -> sa.Select[Any]:
        wanted = place.id == sa.bindparam("id", type_=place.id.type)
        return sa.select(place.id).where(wanted, place.column(OWNER).is_(None))

    return bool(unit.app.statement(("free", entity), build).rows(unit.connection, {"id": id}))


def _alone(unit: Unit) -> None:
    """One request of a person after the other, where it is about what he may still take."""
    if unit.app.database.kind == "postgresql":
        me = sa.select(USER.c.id).where(USER.c.id == unit.actor.id)
        unit.connection.execute(me.with_for_update(key_share=True))


def _today(unit: Unit) -> str:
    return unit.now.astimezone(unit.company_zone).date().isoformat()


def _mine(unit: Unit, kind: Kind, entity: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        QUOTA.c.user_id == unit.actor.id,
        QUOTA.c.kind == kind,
        QUOTA.c.day == _today(unit),
        QUOTA.c.entity == entity,
    )


def _counted(unit: Unit, kind: Kind, entity: str) -> int:
    count = sa.select(sa.func.count()).select_from(QUOTA).where(_mine(unit, kind, entity))
    return unit.connection.scalar(count) or 0


def _known(unit: Unit, kind: Kind, entity: str, id: int) -> bool:
    same = sa.select(QUOTA.c.record_id).where(_mine(unit, kind, entity), QUOTA.c.record_id == id)
    return unit.connection.scalar(same) is not None


def _count(unit: Unit, kind: Kind, entity: str, id: int) -> None:
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


def _given(unit: Unit, entity: str, id: int, owner: int | None, version: int) -> dict[str, Any]:
    """Change the owner in the actor's name: taking from the pool is a right of its own, which needs
    none to change the field."""
    acting = replace(unit, actor=replace(unit.actor, system=True))
    change(acting, entity, id, {OWNER: owner}, version)
    unit.posted = unit.posted or acting.posted
    return seen(unit, entity, {"id": id, "version": version + 1})
