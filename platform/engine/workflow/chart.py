"""A workflow definition compiled once: states in a flat table, in document order.

The document was checked against the workflow schema before; targets that lead nowhere are left as
they stand and reported by the linter, so that compiling never fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.definitions.model import Label, Workflow

Action = Mapping[str, Any]
Who = Mapping[str, Any]
Right = Literal["hidden", "read", "write", "required"]
Kind = Literal["atomic", "compound", "parallel", "final", "history", "approval", "call"]
ROOT = ""
CLIENT_FORBIDDEN = ("done.", "error.", "after.")
CHANGED = "record.changed"  # sent by the platform when somebody changed the record


@dataclass(frozen=True, slots=True)
class Delay:
    """A span of time. Days and seconds stay apart: on the work clock ``P1D`` is one working day
    and ``PT24H`` is 24 working hours."""

    days: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow. `event` is "" for ``always``; no `targets` means actions only."""

    source: str
    event: str
    targets: tuple[str, ...]
    guard: str = ""
    actions: tuple[Action, ...] = ()
    reenter: bool = False
    title: Label = field(default_factory=dict)
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class TimerRule:
    """One entry of ``after``; its transition waits for the event `name`.

    ``at: "promised_at - 7200"`` is kept as the expression and a `shift`: seconds for an instant,
    days for a date.
    """

    name: str  # after.<state>.<id>
    delay: Delay | None
    at: str
    shift: int
    clock: Literal["calendar", "work"]
    every: Delay | None
    times: int
    pointer: str


@dataclass(frozen=True, slots=True)
class Quorum:
    """When a round is approved. `number` is the percentage or the count."""

    kind: Literal["all", "any", "percent", "count", "perGroup"]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The approval keys of a state, defaults filled in.

    `veto` is true by default for ``all`` and ``any``, false for counted quorums, where one reject
    would make the figure meaningless.
    """

    assignees: tuple[Who, ...]
    quorum: Quorum
    order: Literal["parallel", "sequential"]
    veto: bool
    close: Literal["decided", "everyone"]
    weights: Mapping[str, int]
    claim: bool
    empty: str | Who
    starter: Literal["self", "skip", "supervisor", "deny"]
    repeat: Literal["none", "consecutive", "any"]
    allow: frozenset[str]
    comment: Literal["optional", "required", "on-reject"]
    return_to: tuple[str, ...]
    resubmit: Literal["restart", "direct"]
    recall: bool
    lock: bool
    cc: tuple[Who, ...]
    signature: bool = False


@dataclass(frozen=True, slots=True)
class Calling:
    """What a ``call`` state begins: one case on a new record made of `input`, or one on every
    record that the expression `each` gives. `output`: own field -> expression over the results."""

    workflow: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    each: str
    wait: bool


@dataclass(frozen=True, slots=True)
class State:
    """A state; `order` is its place in the document."""

    id: str
    type: Kind
    title: Label
    parent: str
    order: int
    children: tuple[str, ...]
    initial: tuple[str, ...]
    transitions: tuple[Transition, ...]
    timers: tuple[TimerRule, ...]
    entry: tuple[Action, ...]
    exit: tuple[Action, ...]
    may: Mapping[str, tuple[Who, ...]]
    fields: Mapping[str, Right]
    policy: Policy | None
    deep: bool
    pointer: str
    calling: Calling | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What begins a case: by hand, a new record, a change, or the clock (`cron`: five fields, in
    the company's time zone) on every record for which `guard` is true."""

    on: Literal["manual", "create", "update", "schedule"] = "manual"
    guard: str = ""
    cron: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """The compiled definition. ``states[ROOT]`` is the document itself, a compound state."""

    id: str
    version: int
    hash: str
    entity: str
    state_field: str
    title: Label
    file: str
    states: Mapping[str, State]
    repeated: tuple[tuple[str, str], ...]  # ids used twice: (id, pointer)
    trigger: Trigger = field(default_factory=Trigger)

    def ancestors(self, state: str, until: str | None = None) -> Iterator[str]:
        """Proper ancestors, nearest first, the root last, without `until` and what is above it."""
        while state != ROOT:
            state = self.states[state].parent
            if state == until:
                return
            yield state

    def within(self, state: str, ancestor: str) -> bool:
        """Whether `state` lies strictly inside `ancestor`."""
        return state != ancestor and ancestor in self.ancestors(state)

    def in_order(self, states: Iterator[str] | Sequence[str] | set[str]) -> list[str]:
        """The ids in document order."""
        return sorted(states, key=lambda state: self.states[state].order)

    def leaves(self, active: Sequence[str] | set[str] | frozenset[str]) -> tuple[str, ...]:
        """The active states without active children, in document order."""
        parents = {self.states[state].parent for state in active}
        return tuple(self.in_order({state for state in active if state not in parents}))

    def reported(self, active: Sequence[str] | set[str] | frozenset[str]) -> str:
        """What the record's state field shows: the innermost active state, but no deeper than the
        first parallel state, whose own id then stands for all of its regions."""
        here = self.states[ROOT]
        while True:
            inside = [child for child in here.children if child in active]
            if not inside or here.type == "parallel":
                return here.id
            here = self.states[inside[0]]

    def reportable(self) -> tuple[str, ...]:
        """Every id `reported` can give, in document order."""

        def walk(state: State) -> Iterator[str]:
            for child in map(self.states.__getitem__, state.children):
                if child.type in ("parallel", "atomic", "final", "approval", "call"):
                    yield child.id
                elif child.type == "compound":
                    yield from walk(child)

        return tuple(walk(self.states[ROOT]))


