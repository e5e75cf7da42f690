"""Indexes that lists are sorted by, and searches that use theirs."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from engine.tables.search import SearchTable, match
from engine.tables.sorting import sortable

LITE: sa.Dialect = sqlite.dialect()
SERVER: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def _table() -> sa.Table:
    columns = (sa.Column(name, sa.Integer()) for name in ("id", "amount"))
    return sa.Table("e1_thing", sa.MetaData(), *columns, sa.Column("name", sa.Text()))


def test_nulls_come_first_in_an_index_only_where_the_database_asks() -> None:
    table = _table()
    index = sa.Index("x1", *map(sortable, ("amount", "id"), (table.c.amount, table.c.id)))
    lite, server = (str(CreateIndex(index).compile(dialect=dialect)) for dialect in (LITE, SERVER))
    assert lite == "CREATE INDEX x1 ON e1_thing (amount, id)"
    assert server == "CREATE INDEX x1 ON e1_thing (amount NULLS FIRST, id)"


def test_a_search_asks_the_full_text_index_directly() -> None:
    table = _table()
    found = sa.select(table.c.id).where(
        match(SearchTable.build(table, {"name": table.c.name}), "麒麟")
    )
    lite = str(found.compile(dialect=LITE))
    assert (
        "e1_thing.id IN (SELECT s1_thing_w.rowid \nFROM s1_thing_w \nWHERE s1_thing_w MATCH ?)"
        in lite
    )
    assert " = 1" not in lite  # that would make it look at every record
    server = str(found.compile(dialect=SERVER))
    assert "WHERE s1_thing.grams @> " in server
