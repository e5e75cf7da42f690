"""Telling people: notices inside the product, and what leaves by channels because of them.

The effects of workflows come here from the outbox, each in one transaction: whoever has to be told
gets one line for each (step, kind, text), never for what he did himself, and, as he likes it, a
delivery by his channels in the same transaction. What leaves carries the finished text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.definitions.model import Label, NoticeText, text_of
from engine.fields import bind
from engine.records import outbox, people
from engine.records.actor import Actor
from engine.records.flows.env import BEYOND_IDS
from engine.records.notices.company_channels import Channel, channel_named, channels
from engine.records.notices.settings import Preferences, preferences
from engine.records.notices.text import (
    About,
    Writer,
    Written,
    about_effect,
    as_reader,
    sendable,
)
from engine.records.notices.words import KIND_OF, KINDS
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables import system

__all__ = ["Notice", "mark_read", "mine", "preferences", "tell", "unread"]

_NOTICE, _USER = system.NOTICE, system.USER
COUNTED: Final = 100  # the bell says "99+" beyond
Page = Literal["record", "approvals", "notifications"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of a person's notices; `readable`: he may open the record it is about."""

    id: int
    kind: str
    title: str
    body: str
    entity: str
    record: int | None
    at: datetime
    read: bool
    readable: bool


# --- reading -----------------------------------------------------------------------------------
def mine(
    unit: Unit, *, size: int = 30, before: int | None = None, only_unread: bool = False
) -> list[Notice]:
    """The actor's notices, newest first; `before` is the id of the last one seen."""
    wanted = sa.select(_NOTICE).where(_NOTICE.c.user_id == unit.actor.id)
    if only_unread:
        wanted = wanted.where(_NOTICE.c.read_at.is_(None))
    if before is not None:
        wanted = wanted.where(_NOTICE.c.id < min(before, BEYOND_IDS))
    rows = unit.connection.execute(wanted.order_by(_NOTICE.c.id.desc()).limit(size)).all()
    shown: set[tuple[str, int]] = set()
    for entity in {row.entity for row in rows if row.record_id}:
        ids = sorted({row.record_id for row in rows if row.entity == entity and row.record_id})
        shown |= {(entity, id) for id in visible(unit, entity, ids)}
    return [
        Notice(
            id=row.id,
            kind=row.kind,
            title=row.title,
            body=row.body,
            entity=row.entity,
            record=row.record_id,
            at=row.at,
            read=row.read_at is not None,
            readable=(row.entity, row.record_id) in shown,
        )
        for row in rows
    ]


def unread(unit: Unit) -> int:
    """How many notices the actor has not read, counted up to `COUNTED`: one look at an index."""

    def build() -> sa.Select[Any]:
        me = sa.bindparam("me", type_=_NOTICE.c.user_id.type)
        inner = (
            sa.select(_NOTICE.c.id)
            .where(_NOTICE.c.user_id == me, _NOTICE.c.read_at.is_(None))
            .limit(COUNTED)
        )
        return sa.select(sa.func.count().label("n")).select_from(inner.subquery())

    statement = unit.app.statement(("notices unread",), build)
    return int(statement.scalar(unit.connection, {"me": unit.actor.id}))


def mark_read(unit: Unit, ids: Iterable[int] | None = None) -> int:
    """Note that the actor has read some of his notices, or (None) all; how many were unread."""
    statement = sa.update(_NOTICE).where(
        _NOTICE.c.user_id == unit.actor.id, _NOTICE.c.read_at.is_(None)
    )
    if ids is not None:
        wanted = [id for id in ids if 0 < id < BEYOND_IDS][:1_000]
        statement = statement.where(_NOTICE.c.id.in_(wanted))
    return unit.connection.execute(statement.values(read_at=unit.now)).rowcount


# --- telling -----------------------------------------------------------------------------------
def tell(
    unit: Unit,
    users: Iterable[int],
    kind: str,
    key: str,
    title: Label,
    body: Label | None = None,
    *,
    entity: str = "",
    record: int | None = None,
) -> int:
    """Tell people something that is not about a step of a workflow; how many were told for the
    first time. `key` names the occasion: nobody is told twice of one. The words are said as they
    are; whoever says them answers for what is in them."""
    assert kind in KINDS, kind
    told = 0
    ways = _personal(unit)
    for reader in _open_accounts(unit, users, {unit.actor.id}):
        said = Written(
            text_of(title, reader.language), text_of(body or {}, reader.language), "none"
        )
        line = _Line(kind, key, entity, record, None)
        told += _deliver(unit, reader, line, said, ways)
    return told


@dataclass(frozen=True, slots=True)
class _Line:
    kind: str
    key: str
    entity: str
    record: int | None
    instance: int | None


def _deliver(
    unit: Unit, reader: Actor, line: _Line, said: Written, ways: Sequence[Channel]
) -> bool:
    """One line for one person, and what he wants to get of it elsewhere; whether it is news."""
    insert: Any = sqlite.insert if unit.app.dialect == "sqlite" else postgresql.insert
    added = unit.connection.execute(
        insert(_NOTICE)
        .values(
            id=unit.app.database.ids.next(unit.connection),
            user_id=reader.id,
            key=line.key,
            kind=line.kind,
            title=said.title,
            body=said.body,
            entity=line.entity,
            record_id=line.record,
            instance_id=line.instance,
            at=unit.now,
        )
        .on_conflict_do_nothing(index_elements=["user_id", "key"])
        .returning(_NOTICE.c.id)
    ).first()
    if added is None:
        return False
    if ways:
        _send(unit, reader, line, said, ways)
    return True


