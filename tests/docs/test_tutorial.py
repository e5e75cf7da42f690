"""The tutorial and the how-tos, followed to the letter: files, commands and claims."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.docs.pages import DOCS, Command, File, chapters, steps

from dougong.commands import cli
from dougong.installation import Installation
from dougong.settings import load_settings
from engine.fields import registry
from engine.packs import load_company
from engine.plugins import load_plugins
from engine.records import flows, reading, writing
from engine.records.company import Company
from engine.records.failures import Failure, Forbidden, Invalid
from engine.records.people import actor_of, find_user
from engine.records.unit import Actor

TUTORIAL = DOCS / "tutorial.md"
CHINESE = DOCS / "tutorial.zh-CN.md"
HOWTOS = sorted((DOCS / "howto").glob("*.md"))
PACK = "bike_workshop"


class Reader:
    """Somebody who reads the tutorial and does what it says."""

    def __init__(self, folder: Path, page: Path) -> None:
        self.folder, self.page = folder, page
        self.chapters = chapters(page)
        self.installation: Installation | None = None

    def follow(self, number: int) -> None:
        """Write the files of a chapter and type its commands; each prints what the page shows."""
        title = next(title for title in self.chapters if title.startswith(f"{number}. "))
        for step in self.chapters[title]:
            if isinstance(step, File):
                step.write(self.folder)
            elif "serve" not in step.line:
                self.type(step)

    def type(self, command: Command) -> None:
        """One line in the terminal."""
        program, *words = shlex.split(command.line)
        assert program == "dougong"
        result = CliRunner().invoke(cli, words)
        assert not result.exception, f"{command.line}: {result.output}{result.exception!r}"
        assert command.matches(result.stdout), f"{command.line} printed:\n{result.output}"

    @property
    def company(self) -> Company:
        """The company as the server sees it."""
        self.installation = self.installation or Installation(load_settings())
        found = self.installation.company("bikes")
        assert found is not None
        return found

    def person(self, login: str) -> Actor:
        """Somebody with an account."""
        with self.company.database.read() as connection:
            row = find_user(connection, login)
            assert row is not None
            found = actor_of(connection, row["id"], self.company.current.model)
        assert found is not None
        return found

    def create(self, login: str, entity: str, **values: Any) -> dict[str, Any]:
        """Fill in a form."""
        with self.company.unit(self.person(login), write=True) as unit:
            return writing.create(unit, entity, values)

    def see(self, login: str, entity: str, id: int) -> dict[str, Any]:
        """Look at a record's page."""
        with self.company.unit(self.person(login)) as unit:
            return reading.read(unit, entity, id)

    def fire(self, login: str, repair: int, event: str) -> str:
        """Press a button of the workflow; the state afterwards."""
        with self.company.unit(self.person(login), write=True) as unit:
            flows.fire(unit, "repair", repair, event)
        return str(self.see(login, "repair", repair)["state"])


