"""Logging in by password: who gets in, what the answer tells, and how guessing is slowed down."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
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
    rules,
    session_cookie,
    small_company,
    token_of,
    told,
    with_factor,
    with_password,
)

from dougong.app import create_app
from dougong.security import SESSION_COOKIE
from dougong.setup import make_login_link
from engine.accounts import logins, passwords
from engine.tables import system


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    return with_password(served, "alice")


@pytest.fixture
def cheap() -> Iterator[mock.Mock]:
    """Hashes that cost nothing, counted: for tests of how often, not of how slow."""
    with ExitStack() as stack:
        hasher = stack.enter_context(mock.patch.object(passwords, "_hasher"))
        right = {b"right"}
        hasher.verify.side_effect = lambda hashed, given: hashed != "nobody" and given in right
        hasher.check_needs_rehash.return_value = False
        stack.enter_context(mock.patch.object(passwords, "_nobody", return_value="nobody"))
        yield hasher.verify


# --- in, or not ----------------------------------------------------------------------------------


def test_the_right_password_opens_the_door(served: Served, alice: int) -> None:
    client = served.app.test_client()
    answer = log_in(client, " Alice ")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/small/")
    assert inside(client)
    assert "Alice" in client.get("/small/account").get_data(as_text=True)
    assert events(served, "login.ok") == [("login.ok", alice, {"method": "password"})]


def test_the_same_letters_from_another_keyboard_are_the_same_password(served: Served) -> None:
    """An é typed as one sign or as two; nothing is cut off; 128 bytes are a password."""
    alice = with_password(served, "alice")
    long = "é" * 64
    change(served, alice, password_hash=passwords.hash_password(long))
    for typed, status in ((long, 303), ("e\u0301" * 64, 303), (long[:-1], 422), (long + "x", 422)):
        answer = log_in(served.app.test_client(), "alice", typed)
        assert answer.status_code == status, len(typed)


def test_someone_without_a_password_cannot_log_in_with_none(
    served: Served, cheap: mock.Mock
) -> None:
    client = served.app.test_client()
    for password in ("", "None", "x" * 10_000, "\x00"):
        assert log_in(client, "zoe", password).status_code == 422


def test_a_hash_of_weaker_times_is_renewed_by_the_login(served: Served, alice: int) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    change(served, alice, password_hash=old)
    assert log_in(served.app.test_client(), "alice").status_code == 303
    with served.company("small").database.read() as connection:
        now = connection.scalar(
            sa.select(system.USER.c.password_hash).where(system.USER.c.id == alice)
        )
    assert now != old
    assert "m=19456,t=2,p=1" in str(now)
    assert log_in(served.app.test_client(), "alice").status_code == 303


def test_there_is_no_account_that_one_could_guess(served: Served) -> None:
    """A new company has one administrator, without a password: only his link opens the door."""
    with served.company("small").database.read() as connection:
        hashes = connection.scalars(sa.select(system.USER.c.password_hash)).all()
    assert set(hashes) == {None}


# --- A11.1: a planted session --------------------------------------------------------------------


def test_a11_1_the_session_id_changes_at_login_and_with_every_proof(
    served: Served, alice: int
) -> None:
    """Whoever puts a cookie into somebody's browser before the login does not get in with it; nor
    does whoever saw a session before it was worth more."""
    client, attacker = served.app.test_client(), served.app.test_client()

    def dead(token: str) -> bool:
        attacker.set_cookie(SESSION_COOKIE, token, path="/small/")
        return not inside(attacker)

    client.set_cookie(SESSION_COOKIE, "planted", path="/small/")
    log_in(client, "alice")
    first = session_cookie(client)
    assert first not in ("", "planted")
    assert dead("planted")
    # logging in once more in the same browser ends what was
    client.post("/small/login", data=_login(client, "alice"))
    second = session_cookie(client)
    assert second != first
    assert dead(first)
    # proving oneself, a new password and a second factor each change it
    fill(client, "/prove", password=PASSWORD)
    third = session_cookie(client)
    assert third != second
    assert dead(second)
    new = {"current": PASSWORD, "password": "another long one", "repeated": "another long one"}
    assert fill(client, "/account", "/account/password", **new).status_code == 303
    assert session_cookie(client) != third
    assert dead(third)
    assert inside(client)


def _login(client: object, login: str) -> dict[str, str]:
    token = token_of(client.get("/small/account"))  # type: ignore[attr-defined]
    return {"login": login, "password": PASSWORD, "csrf_token": token}


# --- A11.4: what the answer tells ----------------------------------------------------------------


def test_a11_4_unknown_wrong_closed_and_locked_are_one_answer(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    """The same words, the same status, the same work: one slow hash each."""
    closed = with_password(served, "erin")
    change(served, closed, disabled_at=datetime.now(UTC))
    with_password(served, "root")
    _lock(served, "root")
    pages = set()
    for login, password in (
        ("alice", "wrong"), ("nobody", "wrong"), ("erin", "wrong"), ("erin", "right"),
        ("root", "wrong"), ("root", "right"), ("zoe", "wrong"),
    ):  # fmt: skip
        client = served.app.test_client()
        before = cheap.call_count
        answer = log_in(client, login, password)
        assert cheap.call_count == before + 1, login
        assert not session_cookie(client)
        pages.add((answer.status_code, told(answer).replace(f'value="{login}"', "")))
    assert len(pages) == 1
    assert next(iter(pages))[0] == 422


def test_a11_4_nor_does_the_time_tell(served: Served, alice: int) -> None:
    """Without the slow hash an unknown name would be answered ten times as fast. The processor's
    own time is compared, which a busy machine does not stretch; the order changes every round."""
    change(served, with_password(served, "erin"), disabled_at=datetime.now(UTC))
    database, names = served.company("small").database, ["alice", "nobody", "erin"]
    logins.log_in(database, "first", "x", "10.0.0.9", datetime.now(UTC))  # what is made once
    times = dict[str, list[float]]()
    for turn in range(9):
        for name in names[turn % 3 :] + names[: turn % 3]:
            start = time.thread_time()
            logins.log_in(database, name, "wrong password", "10.0.0.1", datetime.now(UTC))
            times.setdefault(name, []).append(time.thread_time() - start)
    medians = {name: statistics.median(found) for name, found in times.items()}
    assert max(medians.values()) < 1.6 * min(medians.values()) + 0.005, medians


# --- A11.5: guessing -----------------------------------------------------------------------------


def _lock(served: Served, login: str) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    with database.write() as connection:
        rows = [
            {"id": database.ids.next(connection), "login": login, "address": "10.1.1.1", "at": now}
            for _ in range(logins.PER_LOGIN)
        ]
        connection.execute(system.LOGIN_FAILURE.insert(), rows)


def test_a11_5_ten_wrong_passwords_lock_a_name_for_everybody_and_in_every_process(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    other = create_app(served.installation)  # a second worker on the same data
    apps = (served.app, other)
    for turn in range(logins.PER_LOGIN):
        assert log_in(apps[turn % 2].test_client(), "alice", "guess").status_code == 422
    # from another address, by another spelling, with forged headers, with the right password
    for app in apps:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = "10.1.2.3"
        assert log_in(client, "ALICE", "right", login_name="x").status_code == 422
        forged = {"X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.8"}
        fields = {"login": "alice", "password": "right"}
        fields["csrf_token"] = token_of(client.get("/small/login"))
        answer = client.post("/small/login", data=fields, headers=forged)
        assert answer.status_code == 422
    assert [kind for kind, *_ in events(served, "login.blocked")] == ["login.blocked"]
    later = datetime.now(UTC) + logins.WINDOW + timedelta(seconds=1)
    database = served.company("small").database
    assert logins.log_in(database, "alice", "right", "10.1.2.3", later) == alice


def test_a11_5_who_is_locked_out_gets_in_by_a_reset(served: Served, alice: int) -> None:
    _lock(served, "alice")
    assert log_in(served.app.test_client(), "alice").status_code == 422
    client, path = served.app.test_client(), link_for(served, "alice", "password")
    new = "quite another long one"
    fields = {"password": new, "repeated": new, "csrf_token": token_of(client.get(path))}
    assert client.post(path, data=fields).status_code == 303
    assert inside(client)
    assert log_in(served.app.test_client(), "alice", new).status_code == 303


def test_a11_5_one_address_cannot_try_many_names(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    for at in range(logins.PER_ADDRESS):
        logins.log_in(database, f"x{at}", "guess", "10.1.1.1", now)
    hashes = cheap.call_count
    with pytest.raises(logins.TooManyAttempts):
        logins.log_in(database, "alice", "right", "10.1.1.1", now)
    assert cheap.call_count == hashes, "beyond the limit nothing is worked for"
    assert logins.log_in(database, "alice", "right", "10.1.1.2", now) == alice
    client = served.app.test_client()
    client.environ_base["REMOTE_ADDR"] = "10.1.1.1"
    assert log_in(client, "alice", "right").status_code == 429


def test_a11_5_guesses_at_the_same_moment_are_counted_one_by_one(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    """What counts is noted before it is checked: a burst gets no more tries than a queue."""
    database, now, tried = served.company("small").database, datetime.now(UTC), list[str]()
    verify = cheap.side_effect

    def watched(hashed: str, given: bytes) -> bool:
        if hashed != "nobody":
            tried.append(hashed)
        return bool(verify(hashed, given))

    cheap.side_effect = watched
    threads = [
        threading.Thread(target=logins.log_in, args=(database, "alice", "no", f"10.2.0.{at}", now))
        for at in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tried) == logins.PER_LOGIN


def test_a_few_typing_errors_are_forgiven_by_the_right_password(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    database, now = served.company("small").database, datetime.now(UTC)
    for _ in range(3):
        for _ in range(logins.PER_LOGIN - 1):
            assert logins.log_in(database, "alice", "oops", "10.1.1.1", now) is None
        assert logins.log_in(database, "alice", "right", "10.1.1.1", now) == alice


# --- A11.6: which passwords ----------------------------------------------------------------------


@pytest.mark.parametrize("way", ["link", "account"])
def test_a11_6_the_same_policy_whichever_way_a_password_is_set(
    served: Served, alice: int, way: str
) -> None:
    rules(served, minimum=12)
    client, more = served.app.test_client(), {}
    page = path = link_for(served, "alice", "password").removeprefix("/small")
    if way == "account":
        log_in(client, "alice")
        page, path, more = "/account", "/account/password", {"current": PASSWORD}

    def set_to(password: str) -> str:
        answer = fill(client, page, path, password=password, repeated=password, **more)
        assert answer.status_code == 422, password
        return answer.get_data(as_text=True)

    assert "12" in set_to("grau 7 wal")
    assert "128" in set_to("长" * 43)
    assert "128" in set_to("x" * 100_000)
    assert "easily guessed" in set_to("password1234")
    assert "made of your name" in set_to("Alice-2026-10")
    assert "passwords differ" in fill(
        client, page, path, password="grau 7 wal bei", repeated="grau 7 wal", **more
    ).get_data(as_text=True)
    fine = "三只猫在屋顶上看月亮呢"
    done = fill(client, page, path, password=fine + "！", repeated=fine + "！", **more)
    assert done.status_code == 303
    assert log_in(served.app.test_client(), "alice", fine + "！").status_code == 303


def test_the_new_password_is_another_one_and_the_old_one_is_asked_for(
    served: Served, alice: int
) -> None:
    client = served.app.test_client()
    log_in(client, "alice")

    def change_to(current: str, new: str) -> int:
        fields = {"current": current, "password": new, "repeated": new}
        return fill(client, "/account", "/account/password", **fields).status_code

    assert change_to(PASSWORD, PASSWORD) == 422
    for _ in range(5):
        assert change_to("wrong", "another long one") == 422
    assert change_to(PASSWORD, "another long one") == 429, "guessing at it has a limit too"


# --- A11.10: once more, who is there? ------------------------------------------------------------


def test_a11_10_what_is_protected_asks_again_after_a_quarter_of_an_hour(
    served: Served, alice: int
) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    assert client.get("/small/account/tokens/new").status_code == 200, "the login proved it"
    table, old = system.SESSION, datetime.now(UTC) - timedelta(minutes=16)
    with served.company("small").database.write() as connection:
        connection.execute(table.update().values(proved_at=old))
    asked = client.get("/small/account/tokens/new?days=7")
    assert asked.status_code == 303
    assert asked.headers["Location"].startswith("/small/prove?next=")
    page = client.get(asked.headers["Location"])
    fields = {"next": "/small/account/tokens/new?days=7", "csrf_token": token_of(page)}
    assert client.post("/small/prove", data={**fields, "password": "no"}).status_code == 422
    done = client.post("/small/prove", data={**fields, "password": PASSWORD})
    assert done.headers["Location"] == "/small/account/tokens/new?days=7"
    assert client.get(done.headers["Location"]).status_code == 200
    assert inside(client)


def test_a11_10_a_form_sent_too_late_goes_back_to_its_page(served: Served, alice: int) -> None:
    """What was typed is not done behind anybody's back: the page is shown again."""
    client = served.app.test_client()
    log_in(client, "alice")
    with served.company("small").database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=None))
    token = token_of(client.get("/small/account"))
    for came, back in (
        ("http://localhost/small/account", "/small/account"),
        ("http://evil.example/small/account", "/small/account"),  # its path, here
        ("http://evil.example/evil", "/small/"),
        ("", "/small/"),
    ):
        answer = client.post(
            "/small/account/factor/begin", data={"csrf_token": token}, headers={"Referer": came}
        )
        assert answer.headers["Location"].replace("%2F", "/") == f"/small/prove?next={back}"


