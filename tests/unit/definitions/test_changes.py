"""The sentences about two models: everything that differs is told, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.definitions.samples import CONTRACT, FLOW, PACK, good

from engine.definitions.changes import changes
from engine.problems import codes


def told(after: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    found = changes(good(before or {}), good(after))
    return [f"{one.sign} {one.sentence('en')}" for one in found]


def test_nothing_differs() -> None:
    assert told({}) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({CONTRACT: {"x-rules": {"new": {"assert": "amount > 0", "message": "M"}}}}, "P230"),
        ({CONTRACT: {"title": "Deal"}}, "P210"),
        ({CONTRACT: {"x-list": {"sort": ["-id"]}}}, "P213"),
        ({CONTRACT: {"x-form": [{"tab": "x", "rows": [["amount"]]}]}}, "P212"),
        ({CONTRACT: {"x-access": {"sales": {"export": True}}}}, "P241"),
        ({PACK: {"title": "Another"}}, "P201"),
        ({PACK: {"roles": {"nurse": {"title": "Nurse"}}}}, "P202"),
        ({PACK: {"cards": {"mine": {"title": "Mine", "entity": "contract"}}}}, "P264"),
        ({PACK: {"menus": {"mine": {"title": "Mine", "entity": "contract"}}}}, "P260"),
        ({FLOW: {"version": 9}}, "P251"),
    ],
)
def test_each_kind_of_change_is_told_once(change: dict[str, Any], code: str) -> None:
    found = changes(good(), good(change))
    assert [one.code for one in found] == [code]
    for language in ("en", "zh-CN"):
        assert "?" not in found[0].sentence(language)
    back = changes(good(change), good())
    assert len(back) == 1


def test_every_code_is_worded() -> None:
    assert {"P200", "P270", "P335"} <= codes("en").keys()
