"""The list of an entity: one query in the address, one page of rows, everything to change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.routing import go, login_required, reading, writing
from dougong.shell import shell
from dougong.views.boards import board_page
from dougong.views.calendars import calendar_page
from dougong.views.listing import Listing, asked, display_of, named, pool_columns, with_label
from engine.definitions.model import Entity
from engine.lists import SIZES, Query, parse_query, to_args
from engine.problems import text
from engine.records import reading as records
from engine.records.labels import worded
from engine.records.saved_views import delete_view, save_view
from engine.records.unit import Unit

blueprint = Blueprint("lists", __name__, url_prefix="/<company>/e/<entity>")


@blueprint.get("")
@login_required
def index(entity: str) -> str:
    """The list that the address describes, displayed as it says."""
    args = asked()
    with reading() as unit:
        definition, access = unit.entity(entity), unit.access(entity)
        query, found = parse_query(args, definition, access)
        display, problems = display_of(args, definition, access)
        problems = [text(problem, language()) for problem in found] + problems
        if display.view == "board":
            return board_page(unit, definition, query, display, problems)
        if display.view == "calendar":
            return calendar_page(unit, definition, query, display, problems)
        return _table(unit, definition, query, problems)


def _table(unit: Unit, entity: Entity, query: Query, problems: Sequence[str]) -> str:
    columns = with_label((*query.columns, *pool_columns(unit, entity)), entity)
    page = records.find(unit, replace(query, columns=columns))
    count = records.count(unit, query)
    view = Listing(unit, entity, query, page.names)
    context = {
        **view.frame(problems),
        "columns": [view.column(name) for name in query.columns],
        "rows": [view.row(row) for row in page.rows],
        **view.pool(page.rows),
        "all_columns": view.all_columns(),
        "total": count.number,
        "capped": count.more,
        "prev_href": view.page(before=page.before) if page.before else "",
        "next_href": view.page(after=page.after) if page.after else "",
        "sizes": SIZES,
    }
    return render_template("list.html", shell=shell(unit), **context)


@blueprint.post("/views")
@login_required
def keep_view(entity: str) -> Response:
    """Keep the list in the address under a name, for oneself."""
    name = request.form.get("name", "").strip()
    if not 1 <= len(name) <= 60:
        abort(400)
    with writing() as unit:
        definition = unit.entity(entity)
        given = parse_qsl(
            request.form.get("args", "").lstrip("?"), keep_blank_values=True, max_num_fields=500
        )
        query, _ = parse_query(given, definition, unit.access(entity))
        display, _ = display_of(given, definition, unit.access(entity))
        kept = to_args(replace(query, after=None, before=None), definition)
        kept += display.args(lasting=True)
        save_view(unit, entity, name, urlencode(kept))
    return go(f"{url_for('.index', entity=entity)}?{urlencode(kept)}")


@blueprint.post("/views/<int:id>/delete")
@login_required
def forget_view(entity: str, id: int) -> Response:
    """Forget a saved list."""
    with writing() as unit:
        delete_view(unit, id)
    return go(url_for(".index", entity=entity))


@blueprint.get("/removed")
@login_required
def removed(entity: str) -> str:
    """The recycle bin."""
    with reading() as unit:
        definition = unit.entity(entity)
        query, _ = parse_query(asked(), definition, unit.access(entity))
        columns = with_label(("updated_at", "updated_by"), definition)
        page = records.find(unit, replace(query, columns=columns), removed=True)
        view = Listing(unit, definition, query, page.names)
        may = unit.access(entity).may("delete")
        rows = [
            {
                "title": worded(definition, row, language(), page.names),
                "href": f"{view.href}/{row['id']}",
                "who": view.cell(row, "updated_by").text,
                "when": view.cell(row, "updated_at").text,
                "may_restore": may,
            }
            for row in page.rows
        ]
        return render_template(
            "removed.html",
            shell=shell(unit),
            title=gettext("Removed records"),
            entity=named(definition),
            list_href=view.href,
            rows=rows,
            prev_href=view.page(before=page.before, base="/removed") if page.before else "",
            next_href=view.page(after=page.after, base="/removed") if page.after else "",
        )
