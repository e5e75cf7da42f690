"""When background work is due next: one look at the database for all that waits in a company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from engine.records.flows import schedules, timers
from engine.records.outbox import rows
from engine.records.unit import Unit


@dataclass(frozen=True, slots=True)
class Agenda:
    """`own`: when the platform's own work is due (outbox, timers, schedules); None for nothing.
    `channels`: when the first delivery of each channel is."""

    version: int
    now: datetime
    own: datetime | None
    channels: Mapping[str, datetime]


def agenda(unit: Unit) -> Agenda:
    """What waits, at the price of one statement however much that is."""

    def build() -> sa.CompoundSelect[Any]:
        parts = (rows.first(), *timers.first(), schedules.first())
        return sa.union_all(*parts)

    found = unit.app.statement(("agenda",), build).rows(unit.connection, {})
    due = [(row["channel"], row["due"]) for row in found if row["due"] is not None]
    own = min((moment for channel, moment in due if not channel), default=None)
    channels = {channel: moment for channel, moment in due if channel}
    return Agenda(unit.app.version, unit.now, own, channels)
