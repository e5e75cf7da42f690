"""Sessions: how they end, who ends them, and that every process knows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from tests.companies import Served
from tests.integration import records_world
from tests.integration.accounts_world import (
    PASSWORD,
    change,
    events,
    fill,
    inside,
    log_in,
    rules,
    session_cookie,
    small_company,
    token_of,
    with_factor,
    with_password,
)

from dougong.app import create_app
from dougong.installation import Installation, Listing
from dougong.security import SESSION_COOKIE
from dougong.setup import create_company
from engine.accounts import api_tokens, attempts, changing, links, logins, passwords, sessions
from engine.accounts.security_log import broken_at
from engine.accounts.tidying import tidy
from engine.records.bearers import bearer_of
from engine.records.people import change_user, create_department, set_roles
from engine.records.sign_in import asked_for
from engine.records.unit import SYSTEM
from engine.records.visits import visit_of
from engine.storage import Database
from engine.tables import system

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    """The small company; alice sells, zoe reads, root administers and operates."""
    yield from small_company(small, tmp_path)


@pytest.fixture
def alice(served: Served) -> int:
    """The id of alice, who has a password."""
    return with_password(served, "alice")


@pytest.fixture
def workers(served: Served) -> Iterator[tuple[FlaskClient, FlaskClient]]:
    """Clients of two processes' applications, each with its own open company, on one database."""
    second = Installation(served.installation.settings)
    app = create_app(second)
    yield served.app.test_client(), app.test_client()
    second.close()


