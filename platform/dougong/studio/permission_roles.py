"""Roles, grades of secrecy, and what an entity says of grades and its pool: plain forms whose
answers go into the same draft as the matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flask import Blueprint, Response, flash, make_response, render_template, request
from flask import url_for as address
from flask_babel import gettext

from dougong.i18n import NAMES, language
from dougong.routing import administrators_only, go, patient, reading
from dougong.studio.permissions import frame
from dougong.studio.permissions_desk import Desk, keep, sentences
from dougong.studio.permissions_words import LIMITS
from engine.definitions.access_edit import (
    copy_grants,
    remove_role,
    set_clearance,
    set_grade,
    set_pool,
    set_role,
)
from engine.definitions.access_rights import EntityRights, Said
from engine.definitions.labels import label
from engine.definitions.model import Entity, text_of
from engine.problems import Problem
from engine.records.failures import Conflict, Failure, Invalid, NotFound
from engine.records.role_uses import Use, counts, role_uses

blueprint = Blueprint("permission_roles", __name__, url_prefix="/<company>/admin/permissions")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TITLE: Final = 200
_DESCRIPTION: Final = 2000
_MOST: Final = {"views": 100_000, "claims": 100_000, "holds": 1_000_000}


# --- roles ---------------------------------------------------------------------------------------


@blueprint.get("/roles")
@administrators_only
def index() -> str:
    """All roles and grades."""
    with reading() as unit:
        return _index(Desk.of(unit))


def _index(desk: Desk, problems: Sequence[Problem] = ()) -> str:
    held, default = counts(desk.unit), desk.model.default_language
    return render_template(
        "studio/permissions_roles.html",
        **frame(desk, "roles", gettext("Roles and grades")),
        roles=[
            {
                "name": name,
                "title": desk.words.role(name),
                "about": said.get("description", ""),
                "admin": desk.admin(name),
                "clearance": _grade_title(desk, str(said.get("clearance", ""))),
                "people": held.get(name, 0),
                "new": name not in desk.published.roles,
                "differs": said != desk.packed.roles.get(name),
                "href": address(".role", role=name),
                "matrix": address("permissions.index", role=name),
            }
            for name, said in desk.now.roles.items()
        ],
        gone=[name for name in desk.published.roles if name not in desk.now.roles],
        grades=[
            {"name": name, "titles": label(said, default), "order": said.get("order", "")}
            for name, said in _ordered(desk.now.grades)
        ],
        everyone=desk.now.everyone,
        languages=_languages(desk),
        seen=desk.seen(["pack"]),
        problems=sentences(problems),
        given=request.form,
    )


def _languages(desk: Desk) -> list[tuple[str, str]]:
    """The languages of titles with their own names, the company's first one first."""
    return [(one, NAMES.get(one, one)) for one in desk.model.languages]


def _ordered(grades: Mapping[str, Said]) -> list[tuple[str, Said]]:
    return sorted(grades.items(), key=lambda item: item[1].get("order", 0))


def _grade_title(desk: Desk, grade: str) -> str:
    titles = label(desk.now.grades.get(grade, {}), desk.model.default_language)
    return text_of(titles, language()) or grade


@blueprint.get("/roles/new")
@administrators_only
def new() -> str:
    """The form of a new role."""
    with reading() as unit:
        return _form(Desk.of(unit), "", {})


@blueprint.post("/roles")
@administrators_only
@patient
def create() -> Response | str:
    """Make a role in the draft."""
    name = request.form.get("name", "").strip()
    like = request.form.get("like", "")

    def make(desk: Desk) -> Mapping[str, str]:
        if not _NAME.fullmatch(name):
            raise Invalid([Problem("K007", {"role": name[:40]}, "/name")])
        if name in desk.now.roles:
            raise Invalid([Problem("K008", {"role": name}, "/name")])
        if like and like not in desk.now.roles:
            raise Invalid([Problem("K015", {}, "/like")])
        made = set_role(desk.sources, desk.pack, name, _said(desk, {}))
        return copy_grants(made, desk.pack, name, like) if like else made

    return _kept("", make) or go(address("permissions.index", role=name))


