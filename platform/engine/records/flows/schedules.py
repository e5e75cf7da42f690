"""Workflows that begin by the calendar: ``trigger: {on: schedule, cron, guard}``.

When its hour has come, a case begins on every record that the guard is true of and that has none
running. A run only posts one piece of internal work per record, page by page: whoever is killed in
between goes on where he was, two workers never do it twice, a record on which a case cannot begin
keeps no other, and is seen among the deliveries. Hours that were missed are made up for by one run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from cronsim import CronSim, CronSimError
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Entity, Workflow
from engine.expressions import ExpressionError, parse
from engine.records.application import Application
from engine.records.company import Company
from engine.records.evaluation import Relations
from engine.records.flows import store
from engine.records.flows.cases import trigger_of, triggers
from engine.records.flows.steps import begin_case
from engine.records.outbox import handle
from engine.records.outbox import rows as outbox_rows
from engine.records.outbox.reasons import trail
from engine.records.unit import SYSTEM, Unit
from engine.storage import StorageError
from engine.tables import system
from engine.workflow import plain_expression

log = logging.getLogger(__name__)

KIND: Final = "begin"
"""The kind of the internal work that begins one case."""

PAGE: Final = 200  # records in one transaction
_TABLE, _INSTANCE = system.WF_SCHEDULE, system.WF_INSTANCE
_c = _TABLE.c


def next_run(cron: str, after: datetime, zone: ZoneInfo) -> datetime | None:
    """When `cron` comes next after a moment, by the clocks of `zone`; None for a day that never
    comes. Raises: ValueError for what is no cron line."""
    try:
        found = next(CronSim(cron, after.astimezone(zone)), None)
    except CronSimError as error:
        message = f"not a cron line: {cron!r}"
        raise ValueError(message) from error
    return None if found is None else found.astimezone(UTC)


def run_schedules(company: Company, now: datetime, *, seconds: float = 60) -> int:
    """Begin what is due at `now`; how many cases were set to begin (`run_outbox` begins them)."""
    with company.unit(SYSTEM, now=now, source="job") as unit:
        flows = _scheduled(unit.app)
        rows = _rows(unit)
    if {key: _cron(flow) for key, flow in flows.items()} != {
        key: row.cron for key, row in rows.items()
    }:
        with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
            rows = _kept_up(unit)
    posted, end = 0, time.monotonic() + seconds
    for key in [key for key, row in rows.items() if row.next_at <= now]:
        try:
            while time.monotonic() <= end:
                with company.unit(SYSTEM, write=True, now=now, source="job") as unit:
                    found = _page(unit, key)
                if found is None:
                    break
                posted += found
        except StorageError:
            raise
        except Exception as error:
            log.warning("company %s: schedule of %s: %s", company.key, key, trail(error))
    return posted


def first() -> sa.Select[str, Any]:
    """When the next run is due."""
    return sa.select(sa.literal("", sa.Text()), sa.func.min(_c.next_at, type_=_c.next_at.type))


# --- the rows ----------------------------------------------------------------------------------
def _scheduled(app: Application) -> Mapping[str, Workflow]:
    """The workflows that begin by the calendar."""

    def build() -> Mapping[str, Workflow]:
        return {
            flow.id: flow
            for flow in app.model.workflows.values()
            if trigger_of(flow) == "schedule" and _comes(app, flow)
        }

    found: Mapping[str, Workflow] = app.kept(("wf scheduled",), build)
    return found


def _comes(app: Application, flow: Workflow) -> bool:
    """Whether its hour comes at all; publishing checked the line, but a company may be older."""
    try:
        zone = ZoneInfo(app.model.timezone)
        return next_run(_cron(flow), datetime.now(UTC), zone) is not None
    except ValueError:
        log.warning("workflow %s: %r is no cron line", flow.id, _cron(flow))
        return False


def _cron(flow: Workflow) -> str:
    return str(flow.chart["trigger"].get("cron") or "")


def _rows(unit: Unit) -> dict[str, Any]:
    return {row.workflow: row for row in unit.connection.execute(sa.select(_TABLE))}


def _kept_up(unit: Unit) -> dict[str, Any]:
    """Make the rows what the published version says. A schedule counts from its publishing, so
    that an hour that came before anybody looked is not lost."""
    flows, rows = _scheduled(unit.app), _rows(unit)
    connection = unit.connection
    if gone := rows.keys() - flows.keys():
        connection.execute(sa.delete(_TABLE).where(_c.workflow.in_(gone)))
    version = system.VERSION.c
    published = connection.scalar(sa.select(version.at).where(version.id == unit.app.version))
    since = min(published or unit.now, unit.now)
    insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
    for key, flow in flows.items():
        if key in rows and rows[key].cron == _cron(flow):
            continue
        due = next_run(_cron(flow), since, unit.company_zone)
        values = {"cron": _cron(flow), "next_at": due, "after_id": None}
        fresh = insert(_TABLE).values(workflow=key, **values)
        differs = _c.cron != fresh.excluded.cron  # another worker may have been here
        connection.execute(
            fresh.on_conflict_do_update(index_elements=["workflow"], set_=values, where=differs)
        )
    return _rows(unit)


# --- a run -------------------------------------------------------------------------------------
def _page(unit: Unit, key: str) -> int | None:
    """Post the work for the next records of a run; None when the run is over, or another's."""
    row = unit.connection.execute(
        sa.select(_TABLE)
        .where(_c.workflow == key, _c.next_at <= unit.now)
        .with_for_update(skip_locked=True)
    ).first()
    flow = _scheduled(unit.app).get(key)
    if row is None or flow is None:
        return None
    entity = unit.app.model.entities.get(flow.entity)
    ids, last = _candidates(unit, flow, entity, row.after_id or 0) if entity else ([], None)
    for id in ids:
        body = {"entity": flow.entity, "record": id, "workflow": key}
        outbox_rows.post(unit, f"begin:{key}:{row.next_at:%Y%m%dT%H%M%SZ}:{id}", KIND, body)
    values: dict[str, Any] = {"after_id": last}
    if last is None:
        due = next_run(row.cron, unit.now, unit.company_zone)
        values |= {"next_at": due or datetime.max.replace(tzinfo=UTC), "last_at": unit.now}
    unit.connection.execute(sa.update(_TABLE).where(_c.workflow == key).values(values))
    unit.posted = True
    return len(ids)


