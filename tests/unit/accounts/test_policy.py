"""Which passwords will do, and that nothing about them is a surprise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.accounts import passwords
from engine.accounts.policy import weak
from engine.problems import text

LI = ("li.qiang", "李强", "li.qiang@hengtai.example", "恒泰贸易")


def codes(password: str, minimum: int = 10) -> list[str]:
    return [problem.code for problem in weak(password, LI, minimum=minimum)]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery", "三只猫在屋顶上看月亮", "tuna-Gravel-7-kite", "grüße aus dem wald",
        "li and the three mice", "x" * 20 + "kW9#mQ2p", "1a2b3c!9Kd_ß", "🦊🐢🌵 drei dinge",
    ],
)  # fmt: skip
def test_passwords_that_will_do(password: str) -> None:
    assert codes(password) == []


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "L001"), ("kW9#mQ2p_", "L001"), ("三只猫在屋顶上看", "L001"),
        ("password123", "L003"), ("1234567890", "L003"), ("qwertyuiop", "L003"),
        ("P@ssw0rd2026", "L003"), ("aaaaaaaaaaaaaa", "L003"), ("Summer2026!", "L003"),
        ("PASSWORDPASSWORD", "L003"), ("abcabcabcabc", "L003"),
        ("liqiang-li.qiang", "L004"), ("Li.Qiang2026", "L004"), ("李强李强李强2026年", "L004"),
        ("hengtai-12345", "L004"), ("恒泰贸易20261001", "L004"),
        ("x" * 129, "L002"), ("长" * 43, "L002"), ("y" * 1_000_000, "L002"),
    ],
)  # fmt: skip
def test_passwords_that_will_not(password: str, code: str) -> None:
    assert codes(password) == [code]


def test_a_company_may_ask_for_more_and_never_for_less_than_eight() -> None:
    assert codes("kW9#mQ2p_x", minimum=12) == ["L001"]
    assert codes("kW9#mQ2p", minimum=8) == []
    assert codes("kW9#mQ2", minimum=1) == ["L001"]


def test_what_is_wrong_is_said_with_what_to_do_in_both_languages() -> None:
    for password in ("short", "password123", "Li.Qiang2026", "x" * 200):
        (problem,) = weak(password, LI)
        assert problem.pointer == "/password"
        assert password not in str(problem.params)
        for language in ("zh-CN", "en"):
            assert text(problem, language)


def test_128_bytes_count_and_all_of_them() -> None:
    long = "é" * 64
    assert not passwords.too_long(long)
    assert passwords.too_long(long + "x")
    assert passwords.too_long("x" * 10**7), "without composing ten megabytes"
    hashed = passwords.hash_password(long)
    assert passwords.verify_password(hashed, "e\u0301" * 64), "composed or not"
    assert not passwords.verify_password(hashed, long[:-1] + "e")
    assert not passwords.verify_password(hashed, long + "x")
    assert not passwords.verify_password(None, "")


def test_the_list_is_loaded_by_who_needs_it() -> None:
    """It takes its time, and a worker sets no passwords."""
    code = "import sys, dougong.app; print('zxcvbn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
