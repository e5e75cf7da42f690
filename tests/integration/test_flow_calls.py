"""Workflows that make records and workflows that begin workflows, on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.records_world import ALL, computed, entity, money, ref, text
from tests.worlds import settle

from engine.packs import check_sources
from engine.problems import text as words
from engine.records import (
    files,
    flows,
    people,
    reading,
    removing,
    writing,
)
from engine.records.company import Company
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows import NotAllowed, calls, creations, store
from engine.records.flows import env as flow_env
from engine.records.outbox import run_internal
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor, Unit
from engine.storage import Database
from engine.tables import system
from engine.workflow import Meta

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
assert calls.DEEPEST == 8


def states(*values: str) -> dict[str, Any]:
    return {
        "title": "State",
        "readOnly": True,
        "oneOf": [{"const": each, "title": each} for each in values],
    }


def rights() -> dict[str, Any]:
    return {"x-access": {"sales": ALL}}


def part(name: str, label: str, required: tuple[str, ...] = (), /, **properties: Any) -> Any:
    return entity(name, label, properties, required=list(required), **rights())


def name_field() -> dict[str, Any]:
    return {"type": "string", "title": "Name", "minLength": 2}


def owner() -> dict[str, Any]:
    return {**text("Owner"), "x-type": "user"}


ENTITIES = [
    part(
        "lead",
        "{company}",
        ("company",),
        company={"type": "string", "title": "Company"},
        person=text("Person"),
        phone=text("Phone"),
        budget=money("Budget"),
        owner=owner(),
        rows={
            "type": "array",
            "title": "Wishes",
            "x-type": "lines",
            "default": [],
            "items": {
                "type": "object",
                "unevaluatedProperties": False,
                "properties": {
                    "what": {"type": "string", "title": "What"},
                    "price": money("Price"),
                },
            },
        },
        client=ref("Client", "client", "leads"),
        deal=ref("Deal", "deal", "leads"),
        state=states("fresh", "converted"),
    ),
    part(
        "client",
        "{name}",
        ("name",),
        name=name_field(),
        level={"title": "Level", "default": "C", "oneOf": [{"const": "C", "title": "C"}]},
        owner=owner(),
        deal_total=computed("Deals", "sum(deals.amount)"),
    ),
    part(
        "person",
        "{name}",
        ("name", "client"),
        name=name_field(),
        phone=text("Phone"),
        client=ref("Client", "client", "people"),
    ),
    part(
        "deal",
        "{title}",
        ("title", "client"),
        title={"type": "string", "title": "Title"},
        client=ref("Client", "client", "deals"),
        amount=money("Amount"),
        rows={
            "type": "array",
            "title": "Items",
            "x-type": "lines",
            "default": [],
            "items": {
                "type": "object",
                "unevaluatedProperties": False,
                "properties": {
                    "what": {"type": "string", "title": "What"},
                    "price": money("Price"),
                },
            },
        },
    ),
    part(
        "project",
        "{name}",
        ("name",),
        name=name_field(),
        owner=owner(),
        spent=money("Spent"),
        grade=text("Grade"),
        state=states("planning", "building", "checking", "finished", "trouble"),
    ),
    part(
        "job",
        "{name}",
        ("name",),
        name=name_field(),
        project=ref("Project", "project", "jobs"),
        cost=money("Cost"),
        owner=owner(),
        state=states("ready", "asked", "ended", "refused"),
    ),
    part(
        "inspection",
        "{title}",
        ("title",),
        title={"type": "string", "title": "Title", "minLength": 4},
        project=ref("Project", "project", "inspections"),
        grade=text("Grade"),
        owner=owner(),
        state=states("due", "passed"),
    ),
    part("echo", "{name}", ("name",), name=name_field(), state=states("one", "two")),
    part(
        "offer",
        "{title}",
        ("title",),
        title={"type": "string", "title": "Title"},
        amount=money("Amount"),
        state=states("draft", "route", "small", "large", "granted", "denied"),
    ),
]

SALES = {"role": "sales"}
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000049")
REMIND = [{"type": "remind"}]


def flow(id: str, entity: str, states: Mapping[str, Any], on: str = "create") -> dict[str, Any]:
    return {
        "$schema": "https://dougong.dev/schema/workflow-1.json",
        "id": id,
        "version": 1,
        "entity": entity,
        "stateField": "state",
        "title": {"en": id.replace("_", " ").title()},
        "trigger": {"on": on},
        "initial": next(iter(states)),
        "states": dict(states),
    }


CONVERT = [
    {
        "type": "create_record",
        "entity": "client",
        "values": {"name": "company", "owner": "owner"},
        "into": "client",
    },
    {
        "type": "create_record",
        "entity": "person",
        "values": {"name": "person", "phone": "phone", "client": "client"},
    },
    {
        "type": "create_record",
        "entity": "deal",
        "values": {"title": "company", "client": "client", "amount": "budget", "rows": "rows"},
        "into": "deal",
    },
]

FLOWS = [
    flow(
        "lead_life",
        "lead",
        {
            "fresh": {
                "may": {"convert": SALES},
                "on": {"convert": {"target": "converted", "actions": CONVERT}},
            },
            "converted": {"type": "final"},
        },
    ),
    flow(
        "project_life",
        "project",
        {
            "planning": {"may": {"start": SALES}, "on": {"start": "building"}},
            "building": {
                "type": "call",
                "workflow": "job_life",
                "forEach": "jobs",
                "output": {"spent": "sum(results.cost)"},
                "may": {"stop": SALES},
                "on": {"stop": "planning"},
                "onDone": [
                    {"target": "trouble", "guard": "result.state == 'refused'"},
                    {"target": "checking"},
                ],
                "onError": "trouble",
            },
            "checking": {
                "type": "call",
                "workflow": "inspection_life",
                "input": {"title": "name", "project": "id", "owner": "owner"},
                "output": {"grade": "result.grade"},
                "onDone": "finished",
            },
            "finished": {"type": "final"},
            "trouble": {"may": {"start": SALES}, "on": {"start": "building"}},
        },
    ),
    flow(
        "job_life",
        "job",
        {
            "ready": {"may": {"ask": SALES}, "on": {"ask": "asked"}},
            "asked": {
                "type": "approval",
                "assignees": [{"role": "boss"}],
                "signature": True,
                "onDone": {"approved": "ended", "rejected": "refused"},
            },
            "ended": {"type": "final"},
            "refused": {"type": "final"},
        },
        on="manual",
    ),
    flow(
        "inspection_life",
        "inspection",
        {"due": {"may": {"pass": SALES}, "on": {"pass": "passed"}}, "passed": {"type": "final"}},
    ),
    flow(
        "echo_life",
        "echo",
        {
            "one": {
                "entry": [{"type": "create_record", "entity": "echo", "values": {"name": "name"}}],
                "may": {"go": SALES},
                "on": {"go": "two"},
            },
            "two": {"type": "final"},
        },
    ),
]

BOSS = {
    "type": "approval",
    "assignees": [{"role": "boss"}],
    "onDone": {"approved": "granted", "rejected": "denied"},
    "on": {"record.changed": {"target": "route", "guard": "old.amount != amount"}},
}
FLOWS.append(
    flow(
        "offer_life",
        "offer",
        {
            "draft": {"may": {"submit": SALES}, "on": {"submit": "route"}},
            "route": {"always": [{"target": "large", "guard": "amount >= 100"}, "small"]},
            "small": {**BOSS, "after": [{"id": "late", "delay": "P9D", "actions": REMIND}]},
            "large": {**BOSS, "after": [{"id": "late", "delay": "P2D", "actions": REMIND}]},
            "granted": {"type": "final"},
            "denied": {"type": "final"},
        },
    )
)

PACK = {
    "$schema": "https://dougong.dev/schema/pack-1.json",
    "name": "calls",
    "title": "Calls",
    "version": "1.0.0",
    "languages": ["en"],
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "roles": {
        "admin": {"title": "Admin", "admin": True},
        "sales": {"title": "Sales"},
        "boss": {"title": "Boss"},
    },
}


def sources() -> dict[str, str]:
    found = {
        f"entity_defs/calls/{one['x-entity']['name']}.json": json.dumps(one) for one in ENTITIES
    }
    found |= {f"workflows/calls/{one['id']}.json": json.dumps(one) for one in FLOWS}
    return {**found, "entity_defs/calls/pack.json": json.dumps(PACK)}


@dataclass
class World:
    """The company, its people, and its clock."""

    company: Company
    actors: dict[str, Actor] = field(default_factory=dict)
    now: datetime = MONDAY

    @contextmanager
    def as_(self, who: str, *, write: bool = True) -> Iterator[Unit]:
        actor = SYSTEM if who == "@system" else self.actors[who]
        with self.company.unit(actor, write=write, now=self.now) as unit:
            yield unit

    def create(self, name: str, /, who: str = "ann", **values: Any) -> int:
        with self.as_(who) as unit:
            return int(writing.create(unit, name, values)["id"])

    def record(self, entity: str, id: int) -> Mapping[str, Any]:
        with self.as_("@system", write=False) as unit:
            return reading.read(unit, entity, id)

    def all(self, entity: str) -> list[Mapping[str, Any]]:
        with self.as_("@system", write=False) as unit:
            ids = unit.connection.scalars(
                sa.select(unit.app.tables.of(entity).id).order_by(unit.app.tables.of(entity).id)
            ).all()
            return [reading.read(unit, entity, id) for id in ids]

    def fire(self, entity: str, id: int, event: str, who: str = "ann", **more: Any) -> flows.Fired:
        with self.as_(who) as unit:
            return flows.fire(unit, entity, id, event, **more)

    def work(self) -> None:
        """Let the outbox do its internal work, including what that sets off."""
        work = run_internal(self.company, self.now)
        assert (work.failed, work.dead) == (0, 0), self.rows(system.OUTBOX)

    def rows(self, table: sa.Table) -> list[Mapping[str, Any]]:
        with self.company.database.read() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def case(self, entity: str, id: int) -> store.Stored:
        with self.as_("@system", write=False) as unit:
            found = store.latest(unit, entity, id)
            assert found is not None
            return found

    def signature(self, who: str) -> int:
        """An uploaded picture, as the page makes it."""
        with self.as_(who) as unit:
            return files.store_upload(unit, "signature.png", BytesIO(PNG))

    def decide(self, job: int, command: str = "approve", **data: Any) -> flows.Fired:
        data = data or {"signature": self.signature("kim")}
        return self.fire("job", job, f"task.{command}", "kim", payload=data)

    def project(self, *costs: int) -> tuple[int, list[int]]:
        project = self.create("project", name="Bridge", owner=self.actors["ann"].id)
        jobs = [
            self.create("job", name=f"Job {at}", project=project, cost=cost)
            for at, cost in enumerate(costs)
        ]
        return project, jobs


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    settle(database, "calls", _make)
    found = World(Company("calls", database, tmp_path / "files"))
    with database.read() as connection:
        for row in people.list_users(connection):
            actor = people.actor_of(connection, row["id"])
            assert actor is not None
            found.actors[row["login"]] = actor
    return found


def _make(database: Database) -> None:
    company = Company("calls", database)
    publish(company, sources(), "calls", SYSTEM, "first", check=check_sources)
    with company.unit(SYSTEM, write=True) as unit:
        for login, roles in (("ann", ["sales"]), ("kim", ["boss"]), ("eve", [])):
            people.create_user(unit, login, login.title(), roles=roles)


# --- records that a workflow creates ----------------------------------------------------------
def test_a_lead_becomes_customer_contact_and_deal_in_one_action(world: World) -> None:
    """线索一键转化为客户、联系人、商机，不重复录入。"""
    ann = world.actors["ann"].id
    lead = world.create(
        "lead",
        company="Heng Tai",
        person="Li Lei",
        phone="138",
        budget="120.50",
        owner=ann,
        rows=[{"what": "Pump", "price": "1.10"}],
    )
    world.fire("lead", lead, "convert")
    (client,), (person,), (deal,) = (world.all(one) for one in ("client", "person", "deal"))
    found = world.record("lead", lead)
    assert (found["state"], found["client"], found["deal"]) == (
        "converted",
        client["id"],
        deal["id"],
    )
    assert (client["name"], client["owner"], client["level"]) == ("Heng Tai", ann, "C")
    assert client["deal_total"] == Decimal("120.50")
    assert (person["name"], person["phone"], person["client"]) == ("Li Lei", "138", client["id"])
    assert (deal["amount"], deal["client"]) == (Decimal("120.50"), client["id"])
    assert [(row["what"], row["price"]) for row in deal["rows"]] == [("Pump", Decimal("1.10"))]
    # they are the work of whoever pressed the button
    assert [one["created_by"] for one in (client, person, deal)] == [ann] * 3
    made = [row for row in world.rows(system.HISTORY) if row["entity"] == "client"]
    assert made[0]["source"] == "workflow"


def test_what_cannot_be_created_undoes_the_whole_step(world: World) -> None:
    """创建失败则整步回滚，并说明是哪条记录缺什么。"""
    lead = world.create("lead", company="Heng Tai", person="L")  # a name too short
    before = len(world.rows(system.WF_EVENT))
    with pytest.raises(Invalid) as caught:
        world.fire("lead", lead, "convert")
    (problem,) = caught.value.problems
    assert problem.code == "W302"
    assert "Person" in words(problem, "en")
    assert "Name" in words(problem, "en")
    assert (world.all("client"), world.all("deal")) == ([], [])
    assert world.record("lead", lead)["state"] == "fresh"
    assert len(world.rows(system.WF_EVENT)) == before


def test_records_that_create_records_end_with_a_named_problem(world: World) -> None:
    """流程创建的记录又触发创建：有层数上限，整体回滚。"""
    with pytest.raises(Invalid) as caught:
        world.create("echo", name="Hello")
    assert caught.value.code == "W303"
    assert world.all("echo") == []


def test_what_a_created_record_leaves_to_do_is_done_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """新建的记录留下的待办，提交后立即处理。"""

    def create(unit: Unit, _entity: str, _values: Mapping[str, object]) -> dict[str, Any]:
        unit.posted = True
        return {"id": 1}

    monkeypatch.setattr(creations, "_DOORS", [create])
    with world.as_("ann") as unit:
        env = flow_env.FlowEnv(unit, unit.app.model.entities["lead"], {"id": 1})
        creations.create_for(unit, env, "client", {}, {})
        assert unit.posted


# --- a workflow for every record of a list ------------------------------------------------------
def test_the_caller_goes_on_when_the_last_called_case_has_ended(world: World) -> None:
    """对每个下级记录发起子流程，全部办结后上级继续，并汇总结果。"""
    project, jobs = world.project(10, 20)
    world.fire("project", project, "start")
    world.work()
    parent = world.case("project", project)
    assert [call.state for call in parent.instance.calls] == ["building"]
    assert [world.case("job", job).parent is not None for job in jobs] == [True, True]
    for job in jobs:
        world.fire("job", job, "ask")
    world.decide(jobs[0])
    world.work()
    assert world.record("project", project)["state"] == "building"
    world.decide(jobs[1])
    world.work()
    found = world.record("project", project)
    assert (found["spent"], found["state"]) == (Decimal(30), "checking")
    # and a single new record for the next one
    (inspection,) = world.all("inspection")
    assert (inspection["title"], inspection["project"]) == ("Bridge", project)
    with world.as_("ann") as unit:
        version = inspection["version"]
        writing.change(unit, "inspection", inspection["id"], {"grade": "good"}, version)
    world.fire("inspection", inspection["id"], "pass")
    world.work()
    found = world.record("project", project)
    assert (found["grade"], found["state"]) == ("good", "finished")
    assert world.case("project", project).instance.calls == ()


def test_a_list_without_records_is_done_at_once(world: World) -> None:
    """没有下级记录时不等待。"""
    project, _ = world.project()
    world.fire("project", project, "start")
    assert world.record("project", project)["state"] == "checking"


def test_a_called_case_is_begun_once_however_often_it_is_asked_for(world: World) -> None:
    """同一请求重复投递，子流程只发起一次。"""
    project, jobs = world.project(1)
    world.fire("project", project, "start")
    world.work()
    again = sa.update(system.OUTBOX).where(system.OUTBOX.c.kind == "call")
    with world.company.database.write() as connection:
        connection.execute(again.values(done_at=None))
    run_internal(world.company, world.now + timedelta(days=1))
    children = [row for row in world.rows(system.WF_INSTANCE) if row["parent_id"]]
    assert [row["record_id"] for row in children] == jobs
    assert world.record("project", project)["state"] == "building"


def test_leaving_the_state_ends_the_called_cases(world: World) -> None:
    """上级提前离开：子流程终止，任务取消。"""
    project, jobs = world.project(1, 2)
    world.fire("project", project, "start")
    world.work()
    world.fire("job", jobs[0], "ask")
    world.fire("project", project, "stop")
    world.work()
    for job in jobs:
        case = world.case("job", job)
        assert (case.instance.done, case.instance.terminated) == (True, True)
        assert not any(task.pending for task in case.instance.tasks)
    assert [row for row in world.rows(system.WF_EVENT) if row["type"] == "terminated"]
    assert world.record("project", project)["state"] == "planning"
    # and a second visit begins them anew
    world.fire("project", project, "start")
    world.work()
    assert not world.case("job", jobs[0]).instance.done


def test_a_called_case_that_was_ended_by_hand_is_an_error_for_the_caller(world: World) -> None:
    """子流程被终止：上级走 onError。"""
    project, jobs = world.project(1, 2)
    world.fire("project", project, "start")
    world.work()
    with world.as_("@system") as unit:
        calls.end(unit, world.case("job", jobs[0]).id, "no longer wanted")
    world.work()
    assert world.record("project", project)["state"] == "trouble"
    assert world.case("job", jobs[1]).instance.terminated


def test_a_case_that_cannot_begin_is_told_and_the_caller_stays(world: World) -> None:
    """子流程无法发起且没有 onError：上级停在原处并说明原因。"""
    project = world.create("project", name="Pub")  # too short a title for an inspection
    world.fire("project", project, "start")
    world.work()
    case = world.case("project", project)
    (call,) = case.instance.calls
    assert call.reason["en"]
    assert "Inspection" in call.reason["en"]
    assert world.record("project", project)["state"] == "checking"
    assert world.all("inspection") == []


def test_an_answer_waits_while_the_callers_record_is_in_the_bin(world: World) -> None:
    """上级记录在回收站时子流程办结：恢复后继续。"""
    project, jobs = world.project(5)
    world.fire("project", project, "start")
    world.work()
    world.fire("job", jobs[0], "ask")
    with world.as_("ann") as unit:
        record = reading.read(unit, "project", project)
        case = store.latest(unit, "project", project)
        assert case is not None
        store.suspend(unit, case)
        place = unit.app.tables.of("project")
        gone = sa.update(place.table).where(place.id == project)
        unit.connection.execute(gone.values(removed_at=unit.now))
    world.decide(jobs[0])
    world.work()
    with world.as_("ann") as unit:
        removing.restore(unit, "project", record["id"])
    world.work()
    assert world.record("project", project)["state"] == "checking"


def test_what_was_to_begin_waits_while_the_callers_record_is_in_the_bin(world: World) -> None:
    """上级记录在回收站时尚未发起的子流程：恢复后补发。"""
    project, _ = world.project()
    world.fire("project", project, "start")
    with world.as_("ann") as unit:
        removing.remove(unit, "project", project, reading.read(unit, "project", project)["version"])
    work = run_internal(world.company, world.now)
    assert (work.failed, world.all("inspection")) == (1, [])
    with world.as_("ann") as unit:
        removing.restore(unit, "project", project)
    world.work()
    (inspection,) = world.all("inspection")
    world.fire("inspection", inspection["id"], "pass")
    world.work()
    assert world.record("project", project)["state"] == "finished"


def test_a_case_is_not_called_by_one_that_it_waits_for_itself(world: World) -> None:
    """互相等待的流程会永远停住：拒绝。"""
    project, jobs = world.project(1)
    world.fire("project", project, "start")
    world.work()
    parent, child = world.case("project", project), world.case("job", jobs[0])
    key = store.Parent(child.id, "asked", f"{child.id}:asked:1:{project}")
    with world.as_("@system") as unit:
        entity, above = unit.app.model.entities["project"], store.callers(unit, child)
        assert above == [parent.id]
        with pytest.raises(Conflict):
            calls.begin_on(unit, entity, project, key, above)


# --- signatures --------------------------------------------------------------------------------
def test_a_decision_that_is_to_be_signed(world: World) -> None:
    """签名：缺少签名、用别人的签名都被拒绝。"""
    job = world.create("job", name="Job")
    world.fire("job", job, "ask")
    with pytest.raises(Invalid) as caught:
        world.decide(job, signature=None)
    assert caught.value.code == "W300"
    for wrong in (world.signature("ann"), 5, 10**30, True, "x"):
        with pytest.raises(Invalid) as caught:
            world.decide(job, signature=wrong)
        assert caught.value.code in {"W300", "W301"}
    mine = world.signature("kim")
    world.decide(job, signature=mine)
    (task,) = world.rows(system.WF_TASK)
    assert task["signature_id"] == mine
    other = world.create("job", name="Another")
    world.fire("job", other, "ask")
    world.decide(other, signature=mine)  # the same picture may sign again
    assert world.record("job", other)["state"] == "ended"
    for reader in ("ann", "kim"):  # who may know of the case sees how it was signed
        with world.as_(reader, write=False) as unit:
            assert files.open_file(unit, mine)[0].mime == "image/png"
    with world.as_("eve", write=False) as unit, pytest.raises(NotFound):
        files.open_file(unit, mine)
    assert files_left(world) >= 1


def files_left(world: World) -> int:
    """Uploads that the clean-up leaves alone: those that belong to something."""
    with world.as_("@system") as unit:
        files.clear_uploads(unit, world.now + timedelta(days=9))
    return len([row for row in world.rows(system.FILE) if row["record_id"]])


def test_another_case_cannot_call_a_record_that_somebody_waits_for(world: World) -> None:
    """同一记录不能被两个上级同时等待。"""
    project, jobs = world.project(1)
    world.fire("project", project, "start")
    world.work()
    with world.as_("ann") as unit, pytest.raises(Conflict):
        calls.begin_on(unit, unit.app.model.entities["job"], jobs[0], None)


# --- what the company has ----------------------------------------------------------------------
def test_who_there_is_for_the_checks_of_a_definition(world: World) -> None:
    """发布前检查知道公司有哪些群组、部门、账号，谁担任了角色。"""
    with world.as_("@system") as unit:
        people.create_department(unit, "East")
        found = flow_env.known(unit)
    assert found.logins == {"ann", "kim", "eve"}
    assert found.held == {"sales", "boss"}
    assert "East" in found.departments


def test_a_group_is_asked(world: World) -> None:
    """群组：成员都是审批人，停用的账号和已删除的群组不算。"""
    ann, kim = world.actors["ann"].id, world.actors["kim"].id
    with world.as_("@system") as unit:
        group = unit.app.database.ids.next(unit.connection)
        unit.connection.execute(sa.insert(system.GROUP).values(id=group, key="board", name="B"))
        for user in (ann, kim):
            row = {"group_id": group, "user_id": user}
            unit.connection.execute(sa.insert(system.GROUP_MEMBER).values(row))
        entity = unit.app.model.entities["offer"]
        env, meta = flow_env.FlowEnv(unit, entity, {"id": 1}), Meta(None)
        assert list(env.resolve({"group": "board"}, {}, meta)) == [ann, kim]
        assert list(env.resolve({"group": "bored"}, {}, meta)) == []
        gone = sa.update(system.GROUP).values(removed_at=unit.now)
        unit.connection.execute(gone)
        assert list(flow_env.FlowEnv(unit, entity, {}).resolve({"group": "board"}, {}, meta)) == []


def test_a_change_in_review_goes_back_to_the_right_step(world: World) -> None:
    """审批中改了金额：回到分派处，票作废；自己没有监听的修改不影响。"""
    offer = world.create("offer", title="Pipes", amount=50)
    world.fire("offer", offer, "submit")
    assert world.record("offer", offer)["state"] == "small"

    def change(**values: Any) -> None:
        with world.as_("ann") as unit:
            version = reading.read(unit, "offer", offer)["version"]
            writing.change(unit, "offer", offer, values, version)

    change(title="Pipes and pumps")
    assert world.record("offer", offer)["state"] == "small"
    change(amount=500)
    found = world.record("offer", offer)
    assert (found["state"], found["amount"]) == ("large", Decimal(500))
    tasks = {row["state"]: row["status"] for row in world.rows(system.WF_TASK)}
    assert tasks == {"small": "cancelled", "large": "open"}
    rows = [row for row in world.rows(system.WF_EVENT) if row["type"] == "record.changed"]
    assert [row["actor_id"] for row in rows] == [world.actors["ann"].id]
    timers = {row["name"] for row in world.rows(system.WF_TIMER)}
    assert timers == {"after.large.late"}
    with pytest.raises(NotAllowed):
        world.fire("offer", offer, "record.changed")


def test_the_card_tells_which_cases_were_begun_and_how_far_they_are(world: World) -> None:
    """审批卡片列出子流程及其进度；看不到记录的人只见流程名。"""
    project, jobs = world.project(5, 7)
    world.fire("project", project, "start")
    world.work()
    world.fire("job", jobs[0], "ask")
    world.decide(jobs[0])
    with world.as_("ann", write=False) as unit:
        found = flows.flow_of(unit, "project", project)
        assert found is not None
        (step,) = found.called
        assert (step.open, step.done, step.total, step.reason) == (True, 1, 2, {})
        assert [(one.label, one.done) for one in step.children] == [
            ("Job 0", True),
            ("Job 1", False),
        ]
    with world.as_("eve", write=False) as unit:
        found = flows.flow_of(unit, "project", project, known=True)
        assert found is not None
        assert [one.label for one in found.called[0].children] == ["", ""]
    # an administrator ends one of them: the step says why it cannot go on as it should
    with world.as_("@system") as unit:
        calls.end(unit, world.case("job", jobs[1]).id, "wrong job")
    world.work()
    with world.as_("ann", write=False) as unit:
        found = flows.flow_of(unit, "project", project)
        assert found is not None
        assert found.called[0].children[1].stopped


# --- limits and races --------------------------------------------------------------------------
def test_calls_inside_calls_have_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """层层发起有上限：按失败处理，走 onError。"""
    monkeypatch.setattr(calls, "DEEPEST", 0)
    project, jobs = world.project(1)
    world.fire("project", project, "start")
    world.work()
    assert world.record("project", project)["state"] == "trouble"
    told = [row for row in world.rows(system.WF_EVENT) if row["type"] == "error.call.building"]
    assert "deep" in told[0]["payload"]["data"]["reason"]["en"]
    with world.as_("@system", write=False) as unit:
        assert store.latest(unit, "job", jobs[0]) is None


def test_two_workers_and_the_last_answers_at_once(world: World) -> None:
    """两个 worker 同时处理最后几个子流程的答复：上级只前进一次。"""
    project, jobs = world.project(*range(1, 7))
    world.fire("project", project, "start")
    world.work()
    for job in jobs:
        world.fire("job", job, "ask")
        world.decide(job)
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        run_internal(world.company, world.now)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    run_internal(world.company, world.now + timedelta(hours=1))  # what had to be tried again
    found = world.record("project", project)
    assert (found["state"], found["spent"]) == ("checking", Decimal(21))
    done = [row for row in world.rows(system.WF_EVENT) if row["type"] == "done.call.building"]
    assert len(done) == 1
    assert len(world.all("inspection")) == 1
