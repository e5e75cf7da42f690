"""Who gets in, who is put out, and what a page may do in whose name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
import sqlalchemy as sa
from tests.companies import Served, Visitor, digest
from tests.integration.accounts_world import log_in, small_company, with_password
from tests.security.inventory import addresses

from dougong.setup import make_login_link
from engine.tables import system


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    return with_password(served, "alice")


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
    assert log_in(client, "alice", next=target).headers["Location"] == "/small/"
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
    assert log_in(client, "alice", next=target).headers["Location"] == target


def test_a_line_feed_does_not_split_the_answer(served: Served, alice: int) -> None:
    client = served.app.test_client()
    answer = log_in(client, "alice", next="/small/\r\nX-Evil: 1")
    assert answer.status_code == 303
    assert "X-Evil" not in answer.headers


# --- every address -------------------------------------------------------------------------------


def digest_after_login(served: Served) -> str:
    served.visitor("small", "root").get("/")
    return digest(served.company("small"))


def test_a_token_of_another_browser_is_worth_nothing(served: Served) -> None:
    root, zoe = served.visitor("small", "root"), served.visitor("small", "zoe")
    assert zoe.send("POST", "/account/sessions", data={"id": "x"}).status_code == 404
    stolen = {"X-CSRF-Token": zoe.token}
    answer = root.client.post("/small/account/sessions", data={"id": "x"}, headers=stolen)
    assert answer.status_code == 400


def test_the_back_office_is_there_for_operators(served: Served) -> None:
    root = served.visitor("small", "root")
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
    for door, path in addresses(served.app):
        endpoint, method, verb = door.endpoint, door.method, door.endpoint.rpartition(".")[2]
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
    session = log_in(client, "alice").headers["Set-Cookie"]
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
    for client in (served.app.test_client(), served.visitor("small", "zoe").client):
        answer = client.get("/small/", headers={"Host": "evil.example"})
        assert answer.status_code == 400, "a name that nobody gave this installation"
        assert "evil.example" not in answer.get_data(as_text=True) + str(answer.headers)


@pytest.mark.expects_fault
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
