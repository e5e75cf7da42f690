"""Overlays: RFC 7396 merge patch, pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.definitions.document import pointer


def merge(target: Any, patch: Any) -> Any:
    """`target` changed by `patch`: maps merge, null deletes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def futile_deletions(target: Any, patch: Any, at: str = "") -> Iterator[str]:
    """Pointers of nulls in `patch` that delete what `target` does not have: mostly typing slips."""
    if not isinstance(patch, Mapping):
        return
    base = target if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None and key not in base:
            yield at + pointer(key)
        elif key in base:
            yield from futile_deletions(base[key], value, at + pointer(key))
