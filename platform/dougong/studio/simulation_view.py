"""A simulated walk, an exploration and a replay as their pages draw them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel.dates import format_timedelta
from flask import url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.present import clock, plain
from engine.definitions.model import Entity, Label, text_of
from engine.fields import USER, Names, bind
from engine.fields.basics import locale_of
from engine.problems import Problem, text
from engine.records.labels import names_of
from engine.records.simulation.paths import Trap, Verdict
from engine.records.simulation.replay import KINDS, Report
from engine.records.simulation.scene import Move
from engine.records.simulation.simulate import Step, Walk
from engine.records.simulation.told import Ask, Due, Told
from engine.records.unit import Unit

_ICONS = {
    "start": "flag",
    "event": "send",
    "decision": "check",
    "timer": "alarm",
    "platform": "settings",
    "refused": "ban",
}


def worded(problem: Problem) -> str:
    """A sentence in the reader's language."""
    return text(problem, language())


def titled(label: Label) -> str:
    """A title in the reader's language."""
    return text_of(label, language())


def lasting(length: timedelta) -> str:
    """A span of time in words."""
    if abs(length) < timedelta(minutes=1):
        return gettext("at once")
    days, rest = abs(length).days, abs(length) - timedelta(days=abs(length).days)
    locale = locale_of(language())
    parts = [timedelta(days=days)] if days else []
    if rest >= timedelta(minutes=1) and days < 30:
        parts.append(rest)
    return " ".join(
        format_timedelta(
            part,
            granularity="minute",
            threshold=10_000 if part.days else 1.5,
            format="long",
            locale=locale,
        )
        if not part.days
        else ngettext("%(num)d day", "%(num)d days", part.days)
        for part in parts
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """A button of the interactive walk: `act` is the line it adds to the script."""

    act: str
    title: str
    who: str
    kind: str


class WalkView:
    """The walk for its page."""

    def __init__(self, unit: Unit, walk: Walk, viewer: int | None) -> None:
        self.unit, self.walk = unit, walk
        self.entity: Entity = unit.app.model.entities[walk.entity]
        self.names: Names = names_of(
            unit, {USER: sorted(walk.people | _user_values(walk, self.entity))}
        )
        self.viewer = viewer
        self.steps = [self._step(one, at) for at, one in enumerate(walk.steps)]
        self.choices = [self._choice(one) for one in walk.choices]
        self.why = [worded(one) for one in walk.why]
        self.end = walk.end
        self.end_title = titled(walk.state_title)
        self.lasted = lasting(walk.elapsed)

    def name(self, user: int | None) -> str:
        """A person."""
        return self.names.label(USER, user) if user else ""

    def _step(self, one: Step, at: int) -> dict[str, Any]:
        before = self.walk.steps[at - 1] if at else None
        fresh = one.moved or before is None or _asked(one.told) != _asked(before.told)
        return {
            "number": one.number,
            "icon": "x" if one.event in ("task.reject", "task.return") else _ICONS[one.kind],
            "kind": one.kind,
            "look": _look(one),
            "title": self._title(one),
            "who": self.name(one.who),
            "at": self.at(one.at),
            "elapsed": lasting(one.elapsed) if one.elapsed else "",
            "state": titled(one.state_title),
            "leaves": [titled(leaf) for leaf in one.leaves],
            "moved": one.moved,
            "asks": [self._ask(ask) for ask in one.told.asks] if fresh else [],
            "dues": [self._due(due) for due in one.told.dues] if fresh else [],
            "senders": [self._sender(sender) for sender in one.told.senders] if fresh else [],
            "rights": self._rights(one.told) if fresh else [],
            "sent": [
                {"words": worded(out.words), "to": [self.name(person) for person in out.to]}
                for out in one.sent
            ],
            "changes": [self._change(name, *pair) for name, pair in one.changes.items()],
            "created": [self._entity_title(name) for name in one.created],
            "assumed": [self._field(name) for name in one.assumed],
            "problem": worded(one.problem) if one.problem else "",
        }

    def _title(self, one: Step) -> str:
        if one.kind == "start":
            return gettext("The case begins")
        if one.kind == "timer":
            return gettext("Nobody acted: a timer is due")
        if one.kind == "platform":
            return gettext("The called case ended")
        return titled(one.title) or one.event

    def at(self, moment: datetime) -> str:
        """A moment on the company's clock."""
        zone = Names(self.names.labels, self.unit.company_zone, self.unit.app.model.currency)
        return clock(moment, language(), zone)

    def _ask(self, ask: Ask) -> dict[str, Any]:
        seats = [
            {
                "names": [self.name(seat.person)]
                if seat.person
                else [self.name(person) for person in seat.candidates],
                "claim": seat.person is None,
                "status": seat.status,
                "why": [worded(reason) for reason in seat.why],
            }
            for seat in ask.seats
        ]
        empty = [worded(rule.words) for rule in ask.rules if not rule.people]
        return {
            "title": titled(ask.title),
            "quorum": worded(ask.quorum),
            "sequential": ask.sequential,
            "seats": seats,
            "empty": empty,
        }

    def _due(self, due: Due) -> dict[str, Any]:
        return {
            "at": self.at(due.at),
            "wait": lasting(due.wait),
            "work": due.work,
            "what": [worded(deed) for deed in due.what],
            "state": titled(due.title),
        }

    def _sender(self, sender: Any) -> dict[str, Any]:
        return {
            "title": titled(sender.title),
            "names": [self.name(person) for person in sender.people[:4]],
            "more": max(len(sender.people) - 4, 0),
        }

    def _rights(self, told: Told) -> list[dict[str, Any]]:
        """The fields by their right, the strongest first; one line each."""
        words = {
            "required": gettext("must be filled in"),
            "write": gettext("can be changed"),
            "read": gettext("read only"),
            "hidden": gettext("hidden"),
        }
        found = []
        for right, word in words.items():
            names = [name for name, given in told.rights.items() if given == right]
            if names:
                every = len(names) == len(told.rights)
                shown = [gettext("all fields")] if every else [self._field(name) for name in names]
                found.append({"right": right, "word": word, "fields": shown})
        return found

    def _field(self, name: str) -> str:
        field = self.entity.fields.get(name)
        return titled(field.title) if field else name

    def _entity_title(self, name: str) -> str:
        entity = self.unit.app.model.entities.get(name)
        return titled(entity.title) if entity else name

    def _change(self, name: str, old: Any, new: Any) -> dict[str, str]:
        field = self.entity.fields.get(name)
        if field is None:
            return {"title": name, "old": "", "new": "…"}
        if field.write_only or not self.unit.access(self.entity.name).fields[name].read.always:
            return {"title": titled(field.title), "old": "", "new": "…"}
        shown = [plain(field, value, language(), self.names) for value in (old, new)]
        return {"title": titled(field.title), "old": shown[0], "new": shown[1]}

    def _choice(self, move: Move) -> Choice:
        if move.source == "timer":
            return Choice("timer", gettext("Wait until the next timer"), "", "timer")
        title = titled(move.title) or move.event
        if move.command == "return" and move.state:
            chart_title = self._state(move.state)
            title = f"{title} → {chart_title}"
        act = f"{move.who or ''}:{move.event}:{move.task or ''}:{move.data.get('to', '')}"
        kind = {"approve": "good", "reject": "bad", "return": "bad"}.get(move.command, "")
        return Choice(act, title, self.name(move.who), kind)

    def _state(self, state: str) -> str:
        known = {one.state: one.state_title for one in self.walk.steps}
        return titled(known[state]) if state in known else state


def _asked(told: Told) -> object:
    return [(ask.state, ask.number, [(s.person, s.status) for s in ask.seats]) for ask in told.asks]


def _look(one: Step) -> str:
    if one.kind == "refused" or one.event == "task.reject":
        return "refused"
    if one.kind == "decision":
        return "done"
    return "clock" if one.kind == "timer" else "current" if one.kind == "event" else ""


def _user_values(walk: Walk, entity: Entity) -> set[int]:
    found: set[int] = set()
    for one in walk.steps:
        for name, pair in one.changes.items():
            field = entity.fields.get(name)
            if field is None:
                continue
            for value in pair:
                if value is not None:
                    found |= {id for target, id in bind(field).references(value) if target == USER}
    return found


# --- every way ---------------------------------------------------------------------------------
def paths_view(verdict: Verdict, entity: Entity, titles: Mapping[str, Label]) -> Any:
    """The bands with their ends, and every trap."""

    def state(name: str) -> str:
        return titled(titles.get(name, {})) or name

    def trap(values: Mapping[str, Any], one: Trap) -> dict[str, Any]:
        return {
            "band": _band(entity, values),
            "way": [titled(move.title) or move.event for move in one.moves],
            "state": titled(one.state_title),
            "why": [worded(reason) for reason in one.why],
        }

    return {
        "bands": [
            {
                "band": _band(entity, values),
                "situations": one.situations,
                "ends": [state(name) for name in one.finals],
                "longest": lasting(one.longest),
                "complete": one.complete,
                "traps": len(one.traps),
            }
            for values, one in verdict.bands
        ],
        "traps": [trap(values, one) for values, one in verdict.traps][:20],
        "never": [state(name) for name in sorted(verdict.never)],
        "longest": lasting(verdict.longest),
    }


def _band(entity: Entity, values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{titled(entity.fields[name].title)} = {value}" for name, value in values.items()
    )


# --- replay ------------------------------------------------------------------------------------
def replay_view(unit: Unit, report: Report) -> dict[str, Any]:
    """Groups with linked examples; a record that the reader may not see is only counted."""
    people = {int(p) for change in report.steps.values() for p in (*change.added, *change.removed)}
    names = names_of(unit, {USER: sorted(people)})
    minutes = report.median_minutes
    return {
        "groups": _groups(unit, report),
        "steps": [
            {
                "title": titled(change.title),
                "added": _counted(change.added, names),
                "removed": _counted(change.removed, names),
            }
            for change in report.steps.values()
        ],
        "median": ("+" if minutes > 0 else "−") + lasting(timedelta(minutes=minutes))
        if minutes
        else "",
        "share": round(100 * report.looked / report.total) if report.total else 100,
    }


def _groups(unit: Unit, report: Report) -> list[dict[str, Any]]:
    labels = names_of(unit, {report.entity: report.records}).labels
    titles = {
        "stalls": gettext("would stall"),
        "ends": gettext("would end otherwise"),
        "more": gettext("would need more approvers"),
        "fewer": gettext("would need fewer approvers"),
        "people": gettext("would go to other people"),
        "slower": gettext("would take longer"),
        "faster": gettext("would be done sooner"),
    }
    found = []
    for kind, group in ((one, report.groups[one]) for one in KINDS if one in report.groups):
        shown = [id for id in group.examples if (report.entity, id) in labels]
        records = [
            {
                "href": url_for("records.show", entity=report.entity, id=id),
                "label": labels[report.entity, id],
            }
            for id in shown
        ]
        found.append(
            {
                "kind": kind,
                "title": titles[kind],
                "count": group.count,
                "variants": list(_variants(kind, group.variants, group.titles)),
                "records": records,
                "more": group.count - len(shown),
            }
        )
    return found


def _variants(
    kind: str, counts: Mapping[str, int], titles: Mapping[str, Label]
) -> Iterable[dict[str, Any]]:
    for variant, many in sorted(counts.items(), key=lambda one: -one[1]):
        title = titled(titles[variant]) if variant in titles else variant
        if kind in ("more", "fewer"):
            sign = "+" if kind == "more" else "−"
            number = ngettext("%(num)d approver", "%(num)d approvers", int(variant))
            title = f"{sign}{number}"
        yield {"title": title, "count": many}


def _counted(counts: Mapping[str, int], names: Names) -> Sequence[dict[str, Any]]:
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    return [{"name": names.label(USER, int(person)), "count": many} for person, many in ordered]
