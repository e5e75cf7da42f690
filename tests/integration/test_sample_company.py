"""Sample data goes through the same door as everything else: rules, roll-ups, workflows, rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.lists import Query
from engine.packs import SampleError, check_sources, load_company, load_samples, read_spec
from engine.records import people
from engine.records.company import Company
from engine.records.publish import publish
from engine.records.reading import find
from engine.records.unit import SYSTEM, Unit
from engine.storage import Database
from engine.tables import system

ROOT = Path(__file__).parents[2]


def filled(folder: Path, pack: str, spec: Any) -> Company:
    """A published company with the records of `spec`."""
    _, sources, problems = load_company([ROOT], pack)
    assert not problems
    company = Company("sample", Database.sqlite(folder / "company.db"))
    publish(company, sources, pack, check=check_sources)
    load_samples(company, spec)
    return company


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unit]:
    company = filled(tmp_path_factory.mktemp("crm"), "crm", read_spec([ROOT], "crm"))
    with company.unit(SYSTEM) as unit:
        yield unit
    company.database.close()


def column(unit: Unit, entity: str, *names: str) -> list[tuple[Any, ...]]:
    table = unit.app.tables.of(entity)
    wanted = [table.id if name == "id" else table.column(name) for name in names]
    return [tuple(row) for row in unit.connection.execute(sa.select(*wanted))]


def test_contracts_stand_in_all_states(unit: Unit) -> None:
    states = Counter(state for (state,) in column(unit, "contract", "approval_state"))
    assert {"draft", "manager", "countersign", "approved", "cancelled"} <= states.keys()


def test_complaints_stand_in_several_states(unit: Unit) -> None:
    states = Counter(state for (state,) in column(unit, "complaint", "status"))
    assert {"received", "open", "closed"} <= states.keys()


def test_named_people_decided(unit: Unit) -> None:
    """Contracts were submitted by their owners and approved by superiors, finance and legal."""
    task, user = system.WF_TASK, system.USER
    statement = (
        sa.select(task.c.state, user.c.login)
        .join(user, user.c.id == task.c.decided_by_id)
        .where(task.c.status == "approved", task.c.entity == "contract")
    )
    found = {tuple(row) for row in unit.connection.execute(statement)}
    assert ("countersign", "wu.fang") in found
    assert ("countersign", "zheng.wei") in found
    assert {login for state, login in found if state == "manager"} == {"li.qiang", "zhao.lei"}


def test_totals_roll_up_to_the_customer(unit: Unit) -> None:
    contracts = column(unit, "contract", "customer", "approval_state", "amount", "received_amount")
    signed: Counter[int] = Counter()
    received: Counter[int] = Counter()
    for customer, state, amount, paid in contracts:
        received[customer] += paid
        signed[customer] += amount if state == "approved" else 0
    assert sum(received.values()) > 0
    for id, kept, paid in column(unit, "customer", "id", "signed_amount", "received_amount"):
        assert (kept, paid) == (signed[id], received[id])


def test_records_belong_to_who_made_them(unit: Unit) -> None:
    made = column(unit, "visit", "owner", "created_by")
    assert made
    assert all(owner is None or owner == by for owner, by in made)


def test_what_a_person_is_not_cleared_for_is_not_there(tmp_path: Path) -> None:
    spec = dict(read_spec([ROOT], "military_supplier"))
    groups = spec["records"]
    firms = {**groups["customers"], "count": 60}
    firms["values"] = {**firms["values"], "account_size": "core"}
    spec["records"] = {"customers": firms, "contacts": groups["contacts"]}
    company = filled(tmp_path, "military_supplier", spec)
    with company.unit(SYSTEM) as unit:
        grades = Counter(grade for (grade,) in column(unit, "customer", "secrecy"))
        table = system.USER
        ids = dict(unit.connection.execute(sa.select(table.c.login, table.c.id)).all())
        actors = {
            login: people.actor_of(unit.connection, ids[login], unit.app.model)
            for login in ("bai.xue", "jiang.tao", "ren.hong", "gao.jianguo", "shi.lei")
        }
    expected = {"bai.xue": {"internal", "secret"}, "ren.hong": set(grades), "shi.lei": set(grades)}
    for login, visible in expected.items():
        actor = actors[login]
        assert actor is not None
        with company.unit(actor) as unit:
            page = find(unit, Query("customer", columns=("name", "secrecy"), size=100))
            assert len(page.rows) == sum(grades[grade] for grade in visible)
            assert {row["secrecy"] for row in page.rows} == visible
    company.database.close()


def test_a_sample_that_the_company_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    spec = {"records": {"things": {"entity": "customer", "values": {"name": "x"}}}}
    with pytest.raises(SampleError, match="name"):
        filled(tmp_path, "crm", spec)


def test_samples_were_made_over_months_by_people_in_turn(unit: Unit) -> None:
    made = sorted(column(unit, "lead", "id", "created_at", "owner"))
    times = [at for _, at, _ in made]
    assert times == sorted(times)  # ids and moments go together
    assert times[0] < unit.now - timedelta(days=90)
    assert times[-1] <= unit.now
    owners = [owner for _, _, owner in made]
    longest = max(len(list(some)) for _, some in groupby(owners))
    assert longest < max(6, len(owners) // 10)
    born = dict(column(unit, "customer", "id", "created_at"))
    for at, customer in column(unit, "contract", "created_at", "customer"):
        assert born[customer] < at
    history = system.HISTORY
    rows = unit.connection.execute(
        sa.select(history.c.record_id, history.c.at).where(
            history.c.entity == "customer", history.c.action == "create"
        )
    )
    assert {row.record_id: row.at for row in rows} == born
