"""A14 What goes wrong tells nobody a secret: not the page, not the log, not the history; and nobody
writes a line of the log by what he types."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.guards import business
from tests.security.hostile import LINES
from tests.security.world import World

from dougong.channels.email import MailServer
from engine.accounts.security_log import broken_at, log_event
from engine.records import reading, writing
from engine.tables import system

SECRET: Final = "Se-Kr-3t.Wort_77"


@contextmanager
def heard() -> Iterator[list[str]]:
    """Everything that is logged inside, by anybody, traces included."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    ear, root = Ear(level=0), logging.getLogger()
    before = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(ear)
        root.setLevel(before)


def kept(world: World) -> str:
    """All that the platform writes about its own doings, and the history."""
    found = []
    with world.served.company("t1").database.read() as connection:
        for table in (system.SECURITY, system.HISTORY, system.JOB, system.OUTBOX, system.WF_EVENT,
                      system.NOTICE, system.ACCESS, system.ATTEMPT, system.SESSION, system.DRAFT,
                      system.USER, system.TOKEN, system.FACTOR, system.ONCE_LINK):  # fmt: skip
            found += [repr(tuple(row)) for row in connection.execute(sa.select(table))]
    return "\n".join(found)


def prove(world: World, login: str) -> Visitor:
    """Somebody who proved who he is a moment ago."""
    person = world.served.visitor("t1", login)
    with world.unit() as unit:
        unit.connection.execute(sa.update(system.SESSION).values(proved_at=unit.now))
    person.send("POST", "/search")
    return person


WAYS: Final = {
    "a login that fails": lambda a: a.form("/login", [("login", "alice"), ("password", SECRET)]),
    "a login with the password for a name": lambda a: a.form(
        "/login", [("login", SECRET), ("password", "x")]
    ),
    "a new password": lambda a: a.form(
        "/account/password", [("current", ""), ("password", SECRET), ("repeated", SECRET)]
    ),
    "a new password that is refused": lambda a: a.form(
        "/account/password", [("current", SECRET), ("password", SECRET), ("repeated", "y")]
    ),
    "a code": lambda a: a.form("/account/factor/confirm", [("code", SECRET)]),
    "a proof": lambda a: a.form("/prove", [("password", SECRET), ("code", SECRET)]),
    "a token in a header": lambda a: a.get(
        "/api/v1/customer", headers={"Authorization": f"Bearer dg_{SECRET}"}
    ),
    "a token in an address": lambda a: a.get(f"/api/v1/customer?access_token=dg_{SECRET}"),
    "a link": lambda a: a.get(f"/once/{SECRET}"),
    "a link that is used": lambda a: a.form(f"/once/{SECRET}", [("password", SECRET)]),
    "a channel's secret": lambda a: a.form(
        "/admin/channels/new/webhook",
        [("name", "Hook"), ("url", "https://example.com/x"), ("secret", SECRET)],
    ),
    "a channel that is refused": lambda a: a.form(
        "/admin/channels/new/webhook",
        [("name", "Hook"), ("url", f"http://127.0.0.1/{SECRET}"), ("secret", SECRET)],
    ),
    "a cookie": lambda a: a.get("/account", headers={"Cookie": f"dg_session={SECRET}"}),
    "a forged form": lambda a: a.client.post("/t1/e/customer/new", data={"csrf_token": SECRET}),
}


@pytest.mark.parametrize("what", WAYS)
def test_a14_1_a_secret_is_written_nowhere(world: World, what: str) -> None:
    """Neither into a log nor beside the records."""
    admin = prove(world, "admin")
    with heard() as lines:
        answer = WAYS[what](admin)
    assert answer.status_code < 500
    assert not [line for line in lines if SECRET in line]
    assert SECRET not in kept(world)
    if what not in ("a channel that is refused", "a login with the password for a name"):
        assert SECRET not in answer.get_data(as_text=True)


def test_a14_1_what_is_shown_once_is_kept_nowhere(world: World) -> None:
    """A new token and a factor's secret and recovery codes: in the one answer, and then in no table
    and no log."""
    alice = prove(world, "alice")
    with heard() as lines:
        page = alice.form(
            "/account/tokens/new", [("name", "t"), ("days", "9"), ("right:*", "read")]
        ).get_data(as_text=True)
        page += alice.form(
            "/account/tokens/new", [("name", "t"), ("days", "9"), ("scopes", "*:read")]
        ).get_data(as_text=True)
        alice.form("/account/factor/begin", [])
        setting = alice.get("/account/factor").get_data(as_text=True)
    tokens = set(re.findall(r"dg_[\w-]{40,}", page))
    secrets = set(re.findall(r"\b[A-Z2-7]{32}\b", re.sub(r"(?<=[A-Z2-7]{4}) (?=[A-Z2-7]{4})", "",
                                                         setting)))  # fmt: skip
    assert secrets, setting[-500:]
    written = kept(world)
    for secret in tokens | secrets:
        assert secret not in written
        assert not [line for line in lines if secret in line]


def test_a14_1_settings_show_no_secret() -> None:
    assert SECRET not in repr(MailServer.read(f"smtp://u:{SECRET}@h:25", "a@example.com"))


PROBE: Final = "e_customer sqlite3.OperationalError postgresql://u:pw@db/x /srv/data/t1.db"


