"""Patterns of strangers run in linear time and mean what JSON Schema says."""

from __future__ import annotations

import time

import pytest

from engine.definitions.patterns import BadPattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^[0-9]{6}$", "123456", True),
        ("^[0-9]{6}$", "123456\n", False),
        (r"^\d+$", "１２", False),
        (r"^[\u4e00-\u9fff]+$", "客户", True),
        (r"^[\u4e00-\u9fff]+$", "abc", False),
        (r"^\\u0041$", "\\u0041", True),
        ("b", "abc", True),
    ],
)
def test_meaning(pattern: str, text: str, fits: bool) -> None:
    assert bool(compile_pattern(pattern).search(text)) is fits


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "(", "[", "a{1001}", "\ud800", "a" * 201])
def test_what_cannot_run_safely_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


def test_a_pattern_cannot_hold_up_the_server() -> None:
    started = time.process_time()
    assert not compile_pattern("^(a+)+$").search("a" * 10_000 + "!")
    assert time.process_time() - started < 0.5
