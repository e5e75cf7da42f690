"""The record page: what is known of a record, what happened to it, and what may be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Response,
    flash,
    g,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong import casepage, present
from dougong.cards import Typed, approval, payload, picked
from dougong.deciding import details, refused
from dougong.failures import status_of
from dougong.i18n import language
from dougong.pooled import opened
from dougong.present import Happening, Reader
from dougong.routing import go, login_required, patient, reading, writing
from dougong.sharedwords import received_words
from dougong.sheets import closed_parts
from dougong.shell import shell
from engine.access import Action, Level
from engine.definitions.model import Entity, Field, text_of
from engine.expressions import Env
from engine.fields import USER, Cell, bind
from engine.forms import Tab, form_layout
from engine.forms.build import may_fill
from engine.problems import Severity, text
from engine.records import flows, pool, removing, sharing
from engine.records import reading as records
from engine.records import saved_views as stars
from engine.records.comments import add_comment, comments
from engine.records.effects import Outlook, outlook
from engine.records.evaluation import Relations
from engine.records.failures import Busy, Failure, NotFound
from engine.records.flows.cards import differences, names_of_differences
from engine.records.flows.inputs import given
from engine.records.history import Entry, history, history_names
from engine.records.intake import holds, kept_by_system
from engine.records.labels import label_of, names_for, names_of
from engine.records.related import Relation, relations_of
from engine.records.reveal import revealable
from engine.records.unit import Unit

blueprint = Blueprint("records", __name__, url_prefix="/<company>/e/<entity>/<int:id>")

RELATED_ROWS: Final = 5
RELATED_COLUMNS: Final = 5
TIMELINE: Final = 30
BADGES: Final = 3
LONGEST: Final = 300  # lines of a timeline at most
KINDS: Final = frozenset({"changes", "comments", "flow"})


@blueprint.get("")
@login_required
def show(entity: str, id: int) -> str:
    """One record, also one in the recycle bin for those who may restore it."""
    opened(entity, id)
    with reading() as unit:
        try:
            page = _Page(unit, entity, id)
        except NotFound:
            page = _Page(unit, entity, id, removed=True)
        return render_template("record.html", shell=shell(unit), **page.context())


def refused_page(unit: Unit, entity: str, id: int, typed: Typed) -> str:
    """The record with what was sent and refused, each at its place.

    Raises: NotFound.
    """
    page = _Page(unit, entity, id, typed=typed)
    return render_template("record.html", shell=shell(unit), **page.context())


@blueprint.post("/fire")
@login_required
@patient
def fire(entity: str, id: int) -> Response:
    """Send an event to the record's workflow."""
    form = request.form
    try:
        with writing() as unit:
            said = form.get("comment", "").strip()[:2000]
            event = form.get("event", "")
            data = _payload(unit, entity, id, event)
            flows.fire(unit, entity, id, event, data, comment=said, version=_version())
    except (NotFound, Busy):
        raise
    except Failure as failure:
        typed = refused(failure, event, form.get("task", 0, type=int))
        opened(entity, id)
        with reading() as unit:
            return make_response(refused_page(unit, entity, id, typed), status_of(failure))
    flash(gettext("Done."), "success")
    return go(url_for("records.show", entity=entity, id=id))


@blueprint.post("/comment")
@login_required
@patient
def comment(entity: str, id: int) -> Response:
    """Say something about the record."""
    try:
        with writing() as unit:
            add_comment(unit, entity, id, request.form.get("comment", ""))
    except Failure as failure:
        return _refused(failure, entity, id)
    return go(url_for("records.show", entity=entity, id=id, _anchor="activity"))


@blueprint.post("/delete")
@login_required
@patient
def delete(entity: str, id: int) -> Response:
    """Put the record into the recycle bin."""
    try:
        with writing() as unit:
            title = label_of(unit, entity, records.read(unit, entity, id, told=False))
            removing.remove(unit, entity, id, _version())
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("%(title)s was removed.", title=title), "success")
    return go(url_for("lists.index", entity=entity))


@blueprint.post("/restore")
@login_required
@patient
def restore(entity: str, id: int) -> Response:
    """Take the record out of the recycle bin."""
    try:
        with writing() as unit:
            removing.restore(unit, entity, id)
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("The record was restored."), "success")
    return go(url_for("records.show", entity=entity, id=id))


