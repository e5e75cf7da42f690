"""Tasks and cases over HTTP.

``GET /<company>/api/v1/tasks?tab=todo|claim|done|mine|copies`` with ``entity``, ``step``
(workflow/state), ``q``, ``order`` (new, old, due), ``size`` and ``before``;
``POST …/tasks/<id>/<command>``; ``GET …/<entity>/<id>/flow``. A decision names the record's version
that it was made on, in the body or as ``If-Match``, and may carry an ``Idempotency-Key``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request

from dougong.api.body import answer, json_body
from dougong.api.records import authenticated, version_of
from dougong.deciding import COMMANDS
from dougong.i18n import language
from dougong.present import Reader
from dougong.routing import reading, writing
from dougong.views.approvals import LISTS, wanted_of
from dougong.waiting import why_waiting
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records import flows
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows import Flow, InboxItem
from engine.records.flows.inbox import counts
from engine.records.flows.waiting import Pending

blueprint = Blueprint("task_api", __name__, url_prefix="/<company>/api/v1")
SIZE: Final = 25
LARGEST: Final = 100


@blueprint.get("/tasks")
@authenticated
def index() -> Response:
    """A page of a task list, and what the tabs say."""
    tab = request.args.get("tab", "todo")
    if tab not in LISTS:
        raise Invalid([Problem("I105", {"tab": tab[:40], "known": list(LISTS)}, "/tab")])
    size = min(max(request.args.get("size", SIZE, type=int), 1), LARGEST)
    before = request.args.get("before", type=int)
    with reading() as unit:
        wanted = wanted_of(request.args, tab)
        found = LISTS[tab](unit, size=size + 1, before=before, wanted=wanted)
        last = found[size - 1] if len(found) > size else None
        how_many = counts(unit)
        return answer(
            {
                "items": [_item(one) for one in found[:size]],
                "next": (last.task_id or last.instance) if last else None,
                "counts": {
                    "todo": how_many.own,
                    "claim": how_many.pool,
                    "copies": how_many.copies,
                },
            }
        )


@blueprint.post("/tasks/<int:id>/<command>")
@authenticated
def decide(id: int, command: str) -> Response:
    """A command on a task: what it needs beside the comment stands in the body (`to`, `mode`,
    `chosen`, `signature`)."""
    if command not in COMMANDS:
        raise NotFound
    values = json_body() if request.data else {}
    version = version_of(values)
    comment = values.pop("comment", "")
    if not isinstance(comment, str):
        raise Invalid([Problem("V003", {}, "/comment")])
    with writing("api") as unit:
        fired = flows.decide(
            unit,
            id,
            command,
            comment.strip()[:2000],
            version=version,
            idempotency_key=request.headers.get("Idempotency-Key", "")[:100],
            data=values,
        )
    return answer(
        {
            "instance": fired.instance,
            "state": fired.state,
            "done": fired.done,
            "version": fired.version,
            "repeated": fired.repeated,
        }
    )


@blueprint.get("/<entity>/<int:id>/flow")
@authenticated
def flow(entity: str, id: int) -> Response:
    """The case of a record: its state, what may be done with it, who decided what, why it
    waits."""
    with reading() as unit:
        found = flows.flow_of(unit, entity, id)
        if found is None:
            raise Conflict([Problem("R403")])
        reader = Reader(language(), found.names, unit.now)
        return answer(_case(reader, found))


# --- wire form ---------------------------------------------------------------------------------
def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def _item(one: InboxItem) -> dict[str, Any]:
    return {
        "task": one.task_id,
        "instance": one.instance,
        "entity": one.entity,
        "record": one.record_id,
        "version": one.version,
        "label": one.label,
        "readable": one.readable,
        "workflow": text_of(one.workflow, language()),
        "step": text_of(one.state, language()),
        "status": one.status,
        "applicant": {"id": one.applicant, "name": one.applicant_name} if one.applicant else None,
        "on_behalf_of": one.on_behalf_of or None,
        "opened_at": _at(one.opened_at),
        "due_at": _at(one.due_at),
        "overdue": one.overdue,
        "decided_at": _at(one.decided_at),
        "comment": one.comment,
        "claim": one.claim,
        "bulk": one.bulk,
        "unread": one.unread,
        "facts": [
            {
                "field": fact.field.name,
                "title": text_of(fact.field.title, language()),
                "text": fact.text,
            }
            for fact in one.facts
        ],
    }


def _case(reader: Reader, found: Flow) -> dict[str, Any]:
    return {
        "instance": found.instance,
        "workflow": text_of(found.title, language()),
        "state": found.state,
        "state_title": text_of(found.state_title, language()),
        "done": found.done,
        "since": _at(found.since),
        "version": found.version,
        "starter": _people(reader, [found.starter])[0] if found.starter else None,
        "commands": [
            {
                "event": one.event,
                "title": text_of(one.title, language()),
                "task": found.tasks.get(one.task) if one.task else None,
                "comment": one.comment,
                "asks": list(one.asks),
                "places": list(one.places),
                "inputs": [given.name for given in found.inputs.get(one.event, ())],
                "why": text(one.why, language()) if one.why else None,
            }
            for one in found.commands
        ],
        "steps": [
            {
                "state": step.state,
                "title": text_of(step.title, language()),
                "status": step.status,
                "at": _at(step.at),
            }
            for step in found.steps
        ],
        "rounds": [_round(reader, found, at) for at in range(len(found.card.rounds))],
        "waiting": [_waiting(reader, one) for one in found.waiting],
        "copies": _people(reader, found.card.copies),
    }


def _round(reader: Reader, found: Flow, at: int) -> dict[str, Any]:
    one = found.card.rounds[at]
    return {
        "state": one.state,
        "title": text_of(one.title, language()),
        "number": one.number,
        "outcome": one.outcome or None,
        "opened_at": _at(one.opened_at),
        "closed_at": _at(one.closed_at),
        "due": _at(one.due),
        "people": [
            {
                "task": found.tasks.get(person.task),
                "user": _people(reader, [person.user])[0] if person.user else None,
                "candidates": _people(reader, person.candidates),
                "status": person.status,
                "kind": person.kind,
                "comment": person.comment,
                "at": _at(person.at),
                "on_behalf_of": _people(reader, [person.on_behalf_of])[0]
                if person.on_behalf_of
                else None,
            }
            for person in one.people
        ],
    }


def _waiting(reader: Reader, one: Pending) -> dict[str, Any]:
    return {
        "state": one.state,
        "text": why_waiting(reader, one),
        "people": _people(reader, one.people),
        "claim": one.claim,
        "needed": one.needed,
        "agreed": one.agreed,
        "total": one.total,
    }


def _people(reader: Reader, ids: Iterable[int | None]) -> list[dict[str, Any]]:
    return [{"id": id, "name": reader.user(id)} for id in ids if id]
