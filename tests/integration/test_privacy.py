"""What is held about a human being: told as a whole, and erased so that the rest stays whole."""

from __future__ import annotations

import copy
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from tests.companies import Served
from tests.integration.records_world import CONTRACT, NOTE, World, build, sources
from tests.integration.test_encryption import raw
from tests.integration.test_reveal import guarded

from dougong.commands import cli
from engine.lists import parse_query
from engine.packs import check_sources
from engine.records import drafts, files, flows, history, people, reading, removing, writing
from engine.records.comments import add_comment, comments
from engine.records.company import Company
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.privacy.erasure import USER, erase, preview
from engine.records.privacy.report import report
from engine.records.publish import plan_publish, publish
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.tables import system

PERSONAL = {"x-privacy": ["personal"]}
TRACES = ("CanaryName", "13900139000", "E99887766", "canary@mail.example", "CanaryRemark")


def definitions() -> dict[str, str]:
    """Customers who are human beings; notes about them, contracts with them."""
    customer = guarded()
    customer["x-entity"]["person"] = True
    customer["properties"]["name"] |= PERSONAL
    customer["properties"]["joined"] |= PERSONAL
    rows = customer["properties"]["contacts"]["items"]["properties"]
    rows["name"] |= PERSONAL
    customer["properties"]["photo"] = {
        "type": ["string", "null"],
        "title": "Photo",
        "x-type": "file",
        **PERSONAL,
    }
    note, contract = copy.deepcopy(NOTE), copy.deepcopy(CONTRACT)
    note["properties"]["body"] |= PERSONAL
    contract["properties"]["title"] |= PERSONAL
    return sources(customer=customer, note=note, contract=contract)


def put(company: Company) -> None:
    new = definitions()
    rights = plan_publish(company, new, "small", check_sources).rights
    seen = rights.hash if rights else ""
    publish(company, new, "small", check=check_sources, acknowledged=seen)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    found = build(database, tmp_path / "files")
    put(found.company)
    return found


def person(world: World, **values: Any) -> dict[str, Any]:
    """Somebody about whom a good deal is known."""
    given = {
        "name": "CanaryName",
        "level": "B",
        "phone": "13900139000",
        "passport": "E99887766",
        "joined": "1987-06-05",
        "tax_id": "T1",
        "contacts": [{"name": "CanaryName jun.", "email": "canary@mail.example"}],
    }
    made = world.create("root", "customer", **given | values)
    changed = world.change("root", "customer", made, phone="13900139000 ", level="A")
    changed = world.change("root", "customer", changed, phone="13811112222")
    changed = world.change("root", "customer", changed, phone="13900139000")
    about = {"entity": "customer", "record": made["id"]}
    with world.write("root") as unit:
        add_comment(unit, "customer", made["id"], "CanaryRemark")
        drafts.keep_draft(unit, "customer", made["id"], {"name": "CanaryName 2"}, 3)
        unit.connection.execute(
            sa.insert(system.NOTICE).values(
                id=unit.app.database.ids.next(unit.connection),
                user_id=world.actors["root"].id,
                key=f"k{made['id']}",
                kind="message",
                title="About CanaryName",
                body="CanaryRemark",
                entity="customer",
                record_id=made["id"],
                at=unit.now,
            )
        )
        unit.connection.execute(
            sa.insert(system.OUTBOX).values(
                id=unit.app.database.ids.next(unit.connection),
                key=f"o{made['id']}",
                kind="send",
                body={"title": "CanaryName", "text": "x", **about},
                channel="mail",
                created_at=unit.now,
                next_try=unit.now,
            )
        )
    world.create("root", "note", body="CanaryRemark on a note", customer=made["id"])
    return changed


def uploaded(world: World, record: dict[str, Any]) -> Path:
    """A photo of the person; where its content lies."""
    with world.write("root") as unit:
        id = files.store_upload(unit, "CanaryName.txt", io.BytesIO(b"a face"))
    world.change("root", "customer", record, photo=id)
    with world.read("root") as unit:
        return files.open_file(unit, id)[1]


def rows_of_history(world: World, id: int) -> list[tuple[int, str, int | None]]:
    table = system.HISTORY
    with world.company.database.read() as connection:
        found = connection.execute(
            sa.select(table.c.version, table.c.action, table.c.by_id, table.c.at)
            .where(table.c.entity == "customer", table.c.record_id == id)
            .order_by(table.c.id)
        )
        return [tuple(row) for row in found]


