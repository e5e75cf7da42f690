"""A company as somebody sees it, for administrators: his entities, a record cell by cell, and why.

Everything here only looks, and every look is written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from dougong.explained import Answer, answer_of
from dougong.i18n import language
from dougong.persons import people_lookup, people_options
from dougong.present import Reader
from dougong.routing import administrators_only, patient, reading, writing
from dougong.shell import shell
from engine.access import Action, Level
from engine.access.clearance import cleared
from engine.definitions.model import Entity, text_of
from engine.fields import DEPARTMENT, Cell
from engine.lists.query import Query, Sort
from engine.problems import text
from engine.records import reading as records
from engine.records.explaining.explaining import Question, explain, matter_of, subject_for
from engine.records.explaining.matter import ACTIONS
from engine.records.explaining.reasons import VERBS
from engine.records.explaining.seeing import Cell as Seen
from engine.records.explaining.seeing import cells, note_view, sights
from engine.records.explaining.subject import Subject
from engine.records.failures import NotFound
from engine.records.flows.words import event_title
from engine.records.labels import label_of, names_for, names_of
from engine.records.unit import Unit
from engine.workflow import Chart

blueprint = Blueprint("view_as", __name__, url_prefix="/<company>/admin/view-as")

FOUND = 15  # records of a search
SHORT: Mapping[Level, str] = {
    Level.HIDDEN: "hidden",
    Level.MASKED: "masked",
    Level.READ: "read",
    Level.WRITE: "write",
}


@blueprint.get("")
@administrators_only
@patient
def index() -> str:
    """The tester: first whom, then what he sees, then why."""
    person, question = _number("user"), _question()
    if person is not None:
        with writing() as unit:  # first of all it is written down
            note_view(unit, subject_for(unit, person).actor, question)
    with reading() as unit:
        page = _Page(unit, subject_for(unit, person) if person is not None else None, question)
        return render_template("studio/view_as.html", shell=shell(unit), **page.context())


def _number(name: str) -> int | None:
    said = request.args.get(name, "")
    if not said:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 18):
        raise NotFound
    return int(said)


def _question() -> Question | None:
    entity = request.args.get("entity", "")[:64]
    if not entity:
        return None
    action, field = request.args.get("action", "")[:64], request.args.get("field", "")[:130]
    return Question(entity, action, _number("record"), field)


@dataclass(frozen=True, slots=True)
class Choice:
    """An action with its answer's address."""

    title: str
    href: str
    extent: str = ""  # all, some, none
    active: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One field of the record."""

    title: str
    level: str
    cell: Cell | None
    rule: str
    write: str
    href: str
    write_href: str
    name: str


class _Page:
    """The page for one person and question."""

    def __init__(self, unit: Unit, subject: Subject | None, question: Question | None) -> None:
        self.unit, self.subject, self.question = unit, subject, question
        self.entity: Entity | None = None
        if question is not None:
            self.entity = unit.app.model.entities.get(question.entity)
            if self.entity is None:
                raise NotFound

    def context(self) -> dict[str, Any]:
        """Everything that view_as.html wants."""
        subject = self.subject
        chosen = [subject.actor.id] if subject else []
        found: dict[str, Any] = {
            "title": gettext("View as"),
            "options": people_options(self.unit, chosen, closed=True),
            "lookup": people_lookup(),
            "person": self._person(subject) if subject else None,
            "sights": [],
            "entity": None,
            "record": None,
            "answer": None,
            "actions": [],
        }
        if subject is None:
            return found
        if self.entity is None or self.question is None:
            return {**found, "sights": self._sights(subject)}
        found["entity"] = self._named(self.entity)
        if self.question.record is None:
            found |= self._list(subject, self.entity)
        else:
            found |= self._record(subject, self.entity, self.question.record)
        return {**found, "answer": self._answer(subject), "asked": self.question}

    # --- the person ----------------------------------------------------------------------------
    def _person(self, subject: Subject) -> dict[str, Any]:
        actor, model = subject.actor, self.unit.app.model
        grades = {grade.name: grade.title for grade in model.grades}
        names = cleared(model, actor.roles)
        place = names_of(self.unit, {DEPARTMENT: [actor.department] if actor.department else []})
        return {
            "id": actor.id,
            "name": actor.name,
            "login": actor.login,
            "roles": [
                text_of(model.roles[role].title, language()) if role in model.roles else role
                for role in sorted(actor.roles)
            ],
            "department": place.label(DEPARTMENT, actor.department) if actor.department else "",
            "clearance": text_of(grades[names[-1]], language()) if names else "",
            "closed": subject.closed,
            "href": self._href(),
        }

    def _sights(self, subject: Subject) -> list[dict[str, Any]]:
        return [
            {
                **self._named(one.entity),
                "rows": one.rows,
                "of": one.of,
                "href": self._href(entity=one.entity.name),
                "actions": [
                    Choice(
                        text_of(VERBS[action], language()),
                        self._href(entity=one.entity.name, action=action),
                        extent,
                    )
                    for action, extent in one.actions.items()
                ],
            }
            for one in sights(self.unit, subject)
        ]

    # --- a list --------------------------------------------------------------------------------
    def _list(self, subject: Subject, entity: Entity) -> dict[str, Any]:
        """Records to choose from, each with whether he sees it."""
        said = request.args.get("q", "").strip()[:100]
        columns = tuple(name for name in entity.label_fields if name in entity.fields)
        query = Query(entity.name, columns=columns, text=said, sort=(Sort("id", True),), size=FOUND)
        rows = records.find(self.unit, query).rows
        person = replace(self.unit, actor=subject.actor)
        ids = [row["id"] for row in rows]
        seen = frozenset() if subject.closed else records.visible(person, entity.name, ids)
        return {
            "q": said,
            "actions": self._actions(ACTIONS, None),
            "records": [
                {
                    "title": label_of(self.unit, entity.name, row),
                    "href": self._href(entity=entity.name, record=row["id"]),
                    "seen": row["id"] in seen,
                }
                for row in rows
            ],
        }

    # --- a record ------------------------------------------------------------------------------
    def _record(self, subject: Subject, entity: Entity, id: int) -> dict[str, Any]:
        matter = matter_of(self.unit, subject, Question(entity.name, "read", id))
        mine = records.read(self.unit, entity.name, id, removed=matter.removed, told=False)
        names = names_for(self.unit, entity, [mine])
        reader = Reader(language(), names, self.unit.now)
        events = _events(matter.case.chart) if matter.case else []
        actions = [one for one in ACTIONS if one != "create"]
        return {
            "record": {
                "title": label_of(self.unit, entity.name, mine),
                "href": url_for("records.show", entity=entity.name, id=id),
                "removed": matter.removed,
            },
            "actions": self._actions(actions, id) + self._events(events, id),
            "rows": [
                self._row(reader, one, entity, id)
                for one in cells(self.unit, subject, entity.name, id)
            ],
        }

    def _row(self, reader: Reader, one: Seen, entity: Entity, id: int) -> Row:
        name = one.field.name
        about = {"entity": entity.name, "record": id, "field": name}
        return Row(
            title=reader.title(one.field),
            level=SHORT[one.level],
            cell=reader.cell(one.field, one.value) if one.shown else None,
            rule=text(one.rule, language()) if one.rule else "",
            write=text(one.write, language()) if one.write else "",
            href=self._href(**about, action="read"),
            write_href=self._href(**about, action="write"),
            name=name,
        )

    def _actions(self, actions: Sequence[Action], record: int | None) -> list[Choice]:
        return [self._choice(one, text_of(VERBS[one], language()), record) for one in actions]

    def _events(self, events: Sequence[tuple[str, str]], record: int) -> list[Choice]:
        return [self._choice(event, title, record) for event, title in events]

    def _choice(self, action: str, title: str, record: int | None) -> Choice:
        assert self.question is not None
        asked = self.question
        href = self._href(entity=asked.entity, record=record, action=action)
        return Choice(title, href, active=asked.action == action and not asked.field)

    # --- why -----------------------------------------------------------------------------------
    def _answer(self, subject: Subject) -> Answer:
        """The answer to what was asked; reading where nothing was."""
        assert self.question is not None
        asked = self.question
        action = asked.action or "read"
        told = explain(self.unit, subject.actor.id, asked.entity, asked.record, action, asked.field)
        return answer_of(told)

    def _named(self, entity: Entity) -> dict[str, str]:
        return {
            "name": entity.name,
            "title": text_of(entity.title, language()),
            "plural": text_of(entity.plural or entity.title, language()),
            "icon": entity.icon,
            "href": self._href(entity=entity.name),
        }

    def _href(self, **about: Any) -> str:
        user = self.subject.actor.id if self.subject else None
        args = {key: value for key, value in about.items() if value not in (None, "")}
        anchor = "why" if "action" in args else None
        return url_for(".index", user=user, _anchor=anchor, **args)


def _events(chart: Chart) -> list[tuple[str, str]]:
    """The events that people send, and approving."""
    found: dict[str, str] = {}
    for state in chart.states.values():
        for arrow in state.transitions:
            plain = not arrow.event.startswith(("done.", "error.", "after.", "record."))
            if arrow.event and plain:
                found.setdefault(arrow.event, text_of(event_title(chart, arrow.event), language()))
        if state.policy is not None:
            title = text_of(event_title(chart, "task.approve"), language())
            found.setdefault("task.approve", title)
    return list(found.items())
