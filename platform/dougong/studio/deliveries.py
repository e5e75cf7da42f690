"""Deliveries: what waits to be done or sent after a commit, what fails, and what was given up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.moments import due_words
from dougong.present import ago
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.definitions.model import text_of
from engine.fields import USER, Names
from engine.problems import text
from engine.records import outbox
from engine.records.failures import Failure
from engine.records.labels import names_of
from engine.records.outbox import FailingTimer, Letter, State, admin
from engine.records.unit import Unit

blueprint = Blueprint("deliveries", __name__, url_prefix="/<company>/admin/deliveries")

SIZE: Final = 50
OURS: Final = "-"  # the channel of internal work, in addresses
TOO_MANY: Final = 500  # rows of one click
VIEWS: Final[Mapping[str, Sequence[State]]] = {
    "": ("dead", "failing"),
    "dead": ("dead",),
    "failing": ("failing",),
    "waiting": ("waiting",),
    "discarded": ("discarded",),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page is asked to show."""

    state: str
    kind: str | None
    channel: str | None
    before: int | None

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Asked:
        """The request's parameters; what makes no sense is left out."""
        state, before = given.get("state", ""), given.get("before", "")
        channel = given.get("channel", "")
        return cls(
            state if state in VIEWS else "",
            given.get("kind") or None,
            "" if channel == OURS else channel or None,
            int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
        )

    def href(self, **other: Any) -> str:
        """The page with something else."""
        channel = OURS if self.channel == "" else self.channel
        values = {"state": self.state, "kind": self.kind, "channel": channel, **other}
        return url_for(".index", **{key: one for key, one in values.items() if one})


@blueprint.get("")
@administrators_only
def index() -> str:
    """What needs somebody, or one kind of rows."""
    asked = Asked.read(request.args)
    with reading() as unit:
        found = outbox.letters(
            unit,
            states=VIEWS[asked.state],
            kind=asked.kind,
            channel=asked.channel,
            size=SIZE + 1,
            before=asked.before,
        )
        plain = asked.kind is None and asked.channel is None and asked.before is None
        timers = outbox.failing_timers(unit) if asked.state == "" and plain else []
        names = _names(unit, found, timers)
        shown = found[:SIZE]
        return render_template(
            "studio/deliveries.html",
            shell=shell(unit),
            title=gettext("Deliveries"),
            tabs=_tabs(unit, asked),
            filters=_filters(unit, asked),
            letters=[_letter(unit, one, names) for one in shown],
            timers=[_timer(unit, one, names) for one in timers],
            asked=asked,
            here=asked.href(),
            filtered=not plain,
            next_href=asked.href(before=shown[-1].id) if len(found) > SIZE else "",
            prev_href=asked.href() if asked.before else "",
        )


@blueprint.post("/again")
@administrators_only
@patient
def again() -> Response:
    """Try rows again, now."""
    with writing() as unit:
        rows, timers = _posted(unit)
        tried = outbox.try_timers(unit, timers) if timers else 0
        count = _told(lambda: outbox.send_again(unit, rows)) + tried
    if count:
        flash(
            ngettext("%(num)d will be tried now.", "%(num)d will be tried now.", count), "success"
        )
    return go(_back())


@blueprint.post("/discard")
@administrators_only
@patient
def discard() -> Response:
    """Never try rows again."""
    with writing() as unit:
        rows, _ = _posted(unit)
        count = _told(lambda: outbox.discard(unit, rows))
    if count:
        flash(ngettext("%(num)d discarded.", "%(num)d discarded.", count), "success")
    return go(_back())


def _told(work: Any) -> int:
    """How many; a reason why not is told."""
    try:
        count: int = work()
    except Failure as failure:
        flash(" ".join(text(one, language()) for one in failure.problems), "error")
        return 0
    return count


def _posted(unit: Unit) -> tuple[list[int], list[int]]:
    """The rows and timers a form names: single ones, or all that its filter finds."""
    asked = Asked.read(request.form)
    if request.form.get("all"):
        states = VIEWS[asked.state]
        found = outbox.letters(
            unit, states=states, kind=asked.kind, channel=asked.channel, size=TOO_MANY
        )
        return [one.id for one in found], []
    return _ids("id"), _ids("timer")


def _ids(name: str) -> list[int]:
    given = request.form.getlist(name)
    return [int(one) for one in given if one.isascii() and one.isdigit() and len(one) < 16]


def _back() -> str:
    return Asked.read(request.form).href()


