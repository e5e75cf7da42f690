"""Links that let somebody in once: the first login, an invitation, a forgotten password."""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa
from tests.companies import Served
from tests.integration.accounts_world import (
    PASSWORD,
    change,
    events,
    fill,
    inside,
    kept,
    link_for,
    log_in,
    session_cookie,
    small_company,
    token_of,
    told,
    with_password,
)
from tests.integration.notice_world import Postbox, postbox

from dougong.app import create_app
from dougong.channels import senders
from dougong.views import forgot
from engine.accounts import links
from engine.accounts.attempts import Brake
from engine.accounts.tokens import new_token
from engine.records.outbox import run_internal, run_outbox
from engine.tables import system

NEW = "quite another long one"
SET = {"password": NEW, "repeated": NEW}
HOME = "https://crm.example.com"


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    return with_password(served, "alice")


@pytest.fixture(scope="module")
def post() -> Iterator[Postbox]:
    """A mail server."""
    with postbox() as found:
        yield found


@pytest.fixture
def mailing(
    small: Path, tmp_path: Path, post: Postbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """The company on an installation that sends mail; alice has a password and an address."""
    monkeypatch.setenv("DOUGONG_SMTP_URL", f"smtp://127.0.0.1:{post.port}")
    monkeypatch.setenv("DOUGONG_MAIL_FROM", "Dougong <work@example.com>")
    monkeypatch.setenv("DOUGONG_BASE_URL", HOME)
    post.mails.clear()
    for served in small_company(small, tmp_path):
        change(served, with_password(served, "alice"), email="Alice@Example.com")
        yield served


# --- links ---------------------------------------------------------------------------------------


def test_a_link_is_used_by_its_button_and_once(served: Served) -> None:
    """Mail scanners open links: opening one changes nothing, however often."""
    path = link_for(served, "zoe", "login")
    scanner, zoe, late = (served.app.test_client() for _ in range(3))
    for _ in range(3):
        assert scanner.get(path).status_code == 200
        assert not session_cookie(scanner)
    assert fill(zoe, path.removeprefix("/small")).status_code == 303
    assert inside(zoe)
    assert late.get(path).status_code == 404
    again = late.post(path, data={"csrf_token": token_of(late.get("/small/login"))})
    assert again.status_code == 404
    assert not inside(late)
    kinds = [kind for kind, *_ in events(served, "link.made", "link.used", "login.ok")]
    assert kinds == ["link.made", "link.used", "login.ok"]


def test_of_two_who_press_the_button_at_once_one_gets_in(served: Served) -> None:
    path, apps = link_for(served, "zoe", "login"), (served.app, create_app(served.installation))
    clients = [apps[at % 2].test_client() for at in range(4)]
    tokens = [token_of(client.get(path)) for client in clients]

    def press(at: int) -> None:
        clients[at].post(path, data={"csrf_token": tokens[at]})

    threads = [threading.Thread(target=press, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(inside(client) for client in clients) == 1


@pytest.mark.parametrize("purpose", ["password", "invite"])
def test_a_link_that_sets_a_password(served: Served, purpose: links.Purpose) -> None:
    path = link_for(served, "zoe", purpose).removeprefix("/small")
    client = served.app.test_client()
    for password, repeated in (("short", "short"), ("long enough 1", "long enough 2")):
        fields = {"password": password, "repeated": repeated}
        assert fill(client, path, **fields).status_code == 422, "and the link still works"
    assert fill(client, path, **SET).status_code == 303
    assert log_in(served.app.test_client(), "zoe", NEW).status_code == 303


def test_a11_8_a_link_lasts_as_long_as_its_purpose(served: Served, alice: int) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    for purpose, lasts in (
        ("password", timedelta(minutes=30)),
        ("invite", timedelta(days=7)),
        ("login", timedelta(hours=24)),
    ):
        with database.write() as connection:
            token = links.make_link(connection, alice, now, purpose)  # type: ignore[arg-type]
        with database.read() as connection:
            found = links.peek_link(connection, token, now + lasts - timedelta(seconds=1))
            assert found is not None
            assert found.purpose == purpose
            assert links.peek_link(connection, token, now + lasts) is None
    operators = link_for(served, "alice", "password").rpartition("/")[2]
    with database.read() as connection:
        later = now + timedelta(hours=23)
        assert links.peek_link(connection, operators, later), "one that is handed over by a person"


@pytest.mark.parametrize("happened", ["password", "email", "disabled", "another link"])
def test_a11_8_a_link_dies_with_what_it_was_made_for(
    served: Served, alice: int, happened: str
) -> None:
    path, client = link_for(served, "alice", "password"), served.app.test_client()
    assert client.get(path).status_code == 200
    match happened:
        case "password":
            log_in(client, "alice")
            fields = {"current": PASSWORD, **SET}
            assert fill(client, "/account", "/account/password", **fields).status_code == 303
        case "email":
            change(served, alice, email="new@example.com")
        case "disabled":
            change(served, alice, disabled_at=datetime.now(UTC))
        case "another link":
            other = link_for(served, "alice", "password").removeprefix("/small")
            assert fill(client, other, **SET).status_code == 303
    late = served.app.test_client()
    assert late.get(path).status_code == 404
    token = token_of(late.get("/small/login"))
    assert late.post(path, data={**SET, "csrf_token": token}).status_code == 404
    assert not inside(late)


def test_a11_8_the_database_knows_no_token_and_no_page_tells_it(
    served: Served,
    alice: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(links, "new_token", lambda: "A" * 43)  # it looks like a word
    path, client = link_for(served, "alice", "password"), served.app.test_client()
    token = path.rpartition("/")[2]
    assert len(new_token()) == 43, "256 bits"
    with served.company("small").database.read() as connection:
        rows = connection.execute(sa.select(system.ONCE_LINK)).all()
        log = connection.execute(sa.select(system.SECURITY)).all()
    assert token not in kept([tuple(row) for row in [*rows, *log]])
    page = client.get(path)
    # no other page is told the address, and the form may still say where it comes from
    assert page.headers.getlist("Referrer-Policy") == ["strict-origin"]
    assert page.headers["Cache-Control"] == "no-store"
    assert token not in page.get_data(as_text=True)
    client.post(path, data={"csrf_token": "guess"})
    fill(client, path.removeprefix("/small"), **SET)
    late = served.app.test_client()
    fill(late, "/login", path.removeprefix("/small"), **SET)
    assert late.get(path).status_code == 404
    assert token not in caplog.text
    with served.company("small").database.read() as connection:
        log = connection.execute(sa.select(system.SECURITY)).all()
    assert token not in kept([tuple(row) for row in log])


def test_a_link_that_was_used_ends_every_other_session(served: Served, alice: int) -> None:
    elsewhere, client = served.app.test_client(), served.app.test_client()
    log_in(elsewhere, "alice")
    fill(client, link_for(served, "alice", "password").removeprefix("/small"), **SET)
    assert inside(client)
    assert not inside(elsewhere)


# --- forgot --------------------------------------------------------------------------------------


def ask(served: Served, asked: str, address: str = "127.0.0.1", **more: object) -> str:
    """Ask for a link from an address; the page that answers."""
    client = served.app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    there = {"base_url": HOME, **more}
    token = token_of(client.get("/small/login/forgot", **there))
    fields = {"asked": asked, "csrf_token": token}
    page = client.post("/small/login/forgot", data=fields, **there)
    assert page.status_code == 200
    return told(page)


def send(served: Served) -> None:
    """What the background thread does."""
    company = served.company("small")
    run_internal(company, datetime.now(UTC))
    run_outbox(company, datetime.now(UTC), senders(served.installation.settings))


def links_in(post: Postbox) -> list[str]:
    found = []
    for mail in post.mails:
        body = mail.get_body(("plain",))
        assert body is not None
        found += [word for word in body.get_content().split() if "/once/" in word]
    return found


def test_a_forgotten_password_is_reset_by_mail(mailing: Served, post: Postbox) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    ask(mailing, " ALICE@example.com ", headers=forged)
    waiting = outbox(mailing)
    send(mailing)
    assert post.recipients[-1] == "Alice@Example.com"
    (link,) = links_in(post)
    assert link.startswith(f"{HOME}/small/once/"), "the operator's address, whatever was sent"
    token = link.rpartition("/")[2]
    assert token not in waiting + outbox(mailing), "nobody reads it where mail waits"
    client, there = mailing.app.test_client(), {"base_url": HOME}
    page = client.get(link.removeprefix(HOME), **there)
    fields = {**SET, "csrf_token": token_of(page)}
    done = client.post(link.removeprefix(HOME), data=fields, **there)
    assert done.status_code == 303
    made = events(mailing, "link.made", "password.changed")
    assert [(kind, details["by"]) for kind, _, details in made] == [
        ("link.made", "mail"),
        ("password.changed", "link"),
    ]


def outbox(served: Served) -> str:
    with served.company("small").database.read() as connection:
        return kept([tuple(row) for row in connection.execute(sa.select(system.OUTBOX))])


def test_a11_4_a_reset_gives_one_answer_whoever_is_asked_for(
    mailing: Served, post: Postbox
) -> None:
    """Known, unknown, closed, without an address, asked for too often: the same page, and mail
    for one of them only."""
    change(mailing, mailing.actor("small", "erin").id, disabled_at=datetime.now(UTC), email="e@x.y")
    pages = {ask(mailing, name) for name in ("alice", "nobody", "erin", "zoe", "a@b.c", "", "%")}
    pages |= {ask(mailing, "alice") for _ in range(forgot.PER_ACCOUNT.most)}
    assert len(pages) == 1
    send(mailing)
    assert set(post.recipients[-len(post.mails) :]) == {"Alice@Example.com"}
    assert len(post.mails) == forgot.PER_ACCOUNT.most, "and not more than the limit"


def test_a11_4_nor_does_its_time_tell(mailing: Served) -> None:
    """The work is the same: what differs is done later, by the thread that sends."""
    database, statements = mailing.company("small").database, list[str]()
    engine = database._writers  # the only place where all its statements pass

    def count(_c: object, _k: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine.engine, "before_cursor_execute", count)
    asked = dict[str, list[str]]()
    try:
        for name in ("alice", "nobody"):
            statements.clear()
            ask(mailing, name)
            asked[name] = [text for text in statements if "dg_id_block" not in text]
    finally:
        sa.event.remove(engine.engine, "before_cursor_execute", count)
    assert asked["alice"] == asked["nobody"]
    times = dict[str, list[float]]()
    for turn in range(8):
        for name in (("alice", "nobody"), ("nobody", "alice"))[turn % 2]:
            start = time.thread_time()
            ask(mailing, name, address=f"10.0.0.{turn}")
            times.setdefault(name, []).append(time.thread_time() - start)
    known, unknown = (statistics.median(times[name]) for name in ("alice", "nobody"))
    assert known < 1.6 * unknown + 0.005
    assert unknown < 1.6 * known + 0.005


def test_an_address_that_two_share_names_nobody(mailing: Served, post: Postbox) -> None:
    """Whose password would it be? The login name decides."""
    change(mailing, mailing.actor("small", "zoe").id, email="alice@example.com")
    ask(mailing, "alice@example.com")
    send(mailing)
    assert post.mails == []
    ask(mailing, "alice")
    send(mailing)
    assert len(post.mails) == 1


def test_one_address_does_not_flood_everybody(mailing: Served, post: Postbox) -> None:
    with mock.patch.object(forgot, "PER_ADDRESS", Brake("reset-address", 1)):
        ask(mailing, "nobody", address="10.1.1.1")
        # of what was forwarded the proxy wrote the last part, and only that counts
        ask(mailing, "alice", headers={"X-Forwarded-For": "10.5.5.5, 10.1.1.1"})
        send(mailing)
        assert post.mails == []


def test_a_mail_that_comes_too_late_is_not_sent(mailing: Served, post: Postbox) -> None:
    ask(mailing, "alice")
    run_internal(mailing.company("small"), datetime.now(UTC))
    table = system.OUTBOX
    with mailing.company("small").database.write() as connection:
        old = datetime.now(UTC) - timedelta(minutes=31)
        connection.execute(table.update().where(table.c.channel != "").values(created_at=old))
    send(mailing)
    assert post.mails == []
    root = mailing.visitor("small", "root")
    root.client.set_cookie(
        "__Host-dg_session-small", _session(mailing), domain="crm.example.com", path="/"
    )
    shown = root.get("/admin/deliveries", base_url=HOME)
    assert shown.status_code == 200, "the failed mail is among the deliveries"


def _session(served: Served) -> str:
    from engine.accounts.sessions import start_session

    with served.company("small").database.write() as connection:
        root = served.actor("small", "root").id
        return start_session(connection, root, datetime.now(UTC), hours=1)


def test_without_a_mail_server_nothing_is_promised(served: Served, alice: int) -> None:
    change(served, alice, email="alice@example.com")
    client = served.app.test_client()
    page = client.get("/small/login/forgot").get_data(as_text=True)
    assert "sends no mail" in page
    assert 'name="asked"' not in page
    answer = fill(client, "/login", "/login/forgot", asked="alice")
    assert answer.status_code == 422
    assert "account.reset" not in outbox(served)
