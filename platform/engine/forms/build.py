"""The WTForms class of an entity: one prefixed input per field that its user may write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, ClassVar, Final, Protocol, cast

import wtforms

from engine.definitions.model import Entity, Field
from engine.fields import HOME, FieldType
from engine.fields.inputs import TypedInput
from engine.problems import Problem

PREFIX: Final = "f_"
"""Before every field's name in a form: a field may be called "version" or "csrf_token"."""

WRITE: Final = 3
"""`engine.access.Level.WRITE`; access is a sibling layer, so its number stands here."""


class Access(Protocol):
    """What a form asks of an actor's access (`engine.access.EntityAccess` has it)."""

    def level(self, name: str) -> int:
        """0 hidden, 1 masked, 2 readable, 3 writable."""


class RecordForm(wtforms.Form):
    """Base of the built classes. `entity` and `writable` say what it was built from."""

    entity: ClassVar[Entity]
    writable: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def reading(
        cls, formdata: Any = None, values: Mapping[str, Any] | None = None, zone: tzinfo = HOME
    ) -> RecordForm:
        """The form filled from a post, else from `values`; times are of the clock `zone`."""
        data = {PREFIX + name: value for name, value in (values or {}).items()}
        return cls(formdata=formdata, data=data, meta={"zone": zone})

    def input(self, name: str) -> TypedInput | None:
        """The input of a field; None when it may not be written."""
        return cast("TypedInput | None", self._fields.get(PREFIX + name))

    def values(self) -> dict[str, Any]:
        """Python values of all fields that were posted and understood, ready for engine.records."""
        found: dict[str, Any] = {}
        for name in self.writable:
            entry = self.input(name)
            if entry is not None and entry.raw is not None and not entry.problems:
                found[name] = entry.data
        return found

    def current(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """`base` with everything understood laid over it: what rules and effects look at."""
        return {**base, **self.values()}

    def problems(self) -> list[Problem]:
        """What could not be understood, with pointers to the fields."""
        return [
            problem.under(f"/{name}")
            for name in self.writable
            if (entry := self.input(name)) is not None
            for problem in entry.problems
        ]


def build_form(
    entity: Entity, access: Access, language: str, bind: Callable[[Field], FieldType]
) -> type[RecordForm]:
    """The form class for one entity, one set of roles and one language; the caller keeps it."""
    writable = tuple(
        field.name
        for field in entity.fields.values()
        if may_fill(field) and access.level(field.name) >= WRITE
    )
    inputs = {PREFIX + name: bind(entity.fields[name]).form_field(language) for name in writable}
    body = {"entity": entity, "writable": writable, **inputs}
    return type(f"{entity.name.title()}Form", (RecordForm,), body)


def may_fill(field: Field) -> bool:
    """Whether anybody at all fills the field in by hand."""
    return not (field.system or field.read_only or field.compute)
