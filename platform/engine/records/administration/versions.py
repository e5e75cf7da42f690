"""Which versions of workflows cases run on, and what a publish means for them.

A case keeps the version it began with: its row of `dg_wf_definition` is never changed, and what is
published afterwards adds another. So a publish asks nobody to hurry; but a workflow whose cases run
cannot go away, nor can what carries them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.changes import Change
from engine.definitions.model import Entity, Label, Model, Workflow
from engine.problems import Problem, Severity
from engine.records.administration.differences import needs, title_of
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Chart, compile_chart
from engine.workflow.chart import label_of

_DEFINITION, _INSTANCE = system.WF_DEFINITION, system.WF_INSTANCE
_CALLS: Final = ("call", "called")  # effects that a case waits for
_TASK, _TIMER, _OUTBOX, _USER = system.WF_TASK, system.WF_TIMER, system.OUTBOX, system.USER


@dataclass(frozen=True, slots=True)
class InState:
    """How many cases stand in a state; `gone`: the present definition has no such state."""

    state: str
    title: Label
    count: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """The running cases of one version. A case inside a parallel state stands in several states
    at once, so `states` may add up to more than `count`."""

    definition: int
    version: int
    hash: str
    count: int
    states: Sequence[InState]
    oldest: datetime
    present: bool = False
    overdue: int = 0
    stuck: int = 0

    @property
    def gone(self) -> Sequence[InState]:
        """The states that the present definition does not have."""
        return [one for one in self.states if one.gone]


@dataclass(frozen=True, slots=True)
class FlowCases:
    """The running cases of one workflow, its published version first."""

    workflow: str
    title: Label
    entity: str
    versions: Sequence[Running]
    published: int = 0  # the number of the published version; 0: the workflow is not published

    @property
    def count(self) -> int:
        """All running cases."""
        return sum(one.count for one in self.versions)

    @property
    def older(self) -> Sequence[Running]:
        """The versions that are published no more."""
        return [one for one in self.versions if not one.present]


def running(unit: Unit) -> list[FlowCases]:
    """All workflows with running cases, and the published ones that have none."""
    model = unit.app.model
    late = _late(unit.connection, unit.now)
    bad = stuck_cases(unit.connection)
    found = census(unit.connection, model.workflows, late=late, stuck=bad)
    known = {one.workflow for one in found}
    found += [
        FlowCases(id, flow.title, flow.entity, (), flow.version)
        for id, flow in model.workflows.items()
        if id not in known
    ]
    return sorted(found, key=lambda one: (-one.count, one.workflow))


def census(
    connection: sa.Connection,
    published: Mapping[str, Workflow],
    *,
    late: Iterable[int] = (),
    stuck: Iterable[int] = (),
) -> list[FlowCases]:
    """The running cases by workflow, version and state. `published` are the workflows that count
    as present; `late` and `stuck` are cases."""
    groups = _groups(connection)
    charts = charts_of(connection, {row.definition_id for row in groups})
    found: dict[str, list[Running]] = {}
    troubles = [_by_definition(connection, ids) for ids in (late, stuck)]
    for id, chart in charts.items():
        rows = [row for row in groups if row.definition_id == id]
        now = published.get(chart.id)
        counted = _standing(connection, chart, rows)
        states = [
            InState(state, title_of(chart, state), count, _gone(now, state))
            for state, count in counted.items()
        ]
        one = Running(
            id,
            chart.version,
            chart.hash,
            sum(row.count for row in rows),
            tuple(states),
            min(row.oldest for row in rows),
            now is not None and now.hash == chart.hash,
            troubles[0][id],
            troubles[1][id],
        )
        found.setdefault(chart.id, []).append(one)
    told = []
    for workflow, versions in found.items():
        now = published.get(workflow)
        chart = charts[versions[-1].definition]
        title = now.title if now else chart.title
        ordered = sorted(versions, key=lambda one: (one.present, one.definition), reverse=True)
        number = now.version if now else 0
        told.append(FlowCases(workflow, title or {"": workflow}, chart.entity, ordered, number))
    return told


def _gone(now: Workflow | None, state: str) -> bool:
    return now is None or state not in compile_chart(now).states


def _groups(connection: sa.Connection) -> Sequence[Any]:
    statement = (
        sa.select(
            _INSTANCE.c.definition_id,
            _INSTANCE.c.state,
            sa.func.count().label("count"),
            sa.func.min(_INSTANCE.c.started_at).label("oldest"),
        )
        .where(_INSTANCE.c.done_at.is_(None))
        .group_by(_INSTANCE.c.definition_id, _INSTANCE.c.state)
    )
    return connection.execute(statement).all()


def _standing(connection: sa.Connection, chart: Chart, rows: Sequence[Any]) -> dict[str, int]:
    """How many cases stand in each innermost state, in document order."""
    counted: Counter[str] = Counter()
    for row in rows:
        state = chart.states.get(row.state)
        if state is not None and state.type != "parallel":
            counted[row.state] += row.count
            continue
        bodies = sa.select(_INSTANCE.c.body).where(
            _INSTANCE.c.definition_id == row.definition_id,
            _INSTANCE.c.state == row.state,
            _INSTANCE.c.done_at.is_(None),
        )
        for body in connection.scalars(bodies):
            counted.update(chart.leaves(body["active"]))
    order = {id: state.order for id, state in chart.states.items()}
    return dict(sorted(counted.items(), key=lambda item: order.get(item[0], 0)))


def _by_definition(connection: sa.Connection, cases: Iterable[int]) -> Counter[int]:
    ids = sorted(set(cases))
    counted: Counter[int] = Counter()
    for start in range(0, len(ids), 500):
        some = sa.select(_INSTANCE.c.definition_id).where(
            _INSTANCE.c.id.in_(ids[start : start + 500])
        )
        counted.update(connection.scalars(some))
    return counted


# --- definitions that are kept -----------------------------------------------------------------
def charts_of(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Chart]:
    """The charts of stored definitions, oldest first."""
    wanted = sa.select(_DEFINITION).where(_DEFINITION.c.id.in_(sorted(ids)))
    rows = connection.execute(wanted.order_by(_DEFINITION.c.id))
    return {row.id: compile_chart(stored_workflow(row)) for row in rows}


def stored_workflow(row: Any) -> Workflow:
    """The workflow of a row of `dg_wf_definition`."""
    body = json.loads(row.body)
    return Workflow(
        id=row.workflow,
        version=row.version,
        entity=body["entity"],
        state_field=body.get("stateField", ""),
        title=label_of(body.get("title")),
        chart=body,
        hash=row.hash,
    )


# --- cases in trouble --------------------------------------------------------------------------
def late_tasks(now: datetime) -> sa.Select[Any]:
    """The cases in which somebody should have decided before `now`."""
    return sa.select(_TASK.c.instance_id).where(_TASK.c.status == "open", _TASK.c.due_at < now)


def _late(connection: sa.Connection, now: datetime) -> set[int]:
    running_ = sa.select(_INSTANCE.c.id).where(_INSTANCE.c.done_at.is_(None))
    return set(connection.scalars(running_.where(_INSTANCE.c.id.in_(late_tasks(now)))))


def trouble() -> sa.Select[Any]:
    """The cases that do not go on by themselves: a timer failed, a case they call could not begin
    or report, or they ask somebody whose account is closed. A message that could not be delivered
    keeps no case."""
    failed = sa.select(_TIMER.c.instance_id).where(_TIMER.c.error != "")
    dead = sa.select(_OUTBOX.c.instance_id).where(
        _OUTBOX.c.kind.in_(_CALLS),
        _OUTBOX.c.dead_at.is_not(None),
        _OUTBOX.c.done_at.is_(None),
        _OUTBOX.c.instance_id.is_not(None),
    )
    closed = sa.select(_USER.c.id).where(_USER.c.disabled_at.is_not(None))
    nobody = sa.select(_TASK.c.instance_id).where(
        _TASK.c.status == "open", _TASK.c.assignee_id.in_(closed)
    )
    return failed.union(dead, nobody)  # type: ignore[return-value]


def stuck_cases(connection: sa.Connection) -> set[int]:
    """The running cases in trouble."""
    statement = sa.select(_INSTANCE.c.id).where(
        _INSTANCE.c.done_at.is_(None), _INSTANCE.c.id.in_(trouble())
    )
    return set(connection.scalars(statement))


# --- a publish ---------------------------------------------------------------------------------
def affected(connection: sa.Connection, old: Model, new: Model) -> list[FlowCases]:
    """The running cases of every workflow that a publish changes or takes away."""
    return [
        flow
        for flow in census(connection, new.workflows)
        if flow.older and not _same(old.workflows.get(flow.workflow), new, flow.workflow)
    ]


def _same(before: Workflow | None, new: Model, id: str) -> bool:
    now = new.workflows.get(id)
    return before is not None and now is not None and before.hash == now.hash


def told(flows: Iterable[FlowCases], new: Model) -> Iterator[Change]:
    """What a publish means for running cases, in sentences."""
    for flow in flows:
        if flow.workflow not in new.workflows:
            continue  # refused, and said there
        about = {"flow": flow.title}
        yield Change("~", "P254", {**about, "count": sum(one.count for one in flow.older)})
        for one in flow.older:
            numbers = {"version": one.version, "count": one.count}
            yield Change("~", "C110", {**about, **numbers, "states": counted(one.states)})
            if one.gone:
                yield Change("~", "C111", {**numbers, "states": counted(one.gone)})
        yield Change("~", "C112", {"workflow": flow.workflow})


def counted(states: Iterable[InState]) -> list[Label]:
    """States with the number of cases in each: "Review 3"."""
    return [
        {language: f"{text} {one.count}" for language, text in one.title.items()} for one in states
    ]


def refusals(connection: sa.Connection, new: Model) -> list[Problem]:
    """Why definitions cannot come into force while cases run: what they would take away."""
    found = []
    for flow in census(connection, new.workflows):
        about = {
            "flow": flow.title,
            "workflow": flow.workflow,
            "count": flow.count,
            "states": counted(_together(flow.versions)),
        }
        now, entity = new.workflows.get(flow.workflow), new.entities.get(flow.entity)
        if entity is None:
            found.append(Problem("C101", {**about, "entity": flow.entity}))
        elif now is None:
            found.append(Problem("C100", about))
        elif now.entity != flow.entity:
            more = {"entity": entity.title, "other": now.entity}
            found.append(Problem("C103", {**about, **more}, "/entity", file=now.file))
        else:
            found += _without_field(connection, flow, entity, about)
    return found


def _together(versions: Sequence[Running]) -> list[InState]:
    """The states of several versions as one list."""
    found: dict[str, InState] = {}
    for one in (state for version in versions for state in version.states):
        known = found.get(one.state)
        count = one.count + (known.count if known else 0)
        found[one.state] = InState(one.state, (known or one).title, count)
    return list(found.values())


def _without_field(
    connection: sa.Connection, flow: FlowCases, entity: Entity, about: Mapping[str, Any]
) -> Iterator[Problem]:
    charts = charts_of(connection, [one.definition for one in flow.versions])
    fields = {chart.state_field for chart in charts.values()} - {"", *entity.fields}
    for name in sorted(fields):
        yield Problem("C102", {**about, "field": name, "entity": entity.title}, file=entity.file)


def warnings(connection: sa.Connection, old: Model, new: Model) -> Iterator[Problem]:
    """What a publish takes away although a version that still runs uses it."""
    for flow in census(connection, new.workflows):
        before, now = old.entities.get(flow.entity), new.entities.get(flow.entity)
        if before is None or now is None:
            continue
        charts = charts_of(connection, [one.definition for one in flow.versions])
        for one in flow.versions:
            about = {"flow": flow.title, "version": one.version, "count": one.count}
            for code, name in _lost(charts[one.definition], before, now, old, new):
                more = {"name": name, "entity": now.title}
                yield Problem(code, {**about, **more}, "", Severity.WARNING, now.file)


def _lost(
    chart: Chart, before: Entity, now: Entity, old: Model, new: Model
) -> Iterator[tuple[str, Any]]:
    wanted = needs(chart)
    renamed = {name for field in now.fields.values() for name in field.was}
    for name in sorted(wanted.fields & set(before.fields) - set(now.fields)):
        code = "C114" if name in renamed else "C113"
        yield code, before.fields[name].title or name
    for name in sorted(wanted.roles & set(old.roles) - set(new.roles)):
        yield "C115", old.roles[name].title or name
    field, after = before.fields.get(chart.state_field), now.fields.get(chart.state_field)
    if field is not None and after is not None and after.options:
        left = {option.value for option in after.options}
        gone = [
            option.title
            for option in field.options
            if option.value in wanted.states and option.value not in left
        ]
        if gone:
            yield "C116", gone
