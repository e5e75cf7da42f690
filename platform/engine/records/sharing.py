"""Sharing single records by hand: with a person, or with a department and all below it.

A share opens a row, never a field and never a grade: what the receiver does with it is what his
own roles let him do with such records. Whoever holds the right `share` on a record gives and takes
back; to share for writing, one has to be allowed to write oneself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.access import compile_access
from engine.accounts.attempts import hold
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
from engine.records.views import row_filter, unit_env
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
    names = names_of(unit, _wanted(found))
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
    hold(unit.connection, f"share {entity} {id}")  # the same twice at once is one share
    same = sa.and_(
        SHARE.c.entity == entity,
        SHARE.c.record_id == id,
        SHARE.c.user_id == wish.user if wish.user else SHARE.c.department_id == wish.department,
    )
    values: dict[str, Any] = {
        "level": wish.level,
        "until": wish.until.isoformat() if wish.until else None,
        "note": _plain(wish.note),
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


def received(unit: Unit, entity: str, id: int) -> Share | None:
    """The share by which alone the actor sees a record: the one that lasts longest of those that
    others gave him, or a department above him. None when he would see it without as well."""
    definition = unit.entity(entity)
    if "shared" not in definition.traits or unit.actor.system:
        return None
    mine: list[sa.ColumnElement[bool]] = [SHARE.c.user_id == unit.actor.id]
    if unit.actor.above:
        mine.append(SHARE.c.department_id.in_(unit.actor.above))
    today = unit.now.astimezone(unit.company_zone).date()
    found = unit.connection.execute(
        sa.select(SHARE)
        .where(
            SHARE.c.entity == entity,
            SHARE.c.record_id == id,
            sa.or_(*mine),
            sa.or_(SHARE.c.until.is_(None), SHARE.c.until >= today.isoformat()),
        )
        .order_by(SHARE.c.until.desc(), SHARE.c.id)
    ).all()
    if not found or _seen_anyway(unit, definition, id):
        return None
    row = min(found, key=lambda one: one.until is not None)  # without an end first
    names = names_of(unit, _wanted([row]))
    return _share(row, names, today)


def _seen_anyway(unit: Unit, entity: Entity, id: int) -> bool:
    """Whether the actor would see the record if nothing was shared by hand."""
    alone = replace(entity, traits=entity.traits - {"shared"})
    may = compile_access(unit.app.model, alone, unit.actor.roles)["read"]
    names = unit.app.names(entity.name, unit_env(unit), plain=True)
    wanted = sa.select(names.table.c.id).where(names.table.c.id == id, row_filter(names, may))
    return unit.connection.scalar(wanted) is not None


def end_of_department(unit: Unit, department: int) -> int:
    """End the shares with a department that is closed; how many there were."""
    return _end(unit, SHARE.c.department_id == department)


def _end(unit: Unit, which: sa.ColumnElement[bool]) -> int:
    found = unit.connection.execute(sa.select(SHARE).where(which).order_by(SHARE.c.id)).all()
    unit.connection.execute(sa.delete(SHARE).where(which))
    for row in found:
        wish = Wish(row.user_id, row.department_id, row.level)
        _noted(unit, "share.taken", row.entity, row.record_id, wish)
    return len(found)


def held_by(unit: Unit, user: int) -> list[tuple[str, int]]:
    """The records that are shared with a person now, as (entity, id)."""
    today = unit.now.astimezone(unit.company_zone).date().isoformat()
    lasting = sa.or_(SHARE.c.until.is_(None), SHARE.c.until >= today)
    found = sa.select(SHARE.c.entity, SHARE.c.record_id).where(SHARE.c.user_id == user, lasting)
    rows = unit.connection.execute(found.order_by(SHARE.c.entity, SHARE.c.record_id))
    known = unit.app.model.entities
    return [(row.entity, row.record_id) for row in rows if row.entity in known]


def hand_over(unit: Unit, user: int, to: int) -> int:
    """Give what is shared with a person to his successor, level and end as they are; what the
    successor has already stays his as it is, and what is over goes. How many were handed over."""
    moved = 0
    theirs = {
        (row.entity, row.record_id)
        for row in unit.connection.execute(
            sa.select(SHARE.c.entity, SHARE.c.record_id).where(SHARE.c.user_id == to)
        )
    }
    current = set(held_by(unit, user))
    rows = unit.connection.execute(sa.select(SHARE).where(SHARE.c.user_id == user)).all()
    for row in rows:
        about = (row.entity, row.record_id)
        if about not in current or about in theirs:
            _end(unit, SHARE.c.id == row.id)
            continue
        unit.connection.execute(sa.update(SHARE).where(SHARE.c.id == row.id).values(user_id=to))
        until = date.fromisoformat(row.until) if row.until else None
        _noted(unit, "share.taken", *about, Wish(user, None, row.level))
        _noted(unit, "share.given", *about, Wish(to, None, row.level, until))
        moved += 1
    return moved


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


def _plain(note: str) -> str:
    return " ".join(note.replace("\x00", "").split())[:_NOTE]


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
    body = {"zh-CN": _plain(wish.note), "en": _plain(wish.note)}
    tell(unit, [wish.user], "system", key, title, body, entity=entity.name, record=id)


def _wanted(rows: Sequence[Any]) -> dict[str, list[int]]:
    """Whose names are needed to tell of shares."""
    wanted: dict[str, list[int]] = {USER: [], DEPARTMENT: []}
    for row in rows:
        wanted[USER] += [one for one in (row.user_id, row.by_id) if one]
        wanted[DEPARTMENT] += [row.department_id] if row.department_id else []
    return wanted


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
