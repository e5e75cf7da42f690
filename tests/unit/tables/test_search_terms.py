"""Pairs of characters, without a database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.tables.search import grams, parameters, wanted


def test_pairs() -> None:
    assert grams(["恒泰信", "A-1"]) == ["1", "a", "恒泰", "泰信"]
    assert wanted("恒泰信") == ["恒泰", "泰信"]
    assert wanted("恒") == []
    assert wanted("a-1") == []
    assert grams([]) == []


def test_a_novel_is_cut() -> None:
    assert len(grams(["".join(chr(0x4E00 + n) for n in range(20_000))] * 3)) < 20_001


@given(st.text(max_size=30), st.data())
def test_every_part_of_a_text_wants_only_pairs_that_it_has(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    part = text[start:end]
    # folding a part may differ from folding the whole only where signs combine at its ends
    if text.isascii() or all("一" <= sign <= "鿿" for sign in text):
        assert set(wanted(part)) <= set(grams([text]))


def test_parameters_tell_the_shape() -> None:
    assert parameters("恒泰 ABC") == {
        "q_0": "%恒泰%",
        "q_1": "%abc%",
        "q_grams": ["ab", "bc", "恒泰"],
    }
    assert parameters("恒") == {"q_0": "%恒%"}
    assert parameters("50%_\\") == {"q_0": "%50\\%\\_\\\\%", "q_grams": ["50"]}
    assert parameters("  ") == {}
