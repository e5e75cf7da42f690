"""Tokens: a program acts in a person's name, on the API, within scopes, until one of them ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import Served, digest, dougong
from werkzeug.test import TestResponse

from engine.accounts import api_tokens
from engine.records import bearers, flows, writing
from engine.records.people import create_user
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system

EVERYTHING = {"*": list(api_tokens.RIGHTS)}


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    copytree(small, tmp_path / "data")
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


@pytest.fixture(scope="module")
def still(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, shared by tests that leave no more than a token or a record behind."""
    data = tmp_path_factory.mktemp("tokens") / "data"
    copytree(small, data)
    found = Served.open(data)
    yield found
    found.installation.close()


@dataclass
class Program:
    """A client without cookies that sends a token with everything."""

    served: Served
    text: str

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.text}", **more.pop("headers", {})}
        client = self.served.app.test_client(use_cookies=False)
        if body is not None:
            more["json"] = body
        return client.open(f"/small/api/v1{path}", method=method, headers=headers, **more)

    def status(self, method: str, path: str, body: Any = None) -> int:
        return self.ask(method, path, body).status_code


def program(
    served: Served,
    login: str,
    scopes: Mapping[str, list[str]] = EVERYTHING,
    made: datetime | None = None,
) -> Program:
    """A program with a fresh token of somebody's."""
    now = made or datetime.now(UTC)
    me = served.actor("small", login).id
    database = served.company("small").database
    with database.write() as connection:
        wanted = api_tokens.new(me, "robot", scopes, 90, now)
        return Program(served, api_tokens.make(database, connection, now, wanted, by=me))


def customer(served: Served, login: str = "alice", **values: Any) -> dict[str, Any]:
    with served.company("small").unit(served.actor("small", login), write=True) as unit:
        wanted = {"name": "Northern", "owner": str(unit.actor.id), **values}
        return writing.create(unit, "customer", wanted)


# --- what a token opens --------------------------------------------------------------------------


def test_a_program_works_as_its_owner_without_cookies_or_form_tokens(still: Served) -> None:
    alice, me = program(still, "alice"), str(still.actor("small", "alice").id)
    made = alice.ask("POST", "/customer", {"name": "Northern", "owner": me})
    assert made.status_code == 201
    id, version = made.json["id"], made.json["version"]  # type: ignore[index]
    assert alice.ask("GET", f"/customer/{id}").json["name"] == "Northern"  # type: ignore[index]
    assert alice.status("PATCH", f"/customer/{id}", {"version": version, "cost": "1"}) == 422
    changed = alice.ask("PATCH", f"/customer/{id}", {"version": version, "name": "Southern"})
    assert changed.status_code == 200
    gone = alice.ask("DELETE", f"/customer/{id}", headers={"If-Match": str(version + 1)})
    assert gone.status_code == 204
    assert program(still, "zoe").status("POST", "/customer", {"name": "Western"}) == 403
    assert "Set-Cookie" not in made.headers


def test_cookies_count_for_nothing_beside_a_token(still: Served) -> None:
    root = still.visitor("small", "root")
    root.get("/")
    zoe = program(still, "zoe")
    for text, status in ((zoe.text, 403), ("dg_" + "x" * 43, 401), ("", 401)):
        headers = {"Authorization": f"Bearer {text}"}
        answer = root.client.post("/small/api/v1/customer", json={"name": "N."}, headers=headers)
        assert answer.status_code == status


def test_pages_know_no_tokens(still: Served) -> None:
    root = program(still, "root")
    client = still.app.test_client(use_cookies=False)
    for path in ("/small/", "/small/account", "/small/e/customer", "/small/ops/", "/small/login"):
        answer = client.get(path, headers={"Authorization": f"Bearer {root.text}"})
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_in_the_address_is_refused_with_a_sentence(still: Served) -> None:
    alice = program(still, "alice")
    client = still.app.test_client()
    for query in (f"token={alice.text}", f"access_token={alice.text}", "token="):
        answer = client.get(f"/small/api/v1/customer?{query}")
        assert answer.status_code == 400
        assert "header" in answer.get_data(as_text=True) or "请求头" in answer.get_data(
            as_text=True
        )
        assert alice.ask("GET", f"/customer?{query}").status_code == 400


