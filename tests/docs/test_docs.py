"""The documentation as a whole: links lead somewhere, nothing is missing, nothing is said twice."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT

from engine.expressions import FUNCTIONS
from engine.fields import TYPES
from engine.hooks import specs
from engine.problems.catalogue import LANGUAGES, codes

PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), ROOT / "plugins" / "README.md"])
_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"/(?:work|root|home|Users)/|(?:/tmp/)|localhost|[A-Z]:\\")


def _prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The places a link may lead to, named as GitHub does."""
    titles = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _links(page: Path) -> Iterator[tuple[str, str]]:
    for target in _LINK.findall(_prose(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in _links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path} is not there"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_machine(page: Path) -> None:
    assert _MACHINE.findall(page.read_text("utf-8")) == []


def test_every_page_can_be_reached() -> None:
    """From the front page, by links alone."""
    seen: set[Path] = set()
    open_ = [ROOT / "README.md"]
    while open_:
        page = open_.pop()
        if page not in seen and page.suffix == ".md" and page.is_file():
            seen.add(page)
            open_ += [(page.parent / path).resolve() for path, _ in _links(page) if path]
    folder = set((DOCS / "decisions").glob("[0-9]*.md"))  # a list of its own
    assert set(DOCS.rglob("*.md")) - folder - seen == set()


def test_json_examples_are_json() -> None:
    for page in PAGES:
        for block in re.findall(r"^```json\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            text = block if block.lstrip().startswith("{") else "{" + block + "}"
            json.loads(text)


def _code(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            yield path.read_text("utf-8")


def test_every_setting_is_documented() -> None:
    page = (DOCS / "reference" / "commands.md").read_text("utf-8")
    used = {name for text in _code("platform") for name in re.findall(r"\bDOUGONG_[A-Z_]+\b", text)}
    assert {name for name in used if f"| `{name}` |" not in page} == set()
    assert set(re.findall(r"^\| `(DOUGONG_[A-Z_]+)`", page, re.MULTILINE)) == used


def test_every_command_is_documented() -> None:
    from dougong.commands import cli

    page = (DOCS / "reference" / "commands.md").read_text("utf-8")
    assert [name for name in cli.commands if f"## dougong {name}\n" not in page] == []


def test_every_field_type_is_documented() -> None:
    page = (DOCS / "reference" / "fields.md").read_text("utf-8")
    built_in = [name for name, kind in TYPES.items() if kind.__module__.startswith("engine.")]
    assert [name for name in built_in if f"### {name}\n" not in page] == []


def test_every_function_is_documented() -> None:
    page = (DOCS / "reference" / "expressions.md").read_text("utf-8")
    assert [one.form for one in FUNCTIONS.values() if f"`{one.form}`" not in page] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_is_documented(language: str) -> None:
    page = (DOCS / "reference" / "problems.md").read_text("utf-8")
    assert [code for code in codes(language) if f"| {code} |" not in page] == []


def test_every_hook_is_documented() -> None:
    page = (DOCS / "howto" / "plugins.md").read_text("utf-8")
    hooks = [
        name
        for name, found in inspect.getmembers(specs, inspect.isfunction)
        if found.__module__ == specs.__name__
    ]
    assert hooks
    assert [name for name in hooks if f"`{name}(" not in page] == []


def test_the_two_front_pages_say_the_same() -> None:
    """They have the same commands and lead to the same pages."""
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    blocks = [
        re.findall(r"^( *)```(\w+)$", page.read_text("utf-8"), re.M) for page in (english, chinese)
    ]
    assert blocks[0] == blocks[1]
    leads = [
        {path.replace(".zh-CN", "") for path, _ in _links(page) if not path.startswith("README")}
        for page in (english, chinese)
    ]
    assert leads[0] == leads[1]
