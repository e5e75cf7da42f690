"""Definitions on disk, also where the disk is hostile."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.definitions.samples import ROOT, TYPES

from engine.definitions import build_model, read_sources
from engine.definitions.read import packs_in


def put(root: Path, path: str, text: str | bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def pack(root: Path, name: str, *builds_on: str) -> None:
    bases = ", ".join(f'"{base}"' for base in builds_on)
    put(root, f"entity_defs/{name}/pack.json",
        f'{{"name": "{name}", "title": "{name}", "version": "1", "builds_on": [{bases}],'
        f' "roles": {{"boss": {{"title": "B", "admin": true}}}}}}')  # fmt: skip


def test_a_pack_comes_with_its_bases() -> None:
    found, problems = read_sources([ROOT], "hotel")
    assert problems == []
    assert "entity_defs/hotel/customer.json" in found
    assert "entity_defs/crm/customer.json" in found
    assert "workflows/crm/contract_approval.json" in found
    assert packs_in([ROOT]) == ["crm", "hotel"]


def test_the_first_root_wins(tmp_path: Path) -> None:
    pack(tmp_path, "crm")
    found, _ = read_sources([tmp_path, ROOT], "hotel")
    assert list(found) == [
        "entity_defs/hotel/customer.json",
        "entity_defs/hotel/pack.json",
        "entity_defs/crm/pack.json",
    ]


def test_an_unknown_pack_is_told_with_those_that_are_there() -> None:
    found, problems = read_sources([ROOT], "hotell")
    assert found == {}
    assert [(p.code, p.params["guess"]) for p in problems] == [("D012", "hotel")]


@pytest.mark.parametrize("name", ["../x", "", "/etc", "a/b", "A", "a\x00b", "a" * 99])
def test_a_pack_name_cannot_lead_out_of_the_roots(name: str) -> None:
    assert [p.code for p in read_sources([ROOT], name)[1]] == ["D013"]
    assert [p.code for p in build_model({}, name, types=TYPES)[1]] == ["D013"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    pack(tmp_path, "crm")
    secret = put(tmp_path, "secret.json", '{"secret": 1}')
    (tmp_path / "entity_defs/crm/customer.json").symlink_to(secret)
    found, problems = read_sources([tmp_path], "crm")
    assert list(found) == ["entity_defs/crm/pack.json"]
    assert [(p.code, p.file) for p in problems] == [("D011", "entity_defs/crm/customer.json")]


def test_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    pack(tmp_path / "outside", "crm")
    (tmp_path / "in/entity_defs").mkdir(parents=True)
    (tmp_path / "in/entity_defs/crm").symlink_to(tmp_path / "outside/entity_defs/crm")
    found, problems = read_sources([tmp_path / "in"], "crm")
    assert found == {}
    assert [p.code for p in problems] == ["D011"]


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ROOT)
    assert read_sources([tmp_path / "link"], "hotel")[1] == []


def test_bytes_and_sizes(tmp_path: Path) -> None:
    pack(tmp_path, "crm")
    put(tmp_path, "entity_defs/crm/latin.json", b'{\n "a": "\xe4"}')
    put(tmp_path, "entity_defs/crm/utf16.json", '{"a": 1}'.encode("utf-16"))
    put(tmp_path, "entity_defs/crm/huge.json", b" " * 2_000_000)
    (tmp_path / "entity_defs/crm/folder.json").mkdir()
    found, problems = read_sources([tmp_path], "crm")
    assert list(found) == ["entity_defs/crm/pack.json"]
    assert [(p.code, p.file.rpartition("/")[2], p.line) for p in problems] == [
        ("D011", "folder.json", None),
        ("D005", "huge.json", None),
        ("D006", "latin.json", 2),
        ("D006", "utf16.json", 1),
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path, "crm")

    def refuse(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert [(p.code, p.params["reason"]) for p in read_sources([tmp_path], "crm")[1]] == [
        ("D091", "Permission denied")
    ]


def test_packs_in_a_circle_are_read_once_and_told(tmp_path: Path) -> None:
    pack(tmp_path, "a", "b")
    pack(tmp_path, "b", "c")
    pack(tmp_path, "c", "a")
    found, problems = read_sources([tmp_path], "a")
    assert problems == []
    assert len(found) == 3
    model, problems = build_model(found, "a", types=TYPES)
    assert model is None
    assert [(p.code, p.file, p.params.get("cycle")) for p in problems if p.code != "D087"] == [
        ("D014", "entity_defs/c/pack.json", "a → b → c → a")
    ]


def test_two_bases_with_one_base_are_stacked_in_order(tmp_path: Path) -> None:
    pack(tmp_path, "top", "left", "right")
    pack(tmp_path, "left", "base")
    pack(tmp_path, "right", "base")
    pack(tmp_path, "base")
    model, problems = build_model(read_sources([tmp_path], "top")[0], "top", types=TYPES)
    assert [p.code for p in problems] == ["D087"]
    assert model is not None
    assert [one.name for one in model.packs] == ["base", "left", "right", "top"]


def test_sample_data_is_no_definition(tmp_path: Path) -> None:
    pack(tmp_path, "crm")
    put(tmp_path, "entity_defs/crm/sample.json", "[1, 2")
    assert [p.code for p in build_model(read_sources([tmp_path], "crm")[0], "crm", types=TYPES)[1]
            ] == ["D087"]  # fmt: skip


def test_strange_file_names_are_told(tmp_path: Path) -> None:
    pack(tmp_path, "crm")
    put(tmp_path, "entity_defs/crm/Customer.json", "{}")
    problems = build_model(read_sources([tmp_path], "crm")[0], "crm", types=TYPES)[1]
    assert ("D016", "entity_defs/crm/Customer.json") in [(p.code, p.file) for p in problems]
