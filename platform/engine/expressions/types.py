"""The types of the expression language.

Small and closed on purpose: a field type says which of these its values are, and everything else
(checking, evaluation, SQL) follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Type:
    """A simple type; its name is also the key of its wording in `engine.expressions.words`."""

    name: str

    def __str__(self) -> str:
        return self.name


TEXT: Final = Type("text")
NUMBER: Final = Type("number")  # int or Decimal, never float
BOOL: Final = Type("bool")
DATE: Final = Type("date")
DATETIME: Final = Type("datetime")
NULL: Final = Type("null")  # the literal null: fits everywhere
ANY: Final = Type("any")  # known only at run time (an event's data)


@dataclass(frozen=True, slots=True)
class OptionOf(Type):
    """Text out of a closed list: comparing it with anything else is a mistake worth reporting."""

    options: tuple[str, ...]

    def __init__(self, options: Sequence[str]) -> None:
        object.__setattr__(self, "name", "text")
        object.__setattr__(self, "options", tuple(options))


@dataclass(frozen=True, slots=True)
class ListOf(Type):
    """Several values of one type; null counts as the empty list."""

    item: Type

    def __init__(self, item: Type) -> None:
        object.__setattr__(self, "name", "list")
        object.__setattr__(self, "item", item)

    def __str__(self) -> str:
        return f"list of {self.item}"


@dataclass(frozen=True, slots=True)
class RecordOf(Type):
    """A record of an entity, or a row of a ``lines`` field (entity ``customer.contacts``).

    Its value is a mapping when the values are at hand, else the id. Names that start with "@"
    belong to the platform and so never clash with an entity of a pack.
    """

    entity: str

    def __init__(self, entity: str) -> None:
        object.__setattr__(self, "name", "record")
        object.__setattr__(self, "entity", entity)

    def __str__(self) -> str:
        return self.entity


USER: Final = RecordOf("@user")  # id, name, login, dept, roles
DEPARTMENT: Final = RecordOf("@department")  # id, name, parent, manager
MINE: Final = RecordOf("@my")  # what `my` is: dept, departments
ADDRESS: Final = RecordOf("@address")  # region, detail, postcode
FILE: Final = RecordOf("@file")  # id, name, size


def is_text(kind: Type) -> bool:
    """Text, free or out of a list of options."""
    return kind.name == "text"


def same(left: Type, right: Type) -> bool:
    """Whether values of the two types may be compared or stand for each other."""
    if {ANY, NULL} & {left, right}:
        return True
    if isinstance(left, ListOf) and isinstance(right, ListOf):
        return same(left.item, right.item)
    if isinstance(left, RecordOf) and isinstance(right, RecordOf):
        return left.entity == right.entity
    return left.name == right.name
