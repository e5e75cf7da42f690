"""The expressions of a chart: where they stand, what they must give, which names they may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.definitions.model import Model
from engine.expressions.types import Type
from engine.workflow.chart import Action, Chart, State
from engine.workflow.env import FLOW_TYPES, called_types, plain_expression


def expressions_of(chart: Chart) -> Iterator[tuple[str, str, str]]:
    """Every expression as (source, pointer, expected) for the type check against the entity's scope
    with the types of `types_at` added. ``In(…)`` is written out.

    Expected: "bool", "instant" (a date or a moment), "value" (what the own field at the pointer's
    end takes), "field:<entity>.<field>" (what that field takes), "any", "records:<workflow>"
    (a list of records of that workflow's entity).
    """
    if chart.trigger.guard:
        yield plain_expression(chart.trigger.guard), "/trigger/guard", "bool"
    for state in chart.states.values():
        for transition in state.transitions:
            if transition.guard:
                yield plain_expression(transition.guard), f"{transition.pointer}/guard", "bool"
        for rule in state.timers:
            if rule.at:
                yield plain_expression(rule.at), f"{rule.pointer}/at", "instant"
        for action, pointer in actions_of(state):
            for name, source in action.get("assign", {}).items():
                if isinstance(source, str):
                    yield plain_expression(source), f"{pointer}/assign/{name}", "value"
            if action.get("type") == "create_record":
                entity, values = action.get("entity", ""), action.get("values", {})
                yield from _given(values, f"{pointer}/values", entity)
        yield from _calling(state)


def _calling(state: State) -> Iterator[tuple[str, str, str]]:
    calling = state.calling
    if calling is None:
        return
    if calling.each:
        place = f"{state.pointer}/forEach"
        yield plain_expression(calling.each), place, f"records:{calling.workflow}"
    for name, source in calling.input.items():
        if isinstance(source, str):
            yield plain_expression(source), f"{state.pointer}/input/{name}", "any"
    for name, source in calling.output.items():
        if isinstance(source, str):
            yield plain_expression(source), f"{state.pointer}/output/{name}", "value"


def _given(values: Mapping[str, Any], at: str, entity: str) -> Iterator[tuple[str, str, str]]:
    for name, value in values.items():
        if isinstance(value, str):
            yield plain_expression(value), f"{at}/{name}", f"field:{entity}.{name}"
        else:
            yield from _inside(value, f"{at}/{name}")


def _inside(value: Any, at: str) -> Iterator[tuple[str, str, str]]:
    """The expressions of rows that are put together."""
    if isinstance(value, str):
        yield plain_expression(value), at, "any"
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _inside(one, f"{at}/{key}")
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _inside(one, f"{at}/{index}")


def actions_of(state: State) -> Iterator[tuple[Action, str]]:
    """All actions of a state with their pointers."""
    for key, actions in (("entry", state.entry), ("exit", state.exit)):
        for index, action in enumerate(actions):
            yield action, f"{state.pointer}/{key}/{index}"
    for transition in state.transitions:
        for index, action in enumerate(transition.actions):
            yield action, f"{transition.pointer}/actions/{index}"


def types_at(chart: Chart, model: Model, pointer: str) -> Mapping[str, Type]:
    """The names an expression may use beside the record's: where a call has answered, `results`
    are records of what was called."""
    for state in chart.states.values():
        calling = state.calling
        answered = (f"{state.pointer}/output/", f"{state.pointer}/onDone")
        if calling is not None and pointer.startswith(answered):
            workflow = model.workflows.get(calling.workflow)
            return called_types(workflow.entity if workflow else "")
    return FLOW_TYPES


def fields_set(action: Action, pointer: str) -> Iterator[tuple[str, str]]:
    """The record's own fields that an action writes, with their places."""
    for name in action.get("assign", {}):
        yield name, f"{pointer}/assign/{name}"
    if action.get("type") == "set_field":
        yield str(action.get("field", "")), f"{pointer}/field"
    if action.get("type") == "create_record" and action.get("into"):
        yield str(action["into"]), f"{pointer}/into"
