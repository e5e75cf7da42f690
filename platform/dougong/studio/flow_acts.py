"""From a posted form to a change of the document: what was typed first, then the button."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import lazy_gettext as _

from dougong.studio.flow_panel import panel
from dougong.studio.flow_widgets import Form
from dougong.studio.flow_world import World
from engine.definitions import flow_edits as edits
from engine.definitions.flow_edits import Edited, EditRefused
from engine.definitions.flow_tree import ROOT, spot
from engine.definitions.limits import FILE_BYTES
from engine.definitions.load import load

DONE: Final[Mapping[str, Any]] = {
    "set": _("properties changed"),
    "after": _("step added"),
    "on": _("step added"),
    "inside": _("step added"),
    "branch": _("condition added"),
    "connect": _("connected"),
    "rename": _("id changed"),
    "up": _("moved up"),
    "down": _("moved down"),
    "in": _("moved into the stage"),
    "out": _("moved out of the stage"),
    "first": _("made the first step"),
    "duplicate": _("copied"),
    "delete": _("deleted"),
    "wrap": _("stage put around"),
    "unwrap": _("stage dissolved"),
    "event": _("button added"),
    "drop-event": _("button deleted"),
    "rename-event": _("button renamed"),
    "way": _("way added"),
    "drop": _("entry deleted"),
    "add": _("entry added"),
    "higher": _("order changed"),
    "lower": _("order changed"),
    "json": _("JSON changed"),
    "origin": _("back to the pack's workflow"),
}


_OP: Final = re.compile(r"(?:([a-z0-9_]*)\|)?([a-z-]+)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Act:
    """A button: its verb and what it says beside."""

    verb: str
    args: tuple[str, ...]
    at: str
    form: Form


def act_of(form: Form) -> Act:
    """What was pressed."""
    match = _OP.fullmatch(form.get("op", "set"))
    if match is None:
        return Act("", (), form.get("at", ROOT), form)
    at, verb, rest = match.groups()
    args = tuple(rest.split(":", 1)) if rest else ()
    return Act(verb, args, form.get("at", ROOT) if at is None else at, form)


def perform(world: World, act: Act) -> Edited:
    """The document after what was typed and what was pressed.

    Raises: EditRefused.
    """
    doc, at = dict(world.doc), act.at
    if act.verb == "json":
        return Edited(_typed(act.form.get("body", "")), at)
    if "panel" in act.form:
        doc = written(world, act.form["panel"], act.form)
    known = _ACTS.get(act.verb)
    if known is None:
        return Edited(doc, at)
    return known(doc, act)


def written(world: World, state: str, form: Form) -> dict[str, Any]:
    """The document with what was typed into the properties of a state."""
    shown = panel(world, state)
    body = shown.root.read(form, spot(world.doc, state).body)
    doc = dict(world.doc)
    if body != spot(world.doc, state).body:
        doc = edits.set_value(world.doc, shown.at, body).doc if shown.at else dict(body)
    for one in shown.arrivals:
        said = one.read(form, one.value)
        if said != one.value:
            doc = edits.set_value(doc, one.name, said).doc
    return doc


def _typed(text: str) -> dict[str, Any]:
    document, problems = load("workflow.json", text[: FILE_BYTES + 1])
    if not document.usable:
        raise EditRefused(problems[0].code, "", **problems[0].params)
    found: dict[str, Any] = document.data
    return found


def _arg(act: Act, index: int = 0, name: str = "") -> str:
    if name and act.form.get(name):
        return act.form[name].strip()
    return act.args[index] if index < len(act.args) else ""


def _connected(doc: dict[str, Any], act: Act) -> Edited:
    return edits.connect(doc, act.at, _arg(act, 0, "target"))


def _event(doc: dict[str, Any], act: Act) -> Edited:
    name = _arg(act, 0, "event") or "next"
    title = act.form.get("event_title", "").strip()
    return edits.add_event(doc, act.at, name, act.form.get("event_target", ""), title or None)


def _way(doc: dict[str, Any], act: Act) -> Edited:
    path = tuple(_arg(act).strip("/").split("/"))
    return edits.add_arrow(doc, act.at, path, act.at or str(doc["initial"]), "true")


def _added(doc: dict[str, Any], act: Act) -> Edited:
    try:
        item = json.loads(_arg(act, 1))
    except json.JSONDecodeError as error:
        raise EditRefused("E118", _arg(act)) from error
    return Edited(edits.add_item(doc, _arg(act), item).doc, act.at)


_ACTS: Final[Mapping[str, Callable[[dict[str, Any], Act], Edited]]] = {
    "after": lambda doc, act: edits.add_after(doc, act.at, _arg(act)),
    "on": lambda doc, act: edits.add_on(doc, _arg(act, 1), _arg(act)),
    "inside": lambda doc, act: edits.add_inside(doc, act.at, _arg(act)),
    "branch": lambda doc, act: edits.add_branch(doc, act.at, _arg(act) or "approval", "true"),
    "connect": _connected,
    "rename": lambda doc, act: edits.rename(doc, act.at, _arg(act, 0, "new_id")),
    "up": lambda doc, act: edits.move(doc, act.at, -1),
    "down": lambda doc, act: edits.move(doc, act.at, 1),
    "in": lambda doc, act: edits.into(doc, act.at),
    "out": lambda doc, act: edits.out(doc, act.at),
    "first": lambda doc, act: edits.make_first(doc, act.at),
    "duplicate": lambda doc, act: edits.duplicate(doc, act.at),
    "delete": lambda doc, act: edits.delete(doc, act.at, _arg(act, 0, "redirect")),
    "wrap": lambda doc, act: edits.wrap(doc, act.at),
    "unwrap": lambda doc, act: edits.unwrap(doc, act.at),
    "event": _event,
    "drop-event": lambda doc, act: edits.remove_event(doc, act.at, _arg(act)),
    "rename-event": lambda doc, act: edits.rename_event(
        doc, act.at, _arg(act), _arg(act, 0, "event_name")
    ),
    "way": _way,
    "add": _added,
    "drop": lambda doc, act: Edited(edits.remove_item(doc, _arg(act)).doc, act.at),
    "higher": lambda doc, act: Edited(edits.move_item(doc, _arg(act), -1).doc, act.at),
    "lower": lambda doc, act: Edited(edits.move_item(doc, _arg(act), 1).doc, act.at),
}
