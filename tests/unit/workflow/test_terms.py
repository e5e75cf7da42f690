"""Every term of Chinese-style approvals, one test each: what it means, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.workflow.test_approvals import EVERYTHING, PEOPLE, chain, told
from tests.unit.workflow.world import Story, World, story


def votes(keys: dict[str, Any], said: str, world: World = PEOPLE) -> list[str]:
    """Where a round ends when its people say these things in turn: + yes, - no."""
    found = told(world, **keys)
    for sign in said:
        if found.at != ["check"]:
            break
        person = next(one for one in found.open if one is not None)
        found.does(person, "approve" if sign == "+" else "reject")
    return found.at


def test_countersign_all() -> None:
    # 会签：全部同意才通过，一人反对即否（veto）；close: everyone 等所有人表态
    assert votes({}, "+++") == ["yes"]
    assert votes({}, "+-") == ["no"]
    assert votes({"close": "everyone"}, "-") == ["check"]
    assert votes({"close": "everyone"}, "-++") == ["no"]


def test_either_sign_any() -> None:
    # 或签：一人同意即通过；默认一人反对即否，veto: false 时全部反对才否
    assert votes({"quorum": "any"}, "+") == ["yes"]
    assert votes({"quorum": "any"}, "-") == ["no"]
    assert votes({"quorum": "any", "veto": False}, "--") == ["check"]
    assert votes({"quorum": "any", "veto": False}, "---") == ["no"]


@pytest.mark.parametrize(("percent", "end"), [(66, ["yes"]), (67, ["no"])])
def test_vote_by_percent_in_whole_numbers(percent: int, end: list[str]) -> None:
    # 票签：整数比较，三分之二不到 67%，超过 66%
    assert votes({"quorum": {"percent": percent}}, "++-") == end


def test_vote_by_percent_ends_when_it_cannot_be_reached() -> None:
    # 票签：已不可能达到比例时提前否决
    assert votes({"quorum": {"percent": 67}}, "-") == ["no"]
    assert votes({"quorum": {"percent": 50}}, "-") == ["check"]


def test_vote_by_count_and_weights() -> None:
    # 票签：按人数；按权重（权重只算本节点的人）
    assert votes({"quorum": {"count": 2}}, "-++") == ["yes"]
    weights = {"quorum": {"percent": 60}, "weights": {"11": 3}}
    assert votes(weights, "+") == ["yes"]
    assert votes(weights, "-") == ["no"]


def test_each_group_approves() -> None:
    # 分组会签：法务和财务各要一人同意
    keys: dict[str, Any] = {
        "assignees": [{"role": "law", "label": "law"}, {"role": "money", "label": "money"}],
        "quorum": {"perGroup": 1},
    }
    found = told(**keys).does(21, "approve")
    assert found.at == ["check"]
    assert found.does(32, "approve").at == ["yes"]


def test_one_after_the_other() -> None:
    # 依次审批：一次只有一人，顺序与票数规则互不影响
    found = told(order="sequential", quorum="any", veto=False)
    assert found.open == [11]
    assert found.does(11, "reject").open == [12]
    assert found.does(12, "approve").at == ["yes"]


def test_transfer() -> None:
    # 转办：原办理人退出，新办理人的决定算数；发起人不得自批时不能转给发起人
    found = told(quorum="any").does(11, "transfer", to=77)
    assert 11 not in found.open
    assert found.task_of(77).passed_on == (11,)
    assert found.does(77, "approve").at == ["yes"]
    for starter in ("skip", "supervisor", "deny"):
        barred = told(assignees=[{"role": "two"}], auto={"starter": starter})
        for command in ("transfer", "delegate", "addsign"):
            task = barred.task_of(11).id
            barred.refuses("W118", 11, f"task.{command}", task=task, to=1)


def test_nobody_gets_a_second_vote() -> None:
    # 一人一票：不能转办、委派、加签给已投票或正在办理的人
    found = told().does(11, "approve")
    for command in ("transfer", "delegate", "addsign"):
        for taken in (11, 13):
            task = found.task_of(12).id
            found.refuses("W117", 12, f"task.{command}", task=task, to=taken)


def test_several_roles_and_agents_lead_to_one_vote() -> None:
    # 一人一票：多个角色、多个代理关系指向同一人，也只有一票
    both = told(assignees=[{"role": "three"}, {"role": "two"}])
    assert both.open == [11, 12, 13]
    away = replace(PEOPLE, away={11: 90, 12: 90})
    found = told(away, assignees=[{"role": "two"}])
    assert found.open == [90, 12]
    pools = told(assignees=[{"role": "two"}, {"role": "three"}], claim=True)
    first, second = pools.instance.tasks
    pools.send(11, "task.claim", task=first.id)
    pools.refuses("W117", 11, "task.claim", task=second.id)
    pools.send(12, "task.claim", task=second.id)


def test_delegate() -> None:
    # 委派：只是征求意见，无论同意与否都回到委派人
    for said in ("approve", "reject"):
        found = told(quorum="any").does(11, "delegate", to=77).does(77, said)
        assert found.at == ["check"]
        assert 11 in found.open
    assert found.does(11, "approve").at == ["yes"]


def test_sign_before() -> None:
    # 前加签：被加签人都同意后才轮到自己；一人反对等于自己反对
    found = told(assignees=[{"role": "law"}]).does(21, "addsign", to=[77, 78])
    assert found.open == [77, 78]
    found.does(77, "approve").does(78, "approve")
    assert (found.at, found.open) == (["check"], [21])
    again = told(assignees=[{"role": "law"}]).does(21, "addsign", to=[77])
    assert again.does(77, "reject").at == ["no"]


def test_sign_after() -> None:
    # 后加签：自己先同意，被加签人同意后计入自己的一票，不再回到自己
    found = told(assignees=[{"role": "law"}]).does(21, "addsign", mode="after", to=[77])
    assert found.open == [77]
    assert found.does(77, "approve").at == ["yes"]


def test_sign_in_parallel() -> None:
    # 并加签：成为本轮的又一名投票人；被加签人不能再加签
    found = told(assignees=[{"role": "law"}]).does(21, "addsign", mode="parallel", to=[77])
    found.refuses("W125", 77, "task.addsign", task=found.task_of(77).id, to=[78])
    assert found.does(21, "approve").at == ["check"]
    assert found.does(77, "approve").at == ["yes"]


def test_remove_a_signer() -> None:
    # 减签：只有加签人能减；最后一个被减去后，等待的任务重新打开
    found = told(assignees=[{"role": "law"}]).does(21, "addsign", to=[77])
    task = found.task_of(77).id
    for stranger in (1, 11, 50, 77, None):
        found.refuses("W124", stranger, "task.removesign", task=task)
    found.send(21, "task.removesign", task=task)
    assert found.open == [21]


def test_withdraw() -> None:
    # 撤回：发起人把整件事拉回，所有待办取消；条件由 guard 决定
    document = chain({"assignees": [{"role": "two"}]}, {"assignees": [{"role": "law"}]})
    document["states"]["one"] |= {
        "may": {"withdraw": {"starter": True}},
        "on": {"withdraw": {"target": "draft", "guard": "decisions == 0"}},
    }
    found = story(document, PEOPLE).begin().send(1, "go")
    found.refuses("W103", 11, "withdraw")
    found.send(1, "withdraw")
    assert (found.at, found.open) == (["draft"], [])
    found.send(1, "go").does(11, "approve")
    found.refuses("W104", 1, "withdraw")


def recallable() -> Story:
    document = chain(
        {"assignees": [{"role": "law"}], "recall": "until-next-acts"},
        {"assignees": [{"role": "money"}]},
    )
    return story(document, PEOPLE).begin().send(1, "go")


def test_take_back_a_decision() -> None:
    # 拿回：下一人动作之前可以拿回自己的决定
    found = recallable().does(21, "approve")
    task = found.instance.tasks[0].id
    found.send(21, "task.recall", task=task)
    assert (found.at, found.open) == (["one"], [21])
    found.does(21, "approve").does(31, "approve")
    found.refuses("W120", 21, "task.recall", task=task)


def test_reject_is_a_vote_and_return_a_directive() -> None:
    # 驳回是一票；退回是一人立即生效的指令
    document = chain(
        {"assignees": [{"role": "law"}]},
        {"assignees": [{"role": "money"}], "return": {"to": ["#start", "#previous"]}},
    )
    found = story(document, PEOPLE).begin().send(1, "go").does(21, "approve")
    found.refuses("W119", 31, "task.return", task=found.task_of(31).id, to="two")
    found.does(31, "return", to="#previous")
    assert (found.at, found.open) == (["one"], [21])


@pytest.mark.parametrize(("resubmit", "then"), [("restart", "one"), ("direct", "two")])
def test_resubmit(resubmit: str, then: str) -> None:
    # 退回后重新提交：restart 重走，direct 直达退回人
    document = chain(
        {"assignees": [{"role": "law"}]},
        {
            "assignees": [{"role": "money"}],
            "return": {"to": ["#start"], "resubmit": resubmit},
        },
    )
    found = story(document, PEOPLE).begin().send(1, "go").does(21, "approve")
    found.does(31, "return").send(1, "go")
    assert found.at == [then]


def side_by_side() -> dict[str, Any]:
    """draft -> both (left: l -> lz, right: r -> rz) -> yes."""
    base = {"type": "approval", "allow": EVERYTHING}

    def branch(name: str, role: str) -> dict[str, Any]:
        end = f"{name}z"
        node = {
            **base,
            "assignees": [{"role": role}],
            "return": {"to": ["#start", "*"]},
            "onDone": {"approved": end, "rejected": end},
        }
        return {"initial": name, "states": {name: node, end: {"type": "final"}}}

    return {
        "initial": "draft",
        "states": {
            "draft": {"may": {"go": {"starter": True}}, "on": {"go": "both"}},
            "both": {
                "type": "parallel",
                "onDone": "yes",
                "states": {"left": branch("l", "law"), "right": branch("r", "two")},
            },
            "yes": {"type": "final"},
        },
    }


def test_return_out_of_a_parallel_branch() -> None:
    # 并行分支内退回：兄弟分支的待办一并取消，再次提交时汇合仍然有效
    found = story(side_by_side(), PEOPLE).begin().send(1, "go").does(11, "approve")
    found.refuses("W119", 21, "task.return", task=found.task_of(21).id, to="r")
    found.does(21, "return", to="draft")
    assert (found.at, found.open) == (["draft"], [])
    found.send(1, "go")
    assert sorted(one for one in found.open if one) == [11, 12, 21]
    found.does(21, "approve").does(11, "approve")
    assert found.at == ["lz", "r"]
    assert found.does(12, "approve").at == ["yes"]


def test_copy() -> None:
    # 抄送：只通知、不阻塞，同一人一件事只抄送一次
    found = told(cc=[{"role": "money"}], assignees=[{"role": "two"}])
    assert [one.to for one in found.last.effects if one.type == "cc"] == [(31, 32)]
    found.does(11, "cc", to=[31, 77])
    assert [one.to for one in found.last.effects if one.type == "cc"] == [(77,)]
    assert found.at == ["check"]


def test_remind() -> None:
    # 催办：提醒未办理的人，一小时一次
    found = told()
    task = found.task_of(11).id
    found.send(1, "task.remind", task=task)
    assert found.last.effects[0].to == (11, 12, 13)
    found.refuses("W121", 1, "task.remind", task=task)
    found.refuses("W112", 99, "task.remind", task=task)


def test_time_limits() -> None:
    # 超时：提醒（可重复）、升级（替换，且不会升级给发起人本人）、自动决定
    twice = {"delay": "PT2H", "every": "PT2H", "times": 2}
    after = [
        {"id": "nudge", **twice, "actions": [{"type": "remind"}]},
        {
            "id": "up",
            "delay": "PT8H",
            "actions": [{"type": "escalate", "to": {"role": "own"}, "mode": "replace"}],
        },
        {"id": "end", "delay": "P2D", "actions": [{"type": "decide", "outcome": "rejected"}]},
    ]
    keys: dict[str, Any] = {
        "assignees": [{"role": "law"}],
        "auto": {"starter": "deny"},
        "after": after,
    }
    found = told(**keys)
    assert found.wait(hours=5) == ["after.check.nudge", "after.check.nudge"]
    found.wait(hours=4)
    assert found.open == [11]  # of the two in the role, 1 asked for it and must not decide
    found.wait(days=3)
    assert found.at == ["no"]


def test_spared_because_of_an_earlier_approval() -> None:
    # 自动通过（去重）：只看最近一次退回之后人作出的同意
    first, second = {"assignees": [{"role": "law"}]}, {"assignees": [{"role": "law"}]}
    for repeat, at in (("none", ["two"]), ("consecutive", ["yes"]), ("any", ["yes"])):
        document = chain(first, {**second, "auto": {"repeat": repeat}})
        assert story(document, PEOPLE).begin().send(1, "go").does(21, "approve").at == at


@pytest.mark.parametrize(
    ("policy", "open_"),
    [("self", [1, 11]), ("skip", [11]), ("supervisor", [2, 11]), ("deny", [11])],
)
def test_the_starter_as_approver(policy: str, open_: list[int]) -> None:
    # 审批人等于发起人：自批、跳过、转上级、禁止
    assert told(assignees=[{"role": "own"}], auto={"starter": policy}).open == open_


def test_four_eyes_by_no_path() -> None:
    # 四眼原则：发起人不能通过角色、代理、转办、加签、认领、升级、空审批人等任何路径自批
    keys: dict[str, Any] = {"assignees": [{"role": "own"}], "auto": {"starter": "deny"}}
    assert told(replace(PEOPLE, away={11: 1}), **keys).open == [11]
    pool = told(**keys, claim=True)
    (task,) = pool.instance.tasks
    assert task.candidates == (11,)
    pool.refuses("W112", 1, "task.claim", task=task.id)
    world = replace(PEOPLE, roles={**PEOPLE.roles, "admin": [1, 50]})
    empty = told(world, assignees=[{"role": "self"}], auto={"starter": "deny"}, empty="admin")
    assert empty.open == [50]


def test_agents() -> None:
    # 代理人：办理时生效，记录为谁代办；链条绕圈时不再代理
    found = told(replace(PEOPLE, away={11: 90, 90: 91}), assignees=[{"role": "two"}])
    assert (found.open, found.task_of(91).on_behalf_of) == ([91, 12], 11)
    assert told(replace(PEOPLE, away={11: 90, 90: 11}), assignees=[{"role": "two"}]).open == [
        11,
        12,
    ]


@pytest.mark.parametrize(
    ("empty", "at"), [("approve", ["yes"]), ("reject", ["no"]), ("admin", ["check"])]
)
def test_nobody_to_approve(empty: str, at: list[str]) -> None:
    # 空审批人：默认报错，绝不静默通过
    keys: dict[str, Any] = {"assignees": [{"role": "nobody"}]}
    assert told(**keys, empty=empty).at == at
    document = chain(keys, {"assignees": [{"role": "law"}]})
    story(document, PEOPLE).begin().refuses("W108", 1, "go")


def test_supervisors_one_by_one() -> None:
    # 主管逐级：进入时快照，依次审批
    found = told(assignees=[{"supervisors": {"upTo": 3}}])
    assert [one.assignee for one in found.instance.tasks] == [2, 3, 4]
    found.world.bosses = {1: 9}
    assert found.does(2, "approve").open == [3]


def test_field_rights() -> None:
    # 字段权限：必填项没填不能同意，但可以拒绝
    found = told(fields={"note": "required"}, assignees=[{"role": "law"}])
    found.refuses("W115", 21, "task.approve", task=found.task_of(21).id)
    assert found.does(21, "reject").at == ["no"]


def test_claim() -> None:
    # 认领：先领后办，别人领了就不能再领
    found = told(assignees=[{"role": "two"}], claim=True)
    (task,) = found.instance.tasks
    found.refuses("W122", 11, "task.approve", task=task.id)
    found.send(11, "task.claim", task=task.id)
    found.refuses("W123", 12, "task.claim", task=task.id)
    assert found.does(11, "approve").at == ["yes"]


def test_comment_and_signature() -> None:
    # 意见与签名：按节点要求，缺了就不能办
    found = told(assignees=[{"role": "law"}], comment="on-reject", signature=True)
    task = found.task_of(21).id
    found.refuses("W114", 21, "task.reject", task=task, signature=5)
    for wrong in (None, 0, -1, True, "5"):
        found.refuses("W300", 21, "task.approve", task=task, signature=wrong)
    assert "signature" in found.commands(21)["task.approve"].asks
    found.send(21, "task.approve", task=task, signature=5)
    assert found.instance.tasks[0].signature == 5


def test_a_change_of_the_record_in_review() -> None:
    # 审批中改了金额：回到按金额分派的地方，已有的票作废
    document = chain({"assignees": [{"role": "two"}]}, {"assignees": [{"role": "law"}]})
    document["states"]["one"]["on"] = {
        "record.changed": {"target": "route", "guard": "amount >= 100"}
    }
    document["states"]["route"] = {
        "always": [{"target": "two", "guard": "amount >= 100"}, {"target": "one"}]
    }
    found = story(document, PEOPLE, amount=10).begin().send(1, "go").does(11, "approve")
    found.refuses("W103", 1, "record.changed")
    assert "record.changed" not in found.commands(1)
    assert found.answers_change("amount") is False
    found.world.record["amount"] = 500
    assert found.answers_change("amount") is True
    assert (found.at, found.open) == (["two"], [21])
