"""Checks that need the whole model and the expression language: every expression is typed where it
stands, formulas run in no circle, row permissions can be asked of the database, workflows and the
queries of menus and cards are sound.

Every problem carries the file, the JSON pointer and the line it stands at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from engine.definitions.document import Merged, pointer
from engine.definitions.layers import Layers
from engine.definitions.model import Entity, Field, FormPart, Grant, Model, Workflow
from engine.expressions import ExpressionError, Scope, check, dependencies, parse, scope_of
from engine.expressions.functions import FUNCTIONS
from engine.expressions.tree import Call, Node, paths, walk
from engine.expressions.types import BOOL, DATE, DATETIME, ListOf, RecordOf, Type
from engine.fields import bind
from engine.lists import Condition, Filter, parse_query
from engine.packs.notices import check_notices, check_uses
from engine.problems import Problem, Severity
from engine.records.acting import blind_roles
from engine.records.worktime import known_country
from engine.workflow import check_chart, compile_chart, expressions_of, types_at

_ACTIONS = ("read", "write", "create", "delete", "export", "share", "reveal")
# The same for a whole statement: records fill them in.
_GIVEN = frozenset({"me", "my"})


def check_model(model: Model, layers: Layers, icons: Collection[str] = ()) -> list[Problem]:
    """All problems of expressions, fields, workflows and queries of a model built from `layers`;
    with `icons`, also of names of icons that nobody could draw."""
    found: list[Problem] = []
    for entity in model.entities.values():
        about = layers.entities[entity.name]
        found += [_located(problem, about) for problem in _entity(model, entity)]
        drawn = about.data.get("x-entity", {})
        found += [_located(problem, about) for problem in _icon(drawn, "/x-entity", icons)]
    found += [
        _located(problem, layers.entities[circle[0][0]])
        for circle in circles(model)
        for problem in [_circle(circle)]
    ]
    for flow in model.workflows.values():
        about = layers.workflows[flow.id]
        found += [_located(problem, about) for problem in _workflow(model, flow)]
    found += [_located(problem, layers.entities[name]) for name, problem in blind_roles(model)]
    pack = layers.entities["pack"]
    found += [_located(problem, pack) for problem in _manifest(model, pack.data, icons)]
    once = {(one.code, one.file, one.pointer, repr(one.params)): one for one in found}
    return list(once.values())


def type_of(field: Field) -> Type:
    """What the expression language takes a field's values for."""
    return bind(field).expression_type


def _located(problem: Problem, about: Merged) -> Problem:
    file, line = about.place(problem.pointer)
    return replace(problem, file=file, line=line)


