"""The cells of the permission tables, and what is posted from them.

A cell has a name such as "customer//sales/read" or "customer/phone/sales/mode": entity, field,
role, and what is set. The form sends its choice as "c/<name>" and the text of a rule as
"r/<name>". A cell offers only what would work there; a choice that it does not offer is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask import url_for
from flask_babel import gettext

from dougong.studio.permissions_desk import Desk
from dougong.studio.permissions_words import ACTIONS, FIELD_KEYS, MASKS, MODES, SCOPES
from engine.access import writable
from engine.definitions.access_edit import set_grants, set_modes
from engine.definitions.access_rights import (
    Place,
    Said,
    mode,
    same_grant,
    same_value,
    scope,
)
from engine.definitions.model import Field
from engine.expressions import ExpressionError, dependencies, parse
from engine.fields.masks import KINDS
from engine.packs import check_predicate
from engine.problems import Problem
from engine.records.failures import Invalid

_OWNED: Final = frozenset({"own", "department", "department_tree"})
_LONGEST: Final = 2000
_EXAMPLE: Final = re.compile(r"\s*[(（]")  # what a mask looks like stands behind its name
Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class CellView:
    """One cell. `fixed` stands in place of a choice where there is none; `note` says why something
    is not offered; `remark` is said below the choice; `was` is what the compared version says, when
    that differs."""

    name: str
    row: str
    column: str
    value: str = ""
    choices: Choices = ()
    rule: str = ""
    words: str = ""
    extra: str = ""
    remark: str = ""
    note: str = ""
    fixed: str = ""
    differs: bool = False
    was: str = ""
    problem: str = ""
    first: str | None = None  # what the draft holds, where a refused form shows something else
    first_rule: str = ""

    @property
    def title(self) -> str:
        """The chosen value in words."""
        return next((text for value, text in self.choices if value == self.value), self.fixed)


@dataclass(frozen=True)
class Target:
    """What a cell is about."""

    place: Place
    key: str

    @property
    def name(self) -> str:
        """The name that forms use."""
        return "/".join((self.place.entity, self.place.field, self.place.role, self.key))


def target_of(name: str) -> Target | None:
    """The target of a posted name."""
    parts = name.split("/")
    return Target(Place(parts[0], parts[2], parts[1]), parts[3]) if len(parts) == 4 else None


def cell(desk: Desk, target: Target) -> CellView | None:
    """The cell of a target; None when there is no such thing."""
    place = target.place
    if place.entity not in desk.now.entities or place.role not in desk.now.roles:
        return None
    if place.entity not in desk.model.entities:
        return None
    if not place.field:
        return _action_cell(desk, target) if target.key in ACTIONS else None
    found = desk.columns(place.entity).get(place.field)
    if found is None:
        return None
    if target.key == "mode":
        return _mode_cell(desk, target, found[1])
    return _key_cell(desk, target, found[1]) if target.key in FIELD_KEYS else None


# --- the matrix ----------------------------------------------------------------------------------


def _action_cell(desk: Desk, target: Target) -> CellView:
    place, key = target.place, target.key
    words, now = desk.words, desk.now.grant(place).get(key)
    plain = CellView(target.name, words.entity(place.entity), str(ACTIONS[key]))
    if desk.admin(place.role):
        return replace(plain, fixed=str(SCOPES["all"]), value="all")
    offered, note = _offered(desk, place.entity, key, scope(now))
    if not offered:
        return replace(plain, fixed="—", note=note)
    there = desk.against.grant(place).get(key)
    value = scope(now)
    differs = not same_value(now, there)
    return replace(
        plain,
        value=value,
        choices=[(one, str(SCOPES[one])) for one in offered],
        rule=str(now) if value == "rule" else "",
        words=words.rule(str(now), place.entity) if value == "rule" else "",
        note=note,
        differs=differs,
        was=words.predicate(there, place.entity) if differs else "",
    )


def _offered(desk: Desk, entity: str, key: str, now: str) -> tuple[list[str], str]:
    """The scopes that would work, and why others are missing."""
    about = desk.model.entities[entity]
    missing, notes = set[str](), []
    if key == "share" and "shared" not in about.traits and now == "none":
        return [], gettext("Records of this entity cannot be shared one by one.")
    if (owner := about.fields.get("owner")) is None or owner.type != "user":
        missing |= _OWNED
        notes.append(gettext("There is no field “owner”: own and department are not offered."))
    if key == "create":
        missing.add("participant")
    elif desk.model.workflow_of(entity) is None:
        missing.add("participant")
        notes.append(gettext("There is no workflow that anybody could take part in."))
    return [one for one in SCOPES if one not in missing or one == now], " ".join(notes)


# --- fields --------------------------------------------------------------------------------------


def _mode_cell(desk: Desk, target: Target, field: Field) -> CellView:
    place, words = target.place, desk.words
    plain = CellView(target.name, words.field(place.entity, place.field), words.role(place.role))
    if desk.admin(place.role):
        fixed = "masked" if field.write_only else "writable" if writable(field) else "readonly"
        return replace(plain, fixed=str(MODES[fixed]), value=fixed)
    now, there = desk.now.grant(place), desk.against.grant(place)
    value = mode(now)
    offered = [one for one in MODES if one != "condition" or value == one]
    if not writable(field):
        value = "readonly" if value == "writable" else value
        offered.remove("writable")
    differs = not same_grant(now, there, field=True)
    return replace(
        plain,
        value=value,
        choices=[(one, str(MODES[one])) for one in offered],
        words=words.grant(now, place.entity) if value == "condition" else "",
        extra=_extra(now) if value == "masked" else "",
        remark=inherited(desk, place, field),
        differs=differs,
        was=words.grant(there, place.entity) if differs else "",
    )


def anchor(place: Place) -> str:
    """The id of a field's row."""
    return f"f-{place.field.replace('.', '-')}"


