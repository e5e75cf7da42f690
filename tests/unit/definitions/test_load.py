"""Text -> data: exact, complete with lines, and never an exception."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.document import Merged, duplicates, pointer
from engine.definitions.load import load, shown

TEXT = """{
  "a": {"b": [1,
    {"c": "}{,:"}],
   "x/y": null},
  "d~": "e\\"f"
}"""


def codes(text: str) -> list[tuple[str, str, int | None]]:
    return [(p.code, p.pointer, p.line) for p in load("f.json", text)[1]]


def test_numbers_are_exact() -> None:
    document, problems = load("f.json", '{"a": 0.1, "b": 12345678901234567890, "c": 1e2}')
    assert problems == []
    assert document.data == {"a": Decimal("0.1"), "b": 12345678901234567890, "c": Decimal("1e2")}
    assert type(document.data["b"]) is int


def test_every_pointer_has_its_line() -> None:
    assert load("f.json", TEXT)[0].places == {
        "": 1,
        "/a": 2,
        "/a/b": 2,
        "/a/b/0": 2,
        "/a/b/1": 3,
        "/a/b/1/c": 3,
        "/a/x~1y": 4,
        "/d~0": 5,
    }


def test_a_pointer_that_is_not_there_is_told_at_what_is_around_it() -> None:
    merged = Merged("f", {}, [load("f.json", TEXT)[0]])
    assert merged.place("/a/b/1/zzz") == ("f.json", 3)
    assert merged.place("/zzz") == ("f.json", 1)


def test_duplicate_keys_are_found_at_any_depth() -> None:
    text = '{"a": 1,\n"b": {"c": 1,\n"c": 2},\n"a": 3}'
    assert codes(text) == [("D002", "/b/c", 3), ("D002", "/a", 4)]
    assert duplicates(text) == [("/b/c", 3), ("/a", 4)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "D001"),
        ("{'a': 1}", "D001"),
        ('{"a": 1,}', "D092"),
        ('{"a": [1,\n]}', "D092"),
        ('{"a": 1,, "b": 2}', "D001"),
        ('{"a": 1} {', "D001"),
        ('{"a": "\n"}', "D001"),
        ("\x00", "D001"),
        ("[" * 10_000, "D004"),
        ("[" * 10_000 + "]" * 10_000, "D004"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "D004"),
        ('{"a": NaN}', "D003"),
        ('{"a": -Infinity}', "D003"),
        ('{"a": 1e999999999}', "D003"),
        ('{"a": ' + "9" * 5_000 + "}", "D003"),
        ('{"a": 1.' + "9" * 5_000 + "}", "D003"),
        ('{"a": "\\udc00"}', "D008"),
        ('{"\\udc00": {"b": "\\udc00"}}', "D008"),
        ('{"a": "\\u0000"}', "D008"),
        ('{"a": "\ud800"}', "D008"),
        ("null", "D009"),
        ('"text"', "D009"),
        ("{" + ",".join(f'"k{i}": 1' for i in range(1_001)) + "}", "D010"),
        ("x" * 2_000_000, "D005"),
        ("\u5ba2" * 400_000, "D005"),
    ],
)
def test_hostile_text_is_a_problem(text: str, code: str) -> None:
    document, problems = load("f.json", text)
    assert code in [problem.code for problem in problems]
    assert document.data == {}
    assert not document.usable
    for problem in problems:
        problem.pointer.encode()
        str(problem.params).encode()


def test_a_byte_order_mark_is_forgiven() -> None:
    document, problems = load("f.json", '\ufeff{"a": 1}')
    assert document.data == {"a": 1}
    assert [(p.code, p.severity) for p in problems] == [("D007", "warning")]


def test_messages_show_short_printable_values() -> None:
    assert shown("a" * 100) == "a" * 59 + "…"
    assert shown("a\u202eb\x07\ud800") == "a\\x202eb\\x07\\ud800"
    assert shown({"a": Decimal(1)}) == '{"a": "1"}'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values), st.sampled_from([None, 0, 3]))
def test_the_scanner_sees_the_same_values_as_the_parser(
    data: dict[str, object], indent: int | None
) -> None:
    import json

    text = json.dumps(data, indent=indent)
    document, problems = load("f.json", text)
    if problems:
        return

    def pointers(value: object, at: str) -> list[str]:
        members = value.items() if isinstance(value, dict) else ()
        found = [p for key, item in members for p in pointers(item, at + pointer(key))]
        items = value if isinstance(value, list) else []
        return [
            at,
            *found,
            *(p for i, item in enumerate(items) for p in pointers(item, f"{at}/{i}")),
        ]

    assert list(document.places) == pointers(data, "")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.decode("latin-1")))
def test_no_text_raises(text: str) -> None:
    document, problems = load("f.json", text)
    assert problems or document.data is not None
