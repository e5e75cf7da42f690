"""Everything that is held about a human being, for himself to read: one document, as data.

Whoever makes it sees all of it, whatever his roles show him elsewhere: it is an administrator's
answer to the person's question, and that it was made is written down. Only what lies above his
own grade of secrecy is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.security_log import log_event
from engine.definitions.model import Entity, Field, text_of
from engine.fields import DEPARTMENT, USER, bind
from engine.records.accesses import note_access
from engine.records.erased import is_erased, words
from engine.records.labels import names_for, names_of
from engine.records.personnel import rules
from engine.records.privacy.subject import (
    Record,
    administers,
    called,
    derived,
    personal,
    pointing,
    subject_of,
)
from engine.records.reading import cleared
from engine.records.unit import Unit
from engine.tables import system

FORMAT: Final = "dougong.personal-data/1"
MOST: Final = 5_000  # lines of one section
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of one kind; `key` says of which, `columns` what each holds. `more`: there are more."""

    key: str
    columns: tuple[str, ...]
    lines: Sequence[Line]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The document."""

    format: str
    made_at: str
    made_by: str
    company: str
    entity: str
    kind: str
    id: int
    label: str
    sections: Sequence[Section]

    def to_json(self) -> dict[str, Any]:
        """As plain data; empty sections are left out."""
        found = asdict(self)
        found["sections"] = {
            one.key: {"more": True, "lines": one.lines} if one.more else list(one.lines)
            for one in self.sections
            if one.lines
        }
        return found


def report(unit: Unit, entity: str, id: int) -> Report:
    """What is held about the human being behind a record, or behind an account ("user"). In a unit
    that writes: it is an event of the security log.

    Raises: NotFound for who may not and for nobody, Invalid for an entity of things.
    """
    administers(unit)
    if entity == "user":
        about, kind, label, sections = "@user", "user", *_account(unit, id)
    else:
        about, kind, label, sections = entity, *_record(unit, entity, id)
    log_event(
        unit.connection,
        unit.now,
        "privacy.report",
        user=unit.actor.id or None,
        address=unit.address,
        about=(about, id),
    )
    if about != "@user":
        note_access(unit, "report", about, id, personal(unit.app.model.entities[about]))
    return Report(
        FORMAT,
        unit.now.isoformat(timespec="seconds"),
        unit.actor.name,
        text_of(unit.app.model.title, unit.language),
        entity,
        kind,
        id,
        label,
        [one for one in sections if one.lines],
    )


# --- a record ----------------------------------------------------------------------------------
def _record(unit: Unit, entity: str, id: int) -> tuple[str, str, list[Section]]:
    subject = subject_of(unit, entity, id)
    definition, book = subject.entity, _Book(unit)
    fields = {
        name: field
        for name, field in definition.fields.items()
        if not field.write_only and not (field.compute and not field.compute.store)
    }
    others = []
    for one in pointing(unit, subject):
        if not cleared(unit, one.entity.name, [one.record["id"]]):
            continue  # above the grade of secrecy of who makes it
        held = book.values(one.entity, one.record, personal(one.entity))
        label = called(unit, one.entity, one.record)
        title = text_of(one.entity.title, unit.language)
        others += [{"kind": title, "record": one.record["id"], "label": label, **f} for f in held]
    sections = [
        Section(
            "record", ("field", "personal", "value"), book.facts(definition, subject.record, fields)
        ),
        Section("pointing", ("kind", "record", "label", "field", "value"), others),
        book.history(definition, id),
        *_beside(book, entity, id),
    ]
    return text_of(definition.title, unit.language), subject.label, sections


def _beside(book: _Book, entity: str, id: int) -> list[Section]:
    """What is kept beside a record, table by table."""
    case, event = system.WF_INSTANCE, system.WF_EVENT
    cases = sa.select(case.c.id).where(case.c.entity == entity, case.c.record_id == id)
    found = [
        book.section(key, table, columns, table.c.entity == entity, table.c.record_id == id)
        for key, table, columns in _OF_RECORD
    ]
    happened = {"at": "at", "by": "actor_id", "what": "type", "comment": "comment"}
    return [*found, book.section("events", event, happened, event.c.instance_id.in_(cases))]


_DECISION: Final = {"status": "status", "comment": "comment"}
_OF_RECORD: Final[Sequence[tuple[str, sa.Table, Mapping[str, str]]]] = (
    ("comments", system.COMMENT, {"at": "at", "by": "by_id", "text": "body"}),
    (
        "files",
        system.FILE,
        {"at": "at", "by": "by_id", "name": "name", "bytes": "size", "removed": "removed_at"},
    ),
    ("notices", system.NOTICE, {"at": "at", "to": "user_id", "title": "title", "text": "body"}),
    (
        "cases",
        system.WF_INSTANCE,
        {"workflow": "workflow", "state": "state", "begun": "started_at", "ended": "done_at"},
    ),
    (
        "decisions",
        system.WF_TASK,
        {"at": "decided_at", "by": "decided_by_id", "step": "state", **_DECISION},
    ),
    ("drafts", system.DRAFT, {"at": "at", "by": "user_id"}),
    (
        "shares",
        system.SHARE,
        {"at": "at", "by": "by_id", "to": "user_id", "level": "level", "until": "until"},
    ),
    (
        "looks",
        system.ACCESS,
        {"at": "at", "by": "user_id", "what": "action", "fields": "fields"},
    ),
    ("erasures", system.ERASURE, {"at": "at", "by": "by_id", "reason": "reason"}),
)
"""What is kept beside a record: the section's key, the table, its columns by their titles."""


