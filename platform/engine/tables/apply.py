"""Carrying a plan out, in the caller's transaction: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa

from engine.definitions.model import MISSING
from engine.problems import Problem
from engine.storage import overwriting
from engine.storage.ddl import AddColumn, DropDefault
from engine.storage.types import JsonText, dumps
from engine.tables import search, system
from engine.tables.plan import Operation, Plan
from engine.tables.schema import Tables
from engine.tables.turning import turn

EXAMPLES: Final = 3
_NEW: Final = frozenset({"add_column", "seal_column", "unseal_column"})


class PlanRefused(Exception):
    """The plan cannot be carried out; `problems` say why. Nothing may be committed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(", ".join(problem.code for problem in self.problems))


def apply(connection: sa.Connection, plan: Plan, tables: Tables) -> None:
    """Change the database as `plan` says; `tables` are those of the plan's layout.

    Raises: PlanRefused when the plan has problems, or when a new unique key meets records that
    share their values already.
    """
    if plan.problems:
        raise PlanRefused(plan.problems)
    system.ensure(connection)
    worker = _Worker(connection, tables)
    for step in (
        *(worker.tables, worker.columns, worker.keys, worker.turns),
        *(worker.indexes, worker.searches),
    ):
        step(plan.operations)


class _Worker:
    def __init__(self, connection: sa.Connection, tables: Tables) -> None:
        self.connection, self.metadata = connection, tables.metadata
        self.ring = tables.keys
        self.entities = {entity.table.name: entity for entity in tables.entities.values()}
        self.sqlite = connection.dialect.name == "sqlite"

    def _table(self, operation: Operation) -> sa.Table:
        return self.metadata.tables[operation.table]

    def tables(self, operations: Iterable[Operation]) -> None:
        """New tables. SQLite's foreign keys are part of them, and may point at what comes later."""
        for operation in operations:
            if operation.kind == "create_table":
                table = self._table(operation)
                keys: list[sa.ForeignKeyConstraint] | None = None if self.sqlite else []
                self.connection.execute(
                    sa.schema.CreateTable(table, include_foreign_key_constraints=keys)
                )

    def columns(self, operations: Iterable[Operation]) -> None:
        """New columns; existing rows get the default without being rewritten."""
        for operation in operations:
            if operation.kind not in _NEW:
                continue
            column = self._table(operation).c[operation.column]
            default = "" if operation.default is MISSING else self._literal(operation)
            self.connection.execute(AddColumn(column, default))
            if default and not self.sqlite:
                self.connection.execute(DropDefault(column))

    def _literal(self, operation: Operation) -> str:
        kind, value = self._table(operation).c[operation.column].type, operation.default
        literal = (
            sa.literal(dumps(value), sa.Text())  # SQLAlchemy has no literal JSONB
            if isinstance(kind, JsonText)
            else sa.literal(value, kind)
        )
        return str(
            literal.compile(dialect=self.connection.dialect, compile_kwargs={"literal_binds": True})
        )

    def keys(self, operations: Iterable[Operation]) -> None:
        """Foreign keys, where they could not come with their table or column."""
        if self.sqlite:
            return
        for operation in operations:
            if operation.kind not in {"create_table", "add_column"}:
                continue
            for key in self._table(operation).foreign_key_constraints:
                if operation.kind == "create_table" or operation.column in key.columns:
                    self.connection.execute(sa.schema.AddConstraint(key, isolate_from_table=False))

    def turns(self, operations: Iterable[Operation]) -> None:
        """Move values to where they are encrypted, or no longer are; nothing stays behind."""
        for operation in operations:
            if operation.kind in {"seal_column", "unseal_column"}:
                turn(self.connection, self._table(operation), operation, self.ring)

    def indexes(self, operations: Iterable[Operation]) -> None:
        """Drop what is superfluous, then look for duplicates, then create."""
        refused: list[Problem] = []
        for operation in operations:
            if operation.kind in {"drop_index", "drop_unique"}:
                shell = sa.Table(operation.table, sa.MetaData(), sa.Column("id"))
                index = sa.Index(operation.index, shell.c.id)
                self.connection.execute(sa.schema.DropIndex(index))
        for operation in operations:
            if operation.kind in {"create_index", "create_unique"}:
                index = next(i for i in self._table(operation).indexes if i.name == operation.index)
                examples = self._duplicates(index) if index.unique else []
                if examples:
                    refused.append(Problem("P003", {**operation.titles, "examples": examples}))
                else:
                    index.create(self.connection)
        if refused:
            raise PlanRefused(refused)

    def _duplicates(self, index: sa.Index) -> list[str]:
        """Values that several records share, as "value (how many)"."""
        table = index.table
        assert table is not None
        columns = [column for column in table.columns if column in set(index.columns)]
        alive = table.c.removed_at.is_(None) if "removed_at" in table.c else sa.true()
        groups = (
            sa.select(sa.func.count().label("many"), sa.func.min(table.c.id).label("first"))
            .where(alive, *(column.is_not(None) for column in columns))
            .group_by(*index.expressions)
            .having(sa.func.count() > 1)
            .order_by(sa.desc("many"), "first")
            .limit(EXAMPLES)
            .subquery()
        )
        found = self.connection.execute(
            sa.select(groups.c.many, *columns)
            .join(groups, groups.c.first == table.c.id)
            .order_by(groups.c.many.desc(), groups.c.first)
        )
        return [f"{' / '.join(str(one) for one in row[1:])} ({row[0]})" for row in found]

    def searches(self, operations: Iterable[Operation]) -> None:
        """Search indexes; made or made anew over the records that are there. Where values became
        encrypted the words of what they were go too."""
        if any(operation.kind == "seal_column" for operation in operations):
            with overwriting(self.connection):
                self._searches(operations)
                for operation in operations:
                    if operation.kind == "rebuild_search":
                        search.purge(self.connection, self._search(operation))
        else:
            self._searches(operations)

    def _searches(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            match operation.kind:
                case "create_search":
                    index = self._search(operation)
                    search.create(self.connection, index)
                    search.rebuild(self.connection, index)
                case "rebuild_search":
                    search.rebuild(self.connection, self._search(operation))
                case "drop_search":
                    search.drop(self.connection, operation.table)

    def _search(self, operation: Operation) -> search.SearchTable:
        found = self.entities[operation.table].search
        assert found is not None
        return found
