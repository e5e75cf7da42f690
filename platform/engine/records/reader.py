"""Records as they are, for the engine's own eyes: no access, nothing masked, nothing formatted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.storage import Statement
from engine.tables import EntityTable, Tables, system

Keep = Callable[[Hashable, Callable[[], sa.Executable]], Statement]
Record = dict[str, Any]
MOST_POINTING = 10_000  # records an expression may walk over


class Reader:
    """Reads whole records and their rows of one version."""

    def __init__(self, tables: Tables, statement: Keep) -> None:
        self._tables = tables
        self._statement = statement  # compiles once per key

    def load(
        self,
        connection: sa.Connection,
        entity: str,
        id: int,
        *,
        removed: bool = False,
        lock: bool = False,
    ) -> Record | None:
        """A record with its lines and lists; `lock` keeps others from changing it till the end
        of the transaction. `removed` finds those in the recycle bin as well."""
        found = self.load_many(connection, entity, [id], removed=removed, lock=lock)
        return found[0] if found else None

    def load_many(
        self,
        connection: sa.Connection,
        entity: str,
        ids: Sequence[int],
        *,
        removed: bool = False,
        lock: bool = False,
    ) -> list[Record]:
        """Several records by id, in the order of their ids."""
        found: list[Record] = []
        for part, size in _parts(sorted(set(ids))):
            statement = self._by_id(entity, size, removed, lock)
            found += statement.rows(connection, part)
        self.complete(connection, self._tables.of(entity), found)
        for record in found:
            if record["removed_at"] is None:
                del record["removed_at"]
        return found

    def referrers(
        self, connection: sa.Connection, other: Entity, link: Field, id: int
    ) -> list[Record]:
        """The records of `other` whose field `link` points at the record `id`, without lines."""
        place = self._tables.of(other.name)
        key = ("referrers", other.name, link.name)
        statement = self._statement(
            key, lambda: self._columns(place).where(pointing(place, link)).limit(MOST_POINTING)
        )
        return statement.rows(connection, {"target": id})

    def all_referrers(
        self, connection: sa.Connection, other: Entity, link: Field, ids: Sequence[int]
    ) -> Mapping[int, Sequence[Record]]:
        """The same for several records at once; nothing when they are too many to hold, or when
        `link` is a list: whoever asks falls back to one by one."""
        place = self._tables.of(other.name)
        if link.name not in place.columns:
            return {}
        column = place.columns[link.name]
        found: dict[int, list[Record]] = {id: [] for id in ids}
        for part, size in _parts(list(found)):

            def build(size: int = size) -> sa.Select[Any]:
                pointing = column.in_(_binds(size, column))
                living = place.removed_at.is_(None)
                return self._columns(place).where(living, pointing).limit(2 * MOST_POINTING)

            key = ("all referrers", other.name, link.name, size)
            rows = self._statement(key, build).rows(connection, part)
            if len(rows) >= 2 * MOST_POINTING:
                return {}
            for row in rows:
                found[row[link.name]].append(row)
        return found

    def file(self, connection: sa.Connection, id: int) -> Mapping[str, Any] | None:
        """A stored file as expressions see it."""
        table = system.FILE
        row = connection.execute(
            sa.select(table.c.id, table.c.name, table.c.size).where(table.c.id == id)
        ).mappings()
        return next((dict(found) for found in row), None)

    def complete(
        self,
        connection: sa.Connection,
        place: EntityTable,
        records: Sequence[Record],
        names: Iterable[str] | None = None,
    ) -> None:
        """Put lines and lists (all, or those of `names`) into records that have their columns."""
        wanted = None if names is None else set(names)
        if not records:
            return
        by_id = {record["id"]: record for record in records}
        for name, table in place.links.items():
            if wanted is None or name in wanted:
                for record in records:
                    record[name] = []
                for row in self._many(
                    connection, (place.name, name), table, table.c.left_id, by_id
                ):
                    by_id[row["left_id"]][name].append(row["right_id"])
        for name, inner in place.lines.items():
            if wanted is None or name in wanted:
                self._lines(connection, inner, name, by_id)

    def _lines(
        self, connection: sa.Connection, inner: EntityTable, name: str, by_id: Mapping[int, Record]
    ) -> None:
        for record in by_id.values():
            record[name] = []
        rows = self._many(connection, (inner.name,), inner, inner.parent_id, by_id)
        self.complete(connection, inner, rows)
        for row in rows:
            del row["position"]
            by_id[row.pop("parent_id")][name].append(row)

    def _many(
        self,
        connection: sa.Connection,
        key: tuple[str, ...],
        source: sa.Table | EntityTable,
        owner: sa.Column[int],
        ids: Iterable[int],
    ) -> list[Record]:
        """The rows below several records, in their order."""
        found: list[Record] = []
        position = owner.table.c.position
        for part, size in _parts(list(ids)):

            def build(size: int = size) -> sa.Select[Any]:
                select = (
                    self._columns(source) if isinstance(source, EntityTable) else sa.select(source)
                )
                return select.where(owner.in_(_binds(size, owner))).order_by(owner, position)

            found += self._statement(("below", *key, size), build).rows(connection, part)
        return found

    def _by_id(self, entity: str, size: int, removed: bool, lock: bool) -> Statement:
        place = self._tables.of(entity)

        def build() -> sa.Select[Any]:
            statement = self._columns(place).where(place.id.in_(_binds(size, place.id)))
            if not removed:
                statement = statement.where(place.removed_at.is_(None))
            statement = statement.order_by(place.id)
            # NO KEY UPDATE: whoever points at the row holds a key share of it, and must not wait
            return statement.with_for_update(key_share=True) if lock else statement

        return self._statement(("load", entity, size, removed, lock), build)

    @staticmethod
    def _columns(place: EntityTable) -> sa.Select[Any]:
        """Every column under the name of its field."""
        own = [column for column in place.table.c if column.name in _OWN]
        return sa.select(*own, *(column.label(name) for name, column in place.columns.items()))


_OWN = frozenset({"id", "version", "removed_at", "parent_id", "position"})


def pointing(place: EntityTable, link: Field, bind: str = "target") -> sa.ColumnElement[bool]:
    """Living records of `place` whose field `link` points at the bound id."""
    target: sa.BindParameter[int] = sa.bindparam(bind, type_=place.id.type)
    living = place.removed_at.is_(None)
    if link.name in place.links:
        pairs = place.links[link.name]
        inside = sa.select(pairs.c.left_id).where(pairs.c.right_id == target)
        return sa.and_(living, place.id.in_(inside))
    return sa.and_(living, place.columns[link.name] == target)


def _binds(size: int, column: sa.Column[int]) -> list[sa.BindParameter[int]]:
    return [sa.bindparam(f"v{number}", type_=column.type) for number in range(size)]


SIZES = (1, 5, 25, 100, 400)


def _parts(ids: Sequence[int]) -> Iterable[tuple[dict[str, int], int]]:
    """The ids in portions of a few sizes, the last one repeated to fill up: few statements."""
    rest = list(ids)
    while rest:
        size = next((size for size in SIZES if size >= len(rest)), SIZES[-1])
        part, rest = rest[:size], rest[size:]
        padded = part + part[-1:] * (size - len(part))
        yield {f"v{number}": id for number, id in enumerate(padded)}, size
