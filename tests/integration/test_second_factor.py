"""A second factor: codes of a telephone and recovery codes, each good for one login."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyotp
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served, dougong
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
    with_factor,
    with_password,
)

from dougong.app import create_app
from dougong.security import SESSION_COOKIE
from engine.accounts import factors
from engine.storage import Database
from engine.tables import system

STEP = timedelta(seconds=30)


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    return with_password(served, "alice")


def code_page(client: FlaskClient, code: str, **more: str) -> int:
    """What the page that asks for the code answers."""
    return fill(client, "/login/second", code=code, **more).status_code


def shown_secret(page: str) -> str:
    """The secret that a page shows to be typed."""
    found = re.search(r'class="account-secret">([A-Z2-7 ]+)<', page)
    assert found is not None
    return found[1].replace(" ", "")


# --- setting it up -------------------------------------------------------------------------------


def test_a_person_sets_it_up_and_logs_in_with_it(served: Served, alice: int) -> None:
    client, elsewhere = served.app.test_client(), served.app.test_client()
    log_in(client, "alice")
    log_in(elsewhere, "alice")
    assert "account-secret" not in client.get("/small/account/factor").get_data(as_text=True)
    begun = fill(client, "/account/factor", "/account/factor/begin")
    page = client.get(begun.headers["Location"]).get_data(as_text=True)
    secret = shown_secret(page)
    assert shown_secret(client.get("/small/account/factor").get_data(as_text=True)) == secret
    picture = re.search(r'src="(data:image/svg\+xml[^"]*)"', page)
    assert picture is not None
    assert unquote(html.unescape(picture[1])).startswith("data:image/svg+xml")
    assert not factors_on(served, alice), "not before the first code"
    assert fill(client, "/account/factor", "/account/factor/confirm", code="1").status_code == 422

    before, phone = session_cookie(client), pyotp.TOTP(secret)
    done = fill(client, "/account/factor", "/account/factor/confirm", code=phone.now())
    codes = re.findall(r"<code>([a-z2-9-]{19})</code>", done.get_data(as_text=True))
    assert len(set(codes)) == factors.HOW_MANY
    assert session_cookie(client) != before
    assert inside(client)
    assert not inside(elsewhere)
    assert codes[0] not in client.get("/small/account").get_data(as_text=True), "shown once"

    fresh = served.app.test_client()
    answer = log_in(fresh, "alice", next="/small/e/customer")
    assert answer.headers["Location"] == "/small/login/second?next=/small/e/customer"
    half = session_cookie(fresh)
    assert not inside(fresh)
    assert fresh.get("/small/api/v1/customer").status_code == 401
    assert code_page(fresh, phone.now()) == 422, "it was used when it was set up"
    later = phone.at(datetime.now(UTC) + STEP)
    sent = fill(fresh, "/login/second", code=f" {later[:3]} {later[3:]}", next="/small/e/customer")
    assert sent.headers["Location"] == "/small/e/customer"
    assert inside(fresh)
    assert session_cookie(fresh) != half, "the id changes with what the session is worth"
    kinds = [kind for kind, *_ in events(served, "factor.added", "login.ok", "login.failed")]
    assert kinds == ["login.ok", "login.ok", "factor.added", "login.failed", "login.ok"]


def factors_on(served: Served, user: int) -> bool:
    with served.company("small").database.read() as connection:
        return factors.enabled(connection, user) is not None


def test_setting_it_up_wants_a_fresh_proof(served: Served, alice: int) -> None:
    """A browser left open is not enough to lock its owner out."""
    client = served.app.test_client()
    log_in(client, "alice")
    with served.company("small").database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=None))
    for path in ("begin", "confirm"):
        answer = fill(client, "/account/factor", f"/account/factor/{path}", code="1")
        assert answer.headers["Location"].startswith("/small/prove"), path
    with served.company("small").database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(system.FACTOR)) == 0


def test_the_database_gives_no_secret_away(served: Served, alice: int) -> None:
    phone, codes = with_factor(served, alice)
    with served.company("small").database.read() as connection:
        rows = [
            *connection.execute(sa.select(system.FACTOR)),
            *connection.execute(sa.select(system.RECOVERY)),
        ]
    text = kept([tuple(row) for row in rows])
    assert phone.secret not in text
    for code in codes:
        assert code not in text
        assert code.replace("-", "") not in text


def test_a_sealed_secret_opens_for_its_person_only(served: Served, alice: int) -> None:
    """Somebody who can write to the database cannot give himself another's factor."""
    erin = with_password(served, "erin")
    phone, _ = with_factor(served, alice)
    with_factor(served, erin)
    table = system.FACTOR
    with served.company("small").database.write() as connection:
        hers = connection.scalar(sa.select(table.c.secret).where(table.c.user_id == alice))
        connection.execute(table.update().where(table.c.user_id == erin).values(secret=hers))
    client = served.app.test_client()
    log_in(client, "erin")
    assert code_page(client, phone.now()) == 422


