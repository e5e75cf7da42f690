"""The rules of the house that no tool checks by itself."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = ROOT / "platform"
LONGEST = 50  # lines of a function, docstring included

# What the platform must not know: the businesses that run on it. Whole words, because a rule that
# finds "host" in "ghost" is switched off soon.
INDUSTRY = re.compile(
    r"(?i)\b(hotels?|guests?|students?|military|enrol?ments?|lessons?|teachers?|tuition|courses?|pupils?)\b"
    r"|酒店|宾馆|军品|军工|学员|课程|教师|培训|房型|入住"
)
MACHINE = re.compile(r"/(?:work|root|home)/(?!(?:user|you|me)\b)[a-z]|/Users/|[A-Z]:\\\\Users")


def python_files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.rglob("*.py"))


def tracked() -> list[str]:
    """Everything that is, or is about to be, part of the repository."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")


def test_platform_is_still_the_standard_librarys() -> None:
    """`platform/` is a source root. As a package it would hide a module that half of PyPI needs."""
    assert not (PLATFORM / "__init__.py").exists()
    asked = "import platform; print(platform.__file__); print(platform.system())"
    for folder in (ROOT, PLATFORM):
        done = subprocess.run(
            [sys.executable, "-c", asked], cwd=folder, capture_output=True, text=True, check=True
        )
        where, system = done.stdout.splitlines()
        assert Path(where).name == "platform.py"
        assert not Path(where).is_relative_to(ROOT / "platform")
        assert system


def test_every_package_says_what_it_is_for() -> None:
    """Each folder with Python is a real package with a docstring: the law of who may import whom
    starts there."""
    silent = []
    for folder in sorted({path.parent for path in python_files(PLATFORM)} - {PLATFORM}):
        start = folder / "__init__.py"
        if not start.is_file() or not ast.get_docstring(ast.parse(start.read_text("utf-8"))):
            silent.append(place(folder))
    assert not silent


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in python_files(PLATFORM, ROOT / "plugins"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST:
                    long.append(f"{place(path, node.lineno)} {node.name}: {lines}")
    assert not long, "\n".join(long)


def _platform_texts() -> Iterator[tuple[Path, int, str]]:
    sources = [*PLATFORM.rglob("*"), *(ROOT / "frontend" / "src").rglob("*")]
    kept = {".py", ".html", ".json", ".ts", ".css", ".po", ".svg", ".txt", ".scss"}
    for path in sorted(sources):
        built = "dist" in path.parts or "node_modules" in path.parts
        if path.suffix in kept and path.is_file() and not built:
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                yield path, number, line


def test_the_platform_knows_no_business() -> None:
    """An industry lives in definitions alone."""
    found = [
        f"{place(path, number)}: {line.strip()[:100]}"
        for path, number, line in _platform_texts()
        if INDUSTRY.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("words", ["a hotel's floor", "学员签到", "military"])
def test_the_search_for_business_words_finds_them(words: str) -> None:
    """A rule that finds nothing because it is broken would look the same as a clean house."""
    assert INDUSTRY.search(words)


def test_no_path_of_anybodys_machine_is_written_down() -> None:
    binary = {".png", ".jpg", ".woff2", ".ico", ".gz", ".mo", ".gif", ".webp", ".xlsx", ".db"}
    found = []
    for name in tracked():
        path = ROOT / name
        if path.suffix in binary or path == Path(__file__) or path.name.endswith("-lock.json"):
            continue
        text = path.read_text("utf-8", errors="replace")
        found += [
            f"{name}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if MACHINE.search(line)
        ]
    assert not found, "\n".join(found)


def test_third_party_code_comes_from_registries_only() -> None:
    """Nothing of others lies in the repository: neither a vendored library nor a built bundle."""
    foreign = re.compile(
        r"(^|/)(node_modules|vendor|third_party|static/dist)/|\.min\.(js|css)$|\.woff2?$|\.ttf$|\.whl$"
    )
    assert [name for name in tracked() if foreign.search(name)] == []
    large = [name for name in tracked() if (ROOT / name).stat().st_size > 1_500_000]
    assert large == []


def test_the_engine_does_not_know_the_web() -> None:
    """`engine` is true without a request: it is the part that jobs and the command line share."""
    web = {"flask", "werkzeug", "flask_admin", "flask_babel", "waitress", "dougong", "jinja2"}
    found = []
    for path in python_files(PLATFORM / "engine"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            found += [
                f"{place(path, node.lineno)} {name}" for name in names if name.split(".")[0] in web
            ]
    assert not found


def test_importing_the_engine_loads_no_web_framework() -> None:
    """Not even through a library: a worker that runs jobs should not pay for Flask."""
    code = (
        "import sys, engine.packs, engine.records.writing, engine.records.publish;"
        "print(sorted({'flask', 'werkzeug', 'dougong'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.strip() == "[]", done.stderr[-500:]


def test_every_module_can_be_imported() -> None:
    """A module nobody imports rots unseen; importing one has no side effect worth a failure."""
    for path in python_files(PLATFORM):
        if "dist" in path.parts or path.name == "__main__.py":
            continue
        name = ".".join(path.relative_to(PLATFORM).with_suffix("").parts)
        importlib.import_module(name.removesuffix(".__init__"))