def test_a11_10_proving_has_a_limit_and_wants_the_stronger_thing(
    served: Served, alice: int
) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    phone, _codes = with_factor(served, alice)
    assert fill(client, "/prove", password=PASSWORD).status_code == 422, "a code, not the password"
    for _ in range(4):
        assert fill(client, "/prove", code="000000").status_code == 422
    assert fill(client, "/prove", code=phone.now()).status_code == 429
    steps = [details for _, _, details in events(served, "login.failed")]
    assert steps == [{"step": "prove"}] * 5


# --- what is written down ------------------------------------------------------------------------


def test_a_failed_login_is_written_down_without_what_was_typed(
    served: Served, alice: int, cheap: mock.Mock
) -> None:
    """A password typed into the wrong line stays out of the log."""
    client = served.app.test_client()
    log_in(client, "MySecretPass!", "alice")
    log_in(client, "alice", "wrong-typed")
    found = events(served, "login.failed")
    assert [user for _, user, _ in found] == [None, alice]
    assert "mysecret" not in kept(found).lower()
    assert "wrong-typed" not in kept(found)
    with served.company("small").database.read() as connection:
        rows = connection.execute(sa.select(system.LOGIN_FAILURE)).all()
    assert "mysecret" not in kept([tuple(row) for row in rows]).lower()


