"""What administrators see of the outbox and of timers, and what they may do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Conflict, Forbidden, Invalid
from engine.records.outbox.reasons import told
from engine.records.unit import Unit
from engine.tables import system

State = Literal["waiting", "failing", "dead", "discarded", "done"]
STATES: Final[Sequence[State]] = ("waiting", "failing", "dead", "discarded", "done")
LOG: Final = "@outbox"
"""The entity under which the history keeps what administrators did here."""

_O, _T, _I, _H = system.OUTBOX.c, system.WF_TIMER.c, system.WF_INSTANCE.c, system.HISTORY


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows are in each state; `timers`: that failed and wait for their next try."""

    waiting: int = 0
    failing: int = 0
    dead: int = 0
    timers: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the outbox, as the page shows it. `entity` and `record`: what it is about."""

    id: int
    key: str
    kind: str
    channel: str
    state: State
    created_at: datetime
    next_try: datetime | None
    ended_at: datetime | None
    attempts: int
    error: str
    user: int | None
    instance: int | None
    entity: str
    record: int | None
    workflow: str
    by: int | None = None  # who sent it again or discarded it, and when
    by_at: datetime | None = None

    def reason(self, language: str) -> str:
        """Why the last attempt failed, in words."""
        return told(self.error, language)


@dataclass(frozen=True, slots=True)
class FailingTimer:
    """A timer whose step failed."""

    id: int
    name: str
    state: str
    workflow: str
    entity: str
    record: int
    instance: int
    due: datetime
    next_try: datetime | None
    attempts: int
    error: str

    def reason(self, language: str) -> str:
        """Why it failed, in words."""
        return told(self.error, language)


def state_is(state: State) -> sa.ColumnElement[bool]:
    """Which rows are in a state."""
    match state:
        case "waiting":
            return sa.and_(_O.next_try.is_not(None), _O.attempts == 0)
        case "failing":
            return sa.and_(_O.next_try.is_not(None), _O.attempts > 0)
        case "dead":
            return sa.and_(_O.dead_at.is_not(None), _O.done_at.is_(None))
        case "discarded":
            return sa.and_(_O.dead_at.is_not(None), _O.done_at.is_not(None))
    return sa.and_(_O.dead_at.is_(None), _O.done_at.is_not(None))


def counts(unit: Unit) -> Counts:
    """What waits, fails and was given up."""
    _administers(unit)

    def many(table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        wanted = sa.select(sa.func.count()).select_from(table).where(*where)
        return int(unit.connection.scalar(wanted) or 0)

    found = {name: many(system.OUTBOX, state_is(name)) for name in ("waiting", "failing", "dead")}
    return Counts(**found, timers=many(system.WF_TIMER, _T.attempts > 0))


def dead_count(unit: Unit) -> int:
    """How many rows were given up; cheap enough for every page of an administrator."""
    wanted = sa.select(sa.func.count()).select_from(system.OUTBOX).where(state_is("dead"))
    return int(unit.connection.scalar(wanted) or 0)


def dead_letters(unit: Unit, *, size: int = 50, before: int | None = None) -> list[Letter]:
    """What was given up, the newest first."""
    return letters(unit, states=("dead",), size=size, before=before)


def letters(
    unit: Unit,
    *,
    states: Iterable[State] = ("waiting", "failing", "dead"),
    kind: str | None = None,
    channel: str | None = None,
    size: int = 50,
    before: int | None = None,
) -> list[Letter]:
    """Rows of the outbox, the newest first; `channel` "" is the platform's own work."""
    _administers(unit)
    found: dict[int, Any] = {}
    for state in states:  # one by one, because each has an index of its own
        among = sa.select(_O.id).where(state_is(state))
        if kind is not None:
            among = among.where(_O.kind == kind)
        if channel is not None:
            among = among.where(_O.channel == channel)
        if before is not None:
            among = among.where(_O.id < before)
        wanted = sa.select(system.OUTBOX).where(_O.id.in_(among))
        rows = unit.connection.execute(wanted.order_by(_O.id.desc()).limit(size)).mappings()
        found |= {row["id"]: row for row in rows}
    newest = [found[id] for id in sorted(found, reverse=True)[:size]]
    acts = _acts(unit, [row["id"] for row in newest])
    return [_letter(row, acts.get(row["id"])) for row in newest]


def _letter(row: Any, act: Any) -> Letter:
    body = row["body"] if isinstance(row["body"], dict) else {}
    record = body.get("record")
    return Letter(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        channel=row["channel"],
        state=_state(row),
        created_at=row["created_at"],
        next_try=row["next_try"],
        ended_at=row["done_at"] or row["dead_at"],
        attempts=row["attempts"],
        error=row["error"],
        user=row["user_id"],
        instance=row["instance_id"],
        entity=str(body.get("entity") or ""),
        record=record if isinstance(record, int) else None,
        workflow=str(body.get("workflow") or ""),
        by=act.by_id if act else None,
        by_at=act.at if act else None,
    )


