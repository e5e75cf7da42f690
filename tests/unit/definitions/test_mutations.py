"""Whatever is done to valid definitions: problems with words, never an exception."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.definitions.samples import TYPES, sources

from engine.definitions import build_model
from engine.definitions.load import load
from engine.problems import Severity, hint, text
from engine.problems.catalogue import LANGUAGES, codes

PACK_SOURCES = sources("hotel")
PATHS = sorted(PACK_SOURCES)
JUNK: list[Any] = [
    None, True, 0, -1, 10**30, 0.5, "", "x", "name", "{", "\u0000", "\ud800", "id", "null", "own",
    "#/$defs/note", "common.json#/$defs/amount", "http://127.0.0.1/x", "file:///etc/passwd",
    "(a+)+$", "(?=x)", "{name!r}", [], [1], ["name"], [["name"], 3], {}, {"x": 1}, {"en": "E"},
    {"$ref": "#/$defs/a"}, {"type": "string"}, {"oneOf": [{"const": 1}, {"const": None}]},
    {"type": "array", "items": {"properties": {"a": {"x-ref": {"to": "customer"}}}}},
    {"const": {"a": [1]}}, ["string", "null"], {"if": True, "then": False},
]  # fmt: skip
KEYS = ["x-typ", "$ref", "x-ref", "x-compute", "x-i18n", "items", "enum", "oneOf", "default", "",
        "pattern", "x-type", "properties", "required", "title", "x-was", "x-ui", "type", "a/b~c",
        "x-entity", "x-form", "x-list", "x-keys", "x-access", "x-rules", "not", "dependentRequired",
        "minimum", "maximum", "minLength", "multipleOf", "states", "on", "initial"]  # fmt: skip


def containers(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(c for item in inside for c in containers(item) if isinstance(c, dict | list))]


def mutate(draw: st.DrawFn, document: dict[str, Any]) -> None:
    """One change somewhere: removed, replaced, added or moved."""
    place = draw(st.sampled_from(containers(document)))
    junk = json.loads(json.dumps(draw(st.sampled_from(JUNK))))
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    action = draw(st.sampled_from(["remove", "replace", "add", "copy"] if keys else ["add"]))
    if action == "remove":
        del place[draw(st.sampled_from(keys))]
    elif action == "replace":
        place[draw(st.sampled_from(keys))] = junk
    elif action == "copy":
        other = draw(st.sampled_from(containers(document)))
        place[draw(st.sampled_from(keys))] = json.loads(json.dumps(other))
    elif isinstance(place, dict):
        place[draw(st.sampled_from(KEYS))] = junk
    else:
        place.append(junk)


@st.composite
def broken(draw: st.DrawFn) -> dict[str, str]:
    found = dict(PACK_SOURCES)
    for path in draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=2, unique=True)):
        document = json.loads(found[path])
        for _ in range(draw(st.integers(1, 4))):
            mutate(draw, document)
        found[path] = json.dumps(document, ensure_ascii=draw(st.booleans()))
    return found


def holds(found: dict[str, str]) -> None:
    model, problems = build_model(found, "hotel", types=TYPES)
    assert (model is None) == any(p.severity is Severity.ERROR for p in problems)
    assert len(set(map(repr, problems))) == len(problems)
    for problem in problems:
        for language in LANGUAGES:
            assert problem.code in codes(language)
            assert "“?”" not in text(problem, language)
            hint(problem, language).encode()
            text(problem, language).encode()
        assert problem.file
        problem.pointer.encode()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken())
def test_changed_documents(found: dict[str, str]) -> None:
    holds(found)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PATHS), st.integers(0, 5_000), st.integers(0, 40), st.text(max_size=6))
def test_changed_texts(path: str, start: int, length: int, put: str) -> None:
    text = PACK_SOURCES[path]
    start %= len(text)
    holds({**PACK_SOURCES, path: text[:start] + put + text[start + length :]})


def test_the_parser_of_this_test_reads_what_the_loader_reads() -> None:
    assert all(load(path, PACK_SOURCES[path])[1] == [] for path in PATHS)
