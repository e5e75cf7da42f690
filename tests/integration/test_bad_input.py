"""Whatever is wrong with what comes in, the answer says what, where and what to do about it - and
nothing has changed.

Definitions, records and the surroundings of the process (data folder, database file, a second
server). "Nothing has changed" is meant literally: a hash over all tables before and after.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.companies import (
    QUIET,
    Done,
    Served,
    Visitor,
    digest,
    dougong,
    prepare_small,
    write_small_pack,
)
from tests.integration import records_world

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.records import writing
from engine.records.company import Company
from engine.records.failures import Conflict
from engine.records.publish import publish
from engine.records.unit import SYSTEM
from engine.tables import apply, system

Definition = dict[str, Any]
CUSTOMER = "entity_defs/small/customer.json"


@pytest.fixture
def data(small: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    shutil.copytree(small, tmp_path / "data")
    (tmp_path / "data").chmod(0o700)  # no server starts on a folder that others read
    return tmp_path / "data"


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    found = Served.open(data)
    yield found
    found.installation.close()


# --- definitions -------------------------------------------------------------------------------


def changed(change: Callable[[Definition], None]) -> str:
    """The customer's definition after somebody edited it."""
    body = json.loads(records_world.sources()[CUSTOMER])
    change(body)
    return json.dumps(body, indent=2)


def put(path: str, value: Any) -> str:
    """The customer's definition with one place changed, "properties/name/title" for instance."""

    def edit(body: Definition) -> None:
        *outer, last = path.split("/")
        for key in outer:
            body = body[key]
        body[last] = value

    return changed(edit)


def formula(expr: str) -> Definition:
    return records_world.computed("Formula", expr)


def circle() -> str:
    def edit(body: Definition) -> None:
        body["properties"]["chicken"] = formula("egg + 1")
        body["properties"]["egg"] = formula("chicken + 1")

    return changed(edit)


