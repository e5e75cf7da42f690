"""Types and their mistakes, evaluation's limits, dependencies, renaming, sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.definitions.model import Entity, Field, Model, Option, Reference
from engine.expressions import (
    FUNCTIONS,
    Env,
    ExpressionError,
    Scope,
    check,
    compile,
    dependencies,
    explain,
    parse,
    rename,
    scope_of,
)
from engine.expressions.types import (
    ANY,
    BOOL,
    DATE,
    NUMBER,
    TEXT,
    USER,
    ListOf,
    OptionOf,
    RecordOf,
    Type,
)
from engine.problems import codes, hint, text

TYPES: Mapping[str, Type] = {"text": TEXT, "choice": TEXT, "money": NUMBER, "date": DATE}


def field(name: str, type: str, **more: Any) -> Field:
    return Field(name, type, {"en": name}, **more)


def type_of(found: Field) -> Type:
    return {"user": USER, "ref": RecordOf("?"), "lines": ListOf(RecordOf("?")), **TYPES}[found.type]


def entity(name: str, *fields: Field) -> Entity:
    return Entity(name, {}, {}, "{name}", {each.name: each for each in fields})


@pytest.fixture(scope="module")
def scope() -> Scope:
    options = (Option("draft", {}), Option("signed", {}))
    customer = entity(
        "customer",
        field("name", "text"),
        field("limit", "money"),
        field("due", "date"),
        field("owner", "user"),
        field("status", "choice", options=options),
        field("rows", "lines", rows=entity("customer.rows", field("price", "money"))),
    )
    contract = entity(
        "contract",
        field("amount", "money"),
        field("customer", "ref", reference=Reference("customer", "contracts")),
        field("status", "choice", options=options),
    )
    entities = {"customer": customer, "contract": contract}
    model = Model({}, (), ("en",), entities, {}, {}, (), (), "CNY", "UTC", "")
    return scope_of(model, customer, type_of)


def env(**names: Any) -> Env:
    return Env({"id": 1, "old": None, **names}, datetime(2024, 4, 1, tzinfo=UTC))


def found(source: str, scope: Scope, expected: Type | None = None) -> list[tuple[str, int]]:
    problems = check(parse(source), scope, expected)[1]
    for problem in problems:
        assert "?" not in text(problem, "en").removesuffix("?"), text(problem, "en")
        assert text(problem, "zh-CN")
        assert "{" not in hint(problem, "zh-CN")
    return [(problem.code, problem.params["column"]) for problem in problems]


def test_the_scope_knows_fields_relations_rows_and_options(scope: Scope) -> None:
    assert scope.names["contracts"] == ListOf(RecordOf("contract"))
    assert scope.names["rows"] == ListOf(RecordOf("customer.rows"))
    assert scope.names["status"] == OptionOf(["draft", "signed"])
    assert scope.names["old"] == RecordOf("customer")
    assert scope.attribute("contract", "customer") == RecordOf("customer")
    assert scope.attribute("@user", "dept") == RecordOf("@department")


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("limt > 1", [("X020", 1)]),
        ("limit > 1 and naem == 'x' and owner.depp == null", [("X020", 15), ("X021", 31)]),
        ("name > 1", [("X023", 1)]),
        ("due == '2024-01-01'", [("X023", 1)]),
        ("limit and true", [("X022", 1)]),
        ("not name", [("X022", 5)]),
        ("name + 1", [("X024", 1)]),
        ("name * 2", [("X022", 1)]),
        ("-due", [("X022", 2)]),
        ("owner > me", [("X025", 1)]),
        ("owner == 7", [("X023", 1)]),
        ("status == 'sigend'", [("X027", 11)]),
        ("status in ['draft', 'signd']", [("X027", 21)]),
        ("any(contracts.status == 'x')", [("X027", 25)]),
        ("sum(limit)", [("X028", 1)]),
        ("contracts.amount > 1", [("X029", 1)]),
        ("sum(sum(contracts.amount))", [("X030", 5)]),
        ("len(limit)", [("X031", 5)]),
        ("'a' in name", [("X032", 8)]),
        ("date('2024-02-30')", [("X033", 1)]),
        ("date(2024, 1)", [("X007", 1)]),
        ("owner within my.dept", [("X022", 1)]),
        ("contracts == null", [("X023", 1)]),
        ("coalesce(name, 1)", [("X023", 16)]),
        ("name.length", [("X021", 1)]),
    ],
)
def test_mistakes_all_at_once(source: str, wanted: list[tuple[str, int]], scope: Scope) -> None:
    assert found(source, scope) == wanted


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("due < today", 'Did you mean "today()"?'),
        ("limit > '5'", "A number has no quotes: 5, not '5'"),
        ("true == 'true'", "true and false have no quotes"),
    ],
)
def test_remedies(source: str, remedy: str, scope: Scope) -> None:
    assert hint(check(parse(source), scope)[1][0], "en") == remedy


def test_what_the_place_needs(scope: Scope) -> None:
    assert found("limit", scope, BOOL) == [("X026", 1)]
    assert not found("limit > 1", scope, BOOL)
    assert not found("null", scope, DATE)


def test_a_row_stands_for_the_relation_inside_an_aggregate(scope: Scope) -> None:
    run = compile(parse("sum(max(rows.price, 10)) + len(name)"), scope)
    assert run(env(rows=[{"price": Decimal(3)}, {"price": 20}], name="客户")) == 32


def test_a_record_that_was_never_saved_has_no_relations(scope: Scope) -> None:
    run = compile(parse("sum(contracts.amount) + count(contracts)"), scope)
    assert run(env(id=None)) == 0


def test_relations_are_asked_for_once_needed(scope: Scope) -> None:
    asked: list[tuple[str, int, str]] = []

    def attribute(entity: str, id: int, name: str) -> Any:
        asked.append((entity, id, name))
        return {"contracts": [5, {"id": 6, "amount": 2}], "amount": Decimal("1.5")}[name]

    run = compile(parse("sum(contracts.amount)"), scope)
    assert run(Env({"id": 1}, datetime.now(UTC), attribute)) == Decimal("3.5")
    assert asked == [("customer", 1, "contracts"), ("contract", 5, "amount")]


def test_old_is_null_on_create(scope: Scope) -> None:
    run = compile(parse("old.status == 'draft'"), scope)
    assert run(env()) is False
    assert run(env(old={"status": "draft"})) is True


@pytest.mark.parametrize(
    ("source", "names", "code"),
    [
        ("limit * limit * limit * limit", {"limit": 10**9}, "X040"),
        ("name + name", {"name": "x" * 6_000}, "X041"),
        ("limit + 1", {"limit": 0.5}, "X042"),
        ("limit + 1", {"limit": "7"}, "X042"),
        ("limit > 1", {"limit": "7"}, "X042"),
        ("round(limit, 99)", {"limit": 1}, "X043"),
        ("owner.name == 'x'", {"owner": 7}, "X044"),
        ("sum(rows.price)", {"rows": [{"price": 1}] * 100_000}, "X045"),
    ],
)
def test_evaluation_has_limits(source: str, names: dict[str, Any], code: str, scope: Scope) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile(parse(source), scope)(env(**names))
    assert refused.value.problem.code == code


def test_wrong_types_are_not_compiled(scope: Scope) -> None:
    with pytest.raises(ExpressionError):
        compile(parse("name > 1"), scope)


def test_dependencies_are_whole_paths() -> None:
    node = parse("owner.dept within my.dept and sum(contracts.amount, contracts.open) > limit")
    assert dependencies(node) == {
        ("owner", "dept"),
        ("my", "dept"),
        ("contracts", "amount"),
        ("contracts", "open"),
        ("limit",),
    }


def test_rename_touches_names_only() -> None:
    assert rename("a.x > x and 'x' == x.a", "x", "y") == "a.x > y and 'x' == y.a"
    assert rename("sum(rows.x) + rows.x.x", ("rows", "x"), "zz") == "sum(rows.zz) + rows.zz.x"
    assert rename("客户.x == old.x", ("old", "x"), "y") == "客户.x == old.y"
    assert rename("a . b == 1", ("a", "b"), "c") == "a . c == 1"


def test_sentences() -> None:
    node = parse("owner == me or (limit <= 500000 and status not in ['lost', 'x'] and due is null)")
    titles = {"owner": "负责人", "limit": "额度", "status": "状态", "due": "到期日"}
    assert explain(node, "zh-CN", lambda path: titles.get(path[0], "")) == (
        "负责人等于当前用户或者（额度不超过500000并且状态不属于“lost”、“x”并且到期日为空）"
    )
    assert explain(node, "en") == (
        "owner is the user or (limit is at most 500000 and status is none of"
        ' "lost", "x" and due is empty)'
    )
    aggregate = parse("sum(contracts.amount, contracts.open) > 2 * 1.50")
    assert explain(aggregate, "en") == (
        "the sum of amount of contracts where open of contracts is more than (2 × 1.5)"
    )


def test_every_function_can_be_explained_and_is_documented() -> None:
    for name, function in FUNCTIONS.items():
        assert function.zh, name
        assert function.en, name
        assert function.form.partition("(")[0].endswith(name)


def test_every_problem_is_worded_in_both_languages() -> None:
    english, chinese = (
        {code for code in codes(language) if code.startswith("X")} for language in ("en", "zh-CN")
    )
    assert english == chinese
    assert len(english) > 30


def test_data_of_an_event_is_typed_when_it_is_there(scope: Scope) -> None:
    wider = Scope({**scope.names, "event": ANY}, scope.attribute, scope.entity, scope.members)
    source = "event.reason != null and event.amount + 1 > limit and event.who == me"
    assert check(parse(source), wider, BOOL)[1] == []
    run = compile(parse(source), wider)
    event = {"reason": "late", "amount": 5, "who": 7}
    assert run(env(event=event, limit=5, me={"id": 7})) is True
    assert run(env(event={}, limit=5, me={"id": 7})) is False
    assert run(env(event=None, limit=5, me={"id": 7})) is False
    deep = compile(parse("event.amount.more == null"), wider)
    assert deep(env(event=event)) is True
    with pytest.raises(ExpressionError):
        run(env(event={**event, "amount": "5"}, limit=5, me={"id": 7}))
