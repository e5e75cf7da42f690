"""A checked workflow document -> `Workflow`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.definitions.canonical import fingerprint
from engine.definitions.document import Merged
from engine.definitions.labels import text_label
from engine.definitions.model import Workflow

_WORDS: Final = frozenset({"title", "description", "$comment", "meta"})
_NOT_LOGIC: Final = frozenset({"$schema", "layout"})
_NAMED: Final = frozenset({"states", "on", "may"})  # maps whose keys are an author's names
_DATA: Final = frozenset({"fields", "entry", "exit", "actions", "input", "output", "weights"})


def parse_workflow(merged: Merged, data: Mapping[str, Any], language: str) -> Workflow:
    """The workflow that a document accepted by the meta-schema describes."""
    return Workflow(
        id=data["id"],
        version=data["version"],
        entity=data["entity"],
        state_field=data.get("stateField", ""),
        title=text_label(data.get("title"), language, fallback=data["id"]),
        chart=data,
        hash=fingerprint(logic(data)),
        file=merged.layers[-1].file,
    )


def logic(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document without what changes nothing: words for people, and the drawing."""
    kept: Mapping[str, Any] = _bare({k: v for k, v in data.items() if k not in _NOT_LOGIC})
    return kept


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _member(key, item) for key, item in value.items() if key not in _WORDS}


def _member(key: str, value: Any) -> Any:
    if key in _DATA:
        return value
    if key in _NAMED and isinstance(value, Mapping):
        return {name: _bare(item) for name, item in value.items()}
    return _bare(value)
