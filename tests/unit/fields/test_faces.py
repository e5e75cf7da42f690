"""How values look, filter, hide, default and are described: for readers, files and the API."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator
from tests.unit.fields.making import CONTACTS, bound, make, one_of_each

from engine.definitions.model import Reference
from engine.expressions.types import BOOL, NUMBER, ListOf, RecordOf
from engine.fields import (
    BASIC,
    TYPES,
    BadValue,
    Comparison,
    DuplicateType,
    FieldType,
    Moment,
    Names,
    bind,
    regions,
    register,
)
from engine.problems import codes

D = Decimal
NOON = datetime(2026, 1, 2, 4, 30, tzinfo=UTC)
NAMES = Names({("@user", 3): "李雷", ("customer", 7): "恒泰"})
CHOICES = {"options": make("choice").options}

SHOWN: list[tuple[str, Any, str, str]] = [
    ("date", date(2026, 1, 2), "2026-01-02", "Jan 2, 2026"),
    ("month", "2015-03", "2015年3月", "Mar 2015"),
    ("datetime", NOON, "2026-01-02 12:30", "Jan 2, 2026, 12:30"),
    ("money", D("12345678.90"), "¥12,345,678.90", "¥12,345,678.90"),
    ("money", D("-0.50"), "-¥0.50", "-¥0.50"),
    ("decimal", D("1234.5000"), "1,234.5", "1,234.5"),
    ("percent", D("12.50"), "12.5%", "12.5%"),
    ("integer", 1234567, "1,234,567", "1,234,567"),
    ("boolean", True, "是", "Yes"),
    ("boolean", False, "否", "No"),
    ("choice", "A", "A 重点", "A key"),
    ("choice", "gone", "gone", "gone"),
    ("multichoice", ["A", "B"], "A 重点、B 普通", "A key, B plain"),
    ("user", 3, "李雷", "李雷"),
    ("user", 4, "#4", "#4"),
    ("refs", [7, 8], "恒泰、#8", "恒泰, #8"),
    ("region", "440305", "广东省 深圳市 南山区", "广东省 深圳市 南山区"),
    ("address", {"region": "440305", "detail": "1 号", "postcode": "518000"},
     "广东省 深圳市 南山区 1 号 (518000)", "广东省 深圳市 南山区 1 号 (518000)"),
    ("lines", [{"name": "李", "email": None, "main": True}], "李 · 是", "李 · Yes"),
]  # fmt: skip


@pytest.mark.parametrize(("type", "value", "chinese", "english"), SHOWN)
def test_format(type: str, value: Any, chinese: str, english: str) -> None:
    kind = one_of_each()[type]
    assert kind.format(value, "zh-CN", NAMES) == chinese
    assert kind.format(value, "en", NAMES) == english
    assert kind.cell(value, "zh-CN", NAMES).text


def test_money_in_another_currency() -> None:
    assert bound("money", ui={"currency": "USD"}).format(D("1.00"), "zh-CN", NAMES) == "US$1.00"


def test_a_moment_is_shown_and_exported_on_the_readers_clock() -> None:
    names = Names(zone=ZoneInfo("America/New_York"))
    assert bound("datetime").format(NOON, "zh-CN", names) == "2026-01-01 23:30"
    assert str(bound("datetime").export(NOON, "en", names)) == "2026-01-01 23:30:00"


def test_every_type_is_there_and_answers_for_nothing() -> None:
    own = [kind for kind in TYPES.values() if kind.__module__.startswith("engine.")]
    assert len(own) == 36
    for kind in one_of_each().values():
        empty = kind.parse(None)
        assert empty == ([] if kind.many else None)
        assert kind.format(empty, "zh-CN", NAMES) == ""
        assert kind.cell(empty, "en", NAMES).text == ""
        assert not kind.mask(empty)
        assert not kind.lint()
        assert kind.default(NOON, 0) in (None, [], NOON)
        assert kind.column_type() is not None
        assert kind.expression_type is not None
        Draft202012Validator.check_schema(dict(kind.schema()))
        assert Draft202012Validator(dict(kind.schema())).is_valid(kind.to_json(empty))


@pytest.mark.parametrize(
    ("type", "value", "kind", "hidden"),
    [
        ("phone", "13800138000", "", "138****8000"),
        ("text", "张伟强", "name", "张**"),
        ("text", "secret", "", "******"),
        ("idcard", "11010519491231002X", "", "110***********002X"),
        ("bankcard", "6222021234567894", "", "**** **** **** 7894"),
        ("email", "zhang@example.com", "", "z***@example.com"),
        ("money", D(5), "phone", "******"),
        ("text", "12", "phone", "******"),
    ],
)
def test_mask(type: str, value: Any, kind: str, hidden: str) -> None:
    assert bound(type).mask(value, kind) == hidden


DAY = datetime(2026, 1, 1, 16, tzinfo=UTC)  # where 2 January begins in China
MOMENT = Moment(datetime(2026, 1, 1, 17, 0, tzinfo=UTC), 3, 5, (5, 6))  # 2 January in China


@pytest.mark.parametrize(
    ("type", "op", "raw", "expected"),
    [
        ("money", "between", "1,2.5", (("ge", D("1.00")), ("le", D("2.50")))),
        ("integer", "in", "1,2", (("in", (1, 2)),)),
        ("text", "contains", "恒", (("contains", "恒"),)),
        ("date", "today", "", (("ge", date(2026, 1, 2)), ("lt", date(2026, 1, 3)))),
        ("date", "this_month", None, (("ge", date(2026, 1, 1)), ("lt", date(2026, 2, 1)))),
        ("date", "last_month", None, (("ge", date(2025, 12, 1)), ("lt", date(2026, 1, 1)))),
        ("date", "this_week", None, (("ge", date(2025, 12, 29)), ("lt", date(2026, 1, 5)))),
        ("date", "this_quarter", None, (("ge", date(2026, 1, 1)), ("lt", date(2026, 4, 1)))),
        ("date", "within_days", "7", (("ge", date(2026, 1, 2)), ("lt", date(2026, 1, 10)))),
        ("date", "last_days", "7", (("ge", date(2025, 12, 27)), ("lt", date(2026, 1, 3)))),
        ("date", "older_than_days", "30", (("lt", date(2025, 12, 3)),)),
        ("month", "this_month", None, (("ge", "2026-01"), ("lt", "2026-02"))),
        ("datetime", "eq", "2026-01-02", (("ge", DAY), ("lt", DAY + timedelta(days=1)))),
        ("datetime", "gt", "2026-01-02", (("ge", datetime(2026, 1, 2, 16, tzinfo=UTC)),)),
        ("datetime", "le", "2026-01-02T08:00", (("le", datetime(2026, 1, 2, tzinfo=UTC)),)),
        ("user", "me", None, (("eq", 3),)),
        ("users", "me", None, (("contains", 3),)),
        ("department", "mine_tree", None, (("in", (5, 6)),)),
        ("tags", "contains", "vip", (("contains", "vip"),)),
        ("region", "within", "440000", (("starts", "44"),)),
        ("region", "within", "440305", (("eq", "440305"),)),
        ("choice", "empty", "whatever", (("empty", None),)),
    ],
)  # fmt: skip
def test_filters(type: str, op: str, raw: Any, expected: Any) -> None:
    kind = one_of_each()[type]
    found = kind.comparisons(op, kind.parse_filter(op, raw), MOMENT)
    assert found == tuple(Comparison(*pair) for pair in expected)
    assert {comparison.op for comparison in found} <= BASIC


@pytest.mark.parametrize(
    ("type", "op", "raw"),
    [("text", "lt", "a"), ("integer", "eq", "x"), ("integer", "eq", ""),
     ("date", "within_days", "-1"), ("money", "between", "1"),
     ("lines", "eq", "1"), ("date", "regexp", "x")],
)  # fmt: skip
def test_bad_filters(type: str, op: str, raw: str) -> None:
    with pytest.raises(BadValue):
        one_of_each()[type].parse_filter(op, raw)


def test_defaults() -> None:
    assert bound("choice", default="A").default(NOON, 3) == "A"
    late = datetime(2026, 1, 1, 17, 0, tzinfo=UTC)
    assert bound("date", ui={"default": "today"}).default(late, 3) == date(2026, 1, 2)
    assert bound("datetime", ui={"default": "now"}).default(NOON, 3) == NOON
    assert bound("user", ui={"default": "me"}).default(NOON, 3) == 3
    assert bound("users", ui={"default": "me"}).default(NOON, 3) == [3]
    assert bound("tags", default=["a"]).default(NOON, 3) == ["a"]


def test_numbers_given_out() -> None:
    kind = bound("autonumber", ui={"pattern": "KH-{yyyy}{mm}{seq:5}"})
    late = datetime(2025, 12, 31, 17, 0, tzinfo=UTC)  # already January in China
    numbering = kind.numbering  # type: ignore[attr-defined]
    assert numbering.counter(late) == "KH-202601#"
    assert numbering.text(late, 42) == "KH-20260100042"
    assert numbering.text(late, 1234567) == "KH-2026011234567"
    for bad in ("KH", "{seq:5}{seq:5}", "{year}{seq:3}", "{seq:0}"):
        assert bound("autonumber", ui={"pattern": bad}).lint()


def test_mistakes_of_definitions() -> None:
    def codes_of(type: str, schema: Any = None, **rest: Any) -> list[str]:
        return [problem.code for problem in bound(type, schema, **rest).lint()]

    assert codes_of("text", {"pattern": "(?=a)"}) == ["V201"]
    assert codes_of("text", {"maxLength": 2}, default="abc") == ["V203"]
    assert codes_of("decimal", ui={"scale": 20}) == ["V204"]
    assert codes_of("choice") == ["V205"]
    assert codes_of("ref") == ["V206"]
    assert codes_of("lines") == ["V207"]


def test_expression_types() -> None:
    kinds = one_of_each()
    assert kinds["money"].expression_type == NUMBER
    assert kinds["boolean"].expression_type == BOOL
    assert kinds["owner" if "owner" in kinds else "user"].expression_type == RecordOf("@user")
    assert bound("ref", reference=Reference("order")).expression_type == RecordOf("order")
    assert bind(CONTACTS).expression_type == ListOf(RecordOf("customer.contacts"))


def test_files_by_words() -> None:
    kinds = one_of_each()
    assert kinds["choice"].parse_file("b plain", "zh-CN") == "B"
    assert kinds["multichoice"].parse_file("A 重点、B", "en") == ["A", "B"]
    assert kinds["region"].parse_file("广东省 深圳市 南山区", "zh-CN") == "440305"
    assert kinds["address"].parse_file("广东省深圳市南山区 1 号", "zh-CN") == {
        "region": "440305", "detail": "1 号", "postcode": None,
    }  # fmt: skip
    found = kinds["datetime"].parse_file("2026-01-02", "zh-CN")
    assert found == datetime(2026, 1, 1, 16, tzinfo=UTC)


def test_changes_and_references() -> None:
    rows = bind(CONTACTS)
    assert not rows.changed([{"id": 1, "name": "a", "email": None}], [{"name": "a"}])
    assert rows.changed([{"name": "a"}], [{"name": "b"}])
    assert list(bound("user").references(3)) == [("@user", 3)]
    assert list(one_of_each()["refs"].references([7])) == [("customer", 7)]


def test_regions() -> None:
    assert len(regions.children()) == 34
    assert regions.path("710000")[0].name == "台湾省"
    assert [step.code for step in regions.path("110105")] == ["110000", "110105"]
    assert regions.path("441900")[-1].name == "东莞市"
    assert all(len(code) == 6 for code in regions.regions())
    assert regions.children("440300")


def test_registry_refuses_a_taken_name_and_names_both_owners() -> None:
    class Mine(FieldType):
        name = "text"

    with pytest.raises(DuplicateType, match=r"test_faces.*Mine.*TextType"):
        register(Mine)
    assert register(TYPES["text"]) is TYPES["text"]
    field = make("text")
    assert bind(field) is bind(field)
    assert bind(field) is not bind(make("text"))


def test_every_code_is_worded_twice() -> None:
    mine = {code for code in codes("en") if code.startswith("V")}
    assert mine == {code for code in codes("zh-CN") if code.startswith("V")}
