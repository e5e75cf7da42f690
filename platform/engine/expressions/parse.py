"""Source to tree.

`ast` does the grammar; before it runs, the source is scanned for what must never reach it, and
after it a whitelist turns its nodes into ours. Whatever is not named here is refused. `within` is
an infix operator of ours: it is handed to `ast` as `@`, padded so that columns stay true.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from engine.expressions.errors import ExpressionError, error
from engine.expressions.functions import FUNCTIONS, METHODS
from engine.expressions.tree import (
    Arithmetic,
    Attribute,
    Call,
    Choice,
    Compare,
    Items,
    Literal,
    Logic,
    Name,
    Negative,
    Node,
    Not,
    Value,
)
from engine.expressions.words import meant

MAX_LENGTH: Final = 2000
MAX_NODES: Final = 400
MAX_DEPTH: Final = 40
MAX_DIGITS: Final = 28  # of a number written down
MAX_ITEMS: Final = 100

CONSTANTS: Final[Mapping[str, Value]] = {
    **{"null": None, "true": True, "false": False},
    **{"None": None, "True": True, "False": False},
}
_TOKEN: Final = re.compile(
    r"""(?P<triple>'''|\"\"\")
    |(?P<text>(?:[A-Za-z]{1,2}(?=['"]))?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    |(?P<number>\d[\w.]*|\.\d\w*)
    |(?P<name>[^\W\d]\w*)
    |(?P<space>\s+)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
_MARKS: Final = frozenset("+-*/<>=!()[].,'\"")
_OPERATORS_BEFORE_OPERAND: Final = frozenset({"and", "or", "not", "in", "is", "if", "else"})
_NUMBER: Final = re.compile(r"\d[\d_]*(\.\d+)?\Z|\.\d+\Z")
_INSTEAD: Final = {"&": "and", "|": "or", "?": "if … else", "^": "", "%": "", "@": "within"}
_ARITHMETIC: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_COMPARE: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.Is: "==",
    ast.NotEq: "!=",
    ast.IsNot: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}


def parse(source: str) -> Node:
    """The tree of `source`; cached, so equal sources share one tree.

    Raises: ExpressionError with the first mistake and its column.
    """
    found = _parse(source)
    if isinstance(found, ExpressionError):  # a fresh one: tracebacks must not pile up in the cache
        raise ExpressionError(found.problem)
    return found


@lru_cache(maxsize=4096)
def _parse(source: str) -> Node | ExpressionError:
    try:
        return _Reader(source).read()
    except ExpressionError as refusal:
        return refusal.with_traceback(None)


def scan(source: str) -> list[tuple[str, str, int]]:
    """(kind, text, column) of every token; kinds text, number, name, space, mark.

    Raises: ExpressionError for characters the language has no use for.
    """
    tokens: list[tuple[str, str, int]] = []
    for match in _TOKEN.finditer(source):
        kind, text, at = match.lastgroup or "mark", match.group(), match.start()
        if kind == "triple":
            raise error("X011", at)
        if kind == "text":
            _check_text(text, at)
        elif kind == "name" and unicodedata.normalize("NFKC", text) != text:
            raise error("X010", at, found=text)
        elif kind == "number" and (not _NUMBER.match(text) or not text.isascii()):
            raise error("X008", at, found=text[:20], limit=MAX_DIGITS)
        elif kind == "mark" and text in _INSTEAD:
            raise error("X009", at, found=text, instead=_INSTEAD[text] or "-")
        elif kind == "mark" and text not in _MARKS:
            raise error("X010", at, found=text)
        tokens.append((kind, text, at))
    return tokens


def _check_text(text: str, at: int) -> None:
    """Plain quotes only, and no invisible characters: what an author reads is what is compared."""
    if text[0] not in "'\"":
        raise error("X011", at)
    for offset, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            raise error("X010", at + offset, found=f"U+{ord(character):04X}")


def _grammar(tokens: list[tuple[str, str, int]]) -> str:
    """The source as `ast` shall see it: `within` as @, breaks as blanks, all columns kept."""
    parts: list[str] = []
    operand = False  # whether an operand has just ended, so that an operator may follow
    for kind, text, at in tokens:
        if kind == "space":
            parts.append(" " * len(text))
            continue
        if text == "within" and kind == "name" and operand:
            parts.append("@".ljust(len(text)))
            operand = False
            continue
        if text == "=" and not _part_of_operator(tokens, at):
            raise error("X009", at, found="=", instead="==")
        parts.append(text)
        operand = text not in _OPERATORS_BEFORE_OPERAND if kind != "mark" else text in (")", "]")
    return "".join(parts)


def _part_of_operator(tokens: list[tuple[str, str, int]], at: int) -> bool:
    """Whether the "=" at this column belongs to == != <= >=."""
    near = {column: text for _, text, column in tokens if column in (at - 1, at + 1)}
    return near.get(at - 1, "") in tuple("=!<>") or near.get(at + 1) == "="


class _Reader:
    """One run over one source: counts nodes and knows columns."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._nodes = 0

    def read(self) -> Node:
        if not isinstance(self._source, str) or not self._source.strip():
            raise error("X001", 0, detail="")
        if len(self._source) > MAX_LENGTH:
            raise error("X002", 0, length=len(self._source), limit=MAX_LENGTH)
        shown = _grammar(scan(self._source))
        self._indent = len(shown) - len(shown.lstrip(" "))
        self._shown = shown[self._indent :]
        self._bytes = self._shown.encode()
        try:
            tree = ast.parse(self._shown, mode="eval")
        except SyntaxError as mistake:
            at = min((mistake.offset or 1) - 1 + self._indent, len(self._source))
            raise error("X001", max(at, 0), detail=mistake.msg) from None
        except (RecursionError, MemoryError, ValueError):
            raise error("X004", 0, limit=MAX_DEPTH) from None
        return self._node(tree.body, 1)

    def _at(self, node: ast.expr) -> int:
        """Columns of `ast` count UTF-8 bytes; people count characters."""
        return self._indent + len(self._bytes[: node.col_offset].decode(errors="ignore"))

    def _node(self, node: ast.expr, depth: int) -> Node:
        at = self._at(node)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise error("X003", at, limit=MAX_NODES)
        if depth > MAX_DEPTH:
            raise error("X004", at, limit=MAX_DEPTH)
        read = self._readers.get(type(node))
        if read is None:
            raise error("X005", at, found=type(node).__name__)
        return read(self, node, at, depth + 1)

    def _constant(self, node: ast.Constant, at: int, _depth: int) -> Node:
        value = node.value
        if value is None or isinstance(value, bool):
            return Literal(value, at=at)
        if isinstance(value, str):
            if "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
                raise error("X010", at, found="U+0000")
            return Literal(value, at=at)
        if isinstance(value, int | float):  # the value is read from the text: no float is ever kept
            written = self._bytes[node.col_offset : node.end_col_offset].decode()
            if _NUMBER.match(written) and len(written) <= MAX_DIGITS:
                number = Decimal(written)
                whole = "." not in written
                return Literal(int(number) if whole else number, at=at)
            raise error("X008", at, found=written[:20], limit=MAX_DIGITS)
        raise error("X011", at)

    def _name(self, node: ast.Name, at: int, _depth: int) -> Node:
        if node.id in CONSTANTS:
            return Literal(CONSTANTS[node.id], at=at)
        return Name(self._plain(node.id, at), at=at)

    def _attribute(self, node: ast.Attribute, at: int, depth: int) -> Node:
        return Attribute(self._node(node.value, depth), self._plain(node.attr, at), at=at)

    @staticmethod
    def _plain(name: str, at: int) -> str:
        """Names with a leading underscore are Python's own doors; they stay shut."""
        if name.startswith("_"):
            raise error("X005", at, found=name)
        return name

    def _unary(self, node: ast.UnaryOp, at: int, depth: int) -> Node:
        if isinstance(node.op, ast.Not):
            return Not(self._node(node.operand, depth), at=at)
        if isinstance(node.op, ast.USub):
            return Negative(self._node(node.operand, depth), at=at)
        raise error("X005", at, found=type(node.op).__name__)

    def _binary(self, node: ast.BinOp, at: int, depth: int) -> Node:
        if isinstance(node.op, ast.MatMult):
            return Compare(
                "within", self._node(node.left, depth), self._node(node.right, depth), at=at
            )
        op = _ARITHMETIC.get(type(node.op))
        if op is None:
            raise error("X005", at, found=type(node.op).__name__)
        return Arithmetic(op, self._node(node.left, depth), self._node(node.right, depth), at=at)

    def _logic(self, node: ast.BoolOp, at: int, depth: int) -> Node:
        op = "and" if isinstance(node.op, ast.And) else "or"
        return Logic(op, tuple(self._node(part, depth) for part in node.values), at=at)

    def _compare(self, node: ast.Compare, at: int, depth: int) -> Node:
        """`a < b <= c` means `a < b and b <= c`, as in mathematics."""
        operands = [self._node(part, depth) for part in (node.left, *node.comparators)]
        links: list[Node] = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            word = _COMPARE[type(op)]
            plain = Compare(word.removeprefix("not "), left, right, at=left.at)
            links.append(Not(plain, at=left.at) if word == "not in" else plain)
        return links[0] if len(links) == 1 else Logic("and", tuple(links), at=at)

    def _choice(self, node: ast.IfExp, at: int, depth: int) -> Node:
        then, test = self._node(node.body, depth), self._node(node.test, depth)
        return Choice(test, then, self._node(node.orelse, depth), at=at)

    def _items(self, node: ast.List | ast.Tuple, at: int, depth: int) -> Node:
        if len(node.elts) > MAX_ITEMS:
            raise error("X003", at, limit=MAX_ITEMS)
        return Items(tuple(self._node(part, depth) for part in node.elts), at=at)

    def _call(self, node: ast.Call, at: int, depth: int) -> Node:
        if node.keywords:  # `=` never gets this far, `**` does
            raise error("X005", at, found="**")
        match node.func:
            case ast.Name(id=name):
                parts = tuple(self._node(part, depth) for part in node.args)
            case ast.Attribute(attr=name, value=value) if name in METHODS:
                parts = tuple(self._node(part, depth) for part in (value, *node.args))
            case ast.Attribute(attr=name):
                raise error("X006", at, name=name, guess=meant(guess(name, (*FUNCTIONS, *METHODS))))
            case _:
                raise error("X005", at, found="()")
        if name == "if_" and len(parts) == 3:
            return Choice(*parts, at=at)
        function = FUNCTIONS.get(name)
        if function is None or (name in METHODS) != isinstance(node.func, ast.Attribute):
            raise error("X006", at, name=name, guess=meant(guess(name, FUNCTIONS)))
        if not function.least <= len(parts) <= function.most:
            raise error("X007", at, name=name, form=function.form)
        return Call(name, parts, at=at)

    _readers: Final[Mapping[type[ast.expr], Callable[..., Node]]] = {
        ast.Constant: _constant,
        ast.Name: _name,
        ast.Attribute: _attribute,
        ast.UnaryOp: _unary,
        ast.BinOp: _binary,
        ast.BoolOp: _logic,
        ast.Compare: _compare,
        ast.IfExp: _choice,
        ast.List: _items,
        ast.Tuple: _items,
        ast.Call: _call,
    }


# What the functions are called elsewhere.
_ELSEWHERE: Final[Mapping[str, str]] = {
    "total": "sum",
    "add": "sum",
    "average": "avg",
    "mean": "avg",
    "length": "len",
    "size": "len",
    "minimum": "min",
    "maximum": "max",
    "number": "count",
    "lowercase": "lower",
    "uppercase": "upper",
    "strip": "trim",
    "includes": "contains",
    "begins_with": "startswith",
    "ceiling": "ceil",
    "ifnull": "coalesce",
    "current_date": "today",
}


def guess(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """The known name that was most likely meant, "" when none is near."""
    if (elsewhere := _ELSEWHERE.get(name.lower(), "")) in known:
        return elsewhere
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), "")
