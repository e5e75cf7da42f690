"""Names that mean something already, and the families of field types the checks speak of."""

from __future__ import annotations

import keyword
from typing import Final

SYSTEM_FIELDS: Final = ("created_at", "created_by", "updated_at", "updated_by")
# Names a field may not have: columns of every table, and words of the expression language.
RESERVED: Final = frozenset(
    {
        "id",
        "version",
        "removed_at",
        "parent_id",
        "position",
        *SYSTEM_FIELDS,
        "old",
        "me",
        "my",
        "event",
        "starter",
        "actor",
        "today",
        "now",
        "null",
        "true",
        "false",
        "within",
        "if_",
        *(word.lower() for word in keyword.kwlist),
    }
)
OURS: Final = "dg_"  # how the names of the platform's own tables begin
ALWAYS_THERE: Final = frozenset({"id", *SYSTEM_FIELDS})

REFERENCES: Final = frozenset({"ref", "refs"})
CHOICES: Final = frozenset({"choice", "multichoice"})
DATES: Final = frozenset({"date", "datetime", "created_at", "updated_at"})
NUMBERS: Final = frozenset({"integer", "decimal", "money", "percent", "rating"})
GROUPING: Final = frozenset({"choice", "user", "department", "boolean", "ref"})
MANY: Final = frozenset({"refs", "users", "multichoice", "tags", "lines", "file", "image"})
UNSORTABLE: Final = MANY | {"longtext", "address"}
FILLED_BY_ITSELF: Final = frozenset({"autonumber", *SYSTEM_FIELDS})
