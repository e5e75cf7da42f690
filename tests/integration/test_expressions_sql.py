"""One meaning in Python, SQLite and PostgreSQL: the cases as data, then random expressions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.integration.expression_world import FOLDER, NOW, SCOPE, Tables, World

from engine.expressions import ExpressionError, check, parse, to_sql
from engine.expressions.types import DATE, NUMBER, Type
from engine.problems import text

CASES = [
    pytest.param(case, id=f"{file.stem}-{case['expression']}-{case['record']}")
    for file in sorted(FOLDER.glob("*.json"))
    if file.stem not in ("world", "refused")
    for case in json.loads(file.read_text(encoding="utf-8"))["cases"]
]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def sqlite(world: World) -> Iterator[Tables]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield Tables(connection, world)
    engine.dispose()


@pytest.fixture(scope="module")
def postgres(world: World, postgres_url: str) -> Iterator[Tables]:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield Tables(connection, world)
    engine.dispose()


def expected(case: dict[str, Any]) -> tuple[Any, Type]:
    kind, problems = check(parse(case["expression"]), SCOPE)
    assert not problems, [text(problem, "en") for problem in problems]
    value = case["value"]
    if value is None:
        return None, kind
    if kind == NUMBER:
        return Decimal(value), kind
    return (date.fromisoformat(value) if kind == DATE else value), kind


@pytest.mark.parametrize("case", CASES)
def test_python(case: dict[str, Any], world: World) -> None:
    value = world.evaluate(case["expression"], case["record"])
    assert value == expected(case)[0]
    assert not isinstance(value, float)


@pytest.mark.parametrize("case", CASES)
def test_sqlite(case: dict[str, Any], sqlite: Tables) -> None:
    agree(case, sqlite)


@pytest.mark.parametrize("case", CASES)
def test_postgres(case: dict[str, Any], postgres: Tables) -> None:
    agree(case, postgres)


def agree(case: dict[str, Any], tables: Tables) -> None:
    if case.get("sql", True):
        assert tables.evaluate(case["expression"])[case["record"]] == expected(case)[0]
        return
    with pytest.raises(ExpressionError) as refused:
        tables.evaluate(case["expression"])
    assert refused.value.problem.code == "X050"


# --- random expressions --------------------------------------------------------------------------
WORDS = ["", "a", "A", "ab", "客户", "É", "%", "_", " a ", "vip", "Z"]


def random_world(seed: int, count: int) -> World:
    """Records with many nulls and ties, each with up to four rows."""
    dice = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if dice.random() < 0.25 else value

    def day() -> date:
        return date(2024, 1, 1) + timedelta(days=dice.randint(-400, 400))

    def record(id: int) -> dict[str, Any]:
        return {
            "id": id,
            "name": maybe(dice.choice(WORDS)),
            "level": maybe(dice.choice("ABC")),
            "quantity": maybe(dice.randint(-9, 9)),
            "amount": maybe(Decimal(dice.randint(-2000, 2000)) / 100),
            "rate": maybe(Decimal(dice.randint(-20000, 20000)) / 10000),
            "vip": maybe(dice.random() < 0.5),
            "due": maybe(day()),
            "seen": maybe(datetime.fromordinal(day().toordinal()).replace(tzinfo=UTC)),
            "owner": maybe(dice.choice([7, 8, 9, 10])),
            "parent": maybe(dice.randint(1, count)),
            "tags": maybe(dice.sample(["vip", "a", "客户"], dice.randint(0, 3))),
        }

    def line(id: int) -> dict[str, Any]:
        return {
            "id": id,
            "item": maybe(dice.choice(WORDS)),
            "count": maybe(dice.randint(-9, 9)),
            "price": maybe(Decimal(dice.randint(-2000, 2000)) / 100),
            "done": maybe(dice.random() < 0.5),
            "buyer": maybe(dice.choice([7, 8, 9, 10])),
        }

    lines = {id: [line(id * 10 + n) for n in range(dice.randint(0, 4))] for id in range(1, count)}
    return World({id: record(id) for id in range(1, count + 1)}, lines)


def _number(row: str) -> st.SearchStrategy[str]:
    literal = st.one_of(
        st.integers(-20, 20).map(str),
        st.decimals(-20, 20, places=3, allow_nan=False).map(lambda value: format(value, "f")),
    ).map(lambda written: f"({written})")
    own = st.sampled_from(["quantity", "amount", "rate", "id", "parent.amount", "parent.quantity"])
    there = st.sampled_from([f"{row}.count", f"{row}.price"]) if row else st.nothing()
    return st.one_of(literal, own, there)


@st.composite
def numbers(draw: st.DrawFn, depth: int, row: str = "") -> str:
    if depth <= 0:
        return draw(_number(row))
    few = depth - 1
    form = draw(
        st.sampled_from(
            [
                "leaf",
                "({a} + {b})",
                "({a} - {b})",
                "({x} * {y})",
                "(-{a})",
                "({a} / {d})",
                "abs({a})",
            ]
            + ["round({a}, {n})", "floor({a})", "ceil({a})", "max({a}, {b})", "min({a}, {b}, {x})"]
            + ["coalesce({a}, {b})", "({a} if {c} else {b})", "len({t})", "({s} - {u})"]
            + ["year({s})", "month({s})", "day({u})", "days_between({s}, {u})", "len(tags)"]
            + (
                []
                if row
                else ["sum({r}, {rc})", "count(lines, {rc})", "max({r})", "min({r}, {rc})"]
            )
            + (
                []
                if row
                else ["sum({r})", "count({r})", "count(children, children.amount > amount)"]
            )
        )
    )
    if form == "leaf":
        return draw(_number(row))
    return form.format(
        a=draw(numbers(few, row)) if "{a}" in form else "",
        b=draw(numbers(few, row)) if "{b}" in form else "",
        c=draw(truths(few, row)) if "{c}" in form else "",
        t=draw(texts(few, row)) if "{t}" in form else "",
        s=draw(days(few)) if "{s}" in form else "",
        u=draw(days(few)) if "{u}" in form else "",
        r=f"lines.price + {draw(numbers(few, 'lines'))}" if "{r}" in form else "",
        rc=draw(truths(few, "lines")) if "{rc}" in form else "",
        x=draw(_number(row)) if "{x}" in form else "",
        y=draw(_number(row)) if "{y}" in form else "",
        d=draw(st.sampled_from(["2", "4", "(-5)", "100", "0.5"])) if "{d}" in form else "",
        n=draw(st.integers(0, 4)) if "{n}" in form else "",
    )


@st.composite
def texts(draw: st.DrawFn, depth: int, row: str = "") -> str:
    leaf = st.sampled_from(["name", "level", "parent.name", "owner.name", *map(repr, WORDS)])
    if row:
        leaf |= st.just(f"{row}.item")
    if depth <= 0:
        return draw(leaf)
    few = depth - 1
    form = draw(
        st.sampled_from(
            ["leaf", "({a} + {b})", "lower({a})", "upper({a})", "trim({a})", "concat({a}, {b})"]
            + ["coalesce({a}, {b})", "({a} if {c} else {b})", "max({a}, {b})", "min({a}, {b})"]
            + ([] if row else ["max(lines.item)", "min(lines.item, {rc})"])
        )
    )
    if form == "leaf":
        return draw(leaf)
    return form.format(
        a=draw(texts(few, row)),
        b=draw(texts(few, row)),
        c=draw(truths(few, row)) if "{c}" in form else "",
        rc=draw(truths(few, "lines")) if "{rc}" in form else "",
    )


@st.composite
def days(draw: st.DrawFn, depth: int) -> str:
    leaf = st.sampled_from(["due", "today()", "date('2024-02-29')", "parent.due"])
    if depth <= 0:
        return draw(leaf)
    few = depth - 1
    form = draw(
        st.sampled_from(
            [
                "leaf",
                "add_days({a}, quantity)",
                "({a} + 31)",
                "({a} - 7)",
                "coalesce({a}, {b})",
                "({a} if {c} else {b})",
                "max({a}, {b})",
                "min({a}, {b})",
            ]
        )
    )
    if form == "leaf":
        return draw(leaf)
    return form.format(
        a=draw(days(few)), b=draw(days(few)), c=draw(truths(few)) if "{c}" in form else ""
    )


@st.composite
def truths(draw: st.DrawFn, depth: int, row: str = "") -> str:
    op = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    eq = draw(st.sampled_from(["==", "!="]))
    if depth <= 0:
        more = [f"{row}.done", f"{row}.buyer {eq} owner"] if row else ["any(lines.done)"]
        return draw(
            st.sampled_from(
                [
                    "vip",
                    "owner == me",
                    "owner != me",
                    "owner.dept within my.dept",
                    "'vip' in tags",
                    f"amount {op} rate",
                    f"quantity {op} 2",
                    f"name {eq} null",
                    f"due {op} today()",
                    f"vip {eq} true",
                    "level in ['A', 'B']",
                    "name in tags",
                    f"seen {op} now()",
                    *more,
                ]
            )
        )
    few = depth - 1
    form = draw(
        st.sampled_from(
            [
                "(({a}) and ({b}))",
                "(({a}) or ({b}))",
                "(not {a})",
                "({n} {op} {m})",
                "({t} {op} {u})",
            ]
            + ["({s} {op} {v})", "(({a}) {eq} ({b}))", "({n} {eq} null)", "contains({t}, {u})"]
            + ["startswith({t}, {u})", "({a} if {b} else {c})", "({n} in [1, {m}, 2.50])"]
            + (
                []
                if row
                else ["any({ra})", "all({ra})", "any(children.vip and children.rate < rate)"]
            )
        )
    )
    return form.format(
        a=draw(truths(few, row)) if "{a}" in form else "",
        b=draw(truths(few, row)) if "{b}" in form else "",
        c=draw(truths(few, row)) if "{c}" in form else "",
        n=draw(numbers(few, row)) if "{n}" in form else "",
        m=draw(numbers(few, row)) if "{m}" in form else "",
        t=draw(texts(few, row)) if "{t}" in form else "",
        u=draw(texts(few, row)) if "{u}" in form else "",
        s=draw(days(few)) if "{s}" in form else "",
        v=draw(days(few)) if "{v}" in form else "",
        ra=f"lines.done or {draw(truths(few, 'lines'))}" if "{ra}" in form else "",
        op=op,
        eq=eq,
    )


EXPRESSIONS = st.one_of(truths(2), truths(3), numbers(3), texts(2), days(2))


@pytest.fixture(scope="module")
def crowd() -> World:
    return random_world(20240229, 30)


@pytest.fixture(scope="module")
def crowd_sqlite(crowd: World) -> Iterator[Tables]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        yield Tables(connection, crowd)
    engine.dispose()


@pytest.fixture(scope="module")
def crowd_postgres(crowd: World, postgres_url: str) -> Iterator[Tables]:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield Tables(connection, crowd)
    engine.dispose()


def compare(source: str, crowd: World, tables: Tables) -> None:
    try:
        parse(source)
        assert not (found := check(parse(source), SCOPE)[1]), [text(each, "en") for each in found]
        in_sql = tables.evaluate(source)
    except ExpressionError as refused:
        assume(refused.problem.code not in ("X003", "X004", "X050"))
        raise
    in_python = {id: crowd.evaluate(source, id) for id in crowd.records}
    kind = check(parse(source), SCOPE)[0]
    if kind.name == "bool":  # a nullable field alone may be null as a value, not as a condition
        in_python = {id: value is True for id, value in in_python.items()}
        in_sql = {id: value is True for id, value in in_sql.items()}
    assert in_sql == in_python


SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@given(source=EXPRESSIONS)
def test_random_expressions_on_sqlite(source: str, crowd: World, crowd_sqlite: Tables) -> None:
    compare(source, crowd, crowd_sqlite)


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(source=EXPRESSIONS)
def test_random_expressions_on_postgres(source: str, crowd: World, crowd_postgres: Tables) -> None:
    compare(source, crowd, crowd_postgres)


def test_row_permissions_use_the_index(sqlite: Tables) -> None:
    sqlite.connection.execute(sa.text("CREATE INDEX x1 ON e1_customer (owner)"))
    query = sa.select(sqlite.customer.c.id).where(to_sql(parse("owner == me"), sqlite))
    plan = query.compile(sqlite.connection, compile_kwargs={"literal_binds": True})
    steps = sqlite.connection.execute(sa.text(f"EXPLAIN QUERY PLAN {plan}")).all()
    assert "USING INDEX x1" in str(steps)


def test_old_and_events_are_refused_in_sql(sqlite: Tables) -> None:
    with pytest.raises(ExpressionError) as refused:
        to_sql(parse("old.amount > 1"), sqlite)
    assert refused.value.problem.params["found"] == "old.amount"
    assert NOW.utcoffset() == timedelta(hours=8)