def test_the_database_knows_no_token(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    with served.company("small").database.read() as connection:
        kept = connection.scalars(sa.select(system.SESSION.c.id_hash)).all()
    assert session_cookie(client) not in kept


# --- A11.2: ended at once, everywhere ------------------------------------------------------------

ENDS: dict[str, Callable[[Served, FlaskClient, int], Any]] = {
    "logging out": lambda served, client, user: fill(client, "/account", "/logout"),
    "a closed account": lambda served, client, user: served.visitor("small", "root").form(
        "/ops/users/close", [("id", str(user)), ("closed", "1")]
    ),
    "a reset of the second factor": lambda served, client, user: _reset_factor(served, user),
}


def _reset_factor(served: Served, user: int) -> None:
    from engine.records.personnel.entrance import reset_factor

    with_factor(served, user)
    with served.company("small").unit(served.actor("small", "root"), write=True) as unit:
        reset_factor(unit, user)


@pytest.mark.parametrize("why", ENDS)
def test_a11_2_what_ends_a_session_ends_it_in_every_process(
    served: Served, alice: int, workers: tuple[FlaskClient, FlaskClient], why: str
) -> None:
    one, two = workers
    log_in(one, "alice")
    two.set_cookie(SESSION_COOKIE, session_cookie(one), path="/small/")
    assert inside(one)
    assert inside(two)
    ENDS[why](served, one, alice)
    one.set_cookie(SESSION_COOKIE, _value(two), path="/small/")  # a logout took it from the browser
    assert not inside(two), why
    assert not inside(one), why
    assert two.get("/small/api/v1/customer").status_code == 401


def _value(client: FlaskClient) -> str:
    return session_cookie(client)


def test_a11_2_a_closed_account_that_opens_again_revives_no_session(
    served: Served, alice: int
) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    root = served.visitor("small", "root")
    root.form("/ops/users/close", [("id", str(alice)), ("closed", "1")])
    assert not inside(client)
    assert log_in(served.app.test_client(), "alice").status_code == 422
    root.form("/ops/users/close", [("id", str(alice)), ("closed", "0")])
    assert not inside(client)
    assert log_in(served.app.test_client(), "alice").status_code == 303


def test_a11_2_a_new_password_ends_the_other_sessions(
    served: Served, alice: int, workers: tuple[FlaskClient, FlaskClient]
) -> None:
    here, elsewhere = workers
    log_in(here, "alice")
    log_in(elsewhere, "alice")
    new = {"password": "another long one", "repeated": "another long one"}

    def change_it(**fields: str) -> int:
        return fill(here, "/account", "/account/password", **fields).status_code

    assert change_it(current="wrong", **new) == 422
    assert change_it(current=PASSWORD, password="short", repeated="short") == 422
    assert change_it(current=PASSWORD, password="another long one", repeated="and another") == 422
    assert inside(elsewhere)
    database, now = served.company("small").database, datetime.now(UTC)
    wanted = api_tokens.new(alice, "sync", {"*": ["read"]}, 9, now)
    with database.write() as connection:
        program = api_tokens.make(database, connection, now, wanted, by=alice)
    assert bearer_of(database, program, now) is not None
    assert change_it(current=PASSWORD, **new) == 303
    assert inside(here)
    assert not inside(elsewhere)
    assert bearer_of(database, program, now) is None
    assert log_in(elsewhere, "alice").status_code == 422
    assert log_in(elsewhere, "alice", "another long one").status_code == 303
    assert events(served, "password.changed") == [("password.changed", alice, {"by": "account"})]


def test_a11_2_a_role_that_was_taken_counts_with_the_next_request_of_every_process(
    served: Served, alice: int, workers: tuple[FlaskClient, FlaskClient]
) -> None:
    for client in workers:
        log_in(client, "alice")
        assert client.get("/small/e/customer").status_code == 200
    with served.company("small").unit(SYSTEM, write=True) as unit:
        set_roles(unit, alice, [])
    for client in workers:
        assert client.get("/small/e/customer").status_code == 404
        assert inside(client), "the account itself is still hers"


def test_a11_2_so_does_a_department_that_was_left(served: Served, alice: int) -> None:
    database = served.company("small").database
    with served.company("small").unit(SYSTEM, write=True) as unit:
        east = create_department(unit, "East")
        below = create_department(unit, "East 1", east)
        change_user(unit, alice, department_id=east)
    with database.write() as connection:
        token = sessions.start_session(connection, alice, datetime.now(UTC), hours=1)

    def where() -> tuple[int, ...]:
        with database.read() as connection:
            visit = visit_of(database, connection, token, datetime.now(UTC))
        assert visit is not None
        return visit.actor.departments

    assert where() == (east, below)
    with served.company("small").unit(SYSTEM, write=True) as unit:
        change_user(unit, alice, department_id=None)
    assert where() == ()


# --- A11.3: ended by themselves ------------------------------------------------------------------


def test_a11_3_a_session_ends_after_its_time_and_when_nobody_uses_it(
    database: Database,
) -> None:
    """Two hours without use, twelve in any case; the company may want less, at once."""
    database.ddl(system.ensure)
    begun = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    with database.write() as connection:
        connection.execute(
            system.USER.insert().values(
                id=5, login="li", name="Li", is_operator=False, created_at=begun
            )
        )
        token = sessions.start_session(connection, 5, begun, hours=12)

    def holds(hours: float, used: float) -> bool:
        now = begun + timedelta(hours=hours)
        with database.write() as connection:
            sessions.touch_session(connection, token, begun + timedelta(hours=used))
        with database.read() as connection:
            listed = bool(sessions.sessions_of(connection, 5, now))
            assert listed == (visit_of(database, connection, token, now) is not None)
            return listed

    def limits(**values: Any) -> None:
        table = system.SETTING
        with database.write() as connection:
            connection.execute(table.delete().where(table.c.key == "accounts"))
            connection.execute(table.insert().values(key="accounts", value=values))

    assert holds(1.9, 0)
    assert not holds(2.1, 0)
    assert holds(11.9, 11.8)
    assert not holds(12.1, 12)
    limits(idle=30, hours=4)
    assert holds(3.9, 3.5)
    assert not holds(3.9, 3.3)
    assert not holds(4.1, 4.0)
    limits(idle="nonsense", hours=-7)
    assert holds(0.9, 0)
    assert not holds(1.1, 1.0), "less than an hour cannot be meant"


def test_a11_3_a_page_that_asks_by_itself_keeps_no_session_awake(
    served: Served, alice: int
) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    table, then = system.SESSION, datetime.now(UTC) - timedelta(minutes=90)
    database = served.company("small").database

    def seen() -> datetime:
        with database.read() as connection:
            found = connection.scalar(sa.select(table.c.seen_at).where(table.c.user_id == alice))
        assert found is not None
        return found

    with database.write() as connection:
        connection.execute(table.update().values(seen_at=then))
    assert client.get("/small/notifications/count").status_code == 200
    assert seen() == then
    client.get("/small/account")
    assert seen() > then


def test_a11_3_the_companys_hours_are_the_cookies_too(served: Served, alice: int) -> None:
    rules(served, hours=3)
    answer = log_in(served.app.test_client(), "alice")
    assert "Max-Age=10800" in answer.headers["Set-Cookie"]


def test_a_session_holds_in_its_own_company_only(served: Served, alice: int) -> None:
    listing = Listing("other", "", "small")
    create_company(served.installation, listing, records_world.sources(), "root")
    client = served.app.test_client()
    log_in(client, "alice")
    client.set_cookie(SESSION_COOKIE, session_cookie(client), path="/other/")
    assert client.get("/other/account").status_code == 302
    assert client.get("/other/api/v1/customer").status_code == 401


# --- devices -------------------------------------------------------------------------------------


def test_a_person_sees_his_devices_and_ends_them(served: Served, alice: int) -> None:
    desk, phone, third = (served.app.test_client() for _ in range(3))
    for client, agent in ((desk, FIREFOX), (phone, PHONE), (third, "")):
        client.environ_base["HTTP_USER_AGENT"] = agent
        log_in(client, "alice")
    page = desk.get("/small/account").get_data(as_text=True)
    for words in ("Firefox on Linux", "Safari on iPhone", "Unknown browser"):
        assert words in page
    assert page.count("This one") == 1
    assert page.index("Firefox on Linux") < page.index("Safari on iPhone"), "one's own first"
    with served.company("small").database.read() as connection:
        found = sessions.sessions_of(connection, alice, datetime.now(UTC))
    theirs = next(one.hash for one in found if "iPhone" in one.agent)
    assert fill(desk, "/account", "/account/sessions", id=theirs).status_code == 303
    assert [inside(one) for one in (desk, phone, third)] == [True, False, True]
    assert fill(desk, "/account", "/account/sessions", id=theirs).status_code == 404
    log_in(phone, "alice")
    assert fill(desk, "/account", "/account/sessions", others="1").status_code == 303
    assert [inside(one) for one in (desk, phone, third)] == [True, False, False]
    ended = [details["count"] for _, _, details in events(served, "session.ended")]
    assert ended == [1, 2]


def test_nobody_ends_a_session_of_anothers(served: Served, alice: int) -> None:
    mine, hers = served.visitor("small", "zoe"), served.app.test_client()
    log_in(hers, "alice")
    with served.company("small").database.read() as connection:
        id = connection.scalar(
            sa.select(system.SESSION.c.id_hash).where(system.SESSION.c.user_id == alice)
        )
    assert mine.send("POST", "/account/sessions", data={"id": id}).status_code == 404
    assert mine.send("POST", "/account/sessions", data={"others": "1"}).status_code == 303
    assert inside(hers)


def test_an_agent_that_lies_is_only_text(served: Served, alice: int) -> None:
    client = served.app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = "<script>alert(1)</script> Firefox/1 " + "x" * 5_000
    log_in(client, "alice")
    page = client.get("/small/account").get_data(as_text=True)
    assert "<script>alert" not in page
    assert "Firefox" in page


def test_the_language_is_kept_with_the_account(served: Served, alice: int) -> None:
    client = served.app.test_client()
    log_in(client, "alice")
    assert fill(client, "/account", "/account/language", language="en").status_code == 303
    with served.company("small").database.read() as connection:
        kept = sa.select(system.USER.c.language).where(system.USER.c.id == alice)
        assert connection.scalar(kept) == "en"
    assert fill(client, "/account", "/account/language", language="xx").status_code == 400


def test_someone_without_a_password_sets_one_after_a_proof(served: Served) -> None:
    """An open browser is not enough to give an account a password of one's own."""
    zoe = served.visitor("small", "zoe")
    new = [("password", "another long one"), ("repeated", "another long one")]
    with served.company("small").database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=None))
    assert zoe.form("/account/password", new).headers["Location"].startswith("/small/prove")
    page = zoe.text("/prove")
    assert "Log in again" in page
    assert zoe.form("/prove", [("password", "")]).status_code == 422
    with served.company("small").database.write() as connection:
        connection.execute(system.SESSION.update().values(proved_at=datetime.now(UTC)))
    assert zoe.form("/account/password", new).status_code == 303
    assert log_in(served.app.test_client(), "zoe", "another long one").status_code == 303


