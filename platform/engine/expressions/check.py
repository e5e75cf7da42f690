"""Types of a tree: every mistake at once, each with its column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from engine.expressions.errors import ExpressionError, problem
from engine.expressions.functions import FUNCTIONS, Function
from engine.expressions.parse import guess
from engine.expressions.scope import Scope
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
    Path,
    children,
    path_of,
)
from engine.expressions.types import (
    ANY,
    BOOL,
    DATE,
    DEPARTMENT,
    NULL,
    NUMBER,
    TEXT,
    ListOf,
    OptionOf,
    RecordOf,
    Type,
    is_text,
    same,
)
from engine.expressions.words import meant, words
from engine.problems import Problem

_ORDERED: Final = frozenset({"text", "number", "date", "datetime", "any", "null"})
_NUMERIC: Final = frozenset({"number", "any", "null"})


@dataclass(slots=True)
class Analysis:
    """What is known of a tree in a scope: types and relations by `id(node)`, and the mistakes."""

    root: Node  # kept alive, because the mappings are keyed by identity
    scope: Scope
    types: dict[int, Type] = field(default_factory=dict)
    relations: dict[int, Path] = field(default_factory=dict)  # aggregate call -> its relation
    problems: list[Problem] = field(default_factory=list)

    def type(self, node: Node) -> Type:
        """The type found for `node`."""
        return self.types[id(node)]


def check(node: Node, scope: Scope, expected: Type | None = None) -> tuple[Type, list[Problem]]:
    """The type of the expression and all that is wrong with it.

    `expected`: what the place needs (BOOL for rules and permissions, a field's type for computes).
    """
    found = analyse(node, scope)
    kind = found.type(node)
    if expected is not None and not found.problems and not same(kind, expected):
        found.problems.append(problem("X026", node.at, found=words(kind), wanted=words(expected)))
    return kind, found.problems


def sound(node: Node, scope: Scope) -> Analysis:
    """The analysis of an expression that must be right.

    Raises: ExpressionError with its first mistake.
    """
    found = analyse(node, scope)
    if found.problems:
        raise ExpressionError(found.problems[0])
    return found


def analyse(node: Node, scope: Scope) -> Analysis:
    """Types and relations of all nodes, and every mistake."""
    found = Analysis(node, scope)
    _Checker(found).visit(node)
    return found


class _Checker:
    """One walk over one tree. A mistake is reported once: its node counts as ANY further up."""

    def __init__(self, found: Analysis) -> None:
        self._found = found
        self._scope = found.scope
        self._row: Path | None = None  # the relation of the aggregate we are in

    def visit(self, node: Node) -> Type:
        kind = self._typed(node)
        self._found.types[id(node)] = kind
        return kind

    def _wrong(self, code: str, node: Node, /, **params: object) -> Type:
        self._found.problems.append(problem(code, node.at, **params))
        return ANY

    def _typed(self, node: Node) -> Type:
        match node:
            case Literal(value=value):
                return _literal_type(value)
            case Name() | Attribute():
                return self._path(node)
            case Negative(operand=operand):
                return self._wanted(operand, NUMBER, "-")
            case Not(operand=operand):
                return self._wanted(operand, BOOL, "not")
            case Logic(op=op, parts=parts):
                for part in parts:
                    self._wanted(part, BOOL, op)
                return BOOL
            case Arithmetic():
                return self._arithmetic(node)
            case Compare():
                self._compare(node)
                return BOOL
            case Choice(test=test, then=then, otherwise=otherwise):
                self._wanted(test, BOOL, "if")
                return self._common((then, otherwise))
            case Items(parts=parts):
                return ListOf(self._common(parts) if parts else ANY)
            case Call():
                return self._call(node, FUNCTIONS[node.function])
        return ANY

    def _wanted(self, node: Node, wanted: Type, op: str) -> Type:
        kind = self.visit(node)
        if not same(kind, wanted):
            self._wrong("X022", node, op=op, found=words(kind), wanted=words(wanted))
        return wanted

    def _common(self, parts: Sequence[Node]) -> Type:
        """One type for several nodes that can stand for each other."""
        common: Type = NULL
        for part in parts:
            kind = self.visit(part)
            if not same(kind, common):
                return self._wrong("X023", part, left=words(common), right=words(kind), hint="")
            if common == NULL or (is_text(common) and is_text(kind) and common != kind):
                common = kind if common == NULL else TEXT
        return common

    # --- names ---------------------------------------------------------------------------------
    def _path(self, node: Name | Attribute) -> Type:
        if self._row is not None and path_of(node) == self._row:
            kind = self._type_of_path(self._row)
            self._mark(node)
            return kind.item if isinstance(kind, ListOf) else ANY
        if isinstance(node, Name):
            kind = self._scope.names.get(node.name)
            if kind is None:
                function = FUNCTIONS.get(node.name)  # today without its brackets
                near = function.form if function else guess(node.name, tuple(self._scope.names))
                return self._wrong("X020", node, name=node.name, guess=meant(near))
            return kind
        base = self.visit(node.base)
        if base == ANY:
            return ANY
        if isinstance(base, RecordOf):
            found = self._scope.attribute(base.entity, node.name)
            if found is not None:
                return found
            near = guess(node.name, tuple(self._scope.members(base.entity)))
            return self._wrong("X021", node, name=node.name, owner=words(base), guess=meant(near))
        if isinstance(base, ListOf):
            return self._wrong("X029", node, name=node.name)
        return self._wrong("X021", node, name=node.name, owner=words(base), guess="")

    def _mark(self, node: Node) -> None:
        """The parts of the relation's path have types too (`customer` of customer.contracts)."""
        while isinstance(node, Attribute):
            node = node.base
            self._found.types[id(node)] = self._type_of_path(path_of(node) or ()) or ANY

    def _type_of_path(self, path: Path) -> Type | None:
        """The type of a path outside of aggregates, None when it leads nowhere."""
        kind = self._scope.names.get(path[0]) if path else None
        for name in path[1:]:
            if not isinstance(kind, RecordOf):
                return None
            kind = self._scope.attribute(kind.entity, name)
        return kind

    # --- operators -----------------------------------------------------------------------------
    def _arithmetic(self, node: Arithmetic) -> Type:
        left, right = self.visit(node.left), self.visit(node.right)
        kinds = left.name, right.name
        if node.op == "+" and "text" in kinds and same(left, right):
            return TEXT
        if left == DATE and node.op == "-" and right == DATE:
            return NUMBER
        if left == DATE and node.op in "+-" and right == NUMBER:
            return DATE
        if {*kinds} <= {"any", "null"}:
            return ANY if node.op in "+-" else NUMBER
        if {*kinds} <= _NUMERIC:
            return NUMBER
        wrong = node.right if left.name in _NUMERIC else node.left
        kind = right if left.name in _NUMERIC else left
        if "text" in kinds and node.op == "+":
            return self._wrong("X024", node, left=words(left), right=words(right))
        return self._wrong("X022", wrong, op=node.op, found=words(kind), wanted=words(NUMBER))

    def _compare(self, node: Compare) -> None:
        left, right = self.visit(node.left), self.visit(node.right)
        if node.op == "within":
            self._within(node, left, right)
        elif node.op == "in":
            self._in(node, left, right)
        elif node.op in ("==", "!="):
            if not same(left, right) or {left.name, right.name} == {"list", "null"}:
                hint = _comparison_hint(left, right)
                self._wrong("X023", node, left=words(left), right=words(right), hint=hint)
            self._option(left, node.right)
            self._option(right, node.left)
        elif not same(left, right):
            hint = _comparison_hint(left, right)
            self._wrong("X023", node, left=words(left), right=words(right), hint=hint)
        elif not {left.name, right.name} <= _ORDERED:
            self._wrong("X025", node, op=node.op, found=words(left))

    def _in(self, node: Compare, left: Type, right: Type) -> None:
        if is_text(right):
            self._wrong("X032", node.right)
        elif not isinstance(right, ListOf):
            if right != ANY:
                wanted = words(ListOf(ANY))
                self._wrong("X022", node.right, op="in", found=words(right), wanted=wanted)
        elif not same(left, right.item):
            self._wrong("X023", node, left=words(left), right=words(right.item), hint="")
        elif isinstance(node.right, Items):
            for part in node.right.parts:
                self._option(left, part)
        else:
            self._option(right.item, node.left)

    def _within(self, node: Compare, left: Type, right: Type) -> None:
        above = right.item if isinstance(right, ListOf) else right
        for kind, part in ((left, node.left), (above, node.right)):
            if not same(kind, DEPARTMENT):
                self._wrong("X022", part, op="within", found=words(kind), wanted=words(DEPARTMENT))

    def _option(self, kind: Type, node: Node) -> None:
        """A text that is none of the field's options can never be equal to it: a typo."""
        if not isinstance(kind, OptionOf) or not isinstance(node, Literal):
            return
        if isinstance(node.value, str) and node.value not in kind.options:
            known: Collection[str] = kind.options[:12]
            self._wrong("X027", node, value=node.value, options=known)

    # --- functions -----------------------------------------------------------------------------
    def _call(self, node: Call, function: Function) -> Type:
        relation = self._relation(node, function)
        if relation is not None and relation == self._row and function.kind == "either":
            relation = None  # it stands for one row here: max(lines.price, 10)
        if relation is None:
            if function.kind == "rows":
                for part in node.parts:
                    self.visit(part)
                return self._wrong("X028", node, name=function.name, form=function.form)
            if function.kind == "either" and len(node.parts) < 2:
                self.visit(node.parts[0])
                return self._wrong("X028", node, name=function.name, form=function.form)
            return self._plain_call(node, function)
        if self._row is not None:
            return self._wrong("X030", node, name=function.name)
        self._found.relations[id(node)] = relation
        self._row = relation
        try:
            return self._aggregate(node, function)
        finally:
            self._row = None

    def _relation(self, node: Call, function: Function) -> Path | None:
        """The list that the first argument leads into: `contracts` of `contracts.amount * 2`."""
        if function.kind not in ("rows", "either") or not node.parts:
            return None
        for path in self._iterated(node.parts[0], nested=function.kind == "rows"):
            for length in range(1, len(path) + 1):
                if isinstance(self._type_of_path(path[:length]), ListOf):
                    return path[:length]
        return None

    def _iterated(self, node: Node, nested: bool) -> Iterator[Path]:
        """The paths that an aggregate may go through; not lists that are used up as a whole, as in
        `len(tags)` and `x in tags`, and in `max(sum(lines.price), 5)` not what `sum` goes through.
        """
        if (path := path_of(node)) is not None:
            yield path
            return
        below = children(node)
        if isinstance(node, Compare) and node.op in ("in", "within"):
            below = below[:1]
        if isinstance(node, Call):
            whole = path_of(node.parts[0]) if node.function == "len" else None
            if whole is not None and isinstance(self._type_of_path(whole), ListOf):
                return
            if not nested and FUNCTIONS[node.function].kind in ("rows", "either"):
                return
        for child in below:
            yield from self._iterated(child, nested)

    def _aggregate(self, node: Call, function: Function) -> Type:
        kinds = [self.visit(part) for part in node.parts]
        self._accept(node, function.name, 0, kinds[0], function.takes[0])
        if len(kinds) > 2:
            return self._wrong("X007", node, name=function.name, form=function.form)
        if len(kinds) == 2:
            self._accept(node, function.name, 1, kinds[1], (BOOL,))
        return function.gives or (TEXT if is_text(kinds[0]) else kinds[0])

    def _plain_call(self, node: Call, function: Function) -> Type:
        before = len(self._found.problems)
        kinds = [self.visit(part) for part in node.parts]
        for index, kind in enumerate(kinds):
            takes = function.takes[min(index, len(function.takes) - 1)]
            self._accept(node, function.name, index, kind, takes)
        if len(self._found.problems) > before:
            return function.gives or ANY
        if function.name == "date":
            self._date(node)
        return function.gives or self._common(node.parts)

    def _accept(
        self, node: Call, name: str, index: int, kind: Type, takes: tuple[Type, ...]
    ) -> None:
        if takes and not any(same(kind, accepted) for accepted in takes):
            self._wrong(
                "X031", node.parts[index], name=name, number=index + 1,
                found=words(kind), wanted=words(*takes),
            )  # fmt: skip

    def _date(self, node: Call) -> None:
        """A date that does not exist is found when it is written, not when it is compared."""
        match node.parts:
            case (Literal(value=str(written)),):
                try:
                    fine = len(written) == 10 and bool(date.fromisoformat(written))
                except ValueError:
                    fine = False
                if not fine:
                    self._wrong("X033", node, value=written)
            case (_,) | (_, _, _):
                return
            case _:
                self._wrong("X007", node, name="date", form=FUNCTIONS["date"].form)


def _literal_type(value: object) -> Type:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOL
    return TEXT if isinstance(value, str) else NUMBER


def _comparison_hint(left: Type, right: Type) -> Mapping[str, str] | str:
    """What to write instead, for the mistakes that people make."""
    kinds = {left.name, right.name}
    if kinds == {"date", "text"}:
        return {"zh-CN": "日期请写 date('2015-03-09')", "en": "Write date('2015-03-09') for a date"}
    if kinds == {"date", "datetime"}:
        return {"zh-CN": "请用 date(…) 取出日期", "en": "Take the day with date(…)"}
    if "datetime" in kinds and "text" in kinds:
        return {"zh-CN": "请用 date(…) 取出日期再比较", "en": "Compare the day: date(…)"}
    if kinds == {"list", "null"}:
        return {"zh-CN": "请写 len(…) == 0", "en": "Write len(…) == 0"}
    if "list" in kinds:
        return {"zh-CN": "请用 in", "en": "Use in"}
    if kinds == {"number", "text"}:
        return {"zh-CN": "数字不加引号：写 5，不写 '5'", "en": "A number has no quotes: 5, not '5'"}
    if kinds == {"bool", "text"}:
        return {"zh-CN": "true 和 false 不加引号", "en": "true and false have no quotes"}
    if "record" in kinds and "number" in kinds:
        return {"zh-CN": "请比较 .id", "en": "Compare .id"}
    return ""
