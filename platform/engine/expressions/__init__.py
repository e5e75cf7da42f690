"""Expressions: one small language for computes, rules, guards, row permissions and filters.

Imports `definitions` and `problems`. A subset of Python's expressions, `null true false`, the
infix `within`, and the functions of ONE table (`functions.FUNCTIONS`). From one tree: types and
mistakes (`check`), evaluation (`compile`), SQL (`to_sql`), what is read (`dependencies`), a
sentence (`explain`) and renaming.

Meaning. Numbers are exact: int or Decimal, 34 digits, `x / 0` is null. Null: `==` and `!=` treat
it as a value, an order comparison with it is false, arithmetic with it is null, a condition that
is null counts as false. Text compares by code point. In `sum(contracts.amount * rate,
contracts.status == 'signed')` the relation is the first list in the first argument; inside the
call it stands for one row, and every other name for the record itself.

Records are ids (int), or mappings where the values are at hand: an entity's name comes from the
types, so a record's dict is used as it is. Equality compares ids.

Evaluating, with the model, a bound type per field and a dict `record`::

    scope = scope_of(model, model.entities["customer"], lambda field: bind(field).expression_type)
    mistakes = check(parse(source), scope, BOOL)[1]         # at publish; X-codes with a column
    run = compile(parse(source), scope)                     # once
    env = Env(
        names={**record, "old": before, "me": {"id": 7, "dept": 3, "roles": ["sales"]},
               "my": {"dept": 3, "departments": [3, 4]}},    # old is None on create
        now=now.astimezone(company_zone),
        attribute=lambda entity, id, name: …,               # ("@user", 7, "dept"), ("customer", 5,
        below=lambda department: [department, …],           # "contracts") -> ids or dicts
    )
    run(env)

`attribute` is asked for whatever a mapping lacks, relations that lead back included; platform
records are `@user`, `@department`, `@file` (see `scope.PLATFORM`).

SQL, for one statement over the table `customer`::

    class CustomerResolver:
        dialect, datetime_type, scope = "sqlite", UtcDateTime(), scope
        env = Env(names={"me": …, "my": …}, now=now, below=below)  # nothing that varies by row!

        def name(self, path):
            if path == ("credit_limit",):        # ScaledDecimal(2): 2 on SQLite, 0 on PostgreSQL
                return SqlValue(customer.c.credit_limit, NUMBER, scale=2)
            if path == ("owner",):
                return SqlValue(customer.c.owner, USER)
            if path == ("owner", "dept"):
                person = dg_user.alias()
                dept = sa.select(person.c.department_id).where(person.c.id == customer.c.owner)
                return SqlValue(dept.correlate_except(person).scalar_subquery(), DEPARTMENT)

        def rows(self, path):                    # ("contracts",)
            row = contract.alias()
            return Rows([row], sa.and_(row.c.customer == customer.c.id, row.c.removed_at.is_(None)),
                        name=lambda path: SqlValue(row.c[path[0]], …))

    sa.select(customer).where(to_sql(parse("owner == me or owner.dept within my.dept"), resolver))

`to_sql` gives true or false, never NULL. What it cannot translate exactly it refuses with X050
(see `sql`).
"""

from engine.expressions.check import analyse, check
from engine.expressions.dependencies import dependencies, rename
from engine.expressions.errors import ExpressionError
from engine.expressions.evaluate import compile
from engine.expressions.explain import explain
from engine.expressions.functions import FUNCTIONS
from engine.expressions.parse import parse
from engine.expressions.scope import Scope, scope_of
from engine.expressions.sql import Resolver, Rows, to_sql, to_sql_value
from engine.expressions.sqlvalues import SqlValue
from engine.expressions.tree import Node
from engine.expressions.values import Env

__all__ = [
    "FUNCTIONS",
    "Env",
    "ExpressionError",
    "Node",
    "Resolver",
    "Rows",
    "Scope",
    "SqlValue",
    "analyse",
    "check",
    "compile",
    "dependencies",
    "explain",
    "parse",
    "rename",
    "scope_of",
    "to_sql",
    "to_sql_value",
]
