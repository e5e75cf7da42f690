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
from engine.access.scopes import EVERY, RIGHTS, Scopes, granted, kept, narrowed, scopes_of

__all__ = [
    "EVERY",
    "RIGHTS",
    "Action",
    "Allowed",
    "EntityAccess",
    "FieldAccess",
    "Level",
    "Scopes",
    "clocks_of",
    "compile_access",
    "full_access",
    "granted",
    "kept",
    "narrowed",
    "scopes_of",
    "writable",
]
