"""Background work of the serving process: every company gets its turn, whatever ails another."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from dougong.installation import Installation, packs_roots
from dougong.runner import Round, Runner
from engine.records import flows, outbox, writing
from engine.records.company import Company
from engine.records.files import store_upload
from engine.records.people import change_user, create_user
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system
from engine.testing import acting, temporary_company

LATER = datetime.now(UTC) + timedelta(days=30)


class Catalogue:
    """As much of an installation as the runner asks for."""

    def __init__(self, **companies: Company) -> None:
        self._companies = companies

    def companies(self) -> list[str]:
        return list(self._companies)

    def company(self, key: str) -> Company:
        return self._companies[key]


@pytest.fixture
def company() -> Iterator[Company]:
    with temporary_company(packs_roots(), "crm") as found:
        yield found


def runner(**companies: Company) -> Runner:
    return Runner(cast(Installation, Catalogue(**companies)))


def submit_contract(company: Company) -> int:
    """A contract that waits for its manager, with the timers of that step running."""
    with company.unit(SYSTEM, write=True, source="test") as unit:
        manager = create_user(unit, "wang", "王经理", roles=["manager"])
        seller = create_user(unit, "li", "李销售", roles=["sales"], manager=manager)
        change_user(unit, manager, manager_id=seller)  # somebody above him to escalate to
    li = acting(company, "li")
    with company.unit(li, write=True) as unit:
        customer = writing.create(unit, "customer", {"name": "北京恒泰有限公司"})
        item = {"name": "服务", "quantity": "1", "unit_price": "1000.00"}
        values = {"title": "年度合同", "customer": customer["id"], "items": [item]}
        contract = writing.create(unit, "contract", values)
        flows.fire(unit, "contract", contract["id"], "submit")
    return int(contract["id"])


def due_timers(company: Company) -> int:
    with company.database.read() as connection:
        table = system.WF_TIMER
        found = connection.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.due <= LATER)
        )
    return int(found or 0)


def test_timers_that_are_due_are_fired_once(company: Company) -> None:
    submit_contract(company)
    assert due_timers(company) > 0
    work = runner(crm=company)
    assert work.once(LATER) > 0
    before = due_timers(company)
    work.once(LATER)
    assert due_timers(company) <= before


def test_a_round_with_nothing_to_do_is_one_look(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """没有到期事项时，一轮只查一次数据库。"""
    work, turns = runner(crm=company), 0

    def turn(*_: object) -> Round:
        nonlocal turns
        turns += 1
        return Round()

    work._look("crm", clearing=False)  # the first turn keeps up the schedules
    monkeypatch.setattr(work, "_work", turn)
    asked: list[str] = []
    with company.unit(SYSTEM) as unit:
        raw = unit.connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_trace_callback(asked.append)
    assert work._look("crm", clearing=False) > 1
    assert turns == 0
    assert len([one for one in asked if one.startswith(("SELECT", "INSERT", "UPDATE"))]) == 2
    submit_contract(company)
    work._look("crm", clearing=False)
    assert turns == 1


def test_one_companys_trouble_does_not_keep_the_others_waiting(
    company: Company, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    submit_contract(company)

    class Broken:
        """A company whose database is gone."""

        def unit(self, *_: object, **__: object) -> None:
            raise OSError(tmp_path)

    with caplog.at_level(logging.ERROR, logger="dougong.runner"):
        fired = runner(broken=cast(Company, Broken()), crm=company).once(LATER)
    assert fired > 0
    assert "company broken" in caplog.text


def test_uploads_that_no_record_took_are_deleted_after_a_week(company: Company) -> None:
    now = datetime.now(UTC)
    with company.unit(SYSTEM, write=True, source="test") as unit:
        store_upload(unit, "notes.txt", BytesIO("会议记录".encode()))

    def kept() -> int:
        with company.database.read() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(system.FILE)) or 0)

    runner(crm=company).once(now + timedelta(days=6))
    assert kept() == 1
    runner(crm=company).once(now + timedelta(days=8))
    assert kept() == 0


def test_its_thread_works_off_what_a_commit_left(database: Database) -> None:
    with temporary_company(packs_roots(), "crm", database) as company:
        with runner(crm=company) as work:
            end = time.monotonic() + 20
            while company.waker is None and time.monotonic() < end:
                time.sleep(0.01)
            submit_contract(company)
            while time.monotonic() < end:
                with company.unit(SYSTEM) as unit:
                    counts = outbox.counts(unit)
                if not counts.waiting:
                    break
                time.sleep(0.02)
            assert work.alive
        assert counts == outbox.Counts()
        assert not work.alive
