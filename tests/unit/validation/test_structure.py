"""The first phase: required, unknown keys, types, rows and the schema's conditions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from tests.unit.fields.making import bound, entity, make
from tests.unit.validation.making import CONDITIONS, D, record, validator

from engine.fields import bind
from engine.problems import codes, text
from engine.validation.conditions import Conditions, mentioned

ONE = validator()


def found(**changes: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in ONE.structure(record(**changes))]


def test_a_sound_record_has_no_problems() -> None:
    assert not found()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": None}, ("V001", "/name")),
        ({"name": ""}, ("V001", "/name")),
        ({"name": "张"}, ("V004", "/name")),
        ({"name": 5}, ("V003", "/name")),
        ({"level": "C"}, ("V030", "/level")),
        ({"nmae": "x"}, ("V002", "/nmae")),
        ({"Name": "x"}, ("V002", "/Name")),
        ({"credit_limit": 12.5}, ("V003", "/credit_limit")),
        ({"credit_limit": D("-0.01")}, ("V015", "/credit_limit")),
        ({"credit_limit": D("0.005")}, ("V014", "/credit_limit")),
        ({"contacts": [{"name": "a"}] * 4}, ("V072", "/contacts")),
        ({"contacts": [{"name": "a"}, {"name": ""}]}, ("V001", "/contacts/1/name")),
        ({"contacts": [{"name": "a", "email": "@"}]}, ("V041", "/contacts/0/email")),
        ({"contacts": [{"name": "a", "x": 1}]}, ("V002", "/contacts/0/x")),
        ({"contacts": ["a"]}, ("V070", "/contacts")),
        ({"status": "lost"}, ("V001", "/lost_reason")),
        ({"status": "lost", "lost_reason": "贵"}, ("V004", "/lost_reason")),
        ({"phone": None}, ("V001", "/phone")),
        ({"credit_limit": D("1000.01"), "level": "A", "stars": 13}, ("V082", "/stars")),
        ({"agreed": False}, ("V080", "/agreed")),
        ({"stars": 5, "next_visit": date(2026, 1, 2)}, ("V082", "")),
    ],
)
def test_every_mistake_has_its_code_and_place(
    changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert found(**changes) == [expected]
    for problem in ONE.structure(record(**changes)):
        for language in ("zh-CN", "en"):
            assert "?" not in text(problem, language)
            assert "{" not in text(problem, language)


def test_several_mistakes_come_together() -> None:
    bad = found(name="", level="Z", phone="1", status="lost", contacts=[{"email": "x"}])
    assert set(bad) == {
        ("V001", "/name"), ("V030", "/level"), ("V040", "/phone"), ("V001", "/lost_reason"),
        ("V001", "/contacts/0/name"), ("V041", "/contacts/0/email"),
    }  # fmt: skip


def test_what_only_the_system_writes_is_not_asked_of_people() -> None:
    assert not found(code=None, owed=None)


def test_hidden_fields_are_not_required() -> None:
    bad = ONE.structure(record(name=None, status="lost"), frozenset({"name", "lost_reason"}))
    assert not bad


def test_read_takes_only_what_is_given_and_reports_all() -> None:
    values, problems = ONE.read({"id": "1", "name": " 恒泰 ", "credit_limit": "x", "foo": 1})
    assert values == {"name": "恒泰"}
    assert [(p.code, p.pointer) for p in problems] == [("V012", "/credit_limit"), ("V002", "/foo")]


KEYWORDS: list[tuple[dict[str, Any], Any, str]] = [
    ({"exclusiveMaximum": 5}, 5, "V018"),
    ({"exclusiveMinimum": 5}, 5, "V017"),
    ({"maximum": 4}, 5, "V016"),
    ({"minimum": 6}, 5, "V015"),
    ({"multipleOf": 2}, 5, "V019"),
    ({"enum": [1, 2]}, 5, "V081"),
    ({"const": 1}, 5, "V080"),
    ({"type": "string"}, 5, "V003"),
    ({"anyOf": [{"const": 1}, {"const": 2}]}, 5, "V083"),
    ({"oneOf": [{"const": 1}, {"const": 2}]}, 5, "V083"),
    ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 5, "V084"),
    ({"not": {"minimum": 1}}, 5, "V082"),
    ({"maxLength": 1}, "ab", "V005"),
    ({"minLength": 3}, "ab", "V004"),
    ({"pattern": "^c"}, "ab", "V006"),
    ({"format": "ipv4"}, "ab", "V088"),
    ({"maxItems": 1}, ["a", "b"], "V033"),
    ({"minItems": 3}, ["a", "b"], "V032"),
    ({"contains": {"const": "c"}}, ["a", "b"], "V087"),
    ({"uniqueItems": True}, ["a", "a"], "V031"),
]


@pytest.mark.parametrize(("schema", "value", "code"), KEYWORDS)
def test_every_keyword_of_a_condition_is_translated(
    schema: dict[str, Any], value: Any, code: str
) -> None:
    type = {int: "integer", str: "text", list: "tags"}[value.__class__]
    made = entity("e", make(type, "a"), conditions={"allOf": [{"properties": {"a": schema}}]})
    problems = list(Conditions(made, {"a": bound(type)}).problems({"a": value}))
    assert [(p.code, p.pointer) for p in problems] == [(code, "/a")]
    for language in ("zh-CN", "en"):
        assert "?" not in text(problems[0], language)


def test_a_field_that_must_stay_empty() -> None:
    made = entity("e", make("text", "a"), conditions={"properties": {"a": False}})
    assert [p.code for p in Conditions(made, {"a": bound("text")}).problems({"a": "x"})] == ["V085"]


def test_conditions_reach_for_nothing_outside() -> None:
    import jsonschema_rs

    made = entity("e", conditions={"$ref": "http://127.0.0.1:9/x"})
    with pytest.raises(jsonschema_rs.ValidationError, match="disabled"):
        Conditions(made, {})


# --- the same verdict as the reference implementation ------------------------------------------
LIMITED = ("status", "lost_reason", "credit_limit", "level", "stars", "region", "phone", "tags")
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["lead", "active", "lost", None]),
        "lost_reason": st.sampled_from([None, "", "x", "xx", "太贵"]),
        "credit_limit": st.decimals("999.99", "1000.03", places=2) | st.none(),
        "level": st.sampled_from(["A", "B", "C", None]),
        "stars": st.integers(12, 14) | st.none(),
        "region": st.sampled_from([None, "440305"]),
        "phone": st.sampled_from([None, "1"]),
        "tags": st.sampled_from([[], ["a"]]),
        "next_visit": st.sampled_from([None, date(2026, 1, 2)]),
    },
)
NUMBER = st.sampled_from([D("0.1"), D("19.99"), D("4.35"), 0, 1, 7, D("1000.01"), 2**53])
LEAF = st.one_of(
    st.builds(lambda n: {"minimum": n}, NUMBER),
    st.builds(lambda n: {"exclusiveMaximum": n}, NUMBER),
    st.just({"multipleOf": D("0.01")}),
    st.just({"type": "string"}),
    st.just({"type": "number"}),
    st.builds(lambda n: {"minLength": n}, st.integers(0, 3)),
    st.builds(lambda value: {"const": value}, st.sampled_from(["lost", "A", 13, True])),
    st.builds(lambda some: {"enum": some}, st.just(["A", "lost", 12])),
    st.booleans(),
)
NAMED = st.sampled_from(LIMITED)
CONDITION = st.recursive(
    st.one_of(
        st.builds(lambda name, leaf: {"properties": {name: leaf}}, NAMED, LEAF),
        st.builds(lambda name: {"required": [name]}, NAMED),
        st.builds(lambda a, b: {"dependentRequired": {a: [b]}}, NAMED, NAMED),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.builds(lambda some: {"allOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"oneOf": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda a: {"not": a}, inner),
        st.builds(lambda name, a: {"dependentSchemas": {name: a}}, NAMED, inner),
    ),
    max_leaves=6,
)


@given(CONDITION, VALUES)
@settings(max_examples=150, deadline=None)
def test_conditions_agree_with_jsonschema(
    condition: dict[str, Any], values: dict[str, Any]
) -> None:
    types = {name: kind for name, kind in ONE.types.items() if name in {*LIMITED, "next_visit"}}
    plain = {name: bind(make_plain(kind.field)) for name, kind in types.items()}
    made = entity("customer", *(kind.field for kind in plain.values()), conditions=condition)
    ours = Conditions(made, plain)
    problems = list(ours.problems(values))
    instance = ours.instance(values, frozenset())
    reference = Draft202012Validator(condition, registry=Registry())
    assert (not problems) == reference.is_valid(instance)
    assert all(problem.code in codes() for problem in problems)


def make_plain(field: Any) -> Any:
    """The field without keywords of its own."""
    return make(field.type, field.name, options=field.options, multiple=field.multiple)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_the_customers_conditions_agree_with_jsonschema(values: dict[str, Any]) -> None:
    conditions = Conditions(entity("customer", conditions=CONDITIONS), ONE.types)
    instance = {
        name: ONE.types[name].to_instance(value)
        for name, value in values.items()
        if value not in (None, "", [])
    }
    stock = Draft202012Validator(
        {"allOf": [dict(CONDITIONS), {"properties": {"stars": {"not": {"const": 13}}}}]},
        registry=Registry(),
    )
    assert (not list(conditions.problems(values))) == stock.is_valid(instance)


def test_numbers_in_conditions_are_exact() -> None:
    schema = {"properties": {"n": {"maximum": D("99999999999999.9999")}}}
    made = entity("e", make("decimal", "n"), conditions=schema)
    kind = {"n": bound("decimal")}
    assert not list(Conditions(made, kind).problems({"n": D("99999999999999.9999")}))
    assert list(Conditions(made, kind).problems({"n": Decimal("100000000000000.0000")}))


def test_names_a_schema_speaks_of() -> None:
    assert mentioned(CONDITIONS) == {
        "status", "lost_reason", "region", "phone", "credit_limit", "level", "stars", "next_visit",
    }  # fmt: skip
    assert mentioned({"properties": {"a": {"const": {"required": ["b"]}}}}) == {"a"}


def test_structure_is_quick() -> None:
    made, runs = record(), 400
    best = min(_once(made, runs) for _ in range(5))
    assert best < 400e-6, f"{best * 1e6:.0f} us a record"  # some 30 us on a quiet machine


def _once(made: dict[str, Any], runs: int) -> float:
    start = process_time()
    for _ in range(runs):
        ONE.structure(made)
    return (process_time() - start) / runs