def test_every_token_that_does_not_hold_gets_the_same_answer(served: Served) -> None:
    now = datetime.now(UTC)
    expired = program(served, "alice", made=now - timedelta(days=91))
    revoked, closed, made_up = program(served, "alice"), program(served, "zoe"), "dg_" + "A" * 43
    with served.company("small").database.write() as connection:
        (held,) = [
            one.id
            for one in api_tokens.tokens_of(connection, served.actor("small", "alice").id)
            if one.holds(now)
        ]
        assert api_tokens.revoke(connection, now, held)
        disabled = system.USER.update().where(system.USER.c.login == "zoe")
        connection.execute(disabled.values(disabled_at=now))
    answers = {
        (found.status_code, found.get_data(), found.headers["WWW-Authenticate"])
        for text in (expired.text, revoked.text, closed.text, made_up, "dg_", "x", "ü" * 46)
        for found in [Program(served, text).ask("GET", "/customer")]
    }
    assert len(answers) == 1
    assert next(iter(answers))[::2] == (401, "Bearer")


def test_what_is_taken_away_is_gone_with_the_next_request(served: Served, small: Path) -> None:
    """Also in another process, which here is another application on the same data."""
    id = customer(served)["id"]
    alice = program(served, "alice")
    elsewhere = Served.open(served.installation.settings.data)
    there = Program(elsewhere, alice.text)
    assert there.status("GET", f"/customer/{id}") == 200
    with served.company("small").database.write() as connection:
        mine = system.USER_ROLE.c.user_id == served.actor("small", "alice").id
        connection.execute(system.USER_ROLE.delete().where(mine))
    assert there.status("GET", f"/customer/{id}") == alice.status("GET", f"/customer/{id}") == 404
    with served.company("small").database.write() as connection:
        assert api_tokens.revoke_all(
            connection, datetime.now(UTC), served.actor("small", "alice").id
        )
    assert there.status("GET", "/customer") == 401
    elsewhere.installation.close()


def test_an_address_that_guesses_has_to_wait(served: Served) -> None:
    bad, good = Program(served, "dg_" + "B" * 43), program(served, "alice")
    for _ in range(bearers.BRAKE.most):
        assert bad.status("GET", "/customer") == 401
    answer = bad.ask("GET", "/customer")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
    forged = bad.ask("GET", "/customer", headers={"X-Forwarded-For": "10.1.2.3"})
    assert forged.status_code == 429
    assert bad.ask("GET", "/customer", environ_base={"REMOTE_ADDR": "10.9.9.9"}).status_code == 401
    assert good.status("GET", "/customer") == 200, "whoever has a token is not kept out by others"


def test_its_last_use_is_noted_now_and_then(served: Served) -> None:
    alice = program(served, "alice")
    table = system.TOKEN

    def used() -> tuple[Any, ...]:
        with served.company("small").database.read() as connection:
            return tuple(connection.execute(sa.select(table.c.used_at, table.c.used_from)).one())

    assert used() == (None, "")
    alice.ask("GET", "/customer", environ_base={"REMOTE_ADDR": "10.0.0.7"})
    first = used()
    assert first[1] == "10.0.0.7"
    alice.ask("GET", "/customer", environ_base={"REMOTE_ADDR": "10.0.0.8"})
    assert used() == first
    with served.company("small").database.write() as connection:
        earlier = first[0] - api_tokens.USED_EVERY - timedelta(seconds=1)
        connection.execute(table.update().values(used_at=earlier))
    alice.ask("GET", "/customer", environ_base={"REMOTE_ADDR": "10.0.0.8"})
    assert used()[1] == "10.0.0.8"


def test_the_database_knows_no_token(served: Served) -> None:
    alice = program(served, "alice")
    with served.company("small").database.read() as connection:
        row = connection.execute(sa.select(system.TOKEN)).mappings().one()
        told = connection.execute(sa.select(system.SECURITY)).mappings().all()
    assert re.fullmatch(r"dg_[\w-]{43}", alice.text)
    assert alice.text not in repr(row) + repr(told)
    assert row["start"] == alice.text[: api_tokens.SHOWN]
    assert [one["kind"] for one in told] == ["token.made"]


# --- scopes --------------------------------------------------------------------------------------

CALLS = {
    "read": ("GET", "/customer/{id}", None),
    "write": ("PATCH", "/customer/{id}", {"version": 1, "name": "Changed"}),
    "create": ("POST", "/customer", {"name": "Another"}),
    "delete": ("DELETE", "/customer/{id}?x", None),
}


