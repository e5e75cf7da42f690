"""Comparing text without case, the same way on both databases."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_SMALL = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}


class folded(FunctionElement[str]):  # noqa: N801
    """Text without the case of A-Z; other letters keep theirs, as SQLite knows no others."""

    type = sa.Text()
    inherit_cache = True


@compiles(folded)
def _folded(element: folded, compiler: SQLCompiler, **kw: Any) -> str:
    return f"lower({compiler.process(element.clauses, **kw)})"


@compiles(folded, "postgresql")
def _folded_postgres(element: folded, compiler: SQLCompiler, **kw: Any) -> str:
    return f'lower(({compiler.process(element.clauses, **kw)}) COLLATE "C")'


def fold(text: str) -> str:
    """What `folded` makes of `text`."""
    return text.translate(_SMALL)
