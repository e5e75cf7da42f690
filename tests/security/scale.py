"""How much is tried: enough for every run, or as much as the proof page tells of.

`DOUGONG_SECURITY=full` (or `python -m tests.security`) is the larger one.
"""

from __future__ import annotations

import os
import sys
from typing import Final

FULL: Final = os.environ.get("DOUGONG_SECURITY") == "full"


def told(*words: object) -> None:
    """A figure of the larger run."""
    if FULL:
        sys.stdout.write(f"{' '.join(map(str, words))}\n")


def scaled(usual: int, full: int) -> int:
    """One number or the other."""
    return full if FULL else usual
