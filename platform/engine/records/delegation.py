"""Stand-ins: who decides for somebody who is away, from when until when, in which workflows.

A time is half open: it begins with `since` and no longer holds at `until`. Tasks that open within
it go to the agent; the chain is followed when the agent is away too. What was open before moves
only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from engine.definitions.model import Label
from engine.problems import Problem
from engine.records import notices
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows.moving import Moved, lend_tasks
from engine.records.history import note
from engine.records.unit import Unit
from engine.tables import system

_AWAY, _USER = system.WF_DELEGATION, system.USER
LOG: Final = "@delegation"  # its lines in the history
Phase = Literal["now", "future", "past"]


@dataclass(frozen=True, slots=True)
class Delegation:
    """One arrangement. `workflow` "" is all of them; `until` None has no end yet."""

    id: int
    user: int
    agent: int
    workflow: str
    since: datetime
    until: datetime | None
    phase: Phase


@dataclass(frozen=True, slots=True)
class Arranged:
    """What `delegate` made: the arrangements' ids, and what became of open tasks."""

    ids: tuple[int, ...]
    moved: Moved


def delegate(
    unit: Unit,
    agent: int,
    since: datetime | None = None,
    until: datetime | None = None,
    workflows: Iterable[str] = (),
    *,
    user: int | None = None,
    open_tasks: bool = False,
) -> Arranged:
    """Let `agent` stand in for `user` (the actor himself unless told), for all workflows or the
    named ones. `open_tasks` also moves what waits now.

    Raises: NotFound for somebody else's affairs (an administrator may), Invalid for a bad agent or
    time, Conflict when it overlaps another arrangement or closes a circle.
    """
    user = user or unit.actor.id
    _allowed(unit, user)
    since = max(since or unit.now, unit.now)
    names = list(dict.fromkeys(workflows)) or [""]
    _check(unit, user, agent, since, until, names)
    ids = unit.app.database.ids.take(unit.connection, len(names))
    rows = [
        {
            "id": id,
            "user_id": user,
            "agent_id": agent,
            "workflow": name,
            "from_at": since,
            "until_at": until,
            "created_at": unit.now,
        }
        for id, name in zip(ids, names, strict=True)
    ]
    unit.connection.execute(sa.insert(_AWAY), rows)
    for id, name in zip(ids, names, strict=True):
        said = {"user": [None, user], "agent": [None, agent], "workflow": [None, name]}
        note(unit, LOG, id, 1, "create", said)
    _tell(unit, ids[0], user, agent, since, until)
    moved = Moved()
    if open_tasks and since <= unit.now:
        moved = lend_tasks(unit, user, agent, "")
    return Arranged(tuple(ids), moved)


def end_delegation(unit: Unit, id: int) -> None:
    """End an arrangement now; one that has not begun never will.

    Raises: NotFound for somebody else's, Conflict when it is over.
    """
    found = _find(unit, id)
    _allowed(unit, found.user)
    if found.phase == "past":
        raise Conflict([Problem("H126")])
    _end(unit, found)


def delegations(unit: Unit, user: int | None = None) -> list[Delegation]:
    """The arrangements of a person, what holds first, then what is to come, then what is over.

    Raises: NotFound for somebody else's (an administrator may).
    """
    user = user or unit.actor.id
    _allowed(unit, user)
    found = _listed(unit, _AWAY.c.user_id == user)
    order = {"now": 0, "future": 1, "past": 2}
    return sorted(found, key=lambda one: (order[one.phase], -one.since.timestamp()))


def who_for(unit: Unit, agent: int | None = None) -> list[Delegation]:
    """For whom a person stands in, now or soon."""
    agent = agent or unit.actor.id
    _allowed(unit, agent)
    found = _listed(unit, _AWAY.c.agent_id == agent)
    return sorted((one for one in found if one.phase != "past"), key=lambda one: one.since)


def account_closed(unit: Unit, user: int) -> int:
    """Nobody stands in for others with a closed account, and nobody needs to for him; how many
    arrangements ended. His tasks moved before."""
    own = sa.or_(_AWAY.c.agent_id == user, _AWAY.c.user_id == user)
    ending = [one for one in _listed(unit, own) if one.phase != "past"]
    for one in ending:
        _end(unit, one)
    return len(ending)


# --- what may stand ----------------------------------------------------------------------------
def _allowed(unit: Unit, user: int) -> None:
    if user != unit.actor.id and not unit.administers:
        raise NotFound


