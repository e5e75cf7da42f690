"""Checks that look across definitions: every name leads somewhere, and nothing contradicts.

They run over the merged result, because RFC 7396 cannot see what an overlay leaves dangling.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

from engine.definitions.checking import near
from engine.definitions.document import Findings, pointer
from engine.definitions.fields import SCOPES
from engine.definitions.limits import FIELDS
from engine.definitions.lint_company import lint_pack, lint_workflow
from engine.definitions.lint_fields import lint_field
from engine.definitions.lint_privacy import (
    lint_privacy,
    lint_privacy_of_cards,
    lint_privacy_of_flow,
)
from engine.definitions.lint_rights import lint_clearance, lint_rights
from engine.definitions.model import MISSING, Entity, Field, Model, Rule
from engine.definitions.names import (
    ALWAYS_THERE,
    DATES,
    FILLED_BY_ITSELF,
    GROUPING,
    OURS,
    SYSTEM_FIELDS,
    UNSORTABLE,
)


@dataclass(frozen=True)
class Known:
    """What names may be pointed at. `fields`, `entities` and `roles` are what was written down,
    even where it turned out to be broken, so that one mistake is told once."""

    model: Model
    types: frozenset[str]
    fields: Mapping[str, frozenset[str]]
    entities: frozenset[str]
    roles: frozenset[str]

    def field_names(self, entity: str) -> frozenset[str]:
        """Everything that can stand where a field of `entity` is asked for."""
        found = self.model.entities.get(entity)
        own = frozenset(found.fields) if found else frozenset()
        return own | self.fields.get(entity, frozenset()) | ALWAYS_THERE

    def has_role(self, role: str) -> bool:
        return role in self.roles or role in self.model.roles


def lint(name: tuple[str, str], findings: Findings, known: Known) -> None:
    """Reports what is wrong with one definition among all others."""
    kind, key = name
    if kind == "pack":
        lint_pack(known.model, findings, known.entities, known.field_names)
        lint_clearance(known.model, findings)
        lint_privacy_of_cards(known.model, findings)
        return
    if kind == "workflow":
        if flow := known.model.workflows.get(key):
            lint_workflow(flow, known.model, findings, known.entities, known.fields)
            lint_privacy_of_flow(flow, known.model, findings)
        return
    entity = known.model.entities.get(key)
    if entity is None:
        return
    about = _About(entity, findings, known)
    for check in _CHECKS:
        check(about)
    lint_privacy(entity, known.model, findings)


@dataclass(frozen=True)
class _About:
    """One entity under examination."""

    entity: Entity
    findings: Findings
    known: Known

    def field(self, name: str, at: str) -> Field | None:
        """The field of that name; reports it when there is none."""
        names = self.known.field_names(self.entity.name)
        if name not in names:
            self.findings.add("D060", at, field=name, entity=self.entity.name,
                              **near(name, names))  # fmt: skip
        return self.entity.fields.get(name)

    def role(self, name: str, at: str) -> None:
        if not self.known.has_role(name):
            roles = list(self.known.model.roles)
            self.findings.add("D061", at, role=name, **near(name, roles))

    @property
    def raw(self) -> Mapping[str, Any]:
        return self.findings.data


def _fields(about: _About) -> None:
    own = {name: one for name, one in about.entity.fields.items() if not one.system}
    if about.entity.name.startswith(OURS):
        about.findings.add("D124", "/x-entity/name", name=about.entity.name, start=OURS)
    for name in SYSTEM_FIELDS:  # the platform's own stands in its place by now
        if name in about.raw.get("properties", {}):
            about.findings.add("D042", pointer("properties", name), field=name)
    if len(own) > FIELDS:
        about.findings.add("D044", "/properties", limit=FIELDS, count=len(own))
    for name, found in own.items():
        at = pointer("properties", name)
        lint_field(found, at, about.known.types, about.findings, nested=False)
        for old in found.was:
            if old in own:
                about.findings.add("D057", f"{at}/x-was", field=name, old=old)
        for role in found.access:
            about.role(role, at + pointer("x-access", role))
        if found.reference:
            _reference(found, at, about)
    for index, name in enumerate(about.raw.get("required", ())):
        about.field(name, f"/required/{index}")


def _reference(found: Field, at: str, about: _About) -> None:
    assert found.reference is not None
    target = found.reference.to
    if target not in about.known.entities:
        about.findings.add("D062", f"{at}/x-ref/to", entity=target,
                           **near(target, about.known.entities))  # fmt: skip
    inverse = found.reference.inverse
    if not inverse:
        return
    if inverse in about.known.field_names(target):
        about.findings.add("D063", f"{at}/x-ref/inverse", name=inverse, entity=target,
                           other=f"{target}.{inverse}")  # fmt: skip
    for other, twin in _references(about.known.model):
        taken = twin.reference
        if taken and (taken.to, taken.inverse) == (target, inverse) and twin is not found:
            about.findings.add("D063", f"{at}/x-ref/inverse", name=inverse, entity=target,
                               other=f"{other.name}.{twin.name}")  # fmt: skip


def _references(model: Model) -> Iterator[tuple[Entity, Field]]:
    for entity in model.entities.values():
        for found in entity.fields.values():
            if found.reference:
                yield entity, found


def _label(about: _About) -> None:
    at = "/x-entity/label"
    template = about.entity.label
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        about.findings.add("D064", at, template=template)
        return
    if any(spec or turn or name == "" for _, name, spec, turn in parts):
        about.findings.add("D064", at, template=template)
        return
    for _, name, _, _ in parts:
        if name is not None:
            about.field(name, at)


def _traits(about: _About) -> None:
    traits, fields = about.entity.traits, about.entity.fields
    needs_owner = traits & {"owned", "pooled"}
    owner = fields.get("owner")
    if needs_owner and (owner is None or owner.type != "user"):
        about.findings.add("D076", "/x-entity/traits", trait=min(needs_owner), field="owner",
                           type="user")  # fmt: skip
    parent = fields.get("parent")
    leads_home = parent and parent.reference and parent.reference.to == about.entity.name
    if "tree" in traits and not leads_home:
        about.findings.add("D076", "/x-entity/traits", trait="tree", field="parent", type="ref")


def _rules(about: _About) -> None:
    for name, rule in about.entity.rules.items():
        at = pointer("x-rules", name)
        effects = {"require": rule.require, "readonly": rule.readonly, "hide": rule.hide}
        for key, names in effects.items():
            for index, one in enumerate(names):
                about.field(one, f"{at}/{key}/{index}")
        for one in rule.set:
            about.field(one, at + pointer("set", one))
        _rule_options(rule, at, about)
        if not (rule.check or rule.set or rule.options or any(effects.values())):
            about.findings.add("D070", at, rule=name)
        if both := set(rule.hide) & set(rule.require):
            about.findings.add("D071", at, rule=name, fields=sorted(both))
        if rule.check and not rule.message:
            about.findings.warn("D073", at, rule=name)
        for one in rule.hide:
            hidden = about.entity.fields.get(one)
            if hidden and hidden.required and hidden.default is MISSING and not hidden.compute:
                about.findings.warn("D072", at, rule=name, field=one)


def _rule_options(rule: Rule, at: str, about: _About) -> None:
    for name, values in rule.options.items():
        here = at + pointer("options", name)
        found = about.field(name, here)
        if found is None:
            continue
        allowed = [option.value for option in found.options]
        for index, value in enumerate(values):
            if value not in allowed:
                about.findings.add("D069", f"{here}/{index}", option=value, field=name,
                                   **near(value, allowed))  # fmt: skip


def _access(about: _About) -> None:
    owned = "owner" in about.known.field_names(about.entity.name)
    for role, said in about.raw.get("x-access", {}).items():
        at = pointer("x-access", role)
        about.role(role, at)
        for action, value in said.items():
            if value in SCOPES and "owner" in SCOPES[value] and not owned:
                about.findings.add("D075", f"{at}/{action}", word=value)
    for role, grant in about.entity.access.items():
        if grant.create in (None, False):
            continue
        for name, found in about.entity.fields.items():
            narrowed = found.access.get(role)
            if narrowed and narrowed.write is False and found.required and _must_be_typed(found):
                about.findings.warn("D079", pointer("properties", name, "x-access", role),
                                    role=role, field=name)  # fmt: skip


def _must_be_typed(found: Field) -> bool:
    """Nothing but a person fills it in."""
    return found.default is MISSING and not found.compute and found.type not in FILLED_BY_ITSELF


def _keys(about: _About) -> None:
    keys = about.entity.keys
    kinds = {"unique": keys.unique, "index": keys.index, "duplicate": keys.duplicate}
    for kind, groups in kinds.items():
        for index, names in enumerate(groups):
            for name in names:
                at = f"/x-keys/{kind}/{index}"
                found = about.field(name, at)
                if found and (found.type in UNSORTABLE or _not_kept(found)):
                    about.findings.add("D090", at, field=name, type=found.type)


def _form(about: _About) -> None:
    if "x-form" not in about.raw:
        return
    placed: set[str] = set()
    for part, said in enumerate(about.entity.form):
        for line, row in enumerate(said.rows):
            for name in row:
                at = f"/x-form/{part}/rows/{line}"
                about.field(name, at)
                if name in placed:
                    about.findings.warn("D074", at, field=name)
                placed.add(name)


def _list(about: _About) -> None:
    view = about.entity.list
    for key, names in (("columns", view.columns), ("filters", view.filters), ("sort", view.sort)):
        for index, name in enumerate(names):
            at = f"/x-list/{key}/{index}"
            found = about.field(name.removeprefix("-"), at)
            if key == "sort" and found and (found.type in UNSORTABLE or _not_kept(found)):
                about.findings.add("D067", at, field=found.name, type=found.type)
    found = about.field(view.board, "/x-list/board") if view.board else None
    if found and found.type not in GROUPING:
        about.findings.add("D065", "/x-list/board", field=found.name, type=found.type,
                           allowed=sorted(GROUPING))  # fmt: skip
    for index, name in enumerate(view.calendar):
        found = about.field(name, f"/x-list/calendar/{index}")
        if found and found.type not in DATES:
            about.findings.add("D066", f"/x-list/calendar/{index}", field=name, type=found.type)


def _not_kept(found: Field) -> bool:
    """Worked out on reading, so that the database can neither sort nor index it."""
    return found.compute is not None and not found.compute.store


def _rights(about: _About) -> None:
    lint_rights(about.entity, about.known.model, about.findings)


_CHECKS: Final[Collection[Callable[[_About], None]]] = (
    _fields,
    _label,
    _traits,
    _rules,
    _access,
    _rights,
    _keys,
    _form,
    _list,
)
