"""The search in everything."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    jsonify,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.i18n import language
from dougong.pace import paced
from dougong.routing import login_required, reading
from dougong.shell import shell
from dougong.suggestions import hits, in_order, suggestions
from engine.definitions.model import Entity, text_of
from engine.lists import Query
from engine.records import reading as records
from engine.records.unit import Unit

blueprint = Blueprint("pages", __name__, url_prefix="/<company>")
FOUND = 8


@blueprint.get("/search")
@login_required
def search() -> str:
    """Records of every kind that contain the words, as far as the person may see them."""
    words = _words()
    with reading() as unit:
        groups = [
            group for entity in in_order(unit) if words and (group := _group(unit, entity, words))
        ]
        return render_template(
            "search.html", shell=shell(unit), title=gettext("Search"), text=words, groups=groups
        )


@blueprint.get("/search/suggest")
@login_required
@paced("suggest")
def suggest() -> Response:
    """What the search box offers for the words typed so far."""
    with reading() as unit:
        return jsonify(suggestions(unit, _words()))


def _words() -> str:
    return request.args.get("q", "").strip()[:100]


def _group(unit: Unit, entity: Entity, words: str) -> dict[str, object] | None:
    found = hits(unit, entity, words, FOUND)
    if not found:
        return None
    count = records.count(unit, Query(entity.name, text=words))
    return {
        "title": text_of(entity.plural, language()),
        "icon": entity.icon,
        "href": url_for("lists.index", entity=entity.name, q=words),
        "count": count.number,
        "capped": count.more,
        "items": [{"title": hit.label, "href": hit.href, "meta": hit.note} for hit in found],
    }
