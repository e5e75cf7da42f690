"""Finding one's way in a workflow document: states, arrows, and everything that names a state.

Works on the JSON as it is written, half-finished documents included; nothing here is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.definitions.document import pointer
from engine.problems import Problem

Doc = Mapping[str, Any]
Body = dict[str, Any]
Path = tuple[str, ...]

ROOT: Final = ""
_EXPRESSIONS: Final = frozenset({"guard", "at", "forEach", "value"})
_EXPRESSION_MAPS: Final = frozenset({"assign", "values", "input", "output"})
_NO_LOGIC: Final = frozenset({"title", "description", "meta", "fields", "layout", "tags"})


class EditRefused(ValueError):
    """A change that cannot be made; `problem` says why and what to do instead."""

    def __init__(self, code: str, at: str = "", /, **params: Any) -> None:
        self.problem = Problem(code, params, at)
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Spot:
    """A state where it stands. The document itself is the state with the id ""."""

    id: str
    pointer: str
    parent: str
    body: Body


@dataclass(frozen=True, slots=True)
class Use:
    """A place that names a state; `state` is whose property it is."""

    state: str
    pointer: str
    kind: str  # target, initial, return, expression
    names: str


def spots(doc: Doc) -> Iterator[Spot]:
    """The document and every state in it, in its order."""

    def walk(id: str, at: str, parent: str, body: Any) -> Iterator[Spot]:
        if not isinstance(body, dict):
            return
        yield Spot(id, at, parent, body)
        inner = body.get("states")
        for name, inside in inner.items() if isinstance(inner, dict) else ():
            yield from walk(name, at + pointer("states", name), id, inside)

    yield from walk(ROOT, "", ROOT, doc)


def spot(doc: Doc, id: str) -> Spot:
    """The state of that id.

    Raises: EditRefused when there is none.
    """
    found = next((one for one in spots(doc) if one.id == id), None)
    if found is None:
        raise EditRefused("E101", state=id)
    return found


def kind_of(body: Mapping[str, Any]) -> str:
    """The type of a state; a simple one with states inside is compound."""
    said = body.get("type")
    return str(said) if said else ("compound" if body.get("states") else "atomic")


def inside(doc: Doc, id: str) -> list[str]:
    """The ids of a state and everything in it."""
    at = spot(doc, id).pointer
    return [one.id for one in spots(doc) if one.pointer == at or one.pointer.startswith(at + "/")]


def siblings(doc: Doc, id: str) -> Body:
    """The map of states that a state stands in; the document itself stands in none."""
    if id == ROOT:
        raise EditRefused("E101", state="")
    found: Body = spot(doc, spot(doc, id).parent).body["states"]
    return found


def fresh_id(doc: Doc, wanted: str, taken: Collection[str] = ()) -> str:
    """An id that nothing in the document has, as near to `wanted` as can be."""
    known = {one.id for one in spots(doc)} | set(taken)
    number, found = 2, wanted[:60]
    while found in known:
        found, number = f"{wanted[:56]}_{number}", number + 1
    return found


# --- arrows --------------------------------------------------------------------------------------


def arrows(value: Any) -> list[Body]:
    """The arrows of a slot, whichever of the three ways of writing it was used."""
    if value is None:
        return []
    many = value if isinstance(value, list) else [value]
    return [{"target": one} if isinstance(one, str) else dict(one) for one in many]


def packed(value: list[Body]) -> Any:
    """The shortest way to write arrows; None for none."""
    if len(value) != 1:
        return value or None
    only = value[0]
    return only["target"] if only.keys() == {"target"} and isinstance(only["target"], str) else only


def slots(body: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Everything of a state that holds arrows, but timers: where it stands, and what it says."""
    on = body.get("on")
    for event, value in on.items() if isinstance(on, Mapping) else ():
        yield ("on", event), value
    for key in ("always", "onError"):
        if key in body:
            yield (key,), body[key]
    done = body.get("onDone")
    if kind_of(body) == "approval" and isinstance(done, Mapping):
        for outcome, value in done.items():
            yield ("onDone", outcome), value
    elif done is not None:
        yield ("onDone",), done


def main_slot(body: Mapping[str, Any]) -> Path | None:
    """Where it stands how a state usually goes on; None for those that never do."""
    match kind_of(body):
        case "approval":
            return ("onDone", "approved")
        case "call" | "compound" | "parallel":
            return ("onDone",)
        case "final" | "history":
            return None
    if "always" in body:
        return ("always",)
    on = body.get("on") or {}
    leading = [event for event, value in on.items() if any(a.get("target") for a in arrows(value))]
    if leading:
        return ("on", leading[0])
    for index, timer in enumerate(body.get("after") or ()):
        if timer.get("target"):
            return ("after", str(index))
    return ("on", next(iter(on), "next"))


def get(body: Mapping[str, Any], path: Path) -> list[Body]:
    """The arrows at a slot; a timer counts as its own arrow."""
    if path[0] == "after":
        timers = body.get("after") or []
        at = int(path[1])
        return [dict(timers[at])] if at < len(timers) else []
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return arrows(found)


