"""Whose a record is, over HTTP: shares by hand and the pool.

``GET/POST /<company>/api/v1/<entity>/<id>/shares``, ``DELETE …/shares/<share>``,
``POST …/<id>/claim`` and ``POST …/<id>/release`` with the version.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, Response, request

from dougong.api.body import answer, json_body
from dougong.api.records import authenticated, tagged, version_of, wire
from dougong.routing import reading, writing
from engine.problems import Problem
from engine.records import pool, sharing
from engine.records.failures import Invalid

blueprint = Blueprint("ownership_api", __name__, url_prefix="/<company>/api/v1/<entity>/<int:id>")


@blueprint.get("/shares")
@authenticated
def index(entity: str, id: int) -> Response:
    """With whom the record is shared, the latest first."""
    with reading() as unit:
        return answer({"items": [_wire(one) for one in sharing.shares_of(unit, entity, id)]})


@blueprint.post("/shares")
@authenticated
def give(entity: str, id: int) -> Response:
    """Share it: ``user`` or ``department``, ``level`` (read, write), ``until``, ``note``."""
    wish = _wish(json_body())
    with writing("api") as unit:
        made = sharing.share(unit, entity, id, wish)
        found = next(one for one in sharing.shares_of(unit, entity, id) if one.id == made)
    return answer(_wire(found), 201)


@blueprint.delete("/shares/<int:share>")
@authenticated
def take(entity: str, id: int, share: int) -> Response:
    """Take a share back."""
    with writing("api") as unit:
        sharing.take_back(unit, entity, id, share)
    return Response(status=204)


@blueprint.post("/claim")
@authenticated
def claim(entity: str, id: int) -> Response:
    """Take the record from the pool."""
    version = version_of(json_body() if request.data else {})
    with writing("api") as unit:
        record = pool.claim(unit, entity, id, version)
        return tagged(wire(unit, unit.entity(entity), record))


@blueprint.post("/release")
@authenticated
def release(entity: str, id: int) -> Response:
    """Give it back to the pool; ``reason`` is kept in the history."""
    values = json_body() if request.data else {}
    version, reason = version_of(values), values.get("reason", "")
    if not isinstance(reason, str):
        raise Invalid([Problem("J208", {}, "/reason")])
    with writing("api") as unit:
        record = pool.release(unit, entity, id, version, reason)
        return tagged(wire(unit, unit.entity(entity), record))


def _wish(body: dict[str, Any]) -> sharing.Wish:
    """What is asked for; whatever is of the wrong kind is refused at its place."""
    whom = {}
    for name in ("user", "department"):
        given = body.get(name)
        if given is not None and (isinstance(given, bool) or not _fits(given)):
            raise Invalid([Problem("J105", {}, "/to")])
        whom[name] = given
    level, note, until = body.get("level", "read"), body.get("note", ""), body.get("until")
    if not isinstance(level, str):
        raise Invalid([Problem("J102", {"level": str(level)[:20]}, "/level")])
    day = None
    if until is not None:
        try:
            day = date.fromisoformat(until)
        except (TypeError, ValueError) as error:
            raise Invalid([Problem("J103", {"day": str(until)[:20]}, "/until")]) from error
    return sharing.Wish(**whom, level=level, until=day, note=str(note))


def _fits(given: object) -> bool:
    return isinstance(given, int) and 0 < given < 2**63


def _wire(one: sharing.Share) -> dict[str, Any]:
    return {
        "id": one.id,
        one.whom: one.target,
        "name": one.name,
        "level": one.level,
        "until": one.until.isoformat() if one.until else None,
        "note": one.note,
        "by": one.by,
        "at": one.at.isoformat().replace("+00:00", "Z"),
        "ended": one.ended,
    }
