"""Two processes take turns at one case, and none lives on what it remembers: every level is asked
for once. (Elsewhere replicas with a run state of their own created each level twice.)"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.signing import FLOW, signing, sources

from engine.packs import check_sources
from engine.records.company import Company
from engine.records.people import create_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system

ROOT = Path(__file__).parents[2]
LEVELS = ("all_sign", "any_signs", "pool")  # three steps, each signed by both
PAPERS = 8
TURNS = (("ann", "task.approve"), ("ben", "task.approve")) * len(LEVELS)


def levels(version: int) -> dict[str, str]:
    """The signing pack with three steps one after the other; a later version only adds one."""
    following = [*LEVELS[1:], "approved"]
    plain: Any = FLOW["states"]
    states: dict[str, Any] = dict(plain)
    for state, then in zip(LEVELS, following, strict=True):
        step = signing("all")
        step["onDone"] = {"approved": then, "rejected": "rejected"}
        states[state] = step
    if version > 1:
        states["pool"] = {**states["pool"], "allow": ["approve", "reject", "remind"]}
    flow = {**FLOW, "version": version, "states": states}
    return {**sources(), "workflows/race/signing.json": json.dumps(flow)}


@dataclass
class Pair:
    """The company, and two processes that work on it."""

    company: Company
    sides: list[subprocess.Popen[str]]

    def tell(self, side: int, who: str, **more: Any) -> None:
        """Ask without waiting for the answer."""
        place = self.sides[side].stdin
        assert place is not None
        place.write(json.dumps({"who": who, **more}) + "\n")
        place.flush()

    def hear(self, side: int) -> dict[str, Any]:
        place = self.sides[side].stdout
        assert place is not None
        found: dict[str, Any] = json.loads(place.readline())
        return found

    def ask(self, side: int, who: str, **more: Any) -> dict[str, Any]:
        self.tell(side, who, **more)
        return self.hear(side)

    def rows(self, statement: sa.Select[Any]) -> list[Any]:
        with self.company.database.read() as connection:
            return list(connection.execute(statement))


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    schema = f"levels_{uuid.uuid4().hex[:12]}"
    if request.param == "sqlite":
        place = str(tmp_path / "levels.sqlite")
        database = Database.sqlite(Path(place))
    else:
        place = request.getfixturevalue("postgres_url")
        database = Database.postgres(place, schema)
    company = Company("levels", database)
    publish(company, levels(1), "race", check=check_sources)
    with company.unit(SYSTEM, write=True) as unit:
        for login, role in (("clerk", "clerk"), ("ann", "chief"), ("ben", "chief")):
            create_user(unit, login, login.title(), roles=[role])
    words = [sys.executable, "-m", "tests.integration.case_process", request.param, place, schema]
    with ExitStack() as stack:
        sides = [
            stack.enter_context(
                subprocess.Popen(
                    words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        yield Pair(company, sides)
        for side in sides:
            side.kill()
    database.drop() if request.param == "postgresql" else database.close()


def sound(pair: Pair, papers: int) -> None:
    """Each paper was asked for twice per level and no more; its log has no gap."""
    task, event = system.WF_TASK.c, system.WF_EVENT.c
    found = Counter(
        (row.record_id, row.state, row.assignee_id)
        for row in pair.rows(sa.select(task.record_id, task.state, task.assignee_id))
    )
    assert len(found) == papers * len(LEVELS) * 2
    assert set(found.values()) == {1}
    logs: dict[int, list[int]] = {}
    for row in pair.rows(sa.select(event.instance_id, event.seq).order_by(event.seq)):
        logs.setdefault(row.instance_id, []).append(row.seq)
    assert all(log == list(range(1, len(log) + 1)) for log in logs.values())
    place = pair.company.current.tables.of("paper")
    ends = pair.rows(sa.select(place.column("state")))
    assert [row[0] for row in ends] == ["approved"] * papers


def test_taking_turns_every_level_is_asked_for_once(pair: Pair) -> None:
    turn = 0
    for _ in range(PAPERS):
        id = pair.ask(turn % 2, "clerk")["id"]
        reached = []
        for who, event in (("clerk", "to_all"), *TURNS):
            turn += 1
            reached.append(pair.ask(turn % 2, who, id=id, event=event)["state"])
        assert reached == [*(one for one in LEVELS for _ in range(2)), "approved"]
    sound(pair, PAPERS)


def test_both_at_once_and_the_same_decision_on_both_sides(pair: Pair) -> None:
    for number in range(PAPERS):
        id = pair.ask(number % 2, "clerk")["id"]
        pair.ask((number + 1) % 2, "clerk", id=id, event="to_all")
        for _ in LEVELS:
            pair.tell(0, "ann", id=id, event="task.approve")
            pair.tell(1, "ben", id=id, event="task.approve")
            assert all("state" in pair.hear(side) for side in (0, 1))
    sound(pair, PAPERS)


def test_a_version_that_the_other_process_publishes_is_seen_with_the_next_request(
    pair: Pair,
) -> None:
    old = pair.ask(0, "clerk")["id"]
    pair.ask(1, "clerk", id=old, event="to_all")
    publish(pair.company, levels(2), "race", check=check_sources)
    new = pair.ask(0, "clerk")["id"]
    pair.ask(1, "clerk", id=new, event="to_all")
    for turn, id in enumerate((old, new)):
        for _ in LEVELS:
            pair.ask(turn % 2, "ann", id=id, event="task.approve")
            pair.ask((turn + 1) % 2, "ben", id=id, event="task.approve")
    sound(pair, 2)
    case, definition = system.WF_INSTANCE.c, system.WF_DEFINITION.c
    wanted = sa.select(case.record_id, definition.version).join(
        system.WF_DEFINITION, definition.id == case.definition_id
    )
    assert {tuple(row) for row in pair.rows(wanted)} == {(old, 1), (new, 2)}
