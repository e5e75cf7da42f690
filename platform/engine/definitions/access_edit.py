"""Edits of rights: pure functions from a company's sources to new ones.

Everything is written into the company's own layer, and as little as possible: a patch of what the
packs say (RFC 7396), in which a value that the packs say themselves does not stand. The bytes
follow from what holds in the end, not from the way that led there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.definitions.access_rights import (
    ACTIONS,
    FIELD_KEYS,
    EntityRights,
    Place,
    Rights,
    Said,
    field_grants,
    mapping,
    mode,
    rights_in,
    same_grant,
    same_value,
    without_overlay,
)
from engine.definitions.canonical import canonical
from engine.definitions.layers import OVERLAY, Layers, Sources, stack
from engine.definitions.load import load
from engine.definitions.model import MISSING

Edit = tuple[Place, Mapping[str, Any]]  # key -> value; None takes the key out
Path = tuple[str, ...]
_POOL: Final = ("shows", "views", "claims", "holds")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two versions say differently. `kind`: grant, field, role, grade (of an
    entity), pool or clearance; `key` is an action of a grant, else ""."""

    kind: str
    entity: str = ""
    field: str = ""
    role: str = ""
    key: str = ""
    was: Any = None
    now: Any = None


def path_of(name: str) -> str:
    """The file of the company's own layer for an entity, or for "pack"."""
    return f"{OVERLAY}/{name}.json"


# --- edits ---------------------------------------------------------------------------------------


def set_grants(sources: Sources, pack: str, edits: Sequence[Edit]) -> dict[str, str]:
    """The sources after some keys of some grants were set. What says the same as the packs do is
    written down nowhere."""
    book = _Book(sources, pack)
    for place, values in edits:
        book.grant(place, values)
    return book.written()


def set_modes(
    sources: Sources, pack: str, modes: Sequence[tuple[Place, str, str]]
) -> dict[str, str]:
    """The sources after fields were set to one of `MODES` for roles; with each comes the mask that
    "masked" takes when there is none yet."""
    book = _Book(sources, pack)
    for place, wanted, mask in modes:
        book.grant(place, _as_mode(book.now.grant(place), book.pack.grant(place), wanted, mask))
    return book.written()


def set_role(sources: Sources, pack: str, role: str, said: Mapping[str, Any]) -> dict[str, str]:
    """The sources with a role as `said` (title, x-i18n, description, admin, clearance)."""
    book = _Book(sources, pack)
    book.put("pack", ("roles", role), _as_before(dict(said), book.pack.roles.get(role, {})))
    return book.written()


def copy_grants(sources: Sources, pack: str, role: str, like: str) -> dict[str, str]:
    """The sources in which a role may do what another one may, and nothing else."""
    book = _Book(sources, pack)
    for name, about in book.now.entities.items():
        for field in ("", *about.fields):
            said = book.now.grant(Place(name, like, field))
            keys = FIELD_KEYS if field else ACTIONS
            book.grant(Place(name, role, field), {key: said.get(key) for key in keys})
        if like in about.pool:
            book.put(name, ("x-entity", "pool", role), about.pool[like])
    return book.written()


def remove_role(sources: Sources, pack: str, role: str) -> dict[str, str]:
    """The sources without a role: its grants, limits and places on cards go with it."""
    book = _Book(sources, pack)
    for name, about in book.now.entities.items():
        for field in ("", *about.fields):
            if role in (about.fields[field] if field else about.grants):
                book.forget(Place(name, role, field))
        if role in about.pool:
            kept = {key: one for key, one in about.pool.items() if key != role}
            book.put(name, ("x-entity", "pool"), kept or MISSING)
    for name, card in mapping(book.merged("pack").get("cards")).items():
        if isinstance(card, Mapping) and role in (card.get("roles") or ()):
            left = [one for one in card["roles"] if one != role]
            # a card without roles would be everybody's
            book.put("pack", ("cards", name), {**card, "roles": left} if left else MISSING)
    book.put("pack", ("roles", role), MISSING)
    return book.written()


