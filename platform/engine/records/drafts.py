"""What somebody typed and has not saved: one draft per person and form, his own to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.reading import visible
from engine.records.sealing import DRAFT, open_whole, seal_whole
from engine.records.unit import Unit
from engine.storage.types import dumps
from engine.tables import system

_TABLE = system.DRAFT
LARGEST: Final = 200_000  # bytes of one draft


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed (`body`, raw as the form posts it), on which version, when."""

    body: Mapping[str, Any]
    version: int | None
    at: datetime


def draft_of(unit: Unit, entity: str, id: int | None) -> Draft | None:
    """The actor's draft of a record, or of a new one with `id` None."""
    latest = sa.select(_TABLE).where(*_mine(unit, entity, id)).order_by(_TABLE.c.id.desc())
    row = unit.connection.execute(latest.limit(1)).first()
    if row is None:
        return None
    body = open_whole(unit.app.tables.keys, row.body, DRAFT)
    return Draft(body, row.record_version, row.at)


def keep_draft(
    unit: Unit, entity: str, id: int | None, body: Mapping[str, Any], version: int | None
) -> None:
    """Keep what was typed (texts by the names of the form's inputs); the last word counts.

    Raises: NotFound for a form that the actor cannot have in front of him, Invalid when it is
    too much.
    """
    unit.entity(entity)
    if id is not None and not visible(unit, entity, [id]):
        raise NotFound
    kept = _plain(body)
    if len(dumps(kept).encode()) > LARGEST:
        raise Invalid([Problem("R812", {"most": LARGEST // 1000})])
    if unit.app.sealer(entity):
        kept = seal_whole(unit.app.tables.keys, kept, DRAFT)
    drop_draft(unit, entity, id)
    unit.connection.execute(
        sa.insert(_TABLE).values(
            id=unit.app.database.ids.next(unit.connection),
            user_id=unit.actor.id,
            entity=entity,
            record_id=id,
            record_version=version,
            body=kept,
            at=unit.now,
        )
    )


def drop_draft(unit: Unit, entity: str, id: int | None) -> None:
    """Forget the draft: it was saved or given up."""
    unit.connection.execute(sa.delete(_TABLE).where(*_mine(unit, entity, id)))


def _mine(unit: Unit, entity: str, id: int | None) -> list[sa.ColumnElement[bool]]:
    record = _TABLE.c.record_id.is_(None) if id is None else _TABLE.c.record_id == id
    return [_TABLE.c.user_id == unit.actor.id, _TABLE.c.entity == entity, record]


def _plain(value: Any) -> Any:
    """PostgreSQL keeps no text with NUL in it, nor halves of characters."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
