"""Sealing what we must be able to read again, with a key made of the installation's secret.

Whoever has the database without the installation's secret reads nothing, and a sealed text moved
to another person's row does not open there.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = "1."
_NONCE: Final = 12


class Unsealable(Exception):
    """Sealed with another secret, for something else, or damaged."""


def seal(secret: bytes, label: str, context: str, text: str) -> str:
    """`text`, sealed for the use `label` and for what `context` names."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = _key(secret, label).encrypt(nonce, text.encode(), context.encode())
    return _VERSION + urlsafe_b64encode(nonce + sealed).decode()


def unseal(secret: bytes, label: str, context: str, sealed: str) -> str:
    """What was sealed. Raises: Unsealable."""
    if not sealed.startswith(_VERSION):
        raise Unsealable(label)
    try:
        found = urlsafe_b64decode(sealed.removeprefix(_VERSION))
        text = _key(secret, label).decrypt(found[:_NONCE], found[_NONCE:], context.encode())
    except (InvalidTag, ValueError):
        raise Unsealable(label) from None
    return text.decode()


@lru_cache(maxsize=32)
def _key(secret: bytes, label: str) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"dougong {label}".encode())
    return AESGCM(derived.derive(secret))