# --- for the template --------------------------------------------------------------------------
def _tabs(unit: Unit, asked: Asked) -> list[dict[str, Any]]:
    counts = outbox.counts(unit)
    tabs = (
        ("", gettext("Needs attention"), counts.dead + counts.failing + counts.timers),
        ("dead", gettext("No more tries"), counts.dead),
        ("failing", gettext("Will be tried again"), counts.failing),
        ("waiting", gettext("Waiting"), counts.waiting),
        ("discarded", gettext("Discarded"), 0),
    )
    return [
        {
            "title": title,
            "count": count,
            "href": asked.href(state=state),
            "active": asked.state == state,
        }
        for state, title, count in tabs
    ]


def _filters(unit: Unit, asked: Asked) -> dict[str, list[dict[str, Any]]]:
    known = admin.kinds(unit)
    channels = sorted(
        {channel for channel, _ in known} | ({asked.channel} if asked.channel else set())
    )
    kinds = sorted({kind for _, kind in known} | ({asked.kind} if asked.kind else set()))
    return {
        "channel": [
            {"value": one or OURS, "title": _channel(one), "chosen": one == asked.channel}
            for one in channels
        ],
        "kind": [{"value": one, "title": _kind(one), "chosen": one == asked.kind} for one in kinds],
    }


def _channel(name: str) -> str:
    return name or gettext("The platform itself")


def _kind(kind: str) -> str:
    """What a kind of work is, in words; a plugin's own kind by its name."""
    words = {
        "notify": gettext("Notice"),
        "remind": gettext("Reminder"),
        "escalate": gettext("Escalation"),
        "task": gettext("New task"),
        "cc": gettext("Copy to people"),
        "mention": gettext("Mention"),
        "send": gettext("Message"),
        "webhook": gettext("Webhook"),
        "call": gettext("Begin called cases"),
        "called": gettext("Answer of a called case"),
        "uncall": gettext("End called cases"),
        "begin": gettext("Begin a case by schedule"),
    }
    return words.get(kind, kind)


def _names(unit: Unit, found: Iterable[Letter], timers: Iterable[FailingTimer]) -> Names:
    wanted: dict[str, set[int]] = {USER: set()}
    for one in found:
        wanted[USER] |= {id for id in (one.user, one.by) if id}
        if one.entity and one.record:
            wanted.setdefault(one.entity, set()).add(one.record)
    for timer in timers:
        wanted.setdefault(timer.entity, set()).add(timer.record)
    return names_of(unit, {target: ids for target, ids in wanted.items() if ids})


def _letter(unit: Unit, one: Letter, names: Names) -> dict[str, Any]:
    return {
        "id": one.id,
        "key": one.key,
        "title": _kind(one.kind),
        "channel": one.channel,
        "state": one.state,
        "reason": one.reason(language()),
        "attempts": one.attempts,
        "next": _when(unit, one.next_try) if one.state == "failing" else "",
        "at": _when(unit, one.next_try) if one.state == "waiting" else "",
        "ended": ago(one.ended_at, unit.now, language()) if one.ended_at else "",
        "created": ago(one.created_at, unit.now, language()),
        "person": names.labels.get((USER, one.user), "") if one.user else "",
        "by": names.labels.get((USER, one.by), "") if one.by else "",
        "by_at": ago(one.by_at, unit.now, language()) if one.by_at else "",
        **_about(unit, one, names),
    }


def _timer(unit: Unit, one: FailingTimer, names: Names) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name.removeprefix("after."),
        "reason": one.reason(language()),
        "attempts": one.attempts,
        "next": _when(unit, one.next_try),
        "due": _when(unit, one.due),
        **_about(unit, one, names),
    }


def _about(unit: Unit, one: Letter | FailingTimer, names: Names) -> dict[str, str]:
    """The record and its case, as far as the reader may see them."""
    model = unit.app.model
    flow, kind = model.workflows.get(one.workflow), model.entities.get(one.entity)
    label = names.labels.get((one.entity, one.record), "") if one.record else ""
    return {
        "workflow": text_of(flow.title, language()) if flow else one.workflow,
        "case": url_for("cases.show", id=one.instance) if one.instance else "",
        "entity": text_of(kind.title, language()) if kind else one.entity,
        "record": label,
        "href": url_for("records.show", entity=one.entity, id=one.record) if label else "",
    }


def _when(unit: Unit, moment: datetime | None) -> str:
    return due_words(moment, unit.now, unit.zone, language()) if moment else ""
