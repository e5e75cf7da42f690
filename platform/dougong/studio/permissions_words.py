"""Rights in words: scopes, modes of fields, conditions, and what differs between two versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext, lazy_gettext

from engine.definitions.access_edit import Difference
from engine.definitions.access_rights import Said, mode, scope
from engine.definitions.labels import label
from engine.definitions.model import Entity, Field, Label, Model, text_of
from engine.expressions import ExpressionError, explain, parse

SCOPES: Final = {
    "none": lazy_gettext("None"),
    "own": lazy_gettext("Own"),
    "department": lazy_gettext("Own department"),
    "department_tree": lazy_gettext("Department and below"),
    "participant": lazy_gettext("Takes part"),
    "all": lazy_gettext("All"),
    "rule": lazy_gettext("Rule"),
}
ACTIONS: Final = {
    "read": lazy_gettext("View"),
    "create": lazy_gettext("Create"),
    "write": lazy_gettext("Edit"),
    "delete": lazy_gettext("Delete"),
    "export": lazy_gettext("Export"),
    "share": lazy_gettext("Share"),
}
MODES: Final = {
    "writable": lazy_gettext("Editable"),
    "readonly": lazy_gettext("Read only"),
    "masked": lazy_gettext("Masked"),
    "hidden": lazy_gettext("Hidden"),
    "condition": lazy_gettext("Conditional"),
}
FIELD_KEYS: Final = {
    "read": lazy_gettext("See"),
    "write": lazy_gettext("Change"),
    "mask": lazy_gettext("Mask"),
    "reveal": lazy_gettext("Uncover"),
    "search": lazy_gettext("Find by whole value"),
}
MASKS: Final = {
    "all": lazy_gettext("everything (******)"),
    "phone": lazy_gettext("phone (138****8000)"),
    "name": lazy_gettext("name (Z***)"),
    "idcard": lazy_gettext("identity card (110***********1234)"),
    "bankcard": lazy_gettext("bank card (**** 1234)"),
    "email": lazy_gettext("e-mail (z***@example.com)"),
}


_OF_PEOPLE: Final = {
    "dept": lazy_gettext("Department"),
    "manager": lazy_gettext("Superior"),
    "name": lazy_gettext("Name"),
    "login": lazy_gettext("Login name"),
    "roles": lazy_gettext("Roles"),
}


@dataclass(frozen=True)
class Words:
    """Says rights in one language, with the titles of one company."""

    model: Model
    language: str
    roles: Mapping[str, Said]  # as they are written, drafts included

    def title(self, said: Label, otherwise: str) -> str:
        """A label in the reader's language."""
        return text_of(said, self.language) or otherwise

    def role(self, name: str) -> str:
        """What a role is called."""
        return self.title(label(self.roles.get(name, {}), self.model.default_language), name)

    def entity(self, name: str) -> str:
        """What the records of an entity are called."""
        found = self.model.entities.get(name)
        return self.title(found.plural or found.title, name) if found else name

    def field(self, entity: str, path: str) -> str:
        """What a field is called; a column of rows with its field."""
        names, here = [], self.model.entities.get(entity)
        for name in path.split("."):
            found = here.fields.get(name) if here else None
            names.append(self.title(found.title, name) if found else name)
            here = found.rows if found else None
        return " · ".join(names)

    def predicate(self, value: Any, entity: str) -> str:
        """A scope by its word, a rule by its sentence."""
        found = scope(value)
        return self.rule(str(value), entity) if found == "rule" else str(SCOPES[found])

    def rule(self, source: str, entity: str) -> str:
        """An expression as a sentence; itself when it cannot be read."""
        try:
            return explain(parse(source), self.language, lambda path: self._path(entity, path))
        except ExpressionError:
            return source

    def _path(self, entity: str, path: Sequence[str]) -> str:
        here: Entity | None = self.model.entities.get(entity)
        words: list[str] = []
        for name in path:
            found: Field | None = here.fields.get(name) if here else None
            if found is None and here is None and words and name in _OF_PEOPLE:
                words.append(str(_OF_PEOPLE[name]))
                continue
            if here is None or found is None:
                back = self.model.inverses(here.name).get(name) if here else None
                if back is None:
                    return ""
                words.append(self.title(back[0].plural, name))
                here = back[0]
                continue
            words.append(self.title(found.title, name))
            here = self.model.entities.get(found.reference.to) if found.reference else found.rows
        return " · ".join(words)

    def grant(self, said: Said, entity: str) -> str:
        """What a role may do with a field."""
        kind = mode(said)
        parts = [str(MODES[kind])]
        if kind == "condition":
            parts = [
                f"{FIELD_KEYS[key]}: {self.predicate(said[key], entity)}"
                for key in ("read", "write")
                if said.get(key) is not None
            ]
        if mask := said.get("mask"):
            parts.append(gettext("mask: %(kind)s", kind=MASKS.get(str(mask), str(mask))))
        if scope(said.get("reveal")) != "none":
            to = self.predicate(said["reveal"], entity)
            parts.append(f"{FIELD_KEYS['reveal']}: {to}")
        if said.get("search"):
            parts.append(str(FIELD_KEYS["search"]))
        return gettext("; ").join(parts)


