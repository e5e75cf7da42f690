"""Erasing what is held about a human being, so that everything else stays consistent.

In one transaction: the personal fields of his record and of the records that point at him, their
histories, remarks, files, drafts, notices and the search index. Rows, versions, dates and authors
stay. What runs a case is left alone until the case has ended; a record that is a human being of
its own stays his. Erasing again finds what has come since, and nothing else. Copies in backups and
mails that were sent are out of reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.security_log import log_event
from engine.definitions.model import Entity, Field, Label
from engine.fields import bind
from engine.problems import Problem
from engine.records import rows
from engine.records.company import Company
from engine.records.computing import Ripple, compute
from engine.records.erased import ACTION, pseudonym
from engine.records.evaluation import Relations
from engine.records.failures import Busy, Conflict
from engine.records.history import note
from engine.records.privacy import accounts
from engine.records.privacy.scrubbing import (
    files_of,
    scrub_beside,
    scrub_files,
    scrub_history,
    scrub_retired,
)
from engine.records.privacy.subject import (
    Pointing,
    Record,
    Subject,
    called,
    names_of_fields,
    personal,
    pointing,
    running,
    subject_of,
)
from engine.records.reading import cleared
from engine.records.unit import Actor, Unit
from engine.storage import overwriting
from engine.tables import search
from engine.tables.system import ERASURE

USER: Final = "user"
_TEXTS: Final = frozenset(
    {"text", "longtext", "phone", "email", "url", "idcard", "bankcard", "uscc"}
)
"""Types whose required values become a pseudonym; others become empty."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Something that is not erased, and why: "case" (it is under way), "person" (a human being of
    its own), "remarks" (on records that point at the person), "backups", "sent", "log"."""

    why: str
    entity: Label = field(default_factory=dict)
    label: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, or would be: how many fields, records, remarks …; and what stays."""

    label: str
    counts: Mapping[str, int]
    stays: Sequence[Stay] = ()
    digests: Sequence[str] = ()  # contents of files that nothing holds any more


def preview(company: Company, actor: Actor, entity: str, id: int) -> Erased:
    """What `erase` would do; nothing is changed.

    Raises: what `erase` raises.
    """
    with company.unit(actor, write=True) as unit:
        tried = unit.connection.begin_nested()
        try:
            return _carried_out(unit, entity, id, "")
        finally:
            tried.rollback()


def erase(
    company: Company,
    actor: Actor,
    entity: str,
    id: int,
    *,
    reason: str = "",
    source: str = "page",
    address: str = "",
) -> Erased:
    """Erase what is held about the human being behind a record, or behind an account (`USER`).

    Raises: NotFound for who may not, Invalid for an entity of things, Conflict while a case of the
    record runs, or for an account that must not go.
    """
    with company.unit(actor, write=True, source=source) as unit:
        unit.address = address
        with overwriting(unit.connection):
            found = _carried_out(unit, entity, id, reason)
            for name in {name for name, _ in unit.touched}:
                if (index := unit.app.tables.of(name).search) is not None:
                    search.purge(unit.connection, index)
    for digest in found.digests:
        if company.files is not None:
            _place(company.files, digest).unlink(missing_ok=True)
    company.database.settle()
    return found


def _carried_out(unit: Unit, entity: str, id: int, reason: str) -> Erased:
    if entity == USER:
        done = accounts.erase_account(unit, id)
        found = Erased(done.label, done.counts, [Stay("log"), Stay("sent"), Stay("backups")])
    else:
        found = _Erasure(unit, subject_of(unit, entity, id)).run()
    key = "@user" if entity == USER else entity
    unit.connection.execute(
        sa.insert(ERASURE).values(
            id=unit.app.database.ids.next(unit.connection),
            at=unit.now,
            by_id=unit.actor.id or None,
            entity=key,
            record_id=id,
            reason=reason.strip()[:500],
            counts=dict(found.counts),
        )
    )
    log_event(
        unit.connection,
        unit.now,
        "privacy.erased",
        user=unit.actor.id or None,
        address=unit.address,
        about=(key, id),
        details=dict(found.counts),
    )
    return found


