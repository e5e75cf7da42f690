"""The editor's changes to a workflow document: each does what it says, nothing else, and whatever
the order, the document stays one that the meta-schema accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.definitions import flow_edits as edits
from engine.definitions.canonical import canonical
from engine.definitions.checking import check
from engine.definitions.document import Document, Findings, Merged
from engine.definitions.flow_tree import EditRefused, arrows, inside, slots, spot, spots
from engine.definitions.load import load

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "workflows").rglob("*.json"))
WHOLE = [path for path in SHIPPED if '"entity"' in path.read_text("utf-8")]


def document(path: Path) -> dict[str, Any]:
    found, problems = load(path.name, path.read_text("utf-8"))
    assert not problems
    data: dict[str, Any] = found.data
    return data


def contract() -> dict[str, Any]:
    return document(Path(__file__).parent / "data" / "three_steps.json")


def complaint() -> dict[str, Any]:
    return document(ROOT / "workflows" / "crm" / "complaint_handling.json")


def faults(doc: dict[str, Any]) -> list[str]:
    findings = Findings(Merged("flow", doc, [Document("flow.json", "", doc)]))
    check("workflow", doc, findings)
    return [f"{one.code} {one.pointer} {dict(one.params)}" for one in findings.problems]


def dangling(doc: dict[str, Any]) -> list[str]:
    """Targets that do not exist."""
    known = {one.id for one in spots(doc)}
    targets: set[str] = set()
    for one in spots(doc):
        said_in = [value for _, value in slots(one.body)]
        for arrow in (*(a for value in said_in for a in arrows(value)),
                      *one.body.get("after", ())):  # fmt: skip
            said = arrow.get("target", [])
            targets |= set(said if isinstance(said, list) else [said])
        if one.body.get("states"):
            first = one.body.get("initial", next(iter(one.body["states"])))
            assert (
                one.id == "" or one.body.get("type") == "parallel" or first in inside(doc, one.id)
            )
            targets.add(first)
    return sorted(targets - known)


def body(doc: dict[str, Any], state: str) -> dict[str, Any]:
    return spot(doc, state).body


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(EditRefused) as told:
        act()
    return told.value.problem.code


# --- nothing is lost ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda one: f"{one.parent.name}/{one.stem}")
def test_a_file_comes_back_from_the_editor_as_it_was(path: Path) -> None:
    """Same members, same order, same numbers; and what is canonical once stays so for ever."""
    data = document(path)
    text = canonical(data)
    again, problems = load(path.name, text)
    assert not problems
    assert json.dumps(again.data) == json.dumps(data)
    assert canonical(again.data) == text


def test_a_change_touches_few_lines() -> None:
    before = canonical(contract()).splitlines()
    after = canonical(edits.set_value(contract(), "/title/en", "Contracts").doc).splitlines()
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_the_document_given_stays_as_it_is() -> None:
    doc = contract()
    text = canonical(doc)
    edits.rename(doc, "manager", "boss")
    edits.delete(doc, "countersign", "general_manager")
    edits.add_after(doc, "manager", "parallel")
    assert canonical(doc) == text


# --- adding ------------------------------------------------------------------------------------


def test_a_step_behind_an_approval_takes_over_its_branches() -> None:
    doc = contract()
    old = body(doc, "manager")["onDone"]["approved"]
    new, id = edits.add_after(doc, "manager", "approval").doc, "approval"
    assert body(new, "manager")["onDone"]["approved"] == id
    assert body(new, id)["onDone"]["approved"] == old
    assert body(new, id)["onDone"]["rejected"] == "draft"
    inner = list(body(new, "in_review")["states"])
    assert inner[inner.index("manager") + 1] == id
    assert not faults(new)


def test_a_step_behind_a_button_keeps_the_button_and_its_condition() -> None:
    new = edits.add_after(contract(), "draft", "approval").doc
    submit = body(new, "draft")["on"]["submit"]
    assert submit == {
        "target": "approval",
        "guard": "amount > 0",
        "title": {"zh-CN": "提交审批", "en": "Submit"},
    }
    assert body(new, "approval")["onDone"] == {"approved": "manager", "rejected": "draft"}


def test_a_step_on_one_branch_leaves_the_others_alone() -> None:
    at = "/states/in_review/states/manager/onDone/approved/0"
    new = edits.add_on(contract(), at, "step").doc
    ways = body(new, "manager")["onDone"]["approved"]
    assert ways == [{"target": "step", "guard": "amount >= 50000"}, {"target": "approved"}]
    assert body(new, "step")["on"]["next"]["target"] == "countersign"


def test_a_new_condition_is_asked_first_and_its_step_goes_on_as_before() -> None:
    doc = contract()
    before = body(doc, "manager")["onDone"]["approved"]
    new = edits.add_branch(doc, "manager", "approval", "amount >= 200000").doc
    ways = body(new, "manager")["onDone"]["approved"]
    assert ways[0] == {"target": "approval", "guard": "amount >= 200000"}
    assert ways[1:] == before
    assert body(new, "approval")["onDone"]["approved"] == before


@pytest.mark.parametrize("kind", edits.KINDS)
def test_every_kind_of_step_is_whole_from_the_start(kind: str) -> None:
    for doc in (contract(), complaint()):
        for state in [one.id for one in spots(doc) if one.id]:
            try:
                new = edits.add_after(doc, state, kind).doc
            except EditRefused:
                continue
            assert not faults(new), (state, kind)
            assert not dangling(new)


def test_between_branches_that_run_side_by_side_nothing_fits() -> None:
    doc = complaint()
    assert refused(lambda: edits.add_after(doc, "work", "approval")) == "E106"
    assert edits.add_inside(doc, "open", "step").at == "branch"
    assert refused(lambda: edits.add_after(doc, "closed", "approval")) == "E102"
    assert refused(lambda: edits.add_inside(doc, "received", "step")) == "E104"
    assert refused(lambda: edits.add_after(doc, "received", "miracle")) == "E105"


def test_an_arrow_drawn_from_an_approval_is_a_branch_with_a_condition() -> None:
    new = edits.connect(contract(), "general_manager", "countersign").doc
    ways = body(new, "general_manager")["onDone"]["approved"]
    assert ways == [{"target": "countersign", "guard": "true"}, {"target": "approved"}]
    new = edits.connect(contract(), "draft", "approved").doc
    assert body(new, "draft")["on"]["to_approved"]["target"] == "approved"
    assert body(new, "draft")["may"]["to_approved"] == {"starter": True}
    assert refused(lambda: edits.connect(contract(), "approved", "draft")) == "E102"


# --- names -------------------------------------------------------------------------------------


def test_a_new_id_is_written_wherever_the_old_one_was() -> None:
    doc = edits.set_value(contract(), "/states/in_review/states/general_manager/return",
                          {"to": ["#start", "manager"]}).doc  # fmt: skip
    new = edits.rename(doc, "manager", "boss").doc
    assert body(new, "in_review")["initial"] == "boss"
    assert body(new, "draft")["on"]["submit"]["target"] == "boss"
    assert body(new, "in_review")["on"]["withdraw"]["guard"] == "In('boss')"
    assert body(new, "general_manager")["return"]["to"] == ["#start", "boss"]
    assert next(iter(body(new, "in_review")["states"])) == "boss"
    back = edits.rename(new, "boss", "manager").doc
    assert canonical(back) == canonical(doc)


def test_a_name_inside_another_text_is_not_touched() -> None:
    source = "In( \"manager\" ) and title != 'manager' and 'manager' in states"
    doc = edits.set_value(contract(), "/states/draft/on/submit/guard", source).doc
    new = edits.rename(doc, "manager", "boss").doc
    guard = body(new, "draft")["on"]["submit"]["guard"]
    assert guard == "In( \"boss\" ) and title != 'manager' and 'boss' in states"


def test_ids_are_unique_and_well_formed() -> None:
    assert refused(lambda: edits.rename(contract(), "manager", "draft")) == "E108"
    assert refused(lambda: edits.rename(contract(), "manager", "Boss")) == "E107"
    assert refused(lambda: edits.rename(contract(), "nobody", "boss")) == "E101"


# --- moving ------------------------------------------------------------------------------------


def test_neighbours_that_lead_to_each_other_change_places_in_the_process_too() -> None:
    doc = edits.add_after(contract(), "manager", "approval").doc
    new = edits.move(doc, "approval", -1).doc
    assert body(new, "draft")["on"]["submit"]["target"] == "approval"
    assert body(new, "in_review")["initial"] == "approval"
    assert body(new, "approval")["onDone"]["approved"] == "manager"
    assert body(new, "manager")["onDone"]["approved"][0]["target"] == "countersign"
    assert not dangling(new)


def test_other_neighbours_only_change_places_in_the_file() -> None:
    new = edits.move(contract(), "cancelled", -1).doc
    assert list(new["states"])[-2:] == ["cancelled", "approved"]
    assert body(new, "in_review") == body(contract(), "in_review")
    assert refused(lambda: edits.move(contract(), "draft", -1)) == "E109"


def test_in_and_out_of_a_group() -> None:
    doc = edits.move(contract(), "cancelled", -1).doc
    new = edits.into(doc, "cancelled").doc
    assert spot(new, "cancelled").parent == "in_review"
    new = edits.out(new, "cancelled").doc
    assert canonical(new) == canonical(doc)
    new = edits.out(contract(), "manager").doc
    assert body(new, "in_review")["initial"] == "countersign"
    assert list(new["states"]) == ["draft", "in_review", "manager", "approved", "cancelled"]
    assert refused(lambda: edits.out(contract(), "draft")) == "E111"
    assert refused(lambda: edits.into(contract(), "draft")) == "E110"


def test_a_group_put_around_a_state_can_be_taken_away_again() -> None:
    doc = contract()
    new = edits.wrap(doc, "draft").doc
    assert new["initial"] == "stage"
    assert canonical(edits.unwrap(new, "stage").doc) == canonical(doc)
    assert refused(lambda: edits.unwrap(doc, "in_review")) == "E113"


def test_a_copy_follows_its_original() -> None:
    new = edits.duplicate(contract(), "general_manager").doc
    assert body(new, "general_manager")["onDone"]["approved"] == "general_manager_2"
    assert body(new, "general_manager_2")["onDone"]["approved"] == "approved"
    new = edits.duplicate(complaint(), "open").doc
    assert body(new, "work_2")["initial"] == "handling_2"
    assert body(new, "reply_check_2")["onDone"] == {
        "approved": "replied_2",
        "rejected": "handling_2",
    }
    assert not faults(new)


# --- deleting ----------------------------------------------------------------------------------


def test_what_led_to_a_deleted_step_leads_on_to_the_next() -> None:
    new = edits.delete(contract(), "general_manager").doc
    ways = body(new, "countersign")["onDone"]["approved"]
    assert [way["target"] for way in ways] == ["approved", "approved"]
    assert not dangling(new)


def test_a_step_with_several_ways_on_asks_where_to() -> None:
    doc = edits.set_value(contract(), "/states/in_review/on/withdraw/guard", "amount > 0").doc
    assert refused(lambda: edits.delete(doc, "manager")) == "E116"
    new = edits.delete(doc, "manager", "countersign").doc
    assert body(new, "draft")["on"]["submit"]["target"] == "countersign"
    assert body(new, "in_review")["initial"] == "countersign"


def test_a_state_named_in_a_condition_stays() -> None:
    assert refused(lambda: edits.delete(contract(), "manager", "countersign")) == "E115"


def test_a_deleted_state_is_forgotten_as_a_place_to_return_to() -> None:
    at = "/states/in_review/states/general_manager/return"
    doc = edits.set_value(contract(), at, {"to": ["countersign"]}).doc
    new = edits.delete(doc, "countersign", "general_manager").doc
    assert "return" not in body(new, "general_manager")


# --- lists -------------------------------------------------------------------------------------


def test_a_single_person_becomes_a_list_when_another_joins() -> None:
    at = "/states/in_review/may/terminate"
    new = edits.add_item(contract(), at, {"starter": True}).doc
    assert edits.value_at(new, at) == [{"role": "admin"}, {"starter": True}]
    new = edits.remove_item(new, f"{at}/0").doc
    assert edits.value_at(new, at) == [{"starter": True}]
    new = edits.remove_item(new, f"{at}/0").doc
    assert edits.value_at(new, at) is None
    assert refused(lambda: edits.remove_item(contract(), "/states/draft/after/3")) == "E118"


def test_timers_change_places() -> None:
    at = "/states/in_review/states/manager/after"
    new = edits.move_item(contract(), f"{at}/1", -1).doc
    assert [timer["id"] for timer in edits.value_at(new, at)] == ["up", "nudge"]
    assert refused(lambda: edits.move_item(contract(), f"{at}/0", -1)) == "E118"


# --- any order ---------------------------------------------------------------------------------


def _acts(doc: dict[str, Any], state: str, other: str, kind: str, number: int) -> list[Any]:
    """Everything that can be done, with these arguments."""
    return [
        lambda: edits.add_after(doc, state, kind),
        lambda: edits.add_inside(doc, state, kind),
        lambda: edits.add_branch(doc, state, "approval", "amount > 1"),
        lambda: edits.connect(doc, state, other),
        lambda: edits.rename(doc, state, f"state_{number}"),
        lambda: edits.move(doc, state, 1 if number % 2 else -1),
        lambda: edits.into(doc, state),
        lambda: edits.out(doc, state),
        lambda: edits.wrap(doc, state),
        lambda: edits.unwrap(doc, state),
        lambda: edits.make_first(doc, state),
        lambda: edits.duplicate(doc, state),
        lambda: edits.delete(doc, state),
        lambda: edits.delete(doc, state, other),
        lambda: edits.add_event(doc, state, "go", other, "Go"),
        lambda: edits.add_on(doc, _some_arrow(doc, state, number), kind),
    ]


def _some_arrow(doc: dict[str, Any], state: str, number: int) -> str:
    here = spot(doc, state)
    found = [
        f"{here.pointer}/{'/'.join(path)}" + (f"/{index}" if isinstance(value, list) else "")
        for path, value in slots(here.body)
        for index in range(len(arrows(value)))
    ]
    return found[number % len(found)] if found else "/states/none"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_done_the_document_stays_in_order_or_the_change_is_refused(
    data: st.DataObject,
) -> None:
    doc = data.draw(st.sampled_from([contract(), complaint()]))
    for number in range(data.draw(st.integers(1, 12))):
        names = [one.id for one in spots(doc) if one.id]
        state, other = (data.draw(st.sampled_from(names)) for _ in range(2))
        kind = data.draw(st.sampled_from(edits.KINDS))
        act = data.draw(st.sampled_from(_acts(doc, state, other, kind, number)))
        before = canonical(doc)
        try:
            new = act().doc
        except EditRefused:
            assert canonical(doc) == before
            continue
        assert canonical(doc) == before
        assert not faults(new)
        assert not dangling(new)
        assert new["initial"] in inside(new, "")
        ids = [one.id for one in spots(new)]
        assert len(ids) == len(set(ids))
        doc = new
