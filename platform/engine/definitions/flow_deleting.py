"""Taking a state away without leaving anything that points at it."""

from __future__ import annotations

from engine.definitions.flow_parts import Edited, copied, retarget
from engine.definitions.flow_tree import (
    ROOT,
    Body,
    Doc,
    EditRefused,
    inside,
    siblings,
    spot,
    spots,
    successors,
    uses,
)


def delete(doc: Doc, id: str, redirect: str = "") -> Edited:
    """Take a state away. What led to it leads to `redirect`, else to where it usually went on."""
    new = copied(doc)
    here = spot(new, id)
    if id == ROOT:
        raise EditRefused("E101", state="")
    group = siblings(new, id)
    if len(group) < 2:
        raise EditRefused("E112", here.pointer, state=here.parent)
    gone = set(inside(new, id))
    found = [one for one in uses(new, gone) if one.kind != "return"]
    if any(one.kind == "expression" for one in found):
        where = sorted({one.state for one in found if one.kind == "expression"})
        raise EditRefused("E115", here.pointer, state=id, where=where)
    pointed = [one for one in found if one.kind == "target"]
    redirect = "" if redirect in gone else redirect
    target = redirect or next(
        (one for one in successors(here.body) if one not in gone), "")  # fmt: skip
    if pointed and (
        not target or target in gone or (len(_onward(here.body, gone)) > 1 and not redirect)
    ):
        where = sorted({one.state for one in pointed})
        raise EditRefused("E116", here.pointer, state=id, where=where)
    if redirect:
        spot(new, redirect)
    for use in found:
        inner = use.kind == "initial" and (not target or target not in inside(new, use.state))
        goal = target if not inner else next(name for name in group if name != id)
        retarget(new, use.pointer, use.names, goal)
    _forget_returns(new, gone)
    del group[id]
    return Edited(new, target or here.parent)


def _onward(body: Body, gone: set[str]) -> list[str]:
    return [one for one in successors(body) if one not in gone]


def _forget_returns(doc: Body, gone: set[str]) -> None:
    for one in spots(doc):
        back = one.body.get("return")
        if not isinstance(back, dict) or not gone & set(back.get("to", ())):
            continue
        back["to"] = [each for each in back["to"] if each not in gone]
        if not back["to"]:
            del one.body["return"]
