"""Files and pictures, by the id of the stored file; with ``type: array`` several."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Field
from engine.expressions import types as kinds
from engine.expressions.types import ListOf, Type
from engine.fields.base import FILE, HOME, Cell, Names
from engine.fields.relations import RefsType
from engine.problems import Problem
from engine.storage.types import JsonText, big_integer


class FileType(RefsType):
    """A stored file. Its size, kind and owner are checked where it is stored."""

    name = "file"
    stored = True
    operators = ("empty", "filled")
    widget = "file"
    cell_kind = "file"

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.many = field.multiple  # type: ignore[misc] # one class, two shapes

    @property
    def target(self) -> str:
        return FILE

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return JsonText() if self.many else big_integer()

    def parse(self, raw: object) -> Any:
        if self.many:
            return super().parse(raw)
        return self.parse_member(raw[0] if isinstance(raw, list | tuple) and raw else raw or None)

    def problems(self, value: Any) -> Sequence[Problem]:
        return super().problems(value if self.many else [value])

    def references(self, value: Any) -> Iterable[tuple[str, int]]:
        return super().references(self._list(value))

    def schema(self) -> Mapping[str, Any]:
        return super().schema() if self.many else self.nullable(self.member_schema())

    def format(self, value: Any, language: str, names: Names) -> str:
        return super().format(self._list(value), language, names)

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return super().cell(self._list(value), language, names)

    def form_text(self, value: Any, zone: object = HOME) -> Any:
        texts = super().form_text(self._list(value))
        return texts if self.many else "".join(texts)

    def _list(self, value: Any) -> list[int]:
        return value or [] if self.many else [value] if value else []

    @property
    def expression_type(self) -> Type:
        return ListOf(kinds.FILE) if self.many else kinds.FILE


class ImageType(FileType):
    """A picture, shown as one."""

    name = "image"
    widget = "image"
    cell_kind = "image"


TYPES = (FileType, ImageType)

assert kinds.FILE.entity == FILE
