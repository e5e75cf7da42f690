"""Somebody leaves: his tasks find others, and no round is decided because of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.workflow.test_approvals import PEOPLE, chain, flow, told
from tests.unit.workflow.world import Story, World, story

from engine.workflow import Outcome, begin
from engine.workflow.reassign import concerns, reassign


def leaves(told: Story, person: int, to: int | None = None, **more: Any) -> Outcome:
    """`person`'s account is closed (or his work goes to `to`)."""
    world = replace(told.world, left={*told.world.left, person}, actor=None)
    told.world = world
    found = reassign(told.chart, told.instance, person, to, world, reason="account closed", **more)
    if not found.problems:
        told.instance = found.instance
    return found


def asked(told: Story) -> list[int | None]:
    return [task.assignee for task in told.instance.tasks if task.status == "open"]


def test_a_successor_gets_the_task_and_the_log_says_from_whom() -> None:
    case = told(assignees=[{"role": "law"}])
    found = leaves(case, 21, 40)
    [task] = found.tasks
    assert (task.assignee, task.passed_on, task.status) == (40, (21,), "open")
    [row] = found.events
    assert (row.type, row.actor, row.task) == ("task.reassign", None, task.id)
    assert row.comment == "account closed"
    assert row.data["from"] == 21
    assert [(effect.type, effect.to) for effect in found.effects] == [("task", (40,))]


def test_an_account_is_closed_among_several_and_the_others_decide() -> None:
    case = told(quorum="all")
    leaves(case, 12)
    assert asked(case) == [11, 13]
    case.does(11, "approve").does(13, "approve")
    assert case.instance.done


def test_the_last_vote_that_is_missing_is_not_given_by_leaving() -> None:
    case = told(quorum="all", empty="admin").does(11, "approve").does(13, "approve")
    leaves(case, 12)
    assert asked(case) == [50]
    assert not case.instance.done


def test_an_entry_that_must_be_heard_is_not_silently_left_out() -> None:
    two = [{"role": "law"}, {"role": "money"}]
    case = told(quorum="all", assignees=two, empty={"user": 41})
    leaves(case, 21)
    assert sorted(filter(None, asked(case))) == [31, 32, 41]


@pytest.mark.parametrize(
    ("empty", "left"),
    [("error", [50]), ("admin", [50]), ({"user": 41}, [41]), ({"role": "nobody"}, [50])],
)
def test_where_nobody_is_left_the_rule_says_who(empty: Any, left: list[int]) -> None:
    case = told(assignees=[{"role": "law"}], empty=empty)
    leaves(case, 21)
    assert asked(case) == left


@pytest.mark.parametrize(("empty", "state"), [("approve", "yes"), ("reject", "no")])
def test_a_rule_that_decides_does(empty: str, state: str) -> None:
    case = told(assignees=[{"role": "law"}], empty=empty)
    leaves(case, 21)
    assert case.instance.active == (state,)


def test_an_agent_stands_in_for_whoever_is_gone() -> None:
    case = told(assignees=[{"role": "law"}])
    case.world = replace(case.world, away={21: 44})
    found = leaves(case, 21)
    assert [(task.assignee, task.on_behalf_of) for task in found.tasks] == [(44, 21)]


def test_a_stand_in_who_leaves_gives_the_task_back() -> None:
    case = told(replace(PEOPLE, away={21: 44}), assignees=[{"role": "law"}])
    assert asked(case) == [44]
    case.world = replace(case.world, away={})
    leaves(case, 44)
    assert [(task.assignee, task.on_behalf_of) for task in case.instance.tasks] == [(21, None)]


def test_a_claim_goes_back_to_the_pool_and_a_pool_forgets_him() -> None:
    case = told(claim=True, quorum="any")
    leaves(case, 13)
    [task] = case.instance.tasks
    assert (task.assignee, task.candidates) == (None, (11, 12))
    case.send(11, "task.claim", task=1)
    leaves(case, 11)
    [task] = case.instance.tasks
    assert (task.assignee, task.candidates) == (None, (12,))
    leaves(case, 12)
    [task] = case.instance.tasks
    assert task.assignee == 50, "an empty pool is the administrator's"


def test_a_successor_takes_the_place_in_a_pool() -> None:
    case = told(claim=True, quorum="any")
    leaves(case, 12, 40)
    assert case.instance.tasks[0].candidates == (11, 40, 13)


