"""The workflow that an administrator is drawing: one draft per workflow, shared by the company.

A draft is the whole document as canonical text, always in order as far as the meta-schema goes;
what it means may still be wrong until it is published. Every change is a step that can be undone,
also tomorrow and by somebody else. Publishing puts the document into the company's own layer,
whole, and gives the field that shows the state the options it lacks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.canonical import canonical, fingerprint
from engine.definitions.checking import check as check_schema
from engine.definitions.document import Document, Findings, Merged
from engine.definitions.flows import logic, parse_workflow
from engine.definitions.layers import stack
from engine.definitions.load import load
from engine.definitions.model import Entity, Label, Model, Option, Workflow
from engine.fields import USER
from engine.problems import Problem, Severity
from engine.records.application import Application
from engine.records.company import Company
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.flows.env import known
from engine.records.labels import names_of
from engine.records.outlook import Outlook, look_ahead
from engine.records.publish import Check
from engine.records.publish import publish as put_in_force
from engine.records.unit import Actor, Unit
from engine.tables import system
from engine.workflow import check_chart, compile_chart

_DRAFT, _STEP = system.WF_DRAFT, system.WF_DRAFT_STEP
KEPT: Final = 100  # steps that can be undone
_SCHEMA: Final = "https://dougong.dev/schema/workflow-1.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, or with `version` 0 what is in force, which nobody has changed yet."""

    workflow: str
    body: str
    version: int = 0
    base: str = ""
    by: int | None = None
    at: datetime | None = None
    undoes: str | None = None  # the change that undo takes back; None when there is none
    redoes: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The document."""
        document, _ = load(f"{self.workflow}.json", self.body)
        found: dict[str, Any] = document.data
        return found


def path_of(workflow: str) -> str:
    """Where the company keeps a workflow of its own."""
    return f"overlay/workflows/{workflow}.json"


# --- reading -------------------------------------------------------------------------------------


def draft_of(unit: Unit, workflow: str) -> Draft | None:
    """The draft of a workflow."""
    row = unit.connection.execute(sa.select(_DRAFT).where(_DRAFT.c.workflow == workflow)).first()
    if row is None:
        return None
    steps = sa.select(_STEP.c.number, _STEP.c.what).where(_STEP.c.workflow == workflow)
    known = {row.number: row.what for row in unit.connection.execute(steps)}
    here = row.step or 0
    return Draft(
        workflow,
        row.body,
        row.version,
        row.base_hash,
        row.by_id,
        row.at,
        known.get(here) if here - 1 in known else None,
        known.get(here + 1),
    )


def current(unit: Unit, workflow: str) -> Draft:
    """The draft, else what is in force.

    Raises: NotFound.
    """
    found = draft_of(unit, workflow)
    if found is not None:
        return found
    flow = unit.app.model.workflows.get(workflow)
    if flow is None:
        raise NotFound
    return Draft(workflow, canonical(flow.chart), base=flow.hash)


def drafts(unit: Unit) -> dict[str, Draft]:
    """All drafts by workflow."""
    names = unit.connection.scalars(sa.select(_DRAFT.c.workflow).order_by(_DRAFT.c.workflow))
    found = [draft_of(unit, name) for name in names.all()]
    return {one.workflow: one for one in found if one is not None}


def outdated(unit: Unit, draft: Draft) -> bool:
    """Whether the workflow was published otherwise since the draft was begun."""
    flow = unit.app.model.workflows.get(draft.workflow)
    return bool(draft.version) and draft.base != (flow.hash if flow else "")


# --- writing -------------------------------------------------------------------------------------


def save(unit: Unit, workflow: str, body: str, version: int, what: str = "") -> Draft:
    """Keep a changed document as the next step of the draft. `version` is the draft's that was
    changed (0: what is in force).

    Raises: NotFound, Invalid for a text that the meta-schema refuses, Conflict when somebody else
    was faster.
    """
    _allowed(unit)
    text = checked(workflow, body)
    found = _held(unit, workflow, version)
    if found is not None and found.body == text:
        return found
    if found is None:
        _begin(unit, workflow)
    here = _step(unit, workflow)
    later = (_STEP.c.workflow == workflow) & (_STEP.c.number > here)
    oldest = (_STEP.c.workflow == workflow) & (_STEP.c.number <= here - KEPT)
    unit.connection.execute(sa.delete(_STEP).where(sa.or_(later, oldest)))
    _add_step(unit, workflow, here + 1, text, what)
    return _stand(unit, workflow, here + 1, text)


def undo(unit: Unit, workflow: str, version: int, by: int = -1) -> Draft:
    """One step back (`by` 1: forward again); at the end of the steps nothing happens.

    Raises: NotFound, Conflict.
    """
    _allowed(unit)
    found = _held(unit, workflow, version)
    if found is None:
        raise NotFound
    number = _step(unit, workflow) + by
    where = (_STEP.c.workflow == workflow) & (_STEP.c.number == number)
    text = unit.connection.scalar(sa.select(_STEP.c.body).where(where))
    return found if text is None else _stand(unit, workflow, number, text)


def restore(unit: Unit, workflow: str, version: int) -> Draft:
    """The pack's workflow as the next step of the draft: publishing it gives up the company's own.

    Raises: NotFound without one, Conflict.
    """
    origin = origin_of(unit, workflow)
    if origin is None:
        raise NotFound
    return save(unit, workflow, canonical(origin), version, "origin")


def origin_of(unit: Unit, workflow: str) -> dict[str, Any] | None:
    """The workflow as the pack says it, without the company's own layer; None for none."""
    sources = dict(unit.app.sources)
    if sources.pop(path_of(workflow), None) is None:
        found = unit.app.model.workflows.get(workflow)
        return dict(found.chart) if found else None
    merged = stack(sources, _pack(unit)).workflows.get(workflow)
    return dict(merged.data) if merged else None