def _extra(said: Said) -> str:
    mask = str(said.get("mask", ""))
    return _EXAMPLE.split(str(MASKS.get(mask, mask)))[0]


def inherited(desk: Desk, place: Place, field: Field) -> str:
    """What a formula that says nothing itself takes over from what it is made of."""
    if field.compute is None or desk.now.grant(place) or "." in place.field:
        return ""
    entity = desk.model.entities[place.entity]
    access = desk.access(place.entity, place.role)
    if not access.may("read") or access.fields[field.name].read.always:
        return ""
    try:
        names = {path[0] for path in dependencies(parse(field.compute.expr))}
    except ExpressionError:
        return ""
    made_of = [desk.words.field(place.entity, one) for one in entity.fields if one in names]
    return gettext(
        "Worked out from %(fields)s, and as hidden as they are.",
        fields=gettext(", ").join(made_of),
    )


def _key_cell(desk: Desk, target: Target, field: Field) -> CellView | None:
    place, key = target.place, target.key
    words, now, there = desk.words, desk.now.grant(place), desk.against.grant(place)
    plain = CellView(target.name, words.field(place.entity, place.field), str(FIELD_KEYS[key]))
    if desk.admin(place.role):
        return replace(plain, fixed="—")
    if key == "write" and not writable(field):
        return replace(plain, fixed="—", note=gettext("Nobody types this field in."))
    choices, value = _key_choices(desk, place, key, now)
    rule = str(now[key]) if value == "rule" else ""
    differs = not _same_key(now, there, key)
    note = ""
    if key in ("reveal", "search") and not now.get("mask"):
        note = gettext("Works once there is a mask.")
    return replace(
        plain,
        value=value,
        choices=choices,
        rule=rule,
        words=words.rule(rule, place.entity) if rule else "",
        note=note,
        remark=inherited(desk, place, field) if key == "read" else "",
        differs=differs,
        was=_key_words(desk, place, there, key) if differs else "",
    )


def _same_key(now: Said, there: Said, key: str) -> bool:
    if key in ("mask", "search"):
        return (now.get(key) or "") == (there.get(key) or "")
    return same_value(now.get(key), there.get(key), field=key != "reveal")


def _key_choices(desk: Desk, place: Place, key: str, now: Said) -> tuple[Choices, str]:
    if key == "mask":
        kinds = [("", gettext("no mask")), *((one, str(MASKS.get(one, one))) for one in KINDS)]
        return kinds, str(now.get("mask") or "")
    if key == "search":
        return [("", gettext("no")), ("yes", gettext("yes"))], "yes" if now.get("search") else ""
    value = scope(now.get(key))
    offered = _offered(desk, place.entity, key, value)[0]
    yes_no = {"all": gettext("always"), "none": gettext("never")}
    found = [(one, yes_no.get(one, str(SCOPES[one]))) for one in offered]
    if key != "reveal":
        found.insert(0, ("", gettext("as the record") if key == "read" else gettext("as seen")))
        value = "" if now.get(key) is None else value
    return found, value


def _key_words(desk: Desk, place: Place, said: Said, key: str) -> str:
    choices, value = _key_choices(desk, place, key, said)
    if value == "rule":
        return desk.words.rule(str(said[key]), place.entity)
    return next((text for one, text in choices if one == value), value)


# --- what is posted ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Posted:
    """The sources as a form would make them, and the cells that it changes."""

    sources: Mapping[str, str]
    changed: Sequence[CellView]


def posted(desk: Desk, form: Mapping[str, str]) -> Posted:
    """What a form of cells changes.

    Raises: Invalid with a problem for every cell that cannot be so; its pointer is the cell's name.
    """
    problems: list[Problem] = []
    grants: list[tuple[Place, Mapping[str, Any]]] = []
    modes: list[tuple[Place, str, str]] = []
    changed = []
    for key, value in form.items():
        if not key.startswith("c/"):
            continue
        target = target_of(key[2:])
        view = cell(desk, target) if target else None
        if target is None or view is None or not _known(view, value):
            problems.append(Problem("K015", {}, key[2:]))
            continue
        rule = form.get(f"r/{target.name}", view.rule).strip()[: _LONGEST + 1]
        if value == view.value and (value != "rule" or rule == view.rule):
            continue
        if value == "rule":
            problems += _rule_problems(desk, target, rule)
        changed.append(replace(view, value=value, rule=rule if value == "rule" else ""))
        if target.key == "mode":
            modes.append(_mode(desk, target.place, value))
        else:
            grants.append((target.place, {target.key: _predicate(target.key, value, rule)}))
    if problems:
        raise Invalid(problems[:20])
    sources = set_modes(desk.sources, desk.pack, modes) if modes else dict(desk.sources)
    return Posted(set_grants(sources, desk.pack, grants) if grants else sources, changed)


