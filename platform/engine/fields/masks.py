"""Hiding values from readers who may know only their rough shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

HIDDEN: Final = "******"


def _all(_: str) -> str:
    return HIDDEN


def _phone(text: str) -> str:
    """``138****8000``; other numbers keep their last two digits."""
    if len(text) == 11 and text.isdigit():
        return f"{text[:3]}****{text[-4:]}"
    return _tail(text, 2)


def _name(text: str) -> str:
    """``张*``: the first character and one star for each other."""
    return text[:1] + "*" * (len(text) - 1)


def _idcard(text: str) -> str:
    """First three and last four characters, as on official notices."""
    return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}" if len(text) >= 15 else HIDDEN


def _bankcard(text: str) -> str:
    """``**** **** **** 1234``."""
    return f"**** **** **** {text[-4:]}" if len(text) >= 12 else HIDDEN


def _email(text: str) -> str:
    """``z***@example.com``."""
    local, at, domain = text.partition("@")
    return f"{local[:1]}***@{domain}" if at else HIDDEN


def _tail(text: str, shown: int) -> str:
    """The last `shown` characters of a text long enough not to be given away by them."""
    return f"{HIDDEN}{text[-shown:]}" if len(text) >= 3 * shown else HIDDEN


KINDS: Final[Mapping[str, Callable[[str], str]]] = {
    "all": _all,
    "phone": _phone,
    "name": _name,
    "idcard": _idcard,
    "bankcard": _bankcard,
    "email": _email,
}


def masked(value: object, kind: str) -> str:
    """`value` hidden the way `kind` says; whatever is not text, or of an unknown kind, wholly."""
    return KINDS.get(kind, _all)(value) if isinstance(value, str) else HIDDEN
