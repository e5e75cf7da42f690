"""The reference of the definition format, written from the meta-schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_Schema = Mapping[str, Any]


def reference_markdown(schemas: Mapping[str, _Schema]) -> str:
    """One page: every meta-schema as a section, every group of keywords as a table.

    Args:
        schemas: meta-schemas by file kind, as `checking.schema` gives them.

    Returns: Markdown; the same schemas give the same text.
    """
    by_id = {str(schema.get("$id", "")).rpartition("/")[2]: schema for schema in schemas.values()}
    lines = ["# Definition format", ""]
    for kind, schema in schemas.items():
        lines += _section(kind, schema, by_id)
    return "\n".join(lines).rstrip() + "\n"


def _section(kind: str, schema: _Schema, by_id: Mapping[str, _Schema]) -> Iterator[str]:
    yield f"## {schema.get('title', kind)}"
    yield ""
    if text := schema.get("description"):
        yield str(text)
        yield ""
    if address := schema.get("$id"):
        yield f"Schema: `{address}`"
        yield ""
    yield from _table(schema, schema, by_id)
    for name, part in schema.get("$defs", {}).items():
        if isinstance(part, Mapping) and _properties(part):
            yield f"### {part.get('title', name)}"
            yield ""
            if text := part.get("description"):
                yield str(text)
                yield ""
            yield from _table(part, schema, by_id)


def _properties(schema: _Schema) -> dict[str, Any]:
    """The keywords of an object, also those that only some of its forms have."""
    found = dict(schema.get("properties", {}))
    for branch in (schema.get("then"), schema.get("else")):
        found |= _properties(branch) if isinstance(branch, Mapping) else {}
    return found


def _table(part: _Schema, home: _Schema, by_id: Mapping[str, _Schema]) -> Iterator[str]:
    """The keywords of one object; those that are `true` are described elsewhere and left out."""
    required = part.get("required", ())
    yield "| Key | Value | Meaning |"
    yield "|---|---|---|"
    for key, value in _flat(_properties(part)):
        if isinstance(value, Mapping):
            mark = " (required)" if key in required else ""
            meaning = _cell(str(value.get("description", "")))
            yield f"| `{key}`{mark} | {_cell(_value(value, home, by_id))} | {meaning} |"
    yield ""


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The properties, those of small objects written in place as ``outer.inner``."""
    for key, value in properties.items():
        yield prefix + key, value
        if isinstance(value, Mapping) and "properties" in value:
            yield from _flat(value["properties"], f"{prefix}{key}.")


def _value(value: _Schema, home: _Schema, by_id: Mapping[str, _Schema]) -> str:
    """What may be written, in a few words."""
    if "const" in value:
        return f"`{_json(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{_json(one)}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(_value(one, home, by_id) for one in value["anyOf"])
    if "$ref" in value:
        return _named(str(value["$ref"]), home, by_id)
    kind = str(value.get("type", ""))
    if kind == "array":
        return f"list of {_value(value['items'], home, by_id)}" if "items" in value else "list"
    inner = value.get("additionalProperties")
    if kind == "object" and isinstance(inner, Mapping):
        return f"map of {_value(inner, home, by_id)}"
    return (_short(value) or kind or "as in JSON Schema") + _default(value)


def _named(ref: str, home: _Schema, by_id: Mapping[str, _Schema]) -> str:
    """A reference by the title of what it names."""
    address, _, path = ref.partition("#")
    document: Any = by_id.get(address, {}) if address else home
    for step in path.split("/")[1:]:
        document = document.get(step, {}) if isinstance(document, Mapping) else {}
    name = path.rpartition("/")[2] or address
    if not isinstance(document, Mapping):
        return name
    if "anyOf" in document or "items" in document or document.get("type") == "object":
        return _short(document) or _value(document, home, by_id)
    return _short(document) or str(document.get("type") or name)


def _short(schema: _Schema) -> str:
    """The title up to its first colon and without its article."""
    title = str(schema.get("title", "")).partition(":")[0]
    return title.removeprefix("an ").removeprefix("a ")


def _default(value: _Schema) -> str:
    return f", `{_json(value['default'])}` when left out" if "default" in value else ""


def _json(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
