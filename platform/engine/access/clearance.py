"""Grades of secrecy: a record above the grade that somebody is cleared for does not exist for him.

That holds above all roles, for administrators too. Only the platform itself is above it, else
formulas and workflows could not do their work.
"""

from __future__ import annotations

from collections.abc import Collection

from engine.access.predicates import Term, any_of
from engine.definitions.model import Entity, Model
from engine.expressions.tree import Attribute, Compare, Items, Literal, Name, Node


def cleared(model: Model, roles: Collection[str]) -> tuple[str, ...]:
    """The grades that holders of these roles may see, the lowest first: up to the highest that
    one of the roles, or everybody, is cleared for."""
    names = [grade.name for grade in model.grades]
    own = [model.everyone, *(model.roles[role].clearance for role in roles if role in model.roles)]
    highest = max((names.index(grade) for grade in own if grade in names), default=-1)
    return tuple(names[: highest + 1])


def gate_of(model: Model, entity: Entity, roles: Collection[str]) -> Term:
    """What closes an entity's records to holders of these roles. A record without a grade is seen
    only by those who may see every grade: nobody knows how secret it is. One that belongs to
    nothing graded, where that is left open, has nothing to keep secret."""
    if not entity.grade:
        return True
    grades = cleared(model, roles)
    if not grades:
        return False
    if len(grades) == len(model.grades):
        return True
    below = Compare("in", _path(entity.grade), Items(tuple(Literal(one) for one in grades)))
    first = entity.fields[entity.grade[0]]
    if first.reference is None or first.required:
        return below
    return any_of((Compare("==", Name(first.name), Literal(None)), below))


def _path(names: tuple[str, ...]) -> Node:
    found: Node = Name(names[0])
    for name in names[1:]:
        found = Attribute(found, name)
    return found
