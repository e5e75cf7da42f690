"""The promise of the product's first page: add a field to a file, publish, and the running company
has it - on the form, in the list, in the filters, in the API and in the history, and nowhere else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.companies import TRADES, Served, Visitor, digest, dougong, filled, prepare_small
from tests.integration import records_world

from engine.records.unit import SYSTEM

ROOT = Path(__file__).resolve().parents[2]
TEA = "favourite_tea"


def readme_field() -> dict[str, Any]:
    """The field of README.md, as it is written there."""
    found = re.search(r'^ *("favourite_tea": \{.*\}),?$', (ROOT / "README.md").read_text(), re.M)
    assert found is not None
    field: dict[str, Any] = json.loads("{" + found[1] + "}")[TEA]
    return field


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """The shipped definitions, to be edited."""
    for folder in ("entity_defs", "workflows"):
        shutil.copytree(ROOT / folder, tmp_path / "packs" / folder)
    return tmp_path / "packs"


def put_field(packs: Path, field: dict[str, Any] | None) -> None:
    """What somebody does in an editor: the field is in the file, or it is not."""
    path = packs / "entity_defs" / "hotel" / "guest.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["properties"].pop(TEA, None)
    if field is not None:
        body["properties"][TEA] = field
    path.write_text(json.dumps(body, ensure_ascii=False, indent=2), encoding="utf-8")


def elsewhere(*words: str | Path) -> str:
    """A command in a process of its own; what it said."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dougong", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DOUGONG_LANG": "en"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_form(visitor: Visitor) -> bool:
    return f'name="f_{TEA}"' in visitor.text("/e/guest/new")


def offered(visitor: Visitor) -> tuple[bool, bool]:
    """Whether the list offers the field as a column, and for filtering."""
    page = visitor.text("/e/guest")
    built = re.search(r"<script[^>]*data-fields[^>]*>(.*?)</script>", page, re.S)
    assert built is not None
    names = {field["name"] for field in json.loads(built[1])}
    return f'value="{TEA}"' in page, TEA in names


def wire(visitor: Visitor, id: int) -> dict[str, Any]:
    found: dict[str, Any] = visitor.get(f"/api/v1/guest/{id}").json
    return found


def change(visitor: Visitor, id: int, values: dict[str, Any]) -> None:
    """Through the form, as a person does."""
    page = visitor.text(f"/e/guest/{id}/edit")
    done = visitor.form(f"/e/guest/{id}/edit", filled(page, values))
    assert done.status_code == 303, done.get_data(as_text=True)


def test_a_field_comes_and_goes_while_people_work(served: Served, packs: Path) -> None:
    data = served.installation.settings.data
    where = ("hotel", "--data", data, "--packs", packs)
    visitor = served.visitor("hotel")
    id = visitor.api("POST", "/guest", {"name": "Ma Li", "taboo": "no lilies"}).json["id"]
    before = wire(visitor, id)
    others = {key: served.visitor(key) for key in TRADES if key != "hotel"}
    for other in others.values():
        other.text("/")
    kept = {key: digest(served.company(key)) for key in others}
    assert not on_form(visitor)

    # the plan is one line, and only a plan
    put_field(packs, readme_field())
    planned = dougong("plan", *where)
    assert planned.code == 0
    assert [line[0] for line in planned.out.splitlines()] == ["+"]
    assert "Favourite tea" in planned.out
    assert not on_form(visitor)

    # another process publishes; the next request of this one shows it
    assert planned.out.strip() in elsewhere("publish", *where)
    assert on_form(visitor)
    assert offered(visitor) == (True, True)
    assert wire(visitor, id) == before | {TEA: None}, "the old record is as it was"

    # people use it
    change(visitor, id, {TEA: "Longjing"})
    assert wire(visitor, id)[TEA] == "Longjing"
    assert wire(visitor, id)["taboo"] == "no lilies"
    assert "Longjing" in visitor.text(f"/e/guest/{id}")
    listed = visitor.text(f"/e/guest?cols=name,{TEA}&f.{TEA}.eq=Longjing")
    assert "Favourite tea" in listed
    assert "Ma Li" in listed
    assert visitor.get(f"/api/v1/guest?f.{TEA}.eq=Oolong").json["count"] == 0
    history = visitor.get(f"/api/v1/guest/{id}/history").json["items"]
    assert history[0]["changes"] == {TEA: [None, "Longjing"]}
    too_long = visitor.api("POST", "/guest", {"name": "Li Lei", TEA: "x" * 41})
    assert [one["pointer"] for one in too_long.json["problems"]] == [f"/{TEA}"]

    # it goes: hidden everywhere at once, and kept
    put_field(packs, None)
    assert [line[0] for line in dougong("plan", *where).out.splitlines()] == ["-"]
    elsewhere("publish", *where)
    assert not on_form(visitor)
    assert offered(visitor) == (False, False)
    assert TEA not in wire(visitor, id)
    refused = visitor.api("PATCH", f"/guest/{id}", {TEA: "Oolong", "version": 2})
    assert [one["code"] for one in refused.json["problems"]] == ["R201"]
    assert visitor.get(f"/e/guest/{id}").status_code == 200, "its history too"
    change(visitor, id, {"taboo": "no roses"})

    # it comes back, and so do the values
    put_field(packs, readme_field())
    assert "comes back with its values" in dougong("plan", *where).out
    elsewhere("publish", *where)
    assert on_form(visitor)
    record = wire(visitor, id)
    assert (record[TEA], record["taboo"], record["name"]) == ("Longjing", "no roses", "Ma Li")

    # and nowhere else
    for key, other in others.items():
        assert digest(served.company(key)) == kept[key]
        assert other.get("/").status_code == 200
        assert TEA not in served.company(key).current.model.entities["customer"].fields


