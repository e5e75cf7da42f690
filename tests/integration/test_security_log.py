"""The security log: what is refused is in it, nobody drowns it, and nobody changes it unseen."""

from __future__ import annotations

import ast
import logging
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import records_world
from tests.web import KEY, Browser, Site

import dougong
import engine
from dougong import refused_log
from dougong.refused_log import Meter
from dougong.studio.log_words import kind_words
from engine.accounts.security_log import broken_at, log_event
from engine.records.personnel import logs
from engine.storage import Database, StorageBusy
from engine.tables.system import ACCESS, SECURITY

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HERE = "127.0.0.1"


def entries(site: Site, kind: str = "refused.") -> list[dict[str, Any]]:
    with site.company.database.read() as connection:
        rows = connection.execute(sa.select(SECURITY).order_by(SECURITY.c.id)).mappings()
        return [dict(row) for row in rows if row["kind"].startswith(kind)]


def page(browser: Browser, path: str) -> str:
    found = browser.get(path)
    assert found.status_code == 200, (path, found.status)
    return found.get_data(as_text=True)


# --- refusals --------------------------------------------------------------------------------


def test_what_is_refused_is_written_down_without_what_was_typed(site: Site) -> None:
    wang, secret = site.browser("wang"), "s3cret-that-was-typed"
    customer = site.create("customer", "sun", name="孙丽的客户", owner=site.person("sun"))
    assert wang.post(f"/e/customer/{customer}/edit", {"name": secret}).status_code == 404
    [entry] = entries(site)
    assert (entry["kind"], entry["user_id"]) == ("refused.R001", site.person("wang"))
    assert (entry["entity"], entry["record_id"]) == ("customer", customer)
    assert entry["details"]["method"] == "POST"
    assert entry["address"] == HERE
    assert secret not in str(entry)
    assert wang.get(f"/e/customer/{customer}").status_code == 404  # looking is an attempt, too
    assert wang.get("/admin/users").status_code == 404
    assert [one["kind"] for one in entries(site)[1:]] == ["refused.R001", "refused.404"]
    with site.company.database.read() as connection:
        assert broken_at(connection) is None


def test_strangers_who_scan_leave_nothing_and_who_sends_forms_leaves_little(site: Site) -> None:
    client = site.app.test_client()
    for path in ("admin", ".env", "e/customer/1", "admin/users"):
        client.get(f"/{KEY}/{path}")
    assert entries(site) == []
    for _ in range(refused_log.PER_ADDRESS + 20):
        assert client.post(f"/{KEY}/e/customer/1/delete").status_code == 400
    found = entries(site)
    assert len(found) == refused_log.PER_ADDRESS
    assert {one["kind"] for one in found} == {"refused.csrf"}
    assert {one["user_id"] for one in found} == {None}


def test_what_was_only_counted_is_told_when_the_minute_is_over(site: Site) -> None:
    client = site.app.test_client()
    for _ in range(refused_log.PER_ADDRESS + 5):
        client.post(f"/{KEY}/language")
    meter = site.app.extensions["refused_log"][KEY]
    for window in meter.windows.values():
        window.since -= refused_log.MINUTE
    site.browser("wang").get("/account")  # any request of anybody
    [told] = entries(site, "refused.many")
    assert (told["address"], told["details"]["count"]) == (HERE, 5)
    assert meter.due(datetime.now(UTC)) == []


def test_all_strangers_together_have_a_limit() -> None:
    meter, written = Meter(), 0
    for number in range(500):
        address = f"10.0.{number % 250}.1"
        written += meter.admit(address, 60, NOW) and meter.admit(
            refused_log.ALL, refused_log.STRANGERS, NOW
        )
    assert written == refused_log.STRANGERS
    [(key, window)] = meter.due(NOW + timedelta(minutes=1))
    assert (key, window.over) == (refused_log.ALL, 500 - refused_log.STRANGERS)


