"""People, roles and departments in words, for the pages about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext

from dougong.devices import device_of
from dougong.i18n import language
from dougong.views.tokens import right_titles
from engine.access import Scopes, kept
from engine.definitions.model import text_of
from engine.records import people
from engine.records.personnel.users import Opened, Status, opened
from engine.records.unit import Unit

NAMED: Final = 6  # entities that a sentence names


@dataclass(frozen=True, slots=True)
class Choice:
    """An option of a select."""

    value: str
    label: str


def status_words() -> Mapping[Status, str]:
    """What the states of an account are called."""
    return {
        "active": gettext("In use"),
        "invited": gettext("Not joined yet"),
        "disabled": gettext("Closed account"),
    }


def role_title(unit: Unit, name: str) -> str:
    """A role's title; the name of one that is not defined any more."""
    role = unit.app.model.roles.get(name)
    return text_of(role.title, language()) if role else name


def role_rows(unit: Unit, held: Iterable[str]) -> list[dict[str, Any]]:
    """The roles to choose from, each with what it opens."""
    chosen, model = set(held), unit.app.model
    grades = {grade.name: text_of(grade.title, language()) for grade in model.grades}
    return [
        {
            "name": role.name,
            "title": text_of(role.title, language()),
            "admin": role.admin,
            "clearance": grades.get(role.clearance, ""),
            "about": reach(unit, opened(unit, [role.name])),
            "chosen": role.name in chosen,
        }
        for role in model.roles.values()
    ]


def lost_roles(unit: Unit, held: Iterable[str]) -> list[str]:
    """Roles that somebody holds and that the definitions no longer have: they open nothing."""
    return [name for name in held if name not in unit.app.model.roles]


def reach(unit: Unit, found: Opened) -> str:
    """How far roles reach, as a sentence."""
    if not found.seen and not found.changed:
        return gettext("Opens no records.")
    return gettext(
        "Sees %(seen)s of %(all)s kinds of records, changes %(changed)s.",
        seen=len(found.seen),
        all=len(unit.app.model.entities),
        changed=len(found.changed),
    )


def difference(unit: Unit, before: Iterable[str], after: Iterable[str]) -> str:
    """What a change of roles opens and shuts, one sentence to a line."""
    old, new = opened(unit, before), opened(unit, after)
    said = [reach(unit, new)]
    for words, names in (
        (gettext("Newly sees: %(names)s."), new.seen - old.seen),
        (gettext("Newly changes: %(names)s."), new.changed - old.changed),
        (gettext("No longer sees: %(names)s."), old.seen - new.seen),
        (gettext("No longer changes: %(names)s."), old.changed - new.changed),
    ):
        if names:
            said.append(words % {"names": _named(unit, names)})
    return "\n".join(said)


def sentences(*parts: str) -> str:
    """Sentences in a row, as the language puts them."""
    return ("" if language() == "zh-CN" else " ").join(part for part in parts if part)


def _named(unit: Unit, names: frozenset[str]) -> str:
    titles = [
        text_of(entity.plural, language())
        for name, entity in unit.app.model.entities.items()
        if name in names
    ]
    shown = gettext(", ").join(titles[:NAMED])
    return shown if len(titles) <= NAMED else f"{shown} … (+{len(titles) - NAMED})"


def device_words(agent: str) -> str:
    """A browser and its system, as far as they say."""
    found = device_of(agent)
    return " · ".join(part for part in (found.browser, found.system) if part)


def scope_words(unit: Unit, scopes: Scopes) -> str:
    """What a token may do."""
    titles, entities = right_titles(), unit.app.model.entities
    found = []
    for entity, rights in kept(scopes).items():
        known = entities.get(entity)
        place = text_of(known.plural, language()) if known else entity
        told = gettext(", ").join(titles.get(right, right) for right in rights)
        place = gettext("Everything") if entity == "*" else place
        found.append(gettext("%(place)s: %(rights)s", place=place, rights=told))
    return gettext("; ").join(found)


def department_choices(unit: Unit, but: Iterable[int] = ()) -> list[Choice]:
    """All departments as a select shows them: deeper ones further in."""
    left_out = set(but)
    return [
        Choice(str(one.id), "　" * (one.path.count("/") - 2) + one.name)
        for one in people.departments(unit.connection)
        if one.id not in left_out
    ]


def role_choices(unit: Unit) -> Sequence[Choice]:
    """All roles as a select shows them."""
    return [
        Choice(role.name, text_of(role.title, language())) for role in unit.app.model.roles.values()
    ]
