"""Lists kept under a name, and records kept at hand with a star."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables import system

MOST: Final = 50  # of one person for one list
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

    def build() -> sa.Select[Any]:
        mine = _VIEW.c.user_id == sa.bindparam("user", type_=_VIEW.c.user_id.type)
        shared = sa.and_(
            _VIEW.c.user_id.is_(None), _VIEW.c.role.in_(["", *sorted(unit.actor.roles)])
        )
        return (
            sa.select(_VIEW.c.id, _VIEW.c.name, _VIEW.c.query, _VIEW.c.user_id)
            .where(_VIEW.c.entity == sa.bindparam("entity"), sa.or_(mine, shared))
            .order_by(_VIEW.c.position, _VIEW.c.id)
        )

    statement = unit.app.statement(("saved views", unit.actor.roles), build)
    rows = statement.rows(unit.connection, {"user": unit.actor.id, "entity": entity})
    return [
        SavedView(row["id"], row["name"], row["query"], row["user_id"] is not None) for row in rows
    ]


def save_view(unit: Unit, entity: str, name: str, query: str) -> int:
    """Keep a list for oneself; the same name replaces it.

    Raises: NotFound, Invalid for a bad name or too many.
    """
    unit.entity(entity)
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100 or not name.isprintable() or len(query) > 8_000:
        raise Invalid([Problem("R601", pointer="/name")])
    if not query.isprintable():  # an address has none; PostgreSQL takes no NUL
        raise Invalid([Problem("R109", pointer="/query")])
    own = (_VIEW.c.user_id == unit.actor.id, _VIEW.c.entity == entity)
    unit.connection.execute(sa.delete(_VIEW).where(*own, _VIEW.c.name == name))
    held = sa.select(sa.func.count()).select_from(_VIEW).where(*own)
    if unit.connection.scalar(held) >= MOST:  # type: ignore[operator] # a count is never null
        raise Invalid([Problem("R814", {"most": MOST}, "/name")])
    id = unit.app.database.ids.next(unit.connection)
    unit.connection.execute(
        sa.insert(_VIEW).values(
            id=id, entity=entity, name=name, query=query, user_id=unit.actor.id, position=0
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

    Raises: NotFound for a star on a record that the actor does not see.
    """
    if on and not visible(unit, entity, [id]):
        raise NotFound
    if not on:
        unit.connection.execute(sa.delete(_STAR).where(*_own_star(unit, entity, [id])))
        return
    kind: Any = sqlite.insert if unit.app.dialect == "sqlite" else postgresql.insert
    unit.connection.execute(  # a second click, even at the same moment, changes nothing
        kind(_STAR)
        .values(user_id=unit.actor.id, entity=entity, record_id=id, at=unit.now)
        .on_conflict_do_nothing()
    )


def starred(unit: Unit, entity: str, ids: Sequence[int]) -> frozenset[int]:
    """Which of the records the actor has put a star on."""
    if not ids:
        return frozenset()
    rows = unit.connection.scalars(
        sa.select(_STAR.c.record_id).where(*_own_star(unit, entity, ids))
    )
    return frozenset(rows)


def stars(unit: Unit, entity: str, *, size: int = 20) -> list[int]:
    """The records of an entity with the actor's star that he still sees, the latest first."""
    newest = (
        sa.select(_STAR.c.record_id)
        .where(_STAR.c.user_id == unit.actor.id, _STAR.c.entity == entity)
        .order_by(_STAR.c.at.desc(), _STAR.c.record_id.desc())
        .limit(200)
    )
    ids = list(unit.connection.scalars(newest))
    seen = visible(unit, entity, ids)
    return [id for id in ids if id in seen][:size]


def starred_records(unit: Unit, *, size: int = 8) -> list[tuple[str, int]]:
    """The records of all entities with the actor's star that he still sees, the latest first."""
    newest = (
        sa.select(_STAR.c.entity, _STAR.c.record_id)
        .where(_STAR.c.user_id == unit.actor.id)
        .order_by(_STAR.c.at.desc(), _STAR.c.record_id.desc())
        .limit(50)
    )
    known = unit.app.model.entities
    found = [(row[0], row[1]) for row in unit.connection.execute(newest) if row[0] in known]
    seen: dict[str, Collection[int]] = {}
    for entity in dict.fromkeys(entity for entity, _ in found):
        ids = [id for name, id in found if name == entity]
        seen[entity] = visible(unit, entity, ids)
    return [(entity, id) for entity, id in found if id in seen[entity]][:size]


def _own_star(unit: Unit, entity: str, ids: Sequence[int]) -> list[sa.ColumnElement[bool]]:
    return [
        _STAR.c.user_id == unit.actor.id,
        _STAR.c.entity == entity,
        _STAR.c.record_id.in_(list(ids)),
    ]
