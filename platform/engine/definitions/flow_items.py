"""Buttons, arrows, entries of lists and single values of a workflow document."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from engine.definitions.flow_parts import (
    Edited,
    copied,
    fresh_key,
    outer_of,
    parts_of,
    reorder,
    state_at,
)
from engine.definitions.flow_tree import ROOT, Body, Doc, EditRefused, get, kind_of, put, spot


def add_event(doc: Doc, state: str, event: str, target: str, title: Any = None) -> Edited:
    """A button: an event, where it leads, and its starter as the one who may press it."""
    new = copied(doc)
    here = spot(new, state)
    if kind_of(here.body) in ("final", "history") or state == ROOT:
        raise EditRefused("E102", here.pointer, state=state)
    name = fresh_key(here.body.get("on") or {}, event)
    arrow: Body = {"target": target} if target else {"actions": []}
    put(here.body, ("on", name), [{**arrow, **({"title": title} if title else {})}])
    here.body.setdefault("may", {}).setdefault(name, {"starter": True})
    return Edited(new, state)


def add_arrow(doc: Doc, state: str, path: tuple[str, ...], target: str, guard: str = "") -> Edited:
    """One more branch of a slot: in front of the last one when it has a condition."""
    new = copied(doc)
    here = spot(new, state)
    old = get(here.body, path)
    arrow: Body = {"target": target, **({"guard": guard} if guard else {})}
    put(here.body, path, [*old[:-1], arrow, old[-1]] if old and guard else [*old, arrow])
    return Edited(new, state)


def remove_event(doc: Doc, state: str, event: str) -> Edited:
    """A button taken away, with the rule of who may press it."""
    new = copied(doc)
    here = spot(new, state)
    for key in ("on", "may"):
        found = here.body.get(key)
        if isinstance(found, dict):
            found.pop(event, None)
            if not found:
                del here.body[key]
    return Edited(new, state)


def rename_event(doc: Doc, state: str, event: str, wanted: str) -> Edited:
    """Another name for a button's event, in its own state."""
    new = copied(doc)
    here = spot(new, state)
    if wanted != event and wanted in (here.body.get("on") or {}):
        raise EditRefused("E117", here.pointer, event=wanted)
    for key in ("on", "may"):
        found = here.body.get(key)
        if isinstance(found, dict) and event in found:
            reorder(found, [(wanted if k == event else k, v) for k, v in found.items()])
    return Edited(new, state)


def add_item(doc: Doc, at: str, item: Any) -> Edited:
    """One more entry of a list; a single thing that may also be a list becomes one."""
    new = copied(doc)
    outer, key = outer_of(new, at, make=True)
    old = outer.get(key)
    many = old if isinstance(old, list) else [] if old is None else [old]
    outer[key] = [*many, deepcopy(item)]
    return Edited(new, state_at(new, at))


def remove_item(doc: Doc, at: str) -> Edited:
    """An entry of a list, or a key, taken away; an empty list goes with its last entry."""
    new = copied(doc)
    outer, key = outer_of(new, at)
    if isinstance(outer, list):
        del outer[int(key)]
    else:
        outer.pop(key, None)
    parent_at = at.rpartition("/")[0]
    if not outer and parent_at and not parent_at.endswith("/states"):
        above, name = outer_of(new, parent_at)
        if isinstance(above, dict):
            above.pop(name)
    return Edited(new, state_at(new, at))


def move_item(doc: Doc, at: str, by: int) -> Edited:
    """An entry of a list one place up or down."""
    new = copied(doc)
    outer, key = outer_of(new, at)
    index = int(key)
    if not isinstance(outer, list) or not 0 <= index + by < len(outer):
        raise EditRefused("E118", at)
    outer[index], outer[index + by] = outer[index + by], outer[index]
    return Edited(new, state_at(new, at))


def set_value(doc: Doc, at: str, value: Any) -> Edited:
    """Write, or with None remove, the value at a pointer."""
    new = copied(doc)
    outer, key = outer_of(new, at, make=value is not None)
    if isinstance(outer, list):
        outer[int(key)] = deepcopy(value)
    elif value is None:
        outer.pop(key, None)
    else:
        outer[key] = deepcopy(value)
    return Edited(new, state_at(new, at))


def value_at(doc: Doc, at: str) -> Any:
    """What stands at a pointer; None for nothing."""
    found: Any = doc
    for part in parts_of(at):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found
