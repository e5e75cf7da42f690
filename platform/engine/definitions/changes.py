"""What differs between two models, in sentences: the other half of what a publish does.

`engine.tables.plan` tells what happens to tables. Here stands everything else that people notice:
rules, access, forms, lists, menus, cards, roles, workflows, titles and what fields accept. Pure.
Whatever is found to differ in a part is named by that part; nothing that differs is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as data_field
from typing import Any, Final, TypeVar

from engine.definitions.model import (
    Card,
    Entity,
    Field,
    FormPart,
    Grant,
    Label,
    MenuItem,
    Model,
    Rule,
)
from engine.problems import Problem, text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: "+" adds, "-" takes away, "~" changes. `parts` are codes of the catalogue
    that name what is different about it."""

    sign: str
    code: str
    params: Mapping[str, Any] = data_field(default_factory=dict)
    parts: tuple[str, ...] = ()

    def sentence(self, language: str) -> str:
        """The difference, for people."""
        named = [text(Problem(part), language) for part in self.parts]
        return text(Problem(self.code, {**self.params, "parts": named}), language)


def changes(old: Model, new: Model) -> list[Change]:
    """Everything that differs but tables; of what is new as a whole, only that it is."""
    return [
        *_company(old, new),
        *_roles(old, new),
        *(
            change
            for before, now in _pairs(old.entities, new.entities, lambda one: one.was)
            for change in _entity(before, now, new)
        ),
        *_workflows(old, new),
        *_faces(old, new),
    ]


REWORDED: Final = Change("~", "P200")
"""The files differ, but nothing of what they mean."""


def _pairs(
    old: Mapping[str, T], new: Mapping[str, T], was: Callable[[T], Iterable[str]] = lambda _: ()
) -> Iterator[tuple[T, T]]:
    """What is there in both, also under the name it had before."""
    for name, now in new.items():
        names = (name, *(one for one in was(now) if one not in new))
        if (before := next((old[one] for one in names if one in old), None)) is not None:
            yield before, now


def _different(before: object, now: object, parts: Mapping[str, str]) -> tuple[str, ...]:
    """The codes of the attributes that differ."""
    found = [code for name, code in parts.items() if getattr(before, name) != getattr(now, name)]
    return tuple(dict.fromkeys(found))


# --- the company -------------------------------------------------------------------------------
_COMPANY: Final = {
    "title": "P301",
    "languages": "P302",
    "currency": "P303",
    "timezone": "P304",
    "calendar": "H114",
    "packs": "P305",
}


def _company(old: Model, new: Model) -> Iterator[Change]:
    if parts := _different(old, new, _COMPANY):
        yield Change("~", "P201", parts=parts)


def _roles(old: Model, new: Model) -> Iterator[Change]:
    for name, role in new.roles.items():
        before = old.roles.get(name)
        if before is None:
            yield Change("+", "P202", {"role": role.title})
        elif before != role:
            parts = _different(before, role, {"title": "P301", "admin": "P306"})
            yield Change("~", "P203", {"role": role.title}, parts)
    for name, role in old.roles.items():
        if name not in new.roles:
            yield Change("-", "P204", {"role": role.title})


# --- entities ----------------------------------------------------------------------------------
_ENTITY: Final = {
    "title": "P301",
    "plural": "P301",
    "label": "P307",
    "icon": "P308",
    "help": "P309",
    "traits": "P310",
    "conditions": "P311",
}
_FIELD: Final = {
    "title": "P301",
    "help": "P309",
    "required": "P312",
    "options": "P313",
    "default": "P314",
    "compute": "P315",
    "reference": "P316",
    "schema": "P317",
    "nullable": "P317",
    "read_only": "P318",
    "write_only": "P318",
    "deprecated": "P319",
    "ui": "P320",
}


def _entity(before: Entity, now: Entity, model: Model) -> Iterator[Change]:
    about = {"entity": now.title}
    if parts := _different(before, now, _ENTITY):
        yield Change("~", "P210", about, parts)
    if before.keys.duplicate != now.keys.duplicate:
        yield Change("~", "P211", about)
    yield from _fields(before, now, about)
    yield from _rules(before.rules, now.rules, about)
    yield from _grants(before.access, now.access, about, model)
    known = before.fields.keys() & now.fields.keys()
    if _form(before, known) != _form(now, known):
        yield Change("~", "P212", about)
    if _list(before, known) != _list(now, known):
        yield Change("~", "P213", about)


def _form(entity: Entity, known: Collection[str]) -> list[FormPart]:
    """The form without what follows by itself: the place of fields that come or go, and the
    title of a part that is called like the entity."""
    found = []
    for part in entity.form:
        rows = tuple(tuple(name for name in row if name in known) for row in part.rows)
        title = {} if part.title == entity.title else part.title
        found.append(replace(part, title=title, rows=tuple(row for row in rows if row)))
    return [part for part in found if part.rows]


def _list(entity: Entity, known: Collection[str]) -> tuple[object, ...]:
    """The list without the columns of fields that come or go."""
    said = entity.list
    parts = (said.columns, said.filters, said.calendar)
    kept = [[one for one in part if one in known or one not in entity.fields] for part in parts]
    return *kept, said.sort, said.board


