"""Being away: who decides in one's place, from when until when, in which workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.persons import people_lookup, people_options, posted_person
from dougong.routing import go, login_required, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records import delegation
from engine.records.delegation import Delegation
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.flows import moving
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("delegation", __name__, url_prefix="/<company>/account/delegation")
_AT = "%Y-%m-%dT%H:%M"


@blueprint.get("")
@login_required
def index() -> str:
    """One's own arrangements and those one is the agent of; `?user=` another's, for
    administrators."""
    with reading() as unit:
        return _page(unit, request.args.get("user", type=int), {})


@blueprint.post("")
@login_required
@patient
def arrange() -> str | Response:
    """Name an agent."""
    user = request.form.get("user", type=int)
    given: dict[str, Any] = {
        "agent": posted_person("agent"),
        "since": request.form.get("since", ""),
        "until": request.form.get("until", ""),
        "scope": request.form.get("scope", "all"),
        "workflows": request.form.getlist("workflows"),
        "open_tasks": bool(request.form.get("open_tasks")),
    }
    try:
        with writing() as unit:
            found = _arranged(unit, user, given)
            names = _names(unit)
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            return make_response(_page(unit, user, given, failure.problems), 422)
    flash(gettext("Saved. %(name)s has been told.", name=names[given["agent"]]), "success")
    if found.moved.tasks:
        number = found.moved.tasks
        flash(ngettext("%(num)d open task moved.", "%(num)d open tasks moved.", number), "success")
    for one in found.moved.stuck[:5]:
        flash(" ".join(text(problem, language()) for problem in one.problems), "warning")
    return go(url_for(".index", user=user))


@blueprint.post("/<int:id>/end")
@login_required
@patient
def end(id: int) -> Response:
    """End an arrangement early."""
    try:
        with writing() as unit:
            delegation.end_delegation(unit, id)
    except NotFound:
        raise
    except Failure as failure:
        flash(" ".join(text(one, language()) for one in failure.problems), "error")
    else:
        flash(gettext("Ended."), "success")
    return go(url_for(".index", user=request.form.get("user", type=int)))


def _arranged(unit: Unit, user: int | None, given: Mapping[str, Any]) -> delegation.Arranged:
    chosen = given["workflows"] if given["scope"] == "some" else []
    if given["scope"] == "some" and not chosen:
        raise Invalid([Problem("H128", pointer="/workflows")])
    return delegation.delegate(
        unit,
        given["agent"] or 0,
        _moment(unit, given["since"], "/since"),
        _moment(unit, given["until"], "/until"),
        chosen,
        user=user,
        open_tasks=given["open_tasks"],
    )


def _moment(unit: Unit, typed: str, pointer: str) -> datetime | None:
    """An instant of the reader's clock."""
    if not typed:
        return None
    try:
        found = datetime.fromisoformat(typed)
        return found if found.tzinfo else found.replace(tzinfo=unit.zone)
    except ValueError as error:
        raise Invalid([Problem("H127", {"text": typed[:40]}, pointer)]) from error


def _page(
    unit: Unit, user: int | None, given: Mapping[str, Any], problems: Sequence[Problem] = ()
) -> str:
    mine = user in (None, unit.actor.id)
    person = unit.actor.id if mine else user
    assert person is not None
    names = _names(unit)
    rows = delegation.delegations(unit, person)
    told = {one.field: text(one, language()) for one in problems}
    return render_template(
        "delegation.html",
        shell=shell(unit),
        title=gettext("Away and agents"),
        mine=mine,
        user=None if mine else person,
        name=names.get(person, ""),
        present=[_row(unit, one, names[one.agent]) for one in rows if one.phase != "past"],
        past=[_row(unit, one, names[one.agent]) for one in rows if one.phase == "past"][:20],
        standing=[_row(unit, one, names[one.user]) for one in delegation.who_for(unit, person)],
        flows=[
            {"value": flow.id, "label": text_of(flow.title, language()) or flow.id}
            for flow in unit.app.model.workflows.values()
        ],
        waiting=len(moving.waiting(unit.connection, person)),
        given={"since": unit.now.astimezone(unit.zone).strftime(_AT), "scope": "all", **given},
        options=[one for one in people_options(unit) if one.value != person],
        lookup=people_lookup(),
        problems=told,
    )


def _row(unit: Unit, one: Delegation, name: str) -> dict[str, Any]:
    flow = unit.app.model.workflows.get(one.workflow)
    return {
        "id": one.id,
        "name": name,
        "phase": one.phase,
        "workflow": text_of(flow.title, language()) if flow else one.workflow,
        "since": _shown(unit, one.since),
        "until": _shown(unit, one.until) if one.until else "",
    }


def _shown(unit: Unit, moment: datetime) -> str:
    return moment.astimezone(unit.zone).strftime("%Y-%m-%d %H:%M")


def _names(unit: Unit) -> dict[int | None, str]:
    user = system.USER
    rows = unit.connection.execute(sa.select(user.c.id, user.c.name))
    return {row.id: row.name for row in rows}
