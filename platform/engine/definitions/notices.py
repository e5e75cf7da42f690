"""Texts of notices: words with placeholders in braces, taken apart once.

A placeholder is a path and nothing else: no calls, no formats, no indexes. ``{{`` and ``}}`` are
braces themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from engine.definitions.labels import label
from engine.definitions.model import NoticeText

Path = tuple[str, ...]
Piece = str | Path

CASE: Final = ("title", "state", "actor", "comment")  # what {case.…} knows
RECORD: Final = ("label",)  # what {record.…} knows
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PATH: Final = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){0,4}")


class BadPlaceholder(ValueError):
    """A brace that does not belong, or something in braces that is no path; `found` is it."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@lru_cache(maxsize=2_000)
def pieces(text: str) -> tuple[Piece, ...]:
    """The text as words and paths, in order.

    Raises: BadPlaceholder.
    """
    found: list[Piece] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        end = match.end()
        token = match.group()
        if token in ("{{", "}}"):
            found.append(token[0])
        elif match[1] is None or not _PATH.fullmatch(match[1]):
            raise BadPlaceholder(token)
        else:
            found.append(tuple(match[1].split(".")))
    if end < len(text):
        found.append(text[end:])
    return tuple(found)


def special(path: Path) -> str:
    """ "case" or "record" for a path into the case or to the record's own label, "" for a field."""
    return path[0] if len(path) > 1 and path[0] in ("case", "record") else ""


def notices(data: Mapping[str, Any], language: str) -> dict[str, NoticeText]:
    """The texts of the merged `pack.json`, by name."""
    return {
        name: NoticeText(
            name,
            label(said, language),
            label(said, language, "body"),
            said.get("kind", ""),
        )
        for name, said in data.get("notices", {}).items()
    }
