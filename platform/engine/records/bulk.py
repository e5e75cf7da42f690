"""Many new records at once: imports and sample data. The same checks as for one, the same path;
only what can be shared is: compiled statements, what references were found to exist, one
`executemany` per table, one round of formulas in other records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final

from engine.problems import Problem
from engine.records import flows
from engine.records.evaluation import Relations
from engine.records.failures import Failure, Forbidden, Invalid
from engine.records.storing import Saving, store_new
from engine.records.unit import Unit
from engine.records.writing import check, draft

PORTION: Final = 500


@dataclass(slots=True)
class Outcome:
    """What became of one of the given records: its id, or why it was not taken."""

    id: int | None = None
    problems: list[Problem] = field(default_factory=list)


def create_many(
    unit: Unit,
    entity: str,
    rows: Iterable[Mapping[str, object]],
    *,
    comment: str = "",
    zone: tzinfo | None = None,
) -> list[Outcome]:
    """New records, each good one written, each bad one told with its problems; in the unit's one
    transaction, so that the caller may still undo all of them.

    Raises: NotFound, Forbidden when the actor may create none at all.
    """
    definition = unit.entity(entity)
    if not unit.access(entity).may("create"):
        raise Forbidden("create", entity=definition.title)
    outcomes: list[Outcome] = []
    waiting: list[tuple[Saving, Outcome]] = []
    relations = Relations(unit)
    for values in rows:
        outcome = Outcome()
        outcomes.append(outcome)
        saving = _prepared(unit, entity, values, relations, outcome, zone)
        if saving is not None:
            waiting.append((saving, outcome))
        if len(waiting) >= PORTION:
            _flush(unit, waiting, comment)
            relations.forget()
    _flush(unit, waiting, comment)
    return outcomes


def _prepared(
    unit: Unit,
    entity: str,
    values: Mapping[str, object],
    relations: Relations,
    outcome: Outcome,
    zone: tzinfo | None,
) -> Saving | None:
    try:
        saving = draft(unit, entity, values, zone=zone)
        saving.relations = relations
        check(unit, saving)
    except Failure as failure:
        outcome.problems += failure.problems
        return None
    outcome.problems += saving.problems
    return None if saving.errors else saving


def _flush(unit: Unit, waiting: list[tuple[Saving, Outcome]], comment: str) -> None:
    """Write a portion; when the database objects, one by one to find out to which."""
    portion = list(waiting)
    waiting.clear()
    if not portion:
        return
    try:
        with unit.connection.begin_nested():
            _store(unit, [saving for saving, _ in portion], comment)
    except Invalid:
        for saving, outcome in portion:
            try:
                with unit.connection.begin_nested():
                    _store(unit, [saving], comment)
            except Failure as failure:
                outcome.problems += failure.problems
                continue
            outcome.id = saving.new["id"]
        return
    for saving, outcome in portion:
        outcome.id = saving.new["id"]


def _store(unit: Unit, savings: Sequence[Saving], comment: str) -> None:
    store_new(unit, list(savings), comment)
    for saving in savings:
        new: dict[str, Any] = saving.new
        flows.started(unit, saving.entity, new)
