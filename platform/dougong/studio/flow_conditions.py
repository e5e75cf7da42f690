"""Conditions as rows of field, comparison and value, and the expression that says the same.

What a row cannot say stays an expression: `rows_of` gives None for it, and the editor shows the
text alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from engine.definitions.model import Entity, Field
from engine.expressions import ExpressionError, parse
from engine.expressions.tree import Compare, Literal, Logic, Name, Negative, Node, Not
from engine.expressions.types import BOOL, NUMBER, TEXT
from engine.fields import bind

ALWAYS: Final = "true"  # what a new branch begins with
EMPTY, FILLED, YES, NO = "empty", "filled", "yes", "no"
_FLIPPED: Final[Mapping[str, str]] = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_COMMAS: Final = re.compile(r"[,,\s_]")


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `op` is == != < <= > >= or empty, filled, yes, no, which need no value."""

    field: str
    op: str
    value: str = ""


def sort_of(field: Field) -> str:
    """How a field is compared: number, choice, flag, text, or only filled or not ("other")."""
    if field.multiple:
        return "other"
    kind = bind(field).expression_type
    if field.options:
        return "choice"
    sorts = {NUMBER: "number", BOOL: "flag", TEXT: "text"}
    return next((said for one, said in sorts.items() if one == kind), "other")


def operators(sort: str) -> tuple[str, ...]:
    """The comparisons that a sort of field offers; the first is what a new row begins with."""
    match sort:
        case "number":
            return (">=", ">", "<=", "<", "==", "!=", FILLED, EMPTY)
        case "choice" | "text":
            return ("==", "!=", FILLED, EMPTY)
        case "flag":
            return (YES, NO)
    return (FILLED, EMPTY)


def rows_of(source: str, entity: Entity | None) -> tuple[str, list[Row]] | None:
    """ "and" or "or" with the rows of an expression; None for one that is more than that."""
    if entity is None:
        return None
    if source.strip() in ("", ALWAYS):
        return "and", []
    try:
        node = parse(source)
    except ExpressionError:
        return None
    join, parts = (node.op, node.parts) if isinstance(node, Logic) else ("and", (node,))
    rows = [_row(one, entity) for one in parts]
    found = [one for one in rows if one is not None]
    return (join, found) if len(found) == len(rows) else None


def _row(node: Node, entity: Entity) -> Row | None:
    match node:
        case Name(name=name) if _is(entity, name, "flag"):
            return Row(name, YES)
        case Not(operand=Name(name=name)) if _is(entity, name, "flag"):
            return Row(name, NO)
        case Compare(op=op, left=Name(name=name), right=right):
            return _compared(name, op, right, entity)
        case Compare(op=op, left=left, right=Name(name=name)) if not isinstance(left, Name):
            return _compared(name, _FLIPPED.get(op, op), left, entity)
    return None


def _is(entity: Entity, name: str, sort: str) -> bool:
    return name in entity.fields and sort_of(entity.fields[name]) == sort


def _compared(name: str, op: str, node: Node, entity: Entity) -> Row | None:
    field = entity.fields.get(name)
    value = _constant(node)
    if field is None or value is _UNKNOWN:
        return None
    sort = sort_of(field)
    if value is None:
        return {"==": Row(name, EMPTY), "!=": Row(name, FILLED)}.get(op)
    if isinstance(value, bool):
        same = (op == "==") == value
        return Row(name, YES if same else NO) if sort == "flag" and op in ("==", "!=") else None
    if op not in operators(sort):
        return None
    if sort == "number" and isinstance(value, int | Decimal):
        return Row(name, op, f"{value:,}")
    if sort in ("choice", "text") and isinstance(value, str):
        return Row(name, op, value)
    return None


_UNKNOWN: Final = object()


def _constant(node: Node) -> object:
    match node:
        case Literal(value=value):
            return value
        case Negative(operand=Literal(value=int() | Decimal() as value)) if value is not True:
            return -value
    return _UNKNOWN


def source_of(join: str, rows: Sequence[Row], entity: Entity) -> str:
    """The expression of rows; "" for none.

    Raises: ValueError with the value that is no number.
    """
    parts = [_said(row, entity.fields[row.field]) for row in rows if row.field in entity.fields]
    return f" {'or' if join == 'or' else 'and'} ".join(parts)


def _said(row: Row, field: Field) -> str:
    sort = sort_of(field)
    offered = operators(sort)
    op = row.op if row.op in offered else offered[0]
    match op:
        case "empty":
            return f"{field.name} == null"
        case "filled":
            return f"{field.name} != null"
        case "yes":
            return f"{field.name} == true"
        case "no":
            return f"{field.name} != true"
    if sort == "number":
        return f"{field.name} {op} {_number(row.value)}"
    value = row.value
    if sort == "choice" and value not in {one.value for one in field.options}:
        value = field.options[0].value
    return f"{field.name} {op} {_quoted(value)}"


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _number(value: str) -> str:
    """Digits, as people write them: 200,000 and 20万 are one number."""
    text = _COMMAS.sub("", value) or "0"
    times = {"万": 10_000, "亿": 100_000_000, "k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        number = Decimal(text[:-1] if times > 1 else text) * times
    except InvalidOperation:
        raise ValueError(value) from None
    if not number.is_finite() or number.adjusted() > 30:
        raise ValueError(value)
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
