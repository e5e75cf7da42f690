"""Password hashes: argon2id with the parameters OWASP recommends (19 MiB, 2 passes, 1 lane)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

MINIMUM_LENGTH = 10


def hash_password(password: str) -> str:
    """The argon2id hash of `password` in PHC string form."""
    return _hasher.hash(password)


def verify_password(hashed: str | None, password: str) -> bool:
    """Whether `password` belongs to `hashed`. An unknown account costs the same time as a known
    one: None is checked against the hash of a password that nobody has."""
    try:
        return _hasher.verify(hashed or _nobody(), password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(hashed: str) -> bool:
    """Whether `hashed` was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(hashed)


@cache
def _nobody() -> str:
    import secrets

    return _hasher.hash(secrets.token_urlsafe(32))
