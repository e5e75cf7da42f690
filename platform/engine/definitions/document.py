"""A definition file in memory: its data, its text, and where each JSON pointer stands in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.problems import Problem, Severity

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)


def pointer(*parts: str | int) -> str:
    """A JSON pointer from its unescaped parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def within(prefixes: str) -> Iterator[str]:
    """The pointer itself and every pointer around it, longest first; ends with ""."""
    while prefixes:
        yield prefixes
        prefixes = prefixes.rpartition("/")[0]
    yield ""


@dataclass(frozen=True)
class Document:
    """One parsed file; when there is nothing to work with it is not `usable` and `data` is {}."""

    file: str
    text: str
    data: Any = field(default_factory=dict)
    usable: bool = True

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Line of every JSON pointer. Worked out only when there is a problem to tell."""
        return dict(_positions(self.text))


@dataclass(frozen=True)
class Merged:
    """A definition after overlays: `layers` are the files it came from, base first."""

    name: str
    data: Mapping[str, Any]
    layers: Sequence[Document]

    def place(self, at: str) -> tuple[str, int | None]:
        """File and line that a pointer into the merged data comes from: the topmost layer that
        says it, else the nearest thing around it."""
        for prefix in within(at):
            for layer in reversed(self.layers):
                if prefix in layer.places:
                    return layer.file, layer.places[prefix]
        return (self.layers[-1].file if self.layers else self.name), None


@dataclass
class Findings:
    """Collects the problems of one merged definition; `data` is what its meta-schema let pass."""

    about: Merged
    data: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: str, at: str = "", /, **params: Any) -> None:
        """Note an error at a JSON pointer."""
        self._note(Severity.ERROR, code, at, params)

    def warn(self, code: str, at: str = "", /, **params: Any) -> None:
        """Note something that works, and is probably not meant."""
        self._note(Severity.WARNING, code, at, params)

    def _note(self, severity: Severity, code: str, at: str, params: Mapping[str, Any]) -> None:
        file, line = self.about.place(at)
        self.problems.append(Problem(code, params, at, severity, file, line))


def duplicates(text: str) -> list[tuple[str, int]]:
    """Pointers, with lines, of members that stand twice in their object."""
    seen: set[str] = set()
    found = []
    for at, line in _positions(text):
        if at in seen:
            found.append((at, line))
        seen.add(at)
    return found


def _positions(text: str) -> Iterator[tuple[str, int]]:
    """(pointer, line) of every value of a valid JSON text: the line of its key, if it has one."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    stack: list[str] = []  # pointer of each open container
    counts: list[int] = []  # next index of an open array, -1 for an object
    at, key_line, expect_key = "", 0, False
    for match in _TOKEN.finditer(text):
        token, line = match.group(), bisect_right(breaks, match.start()) + 1
        match token[0]:
            case "}" | "]":
                stack.pop()
                counts.pop()
                expect_key = False
            case ",":
                expect_key = counts[-1] < 0
            case ":":
                expect_key = False
            case _ if expect_key:
                at, key_line = stack[-1] + pointer(_unquote(token)), line
            case first:
                if counts and counts[-1] >= 0:
                    at, key_line = f"{stack[-1]}/{counts[-1]}", line
                    counts[-1] += 1
                yield at, key_line or line
                if first in "{[":
                    stack.append(at)
                    counts.append(-1 if first == "{" else 0)
                    expect_key = first == "{"


def _unquote(token: str) -> str:
    if "\\" not in token:
        return token[1:-1]
    import json

    return str(json.loads(token, strict=False))
