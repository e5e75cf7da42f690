"""Workflows on real records, on both databases: the shipped contract approval and complaint."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from tests.worlds import company_of

from engine.problems import text
from engine.records import flows, history, reading, removing, writing
from engine.records.company import Company
from engine.records.failures import Conflict, Failure, Forbidden, Invalid, NotFound, Stale
from engine.records.flows.timers import run_due
from engine.records.people import (
    actor_of,
    change_user,
    create_department,
    create_user,
    find_user,
    set_roles,
)
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor, Unit
from engine.storage import Database
from engine.tables import system
from engine.testing import acting

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # ten in the morning in Shanghai


@dataclass
class World:
    """A company with its people and a clock of its own."""

    company: Company
    now: datetime = MONDAY
    actors: dict[str, Actor] = field(default_factory=dict)
    count: int = 0

    @contextmanager
    def as_(self, who: str | Actor, *, write: bool = True) -> Iterator[Unit]:
        actor = who if isinstance(who, Actor) else self.actors[who]
        with self.company.unit(actor, write=write, now=self.now) as unit:
            yield unit

    def customer(self) -> int:
        self.count += 1
        values = {"name": f"Firm {self.count}", "owner": self.actors["sales"].id}
        with self.as_("sales") as unit:
            return int(writing.create(unit, "customer", values)["id"])

    def contract(self, price: int | str = 20_000, **more: Any) -> int:
        values = {
            "title": "Delivery",
            "customer": self.customer(),
            "owner": self.actors["sales"].id,
            "items": [{"name": "Pump", "quantity": "1", "unit_price": str(price)}],
            **more,
        }
        with self.as_("sales") as unit:
            return int(writing.create(unit, "contract", values)["id"])

    def submitted(self, price: int | str = 20_000) -> int:
        id = self.contract(price)
        self.fire("sales", id, "submit")
        return id

    def fire(self, who: str, id: int, event: str, **more: Any) -> flows.Fired:
        entity = more.pop("entity", "contract")
        with self.as_(who) as unit:
            return flows.fire(unit, entity, id, event, **more)

    def task(self, who: str, id: int) -> int:
        """The person's open task of the record."""
        with self.as_(who, write=False) as unit:
            found = [one.task_id for one in flows.my_tasks(unit, size=100) if one.record_id == id]
        assert len(found) == 1, found
        return found[0] or 0

    def decide(
        self, who: str, id: int, command: str, comment: str = "", **more: Any
    ) -> flows.Fired:
        """A command on the person's open task of the record."""
        task = self.task(who, id)
        with self.as_(who) as unit:
            return flows.decide(unit, task, command, comment, **more)

    def refused(self, kind: type[Failure], code: str, who: str, id: int, event: str) -> None:
        """The event is refused and nothing whatever is changed by the attempt."""
        before = self.everything()
        with pytest.raises(kind) as caught:
            self.fire(who, id, event)
        assert caught.value.code == code
        assert text(caught.value.problems[0], "en")
        assert self.everything() == before

    def record(self, id: int, entity: str = "contract") -> Mapping[str, Any]:
        with self.as_(SYSTEM, write=False) as unit:
            return reading.read(unit, entity, id)

    def state(self, id: int) -> str:
        return str(self.record(id)["approval_state"])

    def rows(self, table: sa.Table) -> list[Mapping[str, Any]]:
        with self.company.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def everything(self) -> list[Any]:
        """All rows a step may touch."""
        tables = [
            *(system.WF_INSTANCE, system.WF_EVENT, system.WF_TASK, system.WF_CANDIDATE),
            *(system.WF_COPY, system.WF_TIMER, system.OUTBOX, system.HISTORY),
            self.company.current.tables.of("contract").table,
            self.company.current.tables.of("complaint").table,
        ]
        return [sorted(map(repr, self.rows(table))) for table in tables]

    def todo(self, who: str) -> list[int]:
        """The records that wait for a person, and the count must agree."""
        with self.as_(who, write=False) as unit:
            found = [one.record_id for one in flows.my_tasks(unit, size=100)]
            assert flows.count_tasks(unit) == len(found)
            return found


PEOPLE = {
    "boss": (("general_manager",), None),
    "manager": (("manager",), "boss"),
    "sales": (("sales",), "manager"),
    "colleague": (("sales",), "manager"),
    "finance": (("finance",), "boss"),
    "finance2": (("finance",), "boss"),
    "legal": (("legal",), "boss"),
    "lead": (("service_lead",), "boss"),
    "service": (("service",), "lead"),
    "root": (("admin",), None),
}