# --- an account --------------------------------------------------------------------------------
def _account(unit: Unit, user: int) -> tuple[str, list[Section]]:
    row = rules.manageable(unit, user)
    book = _Book(unit)
    roles = unit.connection.scalars(
        sa.select(system.USER_ROLE.c.role).where(system.USER_ROLE.c.user_id == user)
    )
    held = {
        "login": row.login,
        "name": row.name,
        "email": row.email,
        "phone": row.phone,
        "department": book.department(row.department_id),
        "manager": book.person(row.manager_id),
        "roles": sorted(roles),
        "language": row.language,
        "timezone": row.timezone,
        "created": _at(row.created_at),
        "seen": _at(row.seen_at),
        "disabled": _at(row.disabled_at),
    }
    facts = [{"field": name, "value": value} for name, value in held.items() if value]
    log = system.ERASURE
    erased = (log.c.entity == "@user", log.c.record_id == user)
    sections = [
        Section("account", ("field", "value"), facts),
        *(
            book.section(key, table, columns, table.c[who] == user)
            for key, table, who, columns in _OF_PERSON
        ),
        _changes(unit, user),
        book.section("erasures", log, {"at": "at", "by": "by_id", "reason": "reason"}, *erased),
    ]
    return str(row.name), sections


_WHERE: Final = {"entity": "entity", "record": "record_id"}
_OF_PERSON: Final[Sequence[tuple[str, sa.Table, str, Mapping[str, str]]]] = (
    (
        "sessions",
        system.SESSION,
        "user_id",
        {"begun": "created_at", "seen": "seen_at", "address": "address", "agent": "agent"},
    ),
    (
        "tokens",
        system.TOKEN,
        "user_id",
        {"name": "name", "made": "created_at", "used": "used_at"},
    ),
    ("identities", system.IDENTITY, "user_id", {"issuer": "issuer", "subject": "subject"}),
    (
        "security",
        system.SECURITY,
        "user_id",
        {"at": "at", "what": "kind", "address": "address", "agent": "agent"},
    ),
    ("notices", system.NOTICE, "user_id", {"at": "at", "title": "title", "text": "body"}),
    ("seen", system.ACCESS, "user_id", {"at": "at", "what": "action", **_WHERE}),
    ("comments", system.COMMENT, "by_id", {"at": "at", **_WHERE, "text": "body"}),
    ("decisions", system.WF_TASK, "decided_by_id", {"at": "decided_at", **_WHERE, **_DECISION}),
)
"""What is kept of somebody who works here: the section's key, the table, the column with him."""


def _changes(unit: Unit, user: int) -> Section:
    """How much he changed where; the changes themselves are the records', not his."""
    table = system.HISTORY
    rows = unit.connection.execute(
        sa.select(
            table.c.entity,
            sa.func.count().label("many"),
            sa.func.min(table.c.at).label("first"),
            sa.func.max(table.c.at).label("last"),
        )
        .where(table.c.by_id == user)
        .group_by(table.c.entity)
        .order_by(table.c.entity)
    )
    lines = [
        {"entity": row.entity, "count": row.many, "first": _at(row.first), "last": _at(row.last)}
        for row in rows
    ]
    return Section("changes", ("entity", "count", "first", "last"), lines)