@dataclass(frozen=True, slots=True)
class _Place:
    """One expression and what its place needs (None: any value)."""

    source: str
    at: str
    scope: Scope
    wanted: Type | None = None
    in_database: bool = False

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it."""
        try:
            node = parse(self.source)
        except ExpressionError as refusal:
            yield replace(refusal.problem, pointer=self.at)
            return
        _, wrong = check(node, self.scope, self.wanted)
        yield from (replace(one, pointer=self.at) for one in wrong)
        if self.in_database and not wrong:
            yield from (replace(one, pointer=self.at) for one in _untranslatable(node))


def _untranslatable(node: Node) -> Iterator[Problem]:
    """Functions that a row permission cannot use, because the database does not know them. What
    names nothing of the row is worked out before and given to the database as a value."""
    for part in walk(node):
        if all(path[0] in _GIVEN for path in paths(part)):
            continue
        if isinstance(part, Call):
            function = FUNCTIONS[part.function]
            if function.sql is None and function.kind not in {"rows", "fact"}:
                yield Problem("X050", {"column": part.at + 1, "found": part.function})


# --- entities ----------------------------------------------------------------------------------


def _entity(model: Model, entity: Entity) -> Iterator[Problem]:
    scope = scope_of(model, entity, type_of)
    yield from _fields(entity, "")
    for place in (
        *_field_places(model, entity, scope, ""),
        *_rule_places(entity, scope),
        *_grant_places(entity.access, scope, "", in_database=True),
        *_form_places(entity.form, scope),
    ):
        yield from place.problems()


def _fields(entity: Entity, prefix: str) -> Iterator[Problem]:
    """What the types themselves have to say about their fields."""
    for name, field in entity.fields.items():
        at = prefix + pointer("properties", name)
        if field.rows is not None:
            yield from _fields(field.rows, f"{at}/items")
        else:
            yield from (one.under(at) for one in bind(field).lint())


def _field_places(model: Model, entity: Entity, scope: Scope, prefix: str) -> Iterator[_Place]:
    for name, field in entity.fields.items():
        at = prefix + pointer("properties", name)
        if field.compute:
            yield _Place(field.compute.expr, f"{at}/x-compute/expr", scope, type_of(field))
        yield from _grant_places(field.access, scope, at, in_database=False)
        if field.reference and field.reference.where:
            target = model.entities[field.reference.to]
            inside = scope_of(model, target, type_of, {"record": RecordOf(entity.name)})
            yield _Place(field.reference.where, f"{at}/x-ref/where", inside, BOOL)
        if field.rows:
            rows = scope_of(model, field.rows, type_of)
            yield from _field_places(model, field.rows, rows, f"{at}/items")


def _rule_places(entity: Entity, scope: Scope) -> Iterator[_Place]:
    for name, rule in entity.rules.items():
        at = pointer("x-rules", name)
        if rule.when:
            yield _Place(rule.when, f"{at}/when", scope, BOOL)
        if rule.check:
            yield _Place(rule.check, f"{at}/assert", scope, BOOL)
        for target, source in rule.set.items():
            wanted = type_of(entity.fields[target])
            yield _Place(source, at + pointer("set", target), scope, wanted)


def _grant_places(
    grants: Mapping[str, Grant], scope: Scope, prefix: str, *, in_database: bool
) -> Iterator[_Place]:
    for role, grant in grants.items():
        for action in _ACTIONS:
            said = getattr(grant, action)
            if isinstance(said, str):
                at = prefix + pointer("x-access", role, action)
                yield _Place(said, at, scope, BOOL, in_database and action != "create")


def check_predicate(
    model: Model, entity: Entity, source: str, *, in_database: bool = True
) -> list[Problem]:
    """What is wrong with an expression that says which records a role may do something with;
    `in_database`: it has to be asked of the database, as rows are."""
    scope = scope_of(model, entity, type_of)
    return list(_Place(source, "", scope, BOOL, in_database).problems())


def _form_places(form: tuple[FormPart, ...], scope: Scope) -> Iterator[_Place]:
    for index, part in enumerate(form):
        if part.when:
            yield _Place(part.when, pointer("x-form", index, "when"), scope, BOOL)


# --- circles of formulas -----------------------------------------------------------------------

Formula = tuple[str, str]  # entity, computed field


def circles(model: Model) -> list[tuple[Formula, ...]]:
    """Computed fields that look at themselves, over whatever detour: each circle once."""
    needs = {
        (entity.name, field.name): frozenset(_needs(model, entity, field))
        for entity in model.entities.values()
        for field in entity.fields.values()
        if field.compute
    }
    found: list[tuple[Formula, ...]] = []
    done: set[Formula] = set()

    def visit(node: Formula, trail: tuple[Formula, ...]) -> None:
        if node in trail:
            found.append(trail[trail.index(node) :])
        elif node not in done:
            for one in sorted(needs.get(node, ())):
                visit(one, (*trail, node))
            done.add(node)

    for node in needs:
        visit(node, ())
    return found


def _needs(model: Model, entity: Entity, field: Field) -> Iterator[Formula]:
    """The computed fields that a formula reads."""
    assert field.compute is not None
    try:
        paths = dependencies(parse(field.compute.expr))
    except ExpressionError:
        return  # told where it stands
    for path in paths:
        here: Entity | None = entity
        for name in path:
            if here is None:
                break
            found = here.fields.get(name)
            if found is not None and found.compute:
                yield here.name, name
            here = _beyond(model, here, name)


def _beyond(model: Model, entity: Entity, name: str) -> Entity | None:
    """Where a name of a path leads: a referenced entity, the rows, or back along a relation."""
    found = entity.fields.get(name)
    if found is None:
        back = model.inverses(entity.name).get(name)
        return back[0] if back else None
    if found.reference:
        return model.entities.get(found.reference.to)
    return found.rows


def _circle(circle: tuple[Formula, ...]) -> Problem:
    _, field = circle[0]
    names = " → ".join(f"{owner}.{name}" for owner, name in (*circle, circle[0]))
    return Problem("D101", {"circle": names}, pointer("properties", field, "x-compute", "expr"))


# --- workflows ---------------------------------------------------------------------------------


def _workflow(model: Model, flow: Workflow) -> Iterator[Problem]:
    wrong = check_chart(flow, model)
    yield from wrong
    yield from check_uses(model, flow)
    entity = model.entities.get(flow.entity)
    told = {one.pointer for one in wrong}
    if entity is None:
        return
    chart = compile_chart(flow)
    for source, at, expected in expressions_of(chart):
        if at in told:
            continue
        scope = scope_of(model, entity, type_of, types_at(chart, model, at))
        if expected == "instant":
            yield from _instant(source, at, scope)
            continue
        wanted = BOOL if expected == "bool" else _expected(model, entity, source, at, expected)
        yield from _Place(source, at, scope, wanted).problems()


def _instant(source: str, at: str, scope: Scope) -> Iterator[Problem]:
    """A timer is due at a moment, or on a day."""
    wrong = [list(_Place(source, at, scope, kind).problems()) for kind in (DATETIME, DATE)]
    if all(wrong):
        yield from wrong[0]


def _expected(
    model: Model, entity: Entity, source: str, at: str, expected: str
) -> Type | None:  # fmt: skip
    """The type a place wants; None where any value will do."""
    kind, _, about = expected.partition(":")
    if kind == "records":
        flow = model.workflows.get(about)
        return ListOf(RecordOf(flow.entity)) if flow else None
    owner, _, name = about.partition(".") if about else (entity.name, "", at.rpartition("/")[2])
    target = model.entities.get(owner)
    field = target.fields.get(name) if target and kind != "any" else None
    if field is None or field.rows is not None:
        return None
    if source == "id" and field.reference and field.reference.to == entity.name:
        return None  # the record itself
    return type_of(field)


# --- menus and cards ---------------------------------------------------------------------------


class _Everything:
    """An access that hides nothing: a query of a pack is checked against the definition alone."""

    def usable(self, name: str) -> bool:
        return bool(name)

    def searchable(self, name: str) -> bool:
        return not name

    def shown(self, name: str) -> bool:
        return bool(name)


def _manifest(model: Model, data: Mapping[str, Any], icons: Collection[str]) -> Iterator[Problem]:
    for name, card in data.get("cards", {}).items():
        yield from _query(model, card, pointer("cards", name))
    for name, menu in data.get("menus", {}).items():
        yield from _menu(model, menu, pointer("menus", name), icons)
    yield from check_notices(model, data)
    if (country := model.calendar.holidays) and not known_country(country):
        yield Problem("H111", {"country": country}, "/calendar/holidays")


def _menu(
    model: Model, menu: Mapping[str, Any], at: str, icons: Collection[str]
) -> Iterator[Problem]:
    yield from _query(model, menu, at)
    yield from _icon(menu, at, icons)
    items = menu.get("items")
    if isinstance(items, Mapping):
        for name, item in items.items():
            yield from _menu(model, item, at + pointer("items", name), icons)


def _icon(said: Mapping[str, Any], at: str, icons: Collection[str]) -> Iterator[Problem]:
    name = said.get("icon")
    if icons and isinstance(name, str) and name and name not in icons:
        near = get_close_matches(name, icons, 1)
        params = {"icon": name, "guess": near[0] if near else ""}
        yield Problem("D111", params, f"{at}/icon", Severity.WARNING)


def _query(model: Model, said: Mapping[str, Any], at: str) -> Iterator[Problem]:
    entity = model.entities.get(str(said.get("entity", "")))
    query = said.get("query")
    if entity is not None and isinstance(query, str):
        found, wrong = parse_query(query, entity, _Everything())
        yield from (replace(one, pointer=f"{at}/query") for one in wrong)
        for condition in _conditions([*found.conditions, found.where]):
            field = entity.fields.get(condition.field)
            if field is not None and field.options and condition.op in _WITH_OPTIONS:
                yield from _options(field, condition.value, f"{at}/query")


_WITH_OPTIONS = frozenset({"eq", "ne", "in", "contains"})


def _conditions(filters: Iterable[Filter | None]) -> Iterator[Condition]:
    for one in filters:
        if isinstance(one, Condition):
            yield one
        elif one is not None:
            yield from _conditions(one.parts)


def _options(field: Field, value: Any, at: str) -> Iterator[Problem]:
    known = [option.value for option in field.options]
    for one in value if isinstance(value, tuple | list) else (value,):
        if isinstance(one, str) and one not in known:
            near = get_close_matches(one, known, 1)
            params = {"field": field.title, "value": one, "guess": near[0] if near else ""}
            yield Problem("D112", {**params, "allowed": known}, at, Severity.WARNING)
