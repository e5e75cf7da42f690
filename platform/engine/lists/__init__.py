"""Lists as data: a frozen `Query`, its form in an address, and its cursors.

Pure: imports fields and below. What may be asked is told by whoever calls (see `Readable`), so
that this package need not know how access works.
"""

from engine.lists.cursor import Cursor, decode_cursor, encode_cursor
from engine.lists.parsing import Readable, parse_query
from engine.lists.query import (
    SIZES,
    Condition,
    Filter,
    Group,
    Query,
    Sort,
    default_query,
    to_args,
)

__all__ = [
    "SIZES",
    "Condition",
    "Cursor",
    "Filter",
    "Group",
    "Query",
    "Readable",
    "Sort",
    "decode_cursor",
    "default_query",
    "encode_cursor",
    "parse_query",
    "to_args",
]