def together(*works: Callable[[], object]) -> list[BaseException]:
    """Run at the same time; what went wrong."""
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return errors


@pytest.fixture
def world(sqlite_database: Database) -> Iterator[World]:
    """Where the engine of the database makes no difference."""
    with inhabited(sqlite_database) as found:
        yield found


@pytest.fixture(name="both")
def both_worlds(database: Database) -> Iterator[World]:
    """Where statements, types or locks are at stake."""
    with inhabited(database) as found:
        yield found


@contextmanager
def inhabited(database: Database) -> Iterator[World]:
    with company_of("crm", database, _people, name="inhabited") as company:
        found = World(company)
        with database.read() as connection:
            model = company.application(connection).model
            for login in PEOPLE:
                person = find_user(connection, login)
                assert person is not None
                actor = actor_of(connection, person["id"], model)
                assert actor is not None
                found.actors[login] = actor
        yield found


def _people(company: Company) -> None:
    with company.unit(SYSTEM, write=True) as unit:
        office, ids = create_department(unit, "Office"), dict[str, int]()
        for login, (roles, manager) in PEOPLE.items():
            boss = ids[manager] if manager else None
            more = {"roles": roles, "department": office, "manager": boss, "language": "en"}
            ids[login] = create_user(unit, login, login.title(), **more)  # type: ignore[arg-type]


# --- the contract, band by band ----------------------------------------------------------------
def test_a_record_begins_with_its_case(both: World) -> None:
    id = both.contract()
    assert both.state(id) == "draft"
    (instance,) = both.rows(system.WF_INSTANCE)
    assert (instance["record_id"], instance["state"], instance["version"]) == (id, "draft", 1)
    assert instance["starter_id"] == both.actors["sales"].id
    (definition,) = both.rows(system.WF_DEFINITION)
    assert definition["id"] == instance["definition_id"]
    assert definition["hash"] == both.company.current.model.workflows["contract_approval"].hash


BANDS = {
    "0.01": ["manager"],
    "49999.99": ["manager"],
    "50000": ["manager", "finance", "legal"],
    "499999.99": ["manager", "finance", "legal"],
    "500000": ["manager", "finance", "legal", "boss"],
}


def test_every_amount_band(both: World) -> None:
    for price, path in BANDS.items():
        id = both.submitted(price)
        assert both.state(id) == "manager"
        for who in path:
            assert both.todo(who) == [id]
            both.decide(who, id, "approve")
            assert both.todo(who) == []
        assert both.state(id) == "approved", price
        assert all(both.todo(who) == [] for who in PEOPLE)
    assert both.rows(system.WF_TIMER) == []
    assert {row["done_at"] for row in both.rows(system.WF_INSTANCE)} == {both.now}


def test_a_contract_worth_nothing_cannot_be_submitted(world: World) -> None:
    id = world.contract(0)
    world.refused(Invalid, "V090", "sales", id, "submit")


def test_the_records_rules_hold_for_its_workflow(world: World) -> None:
    id = world.contract(20_000, payment_terms="net30")
    with world.as_("sales") as unit:  # the only item goes, the amount with it
        record = reading.read(unit, "contract", id)
        writing.change(unit, "contract", id, {"items": []}, record["version"])
    with pytest.raises(Invalid):
        world.fire("sales", id, "submit")
    assert world.state(id) == "draft"


def test_reject_goes_back_and_wants_a_comment(world: World) -> None:
    id = world.submitted()
    before = world.everything()
    with pytest.raises(Invalid) as caught:
        world.decide("manager", id, "reject", "  ")
    assert caught.value.code == "W114"
    assert world.everything() == before
    world.decide("manager", id, "reject", "too dear")
    assert world.state(id) == "draft"
    assert world.todo("manager") == []
    with world.as_("manager", write=False) as unit:
        (item,) = flows.decided_tasks(unit)
        assert (item.status, item.comment) == ("rejected", "too dear")
    world.fire("sales", id, "submit")
    world.decide("manager", id, "approve")
    assert world.state(id) == "approved"