def test_the_memory_for_addresses_has_a_limit() -> None:
    meter = Meter()
    for number in range(25_000):
        meter.admit(f"{number}", 60, NOW)
    assert len(meter.windows) <= 10_000


def test_other_processes_count_as_well(site: Site) -> None:
    """What they wrote in the last minute leaves less room here."""
    with site.company.database.write() as connection:
        for _ in range(refused_log.PER_ADDRESS):
            log_event(connection, datetime.now(UTC), "refused.csrf", address=HERE)
    site.app.test_client().post(f"/{KEY}/language")
    assert len(entries(site)) == refused_log.PER_ADDRESS


def test_a_log_that_cannot_be_written_never_changes_an_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(*_given: object, **_more: object) -> None:
        raise StorageBusy

    monkeypatch.setattr(refused_log, "log_event", busy)
    caplog.set_level(logging.WARNING, "dougong.refused")
    assert site.app.test_client().post(f"/{KEY}/language").status_code == 400
    assert entries(site) == []
    assert any("could not be written" in one.getMessage() for one in caplog.records)
    assert any("csrf" in one.getMessage() for one in caplog.records)


# --- the chain -------------------------------------------------------------------------------


def test_writers_at_the_same_time_make_one_chain(postgres_database: Database) -> None:
    world = records_world.build(postgres_database)
    database, barrier = world.company.database, threading.Barrier(2)

    def write(who: int) -> None:
        barrier.wait()
        for number in range(15):
            with database.write() as connection:
                log_event(connection, NOW, "login.ok", user=who, details={"number": number})

    threads = [threading.Thread(target=write, args=(who,)) for who in (1, 2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with database.read() as connection:
        assert broken_at(connection) is None
        ids = list(connection.scalars(sa.select(SECURITY.c.id).order_by(SECURITY.c.id)))
    assert ids == [*range(1, 31)]


@pytest.fixture
def told(sqlite_database: Database) -> records_world.World:
    """A company with ten entries."""
    world = records_world.build(sqlite_database)
    with world.company.database.write() as connection:
        for number in range(10):
            details = {"number": number, "roles": ["sales"]}
            log_event(connection, NOW, "role.given", user=3, details=details)
    return world


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        (sa.update(SECURITY).where(SECURITY.c.id == 4).values(user_id=7), 4),
        (sa.update(SECURITY).where(SECURITY.c.id == 4).values(details={"roles": ["x"]}), 4),
        (sa.update(SECURITY).where(SECURITY.c.id == 4).values(at=NOW + timedelta(1)), 4),
        (sa.update(SECURITY).where(SECURITY.c.id == 4).values(address="10.0.0.1"), 4),
        (sa.update(SECURITY).where(SECURITY.c.id == 4).values(hash="0" * 64), 4),
        (sa.delete(SECURITY).where(SECURITY.c.id == 4), 5),
        (sa.delete(SECURITY).where(SECURITY.c.id <= 4), None),  # kept no longer: no break
    ],
)
def test_whoever_changes_an_entry_in_the_database_is_found_out(
    told: records_world.World, tamper: Any, broken: int | None
) -> None:
    with told.company.database.write() as connection:
        assert broken_at(connection) is None
        connection.execute(tamper)
    with told.read("root") as unit:
        assert logs.chain(unit).broken == broken


def test_no_code_but_the_logs_own_writes_the_table() -> None:
    """There is no door through which an entry is changed or removed."""
    own = {"security_log.py", "system.py"}  # writes it; defines it
    root = Path(engine.__path__[0]).parent
    assert root == Path(dougong.__path__[0]).parent
    readers = 0
    for path in root.rglob("*.py"):
        words = path.read_text("utf-8")
        if path.name in own:
            continue
        assert "dg_security" not in words, path
        if "SECURITY" not in words:
            continue
        readers += 1
        for node in ast.walk(ast.parse(words)):
            if isinstance(node, ast.Call) and _called(node) in {"insert", "update", "delete"}:
                inside = [each for each in ast.walk(node) if _names_security(each)]
                assert not inside, f"{path}:{node.lineno}"
    assert readers >= 3, "the search finds who reads it"


