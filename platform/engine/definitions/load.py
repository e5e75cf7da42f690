"""Text -> JSON data with exact decimals; everything a hostile or careless file can do is a problem.

Loading never raises: it answers with a document whose data is {} when there is nothing usable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from engine.definitions.document import Document, Merged, duplicates, pointer
from engine.definitions.limits import DEPTH, FILE_BYTES, MEMBERS, NUMBER_DIGITS
from engine.problems import Problem, Severity

BOM: Final = "\ufeff"
_UNUSABLE: Final = ("D003", "D004", "D008", "D009", "D010")  # D002 still leaves something to check
_KEPT_CONTROLS = "\t\n\r"


def load(file: str, text: str) -> tuple[Document, list[Problem]]:
    """The file's document (data is {} when unusable) and everything wrong with it as JSON."""
    problems = []
    if text.startswith(BOM):
        text = text.removeprefix(BOM)
        problems.append(Problem("D007", file=file, line=1, severity=Severity.WARNING))
    if len(text) > FILE_BYTES or len(text.encode("utf-8", "replace")) > FILE_BYTES:
        return Document(file, "", usable=False), [
            *problems,
            Problem("D005", {"limit": FILE_BYTES}, file=file),
        ]
    reader = _Reader()
    try:
        data = reader.read(text)
    except json.JSONDecodeError as error:
        return Document(file, "", usable=False), [*problems, _not_json(file, error)]
    except RecursionError:
        return Document(file, "", usable=False), [
            *problems,
            Problem("D004", {"limit": DEPTH}, file=file),
        ]
    document = Document(file, text, data)
    found = [*_object(data), *_odd_values(data)]
    if reader.doubled:
        found += [("D002", at, {"key": shown(_last(at))}) for at, _ in duplicates(text)]
    where_is = Merged(file, {}, [document]).place
    problems += [Problem(code, params, at, file=file, line=where_is(at)[1])
                 for code, at, params in found]  # fmt: skip
    unusable = any(code in _UNUSABLE for code, _, _ in found)
    return (Document(file, text, usable=False) if unusable else document), problems


def _not_json(file: str, error: json.JSONDecodeError) -> Problem:
    """The commonest slip of all, a comma before the closing bracket, has words of its own."""
    text, at, code = error.doc, error.pos, "D001"
    before = text[:at].rstrip()
    if before.endswith(",") and text[at:].lstrip()[:1] in ("}", "]"):
        at, code = len(before) - 1, "D092"
    elif text[at : at + 1] == "," and text[at + 1 :].lstrip()[:1] in ("}", "]"):
        code = "D092"  # newer Pythons point at the comma itself
    line = text.count("\n", 0, at) + 1
    where = {"line": line, "column": at - text.rfind("\n", 0, at)}
    return Problem(code, where, file=file, line=line)


class _BadNumber(Decimal):
    """Stands in for NaN, Infinity and figures too long to keep, until it is reported."""


class _Reader:
    """Reads one text; remembers whether any object had a key twice."""

    def __init__(self) -> None:
        self.doubled = False

    def read(self, text: str) -> Any:
        return json.loads(
            text,
            parse_float=_number,
            parse_int=lambda digits: int(digits) if len(digits) <= NUMBER_DIGITS else _BadNumber(),
            parse_constant=lambda _: _BadNumber(),
            object_pairs_hook=self._object,
        )

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self.doubled |= len(found) != len(pairs)
        return found


def _number(text: str) -> Decimal:
    if len(text) > NUMBER_DIGITS:
        return _BadNumber()
    number = Decimal(text)
    # 1e9999999 is short to write and endless to compute with
    return number if abs(number.adjusted()) <= NUMBER_DIGITS else _BadNumber()


def _object(data: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if not isinstance(data, dict):
        yield "D009", "", {}


_Trail = tuple[Any, ...]  # () or (trail, key): a pointer is only written for what is odd


def _at(trail: _Trail) -> str:
    parts: list[Any] = []
    while trail:
        trail, part = trail
        parts.append(part)
    return pointer(*reversed(parts))


def _odd_values(data: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Values that JSON allows and we do not keep, as (code, pointer, params)."""
    queue: list[tuple[_Trail, Any, int]] = [((), data, 1)]
    while queue:
        at, value, depth = queue.pop()
        match value:
            case dict() | list() if depth > DEPTH:
                yield "D004", _at(at), {"limit": DEPTH}
                return
            case dict() | list() if len(value) > MEMBERS:
                yield "D010", _at(at), {"limit": MEMBERS, "count": len(value)}
            case dict():
                if bad := next((key for key in value if not storable(key)), None):
                    yield "D008", _at(at), {"value": shown(bad)}
                    return
                queue += [((at, key), item, depth + 1) for key, item in value.items()]
            case list():
                queue += [((at, index), item, depth + 1) for index, item in enumerate(value)]
            case str() if not storable(value):
                yield "D008", _at(at), {"value": shown(value)}
            case _BadNumber():
                yield "D003", _at(at), {"digits": NUMBER_DIGITS}


def storable(text: str) -> bool:
    """False for lone surrogates and control characters, which no database and no page can keep."""
    return text.isprintable() or not any(
        "\ud800" <= char <= "\udfff" or (char < " " and char not in _KEPT_CONTROLS) for char in text
    )


def shown(value: Any, limit: int = 60) -> str:
    """A value as it may stand in a message: short and printable."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _last(at: str) -> str:
    return at.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
