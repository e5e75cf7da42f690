"""Password hashes: argon2id with the parameters OWASP recommends (19 MiB, 2 passes, 1 lane).

Hashed is the composed form of the text (NFC): the same letters typed on another keyboard are the
same password. Nothing is cut off; what is longer than a password may be belongs to nobody.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

MOST_BYTES: Final = 128


def normal(password: str) -> str:
    """The form in which a password is measured, hashed and compared."""
    return unicodedata.normalize("NFC", password)


def too_long(password: str) -> bool:
    """Whether no password can be that long."""
    # the raw text first: composing megabytes would take its time
    return len(password) > 4 * MOST_BYTES or len(_bytes(normal(password))) > MOST_BYTES


def hash_password(password: str) -> str:
    """The argon2id hash of `password` in PHC string form."""
    return _hasher.hash(_bytes(normal(password)))


def verify_password(hashed: str | None, password: str) -> bool:
    """Whether `password` belongs to `hashed`. An unknown account costs the same time as a known
    one: None is checked against the hash of a password that nobody has."""
    if too_long(password):
        hashed, password = None, ""
    try:
        fits = _hasher.verify(hashed or _nobody(), _bytes(normal(password)))
    except (VerificationError, InvalidHashError):
        return False
    return fits and hashed is not None


def needs_rehash(hashed: str) -> bool:
    """Whether `hashed` was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(hashed)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@cache
def _nobody() -> str:
    import secrets

    return _hasher.hash(secrets.token_urlsafe(32))
