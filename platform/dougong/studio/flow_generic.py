"""Inputs for the keys of a workflow document, as the meta-schema describes them.

A key that the schema gains gets an input of its type here by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext

from dougong.studio.flow_action_form import action_rows
from dougong.studio.flow_builder import Builder
from dougong.studio.flow_condition_widget import Condition
from dougong.studio.flow_conditions import ALWAYS
from dougong.studio.flow_labels import (
    DEFAULTS,
    HELP,
    LABELS,
    OPTIONS,
)
from dougong.studio.flow_nested import Group, Ways
from dougong.studio.flow_widgets import (
    Checks,
    Choice,
    Duration,
    Flag,
    Number,
    Raw,
    Text,
    Widget,
)
from engine.definitions.document import pointer
from engine.definitions.flow_tree import Spot, arrows, kind_of
from engine.definitions.model import text_of


class Generic:
    """Widgets that follow from what the meta-schema says of a key."""

    def __init__(self, builder: Builder, here: Spot) -> None:
        self.builder, self.here = builder, here
        self.world = builder.world
        self.kind = here.body.get("type") if here.id else "root"
        self.sort = kind_of(here.body)

    def generic(
        self, key: str, said: Mapping[str, Any], at: str, value: Any, scope: str = ""
    ) -> Widget:
        """The widget that follows from what the schema says."""
        name, shape = self.builder.resolved(said)
        label = str(LABELS.get(f"{scope}{key}", LABELS.get(key, key)))
        help = str(HELP.get(f"{scope}{key}", HELP.get(key, "")) or "")
        if key in ("workflow", "stateField", "initial", "field", "entity", "into", "channel",
                   "template"):  # fmt: skip
            return self.named(key, label, help, at, value)
        if named := self._by_definition(name, key, label, help, at, value):
            return named
        if "enum" in shape:
            return self.choice(scope + key, key, label, help, at, value, shape["enum"])
        match shape.get("type"):
            case "boolean":
                return Flag(at, label, value, help, default=bool(DEFAULTS.get(key, False)))
            case "integer":
                least, most = shape.get("minimum", 0), shape.get("maximum", 10_000)
                return Number(at, label, value, help, least=least, most=most)
            case "string":
                if key == "forEach":
                    return self.builder.expression(at, label, value, "value")
                return Text(at, label, value, help)
            case "array" if "enum" in shape.get("items", {}):
                options = self._options(key, shape["items"]["enum"])
                default = ("approve", "reject") if key == "allow" else ()
                return Checks(at, label, value, help, options=options, default=default)
            case "object" if shape.get("properties"):
                return self._object(key, label, shape, at, value)
        return Raw(at, label, value, help)

    def _by_definition(
        self, name: str, key: str, label: str, help: str, at: str, value: Any
    ) -> Widget | None:
        builder = self.builder
        match name:
            case "text":
                return builder.words(at, label, value)
            case "guard":
                found = builder.expression(at, label, value, "instant" if key == "at" else "bool")
                found.help = help
                return found
            case "duration":
                return Duration(at, label, value, help)
            case "whos":
                return builder.whos(at, label, value, help=help)
            case "who":
                return builder.who(at, label, value)
            case "actions":
                return action_rows(self, at, label, value)
            case "target":
                return self._target(at, value)
            case "transition":
                return self.ways(at, label, value)
        return None

    def _object(self, key: str, label: str, shape: Mapping[str, Any], at: str, value: Any) -> Group:
        old = value if isinstance(value, Mapping) else {}
        keys = list(shape["properties"])
        items = [
            self._return_to(at + pointer(k), old.get(k)) if (key, k) == ("return", "to")
            else self.generic(k, shape["properties"][k], at + pointer(k), old.get(k), f"{key}.")
            for k in keys
        ]  # fmt: skip
        return Group(at, label, value, items=items, keys=keys)

    def _options(self, key: str, said: Sequence[Any]) -> dict[str, str]:
        words = OPTIONS.get(key, {})
        return {str(one): str(words.get(str(one), one)) for one in said}

    def choice(
        self, full: str, key: str, label: str, help: str, at: str, value: Any, said: Sequence[Any]
    ) -> Choice:
        """One of an enumeration, in words."""
        words = full if full in OPTIONS else key
        options = self._options(words, said)
        default = DEFAULTS.get(full, DEFAULTS.get(key))
        blank = gettext("Default: %(value)s", value=options.get(str(default), "—"))
        return Choice(at, label, value, help, options=options, blank=blank)

    def named(self, key: str, label: str, help: str, at: str, value: Any) -> Choice:
        """A name of something that exists; one that does not stays to be seen."""
        world = self.world
        match key:
            case "workflow":
                offered = {id: text_of(one.title, world.language) or id
                           for id, one in world.model.workflows.items()}  # fmt: skip
            case "stateField":
                fields = world.entity.fields if world.entity else {}
                offered = {k: v for k, v in world.fields.items() if fields[k].type == "choice"}
            case "initial":
                inner = self.here.body.get("states", {})
                offered = {id: world.title(id) for id in inner}
                if value and value not in inner:
                    offered[str(value)] = world.title(value)
            case "entity":
                offered = {id: text_of(one.title, world.language) or id
                           for id, one in world.model.entities.items()}  # fmt: skip
            case "template":
                offered = dict(world.notices)
            case "channel":
                offered = dict(world.channels)
            case _:
                offered = dict(world.fields)
        if value and str(value) not in offered:
            offered[str(value)] = str(value)
        return Choice(at, label, value, help, options=offered, blank=gettext("Choose…"))

    def _return_to(self, at: str, value: Any) -> Widget:
        before = {
            id: self.world.title(id)
            for id, one in self.world.states.items()
            if id != self.here.id and kind_of(one.body) not in ("final", "history")
        }
        options = {
            "#start": gettext("the start"),
            "#previous": gettext("the step before"),
            "*": gettext("any step it has passed"),
            **before,
        }
        return Checks(at, str(LABELS["return.to"]), value, options=options)

    def _target(self, at: str, value: Any) -> Widget:
        if isinstance(value, list):
            return Raw(at, str(LABELS["target"]), value)
        options = self.builder.states()
        if value and value not in options:
            options[str(value)] = str(value)
        blank = gettext("stays where it is")
        return Choice(at, str(LABELS["target"]), value, options=options, blank=blank)

    def ways(self, at: str, label: str, value: Any, *, drop: str = "") -> Ways:
        """The arrows of a slot."""
        shape = self.builder.schema["$defs"]["transition_object"]["properties"]
        many, every = isinstance(value, list), arrows(value)
        rows = []
        for index, one in enumerate(every):
            here = at + pointer(index) if many else at
            keys = list(shape)
            items = [self.generic(k, shape[k], here + pointer(k), one.get(k)) for k in keys]
            for item in items:
                if isinstance(item, Condition) and index < len(every) - 1:
                    item.blank = ALWAYS  # only the last way can do without one
            rows.append(Group(here, "", one, items=items, keys=keys))
        return Ways(at, label, value, items=rows, slot=at, drop=drop)
