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
        return _flat(value)
    one_line = _flat(value)
    if indent and indent + used + len(one_line) < _WIDTH:
        return one_line
    inner = indent + 2
    if isinstance(value, Mapping):
        opening, closing = "{}"
        items = [
            (name := json.dumps(str(key), ensure_ascii=False) + ": ")
            + _write(item, inner, len(name))
            for key, item in value.items()
        ]
    else:
        opening, closing = "[]"
        items = [_write(item, inner, 0) for item in value]
    pad = " " * inner
    return f"{opening}\n{pad}" + f",\n{pad}".join(items) + f"\n{' ' * indent}{closing}"


def _flat(value: Any) -> str:
    """`value` on one line."""
    match value:
        case Mapping():
            inside = ", ".join(
                f"{json.dumps(str(key), ensure_ascii=False)}: {_flat(item)}"
                for key, item in value.items()
            )
            return f"{{{inside}}}"
        case list() | tuple():
            return f"[{', '.join(_flat(item) for item in value)}]"
        case Decimal():
            return format(value, "f")
        case _:
            return json.dumps(value, ensure_ascii=False)
