"""Field types: one class per type, which answers for its type on every face.

``bind(field)`` gives the type of a field; ``TYPES`` maps names to classes; plugins ``register``.
"""

from engine.fields import choices, codes, dates, files, numbers, places, relations, stamps, texts
from engine.fields.base import (
    BASIC,
    DEPARTMENT,
    FILE,
    HOME,
    USER,
    BadValue,
    Cell,
    Comparison,
    FieldType,
    Moment,
    Names,
)
from engine.fields.registry import TYPES, DuplicateType, bind, register

for _family in (texts, numbers, dates, choices, places, relations, files, codes, stamps):
    for _type in _family.TYPES:
        register(_type)

__all__ = [
    "BASIC",
    "DEPARTMENT",
    "FILE",
    "HOME",
    "TYPES",
    "USER",
    "BadValue",
    "Cell",
    "Comparison",
    "DuplicateType",
    "FieldType",
    "Moment",
    "Names",
    "bind",
    "register",
]
