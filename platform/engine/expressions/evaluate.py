"""Tree to closures.

Compiling looks everything up once (functions, types, relations); running only calls closures. A
guard of three comparisons takes a few microseconds. Nothing here can loop without being counted.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date
from decimal import DecimalException
from typing import Any, Final

from engine.expressions import values
from engine.expressions.check import Analysis, sound
from engine.expressions.errors import error
from engine.expressions.functions import FUNCTIONS, Function
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
    path_of,
    walk,
)
from engine.expressions.types import ANY, NUMBER, ListOf, RecordOf, Type
from engine.expressions.values import Env, id_of

MAX_STEPS: Final = 200_000  # nodes evaluated inside aggregates, in one evaluation


class _Frame:
    """One evaluation: the Env, the row of the aggregate that runs, and the steps taken."""

    __slots__ = ("env", "names", "row", "steps")

    def __init__(self, env: Env) -> None:
        self.env = env
        self.names = env.names
        self.row: Any = None
        self.steps = 0


Run = Callable[[_Frame], Any]
ORDER: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MATHS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
}


def compile(node: Node, scope: Scope) -> Callable[[Env], Any]:
    """The expression as a function of an Env; it may be kept and shared between threads.

    Raises: ExpressionError, here for wrong types and when run for numbers or texts that grow too
    large and for values that are not what the scope said.
    """
    run = _Compiler(sound(node, scope)).run(node)

    def evaluate(env: Env) -> Any:
        try:
            return run(_Frame(env))
        except DecimalException:
            raise error("X040", node.at, limit=values.DIGITS) from None
        except (TypeError, AttributeError) as mistake:
            raise error("X042", node.at, detail=str(mistake)[:200]) from mistake

    return evaluate


class _Compiler:
    def __init__(self, found: Analysis) -> None:
        self._found = found
        self._entity = found.scope.entity
        self._row: Path | None = None

    def run(self, node: Node) -> Run:
        """The closure for a node."""
        match node:
            case Literal(value=value):
                return lambda _frame: value
            case Name() | Attribute():
                return self._path(node)
            case Negative(operand=operand):
                return _negative(self.run(operand))
            case Not(operand=operand):
                inner = self.run(operand)
                return lambda frame: inner(frame) is not True
            case Logic(op=op, parts=parts):
                return _logic(op, [self.run(part) for part in parts])
            case Arithmetic():
                return self._arithmetic(node)
            case Compare():
                return self._compare(node)
            case Choice(test=test, then=then, otherwise=otherwise):
                return _choice(self.run(test), self.run(then), self.run(otherwise))
            case Items(parts=parts):
                runs = [self.run(part) for part in parts]
                return lambda frame: [run(frame) for run in runs]
            case Call():
                return self._call(node, FUNCTIONS[node.function])
        raise error("X005", node.at, found=type(node).__name__)

    # --- names ---------------------------------------------------------------------------------
    def _path(self, node: Name | Attribute) -> Run:
        if self._row is not None and path_of(node) == self._row:
            return lambda frame: frame.row
        many = isinstance(self._found.type(node), ListOf)
        if isinstance(node, Name):
            return self._plain_name(node.name, many)
        base = self._found.type(node.base)
        entity = base.entity if isinstance(base, RecordOf) else ""
        return _attribute(self.run(node.base), entity, node.name, many)

    def _plain_name(self, name: str, many: bool) -> Run:
        own = self._found.scope.attribute(self._entity, name) is not None
        return _name(name, self._entity if own else "", many)

    # --- operators -----------------------------------------------------------------------------
    def _arithmetic(self, node: Arithmetic) -> Run:
        left, right = self.run(node.left), self.run(node.right)
        kinds = self._found.type(node.left), self._found.type(node.right)
        kind = self._found.type(node)
        if kind == NUMBER and {each.name for each in kinds} <= {"number", "null"}:
            return _both(_MATHS[node.op], left, right)
        return _both(_loose(node.op), left, right)

    def _compare(self, node: Compare) -> Run:
        left, right = self.run(node.left), self.run(node.right)
        kinds = self._found.type(node.left), self._found.type(node.right)
        if node.op in ORDER:
            return _ordered(ORDER[node.op], left, right)
        if node.op == "within":
            return lambda frame: values.within(frame.env, left(frame), right(frame))
        if node.op == "in":
            return _contained(left, right)
        equal = _equal(left, right, *kinds)
        if node.op == "==":
            return equal
        return lambda frame: not equal(frame)

    # --- functions -----------------------------------------------------------------------------
    def _call(self, node: Call, function: Function) -> Run:
        if (relation := self._found.relations.get(id(node))) is not None:
            return self._aggregate(node, function, relation)
        runs = [self.run(part) for part in node.parts]
        python = function.python
        if function.name == "len" and isinstance(self._found.type(node.parts[0]), ListOf):
            return lambda frame: len(runs[0](frame) or ())
        if function.kind == "fact":
            entity = self._entity
            return lambda frame: python(
                frame.env, entity, frame.names.get("id"), *[run(frame) for run in runs]
            )
        if function.kind == "env":
            return lambda frame: python(frame.env, *[run(frame) for run in runs])
        if function.kind == "total":
            return lambda frame: python(*[run(frame) for run in runs])
        if len(runs) == 1:
            return _one(python, runs[0])

        def plain(frame: _Frame) -> Any:
            given = [run(frame) for run in runs]
            return None if None in given else python(*given)

        return plain

    def _aggregate(self, node: Call, function: Function, relation: Path) -> Run:
        rows = self._rows(node, relation)
        self._row = relation
        value, *conditions = [self.run(part) for part in node.parts]
        self._row = None
        cost = sum(1 for _ in walk(node))
        condition = conditions[0] if conditions else None
        finish = _AGGREGATES[function.name]
        bare = function.name == "count" and path_of(node.parts[0]) == relation

        def aggregate(frame: _Frame) -> Any:
            found = rows(frame) or ()
            frame.steps += cost * len(found)
            if frame.steps > MAX_STEPS:
                raise error("X045", node.at, limit=MAX_STEPS)
            kept = []
            for row in found:
                frame.row = row
                if condition is None or condition(frame) is True:
                    kept.append(row if bare else value(frame))
            frame.row = None
            return finish(kept)

        return aggregate

    def _rows(self, node: Call, relation: Path) -> Run:
        """The closure that gives the list; the first node with its path leads to the base."""
        start = next(part for part in walk(node) if path_of(part) == relation)
        if isinstance(start, Attribute):
            base = self._found.type(start.base)
            entity = base.entity if isinstance(base, RecordOf) else ""
            return _attribute(self.run(start.base), entity, start.name, True)
        return self._plain_name(relation[0], True)


def _some(kept: list[Any]) -> list[Any]:
    return [value for value in kept if value is not None]


_AGGREGATES: Final[Mapping[str, Callable[[list[Any]], Any]]] = {
    "sum": lambda kept: values.total(_some(kept)),
    "count": lambda kept: len(_some(kept)),
    "avg": lambda kept: values.average(_some(kept)),
    "min": lambda kept: min(_some(kept), default=None),
    "max": lambda kept: max(_some(kept), default=None),
    "any": lambda kept: any(value is True for value in kept),
    "all": lambda kept: all(value is True for value in kept),
}


def _name(name: str, entity: str, many: bool) -> Run:
    """A plain name. What the record has but is not at hand is asked for; entity "" has nothing."""

    def run(frame: _Frame) -> Any:
        try:
            return frame.names[name]
        except KeyError:
            id = frame.names.get("id")
            if id is None or not entity:  # not saved yet: nothing can point at it
                return [] if many else None
            return frame.env.attribute(entity, id, name)

    return run


def _attribute(base: Run, entity: str, name: str, many: bool) -> Run:
    def run(frame: _Frame) -> Any:
        record = base(frame)
        if record is None:
            return [] if many else None
        if isinstance(record, Mapping):
            if name in record:
                return record[name]
            record = record.get("id")
            if record is None or not entity:
                return [] if many else None
        elif name == "id":
            return record
        elif not entity:  # data of an event: what is not there is null
            return None
        return frame.env.attribute(entity, record, name)

    return run


def _negative(operand: Run) -> Run:
    def run(frame: _Frame) -> Any:
        value = operand(frame)
        return None if value is None else values.CONTEXT.minus(value)

    return run


def _logic(op: str, parts: list[Run]) -> Run:
    if op == "and":
        return lambda frame: all(part(frame) is True for part in parts)
    return lambda frame: any(part(frame) is True for part in parts)


def _choice(test: Run, then: Run, otherwise: Run) -> Run:
    return lambda frame: then(frame) if test(frame) is True else otherwise(frame)


def _one(python: Callable[[Any], Any], operand: Run) -> Run:
    def run(frame: _Frame) -> Any:
        value = operand(frame)
        return None if value is None else python(value)

    return run


def _both(python: Callable[[Any, Any], Any], left: Run, right: Run) -> Run:
    """An operator of two operands: null when one is null."""

    def run(frame: _Frame) -> Any:
        a = left(frame)
        if a is None:
            return None
        b = right(frame)
        return None if b is None else python(a, b)

    return run


def _ordered(compare: Callable[[Any, Any], bool], left: Run, right: Run) -> Run:
    """< <= > >=: false when one side is null."""

    def run(frame: _Frame) -> bool:
        a = left(frame)
        if a is None:
            return False
        b = right(frame)
        return b is not None and compare(a, b)

    return run


def _equal(left: Run, right: Run, left_type: Type, right_type: Type) -> Run:
    """Records are equal when their ids are; true is not 1, wherever that could be confused."""
    if RecordOf in (type(left_type), type(right_type)):
        return lambda frame: bool(id_of(left(frame)) == id_of(right(frame)))
    if ANY in (left_type, right_type):

        def careful(frame: _Frame) -> bool:
            a, b = id_of(left(frame)), id_of(right(frame))
            return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)

        return careful
    return lambda frame: bool(left(frame) == right(frame))


def _contained(left: Run, right: Run) -> Run:
    def run(frame: _Frame) -> bool:
        item = id_of(left(frame))
        if item is None:
            return False
        return any(item == id_of(other) for other in right(frame) or ())

    return run


def _plus(left: Any, right: Any) -> Any:
    """`+` for operands whose types are known only now."""
    if isinstance(left, str) and isinstance(right, str):
        return values.join(left, right)
    if isinstance(left, date):
        return values.add_days(left, right)
    return values.add(left, right)


def _minus(left: Any, right: Any) -> Any:
    if isinstance(left, date):
        if isinstance(right, date):
            return values.days_between(right, left)
        return values.add_days(left, -right)
    return values.subtract(left, right)


def _loose(op: str) -> Callable[[Any, Any], Any]:
    return {"+": _plus, "-": _minus}.get(op, _MATHS[op])
