"""What a posted decision holds, for the inbox, the case's page and the record's page alike."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import request
from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from dougong.cards import Typed, picked
from dougong.sheets import Sheet
from engine.forms import Item, Placed, Section, Tab
from engine.problems import Problem
from engine.records import files, flows, writing
from engine.records.failures import Failure, Forbidden, Invalid, NotFound
from engine.records.flows.cards import place_of
from engine.records.flows.inbox import own_phrases
from engine.records.unit import Unit

COMMANDS: Final = frozenset(
    {"approve", "reject", "claim", "transfer", "delegate", "addsign", "removesign"}
    | {"return", "recall", "remind", "cc"}
)
LONGEST_COMMENT: Final = 2_000
_SEVERAL: Final = frozenset({"addsign", "cc"})
_PICTURE: Final = "data:image/png;base64,"
_LARGEST: Final = 500_000  # bytes of a signature
_UNSAID: Final = frozenset({"csrf_token", "version", "signature_image"})


def carry_out(unit: Unit, task: int, command: str) -> flows.Fired:
    """The posted decision on a task: fields of the step first, then the decision itself, both in
    the transaction of `unit`.

    Raises: as `flows.decide` and `writing.change`.
    """
    form = request.form
    version = form.get("version", type=int)
    if command == "approve" and any(key.startswith("f_") for key in form):
        version = _fill(unit, task, version)
    return flows.decide(
        unit,
        task,
        command,
        form.get("comment", "").strip()[:LONGEST_COMMENT],
        version=version,
        idempotency_key=f"{key[:60]}:{command}" if (key := form.get("key", "")) else "",
        data=details(unit, command),
    )


def details(unit: Unit, command: str) -> dict[str, Any]:
    """Whom, where to, in which order, signed with what: what the command asks for."""
    form = request.form
    found: dict[str, Any] = {}
    if command == "addsign" and (mode := form.get("mode")):
        found["mode"] = mode
    to = [value for value in form.getlist("to") if value]
    if command in _SEVERAL:
        found["to"] = [int(value) for value in to if value.isdecimal()]
    elif to:
        found["to"] = int(to[-1]) if to[-1].isdecimal() else to[-1]
    if chosen := picked(form):
        found["chosen"] = chosen
    if (signed := _signature(unit)) is not None:
        found["signature"] = signed
    return found


def _fill(unit: Unit, task: int, version: int | None) -> int | None:
    """Write the step's own fields; the record's new version."""
    place = place_of(unit, task)
    names = [name for name in request.form if name.startswith("f_")]
    case = flows.flow_of(unit, *place)
    wanted = set(case.required) if case else set()
    sheet = Sheet(unit, *place, posted=request.form)
    values = {name: value for name, value in sheet.raw().items() if name in wanted}
    if not values or not names:
        return version
    changed = writing.change(unit, *place, values, version, zone=unit.zone)
    return int(changed["version"])


def _signature(unit: Unit) -> int | None:
    """The picture of the signature, kept as an upload of the actor's; None without one."""
    drawn = request.form.get("signature_image", "")
    sent = request.files.get("signature_file")
    if drawn.startswith(_PICTURE):
        try:
            picture = base64.b64decode(drawn.removeprefix(_PICTURE), validate=True)
        except binascii.Error as error:
            raise Invalid([Problem("I101", {}, "/signature")]) from error
        stream, name = io.BytesIO(picture), "signature.png"
        return files.store_upload(unit, name, stream, largest=_LARGEST)
    if sent is not None and sent.filename:
        return files.store_upload(unit, sent.filename, sent.stream, largest=_LARGEST)
    return None


# --- what is shown again -----------------------------------------------------------------------
def refused(failure: Failure, command: str, task: int = 0) -> Typed:
    """What was sent and is not done, to be shown again with the reason."""
    values = {key: request.form.getlist(key) for key in request.form if key not in _UNSAID}
    return Typed(command, task, values, failure.problems)


def step_items(
    unit: Unit, entity: str, id: int, names: Sequence[str], typed: Typed | None = None
) -> tuple[Item, ...]:
    """The fields that have to be filled before one can approve, to be filled in on the card."""
    if not names:
        return ()
    posted = None
    if typed is not None and any(key.startswith("f_") for key in typed.values):
        posted = MultiDict([(key, one) for key, many in typed.values.items() for one in many])
    try:
        sheet = Sheet(unit, entity, id, posted=posted)
    except (Forbidden, NotFound):
        return ()
    rows = tuple((Placed(name, 12),) for name in names if name in sheet.writable)
    if not rows:
        return ()
    problems = typed.problems if typed else ()
    layout = (Tab("step", {}, (Section("step", {}, rows),)),)
    return tuple(sheet.draw(problems, layout).items())


def phrases(unit: Unit) -> list[str]:
    """What is often written beside a decision: the usual words, and the person's own last ones."""
    usual = [
        gettext("Agreed."),
        gettext("Please add the missing documents."),
        gettext("Please check the amount."),
        gettext("Not in line with the rules."),
    ]
    return list(dict.fromkeys([*usual, *own_phrases(unit)]))


def data_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a command as the API gives it: everything beside what has a name of its own."""
    own = ("comment", "version")
    return {key: value for key, value in values.items() if key not in own}
