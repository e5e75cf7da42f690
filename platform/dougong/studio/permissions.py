"""The permission matrix: what every role may do with every entity and field, as a draft.

Nothing here is in force before it is published (`permissions_release`). Every table is a form that
works by itself; a script makes a grid of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    make_response,
    render_template,
    request,
)
from flask import url_for as address
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.permissions_cells import (
    CellView,
    GroupView,
    RowView,
    cell,
    entity_rows,
    field_rows,
    judged,
    posted,
    role_rows,
    target_of,
    typed,
)
from dougong.studio.permissions_desk import Desk, compared, seen_in_form, sentences, versions
from dougong.studio.permissions_words import ACTIONS, FIELD_KEYS
from engine.definitions.access_rights import Place, scope
from engine.packs import check_sources
from engine.problems import Problem, text
from engine.records import definition_drafts as drafts
from engine.records.failures import Conflict, Invalid, NotFound

blueprint = Blueprint("permissions", __name__, url_prefix="/<company>/admin/permissions")
PAGES: Final = ("index", "fields")


@dataclass(frozen=True)
class Left:
    """What a refused form left: what is wrong, the form as it was, or what of it is lost."""

    problems: Sequence[Problem] = ()
    form: Mapping[str, str] | None = None
    lost: Sequence[str] = ()


_NOTHING: Final = Left()


@blueprint.get("")
@administrators_only
def index() -> str:
    """One role at all entities, or with `?entity=` all roles at one."""
    with reading() as unit:
        return _matrix(Desk.of(unit, compared()))


@blueprint.get("/fields")
@administrators_only
def fields() -> str:
    """The fields of one entity, for all roles or with `?role=` for one."""
    with reading() as unit:
        return _fields(Desk.of(unit, compared()))


@blueprint.post("")
@administrators_only
@patient
def save() -> Response | str:
    """Keep changed cells in the draft; the answer is the page they came from."""
    page = request.form.get("page", "")
    page = page if page in PAGES else "index"
    try:
        with reading() as unit:
            desk = Desk.of(unit, compared())
            since, found = drafts.stand(unit, desk.kept), posted(desk, request.form)
        if drafts.changed_files(desk.sources, found.sources):
            drafts.sound(found.sources, desk.pack, check_sources)
        with writing() as unit:
            drafts.save(unit, found.sources, seen_in_form(), since)
    except Conflict as failure:
        lost = [f"{one.row} · {one.column}: {one.title}" for one in found.changed]
        return _again(page, Left(failure.problems, lost=lost))
    except Invalid as failure:
        return _again(page, Left(failure.problems, request.form))
    count = len(found.changed)
    if count:
        told = ngettext(
            "%(num)d change is in the draft.", "%(num)d changes are in the draft.", count
        )
        flash(told, "success")
    kept = {key: request.form.get(key, "") for key in ("role", "entity", "against", "only")}
    here: dict[str, Any] = {key: value for key, value in kept.items() if value}
    return go(address(f"permissions.{page}", **here))


def _again(page: str, left: Left) -> Response:
    """The page with what is wrong: with the form as it was left, or as it is now."""
    show = _fields if page == "fields" else _matrix
    with reading() as unit:
        shown = show(Desk.of(unit, compared()), left)
    return make_response(shown, 409 if left.form is None else 422)


# --- pages ---------------------------------------------------------------------------------------


def _matrix(desk: Desk, left: Left = _NOTHING) -> str:
    entity = _chosen("entity", desk.entities)
    role = "" if entity else _chosen("role", desk.roles) or _first_role(desk)
    groups = entity_rows(desk, entity) if entity else role_rows(desk, role)
    context = {
        "view": "entity" if entity else "role",
        "role": role,
        "entity": entity,
        "columns": [(key, str(title)) for key, title in ACTIONS.items()],
        "admin": bool(role) and desk.admin(role),
        "blind": (),
        "fields_href": address(".fields", entity=entity) if entity else "",
        "settings_href": address("permission_roles.entity", entity=entity) if entity else "",
    }
    return _page(desk, "index", groups, context, left)


def _fields(desk: Desk, left: Left = _NOTHING) -> str:
    entity = _chosen("entity", desk.entities) or next(iter(desk.entities), "")
    if not entity:
        raise NotFound
    role = _chosen("role", desk.roles)
    columns = [(key, str(title)) for key, title in FIELD_KEYS.items()]
    if not role:
        columns = [(name, desk.words.role(name)) for name in desk.roles]
    context = {
        "view": "keys" if role else "modes",
        "role": role,
        "entity": entity,
        "columns": columns,
        "admin": bool(role) and desk.admin(role),
        "blind": [one for one in desk.roles if not role and _blind(desk, entity, one)],
        "fields_href": "",
        "settings_href": address("permission_roles.entity", entity=entity),
    }
    groups = field_rows(desk, entity, role)
    return _page(desk, "fields", groups, context, left)


def _page(
    desk: Desk, page: str, groups: Sequence[GroupView], context: Mapping[str, Any], left: Left
) -> str:
    said = {one.pointer: text(one, language()) for one in left.problems}
    if left.form is not None:
        groups = [_typed(group, left.form, said) for group in groups]
    only = bool(request.values.get("only"))
    query = request.values.get("q", "").strip()[:100]
    return render_template(
        "studio/permissions.html",
        **context,
        **frame(desk, page, _title(page)),
        groups=_shown(groups, only, query),
        roles=[(one, desk.words.role(one)) for one in desk.roles],
        entities=[
            (head, [(one, desk.words.entity(one)) for one in names])
            for head, names in desk.groups()
        ],
        seen=desk.seen([context["entity"]] if context["entity"] else desk.entities),
        problems=[_problem(one, desk) for one in left.problems],
        lost=left.lost,
        only=only,
        query=query,
        against=desk.compared,
        versions=versions(desk.unit),
        differing=sum(one.differs for group in groups for row in group.rows for one in row.cells),
        form_dirty=left.form is not None,
    )


def _title(page: str) -> str:
    return gettext("Rights of fields") if page == "fields" else gettext("Permissions")


def frame(desk: Desk, page: str, title: str) -> dict[str, Any]:
    """What all pages about rights show around their content."""
    tabs = (
        ("index", address("permissions.index"), gettext("Matrix")),
        ("fields", address("permissions.fields"), gettext("Fields")),
        ("roles", address("permission_roles.index"), gettext("Roles and grades")),
        ("versions", address("permission_release.versions"), gettext("Versions")),
    )
    return {
        "shell": shell(desk.unit),
        "title": title,
        "tabs": [(href, name, key == page) for key, href, name in tabs],
        "changes": desk.changes,
        "editors": desk.editors,
        "publish_href": address("permission_release.preview"),
    }


def _chosen(key: str, known: Sequence[str]) -> str:
    """A choice of the address; an unknown one is no page."""
    found = request.values.get(key, "")
    if found and found not in known:
        raise NotFound
    return str(found)


def _blind(desk: Desk, entity: str, role: str) -> bool:
    """Whether a role sees no record at all, so that rights of fields say nothing yet."""
    said = desk.now.grant(Place(entity, role))
    return not desk.admin(role) and scope(said.get("read")) == "none"


def _first_role(desk: Desk) -> str:
    """The role to begin with: one that grants are about."""
    return next((one for one in desk.roles if not desk.admin(one)), next(iter(desk.roles), ""))


def _typed(group: GroupView, form: Mapping[str, str], said: Mapping[str, str]) -> GroupView:
    def left(one: CellView) -> CellView:
        return typed(one, form, said) if one.choices else one

    rows = [
        RowView(row.key, row.title, row.meta, row.href, [left(one) for one in row.cells], row.signs)
        for row in group.rows
    ]
    return GroupView(group.title, rows)


def _shown(groups: Sequence[GroupView], only: bool, query: str) -> list[GroupView]:
    wanted = query.casefold()
    found = []
    for group in groups:
        rows = [
            row
            for row in group.rows
            if (not only or row.differs) and wanted in f"{row.title} {row.meta}".casefold()
        ]
        if rows:
            found.append(GroupView(group.title, rows))
    return found


def _problem(one: Problem, desk: Desk) -> tuple[str, str]:
    """A problem as a sentence, with the cell that it belongs to."""
    target = target_of(one.pointer)
    view = cell(desk, target) if target else None
    where = f"{view.row} · {view.column}: " if view else ""
    return where + sentences([one])[0], one.pointer if view else ""


# --- a rule while it is written ------------------------------------------------------------------


@blueprint.post("/check")
@administrators_only
def check() -> Response:
    """What is wrong with a rule, or what it says in words."""
    with reading() as unit:
        desk = Desk.of(unit)
        target = target_of(request.form.get("cell", ""))
        if target is None or cell(desk, target) is None:
            abort(404)
        source = request.form.get("source", "").strip()[:2001]
        problems = judged(desk, target.place, target.key, source) if source else []
        words = "" if problems or not source else desk.words.rule(source, target.place.entity)
    return jsonify(problems=[text(one, language()) for one in problems], words=words)
