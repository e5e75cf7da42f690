"""A condition as an input: rows to choose from, and its expression for whoever wants more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from dougong.studio.flow_conditions import (
    EMPTY,
    FILLED,
    NO,
    YES,
    Row,
    operators,
    sort_of,
    source_of,
)
from dougong.studio.flow_widgets import Expression, Form, unreadable
from dougong.studio.flow_world import Choices
from engine.definitions.model import Entity, text_of

_WORDS: Final = {
    "number": {">=": _("is at least"), ">": _("is more than"), "<=": _("is at most"),
               "<": _("is less than"), "==": _("equals"), "!=": _("is not")},
    "": {"==": _("is"), "!=": _("is not"), FILLED: _("is filled in"), EMPTY: _("is empty"),
         YES: _("is yes"), NO: _("is no")},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is shown: what it can be compared with, and how."""

    row: Row
    sort: str
    operators: Choices
    values: Choices

    @property
    def asks(self) -> bool:
        """Whether there is a value to give."""
        return self.row.op not in (EMPTY, FILLED, YES, NO)


@dataclass
class Condition(Expression):
    """Rows of field, comparison and value, joined by and, or by or."""

    kind = "condition"
    join: str = "and"
    rows: Sequence[Row] = ()
    entity: Entity | None = None
    fields: Choices = field(default_factory=dict)
    language: str = ""
    blank: str | None = None  # what stands there when no row is left

    @property
    def offered(self) -> dict[str, str]:
        """The fields that a condition can be about, numbers and choices first."""
        assert self.entity is not None
        order = {"number": 0, "choice": 1, "flag": 2}
        sorts = {name: sort_of(one) for name, one in self.entity.fields.items()}
        names = sorted(sorts, key=lambda name: order.get(sorts[name], 3))
        return {name: self.fields[name] for name in names}

    @property
    def lines(self) -> list[Line]:
        """The rows with what there is to choose in each."""
        assert self.entity is not None
        found = []
        for row in self.rows:
            field = self.entity.fields[row.field]
            sort = sort_of(field)
            words = {op: str(_WORDS.get(sort, {}).get(op) or _WORDS[""][op])
                     for op in operators(sort)}  # fmt: skip
            values = {one.value: text_of(one.title, self.language) or one.value
                      for one in field.options}  # fmt: skip
            found.append(Line(row, sort, words, values))
        return found

    def read(self, form: Form, now: Any) -> Any:
        """The text when it was typed in, else what the rows say."""
        typed = super().read(form, now)
        if typed != now or f"{self.name}@rows" not in form or self.entity is None:
            return typed
        said = self._sent(form)
        join = form.get(f"{self.name}@join", self.join)
        if said == list(self.rows) and (join == self.join or len(said) < 2):
            return now
        try:
            made = source_of(join, said, self.entity)
        except ValueError as error:
            raise unreadable(self.name, str(error), gettext("a number")) from error
        return made or self.blank

    def _sent(self, form: Form) -> list[Row]:
        assert self.entity is not None
        found = []
        dropped = form.get(f"{self.name}@drop", "")
        for index in range(len(self.rows) + 1):
            name = form.get(f"{self.name}@field{index}", "")
            if name not in self.entity.fields or dropped == str(index):
                continue
            old = self.rows[index] if index < len(self.rows) else None
            same = old is not None and old.field == name
            sort = sort_of(self.entity.fields[name])
            op = form.get(f"{self.name}@op{index}", "") if same else operators(sort)[0]
            value = form.get(f"{self.name}@value{index}", "").strip() if same else ""
            if old is not None and same and op == old.op and value == old.value:
                found.append(old)
            else:
                found.append(Row(name, op, value))
        return found
