"""Computed values: those of the record being saved, and those of other records that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import ExpressionError, dependencies, parse
from engine.fields import BadValue, bind
from engine.problems import Problem
from engine.records import rows
from engine.records.evaluation import Relations
from engine.records.failures import Invalid
from engine.records.graph import Step, Trigger, compute_order, own_paths
from engine.records.reader import Record, pointing
from engine.records.unit import Unit
from engine.storage import Statement
from engine.tables import EntityTable, search

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
    problems = _all_rows(unit, entity, record, relations)
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


def _all_rows(
    unit: Unit, entity: Entity, record: MutableMapping[str, Any], relations: Relations
) -> list[Problem]:
    problems: list[Problem] = []
    for field in entity.fields.values():
        if field.rows is not None and any(one.compute for one in field.rows.fields.values()):
            problems += _rows(unit, field, record, relations)
    return problems


def _rows(
    unit: Unit, field: Field, record: MutableMapping[str, Any], relations: Relations
) -> list[Problem]:
    inner = field.rows
    assert inner is not None
    order = unit.app.kept(("rows", inner.name), lambda: compute_order(unit.app.model, inner))
    problems: list[Problem] = []
    computed = []
    for at, given in enumerate(record.get(field.name) or ()):
        row = dict(given)
        for column in (*order.early, *order.late):
            found = _one(unit, inner, column, row, relations, None)
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

    def refill(self, entity: str, *, lines: bool = False) -> None:
        """Compute all records of an entity again, slice by slice, those in the recycle bin too:
        its formulas are new or mean something else. `lines`: so are those of its rows."""
        place = self.unit.app.tables.of(entity)
        last = 0
        query = sa.select(place.id).order_by(place.id).limit(PORTION)
        while ids := list(self.unit.connection.scalars(query.where(place.id > last))):
            self._again(entity, ids, lines=lines, guard=False)
            last = ids[-1]

    def _follow(self, trigger: Trigger, state: Mapping[str, Any]) -> Iterable[int]:
        """The ids at the end of the trigger's way back."""
        first, *rest = trigger.back
        ids = set(_step_from(self.unit, first, state))
        for step in rest:
            ids = {found for id in ids for found in _step(self.unit, step, id)}
        return ids

    def run(self, *, guard: bool = True) -> None:
        """Compute until nothing changes any more. Without `guard` no rule is asked: publishing
        refuses nobody's records, they are checked when somebody saves them next."""
        for _ in range(ROUNDS):
            if not self.wanted:
                return
            wanted, self.wanted = sorted(self.wanted), {}
            by_entity: dict[str, list[int]] = {}
            for entity, id in wanted:
                by_entity.setdefault(entity, []).append(id)
            for entity, ids in by_entity.items():
                for start in range(0, len(ids), PORTION):
                    self._again(entity, ids[start : start + PORTION], guard=guard)

    def _again(
        self, name: str, ids: Sequence[int], *, lines: bool = False, guard: bool = True
    ) -> None:
        """Compute all stored formulas of some records and write what changed.

        The rows are locked first: on PostgreSQL two contracts saved at once would else each miss
        the other in the customer's sum. For the same reason `guard` asks the rules over sums here,
        under the lock: the last receipt to come is refused when all together exceed what is due.
        """
        unit = self.unit
        entity = unit.app.model.entities[name]
        relations = Relations(unit)
        records = unit.app.reader.load_many(
            unit.connection, name, ids, removed=True, lock=unit.app.database.kind != "sqlite"
        )
        formulas = [*unit.app.graph.computed[name].early, *unit.app.graph.computed[name].late]
        relations.expect(entity, records, (path for one in formulas for path in own_paths(one)))
        problems: list[Problem] = []
        written: list[tuple[Record, Record]] = []
        for old in records:
            new: Record = dict(old)
            if lines:
                problems += _all_rows(unit, entity, new, relations)
            for field in formulas:
                problems += _one(unit, entity, field, new, relations, None)
            if new != old:
                written.append((old, new))
                problems += broken(unit, entity, old, new) if guard else ()
        if problems:
            raise Invalid(problems)
        write_values(unit, entity, written)
        # what was read for this portion may be older than what it wrote: whoever depends on that
        # is computed once more in the next round
        for old, new in written:
            self._chain(name, old, new)

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