def put(body: Body, path: Path, value: list[Body]) -> None:
    """Write the arrows of a slot; none of them take the slot away."""
    if path[0] == "after":
        body["after"][int(path[1])] = value[0]
        return
    outer = body if len(path) == 1 else body.setdefault(path[0], {})
    said = packed(value)
    if said is None:
        outer.pop(path[-1], None)
        if not outer and outer is not body:
            body.pop(path[0])
    else:
        outer[path[-1]] = said


def successors(body: Mapping[str, Any]) -> list[str]:
    """The states to which a state usually goes on, each once."""
    path = main_slot(body)
    found = [one.get("target") for one in get(body, path)] if path else []
    return list(dict.fromkeys(one for one in found if isinstance(one, str)))


# --- who names whom ------------------------------------------------------------------------------


def renamed(doc: Doc, names: Mapping[str, str]) -> None:
    """Write new ids wherever old ones are named, in place; the keys themselves stay."""
    for one in spots(doc):
        body = one.body
        for path, value in slots(body):
            again = _retargeted(value, names)
            outer = body if len(path) == 1 else body[path[0]]
            outer[path[-1]] = again
        for timer in body.get("after") or ():
            if "target" in timer:
                timer["target"] = _named(timer["target"], names)
        for key in ("initial", "target"):
            if key in body:
                body[key] = _named(body[key], names)
        back = body.get("return")
        if isinstance(back, dict):
            back["to"] = [names.get(each, each) for each in back.get("to", [])]
    expressions(doc, lambda text: in_other_words(text, names))


def _retargeted(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_retargeted(one, names) for one in value]
    if isinstance(value, str):
        return names.get(value, value)
    if "target" in value:
        value["target"] = _named(value["target"], names)
    return value


def _named(target: Any, names: Mapping[str, str]) -> Any:
    if isinstance(target, list):
        return [names.get(one, one) for one in target]
    return names.get(target, target)


def uses(doc: Doc, ids: Collection[str]) -> list[Use]:
    """Every place outside of `ids` that names one of them."""
    found: list[Use] = []
    for one in spots(doc):
        if one.id and one.id in ids:
            continue
        body = one.body
        for path, value in slots(body):
            many = isinstance(value, list)
            for index, arrow in enumerate(arrows(value)):
                at = one.pointer + pointer(*path, *((index,) if many else ()))
                found += _targets(one.id, at, arrow.get("target"), ids)
        for index, timer in enumerate(body.get("after") or ()):
            at = one.pointer + pointer("after", index)
            found += _targets(one.id, at, timer.get("target"), ids)
        for key in ("initial", "target"):
            if body.get(key) in ids:
                found.append(Use(one.id, one.pointer + pointer(key), "initial", body[key]))
        for index, name in enumerate((body.get("return") or {}).get("to", ())):
            if name in ids:
                found.append(Use(one.id, one.pointer + f"/return/to/{index}", "return", name))
        own = {key: value for key, value in body.items() if key != "states"}
        for id in ids:
            if id and _speaks_of(own, id):
                found.append(Use(one.id, one.pointer, "expression", id))
    return found


def _targets(state: str, at: str, target: Any, ids: Collection[str]) -> Iterator[Use]:
    for one in target if isinstance(target, list) else [target]:
        if one in ids:
            yield Use(state, at, "target", one)


def _speaks_of(body: Any, id: str) -> bool:
    told: list[bool] = []

    def look(text: str) -> str:
        told.append(in_other_words(text, {id: f"{id}_"}) != text)
        return text

    expressions(body, look)
    return any(told)


def in_other_words(text: str, names: Mapping[str, str]) -> str:
    """An expression with other ids in ``In('…')`` and ``'…' in states``."""
    if not names or ("'" not in text and '"' not in text):
        return text
    any_of = "|".join(re.escape(name) for name in names)
    text = re.sub(
        rf"(\bIn\(\s*)(['\"])({any_of})\2(\s*\))",
        lambda m: f"{m[1]}{m[2]}{names[m[3]]}{m[2]}{m[4]}",
        text,
    )
    return re.sub(
        rf"(['\"])({any_of})\1(\s+(?:not\s+)?in\s+states\b)",
        lambda m: f"{m[1]}{names[m[2]]}{m[1]}{m[3]}",
        text,
    )


def expressions(value: Any, change: Callable[[str], str]) -> None:
    """Give every expression of a document to `change`, in place."""
    if isinstance(value, list):
        for one in value:
            expressions(one, change)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key in _NO_LOGIC and not (key == "fields" and isinstance(item, list)):
            continue
        if key in _EXPRESSIONS and isinstance(item, str):
            value[key] = change(item)
        elif key in _EXPRESSION_MAPS and isinstance(item, dict):
            for name, source in item.items():
                if isinstance(source, str):
                    item[name] = change(source)
        else:
            expressions(item, change)
