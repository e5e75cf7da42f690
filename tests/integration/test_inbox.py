"""The inbox and the case's card, on both databases: lists, what is shown to whom, what changed
since the last time, approving together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.test_records_flows import World, inhabited

from engine.problems import text
from engine.records import flows, reading, writing
from engine.records.failures import Failure, Forbidden, Invalid, NotFound, Stale
from engine.records.flows import InboxItem, Wanted
from engine.records.flows.cards import Opened, open_case, open_task
from engine.records.flows.inbox import counts, own_phrases, places, read_copy
from engine.records.flows.inputs import given
from engine.records.flows.together import approve_together
from engine.records.publish import WHATEVER, publish
from engine.records.unit import Unit
from engine.storage import Database

FLOW = "workflows/crm/contract_approval.json"
CONTRACT = "entity_defs/crm/contract.json"
Steps = dict[str, Any]


@pytest.fixture
def world(sqlite_database: Database) -> Iterator[World]:
    with inhabited(sqlite_database) as found:
        yield found


@pytest.fixture(name="both")
def both_worlds(database: Database) -> Iterator[World]:
    with inhabited(database) as found:
        yield found


def rewritten(world: World, change: Callable[[dict[str, Any], Steps], None]) -> None:
    """Publish the contract's workflow changed: `change` gets the chart and the approval steps."""
    sources = dict(world.company.current.sources)
    chart = json.loads(sources[FLOW])
    change(chart, chart["states"]["in_review"]["states"])
    chart["version"] += 1
    publish(world.company, {**sources, FLOW: json.dumps(chart, ensure_ascii=False)}, "crm")


def listed(world: World, who: str, **wanted: Any) -> list[InboxItem]:
    with world.as_(who, write=False) as unit:
        return flows.my_tasks(unit, size=50, wanted=Wanted(**wanted))


def opened(world: World, who: str, id: int) -> Opened:
    task = world.task(who, id)
    with world.as_(who, write=False) as unit:
        return open_task(unit, task)


def change(world: World, who: str, id: int, **values: Any) -> None:
    with world.as_(who) as unit:
        record = reading.read(unit, "contract", id)
        writing.change(unit, "contract", id, values, record["version"])


@contextmanager
def pooled(world: World) -> Iterator[None]:
    """The first step is for whoever of two claims it."""

    def several(_: dict[str, Any], steps: Steps) -> None:
        steps["manager"] |= {"assignees": [{"role": "finance"}], "claim": True}

    rewritten(world, several)
    yield


# --- lists -------------------------------------------------------------------------------------
def test_own_tasks_and_those_to_claim_are_told_apart(both: World) -> None:
    with pooled(both):
        id = both.submitted()
    for who in ("finance", "finance2"):
        (item,) = listed(both, who, whose="pool")
        assert (item.record_id, item.claim, item.bulk) == (id, True, False)
        assert listed(both, who, whose="own") == []
        with both.as_(who, write=False) as unit:
            found = counts(unit)
            assert (found.own, found.pool) == (0, 1)
            assert flows.count_tasks(unit) == 1
    assert item.task_id is not None
    with both.as_("finance") as unit:
        flows.decide(unit, item.task_id, "claim")
    assert [one.record_id for one in listed(both, "finance", whose="own")] == [id]
    assert listed(both, "finance2") == []
    with both.as_("finance2") as unit, pytest.raises(Failure) as caught:
        flows.decide(unit, item.task_id, "claim")
    assert "Finance" in text(caught.value.problems[0], "en")  # who was faster


def test_the_list_is_narrowed_and_ordered(both: World) -> None:
    first = both.submitted()
    both.now += timedelta(hours=1)
    second = both.contract(title="Pumps for Harbour 7")
    both.fire("sales", second, "submit")
    both.now += timedelta(hours=1)
    third = both.submitted()
    assert [one.record_id for one in listed(both, "manager")] == [third, second, first]
    assert [one.record_id for one in listed(both, "manager", order="old")] == [first, second, third]
    assert [one.record_id for one in listed(both, "manager", order="due")] == [first, second, third]
    assert [one.record_id for one in listed(both, "manager", text="harbour 7")] == [second]
    assert [one.record_id for one in listed(both, "manager", text="SALES")] == [
        third,
        second,
        first,
    ]
    assert listed(both, "manager", text="nowhere") == []
    assert listed(both, "manager", entity="complaint") == []
    assert len(listed(both, "manager", workflow="contract_approval", state="manager")) == 3
    assert listed(both, "manager", workflow="contract_approval", state="countersign") == []
    with both.as_("manager", write=False) as unit:
        (place,) = places(unit)
        assert (place.entity, place.state, place.count) == ("contract", "manager", 3)


