"""The runner inside a server, workers beside it, and what operators do about deliveries."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import Served, dougong, prepare_small

from dougong.runner import Round, Runner
from engine.hooks.channels import GiveUp
from engine.records import outbox
from engine.records.company import Company
from engine.records.outbox import rows as outbox_rows
from engine.records.outbox.admin import STATES
from engine.records.outbox.rows import Trouble
from engine.records.unit import SYSTEM
from engine.storage import ServerLock
from engine.tables import system

ROOT = Path(__file__).parents[2]
_ROW = system.OUTBOX.c


class Refusing:
    def send(self, company: Company, delivery: outbox.Delivery) -> None:
        raise GiveUp("no such mailbox")


class Slow:
    def __init__(self) -> None:
        self.sent = 0

    def send(self, company: Company, delivery: outbox.Delivery) -> None:
        time.sleep(1)
        self.sent += 1


@pytest.fixture
def data(tmp_path: Path) -> Path:
    prepare_small(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    found = Served.open(data)
    yield found
    found.installation.close()


def put(company: Company, *keys: str, kind: str = "fax", channel: str = "", **more: Any) -> None:
    body = {"entity": "", "title": "x", **more.pop("body", {})}
    with company.unit(SYSTEM, write=True) as unit:
        for key in keys:
            outbox.post(unit, key, kind, body, channel=channel, **more)


def state(company: Company, key: str) -> str:
    with company.unit(SYSTEM) as unit:
        found = outbox.letters(unit, states=STATES)
        return next(one.state for one in found if one.key == key)


def until(what: Callable[[], bool], seconds: float = 10.0) -> float:
    """How long it took to become true."""
    start = time.monotonic()
    while not what():
        assert time.monotonic() - start < seconds, "it did not come to that"
        time.sleep(0.01)
    return time.monotonic() - start


@contextmanager
def worker(data: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", "-m", "dougong", "worker", "--data", str(data), *more]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as found:
        try:
            yield found
        finally:
            found.kill()


# --- the runner --------------------------------------------------------------------------------
def test_a_commit_is_worked_off_within_a_second(served: Served) -> None:
    company = served.company("small")
    with Runner(served.installation, timedelta(seconds=20)):
        until(lambda: company.waker is not None)
        time.sleep(0.3)  # the first round is over: it sleeps
        put(company, "a")
        assert until(lambda: state(company, "a") == "dead") < 1


def test_it_sleeps_until_the_next_row_is_due(served: Served) -> None:
    company = served.company("small")
    put(company, "a", at=datetime.now(UTC) + timedelta(seconds=1))
    with Runner(served.installation, timedelta(seconds=20)):
        assert 0.5 < until(lambda: state(company, "a") == "dead") < 3


def test_a_receiver_that_is_slow_delays_neither_work_nor_the_others(served: Served) -> None:
    company, slow = served.company("small"), Slow()
    put(company, *[f"s{at}" for at in range(20)], channel="slow")
    senders: dict[str, outbox.Sender] = {"slow": slow, "post": Refusing()}
    start = time.monotonic()
    with Runner(served.installation, timedelta(seconds=20), senders=senders):
        until(lambda: company.waker is not None)
        put(company, "work")
        put(company, "letter", channel="post")
        assert until(lambda: state(company, "work") == "dead") < 1
        assert until(lambda: state(company, "letter") == "dead") < 1
        assert time.monotonic() - start < 5
        assert slow.sent < 6
        start = time.monotonic()
    assert time.monotonic() - start < 10  # it does not wait for the other nineteen


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(data: Path, served: Served) -> None:
    company, keys = served.company("small"), [f"k{at:03}" for at in range(400)]
    user = served.actor("small", "alice").id  # an effect that tells a person leaves a notice
    put(company, *keys, kind="notify", body={"to": [user], "record": None})
    for _ in range(2):
        before = len(done(company))
        with worker(data) as process:
            until(lambda before=before: len(done(company)) > before, 30)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        assert before < len(done(company)) < len(keys)
    Runner(served.installation).everything(datetime.now(UTC))
    assert sorted(done(company)) == keys
    with company.database.read() as connection:
        told = connection.execute(
            sa.select(system.NOTICE.c.key, sa.func.count()).group_by(system.NOTICE.c.key)
        ).all()
    assert [count for _, count in told] == [1] * len(keys)


def done(company: Company) -> list[str]:
    with company.database.read() as connection:
        return list(connection.scalars(sa.select(_ROW.key).where(_ROW.done_at.is_not(None))))


def test_once_does_everything_and_ends(served: Served) -> None:
    company = served.company("small")
    put(company, "a", "b")
    put(company, "c", channel="post")
    runner = Runner(served.installation, senders={"post": Refusing()})
    assert runner.everything(datetime.now(UTC)) == Round(work=outbox.Work(dead=3))
    assert str(Round(1, 0, outbox.Work(done=2))) == "1 timers fired, 2 done"


def test_a_worker_works_beside_the_server_and_stops_when_asked(data: Path, served: Served) -> None:
    company = served.company("small")
    with ServerLock(data), worker(data, "--every", "0.2") as process:
        put(company, "a")
        until(lambda: state(company, "a") == "dead", 30)
        put(company, "b")  # while it runs
        assert until(lambda: state(company, "b") == "dead") < 2
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=10)
        assert process.returncode == 0
        assert time.monotonic() - start < 10
    assert told.count("company small: 1 given up") == 2
    assert told.endswith("stopped\n")


# --- the command line --------------------------------------------------------------------------
def test_operators_list_retry_and_discard(data: Path, served: Served) -> None:
    company = served.company("small")
    put(company, "a", "b", "c")
    once = dougong("worker", "--data", data, "--once", "--companies", "small")
    assert (once.code, once.out.strip()) == (0, "3 given up")
    found = dougong("outbox", "list", "small", "--data", data)
    assert "0 waiting, 0 failing, 3 dead, 0 failing timers" in found.out
    assert "Nobody handles the kind “fax”." in found.out
    (a, b, c) = sorted(int(line.split("\t")[0]) for line in found.out.splitlines()[1:])
    assert dougong("outbox", "retry", "small", a, "--data", data).out == "1 to be tried again\n"
    assert state(company, "a") == "waiting"
    assert dougong("outbox", "discard", "small", b, "--data", data).out == "1 discarded\n"
    assert state(company, "b") == "discarded"
    assert dougong("outbox", "retry", "small", "--all", "--data", data).code == 0
    assert state(company, "c") == "waiting"
    for words in (
        ("retry", "small"),
        ("discard", "small", c, "--all"),
        ("retry", "small", 9999999),
    ):
        refused = dougong("outbox", *words, "--data", data)
        assert refused.code != 0
        assert refused.err
    assert dougong("worker", "--data", data, "--once", "--companies", "nowhere").code == 1


# --- the page ----------------------------------------------------------------------------------
def seeded(served: Served) -> dict[str, int]:
    """Rows in every state; their ids."""
    company = served.company("small")
    put(company, "done-for", "failing", channel="post")
    put(company, "later", at=datetime.now(UTC) + timedelta(days=1))
    with company.unit(SYSTEM, write=True) as unit:
        rows = unit.connection.execute(sa.select(_ROW.key, _ROW.id)).all()
        ids = {row.key: row.id for row in rows}
        outbox_rows.mark_failed(unit, ids["done-for"], Trouble("no such mailbox", final=True))
        outbox_rows.mark_failed(unit, ids["failing"], Trouble("it is <down>"))
    return ids


def test_administrators_see_what_fails_and_do_something_about_it(served: Served) -> None:
    ids, company = seeded(served), served.company("small")
    root = served.visitor("small", "root")
    page = root.text("/admin/deliveries")
    assert "no such mailbox" in page
    assert "it is &lt;down&gt;" in page
    assert "later" not in re.findall(r'delivery-key">([^<]*)', page)
    assert re.search(r'admin/deliveries"[^>]*>.*?nav-count">1<', page, re.S)  # in the menu
    assert root.form("/admin/deliveries/again", [("id", str(ids["done-for"]))]).status_code == 303
    assert state(company, "done-for") == "waiting"
    root.form("/admin/deliveries/discard", [("id", str(ids["failing"])), ("state", "failing")])
    assert state(company, "failing") == "discarded"
    assert "discarded by" in root.text("/admin/deliveries?state=discarded")
    assert "done-for" in root.text("/admin/deliveries?state=waiting&channel=post&kind=fax")
    assert "Nothing of this kind" in root.text("/admin/deliveries?channel=-&kind=fax")
    assert "All delivered" in root.text("/admin/deliveries")


def test_all_of_a_list_at_once(served: Served) -> None:
    ids, company = seeded(served), served.company("small")
    assert ids
    root = served.visitor("small", "root")
    root.form("/admin/deliveries/again", [("all", "1"), ("state", "failing"), ("channel", "post")])
    assert (state(company, "failing"), state(company, "done-for")) == ("waiting", "dead")
    root.form("/admin/deliveries/discard", [("all", "1"), ("state", "dead"), ("kind", "fax")])
    assert state(company, "done-for") == "discarded"


def test_nobody_else_sees_or_does_anything(served: Served) -> None:
    ids, company = seeded(served), served.company("small")
    for login in ("alice", "zoe"):
        other = served.visitor("small", login)
        assert other.get("/admin/deliveries").status_code == 404
        for deed in ("again", "discard"):
            form = [("id", str(ids["done-for"]))]
            assert other.form(f"/admin/deliveries/{deed}", form).status_code == 404
    assert state(company, "done-for") == "dead"


@pytest.mark.parametrize(
    "query", ["state=x", "before=-1", "before=9e9", "kind=%00", "channel=", "id=1"]
)
def test_nonsense_is_no_server_error(served: Served, query: str) -> None:
    seeded(served)
    assert served.visitor("small", "root").get(f"/admin/deliveries?{query}").status_code == 200


def test_a_row_that_is_gone_is_told(served: Served) -> None:
    root = served.visitor("small", "root")
    root.form("/admin/deliveries/again", [("id", "424242"), ("id", "x")])
    assert "There is no delivery 424242." in root.text("/admin/deliveries")
