"""One line of the inbox, for the approvals page and the first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.moments import due_words, left_words
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
    instance: int
    version: int
    title: str
    href: str
    entity: str
    workflow: str
    step: str
    applicant: str
    waiting: str
    due: str
    overdue: bool
    facts: Sequence[Fact]
    amount: str
    state: str
    state_color: str
    open: bool
    claim: bool
    comment: str
    on_behalf_of: str
    bulk: bool
    unread: bool

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
        instance=item.instance,
        version=item.version,
        title=item.label,
        href=_href(item),
        entity=text_of(entity.title, language()),
        workflow=text_of(item.workflow, language()),
        step=text_of(item.state, language()),
        applicant=item.applicant_name,
        waiting=_since(unit.now, item.opened_at if waiting else item.decided_at, waiting=waiting),
        due=_due(unit, item) if waiting else "",
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
        claim=item.claim,
        comment=item.comment,
        on_behalf_of=item.on_behalf_of,
        bulk=item.bulk,
        unread=item.unread,
    )


def _href(item: InboxItem) -> str:
    """The case's page: open to whoever has it in a list, also when the record's page is not."""
    if item.task_id and item.status == "open":
        return url_for("approvals.show", task=item.task_id)
    return url_for("approvals.case", instance=item.instance)


def _due(unit: Unit, item: InboxItem) -> str:
    """Until when it should be decided, and how long that still is; or how late it is."""
    if item.due_at is None:
        return ""
    left = left_words(item.due_at, unit.now, language())
    if item.overdue:
        return left
    when = due_words(item.due_at, unit.now, unit.zone, language())
    return gettext("due %(when)s, %(left)s", when=when, left=left)


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
        "waiting": gettext("In approval"),
    }
    return words.get(status, status)
