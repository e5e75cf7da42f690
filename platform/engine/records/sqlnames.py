"""What the names of expressions are in SQL: columns, correlated subqueries, rows of relations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import (
    Env,
    ExpressionError,
    Node,
    Rows,
    Scope,
    SqlValue,
    parse,
    to_sql,
    to_sql_value,
)
from engine.expressions.scope import PLATFORM
from engine.expressions.tree import Path
from engine.expressions.types import Type
from engine.problems import Problem
from engine.records import facts
from engine.storage.types import ScaledDecimal, UtcDateTime
from engine.tables import EntityTable, system
from engine.tables.sealed import is_sealed

_USER: Final = {
    "id": "id",
    "name": "name",
    "login": "login",
    "dept": "department_id",
    "manager": "manager_id",
}
_DEPARTMENT: Final = {"id": "id", "name": "name", "parent": "parent_id", "manager": "manager_id"}
_PLATFORM: Final[Mapping[str, tuple[sa.Table, Mapping[str, str]]]] = {
    "user": (system.USER, _USER),
    "department": (system.DEPARTMENT, _DEPARTMENT),
}
_TARGETS: Final = {
    "created_by": "user",
    "updated_by": "user",
    "manager": "user",
    "dept": "department",
    "parent": "department",
}


def not_in_sql(path: Path) -> ExpressionError:
    """The refusal of a name that has no column."""
    return ExpressionError(Problem("X050", {"column": 1, "found": ".".join(path)}))


class Source(Protocol):
    """What the resolver needs of an application."""

    @property
    def dialect(self) -> str:
        """The database's kind."""

    def inverses(self, entity: str) -> Mapping[str, tuple[Entity, Field]]:
        """The named relations that lead back to an entity."""

    def scope(self, entity: Entity) -> Scope:
        """The types of an entity's names."""

    def names(self, entity: str, env: Env, *, plain: bool = False) -> SqlNames:
        """The names of another entity, from a fresh alias of its table."""

    def row_names(self, place: EntityTable, rows: Entity, env: Env) -> SqlNames:
        """The names of the rows of a lines field."""


