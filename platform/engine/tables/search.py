"""Text search that finds Chinese: an index of all pairs of neighbouring characters.

A search of two characters is the normal case in Chinese, and indexes of three find nothing then.
The pairs of a term narrow the records down; LIKE on the fields the reader may see decides. On
SQLite the pairs live in a contentless full-text table, on PostgreSQL in an array with a GIN index;
on both a side table ``s<n>_<slug>`` (id, grams) remembers them, so that a change can take the old
ones out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from engine.storage import raw
from engine.storage.types import big_integer
from engine.tables.folded import fold, folded

BATCH: Final = 500
ESCAPE: Final = "\\"
MOST_WORDS: Final = 5
_LONGEST: Final = 20_000
"""Characters of a record that are indexed; nobody searches the end of a novel."""


def normal(text: str) -> str:
    """Text as it is compared: NFC without case."""
    return unicodedata.normalize("NFC", text).casefold()


def grams(texts: Iterable[str]) -> list[str]:
    """All pairs of neighbouring letters, ideographs and digits; a single one stands for itself.

    >>> grams(["恒泰信", "A-1"])
    ['1', 'a', '恒泰', '泰信']
    """
    found: set[str] = set()
    left = _LONGEST
    for text in texts:
        for run in _runs(text[:left]):
            found.update(_pairs(run) or [run])
        left -= len(text)
        if left <= 0:
            break
    return sorted(found)


def wanted(term: str) -> list[str]:
    """The pairs that every record containing `term` has; none when the term is too short."""
    return sorted({pair for run in _runs(term) for pair in _pairs(run)})


def _runs(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() else " " for sign in normal(text)).split()


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


class Grams(TypeDecorator[list[str]]):
    """A list of pairs: an array on PostgreSQL, words on SQLite."""

    impl = sa.Text
    cache_ok = True
    joiner = " "

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        kind = sa.Text() if dialect.name == "sqlite" else postgresql.ARRAY(sa.Text())
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return self.joiner.join(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect  # the driver's type tells
        return value.split() if isinstance(value, str) else value


class GramQuery(Grams):
    """The pairs as SQLite's full-text question: all of them."""

    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return " AND ".join(f'"{pair}"' for pair in value)


@dataclass(frozen=True, slots=True)
class SearchTable:
    """The search index of an entity over `fields` (name -> column)."""

    table: sa.Table
    words: sa.TableClause  # SQLite's full-text table
    fields: Mapping[str, sa.Column[Any]]

    @classmethod
    def build(cls, entity: sa.Table, fields: Mapping[str, sa.Column[Any]]) -> SearchTable:
        """The index beside the table `entity`: e3_customer -> s3_customer."""
        name = name_of(entity.name)
        table = sa.Table(
            name,
            entity.metadata,
            sa.Column("id", big_integer(), primary_key=True, autoincrement=False),
            sa.Column("grams", Grams(), nullable=False),
            sqlite_strict=True,
        )
        sa.Index(f"{name}_g", table.c.grams, postgresql_using="gin").ddl_if("postgresql")
        return cls(table, sa.table(f"{name}_w", sa.column("rowid"), sa.column("grams")), fields)


class having(FunctionElement[bool]):  # noqa: N801
    """``having(id, ids by PostgreSQL's index, ids by SQLite's)``: the record has all the pairs."""

    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """A condition as it is: as ``(...) = 1`` SQLite would look at every record."""
        del against
        return self


@compiles(having)
def _having(element: having, compiler: SQLCompiler, **kw: Any) -> str:
    id, rows, _ = element.clauses
    return f"{compiler.process(id, **kw)} IN {compiler.process(rows, **kw)}"


@compiles(having, "sqlite")
def _having_sqlite(element: having, compiler: SQLCompiler, **kw: Any) -> str:
    id, _, rows = element.clauses
    return f"{compiler.process(id, **kw)} IN {compiler.process(rows, **kw)}"


class like(FunctionElement[bool]):  # noqa: N801
    """``like(column, folded pattern)`` whatever the case of A-Z: SQLite's LIKE is so by itself."""

    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """See `having`."""
        del against
        return self


