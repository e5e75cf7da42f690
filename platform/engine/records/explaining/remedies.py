"""The smallest changes that would allow it. Every one is tried out before it is named.

Candidates come from what the decision failed on: facts of the record that a failing condition
looks at, one more role, a share, another state of the workflow, another grant. A single change is
looked for first; only when none will do, two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.access.clearance import cleared
from engine.definitions.model import Entity
from engine.expressions.tree import Call, Compare, Items, Literal, Name, Node, Not, path_of, walk
from engine.fields import bind
from engine.problems import Problem
from engine.records import quotas
from engine.records.evaluation import Relations
from engine.records.explaining.answer import SIZES, Remedy
from engine.records.explaining.definitions import definition_candidates
from engine.records.explaining.matter import Found, Matter, Suppose, found
from engine.records.explaining.reasons import LEVELS
from engine.records.explaining.wording import Wording, title_of
from engine.records.flows.env import FlowEnv
from engine.records.flows.words import event_title, state_title
from engine.records.people import above
from engine.records.reading import visible
from engine.workflow import administer

MOST: Final = 8  # remedies that are told
_PER_KIND: Final = 3
_TRIED: Final = 120  # suppositions of one question
_FIRST: Final = frozenset({"account", "restore", "state", "share", "record"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that might do."""

    kind: str
    suppose: Suppose
    step: Problem
    data: Mapping[str, Any]


def remedies(matter: Matter, wording: Wording, first: Found) -> list[Remedy]:
    """What would allow it, the smallest first."""
    candidates = list(_candidates(matter, wording, first))
    tried = 0
    singles: list[Remedy] = []
    counts: dict[str, int] = {}
    for one in candidates:
        if counts.get(one.kind, 0) >= _PER_KIND or tried >= _TRIED:
            continue
        tried += 1
        if _works(matter, wording, one.suppose):
            counts[one.kind] = counts.get(one.kind, 0) + 1
            singles.append(Remedy(one.kind, (one.step,), SIZES[one.kind], one.data))
    if not singles:
        singles = _pairs(matter, wording, candidates, _TRIED - tried)
    return sorted(singles, key=lambda one: one.size)[:MOST]


def _works(matter: Matter, wording: Wording, suppose: Suppose) -> bool:
    """Whether the answer is yes under a supposition. Who asks about himself is told of no change
    whose effect hangs on something that he cannot see."""
    after = found(matter, suppose)
    if not after.allowed:
        return False
    if not wording.limited:
        return True
    nodes = (
        node
        for said in after.decision.roles
        for judged in (said.row, said.cell)
        if judged is not None
        for node in judged.conditions()
    )
    return all(wording.open(node) for node in nodes)


def _pairs(
    matter: Matter, wording: Wording, candidates: Sequence[Candidate], left: int
) -> list[Remedy]:
    told: list[Remedy] = []
    for one in candidates:
        if one.kind not in _FIRST:
            continue
        for other in candidates:
            clash = one.kind == other.kind and one.kind != "record"
            if other is one or clash or left <= 0 or len(told) >= _PER_KIND:
                continue
            left -= 1
            if _works(matter, wording, one.suppose.also(other.suppose)):
                size = SIZES[one.kind] + SIZES[other.kind]
                data = {**one.data, **other.data}
                told.append(Remedy(other.kind, (one.step, other.step), size, data))
    return told


# --- what might do -------------------------------------------------------------------------------
def _candidates(matter: Matter, wording: Wording, first: Found) -> Iterator[Candidate]:
    failed = {check.kind for check in first.checks if not check.holds}
    who = {"who": wording.who}
    if "account" in failed and not wording.limited:
        yield Candidate("account", Suppose(opened=True), Problem("G160", who), {})
    if "removed" in failed:
        yield Candidate("restore", Suppose(restored=True), Problem("G161"), {})
    if matter.record is not None:
        yield from _claims(matter, wording)
        yield from _shares(matter, wording)
        yield from _states(matter)
    failing = list(_failing(first))
    if any(isinstance(n, Call) and n.function == "participant" for n in failing):
        yield Candidate("participate", Suppose(participant=True), Problem("G164", who), {})
    if matter.record is not None and not wording.limited:
        yield from _facts(matter, wording, failing)
    yield from _roles(matter, wording, first)
    if not wording.limited:
        yield from _departments(matter, wording, failing)
        for suppose, file, pointer, value in definition_candidates(matter, first):
            said = json.dumps(value, ensure_ascii=False)
            params = {"file": file, "pointer": pointer, "value": said}
            data = {"file": file, "pointer": pointer, "value": value}
            yield Candidate("definition", suppose, Problem("G169", params), data)