# --- the report --------------------------------------------------------------------------------
def test_the_report_tells_everything(world: World) -> None:
    made = person(world)
    world.get("alice", "customer", made["id"])
    with world.write("root") as unit:
        found = report(unit, "customer", made["id"])
    said = found.to_json()
    text = json.dumps(said, ensure_ascii=False)
    assert found.label == "CanaryName"
    assert [trace for trace in TRACES if trace not in text] == []
    sections = said["sections"]
    assert {one["field"] for one in sections["record"] if one["personal"]} >= {"Name", "Phone"}
    assert {one["field"] for one in sections["record"] if not one["personal"]} >= {"Level"}
    assert sections["pointing"][0]["value"] == "CanaryRemark on a note"
    assert [one["what"] for one in sections["history"]][-1] == "change"
    assert sections["looks"][-1]["by"] == "Alice"
    assert sections["drafts"][0]["by"] == "Root"
    with world.company.database.read() as connection:
        kinds = set(connection.scalars(sa.select(system.SECURITY.c.kind)))
        looks = set(connection.scalars(sa.select(system.ACCESS.c.action)))
    assert "privacy.report" in kinds
    assert "report" in looks


def test_for_administrators_and_about_human_beings_only(world: World) -> None:
    made = person(world)
    note = world.create("root", "note", body="x")
    for who, entity, id, wrong in (
        ("carol", "customer", made["id"], NotFound),
        ("root", "customer", 999_999, NotFound),
        ("root", "nonsense", 1, NotFound),
        ("root", "note", note["id"], Invalid),
        ("carol", "user", world.actors["alice"].id, NotFound),
    ):
        with pytest.raises(wrong), world.write(who) as unit:
            report(unit, entity, id)
        with pytest.raises(wrong):
            erase(world.company, world.actors[who], entity, id)


def test_the_report_of_somebody_who_works_here(world: World) -> None:
    record = world.create("alice", "customer", name="Some one", level="B")
    with world.write("alice") as unit:
        add_comment(unit, "customer", record["id"], "my words")
    with world.write("root") as unit:
        sections = report(unit, "user", world.actors["alice"].id).to_json()["sections"]
    assert {"field": "login", "value": "alice"} in sections["account"]
    assert sections["comments"][0]["text"] == "my words"
    assert sections["changes"][0]["count"] == 1


# --- erasure -----------------------------------------------------------------------------------
def test_nothing_is_left_of_the_person_and_all_else_stays(world: World) -> None:
    made = person(world)
    content = uploaded(world, made)
    made = world.get("root", "customer", made["id"])
    before = rows_of_history(world, made["id"])
    assert set(TRACES) <= {trace for trace in TRACES if trace in raw(world.company.database)} | {
        "E99887766"  # encrypted
    }
    foreseen = preview(world.company, world.actors["root"], "customer", made["id"])
    done = erase(world.company, world.actors["root"], "customer", made["id"], reason="asked")
    assert done.counts == foreseen.counts
    assert done.counts["records"] == 2
    assert [trace for trace in TRACES if trace in raw(world.company.database)] == []
    assert not content.exists()

    now = world.get("root", "customer", made["id"])
    assert now["name"] == f"erased #{made['id']}"
    assert [now[name] for name in ("phone", "passport", "joined", "photo")] == [None] * 4
    assert now["contacts"][0]["email"] is None
    assert (now["level"], now["tax_id"]) == ("A", "T1")
    assert now["version"] == made["version"] + 1
    after = rows_of_history(world, made["id"])
    assert after[: len(before)] == before
    assert [row[:2] for row in after[len(before) :]] == [(now["version"], "erase")]


def test_history_stays_readable(world: World) -> None:
    made = person(world)
    erase(world.company, world.actors["root"], "customer", made["id"])
    with world.read("root") as unit:
        entries = history.history(unit, "customer", made["id"])
        assert entries[0].action == "erase"
        told = [
            (change.field.name, change.old, change.new)
            for entry in entries
            for change in entry.changes
            if change.field.name in ("phone", "level")
        ]
        assert ("level", "B", "A") in told
        assert ("phone", "erased", "erased") in told
        assert history.values_at(unit, "customer", made["id"], 1)["level"] == "B"
        assert [one.body for one in comments(unit, "customer", made["id"])] == ["erased"]
        query, _ = parse_query("q=CanaryName", unit.entity("customer"), unit.access("customer"))
        assert reading.find(unit, query).rows == ()
    again = world.get("root", "customer", made["id"])
    world.change("root", "customer", again, phone="13800138000")  # and life goes on


