"""SCXML documents as charts of ours, and a machine that plays them.

What an SCXML document can say and our format does not offer (scripts, invocations, loops, dynamic
event names …) is `Unsupported`, with the reason; everything else must behave as the document's
suite expects.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree as ET

from tests.unit.workflow.world import chart_of

from engine.problems import Problem
from engine.workflow import CannotEvaluate, Chart, Event, Instance, Outcome, begin, step

STATES: Final = ("state", "parallel", "final", "history")
IGNORED: Final = {"W101", "W102", "W104"}  # no transition for it: SCXML drops the event
MOST: Final = 200  # events in one run


class Unsupported(Exception):
    """The document asks for something that our format leaves out on purpose."""


def tag(element: ET.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def children(element: ET.Element, *names: str) -> list[ET.Element]:
    return [one for one in element if not names or tag(one) in names]


@dataclass
class Document:
    """A chart with the values its data begin with."""

    chart: Chart
    data: dict[str, Any]


class Converter:
    """One SCXML document -> one document of ours."""

    def __init__(self, root: ET.Element, events: Sequence[str] = ()) -> None:
        self.root = root
        self.count = 0
        self.kinds: dict[str, str] = {}
        self.below: dict[str, set[str]] = {}
        for element in root.iter():
            if tag(element) in STATES:
                self._name(element)
        self.events: set[str] = set()
        for element in root.iter():
            if tag(element) in STATES:
                inner = [one.get("id", "") for one in element.iter() if tag(one) in STATES]
                self.below[element.get("id", "")] = set(inner[1:])
        self.events |= {*events, *self._mentioned()}

    def _name(self, element: ET.Element) -> None:
        if not element.get("id"):
            self.count += 1
            element.set("id", f"nameless_{self.count}")
        self.kinds[element.get("id", "")] = tag(element)

    def _mentioned(self) -> Iterator[str]:
        """Every event that can occur: a prefix in the document stands for those below it."""
        for element in self.root.iter():
            for one in (element.get("event") or "").split():
                yield one.removesuffix(".*").removesuffix("*").rstrip(".")
            if tag(element) == "send" and element.get("eventexpr"):
                yield self._said(element, "event")
        for name, kind in self.kinds.items():
            if kind in ("state", "parallel"):
                yield f"done.state.{name}"

    def convert(self) -> Document:
        document = {
            "initial": self._initial(self.root),
            "states": {one.get("id"): self._state(one) for one in children(self.root, *STATES)},
        }
        if children(self.root, "script"):
            raise Unsupported("script")
        if not document["initial"]:
            del document["initial"]
        return Document(chart_of(document), self._data())

    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for element in self.root.iter():
            if tag(element) != "data":
                continue
            if element.get("src"):
                raise Unsupported("data from another file")
            source = element.get("expr") or (element.text or "").strip()
            if len(element):
                raise Unsupported("data in XML")
            data[element.get("id", "")] = evaluate(source, data) if source else None
        return data

    def _initial(self, element: ET.Element) -> list[str]:
        for inside in children(element, "initial"):
            arrow = children(inside, "transition")[0]
            if len(arrow):
                raise Unsupported("actions on the way to the initial state")
            return (arrow.get("target") or "").split()
        if given := element.get("initial"):
            return given.split()
        first = [one for one in children(element, *STATES) if tag(one) != "history"]
        return [first[0].get("id", "")] if first else []

    def _state(self, element: ET.Element) -> dict[str, Any]:
        kind = tag(element)
        for inside in element:
            if tag(inside) == "invoke":
                raise Unsupported("invoke")
        if kind == "history":
            return self._history(element)
        made: dict[str, Any] = {}
        inner = children(element, *STATES)
        if kind in ("parallel", "final"):
            made["type"] = kind
        if inner:
            made["states"] = {one.get("id"): self._state(one) for one in inner}
            if kind == "state":
                made["initial"] = self._initial(element)
        for ours, theirs in (("entry", "onentry"), ("exit", "onexit")):
            blocks = [action for one in children(element, theirs) for action in self._actions(one)]
            if blocks:
                made[ours] = blocks
        return made | self._arrows(element)

    def _history(self, element: ET.Element) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "history", "history": element.get("type") or "shallow"}
        for arrow in children(element, "transition"):
            if len(arrow):
                raise Unsupported("actions on the way to a history's default")
            made["target"] = (arrow.get("target") or "").split()
        return made

    def _arrows(self, element: ET.Element) -> dict[str, Any]:
        on: dict[str, list[Any]] = {}
        always: list[Any] = []
        for arrow in children(element, "transition"):
            made = self._arrow(element, arrow)
            if arrow.get("event") is None:
                always.append(made)
            for name in self._names(arrow.get("event") or ""):
                on.setdefault(name, []).append(made)
        return ({"on": on} if on else {}) | ({"always": always} if always else {})

    def _names(self, descriptors: str) -> list[str]:
        found: dict[str, None] = {}
        for one in descriptors.split():
            prefix = one.removesuffix("*").removesuffix(".")
            for event in sorted(self.events):
                if not prefix or event == prefix or event.startswith(prefix + "."):
                    found[event] = None
        return [name for name in found if name]

    def _arrow(self, source: ET.Element, arrow: ET.Element) -> dict[str, Any]:
        targets = (arrow.get("target") or "").split()
        made: dict[str, Any] = {}
        name = source.get("id", "")
        inside = all(one in self.below[name] for one in targets)
        internal = arrow.get("type") == "internal" and tag(source) == "state" and inside
        if targets:
            made = {"target": targets, "reenter": not internal}
        if condition := arrow.get("cond"):
            made["guard"] = ours(condition)
        if actions := self._actions(arrow):
            made["actions"] = actions
        return made or {"actions": []}

    def _actions(self, block: ET.Element) -> list[dict[str, Any]]:
        return [made for one in block for made in self._action(one)]

    def _action(self, element: ET.Element) -> list[dict[str, Any]]:
        match tag(element):
            case "log":
                return []
            case "raise":
                return [{"raise": element.get("event", "")}]
            case "assign":
                if element.get("expr") is None:
                    raise Unsupported("assign of XML")
                return [{"assign": {element.get("location", ""): ours(element.get("expr", ""))}}]
            case "send":
                return [self._send(element)]
            case "cancel":
                if element.get("sendidexpr"):
                    raise Unsupported("dynamic send")
                return [{"type": "scxml.cancel", "id": element.get("sendid", "")}]
            case other:
                raise Unsupported(other)

    def _send(self, element: ET.Element) -> dict[str, Any]:
        # parameters are left out: who would read them (`_event.data`) is not converted either
        if any(element.get(one) is not None for one in ("targetexpr", "typeexpr", "idlocation")):
            raise Unsupported("dynamic send")
        kind = element.get("type") or "scxml"
        if not kind.endswith(("scxml", "SCXMLEventProcessor", "SCXMLEventProcessor/")):
            raise Unsupported("send to another processor")
        target, event = element.get("target") or "", self._said(element, "event")
        if target == "#_internal":
            return {"raise": event}
        if target:
            raise Unsupported("send to another session")
        delay = seconds(self._said(element, "delay") or "0")
        return {"type": "scxml.send", "event": event, "delay": delay, "id": element.get("id", "")}

    def _said(self, element: ET.Element, name: str) -> str:
        """An attribute, or the value of its expression when that cannot change."""
        source = element.get(f"{name}expr")
        if source is None:
            return element.get(name) or ""
        if any(tag(one) == "assign" for one in self.root.iter()):
            raise Unsupported("dynamic send")
        found = str(evaluate(source, self._data()))
        if name == "event":
            self.events.add(found)
        return found


def seconds(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(ms|s)?", text.strip())
    if not match:
        raise Unsupported("dynamic send")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def ours(source: str) -> str:
    """An ECMAScript expression of the simple kind as one of Python's."""
    if "_event" in source or "_sessionid" in source or "_ioprocessors" in source:
        raise Unsupported("system variables")
    for theirs, mine in (("===", "=="), ("!==", "!="), ("&&", " and "), ("||", " or ")):
        source = source.replace(theirs, mine)
    source = re.sub(r"!(?!=)", " not ", source)
    if re.search(r"typeof|function|\?|\bnew\b|=>", source):
        raise Unsupported("expressions of the host language")
    return source.strip()


