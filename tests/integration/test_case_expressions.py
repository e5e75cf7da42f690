"""Expressions of definitions run no code: whatever text comes, it is refused, or it is a tree of
the few things the language knows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.integration.case_world import FLOW, sources
from tests.unit.expressions.test_parse import BOMBS

from engine.definitions import build_model
from engine.expressions import FUNCTIONS, ExpressionError, parse, tree
from engine.expressions.functions import METHODS
from engine.fields import TYPES
from engine.packs import check_sources
from engine.problems import Severity

KNOWN = {one for one in vars(tree).values() if is_dataclass(one)}
PIECES = (
    *("amount", "title", "owner", "me", "items", "1", "0.5", "'x'", "null", "true", "event.to"),
    *("__class__", "__import__", "_x", "__builtins__", "__globals__", "mro", "self", "os"),
    *(".", ".__class__", ".__subclasses__()", "[0]", "(", ")", "[", "]", "{", "}", ",", ":", ":="),
    *("eval", "exec", "open", "getattr", "compile", "print", "globals", "lambda", "lambda:", "for"),
    *(
        "if",
        "else",
        "and",
        "or",
        "not",
        "in",
        "is",
        "within",
        "await",
        "yield",
        "import",
        "*",
        "**",
    ),
    *("+", "-", "/", "%", "==", "<", ">=", "&&", "|", "@", ";", "#", "\\", "\n", "f'{x}'", "b'x'"),
    *(
        "sum",
        "count",
        "round",
        "upper",
        "today()",
        "has_role",
        "me.has_role('x')",
        "\u202e",
        "ｅval",
    ),
)
SOURCES = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map(" ".join),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join),
    st.text(max_size=60),
)


def nodes(found: Any) -> Iterator[Any]:
    """A tree with everything in it."""
    if type(found) in KNOWN:
        yield found
        for one in fields(found):
            yield from nodes(getattr(found, one.name))
    elif isinstance(found, tuple | list):
        for one in found:
            yield from nodes(one)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(SOURCES)
@example("().__class__.__base__.__subclasses__()")
@example("me.has_role('x').__class__")
def test_whatever_is_written_is_refused_or_harmless(source: str) -> None:
    began = time.process_time()
    with suppress(ExpressionError):
        for node in nodes(parse(source)):
            assert not str(getattr(node, "name", "")).startswith("_"), source
            if isinstance(node, tree.Call):
                assert node.function in FUNCTIONS or node.function in METHODS, source
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("place", ["guard", "assign", "at"])
@pytest.mark.parametrize("bomb", ["builtin", "class of text", "lambda", "power", "comprehension"])
def test_no_definition_with_code_in_it_is_published(bomb: str, place: str) -> None:
    source, _ = BOMBS[bomb]
    draft = json.loads(json.dumps(FLOW["states"]["draft"]))
    if place == "guard":
        draft["on"]["submit"]["guard"] = source
    elif place == "assign":
        draft["on"]["submit"]["actions"] = [{"assign": {"title": source}}]
    else:
        draft["after"] = [{"id": "t", "at": source, "target": "cancelled"}]
    flow = {**FLOW, "states": {**FLOW["states"], "draft": draft}}
    files = sources(flow)
    model, problems = build_model(files, "papers", types=TYPES)
    if model is not None:
        _, problems = check_sources(files, "papers")
    assert any(one.severity is Severity.ERROR for one in problems), source
