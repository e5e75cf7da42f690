"""Values out of a list: one option, several options, free tags."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Final

import sqlalchemy as sa

from engine.definitions.model import Option, text_of
from engine.expressions.types import TEXT, ListOf, OptionOf, Type
from engine.fields.base import HOME, BadValue, Cell, FieldType, Names
from engine.fields.texts import clean
from engine.problems import Problem
from engine.storage.types import JsonText

MOST: Final = 200
"""Members of a list whose definition sets no `maxItems`."""

_SEPARATORS: Final = str.maketrans("、，；;\n", ",,,,,")


class _Options(FieldType):
    """What types with options share."""

    @cached_property
    def by_value(self) -> Mapping[str, Option]:
        """The options by their value."""
        return {option.value: option for option in self.field.options}

    @cached_property
    def _by_title(self) -> Mapping[str, str]:
        """Values by every title in every language, for files people made."""
        found: dict[str, str] = {}
        for option in self.field.options:
            for title in option.title.values():
                found.setdefault(title.strip().casefold(), option.value)
        return found

    def _value(self, word: str) -> str:
        """The option a word of a file means."""
        return word if word in self.by_value else self._by_title.get(word.casefold(), word)

    def title(self, value: str, language: str) -> str:
        """The option's title; a value that is no option any more speaks for itself."""
        option = self.by_value.get(value)
        return (text_of(option.title, language) if option else "") or value

    def badge(self, value: str, language: str) -> Cell:
        """The option as a coloured badge."""
        option = self.by_value.get(value)
        return Cell(self.title(value, language), "badge", color=option.color if option else "")

    def lint(self) -> Sequence[Problem]:
        return super().lint() if self.field.options else (self.problem("V205"),)

    @property
    def _option_type(self) -> Type:
        return OptionOf(tuple(self.by_value))


class ChoiceType(_Options):
    """One option."""

    name = "choice"
    operators = ("eq", "ne", "in", "empty", "filled")
    widget = "select"
    checks = frozenset({"type", "enum", "oneOf", "const"})

    def parse(self, raw: object) -> str | None:
        return clean(raw)

    def parse_file(self, raw: object, language: str, zone: object = HOME) -> str | None:
        text = clean(raw)
        return None if text is None else self._value(text)

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is str and value in self.by_value:
            return ()
        return (self.problem("V030", value=str(value)),)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "enum": list(self.by_value)})

    def format(self, value: Any, language: str, names: Names) -> str:
        return "" if value is None else self.title(value, language)

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        return Cell("") if value is None else self.badge(value, language)

    @property
    def expression_type(self) -> Type:
        return self._option_type


class ListType(FieldType):
    """Base of types whose value is a list of simple members."""

    python = list
    operators: ClassVar[tuple[str, ...]] = ("contains", "in", "empty", "filled")
    sortable = False
    many = True
    checks = frozenset({"type", "items", "minItems", "maxItems", "uniqueItems"})
    member: ClassVar[type] = str

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return JsonText()

    def parse(self, raw: object) -> list[Any]:
        """A list, or a text of members with commas between; empty members and repeats go."""
        match raw:
            case None:
                return []
            case str():
                parts: Sequence[object] = _split(raw)
            case list() | tuple():
                parts = raw
            case _:
                parts = [raw]
        members = (self.parse_member(part) for part in parts)
        return list(dict.fromkeys(member for member in members if member is not None))

    def parse_member(self, raw: object) -> Any:
        """One member, None when empty."""
        return clean(raw)

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not list or any(type(member) is not self.member for member in value):
            return (self.problem("V034"),)
        least, most = self.limits.get("minItems", 0), self.limits.get("maxItems", MOST)
        if len(value) < least and value:  # an empty list is a missing value
            return (self.problem("V032", limit=least),)
        if len(value) > most:
            return (self.problem("V033", limit=most),)
        if len(set(value)) != len(value):
            return (self.problem("V031"),)
        return self.member_problems(value)

    def member_problems(self, value: list[Any]) -> Sequence[Problem]:
        """What is wrong with single members; pointers say which."""
        return ()

    def schema(self) -> Mapping[str, Any]:
        kept = {key: self.limits[key] for key in ("minItems", "maxItems") if key in self.limits}
        return {"type": "array", "items": self.member_schema(), "uniqueItems": True, **kept}

    def member_schema(self) -> Mapping[str, Any]:
        """The JSON Schema of one member."""
        return {"type": "string"}

    def member_text(self, member: Any, language: str, names: Names) -> str:
        """One member for its reader."""
        return str(member)

    def format(self, value: Any, language: str, names: Names) -> str:
        between = "、" if language.startswith("zh") else ", "
        return between.join(self.member_text(member, language, names) for member in value or ())

    def cell(self, value: Any, language: str, names: Names) -> Cell:
        items = tuple(self.member_cell(member, language, names) for member in value or ())
        return Cell(self.format(value, language, names), "tags", items=items)

    def member_cell(self, member: Any, language: str, names: Names) -> Cell:
        """One member of the cell."""
        return Cell(self.member_text(member, language, names))

    def mask(self, value: Any, kind: str = "") -> Any:
        return super().mask(value, kind) if value else None

    def form_text(self, value: Any, zone: object = HOME) -> Any:
        return [str(member) for member in value or ()]

    @property
    def expression_type(self) -> Type:
        return ListOf(TEXT)


class MultiChoiceType(ListType, _Options):
    """Several options, in the order they were chosen."""

    name = "multichoice"
    widget = "multiselect"

    def parse_file(self, raw: object, language: str, zone: object = HOME) -> list[str]:
        return list(dict.fromkeys(self._value(word) for word in self.parse(raw)))

    def member_problems(self, value: list[Any]) -> Sequence[Problem]:
        return [
            self.problem("V030", f"/{at}", value=member)
            for at, member in enumerate(value)
            if member not in self.by_value
        ]

    def member_schema(self) -> Mapping[str, Any]:
        return {"type": "string", "enum": list(self.by_value)}

    def member_text(self, member: Any, language: str, names: Names) -> str:
        return self.title(member, language)

    def member_cell(self, member: Any, language: str, names: Names) -> Cell:
        return self.badge(member, language)

    @property
    def expression_type(self) -> Type:
        return ListOf(self._option_type)


class TagsType(ListType):
    """Free words, typed as wanted."""

    name = "tags"
    widget = "tags"
    longest: ClassVar = 50

    def member_cell(self, member: Any, language: str, names: Names) -> Cell:
        return Cell(self.member_text(member, language, names), "tag")

    def member_problems(self, value: list[Any]) -> Sequence[Problem]:
        longest = self.limits.get("items", {}).get("maxLength", self.longest)
        return [
            self.problem("V005", f"/{at}", limit=longest, size=len(member))
            for at, member in enumerate(value)
            if len(member) > longest
        ]


def _split(text: str) -> Sequence[object]:
    """Members of a text: a JSON array (what islands post) or words between commas."""
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise BadValue("V034") from None
        if isinstance(found, list):
            return found
    return text.translate(_SEPARATORS).split(",")


TYPES = (ChoiceType, MultiChoiceType, TagsType)
