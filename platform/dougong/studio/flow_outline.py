"""A workflow document as an outline to read from top to bottom, and as a graph to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext, ngettext

from dougong.studio.flow_world import World, kind_icon, kind_name
from engine.definitions.document import pointer
from engine.definitions.flow_edits import state_at
from engine.definitions.flow_tree import (
    ROOT,
    Path,
    Spot,
    arrows,
    kind_of,
    main_slot,
    slots,
    spots,
)
from engine.problems import Problem, Severity
from engine.problems import hint as problem_hint
from engine.problems import text as problem_text


@dataclass(frozen=True)
class Way:
    """One arrow of a card."""

    label: str
    when: str  # the condition in words; "" for none
    target: str
    target_title: str
    pointer: str
    tone: str  # main, approve, reject, plain, error
    otherwise: bool = False
    single: bool = True  # whether a step can be put on it


@dataclass(frozen=True)
class Node:
    """A card of the outline."""

    id: str
    pointer: str
    title: str
    kind: str
    kind_name: str
    icon: str
    first: bool
    last: bool
    level: int
    facts: Sequence[str]
    timers: Sequence[str]
    ways: Sequence[Way]
    fork: Sequence[Way]
    children: Sequence[Node]
    leads_next: bool
    can_follow: bool
    region: bool
    errors: int = 0
    warnings: int = 0
    shifted: bool = False  # the first step, although it is not written first


@dataclass(frozen=True)
class Remark:
    """A problem with the place it is about."""

    text: str
    hint: str
    severity: str
    state: str
    title: str
    pointer: str
    field: str = ""


def remarks(world: World, problems: Sequence[Problem], own: str) -> list[Remark]:
    """The problems in the reader's language, errors first, each with its state."""
    found = []
    for one in problems:
        mine = one.file == own
        state = state_at(world.doc, one.pointer) if mine else ROOT
        said = named(one, world)
        text = problem_text(said, world.language)
        if not mine:
            text = f"{one.file}: {text}"
        found.append(
            Remark(
                text,
                problem_hint(said, world.language),
                one.severity.value,
                state,
                world.title(state) if state else gettext("Workflow"),
                one.pointer if mine else "",
            )
        )
    return sorted(found, key=lambda one: one.severity != Severity.ERROR.value)


def named(problem: Problem, world: World) -> Problem:
    """The problem with titles instead of ids of states."""
    params = dict(problem.params)
    for key in ("state", "target", "region"):
        if isinstance(params.get(key), str) and params[key] in world.states:
            params[key] = world.title(params[key])
    for key in ("states", "where"):
        if isinstance(params.get(key), list | tuple):
            params[key] = [world.title(one) if isinstance(one, str) else one for one in params[key]]
    return Problem(problem.code, params, problem.pointer, problem.severity, problem.file)


@dataclass
class _Outline:
    world: World
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def nodes(self, parent: Spot, level: int) -> list[Node]:
        inner = [one for one in self.world.states.values() if one.parent == parent.id]
        initial = str(parent.body.get("initial") or (inner[0].id if inner else ""))
        found = []
        for index, one in enumerate(inner):
            after = inner[index + 1].id if index + 1 < len(inner) else ""
            found.append(self._node(one, parent, initial, after, level, index == len(inner) - 1))
        return found

    def _node(
        self, one: Spot, parent: Spot, initial: str, after: str, level: int, last: bool
    ) -> Node:
        body, world = one.body, self.world
        path = main_slot(body)
        ways = [*_ways(world, one, path)]
        main = [way for way in ways if way.tone in ("main", "approve")]
        fork = main if len(main) > 1 or "always" in body else []
        region = kind_of(parent.body) == "parallel"
        errors, warnings = self.counts.get(one.id, (0, 0))
        return Node(
            one.id,
            one.pointer,
            world.title(one.id),
            kind_of(body),
            kind_name(body),
            kind_icon(body),
            not region and one.id == initial,
            last,
            level,
            _facts(world, body),
            [world.timer(timer) for timer in body.get("after") or () if "target" not in timer],
            [way for way in ways if way not in fork],
            fork,
            self.nodes(one, level + 1),
            bool(after) and any(way.target == after for way in main),
            path is not None and not region,
            region,
            errors,
            warnings,
            one.id == initial and one.id != next(iter(parent.body["states"])),
        )