def set_clearance(
    sources: Sources, pack: str, grades: Mapping[str, Said], everyone: str
) -> dict[str, str]:
    """The sources with these grades of secrecy; none at all takes them away."""
    book = _Book(sources, pack)
    before = book.below.entities["pack"].data if "pack" in book.below.entities else {}
    old = mapping(mapping(before.get("clearance")).get("grades"))
    kept = {name: _as_before(dict(one), old.get(name, {})) for name, one in grades.items()}
    ordered = {name: kept[name] for name in (*(one for one in old if one in kept), *kept)}
    book.put("pack", ("clearance",), {"grades": ordered, "everyone": everyone} if kept else MISSING)
    return book.written()


def set_grade(sources: Sources, pack: str, entity: str, path: str) -> dict[str, str]:
    """The sources with the path to the field that holds a record's grade; "" for none."""
    book = _Book(sources, pack)
    book.put(entity, ("x-entity", "grade"), path or MISSING)
    return book.written()


def set_pool(
    sources: Sources, pack: str, entity: str, limits: Mapping[str, Said | None]
) -> dict[str, str]:
    """The sources with limits of roles in an entity's pool; None takes a role's away."""
    book = _Book(sources, pack)
    about = book.now.entities.get(entity, EntityRights())
    pool: dict[str, Any] = dict(about.pool)
    for role, said in limits.items():
        pool.pop(role, None)
        if said is not None:
            pool[role] = {key: said[key] for key in _POOL if said.get(key) is not None}
    old = book.pack.entities.get(entity, EntityRights()).pool
    ordered = {role: pool[role] for role in (*old, *book.now.roles) if role in pool}
    book.put(entity, ("x-entity", "pool"), ordered or MISSING)
    return book.written()


def _as_mode(said: Said, packed: Said, wanted: str, mask: str) -> dict[str, Any]:
    """The keys that bring a field's grant to a mode: the packs' own when they say that mode."""
    nothing: dict[str, Any] = dict.fromkeys(FIELD_KEYS)
    if mode(said) == wanted or wanted == "condition":
        return {}
    if mode(packed) == wanted:
        return {**nothing, **packed}
    if wanted == "readonly":
        return {**nothing, "write": False}
    if wanted == "hidden":
        return {**nothing, "read": False}
    if wanted == "masked":
        kept = {key: said.get(key) for key in ("reveal", "search")}
        return {**nothing, **kept, "read": False, "mask": said.get("mask") or mask}
    return nothing


def _as_before(said: dict[str, Any], before: Said) -> dict[str, Any]:
    """`said` with its keys in the order they had, and without what says nothing."""
    kept = {key: one for key, one in said.items() if one not in (None, "", False, {})}
    kept |= {key: False for key in before if said.get(key) is False and before[key] is True}
    return {key: kept[key] for key in (*(one for one in before if one in kept), *kept)}


# --- one session of edits ------------------------------------------------------------------------