@dataclass(frozen=True)
class Told:
    """A difference in words."""

    about: str  # the entity or what else it stands under
    what: str
    was: str
    now: str


def told(one: Difference, words: Words) -> Told:
    """A difference, for people."""
    role = words.role(one.role)
    about = words.entity(one.entity) if one.entity else gettext("Roles and grades")
    if one.kind == "grant":
        was, now = (words.predicate(value, one.entity) for value in (one.was, one.now))
        return Told(about, f"{role} · {ACTIONS[one.key]}", was, now)
    if one.kind == "field":
        field = words.field(one.entity, one.field)
        was, now = (words.grant(value, one.entity) for value in (one.was, one.now))
        return Told(about, f"{role} · {field}", was, now)
    if one.kind == "role":
        return Told(about, role, _role(one.was, words), _role(one.now, words))
    if one.kind == "pool":
        was, now = (_limits(value, one.entity, words) for value in (one.was, one.now))
        return Told(about, gettext("%(role)s · limits in the pool", role=role), was, now)
    if one.kind == "grade":
        was, now = (_grade_path(value, one.entity, words) for value in (one.was, one.now))
        return Told(about, gettext("Field with the grade of secrecy"), was, now)
    was, now = (_clearance(value, words) for value in (one.was, one.now))
    return Told(about, gettext("Grades of secrecy"), was, now)


def _role(said: Said | None, words: Words) -> str:
    if said is None:
        return gettext("does not exist")
    language = words.model.default_language
    titles = label(said, language)
    parts = [" / ".join(dict.fromkeys(titles.values()))]
    if said.get("admin"):
        parts.append(gettext("administrators"))
    if said.get("clearance"):
        parts.append(gettext("cleared up to %(grade)s", grade=said["clearance"]))
    if said.get("description"):
        parts.append(str(said["description"]))
    return gettext("; ").join(parts)


def _limits(said: Said | None, entity: str, words: Words) -> str:
    if said is None:
        return gettext("none")
    parts = []
    if "shows" in said:
        names = [words.field(entity, str(name)) for name in said["shows"]]
        parts.append(gettext("sees %(fields)s", fields=gettext(", ").join(names) or "—"))
    for key, title in LIMITS.items():
        if key in said:
            parts.append(f"{title}: {said[key]}")
    return gettext("; ").join(parts) or gettext("takes records without a limit")


LIMITS: Final = {
    "views": lazy_gettext("Opens a day"),
    "claims": lazy_gettext("Takes a day"),
    "holds": lazy_gettext("Owns at most"),
}


def _grade_path(path: Any, entity: str, words: Words) -> str:
    return words.rule(str(path), entity) if path else gettext("none")


def _clearance(said: Said, words: Words) -> str:
    grades = sorted(said["grades"].items(), key=lambda item: item[1].get("order", 0))
    if not grades:
        return gettext("none")
    language = words.model.default_language
    titles = [words.title(label(one, language), name) for name, one in grades]
    everyone = said["grades"].get(said["everyone"], {})
    shown = words.title(label(everyone, language), said["everyone"])
    listed = " < ".join(titles)
    return gettext("%(grades)s; everybody: %(grade)s", grades=listed, grade=shown)
