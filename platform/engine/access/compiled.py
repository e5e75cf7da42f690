"""What `compile_access` yields: frozen, shared between threads, ready to explain itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from engine.access.predicates import Term
from engine.expressions.tree import Call, walk

Action = Literal["read", "write", "create", "delete", "export", "share"]


class Level(IntEnum):
    """The most that an actor may do with a field, on the records most open to him."""

    HIDDEN = 0
    MASKED = 1
    READ = 2
    WRITE = 3


@dataclass(frozen=True, slots=True)
class Allowed:
    """A predicate: `node` is True, False or a parsed expression over one record.

    `parts` keeps what each role contributed (role, predicate), so that a decision can be
    explained by the roles that made it.
    """

    node: Term
    parts: tuple[tuple[str, Term], ...] = ()

    @property
    def ever(self) -> bool:
        """Whether there may be a record for which it holds."""
        return self.node is not False

    @property
    def always(self) -> bool:
        """Whether it holds for every record."""
        return self.node is True


YES = Allowed(True)
NO = Allowed(False)
_CLOCKS: Final = frozenset({"today", "now", "age", "shared"})  # a share ends with a day


def clocks_of(allowed: Allowed) -> frozenset[str]:
    """Which functions of time a predicate depends on."""
    if isinstance(allowed.node, bool):
        return frozenset()
    calls = (part.function for part in walk(allowed.node) if isinstance(part, Call))
    return _CLOCKS.intersection(calls)


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """One field's cells. Every predicate takes the row's own one for granted: `read` and `masked`
    hold among readable rows, `write` among writable ones, `create` among those to be created."""

    name: str
    read: Allowed
    masked: Allowed
    write: Allowed
    create: Allowed
    mask: str = ""  # the kind of mask, "" for the type's own
    reveal: Allowed = NO  # where a masked value may be uncovered, and that is written down
    search: Allowed = NO  # where a masked value may be looked for by the whole value
    sealed: bool = False  # encrypted: shown to those who may read it, never asked about
    columns: Mapping[str, FieldAccess] = field(default_factory=dict)  # of rows: the narrowed ones

    @property
    def level(self) -> Level:
        """The best that may be had."""
        if self.write.ever or self.create.ever:
            return Level.WRITE
        if self.read.ever:
            return Level.READ
        return Level.MASKED if self.masked.ever else Level.HIDDEN


@dataclass(frozen=True, slots=True)
class EntityAccess:
    """All that a set of roles may do with one entity.

    `gate` is what holds above all roles: the grade of secrecy that the actor is cleared for. It is
    part of every action already, and told apart here so that a decision can be explained.
    """

    entity: str
    roles: frozenset[str]
    admin: bool
    actions: Mapping[Action, Allowed]
    fields: Mapping[str, FieldAccess]
    gate: Term = True
    scopes: frozenset[tuple[str, str]] | None = None  # of the token that narrowed it, see `scopes`

    @property
    def holder(self) -> Hashable:
        """Whom it was compiled for: whatever is kept for one kind of people is kept under this."""
        return self.roles if self.scopes is None else (self.roles, self.scopes)

    def __getitem__(self, action: Action) -> Allowed:
        """The row predicate of an action."""
        return self.actions[action]

    def may(self, action: Action) -> bool:
        """Whether there may be a record the action is allowed on (menus, buttons, early no)."""
        return self.actions[action].ever

    @property
    def conditional(self) -> bool:
        """Whether what is seen depends on who looks, not on his roles alone."""
        seen = [self.actions["read"], self.actions["export"]]
        for cell in self.fields.values():
            seen += [cell.read, cell.masked, cell.search]
        return any(not isinstance(allowed.node, bool) for allowed in seen)

    @property
    def clocks(self) -> frozenset[str]:
        """Which functions of time what is seen depends on: "today", "now", "age", "shared"."""
        seen = [self.actions["read"], self.actions["export"]]
        for cell in self.fields.values():
            seen += [cell.read, cell.masked, cell.search]
        return frozenset().union(*(clocks_of(allowed) for allowed in seen))

    def level(self, name: str) -> Level:
        """The level of a field; HIDDEN for one that does not exist."""
        found = self.fields.get(name)
        return found.level if found else Level.HIDDEN

    def usable(self, name: str) -> bool:
        """Whether a field may be shown in the clear, hence filtered, sorted, searched, grouped."""
        found = self.fields.get(name)
        return found is not None and found.read.ever and not found.sealed

    def searchable(self, name: str) -> bool:
        """Whether records may be found by the whole value of a field that is shown masked."""
        found = self.fields.get(name)
        return found is not None and found.search.ever and found.masked.ever and not found.sealed

    def shown(self, name: str) -> bool:
        """Whether a field may be listed at all, be it masked."""
        found = self.fields.get(name)
        return found is not None and (found.read.ever or found.masked.ever)
