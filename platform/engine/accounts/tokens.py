"""Secrets that travel: random tokens of which the database keeps only the hash."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """What the database keeps of a token. Plain SHA-256: a random token needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
