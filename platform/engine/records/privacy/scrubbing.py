"""Taking the personal out of what is kept beside a record: histories, remarks, files, notices.

Rows stay, with their numbers, versions, dates and authors, so that what happened can still be
followed; only what was said about the person is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.records.erased import ERASED, words
from engine.records.privacy.subject import Record
from engine.records.resealing import walk
from engine.records.unit import Unit
from engine.tables import system

_TEXTS: Final = ("title", "text", "payload", "data")


def scrub_history(
    unit: Unit, entity: Entity, id: int, names: Mapping[str, Field], *, whole: bool
) -> int:
    """Replace old and new values of fields in a record's history; how many rows had some. `whole`:
    also those of fields that were removed since."""
    table = system.HISTORY
    where = sa.and_(table.c.entity == entity.name, table.c.record_id == id)
    known = _named(entity)

    def marked(name: str, value: Any) -> Any:
        if name in names:
            return _marked(names[name], value)
        return ERASED if whole and name not in known and value is not None else value

    def turned(changes: Any) -> Any:
        return {name: [marked(name, one) for one in pair] for name, pair in (changes or {}).items()}

    done, _ = walk(unit.connection, table, "changes", where, turned)
    unit.connection.execute(sa.update(table).where(where, table.c.comment != "").values(comment=""))
    return done


def _marked(field: Field, value: Any) -> Any:
    """What stands in for a value: nothing stays nothing; rows keep what is not personal."""
    if value is None:
        return None
    if field.rows is None or "personal" in field.privacy or not isinstance(value, list):
        return ERASED
    inner = {name for name, one in field.rows.fields.items() if "personal" in one.privacy}
    kept = {"id", *_named(field.rows)} - inner
    return [
        {name: one if name in kept else None for name, one in row.items()}
        for row in value
        if isinstance(row, Mapping)
    ]


def _named(entity: Entity) -> set[str]:
    """Every name that a field has or had."""
    return {name for field in entity.fields.values() for name in (field.name, *field.was)}


def scrub_retired(unit: Unit, entity: str, id: int) -> int:
    """Empty what removed fields of a record still hold for the day they come back; how many values
    and lines there were."""
    layout, done = unit.app.layout, 0
    for key, table in layout.tables.items():
        lines = table.kind == "lines" and key.startswith(f"{entity}.")
        for rest in table.retired if lines or key == entity else ():
            name = rest.column.name
            place = sa.table(table.name, *map(sa.column, ("id", "parent_id", name)))
            mine = (place.c.parent_id if lines else place.c.id) == id
            held = place.c[name].is_not(None)
            emptied = sa.update(place).where(mine, held).values({name: None})
            done += unit.connection.execute(emptied).rowcount
    for gone in layout.retired:
        if gone.table.kind == "lines" and gone.key.startswith(f"{entity}."):
            place = sa.table(gone.table.name, sa.column("parent_id"))
            met = unit.connection.execute(sa.delete(place).where(place.c.parent_id == id))
            done += met.rowcount
    return done


def scrub_beside(unit: Unit, entity: str, id: int, *, remarks: bool) -> dict[str, int]:
    """Take the words out of notices, deliveries and events of a record, and drop drafts of it; how
    many of each. `remarks`: also out of what people said about it, and where they decided."""
    connection, said = unit.connection, words(unit)
    comment, draft, notice = system.COMMENT, system.DRAFT, system.NOTICE

    def about(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
        return table.c.entity == entity, table.c.record_id == id

    found = {
        "drafts": connection.execute(sa.delete(draft).where(*about(draft))).rowcount,
        "notices": connection.execute(
            sa.update(notice)
            .where(*about(notice), notice.c.title != said)
            .values(title=said, body="")
        ).rowcount,
    }
    if remarks:
        share, other = system.SHARE, comment.c.body != said
        told = sa.update(comment).where(*about(comment), other).values(body=said)
        found["comments"] = connection.execute(told).rowcount
        noted = (*about(share), share.c.note != "")
        connection.execute(sa.update(share).where(*noted).values(note=""))
    request = system.REQUEST
    connection.execute(sa.delete(request).where(*about(request)))
    cases = list(
        connection.scalars(sa.select(system.WF_INSTANCE.c.id).where(*about(system.WF_INSTANCE)))
    )
    found["cases"] = _cases(unit, cases, remarks)
    found["deliveries"] = _deliveries(unit, entity, id, cases)
    return {name: number for name, number in found.items() if number}


def _cases(unit: Unit, cases: Collection[int], remarks: bool) -> int:
    """What events carried, and remarks of decisions."""
    if not cases:
        return 0
    event, task, instance = system.WF_EVENT, system.WF_TASK, system.WF_INSTANCE
    inside = event.c.instance_id.in_(cases)

    def bare(payload: Any) -> Any:
        return {**payload, "data": {}} if payload and payload.get("data") else payload

    done, _ = walk(unit.connection, event, "payload", inside, bare)
    if not remarks:
        return done
    for table in (event, task):
        mine = table.c.instance_id.in_(cases)
        met = unit.connection.execute(
            sa.update(table).where(mine, table.c.comment != "").values(comment="")
        )
        done += met.rowcount
    walk(unit.connection, instance, "body", instance.c.id.in_(cases), _silent)
    return done


def _silent(body: Any) -> Any:
    """A case's body without what people remarked."""
    if isinstance(body, Mapping):
        return {
            key: "" if key == "comment" and isinstance(one, str) else _silent(one)
            for key, one in body.items()
        }
    return [_silent(one) for one in body] if isinstance(body, list) else body


