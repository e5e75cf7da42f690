"""A scene in words: who is asked and why, when something is due, what would be sent.

Sentences are problems' texts (area ``simulation``), so that pages and the command line say the
same in every language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Label
from engine.fields import USER
from engine.problems import Problem, text
from engine.problems.catalogue import LANGUAGES
from engine.records.flows.words import state_title
from engine.records.labels import names_of
from engine.records.simulation.scene import Scene, who_may
from engine.tables import system
from engine.workflow import CannotEvaluate, Effect, Meta, Task, Timer, field_rights
from engine.workflow.chart import Delay, Policy, Who
from engine.workflow.rounds import groups_of

_GROUP, _DEPARTMENT = system.GROUP, system.DEPARTMENT


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of who is asked, in words, with the people it leads to at that moment."""

    words: Problem
    people: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A task: whose it is (or who may take it), how it stands, and why this person."""

    task: int
    person: int | None
    status: str
    candidates: tuple[int, ...] = ()
    on_behalf_of: int | None = None
    why: tuple[Problem, ...] = ()
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """An open round of an approval state."""

    state: str
    title: Label
    number: int
    quorum: Problem
    sequential: bool
    seats: tuple[Seat, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that runs: when it is due, after how long, and what it will do."""

    name: str
    state: str
    title: Label
    at: datetime
    wait: timedelta
    work: bool
    what: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """Something that would go out: its kind, to whom, and the name of its text."""

    kind: str
    words: Problem
    to: tuple[int, ...]
    template: str
    state: str


@dataclass(frozen=True, slots=True)
class Sender:
    """An event that waits for a person, and who may send it."""

    event: str
    title: Label
    people: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """All there is to say about a scene."""

    asks: tuple[Ask, ...] = ()
    dues: tuple[Due, ...] = ()
    senders: tuple[Sender, ...] = ()
    rights: Mapping[str, str] = field(default_factory=dict)


def told(scene: Scene, viewer: int | None) -> Told:
    """The scene in words, with the field rights of `viewer` (or of the first who is asked)."""
    asks = tuple(_asks(scene))
    first = next(
        (one.person for ask in asks for one in ask.seats if one.status == "open" and one.person),
        scene.instance.starter,
    )
    rights = field_rights(scene.world.chart, scene.instance, viewer or first)
    shown = {
        name: right
        for name, one in scene.world.entity.fields.items()
        if not one.system and (right := rights.of(name)) is not None
    }
    return Told(asks, tuple(_dues(scene)), tuple(_senders(scene)), shown)


# --- who ---------------------------------------------------------------------------------------
def _asks(scene: Scene) -> Iterator[Ask]:
    chart, case = scene.world.chart, scene.instance
    for round_ in case.rounds:
        policy = chart.states[round_.state].policy
        if round_.outcome or policy is None:
            continue
        own = [one for one in case.tasks if (one.state, one.round) == (round_.state, round_.number)]
        rules = tuple(_rule(scene, who, round_.state) for who in policy.assignees)
        seats = tuple(_seat(scene, one, policy, rules) for one in own if one.status != "cancelled")
        yield Ask(
            round_.state,
            state_title(chart, round_.state),
            round_.number,
            _quorum(policy),
            policy.order == "sequential",
            seats,
            rules,
        )


def _rule(scene: Scene, who: Who, state: str) -> Rule:
    starter = scene.instance.starter
    meta = Meta(starter, state, () if starter is None else (starter,))
    env = scene.world.env(scene.record, scene.now, starter)
    names: dict[str, Any] = {"event": {}, "starter": starter, "states": list(scene.instance.active)}
    if who.get("starter"):
        return Rule(rule_words(scene, who), () if starter is None else (starter,))
    try:
        people = (
            () if "chosenBy" in who else tuple(env.resolve(who, {**names, "decisions": 0}, meta))
        )
    except CannotEvaluate:
        people = ()
    return Rule(rule_words(scene, who), people)


