"""The one way a record comes to be or changes: pages, API, imports, workflows, the command line.

Permission, merge, formulas, validation, references, keys, version, rows, history, workflow and
what follows in other records: one transaction, and nothing of it when one step says no.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from engine.access import Action
from engine.definitions.model import Entity
from engine.fields import bind
from engine.problems import Problem
from engine.records import flows, rows
from engine.records.computing import compute, hold_sums, live_values
from engine.records.evaluation import Relations
from engine.records.failures import Forbidden, Invalid, MissingVersion, NotFound
from engine.records.flows import creations
from engine.records.intake import cells_refused, holds, intake
from engine.records.reading import visible
from engine.records.references import check_references
from engine.records.storing import Saving, seen, stale, store_change, store_new
from engine.records.unit import Unit

Record = dict[str, Any]


def create(
    unit: Unit,
    entity: str,
    values: Mapping[str, object],
    *,
    comment: str = "",
    zone: tzinfo | None = None,
) -> Record:
    """A new record from values in wire form (or as people type them, times being of `zone`).

    Returns it as the actor may see it. Raises: NotFound, Forbidden, Invalid.
    """
    saving = draft(unit, entity, values, zone=zone)
    check(unit, saving)
    if saving.errors:
        raise Invalid(saving.errors)
    store_new(unit, [saving], comment)
    flows.started(unit, saving.entity, saving.new)
    return seen(unit, entity, saving.new)


creations.opens(create)


def draft(
    unit: Unit, entity: str, values: Mapping[str, object], *, zone: tzinfo | None = None
) -> Saving:
    """A new record before anything was checked but the right to create one and the keys."""
    definition = unit.entity(entity)
    if not unit.access(entity).may("create"):
        raise Forbidden("create", entity=definition.title)
    given, problems = intake(unit, definition, values, creating=True, zone=zone)
    # no id yet: 0 differs from every other, so that "parent != id" says what it means
    new = {"id": 0} | defaults(unit, definition) | _whole_rows(unit, definition, given, None)
    lines = _given_rows(definition, given)
    return Saving(definition, None, new, frozenset(given), Relations(unit), problems, lines)


def _given_rows(entity: Entity, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if entity.fields[name].rows is not None}


def _whole_rows(
    unit: Unit, entity: Entity, given: Mapping[str, Any], old: Mapping[str, Any] | None
) -> Record:
    """The given values with their rows made whole: a known row keeps what is not given (columns
    its writer does not see among it), a new one begins with its defaults."""
    found = dict(given)
    for name, lines in _given_rows(entity, given).items():
        inner = entity.fields[name].rows
        assert inner is not None
        before = {row["id"]: row for row in (old or {}).get(name) or ()}
        columns = {column.name: bind(column) for column in inner.fields.values()}
        whole = []
        for row in lines:
            known = before.get(row.get("id"))
            begin = known or {
                column: kind.default(unit.now, unit.actor.id, unit.zone)
                for column, kind in columns.items()
                if not kind.field.compute
            }
            whole.append({**begin, **row})
        found[name] = whole
    return found


def defaults(unit: Unit, entity: Entity) -> Record:
    """The values a new record begins with."""
    types = unit.app.types(entity)
    found = {
        name: kind.default(unit.now, unit.actor.id, unit.zone)
        for name, kind in types.items()
        if not kind.field.compute
    }
    return found | flows.initial_values(unit, entity)


def check(unit: Unit, saving: Saving) -> None:
    """Everything that may be said against the record, before the database is asked."""
    creating, entity, access = saving.old is None, saving.entity, unit.access(saving.entity.name)
    if saving.problems:
        saving.problems += _beside(unit, saving)
    else:
        _settle(unit, saving)
        saving.problems += rows.row_problems(entity, saving.old, saving.new)
        saving.problems += _kept_columns(saving)
        saving.problems += check_references(unit, entity, saving.new, saving.old, saving.relations)
    basis = saving.new if saving.old is None else saving.old
    refused = cells_refused(
        unit,
        entity,
        saving.given & access.fields.keys(),
        basis,
        saving.relations,
        creating=creating,
    )
    if creating and refused:  # a form gives every field: what was left as it began is no wish
        begun = defaults(unit, entity)
        refused = [
            one
            for one in refused
            if unit.app.types(entity)[name := one.pointer[1:]].changed(
                begun.get(name), saving.new.get(name)
            )
        ]
    saving.problems += refused
    allowed = access["create"]
    if not creating or allowed.always or saving.errors:
        return
    if not holds(unit, entity, allowed, saving.relations.env(saving.new)):
        raise Forbidden("create", entity=entity.title)


def _kept_columns(saving: Saving) -> list[Problem]:
    """Columns that the system fills may come back as they were shown, and not otherwise."""
    problems = []
    for name, given in saving.rows.items():
        inner = saving.entity.fields[name].rows
        assert inner is not None
        kept = [one for one in inner.fields.values() if one.compute or one.read_only]
        before = {row["id"]: row for row in (saving.old or {}).get(name) or ()}
        for at, (row, now) in enumerate(zip(given, saving.new.get(name) or (), strict=False)):
            for column in kept:
                if column.name not in row:
                    continue
                was = before.get(row.get("id"), {})
                if row[column.name] not in (now.get(column.name), was.get(column.name)):
                    pointer = f"/{name}/{at}/{column.name}"
                    problems.append(Problem("R202", {"field": column.title}, pointer))
    return problems


def _beside(unit: Unit, saving: Saving) -> list[Problem]:
    """What is wrong with the other fields while some could not be read: all mistakes are told at
    once. Rules wait, since they would judge values that nobody gave."""
    unread = frozenset(problem.field for problem in saving.problems)
    validator = unit.app.validator(saving.entity)
    checked = validator.check(saving.new, saving.relations.env({}, saving.old))
    found = validator.structure(checked.record, checked.hidden | unread)
    return [problem for problem in found if problem.field not in unread]


def _settle(unit: Unit, saving: Saving) -> None:
    """Rules that set or hide, formulas, and both phases of validation on the outcome."""
    entity, relations = saving.entity, saving.relations
    validator = unit.app.validator(entity)
    env = relations.env({}, saving.old)
    if validator.has_rules:
        hold_sums(unit, entity, saving.new, relations)
        saving.new = validator.settle(saving.new, env)
    problems = compute(unit, entity, saving.new, relations, saving.old)
    known = saving.new
    if validator.has_rules and unit.app.graph.computed[entity.name].live:
        known = live_values(unit, entity, known, relations)
    checked = validator.check(known, env)
    saving.problems += problems or checked.problems
    if validator.has_rules and not problems:
        saving.new = checked.record
        saving.problems += compute(unit, entity, saving.new, relations, saving.old)


def change(
    unit: Unit,
    entity: str,
    id: int,
    values: Mapping[str, object],
    version: int | None,
    *,
    comment: str = "",
    zone: tzinfo | None = None,
    action: str = "change",
) -> Record:
    """Change some fields of a record that was read in `version`; `action` is how the history calls
    it.

    Raises: NotFound, Forbidden, MissingVersion, Stale, Invalid.
    """
    definition = unit.entity(entity)
    old = current(unit, entity, id, "write")
    if version is None:
        raise MissingVersion
    if version != old["version"]:
        raise stale(unit, entity, id)
    given, problems = intake(
        unit,
        definition,
        values,
        creating=False,
        rights=flows.rights(unit, definition, old),
        zone=zone,
    )
    new = old | _whole_rows(unit, definition, given, old)
    lines = _given_rows(definition, given)
    saving = Saving(definition, old, new, frozenset(given), Relations(unit), problems, lines)
    check(unit, saving)
    if saving.errors:
        raise Invalid(saving.errors)
    if store_change(unit, saving, action=action, comment=comment):
        flows.changed(unit, definition, old, saving.new)
    return seen(unit, entity, saving.new)


def current(unit: Unit, entity: str, id: int, action: Action) -> Record:
    """The whole record, locked, for somebody who may act on it.

    Raises: NotFound when he does not see it, Forbidden when he does.
    """
    access = unit.access(entity)
    lock = unit.app.database.kind != "sqlite"
    old = unit.app.reader.load(unit.connection, entity, id, lock=lock)
    if old is None or (not access["read"].always and not visible(unit, entity, [id])):
        raise NotFound
    allowed = access[action]
    if not allowed.always and not visible(unit, entity, [id], action=action):
        raise Forbidden(action, entity=unit.app.model.entities[entity].title)
    return old
