"""Checks documents against the meta-schemas and words what is wrong as problems.

What offends is cut out of the copy that goes on, so that later stages see valid data only and
still tell everything else that is wrong with the file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from engine.definitions.canonical import canonical
from engine.definitions.document import Findings, pointer
from engine.definitions.limits import DEPTH
from engine.definitions.load import shown

KINDS: Final = ("entity", "field", "common", "pack", "workflow")
_LISTED: Final = 8  # names that a message lists; more of them nobody reads
_ROUNDS = 4  # cutting one thing out may uncover another
# What stands in for a missing key, so that the rest of the file can still be looked at.
_STAND_INS: Final[Mapping[str, Mapping[str, Any]]] = {
    "entity": {"title": "?", "type": "object"},
    "pack": {"name": "unnamed", "title": "?", "version": "0"},
    "workflow": {"version": 1},
    "common": {},
}


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """The published meta-schema of one kind of file."""
    found = resources.files("engine.definitions") / "schemas" / f"{kind}-1.schema.json"
    loaded: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return loaded


def check(kind: str, data: Mapping[str, Any], findings: Findings) -> dict[str, Any] | None:
    """Reports everything in `data` that the meta-schema of `kind` objects to.

    Returns: what is left without the offending parts, or None when nothing usable is left.
    """
    if _is_valid(kind, data):
        return dict(data)
    rest: dict[str, Any] = deepcopy(dict(data))
    for turn in range(_ROUNDS):
        try:
            faults = list(_faults(_validator(kind).iter_errors(rest)))
        except RecursionError:
            findings.add("D004", "", limit=DEPTH)
            return None
        if not faults:
            return rest
        for fault in faults if turn == 0 else ():
            _report(fault, findings)
        if not _cut(rest, faults, _STAND_INS[kind]):
            return None
    return None


def guess(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, else ""."""
    ordered = list(known) if isinstance(known, Sequence | Mapping) else sorted(known)
    return next(iter(difflib.get_close_matches(word, ordered, 1)), "")


def near(word: str, known: Collection[str]) -> dict[str, Any]:
    """The parameters of a "did you mean": the guess, and what there is to choose from; of many
    only those that look most like `word`."""
    ordered = list(known) if isinstance(known, Sequence | Mapping) else sorted(known)
    allowed = ordered
    if len(ordered) > _LISTED:
        nearest = difflib.get_close_matches(word, ordered, _LISTED, cutoff=0)
        allowed = [*nearest, "…"]
    return {"guess": guess(word, ordered), "allowed": allowed}


# --- the validators --------------------------------------------------------------------------


@cache
def _fast(kind: str) -> Any:
    """The compiled validator: it says yes 200 times faster, and knows no words for a no."""
    pairs = [(str(schema(each)["$id"]), dict(schema(each))) for each in KINDS]
    return jsonschema_rs.Draft202012Validator(
        dict(schema(kind)), registry=jsonschema_rs.Registry(pairs), offline=True
    )


def _is_valid(kind: str, data: Mapping[str, Any]) -> bool:
    try:
        return bool(_fast(kind).is_valid(dict(data)))
    except (ValueError, RecursionError):  # something it cannot hold; the other one will tell
        return False


@cache
def _validator(kind: str) -> Validator:
    """The validator that tells everything."""
    registry: Registry[Any] = REGISTRY  # the drafts themselves; nothing is ever fetched
    for each in KINDS:
        resource = DRAFT202012.create_resource(dict(schema(each)))
        registry = registry.with_resource(str(schema(each)["$id"]), resource)
    exact = extended({"pattern": _pattern, "uniqueItems": unique_items})
    return exact(dict(schema(kind)), registry=registry)


Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


def extended(keywords: Mapping[str, Keyword]) -> type[Validator]:
    """The reference validator with some keywords of our own making."""
    found: type[Validator] = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator, dict(keywords)
    )
    return found


