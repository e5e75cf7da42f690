"""Checks of the manifest (menus, cards, languages) and of what a workflow points at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from engine.definitions.checking import guess, near
from engine.definitions.document import Findings, pointer
from engine.definitions.model import Model, Workflow
from engine.definitions.names import NUMBERS


def lint_pack(model: Model, findings: Findings, entities: Collection[str],
              field_names: Callable[[str], Collection[str]]) -> None:  # fmt: skip
    """Reports what in the merged manifest leads nowhere."""
    data = findings.data
    for at, said in _menus(data.get("menus"), "/menus"):
        if "entity" in said:
            _entity(said["entity"], f"{at}/entity", findings, entities)
        if ("entity" in said) == ("items" in said):
            findings.add("D077", at)
        elif "items" in said and not said.get("title"):
            findings.add("D021", at, key="title")
    for name, said in _maps(data.get("cards")):
        at = pointer("cards", name)
        if "entity" in said:
            _entity(said["entity"], f"{at}/entity", findings, entities)
            _measure(said, at, model, findings, field_names)
        for index, role in enumerate(said.get("roles") or ()):
            if role not in model.roles:
                params = near(str(role), model.roles)
                findings.add("D061", f"{at}/roles/{index}", role=role, **params)
    if model.timezone not in _timezones():
        findings.add("D081", "/timezone", timezone=model.timezone,
                     guess=guess(model.timezone, _timezones()))  # fmt: skip
    _calendar(model, findings)
    if not any(role.admin for role in model.roles.values()):
        findings.warn("D080", "/roles")
    if not entities:
        findings.warn("D087", "")


def _calendar(model: Model, findings: Findings) -> None:
    """The spans of a working day follow each other, and the single days are days."""
    before = ""
    for at, (opens, closes) in enumerate(model.calendar.hours):
        if not before <= opens < closes:
            findings.add("H110", f"/calendar/hours/{at}", opens=opens, closes=closes)
            return
        before = closes
    for day in model.calendar.days:
        try:
            date.fromisoformat(day)
        except ValueError:
            findings.add("H112", pointer("calendar", "days", day), day=day)


def lint_workflow(flow: Workflow, model: Model, findings: Findings, entities: Collection[str],
                  fields: Mapping[str, Collection[str]]) -> None:  # fmt: skip
    """Reports an entity or state field that is not there, and two workflows for one entity."""
    if flow.entity not in entities:
        _entity(flow.entity, "/entity", findings, entities)
        return
    entity = model.entities.get(flow.entity)
    if flow.state_field and entity:
        found = entity.fields.get(flow.state_field)
        if found is None and flow.state_field not in fields.get(flow.entity, ()):
            findings.add("D060", "/stateField", field=flow.state_field, entity=flow.entity,
                         **near(flow.state_field, entity.fields))  # fmt: skip
        elif found and found.type != "choice":
            findings.add("D084", "/stateField", field=flow.state_field, type=found.type)
    for other in model.workflows.values():
        twins = (other.entity, other.state_field) == (flow.entity, flow.state_field)
        if twins and other.file < flow.file:
            findings.add("D085", "/entity", entity=flow.entity, other=other.id)


def _entity(name: Any, at: str, findings: Findings, entities: Collection[str]) -> None:
    if isinstance(name, str) and name not in entities:
        findings.add("D062", at, entity=name, **near(name, entities))


def _measure(said: Mapping[str, Any], at: str, model: Model, findings: Findings,
             field_names: Callable[[str], Collection[str]]) -> None:  # fmt: skip
    _, _, name = str(said.get("measure", "")).partition(":")
    entity = model.entities.get(said["entity"]) if isinstance(said["entity"], str) else None
    if not name or entity is None:
        return
    found = entity.fields.get(name)
    if found is None and name not in field_names(entity.name):
        findings.add("D060", f"{at}/measure", field=name, entity=entity.name,
                     **near(name, entity.fields))  # fmt: skip
    elif found and found.type not in NUMBERS:
        findings.add("D078", f"{at}/measure", field=name, type=found.type)


def _menus(said: Any, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every menu entry with its pointer, groups before their entries."""
    for name, entry in _maps(said):
        here = at + pointer(name)
        yield here, entry
        yield from _menus(entry.get("items"), f"{here}/items")


def _maps(said: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in said.items() if isinstance(said, Mapping) else ():
        if isinstance(entry, Mapping):
            yield name, entry


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
