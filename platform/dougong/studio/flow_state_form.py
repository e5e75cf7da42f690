"""Which inputs a state of a workflow has, and those that are made for one key alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask_babel import gettext

from dougong.studio.flow_builder import Builder
from dougong.studio.flow_generic import Generic
from dougong.studio.flow_labels import (
    HELP,
    LABELS,
    OPTIONS,
)
from dougong.studio.flow_nested import Group, Rows, Ways
from dougong.studio.flow_rule_widgets import Quorum, Rights
from dougong.studio.flow_widgets import (
    Flag,
    Tags,
    Widget,
)
from engine.definitions.document import pointer
from engine.definitions.flow_tree import ROOT, Spot, arrows
from engine.definitions.model import text_of

_SELDOM_IN_TIMERS: Final = frozenset({"id", "every", "times", "target", "guard", "reenter"})
_ELSEWHERE: Final = frozenset({"type", "states", "on", "may", "meta", "layout", "$schema",
                               "$comment", "id", "version", "entity"})  # fmt: skip


@dataclass(frozen=True)
class Button:
    """An event of a state: what it is called, where it leads, who may press it."""

    event: str
    title: str
    ways: Ways
    may: Rows
    drop: str


class StateForm(Generic):
    """The widgets of one state, or of the workflow itself."""

    def __init__(self, builder: Builder, here: Spot) -> None:
        super().__init__(builder, here)
        self.properties = self._properties()

    def _properties(self) -> Mapping[str, Mapping[str, Any]]:
        """The keys that a state of this kind can have, with what the schema says of each."""
        if self.here.id == ROOT:
            found: Mapping[str, Any] = self.builder.schema["properties"]
            return {key: said for key, said in found.items() if key not in ("$schema", "$comment")}
        definitions = self.builder.schema["$defs"]
        name = self.kind if self.kind in ("approval", "call") else "plain"
        common = definitions["common"]["properties"]
        own = definitions[name]["properties"]
        every = {key: common.get(key, {}) if said is True else said for key, said in own.items()}
        return {key: said for key, said in every.items() if key not in self._impossible()}

    def _impossible(self) -> set[str]:
        """Keys that the schema lets a plain state have, and that mean nothing for this one."""
        match self.sort:
            case "final":
                return {"initial", "states", "always", "onDone", "history", "target", "on", "may",
                        "after", "exit"}  # fmt: skip
            case "atomic":
                hidden = {"initial", "states", "onDone", "history", "target"}
                return hidden | ({"on", "may", "after"} if "always" in self.here.body else set())
            case "compound":
                return {"always", "history", "target"}
            case "parallel":
                return {"always", "history", "target", "initial"}
            case "history":
                return {"initial", "states", "always", "onDone", "on", "may", "after", "entry",
                        "exit", "fields"}  # fmt: skip
        return set()

    def widgets(self) -> dict[str, Widget]:
        """One for each key that is edited in the form."""
        found: dict[str, Widget] = {}
        body = self.here.body
        for key, said in self.properties.items():
            if key in _ELSEWHERE and key not in ("on", "may"):
                continue
            if key == "always" and key not in body and self.sort == "atomic":
                continue
            widget = self._widget(key, said, self.here.pointer + pointer(key), body.get(key))
            if widget is not None:
                found[key] = widget
        return found

    def buttons(self, widgets: Mapping[str, Widget]) -> list[Button]:
        """The events, each with its ways and its people."""
        on, may = widgets.get("on"), widgets.get("may")
        if not isinstance(on, Group) or not isinstance(may, Group):
            return []
        found = []
        for event, ways, who in zip(on.keys, on.items, may.items, strict=True):
            if not isinstance(ways, Ways) or not isinstance(who, Rows):
                continue
            first = next(iter(arrows(self.here.body["on"].get(event))), {})
            title = self.world.said(first.get("title")) or event
            found.append(Button(event, title, ways, who, event))
        return found

    def _widget(self, key: str, said: Mapping[str, Any], at: str, value: Any) -> Widget | None:
        special = getattr(self, f"_{key}", None)
        if special is not None:
            made: Widget = special(at, value)
            return made
        return self.generic(key, said, at, value)

    def _trigger(self, at: str, value: Any) -> Widget:
        shape = self.builder.resolved(self.properties["trigger"])[1]
        said = value if isinstance(value, Mapping) else {}
        timed = said.get("on") == "schedule" or "cron" in said
        asked = {k: v for k, v in shape["properties"].items() if timed or k != "cron"}
        return self._object("trigger", str(LABELS["trigger"]), {"properties": asked}, at, value)

    def _tags(self, at: str, value: Any) -> Widget:
        return Tags(at, str(LABELS["tags"]), value, str(HELP["tags"]))

    def _quorum(self, at: str, value: Any) -> Widget:
        return Quorum(at, str(LABELS["quorum"]), value)

    def _veto(self, at: str, value: Any) -> Widget:
        rule = self.here.body.get("quorum", "all")
        return Flag(at, str(LABELS["veto"]), value, default=rule in ("all", "any"))

    def _assignees(self, at: str, value: Any) -> Widget:
        return self.builder.whos(at, str(LABELS["assignees"]), value, least=1)

    def _weights(self, at: str, value: Any) -> Widget:
        found = self.builder.pairs(at, str(LABELS["weights"]), value, self.world.users)
        found.numbers, found.help = True, str(HELP["weights"])
        return found

    def _empty(self, at: str, value: Any) -> Widget:
        if isinstance(value, Mapping):
            return self.builder.who(at, str(LABELS["empty"]), value)
        said = self.builder.schema["$defs"]["approval"]["properties"]["empty"]["anyOf"][0]
        label, help = str(LABELS["empty"]), str(HELP["empty"])
        return self.choice("empty", "empty", label, help, at, value, said["enum"])

    def _fields(self, at: str, value: Any) -> Widget:
        names = {**self.world.fields, "*": gettext("All other fields")}
        names |= {key: key for key in value or {} if key not in names}
        levels = {key: str(word) for key, word in OPTIONS["rights"].items()}
        label, help = str(LABELS["fields"]), str(HELP["fields"])
        return Rights(at, label, value, help, options=names, levels=levels)

    def _input(self, at: str, value: Any) -> Widget:
        called = self.world.model.workflows.get(str(self.here.body.get("workflow")))
        entity = self.world.model.entities.get(called.entity) if called else None
        names = {key: text_of(one.title, self.world.language) or key
                 for key, one in (entity.fields if entity else {}).items()}  # fmt: skip
        return self.builder.pairs(at, str(LABELS["input"]), value, names)

    def _output(self, at: str, value: Any) -> Widget:
        return self.builder.pairs(at, str(LABELS["output"]), value, self.world.fields)

    def _onDone(self, at: str, value: Any) -> Widget:  # noqa: N802 - the key's own name
        if self.kind != "approval":
            return self.ways(at, str(LABELS["onDone"]), value)
        keys = ["approved", "rejected"]
        old = value if isinstance(value, Mapping) else {}
        items = [self.ways(at + pointer(key), str(LABELS[key]), old.get(key)) for key in keys]
        return Group(at, "", value, items=items, keys=keys)

    def _on(self, at: str, value: Any) -> Widget:
        events = self._events()
        old = value or {}
        items = [self.ways(at + pointer(e), e, old.get(e), drop=e) for e in events]
        return Group(at, str(LABELS["on"]), value, items=items, keys=events)

    def _may(self, at: str, value: Any) -> Widget:
        events, old = self._events(), value or {}
        items = [self.builder.whos(at + pointer(e), str(LABELS["may"]), old.get(e)) for e in events]
        return Group(at, str(LABELS["may"]), value, items=items, keys=events)

    def _events(self) -> list[str]:
        """The state's own buttons, and those of its surroundings that it only allows."""
        body = self.here.body
        return list(dict.fromkeys([*(body.get("on") or {}), *(body.get("may") or {})]))

    def _after(self, at: str, value: Any) -> Widget:
        shape = self.builder.schema["$defs"]["timer"]["properties"]
        rows, titles = [], []
        for index, timer in enumerate(value or ()):
            other = "at" if "delay" in timer else "delay"
            keys = sorted((key for key in shape if key != other), key=_timer_order)
            here = at + pointer(index)
            items = [self.generic(k, shape[k], here + pointer(k), timer.get(k)) for k in keys]
            seldom = frozenset(_SELDOM_IN_TIMERS - timer.keys())
            rows.append(Group(here, "", timer, items=items, keys=keys, seldom=seldom))
            titles.append(self.world.timer(timer))
        adds = [(words, at, json.dumps(seed)) for words, seed in self._timers()]
        return Rows(at, "", value, items=rows, titles=titles, adds=adds, sort="timer")

    def _timers(self) -> list[tuple[str, dict[str, Any]]]:
        """What can be set going after a time."""
        approval = self.kind == "approval"
        does = [{"type": "remind"}] if approval else []
        up = {"type": "escalate", "to": {"supervisor": 1}, "mode": "notify"}
        late: dict[str, Any] = {"delay": "P2D", "clock": "work"}
        found = [(gettext("Add a timer"), {"delay": "PT8H", "clock": "work", "actions": does})]
        if approval:
            decide = {"type": "decide", "outcome": "rejected"}
            found += [
                (gettext("Add an escalation"), {**late, "actions": [up]}),
                (gettext("Add an automatic decision"), {**late, "actions": [decide]}),
            ]
        moment: dict[str, Any] = {"at": "today()", "actions": does}
        return [*found, (gettext("Add a moment of the record"), moment)]


def _timer_order(key: str) -> int:
    order = ("delay", "at", "clock", "actions", "target")
    return order.index(key) if key in order else len(order)