@cache
def _ecma(pattern: str) -> re.Pattern[str]:
    """Our own patterns with ECMA's meaning: `$` is the very end, not the end before a line feed."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _ecma(pattern).search(instance):
        yield ValidationError("pattern")


def unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
    """By hashing: the library compares every pair, which a stranger can make slow."""
    distinct = {canonical(item) for item in instance} if isinstance(instance, list) else ()
    if wanted and isinstance(instance, list) and len(distinct) < len(instance):
        yield ValidationError("uniqueItems")


# --- what it says ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fault:
    """One schema error, as far as we use it: `keyword` wanted `wanted` of `value` at `path`."""

    keyword: str
    wanted: Any
    value: Any
    path: tuple[str | int, ...]
    schema: Mapping[str, Any]
    of_name: bool  # `value` is the name of a member of what stands at `path`


def _faults(errors: Iterable[ValidationError]) -> Iterator[_Fault]:
    """The errors that tell something: inside `anyOf`/`oneOf` those of the branch that was meant."""
    for error in errors:
        branch = _meant(error) if error.validator in ("anyOf", "oneOf") else None
        if branch:
            yield from _faults(branch)
            continue
        yield _Fault(
            keyword=str(error.validator),
            wanted=error.validator_value,
            value=error.instance,
            path=tuple(error.absolute_path),
            schema=error.schema if isinstance(error.schema, Mapping) else {},
            of_name="propertyNames" in error.absolute_schema_path,
        )


def _meant(error: ValidationError) -> list[ValidationError] | None:
    """The errors of the only branch that fits the instance's JSON type, if there is one."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    fitting = [
        errors
        for errors in branches.values()
        if not any(one.validator == "type" and not one.relative_path for one in errors)
    ]
    return fitting[0] if len(fitting) == 1 and len(branches) > 1 else None


def _report(fault: _Fault, findings: Findings) -> None:
    """One fault as one or several problems (unknown keys are told one by one)."""
    at = pointer(*fault.path)
    if fault.of_name:
        wanted = _described(fault)
        _once(findings, "D024", at + pointer(fault.value), {"value": shown(fault.value),
                                                            "wanted": wanted})  # fmt: skip
        return
    if meant := _json_type(fault):
        word, instead = meant
        of_ours = word if word in _TYPES and word != "text" else ""
        params = {"value": word, "json": json.dumps(instead), "type": of_ours}
        _once(findings, "D094", at, params)
        return
    wording = _WORDINGS.get(fault.keyword, _in_general)
    for code, where, params in wording(fault):
        _once(findings, code, at + where, params)


def _once(findings: Findings, code: str, at: str, params: Mapping[str, Any]) -> None:
    """The library repeats `required` for every missing key."""
    if not any(
        (old.code, old.pointer, old.params) == (code, at, params) for old in findings.problems
    ):
        findings.add(code, at, **params)


_Told = Iterator[tuple[str, str, dict[str, Any]]]  # code, pointer below the fault, params


def _unknown_keys(fault: _Fault) -> _Told:
    allowed = list(fault.schema.get("properties", {}))
    for key in fault.value:
        if key not in allowed:
            yield "D020", pointer(key), {"key": shown(key), **near(key, allowed)}


def _missing_keys(fault: _Fault) -> _Told:
    for key in fault.wanted:
        if key not in fault.value:
            yield "D021", "", {"key": key}


def _wrong_type(fault: _Fault) -> _Told:
    wanted = fault.schema.get("title") or fault.wanted
    yield "D022", "", {"wanted": wanted, "value": shown(fault.value)}


def _not_allowed(fault: _Fault) -> _Told:
    choices = fault.wanted if fault.keyword == "enum" else [fault.wanted]
    allowed = [shown(one) for one in choices]
    value = shown(fault.value)
    yield "D023", "", {"value": value, **near(value, allowed)}


def _bad_name(fault: _Fault) -> _Told:
    yield "D024", "", {"value": shown(fault.value), "wanted": _described(fault)}


def _out_of_range(fault: _Fault) -> _Told:
    yield "D025", "", {"keyword": fault.keyword, "limit": fault.wanted}


def _no_form(fault: _Fault) -> _Told:
    wanted = [
        str(one.get("title") or one.get("type") or "?")
        for one in fault.wanted
        if isinstance(one, Mapping)
    ]
    yield "D026", "", {"wanted": wanted, "value": shown(fault.value)}


def _repeated(fault: _Fault) -> _Told:
    yield "D029", "", {"value": shown(fault.value)}


