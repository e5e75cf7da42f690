"""The field type that plain keywords say, when ``x-type`` does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LONG_TEXT: Final = 200  # more characters than this want several lines
_BY_FORMAT: Final = {"date": "date", "date-time": "datetime", "email": "email", "uri": "url"}
_BY_JSON_TYPE: Final = {"boolean": "boolean", "integer": "integer", "number": "decimal"}
_PLURAL: Final = {"ref": "refs", "user": "users", "choice": "multichoice"}


def json_types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types a schema names, without "null"."""
    named = schema.get("type", ())
    return frozenset([named] if isinstance(named, str) else named) - {"null"}


def field_type(schema: Mapping[str, Any]) -> str:
    """The name of the semantic type; "" when it cannot be told."""
    kinds = json_types(schema)
    if named := schema.get("x-type"):
        return _PLURAL.get(named, named) if "array" in kinds else str(named)
    if "array" in kinds:
        return _array_type(schema.get("items"))
    if "oneOf" in schema or "enum" in schema:
        return "choice"
    if "x-ref" in schema:
        return "ref"
    if len(kinds) != 1:
        return ""
    kind = next(iter(kinds))
    if kind != "string":
        return _BY_JSON_TYPE.get(kind, "")
    if "format" in schema:
        return _BY_FORMAT.get(schema["format"], "")
    return "longtext" if schema.get("maxLength", 0) > LONG_TEXT else "text"


def _array_type(items: Any) -> str:
    if not isinstance(items, Mapping):
        return ""
    if "oneOf" in items or "enum" in items:
        return "multichoice"
    if "properties" in items:
        return "lines"
    return "tags" if json_types(items) == {"string"} else ""