def test_closing_an_account_while_it_logs_in(served: Served, alice: int) -> None:
    client = served.app.test_client()
    token = token_of(client.get("/small/login"))
    change(served, alice, disabled_at=datetime.now(UTC))
    fields = {"login": "alice", "password": PASSWORD, "csrf_token": token}
    assert client.post("/small/login", data=fields).status_code == 422


def test_what_ended_by_itself_is_thrown_away(database: Database) -> None:
    """And what counts still, stays."""
    database.ddl(system.ensure)
    now, names = datetime.now(UTC), ("dg_session", "dg_once_link", "dg_attempt", "dg_login_failure")
    brake = attempts.Brake("test", 3)
    with database.write() as connection:
        values = {"id": 5, "login": "li", "name": "Li", "is_operator": False, "created_at": now}
        connection.execute(system.USER.insert().values(values))
        for then in (now - timedelta(days=40), now):
            sessions.start_session(connection, 5, then, hours=1)
            links.make_link(connection, 5, then)
            attempts.note(connection, database.ids, then, brake, "x")
            id = database.ids.next(connection)
            row = {"id": id, "login": "li", "address": "", "at": then}
            connection.execute(system.LOGIN_FAILURE.insert().values(row))
        tidy(connection, now)
        for name in names:
            table = system.METADATA.tables[name]
            count = sa.select(sa.func.count()).select_from(table)
            assert connection.execute(count).scalar_one() == 1, name