def test_withdrawing(world: World) -> None:
    id = world.submitted()
    world.fire("sales", id, "withdraw", comment="a mistake")
    assert world.state(id) == "draft"
    assert world.todo("manager") == []
    world.fire("sales", id, "submit")
    with world.as_("sales") as unit:
        record = reading.read(unit, "contract", id)
        assert record["approval_state"] == "manager"
    big = world.submitted(60_000)
    world.decide("manager", big, "approve")
    world.refused(Invalid, "W104", "sales", big, "withdraw")


def test_who_has_no_part_in_it_is_refused(world: World) -> None:
    id = world.submitted()
    world.refused(Forbidden, "W103", "colleague", id, "withdraw")
    world.refused(Forbidden, "W103", "finance", id, "terminate")
    world.refused(Invalid, "W105", "sales", id, "done.approved.manager")
    world.refused(Invalid, "W105", "sales", id, "after.manager.up")
    world.refused(Invalid, "W102", "sales", id, "submit")
    (task,) = [row for row in world.rows(system.WF_TASK) if row["status"] == "open"]
    before = world.everything()
    commands = ["approve", "reject", "return", "transfer", "delegate", "addsign"]
    for who in set(PEOPLE) - {"manager"}:
        for command in commands:
            with world.as_(who) as unit, pytest.raises(Forbidden) as caught:
                flows.decide(unit, task["id"], command, "because", data={"to": 1})
            assert caught.value.code == "W112"
    assert world.everything() == before


def test_a_task_is_decided_once(world: World) -> None:
    id = world.submitted()
    with world.as_("manager") as unit:
        (item,) = flows.my_tasks(unit)
        assert item.task_id is not None
        flows.decide(unit, item.task_id, "approve")
    with world.as_("manager") as unit, pytest.raises(Conflict):
        flows.decide(unit, item.task_id, "approve")
    assert world.state(id) == "approved"
    with world.as_("manager") as unit, pytest.raises(NotFound):
        flows.decide(unit, 999_999, "approve")


def test_who_comes_second_learns_who_was_first(world: World) -> None:
    id = world.submitted(60_000)
    world.decide("manager", id, "approve")
    with world.as_("finance") as unit:
        (item,) = flows.my_tasks(unit)
        assert item.task_id is not None
        flows.decide(unit, item.task_id, "approve")
    with world.as_("finance") as unit, pytest.raises(Conflict) as caught:
        flows.decide(unit, item.task_id, "reject", "no")
    assert caught.value.code == "R701"
    assert "Finance" in text(caught.value.problems[0], "en")


# --- requests that come twice ------------------------------------------------------------------
def test_the_same_key_gives_the_same_answer(both: World) -> None:
    id = both.contract()
    first = both.fire("sales", id, "submit", idempotency_key="k1")
    before = both.everything()
    again = both.fire("sales", id, "submit", idempotency_key="k1")
    assert again.repeated
    assert (again.instance, again.state, again.sequence) == (
        first.instance,
        first.state,
        first.sequence,
    )
    assert both.everything() == before
    with pytest.raises(Conflict) as caught:
        both.fire("sales", id, "withdraw", idempotency_key="k1")
    assert caught.value.code == "R702"


def test_deciding_on_what_was_shown(world: World) -> None:
    id = world.submitted()
    with world.as_("manager", write=False) as unit:
        (item,) = flows.my_tasks(unit)
    with world.as_("sales") as unit:
        record = reading.read(unit, "contract", id)
        writing.change(unit, "contract", id, {"remark": "changed"}, record["version"])
    with world.as_("manager") as unit, pytest.raises(Stale):
        flows.decide(unit, item.task_id or 0, "approve", version=item.version)
    world.decide("manager", id, "approve", version=world.record(id)["version"])


def test_two_countersigners_at_one_moment(both: World) -> None:
    for _ in range(20):
        id = both.submitted(60_000)
        both.decide("manager", id, "approve")
        tasks = {who: both.task(who, id) for who in ("finance", "legal")}
        barrier = threading.Barrier(2)

        def approve(who: str, tasks: dict[str, int] = tasks, wait: Any = barrier.wait) -> None:
            wait(10)
            with both.as_(who) as unit:
                flows.decide(unit, tasks[who], "approve", f"{who} agrees")

        assert together(*(partial(approve, who) for who in tasks)) == []
        assert both.state(id) == "approved"
        votes = [row for row in both.rows(system.WF_TASK) if row["record_id"] == id]
        decided = {row["decided_by_id"] for row in votes if row["status"] == "approved"}
        assert decided == {both.actors[who].id for who in ("manager", "finance", "legal")}
    out = both.rows(system.OUTBOX)
    assert [row["kind"] for row in out].count("notify") == 20
    events = both.rows(system.WF_EVENT)
    for instance in both.rows(system.WF_INSTANCE):
        own = [row for row in events if row["instance_id"] == instance["id"]]
        assert [row["type"] for row in own].count("done.approved.countersign") == 1
        assert sorted(row["seq"] for row in own) == list(range(1, len(own) + 1))


