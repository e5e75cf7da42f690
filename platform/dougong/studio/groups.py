"""Groups of people across departments, which workflows may ask by their key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.persons import people_lookup, people_options, posted_people
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.problems import Problem, text
from engine.records import groups
from engine.records.failures import Failure, NotFound
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("groups", __name__, url_prefix="/<company>/admin/groups")


@blueprint.get("")
@administrators_only
def index() -> str:
    """All groups with their members."""
    with reading() as unit:
        found = groups.groups(unit.connection)
        names = _names(unit, {user for one in found for user in one.members})
        asked = {
            key: flow.title
            for flow in unit.app.model.workflows.values()
            for key in groups.named(flow.chart)
        }
        missing = sorted(asked.keys() - {one.key for one in found})
        return render_template(
            "studio/groups.html",
            shell=shell(unit),
            title=gettext("Groups"),
            groups=[
                {
                    "name": one.name,
                    "key": one.key,
                    "href": url_for(".edit", key=one.key),
                    "members": [names[user] for user in one.members if user in names],
                    "used": one.key in asked,
                }
                for one in found
            ],
            missing=missing,
        )


@blueprint.get("/new")
@administrators_only
def new() -> str:
    """The form for a new group; `?key=` fills the key in that a workflow misses."""
    with reading() as unit:
        return _form(unit, "", {"key": request.args.get("key", "")[:40]})


@blueprint.post("")
@administrators_only
@patient
def create() -> str | Response:
    """Make a group."""
    given = _given()
    try:
        with writing() as unit:
            groups.create_group(unit, given["key"], given["name"], given["members"])
    except NotFound:
        raise
    except Failure as failure:
        return _again("", given, failure)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.get("/<key>")
@administrators_only
def edit(key: str) -> str:
    """The form of one group."""
    with reading() as unit:
        found = groups.group(unit.connection, key)
        return _form(unit, key, {"name": found.name, "members": list(found.members)})


@blueprint.post("/<key>")
@administrators_only
@patient
def save(key: str) -> str | Response:
    """Rename a group and set its members."""
    given = _given()
    try:
        with writing() as unit:
            groups.change_group(unit, key, given["name"], given["members"])
    except NotFound:
        raise
    except Failure as failure:
        return _again(key, given, failure)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.post("/<key>/remove")
@administrators_only
@patient
def remove(key: str) -> Response:
    """Dissolve a group; refused while a workflow asks it."""
    try:
        with writing() as unit:
            groups.remove_group(unit, key)
    except NotFound:
        raise
    except Failure as failure:
        flash(" ".join(text(one, language()) for one in failure.problems), "error")
        return go(url_for(".edit", key=key))
    flash(gettext("The group was removed."), "success")
    return go(url_for(".index"))


def _given() -> dict[str, Any]:
    form = request.form
    return {
        "key": form.get("key", "").strip(),
        "name": form.get("name", ""),
        "members": posted_people("members"),
    }


def _again(key: str, given: Mapping[str, object], failure: Failure) -> Response:
    with reading() as unit:
        return make_response(_form(unit, key, given, failure.problems), 422)


def _form(
    unit: Unit, key: str, given: Mapping[str, object], problems: tuple[Problem, ...] = ()
) -> str:
    chosen = given.get("members") or []
    assert isinstance(chosen, list)
    told = {one.field: text(one, language()) for one in problems}
    return render_template(
        "studio/group.html",
        shell=shell(unit),
        title=str(given.get("name") or "") if key else gettext("New group"),
        key=key,
        given=given,
        chosen=chosen,
        options=people_options(unit, chosen),
        lookup=people_lookup(),
        problems=told,
    )


def _names(unit: Unit, users: set[int]) -> dict[int, str]:
    user = system.USER
    rows = unit.connection.execute(sa.select(user.c.id, user.c.name).where(user.c.id.in_(users)))
    return {row.id: row.name for row in rows}