def test_attempts_are_counted_by_kind_and_key_within_the_window(database: Database) -> None:
    database.ddl(system.ensure)
    brake, now = attempts.Brake("test", 2, timedelta(minutes=15)), datetime.now(UTC)
    with database.write() as connection:
        took = [attempts.take(connection, database.ids, now, brake, "x") for _ in range(3)]
        assert took == [True, True, False]
        assert attempts.take(connection, database.ids, now, brake, "y")
        other = attempts.Brake("other", 2)
        assert attempts.allowed(connection, now, other, "x")
        later = now + timedelta(minutes=15)
        assert attempts.allowed(connection, later, brake, "x")
        attempts.forget(connection, brake, "x")
        assert attempts.allowed(connection, now, brake, "x")


def test_logging_in_is_the_same_on_both_engines(database: Database) -> None:
    database.ddl(system.ensure)
    now = datetime.now(UTC)
    values = {"id": 5, "login": "Li", "name": "Li", "is_operator": False, "created_at": now}
    with database.write() as connection:
        connection.execute(system.USER.insert().values(**values, email="li@example.com"))
    with database.write() as connection:
        token = links.make_link(connection, 5, now, "password")
    with database.write() as connection:
        assert links.use_link(connection, token, now)
        assert not links.use_link(connection, token, now)
        changing.change_password(connection, 5, passwords.hash_password(PASSWORD), now)
    assert logins.log_in(database, "li", "wrong", "10.0.0.1", now) is None
    assert logins.log_in(database, "li", PASSWORD, "10.0.0.1", now) == 5
    with database.read() as connection:
        found = [asked_for(connection, name) for name in ("li", "li@example.com", "no", "")]
        kinds = connection.scalars(sa.select(system.SECURITY.c.kind)).all()
        assert broken_at(connection) is None
    assert found == [5, 5, None, None]
    assert kinds == ["login.failed"]
