"""Signatures of decisions: pictures that the people who decide uploaded themselves."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.filekinds import PICTURES
from engine.records.flows.cases import knows
from engine.records.flows.env import BEYOND_IDS
from engine.records.unit import Unit
from engine.tables import system

_FILE, _TASK = system.FILE, system.WF_TASK
_LATEST: Final = 100  # decisions looked through for one that the reader may know of


def claim_signature(unit: Unit, entity: str, record: int, given: object) -> None:
    """Keep the picture with the record it signs for.

    It must be the actor's own upload, fresh or one that signed before: nobody signs with the
    picture of another, nor shows a file of some other record by signing with it.
    Raises: Invalid.
    """
    row = None
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given < BEYOND_IDS:
        row = unit.connection.execute(
            sa.select(_FILE).where(
                _FILE.c.id == given,
                _FILE.c.by_id == unit.actor.id,
                _FILE.c.removed_at.is_(None),
                _FILE.c.mime.in_(sorted(PICTURES)),
            )
        ).first()
    if row is None or (row.record_id is not None and not is_signature(unit, row.id)):
        raise Invalid([Problem("W301", {}, "/signature")])
    if row.record_id is None:
        unit.connection.execute(
            sa.update(_FILE).where(_FILE.c.id == row.id).values(entity=entity, record_id=record)
        )


def is_signature(unit: Unit, file: int) -> bool:
    """Whether some decision was signed with this file."""
    signed = sa.select(_TASK.c.id).where(_TASK.c.signature_id == file).limit(1)
    return unit.connection.execute(signed).first() is not None


def may_see_signature(unit: Unit, file: int) -> bool:
    """Whether the actor may know of a case that was signed with this file."""
    signed = sa.select(_TASK.c.entity, _TASK.c.record_id).where(_TASK.c.signature_id == file)
    latest = signed.order_by(_TASK.c.id.desc()).limit(_LATEST)
    return any(knows(unit, *row) for row in unit.connection.execute(latest))
