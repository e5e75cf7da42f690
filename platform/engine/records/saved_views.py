"""Lists kept under a name, and records kept at hand with a star."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables import system

_VIEW, _STAR = system.SAVED_VIEW, system.STAR


@dataclass(frozen=True, slots=True)
class SavedView:
    """A list's address arguments under a name; `own` or shared with a role."""

    id: int
    name: str
    query: str
    own: bool


def saved_views(unit: Unit, entity: str) -> list[SavedView]:
    """The actor's saved lists of an entity and those shared with his roles. A list names fields
    only; what the reader may not see of them is refused when it is opened."""
    mine = _VIEW.c.user_id == unit.actor.id
    shared = sa.and_(_VIEW.c.user_id.is_(None), _VIEW.c.role.in_(["", *sorted(unit.actor.roles)]))
    rows = unit.connection.execute(
        sa.select(_VIEW)
        .where(_VIEW.c.entity == entity, sa.or_(mine, shared))
        .order_by(_VIEW.c.position, _VIEW.c.id)
    )
    return [SavedView(row.id, row.name, row.query, row.user_id is not None) for row in rows]


def save_view(unit: Unit, entity: str, name: str, query: str) -> int:
    """Keep a list for oneself; the same name replaces it.

    Raises: Invalid for a bad name.
    """
    unit.entity(entity)
    if not 1 <= len(name.strip()) <= 100 or len(query) > 8_000:
        raise Invalid([Problem("R601", pointer="/name")])
    own = (_VIEW.c.user_id == unit.actor.id, _VIEW.c.entity == entity)
    unit.connection.execute(sa.delete(_VIEW).where(*own, _VIEW.c.name == name.strip()))
    id = unit.app.database.ids.next(unit.connection)
    unit.connection.execute(
        sa.insert(_VIEW).values(
            id=id, entity=entity, name=name.strip(), query=query, user_id=unit.actor.id, position=0
        )
    )
    return id


def delete_view(unit: Unit, id: int) -> None:
    """Forget one of one's own lists.

    Raises: NotFound.
    """
    gone = sa.delete(_VIEW).where(_VIEW.c.id == id, _VIEW.c.user_id == unit.actor.id)
    if unit.connection.execute(gone).rowcount != 1:
        raise NotFound


def star(unit: Unit, entity: str, id: int, *, on: bool) -> None:
    """Put a star on a record, or take it off.

    Raises: NotFound for a record that the actor does not see.
    """
    if not visible(unit, entity, [id]):
        raise NotFound
    unit.connection.execute(sa.delete(_STAR).where(*_own_star(unit, entity, [id])))
    if on:
        unit.connection.execute(
            sa.insert(_STAR).values(user_id=unit.actor.id, entity=entity, record_id=id, at=unit.now)
        )


def starred(unit: Unit, entity: str, ids: Sequence[int]) -> frozenset[int]:
    """Which of the records the actor has put a star on."""
    if not ids:
        return frozenset()
    rows = unit.connection.scalars(
        sa.select(_STAR.c.record_id).where(*_own_star(unit, entity, ids))
    )
    return frozenset(rows)


def _own_star(unit: Unit, entity: str, ids: Sequence[int]) -> list[sa.ColumnElement[bool]]:
    return [
        _STAR.c.user_id == unit.actor.id,
        _STAR.c.entity == entity,
        _STAR.c.record_id.in_(list(ids)),
    ]
