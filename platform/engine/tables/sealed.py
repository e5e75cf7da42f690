"""Columns whose values are sealed on their way into the database and opened on their way out."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from engine.fields.base import FieldType
from engine.storage import Keyring
from engine.storage.types import dumps


class Sealed(TypeDecorator[Any]):
    """A field's values, encrypted: text for the database, the type's own values for everybody else.

    Empty stays NULL. `about` is the column's physical name, which outlives every renaming; what
    was sealed for one column opens in no other. Nothing can be compared, sorted or searched in SQL.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: FieldType, keys: Keyring, about: str) -> None:
        super().__init__()
        self.kind, self.keys, self.about = kind, keys, about

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        del dialect  # the same text for both
        return None if value is None else self.seal(self.kind.to_json(value))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        del dialect
        if value is None:
            return None
        wire = self.open(value)
        # a text is what it is, as in a plain column: it may be older than what the field accepts
        text = isinstance(wire, str) and self.kind.python is str
        return wire if text else self.kind.from_json(wire)

    def seal(self, wire: Any) -> str:
        """The token of a value in wire form."""
        return self.keys.seal(dumps(wire), self.about)

    def open(self, token: str) -> Any:
        """Inverse of `seal`."""
        return json.loads(self.keys.open(token, self.about))


def place_of(table: str, column: str) -> str:
    """What the values of a column are sealed for."""
    return f"{table}.{column}"


def is_sealed(column: sa.ColumnElement[Any]) -> bool:
    """Whether SQL can do nothing with a column but hand it out."""
    return isinstance(column.type, Sealed)