WRONG: dict[str, tuple[str, str, str]] = {
    # story: (text of customer.json, code, words that name the culprit)
    "a slip of the pen in a keyword": (put("properties/name/x-typ", "text"), "D020", "x-typ"),
    "a reference to an entity that is not there": (
        put("properties/parent/x-ref/to", "custmer"), "D062", "custmer"
    ),
    "formulas that need each other": (circle(), "D101", "chicken"),
    "a formula over a field that is not there": (
        put("properties/signed/x-compute/expr", "sum(contracts.amuont)"), "X", "amuont"
    ),
    "a pattern that only a backtracking engine runs": (
        put("properties/tax_id/pattern", r"^(a+)+\1$"), "D0", "tax_id"
    ),
    "a piece from another server": (
        put("properties/name", {"$ref": "http://127.0.0.1:9/evil.json#/a"}), "D0", "127.0.0.1"
    ),
    "a piece from the disk": (
        put("properties/name", {"$ref": "file:///etc/passwd"}), "D0", "passwd"
    ),
    "two megabytes": (" " * 2_000_000 + "{}", "D005", "1000000"),
    "no JSON at all": ('{\n  "title": "Customer",\n  oops\n}', "D001", "line 3"),
    "the same key twice": ('{\n  "title": "A",\n  "title": "B"\n}', "D002", "title"),
    "a number that is none": (put("properties/name/maxLength", float("nan")), "D003", "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("story", WRONG)
def test_check_names_file_line_and_remedy(tmp_path: Path, story: str) -> None:
    text, code, culprit = WRONG[story]
    done = dougong("check", write_small_pack(tmp_path, {CUSTOMER: text}), "small")
    assert done.code == 1
    head = next(line for line in done.err.splitlines() if code in line and culprit in line)
    place = re.match(rf"{CUSTOMER}(:\d+)?", head)
    assert place is not None
    if story != "two megabytes":  # there is no line in what was not read
        line = int((place[1] or ":0")[1:])
        assert 0 < line <= text.count("\n") + 1
    assert "    → " in done.err, "a problem comes with a remedy"
    assert re.search(r"small: .* [1-9]\d* errors?\b", done.out)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("story", WRONG)
def test_publish_applies_nothing_of_wrong_definitions(data: Path, story: str) -> None:
    """The mistake stands beside a change that would be fine by itself: not even that happens."""
    packs = data.parent / "packs"
    more = put("properties/extra", records_world.text("Extra"))
    note = json.loads(records_world.sources()["entity_defs/small/note.json"])
    note["properties"]["extra"] = records_world.text("Extra")
    write_small_pack(
        packs, {CUSTOMER: WRONG[story][0], "entity_defs/small/note.json": json.dumps(note)}
    )
    assert more
    installation = Installation(load_settings(data))
    company = installation.company("small")
    assert company is not None
    before, version = digest(company), company.current.version
    done = dougong("publish", "small", "--data", data, "--packs", packs)
    assert done.code == 1
    assert "Traceback" not in done.err
    company.forget()
    assert digest(company) == before
    assert company.current.version == version
    assert "extra" not in company.current.model.entities["note"].fields
    installation.close()


def test_a_pattern_that_looks_hostile_costs_no_time(data: Path) -> None:
    """`^(a+)+$` is fine for a linear-time engine: it is accepted, and nobody waits for it."""
    packs = write_small_pack(
        data.parent / "packs", {CUSTOMER: put("properties/tax_id/pattern", "^(a+)+$")}
    )
    assert dougong("publish", "small", "--data", data, "--packs", packs).code == 0
    served = Served.open(data)
    start = time.perf_counter()
    body = {"name": "Northern", "tax_id": "a" * 29 + "!"}
    answer = served.visitor("small", "root").api("POST", "/customer", body)
    assert time.perf_counter() - start < 2
    assert [(one["code"], one["pointer"]) for one in answer.json["problems"]] == [
        ("V006", "/tax_id")
    ]
    served.installation.close()


# --- a publish that fails half-way ---------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Company]:
    """The small company with two notes that say the same, once on each engine."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    data = tmp_path / "own"
    prepare_small(data, url, f"bad_{uuid.uuid4().hex[:10]}" if url else "")
    installation = Installation(load_settings(data))
    found = installation.company("small")
    assert found is not None
    with found.unit(SYSTEM, write=True) as unit:
        for _ in range(2):
            writing.create(unit, "note", {"body": "the same"})
    yield found
    found.database.drop()
    installation.close()


def everything(company: Company) -> tuple[object, ...]:
    """All rows of all tables but the log of refusals, and which columns and indexes there are."""
    with company.database.read() as connection:
        schema = company.database.schema or None
        seen = sa.inspect(connection)
        with warnings.catch_warnings(action="ignore"):  # indexes over expressions are left out
            shape = [
                (name, seen.get_columns(name, schema), seen.get_indexes(name, schema))
                for name in sorted(seen.get_table_names(schema))
            ]
        tables = [*company.current.tables.metadata.sorted_tables]
        tables += [t for t in system.METADATA.sorted_tables if t.name not in QUIET]
        rows = [connection.execute(sa.select(t).order_by(*t.primary_key)).all() for t in tables]
    # a condition of an index shows where it lies in memory
    return re.sub(r" at 0x[0-9a-f]+", "", repr(shape)), repr(rows)


def with_note(**changes: Any) -> dict[str, str]:
    """All sources with the note changed."""
    return records_world.sources(note=records_world.NOTE | changes)


def test_a_unique_key_over_duplicates_is_refused_as_a_whole(company: Company) -> None:
    before, version = everything(company), company.current.version
    extra = records_world.NOTE["properties"] | {"extra": records_world.text("Extra")}
    wanted = with_note(properties=extra, **{"x-keys": {"unique": [["body"]]}})
    with pytest.raises(Conflict) as caught:
        publish(company, wanted, "small")
    assert caught.value.problems[0].code.startswith(("P", "S"))
    company.forget()
    assert everything(company) == before
    assert company.current.version == version


def test_a_fault_after_the_tables_were_changed_undoes_them(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, version = everything(company), company.current.version

    def broken(connection: sa.Connection, *steps: Any) -> None:
        apply(connection, *steps)
        message = "the light went out"
        raise RuntimeError(message)

    extra = records_world.NOTE["properties"] | {"extra": records_world.text("Extra")}
    with monkeypatch.context() as patch:
        patch.setattr("engine.records.publish.apply", broken)
        with pytest.raises(RuntimeError):
            publish(company, with_note(properties=extra), "small")
    assert company.current.version == version
    company.forget()
    assert everything(company) == before
    with company.unit(SYSTEM, write=True) as unit:
        writing.create(unit, "note", {"body": "work goes on"})
    publish(company, with_note(properties=extra), "small")  # and the same change succeeds later
    assert "extra" in company.current.model.entities["note"].fields


# --- records -----------------------------------------------------------------------------------

NOT_JSON: dict[str, tuple[str | bytes, str, str]] = {
    # story: (body, content type, code)
    "not a number": ('{"name": "Northern", "cost": NaN}', "application/json", "R903"),
    "infinite": ('{"name": "Northern", "cost": Infinity}', "application/json", "R903"),
    "a hundred levels": ('{"name": ' + "[" * 100 + "]" * 100 + "}", "application/json", "R904"),
    "a hundred thousand levels": ("[" * 100_000, "application/json", "R904"),
    "the same key twice": ('{"name": "One", "name": "Two"}', "application/json", "R903"),
    "cut off": ('{"name": "Nor', "application/json", "R903"),
    "a list": ('[{"name": "Northern"}]', "application/json", "R903"),
    "nothing": ("", "application/json", "R903"),
    "other letters": ('{"name": "北方"}'.encode("utf-16"), "application/json", "R903"),
    "a form": ("name=Northern", "application/x-www-form-urlencoded", "R901"),
    "JSON that says it is text": ('{"name": "Northern"}', "text/plain", "R901"),
    "too large": ('{"name": "' + "x" * (2**20 + 1) + '"}', "application/json", "R902"),
}

WRONG_RECORDS: dict[str, tuple[dict[str, Any], str, str]] = {
    # story: (body, code, pointer)
    "an unknown key": ({"nmae": "Northern"}, "R201", "/nmae"),
    "yes for a text": ({"name": True}, "V003", "/name"),
    "a text for a list": ({"name": "Northern", "tags": {"a": 1}}, "V003", "/tags"),
    "an object for a number": ({"name": "Northern", "cost": {"a": 1}}, "V012", "/cost"),
    "yes for a number": ({"name": "Northern", "cost": True}, "V012", "/cost"),
    "rows that are none": ({"name": "Northern", "contacts": "nobody"}, "V070", "/contacts"),
    "an unknown key in a row": (
        {"name": "Northern", "contacts": [{"name": "Li", "age": 3}]}, "V002", "/contacts/0/age"
    ),
    "its own number": ({"name": "Northern", "id": 7}, "R202", "/id"),
    "its own version": ({"name": "Northern", "version": 7}, "R202", "/version"),
    "its maker": ({"name": "Northern", "created_by": 1}, "R202", "/created_by"),
    "a formula's value": ({"name": "Northern", "signed": "9.00"}, "R202", "/signed"),
    "a serial number": ({"name": "Northern", "code": "C1"}, "R202", "/code"),
    "levels inside a value": (
        {"name": "Northern", "tags": json.loads("[" * 20 + "]" * 20)}, "R210", "/tags"
    ),
    "control characters": ({"name": "Nor\u0000thern"}, "V007", "/name"),
    "half a character": ({"name": "Nor\ud800thern"}, "V007", "/name"),
    "a huge whole number": ({"name": "Northern", "parent": 2**70}, "V060", "/parent"),
    "a huge number": ({"name": "Northern", "cost": "9" * 400}, "V012", "/cost"),
    "a tiny exponent": ({"name": "Northern", "cost": "1e-999999"}, "V012", "/cost"),
}  # fmt: skip


def refused(answer: Any, status: int) -> list[tuple[str, str]]:
    """The codes and places of a refusal, which has to be complete."""
    assert answer.status_code == status, answer.get_data(as_text=True)[:400]
    body = answer.json
    assert body["error"]
    assert all(problem["text"] for problem in body["problems"])
    return [(problem["code"], problem["pointer"]) for problem in body["problems"]]


@pytest.mark.parametrize("story", NOT_JSON)
def test_a_body_that_is_no_record(served: Served, story: str) -> None:
    body, kind, code = NOT_JSON[story]
    root = served.visitor("small", "root")
    before = digest(served.company("small"))
    start = time.perf_counter()
    answer = root.api("POST", "/customer", body, content_type=kind)
    assert time.perf_counter() - start < 2
    assert refused(answer, {"R901": 415, "R902": 413}.get(code, 422)) == [(code, "")]
    assert digest(served.company("small")) == before


@pytest.mark.parametrize("story", WRONG_RECORDS)
def test_a_record_with_wrong_parts(served: Served, story: str) -> None:
    body, code, pointer = WRONG_RECORDS[story]
    root = served.visitor("small", "root")
    before = digest(served.company("small"))
    found = refused(root.api("POST", "/customer", body), 422)
    assert (code, pointer) in found
    assert digest(served.company("small")) == before


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Served, Visitor]]:
    """The small company on each engine, and what alice, who sells, sees of it."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    data = tmp_path / "own"
    prepare_small(data, url, f"desk_{uuid.uuid4().hex[:10]}" if url else "")
    served = Served.open(data)
    yield served, served.visitor("small", "alice")
    served.company("small").database.drop()
    served.installation.close()


def test_what_a_change_was_made_on(desk: tuple[Served, Visitor]) -> None:
    """Without a version 428, with an old one 409 and the present record, with the right one 200."""
    served, alice = desk
    me = served.actor("small", "alice").id
    made = alice.api("POST", "/contract", {"title": "First", "customer": customer(served, me)}).json
    place = f"/contract/{made['id']}"
    assert alice.api("PATCH", place, {"title": "Second", "version": 1}).status_code == 200
    before = everything(served.company("small"))

    assert refused(alice.api("PATCH", place, {"title": "Third"}), 428) == [("R002", "")]
    late = alice.api("PATCH", place, {"title": "Third", "version": 1})
    assert refused(late, 409) == [("R003", "")]
    assert (late.json["current"]["title"], late.json["current"]["version"]) == ("Second", 2)
    assert late.json["current"] == alice.api("GET", place).json  # in wire form
    tagged = alice.api("PATCH", place, {"title": "Third"}, headers={"If-Match": '"1"'})
    assert refused(tagged, 409) == [("R003", "")]
    for version in ("1", 1.0, True, [2], {"a": 1}, -1):
        answer = alice.api("PATCH", place, {"title": "Third", "version": version})
        assert answer.status_code in (409, 422), version
    assert refused(alice.send("DELETE", f"/api/v1{place}"), 428) == [("R002", "")]
    assert everything(served.company("small")) == before


def customer(served: Served, owner: int) -> int:
    """A customer of somebody's."""
    with served.company("small").unit(SYSTEM, write=True) as unit:
        return int(writing.create(unit, "customer", {"name": "Northern", "owner": owner})["id"])


def test_what_one_may_not_see_is_not_there(desk: tuple[Served, Visitor]) -> None:
    """A record of another's cannot be pointed at, and the refusal is that for one that does not
    exist: it does not tell which it is."""
    served, alice = desk
    hidden = customer(served, served.actor("small", "erin").id)
    before = everything(served.company("small"))

    def told(body: dict[str, Any]) -> Any:
        answer = alice.api("POST", "/contract", body)
        assert answer.status_code == 422
        return answer.json

    assert told({"title": "T", "customer": hidden}) == told({"title": "T", "customer": 999_999})
    gone, secret = alice.get("/api/v1/customer/999999"), alice.get(f"/api/v1/customer/{hidden}")
    assert (gone.status_code, gone.data) == (secret.status_code, secret.data) == (404, gone.data)
    assert alice.get(f"/e/customer/{hidden}").status_code == 404
    assert refused(alice.api("PATCH", f"/customer/{hidden}", {"level": "A", "version": 1}), 404)
    assert everything(served.company("small")) == before


def test_the_state_moves_by_the_workflow_only(desk: tuple[Served, Visitor]) -> None:
    served, alice = desk
    mine = customer(served, served.actor("small", "alice").id)
    wanted = {"title": "T", "customer": mine, "state": "approved"}
    assert refused(alice.api("POST", "/contract", wanted), 422) == [("R202", "/state")]
    made = alice.api("POST", "/contract", {"title": "T", "customer": mine}).json
    before = everything(served.company("small"))
    for field, value in (("state", "approved"), ("created_by", 1), ("id", 5), ("amount", "1.00")):
        body = {field: value, "version": 1}
        answer = alice.api("PATCH", f"/contract/{made['id']}", body)
        assert refused(answer, 422) == [("R202", f"/{field}")]
    assert everything(served.company("small")) == before


def test_a_field_that_is_hidden_is_unknown(desk: tuple[Served, Visitor]) -> None:
    """Whoever may not read a field gets the same answer as for a field that does not exist."""
    served, alice = desk
    assert refused(alice.api("POST", "/customer", {"name": "Northern", "cost": "1.00"}), 422) == [
        ("R201", "/cost")
    ]
    for asked in ("f.cost.gt=1", "sort=cost", "cols=cost"):
        answer = alice.get(f"/api/v1/customer?{asked}")
        unknown = alice.get(f"/api/v1/customer?{asked.replace('cost', 'nope')}")
        assert answer.status_code == unknown.status_code == 422, asked
        codes = [[one["code"] for one in body.json["problems"]] for body in (answer, unknown)]
        assert codes[0] == codes[1]
    assert served.visitor("small", "root").get("/api/v1/customer?sort=cost").status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        "sort=name;--",
        "sort=(select 1)",
        "sort=name desc",
        "size=1000000000",
        "size=1 UNION SELECT",
        "after=AAAA",
        "f.name.regexp=x",
        "f.name) or 1=1--.eq=x",
        "where=" + "[" * 300 + "]" * 300,
        "where={",
        "cols=name,users.password_hash",
    ],
)
def test_a_list_that_is_asked_for_nonsense(served: Served, asked: str) -> None:
    """Names are looked up, never quoted; a page shows what it understood, the API refuses."""
    root = served.visitor("small", "root")
    answer = root.get(f"/api/v1/customer?{asked}")
    assert refused(answer, 422)
    assert b"SELECT" not in answer.data.replace(b"UNION SELECT", b"")
    assert root.get(f"/e/customer?{asked}").status_code == 200


