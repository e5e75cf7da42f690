"""Records over HTTP.

``GET/POST /<company>/api/v1/<entity>``, ``GET/PATCH/DELETE …/<id>``, ``POST …/<id>/restore``,
``GET …/<id>/history``, ``POST …/<id>/events/<event>``, ``GET/POST /<company>/api/v1/tasks…``.
A change names the version it was made on, in the body or as ``If-Match``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Blueprint, Response, abort, g, request, url_for

from dougong.api.body import answer, json_body
from dougong.pooled import opened
from dougong.routing import patient, reading, writing
from engine.definitions.model import Entity
from engine.fields import FieldType, bind
from engine.lists import encode_cursor, parse_query
from engine.problems import Problem
from engine.records import flows, removing
from engine.records import reading as records
from engine.records import writing as saving
from engine.records.failures import Invalid
from engine.records.history import history
from engine.records.reveal import reveal
from engine.records.unit import Unit
from engine.records.views import Masked

blueprint = Blueprint("api", __name__, url_prefix="/<company>/api/v1")


def authenticated(view: Callable[..., Response]) -> Callable[..., Response]:
    """Only for people who are logged in."""

    @wraps(view)
    def guarded(*args: Any, **values: Any) -> Response:
        if g.get("actor") is None:
            abort(401)
        return patient(view)(*args, **values)

    return guarded


@blueprint.get("/<entity>")
@authenticated
def index(entity: str) -> Response:
    """A page of a list: filters, search, sort and cursor as in the address of the page."""
    with reading() as unit:
        definition = unit.entity(entity)
        pairs = list(request.args.items(multi=True))
        query, problems = parse_query(pairs, definition, unit.access(entity))
        if problems:
            raise Invalid(problems)
        page = records.find(unit, query)
        count = records.count(unit, query)
        return answer(
            {
                "items": [wire(unit, definition, row) for row in page.rows],
                "count": count.number,
                "more": count.more,
                "next": encode_cursor(page.after) if page.after else None,
                "previous": encode_cursor(page.before) if page.before else None,
            }
        )


@blueprint.post("/<entity>")
@authenticated
def create(entity: str) -> Response:
    """A new record."""
    values = json_body()
    with writing("api") as unit:
        record = saving.create(unit, entity, values)
        body = wire(unit, unit.entity(entity), record)
    response = answer(body, 201)
    response.headers["Location"] = url_for(".read", entity=entity, id=record["id"])
    return response


@blueprint.get("/<entity>/<int:id>")
@authenticated
def read(entity: str, id: int) -> Response:
    """One record; its version is the ETag."""
    opened(entity, id)
    with reading() as unit:
        definition = unit.entity(entity)
        record = records.read(unit, entity, id)
        return tagged(wire(unit, definition, record))


@blueprint.patch("/<entity>/<int:id>")
@authenticated
def change(entity: str, id: int) -> Response:
    """Change the fields given; the others keep their values."""
    values = json_body()
    version = version_of(values)
    with writing("api") as unit:
        record = saving.change(unit, entity, id, values, version)
        return tagged(wire(unit, unit.entity(entity), record))


@blueprint.delete("/<entity>/<int:id>")
@authenticated
def remove(entity: str, id: int) -> Response:
    """Put a record into the recycle bin."""
    with writing("api") as unit:
        removing.remove(unit, entity, id, version_of({}))
    return Response(status=204)


@blueprint.post("/<entity>/<int:id>/restore")
@authenticated
def restore(entity: str, id: int) -> Response:
    """Take a record out of the recycle bin."""
    with writing("api") as unit:
        record = removing.restore(unit, entity, id)
        return tagged(wire(unit, unit.entity(entity), record))


@blueprint.get("/<entity>/<int:id>/history")
@authenticated
def changes(entity: str, id: int) -> Response:
    """Who changed what and when, newest first."""
    opened(entity, id)
    with reading() as unit:
        found = history(unit, entity, id)
        items = [
            {
                "version": entry.version,
                "action": entry.action,
                "at": entry.at.isoformat().replace("+00:00", "Z"),
                "by": entry.by,
                "source": entry.source,
                "comment": entry.comment,
                "changes": {
                    change.field.name: [_told(change, change.old), _told(change, change.new)]
                    for change in entry.changes
                },
            }
            for entry in found
        ]
        return answer({"items": items})


@blueprint.post("/<entity>/<int:id>/reveal/<field>")
@authenticated
def uncover(entity: str, id: int, field: str) -> Response:
    """The value behind a mask; that it was seen is written down."""
    with writing("api") as unit:
        value = reveal(unit, entity, id, field)
        definition = unit.entity(entity)
        kind = bind(definition.fields[field])
        told = None if value is None else kind.to_json(value)
        body = {"id": id, "field": field, "value": told}
    response = answer(body)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/<entity>/<int:id>/events/<event>")
@authenticated
def fire(entity: str, id: int, event: str) -> Response:
    """Send an event to the record's workflow. Who is asked without being allowed to read the
    record is answered with the state it came to."""
    values = json_body() if request.data else {}
    key = request.headers.get("Idempotency-Key", "")
    with writing("api") as unit:
        fired = flows.fire(unit, entity, id, event, values, idempotency_key=key)
        if not records.visible(unit, entity, [id]):
            return tagged({"id": id, "version": fired.version, "state": fired.state})
        return tagged(wire(unit, unit.entity(entity), records.read(unit, entity, id)))


def wire(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in wire form; a masked value is told as such."""
    forms: Mapping[str, Callable[[Any], Any] | None] = unit.app.kept(
        ("wire", entity.name), lambda: _forms(entity)
    )
    found: dict[str, Any] = {"id": record["id"], "version": record.get("version")}
    for name, value in record.items():
        if name not in forms:
            continue
        form = forms[name]
        if isinstance(value, Masked):
            found[name] = {"masked": str(value)}
        else:
            found[name] = value if form is None or value is None else form(value)
    return found


def _forms(entity: Entity) -> dict[str, Callable[[Any], Any] | None]:
    """What makes the wire form of a field's value; None where it is the value itself."""
    kinds = {name: bind(field) for name, field in entity.fields.items()}
    return {
        name: None if type(kind).to_json is FieldType.to_json else kind.to_json
        for name, kind in kinds.items()
    }


def _told(change: Any, value: Any) -> Any:
    return value if value is None or change.masked else bind(change.field).to_json(value)


def tagged(body: dict[str, Any]) -> Response:
    """A record with its version as the ETag."""
    response = answer(body)
    response.set_etag(str(body["version"]))
    return response


def version_of(values: dict[str, Any]) -> int | None:
    """The version a change was made on: ``version`` in the body, or ``If-Match``."""
    given = values.pop("version", None)
    if given is None and (
        tag := re.fullmatch(r'"?(\d{1,15})"?', request.headers.get("If-Match", ""))
    ):
        given = int(tag[1])
    if given is not None and (not isinstance(given, int) or isinstance(given, bool)):
        raise Invalid([Problem("R905", {}, "/version")])
    return given
