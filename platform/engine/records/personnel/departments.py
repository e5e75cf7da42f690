"""The tree of departments: kept in order, moved with all that is below, removed without losing
anybody. Rights by department follow the tree with the next request of every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.problems import Problem
from engine.records import people, sharing
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.history import note
from engine.records.people import Department
from engine.records.personnel.rules import NOWHERE, PLACE, Origin, allowed, alone, log
from engine.records.unit import Unit
from engine.tables import system

_USER, _DEPT = system.USER, system.DEPARTMENT
DEEPEST: Final = 20  # levels


@dataclass(frozen=True, slots=True)
class Branch:
    """A department in the tree. `members` are its own open accounts, `total` those of all below as
    well; `closed` are accounts that were closed in it."""

    id: int
    name: str
    parent: int | None
    depth: int
    trail: tuple[str, ...]  # names from the top down to this one
    manager: int | None
    manager_name: str
    members: int
    closed: int
    total: int
    inner: int  # departments right below
    first: bool  # among its siblings
    last: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """Whom a change of the tree concerns: people with open accounts, departments, those who look
    after it."""

    people: int
    departments: int


def tree(unit: Unit) -> list[Branch]:
    """All departments, parents before children, siblings in their order.

    Raises: NotFound for who is no administrator.
    """
    allowed(unit)
    found = people.departments(unit.connection)
    by_id = {one.id: one for one in found}
    open_, closed = _members(unit)
    names = _names(unit, {one.manager for one in found if one.manager})
    totals = dict.fromkeys(by_id, 0)
    siblings: dict[int | None, list[int]] = {}
    for one in found:
        siblings.setdefault(one.parent, []).append(one.id)
        for above in _trail(by_id, one):
            totals[above.id] += open_.get(one.id, 0)
    branches = []
    for one in found:
        trail = _trail(by_id, one)
        beside = siblings[one.parent]
        branches.append(
            Branch(
                one.id,
                one.name,
                one.parent,
                len(trail) - 1,
                tuple(each.name for each in trail),
                one.manager,
                names.get(one.manager or 0, ""),
                open_.get(one.id, 0),
                closed.get(one.id, 0),
                totals[one.id],
                len(siblings.get(one.id, ())),
                beside[0] == one.id,
                beside[-1] == one.id,
            )
        )
    return branches


def branch(unit: Unit, department: int) -> Branch:
    """One department.

    Raises: NotFound.
    """
    found = next((one for one in tree(unit) if one.id == department), None)
    if found is None:
        raise NotFound
    return found


def effect(unit: Unit, department: int) -> Effect:
    """Whom it concerns when a department moves: everybody in it and below.

    Raises: NotFound.
    """
    one = branch(unit, department)
    return Effect(one.total, len(people.below(unit.connection, department)))


def add(
    unit: Unit,
    name: str,
    parent: int | None = None,
    manager: int | None = None,
    origin: Origin = NOWHERE,
) -> int:
    """A new department, the last among its siblings; its id.

    Raises: NotFound, Invalid.
    """
    alone(unit)
    allowed(unit)
    name = _name(name)
    _leader(unit, manager)
    if parent is not None:
        _deep(_open(unit, parent).path, 1)
    beside = _siblings(unit, parent)
    _unique(name, beside)
    after = max((one.position for one in beside), default=-1) + 1
    made = people.create_department(unit, name, parent, manager, position=after)
    note(unit, PLACE, made, 1, "create", {"name": [None, name], "parent": [None, parent]})
    log(unit, "department.changed", (PLACE, made), {"what": "made", "name": name}, origin)
    return made


def change(
    unit: Unit, department: int, name: str, manager: int | None, origin: Origin = NOWHERE
) -> None:
    """Rename a department and say who leads it.

    Raises: NotFound, Invalid.
    """
    alone(unit)
    allowed(unit)
    old = _open(unit, department)
    name = _name(name)
    if manager != old.manager:
        _leader(unit, manager)
    _unique(name, [one for one in _siblings(unit, old.parent) if one.id != department])
    if (name, manager) == (old.name, old.manager):
        return
    _write(unit, old, name, old.parent, manager, old.position)
    said: dict[str, list[Any]] = {"name": [old.name, name], "manager": [old.manager, manager]}
    said = {field: pair for field, pair in said.items() if pair[0] != pair[1]}
    note(unit, PLACE, department, 1, "change", said)
    details = {"what": "changed", "fields": sorted(said)}
    log(unit, "department.changed", (PLACE, department), details, origin)


def move(unit: Unit, department: int, parent: int | None, origin: Origin = NOWHERE) -> Effect:
    """Put a department, with all below it, under another one (None: to the top), as its last.

    Raises: NotFound, Invalid when it would come to stand below itself.
    """
    alone(unit)
    concerned = effect(unit, department)
    old = _open(unit, department)
    if parent == old.parent:
        return Effect(0, 0)
    if parent is not None:
        if parent in people.below(unit.connection, department):
            raise Invalid([Problem("R504", pointer="/parent")])
        _deep(_open(unit, parent).path, _height(unit, department))
    beside = _siblings(unit, parent)
    _unique(old.name, beside)
    after = max((one.position for one in beside), default=-1) + 1
    _write(unit, old, old.name, parent, old.manager, after)
    note(unit, PLACE, department, 1, "change", {"parent": [old.parent, parent]})
    details = {"what": "moved", "from": old.parent, "to": parent, "people": concerned.people}
    log(unit, "department.changed", (PLACE, department), details, origin)
    return concerned


def shift(unit: Unit, department: int, where: Literal["up", "down"]) -> None:
    """Change places with the sibling above or below; at the end nothing happens.

    Raises: NotFound.
    """
    alone(unit)
    allowed(unit)
    old = _open(unit, department)
    beside = _siblings(unit, old.parent)
    at = next(number for number, one in enumerate(beside) if one.id == department)
    other = at + (-1 if where == "up" else 1)
    if not 0 <= other < len(beside):
        return
    beside[at], beside[other] = beside[other], beside[at]
    for position, one in enumerate(beside):
        change_position = sa.update(_DEPT).where(_DEPT.c.id == one.id)
        unit.connection.execute(change_position.values(position=position))
    note(unit, PLACE, department, 1, "change", {"position": [at, other]})


def remove(unit: Unit, department: int, heir: int | None, origin: Origin = NOWHERE) -> Effect:
    """Close a department. What is in it - people and departments - goes to `heir` first; only an
    empty one needs none.

    Raises: NotFound, Invalid for an heir that goes with it, Conflict while something is in it.
    """
    alone(unit)
    one = branch(unit, department)
    if heir is not None:
        if heir in people.below(unit.connection, department):
            raise Invalid([Problem("U122", pointer="/heir")])
        _open(unit, heir)
    elif one.members or one.closed or one.inner:
        raise Conflict([Problem("U121", {"name": one.name}, "/heir")])
    if heir is not None:
        _take_over(unit, department, heir, origin)
    sharing.end_of_department(unit, department)
    people.remove_department(unit, department)
    note(unit, PLACE, department, 1, "remove", {"name": [one.name, None]})
    details = {"what": "removed", "name": one.name, "to": heir, "people": one.members}
    log(unit, "department.changed", (PLACE, department), details, origin)
    return Effect(one.members, one.inner)


def _take_over(unit: Unit, department: int, heir: int, origin: Origin) -> None:
    inside = sa.select(_DEPT.c.id).where(
        _DEPT.c.parent_id == department, _DEPT.c.removed_at.is_(None)
    )
    for inner in list(unit.connection.scalars(inside.order_by(_DEPT.c.position, _DEPT.c.id))):
        move(unit, inner, heir, origin)
    moved = list(
        unit.connection.scalars(
            sa.select(_USER.c.id).where(_USER.c.department_id == department).order_by(_USER.c.id)
        )
    )
    unit.connection.execute(
        sa.update(_USER)
        .where(_USER.c.department_id == department)
        .values(department_id=heir, version=_USER.c.version + 1)
    )
    for user in moved:
        note(unit, "@user", user, 1, "change", {"department_id": [department, heir]})


def _write(
    unit: Unit,
    old: Department,
    name: str,
    parent: int | None,
    manager: int | None,
    position: int,
) -> None:
    people.change_department(
        unit, old.id, name=name, parent=parent, manager=manager, position=position
    )


def _open(unit: Unit, department: int) -> Department:
    row = unit.connection.execute(
        sa.select(_DEPT).where(_DEPT.c.id == department, _DEPT.c.removed_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotFound
    return Department(row.id, row.name, row.parent_id, row.path, row.manager_id, row.position)


def _siblings(unit: Unit, parent: int | None) -> list[Department]:
    return [one for one in people.departments(unit.connection) if one.parent == parent]


def _members(unit: Unit) -> tuple[dict[int, int], dict[int, int]]:
    """How many open and how many closed accounts each department has."""
    count = sa.func.count().label("number")
    where: tuple[Any, ...] = (_USER.c.disabled_at.is_(None), _USER.c.disabled_at.is_not(None))
    found: list[dict[int, int]] = []
    for condition in where:
        rows = unit.connection.execute(
            sa.select(_USER.c.department_id, count)
            .where(_USER.c.department_id.is_not(None), condition)
            .group_by(_USER.c.department_id)
        )
        found.append({row.department_id: row.number for row in rows})
    return found[0], found[1]


def _names(unit: Unit, users: set[int]) -> dict[int, str]:
    rows = sa.select(_USER.c.id, _USER.c.name).where(_USER.c.id.in_(users))
    return {row.id: row.name for row in unit.connection.execute(rows)}


def _trail(known: dict[int, Department], one: Department) -> list[Department]:
    trail = [one]
    while (parent := trail[0].parent) is not None and parent in known:
        trail.insert(0, known[parent])
    return trail


def _height(unit: Unit, department: int) -> int:
    """How many levels a department has, itself included."""
    inside = people.below(unit.connection, department)
    paths = unit.connection.scalars(sa.select(_DEPT.c.path).where(_DEPT.c.id.in_(inside)))
    levels: list[int] = [path.count("/") for path in paths]
    return max(levels) - min(levels) + 1


def _deep(path: str, more: int) -> None:
    if path.count("/") - 1 + more > DEEPEST:
        raise Invalid([Problem("U123", {"most": DEEPEST}, "/parent")])


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not (1 <= len(name) <= 100 and name.isprintable()):
        raise Invalid([Problem("U110", pointer="/name")])
    return name


def _unique(name: str, beside: Sequence[Department]) -> None:
    if any(one.name.casefold() == name.casefold() for one in beside):
        raise Invalid([Problem("U120", {"name": name}, "/name")])


def _leader(unit: Unit, manager: int | None) -> None:
    if manager is None:
        return
    open_ = sa.select(_USER.c.id).where(_USER.c.id == manager, _USER.c.disabled_at.is_(None))
    if unit.connection.scalar(open_) is None:
        raise Invalid([Problem("U115", pointer="/manager")])