# --- words -------------------------------------------------------------------------------------
class _Book:
    """Values and names as a person reads them, names looked up once."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._people: dict[int, str] = {}

    def person(self, id: int | None) -> str:
        """What somebody who works here is called; "" for nobody."""
        if not id:
            return ""
        if id not in self._people:
            self._people[id] = names_of(self.unit, {USER: [id]}).label(USER, id)
        return self._people[id]

    def department(self, id: int | None) -> str:
        """The name of a department."""
        return names_of(self.unit, {DEPARTMENT: [id]}).label(DEPARTMENT, id) if id else ""

    def values(self, entity: Entity, record: Record, fields: Mapping[str, Field]) -> list[Line]:
        """The filled-in fields of a record, in words."""
        names = names_for(self.unit, entity, [record], fields)
        found: list[Line] = []
        for name, field in fields.items():
            value = record.get(name)
            if value in (None, "", []):
                continue
            if field.rows is not None:
                found += self._rows(field, value)
                continue
            said = bind(field).format(value, self.unit.language, names)
            found.append({"field": self._title(field), "value": said})
        return found

    def _rows(self, field: Field, rows: Iterable[Record]) -> list[Line]:
        assert field.rows is not None
        return [
            {"field": f"{self._title(field)} {at} · {one['field']}", "value": one["value"]}
            for at, row in enumerate(rows, 1)
            for one in self.values(field.rows, row, field.rows.fields)
        ]

    def facts(self, entity: Entity, record: Record, fields: Mapping[str, Field]) -> list[Line]:
        """All of a record, the personal fields first and told apart."""
        about = {**personal(entity), **{name: entity.fields[name] for name in derived(entity)}}
        found = [{**one, "personal": True} for one in self.values(entity, record, about)]
        rest = {name: field for name, field in fields.items() if name not in about}
        return found + [{**one, "personal": False} for one in self.values(entity, record, rest)]

    def history(self, entity: Entity, id: int) -> Section:
        """Every change of a record, with the values of then."""
        table, sealer = system.HISTORY, self.unit.app.sealer(entity.name)
        rows = self.unit.connection.execute(
            sa.select(table)
            .where(table.c.entity == entity.name, table.c.record_id == id)
            .order_by(table.c.id)
            .limit(MOST + 1)
        ).all()
        lines: list[Line] = []
        for row in rows[:MOST]:
            head = {
                "at": _at(row.at),
                "by": self.person(row.by_id),
                "what": row.action,
                "comment": row.comment,
            }
            opened = sealer.opened(row.changes or {})
            if not opened:
                lines.append(head)
            for name, (old, new) in opened.items():
                field = entity.fields.get(name)
                title = self._title(field) if field else name
                lines.append(
                    {
                        **head,
                        "field": title,
                        "old": self._past(entity, field, old),
                        "new": self._past(entity, field, new),
                    }
                )
        columns = ("at", "by", "what", "field", "old", "new", "comment")
        return Section("history", columns, lines, len(rows) > MOST)

    def _past(self, entity: Entity, field: Field | None, value: Any) -> Any:
        """A value of then in words, as far as today's field can read it."""
        if is_erased(value):
            return words(self.unit)
        if field is None or value in (None, "", []):
            return value
        if field.rows is not None:
            return "; ".join(self._past_row(field.rows, row) for row in value)
        kind = bind(field)
        try:
            typed = kind.from_json(value)
            names = names_for(self.unit, entity, [{field.name: typed}], [field.name])
            return kind.format(typed, self.unit.language, names)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return value  # the field is of another type since

    def _past_row(self, rows: Entity, row: Any) -> str:
        if not isinstance(row, Mapping):
            return str(row)
        told = []
        for name, value in row.items():
            field = rows.fields.get(name)
            if field is not None and value not in (None, "", []):
                told.append(f"{self._title(field)}: {self._past(rows, field, value)}")
        return ", ".join(told)

    def _title(self, field: Field) -> str:
        return text_of(field.title, self.unit.language) or field.name

    def section(
        self,
        key: str,
        table: sa.Table,
        columns: Mapping[str, str],
        *where: sa.ColumnElement[bool],
    ) -> Section:
        """Rows of one of the platform's tables; people by their names."""
        order = table.c[next(iter(columns.values()))] if "id" not in table.c else table.c.id
        wanted = sa.select(*(table.c[name].label(key_) for key_, name in columns.items()))
        rows = self.unit.connection.execute(
            wanted.where(*where).order_by(order).limit(MOST + 1)
        ).mappings()
        found = [
            {name: self._told(columns[name], value) for name, value in row.items()} for row in rows
        ]
        return Section(key, tuple(columns), found[:MOST], len(found) > MOST)

    def _told(self, column: str, value: Any) -> Any:
        if column in _PEOPLE:
            return self.person(value)
        return _at(value) if isinstance(value, datetime) else value


_PEOPLE: Final = frozenset({"by_id", "user_id", "actor_id", "decided_by_id"})


def _at(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")
