"""A2 A record that somebody may not see is not there: behind every door, in every count, under
every name."""

from __future__ import annotations

import re
import statistics
import time
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.guards import state
from tests.security.inventory import doors, paths
from tests.security.world import World, tokens

from engine.records import people, writing
from engine.tables import system

NOBODYS: Final = 999_999_998  # no record has this id
DOORS: Final = sorted(
    (door.endpoint, door.method)
    for door in doors()
    if door.who == "person" and door.kind in ("reads", "writes")
)


def plain(answer: Any, id: int) -> tuple[int, str, dict[str, str]]:
    """An answer without the id that was asked for and without what is new in each answer."""
    text = re.sub(rf"\b{id}\b", "ID", answer.get_data(as_text=True))
    text = re.sub(r"\b[0-9a-f]{32,64}\b", "HEX", text)
    text = re.sub(r'(name="(?:token|key)" value=")[^"]*', r"\1", text)
    kept = {k: v.replace(str(id), "ID") for k, v in answer.headers.items()}
    for name in ("Set-Cookie", "Content-Length", "Date"):
        kept.pop(name, None)
    return answer.status_code, text, kept


@pytest.mark.parametrize(("endpoint", "method"), DOORS, ids=[f"{m} {e}" for e, m in DOORS])
@pytest.mark.parametrize("key", ["customer-c5", "contract-k8", "note-n4"])
def test_a2_2_unseen_is_the_same_as_not_there(
    still: World, endpoint: str, method: str, key: str
) -> None:
    """Status, body and headers, at every door that takes a record."""
    alice, unseen = still.served.visitor("t1", "alice"), still.id(key)
    said = []
    for id in (unseen, NOBODYS):
        entity = key.split("-", maxsplit=1)[0]
        gaps = {"company": "t1", "entity": entity, "id": id, "task": id, "instance": id, "file": id}
        for path in paths(still.served.app, endpoint, method, **gaps):
            if str(id) not in path:
                continue
            more: dict[str, Any] = {}
            if method != "GET":
                api = "/api/" in path
                more = {"json": {"version": 1}} if api else {"data": {"version": "1"}}
            answer = alice.send(method, path.removeprefix("/t1"), **more)
            assert not tokens(answer.get_data(as_text=True)) & {"CNRY-t1-customer-c5-name"}
            said.append(plain(answer, id))
    if said:
        assert said[0] == said[1]
        assert said[0][0] in (400, 404, 405, 422), said[0][0]


@pytest.mark.parametrize(
    "door", ["/api/v1/customer/{}", "/e/customer/{}", "/api/v1/customer/{}/history"]
)
def test_a2_2_nor_does_the_time_tell(still: World, door: str) -> None:
    alice = still.served.visitor("t1", "alice")
    for _ in range(3):  # a busy machine may be slow at one of the two
        times: dict[int, list[float]] = {still.id("customer-c5"): [], NOBODYS: []}
        for id in list(times) * 25:
            start = time.perf_counter()
            alice.get(door.format(id))
            times[id].append(time.perf_counter() - start)
        one, other = (statistics.median(each) for each in times.values())
        if abs(one - other) < 0.02:
            return
    pytest.fail(f"{one:.4f} s and {other:.4f} s")


LISTS: Final = (
    "/api/v1/customer?size=100", "/api/v1/customer?f.id.in={c3},{c5},{c1}", "/e/customer?size=100",
    "/api/v1/customer?f.id.eq={c5}", "/api/v1/customer?f.id.gt=0&sort=-id",
    "/e/customer?view=board",
    "/api/v1/contact?f.customer.eq={c5}", "/e/contact?f.customer.eq={c5}", "/search?q=c5",
    "/api/v1/customer?q=c5", "/search/suggest?q=CNRY", "/e/contract/lookup/customer?q=c5",
    "/e/contact/lookup/customer", "/e/customer?view=calendar", "/e/customer/removed", "/",
    "/e/contract/new?customer={c5}", "/e/customer/new?copy={c5}", "/approvals?tab=done",
    "/notifications", "/api/v1/tasks?tab=done", "/e/note?size=100",
    "/api/v1/note?cols=customer,body",
    "/e/customer?f.owner.eq={erin}", "/api/v1/receivable", "/e/receivable", "/search?q=Erin",
)  # fmt: skip