def _names_security(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id in {"SECURITY", "_SECURITY"}) or (
        isinstance(node, ast.Attribute) and node.attr in {"SECURITY", "_SECURITY"}
    )


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_no_address_of_the_application_changes_the_logs(site: Site) -> None:
    """They are read by GET, and nothing else leads there."""
    rules = [rule for rule in site.app.url_map.iter_rules() if rule.endpoint.startswith("logs.")]
    assert {rule.endpoint for rule in rules} == {"logs.security", "logs.access"}
    assert all((rule.methods or set()) <= {"GET", "HEAD", "OPTIONS"} for rule in rules)


KIND = re.compile(
    r'"((?:login|password|factor|session|link|token|oidc|user|role|department|share|privacy|rules|rights)'
    r"\.[a-z]+ed|login\.ok|(?:link|token|user)\.made|role\.(?:given|taken)|share\.(?:given|taken)|"
    r'factor\.added|key\.rotated|publish\.rights|privacy\.report|refused\.many)"'
)


def test_every_kind_that_is_written_has_words(site: Site) -> None:
    root = Path(engine.__path__[0]).parent
    texts = [path.read_text("utf-8") for path in root.rglob("*.py")]
    written = {found for text in texts for found in KIND.findall(text)}
    assert len(written) > 25
    for language in ("en", "zh-CN"):
        with site.app.test_request_context("/", headers={"Accept-Language": language}):
            dumb = [kind for kind in written if kind_words(kind) == kind]
        assert dumb == []


# --- the pages -------------------------------------------------------------------------------


def test_the_log_is_read_by_kind_person_address_and_day(site: Site) -> None:
    admin, wang = site.browser("admin", "en"), site.person("wang")
    with site.company.database.write() as connection:
        log_event(connection, NOW, "login.failed", address="10.1.1.1", agent="<b>agent</b>")
        log_event(connection, NOW + timedelta(days=1), "token.made", user=wang, address="10.2.2.2")
        details = {"roles": ["sales"], "odd": "\x1b[31mred"}
        about = ("@user", wang)
        log_event(connection, NOW + timedelta(days=2), "role.given", about=about, details=details)

    def found(query: str) -> list[str]:
        words = page(admin, f"/admin/logs/security?{query}").split('<ul class="rows log">')
        shown = words[1] if len(words) == 2 else ""
        known = ("Login failed", "API token made", "Role given")
        return [one for one in known if one in shown]

    assert found("") == ["Login failed", "API token made", "Role given"]
    assert found("kind=login.") == ["Login failed"]
    assert found("kind=role.given") == ["Role given"]
    assert found(f"person={wang}") == ["API token made", "Role given"]
    assert found("address=10.2.2.2") == ["API token made"]
    assert found("since=2026-03-03&until=2026-03-03") == ["API token made"]
    assert found("until=2026-03-02") == ["Login failed"]
    assert found("kind=nonsense&since=yesterday") == []
    words = page(admin, "/admin/logs/security")
    assert "Unbroken since" in words
    assert "<b>agent</b>" not in words
    assert "\x1b" not in words
    chinese = page(site.browser("admin"), "/admin/logs/security")
    assert chinese


def test_details_are_told_in_words(site: Site) -> None:
    token = {"token": 41, "start": "dg_abc", "scopes": ["customer: read write", "*: read"]}
    look = {"login": "li", "person": site.person("li"), "action": "write", "field": ""}
    with site.company.database.write() as connection:
        log_event(connection, NOW, "token.made", user=site.person("wang"), details=token)
        log_event(connection, NOW, "rights.viewed", user=site.person("wang"), details=look)
    shown = page(site.browser("admin", language="en"), "/admin/logs/security")
    assert "Everything: Read; Customers: Read, Change" in shown
    assert "customer: read" not in shown
    assert "Looked with somebody else" in shown
    assert "Action: Change" in shown


