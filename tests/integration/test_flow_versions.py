"""Workflows change while cases run: what a publish says, what it refuses, how cases are moved."""

from __future__ import annotations

import copy
import json
import threading
from typing import Any

import pytest
from tests.integration.flow_versions_world import V1, V2, Office, approval, contract, flow
from tests.integration.records_world import CUSTOMER, NOTE

from engine.packs import check_sources
from engine.problems import text
from engine.records import writing
from engine.records.administration.versions import running
from engine.records.failures import Conflict
from engine.records.publish import plan_publish
from engine.storage import Database
from engine.tables import system


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def planned(office: Office, chart: Any, **entities: Any) -> tuple[list[str], list[str]]:
    found = plan_publish(
        office.company, office.definitions(chart, **entities), "small", check=check_sources
    )
    return found.sentences("en"), [text(one, "en") for one in found.problems]


# --- a publish ---------------------------------------------------------------------------------
def test_a_case_finishes_on_the_version_it_began_with(office: Office) -> None:
    old = office.at("review")
    office.publish(V2)
    new = office.at("review")
    office.decide("carol", old)
    office.decide("carol", new)
    assert (office.state(old), office.state(new)) == ("board", "check")
    assert (office.todo("carol"), office.todo("root")) == ({old}, {new})
    office.decide("carol", old)
    office.decide("root", new)
    assert office.state(old) == office.state(new) == "approved"
    assert [one["version"] for one in office.rows(system.WF_DEFINITION)] == [1, 2]


def test_it_finishes_even_when_its_states_are_no_options_any_more(office: Office) -> None:
    record = office.at("review")
    office.publish(V2, contract=contract("draft", "review", "check", "approved", "dropped"))
    office.decide("carol", record)
    assert office.state(record) == "board"
    office.decide("carol", record)
    assert office.state(record) == "approved"


def test_what_a_publish_means_for_running_cases_is_told(office: Office) -> None:
    for state in ("draft", "review", "board", "board", "approved"):
        office.at(state)
    found = plan_publish(office.company, office.definitions(V2), "small", check=check_sources)
    assert found.sentences("en")[1:] == [
        "~ Workflow “Approval”: 4 running cases stay on the version they began with.",
        "~ Version 1: 4 running cases: Draft 1, Review 1, Board 2.",
        "~ The new version does not have: Board 2. These cases finish on version 1.",
        "~ To move them instead: Administration → Running cases, or "
        "`dougong cases migrate COMPANY approval`.",
    ]
    assert found.problems == ()
    (flow_,) = found.flows
    (version,) = flow_.versions
    assert (flow_.workflow, version.version, version.count) == ("approval", 1, 4)
    assert [(one.state, one.count, one.gone) for one in version.states] == [
        ("draft", 1, False),
        ("review", 1, False),
        ("board", 2, True),
    ]


def test_other_changes_do_not_speak_of_cases(office: Office) -> None:
    office.at("review")
    told = planned(office, V1, note={**NOTE, "title": "Remark"})[0]
    assert not [one for one in told if "cases" in one]


def test_cases_inside_a_parallel_state_are_counted_where_they_stand(database: Database) -> None:
    office = Office(database, _parallel())
    record = office.contract()
    office.fire("alice", record, "submit")
    with office.as_("root", write=False) as unit:
        (found,) = running(unit)
    (version,) = found.versions
    assert [(one.state, one.count) for one in version.states] == [("review", 1), ("check", 1)]
    assert version.count == 1


def _parallel() -> dict[str, Any]:
    return flow(
        1,
        {
            "draft": {
                "title": "Draft",
                "may": {"submit": [{"starter": True}]},
                "on": {"submit": "board"},
            },
            "board": {
                "type": "parallel",
                "title": "Board",
                "onDone": "approved",
                "states": {
                    "one": {
                        "states": {
                            "review": approval("Review", "manager", "seen"),
                            "seen": {"type": "final"},
                        }
                    },
                    "two": {
                        "states": {
                            "check": approval("Check", "admin", "checked"),
                            "checked": {"type": "final"},
                        }
                    },
                },
            },
            "approved": {"type": "final", "title": "Approved"},
        },
    ) | {"initial": "draft"}


# --- what cannot be taken away -----------------------------------------------------------------
def test_a_workflow_with_running_cases_cannot_be_taken_away(office: Office) -> None:
    office.at("review")
    office.at("board")
    before = office.everything()
    told = planned(office, None)
    assert told[1] == [
        "Workflow “Approval” cannot be taken away: 2 cases still run (Review 1, Board 1)."
    ]
    with pytest.raises(Conflict) as refused:
        office.publish(None)
    assert refused.value.code == "C100"
    assert office.everything() == before


