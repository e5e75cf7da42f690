"""What a workflow's editor knows of the company: names of states, fields, people and groups, and
sentences for rules, so that an administrator reads words and not JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import sqlalchemy as sa
from flask_babel import gettext, ngettext

from engine.definitions.flow_tree import Doc, Spot, in_other_words, kind_of, spots
from engine.definitions.model import Entity, Model, text_of
from engine.expressions import ExpressionError, check, explain, parse, scope_of
from engine.expressions.types import BOOL, DATE, DATETIME
from engine.fields import bind
from engine.problems import Problem
from engine.problems import text as problem_text
from engine.records import groups
from engine.records.people import list_users
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import FLOW_TYPES, plain_expression

Choices = Mapping[str, str]

_PEOPLE: Final = frozenset({"user", "users"})
_LONG: Final = re.compile(r"(?<![A-Za-z0-9_.“‘'\"-])\d{5,16}(?![A-Za-z0-9_”’'\"-])")
_DURATION: Final = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


@dataclass(frozen=True)
class World:
    """Everything a page about one workflow says by name."""

    doc: Doc
    model: Model
    language: str
    users: Choices = field(default_factory=dict)
    departments: Choices = field(default_factory=dict)
    groups: Choices = field(default_factory=dict)
    channels: Choices = field(default_factory=dict)

    @classmethod
    def of(cls, unit: Unit, doc: Doc, language: str) -> World:
        """The world of a document in a company."""
        dept, channel = system.DEPARTMENT, system.CHANNEL
        rows = unit.connection.execute(
            sa.select(dept.c.key, dept.c.name)
            .where(dept.c.removed_at.is_(None))
            .order_by(dept.c.id)
        )
        names = unit.connection.scalars(sa.select(channel.c.name).order_by(channel.c.name)).all()
        return cls(
            doc,
            unit.app.model,
            language,
            {str(one["login"]): str(one["name"]) for one in list_users(unit.connection)},
            {key or name: name for key, name in rows},
            {one.key: one.name for one in groups.groups(unit.connection)},
            {name: name for name in names},
        )

    @property
    def entity(self) -> Entity | None:
        """The entity that the workflow is about."""
        return self.model.entities.get(str(self.doc.get("entity")))

    @cached_property
    def states(self) -> Mapping[str, Spot]:
        """The states by id, without the document itself."""
        return {one.id: one for one in spots(self.doc) if one.id}

    @property
    def roles(self) -> Choices:
        """Roles by key."""
        return {key: text_of(role.title, self.language) or key
                for key, role in self.model.roles.items()}  # fmt: skip

    @property
    def notices(self) -> Choices:
        """Texts of notices by name."""
        return {key: text_of(one.title, self.language) or key
                for key, one in self.model.notices.items()}  # fmt: skip

    @property
    def fields(self) -> Choices:
        """Fields of the entity by name."""
        found = self.entity.fields if self.entity else {}
        return {key: text_of(one.title, self.language) or key for key, one in found.items()}

    @property
    def people_fields(self) -> Choices:
        """The fields that hold people."""
        found = self.entity.fields if self.entity else {}
        return {key: title for key, title in self.fields.items() if found[key].type in _PEOPLE}

    def said(self, text: Any) -> str:
        """A title as it stands in a document, in the reader's language."""
        if isinstance(text, str):
            return text
        return text_of(text, self.language) if isinstance(text, Mapping) else ""

    def title(self, id: Any) -> str:
        """What a state is called; the id when it has no title or does not exist."""
        if isinstance(id, list):
            return gettext(" and ").join(self.title(one) for one in id)
        found = self.states.get(str(id))
        return (self.said(found.body.get("title")) if found else "") or str(id or "")

    # --- sentences -------------------------------------------------------------------------------
    def guard(self, source: str) -> str:
        """A condition in words; the source itself when it cannot be read."""
        if source.strip() == "true":  # what a new branch begins with
            return gettext("no condition yet")
        titles = {id: self.title(id).replace("'", "’") for id in self.states}
        said = in_other_words(source, titles)
        for text in (said, plain_expression(source)):
            try:
                return _grouped(explain(parse(text), self.language, self._path))
            except ExpressionError:
                continue
        return source

    def _path(self, path: tuple[str, ...]) -> str:
        if len(path) == 1:
            said = {"decisions": gettext("decisions so far"), "starter": gettext("the applicant")}
            return self.fields.get(path[0]) or said.get(path[0], "")
        entity, words = self.entity, []
        for name in path:
            found = entity.fields.get(name) if entity else None
            if found is None:
                return ""
            words.append(text_of(found.title, self.language) or name)
            entity = self.model.entities.get(found.reference.to) if found.reference else found.rows
        return " · ".join(words)

    def judged(self, source: str, wanted: str) -> list[str]:
        """What is wrong with an expression where "bool", "instant" or any "value" is wanted."""
        if self.entity is None or not source.strip():
            return []
        try:
            node = parse(plain_expression(source))
        except ExpressionError as refusal:
            return [problem_text(refusal.problem, self.language)]
        scope = scope_of(self.model, self.entity, lambda f: bind(f).expression_type, FLOW_TYPES)
        if wanted == "instant":
            wrong = [check(node, scope, kind)[1] for kind in (DATETIME, DATE)]
            problems: list[Problem] = [] if not all(wrong) else list(wrong[0])
        else:
            problems = list(check(node, scope, BOOL if wanted == "bool" else None)[1])
        return [problem_text(one, self.language) for one in problems]

    def who(self, said: Any) -> str:
        """One rule of who, in words."""
        if not isinstance(said, Mapping):
            return "?"
        of = said.get("ofField")
        whom = self.fields.get(str(of), str(of)) if of else gettext("the starter")
        match said:
            case {"role": key}:
                return gettext("Role: %(name)s", name=self.roles.get(str(key), key))
            case {"user": key}:
                return str(self.users.get(str(key), key))
            case {"department": key}:
                return gettext("Department: %(name)s", name=self.departments.get(str(key), key))
            case {"group": key}:
                return gettext("Group: %(name)s", name=self.groups.get(str(key), key))
            case {"field": key}:
                return gettext("The person in “%(field)s”", field=self.fields.get(str(key), key))
            case {"starter": True}:
                return gettext("The starter")
            case {"supervisor": 1}:
                return gettext("Superior of %(whom)s", whom=whom)
            case {"supervisor": levels}:
                return gettext("Superior %(n)s levels above %(whom)s", n=levels, whom=whom)
            case {"supervisors": Mapping() as chain}:
                return self._chain(chain, whom)
            case {"chosenBy": "previous"}:
                return gettext("Chosen by the previous approver")
            case {"chosenBy": _}:
                return gettext("Chosen by the starter")
        return "?"

    def _chain(self, chain: Mapping[str, Any], whom: str) -> str:
        if until := chain.get("untilRole"):
            role = self.roles.get(str(until), until)
            return gettext("Superiors of %(whom)s one by one, up to the role %(role)s",
                           whom=whom, role=role)  # fmt: skip
        if limit := chain.get("upTo"):
            return gettext("Superiors of %(whom)s one by one, %(n)s levels at most",
                           whom=whom, n=limit)  # fmt: skip
        return gettext("All superiors of %(whom)s one by one", whom=whom)

    def whos(self, said: Any) -> str:
        """Several rules of who, in words."""
        many = said if isinstance(said, list) else [said] if said else []
        return gettext(", ").join(self.who(one) for one in many)

    def timer(self, said: Mapping[str, Any]) -> str:
        """When a timer goes off, and what it does."""
        if "delay" in said:
            when = gettext("After %(time)s", time=duration(str(said["delay"]), said.get("clock")))
        else:
            when = gettext("At “%(moment)s”", moment=self.guard(str(said.get("at", ""))))
        does = [self.action(one) for one in said.get("actions") or ()]
        if "target" in said:
            does.append("→ " + self.title(said["target"]))
        if "every" in said:
            when += gettext(", then every %(time)s", time=duration(str(said["every"]), None))
        return f"{when}: {gettext(', ').join(does)}" if does else when

    def start(self) -> str:
        """How a case begins, in one sentence."""
        said = self.doc.get("trigger")
        trigger = said if isinstance(said, Mapping) else {}
        match trigger.get("on", "manual"):
            case "create":
                when = gettext("Begins when a record is created")
            case "update":
                when = gettext("Begins when a record changes")
            case "schedule":
                when = gettext("Begins by schedule")
            case _:
                when = gettext("Begins by hand")
        guard = trigger.get("guard")
        return f"{when} · {self.guard(str(guard))}" if guard else when

    def action(self, said: Any) -> str:
        """What an action does, in a few words."""
        if not isinstance(said, Mapping):
            return "?"
        if "raise" in said:
            return gettext("raises “%(event)s”", event=said["raise"])
        if "assign" in said:
            names = gettext(", ").join(self.fields.get(one, one) for one in said["assign"])
            return gettext("sets %(fields)s", fields=names)
        known = {
            "remind": gettext("remind the approvers"),
            "lock_record": gettext("lock the record"),
            "unlock_record": gettext("unlock the record"),
        }
        kind = str(said.get("type", ""))
        match kind:
            case "notify":
                name = str(said.get("template", ""))
                text = self.notices.get(name, name)
                to = self.whos(said.get("to"))
                return gettext("notify %(who)s: %(text)s", who=to, text=text) if to else \
                    gettext("notify: %(text)s", text=text)  # fmt: skip
            case "escalate":
                return gettext("escalate to %(who)s", who=self.whos(said.get("to")))
            case "decide":
                yes = said.get("outcome") == "approved"
                return gettext("approve by itself") if yes else gettext("reject by itself")
            case "set_field":
                name = str(said.get("field", ""))
                return gettext("sets %(fields)s", fields=self.fields.get(name, name))
            case "create_record":
                made = self.model.entities.get(str(said.get("entity")))
                name = text_of(made.title, self.language) if made else str(said.get("entity"))
                return gettext("creates a record: %(entity)s", entity=name)
            case "webhook":
                return gettext("calls the channel %(name)s", name=said.get("channel", ""))
        return known.get(kind, kind)

    def quorum(self, body: Mapping[str, Any]) -> str:
        """When an approval is passed, in one sentence."""
        said, veto = body.get("quorum", "all"), body.get("veto")
        match said:
            case {"percent": number}:
                rule = gettext("%(n)s%% must approve", n=number)
            case {"count": number}:
                rule = ngettext(
                    "%(num)s person must approve", "%(num)s people must approve", number
                )
            case {"perGroup": number}:
                rule = ngettext("%(num)s of each group must approve",
                                "%(num)s of each group must approve", number)  # fmt: skip
            case "any":
                rule = gettext("one approval is enough")
            case _:
                rule = gettext("everybody must approve")
        strict = veto if isinstance(veto, bool) else said in ("all", "any")
        end = gettext("one rejection rejects") if strict else gettext("a rejection is only a vote")
        order = gettext("one after the other") if body.get("order") == "sequential" else ""
        return gettext("; ").join(part for part in (rule, end, order) if part)