def test_a_double_click_counts_once(both: World) -> None:
    id = both.contract()
    barrier = threading.Barrier(4)
    results: list[flows.Fired] = []

    def submit() -> None:
        barrier.wait(10)
        results.append(both.fire("sales", id, "submit", idempotency_key="click"))

    assert together(*[submit] * 4) == []
    assert sorted(found.repeated for found in results) == [False, True, True, True]
    assert len(both.rows(system.WF_TASK)) == 1


# --- side doors --------------------------------------------------------------------------------
def test_nobody_writes_the_state_but_the_workflow(world: World) -> None:
    id = world.contract()
    version = world.record(id)["version"]
    for who in ("sales", "manager", "root"):
        with world.as_(who) as unit, pytest.raises(Invalid) as caught:
            writing.change(unit, "contract", id, {"approval_state": "approved"}, version)
        assert caught.value.code == "R202"
    values = {"title": "x", "customer": world.record(id)["customer"], "approval_state": "approved"}
    with world.as_("sales") as unit, pytest.raises(Invalid):
        writing.create(unit, "contract", values)
    assert world.state(id) == "draft"


def test_a_record_in_approval_is_locked_with_its_lines(world: World) -> None:
    id = world.submitted()
    record = world.record(id)
    lines = [{**record["items"][0], "unit_price": "1"}]
    for who in ("sales", "manager", "root"):
        for name, value in {"title": "Other", "items": lines, "signed_on": "2026-03-01"}.items():
            with world.as_(who) as unit, pytest.raises(Invalid) as caught:
                writing.change(unit, "contract", id, {name: value}, record["version"])
            assert caught.value.problems[0].code == "A003", name
    with world.as_("sales") as unit:
        writing.change(unit, "contract", id, {"remark": "hurry"}, record["version"])
    world.decide("manager", id, "approve")
    record = world.record(id)
    with world.as_("boss") as unit, pytest.raises(Invalid):
        writing.change(unit, "contract", id, {"title": "Other"}, record["version"])


def test_a_record_that_somebody_decides_about_is_not_removed(both: World) -> None:
    id = both.submitted()
    for who in ("boss", "root", SYSTEM):
        version = both.record(id)["version"]
        with pytest.raises((Conflict, Forbidden)), both.as_(who) as unit:
            removing.remove(unit, "contract", id, version)
    both.fire("sales", id, "withdraw")
    with both.as_("boss") as unit:
        removing.remove(unit, "contract", id, both.record(id)["version"])
    (instance,) = both.rows(system.WF_INSTANCE)
    assert instance["done_at"] == both.now
    with pytest.raises(NotFound):
        both.fire("sales", id, "submit")
    with both.as_("boss") as unit:
        removing.restore(unit, "contract", id)
    both.fire("sales", id, "submit")
    assert both.state(id) == "manager"


def test_a_step_that_fails_leaves_nothing(world: World) -> None:
    id = world.contract()
    before = world.everything()

    def submit_and_fail() -> None:
        with world.as_("sales") as unit:
            flows.fire(unit, "contract", id, "submit")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        submit_and_fail()
    assert world.everything() == before


