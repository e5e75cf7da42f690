"""Worked example 1: contract approval by amount, countersign, percentage, return, withdraw."""

from __future__ import annotations

import pytest
from tests.unit.workflow.world import Story, World, example, story

from engine.workflow import approval_card, field_rights, progress

CHART = example("contract_approval")
COMPANY = World(
    roles={
        "finance": [10, 11],
        "legal": [20, 21, 22],
        "cfo": [30],
        "workflow-admin": [40],
        "admin": [50],
    },
    bosses={1: 2, 2: 3, 3: 4},
)


def case(amount: int = 20_000, **record: object) -> Story:
    return story(CHART, COMPANY, amount=amount, payment_terms="30 days", **record).begin()


def submitted(amount: int = 20_000, **record: object) -> Story:
    return case(amount, **record).send(1, "submit")


def at_finance(amount: int = 20_000) -> Story:
    return submitted(amount).does(2, "approve")


def at_legal() -> Story:
    return at_finance().does(10, "approve").does(11, "approve")


def test_begins_as_a_draft_with_write_rights() -> None:
    told = case()
    assert told.at == ["draft"]
    assert told.last.state == "draft"
    assert field_rights(CHART, told.instance, 1).of("amount") == "write"


@pytest.mark.parametrize(
    ("amount", "first"),
    [(1, "finance"), (9_999, "finance"), (10_000, "manager"), (499_999, "manager")],
)
def test_the_amount_decides_the_first_step(amount: int, first: str) -> None:
    told = submitted(amount)
    assert told.at == [first]
    assert told.last.state == first
    assert told.instance.locked


def test_nothing_to_approve_is_not_submitted() -> None:
    case(0).refuses("W104", 1, "submit")


@pytest.mark.parametrize("stranger", [2, 10, 50, None])
def test_only_the_starter_submits(stranger: int | None) -> None:
    case().refuses("W103", stranger, "submit")


def test_the_whole_way() -> None:
    told = at_legal()
    assert told.open == [20, 21, 22]
    told.does(20, "approve")
    assert told.at == ["legal"]  # one of three is less than half
    told.does(21, "approve")
    assert told.at == ["approved"]
    assert told.instance.done
    assert told.last.changes == {"status": "effective"}
    assert told.effects == ["notify"]
    assert told.open == []
    assert told.instance.timers == ()
    assert told.instance.locked  # an approved contract stays read-only
    told.refuses("W101", 1, "submit")


def test_a_large_amount_goes_to_the_director_too() -> None:
    told = submitted(500_000).does(2, "approve")
    assert told.at == ["director"]
    assert told.open == [3]
    assert told.does(3, "approve").at == ["finance"]


def test_the_manager_rejects_with_a_comment_only() -> None:
    told = submitted()
    told.refuses("W114", 2, "task.reject", task=told.task_of(2).id)
    told.refuses("W114", 2, "task.reject", task=told.task_of(2).id, comment="  ")
    told.does(2, "reject", comment="too cheap")
    assert told.at == ["draft"]
    assert not told.instance.locked
    assert told.instance.tasks[0].comment == "too cheap"


def test_after_a_rejection_the_way_is_walked_again() -> None:
    told = submitted().does(2, "reject", comment="no").send(1, "submit")
    assert told.at == ["manager"]
    assert [one.number for one in told.instance.rounds] == [1, 2]
    assert told.open == [2]


def test_one_of_finance_vetoes() -> None:
    told = at_finance().does(11, "reject")
    assert told.at == ["draft"]
    assert [one.status for one in told.instance.tasks] == ["approved", "cancelled", "rejected"]


def test_finance_needs_everybody_and_the_required_field() -> None:
    told = at_finance()
    told.world.record["payment_terms"] = ""
    told.refuses("W115", 10, "task.approve", task=told.task_of(10).id)
    assert told.commands(10)["task.approve"].why is not None
    told.world.record["payment_terms"] = "now"
    told.does(10, "approve")
    assert told.at == ["finance"]
    assert told.does(11, "approve").at == ["legal"]


def test_finance_copies_to_the_cfo_once() -> None:
    told = at_finance()
    assert told.effects.count("cc") == 1
    assert told.instance.cc == (30,)
    told.does(10, "return", to="draft").send(1, "submit")
    assert "cc" not in told.effects


def test_legal_does_not_veto() -> None:
    told = at_legal().does(20, "reject").does(21, "approve")
    assert told.at == ["legal"]
    assert told.does(22, "approve").at == ["approved"]


