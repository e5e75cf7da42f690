"""Same document, same bytes."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.definitions.samples import CUSTOMER, sources

from engine.definitions import canonical, fingerprint
from engine.definitions.load import load

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-(10**9), 10**9, places=4)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner),
    max_leaves=30,
)


@given(st.dictionaries(names, values))
def test_writing_is_stable_and_loses_nothing(document: dict[str, object]) -> None:
    text = canonical(document)
    again, problems = load("f.json", text)
    assert problems == []
    assert again.data == document
    assert canonical(again.data) == text


def test_short_things_stand_on_one_line_and_order_is_kept() -> None:
    document = {"b": 1, "a": {"rows": [["code", "name"], ["kind"]], "n": Decimal("1.50")}, "e": []}
    assert canonical(document) == (
        '{\n  "b": 1,\n  "a": {"rows": [["code", "name"], ["kind"]], "n": 1.50},\n  "e": []\n}\n'
    )


def test_no_line_is_longer_than_it_must_be() -> None:
    document = load("f.json", sources()[CUSTOMER])[0].data
    assert all(len(line) <= 100 for line in canonical(document).splitlines())


def test_fingerprints_tell_documents_apart() -> None:
    assert fingerprint({"a": 1}) == fingerprint({"a": 1})
    assert len({fingerprint({"a": 1}), fingerprint({"a": "1"}), fingerprint({"b": 1}),
                fingerprint({"a": 1, "b": 2}), fingerprint({"b": 2, "a": 1})}) == 5  # fmt: skip
