"""What is drawn in the editor is a draft: nothing that runs follows it before it is published, and
what ran before keeps the definition it began with, to the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.case_world import NOON, Papers, reviewed

from engine.definitions.canonical import canonical
from engine.records import flow_drafts
from engine.records.company import Company
from engine.records.failures import Failure
from engine.storage import Database
from engine.tables import system


def changed(world: Papers) -> dict[str, Any]:
    """The workflow with its review gone and everybody allowed to cancel."""
    chart = json.loads(canonical(world.company.current.model.workflows["signing"].chart))
    chart["states"]["draft"]["on"]["submit"] = "approved"
    chart["states"]["in_review"]["states"]["review"]["assignees"] = [{"role": "clerk"}]
    found: dict[str, Any] = chart
    return found


def test_a_draft_is_followed_by_nobody(database: Database) -> None:
    world = Papers(database, reviewed())
    running, before = world.paper(NOON, "submit"), world.everything()
    with world.as_("boss", NOON) as unit:
        saved = flow_drafts.save(unit, "signing", json.dumps(changed(world)), 0)
        again = flow_drafts.save(unit, "signing", json.dumps(changed(world)), saved.version)
    assert again.body == saved.body
    assert world.everything() == before
    new = world.paper(NOON, "submit")
    assert world.state(new) == "review"
    with pytest.raises(Failure):
        world.send("cyril", running, "task.approve", NOON)
    assert world.send("ann", running, "task.approve", NOON) == "approved"
    fresh = Company("papers", database)  # another process reads the same
    assert fresh.current.model.workflows["signing"].hash == hashes(world)[running]


def hashes(world: Papers) -> dict[int, str]:
    """Which definition each paper's case is pinned to."""
    case, definition = system.WF_INSTANCE.c, system.WF_DEFINITION.c
    wanted = sa.select(case.record_id, definition.hash).join(
        system.WF_DEFINITION, definition.id == case.definition_id
    )
    with world.company.database.read() as connection:
        return {row.record_id: row.hash for row in connection.execute(wanted)}


def test_what_runs_is_pinned_to_the_letter(database: Database) -> None:
    world = Papers(database, reviewed())
    old = world.paper(NOON, "submit")
    before = hashes(world)[old]
    world.publish(reviewed(assignees=[{"role": "clerk"}]))
    new = world.paper(NOON, "submit")
    assert hashes(world)[old] == before != hashes(world)[new]
    world.publish(reviewed())  # the first one again: a new number, never the old row rewritten
    with pytest.raises(Failure):
        world.send("cyril", old, "task.approve", NOON)
    assert world.send("ann", old, "task.approve", NOON) == "approved"
    assert world.send("cyril", new, "task.approve", NOON) == "approved"
    bodies = world.rows(system.WF_DEFINITION)
    assert len({one["hash"] for one in bodies}) == 2
