"""Checks of the texts of notices: every placeholder leads to something that can be shown, for every
entity whose workflow uses the text; every text that is used exists, and is used by somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from engine.definitions.checking import near
from engine.definitions.document import pointer
from engine.definitions.model import Entity, Model, NoticeText, Workflow
from engine.definitions.notices import CASE, RECORD, BadPlaceholder, Path, pieces, special
from engine.fields import DEPARTMENT, USER, bind
from engine.problems import Problem, Severity

# What a path may ask of people and departments beyond their names.
PLATFORM: Final[Mapping[str, Mapping[str, str]]] = {
    USER: {"name": "", "dept": DEPARTMENT, "manager": USER},
    DEPARTMENT: {"name": "", "parent": DEPARTMENT, "manager": USER},
}


def check_notices(model: Model, data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the texts of `pack.json` (`data`, merged); pointers are into it."""
    used = _used(model)
    for name, notice in model.notices.items():
        entities = [model.entities[one] for one in sorted(used.get(name, ()))]
        if not entities:
            yield Problem("N104", {"name": name}, pointer("notices", name), Severity.WARNING)
        for text, at in _texts(notice, data):
            yield from _text(model, text, at, entities)


def check_uses(model: Model, flow: Workflow) -> Iterator[Problem]:
    """Templates that a workflow's actions name and that do not exist; pointers are into it."""
    for template, at in _templates(flow.chart, ""):
        if template not in model.notices:
            params = {"name": template, **near(template, model.notices)}
            yield Problem("N103", params, at, Severity.WARNING)


def _used(model: Model) -> Mapping[str, set[str]]:
    """Entities by the texts that their workflows use."""
    found: dict[str, set[str]] = {}
    for flow in model.workflows.values():
        if flow.entity in model.entities:
            for template, _ in _templates(flow.chart, ""):
                found.setdefault(template, set()).add(flow.entity)
    return found


def _templates(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every `template` of an action below `value`, with its pointer."""
    if isinstance(value, Mapping):
        named = value.get("template")
        if isinstance(named, str) and isinstance(value.get("type"), str):
            yield named, f"{at}/template"
        members: Iterable[tuple[str | int, Any]] = value.items()
    elif isinstance(value, list | tuple):
        members = enumerate(value)
    else:
        return
    for key, member in members:
        yield from _templates(member, at + pointer(key))


def _texts(notice: NoticeText, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of a notice with the pointer of where it was written."""
    here = pointer("notices", notice.name)
    said = data.get("notices", {}).get(notice.name, {})
    translations = said.get("x-i18n", {})
    for key in ("title", "body"):
        if isinstance(said.get(key), str):
            yield said[key], f"{here}/{key}"
        for tag, translation in translations.items():
            at = here + pointer("x-i18n", tag)
            if isinstance(translation, Mapping) and isinstance(translation.get(key), str):
                yield translation[key], f"{at}/{key}"
            elif isinstance(translation, str) and key == "title":
                yield translation, at


def _text(model: Model, text: str, at: str, entities: Iterable[Entity]) -> Iterator[Problem]:
    try:
        found = pieces(text)
    except BadPlaceholder as bad:
        yield Problem("N101", {"found": bad.found}, at)
        return
    for path in (piece for piece in found if isinstance(piece, tuple)):
        if kind := special(path):
            known = CASE if kind == "case" else RECORD
            if len(path) != 2 or path[1] not in known:
                names = [f"{kind}.{name}" for name in known]
                dotted = ".".join(path)
                yield Problem("N102", {"path": dotted, "entity": "", **near(dotted, names)}, at)
            continue
        for entity in entities:
            yield from _path(model, path, at, entity)


def _path(model: Model, path: Path, at: str, start: Entity) -> Iterator[Problem]:
    """Follows a path over references, people and departments to something with a face."""
    here, names = start.name, [*start.fields]
    for index, name in enumerate(path):
        if name not in names:
            params = {"path": ".".join(path), "entity": here, **near(name, names)}
            yield Problem("N102", params, at)
            return
        last = index == len(path) - 1
        target = _target(model, here, name)
        if not last and not target:
            yield Problem("N105", {"path": ".".join(path), "field": name}, at)
            return
        here = target
        entity = model.entities.get(here)
        names = [*entity.fields] if entity else [*PLATFORM.get(here, ())]


def _target(model: Model, here: str, name: str) -> str:
    """Where a name leads, "" when it ends there (or leads to several)."""
    if here in PLATFORM:
        return PLATFORM[here][name]
    field = model.entities[here].fields[name]
    if field.reference is not None and not bind(field).many:
        return field.reference.to
    return {"user": USER, "created_by": USER, "updated_by": USER, "department": DEPARTMENT}.get(
        field.type, ""
    )
