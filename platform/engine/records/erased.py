"""What stands where something about a person was erased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.records.unit import Unit

ERASED: Final = {"erased": True}
"""In a history, in the place of a value."""

ACTION: Final = "erase"
_WORDS: Final = {"zh-CN": "已删除", "en": "erased"}


def is_erased(value: Any) -> bool:
    """Whether a value of a history was erased."""
    return isinstance(value, Mapping) and value.keys() == ERASED.keys()


def words(unit: Unit) -> str:
    """The mark, in the company's language."""
    return _WORDS.get(unit.app.model.default_language, _WORDS["en"])


def pseudonym(unit: Unit, id: int) -> str:
    """What somebody is called who is called nothing any more: the same for ever, and nobody
    else's."""
    return f"{words(unit)} #{id}"
