"""The generated parts of the reference say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.build_docs import ROOT, example_types, examples, filled, pages

from engine.fields import TYPES

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_page_is_up_to_date(path: Path) -> None:
    page = path.read_text("utf-8")
    stale = f"{path.relative_to(ROOT)} is out of date: run `python -P scripts/build_docs.py`"
    assert filled(page) == page, stale


def test_there_are_pages() -> None:
    names = {path.stem for path in PAGES}
    assert names >= {"definitions", "fields", "expressions", "problems", "commands", "api"}


def test_every_built_in_type_has_an_example() -> None:
    built_in = {name for name, kind in TYPES.items() if kind.__module__.startswith("engine.")}
    assert set(example_types()) == built_in


@pytest.mark.parametrize("name", examples())
def test_the_examples_are_what_they_say(name: str) -> None:
    """The type follows from the definition, and the value survives the way in and out."""
    kind, _ = example_types()[name]
    value = examples()[name][1]
    assert kind.name == name
    parsed = kind.parse(value)
    assert not kind.problems(parsed)
    assert kind.to_json(parsed) == value
    assert kind.from_json(kind.to_json(parsed)) == parsed
