"""How many records a changed right gives or takes, asked of the present tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.access.differing import Changed
from engine.access.predicates import Term
from engine.definitions.model import Entity
from engine.expressions import ExpressionError
from engine.expressions.tree import Node, paths
from engine.problems import Problem
from engine.records.application import Application
from engine.records.sqlnames import SqlNames
from engine.records.unit import SYSTEM, Actor, Unit
from engine.records.views import unit_env

STATEMENTS: Final = 400  # of one comparison; what is left over is told
_SUMS: Final = 40  # of one statement
Counts = Mapping[tuple[str, str], tuple[int, int]]  # (action, field) -> rows gained, rows lost


class Counter:
    """Counts for one person after the other; remembers what it could not count."""

    def __init__(self, app: Application, connection: sa.Connection) -> None:
        self._unit = Unit(app, connection, SYSTEM, datetime.now(UTC), "publish")
        self._statements = 0
        self._left = 0
        self._unknown: dict[tuple[str, str, str], Problem] = {}

    def counts(
        self, before: Entity, after: Entity, found: Sequence[Changed], actor: Actor
    ) -> Counts:
        """Rows gained and lost by somebody; what cannot be counted is not in the answer."""
        unit = replace(self._unit, actor=actor)
        names = unit.app.names(before.name, unit_env(unit), plain=True)
        asked: list[tuple[tuple[str, str], tuple[Any, Any]]] = []
        for one in found:
            if one.action == "create":
                continue
            try:
                sides = _truth(names, one.before), _truth(names, one.after)
            except ExpressionError as error:
                self._note(after, one, error)
                continue
            asked.append(((one.action, one.field), sides))
        answers: dict[tuple[str, str], tuple[int, int]] = {}
        for at in range(0, len(asked), _SUMS // 2):
            part = asked[at : at + _SUMS // 2]
            if self._statements >= STATEMENTS:
                self._left += 1
                continue
            self._statements += 1
            row = unit.connection.execute(_statement(names, [sides for _, sides in part])).one()
            for index, (key, _) in enumerate(part):
                answers[key] = (int(row[2 * index] or 0), int(row[2 * index + 1] or 0))
        return answers

    def remarks(self) -> list[Problem]:
        """What was left uncounted, and why."""
        found = list(self._unknown.values())
        if self._left:
            found.append(Problem("G212", {"count": STATEMENTS, "left": self._left}))
        return found

    def _note(self, entity: Entity, one: Changed, error: ExpressionError) -> None:
        field = entity.fields.get(one.field)
        params = {
            "entity": entity.plural or entity.title,
            "field": field.title if field else {},
            "names": _unknown(self._unit, entity, one.after) or _found(error),
        }
        self._unknown.setdefault((entity.name, one.action, one.field), Problem("G211", params))


def _found(error: ExpressionError) -> str:
    return str(error.problem.params.get("found", ""))


def _unknown(unit: Unit, entity: Entity, term: Term) -> list[Any]:
    """The fields a predicate names that the present version does not have."""
    present = unit.app.model.entities.get(entity.name)
    if isinstance(term, bool) or present is None:
        return []
    roots = dict.fromkeys(path[0] for path in paths(term))
    return [
        entity.fields[name].title
        for name in roots
        if name in entity.fields and name not in present.fields
    ]


def _truth(names: SqlNames, term: Term) -> sa.ColumnElement[bool]:
    if isinstance(term, Node):
        return names.truth(term)
    return sa.true() if term else sa.false()


def _statement(
    names: SqlNames, sides: Sequence[tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]]
) -> sa.Select[Any]:
    sums = [
        sa.func.sum(sa.case((one, 1), else_=0))
        for before, after in sides
        for one in (sa.and_(after, sa.not_(before)), sa.and_(before, sa.not_(after)))
    ]
    living = names.place.removed_at.is_(None)
    return sa.select(*sums).select_from(names.table).where(living)
