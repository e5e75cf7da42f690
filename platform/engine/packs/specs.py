"""Where sample specifications come from: ``entity_defs/<pack>/sample.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.packs.samples import SampleError


def read_spec(roots: Sequence[Path], pack: str) -> Mapping[str, Any]:
    """The specification of a pack; one that ``extends`` another says what it changes.

    Raises: SampleError when there is none or it is no JSON.
    """
    return _read(roots, pack, ())


def _read(roots: Sequence[Path], pack: str, trail: tuple[str, ...]) -> Mapping[str, Any]:
    path = f"entity_defs/{pack}/sample.json"
    if pack in trail:
        raise SampleError(path, "extends itself")
    file = next((root / path for root in roots if (root / path).is_file()), None)
    if file is None:
        raise SampleError(path, "not found")
    try:
        said = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except ValueError as error:
        raise SampleError(path, error) from error
    if base := said.pop("extends", ""):
        return _over(_read(roots, base, (*trail, pack)), said)
    found: Mapping[str, Any] = said
    return found


def _over(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`patch` over `base`: sections, groups and the values of a group merge by name, null removes;
    a generator is replaced whole, since half of one and half of another make no sense."""
    merged = dict(base)
    for section, said in patch.items():
        below = base.get(section)
        merged[section] = _named(below, said) if isinstance(below, Mapping) else said
    groups = dict(base.get("records", {}))
    for name, said in patch.get("records", {}).items():
        below = groups.get(name, {})
        if said is None:
            groups.pop(name, None)
        else:
            values = _named(below.get("values", {}), said.get("values", {}))
            groups[name] = {**below, **said, "values": values}
    return {**merged, "records": groups}


def _named(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**base, **patch}.items() if value is not None}