def changed_here(unit: Unit, workflow: str) -> bool:
    """Whether the company has put a workflow of its own in the place of the pack's."""
    return path_of(workflow) in unit.app.sources and origin_of(unit, workflow) is not None


def discard(unit: Unit, workflow: str) -> None:
    """Forget the draft and its steps."""
    _allowed(unit)
    unit.connection.execute(sa.delete(_DRAFT).where(_DRAFT.c.workflow == workflow))
    unit.connection.execute(sa.delete(_STEP).where(_STEP.c.workflow == workflow))


def start(unit: Unit, workflow: str, entity: Entity, state_field: str, title: Label) -> Draft:
    """The draft of a new workflow: a state for every option of the state field, else a first
    approval with its two ends.

    Raises: Conflict when there is one of that name.
    """
    _allowed(unit)
    if workflow in unit.app.model.workflows or draft_of(unit, workflow) is not None:
        raise Conflict([Problem("E121", {"workflow": workflow})])
    field = entity.fields.get(state_field)
    states = _chained({one.value: one.title for one in field.options}) if field else _simple()
    document = {
        "$schema": _SCHEMA,
        "id": workflow,
        "version": 1,
        "entity": entity.name,
        **({"stateField": state_field} if field else {}),
        "title": dict(title),
        "trigger": {"on": "create"},
        "initial": next(iter(states)),
        "states": states,
    }
    return save(unit, workflow, canonical(document), 0)


def checked(workflow: str, body: str) -> str:
    """The canonical text of a document that the meta-schema accepts.

    Raises: Invalid with everything it objects to.
    """
    document, problems = load(path_of(workflow), body)
    findings = Findings(Merged(workflow, document.data, [document]))
    if document.usable:
        check_schema("workflow", document.data, findings)
        if document.data.get("id", workflow) != workflow:
            findings.add("D017", "/id", name=document.data["id"], wanted=workflow)
    wrong = [one for one in (*problems, *findings.problems) if one.severity is Severity.ERROR]
    if wrong:
        raise Invalid(wrong)
    return canonical(document.data)


def _allowed(unit: Unit) -> None:
    if not unit.administers:
        raise NotFound


def _held(unit: Unit, workflow: str, version: int) -> Draft | None:
    """The draft, locked, when it still is the one that was changed."""
    where = _DRAFT.c.workflow == workflow
    unit.connection.execute(sa.select(_DRAFT.c.version).where(where).with_for_update())
    found = draft_of(unit, workflow)
    if (found.version if found else 0) != version:
        name, at = "", None
        if found is not None and found.by is not None:
            name = names_of(unit, {USER: [found.by]}).label(USER, found.by)
            at = found.at
        when = at.astimezone(unit.zone).strftime("%Y-%m-%d %H:%M") if at else ""
        raise Conflict([Problem("E120" if name else "E122", {"by": name, "at": when})])
    return found


def _begin(unit: Unit, workflow: str) -> None:
    """The row, and what is in force as the step to which everything can be undone."""
    flow = unit.app.model.workflows.get(workflow)
    before = canonical(flow.chart) if flow else ""
    values = {"base_hash": flow.hash if flow else "", "by_id": unit.actor.id or None}
    unit.connection.execute(
        sa.insert(_DRAFT).values(
            workflow=workflow, body=before, at=unit.now, version=0, step=0, **values
        )
    )
    if flow is not None:
        _add_step(unit, workflow, 0, before, "")


