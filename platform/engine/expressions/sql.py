"""Tree to SQLAlchemy, for SQLite and PostgreSQL, with the meaning that `evaluate` gives it.

Two rules make that possible. What does not depend on a row (`me.dept`, `today()`,
`me.has_role('a')`) is evaluated in Python first and becomes a bound parameter. And every boolean
expression comes out two-valued, true or false, never NULL; so NOT around it is safe.

Without an exact counterpart, and therefore refused with a problem: division (but by a constant
such as 4 or 100 it is exact), `avg`, `add_months`, `text`, `age`, the day of a point in time,
`old` and `event`, and lists of text as values. SQLite's integers have 64 bits, so there a result is
exact up to 18 digits, those after the point included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from engine.expressions.check import Analysis, sound
from engine.expressions.errors import error
from engine.expressions.evaluate import ORDER, compile
from engine.expressions.functions import FUNCTIONS, Function
from engine.expressions.scope import Scope
from engine.expressions.sqlvalues import (
    Dialect,
    NotInSql,
    SqlValue,
    aligned,
    known,
    rescaled,
    sql_add_days,
    sql_days_between,
)
from engine.expressions.tree import (
    Arithmetic,
    Attribute,
    Call,
    Choice,
    Compare,
    Items,
    Literal,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Path,
    path_of,
    paths,
    walk,
)
from engine.expressions.types import (
    BOOL,
    DATE,
    DATETIME,
    NULL,
    NUMBER,
    TEXT,
    ListOf,
    RecordOf,
    Type,
    is_text,
)
from engine.expressions.values import Env, id_of

Truth = sa.ColumnElement[bool]
RUNTIME: Final = frozenset({"old", "me", "my", "event", "starter", "actor", "states"})


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a relation, as part of a correlated subquery.

    tables: everything the subquery selects from (an alias where the outer table itself could be
    meant); where: what ties them to the outer row, and that they are not removed; name: a path
    from a row on, such as ("amount",) or ("owner", "dept"); ("id",) must work.
    """

    tables: Sequence[sa.FromClause]
    where: Truth
    name: Callable[[Path], SqlValue]


class Resolver(Protocol):
    """What names mean in SQL, for one statement."""

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""

    @property
    def datetime_type(self) -> sa.types.TypeEngine[Any]:
        """The column type of points in time, so that constants are stored the same way."""

    @property
    def scope(self) -> Scope:
        """The types, exactly those the expression was checked with."""

    @property
    def env(self) -> Env:
        """`names` holds ONLY what does not depend on the row: `me`, `my`, …; never fields."""

    def name(self, path: Path) -> SqlValue:
        """The column of a field; for ("owner", "dept") a correlated scalar subquery."""

    def rows(self, path: Path) -> Rows:
        """The rows of a relation or of a field with several records."""

    def among(self, path: Path, test: Callable[[SqlValue], Truth]) -> Truth | None:
        """`test` of what stands at the end of a path, asked once for all of the few rows that it
        may lead to instead of once per row; None where there may be many. False for null."""

    def fact(self, what: str, argument: str) -> Truth:
        """What the platform knows of a record beside its fields, for the user of `env`."""


@dataclass(frozen=True, slots=True)
class _Constant:
    """A value known before the statement runs."""

    value: Any
    type: Type


_Operand = SqlValue | _Constant


def to_sql(node: Node, resolver: Resolver) -> Truth:
    """A boolean expression as a condition that is true or false, never NULL.

    Raises: ExpressionError X050 naming what has no exact counterpart in SQL.
    """
    return _Translator(sound(node, resolver.scope), resolver).truth(node)


def to_sql_value(node: Node, resolver: Resolver) -> SqlValue:
    """Any expression as a value, for sorting and measures; mind its `scale`.

    Raises: ExpressionError X050, likewise.
    """
    translator = _Translator(sound(node, resolver.scope), resolver)
    return translator.lift(translator.value(node), node)


