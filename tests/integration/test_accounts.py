"""Who gets in, who is put out, and what a page may do in whose name."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served, Visitor, digest
from tests.integration import records_world
from werkzeug.test import TestResponse

from dougong.installation import Listing
from dougong.security import SESSION_COOKIE
from dougong.setup import create_company, make_login_link
from engine.accounts import links, logins, sessions
from engine.records import writing
from engine.records.unit import SYSTEM
from engine.records.visits import visit_of
from engine.tables import system

PASSWORD = "correct horse battery"
OPEN = {  # what a stranger may ask for
    "auth.login", "auth.log_in", "auth.once", "auth.use_once", "auth.logout",
    "auth.choose_language", "home.companies", "healthz", "dist",
}  # fmt: skip


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    copytree(small, tmp_path / "data")
    found = Served.open(tmp_path / "data")
    yield found
    found.installation.close()


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    me = served.actor("small", "alice").id
    logins.set_password(served.company("small").database, me, PASSWORD, datetime.now(UTC))
    return me


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', page.get_data(as_text=True))
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, login: str, password: str, **more: Any) -> TestResponse:
    """Open the login page, fill it in, send it."""
    token = token_of(client.get("/small/login"))
    fields = {"login": login, "password": password, "csrf_token": token, **more}
    return client.post("/small/login", data=fields)


def session_cookie(client: FlaskClient) -> str:
    cookie = client.get_cookie(SESSION_COOKIE, path="/small/")
    return cookie.value if cookie else ""


def inside(client: FlaskClient) -> bool:
    """Whether this browser is let in."""
    return client.get("/small/account").status_code == 200


# --- by password ---------------------------------------------------------------------------------


def test_the_right_password_opens_the_door(served: Served, alice: int) -> None:
    client = served.app.test_client()
    answer = log_in(client, " Alice ", PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/small/")
    assert inside(client)
    assert "Alice" in client.get("/small/account").get_data(as_text=True)


def test_wrong_and_unknown_are_the_same_answer(served: Served, alice: int) -> None:
    """Neither the words nor the time tell whether somebody of that name works here."""
    client = served.app.test_client()
    pages, times = [], dict[str, list[float]]()
    for login in ("alice", "nobody") * 5:
        start = time.perf_counter()
        answer = log_in(client, login, "wrong password")
        times.setdefault(login, []).append(time.perf_counter() - start)
        assert answer.status_code == 422
        assert not session_cookie(client)
        pages.append(answer.get_data(as_text=True).replace(login, "NAME"))
    assert len({re.sub(r"\w{64}", "TOKEN", page) for page in pages}) == 1
    known, unknown = (statistics.median(times[login]) for login in ("alice", "nobody"))
    assert known < 3 * unknown  # both pay for one slow hash: without it 20 times as much
    assert unknown < 3 * known


def test_someone_without_a_password_cannot_log_in_with_none(served: Served) -> None:
    client = served.app.test_client()
    for password in ("", "None", "x" * 10_000, "\x00"):
        assert log_in(client, "zoe", password).status_code == 422


def test_guessing_is_slowed_down_for_everybody_with_that_name(served: Served, alice: int) -> None:
    client = served.app.test_client()
    for _ in range(logins.PER_LOGIN):
        assert log_in(client, "alice", "guess").status_code == 422
    assert log_in(client, "alice", "guess").status_code == 429
    # from another address, by another spelling, with the right password: still shut
    other = served.app.test_client()
    other.environ_base["REMOTE_ADDR"] = "10.1.2.3"
    assert log_in(other, "ALICE", PASSWORD, extra="1").status_code == 429
    forged = {"X-Forwarded-For": "10.9.9.9"}
    token = token_of(client.get("/small/login"))
    fields = {"login": "alice", "password": PASSWORD, "csrf_token": token}
    assert client.post("/small/login", data=fields, headers=forged).status_code == 429

    later = datetime.now(UTC) + logins.WINDOW + timedelta(seconds=1)
    database = served.company("small").database
    assert logins.log_in(database, "alice", PASSWORD, "10.1.2.3", later) == alice


def test_one_address_cannot_try_many_names(served: Served, alice: int) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    with database.write() as connection:
        for at in range(logins.PER_ADDRESS):
            connection.execute(
                system.LOGIN_FAILURE.insert().values(
                    id=database.ids.next(connection), login=f"x{at}", address="10.1.1.1", at=now
                )
            )
    with pytest.raises(logins.TooManyAttempts):
        logins.log_in(database, "alice", PASSWORD, "10.1.1.1", now)
    assert logins.log_in(database, "alice", PASSWORD, "10.1.1.2", now) == alice


# --- sessions ------------------------------------------------------------------------------------


def test_a_planted_session_is_not_taken_over(served: Served, alice: int) -> None:
    """Whoever puts a cookie into somebody's browser before the login does not get in with it."""
    client = served.app.test_client()
    client.set_cookie(SESSION_COOKIE, "planted", path="/small/")
    log_in(client, "alice", PASSWORD)
    assert session_cookie(client) not in ("", "planted")
    attacker = served.app.test_client()
    attacker.set_cookie(SESSION_COOKIE, "planted", path="/small/")
    assert not inside(attacker)
    # nor does a second login keep the first one's
    first = session_cookie(client)
    fresh = served.app.test_client()
    log_in(fresh, "alice", PASSWORD)
    assert session_cookie(fresh) != first


