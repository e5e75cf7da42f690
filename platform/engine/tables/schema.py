"""SQLAlchemy tables of a model: what the published definitions look like to a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as data_field
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Field, Model
from engine.storage import Keyring, Violation
from engine.storage.types import MAX_ID, UtcDateTime, big_integer
from engine.tables import shape, system
from engine.tables.folded import folded
from engine.tables.layout import ColumnLayout, IndexLayout, Layout, TableLayout
from engine.tables.sealed import Sealed, place_of
from engine.tables.search import SearchTable
from engine.tables.sorting import sortable


@dataclass(frozen=True, slots=True)
class EntityTable:
    """The table of an entity or of the rows of a lines field.

    `columns` maps field names to columns; lines' rows also have `parent_id` and `position`.
    `links` maps a field with many references to its table (left_id, right_id, position).
    """

    name: str
    table: sa.Table
    columns: Mapping[str, sa.Column[Any]]
    lines: Mapping[str, EntityTable] = data_field(default_factory=dict)
    links: Mapping[str, sa.Table] = data_field(default_factory=dict)
    search: SearchTable | None = None
    unique: Mapping[str, tuple[str, ...]] = data_field(default_factory=dict)

    def column(self, name: str) -> sa.Column[Any]:
        """The column of a field, or "id", "version", "removed_at".

        Raises: KeyError for a field without a column of its own.
        """
        found = self.columns.get(name)
        return self.table.c[name] if found is None else found

    @property
    def id(self) -> sa.Column[int]:
        return self.table.c.id

    @property
    def version(self) -> sa.Column[int]:
        return self.table.c.version

    @property
    def removed_at(self) -> sa.Column[Any]:
        return self.table.c.removed_at

    @property
    def parent_id(self) -> sa.Column[int]:
        return self.table.c.parent_id

    @property
    def position(self) -> sa.Column[int]:
        return self.table.c.position


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables of one published version."""

    entities: Mapping[str, EntityTable]
    metadata: sa.MetaData
    keys: Keyring

    def of(self, entity: str) -> EntityTable:
        """The table of an entity ("customer") or of lines ("customer.contacts").

        Raises: KeyError.
        """
        return self.entities[entity]

    def violated(self, found: Violation) -> tuple[str, tuple[str, ...]] | None:
        """Which entity's unique key was violated, and its fields; None when it is not one."""
        if found.kind != "unique":
            return None
        for name, entity in self.entities.items():
            for index, fields in entity.unique.items():
                columns = tuple(f"{entity.table.name}.{entity.column(f).name}" for f in fields)
                if found.constraint == index or found.columns == columns:
                    return name, fields
        return None


NO_KEYS = Keyring({})


def build_tables(model: Model, layout: Layout, bind: shape.Bind, keys: Keyring = NO_KEYS) -> Tables:
    """The tables of `model` as `layout` places them; `keys` seal the fields that are encrypted.

    Unique keys ignore removed records and records where a part of the key is empty. Texts in them
    are compared without the case of A-Z; everything else that is "the same" to a reader (NFC,
    spaces around) was made the same by the field types when the value came in.
    """
    builder = _Builder(model, layout, bind, keys)
    parts = {part.key: part for part in shape.parts(model)}
    for part in parts.values():
        builder.table(part)
    built: dict[str, EntityTable] = {}
    for key, part in reversed(parts.items()):  # lines before the entity they belong to
        built[key] = builder.entity(part, built)
    return Tables({key: built[key] for key in parts}, builder.metadata, keys)


