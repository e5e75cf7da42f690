"""Administrators help single cases on; everybody else is refused, and nothing is changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.flow_versions_world import V1, Office, approval, flow

from engine.problems import text
from engine.records import reading, writing
from engine.records.administration.commands import (
    jump,
    reassign,
    retry,
    terminate,
    troubles,
    wake_up,
)
from engine.records.administration.versions import running
from engine.records.failures import Conflict, Failure, Invalid, NotFound
from engine.records.flows.timers import run_due
from engine.records.flows.words import NotAllowed
from engine.records.unit import Unit
from engine.storage import Database
from engine.tables import system

WHY = "Asked for by phone"


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.fixture
def quick(sqlite_database: Database) -> Office:
    """Where the engine of the database makes no difference."""
    return Office(sqlite_database)


def command(office: Office, do: Callable[..., None], record: int, *more: Any) -> None:
    with office.as_("root") as unit:
        do(unit, office.case(record), *more)


def task_of(office: Office, record: int) -> int:
    case = office.case(record)
    (found,) = [
        one["id"]
        for one in office.rows(system.WF_TASK)
        if one["instance_id"] == case and one["status"] == "open"
    ]
    return int(found)


def told(office: Office, record: int) -> set[tuple[str, int]]:
    """Who is told what, by the outbox."""
    case = office.case(record)
    return {
        (one["body"].get("data", {}).get("template", one["kind"]), person)
        for one in office.rows(system.OUTBOX)
        if one["instance_id"] == case and one["kind"] in ("notify", "task")
        for person in one["body"]["to"]
    }


def last(office: Office, record: int) -> tuple[str, int | None, str]:
    line = office.events(record)[-1]
    return line["type"], line["actor_id"], line["comment"]


def writable(office: Office, record: int) -> bool:
    """Whether the record's owner may write it again."""
    try:
        with office.as_("alice") as unit:
            version = reading.read(unit, "contract", record)["version"]
            writing.change(unit, "contract", record, {"title": "Changed"}, version)
    except Failure:
        return False
    return True


# --- the commands ------------------------------------------------------------------------------
def test_a_case_jumps_with_people_and_deadlines_of_where_it_lands(office: Office) -> None:
    record = office.at("board")
    command(office, jump, record, "review", WHY)
    assert office.state(record) == "review"
    assert last(office, record) == ("jumped", office.actor("root").id, WHY)
    assert office.todo("carol") == {record}
    assert [one["name"] for one in office.rows(system.WF_TIMER)] == ["after.review.nudge"]
    assert ("case_moved", office.actor("alice").id) in told(office, record)
    office.decide("carol", record)
    assert office.state(record) == "board"


def test_a_terminated_case_lets_go_of_the_record_and_of_everybody(office: Office) -> None:
    record = office.at("review")
    assert not writable(office, record)
    command(office, terminate, record, WHY)
    row = office.row(record)
    assert row["done_at"] is not None
    assert last(office, record) == ("terminated", office.actor("root").id, WHY)
    assert office.todo("carol") == set()
    assert office.rows(system.WF_TIMER) == []
    assert {status for one in office.rows(system.WF_TASK) for status in [one["status"]]} == {
        "cancelled"
    }
    assert writable(office, record)
    assert {person for _, person in told(office, record)} >= {
        office.actor("alice").id,
        office.actor("carol").id,
    }
    with pytest.raises(Conflict) as refused:
        command(office, jump, record, "draft", WHY)
    assert refused.value.code == "C146"


@pytest.mark.parametrize("end", ["approved", "dropped", "terminated"])
def test_the_lock_is_gone_after_every_end(quick: Office, end: str) -> None:
    free = copy.deepcopy(V1)
    del free["states"]["approved"]["fields"]
    free["states"]["draft"]["on"]["submit"] = {
        "target": "review",
        "actions": [{"type": "lock_record"}],
    }
    quick.publish(free)
    record = quick.at("review" if end == "terminated" else end)
    if end == "terminated":
        assert not writable(quick, record)
        command(quick, terminate, record, WHY)
    assert quick.row(record)["done_at"] is not None
    assert writable(quick, record)


