"""Clocks that are wrong, and deadlines that nobody has come round to: what time decided holds."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.integration.case_world import NOON, Papers, reviewed

from dougong.present import lasting
from engine.records import flows, outbox
from engine.records.administration import versions
from engine.records.failures import Conflict, Failure
from engine.records.flows.timers import run_due
from engine.records.simulation.past import Habits
from engine.storage import Database
from engine.tables import system

HOUR = timedelta(hours=1)
BEHIND, AHEAD = timedelta(seconds=-90), timedelta(days=2)
TELL = {"type": "notify", "to": [{"role": "clerk"}]}


REJECT = {"id": "up", "delay": "PT1H", "actions": [{"type": "decide", "outcome": "rejected"}]}
BOSS = {
    "id": "up",
    "delay": "PT1H",
    "actions": [{"type": "escalate", "to": {"role": "admin"}, "mode": "replace"}],
}
NUDGE = {"id": "nudge", "delay": "PT30M", "actions": [{"type": "remind"}]}


# --- deadlines -----------------------------------------------------------------------------------
def test_nobody_decides_after_the_deadline_though_no_runner_came(database: Database) -> None:
    world = Papers(database, reviewed(REJECT))
    early, late = world.paper(NOON, "submit"), world.paper(NOON, "submit")
    assert (
        world.send("ann", early, "task.approve", NOON + HOUR - timedelta(seconds=1)) == "approved"
    )
    before = world.everything()
    with pytest.raises(Conflict):
        world.send("ann", late, "task.approve", NOON + HOUR)
    assert world.everything() == before  # the runner will write it, not who came too late
    assert run_due(world.company, NOON + HOUR) == 1
    assert world.state(late) == "rejected"


def test_who_was_replaced_by_the_clock_decides_no_more(sqlite_database: Database) -> None:
    world = Papers(sqlite_database, reviewed(BOSS))
    id = world.paper(NOON, "submit")
    with pytest.raises(Failure):
        world.send("ann", id, "task.approve", NOON + 2 * HOUR)
    assert run_due(world.company, NOON + 2 * HOUR) == 1
    assert world.send("boss", id, "task.approve", NOON + 2 * HOUR) == "approved"


def test_nobody_took_less_than_no_time(sqlite_database: Database) -> None:
    world = Papers(sqlite_database, reviewed(BOSS))
    id = world.paper(NOON, "submit")
    assert run_due(world.company, NOON + HOUR + AHEAD) == 1  # the boss's task is of the future
    assert world.send("boss", id, "task.approve", NOON + 2 * HOUR) == "approved"
    (task,) = [one for one in world.rows(system.WF_TASK) if one["status"] == "approved"]
    assert task["decided_at"] < task["opened_at"]
    with world.as_("boss", NOON) as unit:
        assert Habits(unit, "signing", NOON).of(world.actor("boss").id) >= timedelta(0)


def test_what_comes_late_and_is_still_possible_comes_after_the_clock(database: Database) -> None:
    world = Papers(database, reviewed(BOSS))
    id = world.paper(NOON, "submit")
    assert world.send("clara", id, "withdraw", NOON + 2 * HOUR) == "draft"
    log = world.rows(system.WF_EVENT, system.WF_EVENT.c.seq)
    told = [(one["type"], one["actor_id"]) for one in log]
    clara = world.actor("clara").id
    assert told.index(("after.review.up", None)) < told.index(("withdraw", clara))
    assert [one["seq"] for one in log] == list(range(1, len(log) + 1))
    assert run_due(world.company, NOON + 3 * HOUR) == 0
    history = world.rows(system.HISTORY)
    assert {one["by_id"] for one in history if one["entity"] == "paper"} <= {clara, None}


def test_a_reminder_that_is_due_stops_nobody_and_stays_the_runners(
    sqlite_database: Database,
) -> None:
    world = Papers(sqlite_database, reviewed(NUDGE))
    first, second = world.paper(NOON, "submit"), world.paper(NOON, "submit")
    assert world.send("ann", first, "task.approve", NOON + HOUR) == "approved"
    assert "after.review.nudge" not in world.types()
    assert run_due(world.company, NOON + HOUR) == 1
    assert world.state(second) == "review"


def test_a_deadline_that_the_runner_failed_at_keeps_nobody_from_deciding(
    sqlite_database: Database,
) -> None:
    world = Papers(sqlite_database, reviewed(REJECT))
    id = world.paper(NOON, "submit")
    with world.company.database.write() as connection:
        failed = {"attempts": 1, "error": "Q999", "lease_until": NOON + 5 * HOUR}
        connection.execute(sa.update(system.WF_TIMER).values(failed))
    assert world.send("ann", id, "task.approve", NOON + 2 * HOUR) == "approved"


# --- an action that fails ------------------------------------------------------------------------
def test_an_action_that_fails_undoes_the_step_with_its_mail_and_its_timers(
    database: Database,
) -> None:
    made = {"type": "create_record", "entity": "remark", "values": {"body": "null"}}
    world = Papers(database, reviewed(REJECT, entry=[TELL, made]))
    id = world.paper()  # a remark needs a body
    before = world.everything()
    for key in ("", "k1", "k1"):
        with pytest.raises(Failure), world.as_("clara", NOON) as unit:
            flows.fire(unit, "paper", id, "submit", idempotency_key=key)
        assert world.everything() == before
    assert world.state(id) == "draft"


def test_a_failure_after_the_action_leaves_no_mail(database: Database) -> None:
    world = Papers(database, reviewed(REJECT, entry=[TELL]))
    id = world.paper()
    before = world.everything()

    def fails() -> None:
        with world.as_("clara", NOON) as unit:
            flows.fire(unit, "paper", id, "submit")
            assert unit.posted
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fails()
    assert world.everything() == before
    with world.as_("boss", NOON) as unit:
        assert not outbox.letters(unit, states=("waiting",))


# --- clocks that are wrong -----------------------------------------------------------------------
def test_workers_whose_clocks_are_wrong_lose_no_timer(database: Database) -> None:
    """One worker is 90 seconds behind and one two days ahead, while people go by the true time."""
    world = Papers(database, reviewed({**NUDGE, "every": "PT30M", "times": 3}, REJECT))
    dice, now = random.Random(5), NOON
    papers: dict[int, datetime] = {}
    for turn in range(24):
        now = NOON + turn * timedelta(minutes=10)
        if turn < 12:
            papers[world.paper(now, "submit")] = now
        for skew in dice.sample((BEHIND, timedelta(), AHEAD if turn % 8 == 7 else BEHIND), 3):
            run_due(world.company, now + skew)
        for id in papers:
            if world.state(id) == "review" and dice.random() < 0.1:
                world.send("ann", id, "task.approve", now)
    for skew in (AHEAD, BEHIND, timedelta()):
        run_due(world.company, now + timedelta(days=3) + skew)
    assert not world.rows(system.WF_TIMER)
    sound(world, papers)
    shown(world, papers, now)


def sound(world: Papers, papers: Mapping[int, datetime]) -> None:
    """Every case came to its end once, its log counts on, and nothing took less than no time."""
    cases = world.rows(system.WF_INSTANCE)
    assert {case["state"] for case in cases} <= {"approved", "rejected"}
    assert len(cases) == len(papers)
    event = system.WF_EVENT.c
    for case in cases:
        log = [
            one
            for one in world.rows(system.WF_EVENT, event.seq)
            if one["instance_id"] == case["id"]
        ]
        assert [one["seq"] for one in log] == list(range(1, len(log) + 1))
        ends = [one for one in log if one["type"].startswith("done.")]
        assert len(ends) == 1, [one["type"] for one in log]
        fired = [one["type"] for one in log if one["type"] == "after.review.up"]
        assert len(fired) == (case["state"] == "rejected")
        began = papers[case["record_id"]]
        early = next(one["at"] for one in log if one["type"] in ("after.review.up", "task.approve"))
        # by the clock of whoever fired it the hour was over, and it is never before the beginning
        assert early >= (began + HOUR if fired else began)


def shown(world: Papers, papers: Mapping[int, datetime], now: datetime) -> None:
    """The pages of a record tell the log in its order, and no span is negative."""
    for id in papers:
        with world.as_("clara", now) as unit:
            told = flows.flow_events(unit, "paper", id)
            numbers = [one.sequence for one in told]
            assert numbers == sorted(numbers, reverse=True)
            found = flows.flow_of(unit, "paper", id)
        assert found is not None
        assert found.since is not None
        assert "-" not in lasting(found.since, now, "en")
    with world.as_("boss", now) as unit:
        assert versions.running(unit) is not None


def test_a_clock_that_jumps_ahead_and_back_reminds_once(sqlite_database: Database) -> None:
    hourly = {"id": "hourly", "delay": "PT1H", "every": "PT1H", "actions": [TELL]}
    world = Papers(sqlite_database, reviewed(hourly))
    world.paper(NOON, "submit")
    assert run_due(world.company, NOON + AHEAD) == 1  # two days at once: one, not forty-eight
    for hours in (1, 2, 3):  # and the true time again: its next turn is set
        assert run_due(world.company, NOON + hours * HOUR) == 0
    (timer,) = world.rows(system.WF_TIMER)
    assert timer["due"] == NOON + AHEAD + HOUR
    assert run_due(world.company, timer["due"]) == 1
    assert sum(row["kind"] == "notify" for row in world.rows(system.OUTBOX)) == 2


def test_a_clock_behind_fires_nothing_early_and_everything_later(
    sqlite_database: Database,
) -> None:
    world = Papers(sqlite_database, reviewed(REJECT))
    id = world.paper(NOON, "submit")
    assert run_due(world.company, NOON + HOUR + BEHIND) == 0
    assert world.state(id) == "review"
    assert run_due(world.company, NOON + HOUR - BEHIND + BEHIND) == 1
    assert world.state(id) == "rejected"
