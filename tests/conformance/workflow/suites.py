"""The public SCXML suites, fetched by the registries' own clients and never kept in the project."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.conformance.workflow.scxml import verdict

ROOT: Final = Path(__file__).parents[3]
CACHE: Final = ROOT / ".cache" / "conformance"
MANIFEST: Final = Path(__file__).with_name("manifest.json")


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return found


def archive(suite: Mapping[str, Any]) -> Path:
    """The package of a suite, fetched once and compared with its known hash."""
    CACHE.mkdir(parents=True, exist_ok=True)
    place = CACHE / suite["file"]
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            subprocess.run(_fetch(suite["package"], suite["registry"]), cwd=CACHE, check=True)
    assert hashlib.sha256(place.read_bytes()).hexdigest() == suite["sha256"], place
    return place


def _fetch(package: str, registry: str) -> list[str]:
    if registry == "npm":
        return ["npm", "pack", package, "--silent"]
    return [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", package]  # fmt: skip # noqa: E501


def verdicts(suite: Mapping[str, Any]) -> dict[str, str]:
    """What became of every test of a suite, by name."""
    return dict(sorted(_run(suite)))


def _run(suite: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive(suite)) as tar:
        texts = {
            one.name.removeprefix(suite["folder"]): _text(tar, one)
            for one in tar.getmembers()
            if one.isfile() and one.name.startswith(suite["folder"])
            and one.name.endswith((".scxml", ".json"))
        }  # fmt: skip
    for name, text in texts.items():
        stem = name.removesuffix(".scxml")
        helper = "sub" in stem.rsplit("/", 1)[-1]
        if stem == name or helper or name.startswith(tuple(suite["skip"])):
            continue
        script = texts.get(f"{stem}.json")
        if suite["scripts"] and script is None:
            continue
        yield stem, verdict(text, script if suite["scripts"] else None)


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    assert file is not None
    return file.read().decode("utf-8")
