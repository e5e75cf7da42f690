"""The workflow editor: an outline with properties, and a graph beside it, over one draft.

Everything is a form that is posted: the answer is the page as it is then. A script only saves the
reloading, adds keys and draws the graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, current_app, flash, jsonify, render_template, request
from flask import url_for as address
from flask_babel import gettext

from dougong.i18n import language
from dougong.present import ago
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.flow_acts import DONE, Act, act_of, perform
from dougong.studio.flow_marks import marks
from dougong.studio.flow_outline import Remark, graph, named, outline, remarks
from dougong.studio.flow_panel import Panel, panel
from dougong.studio.flow_shadows import shadows
from dougong.studio.flow_world import World
from engine.definitions.canonical import canonical
from engine.definitions.flow_edits import value_at
from engine.definitions.flow_tree import ROOT, EditRefused, kind_of, spot, spots
from engine.definitions.model import Entity, Workflow, text_of
from engine.fields import USER
from engine.packs import check_sources
from engine.problems import Problem, Severity, hint, text
from engine.problems.catalogue import LANGUAGES
from engine.records import flow_drafts as drafts
from engine.records.administration.versions import running
from engine.records.failures import Conflict, Failure, Invalid
from engine.records.labels import names_of
from engine.records.unit import Unit

blueprint = Blueprint("flows", __name__, url_prefix="/<company>/admin/workflows")
VIEWS: Final = ("outline", "graph", "both", "json")
_ID: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
MAY_FOLLOW: Final = ("approval", "step", "wait", "parallel", "call", "final")


@dataclass(frozen=True)
class Line:
    """One workflow in the list."""

    id: str
    title: str
    entity: str
    href: str
    version: int
    states: int
    cases: int
    own: bool
    published: bool
    draft: str  # when and by whom; "" for none


# --- the list ------------------------------------------------------------------------------------


@blueprint.get("")
@administrators_only
def index() -> str:
    """All workflows."""
    with reading() as unit:
        return _index(unit)


def _index(unit: Unit, problems: Sequence[str] = (), typed: Mapping[str, str] | None = None) -> str:
    kept = drafts.drafts(unit)
    counts = {one.workflow: one.count for one in running(unit)}
    lines = [_line(unit, flow, kept.get(id), counts.get(id, 0))
             for id, flow in unit.app.model.workflows.items()]  # fmt: skip
    lines += [_new_line(unit, one) for id, one in kept.items()
              if id not in unit.app.model.workflows]  # fmt: skip
    return render_template(
        "studio/flows.html",
        shell=shell(unit),
        title=gettext("Workflows"),
        lines=lines,
        entities=_starts(unit),
        new_href=address("flows.new"),
        problems=problems,
        typed=typed or {},
    )


def _line(unit: Unit, flow: Workflow, draft: drafts.Draft | None, cases: int) -> Line:
    entity = unit.app.model.entities.get(flow.entity)
    return Line(
        flow.id,
        text_of(flow.title, language()) or flow.id,
        text_of(entity.title, language()) if entity else flow.entity,
        address("flows.edit", workflow=flow.id),
        flow.version,
        sum(1 for one in spots(dict(flow.chart)) if one.id),
        cases,
        flow.file.startswith("overlay/"),
        True,
        drawn(unit, draft),
    )


def _new_line(unit: Unit, draft: drafts.Draft) -> Line:
    data = draft.data
    entity = unit.app.model.entities.get(str(data.get("entity")))
    world = World(data, unit.app.model, language())
    return Line(
        draft.workflow,
        world.said(data.get("title")) or draft.workflow,
        text_of(entity.title, language()) if entity else "",
        address("flows.edit", workflow=draft.workflow),
        0,
        len(world.states),
        0,
        True,
        False,
        drawn(unit, draft),
    )


def drawn(unit: Unit, draft: drafts.Draft | None) -> str:
    """Who changed a draft last, and when; "" for none."""
    if draft is None or draft.at is None:
        return ""
    when = ago(draft.at, unit.now, language())
    if draft.by is None:
        return when
    return f"{names_of(unit, {USER: [draft.by]}).label(USER, draft.by)} · {when}"


@dataclass(frozen=True)
class Start:
    """An entity that a workflow can be made for, with its choice fields."""

    name: str
    title: str
    fields: Sequence[tuple[str, str]]
    governed: bool


def _starts(unit: Unit) -> list[Start]:
    model = unit.app.model
    governed = {flow.entity for flow in model.workflows.values()}
    return [
        Start(
            entity.name,
            text_of(entity.title, language()) or entity.name,
            [
                (name, text_of(field.title, language()) or name)
                for name, field in entity.fields.items()
                if field.type == "choice" and not field.multiple
            ],
            entity.name in governed,
        )
        for entity in model.entities.values()
    ]


@blueprint.post("/new")
@administrators_only
@patient
def new() -> Response | tuple[str, int]:
    """A new draft for an entity."""
    typed = {key: request.form.get(key, "").strip() for key in ("id", "entity", "field", "title")}
    entity_name, _, of_field = typed["field"].rpartition(".")
    if of_field and not typed["entity"]:
        typed["entity"] = entity_name
    try:
        with writing() as unit:
            entity = unit.app.model.entities.get(typed["entity"])
            if entity is None:
                raise Invalid([Problem("E118", {}, "/entity")])
            id = typed["id"] or _free_id(unit, entity)
            if not _ID.fullmatch(id):
                raise Invalid([Problem("E107", {"id": id}, "/id")])
            field = of_field if entity_name == entity.name else ""
            title = typed["title"] or text_of(entity.title, language())
            names = dict.fromkeys(unit.app.model.languages, title)
            drafts.start(unit, id, entity, field, names)
    except Failure as failure:
        said = [text(one, language()) for one in failure.problems]
        with reading() as unit:
            return _index(unit, said, typed), 422
    return go(address("flows.edit", workflow=id))


def _free_id(unit: Unit, entity: Entity) -> str:
    taken = {*unit.app.model.workflows, *drafts.drafts(unit)}
    base, number = f"{entity.name[:30]}_flow", 2
    found = base
    while found in taken:
        found, number = f"{base}_{number}", number + 1
    return found


# --- one workflow --------------------------------------------------------------------------------


@blueprint.get("/<workflow>")
@administrators_only
def edit(workflow: str) -> str:
    """The editor."""
    with reading() as unit:
        return _page(unit, drafts.current(unit, workflow), request.args.get("at", ROOT))


def _page(
    unit: Unit,
    draft: drafts.Draft,
    at: str,
    body: str | None = None,
    fresh: str = "",
    wanting: str = "",
) -> str:
    world = World.of(unit, draft.data, language())
    if at and at not in world.states:
        at = ROOT
    found = _remarks(unit, draft, world)
    view = request.values.get("view", "outline")
    view = view if view in VIEWS else "outline"
    shown = panel(world, at)
    entity = world.entity
    context: dict[str, Any] = {
        "title": world.said(world.doc.get("title")) or draft.workflow,
        "entity_title": text_of(entity.title, language()) if entity else "",
        "draft": draft,
        "drawn": drawn(unit, draft if draft.version else None),
        "changed_here": drafts.changed_here(unit, draft.workflow),
        "outdated": drafts.outdated(unit, draft),
        "published": unit.app.model.workflows.get(draft.workflow),
        "view": view,
        "views": _views(draft.workflow, at),
        "at": at,
        "chosen": "at" in request.values,
        "panel": shown,
        "tools": _tools(world, at),
        "begins": world.start(),
        "nodes": outline(world, found),
        "graph": graph(world, found),
        "remarks": found,
        "errors": sum(one.severity == Severity.ERROR.value for one in found),
        **_marked(shown, found, at),
        "fresh": fresh,
        "wanting": wanting,
        "states": {id: world.title(id) for id in world.states},
        "options": [world.title(one) for one in drafts.new_options(unit, draft)],
        "body": draft.body if body is None else body,
        "adds": _adds(),
        "what": {"undo": _what(draft.undoes), "redo": _what(draft.redoes)},
        "links": links(draft.workflow),
        "here": address("flows.edit", workflow=draft.workflow, at=at, view=view),
        "address": lambda state: address(
            "flows.edit", workflow=draft.workflow, at=state, view=view
        ),
    }
    return render_template("studio/flow.html", shell=shell(unit), **context)


def _remarks(unit: Unit, draft: drafts.Draft, world: World) -> list[Remark]:
    """Everything wrong with the draft, and what is likely not meant."""
    told = drafts.problems(unit, draft, check_sources)
    return [*remarks(world, told, drafts.path_of(draft.workflow)), *shadows(world)]


def _marked(shown: Panel, found: Sequence[Remark], at: str) -> dict[str, Any]:
    """The problems of what is looked at: beside their inputs, which are unfolded, or above."""
    here = [one for one in found if one.state == at or _comes(shown, one)]
    beside, rest = marks(shown, here)
    unfolded = {
        section.key
        for section in shown.sections
        if any(name.startswith(one.name) for name in beside for one in section.items)
    }
    return {"marked": beside, "own": rest, "unfolded": unfolded}


def _comes(shown: Panel, remark: Remark) -> bool:
    """Whether a problem is about a condition under which a case comes here."""
    return any(remark.pointer.startswith(one.name) for one in shown.arrivals)


def _views(workflow: str, at: str) -> list[tuple[str, str, str, str]]:
    words = {
        "outline": (gettext("Outline"), "list-details"),
        "graph": (gettext("Graph"), "hierarchy-2"),
        "both": (gettext("Side by side"), "columns-3"),
        "json": (gettext("JSON"), "code"),
    }
    return [(key, *words[key], address("flows.edit", workflow=workflow, at=at, view=key))
            for key in VIEWS]  # fmt: skip


def _what(verb: str | None) -> str | None:
    return None if verb is None else str(DONE.get(verb, ""))


def _adds() -> list[tuple[str, str, str, str]]:
    return [
        ("approval", gettext("Approval"), gettext("Somebody decides"), "signature"),
        ("step", gettext("Step"), gettext("Somebody does something"), "circle-dot"),
        ("parallel", gettext("In parallel"), gettext("Branches at the same time"), "columns-3"),
        ("wait", gettext("Wait"), gettext("Goes on after a time"), "hourglass"),
        ("call", gettext("Sub-workflow"), gettext("Starts another workflow"), "sitemap"),
        ("final", gettext("End"), gettext("The case is over"), "flag"),
    ]


def _tools(world: World, at: str) -> dict[str, bool]:
    """What can be done with the state that is looked at."""
    here = spot(world.doc, at)
    parent = spot(world.doc, here.parent)
    kind = kind_of(here.body)
    region = bool(at) and kind_of(parent.body) == "parallel"
    inner = list(parent.body.get("states", {}))
    return {
        "follow": bool(at) and kind not in ("final", "history") and not region,
        "inside": kind in ("compound", "parallel"),
        "up": bool(at) and inner[:1] != [at],
        "down": bool(at) and inner[-1:] != [at],
        "out": bool(here.parent) and not region,
        "in": bool(at) and not region,
        "first": bool(at) and not region and kind not in ("final", "history")
        and parent.body.get("initial") != at,
        "wrap": bool(at) and not region and kind != "final",
        "unwrap": bool(at) and kind == "compound" and not region,
        "delete": bool(at),
        "copy": bool(at) and not region,
    }  # fmt: skip


def links(workflow: str) -> dict[str, str]:
    """The addresses that the page posts to or leads to; what others bring only if it is there."""
    known = current_app.view_functions
    found = {
        name: address(f"flows.{name}", workflow=workflow)
        for name in ("change", "check", "discard", "origin", "undo", "redo")
    }
    for name in ("compare", "publish"):
        found[name] = address(f"flow_release.{name}", workflow=workflow)
    for name in ("walk", "replay"):
        if f"simulation.{name}" in known:
            found[name] = address(f"simulation.{name}", workflow=workflow)
    if "cases.index" in known:
        found["cases"] = address("cases.index", workflow=workflow)
    found["back"] = address("flows.edit", workflow=workflow)
    return {**found, "index": address("flows.index")}


# --- changing ------------------------------------------------------------------------------------


@blueprint.post("/<workflow>/change")
@administrators_only
@patient
def change(workflow: str) -> Response | str | tuple[str, int]:
    """One change; the answer is the page afterwards, or why it was not made."""
    act = act_of(request.form)
    try:
        with writing() as unit:
            draft = drafts.current(unit, workflow)
            version = _version(draft)
            world = World.of(unit, draft.data, language())
            done = perform(world, act)
            saved = canonical(done.doc)
            if saved != draft.body:
                drafts.save(unit, workflow, saved, version, act.verb)
    except EditRefused as refusal:
        return _refused(workflow, act.at, [refusal.problem])
    except Invalid as failure:
        return _refused(workflow, act.at, _worded(failure, act.verb))
    except Conflict as failure:
        return _refused(workflow, act.at, failure.problems)
    return _shown(workflow, done.at, _added(act, done.doc))


def _added(act: Act, doc: Mapping[str, Any]) -> str:
    """Where the entry stands that was just added: it is shown unfolded."""
    if act.verb != "add" or not act.args:
        return ""
    many = value_at(doc, act.args[0])
    return f"{act.args[0]}/{len(many) - 1}" if isinstance(many, list) else ""


def _version(draft: drafts.Draft) -> int:
    said = request.form.get("version", "")
    return int(said) if said.isdecimal() and len(said) < 10 else draft.version


def _worded(failure: Invalid, verb: str) -> Sequence[Problem]:
    """A meta-schema's objection to a change is the change's; to typed JSON, the author's."""
    if verb == "json":
        return failure.problems
    first = failure.problems[0]
    words = {tag: text(first, tag) for tag in LANGUAGES}
    return [Problem("E119", {"reason": words}, first.pointer)]


