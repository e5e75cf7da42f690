"""What is told in the user's or the author's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.records_world import CUSTOMER, World, build, sources

from engine.packs import check_sources
from engine.problems import hint, text
from engine.records.failures import Invalid
from engine.records.people import close_logins, create_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import Database


@pytest.fixture
def world(sqlite_database: Database, tmp_path: Path) -> World:
    return build(sqlite_database, tmp_path / "files")


def put(world: World, field: dict[str, Any]) -> None:
    changed = {**CUSTOMER, "properties": {**CUSTOMER["properties"], "plate": field}}
    publish(world.company, sources(customer=changed), "small", check=check_sources)


def test_a_pattern_speaks_in_the_words_of_its_description(world: World) -> None:
    field = {"type": ["string", "null"], "title": "Plate", "pattern": "^[A-Z]{2}[0-9]{4}$"}
    for words, wanted, remedy in (
        ({}, "“Plate” does not have the required form.", "Required form: ^[A-Z]{2}[0-9]{4}$"),
        (
            {"description": "two capital letters and four digits"},
            "“Plate” does not have the required form: two capital letters and four digits.",
            "",
        ),
    ):
        put(world, {**field, **words})
        with pytest.raises(Invalid) as refused:
            world.create("root", "customer", name="ab", plate="x")
        (found,) = refused.value.problems
        assert (text(found, "en"), hint(found, "en")) == (wanted, remedy)


def test_an_unknown_role_is_told_with_those_there_are(world: World) -> None:
    with (
        pytest.raises(Invalid) as refused,
        world.company.unit(SYSTEM, write=True) as unit,
    ):
        create_user(unit, "new", "New", roles=("salez",))
    (found,) = refused.value.problems
    assert hint(found, "en") == "Roles: admin, manager, sales, auditor"


def test_logins_that_were_meant(world: World) -> None:
    with world.company.database.read() as connection:
        assert close_logins(connection, "alise") == ["alice"]
        assert close_logins(connection, "nobody at all") == []