def test_the_database_knows_no_token(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice", PASSWORD)
    with served.company("small").database.read() as connection:
        kept = connection.scalars(sa.select(system.SESSION.c.id_hash)).all()
        hashed = connection.scalar(
            sa.select(system.USER.c.password_hash).where(system.USER.c.id == alice)
        )
    assert session_cookie(client) not in kept
    assert hashed is not None
    assert hashed.startswith("$argon2id$")


def test_a_closed_account_is_out_with_the_next_request(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice", PASSWORD)
    assert inside(client)
    root = served.visitor("small", "root")
    done = root.send("POST", "/ops/users/close", data={"id": alice, "closed": "1"})
    assert done.status_code in (302, 303)
    assert not inside(client)
    assert client.get("/small/api/v1/customer").status_code == 401
    assert log_in(served.app.test_client(), "alice", PASSWORD).status_code == 422
    root.send("POST", "/ops/users/close", data={"id": alice, "closed": "0"})
    assert not inside(client), "opening the account again revives no old session"
    assert log_in(served.app.test_client(), "alice", PASSWORD).status_code == 303


def test_logging_out_ends_the_session_on_the_server(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice", PASSWORD)
    kept = session_cookie(client)
    page = client.get("/small/account")
    client.post("/small/logout", data={"csrf_token": token_of(page)})
    assert not inside(client)
    client.set_cookie(SESSION_COOKIE, kept, path="/small/")
    assert not inside(client)


def test_a_new_password_ends_the_other_sessions(served: Served, alice: int) -> None:
    here, elsewhere = served.app.test_client(), served.app.test_client()
    log_in(here, "alice", PASSWORD)
    log_in(elsewhere, "alice", PASSWORD)
    new = {"password": "another long one", "repeated": "another long one"}

    def change(**fields: str) -> int:
        token = token_of(here.get("/small/account"))
        return here.post(
            "/small/account/password", data={"csrf_token": token, **fields}
        ).status_code

    assert change(current="wrong", **new) == 422
    assert change(current=PASSWORD, password="short", repeated="short") == 422
    assert change(current=PASSWORD, password="another long one", repeated="and another") == 422
    assert inside(elsewhere)
    assert change(current=PASSWORD, **new) == 303
    assert inside(here)
    assert not inside(elsewhere)
    assert log_in(elsewhere, "alice", PASSWORD).status_code == 422
    assert log_in(elsewhere, "alice", "another long one").status_code == 303


def test_nobody_ends_a_session_of_anothers(served: Served, alice: int) -> None:
    mine, hers = served.visitor("small", "zoe"), served.app.test_client()
    log_in(hers, "alice", PASSWORD)
    with served.company("small").database.read() as connection:
        id = connection.scalar(
            sa.select(system.SESSION.c.id_hash).where(system.SESSION.c.user_id == alice)
        )
    assert mine.send("POST", "/account/sessions", data={"id": id}).status_code == 404
    assert inside(hers)


def test_a_session_ends_by_itself(served: Served, alice: int) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    with database.write() as connection:
        token = sessions.start_session(connection, alice, now - timedelta(hours=2), hours=1)
    with database.read() as connection:
        assert visit_of(database, connection, token, now) is None


def test_a_session_holds_in_its_own_company_only(served: Served, alice: int) -> None:
    listing = Listing("other", "", "small")
    create_company(served.installation, listing, records_world.sources(), "root")
    client = served.app.test_client()
    log_in(client, "alice", PASSWORD)
    stolen = session_cookie(client)
    client.set_cookie(SESSION_COOKIE, stolen, path="/other/")
    assert client.get("/other/account").status_code == 302
    assert client.get("/other/api/v1/customer").status_code == 401


# --- one-time links ------------------------------------------------------------------------------


def link_for(served: Served, login: str, purpose: links.Purpose) -> str:
    address = make_login_link(served.installation, served.company("small"), login, purpose)
    return address.removeprefix("http://127.0.0.1:8000")


def test_a_link_is_used_by_its_button_and_once(served: Served) -> None:
    """Mail scanners open links: opening one changes nothing, however often."""
    path = link_for(served, "zoe", "login")
    scanner, zoe, late = (served.app.test_client() for _ in range(3))
    for _ in range(3):
        page = scanner.get(path)
        assert page.status_code == 200
        assert not session_cookie(scanner)
    page = zoe.get(path)
    answer = zoe.post(path, data={"csrf_token": token_of(page)})
    assert answer.status_code == 303
    assert inside(zoe)
    assert late.get(path).status_code == 404
    again = late.post(path, data={"csrf_token": token_of(late.get("/small/login"))})
    assert again.status_code == 404
    assert not inside(late)


def test_a_link_that_sets_a_password(served: Served) -> None:
    path, client = link_for(served, "zoe", "password"), served.app.test_client()
    for password, repeated in (("short", "short"), ("long enough 1", "long enough 2")):
        token = token_of(client.get(path))
        fields = {"csrf_token": token, "password": password, "repeated": repeated}
        assert client.post(path, data=fields).status_code == 422, "and the link still works"
    fields |= {"password": PASSWORD, "repeated": PASSWORD}
    assert client.post(path, data=fields).status_code == 303
    assert log_in(served.app.test_client(), "zoe", PASSWORD).status_code == 303


def test_links_that_do_not_work(served: Served, alice: int) -> None:
    path = link_for(served, "alice", "login")
    client, database = served.app.test_client(), served.company("small").database
    assert client.get("/small/once/made-up").status_code == 404
    token = path.rpartition("/")[2]
    with database.read() as connection:
        late = datetime.now(UTC) + links.VALID + timedelta(minutes=1)
        assert links.peek_link(connection, token, late) is None
    with database.write() as connection:
        connection.execute(
            system.USER.update()
            .where(system.USER.c.id == alice)
            .values(disabled_at=datetime.now(UTC))
        )
    assert client.get(path).status_code == 404, "of somebody whose account is closed"


# --- where a login leads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "https://evil.example", "https:evil.example", "/\\evil.example",
        "\\\\evil.example", "/\t/evil.example", " //evil.example", "/%09/evil",
        "javascript:alert(1)",
        "/other/", "/small", "/small\\..", "/smaller/", "/small/\\evil.example", "",
    ],
)  # fmt: skip
def test_a_login_leads_into_this_company_only(served: Served, alice: int, target: str) -> None:
    client = served.app.test_client()
    assert log_in(client, "alice", PASSWORD, next=target).headers["Location"] == "/small/"
    # who is in already is sent on by the same rule
    page = client.get("/small/login", query_string={"next": target})
    assert (page.status_code, page.headers["Location"]) == (303, "/small/")


def test_a_login_leads_back_to_where_one_was_going(served: Served, alice: int) -> None:
    client = served.app.test_client()
    sent = client.get("/small/e/customer?q=north&sort=name")
    assert sent.status_code == 302
    page = client.get(sent.headers["Location"]).get_data(as_text=True)
    found = re.search(r'name="next" value="([^"]*)"', page)
    assert found is not None
    target = found[1].replace("&amp;", "&")
    assert target == "/small/e/customer?q=north&sort=name"
    assert log_in(client, "alice", PASSWORD, next=target).headers["Location"] == target


def test_a_line_feed_does_not_split_the_answer(served: Served, alice: int) -> None:
    client = served.app.test_client()
    answer = log_in(client, "alice", PASSWORD, next="/small/\r\nX-Evil: 1")
    assert answer.status_code == 303
    assert "X-Evil" not in answer.headers


# --- every address -------------------------------------------------------------------------------


def addresses(served: Served) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of everything the application answers to."""
    values = {
        "company": "small", "entity": "customer", "id": 1, "task": 1, "token": "x",
        "instance": 1, "command": "approve", "workflow": "x", "kind": "webhook",
        "key": "x", "user": 1, "file": 1,
        "field": "owner", "event": "submit", "export_type": "csv",
        "filename": "x", "name": "app.css",
    }  # fmt: skip
    adapter = served.app.url_map.bind("localhost")
    return [
        (
            rule.endpoint,
            method,
            adapter.build(
                rule.endpoint, {name: values[name] for name in rule.arguments}, method=method
            ),
        )
        for rule in served.app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_no_address_writes_without_the_token(served: Served) -> None:
    """Another site can make a browser post, with its cookies; it cannot know the token."""
    before = digest_after_login(served)
    tried = 0
    for client in (served.visitor("small", "root").client, served.app.test_client()):
        for endpoint, method, path in addresses(served):
            if method == "GET":
                continue
            tried += 1
            for more in (
                {"data": {"csrf_token": "guess"}},
                {"json": {"name": "Northern"}},
                {"data": "{}", "content_type": "text/plain"},
                {"data": {}, "headers": {"X-CSRF-Token": "guess", "Sec-Fetch-Site": "same-origin"}},
            ):
                answer = client.open(path, method=method, **more)
                assert answer.status_code == 400, (endpoint, method, path)
    assert tried > 50
    assert digest(served.company("small")) == before


def digest_after_login(served: Served) -> str:
    served.visitor("small", "root").get("/")
    return digest(served.company("small"))


def test_a_token_of_another_browser_is_worth_nothing(served: Served) -> None:
    root, zoe = served.visitor("small", "root"), served.visitor("small", "zoe")
    assert zoe.send("POST", "/account/sessions", data={"id": "x"}).status_code == 404
    stolen = {"X-CSRF-Token": zoe.token}
    answer = root.client.post("/small/account/sessions", data={"id": "x"}, headers=stolen)
    assert answer.status_code == 400


def test_reading_changes_nothing(served: Served) -> None:
    """A GET that writes could be caused by any link."""
    with served.company("small").unit(SYSTEM, write=True) as unit:
        id = writing.create(unit, "customer", {"name": "Northern"})["id"]
    root = served.visitor("small", "root")
    before = digest_after_login(served)
    for endpoint, method, path in addresses(served):
        if method == "GET" and endpoint != "auth.login":
            answer = root.client.get(path.replace("/1", f"/{id}"))
            assert answer.status_code < 500, (path, answer.status_code)
    assert digest(served.company("small")) == before


def test_every_address_but_a_few_asks_who_you_are(served: Served) -> None:
    stranger = served.app.test_client()
    token = token_of(stranger.get("/small/login"))
    for endpoint, method, path in addresses(served):
        answer = stranger.open(path, method=method, headers={"X-CSRF-Token": token})
        if endpoint in OPEN:
            assert answer.status_code != 401, path
            continue
        if endpoint.startswith("ops"):
            assert answer.status_code == 404, path
        elif method == "GET" and "/api/" not in path:
            assert answer.status_code == 302, (path, answer.status_code)
            assert answer.headers["Location"].startswith("/small/login"), path
        else:
            assert answer.status_code in (401, 302), (path, answer.status_code)
            if answer.status_code == 302:
                assert answer.headers["Location"] == "/small/login", path
        assert b"Northern" not in answer.data


def test_the_back_office_is_not_there_for_others(served: Served) -> None:
    """Not forbidden: not there."""
    zoe, root = served.visitor("small", "zoe"), served.visitor("small", "root")
    zoe.text("/account")
    token = re.search(r'name="csrf-token" content="(\w+)"', zoe.text("/account"))
    assert token is not None
    for endpoint, method, path in addresses(served):
        if endpoint.startswith("ops"):
            headers = {"X-CSRF-Token": token[1]}
            assert zoe.client.open(path, method=method, headers=headers).status_code == 404, path
    assert "/ops/" not in zoe.text("/")
    assert "/ops/" in root.text("/")
    for name in (
        "",
        "users/",
        "sessions/",
        "history/",
        "versions/",
        "jobs/",
        "outbox/",
        "failures/",
    ):
        assert root.get(f"/ops/{name}").status_code == 200, name


def test_the_history_of_the_back_office_tells_fields_and_never_values(served: Served) -> None:
    """Values belong to records, and records have one door: masks and clearance hold only there."""
    root = served.visitor("small", "root")
    made = root.api("POST", "/note", {"body": "CNRY-history"})
    assert made.status_code == 201
    with served.company("small").database.read() as connection:
        row = connection.scalar(sa.select(sa.func.max(system.HISTORY.c.id)))
    for path in ("/ops/history/", f"/ops/history/details/?id={row}"):
        shown = root.text(path)
        assert "body" in shown
        assert "CNRY" not in shown


def test_the_back_office_changes_no_rows(served: Served) -> None:
    """It shows tables of the system; flask-admin's own editing is switched off, not hidden."""
    root = served.visitor("small", "root")
    root.text("/account")
    before = digest_after_login(served)
    for endpoint, method, path in addresses(served):
        verb = endpoint.rpartition(".")[2]
        if endpoint.startswith("ops_") and verb in {"create_view", "edit_view", "delete_view"}:
            answer = root.send(method, path.removeprefix("/small"), data={"id": "1", "login": "x"})
            assert answer.status_code in (302, 404, 405), path
    assert digest(served.company("small")) == before
    for page in ("users/", "sessions/", "users/details/?id=1"):
        shown = root.get(f"/ops/{page}").get_data(as_text=True)
        assert "argon2" not in shown
        assert "password_hash" not in shown


# --- what every answer carries -------------------------------------------------------------------

PAGES = [
    "/", "/e/customer", "/e/customer/new", "/e/customer/quick", "/account", "/search?q=x",
    "/approvals", "/e/customer/removed", "/ops/", "/ops/users/", "/nothing", "/e/nothing",
    "/api/v1/customer", "/api/v1/nothing", "/login",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_tells_the_browser_what_not_to_do(served: Served, path: str) -> None:
    answer = served.visitor("small", "root").get(path)
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]
    assert "Access-Control-Allow-Origin" not in headers
    page = answer.get_data(as_text=True)
    if answer.mimetype == "text/html":
        assert not re.search(r"<[^>]+\s(on\w+|style)=", page), "the policy would not run it"
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", page)
        assert not re.search(r"<style\b", page)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page), "nothing from elsewhere"


