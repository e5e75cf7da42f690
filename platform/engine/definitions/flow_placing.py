"""Where a state stands in a workflow document: its order, its group, its name, its copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from engine.definitions.flow_new import TITLES, Title
from engine.definitions.flow_parts import Edited, copied, no_region, place, reorder, retarget
from engine.definitions.flow_tree import (
    ROOT,
    Body,
    Doc,
    EditRefused,
    fresh_id,
    get,
    inside,
    kind_of,
    main_slot,
    put,
    renamed,
    siblings,
    spot,
    spots,
    uses,
)

_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def rename(doc: Doc, id: str, wanted: str) -> Edited:
    """Another id for a state, wherever it is named."""
    new = copied(doc)
    here = spot(new, id)
    if not _ID.fullmatch(wanted):
        raise EditRefused("E107", here.pointer, id=wanted)
    if wanted == id:
        return Edited(new, id)
    if any(one.id == wanted for one in spots(new)):
        raise EditRefused("E108", here.pointer, id=wanted)
    group = siblings(new, id)
    reorder(group, [(wanted if name == id else name, body) for name, body in group.items()])
    renamed(new, {id: wanted})
    layout = new.get("layout")
    if isinstance(layout, dict) and id in layout:
        new["layout"] = {wanted if k == id else k: v for k, v in layout.items()}
    return Edited(new, wanted)


def move(doc: Doc, id: str, by: int) -> Edited:
    """Earlier (-1) or later (+1) among its neighbours. Where one simply leads to the other, the
    way is changed with it; else only the order in which they are written."""
    new = copied(doc)
    group = siblings(new, id)
    names = list(group)
    at = names.index(id)
    if not 0 <= at + by < len(names):
        raise EditRefused("E109", spot(new, id).pointer, state=id)
    first, second = names[min(at, at + by)], names[max(at, at + by)]
    order = list(group.items())
    order[at], order[at + by] = order[at + by], order[at]
    _swap(new, first, second)
    reorder(group, order)
    return Edited(new, id)


def _swap(doc: Body, first: str, second: str) -> None:
    one, other = spot(doc, first), spot(doc, second)
    paths = main_slot(one.body), main_slot(other.body)
    if paths[0] is None or paths[1] is None:
        return
    if get(one.body, paths[0]) != [{"target": second}]:
        return
    onward = get(other.body, paths[1])
    if not onward or any(arrow.keys() - {"target", "guard"} for arrow in onward):
        return
    if any(first in _all_targets(arrow) or second in _all_targets(arrow) for arrow in onward):
        return
    earlier = {each.id for each in _until(doc, first)}
    for use in uses(doc, {first}):
        if use.kind == "initial" or (use.kind == "target" and use.state in earlier):
            retarget(doc, use.pointer, first, second)
    put(one.body, paths[0], onward)
    put(other.body, paths[1], [{"target": first}])


def _until(doc: Doc, id: str) -> list[Any]:
    found = []
    for one in spots(doc):
        if one.id == id:
            break
        found.append(one)
    return found


def _all_targets(arrow: Body) -> list[Any]:
    target = arrow.get("target")
    return target if isinstance(target, list) else [target]


def into(doc: Doc, id: str) -> Edited:
    """Into the group that stands right before it."""
    new = copied(doc)
    group = siblings(new, id)
    names = list(group)
    before = names[names.index(id) - 1] if names.index(id) else ""
    if not before or kind_of(group[before]) != "compound" or len(group) < 2:
        raise EditRefused("E110", spot(new, id).pointer, state=id)
    _leave(new, id)
    group[before]["states"][id] = group.pop(id)
    return Edited(new, id)


def out(doc: Doc, id: str) -> Edited:
    """Out of its group, behind it."""
    new = copied(doc)
    here = spot(new, id)
    if here.parent == ROOT:
        raise EditRefused("E111", here.pointer, state=id)
    no_region(new, here.parent)
    no_region(new, spot(new, here.parent).parent)
    group = siblings(new, id)
    if len(group) < 2:
        raise EditRefused("E112", here.pointer, state=here.parent)
    _leave(new, id)
    place(new, here.parent, id, group.pop(id))
    return Edited(new, id)


def _leave(doc: Body, id: str) -> None:
    """A group whose first state goes begins with the next one."""
    parent = spot(doc, spot(doc, id).parent).body
    if parent.get("initial") == id:
        parent["initial"] = next(name for name in parent["states"] if name != id)


def wrap(doc: Doc, id: str, *, title: Title | None = None) -> Edited:
    """A group around a state, so that others can join it."""
    new = copied(doc)
    here = spot(new, id)
    no_region(new, here.parent)
    group = siblings(new, id)
    outer = fresh_id(new, "stage")
    around = {"title": dict(title or TITLES["group"]), "initial": id, "states": {id: here.body}}
    order = [(outer, around) if name == id else (name, body) for name, body in group.items()]
    reorder(group, order)
    parent = spot(new, here.parent).body
    if parent.get("initial") == id:
        parent["initial"] = outer
    return Edited(new, outer)


def unwrap(doc: Doc, id: str) -> Edited:
    """A group taken away, what is in it kept in its place; only when nothing is said of it."""
    new = copied(doc)
    here = spot(new, id)
    if kind_of(here.body) != "compound" or id == ROOT:
        raise EditRefused("E104", here.pointer, state=id)
    said = here.body.keys() - {"title", "description", "type", "initial", "states", "meta", "tags"}
    if said:
        raise EditRefused("E113", here.pointer, state=id, keys=sorted(said))
    no_region(new, here.parent)
    first = str(here.body.get("initial") or next(iter(here.body["states"])))
    order: list[tuple[str, Any]] = []
    for name, body in siblings(new, id).items():
        order += here.body["states"].items() if name == id else [(name, body)]
    reorder(siblings(new, id), order)
    renamed(new, {id: first})
    return Edited(new, first)


def make_first(doc: Doc, id: str) -> Edited:
    """The state with which its group, or the whole workflow, begins."""
    new = copied(doc)
    here = spot(new, id)
    no_region(new, here.parent)
    if here.parent == id or kind_of(here.body) in ("final", "history"):
        raise EditRefused("E114", here.pointer, state=id)
    spot(new, here.parent).body["initial"] = id
    return Edited(new, id)


def duplicate(doc: Doc, id: str) -> Edited:
    """A copy right behind the state; where it can, the way leads from the one to the other."""
    new = copied(doc)
    here = spot(new, id)
    no_region(new, here.parent)
    if id == ROOT:
        raise EditRefused("E101", state="")
    names: dict[str, str] = {}
    for one in inside(new, id):
        names[one] = fresh_id(new, re.sub(r"_\d+$", "", one), names.values())
    body = copied({"states": {id: here.body}})
    _rekey(body, names)
    renamed(body, names)
    twin = names[id]
    place(new, id, twin, body["states"][twin])
    path = main_slot(here.body)
    if path and path[0] in ("onDone", "always") and get(here.body, path):
        put(here.body, path, [{"target": twin}])
    return Edited(new, twin)


def _rekey(body: Body, names: Mapping[str, str]) -> None:
    states = body.get("states")
    if not isinstance(states, dict):
        return
    for inner in states.values():
        _rekey(inner, names)
    reorder(states, [(names.get(name, name), inner) for name, inner in states.items()])
