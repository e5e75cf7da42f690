"""The properties of one state, or of the workflow itself, as inputs in sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask_babel import gettext

from dougong.studio.flow_arrivals import arrivals
from dougong.studio.flow_builder import Builder
from dougong.studio.flow_nested import Group
from dougong.studio.flow_state_form import Button, StateForm
from dougong.studio.flow_widgets import Expression, Widget
from dougong.studio.flow_world import World, kind_icon, kind_name
from engine.definitions.checking import schema
from engine.definitions.flow_tree import kind_of, spot

_SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "basics": ("title", "initial", "workflow", "wait", "forEach", "stateField",
               "trigger"),
    "people": ("assignees", "quorum", "veto", "order", "empty", "cc"),
    "ways": ("onDone", "always", "onError", "target", "history"),
    "timers": ("after",),
    "rules": ("allow", "return", "comment", "signature", "recall", "lock", "claim", "auto", "close",
              "weights"),
    "fields": ("fields",),
    "actions": ("entry", "exit"),
    "values": ("input", "output"),
    "more": ("description", "tags"),
}  # fmt: skip
_OPEN: Final = frozenset({"basics", "people", "ways", "buttons"})


@dataclass(frozen=True)
class Section:
    """Widgets that belong together."""

    key: str
    title: str
    items: Sequence[Widget]
    open: bool = False
    count: int = 0
    buttons: Sequence[Button] = ()


@dataclass(frozen=True)
class Panel:
    """The form of one state; `root` reads it."""

    id: str
    at: str
    title: str
    kind: str
    sort: str
    icon: str
    root: Group
    sections: Sequence[Section]
    about: str = ""
    arrivals: Sequence[Expression] = ()  # they stand in other states


def panel(world: World, id: str) -> Panel:
    """The properties of a state; with "" those of the workflow."""
    here = spot(world.doc, id)
    builder = Builder(world, schema("workflow"))
    made = StateForm(builder, here)
    widgets = made.widgets()
    coming = [*arrivals(builder, id)]
    sections = [*_sections(made, widgets)]
    if coming:
        title = gettext("When a case comes here")
        sections.insert(1, Section("arrivals", title, coming, open=True))
    order = [key for key in made.properties if key in widgets]
    root = Group(here.pointer, "", here.body, items=[widgets[k] for k in order], keys=order)
    title = world.title(id) if id else world.said(world.doc.get("title"))
    return Panel(
        id,
        here.pointer,
        title or id,
        kind_name(here.body) if id else gettext("Workflow"),
        kind_of(here.body),
        kind_icon(here.body) if id else "sitemap",
        root,
        sections,
        world.quorum(here.body) if made.kind == "approval" else "",
        coming,
    )


def _sections(made: StateForm, widgets: Mapping[str, Widget]) -> list[Section]:
    titles = {
        "basics": gettext("What it is"),
        "people": gettext("Who decides"),
        "buttons": gettext("Buttons"),
        "ways": gettext("Where it goes on"),
        "timers": gettext("Timers"),
        "rules": gettext("Rules of the decision"),
        "fields": gettext("Rights on fields"),
        "actions": gettext("What happens on entering and leaving"),
        "values": gettext("Values handed over"),
        "more": gettext("More"),
    }
    placed = {key for keys in _SECTIONS.values() for key in keys}
    found = []
    for name in ("basics", "people", "buttons", "ways", "timers", "rules", "fields", "values",
                 "actions", "more"):  # fmt: skip
        keys = list(_SECTIONS.get(name, ()))
        if name == "more":
            keys += [key for key in widgets if key not in placed and key not in ("on", "may")]
        items = [widgets[key] for key in keys if key in widgets]
        buttons = made.buttons(widgets) if name == "buttons" else []
        if not items and not (name == "buttons" and "on" in made.properties):
            continue
        if name == "buttons" and made.kind in ("approval", "call") and not buttons:
            continue
        said = sum(key in made.here.body for key in keys) if name not in _OPEN else len(buttons)
        found.append(Section(name, titles[name], items, name in _OPEN, said, buttons))
    return found