@blueprint.post("/star")
@login_required
@patient
def star(entity: str, id: int) -> Response:
    """Keep the record at hand, or no longer."""
    with writing() as unit:
        stars.star(unit, entity, id, on=request.form.get("on") == "1")
    return go(url_for("records.show", entity=entity, id=id))


def _payload(unit: Unit, entity: str, id: int, event: str) -> dict[str, Any]:
    """What a command on a task or an author's event asks for."""
    if event.startswith("task."):
        found = details(unit, event.removeprefix("task."))
        if (task := request.form.get("task", type=int)) is not None:
            found["task"] = task
        return found
    case = flows.flow_of(unit, entity, id)
    asked = case.inputs.get(event, ()) if case else ()
    found = given(unit, asked, payload(request.form, {event: asked}, event))
    if chosen := picked(request.form):
        found["chosen"] = chosen
    return found


def _version() -> int | None:
    return request.form.get("version", type=int)


def _refused(failure: Failure, entity: str, id: int) -> Response:
    """Back to the record with what stood in the way; a record that is not there stays a 404."""
    if isinstance(failure, NotFound):
        raise failure
    tell(failure, entity)
    return go(url_for("records.show", entity=entity, id=id))


def tell(failure: Failure, entity: str) -> None:
    """Say on the next page what stood in the way."""
    fields = g.company.current.model.entities[entity].fields
    for problem in failure.problems:
        field = fields.get(problem.field)
        title = f"{text_of(field.title, language())}: " if field else ""
        flash(title + text(problem, language()), "error")


