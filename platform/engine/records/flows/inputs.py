"""What a person has to say beside pressing the button: the data that an author's event speaks of,
and the people that he picks for a later step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.definitions.model import Entity, Field, Label
from engine.fields import BadValue, bind
from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.flows.cases import Situation
from engine.records.flows.words import state_title
from engine.records.unit import Unit
from engine.workflow import Chart, Meta, Step
from engine.workflow.chart import many

_DATA: Final = re.compile(r"\bevent\.([a-z][a-z0-9_]*)")
_OWN: Final = frozenset({"comment", "chosen", "signature", "mode", "task"})


@dataclass(frozen=True, slots=True)
class Input:
    """``event.<name>`` of an author's event. `field` is the record's field that it is about; None
    for a person (`person`) or plain text."""

    name: str
    title: Label
    field: Field | None
    person: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """People to pick for a later step, from among `people` where the author named them."""

    state: str
    title: Label
    by: str
    people: tuple[int, ...] | None
    chosen: tuple[int, ...]


def inputs_of(chart: Chart, entity: Entity, event: str) -> tuple[Input, ...]:
    """What the guards and actions of an event read from it."""
    arrows = [one for state in chart.states.values() for one in state.transitions]
    arrows = [one for one in arrows if one.event == event]
    assigned: dict[str, str] = {}
    for arrow in arrows:
        for action in arrow.actions:
            for field, value in dict(action.get("assign") or {}).items():
                if isinstance(value, str) and (found := _DATA.fullmatch(value.strip())):
                    assigned.setdefault(found[1], field)
    told = "\n".join(
        part for arrow in arrows for part in (arrow.guard, json.dumps(_plain(arrow.actions)))
    )
    guards = " ".join(arrow.guard for arrow in arrows)
    names = dict.fromkeys(name for name in _DATA.findall(told) if name not in _OWN)
    return tuple(_input(entity, name, assigned.get(name, name), guards) for name in names)


def _input(entity: Entity, name: str, about: str, guards: str) -> Input:
    field = entity.fields.get(about)
    needed = re.search(rf"\bevent\.{name}\s*!=\s*null", guards) is not None
    if field is not None and (field.rows is not None or field.multiple):
        field = None
    person = name == "to" and field is None
    title: Label = {"zh-CN": "人员", "en": "Who"} if person else {"": name.replace("_", " ")}
    return Input(name, field.title if field else title, field, person, needed)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def given(unit: Unit, inputs: Sequence[Input], typed: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as the event's data.

    Raises: Invalid with what a field's type objects to, each at its input, and I104 for what is
    missing.
    """
    data: dict[str, Any] = {}
    problems: list[Problem] = []
    for one in inputs:
        raw = typed.get(one.name, "").strip()
        if not raw:
            if one.required:
                problems.append(Problem("I104", {"input": one.title}, f"/{one.name}"))
        elif one.field is not None:
            kind = bind(one.field)
            try:
                data[one.name] = kind.to_json(kind.parse_local(raw, unit.zone))
            except BadValue as bad:
                problems += [found.under(f"/{one.name}") for found in bad.found(one.field)]
        else:
            data[one.name] = int(raw) if one.person and raw.isdecimal() else raw
    if problems:
        raise Invalid(problems)
    return data


def choices_of(found: Situation, steps: Sequence[Step]) -> tuple[Choice, ...]:
    """The later steps whose people are picked by hand, as the case would go now; all of them where
    that hangs on what is yet to be said."""
    chart, instance = found.case.chart, found.case.instance
    ahead = [step.state for step in steps if step.status == "future"]
    if not instance.rounds and not any(chart.states[name].policy for name in ahead):
        ahead = [name for name in chart.states if name not in instance.visits]
    told = []
    for name in ahead:
        policy = chart.states[name].policy
        for who in policy.assignees if policy else ():
            by = who.get("chosenBy")
            if by == "starter" or (by == "previous" and name == ahead[0]):
                title = state_title(chart, name)
                chosen = instance.chosen.get(name, ())
                told.append(Choice(name, title, str(by), _among(found, who, name), tuple(chosen)))
    return tuple(told)


def _among(found: Situation, who: Mapping[str, Any], state: str) -> tuple[int, ...] | None:
    if "from" not in who:
        return None
    starter = found.case.instance.starter
    meta = Meta(starter, state, (starter,) if starter else ())
    people = [one for source in many(who["from"]) for one in found.env.resolve(source, {}, meta)]
    return tuple(dict.fromkeys(people))
