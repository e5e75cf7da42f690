"""The little algebra of predicates: True, False or the tree of an expression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from engine.definitions.model import Predicate
from engine.expressions import ExpressionError, Node, parse
from engine.expressions.tree import Logic

Term = bool | Node


def term(said: Predicate) -> Term:
    """A predicate of a definition, read. One that cannot be read denies."""
    if isinstance(said, bool):
        return said
    try:
        return parse(said)
    except ExpressionError:
        return False


def any_of(parts: Iterable[Term]) -> Term:
    """True when one of `parts` is; nothing at all is False."""
    return _join("or", True, parts)


def all_of(*parts: Term) -> Term:
    """True when every one of `parts` is; nothing at all is True."""
    return _join("and", False, parts)


def _join(op: Literal["or", "and"], deciding: bool, parts: Iterable[Term]) -> Term:
    """Equal trees stand once; a part that decides alone is the answer."""
    nodes: dict[Node, None] = {}
    for part in parts:
        if part is deciding:
            return deciding
        if not isinstance(part, bool):
            nodes[part] = None
    if not nodes:
        return not deciding
    if len(nodes) == 1:
        return next(iter(nodes))
    return Logic(op, tuple(nodes))