class _Translator:
    def __init__(self, found: Analysis, resolver: Resolver) -> None:
        self._found = found
        self._resolver = resolver
        self._dialect = Dialect(resolver.dialect == "sqlite")
        self._relation: Path | None = None
        self._rows: Rows | None = None

    # --- conditions ----------------------------------------------------------------------------
    def truth(self, node: Node) -> Truth:
        """The node as a condition that is never NULL."""
        if self._fixed(node):
            return sa.true() if self._evaluated(node) is True else sa.false()
        match node:
            case Not(operand=operand):
                return sa.not_(self.truth(operand))
            case Logic(op="and", parts=parts):
                return sa.and_(sa.true(), *(self.truth(part) for part in parts))
            case Logic(parts=parts):
                return sa.or_(sa.false(), *(self.truth(part) for part in parts))
            case Compare():
                return self._compare(node)
            case Choice(test=test, then=then, otherwise=otherwise):
                chosen = self.truth(test)
                return sa.or_(
                    sa.and_(chosen, self.truth(then)),
                    sa.and_(sa.not_(chosen), self.truth(otherwise)),
                )
            case Call(function="any" | "all"):
                return self._some_row(node)
            case Call(function=name, parts=parts) if FUNCTIONS[name].kind == "fact":
                return self._fact(node, name, parts)
        value = self.value(node)
        if isinstance(value, _Constant):
            return sa.true() if value.value is True else sa.false()
        if isinstance(node, Call) and FUNCTIONS[node.function].gives == BOOL:
            return value.element
        return value.element.is_(sa.true())

    def _fact(self, node: Node, name: str, parts: Sequence[Node]) -> Truth:
        if not all(self._fixed(part) for part in parts):
            raise self._refusal(node, name)
        return self._resolver.fact(name, str(*(self._evaluated(part) for part in parts)))

    def _compare(self, node: Compare) -> Truth:
        if node.op == "in":
            return self._in(node)
        if node.op == "within":
            return self._within(node)
        if node.op == "==" and (found := self._same_for_few(node)) is not None:
            return found
        left, right = self.value(node.left), self.value(node.right)
        if node.op in ("==", "!="):
            equal = self._equal(left, right, node)
            return equal if node.op == "==" else sa.not_(equal)
        if any(isinstance(side, _Constant) and side.value is None for side in (left, right)):
            return sa.false()
        a, b = self._pair(left, right, node)
        if is_text(a.type):
            a, b = (replace(side, element=self._dialect.collated(side.element)) for side in (a, b))
        compared: Truth = ORDER[node.op](a.element, b.element)
        return _two_valued(compared, a, b)

    def _same_for_few(self, node: Compare) -> Truth | None:
        """`owner.dept == my.dept`: the people of the department first, then the records."""
        if not self._fixed(node.right) or (wanted := self._evaluated(node.right)) is None:
            return None
        constant = _Constant(wanted, self._found.type(node.right))
        return self._among(node.left, lambda value: self._equal(value, constant, node))

    def _among(self, node: Node, test: Callable[[SqlValue], Truth]) -> Truth | None:
        path = path_of(node)
        if path is None or len(path) < 2 or self._relation is not None or self._fixed(node):
            return None
        return self._resolver.among(path, test)

    def _equal(self, left: _Operand, right: _Operand, node: Node) -> Truth:
        """Two-valued, and for a column against a constant in the form that an index serves."""
        for side, other in ((left, right), (right, left)):
            if isinstance(side, _Constant) and side.value is None:
                return self.lift(other, node).element.is_(None)
        a, b = self._pair(left, right, node)
        if isinstance(a.type, ListOf) or isinstance(b.type, ListOf):
            raise self._refusal(node, "==")
        if isinstance(left, _Constant) or isinstance(right, _Constant):
            return _two_valued(a.element == b.element, a, b)
        return a.element.is_not_distinct_from(b.element)

    def _in(self, node: Compare) -> Truth:
        left = self.value(node.left)
        if isinstance(left, _Constant) and left.value is None:
            return sa.false()
        if self._fixed(node.right):
            found = (_Constant(item, left.type) for item in self._evaluated(node.right) or ())
            constants = [item for item in found if item.value is not None]
            return self._one_of(left, constants, node)
        if isinstance(node.right, Items):
            options = [self.value(part) for part in node.right.parts]
            known_left = self.lift(left, node).element.is_not(None)
            return sa.and_(
                known_left, sa.or_(sa.false(), *(self._equal(left, each, node) for each in options))
            )
        path = path_of(node.right)
        kind = self._found.type(node.right)
        if path is None or not isinstance(kind, ListOf):
            raise self._refusal(node, "in")
        item = self.lift(left, node)
        if isinstance(kind.item, RecordOf):
            rows = self._rows_of(path, node)
            same = rows.name(("id",)).element == item.element
            return sa.and_(item.element.is_not(None), _exists(rows, same))
        return self._in_stored_list(item, self._named(path, node))

    def _one_of(self, left: _Operand, options: list[_Constant], node: Node) -> Truth:
        """`x in (…)` with constants."""
        column = self.lift(left, node)
        values = [self._pair(column, option, node) for option in options]
        if not values:
            return sa.false()
        if column.type == NUMBER:
            return sa.or_(*(_two_valued(a.element == b.element, a, b) for a, b in values))
        return sa.and_(
            column.element.is_not(None), column.element.in_([b.element for _, b in values])
        )

    def _in_stored_list(self, item: SqlValue, stored: SqlValue) -> Truth:
        """Texts of a multiple choice, kept as JSON."""
        if self._dialect.sqlite:
            values = sa.func.json_each(sa.type_coerce(stored.element, sa.Text())).table_valued(
                "value"
            )
            return sa.exists().where(values.c.value == item.element).correlate_except(values)
        array = sa.type_coerce(stored.element, postgresql.JSONB())
        inside = sa.func.jsonb_exists(array, item.element, type_=sa.Boolean())
        return sa.func.coalesce(inside, sa.false(), type_=sa.Boolean())

    def _within(self, node: Compare) -> Truth:
        if not self._fixed(node.right):
            raise self._refusal(node, "within")
        above = self._evaluated(node.right)
        tops = above if isinstance(above, list | tuple | set | frozenset) else (above,)
        below = self._resolver.env.below
        ids = {id for top in map(id_of, tops) if top is not None for id in below(top)}
        if not ids:
            return sa.false()

        def inside(place: SqlValue) -> Truth:
            return sa.and_(place.element.is_not(None), place.element.in_(sorted(ids)))

        found = self._among(node.left, inside)
        return inside(self.lift(self.value(node.left), node)) if found is None else found

    # --- values --------------------------------------------------------------------------------
    def value(self, node: Node) -> _Operand:
        """The node as a value."""
        if self._fixed(node):
            return _Constant(self._evaluated(node), self._found.type(node))
        match node:
            case Name() | Attribute():
                return self._named(path_of(node), node)
            case Negative(operand=operand):
                value = self._number(operand)
                return replace(value, element=-value.element)
            case Arithmetic():
                return self._arithmetic(node)
            case Choice(test=test, then=then, otherwise=otherwise):
                if self._found.type(node) == BOOL:
                    return self._nullable_choice(test, then, otherwise, node)
                a, b = self._pair(self.value(then), self.value(otherwise), node)
                return replace(
                    b if a.type == NULL else a,
                    element=sa.case((self.truth(test), a.element), else_=b.element),
                )
            case Call():
                return self._call(node, FUNCTIONS[node.function])
            case Items():
                raise self._refusal(node, "[…]")
        return SqlValue(self.truth(node), BOOL)

    def _nullable_choice(self, test: Node, then: Node, otherwise: Node, node: Node) -> SqlValue:
        parts = [self.lift(self.value(part), node).element for part in (then, otherwise)]
        chosen = sa.case((self.truth(test), parts[0]), else_=parts[1])
        return SqlValue(sa.type_coerce(chosen, sa.Boolean()), BOOL)

    def _named(self, path: Path | None, node: Node) -> SqlValue:
        if path is None:
            raise self._refusal(node, ".")
        if self._relation is not None and path[: len(self._relation)] == self._relation:
            if self._rows is None:
                raise self._refusal(node, ".".join(path))
            return self._dialect.column(self._rows.name(path[len(self._relation) :] or ("id",)))
        if path[0] in RUNTIME:
            raise self._refusal(node, ".".join(path))
        return self._dialect.column(self._resolver.name(path))

    def _number(self, node: Node) -> SqlValue:
        return self._dialect.wide(self.lift(self.value(node), node))

    def _arithmetic(self, node: Arithmetic) -> _Operand:
        kinds = self._found.type(node.left), self._found.type(node.right)
        if self._found.type(node) == TEXT:
            left, right = (self.lift(self.value(part), node) for part in (node.left, node.right))
            return SqlValue(left.element.concat(right.element), TEXT)
        if DATE in kinds:
            return self._dates(node)
        if node.op == "/":
            return self._quotient(node)
        left, right = self._number(node.left), self._number(node.right)
        if node.op == "*":
            scale = left.scale + right.scale
            return SqlValue(left.element * right.element, NUMBER, self._checked(scale, node))
        left, right = self._aligned(node, left, right)
        element = left.element + right.element if node.op == "+" else left.element - right.element
        return SqlValue(element, NUMBER, left.scale)

    def _dates(self, node: Arithmetic) -> SqlValue:
        left = self.lift(self.value(node.left), node)
        operand = self.value(node.right)
        right = self.lift(operand, node)
        if right.type == DATE:
            return sql_days_between(self._dialect, right, left)
        if node.op == "-":
            right = replace(right, element=-right.element)
        return self._guarded(node, lambda: sql_add_days(self._dialect, left, right))

    def _quotient(self, node: Arithmetic) -> SqlValue:
        """By a constant whose reciprocal has an end, such as 8 or 100: then `/` is `*`."""
        divisor = self.value(node.right)
        if not isinstance(divisor, _Constant) or divisor.value is None:
            raise self._refusal(node, "/")
        reciprocal = _reciprocal(Decimal(divisor.value))
        if reciprocal is None:
            raise self._refusal(node, "/")
        left = self._number(node.left)
        factor = self._guarded(node, lambda: self._dialect.number(reciprocal))
        scale = self._checked(left.scale + factor.scale, node)
        return SqlValue(left.element * factor.element, NUMBER, scale)

    # --- functions and aggregates ----------------------------------------------------------------
    def _call(self, node: Call, function: Function) -> _Operand:
        if id(node) in self._found.relations:
            if function.name in ("any", "all"):
                return SqlValue(self._some_row(node), BOOL)
            return self._aggregate(node, function)
        if function.sql is None:
            raise self._refusal(node, function.name)
        operands = [self.value(part) for part in node.parts]
        if function.gives == BOOL and any(
            isinstance(each, _Constant) and each.value is None for each in operands
        ):
            return _Constant(False, BOOL)
        parts = [self.lift(operand, node) for operand in operands]
        implementation = function.sql
        return self._guarded(node, lambda: implementation(self._dialect, *parts))

    def _enter(self, node: Call) -> Rows:
        relation = self._found.relations[id(node)]
        rows = self._rows_of(relation, node)
        self._relation, self._rows = relation, rows
        return rows

    def _leave(self) -> None:
        self._relation = self._rows = None

    def _rows_of(self, path: Path, node: Node) -> Rows:
        kind = self._found.scope.names.get(path[0])
        for name in path[1:]:
            kind = (
                self._found.scope.attribute(kind.entity, name)
                if isinstance(kind, RecordOf)
                else None
            )
        if not isinstance(kind, ListOf) or not isinstance(kind.item, RecordOf):
            raise self._refusal(node, ".".join(path))
        if path[0] in RUNTIME or (self._relation and path[: len(self._relation)] == self._relation):
            raise self._refusal(node, ".".join(path))
        return self._resolver.rows(path)

    def _some_row(self, node: Call) -> Truth:
        rows = self._enter(node)
        try:
            condition = self.truth(node.parts[0])
        finally:
            self._leave()
        if node.function == "any":
            return _exists(rows, condition)
        return sa.not_(_exists(rows, sa.not_(condition)))

    def _aggregate(self, node: Call, function: Function) -> SqlValue:
        rows = self._enter(node)
        try:
            bare = path_of(node.parts[0]) == self._relation
            value = None if bare else self.lift(self.value(node.parts[0]), node)
            condition = self.truth(node.parts[1]) if len(node.parts) > 1 else sa.true()
        finally:
            self._leave()
        found = self._reduced(node, function.name, value)
        query = (
            sa.select(found.element)
            .select_from(*rows.tables)
            .where(rows.where, condition)
            .correlate_except(*rows.tables)
            .scalar_subquery()
        )
        return replace(found, element=query)

    def _reduced(self, node: Node, name: str, value: SqlValue | None) -> SqlValue:
        if name == "count":
            counted = sa.func.count() if value is None else sa.func.count(value.element)
            return SqlValue(counted, NUMBER)
        if value is None:
            raise self._refusal(node, name)
        kind = value.element.type
        if name == "sum":
            added = sa.func.sum(value.element, type_=kind if self._dialect.sqlite else sa.Numeric())
            return replace(value, element=sa.func.coalesce(added, 0, type_=added.type))
        if name in ("min", "max"):
            element = value.element
            if is_text(value.type):
                element = self._dialect.collated(element)
            return replace(value, element=getattr(sa.func, name)(element, type_=kind))
        raise self._refusal(node, name)

    # --- constants -----------------------------------------------------------------------------
    def _fixed(self, node: Node) -> bool:
        """Whether the value is the same for every row."""
        names = self._resolver.env.names
        return all(path[0] in names for path in paths(node)) and not any(
            isinstance(part, Call) and FUNCTIONS[part.function].kind == "fact"
            for part in walk(node)
        )

    def _evaluated(self, node: Node) -> Any:
        if isinstance(node, Literal):
            return node.value
        return compile(node, self._found.scope)(self._resolver.env)

    def lift(self, value: _Operand, node: Node) -> SqlValue:
        """A constant as bound parameter of the right SQL type; anything else unchanged."""
        if isinstance(value, SqlValue):
            return value
        constant = id_of(value.value)
        match constant:
            case None:
                return SqlValue(sa.null(), NULL)
            case bool():
                return SqlValue(sa.true() if constant else sa.false(), BOOL)
            case int() | Decimal():
                if isinstance(value.type, RecordOf):
                    return SqlValue(sa.literal(constant, sa.BigInteger()), value.type)
                return self._guarded(node, lambda: self._dialect.number(constant))
            case str():
                return SqlValue(sa.literal(constant, sa.Text()), TEXT)
            case datetime():
                return SqlValue(sa.literal(constant, self._resolver.datetime_type), DATETIME)
            case date():
                return SqlValue(sa.literal(constant, sa.Date()), DATE)
        raise self._refusal(node, type(constant).__name__)

    def _pair(self, left: _Operand, right: _Operand, node: Node) -> tuple[SqlValue, SqlValue]:
        a, b = self._aligned(node, self.lift(left, node), self.lift(right, node))
        return a, b

    # --- refusals ------------------------------------------------------------------------------
    def _aligned(self, node: Node, *values: SqlValue) -> tuple[SqlValue, ...]:
        try:
            return aligned(*values)
        except NotInSql:
            raise self._refusal(node, "…") from None

    def _guarded(self, node: Node, make: Callable[[], SqlValue]) -> SqlValue:
        try:
            return make()
        except NotInSql:
            what = node.function if isinstance(node, Call) else "…"
            raise self._refusal(node, what) from None

    def _checked(self, scale: int, node: Node) -> int:
        if self._dialect.sqlite:
            self._guarded(node, lambda: rescaled(SqlValue(sa.null(), NUMBER, scale - 1), scale))
            return scale
        return 0

    @staticmethod
    def _refusal(node: Node, what: str) -> Exception:
        return error("X050", node.at, found=what)


def _two_valued(compared: Truth, *sides: SqlValue) -> Truth:
    """A comparison as true or false. Columns get IS NOT NULL beside it, which keeps their index
    useful; anything longer is not written twice."""
    nullable = [side for side in sides if not isinstance(side.element, sa.BindParameter)]
    if all(isinstance(side.element, sa.Column | sa.sql.elements.TypeCoerce) for side in nullable):
        return sa.and_(known(*nullable), compared)
    return sa.func.coalesce(compared, sa.false(), type_=sa.Boolean())


def _exists(rows: Rows, condition: Truth) -> Truth:
    return (
        sa.exists()
        .select_from(*rows.tables)
        .where(rows.where, condition)
        .correlate_except(*rows.tables)
    )


def _reciprocal(divisor: Decimal) -> Decimal | None:
    """1 / divisor when that is a short decimal, else None."""
    for places in range(7):
        unit = Decimal(10**places)
        if divisor and not unit % divisor:
            return (unit / divisor).scaleb(-places)
    return None
