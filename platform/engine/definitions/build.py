"""Sources -> the frozen model, and every problem on the way. Pure; the steps are the modules:

load -> layers (overlays) -> checking (meta-schemas) -> references ($ref) -> entities, manifest,
flows -> lint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from engine.definitions import manifest
from engine.definitions.canonical import fingerprint
from engine.definitions.checking import check
from engine.definitions.document import Document, Findings, Merged
from engine.definitions.entities import parse_entity
from engine.definitions.flows import parse_workflow
from engine.definitions.labels import label
from engine.definitions.layers import Layers, Sources, stack
from engine.definitions.limits import ENTITIES
from engine.definitions.lint import Known, lint
from engine.definitions.model import Entity, Model, Workflow
from engine.definitions.notices import notices
from engine.definitions.references import Shelf, expand
from engine.problems import Problem, Severity


def build_model(sources: Sources, pack: str, *,
                types: Collection[str]) -> tuple[Model | None, list[Problem]]:  # fmt: skip
    """The model of `pack` with its bases and the company's overlay.

    Args:
        sources: path -> text, see `engine.definitions.layers`.
        types: names of the known field types.

    Returns: the model (None when a problem is an error) and all problems by file and line.
    """
    layers = stack(sources, pack)
    problems = list(layers.problems)
    run = _Run(layers, problems)
    model = run.model()
    if model is not None:
        known = Known(model, frozenset(types), run.fields, run.entities, run.roles)
        for name, findings in run.findings.items():
            lint(name, findings, known)
    for findings in run.findings.values():
        problems += findings.problems
    ordered = sorted(set_of(problems), key=lambda p: (p.file, p.line or 0, p.pointer, p.code))
    failed = model is None or any(one.severity is Severity.ERROR for one in ordered)
    return (None if failed else model), ordered


def set_of(problems: Collection[Problem]) -> list[Problem]:
    """The problems without repetitions."""
    return list({(p.code, p.file, p.pointer, repr(p.params)): p for p in problems}.values())


class _Run:
    """One building of a model; `findings` is keyed by kind/name of the definition."""

    def __init__(self, layers: Layers, problems: list[Problem]) -> None:
        self.layers, self.problems = layers, problems
        self.findings: dict[tuple[str, str], Findings] = {}
        # Names that were written down, even where what they name is broken: pointing at those
        # is no second mistake.
        self.entities = frozenset(layers.entities) - {"pack", "common"}
        self.fields: dict[str, frozenset[str]] = {}
        self.roles: frozenset[str] = frozenset()

    def model(self) -> Model | None:
        """Everything parsed as far as it can be; None when there is not even a manifest."""
        if not self.layers.packs:
            return None
        data = self._checked("pack", self.layers.entities["pack"])
        self.roles = _keys(self.layers.entities["pack"].data, "roles")
        self._names_match()
        said = data or {"title": "?"}
        language = manifest.languages(said)[0]
        entities = self._entities(language)
        title = label(said, language)
        return Model(
            title=title,
            packs=manifest.packs(self.layers.manifests, title, language),
            languages=manifest.languages(said),
            entities=entities,
            workflows=self._workflows(language),
            roles=manifest.roles(said, language),
            menus=manifest.menus(said, entities, language),
            cards=manifest.cards(said, entities, language),
            currency=said.get("currency", manifest.CURRENCY),
            timezone=said.get("timezone", manifest.TIMEZONE),
            hash=_hash(self.layers.documents),
            calendar=manifest.calendar(said),
            notices=notices(said, language),
            grades=manifest.grades(said, language),
            everyone=said.get("clearance", {}).get("everyone", ""),
        )

    def _checked(self, kind: str, merged: Merged) -> dict[str, Any] | None:
        findings = Findings(merged)
        self.findings[kind, merged.name] = findings
        if not all(layer.usable for layer in merged.layers):
            return None  # told already: a file could not be read
        data = check(kind, merged.data, findings)
        findings.data = data or {}
        return data

    def _entities(self, language: str) -> dict[str, Entity]:
        files: dict[str, dict[str, Any]] = {}
        for name, merged in self.layers.entities.items():
            if name == "pack":
                continue
            data = self._checked("common" if name == "common" else "entity", merged)
            if data is not None:
                files[name] = data
        shelf = Shelf(files, self.layers.entities, self.layers.packs)
        if "common" in files:
            expand("common", shelf, self.findings["common", "common"])
        found = {name: self._entity(name, shelf, language) for name in files if name != "common"}
        if len(found) > ENTITIES:
            self.findings["pack", "pack"].add("D018", limit=ENTITIES, count=len(found))
        return found

    def _entity(self, name: str, shelf: Shelf, language: str) -> Entity:
        merged, findings = self.layers.entities[name], self.findings["entity", name]
        self.fields[name] = _keys(merged.data, "properties")
        data = expand(name, shelf, findings)
        said = data["x-entity"]["name"]
        if said != name:
            findings.add("D017", "/x-entity/name", name=said, wanted=name)
        return parse_entity(merged, data, self.layers.home[name], language, findings)

    def _workflows(self, language: str) -> dict[str, Workflow]:
        found = {}
        for merged in self.layers.workflows.values():
            data = self._checked("workflow", merged)
            if data is not None:
                if data["id"] != merged.name:
                    self.findings["workflow", merged.name].add(
                        "D017", "/id", name=data["id"], wanted=merged.name
                    )
                found[merged.name] = parse_workflow(merged, data, language)
        return found

    def _names_match(self) -> None:
        """Each manifest carries the name of its own folder; merging would hide that."""
        for name, document in self.layers.manifests.items():
            said = document.data.get("name")
            if isinstance(said, str) and said != name:
                own = Findings(Merged("pack", document.data, [document]))
                own.add("D017", "/name", name=said, wanted=name)
                self.problems += own.problems


def _keys(data: Mapping[str, Any], name: str) -> frozenset[str]:
    found = data.get(name)
    return frozenset(found) if isinstance(found, Mapping) else frozenset()


def _hash(documents: Mapping[str, Document]) -> str:
    return fingerprint(*([path, documents[path].data] for path in sorted(documents)))
