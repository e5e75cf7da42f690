"""The records of tests/conformance/expressions/world.json: in Python and in SQL tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.expressions import Env, Rows, Scope, SqlValue, compile, parse, to_sql, to_sql_value
from engine.expressions.scope import PLATFORM
from engine.expressions.types import (
    BOOL,
    DATE,
    DATETIME,
    DEPARTMENT,
    MINE,
    NUMBER,
    TEXT,
    USER,
    ListOf,
    RecordOf,
    Type,
)
from engine.storage.types import JsonText, ScaledDecimal, UtcDateTime

FOLDER = Path(__file__).parents[1] / "conformance" / "expressions"
WORLD = json.loads((FOLDER / "world.json").read_text(encoding="utf-8"))
ZONE = ZoneInfo(WORLD["zone"])
NOW = datetime.fromisoformat(WORLD["now"]).astimezone(ZONE)
KINDS: Mapping[str, tuple[Type, Any]] = {
    "text": (TEXT, sa.Text()),
    "number": (NUMBER, sa.BigInteger()),
    "money": (NUMBER, ScaledDecimal(2)),
    "rate": (NUMBER, ScaledDecimal(4)),
    "bool": (BOOL, sa.Boolean()),
    "date": (DATE, sa.Date()),
    "datetime": (DATETIME, UtcDateTime()),
    "user": (USER, sa.BigInteger()),
    "customer": (RecordOf("customer"), sa.BigInteger()),
    "tags": (ListOf(TEXT), JsonText()),
}
MEMBERS: Mapping[str, Mapping[str, Type]] = {
    **PLATFORM,
    "customer": {
        **{name: KINDS[kind][0] for name, kind in WORLD["fields"].items()},
        "lines": ListOf(RecordOf("customer.lines")),
        "children": ListOf(RecordOf("customer")),
    },
    "customer.lines": {name: KINDS[kind][0] for name, kind in WORLD["line_fields"].items()},
}
SCOPE = Scope(
    {**MEMBERS["customer"], "me": USER, "my": MINE, "old": RecordOf("customer")},
    lambda entity, name: MEMBERS.get(entity, {}).get(name),
    "customer",
    lambda entity: MEMBERS.get(entity, {}),
)


def read(kind: str, value: Any) -> Any:
    """A value of world.json as the engine holds it."""
    match kind:
        case _ if value is None:
            return None
        case "money" | "rate":
            return Decimal(value)
        case "number":
            return int(value)
        case "date":
            return date.fromisoformat(value)
        case "datetime":
            return datetime.fromisoformat(value)
        case _:
            return value


def _record(kinds: Mapping[str, str], raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: read(kind, raw[name]) for name, kind in kinds.items()}


def below(department: int) -> Collection[int]:
    return WORLD["departments"].get(str(department), [department])


@dataclass(repr=False)
class World:
    """Records with their rows; `world.json` unless a test brings its own."""

    records: dict[int, dict[str, Any]] = field(
        default_factory=lambda: {
            raw["id"]: _record(WORLD["fields"], raw) for raw in WORLD["records"]
        }
    )
    lines: dict[int, list[dict[str, Any]]] = field(
        default_factory=lambda: {
            int(owner): [_record(WORLD["line_fields"], raw) for raw in rows]
            for owner, rows in WORLD["lines"].items()
        }
    )

    def __post_init__(self) -> None:
        self.users = {raw["id"]: raw for raw in WORLD["users"]}

    def __repr__(self) -> str:
        return f"World of {len(self.records)}"

    def env(self, id: int) -> Env:
        names = {**self.records[id], "me": WORLD["me"], "my": WORLD["my"], "old": None}
        return Env(names, NOW, self.attribute, below)

    def attribute(self, entity: str, id: int, name: str) -> Any:
        if entity == "@user":
            return self.users[id][name]
        if entity == "customer" and name == "lines":
            return self.lines.get(id, [])
        if entity == "customer" and name == "children":
            return [each for each, record in self.records.items() if record["parent"] == id]
        return {"customer": self.records}[entity][id][name]

    def evaluate(self, source: str, id: int) -> Any:
        return compile(parse(source), SCOPE)(self.env(id))


class Tables:
    """The world in a database, and what names mean there: a worked Resolver."""

    datetime_type = UtcDateTime()
    scope = SCOPE

    def __init__(self, connection: sa.Connection, world: World) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.env = Env({"me": WORLD["me"], "my": WORLD["my"]}, NOW, below=below)
        self._make(sa.MetaData())
        self._fill(world)

    def _make(self, metadata: sa.MetaData) -> None:
        def table(name: str, fields: Mapping[str, str], *more: sa.Column[Any]) -> sa.Table:
            columns = [sa.Column(each, KINDS[kind][1]) for each, kind in fields.items()]
            return sa.Table(name, metadata, *columns, *more, prefixes=["TEMPORARY"])

        self.customer = table("e1_customer", WORLD["fields"])
        self.lines = table("e1_lines", WORLD["line_fields"], sa.Column("parent_id", sa.BigInteger))
        self.users = table("dg_user", {"id": "number", "name": "text", "dept": "number"})
        metadata.create_all(self.connection)

    def _fill(self, world: World) -> None:
        rows = [
            {**row, "parent_id": owner} for owner, several in world.lines.items() for row in several
        ]
        self.connection.execute(sa.insert(self.customer), list(world.records.values()))
        self.connection.execute(sa.insert(self.lines), rows)
        self.connection.execute(sa.insert(self.users), list(world.users.values()))

    def _column(self, table: sa.FromClause, column: str, kind: str) -> SqlValue:
        type, stored = KINDS[kind]
        scale = stored.scale if isinstance(stored, ScaledDecimal) else 0
        return SqlValue(table.c[column], type, scale if self.dialect == "sqlite" else 0)

    def _from(
        self, table: sa.FromClause, fields: Mapping[str, str], path: Sequence[str]
    ) -> SqlValue:
        """A path from one row on: each hop is a scalar subquery."""
        head, *rest = path
        kind = fields[head]
        here = self._column(table, head, kind)
        if not rest:
            return here
        other = (self.users if kind == "user" else self.customer).alias()
        theirs = {"id": "number", "name": "text", "dept": "number"}
        found = self._from(other, theirs if kind == "user" else WORLD["fields"], rest)
        query = sa.select(found.element).where(other.c.id == here.element).correlate_except(other)
        type = DEPARTMENT if (kind, rest) == ("user", ["dept"]) else found.type
        return SqlValue(query.scalar_subquery(), type, found.scale)

    def name(self, path: tuple[str, ...]) -> SqlValue:
        return self._from(self.customer, WORLD["fields"], path)

    def among(
        self, path: tuple[str, ...], test: Callable[[SqlValue], sa.ColumnElement[bool]]
    ) -> sa.ColumnElement[bool] | None:
        if path != ("owner", "dept"):
            return None
        other = self.users.alias()
        value = SqlValue(other.c.dept, DEPARTMENT)
        some = sa.select(other.c.id).where(test(value)).correlate_except(other)
        column = self.customer.c.owner
        return sa.func.coalesce(column, 0).in_(some)

    def fact(self, what: str, argument: str) -> sa.ColumnElement[bool]:
        return sa.false()

    def rows(self, path: tuple[str, ...]) -> Rows:
        *way, relation = path
        owner = self.name((*way, "id")).element
        if relation == "lines":
            row = self.lines.alias()
            fields = WORLD["line_fields"]
            return Rows([row], row.c.parent_id == owner, lambda p: self._from(row, fields, p))
        row = self.customer.alias()
        fields = WORLD["fields"]
        return Rows([row], row.c.parent == owner, lambda p: self._from(row, fields, p))

    def evaluate(self, source: str) -> dict[int, Any]:
        """The expression for every record: id -> value."""
        node = parse(source)
        found = to_sql_value(node, self)
        query = sa.select(self.customer.c.id, found.element)
        values = {id: self._read(value, found) for id, value in self.connection.execute(query)}
        if found.type == BOOL:  # a condition must say the same where it selects
            where = sa.select(self.customer.c.id).where(to_sql(node, self))
            chosen = set(self.connection.scalars(where))
            turned = sa.select(self.customer.c.id).where(sa.not_(to_sql(node, self)))
            assert chosen == {id for id, value in values.items() if value is True}, source
            assert set(self.connection.scalars(turned)) == set(values) - chosen, source
        return values

    @staticmethod
    def _read(value: Any, found: SqlValue) -> Any:
        if value is None:
            return None
        if found.type == NUMBER:
            assert isinstance(value, int | Decimal), f"{value!r} is no exact number"
            return Decimal(value).scaleb(-found.scale)
        if found.type == DATE and isinstance(value, str):
            return date.fromisoformat(value)
        if found.type == DATETIME:
            return value.astimezone(UTC)
        return bool(value) if found.type == BOOL else value
