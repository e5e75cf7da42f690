"""Checks of one field by itself: type, options, default, pattern, limits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, localcontext
from functools import cache
from typing import Any, Final

from jsonschema import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry

from engine.definitions.checking import extended, near, unique_items
from engine.definitions.document import Findings, pointer
from engine.definitions.limits import PATTERN_LENGTH
from engine.definitions.load import shown
from engine.definitions.model import MISSING, Field
from engine.definitions.names import CHOICES, FILLED_BY_ITSELF, REFERENCES, RESERVED
from engine.definitions.patterns import compile_pattern

_BOUNDS = (
    ("minimum", "maximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
)


def lint_field(found: Field, at: str, types: Collection[str], findings: Findings, *,
               nested: bool) -> None:  # fmt: skip
    """Reports what is wrong with a field, whatever stands around it."""
    if found.name in RESERVED:
        findings.add("D042", at, field=found.name)
    _type(found, at, types, findings)
    for where, pattern in _patterns(found.schema, at):
        _pattern(pattern, where, findings)
    for low, high in _BOUNDS:
        least, most = found.schema.get(low), found.schema.get(high)
        if least is not None and most is not None and least > most:
            findings.add("D056", f"{at}/{high}", low=low, high=high)
    if found.default is not MISSING:
        _default(found, f"{at}/default", findings)
    if (found.required and found.read_only and found.default is MISSING
            and not found.compute and found.type not in FILLED_BY_ITSELF):  # fmt: skip
        findings.add("D049", at, field=found.name)
    if found.rows:
        if nested:
            findings.add("D058", at, field=found.name)
        for name, inner in found.rows.fields.items():
            below = at + pointer("items", "properties", name)
            lint_field(inner, below, types, findings, nested=True)


def _type(found: Field, at: str, types: Collection[str], findings: Findings) -> None:
    kind = found.type
    if not kind:
        findings.add("D041", at, field=found.name)
    elif types and kind not in types:
        findings.add("D040", f"{at}/x-type", type=kind, **near(kind, types))
    if kind in REFERENCES and not found.reference:
        findings.add("D050", at, field=found.name, type=kind, key="x-ref")
    elif found.reference and kind not in REFERENCES:
        findings.add("D051", f"{at}/x-ref", field=found.name, type=kind)
    if kind == "lines" and not (found.rows and found.rows.fields):
        findings.add("D050", at, field=found.name, type=kind, key="items.properties")
    if kind in CHOICES and not found.options:
        findings.add("D050", at, field=found.name, type=kind, key="oneOf")


def _patterns(schema: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every `pattern` of a field's schema, rows left out (they are fields of their own)."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                yield f"{at}/pattern", value
            elif key not in ("properties", "default", "const", "enum", "examples"):
                yield from _patterns(value, at + pointer(key))
    elif isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _patterns(item, f"{at}/{index}")


# How RE2 begins its reasons for what is a slip; everything else it does not offer.
_MISWRITTEN: Final = ("missing", "unexpected", "no argument", "trailing", "invalid character class")


def _pattern(pattern: str, at: str, findings: Findings) -> None:
    if len(pattern) > PATTERN_LENGTH:
        findings.add("D054", at, limit=PATTERN_LENGTH)
        return
    try:
        compile_pattern(pattern)
    except ValueError as error:
        code = "D093" if str(error).startswith(_MISWRITTEN) else "D053"
        findings.add(code, at, pattern=shown(pattern), reason=shown(str(error)))


def _default(found: Field, at: str, findings: Findings) -> None:
    if found.compute:
        findings.warn("D052", at, field=found.name)
    if found.default is None and found.nullable:
        return
    if found.options:
        allowed = [option.value for option in found.options]
        values = found.default if isinstance(found.default, list) else [found.default]
        for value in values:
            if value not in allowed:
                params = near(str(value), allowed)
                findings.add("D047", at, default=shown(_text(value)), **params)
        return
    try:
        fits = _validator()(found.schema, registry=Registry()).is_valid(found.default)
    except (ArithmeticError, RecursionError):
        fits = False
    if not fits:
        findings.add("D048", at, default=shown(_text(found.default)), field=found.name)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


# --- a validator that strangers' schemas cannot keep busy ----------------------------------------


@cache
def _validator() -> type[Validator]:
    return extended(
        {"pattern": _linear_pattern, "uniqueItems": unique_items, "multipleOf": _exact_multiple}
    )


def _linear_pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    try:
        if isinstance(value, str) and not compile_pattern(pattern).search(value):
            yield ValidationError("pattern")
    except ValueError:
        return  # told at the pattern itself


def _exact_multiple(_: Any, step: Any, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        with localcontext() as context:
            context.prec = 200
            if Decimal(value) % Decimal(step):
                yield ValidationError("multipleOf")
