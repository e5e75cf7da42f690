"""Every shipped workflow, explored: from records of every band of amounts, no way gets stuck."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.packs import read_spec
from engine.packs.samples import employees
from engine.problems import text
from engine.records.people import change_user, create_department, create_user
from engine.records.simulation.paths import explore_bands
from engine.records.simulation.world import published_workflow
from engine.records.unit import SYSTEM, Unit
from engine.testing import temporary_company

ROOT = Path(__file__).parents[2]
PACKS = ("hotel", "training_school", "military_supplier")


@pytest.fixture(params=PACKS)
def staffed(request: pytest.FixtureRequest) -> Iterator[Unit]:
    """A company of the pack with the people of its sample data, and no records."""
    pack: str = request.param
    spec = read_spec([ROOT], pack)
    with temporary_company([ROOT], pack) as company:
        with company.unit(SYSTEM, write=True) as unit:
            place = create_department(unit, "Office")
            users = {}
            for one in employees(spec):
                more = {"roles": one.roles, "department": place}
                users[one.login] = create_user(unit, one.login, one.name, **more)  # type: ignore[arg-type]
            for one in employees(spec):
                if one.manager:
                    change_user(unit, users[one.login], manager_id=users[one.manager])
        with company.unit(SYSTEM) as unit:
            yield unit


def test_no_shipped_workflow_gets_stuck(staffed: Unit) -> None:
    model = staffed.app.model
    assert model.workflows
    for name in model.workflows:
        flow = published_workflow(staffed, name)
        entity = model.entities[flow.entity]
        seller = next(iter(_below(staffed)))
        people = {
            n: seller for n, one in entity.fields.items() if one.type == "user" and not one.multiple
        }
        typed = {n: v for n, v in people.items() if not entity.fields[n].system}
        verdict = explore_bands(staffed, flow, values=typed, starter=seller)
        told = [(values, [text(one, "en") for one in trap.why]) for values, trap in verdict.traps]
        assert told == [], name
        assert verdict.complete, name
        assert verdict.finals, name
        assert verdict.longest < timedelta(days=400), name


def _below(unit: Unit) -> list[int]:
    """People with a superior."""
    import sqlalchemy as sa

    from engine.tables import system

    table = system.USER
    return list(
        unit.connection.scalars(sa.select(table.c.id).where(table.c.manager_id.is_not(None)))
    )