@dataclass(frozen=True, slots=True)
class SqlNames:
    """The resolver of one entity's (or one lines field's) rows: `table` is what the statement
    selects them from, the table itself or an alias of it."""

    app: Source
    entity: Entity
    place: EntityTable
    table: sa.FromClause
    env: Env

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self.app.dialect

    @property
    def datetime_type(self) -> sa.types.TypeEngine[Any]:
        """How points in time are stored."""
        return UtcDateTime()

    @property
    def scope(self) -> Scope:
        """The types of the names."""
        return self.app.scope(self.entity)

    def truth(self, node: Node) -> sa.ColumnElement[bool]:
        """An expression over these rows as a condition."""
        return to_sql(node, self)

    def column(self, name: str) -> sa.ColumnElement[Any]:
        """The column of a field (or id, version, removed_at …) in this statement."""
        return self.table.c[self.place.column(name).name]

    def name(self, path: Path) -> SqlValue:
        """See `engine.expressions.Resolver`."""
        head, rest = path[0], path[1:]
        if head == "id":
            return SqlValue(self.table.c.id, self._type("id"))
        field = self.entity.fields.get(head)
        if field is None:
            raise not_in_sql(path)
        if not rest or rest == ("id",):
            return self._field(field)
        if head not in self.place.columns:
            raise not_in_sql(path)
        return self._onward(self.column(head), field, rest)

    def _field(self, field: Field) -> SqlValue:
        if field.compute and not field.compute.store:
            return to_sql_value(parse(field.compute.expr), self)
        if field.name not in self.place.columns or is_sealed(self.place.columns[field.name]):
            raise not_in_sql((field.name,))
        return _sql_value(self.column(field.name), self._type(field.name), self.dialect)

    def _type(self, name: str) -> Type:
        return self.scope.names[name]

    def _onward(self, column: sa.ColumnElement[Any], field: Field, rest: Path) -> SqlValue:
        """What stands at the end of a path that leaves this record."""
        if field.reference:
            return self._through(column, self.app.names(field.reference.to, self.env), rest)
        kind = _TARGETS.get(field.type, field.type)
        if kind in _PLATFORM:
            return self._platform(column, kind, rest)
        raise not_in_sql((field.name, *rest))

    def _through(self, column: sa.ColumnElement[Any], other: SqlNames, rest: Path) -> SqlValue:
        value = other.name(rest)
        return SqlValue(_one(other.table, column, value.element), value.type, value.scale)

    def _platform(self, column: sa.ColumnElement[Any], kind: str, rest: Path) -> SqlValue:
        """A name of a user or department; one hop more may follow (`owner.dept.manager`)."""
        table, names = _PLATFORM[kind]
        if rest[0] not in names:
            raise not_in_sql(rest)
        other = table.alias()
        inner: SqlValue = SqlValue(other.c[names[rest[0]]], PLATFORM[f"@{kind}"][rest[0]])
        if rest[1:] and rest[1:] != ("id",):
            inner = self._platform(inner.element, _TARGETS[rest[0]], rest[1:])
        return SqlValue(_one(other, column, inner.element), inner.type)

    def among(
        self, path: Path, test: Callable[[SqlValue], sa.ColumnElement[bool]]
    ) -> sa.ColumnElement[bool] | None:
        """See `engine.expressions.Resolver`. People are few, records may be many."""
        head, *rest = path
        field = self.entity.fields.get(head)
        if (
            field is None
            or len(rest) != 1
            or rest[0] not in _USER
            or head not in self.place.columns
        ):
            return None
        if _TARGETS.get(field.type, field.type) != "user":
            return None
        column, person = self.column(head), system.USER.alias()
        value = SqlValue(person.c[_USER[rest[0]]], PLATFORM["@user"][rest[0]])
        some = sa.select(person.c.id).where(test(value)).correlate_except(person)
        # not by the column's index: in a list it is the order's index that has to lead
        return sa.func.coalesce(column, 0).in_(some)

    def fact(self, what: str, argument: str) -> sa.ColumnElement[bool]:
        """See `engine.expressions.Resolver`. Rows of a lines field have no facts of their own."""
        if "." in self.entity.name:
            return sa.false()
        return facts.condition(what, argument, self.entity.name, self.table.c.id, self.env)

    # --- relations -----------------------------------------------------------------------------
    def rows(self, path: Path) -> Rows:
        """See `engine.expressions.Resolver`."""
        if len(path) != 1:
            raise not_in_sql(path)
        name = path[0]
        if (field := self.entity.fields.get(name)) is not None:
            return self._own_rows(field)
        inverse = self.app.inverses(self.entity.name).get(name)
        if inverse is None:
            raise not_in_sql(path)
        other, link = inverse
        names = self.app.names(other.name, self.env)
        tables: list[sa.FromClause] = [names.table]
        if link.name in names.place.links:
            pairs = names.place.links[link.name].alias()
            tables.append(pairs)
            tie = sa.and_(pairs.c.left_id == names.table.c.id, pairs.c.right_id == self.table.c.id)
        else:
            tie = names.column(link.name) == self.table.c.id
        return Rows(tables, sa.and_(tie, names.table.c.removed_at.is_(None)), names.name)

    def _own_rows(self, field: Field) -> Rows:
        if field.rows is not None:
            inner = self.app.row_names(self.place.lines[field.name], field.rows, self.env)
            return Rows([inner.table], inner.table.c.parent_id == self.table.c.id, inner.name)
        if field.reference is None or field.name not in self.place.links:
            raise not_in_sql((field.name,))
        names = self.app.names(field.reference.to, self.env)
        pairs = self.place.links[field.name].alias()
        tie = sa.and_(
            pairs.c.left_id == self.table.c.id,
            pairs.c.right_id == names.table.c.id,
            names.table.c.removed_at.is_(None),
        )
        return Rows([names.table, pairs], tie, names.name)


def _sql_value(element: sa.ColumnElement[Any], type_: Type, dialect: str) -> SqlValue:
    kind = element.type
    scale = kind.scale if isinstance(kind, ScaledDecimal) and dialect == "sqlite" else 0
    return SqlValue(element, type_, scale)


def _one(
    table: sa.FromClause, column: sa.ColumnElement[Any], wanted: sa.ColumnElement[Any]
) -> sa.ColumnElement[Any]:
    """`wanted` of the row of `table` whose id is in `column`."""
    query = sa.select(wanted).where(table.c.id == column).correlate_except(table)
    return query.scalar_subquery()
