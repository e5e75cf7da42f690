"""The shipped flows as stories: named people, amounts and deadlines of the trade, a false clock.

Every story runs on SQLite; those marked `both` run on PostgreSQL as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.worlds import company_of

from engine.packs import read_spec
from engine.packs.samples import departments, employees
from engine.records import flows, notices, reading, writing
from engine.records.company import Company
from engine.records.failures import Failure, Forbidden, Invalid, NotFound
from engine.records.flows.schedules import run_schedules
from engine.records.flows.timers import run_due
from engine.records.outbox import run_outbox
from engine.records.people import (
    actor_of,
    change_user,
    create_department,
    create_user,
    list_users,
)
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database
from engine.tables import system

ROOT = Path(__file__).parents[2]
MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # ten in the morning in Shanghai
assert notices  # told of what workflows note down


@dataclass
class Firm:
    """A company with the people of its sample, no records, and a clock of its own."""

    company: Company
    people: Mapping[str, Actor]
    now: datetime = MONDAY
    made: list[tuple[str, int]] = field(default_factory=list)

    def create(self, who: str, entity: str, /, **values: Any) -> int:
        with self.company.unit(self.people[who], write=True, now=self.now) as unit:
            id = int(writing.create(unit, entity, values)["id"])
        self.made.append((entity, id))
        return id

    def change(self, who: str, entity: str, id: int, **values: Any) -> None:
        with self.company.unit(self.people[who], write=True, now=self.now) as unit:
            version = reading.read(unit, entity, id)["version"]
            writing.change(unit, entity, id, values, version)

    def fire(self, who: str, entity: str, id: int, event: str, **data: Any) -> None:
        comment = data.pop("comment", "")
        with self.company.unit(self.people[who], write=True, now=self.now) as unit:
            flows.fire(unit, entity, id, event, data, comment=comment)

    def approve(self, entity: str, id: int, *people: str) -> None:
        """The people approve, one after the other."""
        for who in people:
            self.fire(who, entity, id, "task.approve")

    def refused(self, who: str, entity: str, id: int, event: str, **data: Any) -> str:
        """The code with which somebody is refused."""
        with pytest.raises(Failure) as caught:
            self.fire(who, entity, id, event, **data)
        if isinstance(caught.value, NotFound):
            return "not there"
        return "forbidden" if isinstance(caught.value, Forbidden) else caught.value.code

    def read(self, entity: str, id: int) -> Mapping[str, Any]:
        with self.company.unit(SYSTEM, now=self.now) as unit:
            return reading.read(unit, entity, id)

    def of(self, entity: str, **about: Any) -> list[Mapping[str, Any]]:
        """The records with these values."""
        with self.company.unit(SYSTEM, now=self.now) as unit:
            table = unit.app.tables.of(entity)
            wanted = [table.column(name) == value for name, value in about.items()]
            ids = unit.connection.scalars(sa.select(table.id).where(*wanted).order_by(table.id))
            return [reading.read(unit, entity, id) for id in ids]

    def todo(self, entity: str, id: int) -> set[str]:
        """Who is asked to decide."""
        task, user = system.WF_TASK, system.USER
        statement = (
            sa.select(user.c.login)
            .join(task, task.c.assignee_id == user.c.id)
            .where(task.c.entity == entity, task.c.record_id == id, task.c.status == "open")
        )
        with self.company.unit(SYSTEM, now=self.now) as unit:
            return set(unit.connection.scalars(statement))

    def told(self, who: str, entity: str, id: int, kind: str = "") -> int:
        """How many notices about a record somebody got."""
        table = system.NOTICE
        self.work()
        statement = sa.select(sa.func.count()).where(
            table.c.user_id == self.people[who].id,
            table.c.entity == entity,
            table.c.record_id == id,
        )
        if kind:
            statement = statement.where(table.c.kind == kind)
        with self.company.unit(SYSTEM, now=self.now) as unit:
            return int(unit.connection.scalar(statement) or 0)

    def work(self) -> None:
        """What the runner does, until nothing is left; nothing of it may go wrong."""
        for _ in range(20):
            done = run_schedules(self.company, self.now)
            done += run_due(self.company, self.now)
            done += run_outbox(self.company, self.now, {}).done
            if not done:
                break
        with self.company.unit(SYSTEM, now=self.now) as unit:
            table = system.OUTBOX
            dead = unit.connection.execute(
                sa.select(table.c.kind, table.c.error).where(
                    table.c.dead_at.is_not(None), table.c.kind != "send"
                )
            ).all()
        assert dead == []

    def wait(self, **time: float) -> None:
        """Time goes by, in steps, with the runner at work."""
        end = self.now + timedelta(**time)
        while self.now < end:
            self.now = min(self.now + timedelta(hours=12), end)
            self.work()

    def at_once(self, **time: float) -> None:
        """Time goes by in one step."""
        self.now += timedelta(**time)
        self.work()


@contextmanager
def staffed(pack: str, database: Database) -> Iterator[Firm]:
    spec = read_spec([ROOT], pack)

    def take_on(company: Company) -> None:
        people: dict[str, int] = {}
        with company.unit(SYSTEM, write=True, now=MONDAY) as unit:
            places: dict[str, int] = {}
            for one in departments(spec):
                parent = places.get(one.parent)
                places[one.key] = create_department(unit, one.title, parent, key=one.key)
            for who in employees(spec):
                place = places.get(who.department)
                people[who.login] = create_user(
                    unit, who.login, who.name, roles=who.roles, department=place
                )
            for who in employees(spec):
                if who.manager:
                    change_user(unit, people[who.login], manager_id=people[who.manager])

    with company_of(pack, database, take_on, name="staffed") as company:
        actors: dict[str, Actor] = {}
        with company.unit(SYSTEM, now=MONDAY) as unit:
            for person in list_users(unit.connection):
                actor = actor_of(unit.connection, person["id"], unit.app.model)
                assert actor is not None
                actors[person["login"]] = actor
        yield Firm(company, actors)


@pytest.fixture
def crm(sqlite_database: Database) -> Iterator[Firm]:
    with staffed("crm", sqlite_database) as firm:
        yield firm


@pytest.fixture
def both(database: Database) -> Iterator[Firm]:
    with staffed("crm", database) as firm:
        yield firm


@pytest.fixture
def school(database: Database) -> Iterator[Firm]:
    with staffed("training_school", database) as firm:
        yield firm


@pytest.fixture
def military(database: Database) -> Iterator[Firm]:
    with staffed("military_supplier", database) as firm:
        yield firm


@pytest.fixture
def hotel(database: Database) -> Iterator[Firm]:
    with staffed("hotel", database) as firm:
        yield firm


def customer(firm: Firm, who: str = "wang.min", **more: Any) -> int:
    values = {"name": f"恒泰信{len(firm.made)}公司", "owner": firm.people[who].id, **more}
    return firm.create(who, "customer", **{"kind": "organisation", "status": "trading", **values})


def contract(firm: Firm, of: int, amount: str, who: str = "wang.min") -> int:
    items = [{"name": "控制柜", "quantity": "1", "unit_price": amount}]
    about = {"title": "设备采购合同", "customer": of, "kind": "sales", "items": items}
    return firm.create(who, "contract", **about, owner=firm.people[who].id)


SCORES = [
    {"name": name, "aspect": aspect, "score": score, "best": "10", "weight": weight}
    for name, aspect, score, weight in (
        ("品质", "character", "8", "2"),
        ("能力", "capacity", "7", "2"),
        ("资本", "capital", "6", "1.5"),
        ("抵押", "collateral", "5", "1"),
        ("条件", "conditions", "7", "1"),
    )
]
BALANCE = {
    "current_assets": "1000",
    "current_liabilities": "600",
    "inventory": "300",
    "net_worth": "800",
    "long_term_debt": "200",
}


def credit(firm: Firm, of: int, limit: str, **more: Any) -> int:
    values = {"customer": of, "kind": "new", "requested_limit": limit, "reason": "合作稳定"}
    values |= {"owner": firm.people["wang.min"].id, "scores": SCORES, **more}
    return firm.create("wang.min", "credit_application", **values)


def granted(firm: Firm, of: int, limit: str) -> int:
    """A limit in force."""
    id = credit(firm, of, limit)
    firm.fire("wang.min", "credit_application", id, "submit")
    firm.approve("credit_application", id, "li.qiang", "wu.fang", "zheng.wei")
    return id


# --- credit ------------------------------------------------------------------------------------
def test_the_working_capital_model_of_the_book(crm: Firm) -> None:
    id = credit(crm, customer(crm), "100", **BALANCE)
    found = crm.read("credit_application", id)
    assert found["working_capital"] == 400
    assert found["working_assets"] == 600
    ratios = ("current_ratio", "quick_ratio", "short_debt_ratio", "debt_ratio")
    assert [round(Decimal(found[name]), 2) for name in ratios] == [
        Decimal("1.67"),
        Decimal("1.17"),
        Decimal("0.75"),
        1,
    ]
    assert Decimal(found["evaluation"]) == Decimal("1.0833")
    assert (found["share"], found["model_limit"]) == (25, 150)


def test_the_characteristic_table_gives_percent_and_class(crm: Firm) -> None:
    found = crm.read("credit_application", credit(crm, customer(crm), "100"))
    # 8*2 + 7*2 + 6*1.5 + 5 + 7 = 51 of 75
    assert (found["points"], found["top"], found["percent"]) == (51, 75, 68)
    assert found["credit_class"] == "normal"
    bad = [{**row, "score": "2"} for row in SCORES]
    denied = credit(crm, customer(crm), "100", scores=bad)
    assert crm.read("credit_application", denied)["credit_class"] == "deny"
    assert crm.refused("wang.min", "credit_application", denied, "submit") == "W104"


def test_a_limit_is_granted_and_ends(both: Firm) -> None:
    firm = both
    of = customer(firm)
    id = credit(firm, of, "200000")
    assert firm.refused("liu.yang", "credit_application", id, "submit") == "forbidden"
    firm.fire("wang.min", "credit_application", id, "submit")
    assert firm.todo("credit_application", id) == {"li.qiang"}
    firm.fire("wang.min", "credit_application", id, "withdraw")
    firm.fire("wang.min", "credit_application", id, "submit")
    firm.approve("credit_application", id, "li.qiang")
    assert firm.refused("wang.min", "credit_application", id, "withdraw") == "W104"
    assert firm.todo("credit_application", id) == {"wu.fang", "zheng.wei"}
    firm.change("wu.fang", "credit_application", id, proposed_limit="150000")
    firm.approve("credit_application", id, "wu.fang")
    assert firm.read("customer", of)["credit_line"] == 0
    firm.approve("credit_application", id, "zheng.wei")  # both of two: sixty percent
    found = firm.read("customer", of)
    assert (found["credit_line"], found["granted_grade"]) == (150000, "A")
    assert str(found["credit_until"]) == "2027-03-02"
    other = credit(firm, of, "1000")  # one file for each customer
    assert firm.refused("wang.min", "credit_application", other, "submit") == "W104"
    firm.at_once(days=338)
    assert firm.told("wu.fang", "credit_application", id, "remind") == 1
    firm.at_once(days=31)
    assert firm.read("credit_application", id)["state"] == "expired"
    assert firm.read("customer", of)["credit_line"] == 0


def test_a_large_limit_goes_to_the_general_manager_and_can_be_revoked(crm: Firm) -> None:
    of = customer(crm, abc="A")
    id = credit(crm, of, "300000")
    crm.fire("wang.min", "credit_application", id, "submit")
    crm.fire("li.qiang", "credit_application", id, "task.reject", comment="资料不全")
    assert crm.read("credit_application", id)["state"] == "draft"
    assert crm.told("wang.min", "credit_application", id) == 1
    crm.fire("wang.min", "credit_application", id, "submit")
    crm.approve("credit_application", id, "li.qiang", "wu.fang", "zheng.wei", "chen.guohua")
    assert crm.read("customer", of)["credit_line"] == 300000
    crm.fire("wang.min", "credit_application", id, "review")
    assert crm.read("customer", of)["credit_line"] == 300000  # counts meanwhile
    crm.fire("wang.min", "credit_application", id, "keep")
    assert crm.refused("wu.fang", "credit_application", id, "revoke") == "W104"
    crm.fire("wu.fang", "credit_application", id, "revoke", end_reason="长期拖欠")
    assert crm.read("customer", of)["credit_line"] == 0


# --- contracts ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("amount", "people"),
    [
        ("49999.99", ["li.qiang"]),
        ("50000", ["li.qiang", "wu.fang", "zheng.wei"]),
        ("500000", ["li.qiang", "wu.fang", "zheng.wei", "chen.guohua"]),
    ],
)
def test_contracts_by_amount(crm: Firm, amount: str, people: Sequence[str]) -> None:
    id = contract(crm, customer(crm), amount)
    crm.fire("wang.min", "contract", id, "submit")
    for who in people:
        assert crm.read("contract", id)["approval_state"] != "approved"
        assert who in crm.todo("contract", id)
        crm.approve("contract", id, who)
    assert crm.read("contract", id)["approval_state"] == "approved"


def test_above_the_limit_the_exception_is_decided_first(both: Firm) -> None:
    firm = both
    of = customer(firm)
    granted(firm, of, "40000")
    fits, more = contract(firm, of, "40000"), contract(firm, of, "40000.01")
    firm.fire("wang.min", "contract", fits, "submit")
    firm.fire("wang.min", "contract", more, "submit")
    assert firm.read("contract", fits)["approval_state"] == "manager"
    assert firm.read("contract", more)["approval_state"] == "special_credit"
    assert firm.todo("contract", more) == {"wu.fang", "chen.guohua"}
    assert firm.refused("li.qiang", "contract", more, "task.approve") != ""
    firm.approve("contract", more, "wu.fang")
    assert firm.refused("wang.min", "contract", more, "withdraw") == "W104"
    firm.approve("contract", more, "chen.guohua")
    assert firm.todo("contract", more) == {"li.qiang"}
    firm.approve("contract", fits, "li.qiang")
    firm.create(
        *("wu.fang", "receivable"),
        **{"contract": fits, "name": "1", "due_on": "2026-04-01", "amount": "40000"},
    )
    small = contract(firm, of, "0.01")  # the open receivable counts
    firm.fire("wang.min", "contract", small, "submit")
    assert firm.read("contract", small)["approval_state"] == "special_credit"


def test_a_lapsed_limit_covers_nothing(crm: Firm) -> None:
    of = customer(crm)
    id = granted(crm, of, "40000")
    crm.fire("wang.min", "credit_application", id, "review")  # and is forgotten
    crm.now += timedelta(days=400)
    late = contract(crm, of, "100")
    crm.fire("wang.min", "contract", late, "submit")
    assert crm.read("contract", late)["approval_state"] == "special_credit"


# --- refunds -----------------------------------------------------------------------------------
def received(firm: Firm, amount: str) -> int:
    """A contract on which money came in."""
    id = contract(firm, customer(firm), amount)
    about = {"contract": id, "name": "1", "due_on": "2026-04-01", "amount": amount}
    due = firm.create("wu.fang", "receivable", **about)
    come = {"receivable": due, "received_on": "2026-03-02", "amount": amount}
    firm.create("wu.fang", "receipt", **come, method="transfer", state="confirmed")
    return id


def refund(firm: Firm, of: int, amount: str) -> int:
    about = {"contract": of, "reason_kind": "quality", "reason": "产品划痕退款", "amount": amount}
    return firm.create("wang.min", "refund", **about, owner=firm.people["wang.min"].id)


def test_refunds(both: Firm) -> None:
    firm = both
    of = received(firm, "30000")
    with pytest.raises(Invalid):
        firm.create("wang.min", "refund", contract=of, amount="1", reason_kind="quality")
    forged = {"contract": of, "reason": "产品划痕退款", "amount": "1", "state": "confirmed"}
    with pytest.raises(Failure):  # the state is the flow's
        firm.create("wu.fang", "refund", **forged, reason_kind="quality")
    small, large = refund(firm, of, "12000"), refund(firm, of, "20000")
    firm.fire("wang.min", "refund", small, "submit")
    firm.fire("wang.min", "refund", large, "submit")
    firm.approve("refund", small, "li.qiang", "wu.fang")
    assert firm.read("refund", small)["state"] == "confirmed"
    assert firm.read("contract", of)["refunded_amount"] == 12000
    firm.approve("refund", large, "li.qiang", "wu.fang")
    assert firm.todo("refund", large) == {"chen.guohua"}
    assert firm.refused("chen.guohua", "refund", large, "task.approve") == "V090"
    firm.fire("chen.guohua", "refund", large, "task.reject", comment="超过已收")
    assert firm.read("refund", large)["state"] == "draft"
    assert firm.refused("wang.min", "refund", large, "submit") == "W104"
    firm.change("wang.min", "refund", large, amount="18000")
    firm.fire("wang.min", "refund", large, "submit")
    firm.approve("refund", large, "li.qiang", "wu.fang")
    assert firm.read("contract", of)["refunded_amount"] == 30000


# --- purchase and payment ----------------------------------------------------------------------
def purchase(firm: Firm, amount: str, *dues: str, status: str = "qualified") -> int:
    buyer = firm.people["he.mei"].id
    name = f"金鼎钢材{len(firm.made)}"
    about = {"name": name, "category": "goods", "status": status, "owner": buyer}
    supplier = firm.create("he.mei", "supplier", **about)
    items = [{"name": "钢板", "quantity": "1", "unit_price": amount}]
    about = {"title": "钢材采购", "supplier": supplier, "kind": "goods", "items": items}
    id = firm.create("he.mei", "purchase_contract", **about, owner=buyer)
    for number, part in enumerate(dues or (amount,), 1):
        due = {"contract": id, "name": f"第 {number} 期", "due_on": "2026-04-01", "owner": buyer}
        firm.create("he.mei", "payable", **due, amount=part)
    return id


@pytest.mark.parametrize(
    ("amount", "people"),
    [
        ("19999.99", ["chen.guohua"]),
        ("20000", ["chen.guohua", "wu.fang", "zheng.wei"]),
        ("200000", ["chen.guohua", "wu.fang", "zheng.wei", "chen.guohua"]),
    ],
)
def test_purchase_contracts_by_amount(crm: Firm, amount: str, people: Sequence[str]) -> None:
    id = purchase(crm, amount)
    crm.fire("he.mei", "purchase_contract", id, "submit")
    crm.approve("purchase_contract", id, *people)
    assert crm.read("purchase_contract", id)["approval_state"] == "performing"


def test_what_keeps_a_purchase_contract_in_draft(crm: Firm) -> None:
    unknown = purchase(crm, "100", status="candidate")
    assert crm.refused("he.mei", "purchase_contract", unknown, "submit") == "W104"
    short = purchase(crm, "100", "60")
    assert crm.refused("he.mei", "purchase_contract", short, "submit") == "W104"


def test_from_the_purchase_to_the_last_payment(both: Firm) -> None:
    firm = both
    id = purchase(firm, "10000", "6666.67", "3333.33")
    first, second = (one["id"] for one in firm.of("payable", contract=id))
    early = firm.create("he.mei", "payment", payable=first, amount="1", owner=None)
    assert firm.refused("he.mei", "payment", early, "submit") == "W104"  # not approved yet
    firm.fire("he.mei", "payment", early, "cancel")
    firm.fire("he.mei", "purchase_contract", id, "submit")
    firm.approve("purchase_contract", id, "chen.guohua")
    firm.work()
    firm.fire("he.mei", "payable", first, "request")
    payment = firm.of("payment", payable=first, state="draft")[0]["id"]
    assert firm.read("payment", payment)["amount"] == Decimal("6666.67")
    firm.fire("he.mei", "payment", payment, "submit")
    firm.approve("payment", payment, "chen.guohua", "wu.fang")
    assert firm.told("yan.hui", "payment", payment) == 1
    assert firm.refused("he.mei", "payment", payment, "pay", paid_on="2026-03-02") == "forbidden"
    assert firm.refused("yan.hui", "payment", payment, "pay") == "W104"
    assert firm.refused("yan.hui", "payment", payment, "pay", paid_on="2026-03-03") == "V090"
    firm.fire("yan.hui", "payment", payment, "pay", paid_on="2026-03-02", voucher="PZ1")
    assert firm.read("payable", first)["open_amount"] == 0
    more = firm.create("wu.fang", "payment", payable=first, amount="0.01")
    assert firm.refused("wu.fang", "payment", more, "submit") == "W104"
    firm.at_once(days=24)  # a week before the second is due, its request is there
    [request] = firm.of("payment", payable=second)
    assert (request["state"], request["amount"]) == ("draft", Decimal("3333.33"))
    assert firm.told("he.mei", "payable", second, "remind") == 1
    assert firm.read("payable", first)["state"] == "settled"
    firm.at_once(days=7)
    assert firm.read("payable", second)["state"] == "overdue"
    firm.fire("he.mei", "payment", request["id"], "submit")
    firm.approve("payment", request["id"], "chen.guohua", "wu.fang")
    firm.fire("yan.hui", "payment", request["id"], "pay", paid_on="2026-04-02", voucher="PZ2")
    firm.fire("yan.hui", "payable", second, "settle")
    firm.work()
    found = firm.read("purchase_contract", id)
    assert (found["approval_state"], found["open_amount"]) == ("completed", 0)


def test_payments_never_exceed_the_payable(crm: Firm) -> None:
    id = purchase(crm, "250000")
    crm.fire("he.mei", "purchase_contract", id, "submit")
    crm.approve("purchase_contract", id, "chen.guohua", "wu.fang", "zheng.wei", "chen.guohua")
    [payable] = crm.of("payable", contract=id)
    asked = []
    for _ in range(3):
        one = crm.create("he.mei", "payment", payable=payable["id"], amount="100000")
        crm.fire("he.mei", "payment", one, "submit")
        crm.approve("payment", one, "chen.guohua", "wu.fang")
        assert crm.todo("payment", one) == {"chen.guohua"}  # from 100,000
        asked.append(one)
    crm.approve("payment", asked[0], "chen.guohua")
    crm.approve("payment", asked[1], "chen.guohua")
    assert crm.refused("chen.guohua", "payment", asked[2], "task.approve") == "V090"
    assert crm.read("payable", payable["id"])["approved_amount"] == 200000


# --- complaints --------------------------------------------------------------------------------
def complaint(firm: Firm, promised: timedelta, who: str = "lin.na", **more: Any) -> int:
    about: dict[str, Any] = {"title": "交货延迟", "channel": "phone"}
    about |= {"kind": "service", "severity": "medium"}
    about |= {"received_at": firm.now.isoformat(), "content": "影响生产", "promise_told": True}
    about |= {"promised_reply_at": (firm.now + promised).isoformat(), **more}
    return firm.create(who, "complaint", **about, owner=firm.people[who].id)


def test_a_complaint_escalates_twice_and_is_surveyed(both: Firm) -> None:
    firm = both
    id = complaint(firm, timedelta(hours=4), customer=customer(firm))
    firm.fire("lin.na", "complaint", id, "accept")
    firm.at_once(hours=4)
    found = firm.read("complaint", id)
    assert (found["sla_breached"], found["escalation_level"]) == (True, 1)
    assert firm.told("huang.jing", "complaint", id, "overdue") == 1
    firm.at_once(days=4)
    assert firm.read("complaint", id)["escalation_level"] == 2
    assert firm.told("chen.guohua", "complaint", id, "escalation") == 1
    firm.change("lin.na", "complaint", id, reply="已安排加急补货")
    firm.fire("lin.na", "complaint", id, "reply")
    assert firm.read("complaint", id)["status"] == "awaiting_customer"
    assert firm.refused("lin.na", "complaint", id, "reopen") == "W104"
    later = (firm.now + timedelta(hours=8)).isoformat()
    firm.change("lin.na", "complaint", id, promised_reply_at=later)
    firm.fire("lin.na", "complaint", id, "reopen")
    assert firm.read("complaint", id)["status"] == "open"
    firm.fire("lin.na", "complaint", id, "reply")
    firm.fire("lin.na", "complaint", id, "confirm")
    [call] = firm.of("satisfaction_survey", complaint=id)
    assert call["owner"] == firm.people["lin.na"].id
    assert firm.refused("lin.na", "satisfaction_survey", call["id"], "answer") == "W104"
    rater = ("reliability", "tangibles", "responsiveness", "empathy", "assurance")
    firm.change("lin.na", "satisfaction_survey", call["id"], **dict.fromkeys(rater, 4))
    firm.fire("lin.na", "satisfaction_survey", call["id"], "answer")
    assert firm.read("satisfaction_survey", call["id"])["score"] == 4


def test_silence_closes_a_complaint(crm: Firm) -> None:
    id = complaint(crm, timedelta(days=2), customer=customer(crm))
    crm.fire("lin.na", "complaint", id, "accept")
    crm.change("lin.na", "complaint", id, reply="已处理")
    crm.fire("lin.na", "complaint", id, "reply")
    crm.wait(days=4)
    assert crm.told("lin.na", "complaint", id, "remind") == 1
    crm.wait(days=4)
    found = crm.read("complaint", id)
    assert (found["status"], found["confirmed"]) == ("closed", False)
    assert "自动结案" in found["close_reason"]


def test_a_guest_waits_for_minutes_only(hotel: Firm) -> None:
    guest = hotel.create("pan.yue", "guest", name="李梅")
    id = complaint(hotel, timedelta(minutes=15), "pan.yue", guest=guest, room_no="808")
    hotel.at_once(minutes=10)
    assert hotel.told("shen.jia", "complaint", id, "overdue") == 1
    hotel.fire("lu.ming", "complaint", id, "accept")
    hotel.at_once(minutes=5)
    assert hotel.read("complaint", id)["escalation_level"] == 1
    hotel.at_once(minutes=30)
    assert hotel.read("complaint", id)["escalation_level"] == 2
    assert hotel.told("song.yiming", "complaint", id, "escalation") == 1
    hotel.at_once(minutes=30)
    assert hotel.told("song.yiming", "complaint", id, "escalation") == 2
    hotel.change("lu.ming", "complaint", id, reply="已换房")
    hotel.fire("lu.ming", "complaint", id, "reply")
    hotel.at_once(hours=24)
    assert hotel.read("complaint", id)["status"] == "closed"


# --- archive -----------------------------------------------------------------------------------
def archive(firm: Firm, **more: Any) -> int:
    of = customer(firm)
    keeper = firm.people["lin.na"].id
    about = {"customer": of, "name": "客户档案", "grade": "internal", "keeper": keeper}
    return firm.create(
        "huang.jing", "archive_file", **{**about, "owner": firm.people["wang.min"].id, **more}
    )


def lending(firm: Firm, file: int, who: str = "wang.min") -> int:
    about = {"file": file, "purpose": "续约谈判", "promised_on": "2026-03-06"}
    id = firm.create(who, "archive_loan", **about, owner=firm.people[who].id)
    firm.fire(who, "archive_loan", id, "submit")
    return id


def test_a_file_is_lent_and_comes_back_late(both: Firm) -> None:
    firm = both
    file = archive(firm)
    id, second = lending(firm, file), lending(firm, file)
    assert firm.todo("archive_loan", id) == {"lin.na"}
    firm.approve("archive_loan", id, "lin.na")
    firm.approve("archive_loan", second, "lin.na")
    assert firm.refused("wang.min", "archive_loan", id, "lend") == "forbidden"
    firm.fire("lin.na", "archive_loan", id, "lend")
    assert firm.refused("lin.na", "archive_loan", second, "lend") == "W104"  # it is out
    firm.wait(days=25)
    found = firm.read("archive_loan", id)
    assert found["state"] == "overdue"
    reminders = firm.told("wang.min", "archive_loan", id, "overdue")
    assert reminders == 6  # once at the beginning, five times after that
    firm.wait(days=20)
    assert firm.told("wang.min", "archive_loan", id, "overdue") == reminders
    assert firm.told("li.qiang", "archive_loan", id, "overdue") == 1
    firm.fire("lin.na", "archive_loan", id, "give_back", condition="完好")
    assert firm.read("archive_loan", id)["state"] == "returned"
    assert firm.read("archive_file", file)["lent_count"] == 0
    assert firm.read("archive_loan", second)["state"] == "cancelled"  # never fetched


def test_a_confidential_file_takes_the_superior_as_well(crm: Firm) -> None:
    file = archive(crm, grade="confidential")
    with pytest.raises(Invalid):  # sales does not know of it
        lending(crm, file)
    id = lending(crm, file, "li.qiang")
    crm.approve("archive_loan", id, "lin.na")
    assert crm.todo("archive_loan", id) == {"chen.guohua"}
    crm.approve("archive_loan", id, "chen.guohua")
    crm.fire("lin.na", "archive_loan", id, "lend")
    crm.fire("lin.na", "archive_loan", id, "extend", promised_on="2026-03-20")
    crm.wait(days=10)
    assert crm.read("archive_loan", id)["state"] == "lent"


def test_every_quarter_each_file_is_reviewed(both: Firm) -> None:
    firm = both
    file, stored = archive(firm), archive(firm, status="stored")
    firm.work()
    firm.now = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)  # nine in Shanghai
    firm.work()
    assert firm.todo("archive_file", file) == {"lin.na"}
    assert firm.todo("archive_file", stored) == set()
    firm.fire("lin.na", "archive_file", file, "task.reject", comment="缺合同副本")
    assert firm.read("archive_file", file)["review_state"] == "correcting"
    firm.fire("lin.na", "archive_file", file, "corrected")
    found = firm.read("archive_file", file)
    assert (found["review_state"], str(found["reviewed_on"])) == ("current", "2026-04-01")


# --- leads -------------------------------------------------------------------------------------
def lead(firm: Firm, **more: Any) -> int:
    about = {"name": "控制柜采购", "company": "恒泰信机械", "contact_name": "张华"}
    about |= {"mobile": "13800138000", "source": "exhibition", "demand": "自动化生产线"}
    about |= {"budget_from": "2000000", "budget_to": "3000000", "intention": "good"}
    return firm.create("lin.na", "lead", **{**about, "owner": None, **more})


def test_a_lead_becomes_customer_contact_and_opportunity(both: Firm) -> None:
    firm = both
    id = lead(firm)
    assert firm.refused("wang.min", "lead", id, "contacted") != ""  # nobody's yet
    firm.fire("wang.min", "lead", id, "claim")
    assert firm.refused("liu.yang", "lead", id, "claim") == "W104"
    firm.fire("wang.min", "lead", id, "contacted")
    firm.fire("wang.min", "lead", id, "qualify")
    firm.fire("wang.min", "lead", id, "convert")
    found = firm.read("lead", id)
    assert found["status"] == "converted"
    made = firm.read("customer", found["customer"])
    assert (made["name"], made["kind"], made["source"]) == (
        "恒泰信机械",
        "organisation",
        "exhibition",
    )
    contact = firm.read("contact", found["contact"])
    assert (contact["name"], contact["mobile"]) == ("张华", "13800138000")
    chance = firm.read("opportunity", found["opportunity"])
    assert (chance["customer"], chance["contact"]) == (made["id"], contact["id"])
    assert (chance["amount"], chance["explicit_need"]) == (3000000, "自动化生产线")
    assert {one["owner"] for one in (made, contact, chance)} == {firm.people["wang.min"].id}


def test_a_person_becomes_a_customer_without_a_contact(crm: Firm) -> None:
    id = lead(crm, kind="person", company=None, owner=crm.people["wang.min"].id)
    for event in ("contacted", "qualify", "convert"):
        crm.fire("wang.min", "lead", id, event)
    found = crm.read("lead", id)
    made = crm.read("customer", found["customer"])
    assert (made["kind"], made["name"], made["mobile"]) == ("person", "张华", "13800138000")
    assert found["contact"] is None


def test_a_lead_of_a_known_customer_makes_no_second_one(crm: Firm) -> None:
    known = customer(crm)
    id = lead(crm, owner=crm.people["wang.min"].id, customer=known)
    for event in ("contacted", "qualify", "convert"):
        crm.fire("wang.min", "lead", id, event)
    assert crm.read("lead", id)["customer"] == known
    assert len(crm.of("customer")) == 1


def test_what_cannot_be_converted_stays_whole(crm: Firm) -> None:
    id = lead(crm, owner=crm.people["wang.min"].id, contact_name=None)
    for event in ("contacted", "qualify"):
        crm.fire("wang.min", "lead", id, event)
    assert crm.refused("wang.min", "lead", id, "convert") == "W302"
    assert (crm.of("customer"), crm.of("opportunity")) == ([], [])


def test_a_neglected_lead_goes_back_to_the_pool(crm: Firm) -> None:
    id = lead(crm, owner=crm.people["wang.min"].id)
    crm.wait(days=3)
    assert crm.told("wang.min", "lead", id, "remind") == 1
    crm.wait(days=5)
    assert crm.read("lead", id)["owner"] is None
    assert crm.told("li.qiang", "lead", id) == 1
    assert crm.refused("wang.min", "lead", id, "discard", discard_reason="x") == "forbidden"
    crm.fire("li.qiang", "lead", id, "give_to", owner=crm.people["liu.yang"].id)
    assert crm.refused("liu.yang", "lead", id, "discard") == "W104"
    crm.fire("liu.yang", "lead", id, "discard", discard_reason="已选定其他供应商")
    assert crm.read("lead", id)["discard_reason"] == "已选定其他供应商"


# --- training school ---------------------------------------------------------------------------
def course(firm: Firm) -> tuple[int, int]:
    """A student and a course."""
    study = firm.create(
        *("shao.qi", "course"),
        **{
            "code": f"M{len(firm.made)}",
            "name": "思维数学",
            "subject": "maths",
            "price_per_hour": "150",
        },
    )
    about = {"name": "李小明", "status": "lead", "source": "web"}
    return firm.create("qin.lan", "student", **about, owner=firm.people["qin.lan"].id), study


def enrolment(firm: Firm, discount: str) -> int:
    student, study = course(firm)
    about = {"student": student, "course": study, "signed_on": "2026-03-02", "discount": discount}
    about |= {"hours_bought": "48", "price_per_hour": "150", "discount_note": "老生优惠"}
    return firm.create(
        "qin.lan", "enrolment", **about, status="active", owner=firm.people["qin.lan"].id
    )


def test_from_the_trial_lesson_to_the_enrolment(school: Firm) -> None:
    student, study = course(school)
    about = {"student": student, "course": study, "trial_on": "2026-03-03"}
    id = school.create("qin.lan", "trial_lesson", **about, owner=school.people["qin.lan"].id)
    assert school.refused("qin.lan", "trial_lesson", id, "attended") == "W104"
    school.change("qin.lan", "trial_lesson", id, teacher_view="专注")
    school.fire("qin.lan", "trial_lesson", id, "attended")
    school.at_once(days=5)
    assert school.told("qin.lan", "trial_lesson", id, "remind") == 1
    school.fire("qin.lan", "trial_lesson", id, "enrol", hours_bought="48")
    made = school.read("enrolment", school.read("trial_lesson", id)["enrolment"])
    assert (made["student"], made["course"], made["amount"]) == (student, study, 7200)
    school.fire("qin.lan", "enrolment", made["id"], "submit")
    assert school.read("enrolment", made["id"])["approval_state"] == "approved"


def test_discounts_are_approved(school: Firm) -> None:
    small, large = enrolment(school, "720"), enrolment(school, "1440")  # 10 % and 20 % of 7,200
    for id in (small, large):
        school.fire("qin.lan", "enrolment", id, "submit")
        assert school.todo("enrolment", id) == {"du.juan"}
        assert school.refused("mao.ning", "enrolment", id, "task.approve") != ""
        school.approve("enrolment", id, "du.juan")
    assert school.read("enrolment", small)["approval_state"] == "approved"
    assert school.todo("enrolment", large) == {"meng.fanli"}
    school.fire("meng.fanli", "enrolment", large, "task.reject", comment="优惠过大")
    assert school.read("enrolment", large)["approval_state"] == "draft"


def test_few_hours_left_ask_for_a_renewal(school: Firm) -> None:
    student, study = course(school)
    about = {"student": student, "course": study, "signed_on": "2026-02-02", "status": "active"}
    school.create("qin.lan", "enrolment", **about, hours_bought="8", price_per_hour="150")
    school.work()
    school.now = datetime(2026, 3, 9, 0, 30, tzinfo=UTC)  # Monday, half past eight
    school.work()
    assert school.read("student", student)["renewal_state"] == "to_call"
    assert school.told("qin.lan", "student", student, "remind") == 1
    assert school.refused("qin.lan", "student", student, "declined") == "W104"
    school.fire("qin.lan", "student", student, "declined", renewal_answer="搬家")
    school.now = datetime(2026, 3, 16, 0, 30, tzinfo=UTC)
    school.work()
    assert school.read("student", student)["renewal_state"] == "declined"  # not every week


def test_hours_are_refunded_once(school: Firm) -> None:
    id = enrolment(school, "0")
    plan = [{"due_on": "2026-03-02", "amount": "7200", "paid_on": "2026-03-02"}]
    school.change("qin.lan", "enrolment", id, payments=plan)
    asked = []
    for _ in range(2):
        about = {"enrolment": id, "reason_kind": "moved", "reason": "搬家转学", "fee": "200"}
        one = school.create("qin.lan", "hours_refund", **about, asked_on="2026-03-02")
        school.fire("qin.lan", "hours_refund", one, "submit")
        school.approve("hours_refund", one, "du.juan", "bao.yi")
        asked.append(one)
    assert school.read("hours_refund", asked[0])["amount"] == 7000
    school.approve("hours_refund", asked[0], "meng.fanli")  # from 5,000
    assert school.read("enrolment", id)["refunded_amount"] == 7000
    assert school.refused("meng.fanli", "hours_refund", asked[1], "task.approve") == "V090"


# --- military supplier -------------------------------------------------------------------------
def test_a_quality_problem_is_brought_to_zero(military: Firm) -> None:
    firm = military
    of = customer(firm, "ma.chao")
    product = {"name": "环氧底漆", "family": "coating", "price": "100", "unit": "kg", "code": "T1"}
    about = {"customer": of, "title": "涂层起泡", "batch": "B2601", "found_on": "2026-03-01"}
    about |= {"severity": "high", "description": "装配时发现", "owner": firm.people["jiang.tao"].id}
    about |= {"product": firm.create("gao.jianguo", "product", **product)}
    id = firm.create("gao.jianguo", "quality_problem", **about)
    firm.at_once(days=1)
    assert firm.told("jiang.tao", "quality_problem", id, "overdue") >= 1
    firm.fire("hou.bin", "quality_problem", id, "take")
    assert firm.refused("hou.bin", "quality_problem", id, "analysed") == "W104"
    firm.change("hou.bin", "quality_problem", id, cause="固化温度偏低")
    firm.fire("hou.bin", "quality_problem", id, "analysed")
    firm.change("hou.bin", "quality_problem", id, action="调整工艺", prevention="首件检验")
    firm.fire("hou.bin", "quality_problem", id, "acted")
    firm.approve("quality_problem", id, "jiang.tao")
    assert firm.todo("quality_problem", id) == {"gao.jianguo"}  # it is grave
    firm.approve("quality_problem", id, "gao.jianguo")
    found = firm.read("quality_problem", id)
    assert (found["status"], str(found["closed_on"])) == ("closed", "2026-03-03")


def test_a_rise_above_five_percent_goes_to_the_general_manager(military: Firm) -> None:
    firm = military
    product = {"name": "环氧底漆", "family": "coating", "price": "100", "unit": "kg", "code": "T1"}
    made = firm.create("gao.jianguo", "product", **product)
    of = customer(firm, "he.ling")
    ids = []
    for new in ("105", "106"):
        about = {"title": "调价通知", "family": "coating", "reason": "原料上涨", "customers": [of]}
        about |= {"effective_on": "2026-04-20", "secrecy": "internal"}
        about |= {"prices": [{"product": made, "old_price": "100", "new_price": new}]}
        id = firm.create("fang.hua", "price_notice", **about, owner=firm.people["fang.hua"].id)
        firm.fire("fang.hua", "price_notice", id, "submit")
        firm.approve("price_notice", id, "qian.yun")
        ids.append(id)
    small, large = ids
    assert firm.read("price_notice", small)["status"] == "approved"
    assert firm.todo("price_notice", large) == {"gao.jianguo"}
    firm.fire("fang.hua", "price_notice", small, "send")
    assert str(firm.read("price_notice", small)["sent_on"]) == "2026-03-02"
    firm.approve("price_notice", large, "gao.jianguo")
    firm.at_once(days=21)
    assert firm.refused("fang.hua", "price_notice", large, "send") == "W104"  # too late


def test_big_customers_are_surveyed_each_year(military: Firm) -> None:
    firm = military
    of = customer(firm, "ma.chao", big_customer=True)
    small = customer(firm, "ma.chao")
    firm.work()
    firm.now = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)
    firm.work()
    assert firm.told("ma.chao", "customer", of, "remind") == 1
    assert firm.told("ma.chao", "customer", small) == 0
    assert firm.refused("ma.chao", "customer", of, "surveyed") == "W104"
