"""Running cases moved to a new version: seen before, done as seen, put back when nobody minds."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.flow_versions_world import (
    DRAFT,
    ENDS,
    LATER,
    V1,
    V2,
    Office,
    approval,
    flow,
)

from engine.problems import text
from engine.records.administration.migrations import (
    Progress,
    begin_migration,
    carry_on,
    migrate,
    migrations,
    undo_migration,
)
from engine.records.administration.moves import (
    CaseMove,
    Preview,
    choices,
    preview_migration,
    targets,
)
from engine.records.administration.versions import running
from engine.records.failures import Conflict, Invalid
from engine.records.flows.words import NotAllowed
from engine.storage import Database
from engine.tables import system

BOARD = {"board": "check"}


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.fixture
def quick(sqlite_database: Database) -> Office:
    """Where the engine of the database makes no difference."""
    return Office(sqlite_database)


def previewed(office: Office, mapping: Mapping[str, str]) -> Preview:
    with office.as_("root", write=False) as unit:
        return preview_migration(unit, "approval", None, mapping)


def moved(office: Office, mapping: Mapping[str, str], **more: Any) -> Progress:
    actor = office.actor("root")
    return migrate(
        office.company, actor, "approval", None, mapping, "New rules", now=office.now, **more
    )


def undone(office: Office, migration: int) -> Any:
    return undo_migration(
        office.company, office.actor("root"), migration, "A mistake", now=office.now
    )


def as_it_is(office: Office, record: int) -> Any:
    """What a preview should have said about a case, read off the tables."""
    row = office.row(record)
    body = row["body"]
    tasks = [one for one in office.rows(system.WF_TASK) if one["instance_id"] == row["id"]]
    timers = [one for one in office.rows(system.WF_TIMER) if one["instance_id"] == row["id"]]
    return (
        row["state"],
        office.state(record),
        body["active"],
        {(one["number"], one["assignee_id"]) for one in tasks if one["status"] == "open"},
        sorted((one["name"], one["due"]) for one in timers),
    )


def as_foreseen(case: CaseMove) -> Any:
    return (
        case.state,
        case.state,
        list(case.after),
        {(one.number, *one.people) for one in case.tasks if one.what != "cancelled"},
        sorted((one.name, one.due) for one in case.timers),
    )


# --- choosing ----------------------------------------------------------------------------------
def test_states_of_the_same_id_are_proposed(quick: Office) -> None:
    for state in ("draft", "review", "board", "board"):
        quick.at(state)
    quick.publish(V2)
    with quick.as_("root", write=False) as unit:
        found = {one.state: (one.count, one.target) for one in choices(unit, "approval")}
        assert found == {"draft": (1, "draft"), "review": (1, "review"), "board": (2, "")}
        assert [state for state, _ in targets(unit, "approval")] == list(V2["states"])


def test_a_state_of_the_same_name_is_proposed(quick: Office) -> None:
    quick.at("board")
    renamed = flow(
        2,
        {
            "draft": DRAFT,
            "review": approval("Review", "manager", "check"),
            "check": approval("Board", "manager", "approved"),
            **ENDS,
        },
    )
    quick.publish(renamed)
    with quick.as_("root", write=False) as unit:
        assert [one.target for one in choices(unit, "approval")] == ["check"]


# --- looking ahead -----------------------------------------------------------------------------
def test_a_preview_writes_nothing_and_names_people_and_deadlines(office: Office) -> None:
    record = office.at("review")
    board = office.at("board")
    office.later(days=1)
    office.publish(V2)
    before = office.everything()
    found = previewed(office, BOARD)
    assert office.everything() == before
    assert (found.total, found.version, len(found.refused)) == (2, 2, 0)
    cases = {one.record: one for one in found.cases}
    review = cases[record]
    assert (review.before, review.after, review.label) == (("review",), ("review",), "Deal")
    assert [(one.what, one.people) for one in review.tasks] == [
        ("kept", (office.actor("carol").id,))
    ]
    assert [one.due for one in review.timers] == [office.now + timedelta(days=5)]
    assert {one.what: one.people for one in cases[board].tasks} == {
        "cancelled": (office.actor("carol").id,),
        "opened": (office.actor("root").id,),
    }
    assert found.ways == {(("review",), ("review",)): 1, (("board",), ("check",)): 1}


def test_an_unmapped_state_and_nobody_to_decide_are_told_before(quick: Office) -> None:
    quick.at("board")
    quick.publish(flow(2, {**V2["states"], "check": approval("Check", "auditor", "approved")}))
    quick.close_account("zoe")
    (lost,) = previewed(quick, {}).cases
    assert "Board" in text(lost.problems[0], "en")
    (empty,) = previewed(quick, BOARD).cases
    assert empty.problems
    before = quick.row(quick.rows(system.WF_INSTANCE)[0]["record_id"])
    done = moved(quick, BOARD)
    assert (done.moved, len(done.refused)) == (0, 1)
    assert quick.row(before["record_id"]) == before


def test_a_mapping_of_states_that_do_not_exist_is_refused(quick: Office) -> None:
    quick.at("board")
    quick.publish(V2)
    for mapping in ({"board": "bord"}, {"bored": "check"}):
        with pytest.raises(Invalid) as refused:
            previewed(quick, mapping)
        assert refused.value.code == "C145"
    with pytest.raises(Invalid) as refused, quick.as_("root", write=False) as unit:
        preview_migration(unit, "aproval", None, {})
    assert refused.value.code == "C143"


# --- moving ------------------------------------------------------------------------------------
def test_cases_are_moved_as_foreseen_with_one_line_each(office: Office) -> None:
    records = [office.at(state) for state in ("draft", "review", "board")]
    ended = office.at("approved")
    office.publish(V2)
    foreseen = {one.record: as_foreseen(one) for one in previewed(office, BOARD).cases}
    done = moved(office, BOARD)
    assert (done.moved, done.refused) == (3, ())
    for record in records:
        assert as_it_is(office, record) == foreseen[record]
        *_, line = office.events(record)
        assert (line["type"], line["actor_id"]) == ("migrated", office.actor("root").id)
        assert line["comment"] == "New rules"
        assert [one["type"] for one in office.events(record)].count("migrated") == 1
    assert office.state(records[2]) == "check"
    assert office.events(ended)[-1]["type"] != "migrated"
    office.decide("root", records[2])
    assert office.state(records[2]) == "approved"
    with office.as_("root", write=False) as unit:
        (found,) = running(unit)
        assert [(one.version, one.count) for one in found.versions] == [(2, 2)]


def test_moving_again_moves_nobody_twice(office: Office) -> None:
    office.at("board")
    office.publish(V2)
    first = moved(office, BOARD)
    before = office.everything()
    again = carry_on(office.company, office.actor("root"), first.migration, now=office.now)
    assert (again.moved, again.refused, again.after) == (0, (), 0)
    assert office.everything() == before


def test_a_migration_that_broke_off_is_carried_on(office: Office) -> None:
    records = [office.at("board") for _ in range(5)]
    office.publish(V2)
    with office.as_("root") as unit:
        id = begin_migration(unit, "approval", None, BOARD, "New rules")
    actor = office.actor("root")
    first = carry_on(office.company, actor, id, most=2, now=office.now)
    assert (first.moved, first.after > 0) == (2, True)
    assert [office.state(one) for one in records] == ["check"] * 2 + ["board"] * 3
    rest = carry_on(office.company, actor, id, most=10, now=office.now)
    assert (rest.moved, rest.after) == (3, 0)


def test_a_migration_to_a_version_that_is_no_longer_the_published_one_stops(
    quick: Office,
) -> None:
    record = quick.at("board")
    quick.publish(V2)
    with quick.as_("root") as unit:
        id = begin_migration(unit, "approval", None, BOARD, "New rules")
    quick.publish(flow(3, V1["states"], initial="draft"))
    quick.publish(flow(3, {**V2["states"], "review": approval("R", "sales", "check")}))
    found = carry_on(quick.company, quick.actor("root"), id, now=quick.now)
    assert [problem.code for _, problem in found.refused] == ["C160"]
    assert quick.state(record) == "board"


def test_only_administrators_move_cases(quick: Office) -> None:
    quick.at("board")
    quick.publish(V2)
    first = moved(quick, BOARD)
    quick.publish(V1)
    before = quick.everything()
    for who in ("alice", "carol", "zoe"):
        actor = quick.actor(who)
        for work in (
            lambda actor=actor: migrate(
                quick.company, actor, "approval", None, {}, "Because", now=quick.now
            ),
            lambda actor=actor: carry_on(quick.company, actor, first.migration, now=quick.now),
            lambda actor=actor: undo_migration(
                quick.company, actor, first.migration, "Because", now=quick.now
            ),
        ):
            with pytest.raises(NotAllowed):
                work()
        with pytest.raises(NotAllowed), quick.as_(who, write=False) as unit:
            preview_migration(unit, "approval", None, {})
    with pytest.raises(Invalid) as refused:
        migrate(quick.company, quick.actor("root"), "approval", None, {}, "  ", now=quick.now)
    assert refused.value.code == "C141"
    assert quick.everything() == before


# --- back --------------------------------------------------------------------------------------
LOOSE = {"version", "body"}


def remembered(office: Office, record: int) -> list[Any]:
    """Everything of a case and its record but the log, which only grows."""
    row = office.row(record)
    body = {key: value for key, value in row["body"].items() if key != "sequence"}
    loose = {key: value for key, value in row.items() if key not in LOOSE}
    tasks = [one for one in office.rows(system.WF_TASK) if one["instance_id"] == row["id"]]
    ids = {one["id"] for one in tasks}
    pools = [one for one in office.rows(system.WF_CANDIDATE) if one["task_id"] in ids]
    timers = [one for one in office.rows(system.WF_TIMER) if one["instance_id"] == row["id"]]
    timers = [{key: one[key] for key in one if key != "id"} for one in timers]
    found = dict(office.world.get("@system", "contract", record))
    kept = {
        key: value
        for key, value in found.items()
        if key not in ("version", "updated_at", "updated_by")
    }
    parts = [[loose], [body], tasks, pools, timers, [kept]]
    return [sorted(map(repr, part)) for part in parts]


def test_undo_puts_everything_back(office: Office) -> None:
    records = [office.at(state) for state in ("draft", "review", "board")]
    before = [remembered(office, record) for record in records]
    office.later(days=1)
    office.publish(V2)
    done = moved(office, BOARD)
    assert [remembered(office, record) for record in records] != before
    office.later(hours=1)
    back = undone(office, done.migration)
    assert (len(back.restored), back.left) == (3, ())
    assert [remembered(office, record) for record in records] == before
    for record in records:
        kinds = [one["type"] for one in office.events(record)][-2:]
        assert kinds == ["migrated", "migration_undone"]
    office.decide("carol", records[2])
    assert office.state(records[2]) == "approved"


def test_undo_leaves_what_somebody_touched(office: Office) -> None:
    touched, left_alone = office.at("board"), office.at("board")
    office.publish(V2)
    done = moved(office, BOARD)
    office.decide("root", touched)
    before = remembered(office, touched)
    back = undone(office, done.migration)
    assert back.restored == (office.case(left_alone),)
    assert back.left == (office.case(touched),)
    assert remembered(office, touched) == before
    assert office.state(left_alone) == "board"
    with pytest.raises(Conflict) as refused:
        undone(office, done.migration)
    assert refused.value.code == "C152"


def test_the_book_of_migrations(quick: Office) -> None:
    quick.at("board")
    quick.publish(V2)
    done = moved(quick, BOARD)
    with quick.as_("root", write=False) as unit:
        (line,) = migrations(unit)
    assert (line.id, line.workflow, line.version, line.mapping) == (
        done.migration,
        "approval",
        2,
        BOARD,
    )
    assert (line.moved, line.reason, line.by) == (1, "New rules", quick.actor("root").id)


# --- chance ------------------------------------------------------------------------------------
def random_flow(chance: random.Random, version: int) -> dict[str, Any]:
    """Some approvals one after the other, each by somebody, some with a deadline."""
    names = ["review", "board", "check"]
    chance.shuffle(names)
    names = names[: chance.randint(1, 3)]
    states: dict[str, Any] = {"draft": {**DRAFT, "on": {"submit": names[0], "drop": "dropped"}}}
    for name, to in zip(names, [*names[1:], "approved"], strict=True):
        more: dict[str, Any] = {}
        if chance.random() < 0.5:
            more["after"] = [{**LATER, "delay": f"P{chance.randint(1, 9)}D"}]
        role = chance.choice(["manager", "admin", "auditor", "sales"])
        more["quorum"] = chance.choice(["any", "all", {"percent": 50}])
        states[name] = approval(name.title(), role, to, **more)
    return flow(version, {**states, **ENDS})


def wander(office: Office, chance: random.Random, record: int) -> None:
    """Whoever is asked answers, a few times."""
    if chance.random() < 0.9:
        office.fire("alice", record, "submit")
    for _ in range(chance.randint(0, 4)):
        asked = [
            who for who in ("carol", "root", "zoe", "alice", "bob") if record in office.todo(who)
        ]
        if not asked:
            return
        command = chance.choice(["approve", "approve", "approve", "reject"])
        office.decide(chance.choice(asked), record, command, "so")


@pytest.mark.parametrize("seed", range(12))
def test_what_is_foreseen_is_what_happens_and_can_be_undone(
    sqlite_database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    office = Office(sqlite_database, random_flow(chance, 1))
    records = [office.contract() for _ in range(6)]
    for record in records:
        wander(office, chance, record)
    office.later(hours=chance.randint(0, 60))
    new = random_flow(chance, 2)
    office.publish(new)
    with office.as_("root", write=False) as unit:
        mapping = {
            one.state: one.target or chance.choice(list(new["states"]))
            for one in choices(unit, "approval")
            if chance.random() < 0.9
        }
    found = previewed(office, mapping)
    before = {one.record: remembered(office, one.record) for one in found.cases}
    done = moved(office, mapping)
    assert {id for id, _ in done.refused} == {one.instance for one in found.refused}
    assert done.moved == found.total - len(found.refused)
    for one in found.cases:
        if one.problems:
            assert remembered(office, one.record) == before[one.record]
        else:
            assert as_it_is(office, one.record) == as_foreseen(one)
    undone(office, done.migration)
    assert {one: remembered(office, one) for one in before} == before


@pytest.mark.parametrize("seed", range(6))
def test_every_change_of_state_is_one_line_with_who_did_it(
    sqlite_database: Database, seed: int
) -> None:
    chance = random.Random(100 + seed)
    office = Office(sqlite_database, random_flow(chance, 1))
    records = [office.contract() for _ in range(6)]
    for record in records:
        wander(office, chance, record)
    office.publish(random_flow(chance, 2))
    moved(office, {})
    for record in records:
        here: list[str] = []
        for number, line in enumerate(office.events(record), 1):
            assert (line["seq"], line["before"]) == (number, here)
            here = line["after"]
            person = line["type"].startswith(("task.", "submit", "drop", "migrated", "start"))
            assert (line["actor_id"] is not None) == person, line["type"]
        assert here == office.row(record)["body"]["active"]
        assert office.state(record) == office.row(record)["state"]
