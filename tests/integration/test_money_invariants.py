"""What was received never exceeds what is due, and what was refunded never what was received:
neither one after the other nor all at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tests.worlds import company_of

from engine.records import bulk, flows, removing, writing
from engine.records.company import Company
from engine.records.failures import Failure, Invalid
from engine.records.people import change_user
from engine.records.reading import read
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database
from engine.testing import acting

AT_ONCE = 8
THIRDS = ("3333.33", "3333.33", "3333.34")


class Books:
    """A customer's contract with a receivable of 10,000.00."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.finance: Actor = acting(company, "finn", "finance", "manager", "sales")
        self.root: Actor = acting(company, "root", "admin")
        self.seller: Actor = acting(company, "sam", "sales")
        self.superior: Actor = acting(company, "lena", "manager")
        with company.unit(SYSTEM, write=True) as unit:
            change_user(unit, self.seller.id, manager_id=self.superior.id)
        customer = self.create("customer", kind="organisation", name="恒泰信", status="trading")
        self.contract = self.create(
            "contract", title="t", customer=customer, kind="sales", owner=self.finance.id
        )
        self.receivable = self.create(
            "receivable", contract=self.contract, name="1", due_on="2026-01-01", amount="10000.00"
        )

    def create(self, entity: str, /, **values: Any) -> int:
        with self.company.unit(self.root, write=True) as unit:
            return int(writing.create(unit, entity, values)["id"])

    def receipt(self, amount: str, **more: Any) -> int:
        return self.create("receipt", **self.receipt_values(amount), **more)

    def receipt_values(self, amount: str) -> dict[str, Any]:
        return {
            "receivable": self.receivable,
            "received_on": "2026-01-02",
            "amount": amount,
            "method": "transfer",
            "state": "confirmed",
        }

    def refund(self, amount: str) -> int:
        """An approved refund."""
        return self.approve(self.refund_asked(amount))

    def refund_asked(self, amount: str) -> int:
        """A refund that only finance still has to approve."""
        id = self.create(
            "refund",
            contract=self.contract,
            reason_kind="quality",
            reason="broken",
            amount=amount,
            owner=self.seller.id,
        )
        with self.company.unit(self.seller, write=True) as unit:
            flows.fire(unit, "refund", id, "submit")
        with self.company.unit(self.superior, write=True) as unit:
            flows.fire(unit, "refund", id, "task.approve")
        return id

    def approve(self, id: int) -> int:
        """Finance approves a refund."""
        with self.company.unit(self.finance, write=True) as unit:
            flows.fire(unit, "refund", id, "task.approve")
        return id

    def value(self, entity: str, id: int, name: str) -> Decimal:
        with self.company.unit(self.root) as unit:
            return Decimal(read(unit, entity, id)[name])

    def at_once(self, work: Any, *arguments: Any) -> list[list[str]]:
        """The same work by several people in the same moment; what was refused, in codes."""
        barrier, refused = threading.Barrier(AT_ONCE), list[list[str]]()

        def one() -> None:
            barrier.wait()
            try:
                work(*arguments)
            except Failure as failure:
                refused.append([found.code for found in failure.problems])

        threads = [threading.Thread(target=one) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return refused


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with company_of("crm", database) as company:
        yield Books(company)


def test_thirds_settle_exactly_and_a_cent_more_is_refused(books: Books) -> None:
    for amount in THIRDS:
        books.receipt(amount)
    assert books.value("receivable", books.receivable, "received_amount") == Decimal("10000.00")
    assert books.value("receivable", books.receivable, "open_amount") == 0
    assert books.value("contract", books.contract, "received_amount") == Decimal("10000.00")
    with pytest.raises(Invalid) as refused:
        books.receipt("0.01")
    assert refused.value.problems[0].params["rule"] == "within_receivable"


def test_receipts_at_the_same_moment(books: Books) -> None:
    refused = books.at_once(books.receipt, "3333.33")
    assert len(refused) == AT_ONCE - 3
    assert {code for codes in refused for code in codes} == {"V090"}
    assert books.value("receivable", books.receivable, "received_amount") == Decimal("9999.99")
    assert books.value("contract", books.contract, "received_amount") == Decimal("9999.99")


def test_refunds_at_the_same_moment(books: Books) -> None:
    books.receipt("10000.00")
    asked = iter([books.refund_asked("3000.00") for _ in range(AT_ONCE)])
    refused = books.at_once(lambda: books.approve(next(asked)))
    assert len(refused) == AT_ONCE - 3
    assert {code for codes in refused for code in codes} == {"V090"}
    assert books.value("contract", books.contract, "refunded_amount") == Decimal("9000.00")


def test_drafts_confirmed_at_the_same_moment(books: Books) -> None:
    drafts = [books.create("receipt", **{**books.receipt_values("4000"), "state": "draft"})]
    drafts += [
        books.create("receipt", **{**books.receipt_values("4000"), "state": "draft"})
        for _ in range(AT_ONCE - 1)
    ]
    left = iter(drafts)

    def confirm() -> None:
        with books.company.unit(books.finance, write=True) as unit:
            writing.change(unit, "receipt", next(left), {"state": "confirmed"}, 1)

    assert len(books.at_once(confirm)) == AT_ONCE - 2
    assert books.value("receivable", books.receivable, "received_amount") == Decimal("8000.00")


def test_the_sum_is_guarded_where_no_rule_of_the_receipt_looks(books: Books) -> None:
    """An import checks its rows before any of them is written: the receivable's rule holds."""
    with books.company.unit(books.root, write=True) as unit:
        made = bulk.create_many(unit, "receipt", [books.receipt_values("3333.33")] * 8)
    assert [one.id is not None for one in made].count(True) == 3
    assert {problem.code for one in made for problem in one.problems} == {"V090"}
    assert books.value("receivable", books.receivable, "received_amount") == Decimal("9999.99")


def test_a_receipt_that_was_refunded_cannot_go(books: Books) -> None:
    receipt = books.receipt("5000.00")
    books.refund("5000.00")
    with pytest.raises(Invalid) as refused, books.company.unit(books.root, write=True) as unit:
        removing.remove(unit, "receipt", receipt, 1)
    assert refused.value.problems[0].params["rule"] == "never_over_refunded"
    assert books.value("contract", books.contract, "received_amount") == Decimal("5000.00")
