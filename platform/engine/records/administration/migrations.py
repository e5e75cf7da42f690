"""Running cases moved to the published version, case by case, and put back.

Where each state leads is said by people. A case for which the mapping does not do stays as it is,
with the reason; so nothing is ever half moved, and a migration that was broken off is simply
carried on. What a case was before is kept with the migration until it is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.administration.commands import (
    located,
    only_administrators,
    reason_of,
    save_record,
)
from engine.records.administration.moves import (
    Mapped,
    check_mapping,
    older_versions,
    outcome_of_move,
    waiting_cases,
    workflow_of,
)
from engine.records.administration.versions import charts_of
from engine.records.company import Company
from engine.records.failures import Conflict, Failure, Invalid
from engine.records.flows import store
from engine.records.flows.cases import Situation
from engine.records.flows.env import BEYOND_IDS
from engine.records.unit import Actor, Unit
from engine.tables import system
from engine.workflow import (
    Chart,
    EventRow,
    Instance,
    Outcome,
    compile_chart,
    instance_from_json,
    to_json,
)

BATCH: Final = 50  # cases in one go; each is a transaction of its own
_DEFINITION, _INSTANCE, _TASK = system.WF_DEFINITION, system.WF_INSTANCE, system.WF_TASK
_CANDIDATE, _OUTBOX = system.WF_CANDIDATE, system.OUTBOX
_MIGRATION, _MIGRATED = system.WF_MIGRATION, system.WF_MIGRATED


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a migration has come: moved in this go, refused in this go, and where to go on
    (0: it is through)."""

    migration: int
    moved: int
    refused: tuple[tuple[int, Problem], ...]
    after: int


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing a migration did: the cases put back, and those somebody had touched since."""

    restored: tuple[int, ...]
    left: tuple[int, ...]


# --- carrying out ------------------------------------------------------------------------------
def begin_migration(
    unit: Unit,
    workflow: str,
    definitions: Sequence[int] | None,
    mapping: Mapped,
    reason: str,
) -> int:
    """Note down a migration to be carried out by `carry_on`; its number.

    Raises: Forbidden, Invalid without a reason or for a mapping that does not hold.
    """
    only_administrators(unit)
    reason = reason_of(reason)
    now = workflow_of(unit, workflow)
    older = older_versions(unit, workflow, definitions)
    check_mapping(charts_of(unit.connection, older).values(), compile_chart(now), mapping)
    id = unit.app.database.ids.next(unit.connection)
    unit.connection.execute(
        sa.insert(_MIGRATION).values(
            id=id,
            workflow=workflow,
            from_id=older[0] if len(older) == 1 else 0,
            to_id=store.definition_row(unit, now),
            mapping={"states": dict(mapping), "from": older},
            note=reason,
            by_id=unit.actor.id or None,
            at=unit.now,
        )
    )
    return id


def carry_on(
    company: Company,
    actor: Actor,
    migration: int,
    *,
    after: int = 0,
    most: int = BATCH,
    now: datetime | None = None,
) -> Progress:
    """Move the next cases of a migration, each in a transaction of its own. What was moved before
    is not moved again, so going on after a crash is safe.

    Raises: Forbidden, NotFound, Conflict when the published version is another one by now.
    """
    with company.unit(actor, now=now) as unit:
        only_administrators(unit)
        row = migration_row(unit, migration)
        ids = waiting_cases(unit, row["mapping"]["from"], after, most + 1)
    refused: list[tuple[int, Problem]] = []
    count = 0
    for id in ids[:most]:
        try:
            with company.unit(actor, write=True, now=now, source="workflow") as unit:
                count += _move(unit, row, id)
        except Failure as failure:
            refused.append((id, failure.problems[0]))
    return Progress(migration, count, tuple(refused), ids[most - 1] if len(ids) > most else 0)


def migrate(
    company: Company,
    actor: Actor,
    workflow: str,
    definitions: Sequence[int] | None,
    mapping: Mapped,
    reason: str,
    *,
    now: datetime | None = None,
    told: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """A whole migration; `told` hears of every batch. What is refused stays on its version.

    Raises: as `begin_migration`.
    """
    with company.unit(actor, write=True, now=now, source="workflow") as unit:
        id = begin_migration(unit, workflow, definitions, mapping, reason)
    refused: list[tuple[int, Problem]] = []
    moved_, after = 0, 0
    while True:
        step = carry_on(company, actor, id, after=after, now=now)
        moved_, after = moved_ + step.moved, step.after
        refused += step.refused
        told(step)
        if not after:
            return Progress(id, moved_, tuple(refused), 0)


def _move(unit: Unit, migration: Mapping[str, Any], id: int) -> bool:
    """One case, with everything it has; False when it was moved or ended meanwhile."""
    now = workflow_of(unit, migration["workflow"])
    if store.definition_row(unit, now) != migration["to_id"]:
        raise Conflict([Problem("C160", {"flow": now.title})])
    found = located(unit, id, lock=True)
    case = found.case
    pinned = _pinned(unit, id)
    if case.instance.done or pinned not in migration["mapping"]["from"]:
        return False
    mapping, reason = migration["mapping"]["states"], migration["note"]
    outcome = outcome_of_move(unit, found, now, mapping, reason)
    if outcome.problems:
        raise Invalid(outcome.problems)
    before = _snapshot(unit, found, pinned, [now.state_field, *outcome.changes])
    save_record(unit, found, compile_chart(now), outcome, reason)
    store.update(unit, case, outcome)
    unit.connection.execute(
        sa.update(_INSTANCE)
        .where(_INSTANCE.c.id == id)
        .values(definition_id=migration["to_id"], workflow=now.id)
    )
    _move_deadlines(unit, id, outcome)
    unit.connection.execute(
        sa.insert(_MIGRATED).values(
            migration_id=migration["id"], instance_id=id, before=before, version=case.version + 1
        )
    )
    return True


def _pinned(unit: Unit, id: int) -> int:
    wanted = sa.select(_INSTANCE.c.definition_id).where(_INSTANCE.c.id == id)
    return int(unit.connection.scalars(wanted).one())


def _move_deadlines(unit: Unit, id: int, outcome: Outcome) -> None:
    """Open tasks show the deadlines of the new version."""
    for task in outcome.instance.tasks:
        if task.status == "open":
            due = min((t.due for t in outcome.timers if t.state == task.state), default=None)
            same = (_TASK.c.instance_id == id, _TASK.c.number == task.id)
            unit.connection.execute(sa.update(_TASK).where(*same).values(due_at=due))


# --- as it was ---------------------------------------------------------------------------------
def _snapshot(
    unit: Unit, found: Situation, definition: int, fields: Iterable[str]
) -> dict[str, Any]:
    """All that moving a case changes about it, as JSON has it."""
    case, types = found.case, unit.app.types(found.entity)
    kept = {name for name in (case.chart.state_field, *fields) if name in types}
    due = sa.select(_TASK.c.number, _TASK.c.due_at).where(_TASK.c.instance_id == case.id)
    return {
        "definition": definition,
        "body": to_json(case.instance),
        "due": {
            str(row.number): row.due_at.isoformat() if row.due_at else None
            for row in unit.connection.execute(due)
        },
        "fields": {name: types[name].to_json(found.record.get(name)) for name in sorted(kept)},
    }


def undo_migration(
    company: Company, actor: Actor, migration: int, reason: str, *, now: datetime | None = None
) -> Undone:
    """Put back every case of a migration that nobody has touched since; the others stay where
    they are.

    Raises: Forbidden, NotFound, Invalid without a reason, Conflict when it was undone before.
    """
    reason = reason_of(reason)
    with company.unit(actor, write=True, now=now, source="workflow") as unit:
        only_administrators(unit)
        row = migration_row(unit, migration)
        if row["undone_at"] is not None:
            raise Conflict([Problem("C152")])
        wanted = sa.select(_MIGRATED.c.instance_id).where(_MIGRATED.c.migration_id == migration)
        ids = list(unit.connection.scalars(wanted.order_by(_MIGRATED.c.instance_id)))
    restored, left = [], []
    for id in ids:
        try:
            with company.unit(actor, write=True, now=now, source="workflow") as unit:
                _put_back(unit, migration, id, reason)
            restored.append(id)
        except Failure:
            left.append(id)
    with company.unit(actor, write=True, now=now, source="workflow") as unit:
        unit.connection.execute(
            sa.update(_MIGRATION)
            .where(_MIGRATION.c.id == migration)
            .values(undone_at=unit.now, undone_by_id=actor.id or None)
        )
    return Undone(tuple(restored), tuple(left))


def _put_back(unit: Unit, migration: int, id: int, reason: str) -> None:
    """One case as it was, but for its log, which only grows."""
    same = (_MIGRATED.c.migration_id == migration, _MIGRATED.c.instance_id == id)
    kept = unit.connection.execute(sa.select(_MIGRATED).where(*same)).mappings().one()
    found = located(unit, id, lock=True)
    case = found.case
    if case.version != kept["version"]:
        raise Conflict([Problem("C153")])
    definition = kept["before"]["definition"]
    old = charts_of(unit.connection, [definition])[definition]
    outcome = _returning(found, old, instance_from_json(kept["before"]["body"]), reason)
    types = unit.app.types(found.entity)
    fields = {
        name: types[name].from_json(value)
        for name, value in kept["before"]["fields"].items()
        if name in types
    }
    save_record(unit, found, old, replace(outcome, changes=fields), reason)
    _drop_undelivered(unit, id, case.instance.sequence)
    store.update(unit, case, outcome)
    unit.connection.execute(
        sa.update(_INSTANCE).where(_INSTANCE.c.id == id).values(definition_id=definition)
    )
    _drop_tasks(unit, id, outcome.instance)
    for number, due in kept["before"]["due"].items():
        task = (_TASK.c.instance_id == id, _TASK.c.number == int(number))
        at = datetime.fromisoformat(due) if due else None
        unit.connection.execute(sa.update(_TASK).where(*task).values(due_at=at))
    unit.connection.execute(sa.delete(_MIGRATED).where(*same))


def _returning(found: Situation, old: Chart, before: Instance, reason: str) -> Outcome:
    """The step back: the instance of before, with a line more in its log."""
    present, env = found.case.instance, found.env
    sequence = present.sequence + 1
    row = EventRow(
        sequence=sequence,
        type="migration_undone",
        actor=env.actor,
        at=env.now,
        before=found.case.chart.leaves(present.active),
        after=old.leaves(before.active),
        cause=sequence,
        comment=reason,
        data={"comment": reason, "from": present.version, "to": before.version},
    )
    timers = {timer.name for timer in before.timers}
    return Outcome(
        replace(before, sequence=sequence),
        state=old.reported(before.active),
        tasks=before.tasks,
        timers=before.timers,
        dropped=tuple(timer.name for timer in present.timers if timer.name not in timers),
        events=(row,),
    )


def _drop_tasks(unit: Unit, id: int, before: Instance) -> None:
    """Tasks that only the move had opened are gone, and with them who might have taken them."""
    known = [task.id for task in before.tasks]
    fresh = sa.select(_TASK.c.id).where(_TASK.c.instance_id == id, _TASK.c.number.not_in(known))
    ids = list(unit.connection.scalars(fresh))
    unit.connection.execute(sa.delete(_CANDIDATE).where(_CANDIDATE.c.task_id.in_(ids)))
    unit.connection.execute(sa.delete(_TASK).where(_TASK.c.id.in_(ids)))


def _drop_undelivered(unit: Unit, id: int, sequence: int) -> None:
    """What the move wanted to tell people, as far as it was not told yet."""
    unit.connection.execute(
        sa.delete(_OUTBOX).where(
            _OUTBOX.c.instance_id == id,
            _OUTBOX.c.done_at.is_(None),
            _OUTBOX.c.key.like(f"{id}:{sequence}:%"),
        )
    )


# --- the book ----------------------------------------------------------------------------------
def migration_row(unit: Unit, id: int) -> Mapping[str, Any]:
    """A migration as it was begun. Raises: Invalid when there is none."""
    wanted = sa.select(_MIGRATION).where(_MIGRATION.c.id == id)
    row = unit.connection.execute(wanted).mappings().first() if 0 < id < BEYOND_IDS else None
    if row is None:
        raise Invalid([Problem("C159")])
    return dict(row)


@dataclass(frozen=True, slots=True)
class Migration:
    """A line of the book: `moved` cases can still be put back unless somebody touches them."""

    id: int
    workflow: str
    version: int
    mapping: Mapped
    reason: str
    by: int | None
    at: datetime
    moved: int
    undone_at: datetime | None


def migrations(unit: Unit, workflow: str = "", most: int = 20) -> list[Migration]:
    """The migrations, newest first."""
    only_administrators(unit)
    count = (
        sa.select(sa.func.count())
        .where(_MIGRATED.c.migration_id == _MIGRATION.c.id)
        .scalar_subquery()
    )
    wanted = (
        sa.select(_MIGRATION, _DEFINITION.c.version, count.label("moved"))
        .join(_DEFINITION, _DEFINITION.c.id == _MIGRATION.c.to_id)
        .order_by(_MIGRATION.c.id.desc())
        .limit(most)
    )
    if workflow:
        wanted = wanted.where(_MIGRATION.c.workflow == workflow)
    return [
        Migration(
            row.id,
            row.workflow,
            row.version,
            row.mapping["states"],
            row.note,
            row.by_id,
            row.at,
            row.moved,
            row.undone_at,
        )
        for row in unit.connection.execute(wanted)
    ]
