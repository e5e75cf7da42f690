"""The meta-schemas describe themselves, completely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.definitions.checking import KINDS, schema
from engine.definitions.reference import reference_markdown

SCHEMAS = {kind: schema(kind) for kind in KINDS}


def keywords(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "properties" and isinstance(inner, Mapping) and "type" not in inner:
                yield from ((f"{at}/{name}", described) for name, described in inner.items())
            yield from keywords(inner, f"{at}/{key}")


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_valid_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["$id"] == f"https://dougong.dev/schema/{kind}-1.json"


@pytest.mark.parametrize("kind", ["entity", "field", "common", "pack", "workflow"])
def test_every_keyword_is_described(kind: str) -> None:
    undescribed = [
        at
        for at, value in keywords(schema(kind))
        if isinstance(value, Mapping) and "description" not in value and "/if/" not in at
    ]
    assert [at for at in undescribed if "/properties/p" not in at] == []


def test_the_reference_names_every_keyword() -> None:
    page = reference_markdown(SCHEMAS)
    for kind in KINDS:
        for at, value in keywords(schema(kind)):
            if isinstance(value, Mapping) and "description" in value:
                assert f"{at.rpartition('/')[2]}`" in page, at
    assert "## Entity" in page
    assert "| `to` (required) | name | The entity it points at. |" in page
    assert "| `raise` | event name" in page
    assert page.endswith("|\n")


def test_the_reference_is_a_pure_function() -> None:
    assert reference_markdown(SCHEMAS) == reference_markdown(SCHEMAS)
    assert reference_markdown({}) == "# Definition format\n"
