"""From draft to published: what differs, what publishing would do, and doing it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, abort, flash, g, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.routing import administrators_only, go, reading
from dougong.shell import shell
from dougong.studio.flow_labels import LABELS
from dougong.studio.flow_world import World, kind_icon, kind_name
from dougong.studio.flows import links
from engine.definitions.canonical import canonical
from engine.definitions.flow_tree import spots
from engine.packs import check_sources
from engine.problems import Severity, text
from engine.records import flow_drafts as drafts
from engine.records.administration.versions import running
from engine.records.explaining.difference import NOTHING
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.publish import WHATEVER
from engine.records.unit import Unit

blueprint = Blueprint("flow_release", __name__, url_prefix="/<company>/admin/workflows")


@blueprint.get("/<workflow>/compare")
@administrators_only
def compare(workflow: str) -> str:
    """The draft beside what is in force."""
    with reading() as unit:
        draft = drafts.current(unit, workflow)
        flow = unit.app.model.workflows.get(workflow)
        old = canonical(flow.chart) if flow else ""
        world = World.of(unit, draft.data, language())
        before = World.of(unit, dict(flow.chart), language()) if flow else None
        return render_template(
            "studio/flow_compare.html",
            shell=shell(unit),
            title=gettext("Compare"),
            flow=world.said(world.doc.get("title")) or workflow,
            lines=_side_by_side(old, draft.body),
            words=_differences(before, world),
            back=url_for("flows.edit", workflow=workflow),
            links=links(workflow),
            same=old == draft.body,
        )


@dataclass(frozen=True)
class Difference:
    """A state that is new, gone or changed, and its keys that differ."""

    sign: str
    title: str
    kind: str
    icon: str
    id: str
    keys: Sequence[str] = ()


def _differences(old: World | None, new: World) -> list[Difference]:
    before = {one.id: one for one in spots(old.doc)} if old else {}
    now = {one.id: one for one in spots(new.doc)}
    found = []
    for id, one in now.items():
        there = before.get(id)
        title, kind = new.title(id) or gettext("Workflow"), kind_name(one.body) if id else ""
        icon = kind_icon(one.body) if id else "sitemap"
        if there is None:
            found.append(Difference("+", title, kind, icon, id))
            continue
        keys = [
            key
            for key in dict.fromkeys([*there.body, *one.body])
            if key not in ("states", "version") and there.body.get(key) != one.body.get(key)
        ]
        if keys:
            said = [str(LABELS.get(key, key)) for key in keys]
            found.append(Difference("~", title, kind, icon, id, said))
    for id, one in before.items():
        if id not in now and old is not None:
            found.append(
                Difference("-", old.title(id), kind_name(one.body), kind_icon(one.body), id)
            )
    return found


def _side_by_side(old: str, new: str) -> list[tuple[str, str, str]]:
    """Lines of both texts: sign, left, right; long equal stretches are left out."""
    left, right = old.splitlines(), new.splitlines()
    found: list[tuple[str, str, str]] = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for group in matcher.get_grouped_opcodes(3):
        if found:
            found.append(("…", "", ""))
        for tag, a, b, c, d in group:
            if tag == "equal":
                found += [(" ", one, one) for one in left[a:b]]
                continue
            size = max(b - a, d - c)
            one_side = left[a:b] + [""] * (size - (b - a))
            other = right[c:d] + [""] * (size - (d - c))
            found += [("~", one, two) for one, two in zip(one_side, other, strict=True)]
    return found


@blueprint.get("/<workflow>/publish")
@administrators_only
def publish(workflow: str) -> str | tuple[str, int]:
    """What publishing would do."""
    with reading() as unit:
        return _publish_page(unit, workflow)


def _publish_page(unit: Unit, workflow: str, said: Sequence[str] = (), note: str = "") -> str:
    draft = drafts.current(unit, workflow)
    world = World.of(unit, draft.data, language())
    flow = unit.app.model.workflows.get(workflow)
    sentences: list[str] = []
    rights = NOTHING
    warnings: list[str] = []
    errors = list(said)
    try:
        plan = drafts.plan(unit, draft, check_sources)
        sentences = plan.sentences(language())
        rights = plan.rights
        warnings = [text(one, language()) for one in plan.problems
                    if one.severity is Severity.WARNING]  # fmt: skip
        errors += [text(one, language()) for one in plan.problems
                   if one.severity is Severity.ERROR]  # fmt: skip
    except Invalid as failure:
        errors += [text(one, language()) for one in failure.problems]
    before = World.of(unit, dict(flow.chart), language()) if flow else None
    return render_template(
        "studio/flow_publish.html",
        shell=shell(unit),
        title=gettext("Publish"),
        flow=world.said(world.doc.get("title")) or workflow,
        draft=draft,
        words=_differences(before, world),
        sentences=sentences,
        warnings=warnings,
        errors=errors,
        outdated=drafts.outdated(unit, draft),
        options=[world.title(one) for one in drafts.new_options(unit, draft)],
        cases=next((one for one in running(unit) if one.workflow == workflow), None),
        note=note,
        rights=rights.sentences(language()),
        rights_hash=rights.hash,
        back=url_for("flows.edit", workflow=workflow),
        links=links(workflow),
    )


@blueprint.post("/<workflow>/publish")
@administrators_only
def published(workflow: str) -> Response | tuple[str, int]:
    """Put the draft into force."""
    note = request.form.get("note", "").strip()[:500]
    said = request.form.get("version", "")
    version = int(said) if said.isdecimal() and len(said) < 10 else 0
    try:
        seen = request.form.get("acknowledged", "").strip(WHATEVER)[:64]
        drafts.publish(g.company, workflow, version, g.actor, note, check_sources, seen)
    except NotFound:
        abort(404)
    except Failure as failure:
        told = [text(one, language()) for one in failure.problems]
        with reading() as unit:
            return _publish_page(unit, workflow, told, note), 422
    flash(gettext("Published. New cases follow the new version."), "success")
    return go(url_for("flows.edit", workflow=workflow))