def _known(view: CellView, value: str) -> bool:
    return value in {one for one, _ in view.choices}


def _predicate(key: str, value: str, rule: str) -> Any:
    if key == "mask":
        return value
    if key == "search":
        return value == "yes"
    return {"": None, "all": True, "none": False, "rule": rule}.get(value, value)


def _mode(desk: Desk, place: Place, value: str) -> tuple[Place, str, str]:
    """A mode to set, with the mask that suits the field."""
    field = desk.columns(place.entity)[place.field][1]
    if value == "readonly" and not writable(field):
        value = "writable"  # nobody types it in anyway
    return place, value, field.type if field.type in KINDS else "all"


def _rule_problems(desk: Desk, target: Target, rule: str) -> Iterable[Problem]:
    place, words = target.place, desk.words
    if not rule:
        name = ACTIONS.get(target.key) or FIELD_KEYS[target.key]
        params = {"entity": words.entity(place.entity), "role": words.role(place.role)}
        return [Problem("K005", {**params, "action": str(name)}, target.name)]
    return [replace(one, pointer=target.name) for one in judged(desk, place, target.key, rule)]


def judged(desk: Desk, place: Place, key: str, rule: str) -> list[Problem]:
    """What is wrong with a rule where it stands."""
    entity = desk.model.entities[place.entity]
    if place.field:
        entity = desk.columns(place.entity)[place.field][0]
    rows = not place.field and key != "create"
    return check_predicate(desk.model, entity, rule, in_database=rows)


def typed(view: CellView | None, form: Mapping[str, str], problems: Mapping[str, str]) -> CellView:
    """A cell as somebody left it in a form that was refused."""
    assert view is not None
    value = form.get(f"c/{view.name}", view.value)
    rule = form.get(f"r/{view.name}", view.rule)[:_LONGEST]
    kept = value if _known(view, value) else view.value
    return replace(
        view,
        value=kept,
        rule=rule,
        problem=problems.get(view.name, ""),
        first=view.value,
        first_rule=view.rule,
    )


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowView:
    """One line of a table."""

    key: str
    title: str
    meta: str
    href: str
    cells: Sequence[CellView]
    signs: Sequence[tuple[str, str]] = ()  # icon and what it means

    @property
    def differs(self) -> bool:
        """Whether any cell differs from what is compared."""
        return any(one.differs for one in self.cells)


@dataclass(frozen=True)
class GroupView:
    """Lines under one heading; "" for none."""

    title: str
    rows: Sequence[RowView]


def role_rows(desk: Desk, role: str) -> list[GroupView]:
    """A role at every entity."""
    return [
        GroupView(
            title,
            [
                RowView(
                    name,
                    desk.words.entity(name),
                    name,
                    url_for("permissions.index", entity=name),
                    _cells(desk, Place(name, role), ACTIONS),
                )
                for name in names
            ],
        )
        for title, names in desk.groups()
    ]


def entity_rows(desk: Desk, entity: str) -> list[GroupView]:
    """Every role at an entity."""
    rows = []
    for role in desk.roles:
        cells = _cells(desk, Place(entity, role), ACTIONS)
        named = [replace(one, row=desk.words.role(role)) for one in cells]
        href = url_for("permissions.index", role=role)
        rows.append(RowView(role, desk.words.role(role), role, href, named))
    return [GroupView("", rows)]


def field_rows(desk: Desk, entity: str, role: str = "") -> list[GroupView]:
    """Every field of an entity: its mode for each role, or all that one role may do with it."""
    rows = []
    for path, (_, field) in desk.columns(entity).items():
        if role:
            cells = _cells(desk, Place(entity, role, path), FIELD_KEYS)
        else:
            found = [_cells(desk, Place(entity, one, path), ("mode",)) for one in desk.roles]
            cells = [one for each in found for one in each]
        title, place = desk.words.field(entity, path), Place(entity, role, path)
        rows.append(RowView(anchor(place), title, path, "", cells, signs(field)))
    return [GroupView("", rows)]


def _cells(desk: Desk, place: Place, keys: Iterable[str]) -> list[CellView]:
    found = [cell(desk, Target(place, key)) for key in keys]
    return [one for one in found if one is not None]


def signs(field: Field) -> list[tuple[str, str]]:
    """What is special about a field, as icons with words."""
    found = []
    if field.compute is not None:
        found.append(("calculator", gettext("worked out by a formula")))
    if "personal" in field.privacy:
        found.append(("id", gettext("personal data")))
    if "encrypted" in field.privacy:
        found.append(("lock", gettext("kept encrypted")))
    if "logged" in field.privacy:
        found.append(("eye", gettext("who sees it is written down")))
    return found