@pytest.mark.expects_fault
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("door", ["/api/v1/customer/{}", "/e/customer/{}", "/e/customer"])
def test_a14_2_a_fault_has_a_number_and_nothing_else(
    still: World, monkeypatch: pytest.MonkeyPatch, door: str, language: str
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(PROBE)

    monkeypatch.setattr("engine.records.reading.read", broken)
    monkeypatch.setattr("dougong.api.records.records.read", broken)
    monkeypatch.setattr("dougong.routing.visible", broken, raising=False)
    monkeypatch.setattr(reading, "find", broken)
    monkeypatch.setattr("engine.records.company.Company.unit", broken)
    alice = still.served.visitor("t1", "alice")
    headers = {"Accept-Language": language}
    with heard() as lines:
        answer = alice.get(door.format(still.id("customer-c1")), headers=headers)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 500
    for word in (*PROBE.split(), "RuntimeError", "Traceback", "engine/", "line "):
        assert word not in text, word
    [number] = set(re.findall(r"\b[0-9a-f]{8}\b", re.sub(r'csrf-token" content="\w+"', "", text)))
    assert any(number in line for line in lines)


REFUSED: Final = {
    "a record of somebody else": lambda w, a: a.api(
        "PATCH", f"/customer/{w.id('customer-c5')}", {"remark": "x", "version": 2}
    ),
    "a page of administrators": lambda w, a: a.get("/admin/users"),
    "a form of administrators": lambda w, a: a.form("/admin/users/new", [("login", "x")]),
    "an event": lambda w, a: a.api(
        "POST", f"/contract/{w.id('contract-k4')}/events/archive", {"version": 9}
    ),
    "a field": lambda w, a: a.api(
        "PATCH", f"/contract/{w.id('contract-k1')}", {"state": "approved", "version": 2}
    ),
    "a form from elsewhere": lambda w, a: a.client.post("/t1/e/customer/new", data={"f_name": "x"}),
    "a removal": lambda w, a: a.form(
        f"/e/customer/{w.id('customer-c5')}/delete", [("version", "2")]
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a14_3_what_is_refused_stands_in_the_security_log(world: World, what: str) -> None:
    alice, company = world.served.visitor("t1", "alice"), world.served.company("t1")
    alice.send("POST", "/search")
    me = world.served.actor("t1", "alice").id
    count = sa.select(sa.func.count()).select_from(system.SECURITY)
    mine = count.where(system.SECURITY.c.user_id == me, system.SECURITY.c.kind.like("refused.%"))
    with company.database.read() as connection:
        before = connection.scalar(mine) or 0
    assert REFUSED[what](world, alice).status_code in (400, 403, 404, 409, 422)
    with company.database.read() as connection:
        assert connection.scalar(mine) == before + 1
        assert broken_at(connection) is None


@pytest.mark.parametrize("what", LINES)
def test_a14_4_nobody_writes_a_line_of_the_log(world: World, what: str) -> None:
    """In names, addresses, agents and what is typed: a line stays a line, and short."""
    said, alice = LINES[what], world.served.visitor("t1", "alice")
    alice.send("POST", "/search")
    plain = "".join(char for char in said if char.isprintable())[:2_000]
    sent = quote(said[:4_000])
    with heard() as lines:
        alice.client.get(f"/t1/e/customer/1?x={sent}", headers={"User-Agent": plain})
        alice.form(f"/e/{sent[:3_000]}/1/delete", [("version", said[:5_000])])
        alice.form(f"/e/customer/{world.id('customer-c5')}/fire", [("event", said)])
        alice.form("/login", [("login", said), ("password", said)])
        alice.api("POST", f"/contract/{world.id('contract-k1')}/events/{sent[:3_000]}", {})
        with world.unit() as unit:
            log_event(unit.connection, unit.now, "logout", address=said, agent=said,
                      about=(said, 1), details={"a": said, "b": [said]})  # fmt: skip
    for line in lines:
        if "\nTraceback" not in line:
            assert "\n" not in line.rstrip("\n"), line[:300]
            assert "\r" not in line
        assert "\x1b" not in line
        assert len(line) < 10_000
        assert "admin logged in" not in line or "\n" not in line
    with world.served.company("t1").database.read() as connection:
        for row in connection.execute(sa.select(system.SECURITY)).mappings():
            told = [row["address"], row["agent"], row["entity"]]
            told += [v for v in row["details"].values() if isinstance(v, str)]
            for text in told:
                assert text.isprintable(), text[:100]
                assert len(text) <= 400
        assert broken_at(connection) is None


def test_a14_5_no_door_of_the_application_changes_what_was_written_down(kept_log: World) -> None:
    """The back office shows the logs and offers neither a form nor a button to change them."""
    admin = kept_log.served.visitor("t1", "admin")
    admin.send("POST", "/search")
    company = kept_log.served.company("t1")
    before, log = business(company), entries(kept_log)
    for table in ("history", "security", "accesses", "versions", "outbox", "users", "tokens"):
        for way in ("new", "edit", "delete", "action", "ajax/update"):
            answer = admin.form(f"/ops/{table}/{way}/", [("id", "1"), ("rowid", "1"),
                                                         ("action", "delete")])  # fmt: skip
            assert answer.status_code < 500
            assert answer.status_code != 200
    assert business(company) == before
    assert entries(kept_log)[: len(log)] == log


def entries(world: World) -> list[Any]:
    """The security log as it lies in its table."""
    with world.served.company("t1").database.read() as connection:
        rows = sa.select(system.SECURITY).order_by(system.SECURITY.c.id)
        return list(connection.execute(rows))


@pytest.fixture
def kept_log(world: World) -> World:
    """A world of one's own with something in its history."""
    with world.unit() as unit:
        writing.change(unit, "customer", world.id("customer-c1"), {"remark": "changed"}, 2)
    return world