def _grouped(words: str) -> str:
    """Long numbers with commas; what is quoted stays as it is."""
    return _LONG.sub(lambda found: f"{int(found[0]):,}", words)


def duration(text: str, clock: Any = None) -> str:
    """A duration in words, working time said so."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return text
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    work = clock == "work"
    parts = [
        weeks and ngettext("%(num)s week", "%(num)s weeks", weeks),
        days
        and (
            ngettext("%(num)s working day", "%(num)s working days", days)
            if work
            else ngettext("%(num)s day", "%(num)s days", days)
        ),
        hours
        and (
            ngettext("%(num)s working hour", "%(num)s working hours", hours)
            if work
            else ngettext("%(num)s hour", "%(num)s hours", hours)
        ),
        minutes and ngettext("%(num)s minute", "%(num)s minutes", minutes),
        seconds and ngettext("%(num)s second", "%(num)s seconds", seconds),
    ]
    return " ".join(part for part in parts if part)


def kind_name(body: Mapping[str, Any]) -> str:
    """What a kind of state is called."""
    return {
        "approval": gettext("Approval"),
        "final": gettext("End"),
        "parallel": gettext("In parallel"),
        "compound": gettext("Stage"),
        "call": gettext("Sub-workflow"),
        "history": gettext("Back to where it was"),
    }.get(kind_of(body), gettext("Branching") if "always" in body else gettext("Step"))


def kind_icon(body: Mapping[str, Any]) -> str:
    """The icon of a kind of state."""
    return {
        "approval": "signature",
        "final": "flag",
        "parallel": "columns-3",
        "compound": "stack-2",
        "call": "sitemap",
        "history": "history",
    }.get(kind_of(body), "git-branch" if "always" in body else "circle-dot")