def test_legal_rejects_when_half_cannot_be_reached() -> None:
    told = at_legal().does(20, "reject").does(21, "reject")
    assert told.at == ["draft"]
    assert told.instance.task(told.instance.tasks[-1].id).status == "cancelled"  # type: ignore[union-attr]


def test_the_starter_withdraws_until_legal() -> None:
    for told in (submitted(), at_finance(), submitted(500_000).does(2, "approve")):
        told.send(1, "withdraw")
        assert told.at == ["draft"]
        assert told.open == []
        assert not told.instance.locked
        assert told.effects == ["notify"]
    at_legal().refuses("W104", 1, "withdraw")


@pytest.mark.parametrize("stranger", [2, 10, 40, None])
def test_nobody_else_withdraws(stranger: int | None) -> None:
    submitted().refuses("W103", stranger, "withdraw")


def test_an_administrator_of_workflows_terminates() -> None:
    told = at_legal()
    told.refuses("W103", 1, "terminate")
    told.send(40, "terminate")
    assert told.at == ["cancelled"]
    assert told.instance.done


def test_return_direct_goes_back_to_the_one_who_returned() -> None:
    told = at_finance()
    told.does(10, "return", to="#start", comment="which terms?")
    assert told.at == ["draft"]
    assert told.open == []
    told.send(1, "submit")
    assert told.at == ["finance"]
    assert told.open == [10, 11]
    assert told.instance.detour is None


def test_return_to_the_previous_step() -> None:
    told = at_finance().does(11, "return", to="#previous")
    assert told.at == ["manager"]
    assert told.does(2, "approve").at == ["finance"]


def test_return_restart_walks_all_steps_again() -> None:
    told = submitted().does(2, "return", comment="price?")
    assert told.at == ["draft"]
    assert told.send(1, "submit").at == ["manager"]


def test_return_elsewhere_is_refused() -> None:
    told = at_finance()
    mine = told.task_of(10).id
    told.refuses("W119", 10, "task.return", task=mine, to="legal")
    told.refuses("W119", 10, "task.return", task=mine)
    told = submitted()
    mine = told.task_of(2).id
    told.refuses("W119", 2, "task.return", task=mine, to="director", comment="x")


def test_director_is_spared_when_he_approved_just_before() -> None:
    world = World(roles=COMPANY.roles, bosses={1: 2, 2: 3})
    told = story(CHART, world, amount=600_000, payment_terms="x").begin().send(1, "submit")
    told.does(2, "transfer", to=3).does(3, "approve")
    assert told.at == ["finance"]
    spared = next(one for one in told.instance.tasks if one.state == "director")
    assert (spared.status, spared.auto, spared.decided_by) == ("approved", "repeat", None)


def test_a_director_missing_falls_to_the_administrators() -> None:
    world = World(roles=COMPANY.roles, bosses={1: 2})
    told = story(CHART, world, amount=600_000).begin().send(1, "submit").does(2, "approve")
    assert told.open == [50]


def test_a_role_without_people_stops_the_step() -> None:
    world = World(roles={**COMPANY.roles, "finance": []}, bosses=COMPANY.bosses)
    told = story(CHART, world, amount=5).begin()
    told.refuses("W108", 1, "submit")
    told = story(CHART, world, amount=20_000).begin().send(1, "submit")
    told.refuses("W108", 2, "task.approve", task=told.task_of(2).id)


def test_the_nudge_reminds_and_the_superior_takes_over() -> None:
    told = submitted()
    assert [one.name for one in told.instance.timers] == ["after.manager.nudge", "after.manager.up"]
    assert told.wait(days=3) == ["after.manager.nudge"]
    assert told.effects == ["remind"]
    assert told.last.effects[0].to == (2,)
    assert told.wait(days=3) == ["after.manager.up"]
    assert told.open == [3]
    assert [one.status for one in told.instance.tasks] == ["cancelled", "open"]
    told.refuses("W111", 2, "task.approve", task=1)
    assert told.does(3, "approve").at == ["finance"]


def test_legal_is_decided_after_five_days() -> None:
    told = at_legal()
    told.wait(days=5)
    assert told.at == ["draft"]
    assert {one.note for one in told.instance.tasks if one.state == "legal"} == {"timer"}


def test_finance_tells_the_cfo_but_goes_on() -> None:
    told = at_finance()
    assert told.wait(days=3) == ["after.finance.0"]
    assert told.last.effects[0].to == (30,)
    assert told.open == [10, 11]


