"""Texts of notices hold words and paths, and nothing that runs."""

from __future__ import annotations

import pytest

from engine.definitions.notices import BadPlaceholder, pieces, special


def test_a_text_is_words_and_paths() -> None:
    assert pieces("合同 {record.label}：{customer.name}") == (
        "合同 ",
        ("record", "label"),
        "：",
        ("customer", "name"),
    )
    assert pieces("") == ()
    assert pieces("{{plain}}") == ("{", "plain", "}")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "{}",
        "{amount!r}",
        "{amount:>10}",
        "{amount:{width}}",
        "{0}",
        "{items[0]}",
        "{a.__class__}",
        "{__class__}",
        "{a._b}",
        "{name.upper()}",
        "{ name }",
        "{a..b}",
        "{a.}",
        "{.a}",
        "{Name}",
        "{a.b.c.d.e.f}",
        "{a\nb}",
        "{" + "a" * 41 + "}",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(BadPlaceholder):
        pieces(text)


def test_a_field_may_be_called_like_the_case() -> None:
    assert special(("case", "state")) == "case"
    assert special(("record", "label")) == "record"
    assert special(("case",)) == ""
    assert special(("casement", "state")) == ""