# --- what is kept ------------------------------------------------------------------------------
def test_every_step_is_in_the_log_the_history_and_the_outbox(both: World) -> None:
    id = both.submitted()
    both.decide("manager", id, "reject", "no")
    with both.as_("sales", write=False) as unit:
        lines = flows.flow_events(unit, "contract", id)
        entries = history.history(unit, "contract", id)
    assert [line.kind for line in lines] == ["decision", "event", "start"]
    assert [line.actor for line in lines] == [
        both.actors["manager"].id,
        both.actors["sales"].id,
        both.actors["sales"].id,
    ]
    assert lines[0].comment == "no"
    assert [label["en"] for label in lines[0].after] == ["Draft"]
    assert [entry.action for entry in entries] == ["approval", "flow", "create"]
    assert entries[0].by == both.actors["manager"].id
    events = both.rows(system.WF_EVENT)
    assert [row["seq"] for row in sorted(events, key=lambda row: row["seq"])] == list(
        range(1, len(events) + 1)
    )
    assert all(row["actor_id"] is None for row in events if row["type"].startswith("done."))
    out = both.rows(system.OUTBOX)
    assert len({row["key"] for row in out}) == len(out)
    assert {row["kind"] for row in out} == {"task", "notify"}
    assert all(row["body"]["record"] == id for row in out)


def test_the_page_of_a_record(both: World) -> None:
    id = both.submitted(60_000)
    with both.as_("manager", write=False) as unit:
        flow = flows.flow_of(unit, "contract", id)
        assert flow is not None
        assert flow.mine is not None
        assert [step.state for step in flow.steps] == [
            "draft",
            "manager",
            "countersign",
            "approved",
        ]
        offered = {one.event for one in flow.commands}
        assert {"task.approve", "task.reject", "task.transfer"} <= offered
        assert "withdraw" not in offered
        seen = flows.card(unit, "contract", id)
        assert seen is not None
        ((round_,), names) = (seen[0].rounds, seen[1])
        assert names.label("@user", round_.people[0].user or 0) == "Manager"
        assert [wait.user for wait in seen[0].waits_for] == [both.actors["manager"].id]
    with both.as_("sales", write=False) as unit:
        assert {one.event for one in flows.commands(unit, "contract", id)} >= {"withdraw"}
        assert flows.progress(unit, "contract", id) == flow.steps
        (item,) = flows.started_cases(unit)
        assert item.task_id is None
        assert item.state["en"] == "Sales manager"


def test_the_inbox_tells_what_has_to_be_known(both: World) -> None:
    id = both.submitted("12345.60")
    other = both.submitted(1)
    with both.as_("manager", write=False) as unit:
        newest, oldest = flows.my_tasks(unit)
        assert [newest.record_id, oldest.record_id] == [other, id]
        assert [one.record_id for one in flows.my_tasks(unit, size=1)] == [other]
        assert [one.record_id for one in flows.my_tasks(unit, before=newest.task_id)] == [id]
    assert "Delivery" in oldest.label
    assert oldest.applicant_name == "Sales"
    assert oldest.state["en"] == "Sales manager"
    assert "12,345.60" in " ".join(fact.text for fact in oldest.facts)
    assert not oldest.overdue
    assert oldest.due_at is not None
    both.now += timedelta(days=10)
    with both.as_("manager", write=False) as unit:
        assert all(item.overdue for item in flows.my_tasks(unit))


def test_who_is_asked_may_know_of_a_record_he_cannot_read(both: World) -> None:
    id = both.submitted()
    outsider = acting(both.company, "outsider")
    both.actors["outsider"] = outsider
    with both.as_("outsider") as unit, pytest.raises(NotFound):
        flows.flow_of(unit, "contract", id)
    both.decide("manager", id, "transfer", data={"to": outsider.id})
    with both.as_("outsider", write=False) as unit:
        (item,) = flows.my_tasks(unit)
        assert "Delivery" in item.label
        assert not item.readable
        assert item.facts
        assert flows.flow_of(unit, "contract", id) is not None
        with pytest.raises(NotFound):
            reading.read(unit, "contract", id)
    both.decide("outsider", id, "approve")
    assert both.state(id) == "approved"
    with both.as_("outsider", write=False) as unit:  # who decided still knows of the case
        assert flows.flow_of(unit, "contract", id) is not None
        with pytest.raises(NotFound):
            reading.read(unit, "contract", id)


# --- other commands ----------------------------------------------------------------------------
def test_returning_and_resubmitting_directly(world: World) -> None:
    id = world.submitted(60_000)
    world.decide("manager", id, "approve")
    world.decide("finance", id, "return", "the price?", data={"to": "draft"})
    assert world.state(id) == "draft"
    assert world.todo("legal") == []
    world.fire("sales", id, "submit")
    assert world.state(id) == "countersign"
    world.decide("legal", id, "approve")
    world.decide("finance2", id, "approve")
    assert world.state(id) == "approved"


