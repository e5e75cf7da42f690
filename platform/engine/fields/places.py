"""Where: a region by its code, and a postal address."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from engine.expressions.types import ADDRESS, Type
from engine.fields import regions
from engine.fields.base import HOME, BadValue, Comparison, FieldType, Moment, Names, Posted
from engine.fields.texts import clean
from engine.problems import Problem
from engine.storage.types import JsonText


class RegionType(FieldType):
    """A province, city or district, kept as its code of six digits.

    The filter ``within`` finds everything inside a province or city.
    """

    name = "region"
    operators = ("eq", "ne", "in", "within", "empty", "filled")
    widget = "region"
    checks = frozenset({"type", "pattern", "format"})

    def parse(self, raw: object) -> str | None:
        return clean(raw)

    def parse_file(self, raw: object, language: str, zone: object = HOME) -> str | None:
        """Names too: "广东省深圳市南山区", with blanks or slashes or without."""
        text = clean(raw)
        if text is None:
            return None
        return regions.by_name().get(re.sub(r"[\s/,·-]+", "", text), text)

    def problems(self, value: Any) -> Sequence[Problem]:
        known = type(value) is str and value in regions.regions()
        return () if known else (self.problem("V044", value=str(value)),)

    def comparisons(self, op: str, value: Any, moment: Moment) -> tuple[Comparison, ...]:
        if op != "within":
            return super().comparisons(op, value, moment)
        stem = re.sub(r"(00){1,2}$", "", value)
        return (Comparison("starts", stem) if len(stem) < 6 else Comparison("eq", value),)

    def schema(self) -> Mapping[str, Any]:
        return self.nullable({"type": "string", "pattern": "^[0-9]{6}$"})

    def format(self, value: Any, language: str, names: Names) -> str:
        return "" if value is None else place(value)


class AddressType(FieldType):
    """``{region, detail, postcode}``, each of them text or null."""

    name = "address"
    python = dict
    operators = ("empty", "filled")
    sortable = False
    widget = "address"
    checks = frozenset({"type", "properties", "required", "additionalProperties"})
    parts: ClassVar = ("region", "detail", "postcode")
    longest: ClassVar = 300

    def column_type(self) -> sa.types.TypeEngine[Any]:
        return JsonText()

    def parse(self, raw: object) -> dict[str, str | None] | None:
        if isinstance(raw, str):
            raw = self._object(raw)
        if raw is None:
            return None
        if not isinstance(raw, Mapping) or raw.keys() - set(self.parts):
            raise BadValue("V045")
        value = {part: clean(raw.get(part)) for part in self.parts}
        return value if any(value.values()) else None

    def parse_file(self, raw: object, language: str, zone: object = HOME) -> Any:
        """One cell of text: the region's names at its start become the region."""
        if not isinstance(raw, str) or raw.lstrip().startswith("{"):
            return self.parse(raw)
        names, text = regions.by_name(), clean(raw) or ""
        size = next((n for n in range(min(len(text), 40), 2, -1) if text[:n] in names), 0)
        return self.parse({"region": names.get(text[:size]), "detail": text[size:]})

    @staticmethod
    def _object(text: str) -> object:
        if not text.strip():
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise BadValue("V045") from None

    def problems(self, value: Any) -> Sequence[Problem]:
        if type(value) is not dict or any(
            part not in self.parts or not isinstance(text, str | None)
            for part, text in value.items()
        ):
            return (self.problem("V045"),)
        found = []
        region, detail, postcode = (value.get(part) for part in self.parts)
        if region is not None and region not in regions.regions():
            found.append(self.problem("V044", "/region", value=region))
        if detail is not None and len(detail) > self.longest:
            found.append(self.problem("V005", "/detail", limit=self.longest, size=len(detail)))
        if postcode is not None and not re.fullmatch(r"[0-9]{6}", postcode):
            found.append(self.problem("V046", "/postcode"))
        return found

    def schema(self) -> Mapping[str, Any]:
        part = {"type": ["string", "null"]}
        return self.nullable(
            {
                "type": "object",
                "properties": dict.fromkeys(self.parts, part),
                "additionalProperties": False,
            }
        )

    def format(self, value: Any, language: str, names: Names) -> str:
        if value is None:
            return ""
        region = place(value["region"]) if value.get("region") else ""
        code = f"({value['postcode']})" if value.get("postcode") else ""
        return " ".join(part for part in (region, value.get("detail"), code) if part)

    def posted(self, form: Posted, name: str) -> Any:
        parts = {part: form.getlist(f"{name}.{part}") for part in self.parts}
        return {part: values[-1] for part, values in parts.items() if values} or None

    def form_text(self, value: Any, zone: object = HOME) -> Any:
        return value or {}

    @property
    def expression_type(self) -> Type:
        return ADDRESS


def place(code: str) -> str:
    """The region's names from the province down; the bare code when it is unknown."""
    return " ".join(step.name for step in regions.path(code)) or code


TYPES = (RegionType, AddressType)