_CACHE: dict[tuple[str, int, str], tuple[Mapping[str, Any], Chart]] = {}


def compile_chart(workflow: Workflow) -> Chart:
    """The chart of a definition, cached by its hash.

    The hash covers logic only, so a hit also compares the document: titles must not go stale.
    """
    key = (workflow.id, workflow.version, workflow.hash)
    found = _CACHE.get(key)
    if found and (found[0] is workflow.chart or found[0] == workflow.chart):
        return found[1]
    builder = _Builder()
    builder.add(ROOT, workflow.chart, ROOT, "")
    chart = Chart(
        workflow.id,
        workflow.version,
        workflow.hash,
        workflow.entity,
        workflow.state_field,
        workflow.title,
        workflow.file,
        dict(sorted(builder.states.items(), key=lambda item: item[1].order)),
        tuple(builder.repeated),
        _trigger(workflow.chart.get("trigger", {})),
    )
    _CACHE[key] = (workflow.chart, chart)
    return chart


def _trigger(body: Mapping[str, Any]) -> Trigger:
    return Trigger(body.get("on", "manual"), str(body.get("guard", "")), str(body.get("cron", "")))


_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def parse_duration(text: str) -> Delay:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds."""
    match = _DURATION.fullmatch(text)
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match \
        else (0, 0, 0, 0, 0)  # fmt: skip
    return Delay(weeks * 7 + days, (hours * 60 + minutes) * 60 + seconds)


def label_of(given: str | Mapping[str, str] | None) -> Label:
    """A title: one text for every language, or one for each."""
    if not given:
        return {}
    return {"": given} if isinstance(given, str) else given


def many(given: Any) -> list[Any]:
    """A single thing or a list of them, as a list."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


