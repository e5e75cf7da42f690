"""Many accounts at once: lines are pasted, looked at, and taken all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, Response, flash, make_response, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.invitations import invited, links_page, mails, told
from dougong.origin import origin
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.user_words import role_title, sentences
from engine.problems import Problem, hint, text
from engine.records.failures import Failure, NotFound
from engine.records.personnel import intake
from engine.records.personnel.intake import Row
from engine.records.unit import Unit

blueprint = Blueprint("intake", __name__, url_prefix="/<company>/admin/users/import")

LONGEST: Final = 500_000  # characters
INVITED: Final = 100  # links made in one go


@blueprint.get("")
@administrators_only
@proven
def index() -> str:
    """Where the lines are pasted."""
    with reading() as unit:
        return _page(unit, "", [], [])


@blueprint.post("")
@administrators_only
@proven
@patient
def take() -> str | Response:
    """Look at the lines; with `sure`, take them."""
    lines = request.form.get("lines", "")[:LONGEST]
    if not request.form.get("sure"):
        return _looked(lines)
    shown: dict[int, str] = {}
    links = bool(request.form.get("links"))
    try:
        with writing() as unit:
            users = intake.take(unit, lines, origin())
            links = links and len(users) <= INVITED
            if links:
                shown = invited(unit, users)
    except NotFound:
        raise
    except Failure:
        return _looked(lines)
    words = ngettext("%(num)d account was made.", "%(num)d accounts were made.", len(users))
    flash(words, "success")
    if links and len(shown) < len(users):
        flash(told(len(users) - len(shown)), "success")
    back = url_for("users.index", status="invited")
    return links_page(shown, back) if shown else go(back)


def _looked(lines: str) -> Response:
    with reading() as unit:
        try:
            rows = intake.read(unit, lines)
        except NotFound:
            raise
        except Failure as failure:
            return make_response(_page(unit, lines, [], failure.problems), 422)
        wrong = any(row.problems for row in rows)
        return make_response(_page(unit, lines, rows, []), 422 if wrong else 200)


def _page(unit: Unit, lines: str, rows: Sequence[Row], problems: Sequence[Problem]) -> str:
    model = unit.app.model
    return render_template(
        "studio/user_import.html",
        shell=shell(unit),
        title=gettext("Import users"),
        lines=lines,
        rows=[_row(unit, row) for row in rows],
        wrong=sum(bool(row.problems) for row in rows),
        problems=[sentences(text(one, language()), hint(one, language())) for one in problems],
        roles=[(role.name, role_title(unit, role.name)) for role in model.roles.values()],
        most=intake.MOST,
        invited=INVITED,
        mails=mails(),
    )


def _row(unit: Unit, row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "login": row.login,
        "name": row.name,
        "email": row.email,
        "place": row.place,
        "roles": [role_title(unit, name) for name in row.roles],
        "problems": [
            sentences(text(one, language()), hint(one, language())) for one in row.problems
        ],
    }
