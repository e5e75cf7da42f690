"""A layer's workflow is a patch, or it stands alone: which of the two, its keys tell."""

from __future__ import annotations

import json
from typing import Any

from engine.definitions.layers import Layers, stack

BASE: dict[str, Any] = {
    "id": "path",
    "version": 1,
    "entity": "thing",
    "initial": "a",
    "states": {"a": {"on": {"go": "b"}}, "b": {}, "c": {"type": "final"}},
    "title": "Path",
}


def layers(over: dict[str, Any], under: dict[str, Any] = BASE) -> Layers:
    pack = {"name": "base", "title": "Base", "version": "1"}
    return stack(
        {
            "entity_defs/base/pack.json": json.dumps(pack),
            "workflows/base/path.json": json.dumps(under),
            "overlay/workflows/path.json": json.dumps(over),
        },
        "base",
    )


def test_a_whole_document_takes_the_place_of_the_packs() -> None:
    own = {**BASE, "states": {"c": {"type": "final"}, "a": {"on": {"go": "c"}}}}
    del own["title"]
    found = layers(own).workflows["path"]
    assert found.data == own
    assert list(found.data["states"]) == ["c", "a"]  # its order, and nothing of the pack's
    assert [one.file for one in found.layers] == ["overlay/workflows/path.json"]


def test_with_a_key_less_it_is_a_patch() -> None:
    for key in ("id", "version", "entity", "initial", "states"):
        own = {**BASE, "title": "Ours"}
        del own[key]
        found = layers(own).workflows["path"]
        assert found.data == {**BASE, "title": "Ours"}
        assert len(found.layers) == 2


def test_a_pointer_into_it_leads_to_the_companys_file() -> None:
    own = {**BASE, "version": 2}
    file, line = layers(own).workflows["path"].place("/states/a")
    assert (file, line) == ("overlay/workflows/path.json", 1)


def test_a_whole_document_needs_nothing_below_it() -> None:
    found = stack({"overlay/workflows/new.json": json.dumps({**BASE, "id": "new"})}, "base")
    assert found.workflows["new"].data["initial"] == "a"