def test_the_rules_page_is_the_administrators_and_holds_at_once(served: Served) -> None:
    root, zoe = served.visitor("small", "root"), served.visitor("small", "zoe")
    assert zoe.get("/admin/sign-in").status_code == 404
    assert "Sign-in rules" in root.text("/admin/sign-in")
    wrong = {"minimum": "7", "idle": "1", "hours": "99", "factor_roles": "nobody"}
    answer = root.form("/admin/sign-in", list(wrong.items()))
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    for words in ("between 8 and 64", "between 5 and 720", "between 1 and 24", "nobody"):
        assert words in page
    fine = [("minimum", "14"), ("idle", "30"), ("hours", ""), ("factor_roles", "sales")]
    assert root.form("/admin/sign-in", fine).status_code == 303
    assert root.get("/account").status_code == 302, "an operator needs one too, and at once"
    rules(served, minimum=14)
    assert 'value="14"' in root.text("/admin/sign-in")
    changed = {"minimum": "14", "factor_roles": "['sales']", "idle": "30"}
    me = served.actor("small", "root").id
    assert events(served, "rules.changed") == [("rules.changed", me, changed)]


def test_cookies_over_https_are_this_hosts_and_this_companys(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOUGONG_BASE_URL", "https://crm.example.com")
    for served in small_company(small, tmp_path):
        with_password(served, "alice")
        client = served.app.test_client()
        there = {"base_url": "https://crm.example.com"}
        page = client.get("/small/login", **there)
        assert page.headers["Set-Cookie"].startswith("__Host-dg_visitor=")
        fields = {"login": "alice", "password": PASSWORD, "csrf_token": token_of(page)}
        answer = client.post("/small/login", data=fields, **there)
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-dg_session-small=")
        for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert word in [part.strip() for part in cookie.split(";")]
        assert "Domain" not in cookie
        assert client.get("/small/account", **there).status_code == 200
        link = make_login_link(served.installation, served.company("small"), "zoe", "invite")
        assert link.startswith("https://crm.example.com/small/once/")
