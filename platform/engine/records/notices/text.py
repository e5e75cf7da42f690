"""What a notice says to one reader: in his language, with his permissions, by his clock.

A field he may not read is "…", a masked one its mask. Whoever may not read the record but is asked
about it gets what the task list shows him; whoever is neither gets words without any of the
record's values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.definitions.model import Entity, Field, Label, NoticeText, text_of
from engine.definitions.notices import BadPlaceholder, Path, pieces, special
from engine.fields import DEPARTMENT, USER, bind
from engine.records import people
from engine.records.actor import Actor
from engine.records.failures import NotFound
from engine.records.flows import store
from engine.records.flows.cases import asked
from engine.records.flows.inbox import open_to_asked
from engine.records.flows.words import state_title
from engine.records.labels import label_of, names_for, names_of, worded
from engine.records.notices.words import BODY, DEFAULTS, EMPTY, HIDDEN, PLATFORM
from engine.records.reading import read
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.tables import system

Record = Mapping[str, Any]
Level = Literal["reads", "asked", "none"]

LONGEST_TITLE: Final = 200
LONGEST_BODY: Final = 2_000
LONGEST_VALUE: Final = 300
SENSITIVE: Final = frozenset({"encrypted", "logged"})
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_BEYOND: Final[Mapping[str, Mapping[str, str]]] = {  # what people and departments lead to
    USER: {"dept": DEPARTMENT, "manager": USER},
    DEPARTMENT: {"parent": DEPARTMENT, "manager": USER},
}


@dataclass(frozen=True, slots=True)
class About:
    """What a notice is about: a record, and the step of a case that gave rise to it. `by` is who
    took the step, None for the platform."""

    entity: str
    record: int
    instance: int | None = None
    title: Label = field(default_factory=dict)
    state: Label = field(default_factory=dict)
    by: int | None = None
    by_name: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A finished text, and how much of the record its reader may see."""

    title: str
    body: str
    level: Level


def about_effect(unit: Unit, row: Mapping[str, Any]) -> About:
    """What an effect of a workflow is about; `row` is its row of the outbox."""
    body, instance = row["body"], row["instance_id"]
    title, state = _titles(unit, instance, body)
    step = _step(unit, instance, body.get("sequence"))
    by = step.actor_id if step is not None else None
    name = names_of(unit, {USER: [by]}).label(USER, by) if by else ""
    return About(
        body["entity"],
        body["record"],
        instance,
        title,
        state,
        by,
        name,
        step.comment if step is not None else "",
    )


def _titles(unit: Unit, instance: int | None, body: Mapping[str, Any]) -> tuple[Label, Label]:
    table, definition = system.WF_INSTANCE, system.WF_DEFINITION
    row = unit.connection.execute(
        sa.select(table.c.definition_id, table.c.workflow, definition.c.hash)
        .join(definition, definition.c.id == table.c.definition_id)
        .where(table.c.id == instance)
    ).first()
    if row is None:
        flow = unit.app.model.workflows.get(body.get("workflow", ""))
        return (flow.title if flow else {}), {}
    chart = store.chart_of(unit, row.definition_id, row.workflow, row.hash)
    return chart.title, state_title(chart, str(body.get("state", "")))


def _step(unit: Unit, instance: int | None, sequence: Any) -> Any:
    table = system.WF_EVENT
    return unit.connection.execute(
        sa.select(table.c.actor_id, table.c.comment).where(
            table.c.instance_id == instance, table.c.seq == sequence
        )
    ).first()


def as_reader(unit: Unit, reader: Actor) -> Unit:
    """The same transaction, seen by somebody else."""
    return replace(unit, actor=reader, writes=False, touched=set(), seen={})


