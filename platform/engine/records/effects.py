"""What a form would show if it were saved now: computed values, and what the rules do to fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.definitions.model import Entity
from engine.expressions import Env
from engine.records import flows
from engine.records.computing import compute, live_values
from engine.records.evaluation import Relations
from engine.records.intake import holds
from engine.records.unit import Unit
from engine.records.views import shown_rows
from engine.validation import Effect

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outlook:
    """`values`: the whole record as it would be saved (for conditions, never to be shown whole).
    `shown`: those of them that the actor may see. `effects`: what the rules and the workflow's
    present state make of each field; "" stands for the record as a whole."""

    values: Mapping[str, Any]
    shown: Mapping[str, Any]
    effects: Mapping[str, Effect]


def outlook(unit: Unit, entity: str, id: int | None, current: Mapping[str, Any]) -> Outlook:
    """The outlook of a form that holds the record `current`; nothing is written."""
    definition = unit.entity(entity)
    old = None if id is None else unit.app.reader.load(unit.connection, entity, id)
    relations = Relations(unit)
    validator = unit.app.validator(definition)
    values: Record = {"id": id or 0, **current}
    env = relations.env({}, old)
    if validator.has_rules:
        values = validator.settle(values, env)
    compute(unit, definition, values, relations, old)
    values = live_values(unit, definition, values, relations)
    effects = dict(validator.effects(values, env))
    if old is not None:
        _narrow(effects, flows.rights(unit, definition, old))
    shown = _shown(unit, definition, values, relations.env(old or values), new=old is None)
    return Outlook(values, shown, effects)


def _narrow(effects: dict[str, Effect], rights: Mapping[str, str]) -> None:
    """A right of the workflow's state only takes away."""
    for name, right in rights.items():
        effect = effects.get(name, Effect())
        if right == "hidden":
            effect = replace(effect, visible=False)
        elif right == "read":
            effect = replace(effect, readonly=True)
        elif right == "required":
            effect = replace(effect, required=True)
        effects[name] = effect


def _shown(unit: Unit, entity: Entity, values: Mapping[str, Any], env: Env, *, new: bool) -> Record:
    """Values of fields that the actor may read, or types himself into a new record. `env` is of the
    record as it is kept (of what he types for a new one): else he could type what opens it."""
    access = unit.access(entity.name)
    found: Record = {}
    for name, value in values.items():
        cell = access.fields.get(name)
        if cell is None or entity.fields[name].write_only:
            continue
        if (new and cell.create.always) or holds(unit, entity, cell.read, env):
            rows = entity.fields[name].rows is not None and cell.columns
            found[name] = shown_rows(entity.fields[name], value or (), cell) if rows else value
    return found
