"""Cases in the words of their pages: what happened, who is asked, what is in the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import url_for
from flask_babel import gettext, ngettext

from dougong.i18n import language
from dougong.present import ago, clock
from engine.definitions.model import Label, text_of
from engine.fields import USER, Names
from engine.problems import text
from engine.records.administration.commands import Trouble
from engine.records.administration.moves import CaseMove, Preview
from engine.records.administration.overview import CaseDetail, CaseLine, Deadline, LogLine
from engine.records.administration.versions import FlowCases, Running
from engine.records.outbox.reasons import told

MOST_NAMES: Final = 4  # people named in a line of a list


def word(label: Label) -> str:
    """A label in the reader's language."""
    return text_of(label, language())


@dataclass(frozen=True, slots=True)
class Teller:
    """What every line of a page is told with."""

    names: Names
    now: datetime

    def person(self, id: int | None) -> str:
        """A person's name; the platform's where nobody acted."""
        return self.names.label(USER, id) if id else gettext("System")

    def people(self, ids: Sequence[int]) -> str:
        """The first names, and how many more."""
        shown = [self.person(one) for one in ids[:MOST_NAMES]]
        more = len(ids) - len(shown)
        if more:
            shown.append(ngettext("%(num)d more", "%(num)d more", more))
        return gettext(", ").join(shown)

    def when(self, moment: datetime | None) -> str:
        """How long ago, or how far ahead."""
        return ago(moment, self.now, language()) if moment else ""

    def clock(self, moment: datetime | None) -> str:
        """The exact moment, for the reader's clock."""
        return clock(moment, language(), self.names) if moment else ""


# --- the overview ------------------------------------------------------------------------------
def flow_row(flow: FlowCases, now: datetime) -> dict[str, Any]:
    """One workflow with its versions."""
    return {
        "title": word(flow.title),
        "key": flow.workflow,
        "count": flow.count,
        "published": flow.published,
        "versions": [_version_row(flow, one, now) for one in flow.versions],
        "href": url_for("cases.listing", workflow=flow.workflow),
        "migrate_href": url_for("cases.mapping", workflow=flow.workflow)
        if flow.published and flow.older
        else "",
    }


def _version_row(flow: FlowCases, one: Running, now: datetime) -> dict[str, Any]:
    here: dict[str, Any] = {"workflow": flow.workflow, "version": one.definition}
    return {
        "title": gettext("Version %(number)s", number=one.version),
        "hash": one.hash[:8],
        "present": one.present,
        "count": one.count,
        "oldest": ago(one.oldest, now, language()),
        "overdue": one.overdue,
        "stuck": one.stuck,
        "href": url_for("cases.listing", **here),
        "late_href": url_for("cases.listing", **here, late=1),
        "stuck_href": url_for("cases.listing", **here, stuck=1),
        "states": [
            {
                "title": word(state.title),
                "count": state.count,
                "gone": state.gone,
                "href": url_for("cases.listing", **here, state=state.state),
            }
            for state in one.states
        ],
    }


def line_row(line: CaseLine, teller: Teller) -> dict[str, Any]:
    """One case of the list."""
    late = line.due is not None and line.due < teller.now and line.ended is None
    return {
        "id": line.id,
        "href": url_for("cases.show", id=line.id),
        "label": line.label,
        "title": word(line.title),
        "version": line.version,
        "present": line.present,
        "state": word(line.state),
        "people": teller.people(line.people),
        "started": teller.when(line.started),
        "due": teller.when(line.due),
        "late": late,
        "stuck": line.stuck,
        "ended": teller.when(line.ended),
    }


# --- one case ----------------------------------------------------------------------------------
def log_row(line: LogLine, teller: Teller) -> dict[str, Any]:
    """A line of the log."""
    moved = list(line.before) != list(line.after)
    return {
        "who": teller.person(line.actor),
        "behalf": teller.person(line.on_behalf_of) if line.on_behalf_of else "",
        "title": _happened(line),
        "before": gettext(", ").join(word(one) for one in line.before) if moved else "",
        "after": gettext(", ").join(word(one) for one in line.after) if moved else "",
        "comment": line.comment,
        "when": teller.when(line.at),
        "at": teller.clock(line.at),
        "icon": _icon(line.type),
        "kind": "approval" if line.type.startswith("task.") else "flow",
        "follows": line.follows,
    }


def _happened(line: LogLine) -> str:
    words = {
        "start": gettext("began the case"),
        "jumped": gettext("put the case elsewhere"),
        "terminated": gettext("terminated the case"),
        "woken": gettext("woke the case up"),
        "migrated": gettext("moved the case to another version"),
        "migration_undone": gettext("put the case back to its version"),
        "reassigned": gettext("gave a task to somebody else"),
        "retried": gettext("tried again what had failed"),
        "always": gettext("went on by itself"),
    }
    if line.type in words:
        return words[line.type]
    if line.type.startswith("after."):
        return gettext("A deadline came")
    if line.type.startswith("done.approved."):
        return gettext("Approval complete")
    if line.type.startswith("done.rejected."):
        return gettext("Approval refused")
    return word(line.title)