def test_recall_until_the_next_one_acts(world: World) -> None:
    id = world.submitted(60_000)
    with world.as_("manager") as unit:
        (item,) = flows.my_tasks(unit)
        assert item.task_id is not None
        flows.decide(unit, item.task_id, "approve")
        flows.decide(unit, item.task_id, "recall")
    assert world.state(id) == "manager"
    world.decide("manager", id, "approve")
    world.decide("legal", id, "approve")
    with world.as_("manager") as unit, pytest.raises(Invalid) as caught:
        flows.decide(unit, item.task_id, "recall")
    assert caught.value.code == "W120"


def test_signers_are_added(world: World) -> None:
    id = world.submitted()
    to = [world.actors["finance"].id, world.actors["legal"].id]
    world.decide("manager", id, "addsign", data={"to": to, "mode": "before"})
    assert (world.todo("manager"), world.todo("finance"), world.todo("legal")) == ([], [id], [id])
    world.decide("finance", id, "approve")
    world.decide("legal", id, "approve")
    assert world.todo("manager") == [id]
    world.decide("manager", id, "approve")
    assert world.state(id) == "approved"


def test_a_stand_in_decides_for_somebody_away(world: World) -> None:
    table = system.WF_DELEGATION
    with world.company.database.write() as connection:
        connection.execute(
            sa.insert(table).values(
                id=1,
                user_id=world.actors["manager"].id,
                agent_id=world.actors["lead"].id,
                workflow="",
                from_at=world.now - timedelta(days=1),
                until_at=world.now + timedelta(days=1),
            )
        )
    id = world.submitted()
    assert (world.todo("manager"), world.todo("lead")) == ([], [id])
    world.decide("lead", id, "approve")
    with world.as_("sales", write=False) as unit:
        (line, *_) = flows.flow_events(unit, "contract", id)
    assert (line.actor, line.on_behalf_of) == (
        world.actors["lead"].id,
        world.actors["manager"].id,
    )


def test_people_who_left_are_not_asked(world: World) -> None:
    with world.company.unit(SYSTEM, write=True) as unit:
        change_user(unit, world.actors["manager"].id, disabled_at=world.now)
        set_roles(unit, world.actors["finance2"].id, [])
    id = world.submitted(60_000)
    assert world.todo("boss") == [id]  # the superior's superior
    world.decide("boss", id, "approve")
    assert (world.todo("finance"), world.todo("finance2")) == ([id], [])


# --- time --------------------------------------------------------------------------------------
def test_timers_fire_once_and_in_working_hours(both: World) -> None:
    id = both.submitted()
    due = {row["name"]: row["due"] for row in both.rows(system.WF_TIMER)}
    # Monday 10:00, nine hours a day: 24 hours end on Wednesday at 16:00
    assert due["after.manager.nudge"] == datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
    assert run_due(both.company, both.now) == 0
    both.now = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
    assert run_due(both.company, both.now) == 1
    assert run_due(both.company, both.now) == 0
    assert [row["kind"] for row in both.rows(system.OUTBOX)].count("remind") == 1
    both.now = datetime(2026, 3, 20, 8, 0, tzinfo=UTC)
    assert run_due(both.company, both.now) == 1
    assert (both.todo("manager"), both.todo("boss")) == ([], [id])  # replaced by the superior
    both.decide("boss", id, "approve")
    assert both.state(id) == "approved"


def test_two_runners_fire_a_timer_once(both: World) -> None:
    for _ in range(3):
        both.submitted()
    late = both.now + timedelta(days=60)
    barrier = threading.Barrier(3)
    fired: list[int] = []

    def run() -> None:
        barrier.wait(10)
        fired.append(run_due(both.company, late))

    assert together(*[run] * 3) == []
    assert sum(fired) == 6 - run_due(both.company, late)
    assert [row["kind"] for row in both.rows(system.OUTBOX)].count("remind") == 3
    assert both.rows(system.WF_TIMER) == []


