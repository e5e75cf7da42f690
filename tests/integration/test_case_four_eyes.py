"""Four eyes: whoever asks for something does not grant it, whichever way he comes by the task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.case_world import NOON, Papers, reviewed

from engine.records import flows
from engine.records.administration import commands
from engine.records.delegation import delegate
from engine.records.failures import Failure
from engine.records.groups import change_group, create_group
from engine.records.leaving import close_account
from engine.records.unit import Unit
from engine.storage import Database
from engine.tables import system

BOARD = {"assignees": [{"group": "board"}], "auto": {"starter": "deny"}, "empty": "admin"}


def world_of(database: Database, *members: str, **more: Any) -> Papers:
    """Papers of clara's are signed by one of the board, of which she is a member herself."""
    plain = reviewed()
    world = Papers(database, plain)
    with world.as_("boss", NOON) as unit:
        people = [world.actor(who).id for who in members]
        create_group(unit, "board", "Board", people)
    world.publish(reviewed(**{**BOARD, **more}))
    return world


def asked(world: Papers) -> set[str]:
    """Who has an open task, by login."""
    names = {row["id"]: row["login"] for row in world.rows(system.USER)}
    tasks = world.rows(system.WF_TASK)
    found = {one["assignee_id"] for one in tasks if one["status"] == "open"}
    found |= {
        one["user_id"]
        for one in world.rows(system.WF_CANDIDATE)
        if any(task["id"] == one["task_id"] and task["status"] == "open" for task in tasks)
    }
    return {names[id] for id in found if id is not None}


def test_a_member_of_the_board_does_not_sign_her_own(database: Database) -> None:
    world = world_of(database, "clara", "ann", "ben")
    id = world.paper(NOON, "submit")
    assert asked(world) == {"ann", "ben"}
    for event in ("task.approve", "task.claim"):
        with pytest.raises(Failure):
            world.send("clara", id, event, NOON)
    theirs = world.paper(NOON, "submit", who="ann")
    assert world.send("clara", theirs, "task.approve", NOON) == "approved"


def test_a_board_of_her_alone_is_nobody(sqlite_database: Database) -> None:
    world = world_of(sqlite_database, "clara")
    world.paper(NOON, "submit")
    assert asked(world) == {"boss"}
    silent = world_of_error(world)
    with pytest.raises(Failure) as caught:
        silent()
    assert caught.value.code == "W108"


def world_of_error(world: Papers) -> Callable[[], int]:
    """The same board where nobody to ask is an error."""
    world.publish(reviewed(**{**BOARD, "empty": "error"}))
    return lambda: world.paper(NOON, "submit")


def test_who_joins_the_board_later_gains_nothing(sqlite_database: Database) -> None:
    world = world_of(sqlite_database, "ann", "ben", claim=True)
    id = world.paper(NOON, "submit")
    with world.as_("boss", NOON) as unit:
        change_group(unit, "board", "Board", [world.actor(one).id for one in ("clara", "ann")])
    for event in ("task.claim", "task.approve"):
        with pytest.raises(Failure):
            world.send("clara", id, event, NOON)
    assert asked(world) == {"ann", "ben"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stand_in_does_not_sign_his_own(database: Database, when: str) -> None:
    world = world_of(database, "ann")

    def away() -> None:
        with world.as_("ann", NOON) as unit:
            agent = world.actor("clara").id
            delegate(unit, agent, until=NOON + timedelta(days=9), open_tasks=True)

    if when == "before":
        away()
    id = world.paper(NOON, "submit")
    if when == "after":
        away()
    assert asked(world) == {"ann"}
    with pytest.raises(Failure):
        world.send("clara", id, "task.approve", NOON)
    theirs = world.paper(NOON, "submit", who="cyril")
    if when == "before":  # for others she does stand in
        assert world.send("clara", theirs, "task.approve", NOON) == "approved"


@pytest.mark.parametrize("command", ["transfer", "delegate", "addsign"])
def test_nobody_passes_the_task_to_who_asked(sqlite_database: Database, command: str) -> None:
    world = world_of(sqlite_database, "ann", "clara")
    id = world.paper(NOON, "submit")
    to = world.actor("clara").id
    before = world.everything()
    data = {"to": [to] if command == "addsign" else to, "mode": "parallel"}
    with pytest.raises(Failure) as caught, world.as_("ann", NOON) as unit:
        flows.fire(unit, "paper", id, f"task.{command}", data)
    assert caught.value.code in {"W116", "W118"}
    assert world.everything() == before


def test_not_by_way_of_somebody_else(sqlite_database: Database) -> None:
    world = world_of(sqlite_database, "ann", "clara")
    id = world.paper(NOON, "submit")
    with world.as_("ann", NOON) as unit:
        flows.fire(unit, "paper", id, "task.transfer", {"to": world.actor("cyril").id})
    with pytest.raises(Failure), world.as_("cyril", NOON) as unit:
        flows.fire(unit, "paper", id, "task.transfer", {"to": world.actor("clara").id})
    assert asked(world) == {"cyril"}


ADMINISTRATORS: dict[str, Callable[[Unit, int, int, int], object]] = {
    "reassign": lambda unit, task, ann, clara: commands.reassign(unit, task, clara, "ill"),
    "close": lambda unit, task, ann, clara: close_account(unit, ann),
}


@pytest.mark.parametrize("way", ADMINISTRATORS)
def test_nor_does_an_administrator_by_mistake(sqlite_database: Database, way: str) -> None:
    world = world_of(sqlite_database, "ann", "clara")
    world.paper(NOON, "submit")
    (task,) = [one["id"] for one in world.rows(system.WF_TASK) if one["status"] == "open"]
    ann, clara = world.actor("ann").id, world.actor("clara").id
    try:
        with world.as_("boss", NOON) as unit:
            ADMINISTRATORS[way](unit, task, ann, clara)
    except Failure:
        pass
    assert "clara" not in asked(world)
    assert asked(world)


def test_one_person_is_one_of_the_two(database: Database) -> None:
    world = world_of(database, "ann", "ben", quorum={"count": 2})
    id = world.paper(NOON, "submit")
    with world.as_("ben", NOON) as unit:  # ben is away, ann decides for him: still one person
        delegate(unit, world.actor("ann").id, until=NOON + timedelta(days=9), open_tasks=True)
    assert world.send("ann", id, "task.approve", NOON) == "review"
    for _ in range(2):
        with pytest.raises(Failure):
            world.send("ann", id, "task.approve", NOON)
    assert world.state(id) == "review"
    assert world.send("ben", id, "task.approve", NOON) == "approved"
