"""Approving several tasks with one comment: where the step leaves nothing else to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Chart

_DEFINITION = system.WF_DEFINITION


def may_bulk(unit: Unit, chart: Chart, state: str, definition: int) -> bool:
    """Whether tasks at a step may be approved together: it allows approving, asks for neither a
    comment nor a signature nor a field, and the author did not switch it off with
    ``"meta": {"bulk": false}`` at the step or at a state around it."""
    found: bool = unit.app.kept(
        ("wf bulk", chart.id, chart.hash, definition, state),
        lambda: _simple(chart, state) and _wanted(unit, chart, state, definition),
    )
    return found


def _simple(chart: Chart, state: str) -> bool:
    here = chart.states.get(state)
    if here is None or here.policy is None:
        return False
    policy = here.policy
    asks = policy.comment == "required" or policy.signature or "required" in here.fields.values()
    return "approve" in policy.allow and not asks and not _picks(chart)


def _picks(chart: Chart) -> bool:
    """Whether some approver picks the people of the step after his."""
    policies = (state.policy for state in chart.states.values())
    return any(
        who.get("chosenBy") == "previous"
        for policy in policies
        if policy is not None
        for who in policy.assignees
    )


def _wanted(unit: Unit, chart: Chart, state: str, definition: int) -> bool:
    """What the author wrote under ``meta``; notes are no part of the chart."""
    body = _document(unit, chart, definition)
    steps = [step for step in chart.states[state].pointer.split("/") if step]
    around = [body]
    for step in steps:
        body = body.get(step, {})
        around.append(body)
    return all(one.get("meta", {}).get("bulk", True) is not False for one in around)


def _document(unit: Unit, chart: Chart, definition: int) -> Mapping[str, Any]:
    now = unit.app.model.workflows.get(chart.id)
    if now is not None and now.hash == chart.hash:
        return now.chart
    text = unit.connection.scalar(
        sa.select(_DEFINITION.c.body).where(_DEFINITION.c.id == definition)
    )
    found: Mapping[str, Any] = json.loads(text) if isinstance(text, str) else text or {}
    return found