class _Page:
    """One record drawn for one reader: every method makes a part of the template's context."""

    def __init__(
        self,
        unit: Unit,
        entity: str,
        id: int,
        *,
        removed: bool = False,
        typed: Typed | None = None,
    ) -> None:
        self.unit, self.id, self.removed, self.typed = unit, id, removed, typed
        self.entity: Entity = unit.entity(entity)
        self.access = unit.access(entity)
        self.record = records.read(unit, entity, id, removed=removed)
        self.href = url_for("records.show", entity=entity, id=id)
        names = names_for(unit, self.entity, [self.record])
        self.reader = Reader(language(), names, unit.now)

    def context(self) -> dict[str, Any]:
        """Everything that record.html wants."""
        title = label_of(self.unit, self.entity.name, self.record)
        writable = not self.removed and self._may("write")
        locked = self._locked() if writable else ""
        return {
            "title": title,
            "entity": self._named(),
            "list_href": url_for("lists.index", entity=self.entity.name),
            "record": {
                "id": self.id,
                "version": self.record["version"],
                "title": title,
                "href": self.href,
                "removed": self.removed,
            },
            "badges": self.badges(),
            "edit_href": url_for("forms.edit", entity=self.entity.name, id=self.id)
            if writable and not locked
            else "",
            "locked": locked,
            "copy_href": self._copy_href(),
            "may_delete": self._may_delete(),
            "may_restore": self.removed and self.access.may("delete"),
            "tabs": self.tabs(),
            "revealable": frozenset()
            if self.removed
            else revealable(self.unit, self.entity.name, self.record),
            "related": [] if self.removed else self.related(),
            "warnings": [] if self.removed else self.warnings(),
            "may_comment": not self.removed,
            **self.ownership(),
            "starred": bool(stars.starred(self.unit, self.entity.name, [self.id])),
            **self.flow(),
            **self.timeline(),
        }

    def ownership(self) -> dict[str, Any]:
        """Whose it is: the pool, and sharing by hand."""
        unit, entity, record = self.unit, self.entity, self.record
        if self.removed:
            return {}
        given = sharing.received(unit, entity.name, self.id)
        shareable = sharing.may_share(unit, entity.name, self.id)
        return {
            "share_href": url_for("sharing.index", entity=entity.name, id=self.id)
            if shareable
            else "",
            "received": received_words(given) if given else "",
            "may_claim": bool(pool.claimable(unit, entity, [record])),
            "may_release": pool.may_release(unit, entity, record),
        }

    def _may(self, action: Action) -> bool:
        name = self.entity.name
        return bool(records.visible(self.unit, name, [self.id], action=action))

    def _locked(self) -> str:
        """Why nothing of the record may be changed just now; "" when something may."""
        env = Relations(self.unit).env(self.outlook.values)
        if any(self._changeable(field, env) for field in self.entity.fields.values()):
            return ""
        flow = self.unit.app.workflow(self.entity.name)
        state = self.record.get(flow.state_field) if flow else None
        if flow is None or state in (None, ""):
            return gettext("Nothing of it may be changed now.")
        word = self.reader.cell(self.entity.fields[flow.state_field], state).text
        return gettext("Cannot be changed while it is “%(state)s”.", state=word)

    def _changeable(self, field: Field, env: Env) -> bool:
        """Whether the reader may change a field of this record now: by right, by rule, by state."""
        if not may_fill(field) or kept_by_system(self.unit, self.entity, field):
            return False
        effect = self.outlook.effects.get(field.name)
        if effect is not None and (effect.readonly or not effect.visible):
            return False
        return holds(self.unit, self.entity, self.access.fields[field.name].write, env)

    def _may_delete(self) -> bool:
        """Not while its state keeps it as it is, nor while somebody has to decide about it."""
        if self.removed or not self._may("delete"):
            return False
        whole = self.outlook.effects.get("created_at")  # the right of the record as a whole
        if whole is not None and (whole.readonly or not whole.visible):
            return False
        return self.case is None or all(one.outcome for one in self.case.card.rounds)

    def _named(self) -> dict[str, str]:
        return {
            "name": self.entity.name,
            "title": text_of(self.entity.title, language()),
            "plural": text_of(self.entity.plural, language()),
            "icon": self.entity.icon,
        }

    def _copy_href(self) -> str:
        if self.removed or not self.access.may("create"):
            return ""
        return url_for("forms.new", entity=self.entity.name, copy=self.id)

    # --- the record itself ---------------------------------------------------------------------
    @cached_property
    def outlook(self) -> Outlook:
        """What the rules say about the record as it is; they see all of it."""
        name = self.entity.name
        whole = self.unit.app.reader.load(self.unit.connection, name, self.id, removed=self.removed)
        return outlook(self.unit, name, None if self.removed else self.id, whole or {})

    def badges(self) -> list[Cell]:
        """The record's state and its first choices, beside the title."""
        flow = self.unit.app.workflow(self.entity.name)
        first = [flow.state_field] if flow else []
        names = dict.fromkeys(
            [*first, *(n for n in self.entity.list.columns if self._is_choice(n))]
        )
        cells = [
            self.reader.cell(self.entity.fields[name], self.record[name])
            for name in names
            if self.record.get(name)
        ]
        return cells[:BADGES]

    def _is_choice(self, name: str) -> bool:
        field = self.entity.fields.get(name)
        return field is not None and bool(field.options) and not field.multiple

    def tabs(self) -> list[present.FactTab]:
        """The facts as the form is laid out, and when and by whom they were noted down."""
        effects = self.outlook.effects

        def hidden(name: str) -> bool:
            effect = effects.get(name)
            return effect is not None and not effect.visible and not self.record.get(name)

        layout = form_layout(self.entity, self.record.__contains__)
        found = present.facts(
            self.reader, self.entity, layout, self.record, hidden, self._closed(layout)
        )
        stamps = [
            present.fact(self.reader, self.entity.fields[name], self.record[name], 3)
            for name in ("created_by", "created_at", "updated_by", "updated_at")
            if name in self.record and name in self.entity.fields
        ]
        if not stamps:
            return found
        section = present.FactSection(gettext("Record"), [stamps])
        if not found:
            return [present.FactTab("t0", gettext("Details"), [section])]
        return [replace(found[0], sections=[*found[0].sections, section]), *found[1:]]

    def _closed(self, layout: Iterable[Tab]) -> frozenset[str]:
        return closed_parts(self.unit, self.entity, layout, self.outlook.values)

    def warnings(self) -> list[str]:
        """What the rules remark on the record as it is."""
        said = (
            text(problem, language())
            for effect in self.outlook.effects.values()
            for problem in effect.messages
            if problem.severity is Severity.WARNING
        )
        return list(dict.fromkeys(said))  # one rule may speak at several fields

    # --- what points here ----------------------------------------------------------------------
    def related(self) -> list[dict[str, Any]]:
        """The lists that lead back to this record, those with rows first."""
        found = [
            self._related(relation)
            for relation in relations_of(self.unit, self.entity.name, self.id)
        ]
        return sorted(found, key=lambda one: not one["count"])

    def _related(self, relation: Relation) -> dict[str, Any]:
        other, field = relation.entity, relation.link
        columns = [n for n in relation.query.columns if other.fields[n].rows is None]
        shown = tuple(columns[:RELATED_COLUMNS])
        query = replace(relation.query, size=RELATED_ROWS, columns=shown)
        page = records.find(self.unit, query)
        count = records.Count(len(page.rows))
        if page.after is not None:
            count = records.count(self.unit, query)
        reader = replace(self.reader, names=page.names)
        (asked,) = relation.query.conditions
        args = {f"f.{asked.field}.{asked.op}": str(self.id)}
        return {
            "key": relation.name,
            "title": self._relation_title(other, field),
            "count": count.number,
            "capped": count.more,
            "href": f"{url_for('lists.index', entity=other.name)}?{urlencode(args)}",
            "new_href": self._new_href(other, field),
            "columns": [
                present.Column(reader.title(other.fields[n]), bind(other.fields[n]).align)
                for n in shown
            ],
            "rows": [
                {
                    "href": url_for("records.show", entity=other.name, id=row["id"]),
                    "cells": [reader.cell(other.fields[n], row.get(n)) for n in shown],
                }
                for row in page.rows
            ],
        }

    def _relation_title(self, other: Entity, field: Field) -> str:
        """The others' plural; with the field's own name where several lead here."""
        inverses = self.unit.app.model.inverses(self.entity.name).values()
        title = text_of(other.plural, language())
        if sum(1 for one, _ in inverses if one.name == other.name) < 2:
            return title
        return f"{title} · {self.reader.title(field)}"

    def _new_href(self, other: Entity, field: Field) -> str:
        access = self.unit.access(other.name)
        if not access.may("create") or access.level(field.name) < Level.WRITE:
            return ""
        href = url_for("forms.new", entity=other.name)
        return f"{href}?{urlencode({field.name: self.id})}"

    # --- the workflow --------------------------------------------------------------------------
    @cached_property
    def case(self) -> flows.Flow | None:
        """The record's case, None without one."""
        return None if self.removed else flows.flow_of(self.unit, self.entity.name, self.id)

    @cached_property
    def people(self) -> Reader:
        """The reader with the names of everybody in the case."""
        return replace(self.reader, names=self.case.names) if self.case else self.reader

    def flow(self) -> dict[str, Any]:
        """Progress, what may be done now, who decided what, and what changed since."""
        case, name = self.case, self.entity.name
        if case is None:
            return {"progress": [], "transitions": [], "approval": None, "unplaced": self.typed}
        around = casepage.around_of(self.unit, name, self.id, case, self.typed)
        look = case.look if case.asked else None
        found = differences(self.unit, self.entity, self.id, look, self.record)
        past = names_of_differences(self.unit, found)
        labels = {**past.labels, **self.people.names.labels}
        reader = replace(self.people, names=replace(self.people.names, labels=labels))
        transitions = casepage.transitions(self.people, case)
        return {
            "progress": present.progress(self.people, case.steps, case.since),
            "transitions": transitions,
            "approval": approval(self.people, case, around),
            "differences": casepage.changed(reader, found),
            "since": casepage.since_words(reader, case),
            "typed": self.typed,
            "unplaced": casepage.unplaced(case, self.typed),
            "lookup": around.lookup,
            **self._administration(case),
        }

    def _administration(self, case: flows.Flow) -> dict[str, str]:
        """Where an administrator helps the case on, tries the workflow with this record, and sees
        who looked at what is sensitive in it."""
        flow = self.unit.app.workflow(self.entity.name)
        if not self.unit.administers:
            return {}
        looked = ""
        if any("logged" in field.privacy for field in self.entity.fields.values()):
            looked = url_for("logs.access", entity=self.entity.name, record=self.id)
        if flow is None:
            return {"looked_href": looked}
        walk = url_for("simulation.walk", workflow=flow.id, record=self.id)
        case_href = url_for("cases.show", id=case.instance) if case.instance else ""
        return {"simulate_href": walk, "case_href": case_href, "looked_href": looked}

    # --- what happened -------------------------------------------------------------------------
    def timeline(self) -> dict[str, Any]:
        """Changes, remarks and steps of the workflow, newest first."""
        chosen = request.args.get("show", "")
        shown = chosen if chosen in KINDS else ""
        lines: list[Happening] = []
        if shown in ("", "changes"):
            lines += self._changes(beside_steps=shown == "")
        if shown in ("", "flow"):
            lines += self._steps()
        if shown in ("", "comments") and not self.removed:
            lines += self._comments()
        # what happened at the same moment: the record came first, then what its workflow did
        lines.sort(key=lambda line: (line.moment, line.kind != "create"))
        lines.reverse()
        most = min(max(request.args.get("lines", TIMELINE, type=int), TIMELINE), LONGEST)
        more = ""
        if len(lines) > most and most < LONGEST:
            more = url_for(
                "records.show",
                entity=self.entity.name,
                id=self.id,
                show=shown or None,
                lines=most + TIMELINE,
                _anchor="activity",
            )
        return {
            "timeline": lines[:most],
            "timeline_more": more,
            "timeline_filters": [
                {
                    "title": title,
                    "href": url_for(
                        "records.show",
                        entity=self.entity.name,
                        id=self.id,
                        show=key or None,
                        _anchor="activity",
                    ),
                    "active": key == shown,
                }
                for key, title in (
                    ("", gettext("All")),
                    ("changes", gettext("Changes")),
                    ("comments", gettext("Comments")),
                    ("flow", gettext("Approval")),
                )
                if key != "flow" or self.case is not None
            ],
        }

    @cached_property
    def entries(self) -> list[Entry]:
        """The history, oldest first, less the states that the workflow set."""
        if self.removed:
            return []
        found = history(self.unit, self.entity.name, self.id, size=LONGEST)
        shown = [self._beside_the_flow(entry) for entry in reversed(found)]
        return [entry for entry in shown if entry is not None]

    @cached_property
    def past(self) -> Reader:
        """The reader with the names of everything that the history tells of."""
        return replace(self.reader, names=history_names(self.unit, self.entries))

    def _changes(self, *, beside_steps: bool) -> list[Happening]:
        """The history; what a step wrote is told with the step where that is shown too."""
        told = {event.at for event in self._events()} if beside_steps else frozenset()
        return [
            present.of_history(self.past, entry)
            for entry in self.entries
            if not (entry.action in present.FLOW_ACTIONS and entry.at in told)
        ]

    def _steps(self) -> list[Happening]:
        """The steps of the case, each with what it wrote beside the state."""
        wrote: dict[datetime, list[Entry]] = {}
        for entry in self.entries:
            if entry.action in present.FLOW_ACTIONS:
                wrote.setdefault(entry.at, []).append(entry)
        labels = {**self.past.names.labels, **self.people.names.labels} if wrote else {}
        reader = self.people
        if wrote:
            reader = replace(reader, names=replace(reader.names, labels=labels))
        return [present.of_flow(reader, one, wrote.pop(one.at, ())) for one in self._events()]

    def _events(self) -> Sequence[flows.Happened]:
        """The steps of the case, oldest first; that it began goes without saying."""
        events = sorted(self.case.events if self.case else (), key=lambda event: event.sequence)
        return [event for event in events if event.kind != "start"]

    def _beside_the_flow(self, entry: Entry) -> Entry | None:
        """A history row less the state that the workflow set: its own line tells that."""
        flow = self.unit.app.workflow(self.entity.name)
        if flow is None or entry.action not in present.FLOW_ACTIONS:
            return entry
        rest = [change for change in entry.changes if change.field.name != flow.state_field]
        return replace(entry, changes=rest) if rest else None

    def _comments(self) -> list[Happening]:
        found = comments(self.unit, self.entity.name, self.id, size=LONGEST)
        names = names_of(self.unit, {USER: {one.by for one in found if one.by}})
        reader = replace(self.reader, names=names)
        return [
            present.happened(
                reader, one.at, "comment", reader.user(one.by), gettext("wrote"), comment=one.body
            )
            for one in reversed(found)
        ]
