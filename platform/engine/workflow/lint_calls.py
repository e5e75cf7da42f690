"""Checks of what begins cases: calls of other workflows, triggers, channels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from cronsim import CronSim, CronSimError

from engine.definitions.model import Model
from engine.problems import Problem
from engine.workflow import graph
from engine.workflow.chart import Calling, Chart, State, compile_chart
from engine.workflow.expressions import actions_of
from engine.workflow.lint_people import Report
from engine.workflow.lint_records import given_values

_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)  # some day: the question is whether there is a next


def check(chart: Chart, model: Model, report: Report) -> Iterator[Problem]:
    """Calls, the trigger, webhooks."""
    for state in chart.states.values():
        if state.calling is not None:
            yield from _call(chart, model, state, state.calling, report)
        for action, pointer in actions_of(state):
            if action.get("type") == "webhook" and not action.get("channel"):
                yield report("W226", pointer, state=state.title or state.id)
    yield from _schedule(chart, report)


def _call(
    chart: Chart, model: Model, state: State, calling: Calling, report: Report
) -> Iterator[Problem]:
    about: dict[str, Any] = {"state": state.title or state.id}
    called = model.workflows.get(calling.workflow)
    if called is None and calling.workflow != chart.id:
        place = f"{state.pointer}/workflow" if calling.workflow else f"{state.pointer}/type"
        yield report("W021", place, **about, workflow=calling.workflow)
        return
    if circle := _circle(chart, model, calling.workflow):
        yield report("W218", f"{state.pointer}/workflow", **about, workflows=circle)
        return
    target = model.entities.get(called.entity) if called else None
    if calling.each and calling.input:
        yield report("W219", f"{state.pointer}/input", **about)
    elif target is not None and not calling.each:
        yield from given_values(target, calling.input, f"{state.pointer}/input", report)
    if not calling.wait and calling.output:
        yield report("W220", f"{state.pointer}/output", **about)
    if not any(one.event.startswith("done.call.") for one in state.transitions):
        yield report("W213", state.pointer, **about)


def _circle(chart: Chart, model: Model, workflow: str) -> list[str]:
    """The workflows that call one another in a circle through this one, if they do."""
    edges: dict[str, set[str]] = {chart.id: _calls(chart)}
    pending = [workflow]
    while pending:
        name = pending.pop()
        if name not in edges and name in model.workflows:
            edges[name] = _calls(compile_chart(model.workflows[name]))
            pending += edges[name]
    found = [one for one in graph.circles(edges) if chart.id in one and workflow in one]
    return found[0] if found else []


def _calls(chart: Chart) -> set[str]:
    return {state.calling.workflow for state in chart.states.values() if state.calling}


def _schedule(chart: Chart, report: Report) -> Iterator[Problem]:
    trigger = chart.trigger
    if trigger.on != "schedule":
        if trigger.cron:
            yield report("W223", "/trigger/cron", warn=True)
        return
    if not trigger.cron:
        yield report("W221", "/trigger")
    elif not valid_cron(trigger.cron):
        yield report("W222", "/trigger/cron", cron=trigger.cron)
    if not trigger.guard:
        yield report("W224", "/trigger", warn=True)


def valid_cron(text: str) -> bool:
    """Whether a text is five fields of cron that ever come true."""
    try:
        return len(text.split()) == 5 and next(CronSim(text, _DAY)) is not None
    except (CronSimError, StopIteration):
        return False
