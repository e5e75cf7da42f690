"""Conditions of the workflow editor: rows to choose from, and the expression that says the same."""

from __future__ import annotations

import pytest

from dougong.studio.flow_conditions import Row, rows_of, source_of
from engine.definitions.model import Entity, Field, Option

FIELDS = {
    "amount": Field("amount", "decimal", {"en": "Amount"}),
    "urgent": Field("urgent", "boolean", {"en": "Urgent"}),
    "kind": Field("kind", "choice", {"en": "Kind"}, options=(Option("new", {}), Option("old", {}))),
    "remark": Field("remark", "text", {"en": "Remark"}),
}
PAPER = Entity("paper", {"en": "Paper"}, {"en": "Papers"}, "{id}", fields=FIELDS)


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("amount >= 200000", [Row("amount", ">=", "200,000")]),
        ("50000 <= amount", [Row("amount", ">=", "50,000")]),
        ("amount < -5", [Row("amount", "<", "-5")]),
        ("kind == 'old' and amount > 1", [Row("kind", "==", "old"), Row("amount", ">", "1")]),
        ("urgent", [Row("urgent", "yes")]),
        ("not urgent", [Row("urgent", "no")]),
        ("remark != null", [Row("remark", "filled")]),
        ("true", []),
        ("", []),
    ],
)
def test_a_plain_condition_is_shown_as_rows(source: str, rows: list[Row]) -> None:
    assert rows_of(source, PAPER) == ("and", rows)


@pytest.mark.parametrize(
    "source",
    ["amount + 1 > 2", "In('manager')", "a >= 1", "amount >=", "kind > 'new'",
     "urgent and (amount > 1 or amount < 0)", "starter == owner"],
)  # fmt: skip
def test_what_rows_cannot_say_stays_an_expression(source: str) -> None:
    assert rows_of(source, PAPER) is None


@pytest.mark.parametrize(
    ("typed", "number"),
    [("200,000", "200000"), ("20万", "200000"), ("1.5亿", "150000000"), ("", "0"), ("3.50", "3.5"),
     ("-2", "-2")],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(typed: str, number: str) -> None:
    assert source_of("and", [Row("amount", ">=", typed)], PAPER) == f"amount >= {number}"


def test_what_is_no_number_is_told() -> None:
    with pytest.raises(ValueError, match="much"):
        source_of("and", [Row("amount", ">=", "much")], PAPER)


def test_a_text_cannot_end_its_own_quotes() -> None:
    said = source_of("and", [Row("remark", "==", "it's \\ 'so'")], PAPER)
    assert rows_of(said, PAPER) == ("and", [Row("remark", "==", "it's \\ 'so'")])


def test_rows_come_back_as_they_were() -> None:
    rows = [Row("kind", "!=", "new"), Row("urgent", "no"), Row("amount", "empty")]
    assert rows_of(source_of("or", rows, PAPER), PAPER) == ("or", rows)
