"""The failures that happened to others, and the tests that keep ours from them: all are there."""

from __future__ import annotations

import ast
import functools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KNOWN: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "tests/conformance/workflow/cases.json").read_text("utf-8")
)
CASES, ATTACKS = KNOWN["cases"], KNOWN["attacks"]
NAMED = [
    (key, test) for group in KNOWN.values() for key, one in group.items() for test in one["tests"]
]
WAITS = {"sleep", "urlopen", "create_connection", "acquire", "recv", "result"}
BROKERS = {"celery", "kombu", "rq", "huey", "apscheduler", "dramatiq", "procrastinate", "redis"}


@functools.cache
def named_in(path: str) -> frozenset[str]:
    """The names of the tests in a file, those of parameters included as they are written."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_every_failure_and_every_attack_is_there() -> None:
    assert list(CASES) == [str(number) for number in range(1, 27)]
    assert list(ATTACKS) == [f"A5.{number}" for number in range(1, 10)]


@pytest.mark.parametrize("group", KNOWN)
def test_each_has_a_title_a_promise_and_several_tests(group: str) -> None:
    for key, case in KNOWN[group].items():
        assert set(case) == {"title", "promise", "tests"}, key
        assert re.fullmatch(r"[A-Z].{10,120}[^.]", case["title"]), key
        assert re.fullmatch(r"[A-Z][^.]{20,240}\.", case["promise"]), key
        assert len(case["tests"]) >= 2, key
        assert len(case["tests"]) == len(set(case["tests"])), key


@pytest.mark.parametrize(("key", "test"), NAMED, ids=[f"{key} {test}" for key, test in NAMED])
def test_what_is_named_exists(key: str, test: str) -> None:
    path, _, name = test.partition("::")
    assert name in named_in(path), f"{key}: {test}"


def calls(path: Path) -> list[tuple[str, int]]:
    """Every call in a file by the last part of its name."""
    tree = ast.parse(path.read_text("utf-8"))
    return [
        (getattr(node.func, "attr", getattr(node.func, "id", "")), node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_no_step_waits() -> None:
    """Neither the interpreter nor what writes its outcome: nothing that runs inside a request."""
    files = sorted((ROOT / "platform/engine/workflow").glob("*.py"))
    files += sorted((ROOT / "platform/engine/records/flows").glob("*.py"))
    assert len(files) > 30
    found = [
        (path.name, line, name) for path in files for name, line in calls(path) if name in WAITS
    ]
    assert found == []
    assert not any("import threading" in path.read_text("utf-8") for path in files)


def test_nobody_else_holds_our_timers() -> None:
    """Long delays are rows of ours; no broker and no scheduler of a library has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for more in project.get("optional-dependencies", {}).values():
        wanted += more
    names = {re.split(r"[^\w-]", one.lower())[0] for one in wanted}
    assert not names & BROKERS
