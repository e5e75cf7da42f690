"""The only place that reads definitions from disk.

A root is a folder with ``entity_defs/<pack>/*.json`` and ``workflows/<pack>/*.json``; the first
root that has a pack wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from engine.definitions.checking import guess
from engine.definitions.layers import PACK_NAME, bases
from engine.definitions.limits import FILE_BYTES, PACKS
from engine.definitions.load import load, shown
from engine.problems import Problem

_FOLDERS: Final = ("entity_defs", "workflows")


def read_sources(roots: Sequence[Path], pack: str) -> tuple[dict[str, str], list[Problem]]:
    """The files of `pack` and of every pack it builds on, as path -> text.

    Only what the disk itself gets wrong is reported here; `build_model` tells the rest.
    """
    sources: dict[str, str] = {}
    problems: list[Problem] = []
    waiting, seen = [pack], set[str]()
    while waiting and len(seen) < PACKS:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        root = _root_of(roots, name)
        if root is None:
            if name == pack:
                problems.append(_no_pack(roots, name))
            continue  # a base that is missing is told where builds_on names it
        for path, file in _files(root, name):
            text = _text(root, path, file, problems)
            if text is not None:
                sources[path] = text
        manifest = f"entity_defs/{name}/pack.json"
        waiting += bases(load(manifest, sources.get(manifest, "{}"))[0])
    return sources, problems


def packs_in(roots: Sequence[Path]) -> list[str]:
    """Names of all packs that the roots hold."""
    return sorted(
        {
            folder.name
            for root in roots
            if (root / "entity_defs").is_dir()
            for folder in (root / "entity_defs").iterdir()
            if PACK_NAME.fullmatch(folder.name) and (folder / "pack.json").is_file()
        }
    )


def _root_of(roots: Sequence[Path], pack: str) -> Path | None:
    if not PACK_NAME.fullmatch(pack):
        return None
    return next((root for root in roots if (root / "entity_defs" / pack).is_dir()), None)


def _no_pack(roots: Sequence[Path], name: str) -> Problem:
    if not PACK_NAME.fullmatch(name):
        return Problem("D013", {"pack": shown(name)})
    known = packs_in(roots)
    return Problem("D012", {"pack": name, "known": known, "guess": guess(name, known)})


def _files(root: Path, pack: str) -> Iterator[tuple[str, Path]]:
    """(source path, file) of a pack's definitions, in the order of their names."""
    for folder in _FOLDERS:
        here = root / folder / pack
        for file in sorted(here.glob("*.json")) if here.is_dir() else ():
            yield f"{folder}/{pack}/{file.name}", file


def _text(root: Path, path: str, file: Path, problems: list[Problem]) -> str | None:
    """The file's text; None, with a problem, when it must not or cannot be read."""
    try:
        # a link could lead a pack from outside to any file of the server
        if file.resolve() != root.resolve() / path or not file.is_file():
            problems.append(Problem("D011", {"path": shown(path)}, file=shown(path)))
            return None
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            problems.append(Problem("D005", {"limit": FILE_BYTES}, file=path))
            return None
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problems.append(Problem("D006", file=shown(path), line=line))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problems.append(Problem("D091", {"path": shown(path), "reason": reason}, file=shown(path)))
    except RuntimeError:  # a link that leads to itself
        problems.append(Problem("D011", {"path": shown(path)}, file=shown(path)))
    return None
