"""Why somebody may or may not, over HTTP.

``GET /<company>/api/v1/explain?entity=customer&record=7&action=read&field=phone&user=li``: `user`
(a login or a number) is left out by who asks about himself, `record` for the list as a whole or a
new record. The answer: ``allowed``, ``level``, ``text``, ``reasons``, ``remedies``.
"""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from dougong.api.body import answer
from dougong.api.records import authenticated
from dougong.i18n import language
from dougong.routing import reading, writing
from engine.access import granted
from engine.records.explaining.explaining import Question, explain, subject_for
from engine.records.explaining.seeing import note_view
from engine.records.failures import NotFound
from engine.records.people import find_user
from engine.records.unit import Unit

blueprint = Blueprint("explain_api", __name__, url_prefix="/<company>/api/v1")


@blueprint.get("/explain")
@authenticated
def index() -> Response:
    """The explanation; administrators ask about everybody, others about themselves."""
    args = request.args
    question = Question(
        args.get("entity", ""), args.get("action", "read"), _record(), args.get("field", "")
    )
    if not granted(g.actor.scopes, question.entity, "read"):
        raise NotFound  # a token is told nothing of what it may not read
    with reading() as unit:
        user = _user(unit)
        told = explain(
            unit, user, question.entity, question.record, question.action, question.field
        )
        subject = subject_for(unit, user).actor
        body = told.to_json(language())
    if subject.id != g.actor.id:
        with writing("api") as unit:
            note_view(unit, subject, question)
    return answer(body)


def _user(unit: Unit) -> int:
    said = request.args.get("user", "")
    if not said:
        return unit.actor.id
    if said.isascii() and said.isdigit() and len(said) < 18:
        return int(said)
    row = find_user(unit.connection, said[:100]) if unit.administers else None
    if row is None and said == unit.actor.login:
        return unit.actor.id
    if row is None:
        raise NotFound
    return int(row["id"])


def _record() -> int | None:
    said = request.args.get("record", "")
    if not said:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 18):
        raise NotFound
    return int(said)
