"""What people say about a record: plain text, one after the other, for all who see the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables import system

_TABLE = system.COMMENT
LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Comment:
    """One remark."""

    id: int
    body: str
    at: datetime
    by: int | None


def add_comment(unit: Unit, entity: str, id: int, body: str) -> int:
    """Say something; whoever sees a record may.

    Raises: NotFound for a record the actor does not see, Invalid for nothing or too much.
    """
    if not visible(unit, entity, [id]):
        raise NotFound
    text = body.strip().replace("\r\n", "\n").replace("\x00", "")
    if not 1 <= len(text) <= LONGEST:
        raise Invalid([Problem("R851", {"most": LONGEST}, "/comment")])
    key = unit.app.database.ids.next(unit.connection)
    unit.connection.execute(
        sa.insert(_TABLE).values(
            id=key, entity=entity, record_id=id, body=text, at=unit.now, by_id=unit.actor.id or None
        )
    )
    return key


def comments(unit: Unit, entity: str, id: int, *, size: int = 50) -> list[Comment]:
    """The newest comments on a record, newest first.

    Raises: NotFound for a record the actor does not see.
    """
    if not visible(unit, entity, [id]):
        raise NotFound
    rows = unit.connection.execute(
        sa.select(_TABLE.c.id, _TABLE.c.body, _TABLE.c.at, _TABLE.c.by_id)
        .where(_TABLE.c.entity == entity, _TABLE.c.record_id == id, _TABLE.c.removed_at.is_(None))
        .order_by(_TABLE.c.id.desc())
        .limit(size)
    )
    return [Comment(row.id, row.body, row.at, row.by_id) for row in rows]
