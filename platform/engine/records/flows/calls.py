"""Cases that begin cases: what a ``call`` state asks for, and what it is answered.

All of it is internal work of the outbox, each in one transaction with its row: "call" begins the
children (under keys that are unique in the database), "called" tells the parent that one of them
has ended, "uncall" ends those that nobody waits for any more. Who works on two cases locks the
parent's record before the child's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Label
from engine.problems import Problem, text
from engine.problems.catalogue import LANGUAGES
from engine.records.failures import Busy, Conflict, Failure, Invalid
from engine.records.flows import store
from engine.records.flows.cases import Situation, env_of
from engine.records.flows.creations import Ready, create_for
from engine.records.flows.env import FlowEnv
from engine.records.flows.steps import begin_case, take, written
from engine.records.flows.store import Parent, Stored
from engine.records.outbox import handle
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Call, Event, administer

DEEPEST: Final = 8  # cases that call cases
_INSTANCE = system.WF_INSTANCE
Row = Mapping[str, Any]


# --- beginning ---------------------------------------------------------------------------------
@handle("call")
def call(unit: Unit, row: Row) -> None:
    """Begin the cases of a ``call`` state: all of them, or none and the reason to the caller.

    Raises: Conflict while the caller's record is in the recycle bin; coming back, it asks again.
    """
    found = _waiting(unit, row)
    if found is None:
        if store.suspended(unit, row["instance_id"]):
            raise Conflict([Problem("W319")])
        return
    data = row["body"]["data"]
    state, number = row["body"]["state"], data["number"]
    if data["wait"] and _open(found.case, state, number) is None:
        return  # left meanwhile
    prefix = store.call_prefix(found.case.id, state, number)
    if store.called_by(unit, found.case.id, state, prefix):
        return  # they have begun
    try:
        with unit.connection.begin_nested():
            _begin_all(unit, found, state, data)
    except Busy:
        raise  # again, a little later
    except Failure as failure:
        if not data["wait"]:
            raise  # nobody waits for the answer: the row keeps the reason
        _tell(unit, found, "error", state, {"number": number, "reason": _words(failure.problems)})


def _begin_all(unit: Unit, found: Situation, state: str, data: Mapping[str, Any]) -> None:
    workflow = unit.app.model.workflows.get(data["workflow"])
    entity = unit.app.model.entities.get(workflow.entity) if workflow else None
    if entity is None:
        raise Invalid([Problem("W313", {"workflow": data["workflow"]})])
    above = store.callers(unit, found.case)
    if len(above) >= DEEPEST:
        raise Invalid([Problem("W314", {"limit": DEEPEST})])
    prefix = store.call_prefix(found.case.id, state, data["number"])
    if data["each"] is None:
        env = FlowEnv(unit, found.entity, found.record, workflow=found.case.instance.workflow)
        given = {name: Ready(value) for name, value in data["input"].items()}
        records = [create_for(unit, env, entity.name, given, {})]
    else:
        records = list(dict.fromkeys(data["each"]))
    for record in records:
        parent = Parent(found.case.id, state, f"{prefix}{record}") if data["wait"] else None
        begin_on(unit, entity, record, parent, above)


def begin_on(
    unit: Unit, entity: Entity, id: int, parent: Parent | None, above: Collection[int] = ()
) -> None:
    """The case on one record: the one that runs on it already, else a new one. Not one of those
    `above`: two that wait for each other would wait for ever."""
    record = unit.app.reader.load(
        unit.connection, entity.name, id, lock=unit.app.database.kind != "sqlite"
    )
    if record is None:
        raise Invalid([Problem("W315", {"entity": entity.title})])
    case = store.latest(unit, entity.name, id, lock=True)
    taken = case is not None and (
        case.parent is not None or (parent and case.id in {parent.id, *above})
    )
    if case is not None and taken and not case.instance.done:
        raise Conflict([Problem("W316", {"entity": entity.title})])
    if case is None or case.instance.done:
        case = begin_case(unit, entity, record)
    if parent is not None:
        store.adopt(unit, case, parent)


# --- answering ---------------------------------------------------------------------------------
@handle("called")
def called(unit: Unit, row: Row) -> None:
    """A called case has ended: the caller goes on when it was the last, or at once when it did
    not end by its own way."""
    found = _waiting(unit, row)
    if found is None:
        return
    state = row["body"]["state"]
    waits = next((one for one in found.case.instance.calls if one.state == state), None)
    if waits is None:
        return
    prefix = store.call_prefix(found.case.id, state, waits.number)
    if not row["body"]["key"].startswith(prefix):
        return  # of an earlier visit
    children = store.called_by(unit, found.case.id, state, prefix)
    about = {"number": waits.number}
    if any(child.instance.terminated for child in children):
        if not waits.reason:
            reason = _words([Problem("W317", {"workflow": children[0].chart.title})])
            _tell(unit, found, "error", state, {**about, "reason": reason})
    elif children and all(child.instance.done for child in children):
        results = [child.record for child in children]
        _tell(unit, _answered(unit, found, children), "done", state, {**about, "results": results})


def _answered(unit: Unit, found: Situation, children: Sequence[Stored]) -> Situation:
    """The situation in which expressions may look into the records of the called cases."""
    workflow = found.case.instance.workflow
    env = FlowEnv(unit, found.entity, found.record, workflow=workflow, called=children[0].entity)
    return replace(found, env=env)


def _tell(
    unit: Unit, found: Situation, kind: str, state: str, data: Mapping[str, Any]
) -> None:  # fmt: skip
    event = Event(f"{kind}.call.{state}", data, source="system")
    take(unit, found, event, key=f"{kind}:{state}:{data['number']}")


# --- ending ------------------------------------------------------------------------------------
@handle("uncall")
def uncall(unit: Unit, row: Row) -> None:
    """Nobody waits for these cases any more: they end where they stand."""
    state, number = row["body"]["state"], row["body"]["data"]["number"]
    prefix = store.call_prefix(row["instance_id"], state, number)
    reason = text(Problem("W318", {"state": state}), unit.app.model.default_language)
    for child in store.called_by(unit, row["instance_id"], state, prefix):
        end(unit, child.id, reason)


def end(unit: Unit, case: int, reason: str) -> None:
    """End a case where it stands, on behalf of the platform; one that has ended stays as it is."""
    found = _located(unit, case)
    if found is None or found.case.instance.done:
        return
    chart, instance = found.case.chart, found.case.instance
    outcome = administer(chart, instance, "terminate", found.env, reason=reason)
    if outcome.problems:
        raise Invalid(outcome.problems)
    written(unit, found, outcome, Event("terminated", {"comment": reason}, source="system"))


# --- finding -----------------------------------------------------------------------------------
def _waiting(unit: Unit, row: Row) -> Situation | None:
    """The calling case, locked; None when it has ended or its record is gone for now."""
    found = _located(unit, row["instance_id"])
    return None if found is None or found.case.instance.done else found


def _located(unit: Unit, id: int) -> Situation | None:
    """A case with its record, both ours alone: the record first."""
    wait = unit.app.database.kind != "sqlite"
    wanted = sa.select(_INSTANCE).where(_INSTANCE.c.id == id)
    row = unit.connection.execute(wanted).mappings().first()
    entity = unit.app.model.entities.get(row["entity"]) if row else None
    if row is None or entity is None:
        return None
    record = unit.app.reader.load(unit.connection, entity.name, row["record_id"], lock=wait)
    if record is None:
        return None
    if wait:
        row = unit.connection.execute(wanted.with_for_update()).mappings().one()
    case = store.stored(unit, dict(row))
    return Situation(entity, record, case, env_of(unit, entity, record, case))


def _open(case: Stored, state: str, number: int) -> Call | None:
    calls = case.instance.calls
    return next((one for one in calls if (one.state, one.number) == (state, number)), None)


def _words(problems: Iterable[Problem]) -> Label:
    found = list(problems)
    return {language: " ".join(text(one, language) for one in found) for language in LANGUAGES}