@pytest.mark.parametrize("right", CALLS)
@pytest.mark.parametrize("place", ["customer", "*"])
def test_each_right_opens_one_door(still: Served, right: str, place: str) -> None:
    """With `read` beside it, as far as the right is about records that there are."""
    id = customer(still)["id"]
    robot = program(still, "alice", {place: [right] + ["read"] * (right != "create")})
    robot.ask("GET", "/tasks")  # the first use is noted
    for name, (method, path, body) in CALLS.items():
        before = digest(still.company("small"))
        more = {"headers": {"If-Match": "1"}} if name == "delete" else {}
        status = robot.ask(method, path.format(id=id), body, **more).status_code
        if name == right or (name == "read" and right != "create"):
            assert status in (200, 201, 204), (name, status)
            if name != "read":
                return
        else:
            assert status in (403, 404), (name, status)
            assert digest(still.company("small")) == before


def test_without_read_the_entity_is_not_there(still: Served) -> None:
    id = customer(still)["id"]
    robot = program(still, "alice", {"note": ["read"], "customer": ["write", "delete"]})
    for method, path, body in (
        ("GET", "/customer", None),
        ("GET", f"/customer/{id}", None),
        ("GET", f"/customer/{id}/history", None),
        ("GET", f"/customer/{id}/flow", None),
        ("PATCH", f"/customer/{id}", {"version": 1, "name": "Changed"}),
        ("DELETE", f"/customer/{id}", None),
        ("POST", "/customer", {"name": "Another"}),
        ("GET", "/explain?entity=customer", None),
        ("GET", f"/explain?entity=customer&record={id}", None),
    ):
        assert robot.status(method, path, body) == 404, (method, path)
    assert robot.status("GET", "/note") == 200
    # nor can it be reached through another entity
    refused = robot.ask("POST", "/note", {"body": "x", "customer": str(id)})
    assert refused.status_code == 403
    writer = program(still, "alice", {"note": ["read", "create"]})
    refused = writer.ask("POST", "/note", {"body": "x", "customer": str(id)})
    assert refused.status_code == 422
    for path in ("/note?f.customer.name.contains=N", "/note?sort=customer.name"):
        assert writer.status("GET", path) in (404, 422), path


def test_two_tokens_of_one_person_do_not_share_what_is_kept(served: Served) -> None:
    """What is compiled for the roles must not serve the narrow token, nor the other way round."""
    customer(served)
    wide, narrow = program(served, "alice"), program(served, "alice", {"note": ["read"]})
    for _ in range(2):
        assert narrow.status("GET", "/customer") == 404
        assert wide.ask("GET", "/customer").json["count"] == 1  # type: ignore[index]
    reader = program(served, "alice", {"customer": ["read"]})
    assert reader.status("POST", "/customer", {"name": "Another"}) == 403
    assert wide.status("POST", "/customer", {"name": "Another"}) == 201


def test_a_token_widens_nothing(still: Served) -> None:
    zoe = program(still, "zoe")
    assert zoe.status("POST", "/customer", {"name": "Another"}) == 403
    item = customer(still, phone="13800138000")
    found = zoe.ask("GET", f"/customer/{item['id']}").json
    assert found is not None
    assert "masked" in found["phone"]


def test_by_a_token_nobody_administers(still: Served) -> None:
    root = program(still, "root")
    assert root.status("GET", "/admin/cases") == 403
    assert root.status("GET", "/customer") == 200


def manager(served: Served) -> None:
    with served.company("small").unit(SYSTEM, write=True) as unit:
        create_user(unit, "carol", "Carol", roles=["manager"])


def in_review(served: Served) -> tuple[int, int]:
    """A contract that waits for a manager: its id and the task's."""
    manager(served)
    place = customer(served)["id"]
    me = served.actor("small", "alice")
    with served.company("small").unit(me, write=True) as unit:
        items = [{"what": "Chain", "quantity": 1, "price": "10"}]
        values = {"title": "T", "customer": str(place), "items": items}
        contract = writing.create(unit, "contract", values)
        flows.fire(unit, "contract", contract["id"], "submit")
        task = unit.connection.scalar(sa.select(system.WF_TASK.c.id))
    assert task is not None
    return contract["id"], task


