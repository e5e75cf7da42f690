"""What administrators do with a case, another version under a running case, and called cases."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.workflow.test_approvals import PEOPLE, chain
from tests.unit.workflow.test_terms import side_by_side
from tests.unit.workflow.world import Story, World, chart_of, story

from engine.workflow import ACTIONS, Event, Outcome, administer, migrate, step
from engine.workflow.admin import Action

LAW, MONEY = {"assignees": [{"role": "law"}]}, {"assignees": [{"role": "money"}]}


def running(**more: Any) -> Story:
    """A case at its first approval, with a timer."""
    after = [{"id": "end", "delay": "P5D", "actions": [{"type": "decide", "outcome": "rejected"}]}]
    return story(chain({**LAW, "after": after}, MONEY, **more), PEOPLE).begin().send(1, "go")


def order(
    told: Story, action: Action, target: str = "", reason: str = "because", actor: int = 50
) -> Outcome:
    told.world.actor = actor
    return administer(told.chart, told.instance, action, told.world, target=target, reason=reason)


def does(told: Story, action: Action, target: str = "") -> Outcome:
    outcome = order(told, action, target)
    told._take(outcome)
    assert outcome.events[0].type == ACTIONS[action]
    assert (outcome.events[0].actor, outcome.events[0].comment) == (50, "because")
    return outcome


def refused(told: Story, action: Action, target: str = "", reason: str = "because") -> str:
    outcome = order(told, action, target, reason)
    assert outcome.instance == told.instance
    return outcome.problems[0].code


# -- jump, end, wake up --------------------------------------------------------------------------
def test_a_case_is_moved_to_another_step() -> None:
    """跳转：旧待办取消，新步骤照常开始。"""
    told = running()
    does(told, "jump", "two")
    assert (told.at, told.open) == (["two"], [31, 32])
    assert [task.note for task in told.instance.tasks if not task.pending] == ["left"]
    assert told.instance.timers == ()
    assert told.does(31, "approve").does(32, "approve").at == ["yes"]


def test_a_jump_within_a_parallel_branch_leaves_the_others() -> None:
    """并行分支内的跳转不影响其他分支。"""
    told = story(side_by_side(), PEOPLE).begin().send(1, "go").does(11, "approve")
    does(told, "jump", "lz")
    assert told.at == ["lz", "r"]
    assert told.open == [12]


def test_a_jump_to_the_end_ends_the_case() -> None:
    told = running()
    does(told, "jump", "yes")
    assert told.instance.done
    assert not told.instance.terminated


def test_a_case_is_ended_where_it_stands() -> None:
    """作废：不再等任何人，锁定解除。"""
    told = running()
    does(told, "terminate")
    assert (told.instance.done, told.instance.terminated, told.open) == (True, True, [])
    assert told.instance.timers == ()
    told.refuses("W101", 21, "task.approve", task=1)


def test_a_case_that_has_ended_is_woken_up() -> None:
    """唤醒：办结的事从某一步继续。"""
    told = running()
    does(told, "terminate")
    does(told, "wake_up", "two")
    assert (told.instance.done, told.instance.terminated) == (False, False)
    assert told.open == [31, 32]
    assert told.does(31, "approve").does(32, "approve").at == ["yes"]


def test_what_administrators_cannot_do() -> None:
    told = running()
    assert refused(told, "jump", "two", reason=" ") == "W305"
    assert refused(told, "jump", "nowhere") == "W307"
    assert refused(told, "jump") == "W307"
    assert refused(told, "wake_up", "two") == "W306"
    does(told, "terminate")
    assert refused(told, "terminate") == "W101"
    assert refused(told, "jump", "two") == "W101"


def test_nobody_takes_back_a_decision_after_an_administrator_acted() -> None:
    told = story(chain({**LAW, "recall": "until-next-acts"}, MONEY), PEOPLE).begin().send(1, "go")
    told.does(21, "approve")
    does(told, "jump", "two")
    told.refuses("W120", 21, "task.recall", task=1)


# -- another version -----------------------------------------------------------------------------
def moved(told: Story, document: dict[str, Any], mapping: dict[str, str]) -> Outcome:
    new = chart_of({**document, "version": 2})
    told.world.actor = 50
    return migrate(told.chart, new, told.instance, mapping, told.world, reason="new rules")


def arrives(told: Story, document: dict[str, Any], **mapping: str) -> Outcome:
    outcome = moved(told, document, mapping)
    told.chart = chart_of({**document, "version": 2})
    told._take(outcome)
    row = outcome.events[0]
    assert (row.type, row.actor, row.comment) == ("migrated", 50, "new rules")
    assert told.instance.version == 2
    return outcome


def test_a_round_goes_on_when_its_people_are_the_same() -> None:
    """迁移：审批人描述相同则本轮继续，已有的票保留，按新规则计票。"""
    told = story(chain({"assignees": [{"role": "three"}]}, MONEY), PEOPLE).begin().send(1, "go")
    told.does(11, "approve")
    document = chain({"assignees": [{"role": "three"}], "quorum": {"count": 2}}, MONEY)
    arrives(told, document)
    assert (told.at, told.open) == (["one"], [12, 13])
    assert told.does(12, "approve").at == ["two"]


def test_votes_may_suffice_under_the_new_rule() -> None:
    """迁移后按新规则已够票：直接继续。"""
    told = story(chain({"assignees": [{"role": "three"}]}, MONEY), PEOPLE).begin().send(1, "go")
    told.does(11, "approve")
    arrives(told, chain({"assignees": [{"role": "three"}], "quorum": "any"}, MONEY))
    assert told.at == ["two"]


def test_a_round_opens_anew_for_other_people() -> None:
    """迁移：审批人不同则重新开始一轮，旧待办取消。"""
    told = running()
    outcome = arrives(told, chain({"assignees": [{"role": "two"}]}, MONEY))
    assert told.open == [11, 12]
    assert [one.number for one in told.instance.rounds] == [1, 2]
    assert told.instance.tasks[0].note == "migrated"
    assert [effect.type for effect in outcome.effects] == ["task", "task"]


def test_a_step_that_is_gone_needs_a_place() -> None:
    """迁移：旧步骤在新版本里没有时，必须指明去向；进入动作不执行。"""
    told = running()
    document = chain(LAW, {**MONEY, "entry": [{"assign": {"x": 1}}, {"type": "notify"}]})
    states = document["states"]
    del states["one"]
    states["draft"]["on"]["go"] = "two"
    outcome = moved(told, document, {})
    assert outcome.problems[0].code == "W309"
    assert outcome.problems[0].params["places"] == ["one"]
    assert outcome.instance == told.instance
    assert moved(told, document, {"one": "nowhere"}).problems[0].code == "W309"
    outcome = arrives(told, document, one="two")
    assert (told.at, told.open) == (["two"], [31, 32])
    assert (outcome.changes, {one.type for one in outcome.effects}) == ({}, {"task"})
    assert told.commands(31)  # tasks of a state that is gone are in nobody's way


def test_timers_follow_the_new_definition() -> None:
    """迁移：没改的时限保留原来的时刻，改了的从现在重新计，删掉的取消。"""
    told = running()
    before = told.instance.timers
    told.wait(days=1)
    same = copy.deepcopy(told_document())
    arrives(told, same)
    assert told.instance.timers == before
    changed = copy.deepcopy(told_document())
    changed["states"]["one"]["after"][0]["delay"] = "P2D"
    told.chart, told.instance = chart_of(told_document()), running().instance
    arrives(told, changed)
    assert (told.instance.timers[0].due - told.world.now).days == 2
    without = chain(LAW, MONEY)
    told.chart, told.instance = chart_of(told_document()), running().instance
    arrives(told, without)
    assert told.instance.timers == ()


def told_document() -> dict[str, Any]:
    after = [{"id": "end", "delay": "P5D", "actions": [{"type": "decide", "outcome": "rejected"}]}]
    return chain({**LAW, "after": after}, MONEY)


def test_parallel_branches_keep_their_places() -> None:
    """迁移：并行分支各自保留；不能同时进行的组合被拒绝。"""
    told = story(side_by_side(), PEOPLE).begin().send(1, "go").does(21, "approve")
    arrives(told, side_by_side())
    assert (told.at, told.open) == (["lz", "r"], [11, 12])
    other = moved(told, {**side_by_side(), "x": 1}, {"lz": "draft"})
    assert other.problems[0].code == "W310"


def test_a_finished_case_is_only_marked() -> None:
    told = running()
    does(told, "terminate")
    outcome = arrives(told, told_document())
    assert told.instance.done
    assert outcome.effects == ()


# -- cases that begin cases ----------------------------------------------------------------------
def calling(**keys: Any) -> dict[str, Any]:
    call = {"type": "call", "workflow": "other", "onDone": "end", **keys}
    return {
        "initial": "first",
        "states": {
            "first": {
                **call,
                "may": {"stop": {"starter": True}},
                "on": {"stop": "rest"},
            },
            "rest": {"may": {"again": {"starter": True}}, "on": {"again": "first"}},
            "end": {"type": "final"},
        },
    }


def answer(told: Story, kind: str, **data: Any) -> Outcome:
    (call,) = told.instance.calls
    event = Event(f"{kind}.call.first", {"number": call.number, **data}, source="system")
    told.world.actor = None
    outcome = step(told.chart, told.instance, event, told.world)
    if not outcome.problems:
        told._take(outcome)
    return outcome


def test_a_call_waits_and_hands_over_what_it_gave() -> None:
    """子流程：等待结果，写回字段。"""
    told = story(calling(input={"a": "1 + 1"}, output={"n": "results"}), World()).begin()
    (effect,) = told.last.effects
    assert (effect.type, effect.data["workflow"], effect.data["input"]) == (
        "call",
        "other",
        {"a": 2},
    )
    told.refuses("W105", 1, "done.call.first")
    answer(told, "done", results=[7])
    assert (told.instance.done, told.changes) == (True, {"n": [7]})


def test_nothing_to_call_and_nobody_to_wait_for() -> None:
    """子流程：列表为空，或不等待，都立即继续。"""
    assert story(calling(forEach="[]"), World()).begin().instance.done
    told = story(calling(forEach="[3, 4]", wait=False), World()).begin()
    assert told.instance.done
    assert told.last.effects[0].data["each"] == [3, 4]


def test_leaving_a_call_takes_it_back() -> None:
    """子流程：提前离开则通知终止；迟到的答复不起作用。"""
    told = story(calling(forEach="[3]"), World()).begin()
    late = told.instance.calls[0]
    told.send(1, "stop")
    assert [one.type for one in told.last.effects] == ["uncall"]
    told.send(1, "again")
    assert told.instance.calls[0].number != late.number
    event = Event("done.call.first", {"number": late.number, "results": [3]}, source="system")
    outcome = step(told.chart, told.instance, event, told.world)
    assert outcome.problems[0].code == "W312"


@pytest.mark.parametrize("handled", [True, False])
def test_a_call_that_failed(handled: bool) -> None:
    """子流程失败：有 onError 走 onError，没有则停在原处并说明原因。"""
    keys = {"onError": "rest"} if handled else {}
    told = story(calling(forEach="[3]", **keys), World()).begin()
    answer(told, "error", reason={"en": "no such record"})
    if handled:
        assert told.at == ["rest"]
        assert "uncall" in told.effects
    else:
        assert told.at == ["first"]
        assert told.instance.calls[0].reason == {"en": "no such record"}
    assert told.last.events[0].type == "error.call.first"


def test_a_list_of_something_else_is_refused() -> None:
    document = calling(forEach="['x']")
    outcome = story(document, World())
    outcome.world.actor = 1
    with pytest.raises(AssertionError, match="W311"):
        outcome.begin()


def test_nobody_answers_for_a_called_case() -> None:
    """客户端事件里的 results 不算子流程的答复。"""
    document = calling(forEach="[3]")
    document["states"]["rest"]["on"]["again"] = {"target": "end", "guard": "results == [9]"}
    told = story(document, World()).begin().send(1, "stop")
    told.refuses("W104", 1, "again", results=[9])
