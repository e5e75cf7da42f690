"""The case of a record: the stored one, or the one that its first event would write.

A record may be older than its workflow, come from an import in the middle of its way, or have a
workflow that begins by hand. It has no row in `dg_wf_instance` then, but its case is known all the
same: it is computed, shown, and written with the first step taken in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from engine.access import granted
from engine.definitions.model import Entity, Workflow
from engine.records.failures import NotFound
from engine.records.flows import store
from engine.records.flows.env import FlowEnv
from engine.records.flows.store import Stored
from engine.records.reading import cleared, visible
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import (
    CannotEvaluate,
    Chart,
    Event,
    Instance,
    Outcome,
    begin,
    compile_chart,
    plain_expression,
)

Record = dict[str, Any]
_TASK, _CANDIDATE = system.WF_TASK, system.WF_CANDIDATE
_INSTANCE, _COPY = system.WF_INSTANCE, system.WF_COPY


@dataclass(frozen=True, slots=True)
class Situation:
    """A record with its case, as one use case found them."""

    entity: Entity
    record: Record
    case: Stored
    env: FlowEnv


def situation(
    unit: Unit, entity: str, id: int, *, lock: bool = False, known: bool = False
) -> Situation | None:
    """The situation of a record that the actor may know of (`known`: he does); None when it has
    no case.

    Raises: NotFound.
    """
    definition = unit.app.model.entities.get(entity)
    if definition is None or not granted(unit.actor.scopes, entity, "read", "events", "tasks"):
        raise NotFound
    wait = lock and unit.app.database.kind != "sqlite"
    record = unit.app.reader.load(unit.connection, entity, id, lock=wait)
    if record is None or not (known or knows(unit, entity, id)):
        raise NotFound
    case = case_of(unit, definition, record, lock=lock)
    if case is None:
        return None
    return Situation(definition, record, case, env_of(unit, definition, record, case))


def env_of(unit: Unit, entity: Entity, record: Mapping[str, Any], case: Stored) -> FlowEnv:
    """What a step of the case sees."""
    return FlowEnv(unit, entity, record, workflow=case.instance.workflow)


def case_of(unit: Unit, entity: Entity, record: Record, *, lock: bool = False) -> Stored | None:
    """The case of a record, written or not; None when its workflow does not begin with it."""
    workflow = unit.app.workflow(entity.name)
    found = store.latest(unit, entity.name, record["id"], lock=lock)
    if found is not None or workflow is None:
        return found
    return _unwritten(unit, entity, record, workflow)


def first_state(chart: Chart) -> str:
    """What the state field says of a case that has just begun."""
    here = chart.states[""]
    while here.initial and here.type == "compound":
        here = chart.states[here.initial[0]]
    return here.id


def trigger_of(workflow: Workflow) -> str:
    """What starts a case: manual, create, update or schedule."""
    return str(workflow.chart.get("trigger", {}).get("on", "manual"))


def triggers(unit: Unit, workflow: Workflow, entity: Entity, record: Mapping[str, Any]) -> bool:
    """Whether the trigger's guard lets a case begin on the record. One that fails does not."""
    guard = workflow.chart.get("trigger", {}).get("guard")
    if not guard:
        return True
    try:
        return FlowEnv(unit, entity, record).test(plain_expression(str(guard)), {})
    except CannotEvaluate:
        return False


# --- cases that are not written yet ------------------------------------------------------------
def _unwritten(unit: Unit, entity: Entity, record: Record, workflow: Workflow) -> Stored | None:
    if trigger_of(workflow) not in {"manual", "create"}:
        return None
    if not triggers(unit, workflow, entity, record):
        return None
    chart = compile_chart(workflow)
    state = record.get(chart.state_field) if chart.state_field else None
    if state in chart.reportable() and state != first_state(chart):
        outcome = adopted(unit, entity, record, workflow, str(state))
    else:
        outcome = beginning(unit, entity, record, workflow)
    if outcome.problems:
        return None
    return Stored(0, 0, entity.name, record["id"], outcome.instance, chart, outcome)


def beginning(
    unit: Unit,
    entity: Entity,
    record: Record,
    workflow: Workflow,
    event: Event | None = None,
) -> Outcome:
    """A case from its start."""
    starter = _starter(unit, entity, record) if unit.actor.system else None
    env = FlowEnv(unit, entity, record, workflow=workflow.id, actor=starter)
    return _signed(unit, begin(compile_chart(workflow), env, event))


