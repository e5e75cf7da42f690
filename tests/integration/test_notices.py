"""Who is told what, once, in his language and with his rights; and what of it leaves the company.
On both databases, to real receivers on this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.notice_world import Postbox, Receiver, postbox, receiver
from tests.integration.test_records_flows import World, inhabited

from dougong.channels import ChannelSender, senders, transport
from dougong.channels.net import Net
from dougong.settings import Settings
from dougong.startup import start_plugins
from engine.definitions.model import NoticeText
from engine.hooks import CHANNELS
from engine.problems import codes
from engine.records import flows, notices, outbox, writing
from engine.records.failures import Conflict, Forbidden, Invalid
from engine.records.notices import company_channels
from engine.records.notices.settings import save_preferences
from engine.records.notices.text import About, Writer, Written, as_reader
from engine.records.outbox.rows import MOST_ATTEMPTS
from engine.records.people import actor_of, change_user, create_user
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system

SECRET = "c4n4ry-s3cret-value"
NIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # eleven at night in Shanghai
PRICE = 20_000  # a contract that the manager decides alone


@pytest.fixture(name="both")
def both_worlds(database: Database) -> Iterator[World]:
    start_plugins()
    with inhabited(database) as found:
        yield found


@pytest.fixture
def world(sqlite_database: Database) -> Iterator[World]:
    start_plugins()
    with inhabited(sqlite_database) as found:
        yield found


@pytest.fixture
def web() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def post() -> Iterator[Postbox]:
    with postbox() as found:
        yield found


def settings(**more: Any) -> Settings:
    return Settings(Path(), b"", base_url="https://work.example.com", **more)


def with_mail(box: Postbox) -> Settings:
    return settings(smtp_url=f"smtp://127.0.0.1:{box.port}", mail_from="Dougong <work@example.com>")


def told(world: World, who: str) -> list[notices.Notice]:
    with world.as_(who, write=False) as unit:
        return notices.mine(unit)


def run(world: World, with_: Settings | None = None) -> outbox.Work:
    """Do the internal work, then send: as the runner does, and look again until nothing is due."""
    total = outbox.Work()
    while work := outbox.run_outbox(
        world.company, world.now, senders(with_ or settings(private_hosts="1"))
    ):
        total += work
    return total


def channel(world: World, kind: str, name: str, **config: str) -> int:
    """A channel straight into its table: tests may point robots at this machine."""
    with world.as_(SYSTEM) as unit:
        id = unit.app.database.ids.next(unit.connection)
        unit.connection.execute(
            sa.insert(system.CHANNEL).values(
                id=id, name=name, kind=kind, config=config, created_at=unit.now
            )
        )
    return id


def mailbox(world: World, who: str, address: str) -> None:
    with world.as_(SYSTEM) as unit:
        change_user(unit, world.actors[who].id, email=address)


def dead(world: World) -> list[Mapping[str, Any]]:
    return [row for row in world.rows(system.OUTBOX) if row["dead_at"]]


# --- inside the product ------------------------------------------------------------------------
def test_whoever_is_asked_is_told_once(both: World) -> None:
    id = both.submitted(PRICE)
    run(both)
    (found,) = told(both, "manager")
    assert (found.kind, found.title) == ("approval", "Waiting for you: HT-2026-0001 Delivery")
    assert found.body == "Contract approval · Sales manager · Sales"
    assert (found.entity, found.record, found.readable, found.read) == ("contract", id, True, False)
    assert told(both, "sales") == []  # he did it himself
    with both.company.database.write() as connection:  # a worker that was killed comes again
        connection.execute(
            sa.update(system.OUTBOX).values(done_at=None, dead_at=None, next_try=both.now)
        )
    run(both)
    assert len(told(both, "manager")) == 1


def test_the_outcome_is_told_with_words_of_the_pack(both: World) -> None:
    id = both.submitted(PRICE)
    both.decide("manager", id, "reject", "Too cheap")
    run(both)
    (found,) = told(both, "sales")
    assert found.kind == "message"
    assert found.title == "Contract rejected: HT-2026-0001 Delivery"
    assert (
        found.body
        == "Manager rejected the contract with Firm 1 over ¥20,000.00.\nComment: Too cheap"
    )


def test_everybody_reads_his_own_language(world: World) -> None:
    with world.as_(SYSTEM) as unit:
        change_user(unit, world.actors["manager"].id, language="zh-CN")
    world.submitted(PRICE)
    run(world)
    (found,) = told(world, "manager")
    assert found.title == "等您处理：HT-2026-0001 Delivery"
    assert found.body == "合同审批 · 销售经理审批 · Sales"


def test_closed_accounts_are_told_nothing(world: World) -> None:
    world.submitted(PRICE)
    with world.as_(SYSTEM) as unit:
        change_user(unit, world.actors["manager"].id, disabled_at=unit.now)
    run(world)
    assert world.rows(system.NOTICE) == []
    assert dead(world) == []


def test_the_one_who_stands_in_is_told(both: World) -> None:
    away = system.WF_DELEGATION
    with both.as_(SYSTEM) as unit:
        unit.connection.execute(
            sa.insert(away).values(
                id=unit.app.database.ids.next(unit.connection),
                user_id=both.actors["manager"].id,
                agent_id=both.actors["colleague"].id,
                workflow="",
                from_at=unit.now - timedelta(days=1),
            )
        )
    both.submitted(PRICE)
    run(both)
    assert [one.kind for one in told(both, "colleague")] == ["approval"]
    assert told(both, "manager") == []


def test_nobody_is_told_of_what_was_undone(both: World, post: Postbox) -> None:
    """Case 5: the mail is never sent when the transaction comes to nothing."""
    channel(both, "email", "Mail")
    mailbox(both, "manager", "manager@example.com")
    id = both.contract()
    run(both)
    with suppress(ZeroDivisionError), both.as_("sales") as unit:
        flows.fire(unit, "contract", id, "submit")
        raise ZeroDivisionError
    run(both, with_mail(post))
    assert (both.state(id), told(both, "manager"), post.mails) == ("draft", [], [])


def effect(world: World, kind: str, id: int, to: list[int], sequence: int = 9, **data: Any) -> None:
    """An effect as a workflow leaves it."""
    with world.as_(SYSTEM) as unit:
        case = unit.connection.scalar(
            sa.select(system.WF_INSTANCE.c.id).where(system.WF_INSTANCE.c.record_id == id)
        )
        key = f"{case}:{sequence}:{kind}:{hash(json.dumps([to, data]))}"
        body = {
            **{"entity": "contract", "record": id, "workflow": "contract_approval"},
            **{"type": kind, "state": "manager", "sequence": sequence, "to": to, "data": data},
        }
        outbox.post(unit, key, kind, body, instance=case)


def test_one_line_for_each_kind_of_a_step(both: World) -> None:
    id = both.contract()
    run(both)
    me = both.actors["manager"].id
    effect(both, "task", id, [me], task=1)
    effect(both, "task", id, [me], task=2)  # two at once are one line
    effect(both, "notify", id, [me, me], template="contract_approved")
    effect(both, "notify", id, [me], template="contract_approved", again=True)
    effect(both, "remind", id, [me], sequence=10)
    run(both)
    assert sorted(one.kind for one in told(both, "manager")) == ["approval", "message", "remind"]


def test_a_template_that_is_gone_falls_back_to_default_words(world: World) -> None:
    id = world.contract()
    effect(world, "notify", id, [world.actors["manager"].id], template="of_long_ago")
    run(world)
    assert told(world, "manager")[-1].title == "Workflow notice: HT-2026-0001 Delivery"


def stranger(world: World) -> None:
    """Somebody without any role."""
    with world.as_(SYSTEM) as unit:
        id = create_user(unit, "stranger", "Stranger", language="en")
        actor = actor_of(unit.connection, id, unit.app.model)
        assert actor is not None
        world.actors["stranger"] = actor


# --- rights ------------------------------------------------------------------------------------
def write(
    world: World, who: str, record: int, title: str, body: str = "", entity: str = "contract"
) -> Written:
    about = About(entity, record, None, {"en": "Flow"}, {"en": "State"}, None, "", "said in secret")
    with world.as_(SYSTEM, write=False) as unit:
        writer = Writer(as_reader(unit, world.actors[who]), about)
        return writer.write(NoticeText("t", {"en": title}, {"en": body}), "message")


def test_values_are_shown_as_the_reader_would_see_them(world: World) -> None:
    id = world.contract(PRICE, signed_on="2026-03-01")
    text = (
        "{amount} | {signed_on} | {customer} | {customer.owner.name} | {owner} | {approval_state}"
    )
    found = write(world, "manager", id, "{record.label}", text)
    assert found.level == "reads"
    assert found.body == "¥20,000.00 | Mar 1, 2026 | Firm 1 | Sales | Sales | Draft"
    assert write(world, "manager", id, "{remark}|{case.comment}").title == "—|said in secret"
    assert write(world, "manager", id, "{{x}} {nonsense} {case.actor}").title == "{x} … The system"


def test_who_may_not_read_the_record_gets_nothing_of_it(world: World) -> None:
    id = world.contract(PRICE)
    stranger(world)
    found = write(world, "stranger", id, "{record.label} {amount}", "{customer} {case.comment}")
    assert (found.level, found.title, found.body) == ("none", "Workflow notice: Flow", "")


def test_who_is_asked_sees_what_the_task_list_shows(world: World) -> None:
    """His roles do not let him read the record; he is asked about it all the same."""
    id = world.submitted(PRICE)
    stranger(world)
    with world.as_(SYSTEM) as unit:
        unit.connection.execute(
            sa.update(system.WF_TASK)
            .where(system.WF_TASK.c.record_id == id)
            .values(assignee_id=world.actors["stranger"].id)
        )
    found = write(world, "stranger", id, "{record.label}", "{amount} {customer.name}")
    assert (found.level, found.title) == ("asked", "HT-2026-0001 Delivery")
    assert found.body == "¥20,000.00 …"  # the customer has rights of its own


def test_hidden_and_masked_fields(world: World) -> None:
    """A field that a role may not read is no more in a notice than on a page."""
    entity = world.company.current.model.entities["customer"]
    guarded = [name for name, one in entity.fields.items() if one.access]
    assert guarded
    with world.as_("sales") as unit:
        id = writing.create(
            unit, "customer", {"name": "Acme", "owner": unit.actor.id, "phone": "13812345678"}
        )["id"]
    shown = write(world, "root", id, "{phone}", entity="customer").title
    assert shown == "13812345678"
    for who in world.actors:
        with world.as_(who, write=False) as unit:
            access = unit.access("customer").fields["phone"]
        found = write(world, who, id, "{phone}", entity="customer")
        if found.level == "reads" and not access.read.ever:
            assert "13812345678" not in found.title


def test_what_is_in_a_field_cannot_break_out(world: World) -> None:
    with world.as_("sales") as unit:
        id = writing.create(
            unit,
            "customer",
            {"name": "Evil {amount}\u202e{case.title}", "owner": unit.actor.id},
        )["id"]
    found = write(world, "sales", id, "A {name} B", "{name}", entity="customer")
    assert found.title == "A Evil {amount} {case.title} B"
    assert "\u202e" not in found.body


# --- the bell ----------------------------------------------------------------------------------
def test_reading_is_ones_own_business(both: World) -> None:
    both.submitted(PRICE)
    run(both)
    (found,) = told(both, "manager")
    with both.as_("sales") as unit:
        assert notices.mark_read(unit, [found.id]) == 0  # somebody else's
    with both.as_("manager") as unit:
        assert notices.unread(unit) == 1
        assert notices.mark_read(unit, [found.id, 2**62, -1]) == 1
        assert notices.mark_read(unit) == 0
        assert notices.unread(unit) == 0
        assert notices.mine(unit, only_unread=True) == []


def test_paging_and_other_occasions(both: World) -> None:
    me = both.actors["manager"].id
    with both.as_("root") as unit:
        for number in range(5):
            words = {"en": f"Word {number}"}
            assert notices.tell(unit, [me, unit.actor.id], "system", f"k{number}", words) == 1
        assert notices.tell(unit, [me], "system", "k0", {"en": "again"}) == 0
    with both.as_("manager", write=False) as unit:
        first = notices.mine(unit, size=3)
        rest = notices.mine(unit, size=3, before=first[-1].id)
    assert [one.title for one in (*first, *rest)] == [f"Word {n}" for n in (4, 3, 2, 1, 0)]


# --- mail --------------------------------------------------------------------------------------
def test_a_mail_comes_with_the_notice(both: World, post: Postbox) -> None:
    channel(both, "email", "Mail")
    mailbox(both, "manager", "manager@example.com")
    id = both.submitted(PRICE)
    run(both, with_mail(post))
    (mail,) = post.mails
    assert post.recipients == ["manager@example.com"]
    assert mail["To"] == "Manager <manager@example.com>"
    assert mail["Subject"] == "Waiting for you: HT-2026-0001 Delivery"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert f"https://work.example.com/crm/e/contract/{id}" in plain.get_content()
    assert run(both, with_mail(post)) == outbox.Work()


def test_who_has_no_address_gets_no_mail_and_leaves_no_failure(world: World, post: Postbox) -> None:
    channel(world, "email", "Mail")
    world.submitted(PRICE)
    run(world, with_mail(post))
    assert (post.mails, dead(world)) == ([], [])
    assert len(told(world, "manager")) == 1


def test_a_server_that_is_busy_is_asked_again(world: World, post: Postbox) -> None:
    channel(world, "email", "Mail")
    mailbox(world, "manager", "manager@example.com")
    world.submitted(PRICE)
    post.refusals = ["451 try later"]
    assert run(world, with_mail(post)).failed == 1
    world.now += timedelta(minutes=5)
    run(world, with_mail(post))
    assert len(post.mails) == 1


def test_a_recipient_that_is_refused_is_given_up(world: World, post: Postbox) -> None:
    channel(world, "email", "Mail")
    mailbox(world, "manager", "manager@example.com")
    world.submitted(PRICE)
    post.refusals = ["550 no such user"]
    assert run(world, with_mail(post)).dead == 1
    (row,) = dead(world)
    assert row["error"].startswith("N157")


@pytest.mark.parametrize("missing", ["base_url", "smtp_url", "mail_from"])
def test_no_mail_without_the_operators_settings(world: World, missing: str, post: Postbox) -> None:
    channel(world, "email", "Mail")
    mailbox(world, "manager", "manager@example.com")
    world.submitted(PRICE)
    given: dict[str, Any] = {
        "base_url": "https://work.example.com",
        "smtp_url": f"smtp://127.0.0.1:{post.port}",
        "mail_from": "work@example.com",
    } | {missing: ""}
    assert run(world, Settings(Path(), b"", **given)).dead == 1
    assert post.mails == []
    assert dead(world)[0]["error"].startswith("N153")


def test_quiet_hours_hold_mail_back(both: World, post: Postbox) -> None:
    channel(both, "email", "Mail")
    mailbox(both, "manager", "manager@example.com")
    with both.as_("manager") as unit:
        save_preferences(unit, {}, "22:00", "08:00", urgent=False)
    id = both.contract()
    both.now = NIGHT
    both.fire("sales", id, "submit")
    run(both, with_mail(post))
    assert post.mails == []
    assert len(told(both, "manager")) == 1  # inside the product at once
    both.now = NIGHT + timedelta(hours=8, minutes=59)
    run(both, with_mail(post))
    assert post.mails == []
    both.now = NIGHT + timedelta(hours=9)  # eight in the morning
    run(both, with_mail(post))
    assert len(post.mails) == 1


def test_what_is_urgent_comes_at_night_if_one_likes(world: World, post: Postbox) -> None:
    channel(world, "email", "Mail")
    mailbox(world, "manager", "manager@example.com")
    id = world.contract()
    run(world)
    with world.as_("manager") as unit:
        save_preferences(unit, {}, "22:00", "08:00", urgent=True)
    world.now = NIGHT
    me = [world.actors["manager"].id]
    effect(world, "remind", id, me, sequence=20)
    effect(world, "escalate", id, me, sequence=21)
    run(world, with_mail(post))
    assert [mail["Subject"] for mail in post.mails] == ["Escalated to you: HT-2026-0001 Delivery"]


def test_kinds_that_one_does_not_want_by_mail(world: World, post: Postbox) -> None:
    channel(world, "email", "Mail")
    mailbox(world, "manager", "manager@example.com")
    with world.as_("manager") as unit:
        save_preferences(unit, {"Mail": ["escalation"]})
        with pytest.raises(Invalid):
            save_preferences(unit, {}, "25:00", "08:00")
        with pytest.raises(Invalid):
            save_preferences(unit, {}, "22:00", "")
    world.submitted(PRICE)
    run(world, with_mail(post))
    assert post.mails == []


# --- webhooks and robots -----------------------------------------------------------------------
def test_a_webhook_is_signed_and_told_what_its_role_may_read(both: World, web: Receiver) -> None:
    channel(both, "webhook", "erp", url=f"{web.url}/in?x=1", secret=SECRET, role="general_manager")
    id = both.contract(PRICE)
    effect(both, "webhook", id, [], channel="erp", event="contract.signed")
    run(both)
    (got,) = web.posts
    assert got.path == "/in?x=1"
    stamp = got.headers["Dougong-Timestamp"]
    made = hmac.new(SECRET.encode(), f"{stamp}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert got.headers["Dougong-Signature"] == f"v1={made}"
    payload = json.loads(got.body)
    assert got.headers["Idempotency-Key"].startswith(payload["key"])
    assert got.headers["Dougong-Delivery"].isdigit()
    assert payload["event"] == "contract.signed"
    assert (payload["entity"], payload["record"]) == ("contract", id)
    assert (payload["workflow"], payload["state"]) == ("contract_approval", "manager")
    assert payload["label"] == "HT-2026-0001 Delivery"
    assert payload["fields"]["amount"] == "20000.00"
    assert payload["link"] == f"https://work.example.com/crm/e/contract/{id}"


def test_a_webhook_without_a_role_is_told_no_values(world: World, web: Receiver) -> None:
    channel(world, "webhook", "erp", url=web.url, secret=SECRET)
    effect(world, "webhook", world.contract(PRICE), [], channel="erp")
    run(world)
    payload = json.loads(web.posts[0].body)
    assert (payload["fields"], payload["label"]) == ({}, None)
    assert payload["event"] == "contract_approval.manager"


def test_a_webhook_that_fails_comes_again_under_the_same_key(world: World, web: Receiver) -> None:
    channel(world, "webhook", "erp", url=web.url, secret=SECRET, role="general_manager")
    web.answers = [(503, b""), (429, b""), (200, b"")]
    effect(world, "webhook", world.contract(PRICE), [], channel="erp")
    for _ in range(3):
        run(world)
        world.now += timedelta(minutes=10)
    assert len(web.posts) == 3
    assert len({one.headers["Idempotency-Key"] for one in web.posts}) == 1
    assert len({one.body for one in web.posts}) == 1
    assert dead(world) == []


@pytest.mark.parametrize("status", [302, 404, 410])
def test_what_another_try_would_not_change_is_given_up(
    world: World, web: Receiver, status: int
) -> None:
    channel(world, "webhook", "erp", url=web.url, secret=SECRET)
    web.answers = [(status, b"<secret page>")]
    effect(world, "webhook", world.contract(PRICE), [], channel="erp")
    run(world)
    (row,) = dead(world)
    assert len(web.posts) == 1  # a redirect is not followed
    assert "secret page" not in row["error"]


def test_the_inside_is_not_called_even_when_a_channel_says_so(world: World, web: Receiver) -> None:
    channel(world, "webhook", "erp", url=web.url, secret=SECRET)
    effect(world, "webhook", world.contract(PRICE), [], channel="erp")
    run(world, settings())
    assert web.posts == []
    assert dead(world)[0]["error"].startswith("N111")


def test_a_hopeless_receiver_ends_among_the_dead(world: World, web: Receiver) -> None:
    channel(world, "webhook", "erp", url=web.url, secret=SECRET)
    web.answers = [(500, b"")]
    effect(world, "webhook", world.contract(PRICE), [], channel="erp")
    for _ in range(MOST_ATTEMPTS):
        run(world)
        world.now += timedelta(hours=12)
    assert len(web.posts) == MOST_ATTEMPTS
    assert len(dead(world)) == 1


@pytest.mark.parametrize(
    ("kind", "config", "path"),
    [
        ("wecom", {"key": "abcdef123456"}, "/cgi-bin/webhook/send?key=abcdef123456"),
        ("dingtalk", {"token": "abcdef123456"}, "/robot/send?access_token=abcdef123456"),
    ],
)
def test_a_group_is_told_by_its_robot(
    world: World, web: Receiver, kind: str, config: dict[str, str], path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(CHANNELS, kind, type(CHANNELS[kind])())
    channel(world, kind, "销售群", **config, role="general_manager", server=web.url)
    id = world.contract(PRICE)
    people = [world.actors["manager"].id]
    effect(world, "notify", id, people, template="contract_approved", channels=["销售群"])
    run(world)
    (got,) = web.posts
    assert got.path == path
    said = json.loads(got.body)["markdown"]
    text = said.get("content") or said["text"]
    assert "合同已批准：HT-2026-0001 Delivery" in text  # in the company's language
    assert "¥20,000.00" in text
    assert f"https://work.example.com/crm/e/contract/{id}" in text
    assert len(told(world, "manager")) == 1
    # too fast, then fine; then a key that does not hold
    web.answers = [(200, b'{"errcode": 45009}'), (200, b'{"errcode": 0}')]
    if kind == "dingtalk":
        web.answers[0] = (200, b'{"errcode": 130101}')
    effect(world, "notify", id, [], sequence=11, channels=["销售群"])
    assert run(world).failed == 1
    world.now += timedelta(minutes=11)
    run(world)
    assert len(web.posts) == 3
    web.answers = [(200, b'{"errcode": 93000}')]
    effect(world, "notify", id, [], sequence=12, channels=["销售群"])
    assert run(world).dead == 1
    assert dead(world)[0]["error"].startswith("N160")


def test_a_group_without_a_role_sees_no_values(world: World, web: Receiver) -> None:
    channel(world, "wecom", "group", key="abcdef123456", server=web.url)
    id = world.contract(PRICE)
    effect(world, "notify", id, [], template="contract_approved", channels=["group"])
    run(world)
    text = json.loads(web.posts[0].body)["markdown"]["content"]
    assert "20,000" not in text
    assert "Delivery" not in text


def test_channels_that_are_off_or_unknown(world: World, web: Receiver) -> None:
    id = channel(world, "webhook", "erp", url=web.url, secret=SECRET)
    record = world.contract(PRICE)
    with world.as_("root") as unit:
        company_channels.switch_channel(unit, id, on=False)
    effect(world, "notify", record, [], channels=["erp"])
    effect(world, "webhook", record, [], channel="erp")
    run(world)
    assert (web.posts, dead(world)) == ([], [])
    effect(world, "notify", record, [], sequence=11, channels=["nobody set this up"])
    run(world)
    (row,) = dead(world)  # where administrators see it
    assert row["channel"] == "nobody set this up"


# --- setting channels up -----------------------------------------------------------------------
def test_only_administrators_set_channels_up(world: World) -> None:
    out = transport(settings())
    for who in ("sales", "manager", "boss"):
        with world.as_(who) as unit, pytest.raises(Forbidden):
            company_channels.add_channel(unit, "webhook", "x", {}, out)
        with world.as_(who) as unit, pytest.raises(Forbidden):
            company_channels.remove_channel(unit, 1)


def test_a_channel_is_checked_when_it_is_saved(both: World) -> None:
    ChannelSender.of(settings())
    with both.as_("root") as unit:
        for config, name, expected in (
            ({}, "ok", {"/url", "/secret"}),
            ({"url": "http://127.0.0.1/", "secret": "s"}, "ok", {"/url"}),
            ({"url": "http://127.0.0.1/", "secret": "s"}, "", {"/name"}),
            ({"url": "https://1.1.1.1/", "secret": "s", "role": "nobody"}, "ok", {"/role"}),
            ({"url": "https://1.1.1.1/", "secret": "s"}, "no/slash", {"/name"}),
        ):
            with pytest.raises(Invalid) as caught:
                company_channels.add_channel(unit, "webhook", name, config, Net())
            assert {one.pointer for one in caught.value.problems} == expected
            assert {one.code for one in caught.value.problems} <= codes().keys()
        config = {
            "url": "https://1.1.1.1/",
            "secret": SECRET,
            "role": "general_manager",
            "other": "x",
        }
        id = company_channels.add_channel(unit, "webhook", "erp", config, Net())
        with pytest.raises(Conflict):
            company_channels.add_channel(unit, "webhook", "erp", config, Net())
        changed = {"url": "https://1.0.0.1/", "secret": ""}
        company_channels.change_channel(unit, id, "erp 2", changed, Net())
        found = company_channels.channel(unit.connection, id)
        assert found.config == {"url": "https://1.0.0.1/", "secret": SECRET}
        assert SECRET not in repr(found)


def test_no_secret_is_written_anywhere_else(
    world: World, web: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    web.answers = [(500, b""), (404, b"")]
    channel(world, "webhook", "erp", url=f"{web.url}/{SECRET}", secret=SECRET)
    channel(world, "dingtalk", "ding", token=SECRET, secret=SECRET, server="http://127.0.0.1:9")
    id = world.contract(PRICE)
    effect(world, "webhook", id, [], channel="erp")
    effect(world, "notify", id, [], channels=["ding"])
    for _ in range(2):
        run(world)
        world.now += timedelta(hours=1)
    tables = [table for table in system.METADATA.sorted_tables if table is not system.CHANNEL]
    everything = repr([world.rows(table) for table in tables]) + caplog.text
    assert SECRET not in everything