def rule_words(scene: Scene, who: Who, present: Sequence[int] | None = None) -> Problem:
    """A `who` as a sentence: "superior, 1 level above Owner Wang Min". `present`: whose superiors
    are meant when it names no field, instead of the starter's."""
    starter = scene.instance.starter
    of = _of(scene, who, (starter,) if present is None else present)
    match who:
        case {"supervisor": level}:
            return Problem("M110", {"level": level, "of": of})
        case {"supervisors": {"untilRole": role}}:
            return Problem("M112", {"role": _role(scene, str(role)), "of": of})
        case {"supervisors": limits}:
            return Problem("M111", {"level": limits.get("upTo", ""), "of": of})
        case {"role": role}:
            return Problem("M113", {"role": _role(scene, str(role))})
        case {"department": department}:
            return Problem("M114", {"department": _kept(scene, _DEPARTMENT, department)})
        case {"group": group}:
            return Problem("M115", {"group": _kept(scene, _GROUP, group)})
        case {"field": name}:
            value = scene.record.get(str(name))
            person = _name(scene, value) if isinstance(value, int) else ""
            return Problem("M116", {"field": _field(scene, str(name)), "name": person})
        case {"starter": True}:
            return Problem("M117", {"name": _name(scene, starter)})
        case {"user": user}:
            return Problem("M118", {"name": _name(scene, user) if isinstance(user, int) else user})
        case {"chosenBy": by}:
            return Problem("M119", {"who": str(by)})
        case {"admin": True}:
            return Problem("M120")
    return Problem("M118", {"name": str(dict(who))})


def _of(scene: Scene, who: Who, people: Sequence[int | None]) -> Any:
    """Whose superior is meant."""
    if "ofField" not in who:
        return [_name(scene, person) for person in people] or "–"
    name = str(who["ofField"])
    value = scene.record.get(name)
    person = _name(scene, value) if isinstance(value, int) else "–"
    title = _field(scene, name)
    return {language: f"{text} {person}" for language, text in title.items()}


def _role(scene: Scene, role: str) -> Label:
    found = scene.world.unit.app.model.roles.get(role)
    return found.title if found else {"": role}


def _field(scene: Scene, name: str) -> Label:
    found = scene.world.entity.fields.get(name)
    return found.title if found else {"": name}


def _kept(scene: Scene, table: sa.Table, key: Any) -> str:
    """A group's or a department's name by its key or id."""
    same = table.c.id == key if isinstance(key, int) else table.c.key == str(key)
    return str(scene.world.unit.connection.scalar(sa.select(table.c.name).where(same)) or key)


def _name(scene: Scene, user: int | None) -> str:
    if user is None:
        return "–"
    return names_of(scene.world.unit, {USER: [user]}).label(USER, user)


def _seat(scene: Scene, task: Task, policy: Policy, rules: Sequence[Rule]) -> Seat:
    labels = groups_of(policy)
    mine = [
        rule.words
        for label, rule in zip(labels, rules, strict=True)
        if label in task.groups and (_original(task) in rule.people or task.candidates)
    ]
    why = mine or [_otherwise(scene, task, policy)]
    if task.on_behalf_of is not None and task.status == "open":
        why.append(Problem("M121", {"name": _name(scene, task.on_behalf_of)}))
    if task.auto:
        why.append(Problem("M122"))
    if task.passed_on:
        why.append(Problem("M123", {"name": _name(scene, task.passed_on[-1])}))
    return Seat(
        task.id,
        task.assignee,
        task.status,
        task.candidates,
        task.on_behalf_of,
        tuple(why),
        task.opened_at,
    )


def _original(task: Task) -> int | None:
    """Whom the rule named: before transfers and stand-ins."""
    return (*task.passed_on, task.on_behalf_of or task.assignee)[0]


