"""Statements that change tables and that SQLAlchemy has no words for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler


class AddColumn(ExecutableDDLElement):
    """``ALTER TABLE … ADD COLUMN …``; `default` is the SQL literal that existing rows get.

    On SQLite the foreign key is part of the column; elsewhere it is added by itself afterwards.
    """

    def __init__(self, column: sa.Column[Any], default: str = "") -> None:
        self.column, self.default = column, default


@compiles(AddColumn)
def _add_column(element: AddColumn, compiler: DDLCompiler, **_: Any) -> str:
    table = compiler.preparer.format_table(element.column.table)
    text = f"ALTER TABLE {table} ADD COLUMN {compiler.get_column_specification(element.column)}"
    return f"{text} DEFAULT {element.default}" if element.default else text


@compiles(AddColumn, "sqlite")
def _add_column_sqlite(element: AddColumn, compiler: DDLCompiler, **kw: Any) -> str:
    text = _add_column(element, compiler, **kw)
    for key in element.column.foreign_keys:
        preparer = compiler.preparer
        target = preparer.format_table(key.column.table)
        text += f" REFERENCES {target} ({preparer.format_column(key.column)})"
        if key.ondelete:
            text += f" ON DELETE {key.ondelete}"
    return text


class DropDefault(ExecutableDDLElement):
    """``ALTER COLUMN … DROP DEFAULT``: PostgreSQL keeps the value for the rows that were there."""

    def __init__(self, column: sa.Column[Any]) -> None:
        self.column = column


@compiles(DropDefault)
def _drop_default(element: DropDefault, compiler: DDLCompiler, **_: Any) -> str:
    table = compiler.preparer.format_table(element.column.table)
    column = compiler.preparer.format_column(element.column)
    return f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT"
