"""A decision about rights, taken apart: which role says what, and what it fails on.

Pure: it gets compiled rights and a function that tests a condition on the record in question. The
answer is that of the compiled rights of all roles together, the same that every door asks; the
single roles' rights only tell where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from engine.access.compiled import Action, EntityAccess, FieldAccess, Level
from engine.access.compiler import compile_access
from engine.access.predicates import Term
from engine.definitions.model import Entity, Model
from engine.expressions.tree import Logic, Node

Test = Callable[[Node], bool]
Aspect = Literal["read", "write", "create", "reveal"]
ROW_OF: Final[Mapping[Aspect, Action]] = {
    "read": "read",
    "write": "write",
    "create": "create",
    "reveal": "read",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A predicate with its outcome on the record. `op` is "and" or "or" where it has parts, ""
    for a condition that stands alone."""

    term: Term
    holds: bool
    op: str = ""
    parts: tuple[Judged, ...] = ()

    def failing(self) -> tuple[Node, ...]:
        """The conditions standing alone to which a no is owed: of an "and" those that fail, of an
        "or" all of them."""
        if self.holds:
            return ()
        if not self.parts:
            return () if isinstance(self.term, bool) else (self.term,)
        return _once(node for part in self.parts for node in part.failing())

    def conditions(self) -> tuple[Node, ...]:
        """All conditions standing alone, held or not."""
        if not self.parts:
            return () if isinstance(self.term, bool) else (self.term,)
        return _once(node for part in self.parts for node in part.conditions())


@dataclass(frozen=True, slots=True)
class Said:
    """What one role says: of the row, and of the cell where a field was asked about. A cell counts
    only where its own role opens the row."""

    role: str
    row: Judged
    cell: Judged | None = None
    mask: Judged | None = None  # whether the role shows the cell masked

    @property
    def allows(self) -> bool:
        """Whether this role alone would do, but for what stands above all roles."""
        return self.row.holds and (self.cell is None or self.cell.holds)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and where it comes from. `gate` is what holds above all roles; `roles` are those
    that have anything to say about the entity. `level` is what a reader gets of the cell."""

    allowed: bool
    gate: Judged
    row: bool
    cell: bool
    roles: tuple[Said, ...] = ()
    level: Level = Level.HIDDEN


def judge(term: Term, test: Test) -> Judged:
    """A predicate with its outcome, part by part."""
    if isinstance(term, bool):
        return Judged(term, term)
    if isinstance(term, Logic):
        parts = tuple(judge(part, test) for part in term.parts)
        every = all if term.op == "and" else any
        return Judged(term, every(part.holds for part in parts), term.op, parts)
    return Judged(term, test(term))


def single(model: Model, entity: Entity, roles: Iterable[str]) -> Mapping[str, EntityAccess]:
    """What each role would say alone, without what stands above all roles."""
    open_ = replace(entity, grade=())
    return {role: compile_access(model, open_, [role]) for role in sorted(roles)}


def decide(
    access: EntityAccess,
    alone: Mapping[str, EntityAccess],
    action: Action,
    test: Test,
    *,
    field: str = "",
    aspect: Aspect = "read",
) -> Decision:
    """Whether somebody with the rights `access` may do `action` on the record that `test` knows;
    with a `field`, whether he may read, write, fill in (`create`) or uncover (`reveal`) it there.
    """
    name, _, column = field.partition(".")
    wanted = ROW_OF[aspect] if field else action
    gate = judge(access.gate, test)
    row = judge(access[wanted].node, test).holds
    said = tuple(
        _said(role, own, wanted, aspect if field else None, name, test)
        for role, own in alone.items()
    )
    if not field:
        return Decision(row, gate, row, True, said)
    found = access.fields.get(name)
    if found is None:
        return Decision(False, gate, row, False, said)
    cell = judge(getattr(found, aspect).node, test).holds
    level = _level(found, row, test)
    if column and (inner := found.columns.get(column)) is not None:
        cell = cell and getattr(inner, aspect).ever
        level = min(level, inner.level)
    return Decision(row and cell, gate, row, cell, said, level)


def _level(found: FieldAccess, row: bool, test: Test) -> Level:
    if row and judge(found.read.node, test).holds:
        return Level.READ
    masked = row and judge(found.masked.node, test).holds
    return Level.MASKED if masked else Level.HIDDEN


def _said(
    role: str, own: EntityAccess, action: Action, aspect: Aspect | None, field: str, test: Test
) -> Said:
    row = judge(own[action].node, test)
    cell = own.fields.get(field) if aspect else None
    if cell is None or aspect is None:
        return Said(role, row)
    return Said(role, row, judge(getattr(cell, aspect).node, test), judge(cell.masked.node, test))


def _once(nodes: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(dict.fromkeys(nodes))
