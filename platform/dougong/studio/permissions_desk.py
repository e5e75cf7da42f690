"""What every page about rights works on: the rights as drafted, as published and as the packs say
them, with words for all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from flask import request
from flask_babel import gettext

from dougong.i18n import language
from dougong.moments import exact
from dougong.routing import reading, writing
from dougong.studio.permissions_words import Words
from engine.access import EntityAccess, compile_access
from engine.definitions.access_edit import differences, path_of
from engine.definitions.access_rights import Rights, rights_of, without_overlay
from engine.definitions.model import Entity, Field, MenuItem, Model, text_of
from engine.fields import USER
from engine.packs import check_sources
from engine.problems import Problem, hint, text
from engine.records import definition_drafts as drafts
from engine.records.failures import NotFound
from engine.records.labels import names_of
from engine.records.unit import Unit

Columns = Mapping[str, tuple[Entity, Field]]  # path -> where the field stands, and itself


@dataclass(frozen=True)
class Desk:
    """One look at a company's rights. `against` is what the page compares with: the packs, or a
    version that was published once."""

    unit: Unit
    words: Words
    sources: Mapping[str, str]
    pack: str
    now: Rights
    packed: Rights
    published: Rights
    against: Rights
    compared: str  # "pack" or the number of a version
    kept: Mapping[str, drafts.FileDraft]
    _columns: dict[str, Columns] = field(default_factory=dict)
    _access: dict[tuple[str, str], EntityAccess] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: Unit, compared: str = "pack") -> Desk:
        """The rights of a company.

        Raises: NotFound for a version that does not exist.
        """
        kept, pack = drafts.drafts(unit), drafts.pack_of(unit)
        sources = drafts.drafted(unit, kept)
        now, packed = read(sources, pack), read(without_overlay(sources), pack)
        against = packed
        if compared != "pack":
            if not compared.isdecimal() or len(compared) > 18:
                raise NotFound
            version = int(compared)
            against = read(drafts.sources_of(unit, version), drafts.pack_of(unit, version))
        words = Words(unit.app.model, language(), now.roles)
        published = read(unit.app.sources, pack)
        return cls(unit, words, sources, pack, now, packed, published, against, compared, kept)

    @property
    def model(self) -> Model:
        """The published definitions, for titles and types."""
        return self.unit.app.model

    @property
    def roles(self) -> list[str]:
        """The roles, drafts included."""
        return list(self.now.roles)

    @property
    def entities(self) -> list[str]:
        """The entities that have rights to edit."""
        return [name for name in self.model.entities if name in self.now.entities]

    def admin(self, role: str) -> bool:
        """Whether a role may do everything, whatever its grants say."""
        return bool(self.now.roles.get(role, {}).get("admin"))

    @property
    def changes(self) -> int:
        """How many things the drafts change."""
        return len(differences(self.published, self.now))

    @property
    def editors(self) -> list[str]:
        """Who changed the drafts."""
        ids = [one.by for one in self.kept.values() if one.by is not None]
        names = names_of(self.unit, {USER: ids})
        return list(dict.fromkeys(names.label(USER, one) for one in ids))

    def seen(self, names: Sequence[str]) -> dict[str, int]:
        """The files of entities (or "pack") with the version of their draft, to be sent along."""
        found = {path_of(name): self.kept.get(path_of(name)) for name in names}
        return {path: one.version if one else 0 for path, one in found.items()}

    def columns(self, entity: str) -> Columns:
        """The fields of an entity that can have rights of their own, columns of rows too."""
        if entity not in self._columns:
            self._columns[entity] = dict(_columns(self.model.entities[entity]))
        return self._columns[entity]

    def access(self, entity: str, role: str) -> EntityAccess:
        """What a role may do with an entity, as it is published."""
        key = (entity, role)
        if key not in self._access:
            about = self.model.entities[entity]
            self._access[key] = compile_access(self.model, about, [role])
        return self._access[key]

    def groups(self) -> list[tuple[str, list[str]]]:
        """The entities as the menu groups them; the rest at the end."""
        known, placed, found = set(self.entities), set[str](), []
        for item in self.model.menus:
            names = [one for one in _linked(item) if one in known and one not in placed]
            names = list(dict.fromkeys(names))
            placed.update(names)
            if names:
                title = text_of(item.title, self.words.language)
                found.append((title or self.words.entity(names[0]), names))
        rest = [name for name in self.entities if name not in placed]
        return [*found, (gettext("Others"), rest)] if rest else found


def _columns(entity: Entity, prefix: str = "") -> Iterator[tuple[str, tuple[Entity, Field]]]:
    for name, found in entity.fields.items():
        if found.system:
            continue
        yield prefix + name, (entity, found)
        if found.rows is not None and not prefix:
            yield from _columns(found.rows, f"{name}.")


def _linked(item: MenuItem) -> Iterator[str]:
    if item.entity:
        yield item.entity
    for inner in item.items:
        yield from _linked(inner)


def read(sources: Mapping[str, str], pack: str) -> Rights:
    """The rights of sources; the same sources are looked at again and again."""
    return _read(tuple(sorted(sources.items())), pack)


@lru_cache(maxsize=12)
def _read(sources: tuple[tuple[str, str], ...], pack: str) -> Rights:
    return rights_of(dict(sources), pack)


# --- what is sent along --------------------------------------------------------------------------


def seen_in_form() -> dict[str, int]:
    """The versions of drafts that a posted form was made on."""
    found = {}
    for name, value in request.form.items():
        if name.startswith("v/") and value.isdecimal() and len(value) < 19:
            found[name[2:]] = int(value)
    return found


def compared() -> str:
    """What the page is to be compared with."""
    return request.values.get("against", "") or "pack"


def keep(make: Callable[[Desk], Mapping[str, str]]) -> None:
    """Put what `make` makes of the drafted sources into the draft.

    Raises: what `make` raises, Invalid, Conflict, Busy.
    """
    with reading() as unit:
        desk = Desk.of(unit)
        since, wanted = drafts.stand(unit, desk.kept), make(desk)
    if drafts.changed_files(desk.sources, wanted):
        drafts.sound(wanted, desk.pack, check_sources)
    with writing() as unit:
        drafts.save(unit, wanted, seen_in_form(), since)


def sentences(problems: Iterable[Problem]) -> list[str]:
    """Problems as sentences, with what to do about them."""
    told = language()
    return [
        " ".join(part for part in (text(one, told), hint(one, told)) if part) for one in problems
    ]


@dataclass(frozen=True)
class Version:
    """A published version in a list."""

    id: int
    when: str
    by: str
    note: str
    current: bool


def versions(unit: Unit) -> list[Version]:
    """The published versions, the newest first."""
    found = drafts.versions(unit)
    names = names_of(unit, {USER: [one["by_id"] for one in found if one["by_id"] is not None]})
    return [
        Version(
            one["id"],
            exact(one["at"].astimezone(unit.zone), language()),
            names.label(USER, one["by_id"]) if one["by_id"] is not None else "",
            one["note"],
            one["id"] == unit.app.version,
        )
        for one in found
    ]
