"""Sharing single records by hand: with a person, or with a department and all below it.

A share opens a row, never a field and never a grade: what the receiver does with it is what his
own roles let him do with such records. Whoever holds the right `share` on a record gives and takes
back; to share for writing, one has to be allowed to write oneself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.access import compile_access
from engine.accounts.security_log import log_event
from engine.definitions.model import Entity
from engine.fields import DEPARTMENT, USER
from engine.problems import Problem
from engine.records import people
from engine.records.failures import Conflict, Forbidden, Invalid, NotFound
from engine.records.labels import names_of
from engine.records.notices import tell
from engine.records.reading import visible
from engine.records.unit import Unit
from engine.tables.system import DEPARTMENT as DEPARTMENTS
from engine.tables.system import SHARE

Level = Literal["read", "write"]
MOST: Final = 200  # shares of one record
FARTHEST: Final = timedelta(days=366 * 5)
_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class Share:
    """One share. `whom` is "user" or "department"; `until` the last day, None for no end."""

    id: int
    whom: Literal["user", "department"]
    target: int
    name: str
    level: Level
    until: date | None
    note: str
    by: str
    at: datetime
    ended: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to share: exactly one of `user` and `department`."""

    user: int | None = None
    department: int | None = None
    level: str = "read"
    until: date | None = None
    note: str = ""


def may_share(unit: Unit, entity: str, id: int) -> bool:
    """Whether the actor may share this record."""
    definition = unit.app.model.entities.get(entity)
    if definition is None or "shared" not in definition.traits:
        return False
    return bool(visible(unit, entity, [id], action="share"))


def shares_of(unit: Unit, entity: str, id: int) -> list[Share]:
    """With whom a record is shared, for those who may share it; the latest first.

    Raises: NotFound, Forbidden.
    """
    _asked(unit, entity, id)
    found = unit.connection.execute(
        sa.select(SHARE)
        .where(SHARE.c.entity == entity, SHARE.c.record_id == id)
        .order_by(SHARE.c.id.desc())
        .limit(MOST)
    ).all()
    wanted: dict[str, list[int]] = {USER: [], DEPARTMENT: []}
    for row in found:
        wanted[USER] += [one for one in (row.user_id, row.by_id) if one]
        wanted[DEPARTMENT] += [row.department_id] if row.department_id else []
    names = names_of(unit, wanted)
    today = unit.now.astimezone(unit.company_zone).date()
    return [_share(row, names, today) for row in found]


def share(unit: Unit, entity: str, id: int, wish: Wish) -> int:
    """Share a record, or change how it is shared with the same receiver; the share's id.

    Raises: NotFound, Forbidden, Invalid for a bad receiver, level or day, Conflict when the
    receiver's roles let him see no such records at all (J104) or there are too many shares.
    """
    definition = _asked(unit, entity, id)
    _sound(unit, wish)
    if wish.level == "write" and not visible(unit, entity, [id], action="write"):
        raise Forbidden("write", entity=definition.title)
    if wish.user is not None:
        _usable(unit, definition, wish)
    same = sa.and_(
        SHARE.c.entity == entity,
        SHARE.c.record_id == id,
        SHARE.c.user_id == wish.user if wish.user else SHARE.c.department_id == wish.department,
    )
    values: dict[str, Any] = {
        "level": wish.level,
        "until": wish.until.isoformat() if wish.until else None,
        "note": wish.note.strip()[:_NOTE],
        "by_id": unit.actor.id or None,
        "at": unit.now,
    }
    known = unit.connection.scalar(sa.select(SHARE.c.id).where(same))
    if known is not None:
        unit.connection.execute(sa.update(SHARE).where(SHARE.c.id == known).values(**values))
    else:
        known = _add(unit, entity, id, wish, values)
    _noted(unit, "share.given", entity, id, wish)
    if wish.user is not None:
        _told(unit, definition, id, wish, known)
    return int(known)


def take_back(unit: Unit, entity: str, id: int, share_id: int) -> None:
    """End a share.

    Raises: NotFound, Forbidden.
    """
    _asked(unit, entity, id)
    mine = sa.and_(SHARE.c.id == share_id, SHARE.c.entity == entity, SHARE.c.record_id == id)
    row = unit.connection.execute(sa.select(SHARE).where(mine)).one_or_none()
    if row is None:
        raise NotFound
    unit.connection.execute(sa.delete(SHARE).where(mine))
    _noted(unit, "share.taken", entity, id, Wish(row.user_id, row.department_id, row.level))


