"""One of several tasks that are approved with one comment, in a transaction of its own."""

from __future__ import annotations

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid, NotFound
from engine.records.flows import steps, store
from engine.records.flows.bulk import may_bulk
from engine.records.flows.env import BEYOND_IDS
from engine.records.unit import Unit
from engine.tables import system

_TASK, _INSTANCE, _DEFINITION = system.WF_TASK, system.WF_INSTANCE, system.WF_DEFINITION


def approve_together(
    unit: Unit, task: int, comment: str = "", *, version: int | None = None, key: str = ""
) -> steps.Fired:
    """Approve a task whose step lets it be approved among others.

    Raises: as `steps.decide`; Invalid with I100 where the step does not.
    """
    row = None
    if 0 < task < BEYOND_IDS:
        row = unit.connection.execute(
            sa.select(
                _TASK.c.state, _INSTANCE.c.definition_id, _INSTANCE.c.workflow, _DEFINITION.c.hash
            )
            .join(_INSTANCE, _INSTANCE.c.id == _TASK.c.instance_id)
            .join(_DEFINITION, _DEFINITION.c.id == _INSTANCE.c.definition_id)
            .where(_TASK.c.id == task)
        ).first()
    if row is None:
        raise NotFound
    chart = store.chart_of(unit, row.definition_id, row.workflow, row.hash)
    if not may_bulk(unit, chart, row.state, row.definition_id):
        raise Invalid([Problem("I100")])
    return steps.decide(unit, task, "approve", comment, version=version, idempotency_key=key)
