"""The worked example as sources, and ways to change it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.definitions import Model, build_model, canonical, read_sources
from engine.definitions.load import load
from engine.definitions.overlay import merge
from engine.problems import Problem

ROOT = Path(__file__).parent / "data"
TYPES = frozenset(
    """text longtext integer decimal money percent boolean date month datetime choice multichoice
    tags rating color phone email url region address user users department ref refs lines file
    image autonumber uscc idcard bankcard""".split()  # noqa: SIM905
)
CUSTOMER = "entity_defs/crm/customer.json"
CONTRACT = "entity_defs/crm/contract.json"
COMMON = "entity_defs/crm/common.json"
PACK = "entity_defs/crm/pack.json"
HOTEL = "entity_defs/hotel/customer.json"
FLOW = "workflows/crm/contract_approval.json"


@cache
def sources(pack: str = "crm") -> Mapping[str, str]:
    found, problems = read_sources([ROOT], pack)
    assert not problems
    return found


def patched(changes: Mapping[str, Any], pack: str = "crm") -> dict[str, str]:
    """The example with merge patches (maps) or whole texts put in place of its files."""
    found = dict(sources(pack))
    for path, change in changes.items():
        if isinstance(change, str):
            found[path] = change
        else:
            before = load(path, found.get(path, "{}"))[0].data
            found[path] = canonical(merge(before, change))
    return found


def build(changes: Mapping[str, Any] | None = None,
          pack: str = "crm") -> tuple[Model | None, list[Problem]]:  # fmt: skip
    return build_model(patched(changes or {}, pack), pack, types=TYPES)


def good(changes: Mapping[str, Any] | None = None, pack: str = "crm") -> Model:
    """The model of sources that must be free of errors."""
    model, problems = build(changes, pack)
    assert model is not None, problems
    return model


def told(changes: Mapping[str, Any], pack: str = "crm") -> list[tuple[str, str, str]]:
    """(code, file, pointer) of every problem."""
    return [(p.code, p.file, p.pointer) for p in build(changes, pack)[1]]