# --- codes ---------------------------------------------------------------------------------------


def test_a_code_is_good_for_one_login_in_one_process(served: Served, alice: int) -> None:
    phone, _ = with_factor(served, alice)
    other = create_app(served.installation)
    one, two = served.app.test_client(), other.test_client()
    for client in (one, two):
        log_in(client, "alice")
    code = phone.now()
    assert [code_page(one, code), code_page(two, code)] == [303, 422]
    assert inside(one)
    assert not inside(two)


def test_codes_of_the_neighbouring_steps_will_do_and_no_others(
    database: Database, ready: tuple[bytes, int, pyotp.TOTP]
) -> None:
    secret, user, phone = ready
    now = datetime(2026, 5, 1, 12, 0, 10, tzinfo=UTC)

    def check(steps: int) -> str | None:
        with database.write() as connection:
            code = phone.at(now + steps * STEP)
            return factors.check_code(connection, user, secret, code, now)

    assert [check(steps) for steps in (-2, 2, -1, -1, 0, -1, 1)] == [
        None, None, "totp", None, "totp", None, "totp",
    ]  # fmt: skip


@pytest.fixture
def ready(database: Database) -> tuple[bytes, int, pyotp.TOTP]:
    """An installation's secret, and a person with a telephone, on either engine."""
    secret, user, then = b"s" * 32, 7, datetime(2026, 1, 1, tzinfo=UTC)
    database.ddl(system.ensure)
    with database.write() as connection:
        connection.execute(
            system.USER.insert().values(
                id=user, login="li", name="Li", is_operator=False, created_at=then
            )
        )
        factors.begin(connection, user, secret, then)
        shared = factors.unfinished(connection, user, secret, then)
        assert shared is not None
        phone = pyotp.TOTP(shared)
        assert factors.confirm(connection, user, secret, phone.at(then), then)
    return secret, user, phone


