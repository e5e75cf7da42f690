"""Personal data: what is held about a human being, as a report for him, and its erasure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    g,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.failures import status_of
from dougong.i18n import language
from dougong.moments import exact
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.privacy_words import (
    cell_words,
    column_words,
    counted,
    section_words,
    why_words,
)
from engine.definitions.model import Entity, text_of
from engine.fields import USER as PEOPLE
from engine.lists import Query
from engine.problems import Problem, text
from engine.records.failures import Failure, NotFound
from engine.records.labels import names_for, names_of, worded
from engine.records.lookups import users
from engine.records.privacy.erasure import USER, Erased, erase, preview
from engine.records.privacy.report import Report, report
from engine.records.reading import find
from engine.records.reveal import reveals_a_day, set_reveals_a_day
from engine.records.unit import Unit
from engine.tables.system import ERASURE

blueprint = Blueprint("privacy", __name__, url_prefix="/<company>/admin/privacy")
FOUND: Final = 20
_LATEST: Final = 20


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody that the search found."""

    label: str
    kind: str
    href: str


@blueprint.get("")
@administrators_only
def index() -> str:
    """Look for a human being; what was erased lately; how much may be uncovered."""
    wanted = request.args.get("q", "").strip()[:100]
    what = request.args.get("what", "")
    with reading() as unit:
        kinds = [one for one in unit.app.model.entities.values() if one.person]
        return render_template(
            "studio/privacy.html",
            shell=shell(unit),
            title=gettext("Personal data"),
            kinds=[(one.name, text_of(one.plural, language())) for one in kinds],
            given={"q": wanted, "what": what},
            found=_found(unit, kinds, what, wanted) if wanted else None,
            erasures=_erasures(unit),
            limit=reveals_a_day(unit),
        )


@blueprint.post("/limit")
@administrators_only
@proven
@patient
def limit() -> Response:
    """How many masked values one person may uncover a day."""
    try:
        with writing() as unit:
            set_reveals_a_day(unit, request.form.get("reveals", -1, type=int))
    except Failure as failure:
        flash(text(failure.problems[0], language()), "error")
    else:
        flash(gettext("Saved."), "success")
    return go(url_for(".index"))


@blueprint.get("/<what>/<int:id>")
@administrators_only
@proven
def person(what: str, id: int) -> str | Response:
    """What erasing would do."""
    return _person(what, id)