def _step(unit: Unit, workflow: str) -> int:
    found = unit.connection.scalar(sa.select(_DRAFT.c.step).where(_DRAFT.c.workflow == workflow))
    return int(found or 0)


def _add_step(unit: Unit, workflow: str, number: int, body: str, what: str) -> None:
    values = {"workflow": workflow, "number": number, "body": body, "what": what}
    values |= {"by_id": unit.actor.id or None, "at": unit.now}
    unit.connection.execute(sa.insert(_STEP).values(**values))


def _stand(unit: Unit, workflow: str, step: int, body: str) -> Draft:
    changed = {"body": body, "by_id": unit.actor.id or None, "at": unit.now, "step": step}
    unit.connection.execute(
        sa.update(_DRAFT)
        .where(_DRAFT.c.workflow == workflow)
        .values(version=_DRAFT.c.version + 1, **changed)
    )
    found = draft_of(unit, workflow)
    assert found is not None
    return found


def _chained(options: Mapping[str, Label]) -> dict[str, Any]:
    """One state after the other, in the order of the options; the last one ends it."""
    names = list(options)
    button = {"zh-CN": "下一步", "en": "Next"}
    states: dict[str, Any] = {}
    for name, onward in zip(names, [*names[1:], ""], strict=True):
        title = {"title": dict(options[name])} if options[name] else {}
        if not onward:
            states[name] = {"type": "final", **title}
            continue
        arrow = {"target": onward, "title": button}
        states[name] = {**title, "may": {"next": {"starter": True}}, "on": {"next": arrow}}
    return states


def _simple() -> dict[str, Any]:
    submit = {"target": "approval", "title": {"zh-CN": "提交", "en": "Submit"}}
    return {
        "draft": {
            "title": {"zh-CN": "草稿", "en": "Draft"},
            "may": {"submit": {"starter": True}},
            "on": {"submit": submit},
        },
        "approval": {
            "type": "approval",
            "title": {"zh-CN": "审批", "en": "Approval"},
            "assignees": [{"supervisor": 1}],
            "quorum": "any",
            "empty": "admin",
            "comment": "on-reject",
            "onDone": {"approved": "approved", "rejected": "draft"},
        },
        "approved": {"type": "final", "title": {"zh-CN": "已通过", "en": "Approved"}},
    }


# --- what publishing would mean ------------------------------------------------------------------


def sources_with(unit: Unit, draft: Draft) -> dict[str, str]:
    """The company's sources with the draft in force."""
    app = unit.app
    document = draft.data
    document["version"] = _number(app.model, draft.workflow, document)
    sources = {**app.sources, path_of(draft.workflow): canonical(document)}
    if patch := _missing_options(unit, draft.workflow, document):
        path = f"overlay/{document['entity']}.json"
        there, _ = load(path, sources.get(path, "{}"))
        sources[path] = canonical(_layered(there.data, patch))
    return sources


def sources_after(unit: Unit, draft: Draft) -> dict[str, str]:
    """The company's sources once the draft is published: one that says what the pack says leaves
    no file behind, so that the pack's later versions are followed again."""
    sources = sources_with(unit, draft)
    origin = origin_of(unit, draft.workflow)
    if origin is not None:
        document = {**draft.data, "version": origin["version"]}
        if canonical(document) == canonical(origin):
            del sources[path_of(draft.workflow)]
    return sources


def new_options(unit: Unit, draft: Draft) -> list[str]:
    """The states that the state field will get as options."""
    return [one.value for one in _lacking(unit.app.model, draft.workflow, draft.data)]


def problems(unit: Unit, draft: Draft, check: Check) -> list[Problem]:
    """Everything wrong with the company's definitions if the draft were in force: of the draft
    itself all, of the rest the errors. `check` is `engine.packs.check_sources`."""
    model, found = _checked(unit, draft, check)
    own = path_of(draft.workflow)
    told = [one for one in found if one.file == own or one.severity is Severity.ERROR]
    return [*told, *_nobody(unit, draft, model)]


def _nobody(unit: Unit, draft: Draft, model: Model | None) -> Iterator[Problem]:
    """Steps that nobody in the company could take today."""
    flow = model.workflows.get(draft.workflow) if model else None
    if model is None or flow is None:
        return
    of_itself = check_chart(flow, model)
    yield from (one for one in check_chart(flow, model, known(unit)) if one not in of_itself)


def plan(unit: Unit, draft: Draft, check: Check) -> Outlook:
    """What publishing the draft would do.

    Raises: Invalid for a draft with errors.
    """
    sources = json.dumps(sources_after(unit, draft), sort_keys=True)
    model, found = _remembered(check, sources, _pack(unit))
    if model is None:
        raise Invalid([one for one in found if one.severity is Severity.ERROR])
    return look_ahead(unit.app, unit.connection, model)