@pytest.fixture(params=[TUTORIAL, CHINESE], ids=lambda page: page.name)
def reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Reader]:
    """A reader in an empty folder, with the variables of the first chapter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOUGONG_PACKS", str(tmp_path))
    monkeypatch.setenv("DOUGONG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DOUGONG_LANG", "zh-CN" if request.param == CHINESE else "en")
    found = Reader(tmp_path, request.param)
    yield found
    if found.installation:
        found.installation.close()


def _work(price: str) -> list[dict[str, Any]]:
    return [
        {"what": "Chain", "quantity": 1, "price": "40"},
        {"what": "Labour", "quantity": 2, "price": price},
    ]


def _bicycle(reader: Reader) -> int:
    values = {"frame_number": "WTU1", "brand": "Stevens", "rider": "Jo", "phone": "+49 30 1234567"}
    found = reader.create("admin", "bicycle", **values)
    with pytest.raises(Failure):
        reader.create("admin", "bicycle", **values)  # no frame number occurs twice
    return int(found["id"])


def _repair(reader: Reader, bicycle: int, login: str, price: str) -> dict[str, Any]:
    return reader.create(login, "repair", bicycle=bicycle, fault="Skips", items=_work(price))


def test_the_tutorial(reader: Reader) -> None:
    for number in (1, 2, 3):
        reader.follow(number)
    bicycle = _bicycle(reader)

    reader.follow(4)
    early = _repair(reader, bicycle, "admin", "20")
    assert early["total"] == Decimal("80.00")
    assert early["code"].endswith("-0001")
    assert reader.see("admin", "bicycle", bicycle)["repair_count"] == 1
    with pytest.raises(Invalid) as refused:
        reader.create(
            "admin",
            "repair",
            **{"bicycle": bicycle, "fault": "Bell", "received_on": "2025-03-09"},
            promised_on="2025-03-01",
        )
    told = refused.value.problems[0].message.values()
    assert all(message in reader.page.read_text("utf-8") for message in told)

    reader.follow(5)
    small = _repair(reader, bicycle, "anna", "20")
    assert reader.fire("anna", small["id"], "begin") == "in_repair"
    assert reader.fire("anna", small["id"], "collect") == "collected"
    # written up before there was a workflow
    assert reader.fire("anna", early["id"], "begin") == "in_repair"
    _through_the_boss(reader, bicycle)

    reader.follow(6)
    reader.type(Command("dougong publish bikes", "…"))
    assert reader.see("max", "bicycle", bicycle)["phone"] == "******67"
    assert reader.see("anna", "bicycle", bicycle)["phone"] == "+49301234567"

    reader.follow(7)
    assert reader.see("anna", "bicycle", bicycle)["tyre"] is None


def _through_the_boss(reader: Reader, bicycle: int) -> None:
    repair = _repair(reader, bicycle, "anna", "160")
    assert repair["total"] == Decimal("360.00")
    assert reader.fire("anna", repair["id"], "begin") == "boss_decides"
    version = reader.see("anna", "repair", repair["id"])["version"]
    with (
        pytest.raises((Forbidden, Invalid)),
        reader.company.unit(reader.person("anna"), write=True) as unit,
    ):
        writing.change(unit, "repair", repair["id"], {"fault": "None"}, version)
    with reader.company.unit(reader.person("admin"), write=True) as unit:
        task = flows.my_tasks(unit)[0]
        assert task.task_id is not None
        flows.decide(unit, task.task_id, "approve", version=task.version)
    assert reader.see("anna", "repair", repair["id"])["state"] == "in_repair"


def test_the_tutorials_differ_in_words_only() -> None:
    """Of both, the files with every text taken out are the same."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            words = ("title", "plural", "message", "languages", "currency", "timezone")
            return {key: bare(item) for key, item in value.items() if key not in words}
        return [bare(item) for item in value] if isinstance(value, list) else value

    pages = [
        [
            (step.path, step.patch, bare(json.loads(step.text)))
            for step in steps(page)
            if isinstance(step, File)
        ]
        for page in (TUTORIAL, CHINESE)
    ]
    assert pages[0] == pages[1]


def _problems(folder: Path) -> list[object]:
    packs = sorted(path.parent.name for path in folder.glob("entity_defs/*/pack.json"))
    return [found for pack in packs for found in load_company([folder], pack)[2]]


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_the_how_tos(page: Path, tmp_path: Path) -> None:
    """Each goes on where the tutorial ended, and its definitions are in order."""
    known = set(registry._types)
    for step in [*steps(TUTORIAL), *steps(page)]:
        if isinstance(step, File):
            step.write(tmp_path)
    try:
        load_plugins([tmp_path / "plugins"])
        assert _problems(tmp_path) == []
    finally:
        for name in registry._types.keys() - known:
            del registry._types[name]


def test_a_plugin_of_the_how_to_checks_its_values(tmp_path: Path) -> None:
    file = next(step for step in steps(DOCS / "howto" / "plugins.md") if isinstance(step, File))
    scope: dict[str, Any] = {"__name__": "frame_number"}
    exec(compile(file.text, file.path, "exec"), scope)
    from tests.models import field

    kind = scope["FrameNumberType"](field("frame", "frame_number"))
    assert kind.parse(" st 1234561 ") == "ST1234561"
    assert not kind.problems("ST1234561")
    assert kind.problems("ST1234560")