@blueprint.get("/roles/<role>")
@administrators_only
def role(role: str) -> str:
    """The form of a role."""
    with reading() as unit:
        desk = Desk.of(unit)
        if role not in desk.now.roles:
            raise NotFound
        return _form(desk, role, desk.now.roles[role])


@blueprint.post("/roles/<role>")
@administrators_only
@patient
def save(role: str) -> Response | str:
    """Change a role in the draft."""

    def make(desk: Desk) -> Mapping[str, str]:
        if role not in desk.now.roles:
            raise NotFound
        return set_role(desk.sources, desk.pack, role, _said(desk, desk.now.roles[role]))

    return _kept(role, make) or go(address(".index"))


@blueprint.post("/roles/<role>/remove")
@administrators_only
@patient
def remove(role: str) -> Response | str:
    """Remove a role that nobody and nothing needs."""

    def make(desk: Desk) -> Mapping[str, str]:
        if role not in desk.now.roles:
            raise NotFound
        if role_uses(desk.unit, role, desk.sources):
            raise Conflict([Problem("K006", {"role": desk.words.role(role)})])
        return remove_role(desk.sources, desk.pack, role)

    return _kept(role, make) or go(address(".index"))


def _kept(role: str, make: Any) -> Response | None:
    """Nothing when the draft took it, else the form again."""
    try:
        keep(make)
    except (Conflict, Invalid) as failure:
        with reading() as unit:
            desk = Desk.of(unit)
            said = desk.now.roles.get(role, {})
            shown = _form(desk, role, said, failure)
        return make_response(shown, 409 if isinstance(failure, Conflict) else 422)
    flash(gettext("The change is in the draft."), "success")
    return None


def _form(desk: Desk, role: str, said: Said, failure: Failure | None = None) -> str:
    default = desk.model.default_language
    titles: dict[str, str] = dict(label(said, default))
    given = {
        "titles": titles,
        "description": said.get("description", ""),
        "admin": bool(said.get("admin")),
        "clearance": said.get("clearance", ""),
    }
    if isinstance(failure, Invalid):
        given = _typed(desk)
    return render_template(
        "studio/permissions_role.html",
        **frame(desk, "roles", desk.words.role(role) if role else gettext("New role")),
        role=role,
        given=given,
        name=request.form.get("name", ""),
        like=request.form.get("like", ""),
        languages=_languages(desk),
        grades=[(name, _grade_title(desk, name)) for name, _ in _ordered(desk.now.grades)],
        roles=[(name, desk.words.role(name)) for name in desk.roles],
        uses=_uses(desk, role) if role else [],
        seen=desk.seen(["pack", *desk.entities]),
        problems=sentences(failure.problems) if failure else [],
    )


def _uses(desk: Desk, role: str) -> list[tuple[str, str, list[str]]]:
    """Where a role is needed, by kind: icon, heading, names."""
    kinds = {
        "person": ("users", gettext("People")),
        "workflow": ("sitemap", gettext("Workflows")),
        "cases": ("activity", gettext("Running cases of older versions")),
        "expression": ("code", gettext("Expressions")),
    }
    found: dict[str, list[str]] = {}
    for use in role_uses(desk.unit, role, desk.sources):
        found.setdefault(use.kind, []).append(_use(desk, use))
    return [(*kinds[kind], names) for kind, names in found.items()]


def _use(desk: Desk, use: Use) -> str:
    if use.kind == "expression":
        return desk.words.entity(use.name)
    return text_of(use.title, language()) or use.name


def _typed(desk: Desk) -> dict[str, Any]:
    form = request.form
    return {
        "titles": {one: form.get(f"title.{one}", "") for one in desk.model.languages},
        "description": form.get("description", ""),
        "admin": bool(form.get("admin")),
        "clearance": form.get("clearance", ""),
    }


