"""Fields for tests, without definition files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definitions.model import Entity, Field, Label, Option, Reference
from engine.fields import FieldType, bind


def label(text: str) -> Label:
    return {"zh-CN": text, "en": text.capitalize()}


def make(type: str, name: str = "f", schema: Mapping[str, Any] | None = None, **rest: Any) -> Field:
    return Field(name=name, type=type, title=label(name), schema=schema or {}, **rest)


def bound(type: str, schema: Mapping[str, Any] | None = None, **rest: Any) -> FieldType:
    return bind(make(type, schema=schema, **rest))


def entity(name: str, *fields: Field, **rest: Any) -> Entity:
    return Entity(
        name=name,
        title=label(name),
        plural=label(name),
        label="",
        fields={field.name: field for field in fields},
        **rest,
    )


LEVELS = (
    Option("A", {"zh-CN": "A 重点", "en": "A key"}, color="red"),
    Option("B", {"zh-CN": "B 普通", "en": "B plain"}),
)
CONTACTS = make(
    "lines",
    "contacts",
    {"maxItems": 3},
    multiple=True,
    rows=entity(
        "customer.contacts",
        make("text", "name", {"minLength": 1}, required=True),
        make("email", "email"),
        make("boolean", "main"),
    ),
)
SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "choice": {"options": LEVELS},
    "multichoice": {"options": LEVELS, "multiple": True},
    "tags": {"multiple": True},
    "users": {"multiple": True},
    "ref": {"reference": Reference("customer")},
    "refs": {"reference": Reference("customer"), "multiple": True},
    "lines": {"rows": CONTACTS.rows, "multiple": True},
}


def one_of_each() -> Mapping[str, FieldType]:
    from engine.fields import TYPES

    return {name: bound(name, **SPECIAL.get(name, {})) for name in TYPES}