def _asked(unit: Unit, entity: str, id: int) -> Entity:
    definition = unit.entity(entity)
    if "shared" not in definition.traits or not visible(unit, entity, [id]):
        raise NotFound
    if not visible(unit, entity, [id], action="share"):
        raise Forbidden("share", entity=definition.title)
    return definition


def _sound(unit: Unit, wish: Wish) -> None:
    if (wish.user is None) == (wish.department is None):
        raise Invalid([Problem("J101", {}, "/to")])
    if wish.level not in {"read", "write"}:
        raise Invalid([Problem("J102", {"level": wish.level[:20]}, "/level")])
    today = unit.now.astimezone(unit.company_zone).date()
    if wish.until is not None and not today <= wish.until <= today + FARTHEST:
        raise Invalid([Problem("J103", {"day": wish.until.isoformat()}, "/until")])
    if wish.department is not None:
        here = sa.and_(DEPARTMENTS.c.id == wish.department, DEPARTMENTS.c.removed_at.is_(None))
        if unit.connection.scalar(sa.select(DEPARTMENTS.c.id).where(here)) is None:
            raise Invalid([Problem("J105", {}, "/to")])


def _usable(unit: Unit, entity: Entity, wish: Wish) -> None:
    """A share that would open nothing is told at once, instead of being wondered about later."""
    assert wish.user is not None
    if wish.user == unit.actor.id:
        raise Invalid([Problem("J106", {}, "/to")])
    receiver = people.actor_of(unit.connection, wish.user, unit.app.model)
    if receiver is None:
        raise Invalid([Problem("J105", {}, "/to")])
    theirs = compile_access(unit.app.model, entity, receiver.roles)
    if not theirs.may("write" if wish.level == "write" else "read"):
        about = {"name": receiver.name, "entity": entity.plural}
        raise Conflict([Problem("J104" if wish.level == "read" else "J108", about, "/to")])


def _add(unit: Unit, entity: str, id: int, wish: Wish, values: dict[str, Any]) -> int:
    there = sa.and_(SHARE.c.entity == entity, SHARE.c.record_id == id)
    count = sa.select(sa.func.count()).select_from(SHARE).where(there)
    if (unit.connection.scalar(count) or 0) >= MOST:
        raise Conflict([Problem("J107", {"most": MOST})])
    key = unit.app.database.ids.next(unit.connection)
    whom = {"user_id": wish.user, "department_id": wish.department}
    unit.connection.execute(
        sa.insert(SHARE).values(id=key, entity=entity, record_id=id, **whom, **values)
    )
    return key


def _noted(unit: Unit, kind: str, entity: str, id: int, wish: Wish) -> None:
    log_event(
        unit.connection,
        unit.now,
        kind,
        user=unit.actor.id or None,
        about=(entity, id),
        details={
            "to": wish.user or wish.department,
            "whom": "user" if wish.user else "department",
            "level": wish.level,
            "until": wish.until.isoformat() if wish.until else "",
        },
    )


def _told(unit: Unit, entity: Entity, id: int, wish: Wish, share_id: int) -> None:
    """The receiver hears of it; what the record is called he reads when he opens it."""
    assert wish.user is not None
    name = unit.actor.name
    title = {
        "zh-CN": f"{name} 与您共享了一条{entity.title.get('zh-CN', '')}",
        "en": f"{name} shared a record with you: {entity.title.get('en', entity.name)}",
    }
    key = f"share:{share_id}:{unit.now.isoformat()}"
    body = {"zh-CN": wish.note.strip()[:_NOTE], "en": wish.note.strip()[:_NOTE]}
    tell(unit, [wish.user], "system", key, title, body, entity=entity.name, record=id)


def _share(row: Any, names: Any, today: date) -> Share:
    until = date.fromisoformat(row.until) if row.until else None
    whom: Literal["user", "department"] = "user" if row.user_id else "department"
    target = row.user_id or row.department_id
    return Share(
        id=row.id,
        whom=whom,
        target=target,
        name=names.label(USER if row.user_id else DEPARTMENT, target),
        level=row.level,
        until=until,
        note=row.note,
        by=names.label(USER, row.by_id) if row.by_id else "",
        at=row.at,
        ended=until is not None and until < today,
    )
