"""What an editor can do to a workflow document: one pure function for each thing.

Every function takes a document and gives a new one, or raises `EditRefused` with the problem to
show. Only what the change is about differs afterwards, so that `canonical` texts differ in few
lines. That the result still fits the meta-schema is checked by whoever keeps it.
"""

from __future__ import annotations

from engine.definitions.flow_adding import add_after, add_branch, add_inside, add_on, connect
from engine.definitions.flow_deleting import delete
from engine.definitions.flow_items import (
    add_arrow,
    add_event,
    add_item,
    move_item,
    remove_event,
    remove_item,
    rename_event,
    set_value,
    value_at,
)
from engine.definitions.flow_new import KINDS
from engine.definitions.flow_parts import Edited, state_at
from engine.definitions.flow_placing import (
    duplicate,
    into,
    make_first,
    move,
    out,
    rename,
    unwrap,
    wrap,
)
from engine.definitions.flow_tree import EditRefused

__all__ = [
    "KINDS", "EditRefused", "Edited", "add_after", "add_arrow", "add_branch", "add_event",
    "add_inside", "add_item", "add_on", "connect", "delete", "duplicate", "into", "make_first",
    "move", "move_item", "out", "remove_event", "remove_item", "rename", "rename_event",
    "set_value", "state_at", "unwrap", "value_at", "wrap",
]  # fmt: skip
