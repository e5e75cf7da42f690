"""Replays that take longer than a request: their reports so far, kept as jobs that go on slice by
slice, each in a read of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.records.failures import NotFound
from engine.records.simulation.replay import Report
from engine.records.unit import Unit
from engine.tables import system

KIND: Final = "replay"
KEPT: Final = timedelta(days=7)
_JOB = system.JOB


@dataclass(frozen=True, slots=True)
class Job:
    """A kept replay. `mark`: of the draft it was begun with; another draft begins anew."""

    id: int
    workflow: str
    mark: str
    since: datetime
    report: Report
    running: bool
    at: datetime


def keep(unit: Unit, workflow: str, mark: str, since: datetime, report: Report, id: int = 0) -> int:
    """Write a report, new or gone on with; old ones go."""
    ended = report.complete or report.cancelled
    values: dict[str, Any] = {
        "status": "done" if ended else "running",
        "progress": report.looked,
        "result": report.to_json(),
        "done_at": unit.now if ended else None,
    }
    connection = unit.connection
    same = sa.and_(_JOB.c.id == id, _JOB.c.kind == KIND)
    if id and connection.execute(sa.update(_JOB).where(same).values(values)).rowcount:
        return id
    old = sa.and_(_JOB.c.kind == KIND, _JOB.c.created_at < unit.now - KEPT)
    connection.execute(sa.delete(_JOB).where(old))
    new = unit.app.database.ids.next(connection)
    body = {"workflow": workflow, "mark": mark, "since": since.isoformat()}
    connection.execute(
        sa.insert(_JOB).values(
            id=new,
            kind=KIND,
            body=body,
            by_id=unit.actor.id or None,
            created_at=unit.now,
            due_at=unit.now,
            **values,
        )
    )
    return new


def kept(unit: Unit, id: int, workflow: str) -> Job:
    """A kept replay of a workflow. Raises: NotFound."""
    wanted = sa.select(_JOB).where(_JOB.c.id == id, _JOB.c.kind == KIND)
    row = unit.connection.execute(wanted).first()
    body: Mapping[str, Any] = row.body if row is not None else {}
    if row is None or body.get("workflow") != workflow:
        raise NotFound
    return Job(
        row.id,
        workflow,
        str(body["mark"]),
        datetime.fromisoformat(body["since"]),
        Report.from_json(row.result),
        row.status == "running",
        row.created_at,
    )