@pytest.mark.parametrize("door", LISTS)
def test_a2_1_no_list_has_what_is_not_ones_own(tried: World, door: str) -> None:
    alice = tried.served.visitor("t1", "alice")
    names = {key.split("-")[1]: id for key, id in tried.keys.items() if key.startswith("customer")}
    names["erin"] = tried.served.actor("t1", "erin").id
    answer = alice.get(door.format(**names))
    assert answer.status_code in (200, 404, 422)
    others = [
        t for t in tokens(answer.text) if re.search(r"-c(3|4|5|10|11|13|14)-|-k[5-9]-|-n[3-6]-", t)
    ]
    assert not others
    assert f'/e/customer/{names["c5"]}"' not in answer.text


def test_a2_3_counts_are_of_what_is_seen(tried: World) -> None:
    oracle = tried.oracle()
    for login in ("alice", "erin", "carol", "dave", "zoe"):
        person = tried.served.visitor("t1", login)
        for entity in ("customer", "contract", "note"):
            seen = oracle.visible(login, entity)
            for level in ("a", "b") if entity == "customer" else ("",):
                some = {
                    id for id in seen
                    if not level or oracle.facts.records[entity][id]["level"] == level
                }  # fmt: skip
                asked = f"?f.level.eq={level}" if level else ""
                answer = person.get(f"/api/v1/{entity}{asked}")
                assert answer.json["count"] == len(some), (login, entity, level)
                assert not answer.json["more"]
        found = person.get("/search?q=CNRY-t1-customer").text
        if said := re.search(r'/e/customer\?q=[^"]*"[^>]*>[^<]*?(\d+)', found):
            assert int(said[1]) <= len(oracle.visible(login, "customer"))


def test_a2_3_paging_goes_over_what_is_seen(world: World) -> None:
    """Every page but the last is full, forwards and back, however much lies between."""
    with world.unit() as unit:
        for at in range(90):
            owner = world.served.actor("t1", "erin" if at % 3 else "alice").id
            name = f"page {at % 7} {at:02}"
            writing.create(unit, "customer", {"name": name, "owner": owner, "level": "a"})
    alice, seen = world.served.visitor("t1", "alice"), list[int]()
    asked, pages = "", list[int]()
    while len(pages) < 9:
        found = alice.get(f"/api/v1/customer?size=20&sort=name{asked}").json
        seen += [row["id"] for row in found["items"]]
        pages.append(len(found["items"]))
        if not found["next"]:
            break
        asked = f"&after={found['next']}"
    assert pages == [20, 16]
    assert sorted(seen) == sorted(world.oracle().visible("alice", "customer"))
    back = alice.get(f"/api/v1/customer?size=20&sort=name&before={found['previous']}").json
    assert [row["id"] for row in back["items"]] == seen[:20]


REFERENCES: Final = (
    ("contact", "customer", "c5"),
    ("contract", "customer", "c5"),
    ("note", "customer", "c5"),
)


@pytest.mark.parametrize(("entity", "field", "key"), REFERENCES)
def test_a2_4_pointing_at_the_unseen_is_pointing_at_nothing(
    tried: World, entity: str, field: str, key: str
) -> None:
    alice, said = tried.served.visitor("t1", "alice"), []
    title = {"contact": "name", "contract": "title", "note": "body"}[entity]
    for id in (tried.id(f"customer-{key}"), NOBODYS):
        answer = alice.api("POST", f"/{entity}", {title: "A new one", field: id})
        said.append(plain(answer, id))
        form = alice.form(
            f"/e/{entity}/new", [(f"f_{title}", "A new one"), (f"f_{field}", str(id))]
        )
        said.append((form.status_code, "", {}))
    assert said[0] == said[2]
    assert said[1] == said[3]
    assert said[0][0] == 422
    assert said[1][0] == 422