def _refused(
    workflow: str, at: str, problems: Sequence[Problem]
) -> Response | str | tuple[str, int]:
    with reading() as unit:
        world = World.of(unit, drafts.current(unit, workflow).data, language())
    for one in [named(each, world) for each in problems[:5]]:
        place = f"{one.pointer}: " if request.form.get("op") == "json" and one.pointer else ""
        words = (place + text(one, language()), hint(one, language()))
        flash(" ".join(part for part in words if part), "error")
    if request.form.get("op") == "json":
        with reading() as unit:
            draft = drafts.current(unit, workflow)
            return _page(unit, draft, at, request.form.get("body", "")), 422
    wanting = "delete" if any(one.code == "E116" for one in problems) else ""
    return _shown(workflow, at, wanting=wanting)


def _shown(workflow: str, at: str, fresh: str = "", wanting: str = "") -> Response | str:
    """The page after a change: at once for the script, by a redirect for a plain form."""
    if "X-Flow" in request.headers:
        with reading() as unit:
            draft = drafts.current(unit, workflow)
            return _page(unit, draft, at, fresh=fresh, wanting=wanting)
    view = request.form.get("view", "outline")
    return go(address("flows.edit", workflow=workflow, at=at, view=view))


@blueprint.post("/<workflow>/undo")
@administrators_only
@patient
def undo(workflow: str) -> Response | str | tuple[str, int]:
    """One step back."""
    return _stepped(workflow, -1)