def _deliveries(unit: Unit, entity: str, id: int, cases: Collection[int]) -> int:
    """What was or would be sent about the record: the words go, and nothing of it is sent now."""
    table, said = system.OUTBOX, words(unit)
    shown = sa.cast(table.c.body, sa.Text())
    named = sa.or_(shown.contains(f'"record":{id}'), shown.contains(f'"record": {id}'))
    where = sa.and_(table.c.channel != "", sa.or_(table.c.instance_id.in_(cases), named))

    def bare(body: Any) -> Any:
        inner = body.get("payload") or body
        if (inner.get("entity"), inner.get("record")) != (entity, id):
            return body
        left = {key: one for key, one in body.items() if key not in _TEXTS}
        bare_ = {"payload": {"entity": entity, "record": id}} if "payload" in body else {"text": ""}
        return {**left, "title": said, **bare_}

    done, _ = walk(unit.connection, table, "body", where, bare)
    rows = unit.connection.execute(sa.select(table.c.id, table.c.body).where(where))
    ids = [row.id for row in rows if row.body.get("title") == said]
    if ids:
        unit.connection.execute(
            sa.update(table)
            .where(table.c.id.in_(ids), table.c.next_try.is_not(None))
            .values(next_try=None, done_at=unit.now)
        )
    return done


def scrub_files(unit: Unit, entity: str, id: int, only: Collection[int] | None = None) -> list[str]:
    """Forget the files of a record (or only some of them); the content to delete when all is
    done. The signatures of those who decided stay theirs."""
    file, task = system.FILE, system.WF_TASK
    signed = sa.select(task.c.signature_id).where(task.c.signature_id.is_not(None))
    where = [
        file.c.entity == entity,
        file.c.record_id == id,
        file.c.sha256 != "",
        file.c.id.not_in(signed),
    ]
    if only is not None:
        where.append(file.c.id.in_(only))
    digests = set(unit.connection.scalars(sa.select(file.c.sha256).where(*where)))
    if not digests:
        return []
    gone = {"name": words(unit), "sha256": "", "size": 0, "removed_at": unit.now}
    unit.connection.execute(sa.update(file).where(*where).values(gone))
    left = set(unit.connection.scalars(sa.select(file.c.sha256).where(file.c.sha256.in_(digests))))
    return sorted(digests - left)


def files_of(record: Record, fields: Mapping[str, Field]) -> set[int]:
    """The ids of the files in some fields of a record."""
    found: set[int] = set()
    for name, field in fields.items():
        if field.type in ("file", "image"):
            value = record.get(name)
            found |= set(value) if isinstance(value, list) else {value} if value else set()
    return found
