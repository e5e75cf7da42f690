"""See `engine.storage.statements`."""

from engine.storage import RAW, Statement

__all__ = ["RAW", "Statement"]