def test_a_case_that_has_ended_is_woken_up(office: Office) -> None:
    record = office.at("approved")
    command(office, wake_up, record, "board", WHY)
    assert (office.state(record), office.row(record)["done_at"]) == ("board", None)
    assert last(office, record) == ("woken", office.actor("root").id, WHY)
    assert office.todo("carol") == {record}
    office.decide("carol", record)
    assert office.row(record)["done_at"] is not None


def test_a_task_is_given_to_somebody_else(office: Office) -> None:
    record = office.at("review")
    zoe, task = office.actor("zoe").id, task_of(office, record)
    with office.as_("root") as unit:
        reassign(unit, task, zoe, WHY)
    assert (office.todo("carol"), office.todo("zoe")) == (set(), {record})
    assert last(office, record) == ("reassigned", office.actor("root").id, WHY)
    assert told(office, record) >= {("task", zoe), ("task_reassigned", office.actor("carol").id)}
    office.decide("zoe", record)
    assert office.state(record) == "board"
    with pytest.raises(Conflict), office.as_("root") as unit:
        reassign(unit, task, zoe, WHY)


def test_a_task_goes_to_nobody_who_cannot_decide(quick: Office) -> None:
    two = copy.deepcopy(V1)
    two["states"]["review"] |= {
        "assignees": [{"role": "manager"}, {"role": "auditor"}],
        "auto": {"starter": "skip"},
        "quorum": "all",
    }
    quick.publish(two)
    record = quick.at("review")
    case = quick.case(record)
    tasks = {
        one["assignee_id"]: one["id"]
        for one in quick.rows(system.WF_TASK)
        if one["instance_id"] == case
    }
    carols = tasks[quick.actor("carol").id]
    quick.close_account("bob")
    for who, code in (("zoe", "C149"), ("alice", "C161"), ("bob", "C151")):
        with pytest.raises(Invalid) as refused, quick.as_("root") as unit:
            reassign(unit, carols, quick.actor(who).id, WHY)
        assert refused.value.code == code
    with pytest.raises(Invalid), quick.as_("root") as unit:
        reassign(unit, carols, 2**62, WHY)


# --- what is refused ---------------------------------------------------------------------------
def commands(office: Office, record: int) -> dict[str, Callable[[Unit, str], object]]:
    case, task = office.case(record), task_of(office, record)
    person = office.actor("zoe").id
    return {
        "jump": lambda unit, why: jump(unit, case, "draft", why),
        "terminate": lambda unit, why: terminate(unit, case, why),
        "wake_up": lambda unit, why: wake_up(unit, case, "draft", why),
        "reassign": lambda unit, why: reassign(unit, task, person, why),
        "retry": lambda unit, why: retry(office.company, unit.actor, case, why),
    }


def try_it(
    office: Office, who: str, record: int, name: str, do: Callable[[Unit, str], object], why: str
) -> None:
    if name == "retry":  # it has transactions of its own
        retry(office.company, office.actor(who), office.case(record), why)
        return
    with office.as_(who) as unit:
        do(unit, why)


def test_everybody_else_is_refused_and_nothing_changes(office: Office) -> None:
    record = office.at("review")
    doing = commands(office, record)
    before = office.everything()
    for who in ("alice", "bob", "carol", "erin", "zoe"):
        for name, do in doing.items():
            with pytest.raises(NotAllowed) as refused:
                try_it(office, who, record, name, do, WHY)
            assert refused.value.code == "C140"
    assert office.everything() == before


