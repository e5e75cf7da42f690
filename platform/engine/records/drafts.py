"""What somebody typed and has not saved: one draft per person and form, his own to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.unit import Unit
from engine.storage.types import dumps
from engine.tables import system

_TABLE = system.DRAFT
LARGEST: Final = 200_000  # characters of one draft


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed (`body`, raw as the form posts it), on which version, when."""

    body: Mapping[str, Any]
    version: int | None
    at: datetime


def draft_of(unit: Unit, entity: str, id: int | None) -> Draft | None:
    """The actor's draft of a record, or of a new one with `id` None."""
    row = unit.connection.execute(sa.select(_TABLE).where(*_mine(unit, entity, id))).first()
    return None if row is None else Draft(row.body, row.record_version, row.at)


def keep_draft(
    unit: Unit, entity: str, id: int | None, body: Mapping[str, Any], version: int | None
) -> None:
    """Keep what was typed; the last word counts.

    Raises: Invalid when it is too much.
    """
    if len(dumps(dict(body))) > LARGEST:
        raise Invalid([Problem("R210")])
    drop_draft(unit, entity, id)
    unit.connection.execute(
        sa.insert(_TABLE).values(
            id=unit.app.database.ids.next(unit.connection),
            user_id=unit.actor.id,
            entity=entity,
            record_id=id,
            record_version=version,
            body=dict(body),
            at=unit.now,
        )
    )


def drop_draft(unit: Unit, entity: str, id: int | None) -> None:
    """Forget the draft: it was saved or given up."""
    unit.connection.execute(sa.delete(_TABLE).where(*_mine(unit, entity, id)))


def _mine(unit: Unit, entity: str, id: int | None) -> list[sa.ColumnElement[bool]]:
    record = _TABLE.c.record_id.is_(None) if id is None else _TABLE.c.record_id == id
    return [_TABLE.c.user_id == unit.actor.id, _TABLE.c.entity == entity, record]
