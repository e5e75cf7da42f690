"""A15 Two companies of the same names and the same ids know nothing of each other, and what was
kept for one reader is not shown to the next."""

from __future__ import annotations

import threading
from typing import Final

import pytest
import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.crawl import Crawl
from tests.security.guards import business
from tests.security.inventory import addresses
from tests.security.world import READERS, World

from dougong.security import SESSION_COOKIE
from engine.records import people, writing
from engine.tables import system

KINDS: Final = ("customer", "contract", "note")


def foreign(visitor: Visitor, other: str) -> Visitor:
    """A browser with the cookie of one company, looking at another."""
    cookie = visitor.client.get_cookie(SESSION_COOKIE, path=f"/{visitor.key}/")
    assert cookie is not None
    client = visitor.client.application.test_client()
    client.set_cookie(SESSION_COOKIE, cookie.value, path=f"/{other}/")
    return Visitor(client, other)


@pytest.mark.parametrize("login", ["admin", "alice", "carol", "zoe"])
@pytest.mark.parametrize("entity", KINDS)
def test_a15_1_a_session_of_one_company_is_none_of_the_other(
    still: World, login: str, entity: str
) -> None:
    """At every address."""
    stranger = foreign(still.served.visitor("t1", login), "t2")
    id = next(iter(still.oracle("t2").facts.records[entity]))
    for door, path in addresses(still.served.app, company="t2", entity=entity, id=id):
        if door.who in ("anonymous", "token") or (
            door.kind == "administration" and login != "admin"
        ):
            continue
        answer = stranger.client.open(path, method=door.method)
        assert answer.status_code in (302, 400, 401, 404), (path, answer.status_code)
        assert "CNRY-t2" not in answer.text, path


@pytest.mark.parametrize("login", ["alice", "carol", "zoe"])
def test_a15_1_one_company_shows_nothing_of_the_other(still: World, login: str) -> None:
    """The same people, the same ids, the same process: their canaries differ in one letter."""
    for tenant, other in (("t1", "t2"), ("t2", "t1")):
        crawl = Crawl(still, login, tenant, links=0)
        seen = [crawl.visit("GET", path) for path in (
            f"/{tenant}/", f"/{tenant}/e/customer", f"/{tenant}/e/contract",
            f"/{tenant}/search?q=CNRY",
            f"/{tenant}/search/suggest?q=CNRY", f"/{tenant}/approvals", f"/{tenant}/notifications",
            f"/{tenant}/e/customer/{still.id('customer-c1')}", f"/{tenant}/e/note?view=board",
            f"/{tenant}/api/v1/customer?size=100", f"/{tenant}/e/customer?view=calendar",
        )]  # fmt: skip
        assert not crawl.leaks, crawl.leaks[:5]
        assert crawl.found
        assert not any(f"CNRY-{other}" in page for page in seen)


def test_a15_1_files_and_numbers_are_each_companys_own(world: World) -> None:
    with world.served.company("t2").database.read() as connection:
        ids = list(connection.scalars(sa.select(system.FILE.c.id)))
    for id in ids:
        for login in ("admin", "alice"):
            answer = world.served.visitor("t1", login).get(f"/e/@file/{id}")
            assert "CNRY-t2" not in answer.get_data(as_text=True)
    before = business(world.served.company("t2"))
    one = world.served.visitor("t1", "alice").api("POST", "/note", {"body": "mine"}).json["id"]
    assert business(world.served.company("t2")) == before
    assert world.served.visitor("t2", "alice").get(f"/api/v1/note/{one}").status_code == 404
    two = world.served.visitor("t2", "alice").api("POST", "/note", {"body": "mine"}).json["id"]
    assert one == two, "each company counts for itself"


@pytest.mark.parametrize("entity", ["customer", "contract", "note", "receivable"])
def test_a15_2_what_was_compiled_for_one_reader_is_not_used_for_the_next(
    tried: World, entity: str
) -> None:
    """The same question, asked by everybody in turn, twice, forwards and back."""
    oracle = tried.oracle()
    for login in (*READERS, *reversed(READERS)):
        answer = tried.served.visitor("t1", login).get(f"/api/v1/{entity}?size=100&sort=id")
        seen = oracle.visible(login, entity)
        if answer.status_code != 200:
            assert not seen
            continue
        assert {row["id"] for row in answer.json["items"]} == seen, login
        for row in answer.json["items"]:
            record = oracle.facts.records[entity][row["id"]]
            for name in row.keys() - {"id", "version"}:
                if name in oracle.entities[entity]["properties"]:
                    assert oracle.cell(login, entity, record, name) != "hidden", (login, name)


def test_a15_2_readers_at_the_same_moment(still: World) -> None:
    """Eight threads with different eyes on one list."""
    wrong: list[str] = []
    oracle = still.oracle()

    def look(login: str) -> None:
        person = still.served.visitor("t1", login)
        for _ in range(6):
            found = {row["id"] for row in person.get("/api/v1/customer?size=100").json["items"]}
            if found != oracle.visible(login, "customer"):
                wrong.append(login)

    threads = [threading.Thread(target=look, args=(login,)) for login in READERS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a15_2_language_and_role_change_at_once(world: World) -> None:
    zoe = world.served.visitor("t1", "zoe")
    id = world.id("customer-c1")
    assert "masked" in str(zoe.get(f"/api/v1/customer/{id}").json["phone"])
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "zoe").id, ["finance"])
    assert zoe.get(f"/api/v1/customer/{id}").json["phone"] == "13970000001"
    with world.unit() as unit:
        people.set_roles(unit, world.served.actor("t1", "zoe").id, ["auditor"])
    assert "masked" in str(zoe.get(f"/api/v1/customer/{id}").json["phone"])


def test_a15_4_things_of_the_same_name_are_not_mixed_up(world: World) -> None:
    """Joins are by id: two customers of one name keep their own notes and contracts."""
    with world.unit() as unit:
        alice, erin = (world.served.actor("t1", one).id for one in ("alice", "erin"))
        mine = writing.create(unit, "customer", {"name": "One name", "level": "a", "owner": alice})
        other = writing.create(unit, "customer", {"name": "One name", "level": "a", "owner": erin})
        for owner, customer, said in ((alice, mine, "mine"), (erin, other, "hers")):
            note = {"body": f"note {said}", "customer": customer["id"], "owner": owner}
            writing.create(unit, "note", {**note, "secrecy": "open"})
            contact = {"name": f"contact {said}", "customer": customer["id"]}
            writing.create(unit, "contact", contact)
    page = world.served.visitor("t1", "alice").text(f"/e/customer/{mine['id']}")
    assert "contact mine" in page
    assert "contact hers" not in page
    assert "note hers" not in page
    found = world.served.visitor("t1", "alice").get("/api/v1/customer?q=One+name").json
    assert [row["id"] for row in found["items"]] == [mine["id"]]


@pytest.mark.parametrize("path", ["/", "/e/customer", "/api/v1/customer", "/account", "/e/nothing",
                                  "/api/v1/nothing", "/search?q=x", "/approvals"])  # fmt: skip
def test_a15_2_nothing_is_kept_between_us_and_the_browser(still: World, path: str) -> None:
    headers = still.served.visitor("t1", "alice").get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]
