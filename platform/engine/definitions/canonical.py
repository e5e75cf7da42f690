"""One byte-stable way to write a definition, for hashes and for the designer.

The order of keys is kept, because the order of fields, options and menus means something. What
fits on one line stands on one line, so that a change touches few lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_WIDTH = 100
_ENCODER = json.JSONEncoder(ensure_ascii=False)  # `json.dumps` would make one for every value


def _text(text: str) -> str:
    return _ENCODER.encode(text)


def canonical(document: Any) -> str:
    """The document as JSON text: same document, same bytes; ends with a line feed.

    `canonical(load(canonical(x))) == canonical(x)` for everything that JSON can say.
    """
    return _write(document, 0, 0) + "\n"


def fingerprint(*parts: Any) -> str:
    """The SHA-256 of the canonical texts of `parts`, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(canonical(part).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _write(value: Any, indent: int, used: int) -> str:
    """`value` for a place that is `indent` deep and has `used` characters before it on its line."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        return _plain(value)
    one_line = _flat(value, _WIDTH - 1 - indent - used) if indent else None
    if one_line is not None:
        return one_line
    inner = indent + 2
    if isinstance(value, Mapping):
        opening, closing = "{}"
        items = [
            (name := _text(str(key)) + ": ") + _write(item, inner, len(name))
            for key, item in value.items()
        ]
    else:
        opening, closing = "[]"
        items = [_write(item, inner, 0) for item in value]
    pad = " " * inner
    return f"{opening}\n{pad}" + f",\n{pad}".join(items) + f"\n{' ' * indent}{closing}"


def _flat(value: Any, room: int) -> str | None:
    """`value` on one line; None, and soon, when that is longer than `room`."""
    if isinstance(value, Mapping):
        named = [(f"{_text(str(key))}: ", item) for key, item in value.items()]
        opening, closing = "{}"
    elif isinstance(value, list | tuple):
        named = [("", item) for item in value]
        opening, closing = "[]"
    else:
        plain = _plain(value)
        return plain if len(plain) <= room else None
    parts, left = [], room - 2
    for name, item in named:
        inside = _flat(item, left - len(name))
        if inside is None:
            return None
        parts.append(name + inside)
        left -= len(parts[-1]) + 2  # the comma behind it; the last one has none
        if left < -2:
            return None
    return f"{opening}{', '.join(parts)}{closing}"


def _plain(value: Any) -> str:
    """A single value, or something empty."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if isinstance(value, list | tuple) else _ENCODER.encode(value)
