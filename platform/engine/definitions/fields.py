"""Schemas of fields -> `Field`; also the rights and options inside them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from engine.definitions.document import Findings, pointer
from engine.definitions.infer import field_type, json_types
from engine.definitions.labels import label
from engine.definitions.limits import OPTIONS
from engine.definitions.load import shown
from engine.definitions.model import (
    MISSING,
    Computation,
    Entity,
    Field,
    Grant,
    Label,
    Option,
    Reference,
)

SCOPES: Final = {
    "own": "owner == me",
    "department": "owner.dept == my.dept",
    "department_tree": "owner.dept within my.dept",
    "participant": "participant()",
}
CONDITIONS: Final = (
    "if",
    "then",
    "else",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "dependentRequired",
    "dependentSchemas",
)
SYSTEM_TITLES: Final[Mapping[str, Label]] = {
    "created_at": {"zh-CN": "创建时间", "en": "Created at"},
    "created_by": {"zh-CN": "创建人", "en": "Created by"},
    "updated_at": {"zh-CN": "更新时间", "en": "Updated at"},
    "updated_by": {"zh-CN": "更新人", "en": "Updated by"},
}


def system_fields() -> dict[str, Field]:
    """The four fields that every entity has."""
    return {
        name: Field(name, name, title, read_only=True, system=True)
        for name, title in SYSTEM_TITLES.items()
    }


def parse_field(name: str, data: Mapping[str, Any], required: bool, entity: str, language: str,
                findings: Findings, at: str) -> Field:  # fmt: skip
    """One field from its expanded schema; what the schema says twice or not at all is reported."""
    kind = field_type(data)
    items = data.get("items") if "array" in json_types(data) else None
    described = items if isinstance(items, Mapping) and kind in ("multichoice", "tags") else data
    named = data.get("type", ())
    compute = _computation(data)
    return Field(
        name=name,
        type=kind,
        title=label(data, language, fallback=name),
        help=label(data, language, "description"),
        schema=plain(data),
        required=required,
        nullable="null" in named if isinstance(named, list) else not required,
        multiple="array" in json_types(data),
        default=data.get("default", MISSING),
        read_only=bool(data.get("readOnly")) or compute is not None or kind == "autonumber",
        write_only=bool(data.get("writeOnly")),
        deprecated=bool(data.get("deprecated")),
        options=_options(described, language, findings, at if described is data else at + "/items"),
        reference=_reference(data),
        compute=compute,
        access=grants(data.get("x-access", {})),
        ui=data.get("x-ui", {}),
        unit=_hint(data, language, "unit"),
        placeholder=_hint(data, language, "placeholder"),
        was=tuple(data.get("x-was", ())),
        rows=_rows(name, items, entity, language, findings, at) if kind == "lines" else None,
        privacy=frozenset(data.get("x-privacy", ())),
    )


def parse_fields(data: Mapping[str, Any], entity: str, language: str, findings: Findings,
                 at: str = "") -> dict[str, Field]:  # fmt: skip
    """All fields of an object schema, in its order."""
    required = data.get("required", ())
    return {
        name: parse_field(name, schema, name in required, entity, language, findings,
                          at + pointer("properties", name))
        for name, schema in data.get("properties", {}).items()
        if isinstance(schema, Mapping)
    }  # fmt: skip


def _hint(data: Mapping[str, Any], language: str, key: str) -> Label:
    """A word of ``x-ui`` with its translations, which stand with the others in ``x-i18n``."""
    return label({**data.get("x-ui", {}), "x-i18n": data.get("x-i18n", {})}, language, key)


def plain(value: Any) -> Any:
    """A schema without its x- keywords."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if not key.startswith("x-")}
    return [plain(item) for item in value] if isinstance(value, list) else value


def conditions(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an object schema says beyond its single fields, as one plain schema."""
    return {key: plain(data[key]) for key in CONDITIONS if key in data}


def grants(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Grant]:
    """`x-access` with its words (own, department …) written out."""
    return {
        role: Grant(**{action: _written_out(value) for action, value in said.items()})
        for role, said in data.items()
    }


def _written_out(value: Any) -> Any:
    return SCOPES.get(value, value) if isinstance(value, str) else value


def _reference(data: Mapping[str, Any]) -> Reference | None:
    said = data.get("x-ref")
    return Reference(**said) if said else None


def _computation(data: Mapping[str, Any]) -> Computation | None:
    said = data.get("x-compute")
    return Computation(**said) if said else None


def _rows(name: str, items: Any, entity: str, language: str, findings: Findings,
          at: str) -> Entity:  # fmt: skip
    items = items if isinstance(items, Mapping) else {}
    title = label(items, language, fallback=name)
    return Entity(
        name=f"{entity}.{name}",
        title=title,
        plural=title,
        label="",
        fields=parse_fields(items, f"{entity}.{name}", language, findings, at + "/items"),
        conditions=conditions(items),
    )


def _options(data: Mapping[str, Any], language: str, findings: Findings,
             at: str) -> tuple[Option, ...]:  # fmt: skip
    """Options of ``oneOf [{const, title}]`` or ``enum``."""
    key = "oneOf" if "oneOf" in data else "enum"
    said = data.get(key, ())
    if len(said) > OPTIONS:
        findings.add("D045", f"{at}/{key}", limit=OPTIONS, count=len(said))
    found: dict[str, Option] = {}
    for index, one in enumerate(said[:OPTIONS]):
        here = f"{at}/{key}/{index}"
        value = one if key == "enum" else one.get("const") if isinstance(one, Mapping) else None
        if value is None and key == "enum":
            continue  # "null is allowed too" says the type already
        if not isinstance(value, str) or not value:
            findings.add("D059", here, value=shown(_simple(value)))
        elif value in found:
            findings.add("D046", here, option=shown(value))
        else:
            found[value] = _option(value, one if key == "oneOf" else {}, language)
    return tuple(found.values())


def _option(value: str, data: Mapping[str, Any], language: str) -> Option:
    ui = data.get("x-ui", {})
    group = {"group": ui["group"]} if "group" in ui else {}
    return Option(
        value,
        title=label(data, language, fallback=value),
        color=ui.get("color", ""),
        group=label({**group, "x-i18n": data.get("x-i18n", {})}, language, "group"),
    )


def _simple(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
