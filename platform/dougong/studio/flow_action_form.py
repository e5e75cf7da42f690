"""The list of actions in the workflow editor: what there is to choose, and a form for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dougong.studio.flow_builder import Builder
from dougong.studio.flow_labels import (
    ACTIONS,
    LABELS,
    ONLY_APPROVALS,
    OPTIONS,
    SEEDS,
)
from dougong.studio.flow_nested import Group, Rows
from dougong.studio.flow_widgets import (
    Choice,
    Raw,
    Text,
    Widget,
)
from dougong.studio.flow_world import World
from engine.definitions.document import pointer
from engine.definitions.model import text_of


class Maker(Protocol):
    """What makes the inputs of the keys that actions share with the rest."""

    builder: Builder
    world: World
    kind: Any

    def choice(
        self, full: str, key: str, label: str, help: str, at: str, value: Any, said: Sequence[Any]
    ) -> Choice:
        """One of an enumeration."""

    def named(self, key: str, label: str, help: str, at: str, value: Any) -> Choice:
        """A name of something that exists."""


def action_rows(maker: Maker, at: str, label: str, value: Any) -> Rows:
    """A list of actions."""
    many = value or []
    rows = [_action(maker, at + pointer(i), one) for i, one in enumerate(many)]
    titles = [maker.world.action(one) for one in many]
    offered = [
        (str(words), at, json.dumps(_seed(maker, key)))
        for key, words in ACTIONS.items()
        if maker.kind == "approval" or key not in ONLY_APPROVALS
    ]
    return Rows(at, label, value, items=rows, titles=titles, adds=offered, sort="action")


def _seed(maker: Maker, key: str) -> Mapping[str, Any]:
    """A new action that fits the meta-schema, with the first of what there is to choose."""
    world = maker.world
    seed = dict(SEEDS[key])
    first = next(iter(world.fields), "id")
    match key:
        case "notify":
            seed["template"] = next(iter(world.notices), "notice")
        case "set_field":
            seed["field"] = first
        case "assign":
            return {"assign": {first: first}}
        case "create_record":
            seed["entity"] = next(iter(world.model.entities), "record")
        case "webhook":
            seed["channel"] = next(iter(world.channels), "channel")
            seed["event"] = "changed"
    return seed


def _action(maker: Maker, at: str, said: Mapping[str, Any]) -> Widget:
    if "assign" in said:
        pairs = maker.builder.pairs(
            at + "/assign", _label("assign"), said["assign"], maker.world.fields
        )
        return Group(at, "", said, items=[pairs], keys=["assign"])
    if "raise" in said:
        item: Widget = Text(at + "/raise", _label("raise"), said["raise"])
        return Group(at, "", said, items=[item], keys=["raise"])
    items: dict[str, Widget] = {}
    for key, value in said.items():
        here = at + pointer(key)
        if key == "type":
            continue
        if key == "to":
            items[key] = maker.builder.whos(here, _label(key), value)
        elif key in ("mode", "outcome"):
            enum = list(OPTIONS[key])
            items[key] = maker.choice(key, key, _label(key), "", here, value, enum)
        elif key in ("template", "field", "entity", "into", "channel"):
            items[key] = maker.named(key, _label(key), "", here, value)
        elif key == "values" and isinstance(value, Mapping):
            made = maker.world.model.entities.get(str(said.get("entity")))
            names = {k: text_of(one.title, maker.world.language) or k
                     for k, one in (made.fields if made else {}).items()}  # fmt: skip
            items[key] = maker.builder.pairs(here, _label(key), value, names)
        elif isinstance(value, str):
            items[key] = Text(here, _label(key), value)
        else:
            items[key] = Raw(here, _label(key), value)
    return Group(at, "", said, items=list(items.values()), keys=list(items), needed=True)


def _label(key: str) -> str:
    return str(LABELS.get(key, key))
