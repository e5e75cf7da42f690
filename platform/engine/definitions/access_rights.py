"""What the definitions say about rights, as it is written: by entity, field and role.

The words of ``x-access`` stay words here (`own`, `department` …), because whoever edits rights
thinks in them; `engine.definitions.fields` writes them out for whoever enforces rights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.definitions.document import Findings, Merged
from engine.definitions.fields import SCOPES
from engine.definitions.layers import OVERLAY, Layers, Sources, stack
from engine.definitions.references import Shelf, expand

ACTIONS: Final = ("read", "create", "write", "delete", "export", "share")
FIELD_KEYS: Final = ("read", "write", "mask", "reveal", "search")
MODES: Final = ("writable", "readonly", "masked", "hidden", "condition")
_WORDS: Final = {source: word for word, source in SCOPES.items()}
_NO_ENTITIES: Final = frozenset({"pack", "common"})

Said = Mapping[str, Any]  # one grant as it is written
Grants = Mapping[str, Said]  # by role


@dataclass(frozen=True, slots=True)
class Place:
    """A role at an entity, or at one of its fields; a column of rows is "lines.price"."""

    entity: str
    role: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class EntityRights:
    """One entity: its grants, those of its fields that say something, grade and pool."""

    grants: Grants = field(default_factory=dict)
    fields: Mapping[str, Grants] = field(default_factory=dict)
    grade: str = ""
    pool: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rights:
    """All that a company's definitions say about rights."""

    entities: Mapping[str, EntityRights] = field(default_factory=dict)
    roles: Mapping[str, Said] = field(default_factory=dict)
    grades: Mapping[str, Said] = field(default_factory=dict)
    everyone: str = ""

    def grant(self, place: Place) -> Said:
        """What is said at a place; {} when nothing is."""
        about = self.entities.get(place.entity, EntityRights())
        where = about.fields.get(place.field, {}) if place.field else about.grants
        return where.get(place.role, {})


def rights_of(sources: Sources, pack: str) -> Rights:
    """The rights that `sources` grant."""
    return rights_in(stack(sources, pack))


def pack_rights(sources: Sources, pack: str) -> Rights:
    """The rights as the packs say them, without the company's own layer."""
    return rights_of(without_overlay(sources), pack)


def without_overlay(sources: Sources) -> dict[str, str]:
    """The sources of the packs alone."""
    return {path: text for path, text in sources.items() if not path.startswith(f"{OVERLAY}/")}


def rights_in(layers: Layers) -> Rights:
    """The rights that merged layers grant."""
    pack = layers.entities["pack"].data if "pack" in layers.entities else {}
    clearance = mapping(pack.get("clearance"))
    return Rights(
        {
            name: _entity(name, merged, layers)
            for name, merged in layers.entities.items()
            if name not in _NO_ENTITIES
        },
        mapping(pack.get("roles")),
        mapping(clearance.get("grades")),
        str(clearance.get("everyone", "")),
    )


def _entity(name: str, merged: Merged, layers: Layers) -> EntityRights:
    about = mapping(merged.data.get("x-entity"))
    fields = {}
    for path, schema in columns(merged.data):
        found = field_grants(schema, name, layers, path)
        if found:
            fields[path] = found
    return EntityRights(
        mapping(merged.data.get("x-access")),
        fields,
        str(about.get("grade", "")),
        mapping(about.get("pool")),
    )


def columns(data: Said, prefix: str = "") -> Iterator[tuple[str, Said]]:
    """The fields of an object schema with their paths, columns of rows after their field."""
    for name, schema in mapping(data.get("properties")).items():
        if isinstance(schema, Mapping):
            yield prefix + name, schema
            items = schema.get("items")
            if not prefix and isinstance(items, Mapping):
                yield from columns(items, f"{name}.")


def field_grants(schema: Said, entity: str, layers: Layers, path: str) -> Grants:
    """What a field says of rights: by itself, else what it takes over with its ``$ref``."""
    own = schema.get("x-access")
    if isinstance(own, Mapping) or "$ref" not in schema:
        return mapping(own)
    files = {key: one.data for key, one in layers.entities.items() if isinstance(one.data, Mapping)}
    only = {**files, entity: _alone(files[entity], path)}
    shelf = Shelf(only, layers.entities, layers.packs)
    whole = expand(entity, shelf, Findings(layers.entities[entity]))
    found = next((one for at, one in columns(whole) if at == path), {})
    return mapping(found.get("x-access"))


def _alone(data: Said, path: str) -> dict[str, Any]:
    """A definition with this one field and what it may point at."""
    name = path.partition(".")[0]
    kept = {"properties": {name: mapping(data.get("properties")).get(name, {})}}
    return {**({"$defs": data["$defs"]} if "$defs" in data else {}), **kept}


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is a map, else an empty one."""
    return value if isinstance(value, Mapping) else {}


# --- what a value means ---------------------------------------------------------------------------


def scope(value: Any) -> str:
    """A predicate as the word for it: "all", "none", a word of `SCOPES`, or "rule"."""
    if value is True:
        return "all"
    if not isinstance(value, str):
        return "none"
    return value if value in SCOPES else _WORDS.get(value.strip(), "rule")


def mode(said: Said) -> str:
    """What a role may do with a field, as one of `MODES`."""
    read = _reads(said)
    write = said.get("write")
    write = read if write is None else write
    if read is True and write in (True, False):
        return "writable" if write else "readonly"
    if read is False and write is False:
        return "masked" if said.get("mask") else "hidden"
    return "condition"


def _reads(said: Said) -> Any:
    read = said.get("read")
    return not said.get("mask") if read is None else read


def same_value(one: Any, other: Any, *, field: bool = False) -> bool:
    """Whether two predicates mean the same. At a field, nothing said is not the same as no."""
    if field and (one is None) != (other is None):
        return False
    if scope(one) == scope(other) == "rule":
        return str(one).strip() == str(other).strip()
    return scope(one) == scope(other)


def same_grant(one: Said, other: Said, *, field: bool = False) -> bool:
    """Whether two grants mean the same."""
    if not field:
        return all(same_value(one.get(key), other.get(key)) for key in ACTIONS)
    kept = ("mask", "search")
    if any((one.get(key) or "") != (other.get(key) or "") for key in kept):
        return False
    if not same_value(one.get("reveal"), other.get("reveal")):
        return False
    first, second = mode(one), mode(other)
    if first != "condition":
        return first == second
    return first == second and all(
        same_value(one.get(key), other.get(key), field=True) for key in ("read", "write")
    )
