"""The pool: records that nobody owns yet, taken by one person and given back.

`x-entity.pool` says which roles may take them and how many (see `quotas`). Taking is a right of its
own: it needs none to change the record. Where a workflow gives its records to their owners by
events of its own, those are the way, because more hangs on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from engine.access import granted
from engine.definitions.model import Entity
from engine.problems import Problem
from engine.records import quotas
from engine.records.failures import (
    BeyondToken,
    Conflict,
    Failure,
    Forbidden,
    MissingVersion,
    NotFound,
    Stale,
)
from engine.records.quotas import OWNER, Left, left, limits_of
from engine.records.reading import visible
from engine.records.storing import seen, stale
from engine.records.unit import Unit
from engine.records.writing import change, current

__all__ = ["Left", "Outcome", "claim", "claim_many", "claimable", "counts", "left", "open_one"]

AT_ONCE: Final = 100  # records taken together
_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several records: taken, or why not."""

    id: int
    problems: Sequence[Problem] = field(default=())


# --- what may be done --------------------------------------------------------------------------
def may_claim(unit: Unit, entity: Entity) -> bool:
    """Whether the actor may take records of this entity out of the pool at all."""
    limits = limits_of(unit, entity)
    if limits is None or limits.claims == 0 or by_flow(unit, entity):
        return False
    return granted(unit.actor.scopes, entity.name, "write")