def test_whoever_asked_for_an_opinion_gets_the_matter_back() -> None:
    case = told(assignees=[{"role": "law"}]).does(21, "delegate", to=44)
    assert asked(case) == [44]
    leaves(case, 44)
    assert asked(case) == [21]


def test_a_successor_who_votes_already_speaks_for_both() -> None:
    two = [{"role": "law"}, {"role": "two"}]
    case = told(quorum={"perGroup": 1}, assignees=two)
    leaves(case, 21, 11)
    assert asked(case) == [11, 12]
    case.does(11, "approve")
    assert case.instance.active == ("yes",)


def test_four_eyes_hold_for_successors_too() -> None:
    case = told(assignees=[{"role": "law"}], auto={"starter": "deny"}, empty="admin")
    leaves(case, 21, 1)
    assert asked(case) == [50]


def test_nobody_at_all_is_a_named_error_and_nothing_has_happened() -> None:
    case = told(replace(PEOPLE, roles={"law": [21]}), assignees=[{"role": "law"}])
    before = case.instance
    found = leaves(case, 21)
    assert [problem.code for problem in found.problems] == ["H140"]
    assert case.instance == before


def test_the_next_in_a_sequence_moves_while_he_waits() -> None:
    case = told(quorum="all", order="sequential")
    leaves(case, 12, 40)
    case.does(11, "approve")
    assert asked(case) == [40]


def test_the_case_of_a_leaver_becomes_his_successors() -> None:
    first, second = {"assignees": [{"role": "law"}]}, {"assignees": [{"role": "money"}]}
    case = story(chain(first, second), PEOPLE).begin().send(1, "go")
    found = leaves(case, 1, 44, starter=True)
    assert case.instance.starter == 44
    assert [row.type for row in found.events] == ["handed_over"]
    case.does(21, "reject", comment="no")
    case.send(44, "go")
    assert asked(case) == [21]


def test_nobody_becomes_the_starter_of_what_he_decides_about() -> None:
    case = told(assignees=[{"role": "law"}])
    leaves(case, 1, 21, starter=True)
    assert case.instance.starter == 1


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_waits_for_a_leaver_and_nothing_passes_because_of_him(data: st.DataObject) -> None:
    """Whatever the rules, whoever decided before: after a leave his name is on no task, and a round
    that was open is open still, unless the `empty` rule decides."""
    keys: dict[str, Any] = {
        "quorum": data.draw(
            st.sampled_from(["all", "any", {"count": 2}, {"percent": 60}, {"perGroup": 1}])
        ),
        "order": data.draw(st.sampled_from(["parallel", "sequential"])),
        "claim": data.draw(st.booleans()),
        "veto": data.draw(st.booleans()),
        "empty": data.draw(st.sampled_from(["error", "admin", {"user": 41}])),
        "assignees": data.draw(
            st.lists(
                st.sampled_from([{"role": "three"}, {"role": "law"}, {"role": "money"}]),
                min_size=1,
                max_size=3,
                unique_by=lambda who: who["role"],
            )
        ),
    }
    world = World(roles=dict(PEOPLE.roles), bosses=PEOPLE.bosses, away={11: 44, 31: 45})
    case = story(flow(**keys), world)
    if begin(case.chart, world).problems:
        return  # never so few that nobody could approve
    case.begin()
    for _ in range(data.draw(st.integers(0, 4))):
        open_ = [task for task in case.instance.tasks if task.status == "open" and task.assignee]
        if not open_ or case.instance.done:
            break
        task = data.draw(st.sampled_from(open_))
        verb = data.draw(st.sampled_from(["approve", "delegate", "addsign", "transfer"]))
        more: dict[str, Any] = {"to": 46} if verb != "approve" else {}
        tried = case.attempt(task.assignee, f"task.{verb}", task=task.id, **more)
        case.instance = tried.instance
    pending = {task.assignee for task in case.instance.tasks if task.pending} | {
        one for task in case.instance.tasks if task.pending for one in task.candidates
    }
    if case.instance.done or not pending - {None}:
        return
    leaver = data.draw(st.sampled_from(sorted(filter(None, pending))))
    to = data.draw(st.sampled_from([None, 47, 12, 50]))
    found = leaves(case, leaver, None if to == leaver else to)
    assert not found.problems
    assert not any(concerns(task, leaver) for task in case.instance.tasks)
    assert not case.instance.done
    assert any(task.status == "open" for task in case.instance.tasks)
