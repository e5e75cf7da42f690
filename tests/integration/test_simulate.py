"""Trying a workflow out: what a simulation says is what really happens, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.test_records_flows import MONDAY, World, inhabited

from engine.problems import text
from engine.records import flows
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.flows import store
from engine.records.flows.timers import run_due
from engine.records.simulation.paths import bands, explore, explore_bands
from engine.records.simulation.replay import Report, replay, sentences
from engine.records.simulation.simulate import STRATEGIES, Act, Script, Walk, read_values, simulate
from engine.records.simulation.world import draft_workflow, earlier_chart, published_workflow
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database
from engine.tables import system
from engine.testing import acting
from engine.workflow import Instance, compile_chart
from engine.workflow.chart import Delay

CONTRACT = "contract_approval"
QUIET = {"dg_id_block"}


@pytest.fixture
def world(sqlite_database: Database) -> Iterator[World]:
    with inhabited(sqlite_database) as found:
        yield found


@pytest.fixture(name="both")
def both_worlds(database: Database) -> Iterator[World]:
    with inhabited(database) as found:
        yield found


def digest(world: World) -> list[Any]:
    """Every row of every table of the company."""
    tables = [*world.company.current.tables.metadata.sorted_tables]
    tables += [one for one in system.METADATA.sorted_tables if one.name not in QUIET]
    return [(table.name, sorted(map(repr, world.rows(table)))) for table in tables]


def walked(world: World, *, who: str | Actor = "root", **more: Any) -> Walk:
    flow = more.pop("workflow", CONTRACT)
    with world.as_(who, write=False) as unit:
        return simulate(unit, published_workflow(unit, flow), **more)


def document(world: World, flow: str = CONTRACT) -> dict[str, Any]:
    chart = world.company.current.model.workflows[flow].chart
    found: dict[str, Any] = json.loads(json.dumps(chart, default=str))
    return found


def asked(walk: Walk, state: str) -> set[int | None]:
    return {
        seat.person
        for one in walk.steps
        for ask in one.told.asks
        if ask.state == state
        for seat in ask.seats
    }


# --- a walk ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("price", "path"),
    [
        ("20000", ["draft", "manager", "approved"]),
        ("50000", ["draft", "manager", "countersign", "approved"]),
        ("500000", ["draft", "manager", "countersign", "general_manager", "approved"]),
    ],
)
def test_every_band_walks_its_own_way(world: World, price: str, path: list[str]) -> None:
    walk = walked(world, record=world.contract(price))
    assert (list(walk.path), walk.end) == (path, "finished")


def test_nothing_is_written_and_nothing_is_sent(both: World) -> None:
    id = both.contract("600000")
    before = digest(both)
    outbox = len(both.rows(system.OUTBOX))
    for strategy in STRATEGIES:
        walk = walked(both, record=id, script=Script(strategy, pace=Delay(seconds=3600)))
        assert walk.steps
    with both.as_("root", write=False) as unit:
        assert explore(unit, published_workflow(unit, CONTRACT), record=id).fine
    assert len(both.rows(system.OUTBOX)) == outbox
    assert digest(both) == before


def test_a_walk_tells_who_and_why(world: World) -> None:
    walk = walked(world, record=world.contract("60000"))
    manager = walk.steps[1].told.asks[0]
    (seat,) = manager.seats
    assert seat.person == world.actors["manager"].id
    assert [text(one, "en") for one in seat.why] == ["superior, 1 level above Owner Sales"]
    assert text(manager.quorum, "en") == "the first approval is enough; one rejection rejects"
    both = walk.steps[2].told.asks[0]
    why = {seat.person: text(seat.why[0], "en") for seat in both.seats}
    assert why[world.actors["legal"].id].startswith("role ")
    sent = walk.steps[1].sent
    assert [(one.kind, one.to) for one in sent] == [("task", (world.actors["manager"].id,))]
    assert walk.steps[-1].changes["approval_state"] == ("countersign", "approved")


def test_field_rights_are_the_viewers(world: World) -> None:
    id = world.contract("60000")
    mine = walked(world, record=id, viewer=world.actors["manager"].id).steps[1].told.rights
    others = walked(world, record=id, viewer=world.actors["legal"].id)
    assert mine["remark"] == "write"
    assert others.steps[1].told.rights["amount"] == "read"


def test_nobody_answers_and_the_clock_goes_on(world: World) -> None:
    walk = walked(world, record=world.contract("20000"), script=Script("nobody"), at=MONDAY)
    timers = [(one.event, one.elapsed) for one in walk.steps if one.kind == "timer"]
    # 24 and 48 hours of work are three and six days of eight (nine with lunch) hours
    assert [name for name, _ in timers] == ["after.manager.nudge", "after.manager.up"]
    assert walk.end == "stuck"
    assert [one.code for one in walk.why] == ["M105"]
    assert asked(walk, "manager") == {world.actors["manager"].id, world.actors["boss"].id}


def test_timers_are_due_as_the_calendar_says(world: World) -> None:
    id = world.submitted("20000")
    (real,) = [row for row in world.rows(system.WF_TIMER) if row["name"].endswith("nudge")]
    walk = walked(world, record=id, at=world.now)
    (due,) = [one for one in walk.steps[1].told.dues if one.name.endswith("nudge")]
    assert due.at == real["due"]
    assert due.work


def test_people_take_their_time(world: World) -> None:
    script = Script(pace=Delay(seconds=4 * 3600))
    walk = walked(world, record=world.contract("20000"), script=script, at=MONDAY)
    assert walk.elapsed >= timedelta(hours=4)


def test_the_first_sends_back_and_then_all_approve(world: World) -> None:
    walk = walked(world, record=world.contract("20000"), script=Script("return"))
    assert list(walk.path) == ["draft", "manager", "draft", "manager", "approved"]


def test_rejecting_for_ever_is_told_as_a_circle(world: World) -> None:
    walk = walked(world, record=world.contract("20000"), script=Script("reject"))
    assert walk.end == "loop"
    assert walk.why[0].code == "M103"


def test_a_random_walk_can_be_walked_again(world: World) -> None:
    id = world.contract("600000")
    first, again = (walked(world, record=id, script=Script("random", seed=7)) for _ in range(2))
    assert [one.event for one in first.steps] == [one.event for one in again.steps]


def test_step_by_step(world: World) -> None:
    id, manager, sales = (
        world.contract("20000"),
        world.actors["manager"].id,
        world.actors["sales"].id,
    )
    acts = (Act("submit", sales), Act("wait", hours=1), Act("task.approve", manager))
    walk = walked(world, record=id, script=Script("script", acts))
    assert (walk.state, walk.end) == ("approved", "finished")
    stopped = walked(world, record=id, script=Script("script", acts[:1]))
    assert stopped.end == "open"
    assert {(one.who, one.command) for one in stopped.choices if one.command} >= {
        (manager, "approve"),
        (manager, "reject"),
    }


def test_a_stranger_is_refused_as_in_earnest(world: World) -> None:
    acts = (Act("submit"), Act("task.approve", world.actors["legal"].id, 1))
    walk = walked(world, record=world.contract("20000"), script=Script("script", acts))
    refused = walk.steps[-1]
    assert (refused.kind, refused.problem and refused.problem.code) == ("refused", "W112")
    assert walk.state == "manager"


def test_values_instead_of_a_record(world: World) -> None:
    values = {"amount": 70_000, "owner": world.actors["sales"].id}
    walk = walked(world, values=values)
    assert list(walk.path) == ["draft", "manager", "countersign", "approved"]
    changed = walked(world, record=world.contract("20000"), values={"amount": 600_000})
    assert "general_manager" in changed.path


def test_typed_values_are_read_as_in_a_form(world: World) -> None:
    entity = world.company.current.model.entities["contract"]
    values, problems = read_values(entity, {"amount": "70,000", "nothing": 1, "owner": ""})
    assert values.get("owner", "") is None
    assert "M164" in {one.code for one in problems}


def test_an_agent_stands_in_at_the_false_time(world: World) -> None:
    away = {
        "id": 1,
        "user_id": world.actors["manager"].id,
        "agent_id": world.actors["colleague"].id,
        "workflow": "",
        "from_at": MONDAY + timedelta(days=10),
        "until_at": MONDAY + timedelta(days=12),
        "created_at": MONDAY,
    }
    with world.company.database.write() as connection:
        connection.execute(sa.insert(system.WF_DELEGATION).values(away))
    id = world.contract("20000")
    now = walked(world, record=id, at=MONDAY).steps[1].told.asks[0].seats[0]
    later = walked(world, record=id, at=MONDAY + timedelta(days=11)).steps[1].told.asks[0].seats[0]
    assert now.person == world.actors["manager"].id
    assert later.person == world.actors["colleague"].id
    assert later.on_behalf_of == world.actors["manager"].id
    assert "M121" in {one.code for one in later.why}


def test_a_step_that_finds_nobody_says_so(world: World) -> None:
    draft = document(world)
    draft["states"]["in_review"]["states"]["general_manager"] |= {
        "assignees": [{"field": "owner"}],
        "auto": {"starter": "deny"},
        "empty": "error",
    }
    id = world.contract("600000")
    with world.as_("root", write=False) as unit:
        walk = simulate(unit, draft_workflow(unit, draft), record=id)
        found = explore(unit, draft_workflow(unit, draft), record=id)
    assert walk.end == "stuck"
    assert [one.code for one in walk.why] == ["W108"]
    assert {one.why[0].code for one in found.traps} == {"M109"}


def test_a_record_that_may_not_be_seen_is_not_there(world: World) -> None:
    id = world.contract("20000")
    with pytest.raises(NotFound):
        walked(world, who=acting(world.company, "stranger"), record=id)


def test_a_draft_with_mistakes_is_refused(world: World) -> None:
    draft = document(world)
    draft["states"]["draft"]["on"]["submit"] = "nowhere"
    with world.as_("root", write=False) as unit, pytest.raises(Invalid) as caught:
        draft_workflow(unit, draft)
    assert caught.value.code == "W001"


def test_another_version_can_be_walked(world: World) -> None:
    world.contract("20000")
    with world.as_("root", write=False) as unit:
        now = unit.app.model.workflows[CONTRACT].version
        assert earlier_chart(unit, CONTRACT, now).id == CONTRACT
        with pytest.raises(NotFound):
            earlier_chart(unit, CONTRACT, 9)


# --- every way ---------------------------------------------------------------------------------
def test_all_ways_of_every_band(world: World) -> None:
    with world.as_("root", write=False) as unit:
        flow = published_workflow(unit, CONTRACT)
        owner = {"owner": world.actors["sales"].id}
        verdict = explore_bands(unit, flow, values=owner)
        limits = {
            int(one["amount"]) for one in bands(compile_chart(flow), unit.entity("contract").fields)
        }
    assert verdict.finals == {"approved", "cancelled"}
    assert verdict.traps == []
    assert verdict.never == {"special_credit"}  # it takes a customer beyond his credit
    assert verdict.complete
    assert {49_999, 50_000, 499_999, 500_000} <= limits


def test_a_circle_without_a_way_out_is_a_trap(world: World) -> None:
    draft = document(world)
    never = {"target": "cancelled", "guard": "amount < 0"}
    draft["states"]["draft"]["on"]["cancel"] = never
    review = draft["states"]["in_review"]
    review["on"]["terminate"] = never
    for one in review["states"].values():
        one["onDone"]["approved"] = [{"target": "approved", "guard": "amount < 0"}, "draft"]
    id = world.contract("20000")
    with world.as_("root", write=False) as unit:
        found = explore(unit, draft_workflow(unit, draft), record=id)
    assert not found.fine
    assert [one.why[0].code for one in found.traps] == ["M170"]


def test_an_exploration_stops_at_its_limit(world: World) -> None:
    id = world.contract("600000")
    with world.as_("root", write=False) as unit:
        found = explore(unit, published_workflow(unit, CONTRACT), record=id, limit=10)
    assert (found.situations, found.complete) == (10, False)


# --- simulated and real are the same -----------------------------------------------------------
def real_case(world: World, id: int) -> Instance:
    with world.as_(SYSTEM, write=False) as unit:
        found = store.latest(unit, "contract", id)
    assert found is not None
    return found.instance


def in_earnest(world: World, id: int, walk: Walk) -> None:
    """Do what the walk says, for real, at the same instants; compare after every step."""
    for one in walk.steps[1:]:
        world.now = one.at
        if one.kind == "timer":
            run_due(world.company, world.now)
        else:
            who = next(actor for actor in world.actors.values() if actor.id == one.who)
            with world.as_(who) as unit:
                data = {"comment": "…"} if one.kind == "decision" else {}
                flows.fire(unit, "contract", id, one.event, data)
        case = real_case(world, id)
        assert world.state(id) == one.state, (one.number, one.event)
        open_ = {(t.state, t.assignee) for t in case.tasks if t.status == "open"}
        told = {
            (ask.state, seat.person)
            for ask in one.told.asks
            for seat in ask.seats
            if seat.status == "open"
        }
        assert told == open_
        assert {(due.name, due.at) for due in one.told.dues} == {
            (timer.name, timer.due) for timer in case.timers
        }


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["approve", "reject", "nobody", "random", "random"]),
    st.integers(1, 1000),
    st.sampled_from(["0.01", "49999.99", "50000", "500000"]),
    st.sampled_from([0, 4, 30]),
)
def test_what_is_simulated_is_what_happens(
    both: World, strategy: str, seed: int, price: str, hours: int
) -> None:
    both.now = MONDAY
    id = both.contract(price)
    script = Script(strategy, seed=seed, pace=Delay(seconds=hours * 3600))
    walk = walked(both, record=id, script=script, at=both.now)
    assert all(one.problem is None for one in walk.steps)
    in_earnest(both, id, walk)


# --- the past ----------------------------------------------------------------------------------
PATHS = {
    "1000": ["manager"],
    "60000": ["manager", "finance", "legal"],
    "600000": ["manager", "finance", "legal", "boss"],
}


def a_quarter(world: World, days: int = 3) -> dict[str, list[int]]:
    """Contracts of each band, approved an hour after the other."""
    found: dict[str, list[int]] = {price: [] for price in PATHS}
    for day in range(days):
        for price, path in PATHS.items():
            world.now = MONDAY + timedelta(days=day)
            id = world.submitted(price)
            found[price].append(id)
            for who in path:
                world.now += timedelta(hours=1)
                world.decide(who, id, "approve")
    world.now = MONDAY + timedelta(days=60)
    return found


def replayed(world: World, draft: Mapping[str, Any], **more: Any) -> Report:
    with world.as_("root", write=False) as unit:
        return replay(unit, draft_workflow(unit, draft), MONDAY - timedelta(days=1), **more)


def test_the_published_definition_changes_nothing(both: World) -> None:
    a_quarter(both, 1)
    before = digest(both)
    report = replayed(both, document(both))
    assert (report.looked, report.changed, report.unlike, report.rebuilt) == (3, 0, 0, 3)
    assert report.groups == {}
    assert digest(both) == before


def test_one_approver_more(both: World) -> None:
    records = a_quarter(both)
    draft = document(both)
    draft["version"] = 2
    steps = draft["states"]["in_review"]["states"]
    steps["countersign"]["onDone"]["approved"] = "general_manager"
    report = replayed(both, draft)
    assert (report.looked, report.total, report.changed) == (9, 9, 3)
    more = report.groups["more"]
    assert (more.count, more.variants, more.examples) == (3, {"1": 3}, records["60000"])
    added = report.steps["general_manager"].added
    assert added == {str(both.actors["boss"].id): 3}
    assert report.groups["slower"].count == 3
    assert report.median_minutes == 60
    assert "3 of 9 cases would need 1 more approver." in [text(p, "en") for p in sentences(report)]


def test_a_case_that_would_stall(world: World) -> None:
    records = a_quarter(world)
    draft = document(world)
    draft["states"]["in_review"]["states"]["general_manager"] |= {
        "assignees": [{"field": "owner"}],
        "auto": {"starter": "deny"},
        "empty": "error",
    }
    report = replayed(world, draft)
    assert report.groups["stalls"].count == 3
    assert report.groups["stalls"].examples == records["600000"]


def test_a_case_that_would_end_otherwise(world: World) -> None:
    a_quarter(world, 1)
    draft = document(world)
    steps = draft["states"]["in_review"]["states"]
    steps["manager"]["onDone"]["approved"] = "cancelled"
    report = replayed(world, draft)
    assert report.groups["ends"].count == 3
    assert report.groups["fewer"].count == 2


def test_values_are_those_of_the_submission(world: World) -> None:
    a_quarter(world, 1)
    with world.as_(SYSTEM) as unit:
        unit.connection.execute(
            sa.update(world.company.current.tables.of("contract").table).values(version=99)
        )
    report = replayed(world, document(world))
    assert report.rebuilt == 3


def test_a_replay_can_be_cancelled_and_gone_on_with(world: World) -> None:
    a_quarter(world, 1)
    stopped = replayed(world, document(world), progress=lambda _done, _of: False)
    assert stopped.cancelled
    assert not stopped.complete
    first = replayed(world, document(world), most=2)
    assert (first.looked, first.total) == (2, 2)
    again = Report.from_json(json.loads(json.dumps(first.to_json())))
    rest = replayed(world, document(world), begun=again)
    assert (rest.looked, rest.complete) == (3, True)


def test_a_draft_of_another_entity_is_refused(world: World) -> None:
    draft = document(world) | {"entity": "complaint", "stateField": "status"}
    with pytest.raises(Failure):
        replayed(world, draft)
