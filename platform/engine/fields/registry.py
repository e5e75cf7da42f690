"""The registry of field types: one class per name, from the engine or from a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from engine.definitions.model import Field
from engine.fields.base import FieldType

_types: dict[str, type[FieldType]] = {}

TYPES: Final[Mapping[str, type[FieldType]]] = MappingProxyType(_types)
"""Every known type by name: a live, read-only view."""


class DuplicateType(ValueError):
    """Two classes claim one type name."""


def register(cls: type[FieldType]) -> type[FieldType]:
    """Adds a type under its `name`; usable as a decorator.

    Raises: DuplicateType naming both owners when the name is taken by another class.
    """
    known = _types.setdefault(cls.name, cls)
    if known is not cls:
        clash = f"field type {cls.name!r} of {_owner(cls)} is taken by {_owner(known)}"
        raise DuplicateType(clash)
    return cls


def bind(field: Field) -> FieldType:
    """The type of `field`, bound to it; the same object for the same field."""
    return _bound(_Identity(field))


def _owner(cls: type[FieldType]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


class _Identity:
    """A field as a cache key: by identity, since the mappings inside cannot be hashed."""

    __slots__ = ("field",)

    def __init__(self, field: Field) -> None:
        self.field = field

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.field is self.field

    def __hash__(self) -> int:
        return id(self.field)


@lru_cache(maxsize=1 << 16)  # bounded: published versions come and go
def _bound(key: _Identity) -> FieldType:
    return _types[key.field.type](key.field)