def test_cookies_are_closed_to_scripts_and_other_sites(served: Served, alice: int) -> None:
    client = served.app.test_client()
    guest = client.get("/small/login").headers["Set-Cookie"]
    session = log_in(client, "alice", PASSWORD).headers["Set-Cookie"]
    for cookie in (guest, session):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Domain" not in cookie
    assert "Path=/small/" in session


def test_behind_https_cookies_and_links_are_https(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOUGONG_BASE_URL", "https://crm.example.com/")
    copytree(small, tmp_path / "data")
    served = Served.open(tmp_path / "data")
    client = served.app.test_client()
    assert client.get("/small/login", headers={"Host": "evil.example"}).status_code == 400
    answer = client.get("/small/login", headers={"Host": "crm.example.com"})
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"]
    company = served.company("small")
    link = make_login_link(served.installation, company, "zoe", "login")
    assert link.startswith("https://crm.example.com/small/once/")
    served.installation.close()


def test_the_host_header_names_nothing(served: Served) -> None:
    """A login link or a redirect built from it would lead to whoever sent it."""
    answer = served.app.test_client().get("/small/", headers={"Host": "evil.example"})
    assert "evil.example" not in answer.headers["Location"]
    page = served.visitor("small", "zoe").get("/", headers={"Host": "evil.example"})
    assert "evil.example" not in page.get_data(as_text=True)


def test_a_fault_shows_a_number_and_nothing_else(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        message = "secret inside"
        raise RuntimeError(message)

    root: Visitor = served.visitor("small", "root")
    monkeypatch.setattr("engine.records.reading.find", broken)
    for path in ("/api/v1/customer", "/e/customer"):
        answer = root.get(path)
        assert answer.status_code == 500
        text = answer.get_data(as_text=True)
        assert "secret inside" not in text
        assert "Traceback" not in text
    reference = re.search(r"reference (\w{8})", caplog.text)
    assert reference is not None
    assert "secret inside" in caplog.text
