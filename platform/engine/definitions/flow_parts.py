"""What every change of a workflow document is made with: copies, places and pointers."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from engine.definitions.flow_tree import (
    ROOT,
    Body,
    Doc,
    EditRefused,
    kind_of,
    siblings,
    spot,
    spots,
)


@dataclass(frozen=True, slots=True)
class Edited:
    """The document after a change, and the state to look at next."""

    doc: Body
    at: str


def fresh_key(taken: Mapping[str, Any], wanted: str) -> str:
    """A key that is not taken yet."""
    number, found = 2, wanted
    while found in taken:
        found, number = f"{wanted}_{number}", number + 1
    return found


def place(doc: Body, after: str, id: str, body: Body) -> None:
    """Put a state behind another one of the same group."""
    group = siblings(doc, after)
    order = list(group.items())
    at = next(index for index, (name, _) in enumerate(order) if name == after) + 1
    reorder(group, [*order[:at], (id, body), *order[at:]])


def reorder(group: Body, order: list[tuple[str, Any]]) -> None:
    """The same object in another order."""
    group.clear()
    group.update(order)


def no_region(doc: Doc, parent: str) -> None:
    """Refuses what a branch of a parallel state cannot have."""
    if parent != ROOT and kind_of(spot(doc, parent).body) == "parallel":
        raise EditRefused("E106", spot(doc, parent).pointer, state=parent)


def state_at(doc: Doc, at: str) -> str:
    """The innermost state that a pointer lies in."""
    found = [one for one in spots(doc) if at == one.pointer or at.startswith(one.pointer + "/")]
    return max(found, key=lambda one: len(one.pointer)).id if found else ROOT


def copied(doc: Any) -> Body:
    """A document of its own, to be changed."""
    made: Body = deepcopy(dict(doc))
    return made


def parts_of(at: str) -> list[str]:
    """The steps of a JSON pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in at.split("/")[1:]]


def outer_of(doc: Body, at: str, *, make: bool = False) -> tuple[Any, str]:
    """What holds the value at a pointer, and under which key."""
    found: Any = doc
    *steps, last = parts_of(at) or [""]
    for step in steps:
        if isinstance(found, dict):
            if make:
                found.setdefault(step, {})
            found = found.get(step)
        elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            found = None
    bad_index = isinstance(found, list) and not (last.isdigit() and int(last) < len(found))
    if not last or not isinstance(found, dict | list) or bad_index:
        raise EditRefused("E118", at)
    return found, last


def retarget(doc: Body, at: str, old: str, goal: str) -> None:
    """The one reference at a pointer leads elsewhere."""
    outer, key = outer_of(doc, at)
    place: Any = int(key) if isinstance(outer, list) else key
    value = outer[place]
    if isinstance(value, str):
        outer[place] = goal
    elif isinstance(value.get("target"), list):
        value["target"] = list(
            dict.fromkeys(goal if one == old else one for one in value["target"])
        )
        if len(value["target"]) == 1:
            value["target"] = value["target"][0]
    else:
        value["target"] = goal