def _candidates(
    unit: Unit, flow: Workflow, entity: Entity, after: int
) -> tuple[Sequence[int], int | None]:
    """The next records that want a case, and the last one looked at; None when that was all."""
    place = unit.app.tables.of(entity.name)
    running = (
        sa.select(_INSTANCE.c.id)
        .where(
            _INSTANCE.c.entity == entity.name,
            _INSTANCE.c.record_id == place.id,
            _INSTANCE.c.done_at.is_(None),
        )
        .exists()
    )
    wanted = (
        sa.select(place.id)
        .where(place.id > after, place.removed_at.is_(None), ~running)
        .order_by(place.id)
        .limit(PAGE)
    )
    condition = _in_sql(unit, flow, entity)
    if condition is not None:
        wanted = wanted.where(condition)
    ids = list(unit.connection.scalars(wanted))
    last = ids[-1] if len(ids) == PAGE else None
    if condition is None:
        records = unit.app.reader.load_many(unit.connection, entity.name, ids)
        ids = [one["id"] for one in records if triggers(unit, flow, entity, one)]
    return ids, last


def _in_sql(unit: Unit, flow: Workflow, entity: Entity) -> sa.ColumnElement[bool] | None:
    """The guard as a condition; None when it has no counterpart in SQL and is asked of each
    record."""
    guard = flow.chart["trigger"].get("guard")
    if not guard:
        return sa.true()
    names = unit.app.names(entity.name, Relations(unit).env({}), plain=True)
    try:
        return names.truth(parse(plain_expression(str(guard))))
    except ExpressionError:
        return None


@handle(KIND)
def begin_one(unit: Unit, row: Mapping[str, Any]) -> None:
    """Begin the case of one record, unless it has one by now or the guard is no longer true."""
    flow = unit.app.model.workflows.get(row["body"]["workflow"])
    entity = unit.app.model.entities.get(row["body"]["entity"])
    if flow is None or entity is None or trigger_of(flow) != "schedule":
        return
    lock = unit.app.database.kind != "sqlite"
    record = unit.app.reader.load(unit.connection, entity.name, row["body"]["record"], lock=lock)
    if record is None or not triggers(unit, flow, entity, record):
        return
    case = store.latest(unit, entity.name, record["id"], lock=True)
    if case is None or case.instance.done:
        begin_case(unit, entity, record)
