"""A sealed text opens with its installation's secret, for its use and its owner, or not at all."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from engine.accounts.sealing import Unsealable, seal, unseal

SECRET = b"s" * 32


def test_what_was_sealed_is_read_again_and_never_looks_the_same() -> None:
    one, two = (seal(SECRET, "factor", "7", "JBSWY3DP 你好") for _ in range(2))
    assert one != two
    assert "JBSWY3DP" not in one
    assert (
        unseal(SECRET, "factor", "7", one) == unseal(SECRET, "factor", "7", two) == "JBSWY3DP 你好"
    )


@pytest.mark.parametrize(
    ("secret", "label", "context"),
    [(b"t" * 32, "factor", "7"), (SECRET, "other", "7"), (SECRET, "factor", "8")],
)
def test_nothing_else_opens_it(secret: bytes, label: str, context: str) -> None:
    sealed = seal(SECRET, "factor", "7", "JBSWY3DP")
    with pytest.raises(Unsealable):
        unseal(secret, label, context, sealed)


def test_a_damaged_one_is_refused_and_never_half_read() -> None:
    sealed = seal(SECRET, "factor", "7", "JBSWY3DP")
    raw = bytearray(urlsafe_b64decode(sealed.removeprefix("1.")))
    raw[-1] ^= 1
    for broken in (
        "", "1.", "2." + sealed[2:], sealed[:-8], sealed[2:], "1.äö", "JBSWY3DP",
        "1." + urlsafe_b64encode(bytes(raw)).decode(),
    ):  # fmt: skip
        with pytest.raises(Unsealable):
            unseal(SECRET, "factor", "7", broken)
