"""Icons that packs name are drawn: the build carries them."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_icon_of_the_shipped_packs_is_in_the_sprite() -> None:
    built = set(json.loads((ROOT / "frontend/src/icons.json").read_text(encoding="utf-8")))
    named = {
        name
        for file in (ROOT / "entity_defs").rglob("*.json")
        for name in re.findall(r'"icon": "([a-z0-9-]+)"', file.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= built