class _Book:
    """The layers with and without the company's own, and the patches as they become."""

    def __init__(self, sources: Sources, pack: str) -> None:
        self._sources = sources
        self._layers = stack(sources, pack)
        self.below = stack(without_overlay(sources), pack)
        self.pack = rights_in(self.below)
        self.now: Rights = rights_in(self._layers)
        self._patches: dict[str, dict[str, Any]] = {}
        self._grants: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}

    def merged(self, name: str) -> Said:
        """A definition as it is with the company's own layer, before the edits."""
        found = self._layers.entities.get(name)
        return found.data if found else {}

    def grant(self, place: Place, values: Mapping[str, Any]) -> None:
        """Set some keys of one grant."""
        where, packed = self._where(place), self.pack.grant(place)
        now = dict(where.get(place.role, {}))
        for key, value in values.items():
            now.pop(key, None)
            kept = _kept(key, value, packed, bool(place.field))
            if kept is not None:
                now[key] = kept
        if place.field and not now.get("mask"):  # nothing to uncover, nothing to search by
            now = {key: one for key, one in now.items() if key not in ("reveal", "search")}
        self._keep(place, now)

    def forget(self, place: Place) -> None:
        """Take one grant out, whatever it means."""
        self._where(place).pop(place.role, None)
        self._write(place)

    def _where(self, place: Place) -> dict[str, dict[str, Any]]:
        """The grants of an entity or field, by role, as the edits so far have left them."""
        key = (place.entity, place.field)
        if key not in self._grants:
            about = self.now.entities.get(place.entity, EntityRights())
            said = about.fields.get(place.field, {}) if place.field else about.grants
            self._grants[key] = {role: dict(one) for role, one in said.items()}
        return self._grants[key]

    def _keep(self, place: Place, said: dict[str, Any]) -> None:
        where, packed = self._where(place), self.pack.grant(place)
        order = FIELD_KEYS if place.field else ACTIONS
        keys = [*(key for key in packed if key in said), *order]
        where.pop(place.role, None)
        if said:
            where[place.role] = {key: said[key] for key in keys if key in said}
        if place.field and same_grant(said, packed, field=True):
            where.pop(place.role, None)
            if packed:
                where[place.role] = dict(packed)
        self._write(place)

    def _write(self, place: Place) -> None:
        where, old = self._where(place), self._packed(place)
        roles = dict.fromkeys([*old, *self.now.roles, *where])
        self.put(
            place.entity,
            (*_pointer(place.field), "x-access"),
            {role: where[role] for role in roles if role in where},
            inherited=self._inherited(place),
        )

    def _packed(self, place: Place) -> Mapping[str, Said]:
        about = self.pack.entities.get(place.entity, EntityRights())
        return about.fields.get(place.field, {}) if place.field else about.grants

    def _inherited(self, place: Place) -> Any:
        """What a field's grants are when it says none itself: those of its ``$ref``."""
        if not place.field or place.entity not in self._layers.entities:
            return MISSING
        data = self._layers.entities[place.entity].data
        schema = _at(data, _pointer(place.field))
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            return MISSING
        bare = _without(data, (*_pointer(place.field), "x-access"))
        layers = _with_entity(self._layers, place.entity, bare)
        plain = {key: one for key, one in schema.items() if key != "x-access"}
        return field_grants(plain, place.entity, layers, place.field)

    def put(self, name: str, path: Path, wanted: Any, inherited: Any = MISSING) -> None:
        """Make `wanted` what the merged definition says at `path`; MISSING: nothing."""
        below = self.below.entities.get(name)
        base = below.data if below else {}
        packed = _at(base, path)
        if packed is MISSING and inherited is not MISSING:
            change = MISSING if wanted == inherited else wanted
        else:
            change = _between(packed, wanted)
        self._patches[name] = _placed(self._patch(name), path, change, base)

    def _patch(self, name: str) -> dict[str, Any]:
        if name not in self._patches:
            text = self._sources.get(path_of(name))
            self._patches[name] = dict(load(path_of(name), text)[0].data) if text else {}
        return self._patches[name]

    def written(self) -> dict[str, str]:
        """All sources; a file whose content means what it meant keeps its bytes."""
        found = dict(self._sources)
        for name, patch in self._patches.items():
            path = path_of(name)
            before = load(path, found[path])[0].data if path in found else {}
            if patch == before:
                continue
            if patch.keys() <= {"$schema"}:
                found.pop(path, None)
            else:
                found[path] = canonical(patch)
        return found


def _kept(key: str, value: Any, packed: Said, field: bool) -> Any:
    """How a value is written: as the packs do when they mean the same; None for not at all."""
    if key in ("mask", "search"):
        return value or None
    if key in packed and same_value(packed[key], value, field=field and key != "reveal"):
        return packed[key]
    if field and key != "reveal":
        return value
    # no is what nothing says; it has to be said where the packs say more
    return (False if key in packed else None) if value in (None, False) else value


def _pointer(field: str) -> Path:
    """Where a field stands in its definition."""
    name, _, column = field.partition(".")
    if not name:
        return ()
    return ("properties", name, "items", "properties", column) if column else ("properties", name)


def _at(data: Any, path: Path) -> Any:
    for part in path:
        if not isinstance(data, Mapping) or part not in data:
            return MISSING
        data = data[part]
    return data


def _without(data: Said, path: Path) -> dict[str, Any]:
    head, rest = path[0], path[1:]
    if not rest:
        return {key: one for key, one in data.items() if key != head}
    return {**data, head: _without(mapping(data.get(head)), rest)}


