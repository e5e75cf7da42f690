"""Writing sample data into a company, through the same door as everything else."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa

from engine.packs.samples import (
    Act,
    Draft,
    Employee,
    Link,
    Person,
    SampleError,
    departments,
    employees,
    generate,
)
from engine.problems import text
from engine.records import flows, people, writing
from engine.records.actor import SYSTEM, Actor
from engine.records.company import Company
from engine.records.storing import Saving, store_new
from engine.records.unit import Unit
from engine.tables import system

SLICE: Final = 500  # records written by one statement
_PAST: Final = timedelta(days=180)  # how far back the samples go
_WORK: Final = timedelta(hours=8)
_TOLD: Final = ("notify", "remind", "escalate", "cc")


def load_samples(
    company: Company,
    spec: Mapping[str, Any],
    *,
    now: datetime | None = None,
    password_hash: str | None = None,
) -> Mapping[str, int]:
    """Fills a published, empty company: people first, then records, then what happened to them.

    All of it is one transaction. Returns how many records of each entity were made.
    Raises: SampleError when the specification makes a record that the company refuses.
    """
    moment = now or datetime.now(UTC)
    with company.unit(SYSTEM, write=True, now=moment, source="command") as unit:
        run = _Loading(unit)
        run.people(spec, password_hash)
        drafts = list(generate(spec, unit.app.model, int(spec.get("seed", 1)), unit.today))
        run.moments = moments(drafts, moment, int(spec.get("seed", 1)))
        for _, group in groupby(drafts, key=lambda draft: draft.group):
            run.write(sorted(group, key=lambda draft: run.moments[draft.number]))
        acting = [draft for draft in drafts if draft.after]
        for turn, draft in enumerate(acting, 1):
            # the last day's work, in its order: what was decided months ago has run out of time
            run.unit.now = moment - _WORK * (1 - turn / len(acting))
            for act in draft.after:
                run.act(draft, act)
        run.unit.now = moment
        _hush(unit)
        return run.counts


def _hush(unit: Unit) -> None:
    """What was decided in the past rings no bell: told is only what still waits for somebody."""
    box, task = system.OUTBOX.c, system.WF_TASK.c
    waiting = sa.select(task.instance_id).where(task.status == "open")
    past = sa.and_(box.kind == "task", box.instance_id.not_in(waiting))
    unit.connection.execute(
        sa.update(system.OUTBOX)
        .where(box.done_at.is_(None), sa.or_(past, box.kind.in_(_TOLD)))
        .values(done_at=unit.now, next_try=None)
    )


def moments(drafts: Sequence[Draft], now: datetime, seed: int) -> dict[int, datetime]:
    """When each record was made, by its number: over the last months in working hours, after
    whatever it points at, and never later than now."""
    chance = random.Random(f"{seed}/moments")  # noqa: S311 - samples, not secrets
    found: dict[int, datetime] = {}
    for draft in drafts:
        first = max([found[number] for number in _linked(draft.values)], default=now - _PAST)
        made = first + (now - first) * chance.random() ** 2
        made = made.replace(hour=chance.randint(1, 9), minute=chance.randint(0, 59))
        found[draft.number] = min(max(made, first + timedelta(minutes=1)), now)
    return found


def _linked(value: Any) -> Iterator[int]:
    match value:
        case Link(draft=number):
            yield number
        case list():
            for one in value:
                yield from _linked(one)
        case Mapping():
            for one in value.values():
                yield from _linked(one)


@dataclass
class _Loading:
    """One filling of one company."""

    unit: Unit
    users: dict[str, int] = field(default_factory=dict)  # login -> id
    records: dict[int, int] = field(default_factory=dict)  # number of a draft -> id
    counts: dict[str, int] = field(default_factory=dict)
    actors: dict[int, Actor] = field(default_factory=dict)
    moments: Mapping[int, datetime] = field(default_factory=dict)  # number of a draft -> made

    def people(self, spec: Mapping[str, Any], password_hash: str | None) -> None:
        """Departments and users, superiors before those below them."""
        unit, places = self.unit, dict[str, int]()
        for one in departments(spec):
            places[one.key] = people.create_department(
                unit, one.title, places.get(one.parent), key=one.key
            )
        for who in employees(spec):
            self.users[who.login] = self._person(who, places.get(who.department), password_hash)
        for who in employees(spec):
            if who.manager:
                people.change_user(unit, self.users[who.login], manager_id=self.users[who.manager])

    def _person(self, who: Employee, department: int | None, password_hash: str | None) -> int:
        """The account of an employee; one that exists (the first administrator) is dressed up."""
        found = people.find_user(self.unit.connection, who.login)
        if found is None:
            return people.create_user(
                self.unit,
                who.login,
                who.name,
                roles=who.roles,
                department=department,
                password_hash=password_hash,
            )
        id = int(found["id"])
        people.change_user(self.unit, id, name=who.name, department_id=department)
        people.set_roles(self.unit, id, who.roles)
        return id

    def as_user(self, id: int) -> Unit:
        """The same transaction in the hands of somebody else."""
        if id not in self.actors:
            actor = people.actor_of(self.unit.connection, id, self.unit.app.model)
            self.actors[id] = actor or SYSTEM
        return replace(self.unit, actor=self.actors[id])

    # --- records -------------------------------------------------------------------------------
    def write(self, drafts: Sequence[Draft]) -> None:
        """The records of one group, the oldest first."""
        for part in _slices(list(drafts)):
            savings = [self._saving(draft) for draft in part]
            store_new(self.unit, savings)
            for draft, saving in zip(part, savings, strict=True):
                self.records[draft.number] = saving.new["id"]
                maker = draft.maker
                unit = self.as_user(self.users[maker.login]) if maker else self.unit
                flows.started(unit, saving.entity, saving.new)
        self.counts[drafts[0].entity] = self.counts.get(drafts[0].entity, 0) + len(drafts)

    def _saving(self, draft: Draft) -> Saving:
        values = {name: self._plain(value) for name, value in draft.values.items()}
        saving = writing.draft(self.unit, draft.entity, values)
        writing.check(self.unit, saving)
        if saving.errors:
            said = "; ".join(f"{one.pointer} {text(one, 'en')}" for one in saving.errors)
            raise SampleError(draft.group, said)
        maker = self.users[draft.maker.login] if draft.maker else None
        saving.made = self.moments[draft.number], maker
        return saving

    def _plain(self, value: Any) -> Any:
        """Links and people as ids."""
        match value:
            case Link(draft=number):
                return self.records[number]
            case Person(login=login):
                return self.users[login]
            case list():
                return [self._plain(one) for one in value]
            case dict():
                return {key: self._plain(one) for key, one in value.items()}
        return value

    # --- what happens to them ------------------------------------------------------------------
    def act(self, draft: Draft, act: Act) -> None:
        """One event, or the decisions of those who hold a task."""
        id = self.records[draft.number]
        data = {name: self._plain(value) for name, value in act.data.items()}
        if act.by is None:
            for _ in range(act.times):
                if not self._decide(draft.entity, id, act.event, data):
                    break
            return
        unit = self.as_user(self.users[act.by.login])
        if act.values:
            before = writing.current(unit, draft.entity, id, "write")
            values = {name: self._plain(value) for name, value in act.values.items()}
            writing.change(unit, draft.entity, id, values, before["version"])
        flows.fire(unit, draft.entity, id, act.event, data)

    def _decide(self, entity: str, id: int, event: str, data: Mapping[str, Any]) -> bool:
        """The oldest open task of the record is decided by whoever holds it."""
        found = next(self._open_tasks(entity, id), None)
        if found is None:
            return False
        task, user = found
        more = {key: value for key, value in data.items() if key != "comment"}
        command, comment = event.removeprefix("task."), str(data.get("comment", ""))
        flows.decide(self.as_user(user), task, command, comment, data=more)
        return True

    def _open_tasks(self, entity: str, id: int) -> Iterator[tuple[int, int]]:
        table = system.WF_TASK
        rows = self.unit.connection.execute(
            sa.select(table.c.id, table.c.assignee_id)
            .where(table.c.entity == entity, table.c.record_id == id, table.c.status == "open")
            .where(table.c.assignee_id.is_not(None))
            .order_by(table.c.id)
        )
        return ((row.id, row.assignee_id) for row in rows.all())


def _slices(drafts: Sequence[Draft]) -> Iterable[Sequence[Draft]]:
    return (drafts[start : start + SLICE] for start in range(0, len(drafts), SLICE))