def test_the_preview_changes_nothing(world: World) -> None:
    made = person(world)
    before = world.digest()
    found = preview(world.company, world.actors["root"], "customer", made["id"])
    assert world.digest() == before
    assert found.counts["comments"] == 1
    assert {one.why for one in found.stays} == {"remarks", "sent", "backups"}


def test_erasing_twice_is_harmless(world: World) -> None:
    made = person(world)
    erase(world.company, world.actors["root"], "customer", made["id"])
    before, text = rows_of_history(world, made["id"]), raw(world.company.database)
    again = erase(world.company, world.actors["root"], "customer", made["id"])
    assert again.counts == {}
    assert rows_of_history(world, made["id"]) == before
    assert "CanaryName" not in text


def test_two_persons_do_not_become_the_same(world: World) -> None:
    ids = [person(world, tax_id=f"T{n}", name=f"CanaryName {n}")["id"] for n in range(2)]
    for id in ids:
        erase(world.company, world.actors["root"], "customer", id)
    names = {world.get("root", "customer", id)["name"] for id in ids}
    assert names == {f"erased #{id}" for id in ids}


def test_in_the_recycle_bin_too(world: World) -> None:
    made = person(world, tax_id="T9")
    with world.write("root") as unit:
        for note in reading.find(
            unit, parse_query("", unit.entity("note"), unit.access("note"))[0]
        ).rows:
            removing.remove(unit, "note", note["id"], note["version"])
        removing.remove(unit, "customer", made["id"], made["version"])
    erase(world.company, world.actors["root"], "customer", made["id"])
    assert [trace for trace in TRACES if trace in raw(world.company.database)] == []
    with world.write("root") as unit:
        back = removing.restore(unit, "customer", made["id"])
    assert back["name"] == f"erased #{made['id']}"


def test_what_runs_a_case_is_left_alone_until_it_ends(world: World) -> None:
    made = person(world)
    contract = world.create(
        "root",
        "contract",
        title="CanaryName deal",
        customer=made["id"],
        items=[{"what": "x", "price": "5"}],
    )
    found = erase(world.company, world.actors["root"], "customer", made["id"])
    stays = [one for one in found.stays if one.why == "case"]
    assert [(one.id, one.label) for one in stays] == [(contract["id"], "CanaryName deal")]
    with world.write("root") as unit:
        flows.fire(unit, "contract", contract["id"], "submit")
    with world.write("carol") as unit:
        task = unit.connection.scalar(
            sa.select(system.WF_TASK.c.number).where(
                system.WF_TASK.c.record_id == contract["id"], system.WF_TASK.c.status == "open"
            )
        )
        flows.fire(
            unit,
            "contract",
            contract["id"],
            "task.approve",
            {"task": task, "comment": "fine"},
        )
    erase(world.company, world.actors["root"], "customer", made["id"])
    assert [trace for trace in TRACES if trace in raw(world.company.database)] == []
    with world.read("root") as unit:
        flow = flows.flow_of(unit, "contract", contract["id"])
        assert flow is not None


# --- people of the company ---------------------------------------------------------------------
def test_an_account_becomes_a_pseudonym_and_its_doings_stay(world: World) -> None:
    alice = world.actors["alice"]
    with world.write("root") as unit:
        people.change_user(
            unit, alice.id, name="CanaryName", email="canary@mail.example", phone="13900139000"
        )
    record = world.create("alice", "customer", name="Some one", level="B")
    with pytest.raises(Invalid):
        erase(world.company, alice_as_admin(world), USER, alice_as_admin(world).id)
    done = erase(world.company, world.actors["root"], USER, alice.id)
    assert done.label == "CanaryName"
    with world.company.database.read() as connection:
        row = connection.execute(sa.select(system.USER).where(system.USER.c.id == alice.id)).one()
    assert (row.login, row.name) == (f"erased-{alice.id}", f"erased #{alice.id}")
    assert (row.email, row.phone, row.password_hash) == (None, None, None)
    assert row.disabled_at is not None
    assert [trace for trace in TRACES if trace in raw(world.company.database)] == []
    with world.read("root") as unit:
        entries = history.history(unit, "customer", record["id"])
        assert entries[0].by == alice.id
    assert erase(world.company, world.actors["root"], USER, alice.id).counts == {}


def alice_as_admin(world: World) -> Any:
    """An administrator who is no operator."""
    with world.company.unit(SYSTEM, write=True) as unit:
        found = people.find_user(unit.connection, "boss")
        id = found["id"] if found else people.create_user(unit, "boss", "Boss", roles=["admin"])
        actor = people.actor_of(unit.connection, id, unit.app.model)
    assert actor is not None
    return actor