def claimable(unit: Unit, entity: Entity, records: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """Which of the records that the actor sees lie in the pool, for him to take. The records need
    their `owner`."""
    if "pooled" not in entity.traits or not may_claim(unit, entity):
        return frozenset()
    return frozenset(one["id"] for one in records if OWNER in one and one[OWNER] is None)


def may_release(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> bool:
    """Whether the actor may give a record that he sees back to the pool."""
    if not entity.pool or record.get(OWNER) is None or by_flow(unit, entity):
        return False
    if record[OWNER] == unit.actor.id and limits_of(unit, entity) is not None:
        return True
    return bool(visible(unit, entity.name, [record["id"]], action="write"))


def by_flow(unit: Unit, entity: Entity) -> bool:
    """Whether the entity's workflow gives records to their owners by its own events."""
    found: bool = unit.app.kept(("pool by flow", entity.name), lambda: _assigned(unit, entity))
    return found


def _assigned(unit: Unit, entity: Entity) -> bool:
    flow = unit.app.workflow(entity.name)
    return flow is not None and any(_gives(one) for one in _events(flow.chart))


def _events(document: object) -> Iterable[object]:
    """What a chart does on events, wherever it stands in it."""
    if isinstance(document, Mapping):
        for key, inner in document.items():
            if key == "on" and isinstance(inner, Mapping):
                yield inner
            yield from _events(inner)


def _gives(document: object) -> bool:
    if isinstance(document, list | tuple):
        return any(_gives(one) for one in document)
    if not isinstance(document, Mapping):
        return False
    given = document.get("assign")
    if isinstance(given, Mapping) and given.get(OWNER) == "me":
        return True
    return any(_gives(one) for one in document.values())


# --- taking and giving back --------------------------------------------------------------------
def claim(unit: Unit, entity: str, id: int, version: int | None) -> dict[str, Any]:
    """Take a record that nobody owns. Of several at once one gets it, the others are told.

    Raises: NotFound, Forbidden, MissingVersion, Stale, Conflict when somebody was faster (J201), a
    limit is reached (J202 a day, J203 owned), or the workflow does it (J206).
    """
    definition = unit.entity(entity)
    limits = limits_of(unit, definition)
    if "pooled" not in definition.traits or not visible(unit, entity, [id]):
        raise NotFound
    if limits is None or limits.claims == 0:
        raise Forbidden("claim", entity=definition.title)
    _by_this_way(unit, definition)
    quotas.alone(unit)
    old = current(unit, entity, id, "read")
    if old.get(OWNER) is not None:
        raise Conflict([Problem("J201", {"entity": definition.title})])
    if version is None:
        raise MissingVersion
    if version != old["version"]:
        raise stale(unit, entity, id)
    return _given(unit, entity, id, unit.actor.id, version)


def claim_many(unit: Unit, entity: str, wanted: Sequence[tuple[int, int]]) -> list[Outcome]:
    """Take several records, (id, version) each, and say of every one what became of it: what cannot
    be taken does not keep the others.

    Raises: NotFound, Forbidden for who may take none at all, Conflict for too many at once (J207).
    """
    definition = unit.entity(entity)
    if not may_claim(unit, definition):
        _by_this_way(unit, definition)
        raise Forbidden("claim", entity=definition.title)
    if len(wanted) > AT_ONCE:
        raise Conflict([Problem("J207", {"most": AT_ONCE})])
    quotas.alone(unit)
    outcomes = []
    for id, version in dict(wanted).items():
        try:
            with unit.connection.begin_nested():
                claim(unit, entity, id, version)
        except Failure as failure:
            outcomes.append(Outcome(id, failure.problems))
        else:
            outcomes.append(Outcome(id))
    return outcomes


def release(
    unit: Unit, entity: str, id: int, version: int | None, reason: str = ""
) -> dict[str, Any]:
    """Give a record back to the pool: one's own, or one that one may change. The reason is kept in
    its history.

    Raises: NotFound, Forbidden, MissingVersion, Stale, Conflict when it has no owner (J205) or the
    workflow does it (J206).
    """
    definition = unit.entity(entity)
    if "pooled" not in definition.traits or not visible(unit, entity, [id]):
        raise NotFound
    _by_this_way(unit, definition)
    old = current(unit, entity, id, "read")
    if old.get(OWNER) != unit.actor.id or limits_of(unit, definition) is None:
        current(unit, entity, id, "write")  # who may change it may do this too
    if old.get(OWNER) is None:
        raise Conflict([Problem("J205", {"entity": definition.title})])
    if version is None:
        raise MissingVersion
    return _given(unit, entity, id, None, version, reason)


def _by_this_way(unit: Unit, entity: Entity) -> None:
    """Refuse what a token may not, and what the workflow does itself."""
    if not granted(unit.actor.scopes, entity.name, "write"):
        raise BeyondToken("write")
    if by_flow(unit, entity):
        raise Conflict([Problem("J206", {"entity": entity.title})])


def _given(
    unit: Unit, entity: str, id: int, owner: int | None, version: int, reason: str = ""
) -> dict[str, Any]:
    """Change the owner in the actor's name: taking from the pool is a right of its own, which needs
    none to change the field."""
    acting = replace(unit, actor=replace(unit.actor, system=True))
    action = "release" if owner is None else "claim"
    comment = reason.replace("\x00", "").strip()[:_REASON]
    try:
        change(acting, entity, id, {OWNER: owner}, version, comment=comment, action=action)
    except Stale as late:  # told with the record as the actor sees it, not as the platform does
        raise stale(unit, entity, id) from late
    unit.posted = unit.posted or acting.posted
    return seen(unit, entity, {"id": id, "version": version + 1})


# --- opening -----------------------------------------------------------------------------------
def counts(unit: Unit, entity: str, id: int) -> bool:
    """Whether opening this record now counts for the actor, so that `open_one` has to be asked
    first: it is his to see, nobody owns it, his roles limit it and he has not opened it today."""
    definition = unit.app.model.entities.get(entity)
    if definition is None or not limited(unit, definition):
        return False
    if not _free(unit, entity, id) or not visible(unit, entity, [id]):
        return False
    return not quotas.known(unit, "view", entity, id)


def open_one(unit: Unit, entity: str, id: int) -> None:
    """Count that the actor opens a record of the pool; nothing for one that has an owner, and for
    people whom the pool does not limit. A record opened twice a day counts once.

    Raises: Conflict (J204) beyond the limit of the day.
    """
    definition = unit.app.model.entities[entity]
    limits = limits_of(unit, definition) if definition.pool else None
    if limits is None or limits.views is None or not counts(unit, entity, id):
        return
    quotas.alone(unit)
    if quotas.known(unit, "view", entity, id):
        return
    if quotas.counted(unit, "view", entity) >= limits.views:
        raise Conflict([Problem("J204", {"most": limits.views})])
    quotas.count(unit, "view", entity, id)


def limited(unit: Unit, entity: Entity) -> bool:
    """Whether opening records of the pool is counted for the actor."""
    limits = limits_of(unit, entity) if entity.pool else None
    return limits is not None and limits.views is not None


def _free(unit: Unit, entity: str, id: int) -> bool:
    place = unit.app.tables.of(entity)

    def build() -> sa.Select[Any]:
        wanted = place.id == sa.bindparam("id", type_=place.id.type)
        return sa.select(place.id).where(wanted, place.column(OWNER).is_(None))

    return bool(unit.app.statement(("free", entity), build).rows(unit.connection, {"id": id}))