def _fields(before: Entity, now: Entity, about: Mapping[str, Any]) -> Iterator[Change]:
    pairs = list(_pairs(before.fields, now.fields, lambda field: field.was))
    for was, field in pairs:
        named = {**about, "field": field.title}
        parts = _different(was, field, _FIELD)
        if parts == ("P317",) and _plain(was) == _plain(field):
            parts = ()  # the schema says again what the options and the default said
        if parts:
            yield Change("~", "P220", named, parts)
        if was.access != field.access:
            yield Change("~", "P221", named)
        if was.rows is not None and field.rows is not None:
            inner = {"entity": field.title}
            yield from _fields(was.rows, field.rows, inner)
            yield from _rules(was.rows.rules, field.rows.rules, inner)
    known = {id(was) for was, _ in pairs}, {id(field) for _, field in pairs}
    for field in now.fields.values():
        if _untold(field) and id(field) not in known[1]:
            yield Change("+", "P222", {**about, "field": field.title})
    for field in before.fields.values():
        if _untold(field) and id(field) not in known[0]:
            yield Change("-", "P223", {**about, "field": field.title})


def _plain(field: Field) -> Mapping[str, Any]:
    said = {"title", "description", "oneOf", "enum", "default", "items"}
    return {key: value for key, value in field.schema.items() if key not in said}


def _untold(field: Field) -> bool:
    """Without a column, no table changes when the field comes or goes."""
    return field.compute is not None and not field.compute.store


def _rules(
    before: Mapping[str, Rule], now: Mapping[str, Rule], about: Mapping[str, Any]
) -> Iterator[Change]:
    for id, rule in now.items():
        if id not in before:
            yield Change("+", "P230", {**about, "rule": rule.message or id})
        elif before[id] != rule:
            yield Change("~", "P231", {**about, "rule": rule.message or id})
    for id, rule in before.items():
        if id not in now:
            yield Change("-", "P232", {**about, "rule": rule.message or id})


_GRANT: Final = {
    "read": "P330",
    "write": "P331",
    "create": "P332",
    "delete": "P333",
    "export": "P334",
    "mask": "P335",
}


def _grants(
    before: Mapping[str, Grant], now: Mapping[str, Grant], about: Mapping[str, Any], model: Model
) -> Iterator[Change]:
    for name in {**before, **now}:
        role = model.roles.get(name)
        named = {**about, "role": role.title if role else name}
        was, grant = before.get(name, Grant()), now.get(name, Grant())
        if was != grant:
            sign = "+" if name not in before else "-" if name not in now else "~"
            code = {"+": "P240", "~": "P241", "-": "P242"}[sign]
            yield Change(sign, code, named, _different(was, grant, _GRANT))


# --- workflows ---------------------------------------------------------------------------------
def _workflows(old: Model, new: Model) -> Iterator[Change]:
    for id, flow in new.workflows.items():
        before = old.workflows.get(id)
        if before is None:
            yield Change("+", "P250", {"flow": flow.title or id})
        elif before.hash != flow.hash or before.version != flow.version:
            numbers: dict[str, object] = {}
            if before.version != flow.version:
                numbers = {"old": before.version, "new": flow.version}
            yield Change("~", "P251", {"flow": flow.title or id, "old": "", "new": "", **numbers})
        elif before.chart != flow.chart or before.title != flow.title:
            yield Change("~", "P252", {"flow": flow.title or id})
    for id, flow in old.workflows.items():
        if id not in new.workflows:
            yield Change("-", "P253", {"flow": flow.title or id})


# --- menus and cards ---------------------------------------------------------------------------
def _faces(old: Model, new: Model) -> Iterator[Change]:
    menus = [dict(_items(model.menus)) for model in (old, new)]
    yield from _listed(menus[0], menus[1], ("P260", "P261", "P262"))
    cards = [dict(_cards(model)) for model in (old, new)]
    yield from _listed(cards[0], cards[1], ("P264", "P265", "P266"))
    orders = ((list(menus[0]), list(menus[1]), "P263"), (list(cards[0]), list(cards[1]), "P267"))
    for before, after, code in orders:
        if set(before) == set(after) and before != after:
            yield Change("~", code)


def _listed(
    before: Mapping[tuple[str, ...], MenuItem | Card],
    now: Mapping[tuple[str, ...], MenuItem | Card],
    codes: tuple[str, str, str],
) -> Iterator[Change]:
    """Menu items and cards have no names in the model: they are known by their titles."""
    for key, one in now.items():
        if key not in before:
            yield Change("+", codes[0], {"item": one.title})
        elif before[key] != one:
            yield Change("~", codes[1], {"item": one.title})
    for key, one in before.items():
        if key not in now:
            yield Change("-", codes[2], {"item": one.title})


def _items(
    menus: Iterable[MenuItem], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], MenuItem]]:
    for item in menus:
        key = (*above, _name(item.title))
        yield key, replace(item, items=())
        yield from _items(item.items, key)


def _cards(model: Model) -> Iterator[tuple[tuple[str, ...], Card]]:
    for card in model.cards:
        yield (_name(card.title),), card


def _name(title: Label) -> str:
    return next(iter(title.values()), "")