def _in_general(fault: _Fault) -> _Told:
    yield "D027", "", {"keyword": fault.keyword, "value": shown(fault.wanted)}


def _described(fault: _Fault) -> Mapping[str, str] | str:
    """The form in words: the schema's title, in both languages where it has both."""
    title = fault.schema.get("title")
    translations: Mapping[str, Any] = fault.schema.get("x-i18n", {})
    if title and isinstance(translations, Mapping) and "zh-CN" in translations:
        return {"en": str(title), "zh-CN": str(translations["zh-CN"])}
    return str(title or fault.schema.get("pattern") or fault.keyword)


_WORDINGS: Final[Mapping[str, Callable[[_Fault], _Told]]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _not_allowed,
    "const": _not_allowed,
    "pattern": _bad_name,
    "anyOf": _no_form,
    "oneOf": _no_form,
    "uniqueItems": _repeated,
    "minLength": _out_of_range,
    "maxLength": _out_of_range,
    "minItems": _out_of_range,
    "maxItems": _out_of_range,
    "minProperties": _out_of_range,
    "maxProperties": _out_of_range,
    "minimum": _out_of_range,
    "maximum": _out_of_range,
    "exclusiveMinimum": _out_of_range,
}


# "type": "money" is the first thing everybody tries: what JSON calls our types …
_TYPES: Final[Mapping[str, str]] = {
    word: kind
    for kind, words in {
        "string": "text longtext date datetime month color phone email url choice region autonumber"
        " uscc idcard bankcard",
        "integer": "rating user department ref file image",
        "number": "decimal money percent",
        "array": "tags users refs multichoice lines",
        "object": "address",
    }.items()
    for word in words.split()
}
# … and what other languages call JSON's.
_ELSEWHERE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("str", "varchar", "char", "time"), "string"),
    **dict.fromkeys(("int", "long", "bigint"), "integer"),
    **dict.fromkeys(("float", "double", "currency"), "number"),
    **dict.fromkeys(("bool", "checkbox"), "boolean"),
    **dict.fromkeys(("list", "set"), "array"),
}


def _json_type(fault: _Fault) -> tuple[str, str | list[str]] | None:
    """For a `type` of a field that JSON does not know: the word, and what `type` should be."""
    path = fault.path
    if len(path) < 3 or path[0] not in ("properties", "$defs"):
        return None
    if path[-1] != "type" or path[-2] == "properties":  # a field may be called "type"
        return None
    said = fault.value if isinstance(fault.value, list) else [fault.value]
    known = {**_TYPES, **_ELSEWHERE}
    word = next((one for one in said if isinstance(one, str) and one in known), None)
    if word is None:
        return None
    if isinstance(fault.value, str):
        return word, known[word]
    return word, [known.get(one, one) for one in said if isinstance(one, str)]


# --- cutting ---------------------------------------------------------------------------------


def _cut(data: dict[str, Any], faults: Collection[_Fault], stand_ins: Mapping[str, Any]) -> bool:
    """Removes what the faults are about, in place; False when that is the document itself."""
    doomed: set[tuple[str | int, ...]] = set()
    for fault in faults:
        if meant := _json_type(fault):
            _put(data, fault.path, meant[1])
            continue
        if fault.keyword == "additionalProperties" and "properties" in fault.schema:
            known = fault.schema["properties"]
            doomed |= {(*fault.path, key) for key in fault.value if key not in known}
        elif fault.of_name:
            doomed.add((*fault.path, fault.value))
        elif fault.keyword == "required" and not fault.path:
            missing = [key for key in fault.wanted if key not in data]
            if not stand_ins.keys() >= set(missing):
                return False
            data |= {key: stand_ins[key] for key in missing}
        else:
            doomed.add(fault.path)
    if () in doomed:
        return False
    # deepest and last first, so that the positions of what is still to go stay right
    for path in sorted(doomed, key=lambda one: [(isinstance(p, str), p) for p in one])[::-1]:
        _remove(data, path)
    return True


def _put(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


def _remove(data: Any, path: tuple[str | int, ...]) -> None:
    for step in path[:-1]:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return  # went together with something around it
    last = path[-1]
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(data, list) and isinstance(last, int) and last < len(data):
        del data[last]
