"""`$ref` filled in: only to shared pieces in the packs' own files, never to a disk or a network.

A reference is ``#/$defs/x``, ``common.json#/$defs/x`` or ``../crm/common.json#/$defs/x``. Files of
one name are one document after overlays, so the folder only says which pack must be there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.definitions.document import Findings, Merged, pointer
from engine.definitions.limits import EXPANDED_NODES, REFERENCE_DEPTH
from engine.definitions.load import shown

_REFERENCE: Final = re.compile(
    r"(?:(?:\.\./(?P<pack>[a-z][a-z0-9_]{0,39})/)?(?P<name>[a-z][a-z0-9_]{0,39})\.json)?"
    r"#/(?P<path>(?:\$defs|properties)/[^#]{1,200})"
)
# What may stand beside a $ref and differ from the shared piece: words, never constraints.
_WORDS: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)


@dataclass(frozen=True)
class Shelf:
    """Where references lead: `files` holds what may be taken over, `written` what the authors
    wrote. What was written but is not in `files` is broken, and told where it stands."""

    files: Mapping[str, Mapping[str, Any]]
    written: Mapping[str, Merged]
    packs: Collection[str]


def expand(name: str, shelf: Shelf, findings: Findings) -> dict[str, Any]:
    """The definition with every `$ref` replaced by what it names.

    Fields whose references lead nowhere are reported and left out.
    """
    run = _Expansion(name, shelf, findings)
    expanded: dict[str, Any] = run.node(shelf.files[name], "", name, ())
    fields = expanded.get("properties", {})
    kept = {
        key: value for key, value in fields.items() if pointer("properties", key) not in run.broken
    }
    return {**expanded, "properties": kept}


@dataclass
class _Expansion:
    """One pass over the definition `home`; `budget` is what may still be produced.

    Problems are told at `at`, a place in `home`, where the author can see them. What is wrong
    inside another file is told when that file has its turn.
    """

    home: str
    shelf: Shelf
    findings: Findings
    budget: int = EXPANDED_NODES
    broken: set[str] = field(default_factory=set)  # pointers of properties of the root
    told: set[tuple[str, str]] = field(default_factory=set)

    def node(self, value: Any, at: str, document: str, trail: tuple[str, ...]) -> Any:
        """`value` expanded; `document` is where its ``#/…`` lead, `trail` the open references."""
        match value:
            case {"$ref": str(ref)}:
                rest = {key: item for key, item in value.items() if key != "$ref"}
                return self._reference(ref, rest, at, document, trail)
            case dict():
                if not self._spend(at, trail):
                    return {}
                return {
                    key: self.node(item, at if trail else at + pointer(key), document, trail)
                    for key, item in value.items()
                }
            case list():
                return [
                    self.node(item, at if trail else f"{at}/{index}", document, trail)
                    for index, item in enumerate(value)
                ]
            case _:
                return value

    def _reference(
        self, ref: str, rest: Mapping[str, Any], at: str, document: str, trail: tuple[str, ...]
    ) -> Any:
        siblings = {
            key: self.node(item, at if trail else at + pointer(key), document, trail)
            for key, item in rest.items()
        }
        found = self._find(ref, at, document)
        if found is None:
            return siblings
        name, target = found
        key = f"{name}{ref[ref.index('#') :]}"
        if key in trail:
            self._break(at, "D032" if document == self.home else "", ref, limit=REFERENCE_DEPTH)
            return siblings
        if len(trail) >= REFERENCE_DEPTH:
            self._break(at, "D032", ref, limit=REFERENCE_DEPTH)
            return siblings
        piece = self.node(target, at, name, (*trail, key))
        for word in siblings.keys() & piece.keys() if document == self.home else ():
            if word not in _WORDS and not word.startswith("x-") and siblings[word] != piece[word]:
                self.findings.add("D034", at + pointer(word), key=word, ref=shown(ref))
        return {**piece, **siblings}

    def _find(self, ref: str, at: str, document: str) -> tuple[str, Mapping[str, Any]] | None:
        """The file and the piece that `ref`, written in `document`, names."""
        here = document == self.home
        parts = _REFERENCE.fullmatch(ref)
        if parts is None or (parts["pack"] and parts["pack"] not in self.shelf.packs):
            self._break(at, "D030" if here else "", ref)
            return None
        name, path = parts["name"] or document, parts["path"]
        target = _lookup(self.shelf.files.get(name), path)
        if target is not None:
            return name, target
        written = self.shelf.written.get(name)
        unreadable = written is not None and not all(layer.usable for layer in written.layers)
        is_told = unreadable or (written and _lookup(written.data, path) is not None)
        self._break(at, "D031" if here and not is_told else "", ref)
        return None

    def _spend(self, at: str, trail: tuple[str, ...]) -> bool:
        """Counts what references produce: `allOf` of two `allOf`s of two `allOf`s …"""
        self.budget -= bool(trail)
        if self.budget == -1:
            self.findings.add("D033", at, limit=EXPANDED_NODES)
        return self.budget >= 0

    def _break(self, at: str, code: str, ref: str, **params: Any) -> None:
        """Marks the field around `at` as unusable; tells why unless that is told elsewhere."""
        self.broken.add("/".join(at.split("/")[:3]))
        if code and (code, at) not in self.told:
            self.told.add((code, at))
            self.findings.add(code, at, ref=shown(ref), **params)


def _lookup(document: Any, path: str) -> Mapping[str, Any] | None:
    """The schema at ``$defs/x`` or ``properties/x`` of a document; None when there is none."""
    steps = path.split("/")
    for step in steps:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document.get(name) if isinstance(document, Mapping) else None
    # keyword, name, keyword, name: everything else is no schema
    return document if isinstance(document, Mapping) and len(steps) % 2 == 0 else None