def test_without_a_reason_nothing_happens(quick: Office) -> None:
    record = quick.at("review")
    doing = commands(quick, record)
    before = quick.everything()
    for why in ("", "  \n", "a\x00b"):
        for name, do in doing.items():
            with pytest.raises(Invalid) as refused:
                try_it(quick, "root", record, name, do, why)
            assert refused.value.code == "C141"
    assert quick.everything() == before


def test_states_and_cases_that_do_not_exist(quick: Office) -> None:
    record = quick.at("review")
    before = quick.everything()
    for state in ("bored", "", "a" * 10_000):
        with pytest.raises(Invalid) as refused:
            command(quick, jump, record, state, WHY)
        assert refused.value.code == "C142"
        assert text(refused.value.problems[0], "zh-CN")
    with pytest.raises(Conflict) as asleep:
        command(quick, wake_up, record, "draft", WHY)
    assert asleep.value.code == "C147"
    for id in (0, -1, 1, 2**63, 2**80):
        with pytest.raises(NotFound), quick.as_("root") as unit:
            terminate(unit, id, WHY)
    assert quick.everything() == before


# --- cases that are stuck ----------------------------------------------------------------------
def test_a_case_whose_timer_fails_is_listed_and_tried_again(office: Office) -> None:
    broken = copy.deepcopy(V1)
    broken["states"]["review"]["after"] = [
        {"id": "on", "delay": "P1D", "target": "check"},
    ]
    broken["states"]["check"] = approval("Check", "auditor", "approved")
    office.publish(broken)
    office.close_account("zoe")
    record = office.at("review")
    office.later(days=2)
    run_due(office.company, office.now)
    assert office.state(record) == "review"
    with office.as_("root", write=False) as unit:
        (found,) = running(unit)
        assert [one.stuck for one in found.versions] == [1]
        (why,) = troubles(unit, office.case(record))
    assert (why.kind, why.name, why.attempts) == ("timer", "after.review.on", 1)
    assert why.error
    failed = retry(office.company, office.actor("root"), office.case(record), WHY, now=office.now)
    assert failed
    assert office.state(record) == "review"
    assert last(office, record) == ("retried", office.actor("root").id, WHY)
    table = system.USER
    with office.company.database.write() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == office.actor("zoe").id).values(disabled_at=None)
        )
    run_due(office.company, office.now)
    assert office.state(record) in ("review", "check")
    case = office.case(record)
    if office.state(record) == "review":
        assert retry(office.company, office.actor("root"), case, WHY, now=office.now) == []
    assert office.state(record) == "check"
    assert office.events(record)[-1]["actor_id"] is None
    with pytest.raises(Conflict) as refused:
        retry(office.company, office.actor("root"), case, WHY, now=office.now)
    assert refused.value.code == "C148"


def test_a_case_that_waits_for_a_closed_account_is_stuck(quick: Office) -> None:
    record = quick.at("review")
    quick.close_account("carol")
    with quick.as_("root", write=False) as unit:
        (why,) = troubles(unit, quick.case(record))
    assert (why.kind, why.name) == ("nobody", "Carol")


def test_an_endless_loop_is_a_named_error_and_changes_nothing(office: Office) -> None:
    states = copy.deepcopy(V1["states"])
    states["draft"]["on"]["submit"] = "check"
    states["check"] = {"title": "Check", "always": {"target": "board", "guard": "amount > 0"}}
    states["board"] = {"title": "Board", "always": {"target": "check", "guard": "amount > 0"}}
    del states["review"]
    looping = flow(2, states)
    looping["states"]["check"]["on"] = {"out": "approved"}
    office.publish(looping)
    record = office.at("draft")
    before = office.everything()
    with pytest.raises(Failure) as refused:
        office.fire("alice", record, "submit")
    assert refused.value.code == "W106"
    assert "100" in text(refused.value.problems[0], "en")
    assert office.everything() == before
    with pytest.raises(Failure) as jumped:
        command(office, jump, record, "check", WHY)
    assert jumped.value.code == "W106"
    assert office.everything() == before