class _Erasure:
    """One erasure on its way."""

    def __init__(self, unit: Unit, subject: Subject) -> None:
        self.unit, self.subject = unit, subject
        self.counts: Counter[str] = Counter()
        self.stays: list[Stay] = []
        self.digests: list[str] = []

    def run(self) -> Erased:
        """Erase. Raises: Conflict while a case of the person's own record runs."""
        entity, id = self.subject.entity, self.subject.id
        if running(self.unit, entity.name, [id]):
            raise Conflict([Problem("Y031", {"entity": entity.title})])
        others = list(self._others())
        ripple = Ripple(self.unit)
        self.counts["fields"] += scrub_retired(self.unit, entity.name, id)
        self._record(entity, self.subject.record, ripple, whole=True)
        self.counts.update(scrub_beside(self.unit, entity.name, id, remarks=True))
        self.digests += self._files(entity, self.subject.record, whole=True)
        for other in others:
            name, its = other.entity.name, other.record["id"]
            self._record(other.entity, other.record, ripple, whole=False)
            self.counts.update(scrub_beside(self.unit, name, its, remarks=False))
            self.digests += self._files(other.entity, other.record, whole=False)
        ripple.run(guard=False)  # it is no saving: rules over sums are nobody's business now
        self.stays += [Stay("remarks")] if others else []
        self.stays += [Stay("sent"), Stay("backups")]
        counts = {name: number for name, number in self.counts.items() if number}
        return Erased(self.subject.label, counts, self.stays, self.digests)

    def _others(self) -> Iterator[Pointing]:
        """The records that point at the person, less those that stay as they are."""
        found = list(pointing(self.unit, self.subject))
        busy = {
            (name, id)
            for name in {one.entity.name for one in found}
            for id in running(
                self.unit, name, [one.record["id"] for one in found if one.entity.name == name]
            )
        }
        for one in found:
            why = "person" if one.entity.person else ""
            if not why and (one.entity.name, one.record["id"]) in busy:
                why = "case"
            if why:
                open_ = cleared(self.unit, one.entity.name, [one.record["id"]])
                label = called(self.unit, one.entity, one.record) if open_ else ""
                self.stays.append(Stay(why, one.entity.title, label, one.record["id"]))
            else:
                yield one

    def _record(self, entity: Entity, old: Record, ripple: Ripple, *, whole: bool) -> None:
        """Blank the personal fields of one record, and its history."""
        unit = self.unit
        new: Record = dict(old)
        for name, one in personal(entity).items():
            new[name] = _blank(unit, one, old.get(name), old["id"])
        compute(unit, entity, new, Relations(unit), old)  # what a formula objects to stays empty
        types = unit.app.types(entity)
        changed = {
            name
            for name, kind in types.items()
            if not kind.field.system
            and not (kind.field.compute and not kind.field.compute.store)
            and kind.changed(old.get(name), new.get(name))
        }
        names = names_of_fields(entity)
        history = scrub_history(unit, entity, old["id"], names, whole=whole)
        self.counts["history"] += history
        if not changed and not history:
            return
        self.counts["records"] += 1
        self.counts["fields"] += len(changed)
        self._write(entity, old, new, changed)
        note(unit, entity.name, old["id"], old["version"] + 1, ACTION, {})
        new["version"] = old["version"] + 1
        ripple.changed(entity.name, old, new)
        unit.touched.add((entity.name, old["id"]))

    def _write(self, entity: Entity, old: Record, new: Record, changed: set[str]) -> None:
        """Write the record; one in the recycle bin is taken out for that moment."""
        unit, removed = self.unit, old.pop("removed_at", None)
        new.pop("removed_at", None)
        new["updated_at"], new["updated_by"] = unit.now, unit.actor.id or None
        table = unit.app.tables.of(entity.name).table
        same = table.c.id == old["id"]
        if removed is not None:
            unit.connection.execute(sa.update(table).where(same).values(removed_at=None))
        if not rows.update(unit, entity, old, new, {*changed, "updated_at", "updated_by"}):
            raise Busy
        if removed is not None:
            unit.connection.execute(sa.update(table).where(same).values(removed_at=removed))

    def _files(self, entity: Entity, record: Record, *, whole: bool) -> list[str]:
        only = None if whole else files_of(record, personal(entity))
        gone = scrub_files(self.unit, entity.name, record["id"], only)
        self.counts["files"] += len(gone)
        return gone


def _blank(unit: Unit, field: Field, value: Any, id: int) -> Any:
    """What is left of a value."""
    if value in (None, "", []):
        return value
    if field.rows is not None and "personal" not in field.privacy:
        inner = personal(field.rows)
        return [
            row | {name: _blank(unit, one, row.get(name), row["id"]) for name, one in inner.items()}
            for row in value
        ]
    if field.multiple or bind(field).many:
        return []
    if field.required and field.type in _TEXTS:
        return pseudonym(unit, id)
    return None


def _place(folder: Path, digest: str) -> Path:
    return folder / digest[:2] / digest[2:4] / digest
