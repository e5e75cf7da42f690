"""How large definitions may be. Definitions come from strangers too; every figure is one line."""

from __future__ import annotations

from typing import Final

FILE_BYTES: Final = 1_000_000
DEPTH: Final = 64  # brackets inside brackets
MEMBERS: Final = 1_000  # entries of one list or object
NUMBER_DIGITS: Final = 40
ENTITIES: Final = 200
FIELDS: Final = 300  # of one entity, rows not counted
OPTIONS: Final = 1_000  # of one choice
PATTERN_LENGTH: Final = 200
REFERENCE_DEPTH: Final = 10  # a $ref that leads to a $ref …
EXPANDED_NODES: Final = 5_000  # of one entity after its $refs are filled in
PACKS: Final = 20  # of one company
