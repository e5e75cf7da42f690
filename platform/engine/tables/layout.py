"""Which physical table and column holds what: the memory that makes publishing additive.

Physical names are generated, ASCII, short and never used twice; the definitions' names may change
freely (`x-was`) while the data stays where it is. A layout is plain data and stored with every
published version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

TableKind = Literal["entity", "lines", "link"]

_SLUG_LENGTH = 32


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """A column: `name` in the database, `type` of the field, `sql` the form it is stored in, the
    physical table it points at, if any, and whether its values are encrypted."""

    name: str
    type: str
    sql: str
    target: str = ""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Retired:
    """A column whose field was removed; its values wait for the field to come back. An `emptied`
    one has none left: they were moved to where they are encrypted, or no longer are."""

    field: str
    column: ColumnLayout
    emptied: bool = False


@dataclass(frozen=True, slots=True)
class TableLayout:
    """A table of an entity, of a field's lines, or of the pairs of a field with many references.

    `columns` maps field names; `searched` holds the columns in its search index ("" entries never).
    """

    name: str
    kind: TableKind
    columns: Mapping[str, ColumnLayout] = field(default_factory=dict)
    retired: tuple[Retired, ...] = ()
    searched: tuple[str, ...] = ()
    target: str = ""

    @property
    def number(self) -> int:
        """The n of ``e<n>_<slug>``."""
        return int(self.name[1:].partition("_")[0])


@dataclass(frozen=True, slots=True)
class RetiredTable:
    """A table whose entity or field was removed."""

    key: str
    table: TableLayout


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """What an index covers, in physical names."""

    table: str
    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """All tables by key: the entity's name, or ``<entity>.<field>`` for lines and links."""

    tables: Mapping[str, TableLayout] = field(default_factory=dict)
    retired: tuple[RetiredTable, ...] = ()
    indexes: Mapping[str, IndexLayout] = field(default_factory=dict)
    next_index: int = 1

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the version row."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, data: object) -> Layout:
        """Inverse of `to_json`."""
        return msgspec.convert(data, Layout)


EMPTY = Layout()


def physical(letter: str, number: int, key: str) -> str:
    """A generated name: ``physical("e", 3, "sales_order") == "e3_sales_order"``.

    Never ends in ``_<digits>``: a sharding server appends such an ending to names in its errors.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", key.lower())[:_SLUG_LENGTH].strip("_")
    slug = re.sub(r"_(?=[\d_]+$)", "", slug)
    return f"{letter}{number}_{slug}" if slug and not slug.isdigit() else f"{letter}{number}"


def index_name(number: int) -> str:
    """The name of the index with this number."""
    return f"x{number}"