def test_a2_4_an_unseen_neighbour_has_no_name(still: World) -> None:
    """The note is for everybody; the customer that it points at is not."""
    alice = still.served.visitor("t1", "alice")
    note, customer = still.id("note-n2"), still.id("customer-c3")
    for path in (f"/e/note/{note}", "/e/note", f"/api/v1/note/{note}", "/api/v1/note?q=CNRY"):
        answer = alice.get(path)
        assert answer.status_code == 200
        assert "customer-c3" not in answer.text
    assert alice.get(f"/e/customer/{customer}").status_code == 404, "where its number leads"


CHANGES: Final = {
    "PATCH": lambda p, e, id: p.api("PATCH", f"/{e}/{id}", {"remark": "mine", "version": 2}),
    "DELETE": lambda p, e, id: p.send("DELETE", f"/api/v1/{e}/{id}", headers={"If-Match": '"2"'}),
    "restore": lambda p, e, id: p.api("POST", f"/{e}/{id}/restore", {}),
    "event": lambda p, e, id: p.api("POST", f"/{e}/{id}/events/submit", {}),
    "decision": lambda p, e, id: p.api("POST", f"/{e}/{id}/events/task.approve", {}),
    "edit": lambda p, e, id: p.form(f"/e/{e}/{id}/edit", [("f_remark", "mine"), ("version", "2")]),
    "delete": lambda p, e, id: p.form(f"/e/{e}/{id}/delete", [("version", "2")]),
    "comment": lambda p, e, id: p.form(f"/e/{e}/{id}/comment", [("comment", "mine")]),
    "star": lambda p, e, id: p.form(f"/e/{e}/{id}/star", [("on", "1")]),
    "fire": lambda p, e, id: p.form(f"/e/{e}/{id}/fire", [("event", "submit"), ("version", "2")]),
    "move": lambda p, e, id: p.form(f"/e/{e}/{id}/move", [("value", "a"), ("version", "2")]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("key", ["customer-c5", "contract-k8", "note-n3", "customer-c13"])
def test_a2_5_nothing_is_done_to_the_unseen(kept: World, change: str, key: str) -> None:
    company = kept.served.company("t1")
    alice = kept.served.visitor("t1", "alice")
    alice.send("POST", "/search")
    before = state(company)
    answer = CHANGES[change](alice, key.split("-", maxsplit=1)[0], kept.id(key))
    assert answer.status_code == 404, answer.status_code
    assert state(company) == before


def test_a2_5_several_decisions_at_once_count_one_by_one(still: World) -> None:
    """Of two tasks, one his and one not: told apart, and only his is done."""
    carol = still.served.visitor("t1", "carol")
    mine = [item["task"] for item in carol.get("/api/v1/tasks").json["items"]]
    form = [("task", str(mine[0])), ("task", str(NOBODYS)), ("decision", "approve")]
    answer = carol.form("/approvals/bulk", form)
    assert answer.status_code in (200, 303, 404, 422)


def test_a2_7_a_role_that_was_taken_is_gone_with_the_next_request(world: World) -> None:
    zoe = world.served.visitor("t1", "zoe")
    assert zoe.get("/api/v1/customer").json["count"] > 5
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "zoe").id, [])
    assert zoe.get("/api/v1/customer").status_code == 404
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "zoe").id, ["sales"])
    assert zoe.get("/api/v1/customer").json["count"] == 2, "the pool"


def test_a2_7_what_is_handed_over_is_gone_with_the_next_request(world: World) -> None:
    alice, bob = (world.served.visitor("t1", one) for one in ("alice", "bob"))
    id = world.id("customer-c1")
    assert alice.get(f"/api/v1/customer/{id}").status_code == 200
    assert bob.get(f"/api/v1/customer/{id}").status_code == 404
    with world.unit() as unit:
        writing.change(unit, "customer", id, {"owner": world.served.actor("t1", "bob").id}, 2)
    assert alice.get(f"/api/v1/customer/{id}").status_code == 404
    assert bob.get(f"/api/v1/customer/{id}").status_code == 200


def test_a2_7_another_department_counts_with_the_next_request(world: World) -> None:
    carol = world.served.visitor("t1", "carol")
    id = world.id("customer-c5")
    assert carol.get(f"/api/v1/customer/{id}").status_code == 404
    with world.unit() as unit:
        west = next(d.id for d in people.departments(unit.connection) if d.name == "West")
        people.change_user(unit, world.served.actor("t1", "carol").id, department_id=west)
    assert carol.get(f"/api/v1/customer/{id}").status_code == 200
    assert carol.get(f"/api/v1/customer/{world.id('customer-c1')}").status_code == 404


