"""Timers over downtimes and long times, and workflows that begin by the calendar."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from tests.integration.records_world import FLOW, World, build, sources

from engine.packs import check_sources
from engine.records import outbox, writing
from engine.records.agenda import agenda
from engine.records.flows import schedules
from engine.records.flows import timers as flow_timers
from engine.records.flows.timers import run_due
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # noon in Shanghai
TELL = {"type": "notify", "to": [{"role": "manager"}]}
_OUT = system.OUTBOX.c


def company(database: Database, flow: Mapping[str, Any]) -> World:
    """The small company with a workflow of its own on contracts."""
    world = build(database)
    change(world, flow)
    return world


def change(world: World, flow: Mapping[str, Any]) -> None:
    files = {**sources(), "workflows/small/approval.json": json.dumps(flow)}
    publish(world.company, files, "small", SYSTEM, "its flow", check=check_sources)


def contracts(world: World, *titles: str, now: datetime = NOON) -> list[int]:
    found = []
    with world.company.unit(SYSTEM, write=True, now=now) as unit:
        customer = writing.create(unit, "customer", {"name": "Firm", "level": "C"})
        for title in titles:
            values = {"title": title, "customer": customer["id"]}
            found.append(int(writing.create(unit, "contract", values)["id"]))
    return found


def rows(world: World, table: sa.Table) -> list[Mapping[str, Any]]:
    with world.company.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def told(world: World) -> int:
    return sum(row["kind"] == "notify" for row in rows(world, system.OUTBOX))


def waiting(*timers: Mapping[str, Any]) -> dict[str, Any]:
    """A flow whose first state has these timers."""
    states: Any = FLOW["states"]
    draft = {**states["draft"], "after": list(timers)}
    return {**FLOW, "states": {**states, "draft": draft}}


# --- timers ------------------------------------------------------------------------------------
def test_an_hourly_reminder_is_one_after_three_days_of_downtime(database: Database) -> None:
    hourly = {"id": "hourly", "delay": "PT1H", "every": "PT1H", "actions": [TELL]}
    world = company(database, waiting(hourly))
    contracts(world, "a")
    late = NOON + timedelta(days=3, minutes=20)
    assert run_due(world.company, late) == 1
    assert run_due(world.company, late) == 0
    assert told(world) == 1
    (timer,) = rows(world, system.WF_TIMER)
    assert late < timer["due"] <= late + timedelta(hours=1)
    assert run_due(world.company, timer["due"]) == 1
    assert told(world) == 2


def test_a_step_that_is_undone_leaves_no_effect_and_no_timer(database: Database) -> None:
    world = company(database, waiting({"id": "t", "delay": "PT1H", "actions": [TELL]}))
    (id,) = contracts(world, "a")
    before = world.digest()
    with pytest.raises(RuntimeError):
        failing_step(world, id)
    assert world.digest() == before


def failing_step(world: World, id: int) -> None:
    """Whoever fires the timer fails after it."""
    late = NOON + timedelta(hours=2)
    with world.company.unit(SYSTEM, write=True, now=late, source="job") as unit:
        timer = unit.connection.execute(sa.select(system.WF_TIMER)).one()
        assert flow_timers._fire(unit, timer)
        assert [row.kind for row in unit.connection.execute(sa.select(system.OUTBOX))] == ["notify"]
        raise RuntimeError


def test_every_timer_fires_once_after_a_downtime(database: Database) -> None:
    timers = [
        {"id": f"t{hours}", "delay": f"PT{hours}H", "actions": [TELL]} for hours in (1, 20, 70)
    ]
    world = company(database, waiting(*timers))
    contracts(world, "a", "b")
    late = NOON + timedelta(days=3)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(run_due(world.company, late)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(found) + run_due(world.company, late) == 6
    assert told(world) == 6
    assert rows(world, system.WF_TIMER) == []


def test_long_delays_are_as_long_as_they_say(sqlite_database: Database) -> None:
    timers = [{"id": f"d{days}", "delay": f"P{days}D", "actions": [TELL]} for days in (25, 60, 400)]
    world = company(sqlite_database, waiting(*timers))
    contracts(world, "a")
    for count, days in enumerate((25, 60, 400)):
        due = NOON + timedelta(days=days)
        assert run_due(world.company, due - timedelta(seconds=1)) == 0
        assert told(world) == count
        assert run_due(world.company, due) == 1
        assert told(world) == count + 1


def test_a_date_begins_when_it_begins_in_the_company(sqlite_database: Database) -> None:
    """按日期字段定时：以公司所在时区的零点为准。"""
    world = company(
        sqlite_database, waiting({"id": "t", "at": "customer.joined", "actions": [TELL]})
    )
    with world.company.unit(SYSTEM, write=True, now=NOON) as unit:
        firm = {"name": "Firm", "level": "B", "joined": "2026-03-05"}
        customer = writing.create(unit, "customer", firm)
        writing.create(unit, "contract", {"title": "a", "customer": customer["id"]})
    (timer,) = rows(world, system.WF_TIMER)
    assert timer["due"] == datetime(2026, 3, 5, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_failing_timer_is_seen_and_tried_again(database: Database) -> None:
    world = company(database, waiting({"id": "t", "delay": "PT1H", "actions": [TELL]}))
    contracts(world, "a")
    (case,) = rows(world, system.WF_INSTANCE)
    spoiled(world, case, {**case["body"], "workflow": "gone"})
    late = NOON + timedelta(hours=2)
    assert run_due(world.company, late) == 0
    with world.read("root") as unit:
        (failing,) = outbox.failing_timers(unit)
        assert outbox.counts(unit).timers == 1
    assert (failing.name, failing.attempts) == ("after.draft.t", 1)
    assert failing.reason("zh-CN")
    assert failing.next_try is not None
    assert timedelta(minutes=5) <= failing.next_try - late <= timedelta(minutes=6)
    spoiled(world, case, case["body"])
    assert run_due(world.company, late) == 0  # it rests
    with world.write("root") as unit:
        assert outbox.try_timers(unit, [failing.id]) == 1
    assert run_due(world.company, late) == 1
    assert told(world) == 1


def spoiled(world: World, case: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    table = system.WF_INSTANCE
    with world.company.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.id == case["id"]).values(body=body))


def test_a_timer_that_its_case_does_not_know_goes(sqlite_database: Database) -> None:
    world = company(sqlite_database, waiting({"id": "t", "delay": "PT1H", "actions": [TELL]}))
    contracts(world, "a")
    (case,) = rows(world, system.WF_INSTANCE)
    stray = {"id": 999_999, "instance_id": case["id"], "name": "after.gone", "due": NOON}
    with world.company.database.write() as connection:
        connection.execute(sa.insert(system.WF_TIMER).values(stray))
    assert run_due(world.company, NOON) == 0
    assert [row["name"] for row in rows(world, system.WF_TIMER)] == ["after.draft.t"]


def test_the_next_timer_is_known(database: Database) -> None:
    world = company(database, waiting({"id": "t", "delay": "PT1H", "actions": [TELL]}))
    with world.read("root") as unit:
        assert agenda(unit).own is None
    contracts(world, "a")
    with world.read("root") as unit:
        assert agenda(unit).own == NOON + timedelta(hours=1)


# --- schedules ---------------------------------------------------------------------------------
def scheduled(guard: str | None, cron: str = "0 9 * * *") -> dict[str, Any]:
    """A case begins every morning at nine."""
    trigger = {"on": "schedule", "cron": cron, **({"guard": guard} if guard else {})}
    states: Any = FLOW["states"]
    start = {**states["draft"], "entry": [TELL]}
    return {**FLOW, "trigger": trigger, "states": {**states, "draft": start}}


def begun(world: World) -> list[int]:
    return sorted(row["record_id"] for row in rows(world, system.WF_INSTANCE))


def run(world: World, now: datetime) -> int:
    found = schedules.run_schedules(world.company, now)
    assert outbox.run_internal(world.company, now).failed == 0
    return found


def at_nine(world: World, days: int = 1) -> datetime:
    """The first run is the next morning after the publishing."""
    assert schedules.run_schedules(world.company, datetime.now(UTC)) == 0
    (row,) = rows(world, system.WF_SCHEDULE)
    local = row["next_at"].astimezone(ZoneInfo("Asia/Shanghai"))
    assert (local.hour, local.minute) == (9, 0)
    found: datetime = row["next_at"] + timedelta(days=days - 1)
    return found


@pytest.mark.parametrize("guard", ["title != 'b'", "customer.name == 'Firm' and title != 'b'"])
def test_a_case_begins_on_every_record_that_the_guard_is_true_of(
    database: Database, guard: str
) -> None:
    world = company(database, scheduled(guard))
    a, b, c = contracts(world, "a", "b", "c")
    nine = at_nine(world)
    assert run(world, nine - timedelta(seconds=1)) == 0
    assert run(world, nine) == 2
    assert begun(world) == [a, c]
    assert run(world, nine) == 0
    assert b not in begun(world)
    # those that run are left alone, a new record is taken in
    (d,) = contracts(world, "d")
    assert run(world, nine + timedelta(days=1)) == 1
    assert begun(world) == [a, c, d]


def test_runs_that_were_missed_are_one(database: Database) -> None:
    world = company(database, scheduled(None, "0 * * * *"))
    contracts(world, "a")
    schedules.run_schedules(world.company, datetime.now(UTC))
    late = datetime.now(UTC) + timedelta(days=3)
    assert run(world, late) == 1
    (row,) = rows(world, system.WF_SCHEDULE)
    assert late < row["next_at"] <= late + timedelta(hours=1)
    assert row["last_at"] == late
    assert told(world) == 1


def test_two_workers_begin_every_case_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PAGE", 3)
    world = company(database, scheduled(None))
    ids = contracts(world, *[f"c{at}" for at in range(10)])
    nine = at_nine(world)
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait(10)
        run(world, nine)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    run(world, nine)
    assert begun(world) == ids
    assert told(world) == 10


def test_a_run_that_was_killed_goes_on_where_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PAGE", 2)
    world = company(database, scheduled(None))
    ids = contracts(world, "a", "b", "c", "d", "e")
    nine = at_nine(world)
    assert schedules.run_schedules(world.company, nine, seconds=-1) == 0
    with world.company.unit(SYSTEM, write=True, now=nine) as unit:
        schedules._page(unit, "approval")
    assert run(world, nine) == 3
    assert begun(world) == ids


def test_a_guard_without_a_counterpart_in_sql_is_asked_of_each_record(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedules, "PAGE", 2)
    monkeypatch.setattr(schedules, "_in_sql", lambda *_: None)
    world = company(sqlite_database, scheduled("title != 'b'"))
    a, _, c, d, e = contracts(world, "a", "b", "c", "d", "e")
    assert run(world, at_nine(world)) == 4
    assert begun(world) == [a, c, d, e]


def test_a_schedule_follows_what_is_published(sqlite_database: Database) -> None:
    world = company(sqlite_database, scheduled(None))
    nine = at_nine(world)
    change(world, scheduled(None, "30 10 * * *"))
    schedules.run_schedules(world.company, datetime.now(UTC))
    (row,) = rows(world, system.WF_SCHEDULE)
    assert row["cron"] == "30 10 * * *"
    assert row["next_at"].minute == 30
    change(world, FLOW)
    assert schedules.run_schedules(world.company, nine + timedelta(days=9)) == 0
    assert rows(world, system.WF_SCHEDULE) == []


def test_an_hour_that_came_before_anybody_looked_is_made_up_for(sqlite_database: Database) -> None:
    world = company(sqlite_database, scheduled(None))
    (a,) = contracts(world, "a")
    late = datetime.now(UTC) + timedelta(days=2)  # nobody has seen the new version yet
    assert run(world, late) == 1
    assert begun(world) == [a]


def test_the_next_run_is_told_by_the_companys_clocks() -> None:
    berlin, shanghai = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
    summer = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the clocks change in the night to the 29th
    assert schedules.next_run("0 9 * * *", summer, berlin) == datetime(2026, 3, 29, 7, tzinfo=UTC)
    assert schedules.next_run("0 9 * * *", summer, shanghai) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="cron"):
        schedules.next_run("at nine", summer, berlin)
