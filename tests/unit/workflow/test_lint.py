"""The linter: the examples are clean, every mistake is found at its place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.workflow.world import HERE, workflow

from engine.definitions.model import Entity, Field, Model, Option, Reference, Role
from engine.problems import Problem, codes, hint, text
from engine.workflow import check_chart, compile_chart

Document = dict[str, Any]


def load(name: str) -> Document:
    document: Document = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return document


def model_for(document: Document, *fields: str, lacking: str = "") -> Model:
    """A model with the entity, its state field and roles of the examples."""
    chart = compile_chart(workflow(document))
    options = tuple(Option(one, {}) for one in chart.reportable() if one != lacking)
    state_field = document.get("stateField", "")
    found = {name: Field(name, "text", {}) for name in fields}
    if state_field:
        found[state_field] = Field(state_field, "choice", {}, options=options)
    entity = Entity(document["entity"], {}, {}, "", found)
    line = Reference(document["entity"], inverse="lines")
    other = Entity("line", {}, {}, "", {"up": Field("up", "ref", {}, reference=line)})
    roles = ("finance", "legal", "cfo", "workflow-admin", "service", "service-lead")
    return Model(
        title={},
        packs=(),
        languages=("en",),
        entities={entity.name: entity, "line": other},
        workflows={},
        roles={name: Role(name, {}) for name in roles},
        menus=(),
        cards=(),
        currency="CNY",
        timezone="Asia/Shanghai",
        hash="",
    )


CONTRACT = ("amount", "discount_note", "payment_terms", "status")
COMPLAINT = (
    "promised_reply_at",
    "handler",
    "severity",
    "findings",
    "reply",
    "sla_breached",
    "escalation_level",
)


def test_the_examples() -> None:
    contract = load("contract_approval")
    found = check_chart(workflow(contract), model_for(contract, *CONTRACT))
    assert [(one.code, one.pointer, one.severity) for one in found] == [
        ("W005", "/states/draft/on/submit/1", "warning")
    ]
    complaint = load("complaint_handling")
    assert check_chart(workflow(complaint), model_for(complaint, *COMPLAINT)) == []


Change = Callable[[Document], Any]


def at(document: Document, path: str) -> Any:
    here: Any = document
    for part in filter(None, path.split("/")):
        here = here[int(part)] if isinstance(here, list) else here[part]
    return here


def put(path: str, value: Any) -> Change:
    def change(document: Document) -> None:
        parent, _, key = path.rpartition("/")
        at(document, parent)[key] = value

    return change


def drop(path: str) -> Change:
    def change(document: Document) -> None:
        parent, _, key = path.rpartition("/")
        del at(document, parent)[key]

    return change


REVIEW = "/states/in_review/states"


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (put("/states/draft/on/cancel", "nowhere"), "W001", "/states/draft/on/cancel/target"),
        (put("/initial", "nowhere"), "W002", "/initial"),
        (put("/states/in_review/initial", "draft"), "W002", "/states/in_review/initial"),
        (put("/states/lost", {"on": {"go": "draft"}, "may": {"go": {"starter": True}}}),
         "W003", "/states/lost"),
        (put("/states/draft/on/cancel", "trap") , "W001", "/states/draft/on/cancel/target"),
        (put("/states/draft/may/cancle", {"starter": True}), "W023", "/states/draft/may/cancle"),
        (drop("/states/draft/may/cancel"), "W010", "/states/draft/on/cancel"),
        (put("/states/draft/on/cancel", {"target": "cancelled", "guard": "amout > 1"}),
         "W006", "/states/draft/on/cancel/guard"),
        (put("/states/draft/on/cancel", {"target": "cancelled", "guard": "amount >"}),
         "W014", "/states/draft/on/cancel/guard"),
        (put("/states/approved/after", [{"delay": "P1D", "target": "draft"}]),
         "W008", "/states/approved"),
        (put(f"{REVIEW}/manager/return", {"to": ["approved"]}),
         "W009", f"{REVIEW}/manager/return/to/0"),
        (put(f"{REVIEW}/manager/return", {"to": ["nowhere"]}),
         "W009", f"{REVIEW}/manager/return/to/0"),
        (put(f"{REVIEW}/finance/assignees", [{"role": "finanse"}]),
         "W011", f"{REVIEW}/finance/assignees"),
        (put("/states/draft/may/cancel", {"role": "nobody"}), "W011", "/states/draft/may/cancel"),
        (put(f"{REVIEW}/finance/assignees", [{"supervisors": {"untilRole": "boss"}}]),
         "W011", f"{REVIEW}/finance/assignees"),
        (put(f"{REVIEW}/finance/assignees", [{"label": "x"}]),
         "W024", f"{REVIEW}/finance/assignees"),
        (put(f"{REVIEW}/finance/assignees", [{"user": "zhang"}]),
         "W017", f"{REVIEW}/finance/assignees/0"),
        (put(f"{REVIEW}/finance/assignees", [{"field": "onwer"}]),
         "W019", f"{REVIEW}/finance/assignees"),
        (put(f"{REVIEW}/finance/fields/termz", "read"), "W019", f"{REVIEW}/finance/fields/termz"),
        (put("/states/approved/entry/0/field", "statuz"), "W019", "/states/approved/entry/0/field"),
        (put("/stateField", "nothing"), "W012", "/stateField"),
        (put("/stateField", "amount"), "W012", "/stateField"),
        (put("/entity", "contrakt"), "W018", "/entity"),
        (put(f"{REVIEW}/draft", {}), "W020", f"{REVIEW}/draft"),
        (put(f"{REVIEW}/legal/type", "call"), "W021", f"{REVIEW}/legal/type"),
        (put("/states/draft/entry", [{"type": "remind"}]), "W022", "/states/draft/entry/0"),
        (put("/states/draft/always", "cancelled"), "", ""),
    ],
)  # fmt: skip
def test_mistakes_in_the_contract(change: Change, code: str, pointer: str) -> None:
    document = load("contract_approval")
    model = model_for(document, *CONTRACT)
    change(document)
    found = {(one.code, one.pointer) for one in check_chart(workflow(document), model)}
    if code:
        assert (code, pointer) in found
    assert all(one.file == "workflows/flow.json" for one in check_chart(workflow(document), model))


def small(states: Document, initial: str = "a") -> list[Problem]:
    document: Document = {"entity": "thing", "initial": initial, "states": states}
    return check_chart(workflow(document), model_for(document))


def found_in(states: Document, initial: str = "a") -> list[tuple[str, str]]:
    return [(one.code, one.pointer) for one in small(states, initial)]


def test_a_dead_end() -> None:
    assert ("W004", "/states/b") in found_in(
        {"a": {"after": [{"delay": "P1D", "target": "b"}, {"delay": "P2D", "target": "z"}]},
         "b": {}, "z": {"type": "final"}}
    )  # fmt: skip


def test_a_circle_without_events() -> None:
    assert ("W007", "/states/a/always") in found_in(
        {"a": {"always": "b"}, "b": {"always": "a"}, "z": {"type": "final"}}
    )
    guarded = {"a": {"always": {"target": "b", "guard": "id > 3"}}, "b": {"always": "a"}}
    assert "W007" not in {code for code, _ in found_in(guarded)}


def region(inner: str, **more: Any) -> Document:
    return {"initial": inner, "states": {inner: more}}


def test_a_parallel_state_that_never_ends() -> None:
    states = {
        "a": {"type": "parallel", "onDone": "z", "states": {"l": region("l1"), "r": region("r1")}},
        "z": {"type": "final"},
    }
    assert [one for one in found_in(states) if one[0] == "W015"] == [
        ("W015", "/states/a/onDone"),
        ("W015", "/states/a/onDone"),
    ]


def test_a_jump_to_a_sister_region() -> None:
    states = {
        "a": {
            "type": "parallel",
            "states": {
                "l": region("l1", after=[{"delay": "P1D", "target": "r"}]),
                "r": region("r1"),
            },
        }
    }
    assert ("W016", "/states/a/states/l/states/l1/after/0/target") in found_in(states)


def test_missing_options() -> None:
    document = load("contract_approval")
    model = model_for(document, *CONTRACT, lacking="legal")
    (problem,) = [one for one in check_chart(workflow(document), model) if one.code == "W013"]
    assert problem.params["states"] == ["legal"]
    assert "“approval_state”" in hint(problem, "en")


def test_relations_back_and_the_names_of_a_flow_are_known() -> None:
    guard = "sum(lines.id) > 1 and decisions == 0 and starter == me and In('a') and event.x == 1"
    states = {
        "a": {
            "always": {"target": "z", "guard": guard},
            "after": [{"delay": "P1D", "target": "z"}],
        },
        "z": {"type": "final"},
    }
    assert found_in(states) == []


def test_every_code_is_worded_in_both_languages_and_can_be_shown() -> None:
    names = re.compile(r"{(\w+)}")
    ours = [code for code in codes("en") if code.startswith("W")]
    assert ours == [code for code in codes("zh-CN") if code.startswith("W")]
    for code in ours:
        wording = [codes(one)[code] for one in ("zh-CN", "en")]
        used = [set(names.findall(one["text"])) for one in wording]
        assert used[0] == used[1], code
        for language in ("zh-CN", "en"):
            problem = Problem(code, dict.fromkeys(used[0], "x"))
            assert "?" not in text(problem, language) + hint(problem, language)


def test_titles_do_not_go_stale_in_the_cache() -> None:
    document = load("contract_approval")
    first = compile_chart(workflow(document))
    assert compile_chart(workflow(document)) is first
    renamed = copy.deepcopy(document)
    renamed["states"]["draft"]["title"] = "New"
    same_hash = workflow(document)
    again = type(same_hash)(
        same_hash.id, 1, same_hash.entity, same_hash.state_field, {}, renamed, same_hash.hash
    )
    assert compile_chart(again).states["draft"].title == {"": "New"}
