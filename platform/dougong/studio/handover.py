"""离职转办: somebody leaves, and everything of his goes to others, after a look at what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext, to_user_timezone

from dougong.i18n import language
from dougong.moments import exact
from dougong.origin import origin
from dougong.persons import people_lookup, people_options, posted_person
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records import handover, leaving
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.labels import names_of
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("handover", __name__, url_prefix="/<company>/admin/handover")


@blueprint.get("")
@administrators_only
def index() -> str:
    """Choose who leaves; and what was handed over so far."""
    with reading() as unit:
        names = _names(unit)
        return render_template(
            "studio/handover.html",
            shell=shell(unit),
            title=gettext("Handover"),
            options=people_options(unit, closed=True),
            past=[_past(one, names) for one in handover.past(unit)],
        )


@blueprint.get("/preview")
@administrators_only
@proven
def preview() -> str | Response:
    """Everything of somebody, by parts, each with a successor to choose."""
    user = request.args.get("user", type=int)
    if not user:
        return go(url_for(".index"))
    with reading() as unit:
        close = bool(request.args.get("close"))
        return _preview(unit, user, {"sections": None, "targets": {}, "close": close})


@blueprint.post("/<int:user>")
@administrators_only
@proven
@patient
def execute(user: int) -> str | Response:
    """Hand the chosen parts over."""
    given = {
        "sections": request.form.getlist("sections"),
        "to": posted_person("to"),
        "targets": {
            name.removeprefix("to:"): posted_person(name)
            for name in request.form
            if name.startswith("to:")
        },
        "note": request.form.get("note", ""),
        "close": bool(request.form.get("close")),
    }
    try:
        with writing() as unit:
            done = _execute(unit, user, given)
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            return make_response(_preview(unit, user, given, failure.problems), 422)
    flash(gettext("Handed over."), "success")
    return go(url_for(".report", id=done))


@blueprint.get("/done/<int:id>")
@administrators_only
def report(id: int) -> str:
    """What a handover came to, and what is left with the person."""
    with reading() as unit:
        found = handover.report(unit, id)
        names = _names(unit)
        rest = handover.preview(unit, found.user)
        return render_template(
            "studio/handover_done.html",
            shell=shell(unit),
            title=gettext("Handover from %(name)s", name=names.get(found.user, "?")),
            done=_past(found, names),
            stuck=[_stuck(unit, *one) for one in found.stuck],
            user=found.user,
            rest=[_section(one, {}) for one in rest.sections],
            remarks=[text(one, language()) for one in rest.remarks],
        )


def _execute(unit: Unit, user: int, given: Mapping[str, Any]) -> int:
    chosen: Mapping[str, int | None] = given["targets"]
    targets = {key: chosen.get(key) or given["to"] or 0 for key in given["sections"]}
    missing = [key for key, to in targets.items() if not to]
    if missing:
        raise Invalid([Problem("H131", pointer="/to")])
    if given["close"] and user == unit.actor.id:
        raise Invalid([Problem("H141", pointer="/close")])
    done = handover.execute(unit, user, targets, given["note"])
    row = unit.connection.execute(
        sa.select(system.USER.c.disabled_at).where(system.USER.c.id == user)
    ).one()
    if given["close"] and row.disabled_at is None:
        leaving.close_account(unit, user, origin())
    return done.id


def _preview(
    unit: Unit, user: int, given: Mapping[str, Any], problems: Sequence[Problem] = ()
) -> str:
    found = handover.preview(unit, user)
    account = system.USER
    person = unit.connection.execute(sa.select(account).where(account.c.id == user)).one()
    told = {one.field: text(one, language()) for one in problems}
    return render_template(
        "studio/handover_preview.html",
        shell=shell(unit),
        title=gettext("Handover from %(name)s", name=person.name),
        user=user,
        name=person.name,
        closed=person.disabled_at is not None,
        mine=user == unit.actor.id,
        total=found.total,
        sections=[_section(one, given) for one in found.sections],
        remarks=[text(one, language()) for one in found.remarks],
        given=given,
        options=[one for one in people_options(unit) if one.value != user],
        lookup=people_lookup(),
        problems=told,
    )


def _section(one: handover.Section, given: Mapping[str, Any]) -> dict[str, Any]:
    chosen = given.get("sections")
    return {
        "key": one.key,
        "title": text_of(one.title, language()),
        "count": one.count,
        "chosen": one.usual if chosen is None else one.key in chosen,
        "usual": one.usual,
        "to": given.get("targets", {}).get(one.key),
        "more": max(one.count - len(one.samples), 0) if one.samples else 0,
        "samples": [
            {
                "label": each.label,
                "href": url_for("records.show", entity=each.entity, id=each.record)
                if each.record
                else "",
            }
            for each in one.samples
        ],
    }


def _past(one: handover.Past, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "href": url_for(".report", id=one.id),
        "name": names.get(one.user, "?"),
        "to": [names.get(user, "?") for user in one.to],
        "by": names.get(one.by or 0, ""),
        "at": exact(to_user_timezone(one.at), language()),
        "note": one.note,
        "moved": [(text_of(title, language()), count) for title, count in one.moved],
        "total": sum(count for _, count in one.moved),
        "stuck": len(one.stuck),
        "left": one.left,
    }


def _stuck(unit: Unit, entity: str, record: int, why: Mapping[str, str]) -> dict[str, str]:
    seen = visible(unit, entity, [record])
    label = names_of(unit, {entity: seen}).label(entity, record) if seen else f"#{record}"
    href = url_for("records.show", entity=entity, id=record) if seen else ""
    return {"label": label, "href": href, "why": text_of(why, language())}


def _names(unit: Unit) -> dict[int, str]:
    user = system.USER
    return {row.id: row.name for row in unit.connection.execute(sa.select(user.c.id, user.c.name))}