def write_values(
    unit: Unit, entity: Entity, written: Sequence[tuple[Mapping[str, Any], Record]]
) -> None:
    """Set columns of records (before, now) without counting it as a change of somebody's.

    Neither version nor history: a formula's values follow from what people wrote, and that is
    in the history already. A version more would refuse everybody who has the record open.
    """
    place = unit.app.tables.of(entity.name)
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for old, new in written:
        names = tuple(n for n in new if n in place.columns and new[n] != old.get(n))
        if names:
            values = {f"v_{name}": new[name] for name in names}
            groups.setdefault(names, []).append({"id_": new["id"], **values})
        for name, inner in place.lines.items():
            rows.update_rows(unit, inner, old.get(name) or (), new.get(name) or ())
    for names, values_of in groups.items():
        _setter(unit, place, names).run_many(unit.connection, values_of)
    if place.search is not None:
        fields = place.search.fields
        found = [new for old, new in written if any(new.get(n) != old.get(n) for n in fields)]
        texts = [(new["id"], [new.get(name) for name in fields]) for new in found]
        search.index_many(unit.connection, place.search, texts)


def _setter(unit: Unit, place: EntityTable, names: tuple[str, ...]) -> Statement:
    def build() -> sa.Executable:
        columns = {name: place.columns[name] for name in names}
        return (
            sa.update(place.table)
            .where(place.id == sa.bindparam("id_", type_=place.id.type))
            .values({c: sa.bindparam(f"v_{name}", type_=c.type) for name, c in columns.items()})
        )

    return unit.app.statement(("set", place.name, names), build)


# --- rules over sums -----------------------------------------------------------------------------
def broken(
    unit: Unit, entity: Entity, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[Problem]:
    """The asserts that held of a record and do not hold with its new computed values.

    What was broken before is not held against somebody who changed another record.
    """
    if "removed_at" in old:
        return []
    guards: Mapping[str, frozenset[str]] = unit.app.kept(
        ("guards", entity.name), lambda: _guards(entity)
    )
    rules = {id for id, names in guards.items() if any(new.get(n) != old.get(n) for n in names)}
    if not rules:
        return []
    found = []
    validator, relations = unit.app.validator(entity), Relations(unit)
    for record in (new, old):
        whole = live_values(unit, entity, record, relations)
        found.append(validator.broken(whole, relations.env({}, old), rules))
    before = {one.params["rule"] for one in found[1]}
    # the form is another record's: there is no field of its own to show it at
    return [replace(one, pointer="") for one in found[0] if one.params["rule"] not in before]


def hold_sums(unit: Unit, entity: Entity, record: Mapping[str, Any], relations: Relations) -> None:
    """Hold the records whose sums the rules ask for, before they are asked: a receipt looks at
    what is still due, and the next one has to wait until it knows what this one left."""
    links: tuple[Field, ...] = unit.app.kept(
        ("sums", entity.name), lambda: _links_to_sums(unit, entity)
    )
    for link in links:
        if (id := record.get(link.name)) is not None:
            assert link.reference is not None
            relations.hold(link.reference.to, id)


def _links_to_sums(unit: Unit, entity: Entity) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for rule in entity.rules.values():
        for source in filter(None, (rule.when, rule.check)):
            for name, *rest in dependencies(parse(source)):
                link = entity.fields.get(name)
                if rest and link and link.reference and not link.multiple:
                    target = unit.app.model.entities[link.reference.to]
                    if rule.level == "error" and _stored(target, [tuple(rest)]):
                        found[name] = link
    return tuple(found.values())


def _guards(entity: Entity) -> dict[str, frozenset[str]]:
    """The asserts that look at stored computed fields of the record itself, and at which."""
    found = {}
    for id, rule in entity.rules.items():
        if rule.check and rule.level == "error":
            seen: set[str] = set()
            for source in filter(None, (rule.when, rule.check)):
                seen |= _stored(entity, dependencies(parse(source)))
            if seen:
                found[id] = frozenset(seen)
    return found


def _stored(entity: Entity, paths: Iterable[tuple[str, ...]]) -> set[str]:
    """The stored computed fields among paths, through those without a column."""
    found: set[str] = set()
    for path in paths:
        field = entity.fields.get(path[0])
        if field is not None and field.compute:
            found |= {field.name} if field.compute.store else _stored(entity, own_paths(field))
    return found
