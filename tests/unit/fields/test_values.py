"""Raw input -> value -> problems, for every type; the same answer at every door."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.fields.making import CONTACTS, LEVELS, bound

from engine.fields import BadValue, bind
from engine.problems import hint, text

D = Decimal
NOON = datetime(2026, 1, 2, 4, 30, tzinfo=UTC)

GOOD: list[tuple[str, Any, Any]] = [
    ("text", "  恒泰 ", "恒泰"),
    ("text", "e\u0301", "é"),  # NFC
    ("text", "   ", None),
    ("text", "", None),
    ("text", None, None),
    ("longtext", " a\r\nb\n ", "a\nb"),
    ("integer", "1,234", 1234),
    ("integer", D("1.0"), 1),
    ("integer", 12.0, 12),
    ("integer", 2**53, 2**53),
    ("decimal", "12.5", D("12.5000")),
    ("decimal", "-0", D("0.0000")),
    ("money", "¥12,345.6", D("12345.60")),
    ("money", 19.99, D("19.99")),
    ("money", D("999999999999999.99"), D("999999999999999.99")),
    ("percent", "12.5%", D("12.50")),
    ("boolean", "on", True),
    ("boolean", "否", False),
    ("boolean", 0, False),
    ("date", "2026-1-2", date(2026, 1, 2)),
    ("date", "2026年1月2日", date(2026, 1, 2)),
    ("date", "2026/01/02", date(2026, 1, 2)),
    ("date", datetime(2026, 1, 2), date(2026, 1, 2)),  # noqa: DTZ001 - as spreadsheets give it
    ("month", "2015年3月", "2015-03"),
    ("month", "2015-03", "2015-03"),
    ("datetime", "2026-01-02T12:30+08:00", NOON),
    ("datetime", "2026-01-02T04:30:00Z", NOON),
    ("rating", "5", 5),
    ("color", "#AABBCC", "#aabbcc"),
    ("phone", "+86 138 0013 8000", "13800138000"),
    ("phone", "(010) 6234-5678", "010-6234-5678"),
    ("email", "Zhang@EXAMPLE.com", "Zhang@example.com"),
    ("url", "www.example.com/a", "https://www.example.com/a"),
    ("region", 110101, "110101"),
    ("uscc", "91350100m000100y43", "91350100M000100Y43"),
    ("idcard", "11010519491231002x", "11010519491231002X"),
    ("bankcard", "6222 0212 3456 7894", "6222021234567894"),
    ("ref", "7", 7),
    ("users", ["3", 4, 3], [3, 4]),
    ("users", None, []),
    ("tags", "重点、vip，vip", ["重点", "vip"]),
    ("tags", '["a,b"]', ["a,b"]),
    (
        "address",
        {"detail": " 南山 1 号 "},
        {"region": None, "detail": "南山 1 号", "postcode": None},
    ),
    ("address", {"detail": ""}, None),
    ("file", ["9"], 9),
]

REFUSED: list[tuple[str, Any, str]] = [
    ("text", "a\nb", "V008"),
    ("text", "a\x00b", "V007"),
    ("text", "a\ud800", "V007"),
    ("text", True, "V003"),
    ("text", ["a"], "V003"),
    ("integer", "1.5", "V010"),
    ("integer", 2**53 + 1, "V011"),
    ("integer", D("1e9999999"), "V011"),
    ("integer", True, "V012"),
    ("decimal", "１２", "V012"),
    ("decimal", "1e5", "V012"),
    ("decimal", float("nan"), "V012"),
    ("decimal", D("Infinity"), "V012"),
    ("decimal", "1,23", "V012"),
    ("decimal", "100000000000000", "V013"),  # 4 places leave 14 of the 18 digits
    ("money", "1000000000000000", "V013"),
    ("money", "0.005", "V014"),
    ("money", D("1e-9999999"), "V014"),
    ("money", D("1e9999999"), "V013"),
    ("boolean", "maybe", "V021"),
    ("date", "2026-02-30", "V022"),
    ("date", "2026-01-02\n2", "V022"),
    ("date", "0001-01-01", "V022"),
    ("month", "2015-13", "V023"),
    ("datetime", "2026-01-02T12:30", "V025"),
    ("datetime", "2026-01-02", "V024"),
    ("datetime", "9999-12-31T23:59-10:00", "V024"),
    ("ref", "0", "V060"),
    ("ref", 2**53, "V060"),
    ("ref", 1.0, "V060"),
    ("ref", "١", "V060"),
    ("users", [True], "V060"),
    ("address", {"street": "x"}, "V045"),
    ("address", "[", "V045"),
    ("tags", {"a": 1}, "V003"),
]

WRONG: list[tuple[str, dict[str, Any], Any, str]] = [
    ("text", {"minLength": 2}, "张", "V004"),
    ("text", {"maxLength": 2}, "𠮷𠮷𠮷", "V005"),
    ("text", {"pattern": r"^[\u4e00-\u9fa5]+$"}, "abc", "V006"),
    ("text", {"pattern": r"^\d{3}$"}, "１２３", "V006"),
    ("integer", {"minimum": 3}, 2, "V015"),
    ("integer", {"multipleOf": 5}, 7, "V019"),
    ("money", {"maximum": 10}, D("10.01"), "V016"),
    ("money", {"exclusiveMinimum": 0}, D("0.00"), "V017"),
    ("money", {"multipleOf": D("0.05")}, D("0.07"), "V019"),
    ("rating", {}, 6, "V015|V016"),
    ("rating", {"maximum": 3}, 4, "V016"),
    ("choice", {}, "Z", "V030"),
    ("multichoice", {}, ["A", "Z"], "V030"),
    ("multichoice", {"maxItems": 1}, ["A", "B"], "V033"),
    ("multichoice", {"minItems": 2}, ["A"], "V032"),
    ("tags", {}, ["a", "a"], "V031"),
    ("color", {}, "red", "V036"),
    ("phone", {}, "12800138000", "V040"),
    ("phone", {}, "1380013800", "V040"),
    ("email", {}, "a@", "V041"),
    ("email", {}, "a..b@example.com", "V041"),
    ("email", {}, "a@example", "V041"),
    ("url", {}, "javascript:alert(1)", "V043"),
    ("url", {}, "https://user@example.com", "V042"),
    ("url", {}, "http://[", "V042"),
    ("region", {}, "999999", "V044"),
    ("uscc", {}, "91350100M000100Y44", "V051"),
    ("uscc", {}, "91350100I000100Y43", "V050"),
    ("idcard", {}, "110105194913310025", "V053"),
    ("idcard", {}, "110105194912310021", "V054"),
    ("bankcard", {}, "6222021234567890", "V056"),
    ("bankcard", {}, "622202", "V055"),
    ("address", {}, {"region": "1", "detail": None, "postcode": None}, "V044"),
    ("address", {}, {"region": None, "detail": "x", "postcode": "12"}, "V046"),
]


@pytest.mark.parametrize(("type", "raw", "value"), GOOD)
def test_read(type: str, raw: Any, value: Any) -> None:
    kind = bound(type)
    found = kind.parse(raw)
    assert found == value
    assert str(found) == str(value)  # the same digits and the same class, not merely equal
    if value not in (None, []):
        assert not kind.problems(found)
        assert kind.from_json(kind.to_json(found)) == found


@pytest.mark.parametrize(("type", "raw", "code"), REFUSED)
def test_refused(type: str, raw: Any, code: str) -> None:
    with pytest.raises(BadValue) as bad:
        bound(type).parse(raw)
    assert bad.value.code == code


@pytest.mark.parametrize(("type", "schema", "value", "codes"), WRONG)
def test_wrong(type: str, schema: dict[str, Any], value: Any, codes: str) -> None:
    options = LEVELS if "choice" in type else ()
    found = bound(type, schema, options=options).problems(value)
    assert next(problem.code for problem in found) in codes.split("|")
    for language in ("zh-CN", "en"):
        assert "?" not in text(found[0], language)


def test_rows_report_every_cell_with_its_place() -> None:
    kind = bind(CONTACTS)
    raw = [{"name": "李", "email": 5, "main": "x"}, {"nmae": "张"}, "row"]
    with pytest.raises(BadValue) as bad:
        kind.parse(raw)
    found = [(p.code, p.pointer) for p in bad.value.found(kind.field)]
    assert found == [("V021", "/0/main"), ("V002", "/1/nmae"), ("V070", "/2")]
    assert kind.parse('[{"id": "7", "name": " 李 "}]') == [{"id": 7, "name": "李"}]


def test_rows_have_a_limit() -> None:
    with pytest.raises(BadValue) as bad:
        bind(CONTACTS).parse([{"name": "x"}] * 4)
    assert bad.value.code == "V072"


def test_a_scale_comes_from_multiple_of_then_from_ui_then_from_the_type() -> None:
    assert bound("decimal").scale == 4  # type: ignore[attr-defined]
    assert bound("money").scale == 2  # type: ignore[attr-defined]
    assert bound("money", {"multipleOf": D("0.0100")}).scale == 2  # type: ignore[attr-defined]
    assert bound("decimal", {"multipleOf": 10}).scale == 0  # type: ignore[attr-defined]
    assert bound("decimal", ui={"scale": 6}).scale == 6  # type: ignore[attr-defined]


@given(st.integers(0, 99), st.integers(0, 999_999_999_999_999))
def test_money_is_exact_to_fifteen_digits(cents: int, whole: int) -> None:
    kind = bound("money", {"multipleOf": D("0.01")})
    value = kind.parse(f"{whole}.{cents:02}")
    assert kind.to_json(value) == f"{whole}.{cents:02}"
    assert not kind.problems(value)


SCALARS = (
    *("text", "integer", "money", "date", "month", "datetime", "phone", "email", "url", "uscc"),
    *("idcard", "bankcard", "color", "region", "tags", "users", "boolean", "choice", "ref"),
)


@given(st.text(max_size=30))
def test_text_parsing_never_fails_otherwise(raw: str) -> None:
    for type in SCALARS:
        kind = bound(type)
        try:
            value = kind.parse(raw)
        except BadValue:
            continue
        if value not in (None, []):
            kind.problems(value)
            assert kind.parse(kind.to_json(value)) == value


@pytest.mark.parametrize(
    ("more", "example"),
    [
        ({"placeholder": {"en": "WTU2938"}}, "; for example WTU2938"),
        ({"placeholder": {"en": "Capital letters"}}, ""),
        ({"schema": {"examples": ["wtu", "ABC"]}, "placeholder": {"en": "X"}}, "; for example ABC"),
        ({"help": {"en": "capital letters. "}}, ": capital letters"),
    ],
)
def test_a_failing_pattern_says_what_is_wanted(more: dict[str, Any], example: str) -> None:
    schema = {"pattern": "^[A-Z0-9]+$", **more.pop("schema", {})}
    (problem,) = bound("text", schema, **more).problems("wtu 1")
    assert text(problem, "en") == f"“F” does not have the required form{example}."
    assert ("[A-Z0-9]" in hint(problem, "en")) == (example == "")


def test_expression_results_are_rounded_commercially() -> None:
    assert bound("money").from_expression(D("1.005")) == D("1.01")
    assert bound("user").from_expression({"id": 5, "name": "x"}) == 5
    assert bound("users").from_expression([{"id": 5}, 6]) == [5, 6]
