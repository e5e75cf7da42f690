"""Encryption of single values: which keys there are, and how a text is sealed with one.

A sealed text is ``dge1.<key's name>.<base64url of nonce and ciphertext>``: AES-256 in GCM with a
random nonce of 96 bits. What the text is about (a column's physical name) is authenticated with
it, so that a value which somebody moves into another column opens no longer.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.storage.errors import StorageError

VARIABLE: Final = "DOUGONG_KEYS"
PREFIX: Final = "dge1."
SIZE: Final = 32  # bytes of a key
_NONCE: Final = 12
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TOKEN: Final = re.compile(r"dge1\.([a-z0-9][a-z0-9_-]{0,31})\.([A-Za-z0-9_-]{38,})")


class Keyring:
    """Keys by name; the first one seals, all of them open. Shared between threads, and equal to
    nothing but itself: never shown, logged or copied."""

    __slots__ = ("_ciphers", "_marks", "active")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.active = next(iter(keys), "")
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._marks = {name: _mark(key) for name, key in keys.items()}

    @classmethod
    def from_text(cls, text: str) -> Keyring:
        """The keys in ``name:base64url,older:base64url``; spaces and line ends do not matter.

        Raises: StorageError (Y001) for what is none; the text itself is in no message.
        """
        keys: dict[str, bytes] = {}
        parts = [part for part in text.replace(",", " ").split() if part]
        for number, part in enumerate(parts, 1):
            name, _, code = part.partition(":")
            try:
                key = urlsafe_b64decode(code + "=" * (-len(code) % 4))
            except ValueError:
                key = b""
            if not _NAME.fullmatch(name) or name in keys or len(key) != SIZE:
                raise StorageError("Y001", number=number, variable=VARIABLE)
            keys[name] = key
        return cls(keys)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the active one first."""
        return tuple(self._ciphers)

    def mark(self, name: str) -> str:
        """What tells a key from another of the same name, and nothing else about it."""
        return self._marks[name]

    def seal(self, text: str, about: str) -> str:
        """`text` sealed with the active key.

        Raises: StorageError (Y002) without a key: nothing is ever written in the clear instead.
        """
        if not self.active:
            raise StorageError("Y002", variable=VARIABLE)
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self.active].encrypt(nonce, text.encode(), about.encode())
        code = urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")
        return f"{PREFIX}{self.active}.{code}"

    def open(self, token: str, about: str) -> str:
        """Inverse of `seal`.

        Raises: StorageError for a key that is not here (Y003), and for what was altered or stands
        where it was not sealed for (Y004).
        """
        found = _TOKEN.fullmatch(token) if isinstance(token, str) else None
        if found is None:
            raise StorageError("Y004", place=about)
        name, code = found.groups()
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise StorageError("Y003", name=name, variable=VARIABLE)
        sealed = urlsafe_b64decode(code + "=" * (-len(code) % 4))
        try:
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode()).decode()
        except InvalidTag as error:
            raise StorageError("Y004", place=about) from error

    def __bool__(self) -> bool:
        """Whether there is a key to seal with."""
        return bool(self.active)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.names)})"


def key_of(token: object) -> str | None:
    """The name of the key that sealed a token; None for what is no token."""
    found = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    return found[1] if found else None


def new_key(name: str) -> str:
    """A fresh key as `Keyring.from_text` reads it.

    Raises: StorageError (Y005) for a bad name.
    """
    if not _NAME.fullmatch(name):
        raise StorageError("Y005", name=name)
    return f"{name}:{urlsafe_b64encode(secrets.token_bytes(SIZE)).rstrip(b'=').decode('ascii')}"


def environment_keys(environ: Mapping[str, str] = os.environ) -> Keyring:
    """The keys that the operator gave to this process.

    Raises: StorageError (Y001).
    """
    return keyring(environ.get(VARIABLE, ""))


@lru_cache(maxsize=8)
def keyring(text: str) -> Keyring:
    """The keyring of a text, one for all companies: statements know their types by it.

    Raises: StorageError (Y001).
    """
    return Keyring.from_text(text)


def _mark(key: bytes) -> str:
    return hmac.new(key, b"dougong key", hashlib.sha256).hexdigest()[:16]
