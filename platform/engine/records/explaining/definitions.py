"""Changes of the definitions that would allow it: which grant, in which file, at which pointer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.access.clearance import cleared
from engine.access.explain import ROW_OF
from engine.definitions.model import Entity, Field, Grant, Rule
from engine.records.explaining.matter import ASPECTS, Found, Matter, Suppose

Change = tuple[Suppose, str, str, Any]  # what is supposed, file, pointer, value
_NOTHING: Final = Grant()


def definition_candidates(matter: Matter, first: Found) -> Iterator[Change]:
    """Single changes of one file each, for whoever looks after the definitions."""
    failed = {check.kind for check in first.checks if not check.holds}
    if "gate" in failed:
        yield from _clearances(matter)
    if "row" in failed or "export" in failed:
        yield from _grants(matter)
    if "cell" in failed:
        yield from _cells(matter)
        yield from _pools(matter)
    if "kept" in failed:
        yield from _flags(matter)
    if "rule" in failed:
        yield from _rules(matter)
    if "state" in failed:
        yield from _states(matter)


def _held(matter: Matter) -> list[str]:
    """The person's roles that the entity knows, else all of them."""
    known = [role for role in sorted(matter.actor.roles) if role in matter.unit.app.model.roles]
    named = [role for role in known if role in matter.entity.access]
    return named or known


def _clearances(matter: Matter) -> Iterator[Change]:
    model = matter.unit.app.model
    names = [grade.name for grade in model.grades]
    own = len(cleared(model, matter.actor.roles))
    for role in _held(matter):
        for grade in names[own:]:
            roles = {**model.roles, role: replace(model.roles[role], clearance=grade)}
            pointer = f"/roles/{role}/clearance"
            file = _pack_file(matter, pointer)
            yield Suppose(model=replace(model, roles=roles)), file, pointer, grade


def _grants(matter: Matter) -> Iterator[Change]:
    """The row's own grant."""
    action = matter.action if matter.action != "reveal" else "read"
    if matter.field and matter.action in ASPECTS and action != "export":
        action = ROW_OF[ASPECTS[matter.action]]
    for role in _held(matter):
        grant = matter.entity.access.get(role, _NOTHING)
        changed = _opened(grant, str(action))
        entity = _with_grant(matter.entity, role, changed)
        pointer = f"/x-access/{role}/{action}"
        yield Suppose(entity=entity), _entity_file(matter, pointer), pointer, True
        if action not in ("read", "create") and grant.read is not True:
            opened = _with_grant(matter.entity, role, replace(changed, read=True))
            pointer = f"/x-access/{role}"
            value = {"read": True, action: True}
            yield Suppose(entity=opened), _entity_file(matter, pointer), pointer, value


def _opened(grant: Grant, word: str) -> Grant:
    more: dict[str, Any] = {word: True}
    return replace(grant, **more)


def _without(rule: Rule, word: str, left: tuple[str, ...]) -> Rule:
    more: dict[str, Any] = {word: left}
    return replace(rule, **more)


def _with_grant(entity: Entity, role: str, grant: Grant) -> Entity:
    return replace(entity, access={**entity.access, role: grant})


def _cells(matter: Matter) -> Iterator[Change]:
    """The field's grant for a role."""
    name = matter.field.partition(".")[0]
    field = matter.entity.fields[name]
    aspect = ASPECTS[matter.action]
    word = "write" if aspect == "create" else aspect
    for role in _held(matter):
        grant = field.access.get(role, _NOTHING)
        opened = _opened(grant, word)
        if word == "read":
            opened = replace(opened, mask="")
        entity = _with_field(matter.entity, replace(field, access={**field.access, role: opened}))
        pointer = f"/properties/{name}/x-access/{role}/{word}"
        yield Suppose(entity=entity), _entity_file(matter, pointer), pointer, True


def _pools(matter: Matter) -> Iterator[Change]:
    name = matter.field.partition(".")[0]
    for role, limits in matter.entity.pool.items():
        if role not in matter.actor.roles or limits.shows is None:
            continue
        shows = limits.shows | {name}
        pool = {**matter.entity.pool, role: replace(limits, shows=shows)}
        pointer = f"/x-entity/pool/{role}/shows"
        entity = replace(matter.entity, pool=pool)
        yield Suppose(entity=entity), _entity_file(matter, pointer), pointer, sorted(shows)


def _flags(matter: Matter) -> Iterator[Change]:
    name = matter.field.partition(".")[0]
    field = matter.entity.fields[name]
    if field.read_only and not field.compute and not field.system:
        entity = _with_field(matter.entity, replace(field, read_only=False))
        pointer = f"/properties/{name}/readOnly"
        yield Suppose(entity=entity), _entity_file(matter, pointer), pointer, False


def _rules(matter: Matter) -> Iterator[Change]:
    name = matter.field.partition(".")[0]
    for rule in matter.entity.rules.values():
        for word in ("readonly", "hide"):
            named: tuple[str, ...] = getattr(rule, word)
            if name not in named:
                continue
            left = tuple(one for one in named if one != name)
            changed = _without(rule, word, left)
            entity = replace(matter.entity, rules={**matter.entity.rules, rule.id: changed})
            pointer = f"/x-rules/{rule.id}/{word}"
            yield Suppose(entity=entity), _entity_file(matter, pointer), pointer, list(left)


def _states(matter: Matter) -> Iterator[Change]:
    """What the workflow's present states say about the field."""
    case, name = matter.case, matter.field.partition(".")[0]
    if case is None or not name:
        return
    for leaf in case.chart.leaves(case.instance.active):
        state = case.chart.states[leaf]
        changed = replace(state, fields={**state.fields, name: "write"})
        chart = replace(case.chart, states={**case.chart.states, leaf: changed})
        pointer = f"{state.pointer}/fields/{name}"
        yield Suppose(case=replace(case, chart=chart)), case.chart.file, pointer, "write"


def _with_field(entity: Entity, field: Field) -> Entity:
    return replace(entity, fields={**entity.fields, field.name: field})


# --- where it is written -------------------------------------------------------------------------
def _entity_file(matter: Matter, pointer: str) -> str:
    """The layer that speaks of the place most closely; of several the one with the last word."""
    name = matter.entity.name
    files = [
        path
        for path in matter.unit.app.sources
        if path.endswith(f"/{name}.json") and not path.startswith("workflows/")
    ]
    return _closest(matter, files, pointer) or matter.entity.file


def _pack_file(matter: Matter, pointer: str) -> str:
    files = [path for path in matter.unit.app.sources if path.endswith("/pack.json")]
    return _closest(matter, files, pointer)


def _closest(matter: Matter, files: list[str], pointer: str) -> str:
    order = [pack.name for pack in matter.unit.app.model.packs]

    def rank(path: str) -> int:
        parts = path.split("/")
        return order.index(parts[1]) if len(parts) > 2 and parts[1] in order else len(order)

    best, deepest = "", 0
    for path in sorted(files, key=rank):
        depth = _depth(json.loads(matter.unit.app.sources[path]), pointer)
        if depth >= deepest:
            best, deepest = path, depth
    return best


def _depth(document: Any, pointer: str) -> int:
    """How far a document follows a pointer."""
    here = document
    for depth, name in enumerate(pointer.split("/")[1:]):
        if not isinstance(here, Mapping) or name not in here:
            return depth
        here = here[name]
    return pointer.count("/")
