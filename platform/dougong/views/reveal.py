"""Uncovering a masked value of a record: on its page for a minute, without scripts on a page of its
own, once."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for

from dougong.failures import body_of, status_of
from dougong.i18n import language
from dougong.present import Reader
from dougong.routing import login_required, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.problems import text
from engine.records.failures import Failure, NotFound
from engine.records.labels import label_of, names_for
from engine.records.reading import read
from engine.records.reveal import reveal

blueprint = Blueprint("reveal", __name__, url_prefix="/<company>/e/<entity>/<int:id>/reveal")
SECONDS = 60


@blueprint.post("/<field>")
@login_required
@patient
def show(entity: str, id: int, field: str) -> Response:
    """The value behind the mask; that it was seen is written down."""
    bare = request.accept_mimetypes.best == "application/json"
    try:
        with writing() as unit:
            value = reveal(unit, entity, id, field)
            definition = unit.entity(entity)
            record = read(unit, entity, id, told=False)
            names = names_for(unit, definition, [{**record, field: value}], [field])
            title = label_of(unit, entity, record)
            said = Reader(language(), names, unit.now).cell(definition.fields[field], value).text
    except NotFound:
        raise
    except Failure as failure:
        if bare:
            return make_response(jsonify(body_of(failure, language())), status_of(failure))
        return _page(entity, id, field, "", text(failure.problems[0], language()), failure)
    if bare:
        answer = make_response(jsonify(text=said, seconds=SECONDS))
    else:
        answer = _page(entity, id, field, said, title)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _page(
    entity: str, id: int, field: str, said: str, words: str, failure: Failure | None = None
) -> Response:
    with reading() as unit:
        definition = unit.entity(entity)
        page = render_template(
            "reveal.html",
            shell=shell(unit),
            title=text_of(definition.fields[field].title, language()),
            href=url_for("records.show", entity=entity, id=id),
            words=words,
            value=said,
            failed=failure is not None,
        )
    return make_response(page, status_of(failure) if failure else 200)
