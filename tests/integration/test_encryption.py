"""Fields that are encrypted: nowhere in the database in the clear, everywhere else as ever."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from tests.integration.notice_world import Postbox, postbox, receiver
from tests.integration.records_world import (
    CONTRACT,
    CUSTOMER,
    FLOW,
    PACK,
    World,
    build,
    money,
    sources,
    text,
)

from dougong.channels import senders
from dougong.commands import cli
from dougong.doctor import stopping
from dougong.installation import Installation
from dougong.settings import Settings, keep_keys, load_settings
from dougong.startup import start_plugins
from engine.lists import parse_query
from engine.packs import check_sources
from engine.records import drafts, flows, history, outbox, people, reading, writing
from engine.records.comments import add_comment
from engine.records.company import Company
from engine.records.failures import Invalid
from engine.records.flows import store
from engine.records.publish import plan_publish, publish
from engine.records.rotation import rotate, status
from engine.records.unit import SYSTEM
from engine.storage import Database, Keyring, StorageError
from engine.storage.keys import keyring, new_key
from engine.tables import system

CANARY = "6222020200112233"
SECRET = {"x-privacy": ["personal", "encrypted", "logged"]}


def secret_customer(**more: Any) -> dict[str, Any]:
    """The customer with a field of every kind that can be encrypted."""
    found = copy.deepcopy(CUSTOMER)
    found["properties"] |= {
        "account": {**text("Account", maxLength=40), **SECRET},
        "salary": {**money("Salary"), **SECRET},
        "born": {"type": ["string", "null"], "format": "date", "title": "Born", **SECRET},
        "faith": {
            "title": "Faith",
            "oneOf": [{"const": one, "title": one} for one in ("none", "pastafarian")],
            **SECRET,
        },
        **more,
    }
    found["properties"]["contacts"]["items"]["properties"]["email"] |= SECRET
    return found


def plain_customer() -> dict[str, Any]:
    """The same before anything was marked."""
    found = secret_customer()
    rows = found["properties"]["contacts"]["items"]["properties"]
    for field in (*found["properties"].values(), *rows.values()):
        field.pop("x-privacy", None)
    found["x-list"]["sort"] = ["account"]
    return found


def put(world: World, customer: Mapping[str, Any]) -> None:
    """Publish another customer."""
    publish(world.company, sources(customer=customer), "small", check=check_sources)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    found = build(database, tmp_path / "files")
    put(found, secret_customer())
    return found


VALUES: dict[str, Any] = {
    "name": "恒泰信",
    "level": "B",
    "account": CANARY,
    "salary": "98765.43",
    "born": "1987-06-05",
    "faith": "pastafarian",
    "contacts": [{"name": "Li", "email": "canary@hidden.example"}],
}
TRACES = (CANARY, "98765.43", "9876543", "1987-06-05", "canary@hidden.example")


def raw(database: Database) -> str:
    """Everything in the database as its files, or a dump, have it."""
    if database.path is not None:
        folder = database.path.parent
        files = [one for one in folder.iterdir() if one.name.startswith(database.path.name)]
        return "".join(one.read_bytes().decode("latin-1") for one in files)
    found = []
    with database.read() as connection:
        names = sa.inspect(connection).get_table_names(schema=database.schema)
        for name in names:
            cursor = connection.connection.cursor()
            cursor.execute(f'SELECT t::text FROM "{database.schema}"."{name}" t')
            found += [str(row[0]) for row in cursor.fetchall() if name != "dg_version"]
    return "\n".join(found)


def test_values_come_back_as_they_went_in_and_lie_sealed(world: World) -> None:
    made = world.create("root", "customer", **VALUES)
    found = world.get("root", "customer", made["id"])
    assert found["account"] == CANARY
    assert found["salary"] == Decimal("98765.43")
    assert found["born"] == date(1987, 6, 5)
    assert found["faith"] == "pastafarian"
    assert found["contacts"][0]["email"] == "canary@hidden.example"
    changed = world.change("root", "customer", found, account="1111222233334444")
    assert changed["account"] == "1111222233334444"
    with world.read("root") as unit:
        entries = history.history(unit, "customer", made["id"])
    assert {c.field.name: (c.old, c.new) for c in entries[0].changes}["account"] == (
        CANARY,
        "1111222233334444",
    )
    for trace in TRACES:
        assert trace not in raw(world.company.database)


def leaks(world: World) -> list[str]:
    found = raw(world.company.database)
    return [trace for trace in TRACES if trace in found]


def again(world: World, keys: str, tmp_path: Path) -> World:
    """The same company in a process with other keys."""
    database = world.company.database
    database.keys = Keyring.from_text(keys)
    return World(Company("small", database, tmp_path / "files"), world.actors)


TESTS = f"tests:{'A' * 43}"


# --- becoming encrypted, and back --------------------------------------------------------------
def test_plain_values_are_converted_when_a_field_becomes_encrypted(
    database: Database, tmp_path: Path
) -> None:
    world = build(database, tmp_path / "files")
    put(world, plain_customer())
    made = world.create("root", "customer", **VALUES)
    with world.write("root") as unit:
        drafts.keep_draft(unit, "customer", made["id"], {"account": CANARY}, 1)
    assert set(leaks(world)) >= {CANARY, "canary@hidden.example"}
    found = plan_publish(world.company, sources(customer=secret_customer()), "small", check_sources)
    told = found.sentences("en")
    assert "~ Customer: the values of “Account” will be encrypted" in told
    assert "~ Customer: 1 values of “Account” will be converted" in told
    put(world, secret_customer())
    assert leaks(world) == []
    again_ = world.get("root", "customer", made["id"])
    assert (again_["account"], again_["salary"]) == (CANARY, Decimal("98765.43"))
    assert again_["contacts"][0]["email"] == "canary@hidden.example"
    assert _told(world, made["id"])["account"] == (None, CANARY)
    with world.read("root") as unit:
        kept = drafts.draft_of(unit, "customer", made["id"])
        assert kept is not None
        assert kept.body == {"account": CANARY}


def _told(world: World, id: int) -> dict[str, tuple[Any, Any]]:
    with world.read("root") as unit:
        oldest = history.history(unit, "customer", id)[-1]
    return {one.field.name: (one.old, one.new) for one in oldest.changes}


def test_and_back(world: World) -> None:
    made = world.create("root", "customer", **VALUES)
    put(world, plain_customer())
    found = world.get("root", "customer", made["id"])
    assert {name: found[name] for name in ("account", "salary", "born", "faith")} == {
        "account": CANARY,
        "salary": Decimal("98765.43"),
        "born": date(1987, 6, 5),
        "faith": "pastafarian",
    }
    assert _told(world, made["id"])["born"] == (None, date(1987, 6, 5))
    assert status(world.company).counts == {}
    put(world, secret_customer())  # and once more: what is left of the first column stays empty
    assert world.get("root", "customer", made["id"])["account"] == CANARY


def test_a_removed_encrypted_field_waits_and_comes_back_even_plain(world: World) -> None:
    made = world.create("root", "customer", **VALUES)
    less = secret_customer()
    del less["properties"]["account"]
    put(world, less)
    put(world, plain_customer())
    assert world.get("root", "customer", made["id"])["account"] == CANARY


# --- keys ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "keys", ["", new_key("other"), f"tests:{'B' * 43}"], ids=["none", "another", "changed"]
)
def test_without_its_keys_a_company_is_not_opened(world: World, tmp_path: Path, keys: str) -> None:
    made = world.create("root", "customer", **VALUES)
    closed = again(world, keys, tmp_path)
    codes = {"": "Y003", "tests": "Y006"}
    with pytest.raises(StorageError) as refused:
        closed.get("root", "customer", made["id"])
    assert refused.value.problem.code == codes.get(keys.partition(":")[0], "Y003")
    assert "tests" in str(refused.value)
    opened = again(world, TESTS, tmp_path)
    assert opened.get("root", "customer", made["id"])["account"] == CANARY


def test_nothing_becomes_encrypted_without_a_key(database: Database, tmp_path: Path) -> None:
    world = build(database, tmp_path / "files")
    world = again(world, "", tmp_path)
    before = world.digest()
    with pytest.raises(StorageError) as refused:
        put(world, secret_customer())
    assert refused.value.problem.code == "Y002"
    assert world.digest() == before


def test_a_value_moved_to_another_column_does_not_open(world: World) -> None:
    made = world.create("root", "customer", **VALUES)
    place = world.company.current.tables.of("customer")
    account, faith = place.columns["account"].name, place.columns["faith"].name
    with world.company.database.write() as connection:
        target = sa.Table(place.table.name, sa.MetaData(), sa.Column(account), sa.Column(faith))
        connection.execute(sa.update(target).values({faith: target.c[account]}))
    with pytest.raises(StorageError) as refused:
        world.get("root", "customer", made["id"])
    assert refused.value.problem.code == "Y004"


def test_another_key_takes_over_step_by_step(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [world.create("root", "customer", **VALUES | {"name": f"No {n}"}) for n in range(5)]
    world.change("root", "customer", made[0], account="1111")
    with world.write("root") as unit:
        drafts.keep_draft(unit, "customer", None, {"account": CANARY}, None)
    key = new_key("young")
    world = again(world, f"{key},{TESTS}", tmp_path)
    world.create("root", "customer", **VALUES | {"name": "Young"})
    before = status(world.company)
    assert before.active == "young"
    assert before.counts["tests"]["customer.account"] == 5
    assert before.counts["young"]["customer.account"] == 1
    assert before.counts["tests"]["draft"] == 1

    monkeypatch.setattr("engine.records.rotation.BATCH", 2)
    interrupted: list[int] = []

    def stop(_place: str, done: int) -> None:
        interrupted.append(done)
        if len(interrupted) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(world.company, old="tests", told=stop)
    between = status(world.company).total("tests")
    assert 0 < between < before.total("tests")
    assert rotate(world.company).total == between
    after = status(world.company)
    assert set(after.counts) == {"young"}
    assert after.total("young") == before.total("tests") + before.total("young")
    young = again(world, key, tmp_path)  # the old key can be dropped
    assert young.get("root", "customer", made[0]["id"])["account"] == "1111"
    assert _told(young, made[1]["id"])["account"] == (None, CANARY)


# --- a whole journey -----------------------------------------------------------------------------
def journey_sources() -> dict[str, str]:
    """A contract with an account that is encrypted, and words to people that name it."""
    contract: Any = copy.deepcopy(CONTRACT)
    flow: Any = copy.deepcopy(FLOW)
    pack: Any = copy.deepcopy(PACK)
    contract["properties"]["account"] = {**text("Account", maxLength=40), **SECRET}
    contract["properties"]["items"]["items"]["properties"]["what"] |= SECRET
    pack["notices"] = {"asked": {"title": "{record.label}", "body": "Account: {account}"}}
    flow["states"]["review"]["entry"] = [
        {"type": "notify", "template": "asked", "to": {"role": "manager"}},
        {"type": "webhook", "channel": "erp"},
    ]
    found = sources(customer=secret_customer(), contract=contract)
    found["entity_defs/small/pack.json"] = json.dumps(pack)
    found["workflows/small/approval.json"] = json.dumps(flow)
    return found


def send_all(world: World, box: Postbox) -> None:
    """Do the internal work, then send."""
    way = Settings(
        Path(),
        b"",
        base_url="https://work.example.com",
        private_hosts="1",
        smtp_url=f"smtp://127.0.0.1:{box.port}",
        mail_from="Dougong <work@example.com>",
    )
    while outbox.run_outbox(world.company, datetime.now(UTC), senders(way)):
        pass


def test_after_a_whole_journey_nothing_lies_in_the_clear(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start_plugins()
    world = build(database, tmp_path / "files")
    publish(world.company, journey_sources(), "small", check=check_sources)
    customer = world.create("root", "customer", **VALUES)
    with postbox() as post, receiver() as web:
        with world.write("root") as unit:
            people.change_user(unit, world.actors["carol"].id, email="carol@example.com")
            hook = {"url": web.url, "secret": "s", "role": "manager"}
            for name, kind, config in (("erp", "webhook", hook), ("Mail", "email", {})):
                unit.connection.execute(
                    sa.insert(system.CHANNEL).values(
                        id=unit.app.database.ids.next(unit.connection),
                        name=name,
                        kind=kind,
                        config=config,
                        created_at=unit.now,
                    )
                )
        contract = world.create(
            "root",
            "contract",
            title="Delivery",
            customer=customer["id"],
            account="1111",
            items=[{"what": CANARY, "price": "5"}],
        )
        contract = world.change("root", "contract", contract, account=CANARY)
        with world.write("root") as unit:
            drafts.keep_draft(unit, "contract", contract["id"], {"account": CANARY}, 2)
            add_comment(unit, "contract", contract["id"], "have a look")
            flows.fire(unit, "contract", contract["id"], "submit", {"told": CANARY})
        send_all(world, post)
        assert set(post.recipients) == {"carol@example.com"}
        sent = [mail.as_string() for mail in post.mails] + [str(one.body) for one in web.posts]
    assert len(web.posts) == 1
    assert [one for one in sent if CANARY in one or "1111" in one] == []
    assert any("Account: ******" in one for one in sent)
    body = json.loads(web.posts[0].body)
    assert "account" not in body["fields"]
    assert "what" not in body["fields"]["items"][0]
    assert leaks(world) == []
    assert CANARY not in caplog.text
    with world.read("root") as unit:
        flow = flows.flow_of(unit, "contract", contract["id"])
        assert flow is not None
        events = store.events_of(unit, flow.instance or 0)
        assert {"told": CANARY} in [event.data for event in events]
        entries = history.history(unit, "contract", contract["id"])
    told = {change.field.name: change.new for entry in entries for change in entry.changes}
    assert told["account"] == "1111"  # the oldest entry, read back


# --- asking --------------------------------------------------------------------------------------
def test_nobody_asks_about_what_is_encrypted(world: World) -> None:
    world.create("root", "customer", **VALUES)
    with world.read("root") as unit:
        definition, access = unit.entity("customer"), unit.access("customer")
        for args in ("f.account.eq=" + CANARY, "sort=account", "f.account.filled=1"):
            _, problems = parse_query(args, definition, access)
            assert [one.code for one in problems] == ["R101"]
        query, problems = parse_query("cols=name,account", definition, access)
        assert problems == []
        assert reading.find(unit, query).rows[0]["account"] == CANARY
        query, _ = parse_query(f"q={CANARY}", definition, access)
        assert reading.find(unit, query).rows == ()
        query, _ = parse_query("q=恒泰", definition, access)
        assert len(reading.find(unit, query).rows) == 1
        with pytest.raises(Invalid):
            reading.total(unit, query, "salary")


# --- for operators -------------------------------------------------------------------------------
def run(*words: str, code: int = 0, **environ: str) -> str:
    """A command with an environment of its own."""
    done = CliRunner().invoke(cli, list(words), env={"DOUGONG_KEYS": None, **environ})
    assert done.exit_code == code, done.output
    return done.output


def test_keys_on_the_command_line(small: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(small, data)
    place = ("small", "--data", str(data))
    first, second = run("keys", "new").strip(), run("keys", "new", "2027").strip()
    assert first.startswith("main:")
    assert run("keys", "status", *place) == "Nothing is encrypted.\n"
    installation = Installation(replace(load_settings(data), keys=first))
    company = installation.company("small")
    assert company is not None
    publish(company, sources(customer=secret_customer()), "small", check=check_sources)
    with company.unit(SYSTEM, write=True) as unit:
        writing.create(unit, "customer", VALUES)
    installation.close()
    shown = run("keys", "status", *place, DOUGONG_KEYS=first)
    assert "main (active): 10 values" in shown
    assert "customer.contacts.email\t1" in shown
    both = f"{second},{first}"
    assert "10 values encrypted with 2027" in run("keys", "rotate", *place, DOUGONG_KEYS=both)
    assert "main: not used here" in run("keys", "status", *place, DOUGONG_KEYS=both)
    assert "2027 (active): 10 values" in run("keys", "status", *place, DOUGONG_KEYS=second)


def test_a_key_beside_the_data_is_for_trying_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOUGONG_KEYS")
    plain = load_settings(tmp_path, environ={})
    assert (plain.keys, plain.keys_beside) == ("", False)
    tried = keep_keys(plain)
    assert keyring(tried.keys).active == "demo"
    file = tmp_path / "keys"
    assert file.stat().st_mode & 0o77 == 0
    again = load_settings(tmp_path, environ={})
    assert (again.keys, again.keys_beside) == (tried.keys, True)
    assert keep_keys(again) == again
    assert tried.keys not in repr(tried)
    found = [one.code for one in stopping(Installation(again), "127.0.0.1", {})]
    assert found == ["Y040"]
    given = load_settings(tmp_path, environ={"DOUGONG_KEYS": TESTS})
    assert (given.keys, given.keys_beside) == (TESTS, False)
    assert stopping(Installation(given), "127.0.0.1", {}) == []
    developed = load_settings(tmp_path / "dev", environ={"DOUGONG_DEV": "1"})
    assert developed.keys_beside