def test_the_page_says_where_the_chain_is_broken(site: Site) -> None:
    with site.company.database.write() as connection:
        for _ in range(3):
            log_event(connection, NOW, "login.ok")
        connection.execute(sa.update(SECURITY).where(SECURITY.c.id == 2).values(kind="logout"))
    assert "broken at entry 2" in page(site.browser("admin", "en"), "/admin/logs/security")


def test_long_logs_have_pages_and_are_checked_in_part(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = site.browser("admin", "en")
    monkeypatch.setattr(logs, "NEWEST", 20)
    with site.company.database.write() as connection:
        for number in range(logs.SIZE + 10):
            log_event(connection, NOW, "login.ok", address=f"10.0.0.{number}")
        connection.execute(sa.update(SECURITY).where(SECURITY.c.id == 2).values(kind="logout"))
    words = page(admin, "/admin/logs/security")
    assert "The newest 20 of" in words
    assert "10.0.0.1<" not in words
    assert "10.0.0.1<" in page(admin, "/admin/logs/security?before=11")
    assert "broken at entry 2" in page(admin, "/admin/logs/security?check=all")


def test_the_access_log_tells_who_looked(site: Site) -> None:
    customer = site.create("customer", "wang", name="恒泰制造", owner=site.person("wang"))
    with site.company.database.write() as connection:
        for number, (who, record) in enumerate((("li", customer), ("wang", None)), 1):
            connection.execute(
                ACCESS.insert().values(
                    id=number, at=NOW, user_id=site.person(who), action="open", entity="customer",
                    record_id=record, fields=["phone"], count=number, source="page", address=HERE,
                )
            )  # fmt: skip
    admin = site.browser("admin", "en")
    words = page(admin, "/admin/logs/access")
    assert "恒泰制造" in words
    assert "李强" in words
    rows = page(admin, f"/admin/logs/access?entity=customer&record={customer}")
    assert rows.count('class="log-row"') == 1
    assert "No entry matches" in page(admin, f"/admin/logs/access?person={site.person('sun')}")


def test_the_back_office_shows_the_new_tables_and_no_secret(site: Site) -> None:
    now = datetime.now(UTC)
    from engine.tables import system

    wang = site.person("wang")
    with site.company.database.write() as connection:
        connection.execute(
            system.FACTOR.insert().values(user_id=wang, secret="CANARY-1", created_at=now)
        )
        connection.execute(
            system.RECOVERY.insert().values(code_hash="CANARY-2", user_id=wang, created_at=now)
        )
        connection.execute(
            system.TOKEN.insert().values(
                id=1, token_hash="CANARY-3", start="dg_abc", user_id=wang, name="Till", scopes={},
                created_at=now, expires_at=now,
            )
        )  # fmt: skip
        connection.execute(
            system.ONCE_LINK.insert().values(
                token_hash="CANARY-4", user_id=wang, purpose="login", expires_at=now,
                bound="CANARY-5",
            )
        )  # fmt: skip
        log_event(connection, now, "token.made", user=wang, details={"start": "dg_abc"})
    admin = site.browser("admin", "en")
    rules = [rule for rule in site.app.url_map.iter_rules() if rule.endpoint.startswith("ops")]
    shown = {rule.endpoint for rule in rules if rule.endpoint.endswith(".index_view")}
    assert {"ops_security.index_view", "ops_tokens.index_view", "ops_factors.index_view"} <= shown
    for endpoint in shown:
        path = endpoint.removeprefix("ops_").removesuffix(".index_view")
        assert "CANARY" not in page(admin, f"/ops/{path}/"), endpoint
    assert "dg_abc" in page(admin, "/ops/tokens/")
    assert "CANARY" not in page(admin, "/ops/tokens/details/?id=1")
    assert site.browser("li").get("/ops/tokens/").status_code == 404