def _state(row: Any) -> State:
    if row["next_try"] is not None:
        return "failing" if row["attempts"] else "waiting"
    if row["dead_at"] is not None:
        return "dead" if row["done_at"] is None else "discarded"
    return "done"


def _acts(unit: Unit, ids: Sequence[int]) -> dict[int, Any]:
    """Who did something about the rows last."""
    wanted = (
        sa.select(_H.c.record_id, _H.c.by_id, _H.c.at)
        .where(_H.c.entity == LOG, _H.c.record_id.in_(ids))
        .order_by(_H.c.id)
    )
    return {row.record_id: row for row in unit.connection.execute(wanted)}


def kinds(unit: Unit) -> list[tuple[str, str]]:
    """The channels and kinds that there are rows of, as far as they are not done."""
    _administers(unit)
    wanted = sa.union(
        sa.select(_O.channel, _O.kind).where(_O.next_try.is_not(None)),
        sa.select(_O.channel, _O.kind).where(_O.dead_at.is_not(None)),
    )
    return sorted((row.channel, row.kind) for row in unit.connection.execute(wanted))


# --- what may be done about it -----------------------------------------------------------------
def send_again(unit: Unit, ids: Iterable[int]) -> int:
    """Have rows tried now that were given up or wait for their next try, with all attempts before
    them; how many.

    Raises: Forbidden, Invalid for a row that is not there, Conflict for one that is done.
    """
    return _all(
        unit,
        ids,
        "send_again",
        {
            "next_try": unit.now,  # a lease stays: somebody is sending it
            "attempts": 0,
            "dead_at": None,
        },
    )


def discard(unit: Unit, ids: Iterable[int], why: str = "") -> int:
    """Never try rows again; how many. Raises: as `send_again`."""
    return _all(
        unit,
        ids,
        "discard",
        {
            "next_try": None,
            "lease_until": None,
            "done_at": unit.now,
            "dead_at": unit.now,
        },
        why,
    )


def _all(unit: Unit, ids: Iterable[int], action: str, values: dict[str, Any], why: str = "") -> int:
    _administers(unit)
    wanted = list(dict.fromkeys(ids))
    for id in wanted:
        row = unit.connection.execute(
            sa.select(_O.kind, _O.key, _O.attempts, _O.done_at).where(_O.id == id).with_for_update()
        ).first()
        if row is None:
            raise Invalid([Problem("Q105", {"id": id})])
        if row.done_at is not None:
            raise Conflict([Problem("Q106", {"id": id, "kind": row.kind})])
        unit.connection.execute(sa.update(system.OUTBOX).where(_O.id == id).values(values))
        _log(unit, id, action, row, why)
    unit.posted = unit.posted or bool(wanted)
    return len(wanted)


def _log(unit: Unit, id: int, action: str, row: Any, why: str) -> None:
    values = {
        "id": unit.app.database.ids.next(unit.connection),
        "entity": LOG,
        "record_id": id,
        "version": row.attempts,
        "action": action,
        "at": unit.now,
        "by_id": unit.actor.id or None,
        "source": unit.source,
        "changes": {"kind": [row.kind, row.kind], "key": [row.key, row.key]},
        "comment": why[:500],
        "version_id": unit.app.version,
    }
    unit.connection.execute(sa.insert(_H).values(values))


# --- timers ------------------------------------------------------------------------------------
def failing_timers(unit: Unit, *, size: int = 100) -> list[FailingTimer]:
    """The timers that failed and wait for their next try, the next one first."""
    _administers(unit)
    wanted = (
        sa.select(system.WF_TIMER, _I.workflow, _I.entity, _I.record_id)
        .join(system.WF_INSTANCE, _I.id == _T.instance_id)
        .where(_T.attempts > 0)
        .order_by(_T.lease_until, _T.id)
        .limit(size)
    )
    return [
        FailingTimer(
            id=row.id,
            name=row.name,
            state=row.state,
            workflow=row.workflow,
            entity=row.entity,
            record=row.record_id,
            instance=row.instance_id,
            due=row.due,
            next_try=row.lease_until,
            attempts=row.attempts,
            error=row.error,
        )
        for row in unit.connection.execute(wanted)
    ]


def try_timers(unit: Unit, ids: Iterable[int]) -> int:
    """Have failing timers tried now; how many. One that is gone needs no more trying."""
    _administers(unit)
    done = unit.connection.execute(
        sa.update(system.WF_TIMER)
        .where(_T.id.in_(list(ids)), _T.attempts > 0)
        .values(lease_until=None)
    )
    unit.posted = True
    return int(done.rowcount)


def _administers(unit: Unit) -> None:
    if not unit.administers:
        raise Forbidden("read")
