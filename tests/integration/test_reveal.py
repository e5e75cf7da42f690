"""Masked values: uncovered by who may, written down each time; and who saw what is sensitive."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import Served
from tests.integration.records_world import CUSTOMER, World, build, sources, text

from engine.definitions.model import NoticeText
from engine.lists import parse_query
from engine.packs import check_sources
from engine.records import history, reading, reveal, writing
from engine.records.company import Company
from engine.records.failures import Busy, Conflict, Forbidden, NotFound
from engine.records.notices.text import About, Writer, as_reader, sendable
from engine.records.publish import plan_publish, publish
from engine.records.unit import SYSTEM
from engine.records.views import Masked
from engine.storage import Database, StorageBusy
from engine.tables.system import ACCESS

PHONE = "13800138000"


def guarded() -> dict[str, Any]:
    """A customer whose phone is masked for most, and logged for all."""
    found = copy.deepcopy(CUSTOMER)
    found["properties"]["phone"] |= {
        "x-privacy": ["personal", "logged"],
        "x-access": {
            "auditor": {"mask": "phone", "reveal": True},
            "sales": {"read": "owner == me", "mask": "phone", "reveal": "level == 'A'"},
        },
    }
    found["properties"]["passport"] = {
        **text("Passport"),
        "x-privacy": ["personal", "logged", "encrypted"],
        "x-access": {"auditor": {"read": False}, "sales": {"mask": "all"}},
    }
    rows = found["properties"]["contacts"]["items"]["properties"]
    rows["email"] |= {"x-privacy": ["personal", "logged"]}
    return found


def put(company: Company) -> None:
    """Publish the guarded customer; its change of rights is wanted."""
    new = sources(customer=guarded())
    seen = plan_publish(company, new, "small", check_sources).rights
    publish(company, new, "small", check=check_sources, acknowledged=seen.hash if seen else "")


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    found = build(database, tmp_path / "files")
    put(found.company)
    return found


def made(world: World, **values: Any) -> int:
    given = {"name": "恒泰信", "level": "A", "phone": PHONE, "passport": "E12345678"}
    return int(world.create("root", "customer", **given | values)["id"])


def log(world: World) -> list[tuple[str, str, int | None, list[str]]]:
    """Who saw what, oldest first, as (action, login, record, fields)."""
    people = {actor.id: login for login, actor in world.actors.items()}
    with world.company.database.read() as connection:
        rows = connection.execute(sa.select(ACCESS).order_by(ACCESS.c.id)).all()
    return [(row.action, people[row.user_id], row.record_id, row.fields) for row in rows]


def uncover(world: World, who: str, id: int, field: str = "phone") -> Any:
    with world.write(who) as unit:
        return reveal.reveal(unit, "customer", id, field)


# --- revealing -----------------------------------------------------------------------------------
def test_who_may_uncovers_and_every_time_is_written_down(world: World) -> None:
    id = made(world)
    assert isinstance(world.get("zoe", "customer", id)["phone"], Masked)
    before = log(world)
    assert uncover(world, "zoe", id) == PHONE
    assert uncover(world, "zoe", id) == PHONE
    assert log(world)[len(before) :] == [("reveal", "zoe", id, ["phone"])] * 2


def test_the_right_hangs_on_the_record(world: World) -> None:
    first, second = made(world), made(world, level="B")
    assert uncover(world, "alice", first) == PHONE
    with pytest.raises(Forbidden) as refused:
        uncover(world, "alice", second)
    assert refused.value.action == "reveal"
    with world.read("alice") as unit:
        records = [reading.read(unit, "customer", id) for id in (first, second)]
        assert [set(reveal.revealable(unit, "customer", one)) for one in records] == [
            {"phone"},
            set(),
        ]


def test_what_is_not_even_shown_masked_is_not_there(world: World) -> None:
    id = made(world)
    for who, field in (("zoe", "passport"), ("zoe", "nonsense"), ("zoe", "contacts.email")):
        with pytest.raises(NotFound):
            uncover(world, who, id, field)
    with pytest.raises(NotFound):
        uncover(world, "zoe", 999, "phone")
    with pytest.raises(Forbidden):  # masked, and nobody gave the right to see more
        uncover(world, "alice", id, "passport")


def test_only_so_many_a_day(world: World) -> None:
    id = made(world)
    with world.write("root") as unit:
        reveal.set_reveals_a_day(unit, 2)
    with pytest.raises(Forbidden), world.write("zoe") as unit:
        reveal.set_reveals_a_day(unit, 1000)
    for _ in range(2):
        uncover(world, "zoe", id)
    with pytest.raises(Conflict) as refused:
        uncover(world, "zoe", id)
    assert refused.value.code == "Y020"
    assert uncover(world, "alice", id) == PHONE  # each for himself
    with world.company.unit(
        world.actors["zoe"], write=True, now=datetime.now(UTC) + timedelta(days=1)
    ) as unit:
        assert reveal.reveal(unit, "customer", id, "phone") == PHONE


# --- who saw it in the clear ------------------------------------------------------------------
def test_whoever_sees_it_in_the_clear_is_written_down_once_an_hour(world: World) -> None:
    id = made(world, owner=world.actors["alice"].id, contacts=[{"name": "Li", "email": "l@x.cn"}])
    start = len(log(world))
    world.get("alice", "customer", id)
    world.get("alice", "customer", id)
    world.get("zoe", "customer", id)  # masked; the rows' mail is not
    assert log(world)[start:] == [
        ("open", "alice", id, ["contacts.email", "phone"]),
        ("open", "zoe", id, ["contacts.email"]),
    ]
    other = World(Company("small", world.company.database), world.actors)  # another process
    other.get("alice", "customer", id)
    assert len(log(world)) == start + 2
    with world.company.unit(
        world.actors["alice"], now=datetime.now(UTC) + timedelta(minutes=61)
    ) as unit:
        reading.read(unit, "customer", id)
    assert len(log(world)) == start + 3


def test_what_stands_in_the_history_only_is_seen_too(world: World) -> None:
    id = made(world, owner=world.actors["alice"].id, passport=None)
    record = world.get("root", "customer", id)
    record = world.change("root", "customer", record, phone=None)
    start = len(log(world))
    with world.read("root") as unit:
        history.history(unit, "customer", id)
    assert log(world)[start:] == []  # root saw it a moment ago
    boss = replace(world.actors["root"], id=world.actors["carol"].id)
    with world.company.unit(boss) as unit:
        history.history(unit, "customer", id)
    assert log(world)[start:] == [("open", "carol", id, ["phone"])]


def test_lists_count_by_what_they_show(world: World) -> None:
    ids = [made(world, name=f"No {n}", owner=world.actors["alice"].id) for n in range(3)]
    made(world, name="Empty", phone=None, owner=world.actors["alice"].id)
    start = len(log(world))

    def listed(columns: str) -> None:
        with world.read("alice") as unit:
            query, problems = parse_query(
                f"cols={columns}&sort=id", unit.entity("customer"), unit.access("customer")
            )
            assert problems == []
            reading.find(unit, query)

    listed("name,level")
    assert log(world)[start:] == []
    listed("name,phone")
    assert log(world)[start:] == [("list", "alice", id, ["phone"]) for id in ids]


def test_reading_that_nobody_sees_is_not_written_down(world: World) -> None:
    id = made(world, owner=world.actors["alice"].id)
    with world.read("alice") as unit:
        reading.visible(unit, "customer", [id])
        history.recent(unit)
    with world.company.unit(world.actors["alice"]) as unit:
        reading.read(unit, "customer", id, told=False)
    assert [line for line in log(world) if line[1] == "alice"] == []


def test_no_value_without_its_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id = made(world, owner=world.actors["alice"].id)

    def full(*_: Any) -> None:
        raise StorageBusy

    monkeypatch.setattr("engine.records.company.write_accesses", full)
    with pytest.raises(Busy):
        world.get("alice", "customer", id)
    with pytest.raises(Busy):
        uncover(world, "zoe", id)


def test_where_nothing_is_logged_nothing_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("engine.records.views.note_records", never)
    note = world.create("root", "note", body="hello")
    assert world.get("alice", "note", note["id"])["body"] == "hello"


# --- doors ---------------------------------------------------------------------------------------
@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    data = tmp_path / "data"
    shutil.copytree(small, data)
    found = Served.open(data)
    put(found.company("small"))
    yield found
    found.installation.close()


def customer(served: Served, **values: Any) -> int:
    with served.company("small").unit(served.actor("small", "root"), write=True) as unit:
        record = writing.create(unit, "customer", {"name": "恒泰信", "level": "A", **values})
    return int(record["id"])


def test_on_the_page_and_through_the_api(served: Served) -> None:
    id = customer(served, phone=PHONE, passport="E12345678")
    zoe = served.visitor("small", "zoe")
    page = zoe.text(f"/e/customer/{id}")
    assert PHONE not in page
    assert f"/small/e/customer/{id}/reveal/phone" in page
    assert "reveal/passport" not in page
    shown = zoe.send("POST", f"/e/customer/{id}/reveal/phone")
    assert PHONE in shown.get_data(as_text=True)
    assert shown.headers["Cache-Control"] == "no-store"
    bare = zoe.send(
        "POST", f"/e/customer/{id}/reveal/phone", headers={"Accept": "application/json"}
    )
    assert bare.get_json() == {"text": PHONE, "seconds": 60}
    answer = zoe.api("POST", f"/customer/{id}/reveal/phone")
    assert answer.get_json() == {"id": id, "field": "phone", "value": PHONE}
    assert answer.headers["Cache-Control"] == "no-store"
    with served.company("small").database.read() as connection:
        rows = connection.execute(
            sa.select(ACCESS.c.source, ACCESS.c.address).where(ACCESS.c.action == "reveal")
        ).all()
    assert [tuple(row) for row in rows] == [
        ("page", "127.0.0.1"),
        ("page", "127.0.0.1"),
        ("api", "127.0.0.1"),
    ]


def test_refusals_on_both_doors(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    id = customer(served, phone=PHONE, level="B")
    alice = served.visitor("small", "alice")
    for answer in (
        alice.send("POST", f"/e/customer/{id}/reveal/phone"),
        alice.api("POST", f"/customer/{id}/reveal/phone"),
    ):
        assert answer.status_code == 403
        assert PHONE not in answer.get_data(as_text=True)
    assert caplog.text.count("field=phone: A001") == 2
    assert alice.api("POST", f"/customer/{id}/reveal/nothing").status_code == 404
    assert alice.get(f"/e/customer/{id}/reveal/phone").status_code == 405


# --- what leaves the house -----------------------------------------------------------------------
def test_notices_and_webhooks_carry_no_sensitive_value(sqlite_database: Database) -> None:
    world = build(sqlite_database)
    put(world.company)
    id = made(world, owner=world.actors["alice"].id, contacts=[{"name": "Li", "email": "l@x.cn"}])
    text_ = {"en": "{phone} {passport} {contacts} {name}"}
    with world.company.unit(SYSTEM) as unit:
        for who in ("alice", "zoe", "root"):
            writer = Writer(as_reader(unit, world.actors[who]), About("customer", id))
            said = writer.write(NoticeText("x", text_, text_), "message")
            whole = f"{said.title} {said.body}"
            assert [v for v in (PHONE, "E12345678", "l@x.cn") if v in whole] == []
            assert "恒泰信" in whole
        definition = unit.app.model.entities["customer"]
        record = reading.read(unit, "customer", id)
        left = {
            name: value
            for name, field in definition.fields.items()
            if (value := sendable(field, record.get(name))) is not None
        }
    assert "phone" not in left
    assert "passport" not in left
    assert left["contacts"][0].keys() == {"id", "name"}
    assert log(world)[-1][1] != "alice"  # writing to somebody is not showing it to him
