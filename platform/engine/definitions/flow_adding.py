"""Adding states to a workflow document, and connecting them."""

from __future__ import annotations

from copy import deepcopy

from engine.definitions.document import pointer
from engine.definitions.flow_new import (
    TITLES,
    Title,
    base_of,
    ending_of,
    made,
    pressed,
    region_of,
    title_of,
    way_back,
)
from engine.definitions.flow_parts import Edited, copied, fresh_key, no_region, place, state_at
from engine.definitions.flow_tree import (
    ROOT,
    Body,
    Doc,
    EditRefused,
    arrows,
    fresh_id,
    get,
    kind_of,
    main_slot,
    put,
    slots,
    spot,
)


def add_after(
    doc: Doc, after: str, kind: str, *, title: Title | None = None, workflow: str = ""
) -> Edited:
    """A new state behind another one: it takes over how that one usually went on."""
    new = copied(doc)
    here = spot(new, after)
    path = main_slot(here.body)
    no_region(new, here.parent)
    if path is None:
        raise EditRefused("E102", here.pointer, state=after)
    id = fresh_id(new, base_of(kind))
    old = get(here.body, path)
    if kind == "final":
        place(new, after, id, made(new, kind, id, title))
        if not old:
            put(here.body, path, [{"target": id}])
        return Edited(new, id)
    ways = old or [{"target": ending_of(new, here.parent)}]
    if path[0] in ("on", "after"):
        first = old[0] if old else pressed()
        ways = [
            {k: v for k, v in one.items() if k in ("target", "guard")}
            for one in ways
            if "target" in one
        ]
        if len(old) < 2:  # the condition of a command stays with its button
            ways = [{"target": one["target"]} for one in ways]
            first = {**first, "target": id}
        else:
            first = {**{k: v for k, v in first.items() if k == "title"}, "target": id}
        before = [{**first}, *(one for one in old if "target" not in one)]
    else:
        before = [{"target": id}]
    back = way_back(new, here.body, after)
    place(new, after, id, made(new, kind, id, title, ways, back, workflow))
    put(here.body, path, before)
    return Edited(new, id)


def add_on(
    doc: Doc, arrow: str, kind: str, *, title: Title | None = None, workflow: str = ""
) -> Edited:
    """A new state on one arrow: the arrow leads to it, and it leads where the arrow led."""
    new = copied(doc)
    owner, path, index = _arrow_at(new, arrow)
    here = spot(new, owner)
    no_region(new, here.parent)
    every = get(here.body, path)
    target = every[index].get("target")
    if not isinstance(target, str):
        raise EditRefused("E103", arrow)
    id = fresh_id(new, base_of(kind))
    back = way_back(new, here.body, owner)
    place(new, owner, id, made(new, kind, id, title, [{"target": target}], back, workflow))
    every[index]["target"] = id
    put(here.body, path, every)
    return Edited(new, id)


def add_inside(
    doc: Doc, parent: str, kind: str, *, title: Title | None = None, workflow: str = ""
) -> Edited:
    """A new state in a group, the last of it; in a parallel state a new region."""
    new = copied(doc)
    here = spot(new, parent)
    if kind_of(here.body) not in ("compound", "parallel") and parent != ROOT:
        raise EditRefused("E104", here.pointer, state=parent)
    if kind_of(here.body) == "parallel":
        id = fresh_id(new, "branch")
        here.body["states"][id] = region_of(new, id, title or TITLES["branch"])
        return Edited(new, id)
    id = fresh_id(new, base_of(kind))
    ways = [] if kind == "final" else [{"target": ending_of(new, parent)}]
    back = str(new.get("initial", id))
    here.body["states"][id] = made(new, kind, id, title, ways, back, workflow)
    return Edited(new, id)


def add_branch(
    doc: Doc, state: str, kind: str, guard: str, *, title: Title | None = None
) -> Edited:
    """A condition: when `guard` holds, the way leads over a new state, else as before. It is asked
    first: what is added is the exception to what holds already."""
    new = copied(doc)
    here = spot(new, state)
    path = main_slot(here.body)
    no_region(new, here.parent)
    if path is None or path[0] == "after":
        raise EditRefused("E102", here.pointer, state=state)
    old = get(here.body, path) or [{**pressed(path), "target": ending_of(new, here.parent)}]
    default = next(
        (one["target"] for one in reversed(old) if isinstance(one.get("target"), str)), ""
    )
    if not default:
        raise EditRefused("E103", here.pointer)
    id = fresh_id(new, base_of(kind))
    plain = path[0] != "on" and not any(one.keys() - {"target", "guard"} for one in old)
    ways = deepcopy(old) if plain else [{"target": default}]
    place(new, state, id, made(new, kind, id, title, ways, way_back(new, here.body, state)))
    arrow = {"target": id, "guard": guard}
    if path[0] == "on" and "title" in old[-1]:
        arrow["title"] = deepcopy(old[-1]["title"])
    put(here.body, path, [arrow, *old])
    return Edited(new, id)


def connect(doc: Doc, source: str, target: str) -> Edited:
    """An arrow from one state to another; where there is a way on already, under a condition."""
    new = copied(doc)
    here = spot(new, source)
    spot(new, target)
    if ROOT in (target, source):
        raise EditRefused("E101", state="")
    kind = kind_of(here.body)
    path = main_slot(here.body)
    if path is None:
        raise EditRefused("E102", here.pointer, state=source)
    if kind == "atomic" and path[0] != "always":
        event = fresh_key(here.body.get("on") or {}, f"to_{target}"[:60])
        put(here.body, ("on", event), [{"target": target, "title": title_of(new, target)}])
        here.body.setdefault("may", {}).setdefault(event, {"starter": True})
        return Edited(new, source)
    old = get(here.body, path)
    more: Body = {"target": target, "guard": "true"} if old else {"target": target}
    put(here.body, path, [*old[:-1], more, old[-1]] if old else [more])
    return Edited(new, source)


def _arrow_at(doc: Doc, at: str) -> tuple[str, tuple[str, ...], int]:
    """The state, the slot and the place in it of the arrow at a pointer."""
    owner = state_at(doc, at)
    here = spot(doc, owner)
    for path, value in slots(here.body):
        base = here.pointer + pointer(*path)
        for index in range(len(arrows(value))):
            if at == (base + pointer(index) if isinstance(value, list) else base):
                return owner, path, index
    for index in range(len(here.body.get("after") or ())):
        if at == here.pointer + pointer("after", index):
            return owner, ("after", str(index)), 0
    raise EditRefused("E118", at)