def test_a_timer_that_fails_waits_and_tells_why(both: World) -> None:
    id = both.submitted()
    broken = both.submitted()
    stuck = next(row for row in both.rows(system.WF_INSTANCE) if row["record_id"] == broken)
    with both.company.database.write() as connection:
        body = {**stuck["body"], "workflow": "gone"}
        where = system.WF_INSTANCE.c.id == stuck["id"]
        connection.execute(sa.update(system.WF_INSTANCE).where(where).values(body=body))
    late = both.now + timedelta(days=30)
    assert run_due(both.company, late) == 2
    assert run_due(both.company, late) == 0
    failed = both.rows(system.WF_TIMER)
    assert {row["instance_id"] for row in failed} == {stuck["id"]}
    assert all(row["attempts"] == 1 and row["error"] for row in failed)
    assert both.todo("boss") == [id]


# --- complaints --------------------------------------------------------------------------------
def complaint(world: World, **more: Any) -> int:
    values = {
        "title": "Late delivery",
        "customer": world.customer(),
        "received_at": "2026-03-02T01:00:00Z",
        "content": "It came three days late.",
        "promised_reply_at": "2026-03-03T02:00:00Z",
        "promise_told": True,
        "handler": world.actors["service"].id,
        **more,
    }
    with world.as_("service") as unit:
        return int(writing.create(unit, "complaint", values)["id"])


def test_a_complaint_from_beginning_to_end(world: World) -> None:
    id = complaint(world)
    fire = {"entity": "complaint"}
    assert world.record(id, "complaint")["status"] == "received"
    assert world.fire("service", id, "accept", **fire).state == "open"
    with pytest.raises(Invalid):  # nothing to reply yet
        world.fire("service", id, "reply", **fire)
    with world.as_("service") as unit:
        version = world.record(id, "complaint")["version"]
        writing.change(unit, "complaint", id, {"reply": "We are sorry."}, version)
    assert world.fire("service", id, "reply", **fire).state == "awaiting_customer"
    record = world.record(id, "complaint")
    assert record["replied_at"] == world.now
    assert record["sla_breached"] is False
    fired = world.fire("service", id, "confirm", **fire)
    assert fired.done
    assert world.record(id, "complaint")["confirmed"] is True
    assert world.record(id, "complaint")["status"] == "closed"


def test_a_broken_promise_escalates_by_itself(both: World) -> None:
    id = complaint(both, severity="high")
    both.fire("service", id, "accept", entity="complaint")
    both.now = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
    assert run_due(both.company, both.now) == 1
    record = both.record(id, "complaint")
    assert (record["sla_breached"], record["escalation_level"]) == (True, 1)
    assert record["status"] == "open"
    with both.as_("service", write=False) as unit:
        (line, *_) = flows.flow_events(unit, "complaint", id)
        assert (line.kind, line.actor) == ("timer", None)
        (entry, *_) = history.history(unit, "complaint", id)
        assert (entry.action, entry.by) == ("flow", None)
    with both.as_("service") as unit:
        version = record["version"]
        writing.change(unit, "complaint", id, {"reply": "We are sorry."}, version)
    both.fire("service", id, "reply", entity="complaint")
    assert both.todo("lead") == [id]  # a grave one is checked first
    both.decide("lead", id, "approve")
    assert both.record(id, "complaint")["status"] == "awaiting_customer"


def test_a_promise_that_moves_takes_its_timer_along(world: World) -> None:
    id = complaint(world)
    world.fire("service", id, "accept", entity="complaint")
    with world.as_("service") as unit:
        version = world.record(id, "complaint")["version"]
        later = {"promised_reply_at": "2026-03-09T02:00:00Z"}
        writing.change(unit, "complaint", id, later, version)
    (timer,) = [row for row in world.rows(system.WF_TIMER) if row["name"].endswith(".due")]
    assert timer["due"] == datetime(2026, 3, 9, 2, 0, tzinfo=UTC)
    assert run_due(world.company, datetime(2026, 3, 4, tzinfo=UTC)) == 0