def _failing(first: Found) -> Iterator[Node]:
    """Every condition standing alone that fails, with the single comparisons inside it."""
    judged = [first.decision.gate]
    judged += [one for said in first.decision.roles for one in (said.row, said.cell) if one]
    seen: dict[Node, None] = {}
    for one in judged:
        for node in one.failing():
            seen.setdefault(node)
    yield from seen


def _claims(matter: Matter, wording: Wording) -> Iterator[Candidate]:
    """Taking the record from the pool, for whoever may take one more today."""
    record = matter.record
    if not matter.entity.pool or record is None or record.get(quotas.OWNER) or matter.removed:
        return
    person = replace(matter.unit, actor=matter.actor)
    left = quotas.left(person, matter.entity)
    if left is not None and left.any and visible(person, matter.entity.name, [matter.id]):
        suppose = Suppose(record={quotas.OWNER: matter.actor.id})
        yield Candidate("claim", suppose, Problem("G172", {"who": wording.who}), {})


def _shares(matter: Matter, wording: Wording) -> Iterator[Candidate]:
    if "shared" not in matter.entity.traits:
        return
    wanted = ["write"] if matter.action == "write" else ["read", "write"]
    for level in wanted:
        params = {"who": wording.who, "level": LEVELS[level]}
        yield Candidate("share", Suppose(shared=level), Problem("G163", params), {"level": level})


def _states(matter: Matter) -> Iterator[Candidate]:
    """Other states of the workflow, those that one event leads to first."""
    case = matter.case
    if case is None or matter.record is None:
        return
    chart, instance = case.chart, case.instance
    near: dict[str, str] = {}
    for leaf in chart.leaves(instance.active):
        for name in (leaf, *chart.ancestors(leaf)):
            for arrow in chart.states[name].transitions:
                for target in arrow.targets:
                    near.setdefault(target, arrow.event)
    env = FlowEnv(matter.unit, matter.entity, matter.record, workflow=instance.workflow)
    here = chart.reported(instance.active)
    for state in sorted(chart.reportable(), key=lambda one: one not in near):
        if state == here:
            continue
        awake = replace(instance, done=False)
        outcome = administer(chart, awake, "jump", env, target=state, reason="…")
        if outcome.problems or outcome.state != state:
            continue
        event = near.get(state, "")
        said = event_title(chart, event) if event and not event.startswith("done.") else {}
        params = {"state": state_title(chart, state), "event": said}
        suppose = Suppose(case=replace(case, instance=outcome.instance), record=outcome.changes)
        yield Candidate(
            "state", suppose, Problem("G162", params), {"state": state, "event": event or None}
        )


# --- facts of the record -------------------------------------------------------------------------
def _facts(matter: Matter, wording: Wording, failing: Iterable[Node]) -> Iterator[Candidate]:
    """Values of the record that a failing condition names, changed so that it might hold."""
    seen: set[tuple[str, str]] = set()
    for node in failing:
        for name, value in _values(matter, node):
            field = matter.entity.fields.get(name)
            if field is None or field.compute or field.system or not wording.open(Name(name)):
                continue
            if matter.case is not None and matter.case.chart.state_field == name:
                continue  # that is the workflow's to say
            if (name, repr(value)) in seen:
                continue
            seen.add((name, repr(value)))
            data = {"field": name, "value": None if value is None else bind(field).to_json(value)}
            params = {
                "field": title_of(matter.entity, name),
                "value": wording.who if value == matter.actor.id else wording.value(name, value),
            }
            yield Candidate("record", Suppose(record={name: value}), Problem("G165", params), data)