def test_deciding_needs_the_right_to(served: Served) -> None:
    contract, task = in_review(served)
    reads = program(served, "carol", {"contract": ["read", "write", "events"]})
    assert reads.ask("GET", "/tasks").json["items"] == []  # type: ignore[index]
    assert reads.ask("GET", "/tasks").json["counts"]["todo"] == 0  # type: ignore[index]
    assert reads.status("POST", f"/tasks/{task}/approve", {}) == 403
    approve = f"/contract/{contract}/events/task.approve"
    assert reads.status("POST", approve, {}) == 403
    elsewhere = program(served, "carol", {"customer": ["read", "tasks"], "note": ["tasks"]})
    assert elsewhere.ask("GET", "/tasks").json["items"] == []  # type: ignore[index]
    assert elsewhere.status("POST", f"/tasks/{task}/approve", {}) == 404
    assert elsewhere.status("GET", f"/contract/{contract}/flow") == 404
    decides = program(served, "carol", {"contract": ["tasks"]})
    assert len(decides.ask("GET", "/tasks").json["items"]) == 1  # type: ignore[index]
    done = decides.ask("POST", f"/tasks/{task}/approve", {})
    assert done.status_code == 200, done.json


def test_events_need_the_right_to(served: Served) -> None:
    manager(served)
    place = customer(served)["id"]
    items = [{"what": "Chain", "quantity": 1, "price": "10"}]
    values = {"title": "T", "customer": str(place), "items": items}
    made = program(served, "alice").ask("POST", "/contract", values).json
    assert made is not None
    submit = f"/contract/{made['id']}/events/submit"
    less = program(served, "alice", {"contract": ["read", "write", "tasks"], "customer": ["read"]})
    refused = less.ask("POST", submit, {})
    assert refused.status_code == 403
    assert refused.json["problems"][0]["code"] == "T016"  # type: ignore[index]
    enough = program(served, "alice", {"contract": ["read", "events"], "customer": ["read"]})
    assert enough.status("POST", submit, {}) == 200


# --- on both databases ---------------------------------------------------------------------------


def test_whose_token_it_is_is_asked_each_time(database: Database) -> None:
    database.ddl(system.ensure)
    now = datetime.now(UTC)
    with database.write() as connection:
        person = {"id": 7, "login": "li", "name": "Li", "created_at": now, "is_operator": False}
        connection.execute(system.USER.insert().values(person))
        connection.execute(system.USER_ROLE.insert().values(user_id=7, role="sales"))
        wanted = api_tokens.new(7, "robot", {"customer": ["read", "fly"], "*": ["export"]}, 1, now)
        text = api_tokens.make(database, connection, now, wanted, by=7)
    found = bearers.bearer_of(database, text, now)
    assert found is not None
    assert (found.actor.id, found.actor.roles, found.touch) == (7, frozenset({"sales"}), True)
    assert found.actor.scopes == frozenset({("customer", "read"), ("*", "export")})
    bearers.touched(database, found, now, "10.0.0.1")
    again = bearers.bearer_of(database, text, now)
    assert again is not None
    assert not again.touch
    assert bearers.bearer_of(database, text[:-1] + "!", now) is None
    assert bearers.bearer_of(database, text, now + timedelta(days=1)) is None, "it has ended"
    with database.write() as connection:
        connection.execute(system.USER_ROLE.delete())
    less = bearers.bearer_of(database, text, now)
    assert less is not None
    assert not less.actor.roles
    with database.write() as connection:
        assert api_tokens.revoke(connection, now, found.token, user=8) is False
        assert api_tokens.revoke(connection, now, found.token)
        assert not api_tokens.revoke(connection, now, found.token)
    assert bearers.bearer_of(database, text, now) is None
    allowed = [bearers.guessed(database, now, "10.0.0.9") for _ in range(bearers.BRAKE.most + 1)]
    assert allowed == [True] * bearers.BRAKE.most + [False]
    assert bearers.guessed(database, now + bearers.BRAKE.window, "10.0.0.9")


# --- making and revoking -------------------------------------------------------------------------


