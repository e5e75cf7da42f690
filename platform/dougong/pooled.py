"""Opening a record of the pool: counted before it is read, wherever a single one is opened."""

from __future__ import annotations

from flask import g

from dougong.routing import reading, writing
from engine.records import pool


def opened(entity: str, id: int) -> None:
    """Count that the person of this request opens a record, if that counts for him: in a short
    transaction of its own, so that nobody else pays for it.

    Raises: Conflict (J204) beyond the limit of the day.
    """
    definition = g.company.current.model.entities.get(entity)
    if definition is None or not definition.pool:
        return
    with reading() as unit:
        counts = pool.counts(unit, entity, id)
    if counts:
        with writing() as unit:
            pool.open_one(unit, entity, id)