@pytest.mark.parametrize("order", ["new", "old", "due"])
def test_every_page_goes_on_where_the_last_one_ended(both: World, order: str) -> None:
    def without_clock(_: dict[str, Any], steps: Steps) -> None:
        del steps["manager"]["after"]

    for _ in range(3):
        both.submitted()
    rewritten(both, without_clock)  # these are due at no time
    for _ in range(2):
        both.submitted()
    whole = [one.task_id for one in listed(both, "manager", order=order)]
    seen: list[int | None] = []
    with both.as_("manager", write=False) as unit:
        before: int | None = None
        while page := flows.my_tasks(unit, size=2, before=before, wanted=Wanted(order=order)):  # type: ignore[arg-type]
            seen += [one.task_id for one in page]
            before = page[-1].task_id
    assert seen == whole
    assert len(set(seen)) == 5


def test_a_copy_is_unread_until_it_is_opened(both: World) -> None:
    def copying(_: dict[str, Any], steps: Steps) -> None:
        steps["manager"]["cc"] = [{"role": "legal"}]

    rewritten(both, copying)
    id = both.submitted()
    with both.as_("legal", write=False) as unit:
        (item,) = flows.copied_cases(unit)
        assert (item.record_id, item.unread, counts(unit).copies) == (id, True, 1)
        assert open_case(unit, item.instance).copied
        assert flows.copied_cases(unit)[0].unread  # looking alone marks nothing
    with both.as_("legal") as unit:
        read_copy(unit, item.instance)
    with both.as_("legal", write=False) as unit:
        assert not flows.copied_cases(unit)[0].unread
        assert counts(unit).copies == 0
    with both.as_("finance", write=False) as unit:
        assert flows.copied_cases(unit) == []


def test_a_page_takes_as_many_statements_with_many_rows_as_with_few(world: World) -> None:
    def statements(size: int) -> int:
        with world.as_("manager", write=False) as unit:
            seen: list[str] = []
            driver = unit.connection.connection.driver_connection
            driver.set_trace_callback(seen.append)  # type: ignore[union-attr]
            try:
                assert len(flows.my_tasks(unit, size=size)) == size
            finally:
                driver.set_trace_callback(None)  # type: ignore[union-attr]
            return len(seen)

    for _ in range(12):
        world.submitted()
    for size in (2, 12):
        statements(size)  # what is compiled once
    assert statements(12) == statements(2)


def test_a_task_is_overdue_when_it_is_taken_away_not_when_it_was_reminded_of(
    world: World,
) -> None:
    world.submitted()
    (item,) = listed(world, "manager")
    with world.as_("manager", write=False) as unit:
        opened_flow = open_task(unit, item.task_id or 0).flow
        (wait,) = opened_flow.waiting
    reminder, passing_on = wait.coming
    assert item.due_at == passing_on.at > reminder.at
    world.now = reminder.at + timedelta(minutes=1)
    assert not listed(world, "manager")[0].overdue
    world.now = passing_on.at + timedelta(minutes=1)
    assert listed(world, "manager")[0].overdue


# --- the case ----------------------------------------------------------------------------------
def secluded(world: World) -> None:
    """Legal decides about contracts of which its role may read nothing; one field is for few."""
    sources = dict(world.company.current.sources)
    entity = json.loads(sources[CONTRACT])
    del entity["x-access"]["legal"]
    entity["properties"]["signed_on"]["x-access"] = {"sales": {"read": True, "write": True}}
    chart = json.loads(sources[FLOW])
    chart["states"]["in_review"]["states"]["manager"] |= {"assignees": [{"role": "legal"}]}
    chart["version"] += 1
    sources |= {CONTRACT: json.dumps(entity), FLOW: json.dumps(chart)}
    publish(world.company, sources, "crm", acknowledged=WHATEVER)


def test_being_asked_opens_the_case_and_not_the_record(both: World) -> None:
    secluded(both)
    id = both.contract(20_000, signed_on="2026-03-01", remark="between us")
    both.fire("sales", id, "submit")
    (item,) = listed(both, "legal")
    assert not item.readable
    assert any(fact.field.type == "money" for fact in item.facts)
    assert all(not fact.field.access for fact in item.facts)
    found = opened(both, "legal", id)
    assert not found.readable
    assert [row["name"] for row in found.record["items"]] == ["Pump"]
    assert found.record["amount"]
    assert "signed_on" not in found.record  # guarded
    assert "remark" not in found.record  # not what one decides by
    both.decide("legal", id, "return", "why?", data={"to": "#start"})
    with both.as_("legal", write=False) as unit, pytest.raises(NotFound):
        open_case(unit, found.flow.instance)  # no longer asked
    change(both, "sales", id, title="Other", signed_on="2026-03-02")
    both.fire("sales", id, "submit")
    again = opened(both, "legal", id)
    assert [one.change.field.name for one in again.differences] == ["title"]