def _said(desk: Desk, before: Said) -> dict[str, Any]:
    """A role as the form says it, in the words of `pack.json`.

    Raises: Invalid.
    """
    given = _typed(desk)
    if given["clearance"] and given["clearance"] not in desk.now.grades:
        raise Invalid([Problem("K015", {}, "/clearance")])
    description = given["description"].strip()
    if len(description) > _DESCRIPTION:
        raise Invalid([Problem("K015", {}, "/description")])
    more = {"description": description, "admin": given["admin"], "clearance": given["clearance"]}
    return {**_titled(desk, given["titles"], before), **more}


def _titled(desk: Desk, titles: Mapping[str, str], before: Said) -> dict[str, Any]:
    """`title` and ``x-i18n`` of something with a label; other translations stay.

    Raises: Invalid without a title in the company's first language.
    """
    first = desk.model.default_language
    said = {one: text.strip() for one, text in titles.items()}
    if not said.get(first) or any(len(text) > _TITLE for text in said.values()):
        raise Invalid([Problem("K009", {}, f"/title.{first}")])
    others: dict[str, Any] = dict(before.get("x-i18n", {}))
    for tag, text in said.items():
        if tag == first:
            continue
        old = others.pop(tag, None)
        kept = {key: one for key, one in old.items() if key != "title"} if _map(old) else {}
        if kept:
            others[tag] = {"title": text, **kept} if text else kept
        elif text:
            others[tag] = text
    if others == before.get("x-i18n", {}):
        others = dict(before.get("x-i18n", {}))  # in the order it had
    return {"title": said[first], "x-i18n": others}


def _map(value: Any) -> bool:
    return isinstance(value, Mapping)


# --- grades --------------------------------------------------------------------------------------


@blueprint.post("/grades")
@administrators_only
@patient
def grades() -> Response | str:
    """Set the grades of secrecy in the draft."""

    def make(desk: Desk) -> Mapping[str, str]:
        found = dict(_posted_grades(desk))
        orders = [one["order"] for one in found.values()]
        if len(set(orders)) < len(orders):
            raise Invalid([Problem("K010", {"grade": gettext("order")}, "/grades")])
        return set_clearance(desk.sources, desk.pack, found, request.form.get("everyone", ""))

    try:
        keep(make)
    except (Conflict, Invalid) as failure:
        with reading() as unit:
            shown = _index(Desk.of(unit), failure.problems)
        return make_response(shown, 409 if isinstance(failure, Conflict) else 422)
    flash(gettext("The change is in the draft."), "success")
    return go(address(".index") + "#grades")


def _posted_grades(desk: Desk) -> Iterator[tuple[str, dict[str, Any]]]:
    form = request.form
    for name in (*desk.now.grades, "new"):
        key = f"grade.{name}" if name != "new" else "new"
        own = form.get("new.name", "").strip() if name == "new" else name
        if form.get(f"{key}.remove") or (name == "new" and not own):
            continue
        order = form.get(f"{key}.order", "").strip()
        known = name == "new" and own in desk.now.grades
        if not _NAME.fullmatch(own) or known or not re.fullmatch(r"-?\d{1,6}", order):
            raise Invalid([Problem("K010", {"grade": own[:40]}, "/grades")])
        titles = {one: form.get(f"{key}.title.{one}", "") for one in desk.model.languages}
        before = desk.now.grades.get(own, {})
        yield own, {**_titled(desk, titles, before), "order": int(order)}


# --- an entity's grade and pool ------------------------------------------------------------------


@blueprint.get("/entities/<entity>")
@administrators_only
def entity(entity: str) -> str:
    """Which field holds the grade of a record, and the limits of the pool."""
    with reading() as unit:
        return _entity(Desk.of(unit), entity)


