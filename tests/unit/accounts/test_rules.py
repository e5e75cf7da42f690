"""The company's rules as they are kept, agent strings in words, codes as the standard has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dougong.devices import device_of
from engine.accounts.factors import _steps
from engine.accounts.rules import Rules, rules_from, rules_read


@pytest.mark.parametrize("kept", [None, {}, {"minimum": "ten", "idle": True, "hours": None}])
def test_what_is_missing_or_nonsense_is_the_houses_own(kept: Any) -> None:
    assert rules_from(kept) == Rules(10, frozenset(), 120, None)


def test_what_is_kept_stays_within_the_bounds_of_the_house() -> None:
    """Whoever writes into the database by hand weakens nothing."""
    assert rules_from({"minimum": 1, "idle": 10**9, "hours": 10**9}) == Rules(
        8, frozenset(), 720, 24
    )
    assert rules_from({"hours": 9}).session_hours(12) == 9
    assert rules_from({"hours": 24}).session_hours(12) == 12
    assert rules_from({}).session_hours(12) == 12


def test_rules_come_back_as_they_were_kept() -> None:
    rules = Rules(14, frozenset({"sales", "finance"}), 30, 8)
    assert rules_from(rules.stored()) == rules
    assert rules_read(None) == Rules()
    assert rules_read('{"minimum": 14}').minimum == 14


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """The vectors of RFC 6238, appendix B, of which six digits are used."""
    shared = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    now = datetime.fromtimestamp(seconds, UTC)
    assert list(_steps(shared, code, now)) == [seconds // 30]
    for other in ("", "1", code + "0", "２８７０８２", "\ud800", "x" * 10_000):
        assert list(_steps(shared, other, now)) == []


@pytest.mark.parametrize(
    ("agent", "browser", "system", "small"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge", "Windows", False),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
         "Chrome/130.0 Mobile Safari/537.36 MicroMessenger/8.0", "WeChat", "Android", True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Version/18.0 Safari/605.1.15", "Safari", "macOS", False),
        ("curl/8.5.0", "curl", "", False),
        ("", "", "", False),
    ],
)  # fmt: skip
def test_an_agent_string_in_words(agent: str, browser: str, system: str, small: bool) -> None:
    found = device_of(agent)
    assert (found.browser, found.system, found.small) == (browser, system, small)
