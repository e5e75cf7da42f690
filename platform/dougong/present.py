"""From the engine's values to what the templates draw: cells, moments, progress, cards, timelines.

But for the inbox nothing here asks a database: whoever calls has fetched the names that the values
point at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from babel.dates import format_date, format_timedelta
from flask_babel import gettext

from dougong.moments import exact
from engine.definitions.model import Entity, Field, text_of
from engine.fields import DEPARTMENT, USER, Cell, Names, bind
from engine.fields.basics import locale_of
from engine.fields.relations import LinesType
from engine.forms import Section, Tab
from engine.records.flows import Happened
from engine.records.history import Entry
from engine.records.views import Masked
from engine.workflow import Step as FlowStep

RECENT_DAYS: Final = 30
LONGEST_CHANGE: Final = 160
FLOW_ACTIONS: Final = frozenset({"flow", "approval"})  # history rows that a workflow wrote
_NO_PAGE: Final = frozenset({USER, DEPARTMENT})


# --- moments -----------------------------------------------------------------------------------
def ago(moment: datetime, now: datetime, language: str) -> str:
    """How long ago (or how far ahead) a moment lies; the date once it is more than a month."""
    distance = moment - now
    if abs(distance.total_seconds()) < 60:
        return gettext("just now")
    locale = locale_of(language)
    if abs(distance.days) > RECENT_DAYS:
        return format_date(moment, "medium", locale=locale)
    return format_timedelta(distance, granularity="minute", add_direction=True, locale=locale)


def lasting(since: datetime, now: datetime, language: str) -> str:
    """How long something has lasted."""
    distance = now - since
    if distance.total_seconds() < 60:
        return gettext("just now")
    return format_timedelta(distance, granularity="minute", locale=locale_of(language))


def clock(moment: datetime, language: str, names: Names) -> str:
    """A moment on the reader's clock."""
    return exact(moment.astimezone(names.zone), language)


# --- values ------------------------------------------------------------------------------------
def cell(field: Field, value: Any, language: str, names: Names) -> Cell:
    """A value as a cell; what the reader may only guess at stays masked."""
    if isinstance(value, Masked):
        return Cell(str(value), "masked")
    return linked(bind(field).cell(value, language, names), names)


def linked(found: Cell, names: Names) -> Cell:
    """The cell without links to what has no page or may not be seen."""
    if found.items:
        return replace(found, items=tuple(linked(item, names) for item in found.items))
    target, _, id = found.href.partition("/")
    if not id.isdigit():
        return found
    if target in _NO_PAGE or (target, int(id)) not in names.labels:
        return replace(found, href="")
    return found