def test_one_makes_sees_and_revokes_ones_own_tokens(served: Served) -> None:
    alice = served.visitor("small", "alice")
    assert "No tokens yet" in alice.text("/account/tokens")
    form = alice.text("/account/tokens/new")
    assert 'value="customer:read"' in form
    assert 'value="customer:export"' not in form, "one's roles do not allow it"
    page = alice.form(
        "/account/tokens/new",
        [("name", "Robot"), ("days", "30"), ("scope", "customer:read"), ("scope", "*:export")],
    )
    assert page.status_code == 200
    found = re.search(r'value="(dg_[\w-]{43})" readonly', page.get_data(as_text=True))
    assert found is not None
    assert Program(served, found[1]).status("GET", "/customer") == 200
    listed = alice.text("/account/tokens")
    assert found[1] not in listed
    assert found[1][: api_tokens.SHOWN] in listed
    assert "Robot" in listed
    number = re.search(r'name="id" value="(\d+)"', listed)
    assert number is not None
    zoe = served.visitor("small", "zoe")
    assert zoe.form("/account/tokens/revoke", [("id", number[1])]).status_code == 404
    assert Program(served, found[1]).status("GET", "/customer") == 200
    assert alice.form("/account/tokens/revoke", [("id", number[1])]).status_code == 303
    assert Program(served, found[1]).status("GET", "/customer") == 401
    with served.company("small").database.read() as connection:
        kinds = connection.scalars(sa.select(system.SECURITY.c.kind)).all()
    assert {"token.made", "token.revoked"} <= set(kinds)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([("name", ""), ("days", "30"), ("scope", "customer:read")], "name of at most"),
        ([("name", "A"), ("days", "0"), ("scope", "customer:read")], "between 1 and 366"),
        ([("name", "A"), ("days", "367"), ("scope", "customer:read")], "between 1 and 366"),
        ([("name", "A"), ("days", "²"), ("scope", "customer:read")], "between 1 and 366"),
        ([("name", "A"), ("days", "30")], "may do nothing"),
        ([("name", "A"), ("days", "30"), ("scope", "customer:own")], "may do nothing"),
        ([("name", "A"), ("days", "30"), ("scope", "dg_user:read")], "There is no"),
    ],
)
def test_a_form_that_is_not_in_order(
    still: Served, given: list[tuple[str, str]], code: str
) -> None:
    answer = still.visitor("small", "alice").form("/account/tokens/new", given)
    assert answer.status_code == 422
    assert code in answer.get_data(as_text=True)
    assert 'value="dg_' not in answer.get_data(as_text=True)


def test_a_token_is_not_made_without_proving_who_one_is(served: Served) -> None:
    alice = served.visitor("small", "alice")
    with served.company("small").database.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(system.SESSION.update().values(proved_at=long_ago))
    for answer in (
        alice.get("/account/tokens/new"),
        alice.form("/account/tokens/new", [("name", "A"), ("scope", "customer:read")]),
    ):
        assert answer.status_code in (302, 303)
    with served.company("small").database.read() as connection:
        assert not api_tokens.tokens_of(connection)


def test_the_operator_makes_lists_and_revokes_them(served: Served) -> None:
    data = served.installation.settings.data
    made = dougong(
        *("token", "make", "small", "alice", "Till", "--scope", "customer:read,write"),
        *("--scope", "*:export", "--days", 10, "--data", data),
    )
    assert made.code == 0, made.err
    robot = Program(served, made.out.strip())
    assert robot.status("GET", "/customer") == 200
    listed = dougong("token", "list", "small", "--data", data)
    assert robot.text not in listed.out
    number, start, *rest = listed.out.split("\t")
    assert start == f"{robot.text[:8]}…"
    assert rest[:2] == ["alice", "Till"]
    assert rest[-1].strip() == "*:export customer:read,write"
    assert dougong("token", "revoke", "small", number, "--data", data).code == 0
    assert robot.status("GET", "/customer") == 401
    assert dougong("token", "list", "small", "--data", data).out == ""
    again = dougong("token", "revoke", "small", number, "--data", data)
    assert (again.code, "T017" in again.err) == (1, True)
    for words, code in (
        (("small", "nobody", "A", "--scope", "*:read"), "S106"),
        (("small", "alice", "A", "--scope", "customer"), "T018"),
        (("small", "alice", "A", "--scope", "custmer:read"), "T013"),
        (("small", "alice", "A", "--scope", "customer:reed"), "T014"),
    ):
        done = dougong("token", "make", *words, "--data", data)
        assert (done.code, code in done.err) == (1, True), done.err


def test_nobody_hoards_tokens(served: Served) -> None:
    for _ in range(3):
        program(served, "alice")
    alice = served.visitor("small", "alice")
    before, api_tokens.MOST_TOKENS = api_tokens.MOST_TOKENS, 3  # type: ignore[misc]
    try:
        fields = [("name", "One more"), ("days", "7"), ("scope", "customer:read")]
        answer = alice.form("/account/tokens/new", fields)
    finally:
        api_tokens.MOST_TOKENS = before  # type: ignore[misc]
    assert answer.status_code == 422
    assert "already" in answer.get_data(as_text=True)
