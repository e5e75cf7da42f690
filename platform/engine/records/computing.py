"""Computed values: those of the record being saved, and those of other records that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import ExpressionError
from engine.fields import BadValue, bind
from engine.problems import Problem
from engine.records.evaluation import Relations
from engine.records.failures import Invalid
from engine.records.graph import Step, Trigger, compute_order
from engine.records.reader import Record, pointing
from engine.records.unit import Unit

ROUNDS: Final = 50  # how far one change may ripple; circles are refused at publishing
PORTION: Final = 400


def compute(
    unit: Unit,
    entity: Entity,
    record: MutableMapping[str, Any],
    relations: Relations,
    old: Mapping[str, Any] | None = None,
) -> list[Problem]:
    """Fill the stored computed fields that do not look at other records pointing here, those of
    the rows first."""
    problems: list[Problem] = []
    for field in entity.fields.values():
        if field.rows is not None and _computed_rows(field.rows):
            problems += _rows(unit, field, record, relations)
    for field in unit.app.graph.computed[entity.name].early:
        problems += _one(unit, entity, field, record, relations, old)
    return problems


def live_values(
    unit: Unit, entity: Entity, record: Mapping[str, Any], relations: Relations
) -> dict[str, Any]:
    """The computed fields without a column, for rules that name them."""
    found: dict[str, Any] = dict(record)
    for field in unit.app.graph.computed[entity.name].live:
        _one(unit, entity, field, found, relations, None)
    return found


def _computed_rows(rows: Entity) -> bool:
    return any(field.compute for field in rows.fields.values())


def _rows(
    unit: Unit, field: Field, record: MutableMapping[str, Any], relations: Relations
) -> list[Problem]:
    assert field.rows is not None
    rows = field.rows
    order = unit.app.kept(("rows", rows.name), lambda: compute_order(unit.app.model, rows))
    problems: list[Problem] = []
    computed = []
    for at, given in enumerate(record.get(field.name) or ()):
        row = dict(given)
        for inner in (*order.early, *order.late):
            found = _one(unit, rows, inner, row, relations, None)
            problems += [problem.under(f"/{field.name}/{at}") for problem in found]
        computed.append(row)
    record[field.name] = computed
    return problems


def _one(
    unit: Unit,
    entity: Entity,
    field: Field,
    record: MutableMapping[str, Any],
    relations: Relations,
    old: Mapping[str, Any] | None,
) -> list[Problem]:
    try:
        value = unit.app.formula(entity, field)(relations.env(record, old))
        record[field.name] = bind(field).from_expression(value)
    except BadValue as bad:
        return [problem.under(f"/{field.name}") for problem in bad.found(field)]
    except ExpressionError as error:
        params = {"field": field.title, "reason": str(error)}
        return [Problem("R214", params, f"/{field.name}")]
    return []


# --- other records -----------------------------------------------------------------------------
class Ripple:
    """Collects what has to be computed again, then does it, round by round."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.wanted: dict[tuple[str, int], None] = {}

    def changed(
        self, entity: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
    ) -> None:
        """A record was written: `old` None when it is new or back, `new` None when it went."""
        record = new if new is not None else old
        assert record is not None
        for trigger in self.unit.app.graph.triggers.get(entity, ()):
            if old is not None and new is not None and _same(trigger, old, new):
                continue
            for state in (old, new):
                if state is not None:
                    for target in self._follow(trigger, state):
                        self.wanted[(trigger.target[0], target)] = None
        late = self.unit.app.graph.computed[entity].late
        if late and new is not None:
            self.wanted[(entity, record["id"])] = None

    def everything(self, entity: str) -> None:
        """Compute all records of an entity again: its formulas are new or were changed."""
        place = self.unit.app.tables.of(entity)
        for id in self.unit.connection.scalars(sa.select(place.id).order_by(place.id)):
            self.wanted[(entity, id)] = None

    def _follow(self, trigger: Trigger, state: Mapping[str, Any]) -> Iterable[int]:
        """The ids at the end of the trigger's way back."""
        first, *rest = trigger.back
        ids = set(_step_from(self.unit, first, state))
        for step in rest:
            ids = {found for id in ids for found in _step(self.unit, step, id)}
        return ids

    def run(self) -> None:
        """Compute until nothing changes any more."""
        for _ in range(ROUNDS):
            if not self.wanted:
                return
            wanted, self.wanted = sorted(self.wanted), {}
            by_entity: dict[str, list[int]] = {}
            for entity, id in wanted:
                by_entity.setdefault(entity, []).append(id)
            for entity, ids in by_entity.items():
                for start in range(0, len(ids), PORTION):
                    self._again(entity, ids[start : start + PORTION])

    def _again(self, name: str, ids: Sequence[int]) -> None:
        """Compute all stored formulas of some records and write what changed.

        The rows are locked first: on PostgreSQL two contracts saved at once would else each miss
        the other in the customer's sum.
        """
        unit = self.unit
        entity = unit.app.model.entities[name]
        order = unit.app.graph.computed[name]
        relations = Relations(unit)
        records = unit.app.reader.load_many(
            unit.connection, name, ids, removed=True, lock=unit.app.database.kind != "sqlite"
        )
        problems: list[Problem] = []
        for old in records:
            new: Record = dict(old)
            for field in (*order.early, *order.late):
                problems += _one(unit, entity, field, new, relations, None)
            values = {
                field.name: new[field.name]
                for field in (*order.early, *order.late)
                if new.get(field.name) != old.get(field.name)
            }
            if values:
                write_values(unit, name, old["id"], values)
                relations.forget()
                self._chain(name, old, new)
        if problems:
            raise Invalid(problems)

    def _chain(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        for trigger in self.unit.app.graph.triggers.get(name, ()):
            if not _same(trigger, old, new):
                for target in self._follow(trigger, new):
                    self.wanted[(trigger.target[0], target)] = None


def _same(trigger: Trigger, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(old.get(trigger.field) == new.get(trigger.field))


def _step_from(unit: Unit, step: Step, state: Mapping[str, Any]) -> Iterable[int]:
    if step.kind == "referrers":
        return _step(unit, step, state["id"])
    value = state.get(step.field)
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _step(unit: Unit, step: Step, id: int) -> Iterable[int]:
    if step.kind == "value":
        record = unit.app.reader.load(unit.connection, step.source, id, removed=True)
        return _step_from(unit, step, record) if record else ()
    place = unit.app.tables.of(step.entity)
    link = unit.app.model.entities[step.entity].fields[step.field]
    statement = unit.app.statement(
        ("pointing", step.entity, step.field),
        lambda: sa.select(place.id).where(pointing(place, link)),
    )
    return [row["id"] for row in statement.rows(unit.connection, {"target": id})]


def write_values(unit: Unit, entity: str, id: int, values: Mapping[str, Any]) -> None:
    """Set columns of a record without counting it as a change of somebody's."""
    place = unit.app.tables.of(entity)
    names = tuple(sorted(name for name in values if name in place.columns))
    if not names:
        return
    statement = unit.app.statement(
        ("set", entity, names),
        lambda: (
            sa.update(place.table)
            .where(place.id == sa.bindparam("id_", type_=place.id.type))
            .values(
                {
                    place.columns[name]: sa.bindparam(f"v_{name}", type_=place.columns[name].type)
                    for name in names
                }
            )
        ),
    )
    statement.run(unit.connection, {"id_": id, **{f"v_{name}": values[name] for name in names}})
