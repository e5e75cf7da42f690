"""Checks of what stands beside the roles' grants: grades of secrecy, pools, sharing, uncovering."""

from __future__ import annotations

from collections.abc import Collection

from engine.definitions.checking import near
from engine.definitions.document import Findings, pointer
from engine.definitions.model import Entity, Field, Model


def lint_clearance(model: Model, findings: Findings) -> None:
    """Reports grades of `pack.json` that do not exist."""
    names = [grade.name for grade in model.grades]
    if model.grades and model.everyone not in names:
        findings.add("D120", "/clearance/everyone", grade=model.everyone,
                     **near(model.everyone, names))  # fmt: skip
    for role in model.roles.values():
        if role.clearance and role.clearance not in names:
            findings.add("D120", pointer("roles", role.name, "clearance"), grade=role.clearance,
                         **near(role.clearance, names))  # fmt: skip


def lint_rights(entity: Entity, model: Model, findings: Findings) -> None:
    """Reports what an entity says of grades, pools and sharing that cannot work."""
    if entity.grade:
        _grade(entity, model, findings)
    for role, limits in entity.pool.items():
        at = pointer("x-entity", "pool", role)
        if role not in model.roles:
            findings.add("D061", at, role=role, **near(role, model.roles))
        for index, name in enumerate(sorted(limits.shows or ())):
            if name not in entity.fields:
                findings.add("D060", f"{at}/shows/{index}", field=name, entity=entity.name,
                             **near(name, entity.fields))  # fmt: skip
    if entity.pool and "pooled" not in entity.traits:
        findings.add("D122", "/x-entity/pool", trait="pooled", key="pool")
    for role, grant in entity.access.items():
        if grant.share and "shared" not in entity.traits:
            findings.add("D122", pointer("x-access", role, "share"), trait="shared", key="share")
    for field in entity.fields.values():
        _uncovering(field, findings)


def _uncovering(field: Field, findings: Findings) -> None:
    for role, grant in field.access.items():
        for key, said in (("reveal", grant.reveal), ("search", grant.search)):
            if said and not grant.mask:
                findings.add("D123", pointer("properties", field.name, "x-access", role, key),
                             key=key, field=field.name)  # fmt: skip


def _grade(entity: Entity, model: Model, findings: Findings) -> None:
    """The path has to go along single references, and to end at a choice of grades."""
    here: Entity | None = entity
    found: Field | None = None
    for name in entity.grade:
        found = here.fields.get(name) if here else None
        if here is None or found is None:
            names: Collection[str] = here.fields if here else ()
            findings.add("D060", "/x-entity/grade", field=name,
                         entity=(here or entity).name, **near(name, names))  # fmt: skip
            return
        single = found.reference is not None and not found.multiple
        here = model.entities.get(found.reference.to) if found.reference and single else None
    assert found is not None
    grades = {grade.name for grade in model.grades}
    values = {option.value for option in found.options}
    if not values or found.multiple or not values <= grades:
        findings.add("D121", "/x-entity/grade", field=found.name,
                     options=sorted(values - grades), allowed=sorted(grades))  # fmt: skip
