"""Groups of people across departments: a committee, the duty rota, the tender team.

Workflows name a group by its key. Groups are data, not definitions: an administrator makes them
while people work, so a key that no group has names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.unit import Unit
from engine.tables import system

_GROUP, _MEMBER, _USER = system.GROUP, system.GROUP_MEMBER, system.USER
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
LONGEST: Final = 100
MOST: Final = 500  # members of one group


@dataclass(frozen=True, slots=True)
class Group:
    """A group with the ids of its members, ascending."""

    id: int
    key: str
    name: str
    members: tuple[int, ...]


def members(connection: sa.Connection, key: str) -> list[int]:
    """The people in a group whose accounts are open, ascending; nobody for an unknown key."""
    return list(
        connection.scalars(
            sa.select(_MEMBER.c.user_id)
            .join(_GROUP, _GROUP.c.id == _MEMBER.c.group_id)
            .join(_USER, _USER.c.id == _MEMBER.c.user_id)
            .where(
                _GROUP.c.key == key, _GROUP.c.removed_at.is_(None), _USER.c.disabled_at.is_(None)
            )
            .order_by(_MEMBER.c.user_id)
        )
    )


def groups(connection: sa.Connection) -> list[Group]:
    """All groups by name, with everybody in them, be the account closed."""
    inside: dict[int, list[int]] = {}
    rows = sa.select(_MEMBER.c.group_id, _MEMBER.c.user_id).order_by(_MEMBER.c.user_id)
    for group, user in connection.execute(rows):
        inside.setdefault(group, []).append(user)
    found = connection.execute(
        sa.select(_GROUP).where(_GROUP.c.removed_at.is_(None)).order_by(_GROUP.c.name, _GROUP.c.id)
    )
    return [Group(row.id, row.key, row.name, tuple(inside.get(row.id, ()))) for row in found]


def group(connection: sa.Connection, key: str) -> Group:
    """One group.

    Raises: NotFound.
    """
    found = next((one for one in groups(connection) if one.key == key), None)
    if found is None:
        raise NotFound
    return found


def create_group(unit: Unit, key: str, name: str, users: Iterable[int] = ()) -> int:
    """A new group; its id. A removed group's key may be used again: it comes back empty.

    Raises: NotFound for who may not, Invalid for a bad key, name or member, Conflict when the key
    is taken.
    """
    _allowed(unit)
    if not _KEY.match(key):
        raise Invalid([Problem("H101", pointer="/key")])
    name = _name(name)
    known = unit.connection.execute(sa.select(_GROUP).where(_GROUP.c.key == key)).first()
    if known is not None and known.removed_at is None:
        raise Conflict([Problem("H102", {"key": key}, "/key")])
    if known is not None:
        id = int(known.id)
        again = sa.update(_GROUP).where(_GROUP.c.id == id).values(name=name, removed_at=None)
        unit.connection.execute(again)
    else:
        id = unit.app.database.ids.next(unit.connection)
        unit.connection.execute(sa.insert(_GROUP).values(id=id, key=key, name=name))
    _set(unit, id, users)
    return id


def change_group(unit: Unit, key: str, name: str, users: Iterable[int]) -> None:
    """Rename a group and say who is in it. The key stays: workflows name it.

    Raises: NotFound, Invalid.
    """
    _allowed(unit)
    found = group(unit.connection, key)
    rename = sa.update(_GROUP).where(_GROUP.c.id == found.id)
    unit.connection.execute(rename.values(name=_name(name)))
    _set(unit, found.id, users, known=found.members)


def remove_group(unit: Unit, key: str) -> None:
    """Dissolve a group that no published workflow asks.

    Raises: NotFound, Conflict.
    """
    _allowed(unit)
    found = group(unit.connection, key)
    asking = [flow.title for flow in unit.app.model.workflows.values() if key in named(flow.chart)]
    if asking:
        raise Conflict([Problem("H105", {"workflow": asking[0], "name": found.name})])
    unit.connection.execute(sa.delete(_MEMBER).where(_MEMBER.c.group_id == found.id))
    gone = sa.update(_GROUP).where(_GROUP.c.id == found.id).values(removed_at=unit.now)
    unit.connection.execute(gone)


def replace_member(unit: Unit, user: int, by: int | None, keys: Iterable[str] = ()) -> int:
    """Put somebody else in a person's place, in all groups or the named ones; without `by` he only
    leaves them. How many groups that concerned."""
    wanted = set(keys)
    concerned = [
        one
        for one in groups(unit.connection)
        if user in one.members and (not wanted or one.key in wanted)
    ]
    for one in concerned:
        rest = [each for each in one.members if each != user]
        _write(unit, one.id, sorted({*rest, by} if by else set(rest)))
    return len(concerned)


def named(document: object) -> set[str]:
    """The keys of groups that a workflow's chart, or a part of it, names."""
    if isinstance(document, list | tuple):
        return {key for one in document for key in named(one)}
    if not isinstance(document, Mapping):
        return set()
    found = {key for one in document.values() for key in named(one)}
    said = document.get("group")
    return found | {said} if isinstance(said, str) else found


def _allowed(unit: Unit) -> None:
    if not unit.administers:
        raise NotFound


def _name(name: str) -> str:
    name = name.strip().replace("\x00", "")
    if not 1 <= len(name) <= LONGEST:
        raise Invalid([Problem("H103", {"most": LONGEST}, "/name")])
    return name


def _set(unit: Unit, id: int, users: Iterable[int], known: Iterable[int] = ()) -> None:
    """New members need an open account; who is in already may stay."""
    wanted = sorted(set(users))
    fresh = set(wanted) - set(known)
    open_ = set(
        unit.connection.scalars(
            sa.select(_USER.c.id).where(_USER.c.id.in_(fresh), _USER.c.disabled_at.is_(None))
        )
    )
    if len(wanted) > MOST or fresh - open_:
        raise Invalid([Problem("H104", {"most": MOST}, "/members")])
    _write(unit, id, wanted)


def _write(unit: Unit, id: int, users: Iterable[int]) -> None:
    unit.connection.execute(sa.delete(_MEMBER).where(_MEMBER.c.group_id == id))
    rows = [{"group_id": id, "user_id": user} for user in users]
    if rows:
        unit.connection.execute(sa.insert(_MEMBER), rows)
