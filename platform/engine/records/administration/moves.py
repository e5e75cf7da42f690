"""What moving running cases to the published version would do, before anybody is moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from engine.definitions.model import Label, Workflow
from engine.problems import Problem
from engine.records.administration.commands import located, only_administrators, people_of
from engine.records.administration.differences import places, suggested, title_of
from engine.records.administration.versions import charts_of
from engine.records.failures import Invalid, NotFound
from engine.records.flows.cases import Situation
from engine.records.flows.words import worded_problem
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Chart, Instance, Outcome, compile_chart, migrate

SHOWN: Final = 500  # cases that a preview works out
_DEFINITION, _INSTANCE = system.WF_DEFINITION, system.WF_INSTANCE

Mapped = Mapping[str, str]
"""Old state -> new state. A state that is not named keeps its id; "" leaves its cases alone."""


@dataclass(frozen=True, slots=True)
class TaskMove:
    """What becomes of a task: the person keeps it, gets it, or loses it."""

    number: int
    state: Label
    people: tuple[int, ...]
    what: Literal["kept", "opened", "cancelled"]


@dataclass(frozen=True, slots=True)
class TimerMove:
    """A deadline of the case in its new version."""

    name: str
    state: Label
    due: datetime


@dataclass(frozen=True, slots=True)
class CaseMove:
    """What a migration does to one case; with `problems` it stays as it is."""

    instance: int
    entity: str
    record: int
    label: str
    version: int
    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    state: str = ""
    tasks: tuple[TaskMove, ...] = ()
    timers: tuple[TimerMove, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a migration would do, case by case. `total` counts all cases it is about, of which
    `cases` are the first; `old` and `new` name the states."""

    workflow: str
    version: int
    mapping: Mapped
    total: int
    cases: tuple[CaseMove, ...]
    old: Mapping[str, Label] = field(default_factory=dict)
    new: Mapping[str, Label] = field(default_factory=dict)

    @property
    def ways(self) -> Mapping[tuple[tuple[str, ...], tuple[str, ...]], int]:
        """How many cases go from where to where."""
        return Counter((one.before, one.after) for one in self.cases if not one.problems)

    @property
    def refused(self) -> list[CaseMove]:
        """The cases that would stay."""
        return [one for one in self.cases if one.problems]


# --- what could be moved -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Choice:
    """One old state for the mapping table, with the cases in it and what is proposed."""

    state: str
    title: Label
    count: int
    target: str


def choices(unit: Unit, workflow: str, definitions: Sequence[int] | None = None) -> list[Choice]:
    """The states that cases of older versions stand in, each with a proposal."""
    now = compile_chart(workflow_of(unit, workflow))
    charts = charts_of(unit.connection, older_versions(unit, workflow, definitions))
    found: dict[str, Choice] = {}
    for id, chart in charts.items():
        counted = Counter(_positions(unit, chart, id))
        proposed = suggested(chart, now, counted)
        for state, count in counted.items():
            before = found.get(state)
            target = before.target if before and before.target else proposed.get(state, "")
            total = count + (before.count if before else 0)
            found[state] = Choice(state, title_of(chart, state), total, target)
    return list(found.values())


def targets(unit: Unit, workflow: str) -> list[tuple[str, Label]]:
    """The states of the published version that cases can be put into."""
    chart = compile_chart(workflow_of(unit, workflow))
    return [(state, title_of(chart, state)) for state in places(chart)]


def workflow_of(unit: Unit, workflow: str) -> Workflow:
    """A published workflow. Raises: Invalid when there is none."""
    found = unit.app.model.workflows.get(workflow)
    if found is None:
        about = {"workflow": workflow[:100], "known": sorted(unit.app.model.workflows) or "–"}
        raise Invalid([Problem("C143", about)])
    return found


def _positions(unit: Unit, chart: Chart, definition: int) -> list[str]:
    bodies = sa.select(_INSTANCE.c.body).where(
        _INSTANCE.c.definition_id == definition, _INSTANCE.c.done_at.is_(None)
    )
    rows = unit.connection.scalars(bodies)
    found = [state for body in rows for state in chart.leaves(body["active"])]
    return chart.in_order(found)


def older_versions(unit: Unit, workflow: str, definitions: Sequence[int] | None) -> list[int]:
    """The stored definitions of a workflow that are not the published one."""
    now = workflow_of(unit, workflow)
    wanted = sa.select(_DEFINITION.c.id).where(
        _DEFINITION.c.workflow == workflow, _DEFINITION.c.hash != now.hash
    )
    if definitions is not None:
        wanted = wanted.where(_DEFINITION.c.id.in_(list(definitions)))
    return list(unit.connection.scalars(wanted.order_by(_DEFINITION.c.id)))


def waiting_cases(
    unit: Unit, definitions: Sequence[int], after: int = 0, most: int | None = None
) -> list[int]:
    """The running cases of the definitions, by id."""
    wanted = sa.select(_INSTANCE.c.id).where(
        _INSTANCE.c.definition_id.in_(list(definitions)),
        _INSTANCE.c.done_at.is_(None),
        _INSTANCE.c.id > after,
    )
    return list(unit.connection.scalars(wanted.order_by(_INSTANCE.c.id).limit(most)))