def _with_entity(layers: Layers, name: str, data: Said) -> Layers:
    merged = replace(layers.entities[name], data=data)
    return replace(layers, entities={**layers.entities, name: merged})


def _between(base: Any, wanted: Any) -> Any:
    """The patch from `base` to `wanted`; MISSING when there is nothing to say."""
    if wanted is MISSING or wanted == {}:
        return None if base not in (MISSING, {}) else MISSING
    if base is MISSING or not (isinstance(base, Mapping) and isinstance(wanted, Mapping)):
        return MISSING if base == wanted else wanted
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        change = _between(base.get(key, MISSING), value)
        if change is not MISSING:
            found[key] = change
    found |= {key: None for key in base if key not in wanted}
    return found or MISSING


def _placed(patch: Said, path: Path, value: Any, base: Any) -> dict[str, Any]:
    """`patch` with `value` at `path`; new keys take the place that they have in `base`, and what
    is empty afterwards is gone."""
    head, rest = path[0], path[1:]
    below = mapping(base).get(head) if head in mapping(base) else {}
    inner: Any = _placed(mapping(patch.get(head)), rest, value, below) if rest else value
    if inner is MISSING or (rest and not inner):
        return {key: one for key, one in patch.items() if key != head}
    if head in patch:
        return {key: inner if key == head else one for key, one in patch.items()}
    ranks = {key: rank for rank, key in enumerate(mapping(base))}
    mine = ranks.get(head, len(ranks))
    found: dict[str, Any] = {}
    for key, one in patch.items():
        if head not in found and ranks.get(key, -1) > mine:
            found[head] = inner
        found[key] = one
    found.setdefault(head, inner)
    return found


# --- somebody else published meanwhile -----------------------------------------------------------


def rebased(base: Any, mine: Any, theirs: Any) -> Any:
    """The changes from `base` to `mine`, done to `theirs`; where both changed one thing, mine."""
    if not all(isinstance(one, Mapping) for one in (base, mine, theirs)):
        return mine
    found = dict(theirs)
    for key in dict.fromkeys([*base, *mine]):
        old, new = base.get(key, MISSING), mine.get(key, MISSING)
        if new is MISSING:
            if old is not MISSING:
                found.pop(key, None)
        elif old is MISSING or old != new:
            there = found.get(key, MISSING)
            known = old is not MISSING and there is not MISSING
            found[key] = rebased(old, new, there) if known else new
    return found


# --- what differs --------------------------------------------------------------------------------


def differences(old: Rights, new: Rights) -> list[Difference]:
    """Everything that two versions say differently about rights, entity by entity."""
    found = [
        Difference("role", role=role, was=old.roles.get(role), now=new.roles.get(role))
        for role in dict.fromkeys([*old.roles, *new.roles])
        if old.roles.get(role) != new.roles.get(role)
    ]
    before = {"grades": old.grades, "everyone": old.everyone}
    after = {"grades": new.grades, "everyone": new.everyone}
    if before != after:
        found.append(Difference("clearance", was=before, now=after))
    for name in dict.fromkeys([*old.entities, *new.entities]):
        was, now = (one.entities.get(name, EntityRights()) for one in (old, new))
        found += _entity_differences(name, was, now)
    return found


def _entity_differences(name: str, was: EntityRights, now: EntityRights) -> Iterator[Difference]:
    if was.grade != now.grade:
        yield Difference("grade", name, was=was.grade, now=now.grade)
    for role in dict.fromkeys([*was.pool, *now.pool]):
        if was.pool.get(role) != now.pool.get(role):
            yield Difference("pool", name, "", role, "", was.pool.get(role), now.pool.get(role))
    for role in dict.fromkeys([*was.grants, *now.grants]):
        first, second = was.grants.get(role, {}), now.grants.get(role, {})
        for key in ACTIONS:
            if not same_value(first.get(key), second.get(key)):
                yield Difference("grant", name, "", role, key, first.get(key), second.get(key))
    for field in dict.fromkeys([*was.fields, *now.fields]):
        one, other = was.fields.get(field, {}), now.fields.get(field, {})
        for role in dict.fromkeys([*one, *other]):
            before, after = one.get(role, {}), other.get(role, {})
            if not same_grant(before, after, field=True):
                yield Difference("field", name, field, role, "", before, after)