def outline(world: World, found: Sequence[Remark]) -> list[Node]:
    """The cards of a document, nested as the states are."""
    counts: dict[str, tuple[int, int]] = {}
    for one in found:
        errors, warnings = counts.get(one.state, (0, 0))
        bad = one.severity == Severity.ERROR.value
        counts[one.state] = (errors + bad, warnings + (not bad))
    root = next(iter(spots(world.doc)))
    return _Outline(world, counts).nodes(root, 1)


def _facts(world: World, body: Mapping[str, Any]) -> list[str]:
    """What a card says about its state."""
    match kind_of(body):
        case "approval":
            who = world.whos(body.get("assignees"))
            return [part for part in (who, world.quorum(body)) if part]
        case "call":
            flow = world.model.workflows.get(str(body.get("workflow")))
            name = (world.said(flow.title) if flow else "") or str(body.get("workflow"))
            each = body.get("forEach")
            return [
                name,
                *([gettext("for each of %(list)s", list=world.guard(each))] if each else []),
            ]
        case "parallel":
            count = len(body.get("states", {}))
            return [ngettext("%(num)s branch at the same time", "%(num)s branches at the same time",
                             count)]  # fmt: skip
    did = [world.action(one) for one in body.get("entry") or ()]
    return [gettext(", ").join(did)] if did else []


def _ways(world: World, one: Spot, main: Path | None) -> Iterator[Way]:
    """Every arrow of a state, as it is shown on its card."""
    approval = kind_of(one.body) == "approval"
    for path, value in slots(one.body):
        many = isinstance(value, list)
        every = arrows(value)
        for index, arrow in enumerate(every):
            at = one.pointer + pointer(*path, *((index,) if many else ()))
            tone = "main" if path == main else "plain"
            if approval and path[0] == "onDone":
                tone = "approve" if path[1] == "approved" else "reject"
            elif path[0] == "onError":
                tone = "error"
            guard, target = arrow.get("guard"), arrow.get("target", "")
            single = isinstance(target, str) and bool(target)
            otherwise = many and not guard and len(every) > 1
            yield Way(
                _label(world, path, arrow),
                world.guard(str(guard)) if guard else "",
                target if isinstance(target, str) else "",
                world.title(target) if target else "",
                at,
                tone,
                otherwise,
                single,
            )
    for index, timer in enumerate(one.body.get("after") or ()):
        if "target" in timer:
            at = one.pointer + pointer("after", index)
            target = timer["target"]
            single = isinstance(target, str)
            words = world.timer({k: v for k, v in timer.items() if k != "target"})
            tone = "main" if main == ("after", str(index)) else "plain"
            yield Way(
                words, "", target if single else "", world.title(target), at, tone, False, single
            )


def _label(world: World, path: Path, arrow: Mapping[str, Any]) -> str:
    match path:
        case ("on", event):
            return world.said(arrow.get("title")) or event
        case ("onDone", "approved"):
            return gettext("When approved")
        case ("onDone", "rejected"):
            return gettext("When rejected")
        case ("onDone",):
            return gettext("When finished")
        case ("onError",):
            return gettext("Failed")
    return ""


# --- the graph -----------------------------------------------------------------------------------


def graph(world: World, found: Sequence[Remark]) -> dict[str, Any]:
    """The states and arrows as the browser draws them."""
    bad = {one.state for one in found if one.severity == Severity.ERROR.value}
    nodes, edges = [], []
    for one in world.states.values():
        facts = _facts(world, one.body)
        nodes.append(
            {
                "id": one.id,
                "title": world.title(one.id),
                "kind": kind_of(one.body) if "always" not in one.body else "branch",
                "kindName": kind_name(one.body),
                "parent": one.parent,
                "note": facts[0] if facts and kind_of(one.body) in ("approval", "call") else "",
                "first": _is_first(world, one),
                "bad": one.id in bad,
            }
        )
        path = main_slot(one.body)
        for way in _ways(world, one, path):
            for target in _targets_of(world, way):
                label = way.when or (way.label if way.tone not in ("approve",) else "")
                if way.otherwise:
                    label = gettext("otherwise")
                edges.append(
                    {
                        "from": one.id,
                        "to": target,
                        "label": label,
                        "tone": way.tone,
                        "pointer": way.pointer,
                        "words": " ".join(part for part in (way.label, way.when) if part),
                    }
                )
    return {"nodes": nodes, "edges": edges}


def _targets_of(world: World, way: Way) -> list[str]:
    return [way.target] if way.target in world.states else []


def _is_first(world: World, one: Spot) -> bool:
    parent = world.doc if one.parent == ROOT else world.states[one.parent].body
    if kind_of(parent) == "parallel":
        return False
    return str(parent.get("initial") or next(iter(parent["states"]))) == one.id