class _Builder:
    def __init__(self, model: Model, layout: Layout, bind: shape.Bind, keys: Keyring) -> None:
        self.model, self.layout, self.bind, self.keys = model, layout, bind, keys
        self.metadata = sa.MetaData()
        self._index_names = {index: name for name, index in layout.indexes.items()}

    def table(self, part: shape.Part) -> None:
        """The entity's own table, without indexes."""
        place = self.layout.tables[part.key]
        columns: list[Any] = [
            sa.Column("id", big_integer(), primary_key=True, autoincrement=False),
            sa.CheckConstraint(f"id BETWEEN 1 AND {MAX_ID}", name=f"e{place.number}_id"),
        ]
        if part.parent:
            columns += [
                sa.Column("parent_id", big_integer(), self._owner(place, part), nullable=False),
                sa.Column("position", sa.Integer(), nullable=False),
            ]
        else:
            columns += [
                sa.Column("version", sa.Integer(), nullable=False),
                sa.Column("removed_at", UtcDateTime()),
            ]
        for field in shape.columns(part.entity, self.bind):
            column = place.columns[field.name]
            kind = self._type(field, place, column)
            columns.append(sa.Column(column.name, kind, *self._points_at(place, column)))
        sa.Table(place.name, self.metadata, *columns, sqlite_strict=True)

    def _type(
        self, field: Field, place: TableLayout, column: ColumnLayout
    ) -> sa.types.TypeEngine[Any]:
        kind = self.bind(field)
        if not column.sealed:
            return kind.column_type()
        return Sealed(kind, self.keys, place_of(place.name, column.name))

    def entity(self, part: shape.Part, built: Mapping[str, EntityTable]) -> EntityTable:
        """The finished entity: its table with indexes, links, lines and search."""
        place = self.layout.tables[part.key]
        table = self.metadata.tables[place.name]
        columns = {
            field.name: table.c[place.columns[field.name].name]
            for field in shape.columns(part.entity, self.bind)
        }
        searched = shape.searched(part.entity, self.bind) if not part.parent else []
        return EntityTable(
            name=part.key,
            table=table,
            columns=columns,
            lines={
                field.name: built[f"{part.key}.{field.name}"]
                for field in part.entity.fields.values()
                if field.rows is not None
            },
            links={
                field.name: self._link(part, field.name)
                for field in shape.links(part.entity, self.bind)
            },
            search=SearchTable.build(table, {field.name: columns[field.name] for field in searched})
            if searched
            else None,
            unique=self._indexes(part, table, columns),
        )

    def _indexes(
        self, part: shape.Part, table: sa.Table, columns: Mapping[str, sa.Column[Any]]
    ) -> dict[str, tuple[str, ...]]:
        """Attach the indexes to `table`; the unique ones by name with their fields."""
        unique: dict[str, tuple[str, ...]] = {}
        for index in shape.indexes(self.model, part, self.bind):
            over = [columns[name] if name in columns else table.c[name] for name in index.fields]
            placed = _placed(table.name, over, unique=index.unique)
            name = self._index_names[placed]
            if not index.unique:
                sa.Index(name, *map(sortable, index.fields, over))
                continue
            unique[name] = index.fields
            living = None if part.parent else table.c.removed_at.is_(None)
            sa.Index(
                name,
                *(folded(one) if isinstance(one.type, sa.String) else one for one in over),
                unique=True,
                sqlite_where=living,
                postgresql_where=living,
            )
        return unique

    def _link(self, part: shape.Part, name: str) -> sa.Table:
        left, place = self.layout.tables[part.key], self.layout.tables[f"{part.key}.{name}"]
        table = sa.Table(
            place.name,
            self.metadata,
            sa.Column(
                "left_id",
                big_integer(),
                self._key(place, "l", f"{left.name}.id", ondelete="CASCADE"),
                primary_key=True,
                autoincrement=False,
            ),
            sa.Column(
                "right_id",
                big_integer(),
                self._key(place, "r", self._id_of(place.target)),
                primary_key=True,
                autoincrement=False,
            ),
            sa.Column("position", sa.Integer(), nullable=False),
            sqlite_strict=True,
        )
        sa.Index(self._index_names[_placed(place.name, [table.c.right_id])], table.c.right_id)
        return table

    def _owner(self, place: TableLayout, part: shape.Part) -> sa.ForeignKey:
        parent = self.layout.tables[part.parent]
        return self._key(place, "p", f"{parent.name}.id", ondelete="CASCADE")

    def _points_at(self, place: TableLayout, column: ColumnLayout) -> list[sa.ForeignKey]:
        if not column.target:
            return []
        letter = column.name.partition("_")[0]
        return [self._key(place, letter, self._id_of(column.target))]

    @staticmethod
    def _key(
        place: TableLayout, letter: str, target: str | sa.Column[int], ondelete: str | None = None
    ) -> sa.ForeignKey:
        return sa.ForeignKey(target, name=f"e{place.number}{letter}_key", ondelete=ondelete)

    @staticmethod
    def _id_of(target: str) -> str | sa.Column[int]:
        """The id of a table: the platform's own tables are shared by all versions."""
        own = system.METADATA.tables.get(target)
        return own.c.id if own is not None else f"{target}.id"


def _placed(table: str, columns: list[sa.Column[Any]], *, unique: bool = False) -> IndexLayout:
    """The index as the layout knows it."""
    return IndexLayout(table, tuple(column.name for column in columns), unique)
