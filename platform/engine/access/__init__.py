"""Who may do what, compiled once per entity and set of roles.

Pure: definitions in, predicates out. Imports expressions and below; siblings (lists, tables,
validation …) are joined to it by `engine.records` only.
"""

from engine.access.compiled import (
    Action,
    Allowed,
    EntityAccess,
    FieldAccess,
    Level,
    clocks_of,
)
from engine.access.compiler import compile_access, full_access, writable

__all__ = [
    "Action",
    "Allowed",
    "EntityAccess",
    "FieldAccess",
    "Level",
    "clocks_of",
    "compile_access",
    "full_access",
    "writable",
]
