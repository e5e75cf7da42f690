"""What the logs say, for administrators: the security log and who saw what is sensitive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.security_log import broken_at
from engine.records.personnel.rules import PERSON, allowed
from engine.records.unit import Unit
from engine.tables import system

_SECURITY, _ACCESS = system.SECURITY, system.ACCESS
SIZE: Final = 50
NEWEST: Final = 5_000  # rows whose chain every look at the page checks; all of them on request


@dataclass(frozen=True, slots=True)
class Asked:
    """What a log is asked for; "" and None ask for everything. `person` did it or it was done to;
    `kinds` are whole kinds or areas ("login.")."""

    kinds: tuple[str, ...] = ()
    person: int | None = None
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None
    entity: str = ""
    record: int | None = None
    before: int | None = None  # the id that the page before ended with


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the security log."""

    id: int
    at: datetime
    kind: str
    user: int | None
    address: str
    agent: str
    entity: str
    record: int | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw sensitive fields in the clear."""

    id: int
    at: datetime
    user: int | None
    action: str
    entity: str
    record: int | None
    fields: Sequence[str]
    count: int
    source: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The state of the security log. `whole`: every entry was checked, not the newest only."""

    entries: int
    since: datetime | None
    checked: int
    whole: bool
    broken: int | None


def events(unit: Unit, asked: Asked, size: int = SIZE) -> list[Event]:
    """Entries of the security log, newest first.

    Raises: NotFound for who is no administrator.
    """
    allowed(unit)
    where = _where(_SECURITY, asked)
    if asked.kinds:
        where.append(
            sa.or_(
                *(
                    _SECURITY.c.kind.startswith(one, autoescape=True)
                    if one.endswith(".")
                    else _SECURITY.c.kind == one
                    for one in asked.kinds
                )
            )
        )
    if asked.person is not None:
        met = sa.and_(_SECURITY.c.entity == PERSON, _SECURITY.c.record_id == asked.person)
        where.append(sa.or_(_SECURITY.c.user_id == asked.person, met))
    newest = sa.select(_SECURITY).where(*where).order_by(_SECURITY.c.id.desc()).limit(size)
    return [
        Event(
            row.id,
            row.at,
            row.kind,
            row.user_id,
            row.address,
            row.agent,
            row.entity,
            row.record_id,
            row.details,
        )
        for row in unit.connection.execute(newest)
    ]


def looks(unit: Unit, asked: Asked, size: int = SIZE) -> list[Look]:
    """Who saw what is sensitive, newest first.

    Raises: NotFound for who is no administrator.
    """
    allowed(unit)
    where = _where(_ACCESS, asked)
    if asked.person is not None:
        where.append(_ACCESS.c.user_id == asked.person)
    newest = sa.select(_ACCESS).where(*where).order_by(_ACCESS.c.id.desc()).limit(size)
    return [
        Look(
            row["id"],
            row["at"],
            row["user_id"],
            row["action"],
            row["entity"],
            row["record_id"],
            row["fields"],
            row["count"],
            row["source"],
            row["address"],
            row["note"],
        )
        for row in unit.connection.execute(newest).mappings()
    ]


def chain(unit: Unit, *, whole: bool = False) -> Chain:
    """Whether the security log was tampered with.

    Raises: NotFound for who is no administrator.
    """
    allowed(unit)
    count, oldest, last = unit.connection.execute(
        sa.select(sa.func.count(), sa.func.min(_SECURITY.c.at), sa.func.max(_SECURITY.c.id))
    ).one()
    first = None if whole or not last or count <= NEWEST else int(last) - NEWEST
    found = broken_at(unit.connection, after=first)
    checked = count if first is None else NEWEST
    return Chain(count, oldest, checked, first is None, found)


def kinds(unit: Unit) -> list[str]:
    """The kinds that the security log has so far."""
    return sorted(unit.connection.scalars(sa.select(_SECURITY.c.kind).distinct()))


def _where(table: sa.Table, asked: Asked) -> list[sa.ColumnElement[bool]]:
    column = table.c
    found: list[sa.ColumnElement[bool]] = []
    if asked.address:
        found.append(column.address == asked.address)
    if asked.since is not None:
        found.append(column.at >= asked.since)
    if asked.until is not None:
        found.append(column.at < asked.until)
    if asked.entity:
        found.append(column.entity == asked.entity)
    if asked.record is not None:
        found.append(column.record_id == asked.record)
    if asked.before is not None:
        found.append(column.id < asked.before)
    return found
