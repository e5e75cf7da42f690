"""Two people at one moment, 300 times over: no case stuck, nothing done twice.

Each person works through a company object of his own, as two server processes would: nothing is
shared but the database. Both start at a barrier.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.signing import sources

from engine.packs import check_sources
from engine.records import flows, writing
from engine.records.company import Company
from engine.records.failures import Conflict, Failure, Forbidden
from engine.records.people import actor_of, create_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database
from engine.tables import system

TRIALS = 300


@dataclass
class Arena:
    """The same company, twice."""

    sides: tuple[Company, Company]
    people: dict[str, Actor] = field(default_factory=dict)

    def paper(self, event: str) -> int:
        """A paper that waits for its signatures."""
        with self.sides[0].unit(self.people["clerk"], write=True) as unit:
            id = int(writing.create(unit, "paper", {"title": "Paper"})["id"])
            flows.fire(unit, "paper", id, event)
        return id

    def send(self, side: int, who: str, id: int, event: str, **more: Any) -> str:
        """What became of one event: done, or the name of the refusal."""
        try:
            with self.sides[side].unit(self.people[who], write=True) as unit:
                return flows.fire(unit, "paper", id, event, **more).state
        except Failure as failure:
            return type(failure).__name__

    def race(self, first: Callable[[], str], second: Callable[[], str]) -> tuple[str, str]:
        """Both at the same moment."""
        barrier, found = threading.Barrier(2), ["", ""]

        def run(place: int, work: Callable[[], str]) -> None:
            barrier.wait(10)
            found[place] = work()

        threads = [
            threading.Thread(target=run, args=(place, work))
            for place, work in enumerate((first, second))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return found[0], found[1]

    def rows(self, statement: sa.Select[Any]) -> list[Any]:
        with self.sides[0].database.read() as connection:
            return list(connection.execute(statement))

    def ends(self) -> Counter[tuple[str, int]]:
        """How many papers stand in which state, approved how many times."""
        table = self.sides[0].current.tables.of("paper")
        wanted = sa.select(table.column("state"), table.column("count"))
        return Counter((row[0], int(row[1] or 0)) for row in self.rows(wanted))

    def sound(self) -> None:
        """Rows and instances agree, no task is left on a closed case, no notice went out twice."""
        instance, task, event = system.WF_INSTANCE.c, system.WF_TASK.c, system.WF_EVENT.c
        open_ = sa.select(task.id).where(
            task.status.in_(["open", "waiting"]),
            task.instance_id.in_(sa.select(instance.id).where(instance.done_at.is_not(None))),
        )
        assert not self.rows(open_)
        twice = (
            sa.select(event.instance_id)
            .where(event.type.startswith("done."))
            .group_by(event.instance_id, event.type, event.seq)
            .having(sa.func.count() > 1)
        )
        assert not self.rows(twice)
        finished = self.rows(sa.select(instance.id).where(instance.state == "approved"))
        told = self.rows(sa.select(system.OUTBOX.c.key).where(system.OUTBOX.c.kind == "notify"))
        assert len(told) == len(finished)


@pytest.fixture(params=["sqlite", "postgresql"])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    place = f"race_{uuid.uuid4().hex[:12]}"

    def open_() -> Database:
        if request.param == "sqlite":
            return Database.sqlite(tmp_path / "race.sqlite")
        return Database.postgres(request.getfixturevalue("postgres_url"), place)

    databases = (open_(), open_())
    one, other = (Company("race", database, tmp_path / "files") for database in databases)
    publish(one, sources(), "race", check=check_sources)
    found = Arena((one, other))
    with one.unit(SYSTEM, write=True) as unit:
        ids = {
            login: create_user(unit, login, login.title(), roles=[role])
            for login, role in (("clerk", "clerk"), ("ann", "chief"), ("ben", "chief"))
        }
    with one.database.read() as connection:
        for login, id in ids.items():
            actor = actor_of(connection, id)
            assert actor is not None
            found.people[login] = actor
    yield found
    databases[1].close()
    databases[0].drop() if request.param == "postgresql" else databases[0].close()


def test_two_countersigners_at_one_moment_never_leave_a_case_stuck(arena: Arena) -> None:
    for _ in range(TRIALS):
        id = arena.paper("to_all")
        arena.race(
            lambda id=id: arena.send(0, "ann", id, "task.approve"),  # type: ignore[misc]
            lambda id=id: arena.send(1, "ben", id, "task.approve"),  # type: ignore[misc]
        )
    assert arena.ends() == {("approved", 1): TRIALS}
    arena.sound()


def test_the_first_of_two_signatures_counts_and_the_second_is_told(arena: Arena) -> None:
    for number in range(TRIALS):
        id = arena.paper("to_any")
        other = "task.approve" if number % 2 else "task.reject"
        came = arena.race(
            lambda id=id: arena.send(0, "ann", id, "task.approve"),  # type: ignore[misc]
            lambda id=id, other=other: arena.send(1, "ben", id, other),  # type: ignore[misc]
        )
        assert sorted(came, key=len)[0] in {"approved", "rejected", "Conflict"}
        assert len({"approved", "rejected"} & set(came)) == 1, came
        assert {Conflict.__name__, Forbidden.__name__} & set(came), came
    ends = arena.ends()
    assert set(ends) <= {("approved", 1), ("rejected", 0)}
    assert ends.total() == TRIALS
    arena.sound()


def test_withdrawing_while_somebody_signs(arena: Arena) -> None:
    for _ in range(TRIALS // 3):
        id = arena.paper("to_any")
        came = arena.race(
            lambda id=id: arena.send(0, "ann", id, "task.approve"),  # type: ignore[misc]
            lambda id=id: arena.send(1, "clerk", id, "withdraw"),  # type: ignore[misc]
        )
        assert len({"approved", "draft"} & set(came)) == 1, came
    assert set(arena.ends()) <= {("approved", 1), ("draft", 0)}
    arena.sound()


def test_one_of_two_claims_the_task(arena: Arena) -> None:
    for _ in range(TRIALS // 3):
        id = arena.paper("to_pool")
        came = arena.race(
            lambda id=id: arena.send(0, "ann", id, "task.claim"),  # type: ignore[misc]
            lambda id=id: arena.send(1, "ben", id, "task.claim"),  # type: ignore[misc]
        )
        assert sorted(one == "pool" for one in came) == [False, True], came
    task = system.WF_TASK.c
    claimed = arena.rows(sa.select(task.id).where(task.assignee_id.is_not(None)))
    assert len(claimed) == TRIALS // 3


def test_a_double_click_is_one_signature(arena: Arena) -> None:
    for number in range(TRIALS // 3):
        id = arena.paper("to_all")
        key = f"click-{number}"
        came = arena.race(
            lambda id=id, key=key: arena.send(0, "ann", id, "task.approve", idempotency_key=key),  # type: ignore[misc]
            lambda id=id, key=key: arena.send(1, "ann", id, "task.approve", idempotency_key=key),  # type: ignore[misc]
        )
        assert came == ("all_sign", "all_sign"), came
    votes = arena.rows(
        sa.select(system.WF_TASK.c.id).where(system.WF_TASK.c.decided_by_id.is_not(None))
    )
    assert len(votes) == TRIALS // 3