def test_a2_7_a_share_begins_and_ends_with_the_next_request(world: World) -> None:
    alice, table = world.served.visitor("t1", "alice"), system.SHARE
    id = world.id("customer-c6")
    assert alice.get(f"/api/v1/customer/{id}").status_code == 200
    with world.unit() as unit:
        unit.connection.execute(
            sa.update(table).where(table.c.record_id == id).values(until="2020-01-01")
        )
    assert alice.get(f"/api/v1/customer/{id}").status_code == 404


@pytest.mark.parametrize("login", ["alice", "bob", "erin", "carol", "dave", "zoe"])
def test_a2_8_removed_records_are_in_the_bin_of_those_who_saw_them(
    tried: World, login: str
) -> None:
    oracle, person = tried.oracle(), tried.served.visitor("t1", login)
    for id, record in oracle.facts.removed["customer"].items():
        seen = oracle.row(login, "read", "customer", record)
        assert person.get(f"/api/v1/customer/{id}").status_code == 404
        assert person.get(f"/api/v1/customer?f.id.eq={id}").json["items"] == []
        name = str(record["name"])
        assert (name in person.get("/e/customer/removed").text) <= seen
        for path in (
            "/e/customer?size=100",
            f"/search?q={name}",
            f"/e/contract/lookup/customer?q={name}",
        ):
            assert f"/e/customer/{id}" not in person.get(path).text


def test_a2_9_a_rule_over_a_neighbour_holds_everywhere(world: World) -> None:
    """Contacts are seen by whoever owns their customer; one of nobody's customer by nobody."""
    alice = world.served.visitor("t1", "alice")
    mine, pooled = world.id("contact-t1"), world.id("contact-t4")
    assert {row["id"] for row in alice.get("/api/v1/contact").json["items"]} == {mine}
    assert alice.get(f"/api/v1/contact/{pooled}").status_code == 404
    body = {"remark": "mine", "version": 1}
    assert alice.api("PATCH", f"/contact/{pooled}", body).status_code == 404
    assert alice.api("PATCH", f"/contact/{mine}", body).status_code == 200
    with world.unit() as unit:
        writing.change(unit, "customer", world.id("customer-c1"), {"owner": None}, 2)
    assert alice.get("/api/v1/contact").json["items"] == []


def test_a2_10_a_rule_that_cannot_be_read_denies(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.access import predicates

    monkeypatch.setattr(still.served.company("t1").current, "_access", {})
    monkeypatch.setattr(still.served.company("t1").current, "_statements", {})

    def broken(_: str) -> None:
        from engine.expressions import ExpressionError
        from engine.problems import Problem

        raise ExpressionError(Problem("X001"))

    monkeypatch.setattr(predicates, "parse", broken)
    alice = still.served.visitor("t1", "alice")
    assert alice.get("/api/v1/contact").status_code in (403, 404)
    assert alice.get(f"/api/v1/contact/{still.id('contact-t1')}").status_code == 404


def test_a2_11_the_pool_shows_what_may_be_known_before(tried: World) -> None:
    """Before somebody has taken a record out of the pool, sales see four fields of it."""
    alice: Visitor = tried.served.visitor("t1", "alice")
    shown = alice.get(f"/api/v1/customer/{tried.id('customer-c8')}").json
    assert {"name", "level", "region", "owner"} <= shown.keys()
    assert not {"remark", "phone", "papers", "next_visit", "inside"} & shown.keys()
    rows = alice.get("/api/v1/customer?cols=name,phone,remark&size=100").json["items"]
    pool = next(row for row in rows if row["id"] == tried.id("customer-c8"))
    assert not {"phone", "remark"} & pool.keys()
    for asked in ("f.remark.contains=c8", "f.phone.filled=1", "q=c8-remark"):
        found = alice.get(f"/api/v1/customer?{asked}").json["items"]
        assert tried.id("customer-c8") not in {row["id"] for row in found}, asked