def adopted(unit: Unit, entity: Entity, record: Record, workflow: Workflow, state: str) -> Outcome:
    """A case that joins its record in the middle of the way: what its states do when they are
    entered happened long ago, but for asking people to decide."""
    chart = compile_chart(workflow)
    starter = _starter(unit, entity, record)
    if chart.states[state].type == "final":
        active = tuple(chart.in_order([state, *list(chart.ancestors(state))[:-1]]))
        instance = Instance(chart.id, chart.version, chart.hash, starter, active, done=True)
        return Outcome(instance, state=state)
    env = FlowEnv(unit, entity, record, workflow=workflow.id, actor=starter)
    outcome = begin(chart, env, at=state)
    effects = tuple(effect for effect in outcome.effects if effect.type == "task")
    rows = tuple(replace(row, actor=None) for row in outcome.events)
    return replace(outcome, effects=effects, events=rows, changes={})


def _signed(unit: Unit, outcome: Outcome) -> Outcome:
    """A case that the platform began for somebody does not carry his signature in the log."""
    if not unit.actor.system:
        return outcome
    return replace(outcome, events=tuple(replace(row, actor=None) for row in outcome.events))


def _starter(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> int | None:
    """Whose case it is when nobody in person began it: the owner, else who made the record."""
    owner = entity.fields.get("owner")
    if owner is not None and owner.type == "user" and record.get("owner"):
        return int(record["owner"])
    made = record.get("created_by")
    return int(made) if made else unit.actor.id or None


# --- who may know of it ------------------------------------------------------------------------
def knows(unit: Unit, entity: str, id: int) -> bool:
    """Whether the actor may know of a record's case: he may read the record, takes part in it, or
    got a copy.

    Taking part, or being told, opens the case (who decided what, why, the label and the plain
    facts), not the record's page: that stays a matter of roles. Who has decided still knows; and
    who came too late is told by whom it was done. A record above somebody's grade of secrecy stays
    closed to him, whoever asked him.
    """
    if unit.actor.system or visible(unit, entity, [id]):
        return True
    return asked(unit, entity, id) or took_part(unit, entity, id) or copied(unit, entity, id)


def copied(unit: Unit, entity: str, id: int) -> bool:
    """Whether a case on the record was copied to the actor."""

    def build() -> sa.Select[Any]:
        return (
            sa.select(_INSTANCE.c.id)
            .join(_COPY, _COPY.c.instance_id == _INSTANCE.c.id)
            .where(
                _INSTANCE.c.entity == sa.bindparam("entity", type_=sa.Text()),
                _INSTANCE.c.record_id == sa.bindparam("record", type_=_TASK.c.id.type),
                _COPY.c.user_id == sa.bindparam("me", type_=_TASK.c.id.type),
            )
            .limit(1)
        )

    values = {"entity": entity, "record": id, "me": unit.actor.id}
    found = unit.app.statement(("wf copied",), build).rows(unit.connection, values)
    return bool(found and cleared(unit, entity, [id]))


def asked(unit: Unit, entity: str, id: int) -> bool:
    """Whether an open task on the record waits for the actor."""

    def build() -> sa.Select[Any]:
        return (
            sa.select(_TASK.c.id)
            .where(
                _TASK.c.entity == sa.bindparam("entity", type_=sa.Text()),
                _TASK.c.record_id == sa.bindparam("record", type_=_TASK.c.id.type),
                _TASK.c.status == "open",
                waits_for("me"),
            )
            .limit(1)
        )

    values = {"entity": entity, "record": id, "me": unit.actor.id}
    found = unit.app.statement(("wf asked",), build).rows(unit.connection, values)
    return bool(found and cleared(unit, entity, [id]))


def took_part(unit: Unit, entity: str, id: int) -> bool:
    """Whether a task on the record was ever the actor's."""

    def build() -> sa.Select[Any]:
        me = sa.bindparam("me", type_=_TASK.c.id.type)
        return (
            sa.select(_TASK.c.id)
            .where(
                _TASK.c.entity == sa.bindparam("entity", type_=sa.Text()),
                _TASK.c.record_id == sa.bindparam("record", type_=_TASK.c.id.type),
                sa.or_(_TASK.c.assignee_id == me, _TASK.c.decided_by_id == me),
            )
            .limit(1)
        )

    values = {"entity": entity, "record": id, "me": unit.actor.id}
    found = unit.app.statement(("wf took part",), build).rows(unit.connection, values)
    return bool(found and cleared(unit, entity, [id]))


def waits_for(name: str) -> sa.ColumnElement[bool]:
    """A task waits for the person of the parameter: it is his, or he is one of those who may take
    it."""
    me = sa.bindparam(name, type_=_TASK.c.id.type)
    pool = sa.select(_CANDIDATE.c.task_id).where(_CANDIDATE.c.user_id == me)
    unclaimed = sa.and_(_TASK.c.assignee_id.is_(None), _TASK.c.id.in_(pool))
    return sa.or_(_TASK.c.assignee_id == me, unclaimed)