def test_of_two_with_the_same_code_at_the_same_moment_one_gets_in(
    database: Database, ready: tuple[bytes, int, pyotp.TOTP]
) -> None:
    secret, user, phone = ready
    now, found = datetime(2026, 5, 1, 12, 0, 10, tzinfo=UTC), list[str | None]()
    with database.write() as connection:
        recovery = factors.renew_recovery(connection, user, now)[0]

    def check(code: str) -> None:
        with database.write() as connection:
            found.append(factors.check_code(connection, user, secret, code, now))

    for code in (phone.at(now), recovery):
        found.clear()
        threads = [threading.Thread(target=check, args=(code,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(one is not None for one in found) == 1


def test_a_recovery_code_works_once_and_in_any_writing(served: Served, alice: int) -> None:
    _, codes = with_factor(served, alice)
    client = served.app.test_client()
    log_in(client, "alice")
    assert code_page(client, codes[0].upper().replace("-", " ")) == 303
    assert inside(client)
    again = served.app.test_client()
    log_in(again, "alice")
    assert code_page(again, codes[0]) == 422
    assert code_page(again, codes[1]) == 303
    assert "8 recovery codes" in again.get("/small/account").get_data(as_text=True)
    renewed = fill(again, "/account", "/account/factor/codes").get_data(as_text=True)
    assert len(re.findall(r"<code>[a-z2-9-]{19}</code>", renewed)) == factors.HOW_MANY
    last = served.app.test_client()
    log_in(last, "alice")
    assert code_page(last, codes[2]) == 422, "the old ones are worth nothing"
    erin = with_password(served, "erin")
    with_factor(served, erin)
    stranger = served.app.test_client()
    log_in(stranger, "erin")
    fresh = re.findall(r"<code>([a-z2-9-]{19})</code>", renewed)[0]
    assert code_page(stranger, fresh) == 422, "another person's"


def test_guessing_codes_has_a_limit_that_all_processes_share(served: Served, alice: int) -> None:
    phone, codes = with_factor(served, alice)
    apps = (served.app, create_app(served.installation))
    for turn in range(factors.SECOND.most):
        client = apps[turn % 2].test_client()
        log_in(client, "alice")
        assert code_page(client, "000000") == 422
    client = served.app.test_client()
    log_in(client, "alice")
    assert code_page(client, phone.now()) == 429
    assert code_page(client, codes[0]) == 429
    assert len(events(served, "login.blocked")) == 1


def test_the_code_is_waited_for_five_minutes(served: Served, alice: int) -> None:
    phone, _ = with_factor(served, alice)
    client = served.app.test_client()
    log_in(client, "alice")
    table = system.SESSION
    with served.company("small").database.write() as connection:
        until = connection.scalar(sa.select(table.c.expires_at))
        assert until is not None
        assert until - datetime.now(UTC) < timedelta(minutes=5, seconds=1)
        connection.execute(table.update().values(expires_at=datetime.now(UTC)))
    answer = fill(client, "/login", "/login/second", code=phone.now())
    assert answer.headers["Location"].startswith("/small/login?")
    assert not inside(client)


@pytest.mark.parametrize("purpose", ["login", "password"])
def test_a_link_is_no_way_around_it(served: Served, alice: int, purpose: str) -> None:
    with_factor(served, alice)
    client, path = served.app.test_client(), link_for(served, "alice", purpose)  # type: ignore[arg-type]
    new = {"password": "quite another long one", "repeated": "quite another long one"}
    answer = fill(client, path.removeprefix("/small"), **new)
    assert answer.headers["Location"].startswith("/small/login/second")
    assert not inside(client)


def test_half_a_login_opens_nothing_and_sets_nothing_up(served: Served, alice: int) -> None:
    """Neither a new factor nor a proof by password: the code is asked for, whatever is sent."""
    with_factor(served, alice)
    client = served.app.test_client()
    log_in(client, "alice")
    for page in ("/account/factor", "/prove"):
        there = client.get(f"/small{page}").headers["Location"]
        assert there.startswith("/small/login/second"), page
    for path in ("/prove", "/account/factor/begin", "/account/factor/confirm"):
        answer = fill(client, "/login/second", path, password=PASSWORD, code="1")
        assert answer.headers["Location"].startswith("/small/login/second"), path
    for path in ("/account/password", "/account/factor/remove", "/account/sessions"):
        answer = fill(client, "/login/second", path, current=PASSWORD)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith("/small/login"), path
    assert factors_on(served, alice)


# --- who must have one ---------------------------------------------------------------------------


def test_who_needs_one_and_has_none_sets_it_up_before_anything_else(
    served: Served, alice: int
) -> None:
    """Those who are logged in already, too, with their next request and in every process."""
    client = create_app(served.installation).test_client()
    log_in(client, "alice")
    assert inside(client)
    rules(served, factor_roles=["sales"])
    assert client.get("/small/e/customer").headers["Location"].startswith("/small/login")
    assert client.get("/small/api/v1/customer").status_code == 401
    led = client.get("/small/login?next=/small/e/customer")
    led = client.get(led.headers["Location"])
    assert led.headers["Location"] == "/small/account/factor?next=/small/e/customer"
    begun = fill(client, "/account/factor", "/account/factor/begin", next="/small/e/customer")
    page = client.get(begun.headers["Location"]).get_data(as_text=True)
    code = pyotp.TOTP(shown_secret(page)).now()
    done = fill(client, "/account/factor", "/account/factor/confirm", code=code)
    assert done.status_code == 200
    assert inside(client)
    assert "/account/factor/remove" not in client.get("/small/account").get_data(as_text=True)
    fill(client, "/account", "/account/factor/remove")
    assert factors_on(served, alice), "nor is it switched off"
    assert served.visitor("small", "zoe").get("/account").status_code == 200, "an auditor need not"


def test_who_has_one_and_came_without_it_is_asked_for_the_code(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    phone, _ = with_factor(served, alice)
    assert inside(client)
    rules(served, factor_roles=["sales"])
    assert not inside(client)
    assert code_page(client, phone.now()) == 303
    assert inside(client)


def test_switching_it_off_wants_the_code_and_ends_other_sessions(
    served: Served, alice: int
) -> None:
    phone, _ = with_factor(served, alice)
    client, elsewhere = served.app.test_client(), served.app.test_client()
    for one, code in ((client, phone.now()), (elsewhere, phone.at(datetime.now(UTC) + STEP))):
        log_in(one, "alice")
        assert code_page(one, code) == 303
    assert fill(client, "/account", "/account/factor/remove").status_code == 303
    assert not factors_on(served, alice)
    assert inside(client)
    assert not inside(elsewhere)
    assert log_in(served.app.test_client(), "alice").headers["Location"] == "/small/"
    assert events(served, "factor.removed") == [("factor.removed", alice, {})]


def test_a_closed_account_cannot_finish_its_login(served: Served, alice: int) -> None:
    phone, _ = with_factor(served, alice)
    client = served.app.test_client()
    log_in(client, "alice")
    change(served, alice, disabled_at=datetime.now(UTC))
    answer = fill(client, "/login", "/login/second", code=phone.now())
    assert answer.headers["Location"].startswith("/small/login?")


def test_a_copied_half_session_is_as_good_as_none(served: Served, alice: int) -> None:
    with_factor(served, alice)
    client, thief = served.app.test_client(), served.app.test_client()
    log_in(client, "alice")
    thief.set_cookie(SESSION_COOKIE, session_cookie(client), path="/small/")
    for path in ("/small/", "/small/e/customer", "/small/account", "/small/account/tokens/new"):
        assert thief.get(path).status_code == 302, path


def test_who_lost_the_telephone_is_let_in_by_the_operator(served: Served, alice: int) -> None:
    with_factor(served, alice)
    data = served.installation.settings.data
    assert dougong("people", "reset-factor", "small", "alice", "--data", data).code == 0
    assert log_in(served.app.test_client(), "alice").headers["Location"] == "/small/"
    ((_, _, details),) = events(served, "factor.removed")
    assert details
