"""Whether the roles that a workflow asks can see what they are asked about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.access import compile_access
from engine.definitions.model import Model
from engine.problems import Problem, Severity
from engine.workflow import Chart, compile_chart


def blind_roles(model: Model) -> Iterator[tuple[str, Problem]]:
    """Entities with a warning for every role that can do a step of their workflow, and may not
    see one record."""
    for flow in model.workflows.values():
        entity = model.entities.get(flow.entity)
        if entity is None:
            continue
        for role, states in asked_roles(compile_chart(flow)).items():
            if role in model.roles and not compile_access(model, entity, [role]).may("read"):
                params = {
                    "role": model.roles[role].title,
                    "flow": flow.title,
                    "entity": entity.title,
                    "states": states,
                }
                yield entity.name, Problem("K014", params, "/x-access", Severity.WARNING)


def asked_roles(chart: Chart) -> dict[str, list[Mapping[str, str]]]:
    """The roles that may act in a workflow, with the titles of the states where they may."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for state in chart.states.values():
        title = state.title or {"": state.id}
        asked = [who for whos in state.may.values() for who in whos]
        asked += state.policy.assignees if state.policy is not None else ()
        for role in dict.fromkeys(_roles(asked)):
            found.setdefault(role, []).append(title)
    return found


def _roles(whos: Iterable[Any]) -> Iterator[str]:
    for who in whos:
        if isinstance(who, Mapping):
            if isinstance(role := who.get("role"), str):
                yield role
            yield from _roles(who.get("from", ()))
