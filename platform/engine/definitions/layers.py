"""Sources -> layers: which packs, in which order, and every definition merged over them.

Source paths: ``entity_defs/<pack>/<name>.json``, ``workflows/<pack>/<id>.json``; a company's own
layer is ``overlay/<name>.json`` and ``overlay/workflows/<id>.json`` and comes last.

A layer's file is a patch of what lies below it; but a workflow that says everything a workflow
must say (`WHOLE`) stands alone: a patch could neither order states nor leave one out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.definitions.checking import guess
from engine.definitions.document import Document, Merged
from engine.definitions.limits import PACKS
from engine.definitions.load import load, shown
from engine.definitions.overlay import futile_deletions, merge
from engine.problems import Problem, Severity

Sources = Mapping[str, str]

OVERLAY: Final = "overlay"
PACK_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PATH: Final = re.compile(
    r"(?:entity_defs/(?P<pack>[a-z][a-z0-9_]{0,39})/(?P<name>[a-z][a-z0-9_]{0,39})"
    r"|workflows/(?P<flow_pack>[a-z][a-z0-9_]{0,39})/(?P<flow>[a-z][a-z0-9_]{0,39})"
    r"|overlay/(?P<own>[a-z][a-z0-9_]{0,39})"
    r"|overlay/workflows/(?P<own_flow>[a-z][a-z0-9_]{0,39}))\.json"
)
WHOLE: Final = frozenset({"id", "version", "entity", "initial", "states"})
_NOT_DEFINITIONS: Final = frozenset({"sample"})  # sample data lies beside the definitions


@dataclass
class Layers:
    """The definitions of one company, merged. Keys are file names without ``.json``."""

    packs: tuple[str, ...] = ()
    manifests: dict[str, Document] = field(default_factory=dict)  # by pack, base first
    entities: dict[str, Merged] = field(default_factory=dict)  # "common" and "pack" included
    workflows: dict[str, Merged] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)  # entity -> the pack that brought it
    documents: dict[str, Document] = field(default_factory=dict)  # by path, all that counts
    problems: list[Problem] = field(default_factory=list)


def stack(sources: Sources, pack: str) -> Layers:
    """Loads the sources of `pack` and its bases and merges them."""
    layers = Layers()
    documents: dict[tuple[str, str, str], Document] = {}  # (layer, folder, name)
    for path in sorted(sources):
        parts = _PATH.fullmatch(path)
        if parts is None:
            layers.problems.append(Problem("D016", {"path": shown(path)}, file=shown(path)))
        elif parts["name"] not in _NOT_DEFINITIONS:
            found = parts.groupdict()
            layer = found["pack"] or found["flow_pack"] or OVERLAY
            folder = "workflows" if found["flow"] or found["own_flow"] else "entity_defs"
            name = found["name"] or found["flow"] or found["own"] or found["own_flow"] or ""
            document, problems = load(path, sources[path])
            layers.problems += problems
            documents[layer, folder, name] = document
    manifests = {
        layer: document
        for (layer, folder, name), document in documents.items()
        if folder == "entity_defs" and name == "pack" and layer != OVERLAY
    }
    layers.packs = order(pack, manifests, layers.problems)
    layers.manifests = {name: manifests[name] for name in layers.packs if name in manifests}
    for layer in (*layers.packs, OVERLAY):
        for (owner, folder, name), document in documents.items():
            if owner == layer:
                _put(layers, folder, name, layer, document)
    return layers


def order(pack: str, manifests: Mapping[str, Document], problems: list[Problem]) -> tuple[str, ...]:
    """The pack and everything it builds on, base first. Cycles and unknown packs are reported."""
    done: dict[str, None] = {}
    open_packs: list[str] = []

    def visit(name: str, at: Document | None, place: str) -> None:
        said = at.data.get("name") if at else None
        line = Merged("", {}, [at]).place(place)[1] if at else None
        where: dict[str, Any] = {"file": at.file if at else "", "line": line, "pointer": place}
        if name in open_packs:
            cycle = [*open_packs[open_packs.index(name) :], name]
            problems.append(Problem("D014", {"cycle": " → ".join(cycle), "pack": said}, **where))
        elif not PACK_NAME.fullmatch(name):
            problems.append(Problem("D013", {"pack": shown(name)}, **where))
        elif name not in manifests:
            params = {"pack": name, "guess": guess(name, manifests), "known": sorted(manifests)}
            problems.append(Problem("D012", params, **where))
        elif name not in done and len(open_packs) + len(done) < PACKS:
            open_packs.append(name)
            for index, base in enumerate(bases(manifests[name])):
                visit(base, manifests[name], f"/builds_on/{index}")
            open_packs.pop()
            done[name] = None

    visit(pack, None, "")
    return tuple(done)


def bases(manifest: Document) -> Sequence[str]:
    """The packs a manifest says it builds on, as far as it says it rightly."""
    said = manifest.data.get("builds_on", ())
    names = said if isinstance(said, list) else ()
    return [name for name in names if isinstance(name, str) and PACK_NAME.fullmatch(name)]


def _put(layers: Layers, folder: str, name: str, layer: str, document: Document) -> None:
    layers.documents[document.file] = document
    where = layers.entities if folder == "entity_defs" else layers.workflows
    below = where.get(name)
    if below is None:
        if folder == "entity_defs":
            layers.home[name] = layer
        where[name] = Merged(name, document.data, [document])
        return
    if folder == "workflows" and isinstance(document.data, dict) and document.data.keys() >= WHOLE:
        where[name] = Merged(name, document.data, [document])
        return
    patch = {key: value for key, value in document.data.items() if key != "$schema"}
    layers.problems += [
        Problem("D028", {"what": at}, at, Severity.WARNING, document.file, document.places.get(at))
        for at in futile_deletions(below.data, patch)
    ]
    where[name] = Merged(name, merge(below.data, patch), [*below.layers, document])
