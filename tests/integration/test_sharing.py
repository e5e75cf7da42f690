"""Sharing single records by hand: who may, with whom, how far it reaches, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import records_world as small
from tests.integration.ownership_world import PACK, build, customer, customers
from tests.integration.records_world import World
from tests.web import Site

from engine.lists import parse_query
from engine.packs import check_sources
from engine.records import handover, people, reading, removing, sharing
from engine.records.actor import SYSTEM
from engine.records.failures import Conflict, Failure, Forbidden, Invalid, NotFound
from engine.records.personnel import departments
from engine.records.publish import WHATEVER, publish
from engine.records.sharing import Wish
from engine.storage import Database
from engine.tables.system import NOTICE, SECURITY, SHARE

NOON = datetime(2026, 3, 31, 4, tzinfo=UTC)  # noon in the company's calendar


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build(database, tmp_path)


@pytest.fixture
def local(sqlite_database: Database, tmp_path: Path) -> World:
    return build(sqlite_database, tmp_path)


def give(world: World, who: str, record: int, to: str = "", **more: Any) -> int:
    if to:
        more["user"] = world.actors[to].id
    with world.write(who) as unit:
        return sharing.share(unit, "customer", record, Wish(**more))


def listed(world: World, who: str, *args: tuple[str, str], now: datetime | None = None) -> set[int]:
    with world.company.unit(world.actors[who], now=now) as unit:
        query, problems = parse_query(list(args), unit.entity("customer"), unit.access("customer"))
        assert not problems
        found = {row["id"] for row in reading.find(unit, query).rows}
        assert reading.count(unit, query).number == len(found)
        return found


def events(world: World) -> list[tuple[str, int, dict[str, Any]]]:
    with world.company.database.read() as connection:
        rows = connection.execute(sa.select(SECURITY).order_by(SECURITY.c.id)).all()
    found = []
    for row in rows:
        if row.kind.startswith("share."):
            details = row.details
            found.append(
                (
                    row.kind,
                    row.user_id,
                    json.loads(details) if isinstance(details, str) else details,
                )
            )
    return found


# --- giving and taking back ----------------------------------------------------------------------
def test_a_share_opens_one_record_until_it_is_taken_back(world: World) -> None:
    hers, other = customer(world, "alice")["id"], customer(world, "alice")["id"]
    made = give(world, "alice", hers, "erin", note="  please\x00 call \n them ")
    assert listed(world, "erin") == {hers}
    with world.read("alice") as unit:
        [one] = sharing.shares_of(unit, "customer", hers)
    assert (one.whom, one.name, one.level, one.by, one.ended) == (
        "user", "Erin", "read", "Alice", False,
    )  # fmt: skip
    assert one.note == "please call them"
    with world.write("alice") as unit:
        sharing.take_back(unit, "customer", hers, made)
    assert listed(world, "erin") == set()
    assert other not in listed(world, "erin")
    erin, alice = world.actors["erin"].id, world.actors["alice"].id
    assert [(kind, by, said["to"]) for kind, by, said in events(world)] == [
        ("share.given", alice, erin),
        ("share.taken", alice, erin),
    ]
    with world.company.database.read() as connection:
        told = connection.execute(sa.select(NOTICE).where(NOTICE.c.user_id == erin)).all()
    assert len(told) == 1


def test_sharing_again_with_the_same_person_changes_the_share(local: World) -> None:
    hers = customer(local, "alice")
    first = give(local, "alice", hers["id"], "erin")
    assert give(local, "alice", hers["id"], "erin", level="write") == first
    assert local.change("erin", "customer", hers, name="By Erin")["version"] == 2
    give(local, "alice", hers["id"], "erin")
    with pytest.raises(Forbidden):
        local.change("erin", "customer", {"id": hers["id"], "version": 2}, name="Again")


def test_a_department_means_all_below_it_and_nobody_above(world: World) -> None:
    hers, inner = customer(world, "alice")["id"], customer(world, "alice")["id"]
    give(world, "alice", hers, department=world.west)
    assert hers in listed(world, "erin") & listed(world, "fred")
    below = world.actors["fred"].department
    give(world, "alice", inner, department=below)
    assert inner in listed(world, "fred")
    assert inner not in listed(world, "erin") | listed(world, "bob")


# --- who may -------------------------------------------------------------------------------------
def test_only_who_holds_the_right_shares_sees_and_ends_shares(local: World) -> None:
    bobs = customer(local, "bob")["id"]
    made = give(local, "bob", bobs, "alice", level="write")
    theirs = Wish(user=local.actors["erin"].id)
    for who, refusal in (("alice", Forbidden), ("zoe", Forbidden), ("erin", NotFound)):
        for act in (
            lambda unit: sharing.share(unit, "customer", bobs, theirs),
            lambda unit: sharing.shares_of(unit, "customer", bobs),
            lambda unit: sharing.take_back(unit, "customer", bobs, made),
        ):
            with pytest.raises(refusal), local.write(who) as unit:
                act(unit)
        with local.read(who) as unit:
            assert not sharing.may_share(unit, "customer", bobs)
    assert len(events(local)) == 1


def test_nobody_shares_more_than_he_has(local: World) -> None:
    free = customer(local, None)["id"]
    with pytest.raises(Forbidden):  # what lies in the pool is nobody's own to share
        give(local, "alice", free, "erin")
    hers = customer(local, "alice")["id"]
    narrow = customers()
    narrow["x-access"]["manager"]["write"] = "own"
    sources = small.sources(customer=narrow)
    sources["entity_defs/small/pack.json"] = json.dumps(PACK)
    publish(local.company, sources, "small", SYSTEM, check=check_sources, acknowledged=WHATEVER)
    give(local, "carol", hers, "erin")
    with pytest.raises(Forbidden) as refused:
        give(local, "carol", hers, "erin", level="write")
    assert refused.value.action == "write"


def test_a_share_is_of_its_record_only(local: World) -> None:
    one, two = customer(local, "alice")["id"], customer(local, "alice")["id"]
    made = give(local, "alice", one, "erin")
    with pytest.raises(NotFound), local.write("alice") as unit:
        sharing.take_back(unit, "customer", two, made)
    with pytest.raises(NotFound), local.write("alice") as unit:
        sharing.shares_of(unit, "contract", 1)  # a kind that is not shared by hand
    assert listed(local, "erin") == {one}


# --- what is refused -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({}, "J101"),
        ({"user": "erin", "department": "west"}, "J101"),
        ({"user": "erin", "level": "owner"}, "J102"),
        ({"user": "erin", "until": timedelta(days=-1)}, "J103"),
        ({"user": "erin", "until": timedelta(days=366 * 5 + 1)}, "J103"),
        ({"user": "nora"}, "J104"),
        ({"user": 999_999}, "J105"),
        ({"department": 999_999}, "J105"),
        ({"user": "alice"}, "J106"),
        ({"user": "zoe", "level": "write"}, "J108"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(
    local: World, wish: dict[str, Any], code: str
) -> None:
    hers = customer(local, "alice")["id"]
    given = dict(wish)
    if isinstance(given.get("user"), str):
        given["user"] = local.actors[given["user"]].id
    if given.get("department") == "west":
        given["department"] = local.west
    if "until" in given:
        given["until"] = (NOON + given["until"]).date()
    before = local.digest()
    with (
        pytest.raises(Failure) as refused,
        local.company.unit(local.actors["alice"], write=True, now=NOON) as unit,
    ):
        sharing.share(unit, "customer", hers, Wish(**given))
    assert refused.value.problems[0].code == code
    assert isinstance(refused.value, Invalid | Conflict)
    assert local.digest() == before


def test_a_closed_account_gets_no_share_and_a_record_not_more_than_so_many(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = customer(local, "alice")["id"]
    with local.company.unit(SYSTEM, write=True) as unit:
        people.change_user(unit, local.actors["erin"].id, disabled_at=unit.now)
    with pytest.raises(Invalid) as refused:
        give(local, "alice", hers, "erin")
    assert refused.value.problems[0].code == "J105"
    monkeypatch.setattr(sharing, "MOST", 1)
    give(local, "alice", hers, "bob")
    give(local, "alice", hers, "bob", level="write")  # the same one
    with pytest.raises(Conflict) as full:
        give(local, "alice", hers, "fred")
    assert full.value.problems[0].code == "J107"


# --- how far it reaches --------------------------------------------------------------------------
def test_a_share_ends_with_its_last_day_in_the_company_s_calendar(world: World) -> None:
    hers = customer(world, "alice")["id"]
    with world.company.unit(world.actors["alice"], write=True, now=NOON) as unit:
        erin = world.actors["erin"].id
        sharing.share(unit, "customer", hers, Wish(user=erin, until=date(2026, 3, 31)))
    last = datetime(2026, 3, 31, 15, 59, tzinfo=UTC)  # a minute to midnight in Shanghai
    assert listed(world, "erin", now=last) == {hers}
    assert listed(world, "erin", now=last + timedelta(minutes=1)) == set()
    with world.company.unit(world.actors["alice"], now=last + timedelta(days=1)) as unit:
        assert [one.ended for one in sharing.shares_of(unit, "customer", hers)] == [True]


def test_a_share_opens_neither_fields_nor_grades(local: World) -> None:
    hers = customer(local, "alice", phone="13800138000", cost="5")["id"]
    give(local, "alice", hers, "erin", level="write")
    seen = local.get("erin", "customer", hers)
    assert {"phone", "cost"}.isdisjoint(seen)  # sales reads phones of its own only, costs never
    with pytest.raises(Failure):
        local.change("erin", "customer", {"id": hers, "version": 1}, cost="1")
    local.change("@system", "customer", {"id": hers, "version": 1}, secrecy="secret")
    assert listed(local, "erin") == set()


def test_who_loses_his_role_loses_what_was_shared_with_the_next_request(local: World) -> None:
    hers = customer(local, "alice")["id"]
    give(local, "alice", hers, "erin")
    with local.company.unit(SYSTEM, write=True) as unit:
        people.set_roles(unit, local.actors["erin"].id, [])
        erin = people.actor_of(unit.connection, local.actors["erin"].id)
    assert erin is not None
    with local.company.unit(erin) as unit, pytest.raises(NotFound):
        reading.read(unit, "customer", hers)


def test_a_removed_record_stays_shared_but_opens_nothing(local: World) -> None:
    hers = customer(local, "alice")
    give(local, "alice", hers["id"], "erin")
    local.remove("alice", "customer", hers)
    assert listed(local, "erin") == set()
    with pytest.raises(NotFound):
        local.get("erin", "customer", hers["id"])
    with local.write("alice") as unit:
        removing.restore(unit, "customer", hers["id"])
    assert listed(local, "erin") == {hers["id"]}


# --- shared with me ------------------------------------------------------------------------------
def test_the_list_of_what_others_shared_with_me(world: World) -> None:
    mine, theirs = customer(world, "erin")["id"], customer(world, "alice")["id"]
    secret = customer(world, "alice", secrecy="secret")["id"]
    give(world, "alice", theirs, "erin")
    give(world, "erin", mine, department=world.west)  # her own is not shared with her
    with world.company.unit(SYSTEM, write=True) as unit:
        hidden = {"entity": "customer", "record_id": secret, "level": "read", "at": unit.now}
        key = unit.app.database.ids.next(unit.connection)
        unit.connection.execute(
            sa.insert(SHARE).values(id=key, user_id=world.actors["erin"].id, **hidden)
        )
    me = ("shared", "me")
    assert listed(world, "erin", me) == {theirs}
    assert listed(world, "fred", me) == {mine}
    assert listed(world, "bob", me) == set()  # the statement of one is not the other's
    assert listed(world, "erin", me, ("f.name.contains", "bob")) == set()
    assert listed(world, "erin") == {mine, theirs}


def test_a_list_shared_with_others_is_no_list(local: World) -> None:
    with local.read("alice") as unit:
        for entity, value in (("customer", "erin"), ("contract", "me")):
            args = [("shared", value)]
            query, problems = parse_query(args, unit.entity(entity), unit.access(entity))
            assert [one.code for one in problems] == ["J110"]
            assert not query.shared


def test_the_badge_is_for_who_sees_a_record_by_a_share_alone(local: World) -> None:
    hers, free = customer(local, "alice")["id"], customer(local, None)["id"]
    give(local, "alice", hers, "erin", until=date(2031, 1, 1))
    give(local, "alice", hers, department=local.west)
    give(local, "root", free, "erin")
    give(local, "alice", hers, "zoe")
    with local.read("erin") as unit:
        found = sharing.received(unit, "customer", hers)
        assert found is not None
        assert (found.by, found.until) == ("Alice", None)  # the one that lasts longest
        assert sharing.received(unit, "customer", free) is None  # she sees the pool anyway
    for who in ("zoe", "alice"):
        with local.read(who) as unit:
            assert sharing.received(unit, "customer", hers) is None


# --- leaving, and departments that are closed -----------------------------------------------------
def test_what_was_shared_with_a_leaver_goes_to_his_successor(local: World) -> None:
    one, two, over = (customer(local, "alice")["id"] for _ in range(3))
    give(local, "alice", one, "erin", level="write")
    give(local, "alice", two, "erin", level="write")
    give(local, "alice", two, "fred")
    with local.company.unit(local.actors["alice"], write=True, now=NOON - timedelta(9)) as unit:
        erin = local.actors["erin"].id
        sharing.share(unit, "customer", over, Wish(user=erin, until=(NOON - timedelta(8)).date()))
    with local.write("root") as unit:
        parts = {part.key: part for part in handover.preview(unit, erin).sections}
        assert parts["shares"].count == 2
        report = handover.execute(unit, erin, {"shares": local.actors["fred"].id})
    assert report.moved["shares"] == 1
    assert listed(local, "fred") == {one, two}
    assert listed(local, "erin") == set()
    with local.read("alice") as unit:
        assert [s.level for s in sharing.shares_of(unit, "customer", two)] == ["read"]
        assert sharing.shares_of(unit, "customer", over) == []


def test_a_closed_department_has_no_shares_any_more(local: World) -> None:
    hers = customer(local, "alice")["id"]
    inner = local.actors["fred"].department
    assert inner is not None
    give(local, "alice", hers, department=inner)
    with local.write("root") as unit:
        departments.remove(unit, inner, local.west)
    with local.read("alice") as unit:
        assert sharing.shares_of(unit, "customer", hers) == []
    assert events(local)[-1][0] == "share.taken"
    with pytest.raises(Invalid):
        give(local, "alice", hers, department=inner)


# --- the pages -----------------------------------------------------------------------------------
@pytest.fixture
def firm(site: Site) -> int:
    return site.create("customer", "wang", name="启明机械有限公司", kind="organisation")


def said(page: str, *words: str) -> Sequence[str]:
    return [word for word in words if word not in page]


def test_the_page_shares_shows_and_takes_back(site: Site, firm: int) -> None:
    wang, sun = site.browser("wang"), site.browser("sun")
    address = f"/e/customer/{firm}"
    assert sun.get(address).status_code == 404
    assert f'href="/acme{address}/shares"' in wang.get(address).text
    assert wang.get(f"{address}/shares").status_code == 200
    form = {"user": site.person("sun"), "level": "read", "term": "7", "note": "请协助报价"}
    assert wang.post(f"{address}/shares", form).status_code == 303
    page = wang.get(f"{address}/shares").text
    assert not said(page, "孙丽", "请协助报价")
    hers = sun.get(address)
    assert hers.status_code == 200
    assert "record-hint" in hers.text
    assert f"{address}/shares" not in hers.text  # she may not share it on
    assert "启明机械" in sun.get("/e/customer?shared=me").text
    assert sun.get(f"{address}/shares").status_code == 403
    take = page.split('/take"')[0].rsplit('"', 1)[1] + "/take"
    assert wang.post(take.removeprefix("/acme")).status_code == 303
    assert sun.get(address).status_code == 404


def test_a_refused_form_comes_back_with_what_was_typed(site: Site, firm: int) -> None:
    wang = site.browser("wang")
    shares = f"/e/customer/{firm}/shares"
    for form, status in (
        ({"note": "wer?"}, 422),
        ({"user": site.person("sun"), "term": "date", "until": "gestern", "note": "wer?"}, 422),
        ({"user": site.person("sun"), "term": "date", "until": "", "note": "wer?"}, 422),
        ({"user": "0x1", "department": "-", "note": "wer?"}, 422),
    ):
        found = wang.post(shares, form)
        assert found.status_code == status
        assert not said(found.text, 'class="problem"', 'value="wer?"')
    assert site.browser("sun").post(shares, {"user": "1"}).status_code == 404


# --- the API -------------------------------------------------------------------------------------
def test_the_api_shares_lists_and_takes_back(site: Site, firm: int) -> None:
    wang, sun = site.browser("wang"), site.browser("sun")
    at = f"/api/v1/customer/{firm}/shares"
    made = wang.post(at, json={"user": site.person("sun"), "until": "2030-01-31"})
    assert made.status_code == 201
    body = made.get_json()
    assert (body["user"], body["level"], body["until"]) == (
        site.person("sun"),
        "read",
        "2030-01-31",
    )
    assert wang.get(at).get_json()["items"] == [body]
    assert sun.get(at).status_code == 403
    assert sun.get("/api/v1/customer?shared=me").get_json()["count"] == 1
    assert sun.get("/api/v1/customer?shared=you").status_code == 422
    for wrong, code in (
        ({"user": "sun"}, "J105"),
        ({"user": True}, "J105"),
        ({"user": 2**70}, "J105"),
        ({"user": 5, "level": 3}, "J102"),
        ({"user": 5, "until": 20300131}, "J103"),
        ({"user": 5, "until": "soon"}, "J103"),
    ):
        answer = wang.post(at, json=wrong)
        assert (answer.status_code, answer.get_json()["problems"][0]["code"]) == (422, code)
    token = {"X-CSRF-Token": wang.token}
    path = f"/acme{at}/{body['id']}"
    assert sun.client.delete(path, headers={"X-CSRF-Token": sun.token}).status_code in (400, 403)
    assert wang.client.delete(path, headers=token).status_code == 204
    assert wang.client.delete(path, headers=token).status_code == 404
    assert sun.get("/api/v1/customer?shared=me").get_json()["count"] == 0