def _icon(kind: str) -> str:
    known = {
        "start": "player-play",
        "jumped": "route",
        "terminated": "ban",
        "woken": "sun",
        "migrated": "versions",
        "migration_undone": "arrow-back-up",
        "reassigned": "user-share",
        "retried": "refresh",
    }
    if kind.startswith("task."):
        return "checks"
    return known.get(kind, "clock" if kind.startswith("after.") else "arrow-right")


def _effect(kind: str) -> str:
    words = {
        "task": gettext("asked to decide"),
        "notify": gettext("told"),
        "remind": gettext("reminded"),
        "escalate": gettext("brought in"),
        "cc": gettext("sent a copy"),
        "call": gettext("began another case"),
        "called": gettext("reported to its case"),
        "webhook": gettext("called another system"),
        "send": gettext("sent a message"),
    }
    return words.get(kind, kind)


def _deed(kind: str, target: Label) -> str:
    """What a deadline will do."""
    if kind == "move":
        return gettext("it goes on to “%(step)s”", step=word(target))
    words = {
        "remind": gettext("a reminder is sent"),
        "escalate": gettext("it goes to the superior"),
        "notify": gettext("a message is sent"),
        "approved": gettext("it counts as approved"),
        "rejected": gettext("it counts as rejected"),
    }
    return words.get(kind, gettext("the platform acts by itself"))


def _timer_row(one: Deadline, teller: Teller) -> dict[str, Any]:
    """A deadline that runs."""
    return {
        "name": one.name.rpartition(".")[2],
        "what": gettext(", ").join(dict.fromkeys(_deed(*deed) for deed in one.deeds)),
        "state": word(one.state),
        "due": teller.when(one.due),
        "due_at": teller.clock(one.due),
        "attempts": one.attempts,
        "error": told(one.error, language()) if one.error else "",
        "again": teller.clock(one.again),
    }


def trouble_text(trouble: Trouble, teller: Teller) -> str:
    """Why a case does not go on, as a sentence."""
    why = told(trouble.error, language()) if trouble.error else ""
    match trouble.kind:
        case "nobody":
            return gettext("%(name)s is asked, but that account is closed.", name=trouble.name)
        case "timer":
            again = teller.clock(trouble.at)
            head = gettext("A deadline came, but its step failed: %(why)s", why=why)
            tail = gettext("It is tried again at %(time)s.", time=again) if again else ""
            return f"{head} {tail}".strip()
    return gettext("Given up: %(what)s. %(why)s", what=_effect(trouble.name), why=why)


def detail(found: CaseDetail, teller: Teller) -> dict[str, Any]:
    """The context of the page of one case, without its commands."""
    return {
        "line": line_row(found.line, teller),
        "hash_known": found.published,
        "starter": teller.person(found.starter),
        "started_at": teller.clock(found.line.started),
        "log": [log_row(line, teller) for line in found.log],
        "tasks": [
            {
                "id": task.id,
                "state": word(task.state),
                "people": teller.people(task.people),
                "pool": task.pool,
                "opened": teller.when(task.opened),
                "due": teller.when(task.due),
                "due_at": teller.clock(task.due),
                "late": task.due is not None and task.due < teller.now,
            }
            for task in found.tasks
        ],
        "timers": [_timer_row(one, teller) for one in found.timers],
        "outbox": [
            {
                "kind": _effect(one.kind),
                "when": teller.when(one.at),
                "status": one.status,
                "error": told(one.error, language()) if one.error else "",
            }
            for one in found.outbox
        ],
        "troubles": [trouble_text(one, teller) for one in found.troubles],
        "retriable": any(one.kind != "nobody" for one in found.troubles),
        "published": found.published,
        "differences": [(one.sign, one.sentence(language())) for one in found.differences],
        "places": [(state, word(title)) for state, title in found.places],
        "parent_href": url_for("cases.show", id=found.parent) if found.parent else "",
        "children": [(one, url_for("cases.show", id=one)) for one in found.children],
    }


# --- a migration -------------------------------------------------------------------------------
def titles(labels: Mapping[str, Label], states: Iterable[str]) -> str:
    """States by their names."""
    return " + ".join(word(labels.get(one) or {"": one}) for one in states)


def way_rows(found: Preview) -> list[dict[str, Any]]:
    """How many cases go from where to where."""
    return [
        {
            "before": titles(found.old, before),
            "after": titles(found.new, after),
            "count": count,
        }
        for (before, after), count in found.ways.items()
    ]


def move_row(found: Preview, one: CaseMove, teller: Teller) -> dict[str, Any]:
    """What a migration does to one case."""
    whats = {
        "kept": gettext("stays with"),
        "opened": gettext("asks"),
        "cancelled": gettext("no longer asks"),
    }
    return {
        "label": one.label,
        "href": url_for("cases.show", id=one.instance),
        "before": titles(found.old, one.before),
        "after": titles(found.new, one.after),
        "tasks": [
            {
                "what": what,
                "kind": kind,
                "people": teller.people(
                    [who for task in one.tasks if task.what == kind for who in task.people]
                ),
            }
            for kind, what in whats.items()
            if any(task.what == kind for task in one.tasks)
        ],
        "timers": [
            {"state": word(timer.state), "due": teller.clock(timer.due)} for timer in one.timers[:2]
        ],
        "problems": [text(problem, language()) for problem in one.problems],
    }