def test_why_it_waits_is_known(world: World) -> None:
    id = world.submitted(60_000)
    found = opened(world, "manager", id).flow
    (wait,) = found.waiting
    assert (wait.people, wait.needed, wait.total) == ((world.actors["manager"].id,), 1, 1)
    last = wait.coming[-1]
    assert (last.kind, last.mode, last.to) == ("escalate", "replace", (world.actors["boss"].id,))
    assert [one.kind for one in wait.coming] == ["remind", "escalate"]
    world.decide("manager", id, "approve")
    (wait,) = opened(world, "legal", id).flow.waiting
    assert (wait.per_group, wait.needed, wait.agreed) == (True, 2, 0)
    world.decide("legal", id, "approve")
    (wait,) = opened(world, "finance", id).flow.waiting
    assert wait.agreed == 1
    assert world.actors["legal"].id not in wait.people


def test_outsiders_find_no_case(world: World) -> None:
    id = world.submitted()
    task = world.task("manager", id)
    with world.as_("service", write=False) as unit:
        if not reading.visible(unit, "contract", [id]):
            with pytest.raises(NotFound):
                open_task(unit, task)
        for number in (0, -1, 10**12, 2**60):
            with pytest.raises(NotFound):
                open_task(unit, number)
            with pytest.raises(NotFound):
                open_case(unit, number)


def test_whoever_decides_sees_what_changed_since(both: World) -> None:
    id = both.submitted(20_000)
    assert opened(both, "manager", id).differences == ()
    both.now += timedelta(hours=1)
    both.decide("manager", id, "return", "the price", data={"to": "#start"})
    both.now += timedelta(hours=1)
    items = both.record(id)["items"]
    both_items = [
        {"id": items[0]["id"], "name": "Pump", "quantity": "1", "unit_price": "18000"},
        {"name": "Hose", "quantity": "2", "unit_price": "10"},
    ]
    change(both, "sales", id, items=both_items, title="Delivery B")
    change(both, "sales", id, remark="first")
    change(both, "sales", id, remark="")  # and back again: no difference
    both.fire("sales", id, "submit")
    found = opened(both, "manager", id)
    told = {one.change.field.name: one for one in found.differences}
    assert "remark" not in told
    assert "approval_state" not in told
    assert (told["title"].change.old, told["title"].change.new) == ("Delivery", "Delivery B")
    rows = {("new" if one.old is None else "changed"): one for one in told["items"].rows}
    assert rows.keys() == {"new", "changed"}
    assert "unit_price" in rows["changed"].columns
    assert found.flow.look is not None
    assert found.flow.look.own
    with both.as_("sales", write=False) as unit:  # who is not asked is told nothing
        assert open_case(unit, found.flow.instance).differences == ()


def test_a_field_that_he_may_not_read_is_in_no_difference(world: World) -> None:
    sources = dict(world.company.current.sources)
    entity = json.loads(sources[CONTRACT])
    entity["properties"]["remark"]["x-access"] = {"manager": {"read": "owner == me"}}
    changed = {**sources, CONTRACT: json.dumps(entity)}
    publish(world.company, changed, "crm", acknowledged=WHATEVER)
    id = world.submitted()
    world.decide("manager", id, "return", "no", data={"to": "#start"})
    change(world, "sales", id, remark="a secret", title="New title")
    world.fire("sales", id, "submit")
    found = opened(world, "manager", id)
    assert [one.change.field.name for one in found.differences] == ["title"]
    assert "remark" not in found.record


def test_phrases_are_ones_own_last_words(world: World) -> None:
    for words in ("fine", "fine", "two\nlines", "x" * 60, "check the terms"):
        world.decide("manager", world.submitted(), "approve", words)
    with world.as_("manager", write=False) as unit:
        assert set(own_phrases(unit)) == {"fine", "check the terms"}
    with world.as_("boss", write=False) as unit:
        assert own_phrases(unit) == []


# --- approving together ------------------------------------------------------------------------
def together(world: World, who: str, ids: list[int], **more: Any) -> dict[int, str]:
    """What came of each: "" or the code of what stood in the way."""
    found = {}
    for id in ids:
        try:
            with world.as_(who) as unit:
                approve_together(unit, id, "all fine", **more)
        except Failure as failure:
            found[id] = failure.code
        else:
            found[id] = ""
    return found


