"""Definition files -> the frozen model; mistakes in them -> problems.

Imports `engine.problems` only. `read.py` alone touches the disk; everything else is pure.
"""

from engine.definitions.build import build_model
from engine.definitions.canonical import canonical, fingerprint
from engine.definitions.layers import Sources
from engine.definitions.model import Model
from engine.definitions.read import read_sources

__all__ = ["Model", "Sources", "build_model", "canonical", "fingerprint", "read_sources"]
