"""The small values that field types speak in: cells, names, moments, comparisons, bad values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as data_field
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from babel import Locale

from engine.definitions.model import Field
from engine.problems import Problem

HOME: Final = ZoneInfo("Asia/Shanghai")
"""The zone whose calendar counts where nobody said otherwise."""

# Kinds of things an id may point at beside entities (named as in expressions): first half of the
# keys of `Names.labels`.
USER: Final = "@user"
DEPARTMENT: Final = "@department"
FILE: Final = "@file"


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """Babel's locale of a language tag; it looks through hundreds of files to find one."""
    return Locale.parse(language, sep="-")


@dataclass(frozen=True, slots=True)
class Cell:
    """A value drawn in a list or on a record page: `kind` picks the macro that draws it
    ("text", "badge", "link", "money", "bool", "rating", "color", "file", "user", "tags" …)."""

    text: str
    kind: str = "text"
    href: str = ""
    color: str = ""
    items: tuple[Cell, ...] = ()

    @property
    def plain(self) -> bool:
        """Nothing but words."""
        return self.kind == "text" and bool(self.text) and not self.href and not self.items


@dataclass(frozen=True, slots=True)
class Names:
    """What showing needs beyond the value: labels of the records and people it may point at
    (fetched once per page), the reader's time zone and the company's currency."""

    labels: Mapping[tuple[str, int], str] = data_field(default_factory=dict)
    zone: tzinfo = HOME
    currency: str = "CNY"

    def label(self, entity: str, id: int) -> str:
        """The label, or "#id" when it is unknown or invisible to the reader."""
        return self.labels.get((entity, id), f"#{id}")


@dataclass(frozen=True, slots=True)
class Moment:
    """Who asks and when: what "today", "me" and "my department" mean in a filter or a default."""

    now: datetime
    actor: int = 0
    department: int | None = None
    departments: tuple[int, ...] = ()  # the actor's own and those below
    zone: tzinfo = HOME

    @property
    def local(self) -> datetime:
        """`now` on the clock of `zone`."""
        return self.now.astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison a database can do: `op` is one of ``BASIC``."""

    op: str
    value: Any = None


BASIC: Final = frozenset(
    ("eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "starts", "empty", "filled")
)
"""The operators left after `FieldType.comparisons`: all that lists must translate to SQL.

For a type with `many`, ``contains`` asks for one member and ``in`` for any of several.
"""


class Posted(Protocol):
    """A posted form: its names, and all values of a name."""

    def getlist(self, key: str) -> list[Any]: ...
    def __iter__(self) -> Iterator[str]: ...


class BadValue(Exception):
    """Raised by `parse`: the raw value is not of this type. Carries code and parameters."""

    def __init__(self, code: str, /, **params: Any) -> None:
        self.code, self.params = code, params
        super().__init__(code)

    def found(self, field: Field) -> tuple[Problem, ...]:
        """The same as problems of `field`."""
        return (Problem(self.code, {"field": field.title, **self.params}),)