def test_several_are_approved_each_on_its_own(both: World) -> None:
    ids = [both.submitted() for _ in range(3)]
    tasks = [both.task("manager", id) for id in ids]
    assert all(one.bulk for one in listed(both, "manager"))
    both.decide("manager", ids[1], "reject", "too late")
    came = together(both, "manager", tasks)
    assert [came[task] for task in tasks] == ["", "R701", ""]
    assert [both.state(id) for id in ids] == ["approved", "draft", "approved"]
    assert together(both, "manager", tasks[:1])[tasks[0]] == "W101"  # the case is closed


def test_nobody_approves_for_others_together(world: World) -> None:
    task = world.task("manager", world.submitted())
    for who in ("sales", "boss", "finance"):
        assert together(world, who, [task])[task] != ""
    assert len(listed(world, "manager")) == 1


NEEDS: Mapping[str, Mapping[str, Any]] = {
    "switched off": {"meta": {"bulk": False}},
    "comment": {"comment": "required"},
    "signature": {"signature": True},
    "fields": {"fields": {"remark": "required", "*": "read"}},
    "not allowed": {"allow": ["reject", "return"]},
}


@pytest.mark.parametrize("why", NEEDS)
def test_steps_that_ask_for_more_are_decided_one_by_one(world: World, why: str) -> None:
    rewritten(world, lambda _, steps: steps["manager"].update(NEEDS[why]))
    id = world.submitted()
    (item,) = listed(world, "manager")
    assert not item.bulk
    before = world.everything()
    assert together(world, "manager", [item.task_id or 0]) == {item.task_id: "I100"}
    assert world.everything() == before
    assert world.state(id) == "manager"


def test_all_steps_inside_a_state_can_be_kept_out(world: World) -> None:
    off = {"meta": {"bulk": False}}
    rewritten(world, lambda chart, _: chart["states"]["in_review"].update(off))
    world.submitted()
    assert not listed(world, "manager")[0].bulk


def test_what_was_changed_meanwhile_is_not_approved_unseen(world: World) -> None:
    id = world.submitted()
    (item,) = listed(world, "manager")
    change(world, "sales", id, remark="by the way")
    with world.as_("manager") as unit, pytest.raises(Stale):
        approve_together(unit, item.task_id or 0, version=item.version)


# --- what has to be said beside the button -----------------------------------------------------
def asking(chart: dict[str, Any], steps: Steps) -> None:
    """The starter names a day, and picks who countersigns."""
    draft = chart["states"]["draft"]
    draft["on"]["submit"][-1] |= {
        "guard": "amount > 0 and event.day != null",
        "actions": [{"assign": {"ends_on": "event.day"}}],
    }
    steps["countersign"]["assignees"] = [{"chosenBy": "starter", "label": "chosen"}]


def test_an_event_asks_for_its_data_and_for_people(world: World) -> None:
    rewritten(world, asking)
    id = world.contract(60_000)
    with world.as_("sales", write=False) as unit:
        flow = flows.flow_of(unit, "contract", id)
        assert flow is not None
        (day,) = flow.inputs["submit"]
        assert (day.name, day.required, day.field and day.field.name) == ("day", True, "ends_on")
        (choice,) = flow.choices
        assert (choice.state, choice.by) == ("countersign", "starter")
        for typed, code in (({}, "I104"), ({"day": "soon"}, "V")):
            with pytest.raises(Invalid) as caught:
                given(unit, [day], typed)
            assert caught.value.code.startswith(code)
            assert caught.value.problems[0].pointer == "/day"
        data = given(unit, [day], {"day": "2026-05-01"})
    people = [world.actors["colleague"].id]
    world.fire("sales", id, "submit", payload={**data, "chosen": {"countersign": people}})
    assert str(world.record(id)["ends_on"]) == "2026-05-01"
    world.decide("manager", id, "approve")
    assert world.todo("colleague") == [id]


def test_the_case_tells_its_commands_only_to_those_who_may(world: World) -> None:
    id = world.submitted()
    expected = {
        "manager": {"task.approve", "task.reject", "task.return", "task.transfer",
                    "task.delegate", "task.addsign", "task.remind"},
        "sales": {"withdraw", "task.remind"},
        "boss": set(),
        "finance": set(),
    }  # fmt: skip
    for who, wanted in expected.items():
        with world.as_(who, write=False) as unit:
            assert {one.event for one in _commands(unit, id)} == wanted


def _commands(unit: Unit, id: int) -> Any:
    try:
        return flows.commands(unit, "contract", id)
    except (NotFound, Forbidden):
        return ()
