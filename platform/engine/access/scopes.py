"""What a token may do of what its owner may: scopes only ever take away.

A program with a token is its owner, seen through a narrow slit. Nothing here grants anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.access.compiled import NO, Action, Allowed, EntityAccess, FieldAccess

Scopes = frozenset[tuple[str, str]]
"""Pairs of an entity ("*": every one) and a right."""

RIGHTS: Final = ("read", "write", "create", "delete", "export", "events", "tasks")
EVERY: Final = "*"
_CHANGES: Final = frozenset({"write", "delete", "export"})  # of what can be read


def scopes_of(said: Any) -> Scopes:
    """Scopes as the database keeps them: {"customer": ["read", "write"], "*": ["read"]}. What
    cannot be understood grants nothing."""
    if not isinstance(said, Mapping):
        return frozenset()
    return frozenset(
        (str(entity), right)
        for entity, rights in said.items()
        if isinstance(rights, list | tuple)
        for right in rights
        if right in RIGHTS
    )


def kept(scopes: Scopes) -> dict[str, list[str]]:
    """The same, to be kept: entities by name, rights in their order."""
    entities = sorted({entity for entity, _ in scopes})
    return {entity: [right for right in RIGHTS if (entity, right) in scopes] for entity in entities}


def granted(scopes: Scopes | None, entity: str, *rights: str) -> bool:
    """Whether one of `rights` on an entity lies within the scopes; without scopes all do."""
    if scopes is None:
        return True
    return any((place, right) in scopes for place in (entity, EVERY) for right in rights)


def narrowed(access: EntityAccess, scopes: Scopes | None) -> EntityAccess:
    """What is left of an entity within the scopes. Without `read` the entity is not there, but for
    what may be created; whoever acts by a token shares nothing and uncovers nothing."""
    if scopes is None:
        return access
    within = {right for right in RIGHTS if granted(scopes, access.entity, right)}
    if "read" not in within:
        within -= _CHANGES

    def left(action: Action) -> Allowed:
        return access.actions[action] if action in within else NO

    return replace(
        access,
        scopes=scopes,
        actions={action: left(action) for action in access.actions},
        fields={name: _cell(cell, within) for name, cell in access.fields.items()},
    )


def _cell(cell: FieldAccess, within: Iterable[str]) -> FieldAccess:
    reads, writes, creates = (right in within for right in ("read", "write", "create"))
    return replace(
        cell,
        read=cell.read if reads else NO,
        masked=cell.masked if reads else NO,
        write=cell.write if writes else NO,
        create=cell.create if creates else NO,
        reveal=NO,
        search=cell.search if reads else NO,
        columns={name: _cell(one, within) for name, one in cell.columns.items()},
    )


__all__ = ["EVERY", "RIGHTS", "Scopes", "granted", "kept", "narrowed", "scopes_of"]
