"""The one shape of a mistake that a user can mend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """An error stops publishing or saving; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong (`code`, `params`) and where: `file` and `line` for definitions, `pointer`
    (a JSON pointer such as ``/contacts/0/email``) for definitions and records alike.

    The wording lives in the catalogues, except `message`: an author's own words (a rule's
    ``message``) as language -> text, which win over the catalogue.
    """

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    pointer: str = ""
    severity: Severity = Severity.ERROR
    file: str = ""
    line: int | None = None
    message: Mapping[str, str] = field(default_factory=dict)

    @property
    def field(self) -> str:
        """The field the pointer leads into ("" for the record as a whole)."""
        return self.pointer.split("/", 2)[1] if self.pointer.startswith("/") else ""

    def under(self, prefix: str) -> Problem:
        """The same problem seen from one level further out."""
        return replace(self, pointer=prefix + self.pointer)
