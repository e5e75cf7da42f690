"""The outbox: internal work once, deliveries at least once, and nobody waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.records_world import World, build

from engine.problems import Problem, text
from engine.records import outbox, writing
from engine.records.company import Company
from engine.records.failures import Conflict, Forbidden, Invalid
from engine.records.outbox import GiveUp, Retry, reasons
from engine.records.outbox import rows as outbox_rows
from engine.records.unit import SYSTEM, Unit
from engine.storage import Database
from engine.tables import system

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
_ROW = system.OUTBOX.c


@dataclass
class Post:
    """Notes what it is given to send, and does what the test wants."""

    does: Callable[[outbox.Delivery], object] = lambda _: None
    sent: list[str] = field(default_factory=list)

    def send(self, company: Company, delivery: outbox.Delivery) -> None:
        self.sent.append(delivery.key)
        self.does(delivery)


@pytest.fixture
def world(database: Database) -> World:
    return build(database)


@pytest.fixture
def small(sqlite_database: Database) -> World:
    """Where the engine of the database makes no difference."""
    return build(sqlite_database)


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[str, outbox.Handler]:
    """The handlers of the test."""
    found: dict[str, outbox.Handler] = {}
    monkeypatch.setattr(outbox, "HANDLERS", found)
    return found


def put(world: World, *keys: str, kind: str = "work", channel: str = "", **more: Any) -> None:
    with world.company.unit(SYSTEM, write=True, now=NOON) as unit:
        for key in keys:
            outbox.post(unit, key, kind, {"n": key}, channel=channel, **more)


def undone(world: World, key: str) -> None:
    with world.write("alice") as unit:
        outbox.post(unit, key, "work", {})
        raise RuntimeError


def row(world: World, key: str) -> Mapping[str, Any]:
    with world.company.database.read() as connection:
        wanted = sa.select(system.OUTBOX).where(_ROW.key == key)
        return dict(connection.execute(wanted).mappings().one())


def rows(world: World) -> list[Mapping[str, Any]]:
    with world.company.database.read() as connection:
        wanted = sa.select(system.OUTBOX).order_by(_ROW.id)
        return [dict(one) for one in connection.execute(wanted).mappings()]


def noting(world: World, unit: Unit, found: Mapping[str, Any]) -> None:
    """A handler that leaves a record behind."""
    writing.create(unit, "note", {"body": found["key"]})


def notes(world: World) -> list[str]:
    body = world.company.current.tables.of("note").columns["body"]
    with world.company.database.read() as connection:
        return sorted(connection.scalars(sa.select(body)))


def run(world: World, now: datetime = NOON, **senders: outbox.Sender) -> outbox.Work:
    return outbox.run_outbox(world.company, now, senders)


# --- internal work -----------------------------------------------------------------------------
def test_work_is_done_once_and_marked_with_it(
    world: World, handlers: dict[str, outbox.Handler]
) -> None:
    outbox.register("work", lambda unit, found: noting(world, unit, found))
    put(world, "a", "b")
    put(world, "a")  # known: the same row
    assert run(world) == outbox.Work(done=2)
    assert run(world) == outbox.Work()
    put(world, "a")  # and so it is after it was done
    assert run(world) == outbox.Work()
    assert notes(world) == ["a", "b"]
    assert row(world, "a")["done_at"] == NOON


def test_two_workers_do_every_row_once(world: World, handlers: dict[str, outbox.Handler]) -> None:
    handlers["work"] = lambda unit, found: noting(world, unit, found)
    keys = [f"k{at:02}" for at in range(24)]
    put(world, *keys)
    barrier = threading.Barrier(3)
    found: list[outbox.Work] = []

    def worker() -> None:
        barrier.wait(10)
        found.append(outbox.run_internal(world.company, NOON))

    threads = [threading.Thread(target=worker) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(one.done for one in found) == 24
    assert notes(world) == keys


def test_a_handler_that_fails_leaves_nothing_and_comes_back(
    world: World, handlers: dict[str, outbox.Handler]
) -> None:
    broken = [True]

    def half(unit: Unit, found: Mapping[str, Any]) -> None:
        noting(world, unit, found)
        if broken[0] and found["key"] == "a":
            raise Invalid([Problem("Q105", {"id": 7})])

    handlers["work"] = half
    put(world, "a", "b")
    assert run(world) == outbox.Work(done=1, failed=1)  # one that fails keeps nobody
    assert notes(world) == ["b"]
    failed = row(world, "a")
    assert failed["attempts"] == 1
    assert reasons.told(failed["error"], "en") == "There is no delivery 7."
    assert timedelta(seconds=12) <= failed["next_try"] - NOON <= timedelta(seconds=18)
    assert run(world, NOON + timedelta(seconds=5)) == outbox.Work()
    broken[0] = False
    assert run(world, failed["next_try"]) == outbox.Work(done=1)
    assert notes(world) == ["a", "b"]
    assert row(world, "a")["error"] == ""


def test_what_always_fails_is_given_up_after_half_a_day(
    small: World, handlers: dict[str, outbox.Handler]
) -> None:
    def broken(unit: Unit, found: Mapping[str, Any]) -> None:
        raise RuntimeError("password=hunter2")

    handlers["work"] = broken
    put(small, "a")
    now, waits = NOON, []
    while (due := row(small, "a")["next_try"]) is not None:
        waits.append(due - now)
        now = due
        run(small, now)
    dead = row(small, "a")
    assert (dead["attempts"], dead["dead_at"]) == (8, now)
    assert now - NOON > timedelta(hours=7)
    assert waits[1:7] == sorted(waits[1:7])
    assert "hunter2" not in dead["error"]
    assert "RuntimeError" in reasons.told(dead["error"], "en")
    assert run(small, now + timedelta(days=9)) == outbox.Work()


def test_what_nobody_handles_is_given_up_with_a_reason(world: World) -> None:
    put(world, "a", kind="fax")
    put(world, "b", kind="fax", channel="pigeon")
    assert run(world) == outbox.Work(dead=2)
    with world.read("root") as unit:
        second, first = outbox.dead_letters(unit)
    assert first.reason("en") == "Nobody handles the kind “fax”."
    assert second.reason("zh-CN") == "渠道「pigeon」没有发送程序。"


def test_a_kind_has_one_handler(handlers: dict[str, outbox.Handler]) -> None:
    @outbox.handle("fax")
    def fax(unit: Unit, found: Mapping[str, Any]) -> None:
        del unit, found

    outbox.register("fax", fax)
    with pytest.raises(ValueError, match="fax"):
        outbox.register("fax", lambda unit, found: None)


def test_a_transaction_that_fails_posts_nothing(world: World) -> None:
    with pytest.raises(RuntimeError):
        undone(world, "a")
    assert rows(world) == []


def test_work_may_be_put_off(small: World, handlers: dict[str, outbox.Handler]) -> None:
    handlers["work"] = lambda unit, found: noting(small, unit, found)
    put(small, "a", at=NOON + timedelta(hours=8))
    assert run(small) == outbox.Work()
    assert run(small, NOON + timedelta(hours=8)) == outbox.Work(done=1)


# --- deliveries --------------------------------------------------------------------------------
def test_a_delivery_is_sent_outside_any_transaction_and_marked(world: World) -> None:
    def save(delivery: outbox.Delivery) -> None:
        world.create("alice", "note", body="saved meanwhile")  # would wait for a lock for ever

    mail = Post(save)
    put(world, "a", "b", channel="mail", user=7, instance=9)
    assert run(world, mail=mail) == outbox.Work(done=2)
    assert mail.sent == ["a", "b"]
    assert notes(world) == ["saved meanwhile"] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_is_killed_between_sending_and_marking_sends_again_under_the_same_key(
    world: World,
) -> None:
    def killed(delivery: outbox.Delivery) -> None:
        raise SystemExit

    put(world, "a", channel="mail")
    assert run(world, mail=Post(killed)) == outbox.Work()
    mail = Post()
    assert run(world, NOON + timedelta(seconds=59), mail=mail) == outbox.Work()  # leased
    assert run(world, NOON + timedelta(seconds=60), mail=mail) == outbox.Work(done=1)
    assert mail.sent == ["a"]
    assert row(world, "a")["attempts"] == 0  # a kill is no fault of the row


def test_two_workers_do_not_send_one_row_at_a_time(world: World) -> None:
    mail = Post(lambda _: time.sleep(0.01))
    keys = [f"k{at:02}" for at in range(12)]
    put(world, *keys, channel="mail")
    threads = [threading.Thread(target=run, args=[world], kwargs={"mail": mail}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(mail.sent) == keys


def test_a_receiver_may_ask_to_wait_and_may_refuse(world: World) -> None:
    def answer(delivery: outbox.Delivery) -> None:
        if delivery.key == "wait":
            raise Retry(
                "too many at https://key:pw@hook.example/send?token=secret",
                after=timedelta(hours=1),
            )
        raise GiveUp("no such mailbox")

    put(world, "wait", "gone", channel="mail")
    assert run(world, mail=Post(answer)) == outbox.Work(failed=1, dead=1)
    waiting = row(world, "wait")
    assert waiting["next_try"] == NOON + timedelta(hours=1)
    assert waiting["error"] == "too many at https://hook.example/…"
    assert row(world, "gone")["error"] == "no such mailbox"


def test_a_slow_channel_delays_no_other_and_no_work(
    small: World, handlers: dict[str, outbox.Handler]
) -> None:
    handlers["work"] = lambda unit, found: noting(small, unit, found)
    release, mail = threading.Event(), Post()
    slow = Post(lambda _: release.wait(20))
    put(small, *[f"s{at}" for at in range(5)], channel="slow")
    put(small, *[f"m{at}" for at in range(5)], channel="mail")
    put(small, "w")
    start = time.monotonic()
    sending = outbox.Sending({"slow": slow, "mail": mail}, clock=lambda: NOON)
    sending.start(small.company)
    assert outbox.run_internal(small.company, NOON).done == 1
    while len(mail.sent) < 5:
        assert time.monotonic() - start < 5
        time.sleep(0.01)
    assert slow.sent == ["s0"]
    sending.start(small.company)  # no second thread for a channel that is busy
    assert slow.sent == ["s0"]
    release.set()
    assert sending.wait(10)
    assert len(slow.sent) == 5
    assert sending.work == outbox.Work(done=10)


def test_a_receiver_that_is_down_is_left_in_peace(small: World) -> None:
    def down(_: outbox.Delivery) -> None:
        raise Retry("connection refused")

    put(small, *[f"m{at}" for at in range(9)], channel="mail")
    mail = Post(down)
    sending = outbox.Sending({"mail": mail}, clock=lambda: NOON)
    sending.start(small.company)
    assert sending.wait(10)
    sending.start(small.company)
    assert sending.wait(10)
    assert len(mail.sent) == 3
    later = sending.next_moment("small", "mail", NOON)
    assert later is not None
    assert later > NOON + timedelta(seconds=20)


def test_a_sender_that_never_comes_back_loses_its_place(
    small: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.records.outbox import sending as outbox_sending

    monkeypatch.setattr(outbox_sending, "HUNG", timedelta(seconds=0))
    release = threading.Event()
    mail = Post(lambda found: found.key != "a" or release.wait(20))
    put(small, "a", "b", channel="mail")
    sending = outbox.Sending({"mail": mail}, clock=lambda: NOON)
    sending.start(small.company)
    end = time.monotonic() + 10
    while "b" not in mail.sent and time.monotonic() < end:
        time.sleep(0.05)
        sending.start(small.company)
    assert mail.sent == ["a", "b"]
    assert sending.wait(10)
    assert reasons.told(row(small, "a")["error"], "en").startswith("It did not end")
    release.set()  # it comes after all: then it was done
    while row(small, "a")["done_at"] is None and time.monotonic() < end:
        time.sleep(0.02)
    assert row(small, "a")["done_at"] == NOON


# --- what administrators do --------------------------------------------------------------------
def test_dead_letters_are_seen_sent_again_and_discarded(world: World) -> None:
    def refuse(_: outbox.Delivery) -> None:
        raise GiveUp("no")

    put(world, "a", "b", channel="mail")
    run(world, mail=Post(refuse))
    with world.read("root") as unit:
        assert outbox.counts(unit) == outbox.Counts(dead=2)
        b, a = outbox.dead_letters(unit)
    with world.write("root") as unit:
        assert outbox.send_again(unit, [a.id]) == 1
        assert outbox.discard(unit, [b.id], "not needed") == 1
    mail = Post()
    assert run(world, datetime.now(UTC), mail=mail) == outbox.Work(done=1)
    assert mail.sent == ["a"]
    with world.read("root") as unit:
        assert outbox.counts(unit) == outbox.Counts()
        (gone,) = outbox.letters(unit, states=["discarded"])
        assert (gone.key, gone.by) == ("b", world.actors["root"].id)
    for id, kind in ((a.id, Conflict), (b.id, Conflict), (12345678, Invalid)):
        before = world.digest()
        with pytest.raises(kind) as caught, world.write("root") as unit:
            outbox.send_again(unit, [id])
        assert text(caught.value.problems[0], "zh-CN")
        assert world.digest() == before


def test_only_administrators_may(small: World) -> None:
    put(small, "a", channel="mail")
    id = row(small, "a")["id"]
    for who in ("alice", "carol", "zoe"):
        with small.write(who) as unit:
            for deed in (
                lambda unit=unit: outbox.send_again(unit, [id]),
                lambda unit=unit: outbox.discard(unit, [id]),
                lambda unit=unit: outbox.try_timers(unit, [1]),
                lambda unit=unit: outbox.counts(unit),
                lambda unit=unit: outbox.letters(unit),
                lambda unit=unit: outbox.failing_timers(unit),
            ):
                with pytest.raises(Forbidden):
                    deed()


def test_a_row_discarded_while_it_is_sent_stays_discarded(small: World) -> None:
    def discarded(_: outbox.Delivery) -> None:
        with small.write("root") as unit:
            outbox.discard(unit, [row(small, "a")["id"]])

    put(small, "a", channel="mail")
    run(small, mail=Post(discarded))
    with small.read("root") as unit:
        (gone,) = outbox.letters(unit, states=["discarded"])
    assert gone.key == "a"


def test_what_was_done_is_forgotten_after_a_while(
    world: World, handlers: dict[str, outbox.Handler]
) -> None:
    handlers["work"] = lambda unit, found: None
    put(world, "a")
    run(world)
    put(world, "b", kind="fax")
    run(world)
    with world.write("@system") as unit:
        assert outbox_rows.clear_done(unit, NOON) == 0
        assert outbox_rows.clear_done(unit, NOON + timedelta(days=1)) == 1
    assert [one["key"] for one in rows(world)] == ["b"]  # what was given up stays


def test_a_commit_that_posted_wakes_the_runner(small: World) -> None:
    woken: list[int] = []
    small.company.waker = lambda: woken.append(len(rows(small)))
    small.create("alice", "note", body="nothing to do")
    assert woken == []
    put(small, "a")
    assert woken == [1]  # after the commit
    with pytest.raises(RuntimeError):
        undone(small, "b")
    assert woken == [1]
