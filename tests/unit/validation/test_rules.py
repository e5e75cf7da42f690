"""The second phase: asserts, require, readonly, hide, options, set, warnings, and effects."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.unit.fields.making import entity, make
from tests.unit.validation.making import FIELDS, D, customer, env, model, record, validator

from engine.definitions.model import MISSING, Rule
from engine.fields import bind
from engine.problems import Severity, text
from engine.validation import compile_validator

ONE = validator()


def told(made: dict[str, Any], old: dict[str, Any] | None = None, *roles: str) -> list[Any]:
    return [(p.code, p.pointer, p.severity) for p in ONE.check(made, env(old, *roles)).problems]


def test_a_sound_record() -> None:
    checked = ONE.check(record(), env())
    assert checked.good
    assert checked.record == record()


def test_an_assert_is_shown_at_its_field_in_the_authors_words() -> None:
    checked = ONE.check(record(credit_limit=D("500000.01")), env())
    (problem,) = checked.problems
    assert (problem.code, problem.pointer) == ("V090", "/credit_limit")
    assert text(problem, "en") == "只有 A 类客户的额度可以超过 50 万"
    assert not checked.good


def places(check: str) -> tuple[str, ...]:
    (problem,) = validator(Rule("a", check=check)).check(record(), env()).problems
    return problem.pointers


def test_what_several_fields_would_mend_is_shown_at_all_of_them() -> None:
    assert places("owner is not null or next_visit != null") == ("/owner", "/next_visit")
    assert places("null != owner or (name is null or lost_reason is not null)") == (
        "/owner",
        "/lost_reason",
    )
    assert places("region is null or name == null") == ("/region", "/name")
    found = validator(Rule("a", check="owner is not null or stars is not null"))
    effects = found.effects(record(), env())
    assert effects["owner"].messages == effects["stars"].messages != ()


def test_what_only_says_when_is_not_blamed() -> None:
    assert places("kind == 'person' or owner is not null") == ("/owner",)
    assert places("credit_limit is null or stars is not null") == ("/stars",)
    assert places("credit_limit is null or name is null or credit_limit < 3") == ("/credit_limit",)
    assert places("owed is not null and 1 > 2") == ("",)


def test_a_warning_does_not_block() -> None:
    checked = ONE.check(record(next_visit=date(2026, 1, 1)), env())
    assert [p.severity for p in checked.problems] == [Severity.WARNING]
    assert text(checked.problems[0], "en") == "That day has passed"
    assert checked.good


def test_require() -> None:
    assert told(record(level="A")) == [("V091", "/owner", "error")]
    assert told(record(level="A", owner=3)) == []


def test_readonly_compares_with_the_record_before() -> None:
    lost = record(status="lost", lost_reason="太贵了")
    assert told(record(), lost) == [
        ("V092", "/status", "error"),
        ("V092", "/lost_reason", "error"),
    ]
    assert told(lost, lost) == []
    assert told(record(), lost, "manager") == []
    assert told(lost, None) == []


def test_options() -> None:
    assert told(record(status="lead", level="A", owner=3)) == [("V093", "/level", "error")]
    assert told(record(status="lead", level="B")) == []


def test_hidden_values_are_dropped_and_not_required() -> None:
    made = record(kind="person", credit_code="wrong")
    assert told(made) == []
    assert ONE.settle(made, env())["credit_code"] is None
    assert made["credit_code"] == "wrong"  # the caller's record is not touched


def test_set_rounds_to_the_field() -> None:
    settled = ONE.settle(record(tags=["vip"]), env())
    assert settled["credit_limit"] == D("333.33")
    assert settled["owner"] == 3


def test_set_rules_see_each_other_in_order() -> None:
    one = validator(
        Rule("a", set={"stars": "1"}),
        Rule("b", set={"stars": "stars + 1"}),
        Rule("c", when="stars == 2", hide=("region",)),
    )
    settled = one.settle(record(), env())
    assert (settled["stars"], settled["region"]) == (2, None)


def test_a_value_that_does_not_fit_is_a_problem() -> None:
    one = validator(Rule("a", set={"stars": "1 / 3"}))
    assert [p.code for p in one.check(record(), env()).problems] == ["V095"]


def test_a_rule_that_fails_stops_the_save() -> None:
    one = validator(
        Rule("a", check="credit_limit * BIG * BIG * BIG > 0".replace("BIG", "1" + "0" * 16))
    )
    checked = one.check(record(), env())
    assert [p.code for p in checked.problems] == ["V094"]
    assert not checked.good


def test_rules_run_beside_missing_fields_but_not_beside_wrong_ones() -> None:
    assert told(record(name=None, level="A")) == [
        ("V001", "/name", "error"),
        ("V091", "/owner", "error"),
    ]
    assert told(record(name="x", level="A")) == [("V004", "/name", "error")]


def test_effects_for_the_form() -> None:
    found = ONE.effects(
        record(kind="person", level="A", status="lead", next_visit=date(2026, 1, 1)), env()
    )
    assert found["credit_code"].visible is False
    assert found["owner"].required is True
    assert found["level"].options == ("B",)
    assert found["next_visit"].messages[0].severity is Severity.WARNING
    assert "status" not in found
    lost = record(status="lost", lost_reason="太贵")
    assert ONE.effects(lost, env(lost))["status"].readonly is True
    assert ONE.effects(lost, env()) == {}
    assert ONE.effects(record(tags=["vip"]), env())["credit_limit"].value == D("333.33")
    assert found["owner"].value is MISSING


def test_rows_have_rules_of_their_own() -> None:
    rows = entity(
        "customer.contacts",
        make("text", "name", required=True),
        make("boolean", "main"),
        rules={"named": Rule("named", when="main", check="len(name) > 1", set={"main": "true"})},
    )
    fields = tuple(
        make("lines", "contacts", multiple=True, rows=rows) if f.name == "contacts" else f
        for f in FIELDS
    )
    made = customer((), *fields)
    one = compile_validator(model(made), made, bind)
    checked = one.check(record(contacts=[{"name": "李"}, {"name": "王", "main": True}]), env())
    assert [(p.code, p.pointer) for p in checked.problems] == [("V090", "/contacts/1/name")]
