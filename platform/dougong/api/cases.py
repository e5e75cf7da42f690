"""Running cases over HTTP, for administrators.

``GET /<company>/api/v1/admin/cases`` (versions and counts); ``POST …/admin/cases/<id>/<command>``
with ``reason`` and what the command needs: ``state`` for jump and wake_up, ``task`` and ``person``
for reassign, nothing for terminate and retry.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, abort, g

from dougong.api.body import answer, json_body
from dougong.api.records import authenticated
from dougong.failures import shown
from dougong.i18n import language
from dougong.routing import reading, writing
from engine.records.administration import commands
from engine.records.administration.versions import running
from engine.records.unit import Unit

blueprint = Blueprint("case_api", __name__, url_prefix="/<company>/api/v1/admin/cases")
COMMANDS: Final = ("jump", "terminate", "wake_up", "reassign", "retry")


@blueprint.get("")
@authenticated
def index() -> Response:
    """The running cases by workflow, version and state."""
    with reading() as unit:
        commands.only_administrators(unit)
        found = [
            {
                "workflow": flow.workflow,
                "published": flow.published,
                "count": flow.count,
                "versions": [
                    {
                        "id": str(one.definition),
                        "version": one.version,
                        "hash": one.hash,
                        "present": one.present,
                        "count": one.count,
                        "overdue": one.overdue,
                        "stuck": one.stuck,
                        "states": {state.state: state.count for state in one.states},
                    }
                    for one in flow.versions
                ],
            }
            for flow in running(unit)
        ]
        return answer({"items": found})


@blueprint.post("/<int:id>/<command>")
@authenticated
def act(id: int, command: str) -> Response:
    """Carry out a command on a case."""
    if command not in COMMANDS:
        abort(404)
    body = json_body()
    reason = _text(body, "reason")
    if command == "retry":
        failed = commands.retry(g.company, g.actor, id, reason)
        return answer({"case": str(id), "problems": shown(failed, language())})
    with writing("api") as unit:
        _carry_out(unit, id, command, body, reason)
    return answer({"case": str(id)})


def _carry_out(unit: Unit, id: int, command: str, body: dict[str, Any], reason: str) -> None:
    match command:
        case "jump":
            commands.jump(unit, id, _text(body, "state"), reason)
        case "wake_up":
            commands.wake_up(unit, id, _text(body, "state"), reason)
        case "terminate":
            commands.terminate(unit, id, reason)
        case _:
            commands.reassign(unit, _id(body, "task"), _id(body, "person"), reason)


def _text(body: dict[str, Any], name: str) -> str:
    found = body.get(name, "")
    return found if isinstance(found, str) else ""


def _id(body: dict[str, Any], name: str) -> int:
    """An id as the API writes it: text or number."""
    found = str(body.get(name, ""))
    return int(found) if found.isascii() and found.isdigit() and len(found) < 18 else 0
