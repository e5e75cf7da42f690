"""What a new state of a workflow says: everything its kind needs, and sound defaults."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from engine.definitions.flow_tree import (
    ROOT,
    Body,
    Doc,
    EditRefused,
    fresh_id,
    get,
    kind_of,
    packed,
    spot,
)

Title = Mapping[str, str]
KINDS: Final = ("approval", "step", "wait", "parallel", "call", "final")
TITLES: Final[Mapping[str, Title]] = {
    "approval": {"zh-CN": "审批", "en": "Approval"},
    "step": {"zh-CN": "步骤", "en": "Step"},
    "wait": {"zh-CN": "等待", "en": "Wait"},
    "parallel": {"zh-CN": "并行处理", "en": "In parallel"},
    "branch": {"zh-CN": "分支", "en": "Branch"},
    "call": {"zh-CN": "子流程", "en": "Sub-workflow"},
    "final": {"zh-CN": "结束", "en": "End"},
    "group": {"zh-CN": "阶段", "en": "Stage"},
    "next": {"zh-CN": "下一步", "en": "Next"},
}
_BASES: Final = {"call": "subflow", "final": "end"}


def pressed(path: tuple[str, ...] = ("on", "next")) -> Body:
    """What is said of a way that somebody presses a button for."""
    return {"title": dict(TITLES["next"])} if path[0] == "on" else {}


def title_of(doc: Doc, id: str) -> Any:
    """The title of a state, else its id."""
    return deepcopy(spot(doc, id).body.get("title") or id)


def base_of(kind: str) -> str:
    """What the id of a new state of a kind begins with."""
    if kind not in KINDS:
        raise EditRefused("E105", kind=kind)
    return _BASES.get(kind, kind)


def made(
    doc: Doc,
    kind: str,
    id: str,
    title: Title | None,
    ways: list[Body] | None = None,
    back: str = "",
    workflow: str = "",
) -> Body:
    """A state with everything its kind needs and sound defaults."""
    named = {"title": dict(title or TITLES[kind])}
    on = packed([dict(one) for one in ways or ()])
    match kind:
        case "final":
            return {"type": "final", **named}
        case "approval":
            return _approval(named["title"], on, back or id)
        case "parallel":
            one, other = (fresh_id(doc, f"{id}_{letter}") for letter in "ab")
            regions = {each: region_of(doc, each, TITLES["branch"], letter)
                       for each, letter in ((one, " A"), (other, " B"))}  # fmt: skip
            return {"type": "parallel", **named, "onDone": on, "states": regions}
        case "call":
            return {"type": "call", **named, "workflow": workflow or str(doc["id"]), "onDone": on}
        case "wait":
            target = (ways or [{"target": id}])[0]["target"]
            return {**named, "after": [{"id": "go", "delay": "P1D", "target": target}]}
    button = [{**one, "title": dict(TITLES["next"])} for one in ways or ()]
    return {**named, "may": {"next": {"starter": True}}, "on": {"next": packed(button)}}


def _approval(title: Title, approved: Any, rejected: str) -> Body:
    return {
        "type": "approval",
        "title": dict(title),
        "assignees": [{"supervisor": 1}],
        "quorum": "any",
        "empty": "admin",
        "comment": "on-reject",
        "onDone": {"approved": approved, "rejected": rejected},
    }


def region_of(doc: Doc, id: str, title: Title, letter: str = "") -> Body:
    """A branch of a parallel state: an approval and its end."""
    step, end = fresh_id(doc, f"{id}_approval", [id]), fresh_id(doc, f"{id}_end", [id])
    return {
        "title": {tag: text + letter for tag, text in title.items()},
        "initial": step,
        "states": {
            step: _approval(TITLES["approval"], end, str(doc.get("initial", step))),
            end: {"type": "final", "title": dict(TITLES["final"])},
        },
    }


def ending_of(doc: Body, parent: str) -> str:
    """An end of the group, else of the document; made when there is none."""
    for place in (parent, ROOT):
        for id, body in spot(doc, place).body.get("states", {}).items():
            if kind_of(body) == "final":
                return str(id)
    id = fresh_id(doc, "end")
    spot(doc, parent).body["states"][id] = {"type": "final", "title": dict(TITLES["final"])}
    return id


def way_back(doc: Doc, body: Body, id: str) -> str:
    """Where a rejection behind a state leads: where its own does, else back to it."""
    if kind_of(body) == "approval":
        own = get(body, ("onDone", "rejected"))
        if own and isinstance(own[0].get("target"), str):
            return str(own[0]["target"])
    if kind_of(body) == "atomic" and body.get("on"):
        return id
    return str(doc.get("initial", id))