def test_without_running_cases_it_can(office: Office) -> None:
    office.at("approved")
    office.publish(None)
    assert office.company.current.model.workflows == {}


def test_the_entity_and_the_state_field_stay_as_long(office: Office) -> None:
    office.at("review")
    elsewhere = copy.deepcopy({**V2, "entity": "note"})
    del elsewhere["stateField"]
    elsewhere["states"]["draft"]["on"]["submit"] = "review"
    note = copy.deepcopy(NOTE)
    for chart, entities, code in (
        (elsewhere, {"note": note}, "C103"),
        ({**V2, "stateField": "phase"}, {"contract": _renamed("phase")}, "C102"),
    ):
        before = office.everything()
        with pytest.raises(Conflict) as refused:
            office.publish(chart, **entities)
        assert refused.value.code == code
        assert text(refused.value.problems[0], "zh-CN")
        assert office.everything() == before


def _renamed(name: str) -> dict[str, Any]:
    body = contract()
    body["properties"] = {
        (name if key == "state" else key): value for key, value in body["properties"].items()
    }
    return body


def test_the_entity_cannot_go(office: Office) -> None:
    office.at("review")
    definitions = office.definitions(None)
    del definitions["entity_defs/small/contract.json"]
    customer = copy.deepcopy(CUSTOMER)
    for name in ("signed", "contract_count"):
        del customer["properties"][name]
    customer["x-list"]["columns"].remove("signed")
    definitions["entity_defs/small/customer.json"] = json.dumps(customer)
    found = plan_publish(office.company, definitions, "small", check=check_sources)
    assert [one.code for one in found.refusals] == ["C101"]


def test_what_a_running_version_uses_is_warned_about(office: Office) -> None:
    guarded = copy.deepcopy(V1)
    guarded["states"]["draft"]["on"]["submit"]["guard"] = "cost_centre is null"
    with_field = contract()
    with_field["properties"]["cost_centre"] = {"type": ["string", "null"], "title": "Cost centre"}
    office.publish(guarded, contract=with_field)
    office.at("draft")
    slim = contract("draft", "review", "check", "approved", "dropped")
    _, told = planned(office, V2, contract=slim)
    assert [one for one in told if "version 1" in one] == [
        "Contract: field “Cost centre” goes away, but version 1 of workflow “Approval” uses it "
        "and has 1 running case.",
        "Contract: the state field loses Board, which version 1 of workflow “Approval” uses; "
        "1 case runs on it.",
    ]


# --- versions are rows that never change -------------------------------------------------------
def test_a_definition_is_added_and_never_overwritten(office: Office) -> None:
    office.at("review")
    (first,) = office.rows(system.WF_DEFINITION)
    same_number = {**V2, "version": 1}
    office.publish(same_number)
    office.at("review")
    office.publish(V1)
    office.at("review")
    kept, added = office.rows(system.WF_DEFINITION)
    assert kept == first
    assert (kept["version"], added["version"]) == (1, 1)
    assert kept["hash"] != added["hash"]
    pinned = [one["definition_id"] for one in office.rows(system.WF_INSTANCE)]
    assert pinned == [kept["id"], added["id"], kept["id"]]


def test_words_and_drawings_are_no_new_version(office: Office) -> None:
    old = office.at("review")
    drawn = copy.deepcopy(V1)
    drawn["states"]["review"]["title"] = {"en": "Look at it"}
    drawn["layout"] = {"review": {"x": 1, "y": 2}}
    office.publish(drawn)
    with office.as_("root", write=False) as unit:
        (found,) = running(unit)
    assert [one.present for one in found.versions] == [True]
    office.decide("carol", old)
    assert office.state(old) == "board"


def test_a_case_that_begins_while_its_workflow_is_taken_away_is_counted(
    postgres_database: Database,
) -> None:
    """Either the case is there first and the publish is refused, or the other way round."""
    office = Office(postgres_database)
    begun, go = threading.Event(), threading.Event()

    def begin() -> None:
        with office.as_("alice") as unit:
            writing.create(unit, "contract", {"title": "x", "customer": office.customer})
            begun.set()
            go.wait(10)

    thread = threading.Thread(target=begin)
    thread.start()
    begun.wait(10)
    threading.Timer(0.5, go.set).start()
    with pytest.raises(Conflict) as refused:
        office.publish(None)
    thread.join()
    assert refused.value.code == "C100"
    assert len(office.rows(system.WF_INSTANCE)) == 1
