"""The tree of departments: who is where, who leads, and what a change would move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.origin import origin
from dougong.persons import people_lookup, people_options, posted_person
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.user_words import department_choices, sentences
from engine.problems import Problem, text
from engine.records import people
from engine.records.failures import Failure, NotFound
from engine.records.personnel import departments
from engine.records.personnel.departments import Branch
from engine.records.personnel.users import status_of
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("departments", __name__, url_prefix="/<company>/admin/departments")

MEMBERS = 100  # members that a department's page lists
TOP = "top"  # in addresses: no department above


@blueprint.get("")
@administrators_only
def index() -> str:
    """The tree."""
    with reading() as unit:
        found = departments.tree(unit)
        nowhere = unit.connection.scalar(
            sa.select(sa.func.count())
            .select_from(system.USER)
            .where(system.USER.c.department_id.is_(None), system.USER.c.disabled_at.is_(None))
        )
        return render_template(
            "studio/departments.html",
            shell=shell(unit),
            title=gettext("Departments"),
            roots=_nested(found),
            count=len(found),
            nowhere=nowhere or 0,
        )


@blueprint.get("/new")
@administrators_only
@proven
def new() -> str:
    """The form for a new department; `?parent=` is the one above."""
    with reading() as unit:
        return _form(unit, None, {"parent": _id(request.args.get("parent", ""))})


@blueprint.post("/new")
@administrators_only
@proven
@patient
def create() -> str | Response:
    """Make a department."""
    given = _given()
    try:
        with writing() as unit:
            departments.add(unit, given["name"], given["parent"], given["manager"], origin())
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            return make_response(_form(unit, None, given, failure.problems), 422)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.get("/<int:department>")
@administrators_only
@proven
def edit(department: int) -> str:
    """One department: its name, who leads it, who is in it."""
    with reading() as unit:
        one = departments.branch(unit, department)
        return _form(unit, one, {"name": one.name, "manager": one.manager})


@blueprint.post("/<int:department>")
@administrators_only
@proven
@patient
def save(department: int) -> str | Response:
    """Rename it, and say who leads it."""
    given = _given()
    try:
        with writing() as unit:
            departments.change(unit, department, given["name"], given["manager"], origin())
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            one = departments.branch(unit, department)
            return make_response(_form(unit, one, given, failure.problems), 422)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.post("/<int:department>/shift")
@administrators_only
@proven
@patient
def shift(department: int) -> Response:
    """One place up or down among its siblings."""
    where: Literal["up", "down"] = "up" if request.form.get("where") == "up" else "down"
    with writing() as unit:
        departments.shift(unit, department, where)
    return go(url_for(".index") + f"#d{department}")


@blueprint.get("/<int:department>/move")
@administrators_only
@proven
def ask_move(department: int) -> str:
    """Where to, and whom that concerns; `?to=` is chosen already."""
    with reading() as unit:
        return _move_page(unit, department, request.args.get("to", ""))


@blueprint.post("/<int:department>/move")
@administrators_only
@proven
@patient
def move(department: int) -> str | Response:
    """Move it with all that is below."""
    given = request.form.get("to", "")
    parent = _id(given)
    if parent is None and given != TOP:
        return go(url_for(".ask_move", department=department))
    try:
        with writing() as unit:
            done = departments.move(unit, department, parent, origin())
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            page = _move_page(unit, department, given, failure.problems)
        return make_response(page, 422)
    flash(_moved(done.people), "success")
    return go(url_for(".index") + f"#d{department}")


@blueprint.get("/<int:department>/remove")
@administrators_only
@proven
def ask_remove(department: int) -> str:
    """What is in it, and who takes that over."""
    with reading() as unit:
        return _remove_page(unit, department)


@blueprint.post("/<int:department>/remove")
@administrators_only
@proven
@patient
def remove(department: int) -> str | Response:
    """Remove it."""
    heir = _id(request.form.get("heir", ""))
    try:
        with writing() as unit:
            done = departments.remove(unit, department, heir, origin())
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            page = _remove_page(unit, department, heir, failure.problems)
        return make_response(page, 422)
    flash(sentences(gettext("The department was removed."), _moved(done.people)), "success")
    return go(url_for(".index"))


def _nested(found: Sequence[Branch]) -> list[dict[str, Any]]:
    """The tree as lists within lists."""
    nodes = {one.id: {"branch": one, "children": []} for one in found}
    roots: list[dict[str, Any]] = []
    for one in found:
        above: Any = nodes[one.parent]["children"] if one.parent in nodes else roots
        above.append(nodes[one.id])
    return roots


def _moved(number: int) -> str:
    return str(ngettext("%(num)d person moved.", "%(num)d people moved.", number))


def _given() -> dict[str, Any]:
    return {
        "name": request.form.get("name", ""),
        "parent": _id(request.form.get("parent", "")),
        "manager": posted_person("manager"),
    }


def _form(
    unit: Unit,
    one: Branch | None,
    given: Mapping[str, Any],
    problems: tuple[Problem, ...] = (),
) -> str:
    chosen = given.get("manager")
    return render_template(
        "studio/department.html",
        shell=shell(unit),
        title=one.name if one else gettext("New department"),
        department=one,
        given=given,
        choices=[] if one else department_choices(unit),
        options=people_options(unit, [chosen] if chosen else ()),
        lookup=people_lookup(),
        members=_members(unit, one.id) if one else [],
        shown=MEMBERS,
        problems={each.field: text(each, language()) for each in problems},
    )


def _members(unit: Unit, department: int) -> list[dict[str, Any]]:
    user = system.USER
    rows = unit.connection.execute(
        sa.select(user)
        .where(user.c.department_id == department, user.c.disabled_at.is_(None))
        .order_by(user.c.name, user.c.id)
        .limit(MEMBERS)
    )
    return [
        {
            "href": url_for("users.person", user=row.id),
            "name": row.name,
            "login": row.login,
            "invited": status_of(row) == "invited",
        }
        for row in rows
    ]


def _move_page(unit: Unit, department: int, to: str, problems: tuple[Problem, ...] = ()) -> str:
    one = departments.branch(unit, department)
    inside = people.below(unit.connection, department)
    known = {each.id: each for each in departments.tree(unit)}
    target = _id(to)
    chosen = (target is None and to == TOP) or (target in known and target not in inside)
    return render_template(
        "studio/department_move.html",
        shell=shell(unit),
        title=gettext("Move %(name)s", name=one.name),
        department=one,
        choices=department_choices(unit, inside),
        to=to if chosen else "",
        top=TOP,
        target=" / ".join(known[target].trail) if chosen and target is not None else "",
        same=chosen and target == one.parent,
        effect=departments.effect(unit, department),
        problems=[text(each, language()) for each in problems]
        or ([text(Problem("R504"), language())] if target in inside else []),
    )


def _remove_page(
    unit: Unit, department: int, heir: int | None = None, problems: tuple[Problem, ...] = ()
) -> str:
    one = departments.branch(unit, department)
    inside = people.below(unit.connection, department)
    return render_template(
        "studio/department_remove.html",
        shell=shell(unit),
        title=gettext("Remove %(name)s", name=one.name),
        department=one,
        empty=not (one.members or one.closed or one.inner),
        choices=department_choices(unit, inside),
        heir=str(heir or one.parent or ""),
        problems=[text(each, language()) for each in problems],
    )


def _id(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None
