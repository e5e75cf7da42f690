"""The tree of an expression: our own frozen nodes, so that nothing of Python's `ast` leaks out.

`at` is the column (0-based, in characters) where the node begins in the source; it takes no part
in equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

Path = tuple[str, ...]
Value = str | int | bool | Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes."""

    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant."""

    value: Value


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name in scope: a field, a relation, `id`, `old`, `me` …"""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`base.name`: a field of a record."""

    base: Node
    name: str


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """`-operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`not operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`left op right` with + - * /."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`left op right` with == != < <= > >= in within; `is`, `not in` are parsed away."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """Two or more parts joined by one `and` or `or`."""

    op: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice(Node):
    """`then if test else otherwise`, also written `if_(test, then, otherwise)`."""

    test: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Items(Node):
    """`[a, b]`: a list written out."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of a function of the table in `engine.expressions.functions`."""

    function: str
    parts: tuple[Node, ...]


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in source order."""
    match node:
        case Attribute(base=base):
            return (base,)
        case Negative(operand=operand) | Not(operand=operand):
            return (operand,)
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Logic(parts=parts) | Items(parts=parts) | Call(parts=parts):
            return parts
        case Choice(test=test, then=then, otherwise=otherwise):
            return (then, test, otherwise)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below, depth first."""
    yield node
    for child in children(node):
        yield from walk(child)


def path_of(node: Node) -> Path | None:
    """`a.b.c` as a path; None for anything else."""
    match node:
        case Name(name=name):
            return (name,)
        case Attribute(base=base, name=name):
            above = path_of(base)
            return None if above is None else (*above, name)
        case _:
            return None


def paths(node: Node) -> Iterator[Path]:
    """The longest paths in the tree: `owner.dept` yields ("owner", "dept") and not ("owner",)."""
    if (found := path_of(node)) is not None:
        yield found
        return
    for child in children(node):
        yield from paths(child)
