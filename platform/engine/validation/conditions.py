"""Plain schema conditions (`if/then/else`, `not`, `dependentRequired` …) run by jsonschema-rs.

The only module that knows that library. It is given what is not empty, with numbers exact
(Decimal in, Decimal compared; nothing goes through a float): a field that is null, "" or [] is
for conditions a field that is not there, so `required` means "filled in".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import jsonschema_rs

from engine.definitions.model import Entity, Field, Label
from engine.fields import FieldType
from engine.problems import Problem

_ANNOTATIONS: Final = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated"),
        *("readOnly", "writeOnly", "$comment"),
    )
)
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "V015",
    "maximum": "V016",
    "exclusiveMinimum": "V017",
    "exclusiveMaximum": "V018",
    "multipleOf": "V019",
    "minLength": "V004",
    "maxLength": "V005",
    "minItems": "V032",
    "maxItems": "V033",
}
_PLAIN: Final[Mapping[str, str]] = {
    "type": "V003",
    "uniqueItems": "V031",
    "contains": "V087",
    "falseSchema": "V085",
}
_COMBINATIONS: Final[Mapping[str, str]] = {"not": "V082", "anyOf": "V083", "oneOf": "V083"}
_SEVERAL: Final = jsonschema_rs.ValidationErrorKind.OneOfMultipleValid


def is_empty(value: Any) -> bool:
    """Null, "", [] and {}: what counts as not filled in. False and 0 are values."""
    return value is None or (not value and value.__class__ in (str, list, dict))


def leftover(kind: FieldType) -> Mapping[str, Any]:
    """The keywords of a field that its type does not check itself."""
    skipped = kind.checks | _ANNOTATIONS
    return {key: value for key, value in kind.field.schema.items() if key not in skipped}


class Conditions:
    """The conditions of one entity (or of the rows of a field), compiled."""

    def __init__(self, entity: Entity, types: Mapping[str, FieldType]) -> None:
        schema: dict[str, Any] = _json(entity.conditions)
        if rest := {name: left for name, kind in types.items() if (left := leftover(kind))}:
            schema = (
                {"allOf": [schema, {"properties": _json(rest)}]}
                if schema
                else {"properties": _json(rest)}
            )
        self._entity = entity
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(
            schema,
            offline=True,
            registry=jsonschema_rs.Registry([]),
            pattern_options=jsonschema_rs.RegexOptions(),  # linear time
            validate_formats=True,
        )
        self._wanted: tuple[tuple[str, Callable[[Any], Any]], ...] = tuple(
            (name, types[name].to_instance) for name in sorted(mentioned(schema) & types.keys())
        )

    def __bool__(self) -> bool:
        return bool(self._schema)

    def instance(self, record: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
        """The record as conditions see it."""
        return {
            name: convert(value)
            for name, convert in self._wanted
            if name not in hidden and not is_empty(value := record.get(name))
        }

    def problems(
        self, record: Mapping[str, Any], hidden: frozenset[str] = frozenset()
    ) -> Iterator[Problem]:
        """What the conditions object to, each at its field."""
        for error in self._validator.iter_errors(self.instance(record, hidden)):
            for problem in self._translate(error):
                if problem.field not in hidden:
                    yield problem

    # --- translation ---------------------------------------------------------------------------
    def _translate(self, error: jsonschema_rs.ValidationError) -> Iterable[Problem]:
        path, keyword = list(error.instance_path), error.kind.name
        values = error.kind.as_dict()
        match keyword:
            case "required" | "dependentRequired":
                return [self._at([*path, values["property"]], "V001")]
            case "additionalProperties" | "unevaluatedProperties":
                return [self._at([*path, name], "V085") for name in values["unexpected"]]
            case "const":
                value = self._shown(path, values["expected_value"])
                return [self._at(path, "V080", value=value)]
            case "enum":
                shown = [self._shown(path, option) for option in values["options"]]
                return [self._at(path, "V081", values=shown)]
            case "pattern":
                return [self._at(path, "V006", pattern=values["pattern"], help="")]
            case _ if keyword in _LIMITS:
                limit = values.get("limit", values.get("multiple_of"))
                size = len(error.instance) if isinstance(error.instance, str | list) else 0
                return [self._at(path, _LIMITS[keyword], limit=_plain(limit), size=size)]
            case _ if keyword in _PLAIN:
                return [self._at(path, _PLAIN[keyword])]
            case _ if keyword in _COMBINATIONS:
                several = isinstance(error.kind, _SEVERAL)
                code = "V084" if several else _COMBINATIONS[keyword]
                return [self._at(path, code, fields=self._fields(error.schema_path, path))]
            case _:
                return [self._at(path, "V088", keyword=keyword)]

    def _at(self, path: Sequence[str | int], code: str, **params: Any) -> Problem:
        field = self._field(path)
        title: Label = field.title if field else self._entity.title
        pointer = "".join(f"/{step}" for step in path)
        return Problem(code, {"field": title, **params}, pointer)

    def _field(self, path: Sequence[str | int]) -> Field | None:
        """The innermost field on the way."""
        found: Field | None = None
        entity: Entity | None = self._entity
        for step in path:
            if isinstance(step, str) and entity is not None and step in entity.fields:
                found = entity.fields[step]
                entity = found.rows
        return found

    def _shown(self, path: Sequence[str | int], value: Any) -> Any:
        """An option by its title."""
        field = self._field(path)
        titles = {option.value: option.title for option in field.options} if field else {}
        return titles.get(value) or value if isinstance(value, str) else _plain(value)

    def _fields(self, schema_path: Sequence[str | int], path: Sequence[str | int]) -> list[Label]:
        """Titles of the fields that the failed part of the schema speaks of."""
        part: Any = self._schema
        for step in schema_path:
            part = _step(part, step)
        names = [name for name in self._entity.fields if name in mentioned(part)]
        names = names or [str(step) for step in path[:1]]
        return [self._entity.fields[name].title for name in names if name in self._entity.fields]


def _step(schema: Any, step: str | int) -> Any:
    """One step down a schema; {} where there is no such place."""
    if isinstance(schema, dict):
        return schema.get(str(step), {})
    return schema[step] if isinstance(schema, list) and isinstance(step, int) else {}


def mentioned(schema: Any) -> set[str]:
    """Every name of a property that a schema speaks of, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(mentioned, schema))
    if not isinstance(schema, dict):
        return set()
    found: set[str] = set(schema.get("required", ()))
    for keyword in ("properties", "dependentSchemas"):
        inner = schema.get(keyword, {})
        found |= inner.keys() | mentioned(list(inner.values()))
    for name, others in schema.get("dependentRequired", {}).items():
        found |= {name, *others}
    rest = [
        value
        for keyword, value in schema.items()
        if keyword not in ("properties", "dependentSchemas", "required", "const", "enum")
    ]
    return found | mentioned(rest)


def _json(value: Any) -> Any:
    """A definition's frozen mappings and tuples as the dicts and lists the library takes."""
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value


def _plain(limit: Any) -> Any:
    """A number without exponent and without needless zeros."""
    if isinstance(limit, bool) or not isinstance(limit, int | float | Decimal):
        return limit
    return f"{Decimal(str(limit)).normalize():f}"
