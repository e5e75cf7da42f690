"""Checks of encrypted fields: nothing may ask the database about a value that it cannot read.

Formulas are looked at as texts: this package stands below the expressions. What looks like a name
that leads to an encrypted field is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

from engine.definitions.document import Findings, pointer
from engine.definitions.model import Entity, Field, Grant, Model, Workflow

NOT_SEALED: Final = frozenset(
    {"ref", "refs", "user", "users", "department", "file", "files", "image", "images"}
    | {"signature", "lines", "autonumber"}
)
"""Types whose values the platform itself has to find, count or follow."""

_TEXTS: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PATHS: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def is_encrypted(field: Field) -> bool:
    """Whether the field's values are encrypted."""
    return "encrypted" in field.privacy


def lint_privacy(entity: Entity, model: Model, findings: Findings) -> None:
    """Reports what cannot be encrypted, and where an encrypted field is asked about."""
    for field, at in _fields(entity, ""):
        stored = field.compute is not None and field.compute.store
        if is_encrypted(field) and (field.type in NOT_SEALED or stored):
            findings.add("D130", f"{at}/x-privacy", field=field.name, type=field.type)
    for name, at in _named(entity):
        named = entity.fields.get(name)
        if named is not None and is_encrypted(named):
            findings.add("D131", at, field=name)
    if not _any(model):
        return
    for source, at, around in _formulas(entity, model):
        for name in sorted(_asked(source, around, model)):
            findings.add("D131", at, field=name)


def lint_privacy_of_flow(flow: Workflow, model: Model, findings: Findings) -> None:
    """Reports a workflow whose state is encrypted."""
    entity = model.entities.get(flow.entity)
    field = entity.fields.get(flow.state_field) if entity else None
    if field is not None and is_encrypted(field):
        findings.add("D131", "/stateField", field=field.name)


def lint_privacy_of_cards(model: Model, findings: Findings) -> None:
    """Reports cards and menus that count by an encrypted field, or add it up."""
    data = findings.data
    cards = data.get("cards")
    for name, said in (cards if isinstance(cards, Mapping) else {}).items():
        if not isinstance(said, Mapping):
            continue
        entity = model.entities.get(str(said.get("entity")))
        if entity is None:
            continue
        asked = {str(said.get("measure", "")).partition(":")[2]}
        for key, value in parse_qsl(str(said.get("query", ""))):
            asked.add(key.split(".")[1] if key.startswith("f.") else "")
            asked |= {part.lstrip("-") for part in value.split(",")} if key == "sort" else set()
        for one in sorted(asked & entity.fields.keys()):
            if is_encrypted(entity.fields[one]):
                findings.add("D131", pointer("cards", name), field=one)


def _fields(entity: Entity, at: str) -> Iterator[tuple[Field, str]]:
    for field in entity.fields.values():
        here = at + pointer("properties", field.name)
        yield field, here
        if field.rows is not None:
            yield from _fields(field.rows, f"{here}/items")


def _any(model: Model) -> bool:
    entities = model.entities.values()
    return any(is_encrypted(field) for one in entities for field, _ in _fields(one, ""))


def _named(entity: Entity) -> Iterator[tuple[str, str]]:
    """Names of fields where the database compares, sorts or searches."""
    with suppress(ValueError):  # a template that cannot be read is told at its own place
        yield from [(name, "/x-entity/label") for name in entity.label_fields]
    if entity.grade:
        yield entity.grade[0], "/x-entity/grade"
    keys, view = entity.keys, entity.list
    kinds = {"unique": keys.unique, "index": keys.index, "duplicate": keys.duplicate}
    for kind, groups in kinds.items():
        for index, names in enumerate(groups):
            for name in names:
                yield name, f"/x-keys/{kind}/{index}"
    parts = {"filters": view.filters, "sort": view.sort, "calendar": view.calendar}
    for key, listed in parts.items():
        for index, name in enumerate(listed):
            yield name.removeprefix("-"), f"/x-list/{key}/{index}"
    yield view.board, "/x-list/board"


def _formulas(entity: Entity, model: Model) -> Iterator[tuple[str, str, list[Entity]]]:
    """Every expression that becomes SQL or is kept, where it stands, and whose names it uses."""
    for role, grant in entity.access.items():
        yield from _grant(grant, pointer("x-access", role), [entity])
    for field, at in _fields(entity, ""):
        around = [entity]
        for role, grant in field.access.items():
            yield from _grant(grant, at + pointer("x-access", role), around)
        if field.compute and field.compute.store:
            rows = [one.rows for one in entity.fields.values() if one.rows is not None]
            yield field.compute.expr, f"{at}/x-compute/expr", [*around, *rows]
        if field.reference and field.reference.where:
            there = [one for one in (model.entities.get(field.reference.to),) if one]
            yield field.reference.where, f"{at}/x-ref/where", [*around, *there]


def _grant(grant: Grant, at: str, around: list[Entity]) -> Iterator[tuple[str, str, list[Entity]]]:
    for action in ("read", "write", "create", "delete", "export", "share", "reveal"):
        said = getattr(grant, action)
        if isinstance(said, str):
            yield said, f"{at}/{action}", around


def _asked(source: str, around: Iterable[Entity], model: Model) -> set[str]:
    """The encrypted fields that a formula leads to, from any of the entities around it or from the
    rows and relations that it goes through."""
    paths = [path.split(".") for path in _PATHS.findall(_TEXTS.sub("", source))]
    known = list(around)
    for entity in list(known):
        known += [one for path in paths if (one := _onward(entity, path[0], model)) is not None]
    return {
        found
        for path in paths
        for entity in known
        if (found := _end(path, entity, model)) is not None
    }


def _end(path: list[str], entity: Entity, model: Model) -> str | None:
    """The encrypted field that a path comes by; None when there is none."""
    here: Entity | None = entity
    for name in path:
        if here is None:
            return None
        field = here.fields.get(name)
        if field is not None and is_encrypted(field):
            return field.name
        here = _onward(here, name, model)
    return None


def _onward(entity: Entity, name: str, model: Model) -> Entity | None:
    """The entity that a name leads to."""
    field: Any = entity.fields.get(name)
    if field is None:
        found = model.inverses(entity.name).get(name)
        return found[0] if found else None
    if field.rows is not None:
        rows: Entity = field.rows
        return rows
    return model.entities.get(field.reference.to) if field.reference else None