@compiles(like)
def _like(element: like, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern = element.clauses
    found = folded(column).like(pattern, escape=ESCAPE)
    return f"({compiler.process(found, **kw)})"


@compiles(like, "sqlite")
def _like_sqlite(element: like, compiler: SQLCompiler, **kw: Any) -> str:
    column, pattern = (compiler.process(part, **kw) for part in element.clauses)
    return f"({column} LIKE {pattern} ESCAPE '{ESCAPE}')"


def match(
    search: SearchTable, term: str, fields: Collection[str] | None = None, name: str = "q"
) -> sa.ColumnElement[bool]:
    """The records that contain every word of `term`, in one of `fields` (all by default).

    Give only the fields that the reader may see: what is hidden must not be found either. The
    bound parameters are called as in `parameters`.
    """
    columns = [
        column for field, column in search.fields.items() if fields is None or field in fields
    ]
    found: list[sa.ColumnElement[bool]] = []
    for key, value in parameters(term, name).items():
        bind: sa.BindParameter[Any]
        if isinstance(value, list):
            bind = sa.bindparam(key, value, type_=GramQuery())
            found.append(_having_all(search, bind))
        else:
            bind = sa.bindparam(key, value, type_=sa.Text())
            found.append(sa.or_(sa.false(), *(like(column, bind) for column in columns)))
    return sa.and_(sa.true(), *found)


def _having_all(search: SearchTable, pairs: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    indexed, words = search.table, search.words
    holds = indexed.c.grams.op("@>", is_comparison=True)(pairs)
    matches = sa.literal_column(words.name).op("MATCH", is_comparison=True)(pairs)
    return having(
        next(iter(search.fields.values())).table.c.id,
        sa.select(indexed.c.id).where(holds).scalar_subquery(),
        sa.select(words.c.rowid).where(matches).scalar_subquery(),
    )


def parameters(term: str, name: str = "q") -> dict[str, list[str] | str]:
    """The bound values of `match`: ``q_0``, ``q_1`` … a LIKE pattern for each word, and
    ``q_grams`` the wanted pairs, which is missing when all words are too short.

    Two terms with the same keys have the same SQL.
    """
    words = unicodedata.normalize("NFC", term).split()[:MOST_WORDS]
    found: dict[str, list[str] | str] = {
        f"{name}_{number}": f"%{_escaped(fold(word))}%" for number, word in enumerate(words)
    }
    if pairs := sorted({pair for word in words for pair in wanted(word)}):
        found[f"{name}_grams"] = pairs
    return found


def _escaped(text: str) -> str:
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return text


def name_of(table: str) -> str:
    """The side table of an entity's table: e3_customer -> s3_customer."""
    return "s" + table[1:]


def create(connection: sa.Connection, search: SearchTable) -> None:
    """The index's tables, empty."""
    search.table.create(connection, checkfirst=False)
    if connection.dialect.name == "sqlite":
        # "ascii" breaks at ASCII separators only, so every pair is one word whatever its script
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {search.words.name} USING fts5"
            "(grams, content='', detail=none, columnsize=0, tokenize='ascii')"
        )


def drop(connection: sa.Connection, table: str) -> None:
    """Delete the index of the entity's table `table`; the records are not touched."""
    name = name_of(table)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"DROP TABLE {name}_w")
    connection.execute(sa.schema.DropTable(sa.Table(name, sa.MetaData())))


def index(
    connection: sa.Connection, search: SearchTable, id: int, record: Mapping[str, Any]
) -> None:
    """Put the texts of a created or changed record in, its old ones out.

    `record` holds all of its fields, as records do everywhere.
    """
    index_many(connection, search, [(id, [record.get(name) for name in search.fields])])


def index_many(
    connection: sa.Connection,
    search: SearchTable,
    rows: Collection[tuple[int, Iterable[Any]]],
    *,
    fresh: bool = False,
) -> None:
    """The same for many records: pairs of id and values. `fresh`: none was indexed before."""
    if not rows:
        return
    found = [(id, grams(one for one in texts if isinstance(one, str))) for id, texts in rows]
    if connection.dialect.name != "sqlite":
        values = [{"id": id, "grams": pairs} for id, pairs in found]
        connection.execute(_upsert(search.table), values)
        return
    if not fresh:
        _forget(connection, search, [id for id, _ in rows])
    words = [(id, Grams.joiner.join(pairs)) for id, pairs in found]
    cursor = raw(connection)
    cursor.executemany(
        f"INSERT INTO {search.table.name} (id, grams) VALUES (?, ?)"  # noqa: S608
        " ON CONFLICT (id) DO UPDATE SET grams = excluded.grams",
        words,
    )
    cursor.executemany(
        f"INSERT INTO {search.words.name} (rowid, grams) VALUES (?, ?)",  # noqa: S608
        words,
    )


@lru_cache(maxsize=256)
def _upsert(table: sa.Table) -> Any:
    statement = postgresql.insert(table)
    return statement.on_conflict_do_update(
        index_elements=["id"], set_={"grams": statement.excluded.grams}
    )


def unindex(connection: sa.Connection, search: SearchTable, id: int) -> None:
    """Take a record out, when it is deleted for good; removed ones may stay."""
    if connection.dialect.name == "sqlite":
        _forget(connection, search, [id])
    connection.execute(search.table.delete().where(search.table.c.id == id))


def _forget(connection: sa.Connection, search: SearchTable, ids: list[int]) -> None:
    """A contentless table has to be told the old words to forget them."""
    name, words = search.table.name, search.words.name
    raw(connection).executemany(
        f"INSERT INTO {words} ({words}, rowid, grams)"  # noqa: S608
        f" SELECT 'delete', id, grams FROM {name} WHERE id = ?",
        [(id,) for id in ids],
    )


def purge(connection: sa.Connection, search: SearchTable) -> None:
    """Let go of the words of what was taken out: SQLite keeps them beside the mark that they count
    no more until parts of the index are put together. Belongs into `overwriting`. PostgreSQL
    forgets with its next VACUUM."""
    if connection.dialect.name == "sqlite":
        words = search.words.name
        raw(connection).execute(f"INSERT INTO {words} ({words}) VALUES ('optimize')")  # noqa: S608


def rebuild(connection: sa.Connection, search: SearchTable) -> None:
    """Index all records anew."""
    entity = next(iter(search.fields.values())).table
    last = 0
    statement = (
        sa.select(entity.c.id, *search.fields.values())
        .where(entity.c.id > sa.bindparam("last"))
        .order_by(entity.c.id)
        .limit(BATCH)
    )
    while rows := connection.execute(statement, {"last": last}).all():
        index_many(connection, search, [(row[0], row[1:]) for row in rows])
        last = rows[-1][0]