class Writer:
    """Writes notices about one thing for one reader; `unit` is the reader's (`as_reader`)."""

    def __init__(self, unit: Unit, about: About) -> None:
        self.unit, self.about = unit, about
        self.level: Level = "none"
        self._entity = unit.app.model.entities.get(about.entity)
        self._read: dict[tuple[str, int], Record | None] = {}
        self.record = self._open()

    def _open(self) -> Record:
        unit, about = self.unit, self.about
        if self._entity is None:
            return {}
        found = self._other(about.entity, about.record)
        if found is not None:
            self.level = "reads"
            return found
        if not unit.actor.id or not asked(unit, about.entity, about.record):
            return {}
        whole = unit.app.reader.load(unit.connection, about.entity, about.record)
        if whole is None:
            return {}
        self.level = "asked"
        fields = self._entity.fields
        open_ = {name for name, one in fields.items() if open_to_asked(one)}
        return {name: value for name, value in whole.items() if name in open_ or name == "id"}

    def write(self, notice: NoticeText | None, kind: str) -> Written:
        """The text `notice`, or the default words of the kind."""
        default = DEFAULTS.get(kind, DEFAULTS["message"])
        if self.level == "none":
            return Written(self.line(default.bare), "", self.level)
        if notice is not None:
            try:
                return Written(self.line(notice.title), self.lines(notice.body), self.level)
            except BadPlaceholder:
                pass  # a version of long ago, from before texts were checked
        return Written(self.line(default.title), self.lines(BODY), self.level)

    def line(self, label: Label) -> str:
        """A text on one line."""
        words = " ".join(self._filled(label).split())
        return _cut(_CONTROL.sub(" ", words), LONGEST_TITLE)

    def lines(self, label: Label) -> str:
        """A text of several lines."""
        return _cut(_CONTROL.sub(" ", self._filled(label)).strip(), LONGEST_BODY)

    def label(self) -> str:
        """What the record is called, as far as the reader may know."""
        if self.level == "none" or self._entity is None:
            return HIDDEN
        if self.level == "reads":
            return label_of(self.unit, self.about.entity, self.record)
        # whoever is asked sees what the task list calls it
        unit, entity = self.unit, self._entity
        whole = unit.app.reader.load(unit.connection, entity.name, self.about.record)
        if whole is None:
            return HIDDEN
        names = names_for(unit, entity, [whole], entity.label_fields)
        return worded(entity, whole, unit.language, names)

    def _filled(self, label: Label) -> str:
        found = pieces(text_of(label, self.unit.language))
        return "".join(one if isinstance(one, str) else self._value(one) for one in found)

    def _value(self, path: Path) -> str:
        kind = special(path)
        if kind == "record":
            return self.label()
        if kind == "case":
            return self._of_case(path[1])
        return _cut(self._of_record(path), LONGEST_VALUE)

    def _of_case(self, name: str) -> str:
        about, language = self.about, self.unit.language
        match name:
            case "title":
                return text_of(about.title, language) or EMPTY
            case "state":
                return text_of(about.state, language) or EMPTY
            case "actor":
                return about.by_name or text_of(PLATFORM, language)
            case "comment" if self.level != "none":
                return about.comment or EMPTY
        return HIDDEN

    def _of_record(self, path: Path) -> str:
        """Follows a path through what the reader may read."""
        entity, record = self._entity, self.record
        for index, name in enumerate(path):
            definition = entity.fields.get(name) if entity else None
            if entity is None or definition is None or name not in record:
                return HIDDEN
            value = record[name]
            if index == len(path) - 1 or isinstance(value, Masked):
                return self._shown(entity, definition, record)
            if value is None:
                return EMPTY
            target = _target(definition)
            if target in _BEYOND:
                return self._of_platform(target, value, path[index + 1 :])
            following = self._other(target, value)
            if following is None:
                return HIDDEN
            entity, record = self.unit.app.model.entities.get(target), following
        return HIDDEN

    def _of_platform(self, target: str, id: int, path: Path) -> str:
        """People and departments, whose names all who work in the company know."""
        look = {USER: people.user_record, DEPARTMENT: people.department_record}
        for name in path:
            if name == "name":
                return names_of(self.unit, {target: [id]}).label(target, id)
            found = look[target](self.unit.connection, id)
            following = found.get(name) if found else None
            if name not in _BEYOND[target] or not isinstance(following, int):
                return EMPTY
            target, id = _BEYOND[target][name], following
        return names_of(self.unit, {target: [id]}).label(target, id)

    def _other(self, entity: str, id: int) -> Record | None:
        key = (entity, id)
        if key not in self._read:
            try:
                self._read[key] = read(self.unit, entity, id)
            except NotFound:
                self._read[key] = None
        return self._read[key]

    def _shown(self, entity: Entity, definition: Field, record: Record) -> str:
        value = record[definition.name]
        if isinstance(value, Masked):
            return str(value)
        if value is None or value == []:
            return EMPTY
        kind = bind(definition)
        if definition.privacy & SENSITIVE:
            return str(kind.mask(value))  # a notice is kept, mailed and passed on
        value = sendable(definition, value)
        names = names_for(self.unit, entity, [record], [definition.name])
        if any(key not in names.labels for key in kind.references(value)):
            return HIDDEN  # it points at something that the reader may not know
        return kind.format(value, self.unit.language, names) or EMPTY


def _target(definition: Field) -> str:
    """Where a field leads."""
    if definition.reference is not None:
        return definition.reference.to
    return DEPARTMENT if definition.type == "department" else USER


def sendable(definition: Field, value: Any) -> Any:
    """What of a value may leave the house: nothing that is masked, encrypted or written down when
    somebody sees it, rows without such columns; None for nothing."""
    if value is None or isinstance(value, Masked) or definition.privacy & SENSITIVE:
        return None
    if definition.rows is None:
        return value
    kept = {name for name, one in definition.rows.fields.items() if not one.privacy & SENSITIVE}
    return [
        {name: one for name, one in row.items() if name == "id" or name in kept} for row in value
    ]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
