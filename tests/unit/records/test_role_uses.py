"""Where a role is named: by workflows, and by expressions anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from engine.records.role_uses import asks_role, names_role


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"may": {"go": [{"role": "boss"}]}}, True),
        ({"assignees": [{"supervisors": {"untilRole": "boss"}}]}, True),
        ({"guard": "has_role(me, 'boss', 'clerk')"}, True),
        ({"guard": 'has_role(starter, "boss")'}, True),
        ({"guard": "'boss' in me.roles"}, True),
        ({"may": {"go": [{"role": "bosses"}]}}, False),
        ({"guard": "has_role(me, 'bosses')"}, False),
        ({"title": "boss", "guard": "name == 'boss'"}, False),
    ],
)
def test_a_workflow_names_a_role(document: dict[str, Any], named: bool) -> None:
    assert names_role(document, "boss") is named


def test_an_expression_asks_for_a_role_wherever_it_stands() -> None:
    assert asks_role({"x-rules": {"one": {"when": "has_role(me, 'boss')"}}}, "boss")
    assert asks_role({"x-access": {"clerk": {"read": "has_role(me, 'boss')"}}}, "boss")
    assert not asks_role({"x-access": {"boss": {"read": True}}}, "boss"), "that goes with the role"
