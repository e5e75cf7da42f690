"""The linter on people, records and calls: every mistake is found at its place, with a reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.workflow.world import workflow

from engine.definitions.model import Computation, Entity, Field, Grant, Model, Reference, Role, Rule
from engine.problems import Problem, text
from engine.workflow import check_chart
from engine.workflow.lint_calls import valid_cron
from engine.workflow.lint_people import Known

Document = dict[str, Any]


SEALED = Rule("sealed", readonly=("seal",))


def entity(name: str, *fields: Field, **access: Grant) -> Entity:
    known = {one.name: one for one in fields}
    return Entity(name, {}, {}, "", known, access=access, rules={"sealed": SEALED})


def plain(name: str, **more: Any) -> Field:
    return Field(name, "text", {}, **more)


CLIENT = entity(
    "client",
    plain("name", required=True),
    plain("level", required=True, default="C"),
    plain("sum", compute=Computation("1")),
)
THING = entity(
    "thing",
    plain("title", required=True),
    plain("note", access={"clerk": Grant(write=False)}),
    plain("total", compute=Computation("1")),
    plain("code", read_only=True),
    plain("seal"),
    Field("client", "ref", {}, reference=Reference("client")),
    clerk=Grant(read=True, write=True),
    boss=Grant(read=True, write=True),
)


def flow(document: Document, **more: Any) -> Document:
    return {"id": "flow", "entity": "thing", "initial": next(iter(document)), "states": document,
            **more}  # fmt: skip


def check(document: Document, *others: Document, known: Known | None = None) -> list[Problem]:
    model = Model(
        title={},
        packs=(),
        languages=("en",),
        entities={"thing": THING, "client": CLIENT},
        workflows={one["id"]: workflow(one) for one in (document, *others)},
        roles={"clerk": Role("clerk", {}), "boss": Role("boss", {}), "x": Role("x", {}, True)},
        menus=(),
        cards=(),
        currency="CNY",
        timezone="Asia/Shanghai",
        hash="",
    )
    found = check_chart(workflow(document), model, known)
    for problem in found:
        for language in ("zh-CN", "en"):
            assert "{" not in text(problem, language), problem
    return found


def codes(document: Document, *others: Document) -> set[tuple[str, str]]:
    return {(one.code, one.pointer) for one in check(document, *others)}


END: Document = {"end": {"type": "final"}}
BOSS = [{"role": "boss"}]


def approval(**keys: Any) -> Document:
    node = {"type": "approval", "assignees": BOSS, "onDone": {"approved": "end", "rejected": "end"}}
    return flow({"a": {**node, **keys}, **END})


def acting(*actions: Document, **keys: Any) -> Document:
    arrow = {"target": "end", "actions": list(actions)}
    return flow({"a": {"may": {"go": BOSS}, "on": {"go": arrow}, **keys}, **END})


def calling(workflow: str = "other", **keys: Any) -> Document:
    node = {"type": "call", "workflow": workflow, "input": {"name": "title"}, "onDone": "end"}
    return flow({"a": {**node, **keys}, **END})


OTHER: Document = {
    "id": "other",
    "entity": "client",
    "initial": "b",
    "states": {"b": {"may": {"go": BOSS}, "on": {"go": "end"}}, **END},
}


@pytest.mark.parametrize(
    "document",
    [
        approval(),
        approval(assignees=[{"starter": True}]),
        approval(quorum={"count": 3}),
        acting({"type": "create_record", "entity": "client", "values": {"name": "title"}}),
        acting(
            {
                "type": "create_record",
                "entity": "client",
                "values": {"name": "title", "level": "'A'"},
                "into": "client",
            }
        ),
        acting(fields={"note": "required"}),
        acting({"type": "webhook", "channel": "erp"}),
        calling(),
        flow(
            {"a": {"may": {"go": BOSS}, "on": {"go": "end"}}, **END},
            trigger={"on": "schedule", "cron": "0 8 * * 1", "guard": "title == 'x'"},
        ),
        flow(
            {
                "a": {
                    "may": {"go": BOSS},
                    "on": {"go": "end", "record.changed": {"target": "end"}},
                },
                **END,
            }
        ),
    ],
)
def test_what_is_right_is_left_alone(document: Document) -> None:
    assert codes(document, OTHER) == set()


@pytest.mark.parametrize(
    ("document", "code", "pointer"),
    [
        # 谁也不能办
        (approval(assignees=[{"starter": True}], auto={"starter": "deny"}),
         "W204", "/states/a/assignees"),
        (approval(assignees=[{"starter": True}, {"supervisor": 1}], quorum={"count": 3}),
         "W205", "/states/a/quorum"),
        (approval(assignees=[{"supervisor": 1}], quorum={"perGroup": 2}),
         "W205", "/states/a/quorum"),
        (approval(allow=["return", "transfer"]), "W206", "/states/a/allow"),
        (approval(assignees=[{"supervisor": 1}], weights={"chef": 3}),
         "W225", "/states/a/weights/chef"),
        # 字段
        (acting(fields={"total": "required"}), "W207", "/states/a/fields/total"),
        (acting(fields={"code": "required"}), "W207", "/states/a/fields/code"),
        (acting(fields={"seal": "required"}), "W207", "/states/a/fields/seal"),
        (acting(may={"go": [{"role": "clerk"}]}, fields={"note": "required"}),
         "W208", "/states/a/fields/note"),
        (acting(fields={"title": "hidden", "*": "write"}), "W209", "/states/a/fields/title"),
        (acting({"assign": {"total": "1"}}), "W212", "/states/a/on/go/actions/0/assign/total"),
        (acting({"type": "set_field", "field": "total", "value": 1}),
         "W212", "/states/a/on/go/actions/0/field"),
        # 兜底
        (approval(onDone={"approved": {"target": "end", "guard": "title == 'x'"},
                          "rejected": "end"}), "W211", "/states/a/onDone/approved"),
        # 新建记录
        (acting({"type": "create_record", "entity": "klient", "values": {}}),
         "W214", "/states/a/on/go/actions/0/entity"),
        (acting({"type": "create_record", "entity": "client", "values": {"name": "title",
                                                                        "nam": "title"}}),
         "W215", "/states/a/on/go/actions/0/values/nam"),
        (acting({"type": "create_record", "entity": "client", "values": {"name": "title",
                                                                        "sum": "1"}}),
         "W215", "/states/a/on/go/actions/0/values/sum"),
        (acting({"type": "create_record", "entity": "client", "values": {}}),
         "W216", "/states/a/on/go/actions/0/values"),
        (acting({"type": "create_record", "entity": "client", "values": {"name": "titel"}}),
         "W006", "/states/a/on/go/actions/0/values/name"),
        (acting({"type": "create_record", "entity": "client", "values": {"name": "title"},
                 "into": "note"}), "W217", "/states/a/on/go/actions/0/into"),
        (acting({"type": "create_record", "entity": "client", "values": {"name": "title"},
                 "into": "nothing"}), "W019", "/states/a/on/go/actions/0/into"),
        # 子流程
        (calling("nothing"), "W021", "/states/a/workflow"),
        (calling("flow"), "W218", "/states/a/workflow"),
        (calling(input={}), "W216", "/states/a/input"),
        (calling(input={"name": "title", "size": "1"}), "W215", "/states/a/input/size"),
        (calling(forEach="lines"), "W219", "/states/a/input"),
        (calling(wait=False, output={"note": "'x'"}), "W220", "/states/a/output"),
        (calling(output={"nothing": "'x'"}), "W019", "/states/a/output/nothing"),
        (calling(output={"total": "1"}), "W212", "/states/a/output/total"),
        (calling(onDone=None), "W213", "/states/a"),
        (calling(onDone=[{"target": "end", "guard": "title == 'x'"}]),
         "W211", "/states/a/onDone/0"),
        # 通道与定时
        (acting({"type": "webhook"}), "W226", "/states/a/on/go/actions/0"),
        (flow(END, trigger={"on": "schedule", "guard": "title == 'x'"}), "W221", "/trigger"),
        (flow(END, trigger={"on": "schedule", "cron": "every day"}), "W222", "/trigger/cron"),
        (flow(END, trigger={"on": "schedule", "cron": "0 8 * * 1"}), "W224", "/trigger"),
        (flow(END, trigger={"on": "create", "cron": "0 8 * * 1"}), "W223", "/trigger/cron"),
        (flow(END, trigger={"on": "create", "guard": "titel == 'x'"}), "W006", "/trigger/guard"),
    ],
)  # fmt: skip
def test_mistakes(document: Document, code: str, pointer: str) -> None:
    assert (code, pointer) in codes(document, OTHER)


def test_workflows_that_call_one_another() -> None:
    """流程互相调用成环。"""
    back = {**calling("flow"), "id": "other", "entity": "client"}
    (problem,) = [one for one in check(calling(), back) if one.code == "W218"]
    assert set(problem.params["workflows"]) == {"flow", "other"}


KNOWN = Known(frozenset({"board"}), frozenset({"sales"}), frozenset({"ann"}), frozenset({"boss"}))


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({"group": "bord"}, "W200"),
        ({"department": "salez"}, "W201"),
        ({"user": "anna"}, "W202"),
        ({"role": "clerk"}, "W203"),
        ({"chosenBy": "starter", "from": [{"group": "bord"}]}, "W200"),
        ({"group": "board"}, ""),
        ({"role": "boss"}, ""),
    ],
)
def test_people_and_groups_the_company_does_not_have(who: Document, code: str) -> None:
    """知道公司有哪些人时：不存在的群组、部门、账号，无人担任的角色。"""
    found = check(approval(assignees=[who]), known=KNOWN)
    about = [one for one in found if one.code.startswith("W20")]
    assert [one.code for one in about] == ([code] if code else [])
    assert all(one.severity == "warning" for one in about)
    assert check(approval(assignees=[who]), known=replace(KNOWN, groups=frozenset())) is not None


@pytest.mark.parametrize(
    ("cron", "valid"),
    [
        ("0 8 * * 1", True),
        ("*/15 9-18 * * 1-5", True),
        ("0 0 31 2 *", False),
        ("0 8 * *", False),
        ("0 0 8 * * 1", False),
        ("@daily", False),
        ("61 8 * * 1", False),
        ("", False),
    ],
)
def test_schedules(cron: str, valid: bool) -> None:
    assert valid_cron(cron) is valid
