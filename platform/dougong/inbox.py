"""One line of the inbox, for the approvals page and the first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.present import ago, lasting
from engine.definitions.model import text_of
from engine.records.flows import InboxItem
from engine.records.unit import Unit


@dataclass(frozen=True, slots=True)
class Fact:
    """A value worth knowing before one decides."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """See ``approvals.html``; `kind` and `meta` are for ``home.html``."""

    id: int
    version: int
    title: str
    href: str
    entity: str
    step: str
    applicant: str
    waiting: str
    overdue: bool
    facts: Sequence[Fact]
    amount: str
    state: str
    state_color: str
    open: bool
    comment: str

    @property
    def kind(self) -> str:
        """What has to be done."""
        return self.step

    @property
    def meta(self) -> str:
        """What it is about and whose."""
        return " · ".join(filter(None, (self.entity, self.applicant, self.amount)))


_COLORS: Final = {"approved": "green", "rejected": "red", "returned": "orange", "done": "green"}


def inbox_item(unit: Unit, item: InboxItem) -> Line:
    """A line as the reader sees it."""
    entity = unit.app.model.entities[item.entity]
    amount = next((fact for fact in item.facts if fact.field.type == "money"), None)
    waiting = item.status == "open"
    return Line(
        id=item.task_id or 0,
        version=item.version,
        title=item.label,
        href=url_for("records.show", entity=item.entity, id=item.record_id)
        if item.readable
        else "",
        entity=text_of(entity.title, language()),
        step=text_of(item.state, language()),
        applicant=item.applicant_name,
        waiting=_since(unit.now, item.opened_at if waiting else item.decided_at, waiting=waiting),
        overdue=item.overdue,
        facts=[
            Fact(text_of(fact.field.title, language()), fact.text)
            for fact in item.facts
            if fact is not amount
        ],
        amount=amount.text if amount else "",
        state=_word(item.status),
        state_color=_COLORS.get(item.status, "blue"),
        open=waiting and item.task_id is not None,
        comment=item.comment,
    )


def _since(now: datetime, moment: datetime | None, *, waiting: bool) -> str:
    if moment is None:
        return ""
    if waiting and (now - moment).total_seconds() < 60:
        return gettext("just arrived")
    if waiting:
        return gettext("waiting for %(time)s", time=lasting(moment, now, language()))
    return ago(moment, now, language())


def _word(status: str) -> str:
    words = {
        "approved": gettext("Approved"),
        "rejected": gettext("Rejected"),
        "returned": gettext("Sent back"),
        "cancelled": gettext("not needed"),
        "open": gettext("In approval"),
        "running": gettext("In approval"),
        "done": gettext("Finished"),
    }
    return words.get(status, status)