def _check(
    unit: Unit,
    user: int,
    agent: int,
    since: datetime,
    until: datetime | None,
    names: Sequence[str],
) -> None:
    if agent == user or not _active(unit, agent) or not _active(unit, user):
        raise Invalid([Problem("H120", pointer="/agent")])
    if until is not None and until <= unit.now:
        raise Invalid([Problem("H125", pointer="/until")])
    if until is not None and until <= since:
        raise Invalid([Problem("H121", pointer="/until")])
    for name in names:
        if name and name not in unit.app.model.workflows:
            raise Invalid([Problem("H124", {"workflow": name}, "/workflows")])
    present = [one for one in _listed(unit, sa.true()) if one.phase != "past"]
    present = [one for one in present if _meets(one, since, until)]
    for one in present:
        if one.user == user and one.workflow in names:
            raise Conflict([Problem("H122", _when(unit, one), "/since")])
    for name in names:
        if circle := _circle(present, user, agent, name):
            names_of = _names(unit, circle)
            raise Conflict([Problem("H123", {"names": " → ".join(names_of)}, "/agent")])


def _meets(one: Delegation, since: datetime, until: datetime | None) -> bool:
    """Whether an arrangement holds at some moment of a time."""
    return (until is None or one.since < until) and (one.until is None or since < one.until)


def _circle(present: Sequence[Delegation], user: int, agent: int, workflow: str) -> list[int]:
    """The people of a circle that this arrangement would close: from the user to himself."""

    def walk(here: int, trail: list[int]) -> Iterator[list[int]]:
        for one in present:
            alike = not workflow or one.workflow in ("", workflow)
            if one.user != here or not alike:
                continue
            if one.agent == user:
                yield [*trail, user]
            elif one.agent not in trail:
                yield from walk(one.agent, [*trail, one.agent])

    return next(walk(agent, [user, agent]), [])


def _active(unit: Unit, user: int) -> bool:
    open_ = sa.select(_USER.c.id).where(_USER.c.id == user, _USER.c.disabled_at.is_(None))
    return unit.connection.execute(open_).first() is not None


# --- rows --------------------------------------------------------------------------------------
def _listed(unit: Unit, condition: sa.ColumnElement[bool]) -> list[Delegation]:
    rows = unit.connection.execute(sa.select(_AWAY).where(condition).order_by(_AWAY.c.id))
    return [_delegation(row, unit.now) for row in rows]


def _find(unit: Unit, id: int) -> Delegation:
    found = _listed(unit, _AWAY.c.id == id)
    if not found:
        raise NotFound
    return found[0]


def _delegation(row: sa.Row[tuple[object, ...]], now: datetime) -> Delegation:
    phase: Phase = "now"
    if row.until_at is not None and row.until_at <= max(now, row.from_at):
        phase = "past"
    elif row.from_at > now:
        phase = "future"
    return Delegation(
        row.id, row.user_id, row.agent_id, row.workflow, row.from_at, row.until_at, phase
    )


def _end(unit: Unit, one: Delegation) -> None:
    at = max(unit.now, one.since)
    unit.connection.execute(sa.update(_AWAY).where(_AWAY.c.id == one.id).values(until_at=at))
    before = one.until.isoformat() if one.until else None
    note(unit, LOG, one.id, 2, "change", {"until": [before, at.isoformat()]})


def _names(unit: Unit, users: Sequence[int]) -> list[str]:
    rows = unit.connection.execute(
        sa.select(_USER.c.id, _USER.c.name).where(_USER.c.id.in_(set(users)))
    )
    known = {row.id: row.name for row in rows}
    return [known.get(user, "?") for user in users]


def _when(unit: Unit, one: Delegation) -> dict[str, object]:
    return {
        "since": _local(unit, one.since),
        "until": _local(unit, one.until) if one.until else "…",
        "agent": _names(unit, [one.agent])[0],
    }


def _local(unit: Unit, moment: datetime) -> str:
    return moment.astimezone(unit.zone).strftime("%Y-%m-%d %H:%M")


def _tell(
    unit: Unit, id: int, user: int, agent: int, since: datetime, until: datetime | None
) -> None:
    """Let the agent know: he is asked from now on, and should not learn it from the first task."""
    [name] = _names(unit, [user])
    start, end = _local(unit, since), _local(unit, until) if until else "…"
    title: Label = {
        "zh-CN": f"您将代理{name}处理审批",
        "en": f"You stand in for {name}",
    }
    body: Label = {"zh-CN": f"{start} 至 {end}", "en": f"From {start} to {end}"}
    notices.tell(unit, [agent], "system", f"delegation:{id}", title, body)
