"""Titles and their translations -> labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definitions.model import Label


def label(data: Mapping[str, Any], language: str, key: str = "title", fallback: str = "") -> Label:
    """`data[key]` in the pack's first language together with its translations in ``x-i18n``.

    A translation written as one text is the translation of the title (of a rule: the message).
    """
    found = {}
    if own := data.get(key) or fallback:
        found[language] = own
    for tag, translation in data.get("x-i18n", {}).items():
        if isinstance(translation, str):
            if key == _main(data):
                found[tag] = translation
        elif translation.get(key):
            found[tag] = translation[key]
    return found


def text_label(value: Any, language: str, fallback: str = "") -> Label:
    """A label from one text or from a map language -> text (workflows)."""
    if isinstance(value, Mapping):
        return {str(tag): str(text) for tag, text in value.items()}
    return {language: str(value or fallback)}


def _main(data: Mapping[str, Any]) -> str:
    """What a bare translation translates."""
    return next((key for key in ("title", "tab", "section", "message") if key in data), "title")
