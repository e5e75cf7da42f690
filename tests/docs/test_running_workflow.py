"""The how-to about changing a running workflow, followed to the letter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, File, steps
from tests.docs.test_tutorial import TUTORIAL, Reader, _bicycle, _repair

HOWTO = DOCS / "howto" / "change-a-running-workflow.md"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Somebody who has come to the tutorial's end, with a repair that waits for the boss."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOUGONG_PACKS", str(tmp_path))
    monkeypatch.setenv("DOUGONG_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DOUGONG_LANG", "en")
    found = Reader(tmp_path, TUTORIAL)
    yield found
    if found.installation:
        found.installation.close()


def test_following_the_how_to(reader: Reader) -> None:
    for number in (1, 2, 3):
        reader.follow(number)
    bicycle = _bicycle(reader)
    for number in (4, 5):
        reader.follow(number)
    repair = _repair(reader, bicycle, "anna", "160")
    assert reader.fire("anna", repair["id"], "begin") == "boss_decides"
    for step in steps(HOWTO):
        if isinstance(step, File):
            step.write(reader.folder)
        else:
            reader.type(step)
    assert reader.see("anna", "repair", repair["id"])["state"] == "second_look"