def test_two_companies_of_the_same_trade_are_two(served: Served, packs: Path) -> None:
    """Definitions belong to a company, not to the installation."""
    data = served.installation.settings.data
    put_field(packs, readme_field())
    made = dougong("create", "inn", "--pack", "hotel", "--data", data, "--packs", packs)
    assert made.code == 0, made.err
    assert on_form(served.visitor("inn"))
    assert not on_form(served.visitor("hotel"))


# --- under load ----------------------------------------------------------------------------------

WRITERS, ROUNDS = 4, 2


@pytest.fixture(params=["sqlite", "postgresql"])
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """The small company on each engine."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    prepare_small(tmp_path / "data", url, f"live_{uuid.uuid4().hex[:10]}" if url else "")
    served = Served.open(tmp_path / "data")
    yield served
    served.company("small").database.drop()
    served.installation.close()


def definition(round: int) -> dict[str, str]:
    """A note that has one more field each round, and loses the one before."""
    properties = records_world.NOTE["properties"]
    extra = {f"extra{round}": records_world.text(f"Extra {round}")}
    return records_world.sources(note=records_world.NOTE | {"properties": properties | extra})


def test_publishing_while_people_write_loses_nothing(busy: Served, tmp_path: Path) -> None:
    """Four writers never stop; the definitions change under them. Everything that was answered
    with "saved" is there, and nothing is answered with a fault."""
    done = threading.Event()
    saved: dict[int, tuple[str, int]] = {}  # id -> (body, version) as the answers said
    answers: list[tuple[int, Any]] = []

    def work(number: int, visitor: Visitor) -> None:
        count = 0
        while not done.is_set() and count < 2_000:
            count += 1
            body = f"{number}/{count}"
            answer = visitor.api("POST", "/note", {"body": body})
            answers.append((answer.status_code, answer.json))
            if answer.status_code != 201:
                continue
            id = answer.json["id"]
            saved[id] = body, 1
            answer = visitor.api("PATCH", f"/note/{id}", {"body": body + "!", "version": 1})
            answers.append((answer.status_code, answer.json))
            if answer.status_code == 200:
                saved[id] = body + "!", answer.json["version"]

    people = []
    for number in range(WRITERS):  # a browser each
        busy._browsers.clear()
        visitor = busy.visitor("small", "root")
        visitor.send("POST", "/account/sessions", data={"id": ""})  # fetches its token
        people.append(threading.Thread(target=work, args=(number, visitor)))
    for thread in people:
        thread.start()
    try:
        data = busy.installation.settings.data
        for round in range(ROUNDS):
            root = tmp_path / f"packs{round}"
            for path, text in definition(round).items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            elsewhere("publish", "small", "--data", data, "--packs", root)
    finally:
        done.set()
        for thread in people:
            thread.join()

    wrong = [answer for answer in answers if answer[0] not in (200, 201)]
    assert wrong == []
    assert len(saved) > WRITERS * ROUNDS, "they did write while it happened"
    company = busy.company("small")
    with company.unit(SYSTEM) as unit:
        table = unit.app.tables.of("note")
        rows = unit.connection.execute(table.table.select()).mappings().all()
        fields = unit.app.model.entities["note"].fields
    assert {row["id"]: (row[table.column("body").name], row["version"]) for row in rows} == saved
    assert [name for name in fields if name.startswith("extra")] == [f"extra{ROUNDS - 1}"]
    visitor = busy.visitor("small", "root")
    id = next(iter(saved))
    history = visitor.get(f"/api/v1/note/{id}/history").json["items"]
    assert [entry["version"] for entry in history] == [2, 1][-saved[id][1] :]


def test_two_who_publish_at_once_publish_one_after_the_other(busy: Served) -> None:
    from engine.records.publish import publish

    company = busy.company("small")
    failures: list[BaseException] = []

    def go(round: int) -> None:
        try:
            publish(company, definition(round), "small")
        except BaseException as error:  # whatever it is, the test has to see it
            failures.append(error)

    threads = [threading.Thread(target=go, args=(round,)) for round in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    company.forget()
    extras = [n for n in company.current.model.entities["note"].fields if n.startswith("extra")]
    assert len(extras) == 1
    made = busy.visitor("small", "root").api("POST", "/note", {"body": "x", extras[0]: "y"})
    assert made.status_code == 201, made.json