def test_field_rights_belong_to_the_approver() -> None:
    told = submitted()
    assert field_rights(CHART, told.instance, 2).of("discount_note") == "write"
    assert field_rights(CHART, told.instance, 2).of("amount") == "read"
    assert field_rights(CHART, told.instance, 1).of("discount_note") == "read"
    told.does(2, "approve")
    assert field_rights(CHART, told.instance, 10).of("payment_terms") == "required"
    assert field_rights(CHART, told.instance, 2).of("payment_terms") == "read"


def test_a_locked_record_is_read_only_where_no_state_speaks() -> None:
    told = at_legal()
    assert field_rights(CHART, told.instance, 20).of("amount") == "read"


def test_buttons() -> None:
    told = case()
    assert set(told.commands(1)) == {"submit", "cancel"}
    assert told.commands(2) == {}
    told.world.record["amount"] = 0
    refusal = told.commands(1)["submit"].why
    assert refusal is not None
    assert refusal.code == "W104"
    told = submitted()
    assert set(told.commands(1)) == {"withdraw"}
    assert set(told.commands(40)) == {"terminate"}
    mine = told.commands(2)
    assert list(mine) == [
        "task.approve",
        "task.reject",
        "task.transfer",
        "task.delegate",
        "task.addsign",
        "task.return",
    ]
    assert mine["task.approve"].comment == "optional"
    assert mine["task.reject"].comment == "required"
    assert mine["task.return"].places == ("draft",)
    assert mine["task.approve"].title["zh-CN"] == "同意"


def test_progress() -> None:
    told = at_finance()
    rows = [row for outcome in told.log for row in outcome.events]
    steps = progress(CHART, told.instance, rows, told.world)
    assert [(one.state, one.status) for one in steps] == [
        ("draft", "done"),
        ("manager", "done"),
        ("finance", "current"),
        ("legal", "future"),
        ("approved", "future"),
    ]
    assert steps[0].by == 1
    told.send(1, "withdraw").send(1, "cancel")
    steps = progress(CHART, told.instance, rows)
    assert (steps[-1].state, steps[-1].status) == ("cancelled", "off")


def test_card() -> None:
    told = at_finance().does(10, "approve", comment="fine")
    card = approval_card(CHART, told.instance)
    assert [(one.state, one.outcome) for one in card.rounds] == [
        ("manager", "approved"),
        ("finance", ""),
    ]
    assert [(one.user, one.status, one.comment) for one in card.rounds[1].people] == [
        (10, "approved", "fine"),
        (11, "open", ""),
    ]
    assert [(one.user, one.why) for one in card.waits_for] == [(11, "decide")]
    assert card.rounds[1].due is not None
    assert card.copies == (30,)


def test_the_log_tells_every_change_once() -> None:
    told = at_legal().does(20, "approve").does(21, "approve")
    rows = [row for outcome in told.log for row in outcome.events]
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    at: tuple[str, ...] = ()
    for row in rows:
        assert row.before == at
        at = row.after
        assert (row.actor is None) == (row.cause != row.sequence)
    assert at == ("approved",)


INSIDE = ("done.approved.manager", "done.state.in_review", "error.execution", "after.manager.up")


@pytest.mark.parametrize("event", INSIDE)
@pytest.mark.parametrize("actor", [1, 2, 40, None])
def test_internal_events_are_refused(event: str, actor: int | None) -> None:
    submitted().refuses("W105", actor, event)


def test_a_late_timer_is_refused() -> None:
    told = submitted()
    told.refuses("W107", None, "after.manager.up", source="timer")  # not due
    told.does(2, "approve")
    told.refuses("W107", None, "after.manager.up", source="timer")  # left


COMMANDS = (
    "approve",
    "reject",
    "transfer",
    "delegate",
    "addsign",
    "removesign",
    "return",
    "recall",
    "claim",
    "remind",
    "cc",
    "invented",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("stranger", [3, 10, 20, 30, 40, 50, 99, None])
def test_every_command_of_every_stranger_is_refused(command: str, stranger: int | None) -> None:
    told = submitted()
    outcome = told.attempt(
        stranger, f"task.{command}", task=told.task_of(2).id, to=[12], comment="x"
    )
    assert len(outcome.problems) == 1
    assert outcome.problems[0].code in {"W112", "W124", "W126"}
    assert outcome.instance == told.instance


def test_another_version_is_refused() -> None:
    other = example("complaint_handling")
    told = submitted()
    told.chart = other
    told.refuses("W100", 2, "task.approve", task=1)
