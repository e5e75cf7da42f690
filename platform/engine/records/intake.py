"""What comes in from outside: which keys may be set at all, by whom, and what they mean.

Nothing is dropped in silence. A key that is not a field, or a field the actor may not know of, is
refused as unknown; one that the system keeps, or that is not his to write, is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any, Final

from engine.access import Allowed, EntityAccess, FieldAccess, writable
from engine.definitions.model import Entity, Field
from engine.expressions import Env, ExpressionError
from engine.expressions import compile as compile_expression
from engine.fields import bind
from engine.fields.codes import AutoNumberType
from engine.problems import Problem
from engine.records.evaluation import Relations
from engine.records.failures import Invalid
from engine.records.unit import Unit

DEEPEST: Final = 12  # levels of JSON; a record has lines, lines have lists

Rights = Mapping[str, str]  # field -> hidden, read, write or required, from the workflow's state


def intake(
    unit: Unit,
    entity: Entity,
    raw: Mapping[str, object],
    *,
    creating: bool,
    rights: Rights | None = None,
    zone: tzinfo | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """The parsed values and every problem with the keys and the values."""
    if not isinstance(raw, Mapping):
        raise Invalid([Problem("R203")])
    access = unit.access(entity.name)
    problems: list[Problem] = []
    wanted: dict[str, object] = {}
    for name, value in raw.items():
        problem = _refused(unit, entity, access, str(name), creating, rights or {})
        if problem is not None:
            problems.append(problem)
        elif _depth(value) > DEEPEST:
            problems.append(Problem("R210", {}, f"/{name}"))
        else:
            wanted[name] = value
    values, bad = unit.app.validator(entity).read(wanted, zone)
    for name, value in values.items():
        if entity.fields[name].rows is not None and not unit.actor.system:
            problems += _columns_refused(entity.fields[name], access.fields[name], value, creating)
    return values, problems + bad


def _columns_refused(
    field: Field, access: FieldAccess, rows: Iterable[Mapping[str, Any]], creating: bool
) -> list[Problem]:
    """Columns of rows that are not the actor's to set; formulas are judged once they are known."""
    assert field.rows is not None
    found = []
    for at, row in enumerate(rows):
        for name, column in access.columns.items():
            definition = field.rows.fields[name]
            allowed = column.create if creating else column.write
            if name not in row or allowed.ever or not writable(definition):
                continue
            pointer = f"/{field.name}/{at}/{name}"
            if column.read.ever or column.masked.ever:
                found.append(Problem("A002", {"field": definition.title}, pointer))
            else:
                found.append(Problem("R201", {"field": name}, pointer))
    return found


def _refused(
    unit: Unit, entity: Entity, access: EntityAccess, name: str, creating: bool, rights: Rights
) -> Problem | None:
    pointer = f"/{name[:64]}"
    field = entity.fields.get(name)
    if name in {"id", "version", "removed_at"} and field is None:
        return Problem("R202", {"field": name}, pointer)
    if field is None:
        return Problem("R201", {"field": name[:64]}, pointer)
    if kept_by_system(unit, entity, field):
        if not access.shown(name):
            return Problem("R201", {"field": name}, pointer)
        return Problem("R202", {"field": field.title}, pointer)
    cell = access.fields[name]
    allowed = cell.create if creating else cell.write
    if not allowed.ever and not unit.actor.system:
        if not access.shown(name):
            return Problem("R201", {"field": name}, pointer)
        return Problem("A002", {"field": field.title}, pointer)
    if rights.get(name) in {"read", "hidden"} and not unit.actor.system:
        return Problem("A003", {"field": field.title}, pointer)
    return None


def kept_by_system(unit: Unit, entity: Entity, field: Field) -> bool:
    """Whether nobody sets the field from outside. The platform itself may fill what is only
    read-only to people: sample data and imports of old records have a state already."""
    if field.system or field.compute:
        return True
    if unit.actor.system:
        return False
    flow = unit.app.workflow(entity.name)
    return (
        field.read_only
        or isinstance(bind(field), AutoNumberType)
        or (flow is not None and flow.state_field == field.name)
    )


def cells_refused(
    unit: Unit,
    entity: Entity,
    given: Iterable[str],
    record: Mapping[str, Any],
    relations: Relations,
    *,
    creating: bool,
) -> list[Problem]:
    """The given fields whose own predicate does not hold on `record`."""
    access = unit.access(entity.name)
    env: Env | None = None
    found = []
    for name in given:
        cell = access.fields[name]
        allowed = cell.create if creating else cell.write
        if allowed.always or unit.actor.system:
            continue
        env = env or relations.env(record)
        if not holds(unit, entity, allowed, env):
            found.append(Problem("A002", {"field": entity.fields[name].title}, f"/{name}"))
    return found


def holds(unit: Unit, entity: Entity, allowed: Allowed, env: Env) -> bool:
    """A predicate of access on a record at hand. One that cannot be evaluated denies."""
    if isinstance(allowed.node, bool):
        return allowed.node
    node = allowed.node
    try:
        evaluate = unit.app.kept(
            ("predicate", entity.name, node),
            lambda: compile_expression(node, unit.app.scope(entity)),
        )
        return evaluate(env) is True
    except ExpressionError:
        return False


def _depth(value: object) -> int:
    """How many levels a value has, counted without recursion: it may be hostile."""
    level, current = 0, [value]
    while current and level <= DEEPEST:
        level += 1
        current = [
            inner
            for outer in current
            if isinstance(outer, Mapping | list | tuple)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return level
