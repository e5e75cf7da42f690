"""Keyset cursors: where a page ends, as the values of the sort keys.

A cursor is opaque to whoever holds it but nothing secret is in it: it repeats values of a row the
holder was shown. It is data from outside nonetheless, hence parsed like any other.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.fields import BadValue, FieldType

_LONGEST: Final = 4_000
_MOST: Final = 2**63


@dataclass(frozen=True, slots=True)
class Cursor:
    """The sort keys of the row next to the page, in wire form, and its id."""

    sort: str  # the order it belongs to
    values: tuple[Any, ...]
    id: int


def encode_cursor(cursor: Cursor) -> str:
    """The cursor as it stands in an address."""
    body = json.dumps([cursor.sort, *cursor.values, cursor.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def decode_cursor(raw: str, sort: str, types: Sequence[FieldType | None]) -> Cursor | None:
    """The cursor in `raw` when it belongs to the order `sort` (None in `types` stands for the
    id); None when it is anything else."""
    if len(raw) > _LONGEST:
        return None
    try:
        padded = raw.encode("ascii") + b"=" * (-len(raw) % 4)
        body = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, UnicodeError, binascii.Error, RecursionError):
        return None
    if not isinstance(body, list) or len(body) != len(types) + 2 or body[0] != sort:
        return None
    *values, last = body[1:]
    if not _is_id(last) or not all(map(_fits, types, values)):
        return None
    return Cursor(sort, tuple(values), last)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _fits(type_: FieldType | None, value: object) -> bool:
    if type_ is None:
        return _is_id(value)
    if not isinstance(value, str | int | None):
        return False
    try:
        type_.from_json(value)
    except (BadValue, ValueError, TypeError, ArithmeticError):
        return False
    return True
