"""Sealing single values: what opens, what does not, and what a key looks like."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.models import field

from engine.fields import bind
from engine.storage import Keyring, StorageError
from engine.storage.keys import environment_keys, key_of, keyring, new_key
from engine.tables.sealed import Sealed

OLD, YOUNG = new_key("old"), new_key("young")
ABOUT = "e1_person.f3_account"


def code(refused: pytest.ExceptionInfo[StorageError]) -> str:
    return refused.value.problem.code


@given(st.text())
def test_what_was_sealed_opens(text: str) -> None:
    ring = keyring(OLD)
    token = ring.seal(text, ABOUT)
    assert ring.open(token, ABOUT) == text
    assert key_of(token) == "old"
    assert len(text) < 8 or text not in token


def test_the_same_text_is_never_sealed_alike() -> None:
    ring = keyring(OLD)
    assert len({ring.seal("x", ABOUT) for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_open() -> None:
    token = keyring(OLD).seal("x", ABOUT)
    both = keyring(f"{YOUNG},\n {OLD}")
    assert both.names == ("young", "old")
    assert both.open(token, ABOUT) == "x"
    assert key_of(both.seal("x", ABOUT)) == "young"
    with pytest.raises(StorageError) as refused:
        keyring(YOUNG).open(token, ABOUT)
    assert code(refused) == "Y003"
    assert "old" in str(refused.value)


def _flipped(token: str) -> str:
    head, _, body = token.rpartition(".")
    raw = bytearray(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    raw[-1] ^= 1
    return f"{head}.{urlsafe_b64encode(bytes(raw)).rstrip(b'=').decode()}"


def test_what_was_altered_or_moved_does_not_open() -> None:
    ring = keyring(OLD)
    token = ring.seal("x", ABOUT)
    for wrong, about in (
        (_flipped(token), ABOUT),
        (token[:-1], ABOUT),
        (token, "e1_person.f4_other"),
        ("x", ABOUT),
        ("dge1.old.", ABOUT),
        ("", ABOUT),
    ):
        with pytest.raises(StorageError) as refused:
            ring.open(wrong, about)
        assert code(refused) == "Y004"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "old:short",
        f"OLD:{OLD.partition(':')[2]}",
        f"{OLD},{OLD}",
        f"{OLD},x",
        f":{OLD.partition(':')[2]}",
        f"old:{OLD.partition(':')[2]}AAAA",
        "old:密钥",
    ],
    ids=lambda _: "",
)
def test_what_is_no_key_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(StorageError) as refused:
        Keyring.from_text(text)
    assert code(refused) == "Y001"
    assert text not in str(refused.value)


def test_no_key_seals_nothing() -> None:
    ring = environment_keys({})
    assert not ring
    with pytest.raises(StorageError) as refused:
        ring.seal("x", ABOUT)
    assert code(refused) == "Y002"


def test_a_ring_shows_names_only() -> None:
    ring = keyring(OLD)
    assert repr(ring) == "Keyring(old)"
    assert OLD.partition(":")[2] not in repr(ring)
    assert ring.mark("old") != keyring(new_key("old")).mark("old")
    assert ring.mark("old") == keyring(OLD).mark("old")


@pytest.mark.parametrize("name", ["", "Big", "a.b", "a:b", "x" * 33, "-x"])
def test_names_of_keys(name: str) -> None:
    with pytest.raises(StorageError) as refused:
        new_key(name)
    assert code(refused) == "Y005"


@pytest.mark.parametrize(
    ("kind", "value", "more"),
    [
        ("text", "恒泰信\n'\"", {}),
        ("integer", 42, {}),
        ("decimal", Decimal("12.50"), {}),
        ("money", Decimal("-0.10"), {}),
        ("boolean", False, {}),
        ("date", date(1987, 6, 5), {}),
        ("datetime", datetime(2026, 3, 1, 8, 30, 15, 123456, tzinfo=UTC), {}),
        ("phone", "13800138000", {}),
        ("tags", ["a", "b"], {"multiple": True}),
    ],
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_every_kind_of_value_comes_back_as_it_was(
    kind: str, value: Any, more: dict[str, Any], dialect: str
) -> None:
    column = Sealed(bind(field("secret", kind, **more)), keyring(OLD), ABOUT)
    found = sa.create_mock_engine(f"{dialect}://", lambda *_: None).dialect
    kept = column.process_bind_param(value, found)
    assert key_of(kept) == "old"
    assert column.process_result_value(kept, found) == value
    assert column.process_bind_param(None, found) is None
    assert column.process_result_value(None, found) is None
