"""Reading and writing through the one door, the same on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.integration.records_world import World, build

from engine.lists import parse_query
from engine.records import bulk, history, reading, removing, writing
from engine.records.failures import (
    Conflict,
    Failure,
    Forbidden,
    Invalid,
    MissingVersion,
    NotFound,
    Stale,
)
from engine.records.views import Masked
from engine.storage import Database


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path / "files")


def codes(failure: pytest.ExceptionInfo[Failure]) -> list[tuple[str, str]]:
    return [(found.code, found.pointer) for found in failure.value.problems]


def listed(world: World, who: str, args: str = "", entity: str = "customer") -> list[str]:
    with world.read(who) as unit:
        definition = unit.entity(entity)
        query, problems = parse_query(args, definition, unit.access(entity))
        assert problems == []
        page = reading.find(unit, query)
        assert reading.count(unit, query).number == len(page.rows)
        return [str(row.get("name") or row.get("title")) for row in page.rows]


# --- creating and reading ----------------------------------------------------------------------
def test_a_record_comes_back_as_it_went_in(world: World) -> None:
    made = world.create(
        "root",
        "customer",
        name="恒泰信",
        level="B",
        cost="0.10",
        tags=["new"],
        joined="2026-03-09",
        owner=world.actors["alice"].id,
        contacts=[{"name": "Li", "email": "li@example.com"}, {"name": "Wu"}],
    )
    found = world.get("root", "customer", made["id"])
    assert made == found
    assert found["version"] == 1
    assert found["code"] == "C00001"
    assert found["cost"] == Decimal("0.10")
    assert found["tags"] == ["new"]
    assert [row["name"] for row in found["contacts"]] == ["Li", "Wu"]
    assert found["created_by"] == world.actors["root"].id
    assert found["initial"] == "恒泰信"


def test_every_problem_is_told_at_once(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        world.create("root", "customer", name="x", level="Z", cost="-", contacts=[{"email": "no"}])
    assert {pointer for _, pointer in codes(refused)} >= {"/cost"}
    with pytest.raises(Invalid) as refused:
        world.create("root", "customer", name="x", level="Z", contacts=[{"email": "no"}])
    assert {pointer for _, pointer in codes(refused)} >= {
        "/name",
        "/level",
        "/contacts/0/name",
        "/contacts/0/email",
    }


def test_unknown_and_kept_keys_are_refused_by_name(world: World) -> None:
    before = world.digest()
    with pytest.raises(Invalid) as refused:
        world.create(
            "root",
            "customer",
            name="恒泰",
            id=5,
            version=3,
            created_by=1,
            signed="9",
            code="X",
            zz=1,
        )
    assert codes(refused) == [
        ("R202", "/id"),
        ("R202", "/version"),
        ("R202", "/created_by"),
        ("R202", "/signed"),
        ("R202", "/code"),
        ("R201", "/zz"),
    ]
    assert world.digest() == before


@pytest.mark.parametrize(
    "cost", [float("nan"), float("inf"), "NaN", "1e400", [[[[[1]]]]], {"a": {}}]
)
def test_strange_numbers_are_refused(world: World, cost: object) -> None:
    with pytest.raises(Invalid) as refused:
        world.create("root", "customer", name="恒泰", cost=cost)
    assert [pointer for _, pointer in codes(refused)] == ["/cost"]


def test_deep_input_is_refused(world: World) -> None:
    deep: list[object] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(Invalid) as refused:
        world.create("root", "customer", name="恒泰", tags=deep)
    assert codes(refused) == [("R210", "/tags")]


# --- changing ----------------------------------------------------------------------------------
def test_a_change_needs_the_present_version(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信")
    with world.write("root") as unit, pytest.raises(MissingVersion):
        writing.change(unit, "customer", made["id"], {"name": "恒泰"}, None)
    changed = world.change("root", "customer", made, name="恒泰")
    assert changed["version"] == 2
    with pytest.raises(Stale) as stale:
        world.change("root", "customer", made, name="别的")
    assert stale.value.by == "Root"
    assert stale.value.current["name"] == "恒泰"
    assert world.get("root", "customer", made["id"])["name"] == "恒泰"


def test_changing_nothing_is_no_change(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", tags=["new"])
    assert world.change("root", "customer", made, name="恒泰信", tags=["new"])["version"] == 1


def test_rows_keep_their_ids(world: World) -> None:
    made = world.create(
        "root", "customer", name="恒泰信", contacts=[{"name": "Li"}, {"name": "Wu"}]
    )
    li, wu = made["contacts"]
    changed = world.change(
        "root",
        "customer",
        made,
        contacts=[{"name": "Qi"}, {"id": li["id"], "name": "Li Ming"}],
    )
    assert [row["name"] for row in changed["contacts"]] == ["Qi", "Li Ming"]
    assert changed["contacts"][1]["id"] == li["id"]
    with pytest.raises(Invalid) as refused:
        world.change("root", "customer", changed, contacts=[{"id": wu["id"], "name": "Wu"}])
    assert codes(refused) == [("R207", "/contacts/0")]


def test_rules_see_the_record_before(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", level="A")
    with pytest.raises(Invalid) as refused:
        world.change("root", "customer", made, level="B")
    assert [pointer for _, pointer in codes(refused)] == ["/level"]


def test_hidden_values_are_dropped(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", level="B", joined="2026-01-01")
    assert world.change("root", "customer", made, level="C")["joined"] is None


def test_history_tells_what_changed(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", cost="1")
    world.change("root", "customer", made, name="恒泰", cost="0.3")
    with world.read("root") as unit:
        first, second = history.history(unit, "customer", made["id"])
    assert first.action == "change"
    assert {c.field.name: (c.old, c.new) for c in first.changes} == {
        "name": ("恒泰信", "恒泰"),
        "cost": (Decimal("1.00"), Decimal("0.30")),
    }
    assert second.action == "create"


# --- access ------------------------------------------------------------------------------------
def test_invisible_is_as_if_it_were_not_there(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", owner=world.actors["bob"].id)
    refusals = []
    for id in (made["id"], 999_999):
        with pytest.raises(NotFound) as read:
            world.get("alice", "customer", id)
        with pytest.raises(NotFound) as change:
            world.change("alice", "customer", {"id": id, "version": 1}, name="x")
        with pytest.raises(NotFound) as remove:
            world.remove("alice", "customer", {"id": id, "version": 1})
        refusals.append([found.value.problems for found in (read, change, remove)])
    assert refusals[0] == refusals[1]


def test_rows_and_counts_follow_access(world: World) -> None:
    for name, owner in (("one", "alice"), ("two", "bob"), ("three", "erin")):
        world.create("root", "customer", name=name, owner=world.actors[owner].id)
    world.create("root", "customer", name="free")
    assert sorted(listed(world, "alice")) == ["free", "one"]
    assert sorted(listed(world, "carol")) == ["one", "two"]
    assert sorted(listed(world, "zoe")) == ["free", "one", "three", "two"]


def test_seen_but_not_writable_is_forbidden(world: World) -> None:
    made = world.create("root", "customer", name="free")
    with pytest.raises(Forbidden):
        world.change("alice", "customer", made, name="mine")
    with pytest.raises(Forbidden):
        world.create("zoe", "customer", name="mine")


def test_hidden_fields_are_not_there(world: World) -> None:
    made = world.create(
        "root", "customer", name="恒泰信", cost="120.50", owner=world.actors["alice"].id
    )
    assert "cost" not in world.get("alice", "customer", made["id"])
    with world.read("alice") as unit:
        definition, access = unit.entity("customer"), unit.access("customer")
        for args in ("f.cost.gt=100", "sort=cost", "cols=cost", 'where=["cost","gt",100]'):
            unknown = args.replace("cost", "nothing")
            (_, hidden), (_, missing) = (
                parse_query(each, definition, access) for each in (args, unknown)
            )
            assert [p.code for p in hidden] == [p.code for p in missing] == ["R101"]
        assert all(
            "cost" not in {c.field.name for c in entry.changes}
            for entry in history.history(unit, "customer", made["id"])
        )
    with pytest.raises(Invalid) as hidden_:
        world.change("alice", "customer", made, cost="1")
    assert codes(hidden_) == [("R201", "/cost")]


def test_cells_depend_on_the_row(world: World) -> None:
    own = world.create(
        "root", "customer", name="own", phone="13800138000", owner=world.actors["alice"].id
    )
    free = world.create("root", "customer", name="free", phone="13900139000")
    assert world.get("alice", "customer", own["id"])["phone"] == "13800138000"
    assert "phone" not in world.get("alice", "customer", free["id"])
    masked = world.get("zoe", "customer", own["id"])["phone"]
    assert isinstance(masked, Masked)
    assert masked == "138****8000"
    assert listed(world, "alice", "f.phone.contains=139") == []
    assert listed(world, "alice", "f.phone.contains=138") == ["own"]
    assert listed(world, "alice", "f.phone.empty=1") == []
    with world.read("zoe") as unit:
        _, problems = parse_query(
            "f.phone.eq=138", unit.entity("customer"), unit.access("customer")
        )
    assert [p.code for p in problems] == ["R101"]


def test_what_is_refused_changes_nothing(world: World) -> None:
    made = world.create("root", "customer", name="恒泰信", owner=world.actors["bob"].id)
    before = world.digest()
    for attempt in (
        lambda: world.change("alice", "customer", made, name="x"),
        lambda: world.create("zoe", "customer", name="mine"),
        lambda: world.create("alice", "contract", title="t", customer=made["id"]),
        lambda: world.remove("alice", "customer", made),
        lambda: world.create("root", "customer", name="y" * 200),
    ):
        with pytest.raises(Failure):
            attempt()
    assert world.digest() == before


# --- references --------------------------------------------------------------------------------
def test_references_must_be_there_and_be_seen(world: World) -> None:
    hidden = world.create("root", "customer", name="hidden", owner=world.actors["bob"].id)
    problems = []
    for id in (hidden["id"], 999_999):
        with pytest.raises(Invalid) as refused:
            world.create("alice", "contract", title="t", customer=id)
        problems.append(refused.value.problems)
    assert problems[0] == problems[1]
    assert problems[0][0].code == "R204"


def test_the_condition_of_a_reference_holds(world: World) -> None:
    plain = world.create("root", "customer", name="plain", level="B")
    good = world.create("root", "customer", name="good", level="A")
    with pytest.raises(Invalid) as refused:
        world.create("root", "project", name="p", main=plain["id"])
    assert codes(refused) == [("R205", "/main")]
    made = world.create(
        "root", "project", name="p", main=good["id"], customers=[good["id"], plain["id"]]
    )
    assert made["customers"] == [good["id"], plain["id"]]
    assert listed(world, "root", f"f.customers.contains={plain['id']}", "project") == ["p"]


def test_labels_only_of_what_may_be_seen(world: World) -> None:
    seen = world.create("root", "customer", name="Seen", owner=world.actors["alice"].id)
    hidden = world.create("root", "customer", name="Secret", owner=world.actors["bob"].id)
    world.create("root", "note", body="one", customer=seen["id"])
    world.create("root", "note", body="two", customer=hidden["id"])
    with world.read("alice") as unit:
        query, _ = parse_query("cols=body,customer", unit.entity("note"), unit.access("note"))
        page = reading.find(unit, query)
    assert page.names.label("customer", seen["id"]) == "Seen"
    assert page.names.label("customer", hidden["id"]) == f"#{hidden['id']}"


# --- computed values ---------------------------------------------------------------------------
def test_sums_follow_their_sources_exactly(world: World) -> None:
    one = world.create("root", "customer", name="one", level="B")
    two = world.create("root", "customer", name="two")
    deal = world.create(
        "root",
        "contract",
        title="t",
        customer=one["id"],
        items=[
            {"what": "a", "quantity": 1, "price": "0.1"},
            {"what": "b", "quantity": 2, "price": "0.1"},
        ],
    )
    assert deal["amount"] == Decimal("0.30")
    assert deal["customer_level"] == "B"

    def sums() -> list[tuple[Decimal, int]]:
        found = [world.get("root", "customer", each["id"]) for each in (one, two)]
        return [(each["signed"], each["contract_count"]) for each in found]

    assert sums() == [(Decimal("0.30"), 1), (Decimal("0.00"), 0)]
    first = {"id": deal["items"][0]["id"], "what": "a", "quantity": 7, "price": "0.1"}
    deal = world.change("root", "contract", deal, items=[first])
    assert sums()[0] == (Decimal("0.70"), 1)
    deal = world.change("root", "contract", deal, customer=two["id"])
    assert sums() == [(Decimal("0.00"), 0), (Decimal("0.70"), 1)]
    world.change("root", "customer", world.get("root", "customer", two["id"]), level="B")
    assert world.get("root", "contract", deal["id"])["customer_level"] == "B"
    world.remove("root", "contract", deal)
    assert sums()[1] == (Decimal("0.00"), 0)
    with world.write("root") as unit:
        removing.restore(unit, "contract", deal["id"])
    assert sums()[1] == (Decimal("0.70"), 1)
    with world.read("root") as unit:
        query, _ = parse_query("f.signed.gt=0", unit.entity("customer"), unit.access("customer"))
        assert reading.total(unit, query, "signed") == Decimal("0.70")


# --- unique keys and the recycle bin -----------------------------------------------------------
def test_unique_values_name_their_field(world: World) -> None:
    made = world.create("root", "customer", name="one", tax_id="AB1")
    with pytest.raises(Invalid) as refused:
        world.create("root", "customer", name="two", tax_id="ab1")
    assert codes(refused) == [("R206", "/tax_id")]
    world.remove("root", "customer", made)
    second = world.create("root", "customer", name="two", tax_id="AB1")
    with world.write("root") as unit, pytest.raises(Invalid) as refused:
        removing.restore(unit, "customer", made["id"])
    assert codes(refused) == [("R206", "/tax_id")]
    world.change("root", "customer", second, tax_id="AB2")
    with world.write("root") as unit:
        assert removing.restore(unit, "customer", made["id"])["name"] == "one"


def test_removing_honours_who_points_here(world: World) -> None:
    made = world.create("root", "customer", name="main", level="A")
    child = world.create("root", "customer", name="child", parent=made["id"])
    note = world.create("root", "note", body="n", customer=made["id"])
    project = world.create("root", "project", name="p", customers=[made["id"], child["id"]])
    deal = world.create("root", "contract", title="t", customer=made["id"])
    with pytest.raises(Conflict) as refused:
        world.remove("root", "customer", made)
    assert codes(refused) == [("R208", "")]
    world.remove("root", "contract", deal)
    world.remove("root", "customer", world.get("root", "customer", made["id"]))
    assert world.get("root", "customer", child["id"])["parent"] is None
    assert world.get("root", "project", project["id"])["customers"] == [child["id"]]
    with pytest.raises(NotFound):
        world.get("root", "note", note["id"])
    with world.read("root") as unit:
        query, _ = parse_query("", unit.entity("customer"), unit.access("customer"))
        assert [row["id"] for row in reading.find(unit, query, removed=True).rows] == [made["id"]]
    with world.write("root") as unit, pytest.raises(Conflict):
        removing.restore(unit, "contract", deal["id"])
    with world.write("root") as unit:
        removing.restore(unit, "customer", made["id"])
    assert world.get("root", "note", note["id"])["customer"] == made["id"]


# --- lists -------------------------------------------------------------------------------------
def test_filters_search_and_paging(world: World) -> None:
    with world.write("root") as unit:
        rows = [
            {
                "name": f"麒麟{at:03}" if at % 7 == 0 else f"酒店{at:03}",
                "level": "ABC"[at % 3],
                "cost": None if at % 5 == 0 else at,
                "tags": ["vip", "late"][: at % 2],
                "phone": "13800138000",
            }
            for at in range(120)
        ]
        outcomes = bulk.create_many(unit, "customer", rows)
    assert all(outcome.id for outcome in outcomes)
    assert len(listed(world, "root", "q=麒麟&size=100")) == 18
    assert len(listed(world, "root", "f.level.in=A,B&f.cost.ge=60&size=100")) == 32
    assert len(listed(world, "root", "f.tags.contains=vip&size=100")) == 60
    assert len(listed(world, "root", "f.tags.empty=1&size=100")) == 60
    assert len(listed(world, "root", "f.cost.empty=1&size=100")) == 24
    tree = 'where={"or":[["cost","lt",5],{"not":[["cost","lt",118]]}]}&size=100'
    assert len(listed(world, "root", tree)) == 4 + 24 + 2
    for sort in ("cost", "-cost", "level,-name", "-updated_at", "name", "-id"):
        assert paged(world, f"sort={sort}&size=20") == paged(world, f"sort={sort}&size=100")


def paged(world: World, args: str) -> list[int]:
    """All ids, forwards; and backwards again they must be the same."""
    with world.read("root") as unit:
        definition, access = unit.entity("customer"), unit.access("customer")
        query, problems = parse_query(args, definition, access)
        assert problems == []
        pages = [reading.find(unit, query)]
        while (after := pages[-1].after) is not None:
            pages.append(reading.find(unit, replace(query, after=after)))
        back = [pages[-1]]
        while (before := back[-1].before) is not None:
            back.append(reading.find(unit, replace(query, before=before)))
    ids = [row["id"] for page in pages for row in page.rows]
    assert len(set(ids)) == len(ids) == 120
    assert [row["id"] for page in reversed(back) for row in page.rows] == ids
    return ids


# --- many at once ------------------------------------------------------------------------------
def test_bulk_tells_each_record_its_own(world: World) -> None:
    with world.write("root") as unit:
        outcomes = bulk.create_many(
            unit,
            "customer",
            [
                {"name": "good", "tax_id": "T1"},
                {"name": "x"},
                {"name": "again", "tax_id": "T1"},
                {"name": "fine", "tax_id": "T2"},
                {"nme": "typo"},
            ],
        )
    assert [bool(found.id) for found in outcomes] == [True, False, False, True, False]
    assert [found.problems[0].code for found in outcomes if found.problems][1] == "R206"
    assert sorted(listed(world, "root")) == ["fine", "good"]


def test_numbers_are_given_once_and_without_gaps(world: World) -> None:
    def lose() -> None:
        with world.write("root") as unit:
            writing.create(unit, "customer", {"name": "lost"})
            writing.create(unit, "customer", {"name": "x"})

    def make(at: int) -> None:
        for step in range(5):
            world.create("root", "customer", name=f"n{at}-{step}")
            with pytest.raises(Invalid):
                lose()

    threads = [threading.Thread(target=make, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.read("root") as unit:
        query, _ = parse_query(
            "size=100&cols=code", unit.entity("customer"), unit.access("customer")
        )
        found = sorted(row["code"] for row in reading.find(unit, query).rows)
    assert found == [f"C{at:05}" for at in range(1, 41)]


def test_one_of_two_changes_wins(world: World) -> None:
    made = world.create("root", "customer", name="start")
    barrier, outcomes = threading.Barrier(8), []

    def change(at: int) -> None:
        barrier.wait()
        try:
            world.change("root", "customer", made, name=f"by {at}")
            outcomes.append("won")
        except Stale:
            outcomes.append("stale")

    threads = [threading.Thread(target=change, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["stale"] * 7 + ["won"]
    assert world.get("root", "customer", made["id"])["version"] == 2


def test_one_of_many_takes_a_unique_value(world: World) -> None:
    barrier, outcomes = threading.Barrier(8), []

    def create(at: int) -> None:
        barrier.wait()
        try:
            world.create("root", "customer", name=f"n{at}", tax_id="SAME")
            outcomes.append("won")
        except Invalid as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=create, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["R206"] * 7 + ["won"]


def test_sums_hold_when_many_write_at_once(world: World) -> None:
    customer = world.create("root", "customer", name="sum")
    item = [{"what": "a", "quantity": 1, "price": "1.01"}]

    def create(at: int) -> None:
        world.create("root", "contract", title=f"t{at}", customer=customer["id"], items=item)

    threads = [threading.Thread(target=create, args=(at,)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = world.get("root", "customer", customer["id"])
    assert (found["signed"], found["contract_count"]) == (Decimal("8.08"), 8)
