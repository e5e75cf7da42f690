"""Records that a workflow's action creates: ``create_record``, in the step's own transaction.

They come to be like any other record, through the one door for writes: checked, numbered, noted in
the history, with a case of their own where their workflow begins with them. The rights are the
platform's, the name under them is that of whoever acted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.definitions.model import Entity, Label, text_of
from engine.fields import BadValue, FieldType, bind
from engine.problems import Problem, text
from engine.problems.catalogue import LANGUAGES
from engine.records.failures import Invalid
from engine.records.flows.env import FlowEnv
from engine.records.references import check_sent
from engine.records.unit import Unit
from engine.workflow import CannotEvaluate, Outcome, plain_expression

DEEPEST: Final = 8  # creations that set off creations
Record = dict[str, Any]
Create = Callable[[Unit, str, Mapping[str, object]], Record]
_DOORS: list[Create] = []


@dataclass(frozen=True, slots=True)
class Ready:
    """A value that was worked out before."""

    value: Any


def opens(create: Create) -> None:
    """Name the use case that creates records. It tells the workflows of every new record, so they
    cannot know it by themselves."""
    _DOORS.append(create)


def carried_out(unit: Unit, entity: Entity, record: Record, outcome: Outcome) -> Outcome:
    """The outcome with the ids of what was created among its changes. `record` is read anew: its
    sums may have changed.

    Raises: Invalid when one of them cannot be created; nothing of the step remains then.
    """
    if not outcome.creations:
        return outcome
    if unit.depth >= DEEPEST:
        raise Invalid([Problem("W303", {"limit": DEEPEST})])
    env = FlowEnv(unit, entity, record, workflow=outcome.instance.workflow)
    made: Record = {}
    for creation in outcome.creations:
        id = create_for(unit, env, creation.entity, creation.values, {**creation.names, **made})
        env.forget()
        if field := entity.fields.get(creation.into):
            present = made.get(field.name, outcome.changes.get(field.name, record.get(field.name)))
            made[field.name] = [*(present or ()), id] if field.multiple else id
    again = unit.app.reader.load(unit.connection, entity.name, record["id"])
    record.update(again or {})
    return replace(outcome, changes={**outcome.changes, **made})


def create_for(
    unit: Unit, env: FlowEnv, entity: str, values: Mapping[str, Any], names: Mapping[str, Any]
) -> int:
    """One record, its values worked out by `env`; its id.

    Raises: Invalid, in words about the new record.
    """
    acting = replace(
        unit,
        actor=replace(unit.actor, system=True),
        source="workflow",
        depth=unit.depth + 1,
    )
    target = unit.app.model.entities.get(entity)
    if target is None:
        raise Invalid([Problem("W304", {"entity": entity})])
    given: Record = {}
    problems: list[Problem] = []
    for name, source in values.items():
        field = target.fields.get(name)
        if field is None:
            problems.append(Problem("R201", {"field": name}, f"/{name}"))
            continue
        try:
            value = _wire(bind(field), _worked_out(env, source, names))
            if value is not None:  # nothing leaves the field as new records begin
                given[name] = value
        except BadValue as bad:
            problems += [one.under(f"/{name}") for one in bad.found(field)]
    if problems:
        raise Invalid(_about(target, problems))
    try:
        made = _DOORS[-1](acting, entity, given)
    except Invalid as failure:
        raise Invalid(_about(target, failure.problems)) from failure
    if problems := check_sent(unit, target, made, None, names.get("event") or {}):
        raise Invalid(_about(target, problems))
    unit.posted = unit.posted or acting.posted
    return int(made["id"])


def _worked_out(env: FlowEnv, source: Any, names: Mapping[str, Any]) -> Any:
    """The value of an expression; of a list or map of them (the rows of the new record), each."""
    if isinstance(source, Ready):
        return source.value
    if isinstance(source, str):
        try:
            return env.value(plain_expression(source), names)
        except CannotEvaluate as failure:
            raise Invalid([Problem("W109", {"expression": source})]) from failure
    if isinstance(source, Mapping):
        return {key: _worked_out(env, one, names) for key, one in source.items()}
    if isinstance(source, list | tuple):
        return [_worked_out(env, one, names) for one in source]
    return source


def _wire(kind: FieldType, value: Any) -> Any:
    """The value as the outside would send it."""
    if value is None:
        return None
    if kind.field.rows is not None:
        return [_row(kind.field.rows, row) for row in value or ()]
    try:
        return kind.to_json(kind.from_expression(value))
    except BadValue:  # a constant of the definition
        return kind.to_json(kind.from_json(value))


def _row(rows: Entity, row: Mapping[str, Any]) -> Record:
    """A row of another record, or one put together, as a new row; its formulas are its own."""
    kept = (one for one in rows.fields.values() if one.name in row and not one.compute)
    return {field.name: _wire(bind(field), row[field.name]) for field in kept}


def _about(target: Entity, problems: Sequence[Problem]) -> list[Problem]:
    """What is wrong with the new record, told on the page of the old one."""
    if any(problem.code in {"W302", "W303"} for problem in problems):
        return list(problems)  # it comes from further down
    return [Problem("W302", {"entity": target.title, "reason": _reason(target, one)})
            for one in problems]  # fmt: skip


def _reason(target: Entity, problem: Problem) -> Label:
    field = target.fields.get(problem.field)
    return {
        language: (f"{text_of(field.title, language)}: " if field else "") + text(problem, language)
        for language in LANGUAGES
    }
