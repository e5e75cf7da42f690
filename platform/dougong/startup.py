"""What happens once per process before definitions are read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dougong.installation import packs_roots
from engine.plugins import load_plugins


def start_plugins(extra: Iterable[Path] = ()) -> None:
    """Load the plugins of the shipped folder and of `extra` roots, once per process."""
    _load(tuple(dict.fromkeys(root.resolve() / "plugins" for root in (*extra, *packs_roots()))))


@cache
def _load(folders: tuple[Path, ...]) -> None:
    load_plugins(folder for folder in folders if folder.is_dir())
