"""What happens once per process before definitions are read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dougong.installation import packs_roots
from engine.plugins import load_plugins


def start_plugins(extra: Iterable[Path] = ()) -> None:
    """Load the plugins of the shipped folder and of `extra` roots, each folder once per process."""
    for root in (*extra, *packs_roots()):
        _load(root.resolve() / "plugins")


@cache
def _load(folder: Path) -> None:
    load_plugins([folder] if folder.is_dir() else [])
