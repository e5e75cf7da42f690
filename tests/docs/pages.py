"""What a page of the documentation shows: files, additions to files, and a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.definitions.overlay import merge

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_STEP = re.compile(
    r"(?P<verb>Save as|Add to|保存为|加到)\s`(?P<path>[^`\n]+)`[:：]\n\n```\w+\n(?P<text>.*?)```"
    r"|```console\n(?P<console>.*?)```",
    re.DOTALL,
)
_ADD = ("Add to", "加到")
_COMMAND = re.compile(r"^\$ (?P<line>.+)\n(?P<shown>(?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class File:
    """A file to write, or (with `patch`) a piece to put into one."""

    path: str
    text: str
    patch: bool

    def write(self, folder: Path) -> None:
        """Do as the page says."""
        target = folder / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = self.text
        if self.patch:
            whole: Any = merge(json.loads(target.read_text("utf-8")), json.loads(text))
            text = json.dumps(whole, ensure_ascii=False, indent=2)
        target.write_text(text, "utf-8")


@dataclass(frozen=True)
class Command:
    """A line typed and what it prints; ``…`` stands for anything."""

    line: str
    shown: str

    def matches(self, printed: str) -> bool:
        """Whether the page tells the truth."""
        parts = [re.escape(part) for part in self.shown.strip().split("…")]
        return re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL) is not None


def chapters(path: Path) -> dict[str, list[File | Command]]:
    """The steps of a page by the headings of its chapters."""
    parts = re.split(r"^## (.+)\n", path.read_text("utf-8"), flags=re.MULTILINE)
    return {title: list(_steps(text)) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def steps(path: Path) -> list[File | Command]:
    """All steps of a page, in order."""
    return list(_steps(path.read_text("utf-8")))


def _steps(text: str) -> Iterator[File | Command]:
    for found in _STEP.finditer(text):
        if found["verb"]:
            yield File(found["path"], found["text"], found["verb"] in _ADD)
        else:
            for line in _COMMAND.finditer(found["console"]):
                yield Command(line["line"], line["shown"])
