"""Comments on records and forms that are sent twice, on both databases."""

from __future__ import annotations

import pytest
from tests.integration.records_world import World, build

from engine.records import once
from engine.records.comments import LONGEST, add_comment, comments
from engine.records.failures import Invalid, NotFound
from engine.storage import Database


@pytest.fixture
def world(database: Database) -> World:
    """The company of the record tests."""
    return build(database)


def test_comments_come_newest_first_and_trimmed(world: World) -> None:
    id = world.create("alice", "customer", name="Acme")["id"]
    with world.write("alice") as unit:
        for body in ("  first ", "second\r\nline"):
            add_comment(unit, "customer", id, body)
        found = comments(unit, "customer", id)
    assert [one.body for one in found] == ["second\nline", "first"]
    assert found[0].by == world.actors["alice"].id


@pytest.mark.parametrize("body", ["", "   ", "x" * (LONGEST + 1)])
def test_empty_and_endless_comments_are_refused(world: World, body: str) -> None:
    id = world.create("alice", "customer", name="Acme")["id"]
    with pytest.raises(Invalid), world.write("alice") as unit:
        add_comment(unit, "customer", id, body)


def test_nobody_comments_on_what_is_not_there(world: World) -> None:
    with pytest.raises(NotFound), world.write("alice") as unit:
        add_comment(unit, "customer", 999_999, "hello")
    with pytest.raises(NotFound), world.read("alice") as unit:
        comments(unit, "customer", 999_999)


def test_a_key_makes_one_record_for_each_person(world: World) -> None:
    with world.write("alice") as unit:
        assert once.claim(unit, "k", "customer") is None
        once.settle(unit, "k", 7)
    with world.write("alice") as unit:
        assert once.claim(unit, "k", "customer") == 7
    with world.write("bob") as unit:
        assert once.claim(unit, "k", "customer") is None


def test_a_failed_attempt_leaves_the_key_free(world: World) -> None:
    def fail() -> None:
        with world.write("alice") as unit:
            once.claim(unit, "k", "customer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with world.write("alice") as unit:
        assert once.claim(unit, "k", "customer") is None
