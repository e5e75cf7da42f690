"""A case with what it is about, as its page shows it to whoever is asked, told or has begun it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import gettext

from dougong import present
from dougong.cards import DANGEROUS, Around, Entry, Typed, approval, event_entries
from dougong.deciding import phrases, step_items
from dougong.i18n import language
from dougong.present import Reader
from engine.definitions.model import Entity, Field, text_of
from engine.fields import Names, bind
from engine.forms import form_layout
from engine.problems import text
from engine.records import flows
from engine.records.flows.cards import Difference, Opened, RowChange
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.workflow import Command


@dataclass(frozen=True, slots=True)
class LineChanged:
    """A line of the record that is new, gone or different; `text` names it."""

    kind: str
    text: str
    changes: Sequence[present.Changed]


@dataclass(frozen=True, slots=True)
class FieldChanged:
    """A field before and after; of lines, which of them."""

    title: str
    old: str
    new: str
    lines: Sequence[LineChanged]


@dataclass(frozen=True, slots=True)
class Transition:
    """A button for an author's event."""

    event: str
    title: str
    style: str
    comment: str
    reason: str
    entries: Sequence[Entry]


def transitions(reader: Reader, case: flows.Flow) -> list[Transition]:
    """What may be done with the case beside its tasks."""
    own = [one for one in case.commands if not one.event.startswith("task.")]
    return [_transition(reader, case, one, at) for at, one in enumerate(own)]


def _transition(reader: Reader, case: flows.Flow, command: Command, at: int) -> Transition:
    danger = command.event in DANGEROUS
    entries = event_entries(reader, case, command.event, at == 0)
    plain = at == 0 and not danger and command.comment == "optional" and not entries
    return Transition(
        event=command.event,
        title=text_of(command.title, language()),
        style="danger" if danger else "primary" if at == 0 else "default",
        comment="must" if command.comment == "required" else "no" if plain else "may",
        reason=text(command.why, language()) if command.why else "",
        entries=entries,
    )


def unplaced(case: flows.Flow, typed: Typed | None) -> Typed | None:
    """What was refused, when there is no button for it (any more) to show it at."""
    if typed is None or any(_is_it(case, one, typed) for one in case.commands):
        return None
    return typed


def _is_it(case: flows.Flow, one: Command, typed: Typed) -> bool:
    if one.event != typed.command:
        return False
    if not one.event.startswith("task."):
        return True
    return bool(case.card.rounds) and typed.task in (one.task, case.tasks.get(one.task or 0))


def around_of(unit: Unit, entity: str, id: int, case: flows.Flow, typed: Typed | None) -> Around:
    """What the card needs beside the case."""
    if not case.asked and typed is None:
        return Around(_people_lookup(entity), typed=typed, key=secrets.token_urlsafe(9))
    return Around(
        lookup=_people_lookup(entity),
        phrases=phrases(unit) if case.asked else (),
        items=step_items(unit, entity, id, case.required, typed),
        typed=typed,
        key=secrets.token_urlsafe(9),
    )


def _people_lookup(entity: str) -> str:
    return url_for("forms.lookup", entity=entity, field="@user")


def context(unit: Unit, opened: Opened, typed: Typed | None = None) -> dict[str, Any]:
    """Everything that approval.html wants."""
    case, entity = opened.flow, opened.entity
    names = Names(
        {**opened.names.labels, **opened.past.labels, **case.names.labels},
        unit.zone,
        unit.app.model.currency,
    )
    reader = Reader(language(), names, unit.now)
    around = around_of(unit, entity.name, opened.id, case, typed)
    href = url_for("records.show", entity=entity.name, id=opened.id) if opened.readable else ""
    return {
        "title": opened.label,
        "entity": {"title": text_of(entity.title, language()), "icon": entity.icon},
        "record": {
            "id": opened.id,
            "href": href,
            "title": opened.label,
            "version": case.version,
        },
        "state_text": text_of(case.state_title, language()),
        "applicant": reader.user(case.starter) if case.starter else "",
        "progress": present.progress(reader, case.steps, case.since),
        "approval": approval(reader, case, around),
        "transitions": transitions(reader, case) if opened.readable else [],
        "sections": sections(reader, entity, opened.record),
        "differences": changed(reader, opened.differences),
        "since": since_words(reader, case),
        "events": _events(reader, case),
        "typed": typed,
        "unplaced": unplaced(case, typed),
    }


def sections(
    reader: Reader, entity: Entity, record: Mapping[str, Any]
) -> list[present.FactSection]:
    """The facts of the record as its form is laid out, without what is empty."""
    layout = form_layout(entity, record.__contains__)

    def hidden(name: str) -> bool:
        return record.get(name) in (None, "", [], {})

    tabs = present.facts(reader, entity, layout, record, hidden, frozenset())
    return [section for tab in tabs for section in tab.sections]


def _events(reader: Reader, case: flows.Flow) -> list[present.Happening]:
    """What happened in the case, newest first."""
    return [present.of_flow(reader, one) for one in case.events if one.kind != "start"]


# --- what changed ------------------------------------------------------------------------------
def since_words(reader: Reader, case: flows.Flow) -> str:
    """Since when the changes are told."""
    if case.look is None:
        return ""
    when = present.clock(case.look.at, reader.language, reader.names)
    if case.look.own:
        return gettext("Changed since you decided (%(when)s)", when=when)
    return gettext("Changed since the last round (%(when)s)", when=when)


def changed(reader: Reader, found: Sequence[Difference]) -> list[FieldChanged]:
    """The differences in words."""
    return [
        FieldChanged(
            title=reader.title(one.change.field),
            old="" if one.rows else _plain(reader, one.change.field, one.change.old),
            new="" if one.rows else _plain(reader, one.change.field, one.change.new),
            lines=[_line(reader, one.change.field, row) for row in one.rows],
        )
        for one in found
    ]


def _plain(reader: Reader, field: Field, value: Any) -> str:
    if isinstance(value, str) and not isinstance(value, Masked) and value.startswith("***"):
        return value
    return present.plain(field, value, reader.language, reader.names)


def _line(reader: Reader, field: Field, row: RowChange) -> LineChanged:
    assert field.rows is not None
    kind = "added" if row.old is None else "removed" if row.new is None else "changed"
    shown = row.new or row.old or {}
    words = list(_words(reader, field.rows, shown))
    changes = [
        present.Changed(
            reader.title(field.rows.fields[name]),
            _plain(reader, field.rows.fields[name], (row.old or {}).get(name)),
            _plain(reader, field.rows.fields[name], (row.new or {}).get(name)),
        )
        for name in row.columns
    ]
    return LineChanged(kind, " · ".join(words[:1] if changes else words[:4]), changes)


def _words(reader: Reader, rows: Entity, row: Mapping[str, Any]) -> Iterator[str]:
    """The first filled columns of a line."""
    for name, field in rows.fields.items():
        value = row.get(name)
        if value in (None, "", []) or bind(field).many:
            continue
        if said := _plain(reader, field, value):
            yield said
