"""Null is the smallest value, on both databases: what lists order by and their indexes agree."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

NEVER_NULL: Final = frozenset({"id", "created_at", "updated_at", "parent_id", "position"})


class nulls_least(FunctionElement[Any]):  # noqa: N801
    """A column of an index with its nulls before all else; in SQLite they are there anyway.

    Without it PostgreSQL cannot use the index for ``ORDER BY … NULLS FIRST`` or, backwards,
    ``DESC … NULLS LAST`` and sorts the whole table for every page.
    """

    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """As it is: the words for nulls must not stand in brackets."""
        del against
        return self


@compiles(nulls_least)
def _plain(element: nulls_least, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(nulls_least, "postgresql")
def _first(element: nulls_least, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{compiler.process(element.clauses, **kw)} NULLS FIRST"


def sortable(name: str, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column of the field `name` in an index that lists are sorted by."""
    return column if name in NEVER_NULL else nulls_least(column)