def plain(field: Field, value: Any, language: str, names: Names) -> str:
    """A value as text, for changes and messages."""
    if value is None or value == []:
        return ""
    if isinstance(value, Masked):
        return str(value)
    try:
        text = bind(field).format(value, language, names)
    except (TypeError, ValueError, AttributeError, KeyError):
        text = str(value)  # a value of the past whose field had another type then
    return text if len(text) <= LONGEST_CHANGE else f"{text[: LONGEST_CHANGE - 1]}…"


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column."""

    title: str
    align: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that belong to a record."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A field on the record page."""

    name: str
    title: str
    help: str
    cell: Cell
    span: int
    computed: bool
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class FactSection:
    """Facts under a heading."""

    title: str
    rows: Sequence[Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class FactTab:
    """One sheet of the record page."""

    key: str
    title: str
    sections: Sequence[FactSection]


@dataclass(frozen=True)
class Reader:
    """What every value of a page is drawn with."""

    language: str
    names: Names
    now: datetime

    def user(self, id: int | None) -> str:
        """A person's name; the platform's where nobody acted."""
        return self.names.label(USER, id) if id else gettext("System")

    def cell(self, field: Field, value: Any) -> Cell:
        """See `cell`."""
        return cell(field, value, self.language, self.names)

    def title(self, field: Field) -> str:
        """A field's title."""
        return text_of(field.title, self.language) or field.name


def facts(
    reader: Reader,
    entity: Entity,
    layout: Iterable[Tab],
    record: Mapping[str, Any],
    hidden: Callable[[str], bool],
    closed: Collection[str],
) -> list[FactTab]:
    """The record as its form is laid out, less what is hidden just now."""
    found = []
    for tab in layout:
        if tab.key in closed:
            continue
        sections = [
            section
            for part in tab.sections
            if part.key not in closed
            for section in [_section(reader, entity, part, record, hidden)]
            if section.rows
        ]
        if sections:
            title = text_of(tab.title, reader.language) or gettext("Details")
            found.append(FactTab(tab.key, title, sections))
    return found


def _section(
    reader: Reader,
    entity: Entity,
    section: Section,
    record: Mapping[str, Any],
    hidden: Callable[[str], bool],
) -> FactSection:
    rows = []
    for row in section.rows:
        places = [place for place in row if place.name in record and not hidden(place.name)]
        if places:
            rows.append(
                [
                    fact(reader, entity.fields[place.name], record[place.name], place.span)
                    for place in places
                ]
            )
    return FactSection(text_of(section.title, reader.language), rows)


def fact(reader: Reader, field: Field, value: Any, span: int) -> Fact:
    """One field with its value."""
    return Fact(
        name=field.name,
        title=reader.title(field),
        help=text_of(field.help, reader.language),
        cell=reader.cell(field, value),
        span=span,
        computed=field.compute is not None,
        table=table(reader, field, value),
    )


def table(reader: Reader, field: Field, value: Any) -> Table | None:
    """The rows of a lines field, less columns that nobody has filled in; None for other fields and
    masked values."""
    kind = bind(field)
    if not isinstance(kind, LinesType) or isinstance(value, Masked):
        return None
    rows: Sequence[Mapping[str, Any]] = value or ()
    columns = [
        column
        for name, column in kind.columns.items()
        if any(row.get(name) not in (None, "", []) for row in rows)
    ]
    totals = []
    for column in columns:
        amounts = [row.get(column.field.name) for row in rows]
        numbers = [amount for amount in amounts if isinstance(amount, int | Decimal)]
        wanted = column.field.name in kind.summed and len(rows) > 1
        total = sum(numbers, Decimal(0)) if wanted else None
        totals.append(column.format(total, reader.language, reader.names))
    return Table(
        [Column(reader.title(column.field), column.align) for column in columns],
        [
            [reader.cell(column.field, row.get(column.field.name)) for column in columns]
            for row in rows
        ],
        totals,
    )


# --- workflows ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Step:
    """One chevron."""

    title: str
    state: str
    note: str


def progress(reader: Reader, steps: Iterable[FlowStep], since: datetime | None) -> list[Step]:
    """The bar; the current step says how long it has lasted."""
    found = []
    for step in steps:
        note = ""
        if step.at is not None:
            note = f"{reader.user(step.by)} · {clock(step.at, reader.language, reader.names)}"
        elif step.status == "current" and since is not None:
            note = lasting(since, reader.now, reader.language)
        found.append(Step(text_of(step.title, reader.language), step.status, note))
    return found


# --- what happened -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Changed:
    """A field before and after."""

    title: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline; `moment` orders the lines."""

    moment: datetime
    kind: str
    who: str
    at: str
    when: str
    title: str
    changes: Sequence[Changed] = ()
    comment: str = ""


def happened(
    reader: Reader, moment: datetime, kind: str, who: str, title: str, **more: Any
) -> Happening:
    """A line of the timeline."""
    when = ago(moment, reader.now, reader.language)
    at = moment.astimezone(reader.names.zone).isoformat(timespec="seconds")
    return Happening(moment, kind, who, at, when, title, **more)


def of_history(reader: Reader, entry: Entry) -> Happening:
    """A row of the history. What a record began with stands on the page itself; what a step of the
    workflow did beside setting the state is a change like others."""
    named = ("create", "remove", "restore", "erase", "claim", "release")
    kind = entry.action if entry.action in named else "change"
    words = {
        "create": gettext("created this record"),
        "change": gettext("changed"),
        "remove": gettext("removed this record"),
        "restore": gettext("restored this record"),
        "erase": gettext("erased personal data"),
        "claim": gettext("took this record from the pool"),
        "release": gettext("gave this record back to the pool"),
    }
    who = reader.user(entry.by)
    if entry.on_behalf:
        who = gettext("%(name)s for %(other)s", name=who, other=reader.user(entry.on_behalf))
    changes = () if kind == "create" else changed(reader, entry)
    comment = "" if entry.action in FLOW_ACTIONS else entry.comment
    title = gettext("handed this record over") if entry.action == "handover" else words[kind]
    return happened(reader, entry.at, kind, who, title, changes=changes, comment=comment)


def of_flow(reader: Reader, event: Happened, wrote: Sequence[Entry] = ()) -> Happening:
    """A step of the record's case: what was done, where that led, and what else it `wrote`."""
    title = text_of(event.title, reader.language)
    if event.moved and event.after:
        joint = "、" if reader.language.startswith("zh") else ", "
        title += f" → {joint.join(text_of(state, reader.language) for state in event.after)}"
    who = reader.user(event.actor)
    if event.on_behalf_of:
        other = reader.user(event.on_behalf_of)
        who = gettext("%(name)s for %(other)s", name=who, other=other)
    kind = "approval" if event.kind == "decision" else "flow"
    changes = [change for entry in wrote for change in changed(reader, entry)]
    return happened(reader, event.at, kind, who, title, changes=changes, comment=event.comment)


def changed(reader: Reader, entry: Entry) -> list[Changed]:
    """The changes of a history row in words."""
    found = []
    for change in entry.changes:
        old, new = change.old, change.new
        if change.masked:
            texts = (str(old or ""), str(new or ""))
        else:
            texts = (
                plain(change.field, old, reader.language, reader.names),
                plain(change.field, new, reader.language, reader.names),
            )
        found.append(Changed(reader.title(change.field), *texts))
    return found