# --- the surroundings --------------------------------------------------------------------------


def serve(data: Path) -> subprocess.Popen[str]:
    """``python -m dougong serve`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dougong", "serve", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"DOUGONG_LANG": "en", "PYTHONUNBUFFERED": "1"},
    )


def test_a_second_server_on_the_same_data_is_refused(data: Path) -> None:
    first = serve(data)
    try:
        assert first.stderr is not None
        line = next(line for line in first.stderr if line.startswith("http://"))
        second = serve(data)
        _, said = second.communicate(timeout=30)
        assert second.returncode == 1
        assert "S013" in said
        assert str(first.pid) in said
        assert "    → " in said
        assert "Traceback" not in said
        with urllib.request.urlopen(f"{line.strip()}/healthz", timeout=10) as answer:
            assert json.load(answer) == {"ok": True, "companies": 1}
        # commands work beside it: only a second server is one too many
        assert dougong("companies", "--data", data).code == 0
    finally:
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=30)
    assert first.returncode is not None
    third = serve(data)  # the lock is the process's: gone with it
    try:
        assert third.stderr is not None
        assert any(line.startswith("http://") for line in third.stderr)
    finally:
        third.kill()
        third.communicate(timeout=30)


@pytest.mark.parametrize("command", [["companies"], ["create", "acme", "--pack", "crm"]])
def test_a_data_folder_that_cannot_be_written(tmp_path: Path, command: list[str]) -> None:
    """A file stands where the folder should be: not even the superuser can write there."""
    (tmp_path / "file").write_text("in the way")
    sentence(dougong(*command, "--data", tmp_path / "file" / "data"), "S002")


def sentence(done: Done, code: str) -> None:
    assert done.code == 1
    assert code in done.err
    assert "    → " in done.err
    assert "Traceback" not in done.err


@pytest.mark.expects_fault
def test_a_database_that_is_damaged(data: Path) -> None:
    """The company says so; the others work on."""
    installation = Installation(load_settings(data))
    create_company(installation, Listing("other", "", "small"), records_world.sources(), "root")
    installation.close()
    broken = data / "companies" / "small" / "company.sqlite"
    with broken.open("r+b") as file:
        file.write(b"not a database, not at all " * 40)
    for left in broken.parent.glob("company.sqlite-*"):
        left.unlink()

    sentence(dougong("plan", "small", "--data", data), "S003")
    assert dougong("companies", "--data", data).out.splitlines() == [
        "other\tsmall\tSQLite",
        "small\tsmall\tSQLite",
    ]
    served = Served.open(data)
    client = served.app.test_client()
    answer = client.get("/small/login", headers={"Accept-Language": "en"})
    assert answer.status_code == 503
    assert "damaged" in answer.get_data(as_text=True)
    assert client.get("/small/api/v1/customer").status_code == 503
    assert client.get("/other/login").status_code == 200
    assert client.get("/healthz").status_code == 503
    served.installation.close()


def test_a_database_that_is_somebody_elses(data: Path) -> None:
    place = data / "companies" / "small" / "company.sqlite"
    for left in place.parent.glob("company.sqlite*"):
        left.unlink()
    import sqlite3

    with sqlite3.connect(place) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
        other.execute("PRAGMA application_id = 77")
    other.close()
    sentence(dougong("plan", "small", "--data", data), "S004")