@blueprint.post("/entities/<entity>")
@administrators_only
@patient
def save_entity(entity: str) -> Response | str:
    """Set both in the draft."""

    def make(desk: Desk) -> Mapping[str, str]:
        if entity not in desk.entities:
            raise NotFound
        path = request.form.get("grade", "")
        if path and path not in {one for one, _ in _paths(desk, entity)}:
            raise Invalid([Problem("K015", {}, "/grade")])
        made = set_grade(desk.sources, desk.pack, entity, path)
        if "pooled" not in desk.model.entities[entity].traits:
            return made
        return set_pool(made, desk.pack, entity, dict(_limits(desk, entity)))

    try:
        keep(make)
    except (Conflict, Invalid) as failure:
        with reading() as unit:
            shown = _entity(Desk.of(unit), entity, failure.problems)
        return make_response(shown, 409 if isinstance(failure, Conflict) else 422)
    flash(gettext("The change is in the draft."), "success")
    return go(address(".entity", entity=entity))


def _entity(desk: Desk, name: str, problems: Sequence[Problem] = ()) -> str:
    if name not in desk.entities:
        raise NotFound
    about = desk.now.entities.get(name, EntityRights())
    packed = desk.packed.entities.get(name, EntityRights())
    return render_template(
        "studio/permissions_entity.html",
        **frame(
            desk,
            "index",
            gettext("%(entity)s: grade and pool", entity=desk.words.entity(name)),
        ),
        entity=name,
        matrix_href=address("permissions.index", entity=name),
        paths=_paths(desk, name),
        grade=about.grade,
        grades=bool(desk.now.grades),
        pooled="pooled" in desk.model.entities[name].traits,
        limits=[(key, str(title), _MOST[key]) for key, title in LIMITS.items()],
        fields=[(one, desk.words.field(name, one)) for one in desk.columns(name) if "." not in one],
        pool=[
            {
                "name": one,
                "title": desk.words.role(one),
                "said": about.pool.get(one),
                "differs": about.pool.get(one) != packed.pool.get(one),
            }
            for one in desk.roles
            if not desk.admin(one)
        ],
        seen=desk.seen([name]),
        problems=sentences(problems),
    )


def _paths(desk: Desk, name: str) -> list[tuple[str, str]]:
    """The paths that lead to a field with grades as its options, the present one included."""
    here = desk.model.entities[name]
    found = list(_graded(desk, here, ""))
    for field in here.fields.values():
        target = desk.model.entities.get(field.reference.to) if field.reference else None
        if target is not None and not field.multiple:
            found += _graded(desk, target, f"{field.name}.")
    now = desk.now.entities.get(name, EntityRights()).grade
    if now and now not in found:
        found.append(now)
    return [(one, desk.words.rule(one, name)) for one in found]


def _graded(desk: Desk, entity: Entity, prefix: str) -> Iterator[str]:
    for field in entity.fields.values():
        values = {one.value for one in field.options}
        if values and not field.multiple and values <= desk.now.grades.keys():
            yield prefix + field.name


def _limits(desk: Desk, name: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The limits of each role as the form says them; None for a role that takes nothing."""
    form, fields = request.form, {one for one in desk.columns(name) if "." not in one}
    for role in desk.roles:
        if desk.admin(role):
            continue
        if not form.get(f"pool.{role}"):
            yield role, None
            continue
        said: dict[str, Any] = {}
        if form.get(f"pool.{role}.only"):
            chosen = form.getlist(f"pool.{role}.shows")
            if not fields >= set(chosen):
                raise Invalid([Problem("K015", {}, f"/pool/{role}")])
            said["shows"] = [one for one in fields_in_order(desk, name) if one in chosen]
        for key, most in _MOST.items():
            value = form.get(f"pool.{role}.{key}", "").strip()
            if value and not (value.isascii() and value.isdigit() and int(value[:9]) <= most):
                params = {"value": value[:20], "most": most}
                raise Invalid([Problem("K012", params, f"/pool/{role}/{key}")])
            if value:
                said[key] = int(value)
        yield role, said


def fields_in_order(desk: Desk, name: str) -> list[str]:
    """The fields of an entity as its definition orders them."""
    return [one for one in desk.columns(name) if "." not in one]
