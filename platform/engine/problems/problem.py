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
    (a JSON pointer such as ``/contacts/0/email``) for definitions and records alike; `also` are
    further places where the same would mend it.

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
    also: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field the pointer leads into ("" for the record as a whole)."""
        return _field(self.pointer)

    @property
    def pointers(self) -> tuple[str, ...]:
        """All places to mark; the first is `pointer`."""
        return (self.pointer, *self.also)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the pointers lead into."""
        return tuple(_field(one) for one in self.pointers)

    def under(self, prefix: str) -> Problem:
        """The same problem seen from one level further out."""
        also = tuple(prefix + one for one in self.also)
        return replace(self, pointer=prefix + self.pointer, also=also)


def _field(pointer: str) -> str:
    return pointer.split("/", 2)[1] if pointer.startswith("/") else ""
