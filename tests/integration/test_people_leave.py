"""Somebody is away, or leaves: nothing that names him may be lost. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.test_records_flows import MONDAY, World, inhabited

from engine.problems import text
from engine.records import (
    delegation,
    groups,
    handover,
    history,
    leaving,
    people,
    worktime,
)
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows import env, moving
from engine.records.handover import records
from engine.records.outbox import run_internal
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system
from engine.workflow import Delay

DAY = timedelta(days=1)


@pytest.fixture
def world(sqlite_database: Database) -> Iterator[World]:
    with inhabited(sqlite_database) as found:
        yield found


@pytest.fixture(name="both")
def both_worlds(database: Database) -> Iterator[World]:
    with inhabited(database) as found:
        yield found


def away(world: World, who: str, agent: str, **more: Any) -> delegation.Arranged:
    with world.as_(who) as unit:
        return delegation.delegate(unit, world.actors[agent].id, **more)


def assignees(world: World, id: int) -> list[tuple[int | None, int | None]]:
    return [
        (row["assignee_id"], row["on_behalf_id"])
        for row in world.rows(system.WF_TASK)
        if row["record_id"] == id and row["status"] == "open"
    ]


# --- away --------------------------------------------------------------------------------------
def test_an_agent_is_asked_from_the_first_instant_and_not_at_the_last(both: World) -> None:
    boss = both.actors["manager"].id
    away(both, "manager", "boss", since=MONDAY + DAY, until=MONDAY + 2 * DAY)
    early = both.submitted()
    assert assignees(both, early) == [(boss, None)]
    both.now = MONDAY + DAY
    within = both.submitted()
    assert assignees(both, within) == [(both.actors["boss"].id, boss)]
    both.now = MONDAY + 2 * DAY
    after = both.submitted()
    assert assignees(both, after) == [(boss, None)]


def test_the_chain_of_agents_is_followed(world: World) -> None:
    away(world, "manager", "boss")
    away(world, "boss", "legal")
    found = world.submitted()
    assert assignees(world, found) == [(world.actors["legal"].id, world.actors["manager"].id)]


def test_an_arrangement_for_one_workflow_goes_before_that_for_all(world: World) -> None:
    away(world, "manager", "legal", workflows=["contract_approval"])
    away(world, "manager", "boss")
    found = world.submitted()
    assert assignees(world, found)[0][0] == world.actors["legal"].id
    away_for = [one.workflow for one in listed(world, "manager")]
    assert sorted(away_for) == ["", "contract_approval"]


def listed(world: World, who: str) -> list[delegation.Delegation]:
    with world.as_(who, write=False) as unit:
        return delegation.delegations(unit)


def test_circles_are_refused_with_the_names_in_them(both: World) -> None:
    away(both, "manager", "boss")
    away(both, "boss", "legal", until=MONDAY + 3 * DAY)
    with pytest.raises(Conflict) as caught:
        away(both, "legal", "manager")
    assert caught.value.code == "H123"
    assert "Legal → Manager → Boss → Legal" in text(caught.value.problems[0], "en")
    # once the boss is back there is no circle any more
    away(both, "legal", "manager", since=MONDAY + 3 * DAY)


def test_a_circle_made_behind_our_back_stops(world: World) -> None:
    """Case 25: A → B → A in the table: the task stays with whom it was meant for."""
    away(world, "manager", "boss")
    with world.company.database.write() as connection:
        one, other = world.actors["boss"].id, world.actors["manager"].id
        connection.execute(
            sa.insert(system.WF_DELEGATION).values(
                id=1, user_id=one, agent_id=other, workflow="", from_at=MONDAY, until_at=None
            )
        )
    found = world.submitted()
    assert assignees(world, found) == [(other, None)]


@pytest.mark.parametrize(
    ("agent", "more", "code"),
    [
        ("manager", {}, "H120"),
        ("boss", {"until": MONDAY - DAY}, "H125"),
        ("boss", {"since": MONDAY + DAY, "until": MONDAY + DAY}, "H121"),
        ("boss", {"workflows": ["nothing"]}, "H124"),
    ],
)
def test_what_makes_no_sense_is_refused(
    world: World, agent: str, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        away(world, "manager", agent, **more)
    assert caught.value.code == code
    assert world.rows(system.WF_DELEGATION) == []


def test_two_at_a_time_are_refused_and_one_after_the_other_is_fine(world: World) -> None:
    away(world, "manager", "boss", until=MONDAY + DAY)
    with pytest.raises(Conflict) as caught:
        away(world, "manager", "legal", since=MONDAY + DAY / 2)
    assert caught.value.code == "H122"
    away(world, "manager", "legal", since=MONDAY + DAY)


def test_only_oneself_and_administrators_arrange_and_end(world: World) -> None:
    manager = world.actors["manager"].id
    for who in ("sales", "boss"):
        with pytest.raises(NotFound), world.as_(who) as unit:
            delegation.delegate(unit, world.actors["legal"].id, user=manager)
    with world.as_("root") as unit:
        [id] = delegation.delegate(unit, world.actors["legal"].id, user=manager).ids
    with pytest.raises(NotFound), world.as_("legal") as unit:
        delegation.end_delegation(unit, id)
    world.now += DAY
    with world.as_("manager") as unit:
        delegation.end_delegation(unit, id)
    assert listed(world, "manager")[0].phase == "past"
    with pytest.raises(Conflict), world.as_("manager") as unit:
        delegation.end_delegation(unit, id)
    log = [row for row in world.rows(system.HISTORY) if row["entity"] == "@delegation"]
    assert [row["action"] for row in log] == ["create", "change"]


def test_what_waits_goes_along_when_that_is_wanted_and_the_agent_is_told(both: World) -> None:
    waits = both.submitted()
    found = away(both, "manager", "boss", open_tasks=True)
    assert found.moved.tasks == 1
    assert assignees(both, waits) == [(both.actors["boss"].id, both.actors["manager"].id)]
    told = [row for row in both.rows(system.NOTICE) if row["user_id"] == both.actors["boss"].id]
    assert any("Manager" in row["title"] for row in told)


def test_what_an_agent_may_not_decide_waits_for_the_one_who_is_away(world: World) -> None:
    """Four eyes: the starter cannot stand in for his own approver."""
    waits = world.submitted()
    found = away(world, "manager", "sales", open_tasks=True)
    assert (found.moved.tasks, found.moved.stuck) == (0, [])
    assert assignees(world, waits) == [(world.actors["manager"].id, None)]


def test_one_that_never_began_never_does(world: World) -> None:
    [id] = away(world, "manager", "boss", since=MONDAY + DAY).ids
    with world.as_("manager") as unit:
        delegation.end_delegation(unit, id)
    world.now = MONDAY + 2 * DAY
    assert assignees(world, world.submitted())[0][0] == world.actors["manager"].id


# --- a closed account --------------------------------------------------------------------------
def closed(world: World, who: str) -> leaving.Closed:
    with world.as_("root") as unit:
        return leaving.close_account(unit, world.actors[who].id)


def test_closing_an_account_moves_what_waits_for_it_and_says_why(both: World) -> None:
    waits = both.submitted()
    found = closed(both, "manager")
    assert found.moved.tasks == 1
    assert both.todo("manager") == []
    [(assignee, _)] = assignees(both, waits)
    assert assignee is not None
    assert assignee != both.actors["manager"].id
    rows = [row for row in both.rows(system.WF_EVENT) if row["type"] == "task.reassign"]
    assert [(row["actor_id"], row["comment"]) for row in rows] == [
        (None, "账号已停用 · account closed")
    ]
    name = next(who for who, actor in both.actors.items() if actor.id == assignee)
    both.decide(name, waits, "approve")


def test_the_agent_of_a_closed_account_stands_in(world: World) -> None:
    waits = world.submitted()
    away(world, "manager", "legal")
    closed(world, "manager")
    manager, legal = world.actors["manager"].id, world.actors["legal"].id
    assert assignees(world, waits) == [(legal, manager)]
    assert all(row["until_at"] == world.now for row in world.rows(system.WF_DELEGATION))


def test_cases_that_a_closed_account_started_go_on(world: World) -> None:
    waits = world.submitted()
    closed(world, "sales")
    world.decide("manager", waits, "approve")
    assert world.state(waits) != "draft"


def test_nobody_else_closes_accounts_and_nobody_his_own(world: World) -> None:
    with pytest.raises(NotFound), world.as_("boss") as unit:
        leaving.close_account(unit, world.actors["sales"].id)
    with pytest.raises(Invalid), world.as_("root") as unit:
        leaving.close_account(unit, world.actors["root"].id)
    closed(world, "sales")
    with world.as_("root") as unit:
        leaving.open_account(unit, world.actors["sales"].id)
    with world.company.database.read() as connection:
        assert people.actor_of(connection, world.actors["sales"].id) is not None


# --- groups ------------------------------------------------------------------------------------
def test_groups_are_made_changed_and_dissolved_by_administrators(both: World) -> None:
    a, b, c = (both.actors[who].id for who in ("legal", "finance", "sales"))
    with both.as_("root") as unit:
        groups.create_group(unit, "tender", "Tender committee", [b, a])
        assert groups.members(unit.connection, "tender") == sorted([a, b])
        groups.change_group(unit, "tender", "Tenders", [a, c])
        assert groups.groups(unit.connection)[0].name == "Tenders"
    closed(both, "legal")
    with both.as_("root") as unit:
        assert groups.members(unit.connection, "tender") == [c]
        groups.change_group(unit, "tender", "Tenders", [a, c])  # may stay, though closed
        with pytest.raises(Invalid):
            groups.create_group(unit, "other", "Other", [a])
        with pytest.raises(Conflict):
            groups.create_group(unit, "tender", "Again")
        with pytest.raises(Invalid):
            groups.create_group(unit, "Tender 1", "Again")
        groups.remove_group(unit, "tender")
        assert groups.members(unit.connection, "tender") == []
        groups.create_group(unit, "tender", "Again")
    with pytest.raises(NotFound), both.as_("boss") as unit:
        groups.create_group(unit, "mine", "Mine")


# --- the calendar ------------------------------------------------------------------------------
def test_days_that_an_administrator_marks_count_at_once_and_everywhere(both: World) -> None:
    """Case 24: a deadline of one working day goes round a day the company marked as off."""
    tuesday = (MONDAY + DAY).date()
    with both.as_("sales", write=False) as unit:
        assert worktime.clock_of(unit).due(MONDAY, days=1) == MONDAY + DAY
        assert worktime.clock_of(unit) is worktime.clock_of(unit), "kept"
    with both.as_("root") as unit:
        worktime.mark_days(unit, {tuesday: False, (MONDAY + 5 * DAY).date(): True})
    with both.as_("sales", write=False) as unit:
        clock = worktime.clock_of(unit)
        assert clock.due(MONDAY, days=1) == MONDAY + 2 * DAY
        assert clock.due(MONDAY, days=4) == MONDAY + 5 * DAY, "a Saturday"
        assert env.FlowEnv(unit, unit.app.model.entities["contract"], {}).due(
            MONDAY, Delay(1, 0), "work"
        ) == (MONDAY + 2 * DAY)
    with both.as_("root") as unit:
        worktime.mark_days(unit, {tuesday: None})
        assert worktime.clock_of(unit).due(MONDAY, days=1) == MONDAY + DAY
    with pytest.raises(NotFound), both.as_("boss") as unit:
        worktime.mark_days(unit, {tuesday: False})


# --- handing over ------------------------------------------------------------------------------
def everything_of(world: World, who: str) -> handover.Preview:
    with world.as_("root", write=False) as unit:
        return handover.preview(unit, world.actors[who].id)


def hand_over(world: World, who: str, to: str, **more: Any) -> handover.Report:
    keys = [one.key for one in everything_of(world, who).sections if one.usual]
    with world.as_("root") as unit:
        target = world.actors[to].id
        return handover.execute(
            unit, world.actors[who].id, dict.fromkeys(keys, target), more.get("note", "leaves")
        )


def test_everything_of_a_salesperson_goes_to_a_colleague(both: World) -> None:
    waits, draft = both.submitted(), both.contract()
    with both.as_("root") as unit:
        groups.create_group(unit, "tender", "Tender", [both.actors["sales"].id])
    before = {one.key: one.count for one in everything_of(both, "sales").sections}
    assert before["contract.owner"] == 2
    assert before["customer.owner"] == 2
    assert before["groups"] == 1
    report = hand_over(both, "sales", "colleague")
    assert report.stuck == []
    assert report.moved["contract.owner"] == 2
    to = both.actors["colleague"].id
    for id in (waits, draft):
        record = both.record(id)
        assert record["owner"] == to
        with both.as_(SYSTEM, write=False) as unit:
            last = history.history(unit, "contract", id)[0]
        assert (last.action, last.comment) == ("handover", "leaves")
        assert last.by == both.actors["root"].id
    left = [one.key for one in everything_of(both, "sales").sections if one.usual]
    assert left == []
    # what is sent back reaches the colleague, who may go on with it
    both.decide("manager", waits, "reject", "too dear")
    both.fire("colleague", waits, "submit")


def test_a_locked_record_does_not_stay_behind(both: World) -> None:
    """An approval locks its contract for everybody, and the owner leaves all the same."""
    waits = both.submitted()
    report = hand_over(both, "sales", "colleague")
    assert report.stuck == []
    assert both.record(waits)["owner"] == both.actors["colleague"].id
    assert both.todo("manager") == [waits]


def test_a_manager_hands_over_tasks_people_and_departments(both: World) -> None:
    waits = both.submitted()
    with both.as_("root") as unit:
        people.create_department(unit, "Sales", manager=both.actors["manager"].id)
    report = hand_over(both, "manager", "sales")  # one of his own people follows him
    manager, sales = both.actors["manager"].id, both.actors["sales"].id
    bosses = {row["id"]: row["manager_id"] for row in both.rows(system.USER)}
    assert bosses[sales] == both.actors["boss"].id
    assert bosses[both.actors["colleague"].id] == sales
    assert manager not in {row["manager_id"] for row in both.rows(system.DEPARTMENT)}
    assert report.moved["tasks"] == 1
    [(assignee, _)] = assignees(both, waits)
    assert assignee not in {manager, None}
    assert assignee != sales, "four eyes: he started it"


def test_somebody_who_has_left_already_can_be_handed_over(world: World) -> None:
    id = world.contract()
    closed(world, "sales")
    hand_over(world, "sales", "colleague")
    assert world.record(id)["owner"] == world.actors["colleague"].id


def test_parts_go_to_different_people_or_stay(world: World) -> None:
    id = world.contract()
    with world.as_("root") as unit:
        targets = {"customer.owner": world.actors["boss"].id}
        handover.execute(unit, world.actors["sales"].id, targets)
    record = world.record(id)
    assert record["owner"] == world.actors["sales"].id
    assert world.record(record["customer"], "customer")["owner"] == world.actors["boss"].id


def test_an_agent_who_leaves_is_replaced(world: World) -> None:
    away(world, "manager", "legal")
    away(world, "finance", "legal")
    hand_over(world, "legal", "finance")
    present = [row for row in world.rows(system.WF_DELEGATION) if row["until_at"] is None]
    assert [(row["user_id"], row["agent_id"]) for row in present] == [
        (world.actors["manager"].id, world.actors["finance"].id)
    ]


@pytest.mark.parametrize(
    ("targets", "code"),
    [({}, "H134"), ({"nothing": "boss"}, "H133"), ({"tasks": "sales"}, "H130")],
)
def test_a_handover_that_makes_no_sense_is_refused(
    world: World, targets: dict[str, str], code: str
) -> None:
    chosen = {key: world.actors[who].id for key, who in targets.items()}
    with pytest.raises(Invalid) as caught, world.as_("root") as unit:
        handover.execute(unit, world.actors["sales"].id, chosen)
    assert caught.value.code == code
    assert world.rows(system.HANDOVER) == []


def test_only_administrators_look_and_hand_over(world: World) -> None:
    for who in ("boss", "sales"):
        with pytest.raises(NotFound), world.as_(who) as unit:
            handover.preview(unit, world.actors["sales"].id)
        with pytest.raises(NotFound), world.as_(who) as unit:
            handover.execute(unit, world.actors["sales"].id, {"tasks": world.actors["boss"].id})


def test_very_many_records_follow_in_portions(both: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "AT_ONCE", 4)
    monkeypatch.setattr(handover, "PORTION", 2)
    ids = [both.contract() for _ in range(5)]
    report = hand_over(both, "sales", "colleague")
    assert (report.status, report.left) == ("running", 10)
    with pytest.raises(Conflict):
        hand_over(both, "sales", "boss")
    run_internal(both.company, both.now)
    to = both.actors["colleague"].id
    assert {both.record(id)["owner"] for id in ids} == {to}
    with both.as_("root", write=False) as unit:
        done = handover.report(unit, report.id)
    assert done.left == 0
    assert sum(count for _, count in done.moved) >= 10
    [job] = both.rows(system.JOB)
    assert (job["status"], job["progress"]) == ("done", 10)
    by = [row["by_id"] for row in both.rows(system.HISTORY) if row["action"] == "handover"]
    assert set(by) == {both.actors["root"].id}


def test_what_names_a_person_for_good_is_told(world: World) -> None:
    told = [text(one, "en") for one in everything_of(world, "legal").remarks]
    assert any("Legal" in one for one in told)
    assert not [one for one in everything_of(world, "finance").remarks if one.code == "H151"]


@contextmanager
def _busy(world: World, plan: list[tuple[str, int]]) -> Iterator[None]:
    for kind, price in plan:
        if kind == "draft":
            world.contract(price)
        elif kind == "submitted":
            world.submitted(price)
        elif kind == "approved":
            world.decide("manager", world.submitted(20_000), "approve")
    yield


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    plan=st.lists(
        st.tuples(
            st.sampled_from(["draft", "submitted", "approved"]),
            st.sampled_from([500, 20_000, 800_000]),
        ),
        max_size=4,
    ),
    leaver=st.sampled_from(["sales", "manager", "finance", "legal", "boss"]),
    to=st.sampled_from(["colleague", "finance2", "service"]),
)
def test_after_a_handover_nothing_names_the_leaver(
    world: World, plan: list[tuple[str, int]], leaver: str, to: str
) -> None:
    with _busy(world, plan):
        pass
    if not everything_of(world, leaver).sections:
        return
    report = hand_over(world, leaver, to)
    assert report.stuck == [] or all(one.problems[0].code == "H138" for one in report.stuck)
    person = world.actors[leaver].id
    with world.as_("root", write=False) as unit:
        assert moving.waiting(unit.connection, person) == []
        owners = [one for one in records.places(unit) if one.owns]
        assert [one.key for one in owners if records.count(unit, one, person)] == []
    assert person not in {row["manager_id"] for row in world.rows(system.DEPARTMENT)}
    assert person not in {row["manager_id"] for row in world.rows(system.USER)}
    for row in world.rows(system.WF_TASK):
        assert row["status"] not in {"open", "waiting"} or row["assignee_id"] != person
    # and back again, so that the next example has somebody who leaves
    hand_back(world, to, leaver)


def hand_back(world: World, who: str, to: str) -> None:
    if everything_of(world, who).sections:
        hand_over(world, who, to)