def _otherwise(scene: Scene, task: Task, policy: Policy) -> Problem:
    """Why somebody is asked whom no rule of the step names."""
    if task.added_by is not None:
        return Problem("M124", {"name": _name(scene, task.added_by)})
    if policy.starter == "supervisor" and task.position >= 0 and len(task.groups) < 2:
        starter = scene.instance.starter
        rules = [_rule(scene, who, task.state) for who in policy.assignees]
        if any(starter in rule.people for rule in rules):
            return Problem("M125", {"name": _name(scene, starter)})
    round_ = next((one for one in reversed(scene.instance.rounds) if one.state == task.state), None)
    if round_ and task.opened_at and task.opened_at > round_.opened_at:
        return Problem("M128")
    if isinstance(policy.empty, Mapping):
        return Problem("M127", {"rule": in_both(rule_words(scene, policy.empty))})
    return Problem("M126")


def in_both(problem: Problem) -> Label:
    """A sentence in every language, to stand inside another one."""
    return {language: text(problem, language) for language in LANGUAGES}


_VETO: Final = {"zh-CN": "一人驳回即驳回", "en": "one rejection rejects"}


def _quorum(policy: Policy) -> Problem:
    quorum = policy.quorum
    code = {"all": "M130", "any": "M131", "percent": "M132", "count": "M133", "perGroup": "M134"}
    return Problem(
        code[quorum.kind], {"number": quorum.number, "veto": _VETO if policy.veto else ""}
    )


def _senders(scene: Scene) -> Iterator[Sender]:
    chart = scene.world.chart
    seen: set[str] = set()
    for leaf in scene.leaves:
        for name in (leaf, *chart.ancestors(leaf)):
            state = chart.states[name]
            for arrow in state.transitions:
                if arrow.event in state.may and arrow.event not in seen:
                    seen.add(arrow.event)
                    people = tuple(who_may(scene, state, arrow.event))
                    yield Sender(arrow.event, arrow.title or {"": arrow.event}, people)


# --- when --------------------------------------------------------------------------------------
def _dues(scene: Scene) -> Iterator[Due]:
    for timer in sorted(scene.instance.timers, key=lambda one: (one.due, one.name)):
        rule = next(
            one for one in scene.world.chart.states[timer.state].timers if one.name == timer.name
        )
        yield Due(
            timer.name,
            timer.state,
            state_title(scene.world.chart, timer.state),
            timer.due,
            max(timer.due - scene.now, timedelta()),
            rule.clock == "work" and isinstance(rule.delay, Delay),
            tuple(_deeds(scene, timer)),
        )


def _deeds(scene: Scene, timer: Timer) -> Iterator[Problem]:
    """What a timer does, in words."""
    chart = scene.world.chart
    arrow = next(one for one in chart.states[timer.state].transitions if one.event == timer.name)
    waiting = [one for one in scene.instance.tasks if one.status == "open"]
    present = [one.assignee for one in waiting if one.state == timer.state and one.assignee]
    for action in arrow.actions:
        match action.get("type"):
            case "remind":
                yield Problem("M140")
            case "escalate":
                to = action.get("to")
                who = in_both(rule_words(scene, to, present)) if isinstance(to, Mapping) else ""
                code = {"replace": "M142", "add": "M143"}.get(action.get("mode", ""), "M141")
                yield Problem(code, {"who": who})
            case "decide":
                yield Problem("M144" if action["outcome"] == "approved" else "M145")
            case None:
                yield Problem("M147")
            case other:
                yield Problem("M146", {"kind": other})
    if arrow.targets:
        yield Problem("M148", {"state": [state_title(chart, one) for one in arrow.targets]})


# --- what goes out -----------------------------------------------------------------------------
_KINDS = {
    "task": "M150",
    "remind": "M151",
    "escalate": "M152",
    "cc": "M153",
    "notify": "M154",
    "webhook": "M155",
    "call": "M156",
}


def sent(effects: Sequence[Effect]) -> tuple[Sent, ...]:
    """The effects of a step that would have gone out."""
    found = []
    for one in effects:
        template = str(one.data.get("template") or one.data.get("channel") or "")
        words = Problem(_KINDS.get(one.type, "M157"), {"kind": one.type, "template": template})
        found.append(Sent(one.type, words, one.to, template, one.state))
    return tuple(found)
