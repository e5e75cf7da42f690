"""What a person is to other people: superior, head, member, stand-in. And what names him for good:
definitions, which only their authors can change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import text_of
from engine.problems import Problem
from engine.records import groups, sharing
from engine.records.history import note
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.tables import system

_USER, _ROLE, _DEPT = system.USER, system.USER_ROLE, system.DEPARTMENT
_AWAY = system.WF_DELEGATION


@dataclass(frozen=True, slots=True)
class Part:
    """`names` lists what there is of a person, `move` gives it to another and says how much."""

    names: Callable[[Unit, int], list[str]]
    move: Callable[[Unit, int, int], int]


# --- subordinates ------------------------------------------------------------------------------
def _subordinates(unit: Unit, user: int) -> list[str]:
    found = sa.select(_USER.c.name).where(_USER.c.manager_id == user, _USER.c.disabled_at.is_(None))
    return list(unit.connection.scalars(found.order_by(_USER.c.name)))


def _move_subordinates(unit: Unit, user: int, to: int) -> int:
    """His people get the successor as their superior. A successor from below rises to his own
    superior, so that nobody comes to stand above himself."""
    bosses: dict[int, int | None] = {
        row.id: row.manager_id
        for row in unit.connection.execute(sa.select(_USER.c.id, _USER.c.manager_id))
    }
    concerned = [one for one, boss in bosses.items() if boss == user]
    if user in _above(bosses, to):
        _set_manager(unit, to, bosses[to], bosses[user])
    for one in concerned:
        if one != to:
            _set_manager(unit, one, user, to)
    return len(concerned)


def _above(bosses: Mapping[int, int | None], user: int) -> list[int]:
    found: list[int] = []
    here = bosses.get(user)
    while here is not None and here not in found:
        found.append(here)
        here = bosses.get(here)
    return found


def _set_manager(unit: Unit, user: int, before: int | None, after: int | None) -> None:
    change = sa.update(_USER).where(_USER.c.id == user)
    unit.connection.execute(change.values(manager_id=after, version=_USER.c.version + 1))
    note(unit, "@user", user, 1, "handover", {"manager": [before, after]})


# --- departments -------------------------------------------------------------------------------
def _departments(unit: Unit, user: int) -> list[str]:
    found = sa.select(_DEPT.c.name).where(_DEPT.c.manager_id == user, _DEPT.c.removed_at.is_(None))
    return list(unit.connection.scalars(found.order_by(_DEPT.c.name)))


def _move_departments(unit: Unit, user: int, to: int) -> int:
    headed = list(unit.connection.scalars(sa.select(_DEPT.c.id).where(_DEPT.c.manager_id == user)))
    change = sa.update(_DEPT).where(_DEPT.c.manager_id == user)
    unit.connection.execute(change.values(manager_id=to))
    for department in headed:
        note(unit, "@department", department, 1, "handover", {"manager": [user, to]})
    return len(headed)


# --- groups and stand-ins ----------------------------------------------------------------------
def _groups(unit: Unit, user: int) -> list[str]:
    return [one.name for one in groups.groups(unit.connection) if user in one.members]


def _standing(unit: Unit, user: int) -> list[Any]:
    """The arrangements in which he stands in for others, now or in future."""
    return list(
        unit.connection.execute(
            sa.select(_AWAY, _USER.c.name)
            .join(_USER, _USER.c.id == _AWAY.c.user_id)
            .where(
                _AWAY.c.agent_id == user,
                sa.or_(_AWAY.c.until_at.is_(None), _AWAY.c.until_at > unit.now),
                sa.or_(_AWAY.c.until_at.is_(None), _AWAY.c.until_at > _AWAY.c.from_at),
            )
            .order_by(_AWAY.c.id)
        )
    )


def _move_standing(unit: Unit, user: int, to: int) -> int:
    """The successor stands in from now on; for himself nobody needs to."""
    found = _standing(unit, user)
    for row in found:
        change = sa.update(_AWAY).where(_AWAY.c.id == row.id)
        if row.user_id == to:
            over = max(unit.now, row.from_at)
            unit.connection.execute(change.values(until_at=over))
        else:
            unit.connection.execute(change.values(agent_id=to))
        note(unit, "@delegation", row.id, 2, "handover", {"agent": [user, to]})
    return len(found)


# --- what is shared with him --------------------------------------------------------------------
def _shared(unit: Unit, user: int) -> list[str]:
    """The records that others shared with him; those that whoever asks does not see, by their
    kind."""
    wanted: dict[str, list[int]] = {}
    for entity, id in sharing.held_by(unit, user):
        wanted.setdefault(entity, []).append(id)
    names, known = names_of(unit, wanted), unit.app.model.entities
    return [
        names.labels.get((entity, id)) or text_of(known[entity].title, unit.language)
        for entity, ids in wanted.items()
        for id in ids
    ]


PARTS: Final[Mapping[str, Part]] = {
    "subordinates": Part(_subordinates, _move_subordinates),
    "departments": Part(_departments, _move_departments),
    "groups": Part(_groups, groups.replace_member),
    "agents": Part(
        lambda unit, user: [str(row.name) for row in _standing(unit, user)], _move_standing
    ),
    "shares": Part(_shared, sharing.hand_over),
}


# --- what cannot be moved ----------------------------------------------------------------------
def remarks(unit: Unit, user: int) -> list[Problem]:
    """What will still ask a person: workflows that name him, roles that only he holds."""
    row = unit.connection.execute(
        sa.select(_USER.c.login, _USER.c.name).where(_USER.c.id == user)
    ).one()
    found = [
        Problem("H150", {"workflow": flow.title, "name": row.name})
        for flow in unit.app.model.workflows.values()
        if _names_him(flow.chart, {row.login, user})
    ]
    mine = sa.select(_ROLE.c.role).where(_ROLE.c.user_id == user)
    for role in unit.connection.scalars(mine):
        holders = unit.connection.scalar(
            sa.select(sa.func.count())
            .select_from(_ROLE)
            .join(_USER, _USER.c.id == _ROLE.c.user_id)
            .where(_ROLE.c.role == role, _ROLE.c.user_id != user, _USER.c.disabled_at.is_(None))
        )
        known = unit.app.model.roles.get(role)
        if not holders and known is not None:
            found.append(Problem("H151", {"role": known.title, "name": row.name}))
    return found


def _names_him(document: object, names: set[object]) -> bool:
    """Whether a chart asks a person by login or id, or weighs his vote."""
    if isinstance(document, list | tuple):
        return any(_names_him(one, names) for one in document)
    if not isinstance(document, Mapping):
        return False
    said = document.get("user")
    weights = document.get("weights")
    if isinstance(said, str | int) and said in names:
        return True
    if isinstance(weights, Mapping) and names & set(weights):
        return True
    return any(_names_him(one, names) for one in document.values())
