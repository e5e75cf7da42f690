"""Trying a workflow out: one record's walk under a false clock, and the past in a draft.

What is shown is the saved draft when there is one. Nothing is written but the report of a replay.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from flask_babel import gettext

from dougong.persons import people_lookup
from dougong.routing import administrators_only, go, reading, writing
from dougong.shell import shell
from dougong.studio.simulation_view import WalkView, paths_view, replay_view, titled, worded
from engine.definitions.model import Entity, Field, Workflow
from engine.fields import USER
from engine.lists import Query
from engine.problems import Problem
from engine.records import flow_drafts
from engine.records.failures import Failure, NotFound
from engine.records.labels import names_of
from engine.records.labels import worded as record_title
from engine.records.reading import find, visible
from engine.records.simulation.jobs import Job, keep, kept
from engine.records.simulation.paths import explore_bands
from engine.records.simulation.replay import Report, sentences
from engine.records.simulation.replay import replay as run_replay
from engine.records.simulation.simulate import Act, Script, read_values, simulate
from engine.records.simulation.world import World, draft_workflow, published_workflow
from engine.records.unit import Unit
from engine.workflow import compile_chart
from engine.workflow.chart import Delay

blueprint = Blueprint("simulation", __name__, url_prefix="/<company>/admin/workflows")
BUDGET: Final = 4.0  # seconds of one request's slice of a replay
FEW: Final = 800  # situations of one band on a page
PACES: Final = (0, 1, 4, 8)  # working hours
_QUARTER: Final = timedelta(days=91)


@dataclass(frozen=True, slots=True)
class Subject:
    """The definition that a page shows: the draft or what is published."""

    workflow: Workflow
    draft: bool
    published: bool
    problems: tuple[Problem, ...] = ()


def _subject(unit: Unit, workflow: str, which: str = "") -> Subject:
    """The saved draft when there is one (and the published one is not asked for)."""
    published = unit.app.model.workflows.get(workflow)
    saved = flow_drafts.draft_of(unit, workflow)
    if saved is None or (which == "published" and published is not None):
        return Subject(published_workflow(unit, workflow), False, True)
    try:
        found = draft_workflow(unit, json.loads(saved.body))
    except Failure as failure:
        if published is None:
            raise
        return Subject(published, False, True, tuple(failure.problems))
    return Subject(found, True, published is not None)


# --- one record --------------------------------------------------------------------------------
@blueprint.get("/<workflow>/simulate")
@administrators_only
def walk(workflow: str) -> str:
    """A walk, told by the address: record, values, strategy or script, time."""
    with reading() as unit:
        subject = _subject(unit, workflow, request.args.get("which", ""))
        entity = unit.app.model.entities[subject.workflow.entity]
        asked = _Asked(unit, subject.workflow, entity)
        shown: dict[str, Any] = {"walk": None, "paths": None, "failure": ""}
        try:
            shown |= asked.paths() if asked.strategy == "paths" else asked.walked()
        except NotFound:
            shown["failure"] = gettext("There is no such record, or you may not see it.")
        except Failure as failure:
            shown["failure"] = " ".join(worded(one) for one in failure.problems)
        return render_template(
            "studio/simulation.html",
            shell=shell(unit),
            title=gettext("Simulate"),
            flow=_flow(subject),
            entity=titled(entity.title),
            form=asked,
            **shown,
        )


@blueprint.get("/<workflow>/simulate/records")
@administrators_only
def records(workflow: str) -> Response:
    """Records to choose from, for the picker."""
    with reading() as unit:
        entity = unit.app.model.entities[_subject(unit, workflow).workflow.entity]
        found = _records(unit, entity, request.args.get("q", ""))
    return jsonify(items=[{"value": id, "label": label} for id, label in found])


def _records(unit: Unit, entity: Entity, words: str = "", size: int = 20) -> list[tuple[int, str]]:
    """The newest records whose words match, as far as the reader may see them."""
    if not unit.access(entity.name).may("read"):
        return []
    columns = tuple(name for name in entity.label_fields if name in entity.fields)
    words = " ".join(words.replace("\x00", "").split())[:100]
    page = find(unit, Query(entity.name, columns=columns, text=words, size=size))
    return [
        (int(row["id"]), record_title(entity, row, unit.language, page.names)) for row in page.rows
    ]


def _flow(subject: Subject) -> dict[str, Any]:
    flow = subject.workflow
    return {
        "id": flow.id,
        "title": titled(flow.title),
        "version": flow.version,
        "draft": subject.draft,
        "published": subject.published,
        "problems": [worded(one) for one in subject.problems][:5],
        "walk_href": url_for("simulation.walk", workflow=flow.id),
        "replay_href": url_for("simulation.replay", workflow=flow.id),
    }


class _Asked:
    """What the address asks for, and the form that says it again."""

    def __init__(self, unit: Unit, flow: Workflow, entity: Entity) -> None:
        self.unit, self.flow, self.entity = unit, flow, entity
        args = request.args
        self.world = World.of(unit, flow)
        self.which = args.get("which", "")
        self.strategy = args.get("strategy", "approve")
        self.pace = min(max(args.get("pace", 0, type=int), 0), 80)
        self.seed = args.get("seed", 1, type=int)
        self.starter = args.get("starter", type=int)
        self.viewer = args.get("viewer", type=int)
        self.acts = args.getlist("act")[:80]
        self.typed = {
            name[2:]: value for name, value in args.items() if name.startswith("v.") and value
        }
        self.choices = _records(unit, entity)
        self.made = args.get("record") == "0"
        self.record = args.get("record", type=int) or None
        if "record" not in args and self.choices:
            self.record = self.choices[0][0]
        self.at = _moment(unit, args.get("at", ""))
        self.values, self.problems = read_values(entity, self.typed)
        names = names_of(unit, {USER: [one for one in (self.starter, self.viewer) if one]})
        self.starter_name = names.label(USER, self.starter) if self.starter else ""
        self.viewer_name = names.label(USER, self.viewer) if self.viewer else ""

    # --- results -------------------------------------------------------------------------------
    @property
    def common(self) -> dict[str, Any]:
        """What walks and explorations begin with."""
        if self.record and not visible(self.unit, self.entity.name, [self.record]):
            raise NotFound
        return {
            "record": self.record,
            "values": self.values,
            "starter": self.starter,
            "at": self.at,
        }

    def walked(self) -> dict[str, Any]:
        """One walk."""
        acts = tuple(act for line in self.acts if (act := read_act(line)) is not None)
        pace = Delay(seconds=self.pace * 3600)
        script = Script(self.strategy, acts, self.seed, pace)
        found = simulate(self.unit, self.flow, script=script, viewer=self.viewer, **self.common)
        return {"walk": WalkView(self.unit, found, self.viewer)}

    def paths(self) -> dict[str, Any]:
        """Every way."""
        verdict = explore_bands(self.unit, self.flow, limit=FEW, **self.common)
        states = compile_chart(self.flow).states
        titles = {name: state.title for name, state in states.items()}
        return {"paths": paths_view(verdict, self.entity, titles)}

    # --- the form ------------------------------------------------------------------------------
    @property
    def options(self) -> list[tuple[int, str]]:
        """Records of the select; the chosen one is among them."""
        known = dict(self.choices)
        if self.record and self.record not in known:
            labels = names_of(self.unit, {self.entity.name: [self.record]}).labels
            known[self.record] = labels.get((self.entity.name, self.record), f"#{self.record}")
        return list(known.items())

    @property
    def strategies(self) -> list[tuple[str, str]]:
        """What people may do."""
        return [
            ("approve", gettext("Everybody approves")),
            ("reject", gettext("The first one rejects")),
            ("return", gettext("Sent back once, then approved")),
            ("nobody", gettext("Nobody answers")),
            ("random", gettext("At random")),
            ("script", gettext("Step by step")),
            ("paths", gettext("Every possible way")),
        ]

    @property
    def paces(self) -> list[tuple[int, str]]:
        """How long people take."""
        words = {
            0: gettext("at once"),
            1: gettext("one working hour"),
            4: gettext("half a working day"),
            8: gettext("eight working hours"),
        }
        return [(hours, words[hours]) for hours in PACES]

    @property
    def begins(self) -> str:
        """The start, as the input shows it."""
        return (
            (self.at or self.unit.now).astimezone(self.unit.company_zone).strftime("%Y-%m-%dT%H:%M")
        )

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The fields that decide where a case goes."""
        found = []
        for name in self.world.looked_at:
            field = self.entity.fields[name]
            kind = _kind(field)
            if kind and name != self.flow.state_field:
                found.append(
                    {
                        "name": name,
                        "title": titled(field.title),
                        "kind": kind,
                        "value": self.typed.get(name, ""),
                        "problem": " ".join(
                            worded(one) for one in self.problems if one.field == name
                        ),
                        "options": [(one.value, titled(one.title)) for one in field.options],
                        "label": self._person(name) if kind == "user" else "",
                    }
                )
        return found

    def _person(self, name: str) -> str:
        value = self.values.get(name)
        return names_of(self.unit, {USER: [value]}).label(USER, value) if value else ""

    @property
    def records_href(self) -> str:
        """Where the picker looks."""
        return url_for("simulation.records", workflow=self.flow.id)

    @property
    def people_href(self) -> str:
        """Where pickers of people look."""
        return people_lookup()

    def href(self, *acts: str) -> str:
        """This walk with the script `acts`."""
        args: dict[str, Any] = {
            **{f"v.{name}": value for name, value in self.typed.items()},
            "record": self.record or 0,
            "strategy": "script",
            "at": self.begins,
            "act": list(acts),
        }
        extra = {"starter": self.starter, "viewer": self.viewer, "which": self.which}
        args |= {name: value for name, value in extra.items() if value}
        return f"{url_for('simulation.walk', workflow=self.flow.id, **args)}#end"

    def then(self, act: str) -> str:
        """One act more."""
        return self.href(*self.acts, act)

    @property
    def undo_href(self) -> str:
        """One act less."""
        return self.href(*self.acts[:-1])