@blueprint.post("/<workflow>/redo")
@administrators_only
@patient
def redo(workflow: str) -> Response | str | tuple[str, int]:
    """One step forward again."""
    return _stepped(workflow, 1)


def _stepped(workflow: str, by: int) -> Response | str | tuple[str, int]:
    at = request.form.get("at", ROOT)
    try:
        with writing() as unit:
            draft = drafts.current(unit, workflow)
            drafts.undo(unit, workflow, _version(draft), by)
    except Conflict as failure:
        return _refused(workflow, at, failure.problems)
    return _shown(workflow, at)


@blueprint.post("/<workflow>/check")
@administrators_only
def check(workflow: str) -> Response:
    """What is wrong with an expression, or what it says in words."""
    with reading() as unit:
        draft = drafts.current(unit, workflow)
        world = World(draft.data, unit.app.model, language())
        source, wanted = request.form.get("source", "")[:1000], request.form.get("wanted", "bool")
        problems = world.judged(source, wanted)
        words = "" if problems or not source.strip() else world.guard(source)
    return jsonify(problems=problems, words=words)


@blueprint.post("/<workflow>/origin")
@administrators_only
@patient
def origin(workflow: str) -> Response | str | tuple[str, int]:
    """The pack's workflow as the draft; what it would change is shown before it is published."""
    try:
        with writing() as unit:
            draft = drafts.current(unit, workflow)
            drafts.restore(unit, workflow, _version(draft))
    except Conflict as failure:
        return _refused(workflow, ROOT, failure.problems)
    return go(address("flow_release.publish", workflow=workflow))


@blueprint.post("/<workflow>/discard")
@administrators_only
@patient
def discard(workflow: str) -> Response:
    """Forget the draft."""
    with writing() as unit:
        drafts.discard(unit, workflow)
        left = workflow in unit.app.model.workflows
    flash(gettext("The draft was discarded."), "success")
    return go(address("flows.edit", workflow=workflow) if left else address("flows.index"))
