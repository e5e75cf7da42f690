"""Reasons in rows: nothing secret, and in the reader's language."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.problems import Problem
from engine.records.failures import Busy, Conflict
from engine.records.outbox.reasons import LONGEST, kept, plain, told, trail
from engine.records.outbox.rows import LONGEST_PAUSE, pause
from engine.storage import StorageError


def test_our_own_problems_are_worded_for_the_reader() -> None:
    row = kept(Conflict([Problem("Q101", {"kind": "fax"})]))
    assert told(row, "en") == "Nobody handles the kind “fax”."
    assert told(row, "zh-CN") == "没有程序处理「fax」这类任务。"
    assert told(kept(Busy()), "en") == told(kept(Busy()), "en")
    assert "S010" in kept(StorageError("S010"))
    assert kept(row) == row


def test_of_a_foreign_error_stays_its_kind() -> None:
    try:
        raise RuntimeError("password=hunter2")
    except RuntimeError as error:
        row, where = kept(error), trail(error)
    assert "hunter2" not in row + where
    assert "RuntimeError" in told(row, "en")
    assert "test_of_a_foreign_error" in where


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://key:pw@hook.example/send?token=secret", "https://hook.example/…"),
        (
            "POST https://hook.example:8443/robot/abc failed",
            "POST https://hook.example:8443/… failed",
        ),
        ("smtp://mail.example", "smtp://mail.example/…"),
        ("two\r\nlines\x00", "two lines"),
        ("", ""),
    ],
)
def test_addresses_are_cut_to_their_host(given: str, shown: str) -> None:
    assert plain(given) == shown


@pytest.mark.parametrize("row", ["Z999 {}", 'Q101 {"kind"', "Q101 {", "anything", "Q101 [1]"])
def test_what_is_no_problem_is_told_as_it_is(row: str) -> None:
    assert told(row, "en") == row


def test_long_reasons_are_cut() -> None:
    assert len(plain("x" * 9999)) == LONGEST
    assert len(kept(Problem("Q101", {"kind": "k" * 9999}))) <= LONGEST


def test_pauses_grow_and_end_somewhere() -> None:
    for attempts, seconds in ((1, 15), (2, 60), (3, 240), (9, LONGEST_PAUSE.total_seconds())):
        found = {pause(attempts) for _ in range(50)}
        assert len(found) > 1  # not all come back at the same moment
        for one in found:
            low, high = timedelta(seconds=seconds * 0.8), timedelta(seconds=seconds * 1.2)
            assert low <= one <= high