def read_act(line: str) -> Act | None:
    """A line of a script as the address carries it: ``person:event:task:place``, ``timer`` or
    ``wait:hours``. One that cannot be read is passed over."""
    if line == "timer":
        return Act("timer")
    head, _, rest = line.partition(":")
    if head == "wait":
        return Act("wait", hours=min(int(rest), 10_000)) if rest.isdecimal() else None
    event, _, rest = rest.partition(":")
    task, _, place = rest.partition(":")
    if not event or not (head.isdecimal() or not head) or not (task.isdecimal() or not task):
        return None
    data: dict[str, Any] = {"comment": "…"} if event.startswith("task.") else {}
    if place:
        data["to"] = place
    return Act(event, int(head) if head else None, int(task) if task else 0, data)


def _kind(field: Field) -> str:
    """How a field is asked for in the form; "" when it is not."""
    if field.type == "user":
        return "" if field.multiple else "user"
    if field.reference is not None or field.rows is not None or field.multiple:
        return ""
    if field.options:
        return "choice"
    kinds = {"date": "date", "datetime": "datetime-local", "boolean": "bool"}
    return kinds.get(field.type, "text")


def _moment(unit: Unit, given: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    if not 1990 < found.year < 2200:
        return None
    return found.replace(tzinfo=unit.company_zone).astimezone(UTC)


# --- the past ----------------------------------------------------------------------------------
@blueprint.get("/<workflow>/replay")
@administrators_only
def replay(workflow: str) -> str:
    """The report of a replay, or the form that begins one."""
    with reading() as unit:
        subject = _subject(unit, workflow)
        number = request.args.get("job", 0, type=int)
        job = kept(unit, number, workflow) if number else None
        report = job.report if job else None
        since = (job.since if job else unit.now - _QUARTER).astimezone(unit.company_zone)
        return render_template(
            "studio/simulation_replay.html",
            shell=shell(unit),
            title=gettext("Replay the past"),
            flow=_flow(subject),
            since=since.date().isoformat(),
            job=job,
            report=report,
            outdated=job is not None and job.mark != subject.workflow.hash,
            told=[worded(one) for one in sentences(report)] if report else [],
            found=replay_view(unit, report) if report else None,
        )


@blueprint.post("/<workflow>/replay")
@administrators_only
def run(workflow: str) -> Response:
    """A slice of a replay: the first one, the next one, or the end of it."""
    with reading() as unit:
        subject = _subject(unit, workflow)
        id = request.form.get("job", 0, type=int)
        job = kept(unit, id, workflow) if id else None
        since = job.since if job else _day(unit, request.form.get("since", ""))
        if not subject.published:
            abort(409)
        report = _slice(unit, subject.workflow, since, job)
    with writing() as unit:
        mark = job.mark if job else subject.workflow.hash
        id = keep(unit, workflow, mark, since, report, id)
    return go(url_for("simulation.replay", workflow=workflow, job=id))


def _slice(unit: Unit, draft: Workflow, since: datetime, job: Job | None) -> Report:
    if job is not None and (not job.running or job.mark != draft.hash or "stop" in request.form):
        report = job.report
        report.cancelled = not report.complete
        return report
    begun = job.report if job else None
    return run_replay(unit, draft, since, budget=BUDGET, begun=begun)


def _day(unit: Unit, given: str) -> datetime:
    return _moment(unit, given[:10]) or unit.now - _QUARTER


__all__ = ["blueprint", "read_act"]