class _Builder:
    """Flattens the nested document."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.repeated: list[tuple[str, str]] = []
        self.count = 0

    def add(self, name: str, body: Mapping[str, Any], parent: str, pointer: str) -> None:
        if name in self.states:
            self.repeated.append((name, pointer))
            return
        order, self.count = self.count, self.count + 1
        inner: Mapping[str, Any] = body.get("states", {})
        kind: Kind = body.get("type") or ("compound" if inner else "atomic")
        children = tuple(inner)
        initial = tuple(many(body.get("target" if kind == "history" else "initial")))
        if kind == "compound" and not initial and children:
            initial = children[:1]
        timers = _timers(name, body, pointer)
        # registered before its children so that a repeated id inside is seen; replaced never
        self.states[name] = State(
            id=name,
            type="compound" if name == ROOT else kind,
            title=label_of(body.get("title")),
            parent=parent,
            order=order,
            children=children,
            initial=initial,
            transitions=tuple(_transitions(name, body, pointer)),
            timers=timers,
            entry=tuple(body.get("entry", ())),
            exit=tuple(body.get("exit", ())),
            may={event: tuple(many(who)) for event, who in body.get("may", {}).items()},
            fields=dict(body.get("fields", {})),
            policy=_policy(body) if kind == "approval" else None,
            deep=body.get("history") == "deep",
            pointer=pointer,
            calling=_calling(body) if kind == "call" else None,
        )
        for child, inside in inner.items():
            self.add(child, inside, name, f"{pointer}/states/{child}")


def _transitions(state: str, body: Mapping[str, Any], pointer: str) -> Iterator[Transition]:
    for event, given in body.get("on", {}).items():
        yield from _arrows(state, event, given, f"{pointer}/on/{event}")
    yield from _arrows(state, "", body.get("always"), f"{pointer}/always")
    done = body.get("onDone")
    if body.get("type") == "approval":
        for outcome, given in (done or {}).items():
            # a round that leads back to its own state is a new round
            yield from _arrows(
                state, f"done.{outcome}.{state}", given, f"{pointer}/onDone/{outcome}", again=True
            )
    elif body.get("type") == "call":
        failed = body.get("onError")
        yield from _arrows(state, f"done.call.{state}", done, f"{pointer}/onDone")
        yield from _arrows(state, f"error.call.{state}", failed, f"{pointer}/onError")
    else:
        yield from _arrows(state, f"done.state.{state}", done, f"{pointer}/onDone")
    for index, timer in enumerate(body.get("after", ())):
        name = _timer_name(state, index, timer)
        yield _arrow(state, name, timer, f"{pointer}/after/{index}", again=False)


def _arrows(
    state: str, event: str, given: Any, pointer: str, *, again: bool = False
) -> Iterator[Transition]:
    several = isinstance(given, list | tuple)
    for index, one in enumerate(many(given)):
        place = f"{pointer}/{index}" if several else pointer
        yield _arrow(state, event, one, place, again=again)


def _arrow(
    state: str, event: str, given: str | Mapping[str, Any], pointer: str, *, again: bool
) -> Transition:
    body: Mapping[str, Any] = {"target": given} if isinstance(given, str) else given
    return Transition(
        source=state,
        event=event,
        targets=tuple(many(body.get("target"))),
        guard=body.get("guard", ""),
        actions=tuple(body.get("actions", ())),
        reenter=again or bool(body.get("reenter", False)),
        title=label_of(body.get("title")),
        pointer=pointer,
    )


def _timer_name(state: str, index: int, timer: Mapping[str, Any]) -> str:
    return f"after.{state}.{timer.get('id') or index}"


def _timers(state: str, body: Mapping[str, Any], pointer: str) -> tuple[TimerRule, ...]:
    return tuple(
        TimerRule(
            name=_timer_name(state, index, timer),
            delay=parse_duration(timer["delay"]) if "delay" in timer else None,
            at=at,
            shift=shift,
            clock=timer.get("clock", "calendar"),
            every=parse_duration(timer["every"]) if "every" in timer else None,
            times=int(timer.get("times", 0)),
            pointer=f"{pointer}/after/{index}",
        )
        for index, timer in enumerate(body.get("after", ()))
        for at, shift in [_shifted(timer.get("at", ""))]
    )


_SHIFT = re.compile(r"(.*\S)\s*([+-])\s*(\d+)\s*")


def _shifted(at: str) -> tuple[str, int]:
    match = _SHIFT.fullmatch(at)
    return (match[1], int(match[2] + match[3])) if match else (at, 0)


def _policy(body: Mapping[str, Any]) -> Policy:
    quorum = _quorum(body.get("quorum", "all"))
    assignees = tuple(many(body.get("assignees")))
    chain = any("supervisors" in who for who in assignees)
    back: Mapping[str, Any] = body.get("return", {})
    auto: Mapping[str, Any] = body.get("auto", {})
    return Policy(
        assignees=assignees,
        quorum=quorum,
        order=body.get("order") or ("sequential" if chain else "parallel"),
        veto=body.get("veto", quorum.kind in ("all", "any")),
        close=body.get("close", "decided"),
        weights={key: int(weight) for key, weight in body.get("weights", {}).items()},
        claim=bool(body.get("claim", False)),
        empty=body.get("empty", "error"),
        starter=auto.get("starter", "self"),
        repeat=auto.get("repeat", "none"),
        allow=frozenset(body.get("allow", ("approve", "reject"))),
        comment=body.get("comment", "optional"),
        return_to=tuple(back.get("to", ())),
        resubmit=back.get("resubmit", "restart"),
        recall=body.get("recall") == "until-next-acts",
        lock=bool(body.get("lock", False)),
        cc=tuple(many(body.get("cc"))),
        signature=bool(body.get("signature", False)),
    )


def _calling(body: Mapping[str, Any]) -> Calling:
    return Calling(
        workflow=str(body.get("workflow", "")),
        input=dict(body.get("input", {})),
        output=dict(body.get("output", {})),
        each=str(body.get("forEach", "")),
        wait=bool(body.get("wait", True)),
    )


def _quorum(given: str | Mapping[str, Any]) -> Quorum:
    match given:
        case {"percent": number}:
            return Quorum("percent", int(number))
        case {"count": number}:
            return Quorum("count", int(number))
        case {"perGroup": number}:
            return Quorum("perGroup", int(number))
        case _:
            return Quorum("any" if given == "any" else "all")