def evaluate(source: str, names: Mapping[str, Any]) -> Any:
    if any(one in source for one in ("Math.", "{", "Date", ".length")):
        raise Unsupported("expressions of the host language")
    known = {"true": True, "false": False, "null": None, "undefined": None, **names}
    try:
        return eval(ours(source), {"__builtins__": {}}, known)
    except Unsupported:
        raise
    except Exception as failure:
        raise CannotEvaluate(Problem("W109", {"expression": source})) from failure


@dataclass
class Machine:
    """Plays a document: external events one by one, sent ones after them, delays on a clock."""

    document: Document
    instance: Instance = field(init=False)
    record: dict[str, Any] = field(init=False)
    queue: deque[str] = field(default_factory=deque)
    later: list[tuple[float, int, str, str]] = field(default_factory=list)
    clock: float = 0.0
    sent: int = 0

    def __post_init__(self) -> None:
        self.record = dict(self.document.data)
        self._take(begin(self.document.chart, Sight(self.record)))
        self._drain()

    @property
    def configuration(self) -> set[str]:
        return set(self.document.chart.leaves(self.instance.active))

    def send(self, event: str) -> None:
        self.queue.append(event)
        self._drain()

    def wait(self, until: float) -> None:
        """Let the clock run."""
        while self.later and min(self.later)[0] <= until and not self.instance.done:
            due = min(self.later)
            self.later.remove(due)
            self.clock = due[0]
            self.send(due[2])
        self.clock = max(self.clock, until)

    def _drain(self) -> None:
        for _ in range(MOST):
            if not self.queue:
                return
            event = Event(self.queue.popleft(), source="system")
            outcome = step(self.document.chart, self.instance, event, Sight(self.record))
            if not {problem.code for problem in outcome.problems} & IGNORED:
                self._take(outcome)
        raise AssertionError("endless")

    def _take(self, outcome: Outcome) -> None:
        if outcome.problems:
            raise AssertionError(outcome.problems)
        self.instance = outcome.instance
        self.record |= outcome.changes
        for effect in outcome.effects:
            data = dict(effect.data)
            if effect.type == "scxml.cancel":
                self.later = [one for one in self.later if one[3] != data["id"]]
            elif not data["delay"]:
                self.queue.append(data["event"])
            else:
                self.sent += 1
                due = self.clock + data["delay"]
                self.later.append((due, self.sent, data["event"], data["id"]))


