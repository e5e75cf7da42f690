"""The command line: what each command does, and that every mistake is a sentence with a remedy."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest
from tests.companies import Served, dougong, write_small_pack
from tests.integration import records_world

from engine.records import writing
from engine.records.unit import SYSTEM
from engine.storage import Database

NOTE = "entity_defs/small/note.json"


@pytest.fixture
def data(small: Path, tmp_path: Path) -> Path:
    """An installation with the small company."""
    copytree(small, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """The folder with the small company's pack."""
    return write_small_pack(tmp_path / "packs")


def edit(packs: Path, **properties: object) -> None:
    """Add fields to the note; None takes one away."""
    place = packs / NOTE
    body = json.loads(place.read_text())
    for name, field in properties.items():
        if field is None:
            del body["properties"][name]
        else:
            body["properties"][name] = field
    place.write_text(json.dumps(body, indent=2))


def link(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000(/\S+)", text)
    assert found is not None
    return found[1]


# --- what they do --------------------------------------------------------------------------------


def test_check_passes_good_packs(packs: Path) -> None:
    done = dougong("check", packs)
    assert done.code == 0
    assert done.out == "small: 4 entities, 1 workflow, 0 errors, 1 warning\n"
    assert "→" in done.err, "a warning has a remedy too"


def test_check_tells_all_problems_of_all_packs_at_once(packs: Path) -> None:
    edit(packs, a={"type": "sting", "title": "A"}, b={"type": "string", "titel": "B"})
    flow = packs / "workflows/small/approval.json"
    flow.write_text(flow.read_text().replace('"quorum"', '"qourum"'))
    done = dougong("check", packs)
    assert done.code == 1
    assert re.search(rf"{NOTE}:\d+ /properties/a/type ", done.err)
    assert re.search(rf"{NOTE}:\d+ /properties/b", done.err)
    assert re.search(r"workflows/small/approval.json:\d+ ", done.err)
    assert "“quorum”" in done.err, "did you mean"


def test_check_of_a_folder_without_packs(tmp_path: Path) -> None:
    done = dougong("check", tmp_path)
    assert done.code == 1
    assert str(tmp_path) in done.err
    assert dougong("check", tmp_path / "missing").code == 2


def test_create_prints_the_first_administrators_link(packs: Path, tmp_path: Path) -> None:
    data = tmp_path / "new"
    done = dougong("create", "acme", "--pack", "small", "--packs", packs, "--data", data)
    assert done.code == 0
    assert done.out.startswith("acme: Small\n")
    served = Served.open(data)
    page = served.app.test_client().get(link(done.out))
    assert page.status_code == 200
    assert "Admin" in page.get_data(as_text=True)
    served.installation.close()
    assert (data / "secret").stat().st_mode & 0o077 == 0, "nobody else reads the key"
    assert dougong("companies", "--data", data).out == "acme\tsmall\tSQLite\n"


def test_create_on_postgresql(postgres_url: str, packs: Path, tmp_path: Path) -> None:
    words = ["--pack", "small", "--packs", packs, "--data", tmp_path / "new"]
    done = dougong("create", "east-acme", *words, "--database", postgres_url)
    assert done.code == 0, done.err
    try:
        listed = dougong("companies", "--data", tmp_path / "new").out
        assert listed.startswith("east-acme\tsmall\t/postgres")
        assert "postgres@" not in listed.replace("postgresql", ""), "no user, no password"
        refused = dougong("backup", "east-acme", tmp_path / "copy", "--data", tmp_path / "new")
        assert refused.code == 1
        assert "pg_dump" in refused.err
    finally:
        served = Served.open(tmp_path / "new")
        served.installation.drop("east-acme")
        served.installation.close()


def test_plan_shows_and_publish_does(data: Path, packs: Path) -> None:
    where = ["--data", data, "--packs", packs]
    assert dougong("plan", "small", *where).out == "Nothing would change.\n"
    edit(packs, mood=records_world.text("Mood"))
    planned = dougong("plan", "small", *where)
    assert planned.code == 0
    lines = planned.out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("+")
    assert "Mood" in lines[0]
    assert dougong("plan", "small", *where).out == planned.out, "planning changed nothing"

    done = dougong("publish", "small", "--note", "moods", *where)
    assert done.code == 0
    assert done.out.splitlines()[0] == lines[0]
    assert re.search(r"^small: Small · \w{12}$", done.out, re.M)
    assert dougong("plan", "small", *where).out == "Nothing would change.\n"

    edit(packs, mood=None)
    assert dougong("plan", "small", *where).out.startswith("-")


def test_plan_refuses_what_would_lose_data(data: Path, packs: Path) -> None:
    edit(packs, body={"type": "integer", "title": "Body"})
    for command in ("plan", "publish"):
        done = dougong(command, "small", "--data", data, "--packs", packs)
        assert done.code == 1
        assert re.search(r"P\d{3}", done.err)
        assert "    → " in done.err


def test_user_and_login_link(data: Path) -> None:
    made = dougong("user", "small", "mei", "Mei Lin", "--role", "sales", "--data", data)
    assert made.code == 0
    served = Served.open(data)
    client = served.app.test_client()
    assert 'name="password"' in client.get(link(made.out)).get_data(as_text=True)
    again = dougong("login-link", "small", "mei", "--data", data)
    page = client.get(link(again.out)).get_data(as_text=True)
    assert 'name="password"' not in page
    assert "Mei Lin" in page
    reset = dougong("login-link", "small", "mei", "--password", "--data", data)
    assert 'name="password"' in client.get(link(reset.out)).get_data(as_text=True)
    assert "/ops/" not in served.visitor("small", "mei").text("/")
    served.installation.close()


def test_backup_copies_a_company_at_work(data: Path, tmp_path: Path) -> None:
    served = Served.open(data)
    company = served.company("small")
    target = tmp_path / "copy.sqlite"
    with company.unit(SYSTEM, write=True) as unit:
        writing.create(unit, "note", {"body": "kept"})
    with company.unit(SYSTEM, write=True) as unit:
        writing.create(unit, "note", {"body": "not yet saved"})
        done = dougong("backup", "small", target, "--data", data)
    assert (done.code, done.out) == (0, f"{target}\n")
    served.installation.close()
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database = Database.sqlite(target)
    with database.read() as connection:
        table = company.current.tables.of("note")
        found = connection.execute(table.table.select()).mappings().all()
    assert [row[table.column("body").name] for row in found] == ["kept"]
    database.close()


def test_demo_loads_once_and_prints_a_link_per_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_small_pack(tmp_path / "packs")
    listed = {"companies": [{"key": "tiny", "pack": "small", "logins": ["admin", "mei"]}]}
    (root / "entity_defs" / "demo.json").write_text(json.dumps(listed))
    sample = {
        "departments": {"office": {"title": "Office"}},
        "users": {"mei": {"name": "Mei", "department": "office", "roles": ["sales"]}},
        "records": {"notes": {"entity": "note", "count": 3, "values": {"body": "hello"}}},
    }
    (root / "entity_defs" / "small" / "sample.json").write_text(json.dumps(sample))
    monkeypatch.setenv("DOUGONG_PACKS", str(root))
    data = tmp_path / "demo"
    first = dougong("demo", "--prepare-only", "--data", data)
    assert first.code == 0, first.err
    assert "tiny … " in first.out
    assert "Small   http://127.0.0.1:8000/tiny/" in first.out
    second = dougong("demo", "--prepare-only", "--data", data)
    assert second.code == 0
    assert "tiny … " not in second.out, "loaded once"
    assert re.findall(r"^  (\w+) · (\w+)$", second.out, re.M) == [
        ("Admin", "Admin"),
        ("Mei", "Sales"),
    ]
    links = [re.findall(r"/tiny/once/\S+", done.out) for done in (first, second)]
    assert len({*links[0], *links[1]}) == 4, "fresh ones each time"


def test_the_program_starts_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dougong", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = "check create companies plan publish user login-link serve backup demo"
    for command in commands.split():
        assert re.search(rf"^  {command} ", done.stdout, re.M), command


# --- mistakes ------------------------------------------------------------------------------------

MISTAKES = {
    # what was typed: what the answer names
    "plan nobody": ("S103", "small"),
    "publish nobody": ("S103", "small"),
    "user nobody mei Mei": ("S103", "small"),
    "login-link nobody root": ("S103", "small"),
    "backup nobody copy.sqlite": ("S103", "small"),
    "login-link small nobody": ("S106", "nobody"),
    "create Acme --pack small": ("S101", "Acme"),
    "create login --pack small": ("S101", "login"),
    "create ../x --pack small": ("S101", "../x"),
    "create small --pack small": ("S102", "small"),
    "create acme --pack hotle": ("S104", "hotle"),
    "create acme --pack ../hotel": ("S104", "../hotel"),
    "create acme --pack small --database mysql://x": ("S107", "mysql"),
    "create acme --pack small --database postgresql://x@127.0.0.1:1/y": ("S007", "127.0.0.1"),
    "user small root Again": ("R501", "root"),
    "user small m Mei": ("R502", "letters"),
    "user small mei Mei --role boss": ("R503", "boss"),
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_a_sentence(data: Path, packs: Path, typed: str) -> None:
    code, named = MISTAKES[typed]
    words = typed.split()
    takes_packs = words[0] in {"plan", "publish", "create"}
    before = dougong("companies", "--data", data).out
    done = dougong(*words, "--data", data, *(["--packs", packs] if takes_packs else []))
    assert done.code == 1
    assert code in done.err
    assert named in done.err
    assert "Traceback" not in done.err
    assert dougong("companies", "--data", data).out == before


def test_a_company_that_cannot_be_made_leaves_no_trace(packs: Path, tmp_path: Path) -> None:
    edit(packs, a={"type": "sting", "title": "A"})
    data = tmp_path / "new"
    words = ["create", "acme", "--pack", "small", "--packs", packs, "--data", data]
    assert dougong(*words).code == 1
    assert not list((data / "companies").glob("*")) if (data / "companies").exists() else True
    edit(packs, a=None)
    assert dougong(*words).code == 0, "the same key is free"


def test_mistakes_are_told_in_the_terminals_language(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dougong.commands.report import command_language

    monkeypatch.delenv("DOUGONG_LANG", raising=False)
    monkeypatch.delenv("LC_ALL", raising=False)
    for locale, language in (
        ("zh_CN.UTF-8", "zh-CN"), ("en_US.UTF-8", "en"), ("C", "en"), ("", "en"),
    ):  # fmt: skip
        monkeypatch.setenv("LANG", locale)
        assert command_language() == language


def test_wrong_settings_are_refused_before_anything_listens(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOUGONG_SESSION_HOURS", "DOUGONG_UPLOAD_MB"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "many")
            done = dougong("companies", "--data", data)
            assert done.code == 1
            assert name in done.err
            assert "Traceback" not in done.err