@blueprint.get("/<what>/<int:id>/report")
@administrators_only
@proven
@patient
def told(what: str, id: int) -> str | Response:
    """Everything that is held, to read or (`?format=json`) to hand over as a file."""
    try:
        with writing() as unit:
            found = report(unit, what, id)
    except NotFound:
        raise
    except Failure as failure:
        return _refused(what, id, failure)
    if request.args.get("format") == "json":
        answer = make_response(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        answer.mimetype = "application/json"
        name = f"personal-data-{what}-{id}.json"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    else:
        with reading() as unit:
            answer = make_response(
                render_template(
                    "studio/privacy_report.html",
                    shell=shell(unit),
                    title=gettext("Report on %(name)s", name=found.label),
                    person_href=url_for(".person", what=what, id=id),
                    download=url_for(".told", what=what, id=id, format="json"),
                    sections=_sections(unit, found),
                )
            )
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/<what>/<int:id>/erase")
@administrators_only
@proven
@patient
def erase_(what: str, id: int) -> str | Response:
    """Erase, when the name was typed as it is."""
    try:
        foreseen = preview(g.company, g.actor, what, id)
        if request.form.get("name", "").strip() != foreseen.label.strip():
            problem = text(Problem("Y032"), language())
            return make_response(_person(what, id, [problem]), 422)
        done = erase(
            g.company,
            g.actor,
            what,
            id,
            reason=request.form.get("reason", ""),
            address=request.remote_addr or "",
        )
    except NotFound:
        raise
    except Failure as failure:
        return _refused(what, id, failure)
    flash(gettext("The personal data of %(name)s was erased.", name=foreseen.label), "success")
    if not done.counts:
        flash(gettext("There was nothing left to erase."), "success")
    return go(url_for(".index"))


def _refused(what: str, id: int, failure: Failure) -> Response:
    words = [text(one, language()) for one in failure.problems]
    return make_response(_person(what, id, words), status_of(failure))


def _person(what: str, id: int, problems: Sequence[str] = ()) -> str:
    """The page of one human being. Raises: NotFound."""
    foreseen: Erased | None = None
    told_ = list(problems)
    try:
        foreseen = preview(g.company, g.actor, what, id)
    except NotFound:
        raise
    except Failure as failure:
        words = [text(one, language()) for one in failure.problems]
        told_ += [one for one in words if one not in told_]
    with reading() as unit:
        label = foreseen.label if foreseen else _label(unit, what, id)
        return render_template(
            "studio/privacy_person.html",
            shell=shell(unit),
            title=label,
            index_href=url_for(".index"),
            report_href=url_for(".told", what=what, id=id),
            download=url_for(".told", what=what, id=id, format="json"),
            looks_href=url_for("logs.access", entity=what, record=id) if what != USER else "",
            erase_href=url_for(".erase_", what=what, id=id),
            counts=counted(foreseen.counts) if foreseen else [],
            stays=[
                (why_words(one.why), text_of(one.entity, language()), one.label)
                for one in (foreseen.stays if foreseen else ())
            ],
            problems=told_,
            may=foreseen is not None,
        )


def _label(unit: Unit, what: str, id: int) -> str:
    if what == USER:
        return names_of(unit, {PEOPLE: [id]}).label(PEOPLE, id)
    if what not in unit.app.model.entities:
        abort(404)
    return names_of(unit, {what: [id]}).label(what, id)


# --- searching -----------------------------------------------------------------------------------
def _found(unit: Unit, kinds: Sequence[Entity], what: str, wanted: str) -> list[Person]:
    found = [
        one for kind in kinds if what in ("", kind.name) for one in _records(unit, kind, wanted)
    ]
    if what in ("", USER):
        found += [
            Person(one.label, gettext("Users"), url_for(".person", what=USER, id=one.id))
            for one in users(unit, wanted, FOUND)
        ]
    return found


def _records(unit: Unit, kind: Entity, wanted: str) -> list[Person]:
    """By words that lists find it with; nothing else of the record is looked at."""
    query = Query(kind.name, columns=kind.label_fields, text=wanted, size=FOUND)
    page = find(unit, query)
    names = names_for(unit, kind, page.rows, kind.label_fields)
    title = text_of(kind.title, language())
    return [
        Person(
            worded(kind, row, language(), names),
            title,
            url_for(".person", what=kind.name, id=row["id"]),
        )
        for row in page.rows
    ]


def _erasures(unit: Unit) -> list[dict[str, Any]]:
    rows = unit.connection.execute(
        sa.select(ERASURE).order_by(ERASURE.c.id.desc()).limit(_LATEST)
    ).all()
    names = names_of(unit, {PEOPLE: {row.by_id for row in rows if row.by_id}})
    model = unit.app.model
    return [
        {
            "at": exact(row.at.astimezone(unit.zone), language()),
            "by": names.label(PEOPLE, row.by_id) if row.by_id else "",
            "kind": text_of(model.entities[row.entity].title, language())
            if row.entity in model.entities
            else gettext("Users"),
            "record": row.record_id,
            "reason": row.reason,
        }
        for row in rows
    ]


def _sections(unit: Unit, found: Report) -> list[Mapping[str, Any]]:
    entity = unit.app.model.entities.get(found.entity)
    return [
        {
            "title": section_words(section.key),
            "columns": [column_words(column) for column in section.columns],
            "lines": [
                [
                    cell_words(unit, section.key, entity, column, line.get(column))
                    for column in section.columns
                ]
                for line in section.lines
            ],
            "more": section.more,
        }
        for section in found.sections
    ]
