"""The pool: who takes a record of nobody, how many, what he saw before, and how it goes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.ownership_world import SELLERS, build, customer
from tests.integration.records_world import World
from tests.web import Site

from engine.records import history, pool, reading
from engine.records.failures import Busy, Conflict, Failure, Forbidden, MissingVersion, NotFound
from engine.records.failures import Stale as Late
from engine.storage import Database
from engine.tables.system import QUOTA

NOON = datetime(2026, 3, 31, 4, tzinfo=UTC)  # noon in the company's calendar
TRIALS = 20


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path)


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> World:
    return build(sqlite_database, tmp_path)


def take(world: World, who: str, record: dict[str, Any], now: datetime | None = None) -> Any:
    with world.company.unit(world.actors[who], write=True, now=now) as unit:
        return pool.claim(unit, "customer", record["id"], record["version"])


def give_back(world: World, who: str, id: int, version: int, reason: str = "") -> Any:
    with world.write(who) as unit:
        return pool.release(unit, "customer", id, version, reason)


def code_of(act: Callable[[], Any]) -> str:
    try:
        act()
    except Failure as failure:
        return failure.problems[0].code
    return ""


def counted(world: World) -> int:
    with world.company.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(QUOTA)) or 0


def owner_of(world: World, id: int) -> int | None:
    owner: int | None = world.get("@system", "customer", id)["owner"]
    return owner


def together(acts: list[Callable[[], Any]]) -> list[str]:
    """What became of acts begun at the same moment: "" or the code of what stood in the way."""
    gate, found = threading.Barrier(len(acts)), [""] * len(acts)

    def run(at: int) -> None:
        gate.wait()
        for _ in range(20):
            try:
                found[at] = code_of(acts[at])
            except Busy:  # pragma: no cover - whoever was busy tries again, as the doors do
                continue
            if found[at] not in ("R005", "R007"):
                return

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


# --- taking --------------------------------------------------------------------------------------
def test_who_takes_a_record_sees_all_of_it_and_the_history_says_so(world: World) -> None:
    free = customer(world, None, phone="13800138000")
    assert "phone" not in world.get("alice", "customer", free["id"])
    taken = take(world, "alice", free)
    assert (taken["phone"], taken["owner"]) == ("13800138000", world.actors["alice"].id)
    with world.read("alice") as unit:
        latest = history.history(unit, "customer", free["id"])[0]
    assert (latest.action, latest.by) == ("claim", world.actors["alice"].id)
    assert code_of(lambda: take(world, "erin", free)) == "R001"  # it is not there for her now


def test_what_somebody_has_cannot_be_taken(local: World) -> None:
    mine = customer(local, "carol")
    assert code_of(lambda: take(local, "carol", mine)) == "J201"
    with pytest.raises(NotFound):
        take(local, "alice", mine)
    free = customer(local, None)
    with pytest.raises(Forbidden):  # an auditor sees the pool; no role of his may take of it
        take(local, "zoe", free)
    with pytest.raises(Late):
        take(local, "alice", {**free, "version": 7})
    with pytest.raises(MissingVersion):
        take(local, "alice", {**free, "version": None})
    with pytest.raises(NotFound):
        take(local, "nora", free)
    assert (owner_of(local, free["id"]), counted(local)) == (None, 0)


def test_of_eight_at_once_one_gets_it(world: World) -> None:
    for trial in range(TRIALS):
        free = customer(world, None)
        now = NOON + timedelta(days=trial)  # yesterday's are forgotten
        found = together([partial(take, world, who, free, now) for who in SELLERS])
        winners = [SELLERS[at] for at, code in enumerate(found) if not code]
        assert len(winners) == 1, found
        assert set(found) <= {"", "J201", "R001", "R003", "R004"}, found
        assert owner_of(world, free["id"]) == world.actors[winners[0]].id
        world.change("@system", "customer", {"id": free["id"], "version": 2}, owner=None)
    assert counted(world) == TRIALS


def test_eight_requests_of_one_person_take_no_more_than_his_quota(world: World) -> None:
    free = [customer(world, None) for _ in range(8)]
    found = together([partial(take, world, "alice", one) for one in free])
    assert sorted(found) == ["", "", *["J202"] * 6]
    mine = world.actors["alice"].id
    assert [owner_of(world, one["id"]) for one in free].count(mine) == counted(world) == 2


# --- limits --------------------------------------------------------------------------------------
def test_a_day_s_quota_begins_anew_at_midnight_of_the_company(world: World) -> None:
    free = [customer(world, None) for _ in range(4)]
    late = datetime(2026, 3, 31, 15, 59, tzinfo=UTC)  # a minute to midnight in Shanghai
    take(world, "alice", free[0], late)
    take(world, "alice", free[1], late)
    assert code_of(lambda: take(world, "alice", free[2], late)) == "J202"
    take(world, "alice", free[2], late + timedelta(minutes=1))
    # and another colleague has a quota of his own
    take(world, "bob", free[3], late)


def test_who_owns_enough_takes_no_more(local: World) -> None:
    for _ in range(4):
        customer(local, "alice")
    free = customer(local, None)
    assert code_of(lambda: take(local, "alice", free)) == "J203"
    with local.read("alice") as unit:
        left = pool.left(unit, unit.entity("customer"))
        assert left is not None
        assert (left.claims, left.held, left.holds, left.any) == (2, 4, 4, False)
    with local.read("zoe") as unit:
        assert pool.left(unit, unit.entity("customer")) is None
    with local.read("carol") as unit:  # named in the pool without limits
        left = pool.left(unit, unit.entity("customer"))
        assert left is not None
        assert (left.claims, left.holds, left.any) == (None, None, True)


def test_the_most_generous_of_several_roles_counts(local: World) -> None:
    both = replace(local.actors["alice"], roles=frozenset({"sales", "manager"}))
    for _ in range(3):
        free = customer(local, None)
        with local.company.unit(both, write=True) as unit:
            pool.claim(unit, "customer", free["id"], 1)


def test_changing_the_owner_by_hand_is_no_way_around_the_quota(local: World) -> None:
    """Whoever may change records of nobody - here by a role beside - is counted all the same."""
    local.actors["eve"] = replace(local.actors["alice"], roles=frozenset({"sales", "admin"}))
    me = local.actors["eve"].id
    for number in range(3):
        free = customer(local, None)
        act = partial(local.change, "eve", "customer", free, owner=me)
        assert code_of(act) == ("" if number < 2 else "J202")
    assert counted(local) == 2
    other = customer(local, None)  # assigning to somebody else is no taking
    local.change("eve", "customer", other, owner=local.actors["bob"].id)


def test_opening_counts_once_for_each_record_and_ends_at_the_limit(world: World) -> None:
    free = [customer(world, None)["id"] for _ in range(4)]
    hers = customer(world, "alice")["id"]
    hidden = customer(world, None, secrecy="secret")["id"]

    def look(who: str, id: int, now: datetime = NOON) -> str:
        with world.company.unit(world.actors[who], write=True, now=now) as unit:
            asked = pool.counts(unit, "customer", id)
            code = code_of(lambda: pool.open_one(unit, "customer", id))
            assert asked or not code
            return code

    assert [look("alice", id) for id in (free[0], free[0], hers, hidden, 999_999)] == [""] * 5
    assert counted(world) == 1
    assert [look("alice", id) for id in free] == ["", "", "", "J204"]
    assert look("alice", free[1]) == ""  # what was opened today may be opened again
    assert look("alice", hidden) == ""  # and what is not there is not told by a limit
    assert look("carol", free[3]) == look("zoe", free[3]) == look("bob", free[3]) == ""
    assert look("alice", free[3], NOON + timedelta(hours=12)) == ""
    assert counted(world) == 5


def test_views_of_eight_requests_at_once_stay_within_the_limit(world: World) -> None:
    free = [customer(world, None)["id"] for _ in range(8)]

    def look(id: int) -> None:
        with world.write("alice") as unit:
            pool.open_one(unit, "customer", id)

    found = together([partial(look, id) for id in free])
    assert sorted(found) == ["", "", "", *["J204"] * 5]
    assert counted(world) == 3


# --- several -------------------------------------------------------------------------------------
def test_several_are_taken_as_far_as_it_goes_and_each_is_told(world: World) -> None:
    free = [customer(world, None) for _ in range(3)]
    hers = customer(world, "bob")
    wanted = [(hers["id"], 1), (free[0]["id"], 9), *((one["id"], 1) for one in free[1:])]
    with world.write("alice") as unit:
        found = pool.claim_many(unit, "customer", [*wanted, (free[0]["id"], 1)])
    told = {one.id: one.problems[0].code if one.problems else "" for one in found}
    assert told == {
        hers["id"]: "R001",
        free[0]["id"]: "",  # named twice: the last version counts
        free[1]["id"]: "",
        free[2]["id"]: "J202",
    }
    assert owner_of(world, free[2]["id"]) is None
    with pytest.raises(Forbidden), world.write("zoe") as unit:
        pool.claim_many(unit, "customer", wanted)
    with pytest.raises(Conflict), world.write("alice") as unit:
        pool.claim_many(unit, "customer", [(id, 1) for id in range(1, pool.AT_ONCE + 2)])


# --- giving back ---------------------------------------------------------------------------------
def test_what_was_given_back_lies_in_the_pool_with_the_reason_in_its_history(world: World) -> None:
    hers = customer(world, "alice", phone="13800138000")
    with pytest.raises(NotFound):
        give_back(world, "bob", hers["id"], 1)
    give_back(world, "alice", hers["id"], 1, "  no budget\x00 ")
    assert owner_of(world, hers["id"]) is None
    assert "phone" not in world.get("alice", "customer", hers["id"])
    with world.read("zoe") as unit:
        latest = history.history(unit, "customer", hers["id"])[0]
    assert (latest.action, latest.comment) == ("release", "no budget")
    assert code_of(lambda: give_back(world, "root", hers["id"], 2)) == "J205"
    take(world, "erin", {"id": hers["id"], "version": 2})


def test_who_may_change_a_record_may_give_it_back_and_others_not(local: World) -> None:
    theirs = customer(local, "bob")["id"]
    for who, expected in (("zoe", "A001"), ("erin", "R001"), ("alice", "R001"), ("carol", "")):
        assert code_of(partial(give_back, local, who, theirs, 1)) == expected
    mine = customer(local, "bob")["id"]
    with pytest.raises(MissingVersion), local.write("bob") as unit:
        pool.release(unit, "customer", mine, None)


def test_who_comes_too_late_is_told_no_more_than_he_may_see(local: World) -> None:
    mine, free = (
        customer(local, "alice", cost="5"),
        customer(local, None, cost="5", phone="1380013"),
    )
    for act in (pool.release, pool.claim):
        with pytest.raises(Late) as late, local.write("alice") as unit:
            act(unit, "customer", (mine if act is pool.release else free)["id"], 9)
        assert late.value.current["version"] == 1
        assert "cost" not in late.value.current
    assert "phone" not in late.value.current


def test_the_past_of_a_record_opens_with_it(local: World) -> None:
    free = customer(local, None, phone="13800138000")
    local.change("@system", "customer", free, level="C", cost="5", phone="13900139000")

    def told() -> set[str]:
        with local.read("alice") as unit:
            past = history.history(unit, "customer", free["id"])
        return {change.field.name for entry in past for change in entry.changes}

    assert told() <= {"code", "name", "owner", "secrecy"}
    take(local, "alice", {**free, "version": 2})
    assert "level" in told()
    assert {"phone", "cost"}.isdisjoint(told())  # hers only where she owns it; never hers
    give_back(local, "alice", free["id"], 3)
    assert told() <= {"code", "name", "owner", "secrecy"}


def test_a_kind_without_a_pool_has_none(local: World) -> None:
    with local.write("alice") as unit:
        for act in (pool.claim, pool.release):
            with pytest.raises(NotFound):
                act(unit, "contract", 1, 1)
        assert not pool.counts(unit, "contract", 1)
        assert not pool.counts(unit, "nonsense", 1)
        with pytest.raises(Forbidden):
            pool.claim_many(unit, "contract", [(1, 1)])


def test_what_is_taken_back_or_removed_is_seen_so_by_the_next_request(local: World) -> None:
    free = customer(local, None)
    local.remove("@system", "customer", free)
    with pytest.raises(NotFound):
        take(local, "alice", free)
    with local.read("alice") as unit:
        assert not pool.counts(unit, "customer", free["id"])
        assert reading.visible(unit, "customer", [free["id"]]) == frozenset()


def test_a_token_takes_only_with_the_right_to_write(local: World) -> None:
    free = customer(local, None)
    for rights, expected in ((("read",), "T016"), (("write",), "R001"), (("read", "write"), "")):
        scopes = frozenset(("customer", right) for right in rights)
        local.actors["token"] = replace(local.actors["alice"], scopes=scopes)
        assert code_of(partial(take, local, "token", free)) == expected
    local.actors["token"] = replace(local.actors["alice"], scopes=frozenset({("*", "read")}))
    assert code_of(partial(give_back, local, "token", free["id"], 2)) == "T016"
    with pytest.raises(Forbidden), local.write("token") as unit:
        pool.claim_many(unit, "customer", [(free["id"], 1)])


# --- the pages -----------------------------------------------------------------------------------
def pooled(site: Site, *names: str) -> list[int]:
    free = {"kind": "organisation", "owner": None}
    return [site.create("customer", "li", name=name, **free) for name in names]


def test_a_list_offers_what_is_free_and_takes_the_chosen_ones(site: Site) -> None:
    one, two, three = pooled(site, "远航一号贸易", "远航二号贸易", "远航三号贸易")
    wang = site.browser("wang")
    page = wang.get("/e/customer?f.owner.empty=1").text
    assert f'value="{one}.1"' in page
    assert 'name="one"' in page
    sent = {"record": [f"{one}.1", f"{two}.1", "x.1", "5"], "back": "/acme/e/customer"}
    assert wang.post("/e/customer/claim", sent).status_code == 303
    page = wang.get("/e/customer").text
    assert "远航一号贸易" in page
    assert f'value="{one}.1"' not in page
    assert wang.post("/e/customer/claim", {"one": f"{one}.1"}).status_code == 303  # told, not taken
    assert wang.post("/e/customer/claim", {}).status_code == 303
    assert (
        wang.post(f"/e/customer/{three}/claim", {"version": "1"})
        .headers["Location"]
        .endswith(f"/e/customer/{three}")
    )
    assert "took" in site.browser("wang", "en").get(f"/e/customer/{three}").text
    zheng = site.browser("zheng").get("/e/customer").text  # reads them all, takes none
    assert 'name="one"' not in zheng


def test_the_record_page_takes_and_gives_back(site: Site) -> None:
    [one] = pooled(site, "远航一号贸易")
    wang, sun = site.browser("wang"), site.browser("sun")
    assert f'action="/acme/e/customer/{one}/claim"' in wang.get(f"/e/customer/{one}").text
    wang.post(f"/e/customer/{one}/claim", {"version": "1"})
    page = wang.get(f"/e/customer/{one}").text
    assert f'action="/acme/e/customer/{one}/release"' in page
    assert f'action="/acme/e/customer/{one}/claim"' not in page
    assert sun.post(f"/e/customer/{one}/claim", {"version": "2"}).status_code == 404
    assert sun.post(f"/e/customer/{one}/release", {"version": "2"}).status_code == 404
    wang.post(f"/e/customer/{one}/release", {"version": "2", "reason": "预算取消"})
    assert "预算取消" in sun.get(f"/e/customer/{one}").text
    late = wang.post(f"/e/customer/{one}/claim", {"version": "1"}, follow_redirects=True)
    assert "note-error" in late.text


def test_the_limit_of_views_is_a_sentence_at_every_door(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = pooled(site, "远航一号贸易", "远航二号贸易")
    mine = site.create("customer", "wang", name="我的客户", kind="organisation")
    entity = site.company.current.model.entities["customer"]
    monkeypatch.setitem(entity.pool, "sales", replace(entity.pool["sales"], views=1))
    wang = site.browser("wang")
    for _ in range(2):
        assert wang.get(f"/e/customer/{free[0]}").status_code == 200
    for door in (
        f"/e/customer/{free[1]}",
        f"/e/customer/{free[1]}/edit",
        f"/e/customer/new?copy={free[1]}",
        f"/e/customer/{free[1]}/why",
        f"/api/v1/customer/{free[1]}",
        f"/api/v1/customer/{free[1]}/history",
    ):
        found = wang.get(door)
        assert found.status_code == 409, door
        assert "公海" in found.get_data(as_text=True) or "J204" in found.text
    assert wang.get(f"/api/v1/customer/{free[1]}").get_json()["problems"][0]["code"] == "J204"
    assert wang.get(f"/e/customer/{mine}").status_code == 200
    assert site.browser("li").get(f"/e/customer/{free[1]}").status_code == 200


# --- the API -------------------------------------------------------------------------------------
def test_the_api_takes_and_gives_back(site: Site) -> None:
    [one] = pooled(site, "远航一号贸易")
    wang, sun = site.browser("wang"), site.browser("sun")
    at = f"/api/v1/customer/{one}"
    assert wang.post(f"{at}/claim").status_code == 428
    assert wang.post(f"{at}/claim", json={"version": 7}).status_code == 409
    taken = wang.post(f"{at}/claim", headers={"If-Match": '"1"'})
    assert (taken.status_code, taken.get_json()["version"]) == (200, 2)
    assert taken.get_json()["owner"] == site.person("wang")
    assert taken.headers["ETag"] == '"2"'
    assert sun.post(f"{at}/release", json={"version": 2}).status_code == 404
    assert wang.post(f"{at}/release", json={"version": 2, "reason": 5}).status_code == 422
    assert wang.post(f"{at}/claim", json={"version": 2}).get_json()["problems"][0]["code"] == "J201"
    back = wang.post(f"{at}/release", json={"version": 2, "reason": "预算取消"})
    assert (back.status_code, back.get_json()["owner"]) == (200, None)
    [latest, *_] = sun.get(f"{at}/history").get_json()["items"]
    assert (latest["action"], latest["comment"]) == ("release", "预算取消")


def test_where_a_workflow_gives_records_to_their_owners_it_is_the_way(site: Site) -> None:
    lead = site.create("lead", "li", name="展会线索", source="exhibition", owner=None)
    wang = site.browser("wang")
    page = wang.get(f"/e/lead/{lead}").text
    assert f"/e/lead/{lead}/claim" not in page
    told = wang.post(f"/api/v1/lead/{lead}/claim", json={"version": 1})
    assert (told.status_code, told.get_json()["problems"][0]["code"]) == (409, "J206")
    version = wang.get(f"/api/v1/lead/{lead}").get_json()["version"]
    event = f"/api/v1/lead/{lead}/events/claim"
    assert wang.post(event, json={"version": version}).status_code == 200
    with site.company.database.read() as connection:
        rows = connection.execute(sa.select(QUOTA.c.kind).where(QUOTA.c.entity == "lead"))
        assert sorted(row.kind for row in rows) == ["claim", "view"]