# --- records that are older than their case ----------------------------------------------------
def test_imported_records_join_where_they_are(both: World) -> None:
    customer = both.customer()
    made: dict[str, int] = {}
    with both.as_(SYSTEM) as unit:
        for state in ("draft", "manager", "countersign", "approved"):
            values = {
                "title": state,
                "customer": customer,
                "owner": both.actors["sales"].id,
                "approval_state": state,
                "items": [{"name": "Pump", "quantity": "1", "unit_price": "60000"}],
            }
            made[state] = writing.create(unit, "contract", values)["id"]
    assert {state: both.state(id) for state, id in made.items()} == {s: s for s in made}
    assert both.todo("manager") == [made["manager"]]
    assert both.todo("legal") == [made["countersign"]]
    record = both.record(made["approved"])
    with both.as_("sales") as unit, pytest.raises(Invalid) as caught:
        writing.change(unit, "contract", made["approved"], {"title": "x"}, record["version"])
    assert caught.value.code == "A003"
    both.fire("sales", made["draft"], "submit")
    both.decide("finance", made["countersign"], "approve")
    both.decide("legal", made["countersign"], "approve")
    assert both.state(made["countersign"]) == "approved"
    starters = {row["starter_id"] for row in both.rows(system.WF_INSTANCE)}
    assert starters == {both.actors["sales"].id}
    signed = [row for row in both.rows(system.WF_EVENT) if row["type"] == "start"]
    assert all(row["actor_id"] is None for row in signed)


def test_records_without_a_row_get_it_with_their_first_step(world: World) -> None:
    id = world.contract()
    with world.company.database.write() as connection:
        for table in (system.WF_EVENT, system.WF_INSTANCE):
            connection.execute(sa.delete(table))
    with world.as_("sales", write=False) as unit:
        assert "submit" in {one.event for one in flows.commands(unit, "contract", id)}
    assert world.rows(system.WF_INSTANCE) == []
    world.fire("sales", id, "submit")
    assert world.todo("manager") == [id]
    assert len(world.rows(system.WF_INSTANCE)) == 1


# --- definitions that change -------------------------------------------------------------------
def simplified(sources: Mapping[str, str]) -> dict[str, str]:
    """The next version of the workflow: any manager takes the task, nobody countersigns."""
    path = "workflows/crm/contract_approval.json"
    chart = json.loads(sources[path])
    inner = chart["states"]["in_review"]["states"]
    inner["manager"] |= {"assignees": [{"role": "manager"}], "claim": True}
    inner["manager"]["onDone"]["approved"] = "approved"
    del inner["countersign"], inner["general_manager"]
    return {**sources, path: json.dumps({**chart, "version": 2}, ensure_ascii=False)}


def test_cases_stay_with_the_version_they_began_with(both: World) -> None:
    old = both.submitted(60_000)
    company = both.company
    publish(company, simplified(company.current.sources), "crm")
    company.forget()
    both.decide("manager", old, "approve")
    assert both.state(old) == "countersign"
    both.decide("finance", old, "approve")
    with both.as_("legal", write=False) as unit:
        flow = flows.flow_of(unit, "contract", old)
        assert flow is not None
        assert [step.state for step in flow.steps] == [
            "draft",
            "manager",
            "countersign",
            "approved",
        ]
        (item,) = flows.my_tasks(unit)
        assert item.state["en"] == "Finance and legal countersign"
    both.decide("legal", old, "approve")
    assert both.state(old) == "approved"
    assert len(both.rows(system.WF_DEFINITION)) == 1


def test_one_of_several_claims_the_task(both: World) -> None:
    publish(both.company, simplified(both.company.current.sources), "crm")
    with both.company.unit(SYSTEM, write=True) as unit:
        set_roles(unit, both.actors["boss"].id, ["manager"])
    both.actors["boss"] = replace(both.actors["boss"], roles=frozenset({"manager"}))
    id = both.submitted(60_000)
    assert both.todo("manager") == both.todo("boss") == [id]
    with both.as_("boss", write=False) as unit:
        (item,) = flows.my_tasks(unit)
        assert item.claim
    with pytest.raises(Invalid) as caught:
        both.decide("manager", id, "approve")
    assert caught.value.code == "W122"
    both.decide("manager", id, "claim")
    assert (both.todo("manager"), both.todo("boss")) == ([id], [])
    both.decide("manager", id, "approve")
    assert both.state(id) == "approved"


def test_what_cannot_be_kept_is_refused(world: World) -> None:
    id = world.submitted()
    for data in ({"to": "x" * 30_000}, {"note": "\x00"}, {"note": "\ud800"}, {"to": {1, 2}}):
        with pytest.raises(Invalid) as caught:
            world.decide("manager", id, "cc", data=data)
        assert caught.value.code in {"R704", "W113"}
    with pytest.raises(Invalid) as caught:
        world.decide("manager", id, "transfer", data={"to": 10**30})
    assert caught.value.code == "W116"
    with world.as_("manager") as unit, pytest.raises(NotFound):
        flows.decide(unit, 10**30, "approve")