def test_a_case_of_the_person_himself_has_to_end_first(world: World) -> None:
    made = person(world)
    with world.company.database.write() as connection:
        connection.execute(
            sa.insert(system.WF_DEFINITION).values(
                id=9_001, workflow="w", version=1, hash="h", body={}, at=None
            )
        )
        connection.execute(
            sa.insert(system.WF_INSTANCE).values(
                id=9_002,
                definition_id=9_001,
                workflow="w",
                entity="customer",
                record_id=made["id"],
                body={},
                started_at=made["created_at"],
            )
        )
    with pytest.raises(Conflict) as refused:
        erase(world.company, world.actors["root"], "customer", made["id"])
    assert refused.value.code == "Y031"


# --- doors ---------------------------------------------------------------------------------------
@pytest.fixture
def served(small: Path, tmp_path: Path) -> Iterator[Served]:
    data = tmp_path / "data"
    shutil.copytree(small, data)
    found = Served.open(data)
    put(found.company("small"))
    yield found
    found.installation.close()


def known(served: Served, name: str = "CanaryName") -> int:
    with served.company("small").unit(served.actor("small", "root"), write=True) as unit:
        given = {"name": name, "level": "A", "phone": "13900139000"}
        return int(writing.create(unit, "customer", given)["id"])


def test_the_pages(served: Served) -> None:
    id = known(served)
    root = served.visitor("small", "root")
    assert "Personal data" in root.text("/")
    page = root.text("/admin/privacy?q=Canary")
    assert f"/small/admin/privacy/customer/{id}" in page
    page = root.text(f"/admin/privacy/customer/{id}")
    assert "Type “CanaryName” to confirm" in page
    assert "13900139000" in root.text(f"/admin/privacy/customer/{id}/report")
    file = root.get(f"/admin/privacy/customer/{id}/report?format=json")
    assert file.get_json()["label"] == "CanaryName"
    assert "attachment" in file.headers["Content-Disposition"]
    wrong = root.form(f"/admin/privacy/customer/{id}/erase", [("name", "Canary")])
    assert wrong.status_code == 422
    assert root.api("GET", f"/customer/{id}").get_json()["name"] == "CanaryName"
    done = root.form(
        f"/admin/privacy/customer/{id}/erase", [("name", "CanaryName"), ("reason", "asked")]
    )
    assert done.status_code == 303
    assert root.api("GET", f"/customer/{id}").get_json()["name"] == f"erased #{id}"
    assert "erased personal data" in root.text(f"/e/customer/{id}")
    assert "asked" in root.text("/admin/privacy")
    assert root.form("/admin/privacy/limit", [("reveals", "7")]).status_code == 303
    assert 'value="7"' in root.text("/admin/privacy")


def test_the_pages_are_not_there_for_others(served: Served) -> None:
    id = known(served)
    alice = served.visitor("small", "alice")
    for path in ("", f"/customer/{id}", f"/customer/{id}/report", "/user/1"):
        assert alice.get(f"/admin/privacy{path}").status_code == 404
    for path in ("/limit", f"/customer/{id}/erase"):
        assert alice.form(f"/admin/privacy{path}", [("name", "CanaryName")]).status_code == 404
    root = served.visitor("small", "root")
    for path in ("/customer/999", "/nonsense/1", "/user/999"):
        assert root.get(f"/admin/privacy{path}").status_code == 404
    with served.company("small").unit(served.actor("small", "root"), write=True) as unit:
        note = writing.create(unit, "note", {"body": "x"})["id"]
    assert "no human beings" in root.get(f"/admin/privacy/note/{note}").get_data(as_text=True)
    assert root.get(f"/admin/privacy/note/{note}/report").status_code == 422


def test_on_the_command_line(served: Served, tmp_path: Path) -> None:
    id = known(served)
    served.installation.close()
    data = str(served.installation.settings.data)

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, [*words, "--data", data], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "13900139000" in run("privacy", "report", "small", "customer", str(id))
    file = tmp_path / "report.json"
    run("privacy", "report", "small", "customer", str(id), "--out", str(file))
    assert json.loads(file.read_text(encoding="utf-8"))["label"] == "CanaryName"
    assert file.stat().st_mode & 0o77 == 0
    assert "Nothing was changed" in run("privacy", "erase", "small", "customer", str(id))
    assert "fields" in run("privacy", "erase", "small", "customer", str(id), "--yes")
    assert "CanaryName" not in run("privacy", "report", "small", "customer", str(id))
