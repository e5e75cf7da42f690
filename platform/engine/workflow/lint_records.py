"""Checks of what a workflow does to records: its own fields, and the records it creates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.definitions.model import MISSING, Entity, Field, Model
from engine.problems import Problem
from engine.workflow.chart import Chart, State
from engine.workflow.expressions import actions_of, fields_set
from engine.workflow.lint_people import Report


def check(
    chart: Chart, model: Model, entity: Entity | None, report: Report
) -> Iterator[Problem]:  # fmt: skip
    """Fields that are demanded or set, and records that are created."""
    for state in chart.states.values():
        if entity is not None:
            yield from _rights(chart, state, model, entity, report)
            yield from _written(chart, state, entity, report)
        for action, pointer in actions_of(state):
            if action.get("type") == "create_record":
                yield from _created(model, action, pointer, report)
                yield from _into(entity, action, pointer, report)


# -- the record's own fields ---------------------------------------------------------------------


def _rights(
    chart: Chart, state: State, model: Model, entity: Entity, report: Report
) -> Iterator[Problem]:
    for name, right in state.fields.items():
        field, place = entity.fields.get(name), f"{state.pointer}/fields/{name}"
        if field is None:
            continue
        about: dict[str, Any] = {"field": field.title or name, "state": state.title or state.id}
        if right == "required":
            if _kept(entity, field) or name == chart.state_field:
                yield report("W207", place, **about)
            elif roles := _powerless(state, model, entity, field):
                yield report("W208", place, warn=True, **about, roles=roles)
        elif right == "hidden" and field.required and state.fields.get("*") == "write":
            yield report("W209", place, warn=True, **about)


def _kept(entity: Entity, field: Field) -> bool:
    """Whether nobody can ever write a field: the system fills it, or a rule without a condition
    locks or hides it."""
    if field.compute or field.read_only or field.system:
        return True
    always = (rule for rule in entity.rules.values() if not rule.when)
    return any(field.name in (*rule.readonly, *rule.hide) for rule in always)


def _powerless(state: State, model: Model, entity: Entity, field: Field) -> list[Any]:
    """The roles that are to act in a state, when none of them may write a field. Nothing is said
    where other people act, too: what they may is known when they do."""
    whos = [who for given in state.may.values() for who in given]
    whos += state.policy.assignees if state.policy else ()
    names = list(dict.fromkeys(str(who.get("role", "")) for who in whos))
    roles = [model.roles.get(name) for name in names]
    if not roles or any(role is None or role.admin for role in roles):
        return []
    if any(_writes(entity, field, name) for name in names):
        return []
    return [role.title or role.name for role in roles if role is not None]


def _writes(entity: Entity, field: Field, role: str) -> bool:
    own, whole = field.access.get(role), entity.access.get(role)
    given = own.write if own is not None else None
    if given is None:
        given = whole.write if whole is not None else (None if entity.access else True)
    return given not in (None, False)


def _written(chart: Chart, state: State, entity: Entity, report: Report) -> Iterator[Problem]:
    given = [one for action, pointer in actions_of(state) for one in fields_set(action, pointer)]
    if state.calling is not None:
        given += [(name, f"{state.pointer}/output/{name}") for name in state.calling.output]
    for name, place in given:
        field = entity.fields.get(name)
        if field is None:
            if state.calling is not None and name in state.calling.output:
                yield report("W019", place, name=name, entity=entity.name)
        elif field.compute or field.system or name == chart.state_field:
            yield report("W212", place, field=field.title or name)


# -- records it creates --------------------------------------------------------------------------


def _created(
    model: Model, action: Mapping[str, Any], pointer: str, report: Report
) -> Iterator[Problem]:
    target = model.entities.get(str(action.get("entity", "")))
    if target is None:
        yield report("W214", f"{pointer}/entity", entity=str(action.get("entity", "")))
        return
    yield from given_values(target, action.get("values", {}), f"{pointer}/values", report)


def given_values(
    target: Entity, values: Iterable[str], pointer: str, report: Report
) -> Iterator[Problem]:
    """Whether a new record can be made of these fields."""
    given = set(values)
    for name in given:
        field = target.fields.get(name)
        if field is None or field.compute or field.system:
            yield report("W215", f"{pointer}/{name}", name=name, entity=target.title or target.name)
    missing = [
        field.title or name
        for name, field in target.fields.items()
        if field.required and name not in given and not _fills_itself(field)
    ]
    if missing:
        about: dict[str, Any] = {"entity": target.title or target.name, "fields": missing}
        yield report("W216", pointer, warn=True, **about)


def _fills_itself(field: Field) -> bool:
    default = field.default is not MISSING or "default" in field.ui
    return bool(default or field.compute or field.system or field.type == "autonumber")


def _into(
    entity: Entity | None, action: Mapping[str, Any], pointer: str, report: Report
) -> Iterator[Problem]:
    field = entity.fields.get(str(action.get("into", ""))) if entity else None
    if field is None:
        return  # none is wanted, or told already
    if field.reference is None or field.reference.to != action.get("entity"):
        about: dict[str, Any] = {
            "field": field.title or field.name,
            "entity": str(action.get("entity", "")),
        }
        yield report("W217", f"{pointer}/into", **about)