def _values(matter: Matter, node: Node) -> Iterator[tuple[str, Any]]:
    """(field, value) pairs that a condition suggests."""
    fields = matter.entity.fields
    for part in walk(node):
        if isinstance(part, Name) and part.name in fields and fields[part.name].type == "boolean":
            yield part.name, not isinstance(node, Not)
        if not isinstance(part, Compare):
            continue
        for side, other in ((part.left, part.right), (part.right, part.left)):
            path = path_of(side)
            field = fields.get(path[0]) if path else None
            if path is None or field is None:
                continue
            if field.type == "user" and not field.multiple:
                yield path[0], matter.actor.id
            if len(path) > 1:
                continue
            if part.op in ("==", "in"):
                yield from ((path[0], value) for value in _literals(other))
            if part.op == "!=":
                known = set(_literals(other))
                options = [one.value for one in field.options if one.value not in known]
                yield from ((path[0], value) for value in options[:3])


def _literals(node: Node) -> list[Any]:
    if isinstance(node, Literal):
        return [node.value]
    if isinstance(node, Items):  # the highest grade of a list of grades is the least change
        return [one.value for one in reversed(node.parts) if isinstance(one, Literal)]
    return []


# --- the person ----------------------------------------------------------------------------------
def _roles(matter: Matter, wording: Wording, first: Found) -> Iterator[Candidate]:
    """One more role, those that open least first; what makes an administrator comes last."""
    model = matter.unit.app.model
    others = [role for role in model.roles.values() if role.name not in matter.actor.roles]
    others.sort(key=lambda role: (role.admin, _reach(model.entities.values(), role.name)))
    for role in others:
        params: dict[str, Any] = {"who": wording.who, "role": role.title}
        kind = "role"
        if not first.decision.gate.holds:
            kind = "clearance"
            titles = {grade.name: grade.title for grade in model.grades}
            names = cleared(model, [role.name])
            params["grade"] = titles[names[-1]] if names else ""
        code = "G167" if kind == "clearance" else "G171" if wording.own else "G166"
        yield Candidate(kind, Suppose(role=role.name), Problem(code, params), {"role": role.name})


def _reach(entities: Iterable[Entity], role: str) -> int:
    """Roughly how much a role may: one for each action on each entity, more without conditions."""
    grants = [entity.access[role] for entity in entities if role in entity.access]
    said = [
        getattr(grant, action)
        for grant in grants
        for action in ("read", "write", "create", "delete", "export")
    ]
    return sum(2 if one is True else 1 for one in said if one)


def _departments(matter: Matter, wording: Wording, failing: Iterable[Node]) -> Iterator[Candidate]:
    """Departments that a failing condition compares the person's own with."""
    if matter.record is None:
        return
    relations = Relations(matter.unit)
    seen: dict[int, None] = {}
    for node in failing:
        for part in walk(node):
            if not isinstance(part, Compare):
                continue
            paths = [path_of(side) for side in (part.left, part.right)]
            if not any(path and (path[0] == "my" or path == ("me", "dept")) for path in paths):
                continue
            for path in paths:
                place = _place(matter, relations, path) if path else None
                if place and wording.open(Name(path[0] if path else "id")):
                    seen.setdefault(place)
                    for one in reversed(above(matter.unit.connection, place)):
                        seen.setdefault(one)
    for place in list(seen)[:8]:
        if place != matter.actor.department:
            params = {"who": wording.who, "department": wording.place(place)}
            data = {"department": place}
            yield Candidate("department", Suppose(department=place), Problem("G168", params), data)


def _place(matter: Matter, relations: Relations, path: tuple[str, ...]) -> int | None:
    """The department at the end of a path over the record."""
    field = matter.entity.fields.get(path[0])
    if field is None or matter.record is None:
        return None
    value = matter.record.get(path[0])
    if field.type == "user" and path[1:] == ("dept",) and isinstance(value, int):
        found = relations.attribute("@user", value, "dept")
        return found if isinstance(found, int) else None
    if field.type == "department" and len(path) == 1 and isinstance(value, int):
        return value
    return None
