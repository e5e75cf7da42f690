"""SQL compiled once and run on the driver's cursor (storage.md, chapter E).

SQLAlchemy writes the text, so that quoting, dialects and types stay its business; at run time only
the values are put in. That halves the price of a read and leaves one connection, one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors

Processor = Callable[[Any], Any]
RAW: Final = "#"
"""Begins the names of columns that are left as the driver gives them: few of them are looked at."""
_NAMED: Final = frozenset({"pyformat", "named"})


class Statement:
    """One compiled statement. Shared between threads; nothing but the result's processors, which
    the first execution finds, is ever written to it."""

    __slots__ = ("_binds", "_dialect", "_named", "_raw", "_readers", "_types", "names", "sql")

    def __init__(self, dialect: sa.Dialect, schema: str, statement: sa.Executable) -> None:
        for part in visitors.iterate(statement):  # type: ignore[arg-type]
            if isinstance(part, sa.BindParameter):
                part.required = False  # the values come with each execution
                part.literal_execute = part.expanding
        compiled = statement.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            schema_translate_map={None: schema} if schema else None,
            render_schema_translate=bool(schema),
            # lists of constants are part of the text: their statement is not shared
            compile_kwargs={"render_postcompile": True},
        )
        if not isinstance(compiled, sa.sql.compiler.SQLCompiler):
            raise TypeError(statement)
        self._dialect = dialect
        self._named = self._dialect.paramstyle in _NAMED
        self.sql = str(compiled)
        self._binds = [self._bind(compiled, name) for name in _order(compiled)]
        columns = _columns(statement)
        # plain str: SQLAlchemy's quoted_name is one that serializers refuse
        self.names: tuple[str, ...] = tuple(str(column.key) for column in columns)
        self._types = [column.type for column in columns]
        self._readers: list[tuple[str, int, Processor]] | None = None
        self._raw: dict[str, Processor] = {}

    def _bind(
        self, compiled: sa.sql.compiler.SQLCompiler, name: str
    ) -> tuple[str, Any, Processor | None]:
        bind = compiled.binds[name]
        processor = bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)
        fixed = bind.effective_value if not bind.required else None
        return name, processor(fixed) if processor else fixed, processor

    def arguments(self, values: Mapping[str, Any]) -> Any:
        """`values` in the driver's own form; names they do not hold keep their constants."""
        found = [
            fixed if name not in values else processor(values[name]) if processor else values[name]
            for name, fixed, processor in self._binds
        ]
        if self._named:
            return {bind[0]: value for bind, value in zip(self._binds, found, strict=True)}
        return found

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows as dicts of Python values."""
        cursor = raw(connection)
        try:
            cursor.execute(self.sql, self.arguments(values))
            found = cursor.fetchall()
            if (readers := self._readers) is None:
                readers = self._prepare(cursor.description)
        finally:
            cursor.close()
        names = self.names
        result = [dict(zip(names, row, strict=True)) for row in found]
        for record, row in zip(result, found, strict=True):
            for name, at, processor in readers:
                if row[at] is not None:
                    record[name] = processor(row[at])
        return result

    def scalar(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """The first column of the first row, None without rows."""
        rows = self.rows(connection, values)
        return rows[0][self.names[0]] if rows else None

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> int:
        """Execute a write; how many rows it met."""
        cursor = raw(connection)
        try:
            cursor.execute(self.sql, self.arguments(values))
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def run_many(self, connection: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Execute a write for many rows at once."""
        cursor = raw(connection)
        try:
            cursor.executemany(self.sql, [self.arguments(row) for row in rows])
        finally:
            cursor.close()

    def _prepare(self, description: Sequence[Any] | None) -> list[tuple[str, int, Processor]]:
        """How to read each column; PostgreSQL's numbers depend on what the driver announces."""
        codes = [column[1] for column in description or ()]
        found = []
        for at, (name, type_, code) in enumerate(zip(self.names, self._types, codes, strict=True)):
            processor = type_.dialect_impl(self._dialect).result_processor(self._dialect, code)
            if processor is not None:
                found.append((name, at, processor))
        self._raw = {name: processor for name, _, processor in found if name.startswith(RAW)}
        self._readers = [reader for reader in found if not reader[0].startswith(RAW)]
        return self._readers

    def value(self, name: str, raw_value: Any) -> Any:
        """The value of a ``RAW`` column of a row that was read."""
        processor = self._raw.get(name)
        return raw_value if processor is None or raw_value is None else processor(raw_value)


def raw(connection: sa.Connection) -> Any:
    """The driver's own cursor, inside `connection`'s transaction."""
    return connection.connection.cursor()


def _order(compiled: sa.sql.compiler.SQLCompiler) -> list[str]:
    if compiled.positiontup is not None:
        return list(compiled.positiontup)
    return list(compiled.binds)


def _columns(statement: sa.Executable) -> Sequence[Any]:
    if isinstance(statement, sa.Select | sa.CompoundSelect):
        return list(statement.selected_columns)
    return list(getattr(statement, "exported_columns", ()) or ())
