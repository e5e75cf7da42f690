"""Where a role is needed: by people, workflows, running cases and expressions. A role that somebody
or something needs cannot go; what it may do goes with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.definitions.layers import Sources, stack
from engine.definitions.model import Label
from engine.records.definition_drafts import pack_of
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow.chart import label_of

_USER, _ROLE = system.USER, system.USER_ROLE
_DEFINITION, _INSTANCE = system.WF_DEFINITION, system.WF_INSTANCE
_NAMING: Final = frozenset({"role", "untilRole"})


@dataclass(frozen=True, slots=True)
class Use:
    """Something that needs the role: a person, a workflow as it is published, running cases of an
    older version, or a definition with an expression that asks for the role."""

    kind: Literal["person", "workflow", "cases", "expression"]
    name: str
    title: Label


def role_uses(unit: Unit, role: str, sources: Sources) -> list[Use]:
    """Everything that needs a role, in the company as `sources` would make it."""
    layers = stack(sources, pack_of(unit))
    found = [*_people(unit, role)]
    for name, merged in layers.workflows.items():
        if names_role(merged.data, role):
            found.append(Use("workflow", name, label_of(merged.data.get("title"))))
    found += _cases(unit, role, {one.name for one in found if one.kind == "workflow"})
    for name, merged in layers.entities.items():
        if asks_role(merged.data, role):
            title = merged.data.get("title", name)
            found.append(Use("expression", name, {"": str(title)}))
    return found


def counts(unit: Unit) -> dict[str, int]:
    """How many people hold each role, with an open account."""
    query = (
        sa.select(_ROLE.c.role, sa.func.count())
        .join(_USER, _USER.c.id == _ROLE.c.user_id)
        .where(_USER.c.disabled_at.is_(None))
        .group_by(_ROLE.c.role)
    )
    return {str(role): int(count) for role, count in unit.connection.execute(query)}


def _people(unit: Unit, role: str) -> Iterator[Use]:
    query = (
        sa.select(_USER.c.login, _USER.c.name)
        .join(_ROLE, _ROLE.c.user_id == _USER.c.id)
        .where(_ROLE.c.role == role)
        .order_by(_USER.c.name, _USER.c.id)
    )
    for login, name in unit.connection.execute(query):
        yield Use("person", login, {"": name})


def _cases(unit: Unit, role: str, published: set[str]) -> Iterator[Use]:
    """Versions of workflows that nobody publishes any more, and cases still run on."""
    running = sa.select(_INSTANCE.c.definition_id).where(_INSTANCE.c.done_at.is_(None))
    query = sa.select(_DEFINITION.c.workflow, _DEFINITION.c.body)
    seen = set(published)
    for workflow, body in unit.connection.execute(query.where(_DEFINITION.c.id.in_(running))):
        chart = json.loads(body)
        if workflow not in seen and names_role(chart, role):
            seen.add(workflow)
            yield Use("cases", workflow, label_of(chart.get("title")))


def names_role(value: Any, role: str) -> bool:
    """Whether a workflow's document asks the holders of a role, or has an expression that does."""
    if isinstance(value, Mapping):
        return any(
            (key in _NAMING and inner == role) or names_role(inner, role)
            for key, inner in value.items()
        )
    if isinstance(value, list | tuple):
        return any(names_role(one, role) for one in value)
    return asks_role(value, role)


def asks_role(value: Any, role: str) -> bool:
    """Whether an expression somewhere in a document asks for a role by its name."""
    if isinstance(value, Mapping):
        return any(asks_role(inner, role) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(asks_role(one, role) for one in value)
    if not isinstance(value, str) or ("has_role" not in value and "roles" not in value):
        return False
    return re.search(rf"""(['"]){re.escape(role)}\1""", value) is not None