# --- looking ahead -----------------------------------------------------------------------------
def preview_migration(
    unit: Unit, workflow: str, definitions: Sequence[int] | None, mapping: Mapped
) -> Preview:
    """What moving the running cases of older versions (None: of all) would do. Nothing is
    written, nobody is told.

    Raises: Forbidden, Invalid for a mapping that names states which do not exist.
    """
    only_administrators(unit)
    now = workflow_of(unit, workflow)
    older = older_versions(unit, workflow, definitions)
    charts = charts_of(unit.connection, older)
    check_mapping(charts.values(), compile_chart(now), mapping)
    ids = waiting_cases(unit, older)
    cases = [_foreseen(unit, id, now, mapping) for id in ids[:SHOWN]]
    return Preview(
        workflow,
        now.version,
        dict(mapping),
        len(ids),
        tuple(_labelled(unit, cases)),
        {state: title_of(chart, state) for chart in charts.values() for state in chart.states},
        {state: title_of(compile_chart(now), state) for state in compile_chart(now).states},
    )


def check_mapping(olds: Iterable[Chart], new: Chart, mapping: Mapped) -> None:
    """A mapping names states that are there."""
    problems = []
    known = {state for chart in olds for state in chart.states}
    for old, target in mapping.items():
        for name, among, code in ((old, known, "old"), (target, set(places(new)), "new")):
            if name and name not in among and (code == "new" or known):
                version = _OLD if code == "old" else _NEW
                about = {"state": name[:100], "version": version, "states": sorted(among - {""})}
                problems.append(Problem("C145", about))
    if problems:
        raise Invalid(problems)


_OLD: Final = {"zh-CN": "旧版本", "en": "old version"}
_NEW: Final = {"zh-CN": "新版本", "en": "new version"}


def _foreseen(unit: Unit, id: int, now: Workflow, mapping: Mapped) -> CaseMove:
    try:
        found = located(unit, id)
    except NotFound:
        return CaseMove(id, now.entity, 0, f"#{id}", 0, (), problems=(Problem("C155"),))
    return _described(found, now, outcome_of_move(unit, found, now, mapping))


def outcome_of_move(
    unit: Unit, found: Situation, now: Workflow, mapping: Mapped, reason: str = ""
) -> Outcome:
    """What moving a case would make of it."""
    case, chart = found.case, compile_chart(now)
    left = [one for one in case.chart.leaves(case.instance.active) if mapping.get(one) == ""]
    if left:
        titles = [title_of(case.chart, one) for one in left]
        return Outcome(case.instance, problems=(Problem("C144", {"state": titles}),))
    outcome = migrate(case.chart, chart, case.instance, mapping, found.env, reason=reason)
    if not outcome.problems:
        return outcome
    words = [
        # what has no place is a state of the old version; all else speaks of the new one
        worded_problem(unit, case.chart if one.code == "W309" else chart, found.entity, one)
        for one in outcome.problems
    ]
    return Outcome(case.instance, problems=tuple(words))


def _described(found: Situation, now: Workflow, outcome: Outcome) -> CaseMove:
    case, chart = found.case, compile_chart(now)
    before = case.chart.leaves(case.instance.active)
    about = (case.id, case.entity, case.record, "", case.instance.version, before)
    if outcome.problems:
        return CaseMove(*about, problems=outcome.problems)
    timers = [
        TimerMove(timer.name, title_of(chart, timer.state), timer.due) for timer in outcome.timers
    ]
    return CaseMove(
        *about,
        after=chart.leaves(outcome.instance.active),
        state=outcome.state,
        tasks=tuple(_task_moves(case.instance, outcome.instance, case.chart, chart)),
        timers=tuple(sorted(timers, key=lambda one: one.due)),
    )


def _task_moves(before: Instance, after: Instance, old: Chart, new: Chart) -> list[TaskMove]:
    """Tasks that are open before or after."""
    known = {task.id: task for task in before.tasks}
    found = []
    for task in after.tasks:
        was = known.get(task.id)
        pending = was is not None and was.pending
        if task.pending:
            what: Literal["kept", "opened", "cancelled"] = "kept" if pending else "opened"
            found.append(TaskMove(task.id, title_of(new, task.state), people_of(task), what))
        elif pending and was is not None:
            title = title_of(old, was.state)
            found.append(TaskMove(task.id, title, people_of(was), "cancelled"))
    return found


def _labelled(unit: Unit, cases: Sequence[CaseMove]) -> list[CaseMove]:
    """The cases with the names of their records, as far as the reader may read them."""
    wanted: dict[str, list[int]] = {}
    for one in cases:
        wanted.setdefault(one.entity, []).append(one.record)
    names = names_of(unit, wanted)
    return [_with_label(one, names.label(one.entity, one.record)) for one in cases]


def _with_label(one: CaseMove, label: str) -> CaseMove:
    return replace(one, label=label)