class Sight:
    """What a step sees: the data, no people, no calendar."""

    now = datetime(2026, 3, 2, tzinfo=UTC)
    actor: int | None = None

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record

    def test(self, source: str, names: Mapping[str, Any]) -> bool:
        return bool(self.value(source, names))

    def value(self, source: str, names: Mapping[str, Any]) -> Any:
        return evaluate(source, {**self.record, **names})

    def resolve(self, *_: Any) -> list[int]:
        return []

    def due(self, *_: Any) -> Any:
        raise AssertionError("no timers here")

    def agent(self, user: int) -> int | None:
        raise AssertionError(f"no agent of {user} here")


def document_of(text: str, events: Sequence[str] = ()) -> Document:
    return Converter(ET.fromstring(text), events).convert()


def play_script(text: str, script: Mapping[str, Any]) -> None:
    """A test of SCION: a configuration after each event."""
    names = [one["event"]["name"] for one in script["events"]]
    if any("data" in one["event"] for one in script["events"]):
        raise Unsupported("system variables")
    machine = Machine(document_of(text, names))
    assert machine.configuration == set(script["initialConfiguration"]), "initial"
    for number, one in enumerate(script["events"]):
        machine.wait(machine.clock + float(one.get("after", 0)) / 1000)
        machine.send(one["event"]["name"])
        assert machine.configuration == set(one["nextConfiguration"]), number


def play_verdict(text: str) -> None:
    """A test of the W3C: it ends in the state "pass"."""
    machine = Machine(document_of(text))
    machine.wait(60.0)
    assert machine.configuration == {"pass"}


def verdict(text: str, script: str | None) -> str:
    """ "passed", "unsupported: …" or "failed: …"."""
    try:
        if script is None:
            play_verdict(text)
        else:
            play_script(text, json.loads(script))
    except Unsupported as reason:
        return f"unsupported: {reason}"
    except (AssertionError, CannotEvaluate, IndexError, KeyError) as failure:
        return f"failed: {type(failure).__name__} {failure}"[:160]
    return "passed"