def _send(unit: Unit, reader: Actor, line: _Line, said: Written, ways: Sequence[Channel]) -> None:
    chosen: Preferences = preferences(unit.connection, reader.id)
    zone = ZoneInfo(reader.timezone or unit.app.model.timezone)
    for way in ways:
        if not chosen.wants(line.kind, way.name) or not _address(unit, reader.id, way):
            continue
        page: Page = "notifications"
        if said.level != "none" and line.record is not None:
            page = "record" if said.level == "reads" else "approvals"
        outbox.post(
            unit,
            f"{line.key}:{reader.id}:{way.id}",
            "send",
            {
                "title": said.title,
                "text": said.body,
                "kind": line.kind,
                "page": page,
                "entity": line.entity,
                "record": line.record,
                "language": reader.language,
            },
            channel=way.name,
            user=reader.id,
            instance=line.instance,
            at=chosen.at(line.kind, unit.now, zone),
        )


def _address(unit: Unit, user: int, way: Channel) -> bool:
    """Whether the person can be reached by a channel at all."""
    kind = way.offered
    if kind is None:
        return False
    column = _USER.c[kind.address]
    return bool(unit.connection.scalar(sa.select(column).where(_USER.c.id == user)))


def _personal(unit: Unit) -> list[Channel]:
    return [one for one in channels(unit.connection) if one.enabled and one.personal]


def _open_accounts(unit: Unit, users: Iterable[int], but: set[int | None]) -> list[Actor]:
    found = []
    for user in dict.fromkeys(users):
        if user in but or not 0 < user < BEYOND_IDS:
            continue
        actor = people.actor_of(unit.connection, user, unit.app.model)
        if actor is not None:
            found.append(actor)
    return found


# --- effects of workflows ----------------------------------------------------------------------
def told(unit: Unit, row: Mapping[str, Any]) -> None:
    """An effect that tells people: notify, remind, escalate, task, cc."""
    body = row["body"]
    data = body.get("data", {})
    notice = unit.app.model.notices.get(str(data.get("template", "")))
    kind = (notice.kind if notice else "") or KIND_OF[row["kind"]]
    about = about_effect(unit, row)
    line = _Line(kind, _key(row), about.entity, about.record, about.instance)
    ways = _personal(unit)
    # in one order for all, so that two effects of a step never wait for each other
    for reader in _open_accounts(unit, sorted(body.get("to", ())), {about.by}):
        said = Writer(as_reader(unit, reader), about).write(notice, kind)
        _deliver(unit, reader, line, said, ways)
    for name in data.get("channels", ()):
        _post_to_group(unit, row, str(name), about, notice, kind)


def _key(row: Mapping[str, Any]) -> str:
    """One line for each step, kind of effect and text, however many effects there are."""
    body = row["body"]
    template = str(body.get("data", {}).get("template", ""))
    parts = (row["instance_id"] or row["key"], body.get("sequence", 0), row["kind"], template)
    return ":".join(str(part) for part in parts if part != "")


def _post_to_group(
    unit: Unit,
    row: Mapping[str, Any],
    name: str,
    about: About,
    notice: NoticeText | None,
    kind: str,
) -> None:
    """A message to a group's robot. A name that nobody has set up fails where administrators look:
    among the deliveries."""
    way = channel_named(unit.connection, name)
    if way is not None and (not way.enabled or way.personal):
        return
    said = Writer(as_reader(unit, _audience(unit, way)), about).write(notice, kind)
    page: Page = "record" if said.level == "reads" else "notifications"
    outbox.post(
        unit,
        f"{row['key']}:{name}",
        "send",
        {
            "title": said.title,
            "text": said.body,
            "kind": kind,
            "page": page,
            "entity": about.entity,
            "record": about.record,
            "language": unit.app.model.default_language,
        },
        channel=name,
        instance=about.instance,
    )


def _audience(unit: Unit, way: Channel | None) -> Actor:
    """Nobody in person, with the rights of the channel's role."""
    roles = frozenset({way.role}) if way is not None and way.role else frozenset()
    return Actor(0, "", roles=roles, language=unit.app.model.default_language)


def called(unit: Unit, row: Mapping[str, Any]) -> None:
    """The effect `webhook`: what happened, for a program, with what the channel's role may read."""
    body = row["body"]
    data = body.get("data", {})
    name = str(data.get("channel", ""))
    way = channel_named(unit.connection, name)
    if way is not None and not way.enabled:
        return
    about = about_effect(unit, row)
    writer = Writer(as_reader(unit, _audience(unit, way)), about)
    entity = unit.app.model.entities.get(about.entity)
    fields = {}
    if entity is not None and writer.level == "reads":
        fields = {
            name: bind(field).to_json(value)
            for name, field in entity.fields.items()
            if (value := sendable(field, writer.record.get(name))) is not None
        }
    payload = {
        "key": row["key"],
        "event": data.get("event") or f"{body.get('workflow', '')}.{body.get('state', '')}",
        "at": unit.now.isoformat(),
        "workflow": body.get("workflow", ""),
        "state": body.get("state", ""),
        "entity": about.entity,
        "record": about.record,
        "label": writer.label() if writer.level == "reads" else None,
        "fields": fields,
    }
    key = f"{row['key']}:{name}"
    outbox.post(unit, key, "webhook", {"payload": payload}, channel=name, instance=about.instance)


for _kind in KIND_OF:
    outbox.register(_kind, told)
outbox.register("webhook", called)