def publish(
    company: Company,
    workflow: str,
    version: int,
    actor: Actor,
    note: str,
    check: Check,
    acknowledged: str = "",
) -> Application:
    """Put the draft into force and forget it. `acknowledged`: see `engine.records.publish`.

    Raises: NotFound, Invalid, Conflict, Busy.
    """
    with company.unit(actor) as unit:
        _allowed(unit)
        draft = draft_of(unit, workflow)
        if draft is None:
            raise NotFound
        if draft.version != version:
            raise Conflict([Problem("E122", {})])
        sources, pack, seen = sources_after(unit, draft), _pack(unit), unit.app.version
    app = put_in_force(
        company, sources, pack, actor, note, check=check, after=seen, acknowledged=acknowledged
    )
    with company.unit(actor, write=True, source="command") as unit:
        left = draft_of(unit, workflow)
        if left is not None and left.version == version:
            discard(unit, workflow)
    return app


def _pack(unit: Unit) -> str:
    table = system.VERSION
    found = sa.select(table.c.pack).where(table.c.id == unit.app.version)
    return str(unit.connection.scalar(found))


def _checked(unit: Unit, draft: Draft, check: Check) -> tuple[Model | None, list[Problem]]:
    sources = sources_with(unit, draft)
    return _remembered(check, json.dumps(sources, sort_keys=True), _pack(unit))


@lru_cache(maxsize=16)
def _remembered(check: Check, sources: str, pack: str) -> tuple[Model | None, list[Problem]]:
    """A page is looked at more often than it is changed."""
    return check(json.loads(sources), pack)


def _number(model: Model, workflow: str, document: Mapping[str, Any]) -> int:
    """The version to publish under: one more when the logic differs from what is in force."""
    flow = model.workflows.get(workflow)
    if flow is None:
        return int(document["version"])
    same = fingerprint(logic({**document, "version": flow.version})) == flow.hash
    return flow.version if same else max(flow.version + 1, int(document["version"]))


def parsed(workflow: str, document: Mapping[str, Any], language: str) -> Workflow:
    """The document as the workflow of a model, for whoever compiles its chart."""
    about = Document(path_of(workflow), "", document)
    return parse_workflow(Merged(workflow, document, [about]), document, language)


def _lacking(model: Model, workflow: str, document: Mapping[str, Any]) -> list[Option]:
    entity = model.entities.get(str(document.get("entity")))
    field = entity.fields.get(str(document.get("stateField", ""))) if entity else None
    if field is None or field.type != "choice":
        return []
    chart = compile_chart(parsed(workflow, document, model.default_language))
    known = {option.value for option in field.options}
    shown = [one for one in chart.reportable() if one not in known]
    return [Option(one, chart.states[one].title or {"": one}) for one in dict.fromkeys(shown)]


def _missing_options(unit: Unit, workflow: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """What the entity's overlay must say so that its state field knows every state. Options that
    are shared by reference are written out: they are this field's alone from then on."""
    model = unit.app.model
    lacking = _lacking(model, workflow, document)
    if not lacking:
        return {}
    entity, name = str(document["entity"]), str(document["stateField"])
    field = model.entities[entity].fields[name]
    options = [_option(model, one) for one in (*field.options, *lacking)]
    layers = stack(unit.app.sources, _pack(unit))
    said = layers.entities[entity].data["properties"][name]
    shared: dict[str, Any] = {}
    reference = said.get("$ref")
    common = layers.entities.get("common")
    if reference and common:
        piece = common.data.get("$defs", {}).get(str(reference).rpartition("/")[2], {})
        shared = {"$ref": None, **{key: one for key, one in piece.items() if key not in said}}
    return {"properties": {name: {**shared, "oneOf": options}}}


def _layered(there: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Two patches as one: unlike `overlay.merge`, a null stays, because it still has to delete."""
    found = dict(there)
    for key, value in patch.items():
        old = found.get(key)
        deeper = isinstance(value, Mapping) and isinstance(old, Mapping)
        found[key] = _layered(old or {}, value) if deeper else value
    return found


def _option(model: Model, option: Option) -> dict[str, Any]:
    first, title = model.default_language, option.title
    own = title.get(first) or next(iter(title.values()), option.value)
    others = {tag: text for tag, text in title.items() if tag not in (first, "")}
    more = {"x-i18n": others} if others else {}
    color = {"x-ui": {"color": option.color}} if option.color else {}
    return {"const": option.value, "title": own, **more, **color}
