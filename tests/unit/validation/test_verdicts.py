"""Our types and a stock JSON-Schema validator give one verdict on plain keywords."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.unit.fields.making import bound, one_of_each

D = Decimal
STEPS = st.sampled_from([D("0.01"), D("0.05"), D("0.1"), 1, 5])
LIMITS = st.decimals(-100, 100, places=2)


def stock(schema: Any, value: Any) -> bool:
    """What the reference implementation says."""
    return Draft202012Validator(schema).is_valid(value)


@given(
    st.text("abc甲𠮷", min_size=1, max_size=6),
    st.fixed_dictionaries(
        {},
        optional={
            "minLength": st.integers(0, 4),
            "maxLength": st.integers(1, 6),
            "pattern": st.sampled_from([r"^[a-c]+$", r"[\u4e00-\u9fa5]", "b$", "^.{2}$"]),
        },
    ),
)
def test_text(value: str, schema: dict[str, Any]) -> None:
    assert (not bound("text", schema).problems(value)) == stock(schema, value)


@given(
    LIMITS,
    st.fixed_dictionaries(
        {},
        optional={
            "minimum": LIMITS,
            "maximum": LIMITS,
            "exclusiveMinimum": LIMITS,
            "exclusiveMaximum": LIMITS,
            "multipleOf": STEPS,
        },
    ),
)
def test_money(value: Decimal, schema: dict[str, Any]) -> None:
    kind = bound("money", schema)
    scale = kind.scale  # type: ignore[attr-defined]
    fits = value == value.quantize(Decimal(1).scaleb(-scale))
    assert (not kind.problems(value)) == (stock(schema, value) and fits)


@given(
    st.integers(-50, 50),
    st.fixed_dictionaries(
        {},
        optional={
            "minimum": st.integers(-50, 50),
            "maximum": st.integers(-50, 50),
            "multipleOf": st.integers(1, 7),
        },
    ),
)
def test_integer(value: int, schema: dict[str, Any]) -> None:
    assert (not bound("integer", schema).problems(value)) == stock(schema, value)


@given(st.text(max_size=12) | st.integers(-3, 2**53) | st.lists(st.text("ab,", max_size=3)))
def test_the_published_schema_accepts_whatever_is_accepted(raw: Any) -> None:
    from engine.fields import BadValue

    for kind in one_of_each().values():
        try:
            value = kind.parse(raw)
        except BadValue:
            continue
        if value in (None, []) or not kind.problems(value):
            assert stock(dict(kind.schema()), kind.to_json(value)), kind.name
