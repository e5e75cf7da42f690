"""Forms: new, change, copy, quick create, and what a form asks while it is being filled in."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    make_response,
    render_template,
    request,
    send_file,
    url_for,
)
from flask_babel import gettext

from dougong.failures import status_of
from dougong.i18n import language
from dougong.pace import paced
from dougong.pooled import opened
from dougong.present import ago, plain
from dougong.routing import go, login_required, reading, writing
from dougong.sheets import (
    UPLOAD,
    Posted,
    Sheet,
    answer,
    copied,
    field_of,
    pointer_of,
    prefilled,
    quick_layout,
    without,
)
from dougong.shell import shell
from engine.definitions.model import Entity, text_of
from engine.fields import bind
from engine.fields.regions import children
from engine.forms.build import PREFIX
from engine.problems import Problem
from engine.records import files, once
from engine.records import writing as records
from engine.records.drafts import Draft, draft_of, drop_draft, keep_draft
from engine.records.failures import Busy, Invalid, Stale
from engine.records.history import values_at
from engine.records.labels import label_of, names_for
from engine.records.lookups import Choice, users
from engine.records.lookups import lookup as look_up
from engine.records.reading import Record, read
from engine.records.unit import Unit

blueprint = Blueprint("forms", __name__, url_prefix="/<company>/e")

T = TypeVar("T")
NOT_FIELDS = frozenset({"csrf_token", "version", "token", "then"})


# --- new ---------------------------------------------------------------------------------------
@blueprint.get("/<entity>/new")
@login_required
def new(entity: str) -> str:
    """An empty form, or one that begins as a copy, a draft or what the address says."""
    if source := request.args.get("copy", type=int):
        opened(entity, source)
    with reading() as unit:
        if "draft" in request.args and (found := draft_of(unit, entity, None)):
            return _page(Sheet(unit, entity, posted=_posted_of(found)))
        given = copied(unit, entity, source) if source else prefilled(unit, entity, request.args)
        return _page(Sheet(unit, entity, given=given), draft=draft_of(unit, entity, None))


@blueprint.post("/<entity>/new")
@login_required
def create(entity: str) -> Response:
    """Save a new record."""
    posted, refused = _posted(entity)
    try:
        record, title = _again(lambda: _created(entity, posted, refused))
    except (Invalid, Busy) as failure:
        with reading() as unit:
            page = _page(Sheet(unit, entity, posted=posted), failure.problems)
            return make_response(page, status_of(failure))
    flash(gettext("%(title)s was saved.", title=title), "success")
    if request.form.get("then") == "new":
        return go(url_for("forms.new", entity=entity))
    return go(url_for("records.show", entity=entity, id=record["id"]))


def _created(entity: str, posted: Posted, refused: Sequence[Problem]) -> tuple[Record, str]:
    """The record of a posted form and its name."""
    with writing() as unit, _with(refused):
        record = _create(unit, entity, posted)
        drop_draft(unit, entity, None)
        return record, label_of(unit, entity, record)


@contextmanager
def _with(refused: Sequence[Problem]) -> Iterator[None]:
    """Save nothing when there are refused files, and name them beside whatever else is wrong."""
    try:
        yield
    except Invalid as invalid:
        raise Invalid([*refused, *invalid.problems]) from invalid
    if refused:
        raise Invalid(refused)


def _again(save: Callable[[], T]) -> T:
    """What `save` gives, asked once more when somebody else wrote at that very moment: a form is
    known by its token or its version, so nothing happens twice."""
    try:
        return save()
    except Busy:
        return save()


def _create(unit: Unit, entity: str, posted: Posted) -> Record:
    """The record of a posted form: a new one, or the one that this very form has made before."""
    token = request.form.get("token", "")
    if token and (made := once.claim(unit, token, entity)):
        return read(unit, entity, made)
    record = records.create(unit, entity, Sheet(unit, entity, posted=posted).raw(), zone=unit.zone)
    if token:
        once.settle(unit, token, record["id"])
    return record


# --- change ------------------------------------------------------------------------------------
@blueprint.get("/<entity>/<int:id>/edit")
@login_required
def edit(entity: str, id: int) -> str:
    """The form of a stored record."""
    opened(entity, id)
    with reading() as unit:
        draft = draft_of(unit, entity, id)
        if "draft" in request.args and draft:
            return _page(Sheet(unit, entity, id, posted=_posted_of(draft)))
        return _page(Sheet(unit, entity, id), draft=draft)


@blueprint.post("/<entity>/<int:id>/edit")
@login_required
def save(entity: str, id: int) -> Response:
    """Save a change."""
    posted, refused = _posted(entity)
    version = request.form.get("version", type=int)

    def changed() -> str:
        with writing() as unit, _with(refused):
            sheet = Sheet(unit, entity, id, posted=posted)
            record = records.change(unit, entity, id, sheet.raw(), version, zone=unit.zone)
            drop_draft(unit, entity, id)
            return label_of(unit, entity, record)

    try:
        title = _again(changed)
    except (Invalid, Busy) as failure:
        with reading() as unit:
            page = _page(Sheet(unit, entity, id, posted=posted), failure.problems, version=version)
            return make_response(page, status_of(failure))
    except Stale as stale:
        with reading() as unit:
            return make_response(_late(unit, entity, id, posted, version or 0, stale), 409)
    flash(gettext("%(title)s was saved.", title=title), "success")
    return go(url_for("records.show", entity=entity, id=id))


def _late(unit: Unit, entity: str, id: int, posted: Posted, version: int, stale: Stale) -> str:
    """The form after somebody else was faster: what only he changed is taken over, what both
    changed is named, and saving again is a decision made with both values in sight."""
    sheet = Sheet(unit, entity, id, posted=posted)
    typed = sheet.form.values()
    seen = values_at(unit, entity, id, version)  # of fields that others have changed since
    taken, changes = [], []
    names = names_for(unit, sheet.entity, [stale.current, typed])
    for name, before in seen.items():
        if name not in typed:
            continue
        field = sheet.entity.fields[name]
        if not bind(field).changed(before, typed[name]):
            taken.append(name)
            continue
        changes.append(
            {
                "title": text_of(field.title, language()),
                "mine": plain(field, typed[name], language(), names),
                "theirs": plain(field, stale.current.get(name), language(), names),
            }
        )
    told = {
        "who": stale.by or gettext("Somebody"),
        "when": ago(stale.at or unit.now, unit.now, language()),
        "changes": changes,
    }
    merged = Sheet(unit, entity, id, posted=without(posted, taken))
    return _page(merged, version=stale.current["version"], stale=told)


def _page(
    sheet: Sheet,
    problems: Sequence[Problem] = (),
    *,
    version: int | None = None,
    draft: Draft | None = None,
    stale: Mapping[str, Any] | None = None,
) -> str:
    """The form page."""
    unit, entity, id = sheet.unit, sheet.entity, sheet.id
    list_href = url_for("lists.index", entity=entity.name)
    named = _named(entity)
    if id is None:
        here = url_for("forms.new", entity=entity.name)
        title, record = gettext("New %(entity)s", entity=named["title"]), None
    else:
        here = url_for("forms.edit", entity=entity.name, id=id)
        label, back = label_of(unit, entity.name, sheet.record), _show(entity, id)
        title = gettext("Edit %(title)s", title=label)
        shown = version or sheet.record["version"]
        record = {"id": id, "title": label, "version": shown, "href": back}
    return render_template(
        "form.html",
        shell=shell(unit),
        title=title,
        entity=named,
        list_href=list_href,
        action=here,
        cancel_href=record["href"] if record else list_href,
        record=record,
        form=sheet.draw(problems),
        effects_url=url_for("forms.effects", entity=entity.name, id=id),
        draft_url=url_for("forms.draft", entity=entity.name, id=id),
        draft=_drafted(unit, draft, here),
        stale=stale,
        token=request.form.get("token") or secrets.token_urlsafe(18),
        largest_file=files.LARGEST,
        save_next=True,
    )


def _posted(entity: str) -> tuple[Posted, list[Problem]]:
    """What was posted, with new files stored and their ids among the values: a form that comes
    back with problems still has them. Files that no record takes are cleared away later. And what
    is wrong with files that are not allowed, each at its field.
    """
    refused: list[Problem] = []
    posted = Posted(request.form)
    uploads = [
        (key.removesuffix(UPLOAD), upload)
        for key, upload in request.files.items(multi=True)
        if key.endswith(UPLOAD) and upload.filename
    ]
    if not uploads:
        return posted, refused
    with writing() as unit:
        for name, upload in uploads:
            field = field_of(unit.entity(entity), name)
            if field is None or field.type not in ("file", "image"):
                abort(400)
            try:
                kept = files.store_upload(unit, upload.filename or "", upload.stream, field=field)
            except (Invalid, Busy) as failure:
                refused += [replace(one, pointer=pointer_of(name)) for one in failure.problems]
                continue
            id = str(kept)
            if bind(field).many:
                posted.add(name, id)
            else:
                posted[name] = id
    return posted, refused


def _posted_of(draft: Draft) -> Posted:
    """A draft as the post it was."""
    return Posted([(key, value) for key, values in draft.body.items() for value in values])


def _drafted(unit: Unit, draft: Draft | None, here: str) -> dict[str, str] | None:
    if draft is None:
        return None
    return {"when": ago(draft.at, unit.now, language()), "restore_href": f"{here}?draft=1"}


def _named(entity: Entity) -> dict[str, str]:
    return {
        "name": entity.name,
        "title": text_of(entity.title, language()),
        "plural": text_of(entity.plural, language()),
        "icon": entity.icon,
    }


def _show(entity: Entity, id: int) -> str:
    return url_for("records.show", entity=entity.name, id=id)


# --- while a form is being filled in -----------------------------------------------------------
@blueprint.post("/<entity>/effects")
@login_required
def effects(entity: str) -> Response:
    """What rules and formulas say about the form as it stands; saves nothing."""
    id = request.args.get("id", type=int)
    with reading() as unit:
        return jsonify(answer(Sheet(unit, entity, id, posted=request.form)))


@blueprint.post("/<entity>/draft")
@login_required
def draft(entity: str) -> Response:
    """Keep what was typed so far."""
    id = request.args.get("id", type=int)
    body = {key: request.form.getlist(key) for key in request.form if key not in NOT_FIELDS}
    with writing() as unit:
        unit.entity(entity)
        keep_draft(unit, entity, id, body, request.form.get("version", type=int))
    return jsonify(ok=True)


@blueprint.delete("/<entity>/draft")
@login_required
def forget_draft(entity: str) -> Response:
    """Forget what was typed."""
    with writing() as unit:
        drop_draft(unit, entity, request.args.get("id", type=int))
    return jsonify(ok=True)


@blueprint.get("/<entity>/lookup/<field>")
@login_required
@paced("lookup")
def lookup(entity: str, field: str) -> Response:
    """Records (people, departments, regions) that a field may point at."""
    if "parent" in request.args:
        inside = children(request.args["parent"])
        return jsonify(items=[{"value": place.code, "label": place.name} for place in inside])
    with reading() as unit:
        if field == "@user":
            people = users(unit, request.args.get("q", ""))
            return jsonify(items=[_choice(one) for one in people])
        needs = request.args.getlist("needs")
        given = {name: request.args.get(PREFIX + name, "") for name in needs}
        # a filter asks for what was ever chosen, not for what may be chosen now
        record = None if "any" in request.args else prefilled(unit, entity, given)
        found = look_up(unit, entity, field, request.args.get("q", ""), record=record)
        return jsonify(items=[_choice(one) for one in found])


def _choice(one: Choice) -> dict[str, Any]:
    return {"value": one.id, "label": one.label, "hint": one.note}


@blueprint.get("/<entity>/quick")
@login_required
def quick(entity: str) -> str:
    """The short form shown beside a picker."""
    with reading() as unit:
        return _quick_page(Sheet(unit, entity))


@blueprint.post("/<entity>/quick")
@login_required
def quick_create(entity: str) -> Response:
    """Create from the short form; a script is told what to choose."""
    posted, refused = _posted(entity)
    try:
        record, label = _created(entity, posted, refused)
    except Invalid as invalid:
        with reading() as unit:
            page = _quick_page(Sheet(unit, entity, posted=posted), invalid.problems)
            return make_response(page, 422)
    if request.accept_mimetypes.best == "application/json":
        return jsonify(value=record["id"], label=label)
    return go(url_for("records.show", entity=entity, id=record["id"]))


def _quick_page(sheet: Sheet, problems: Sequence[Problem] = ()) -> str:
    named = _named(sheet.entity)
    return render_template(
        "quick.html",
        shell=shell(sheet.unit),
        title=gettext("New %(entity)s", entity=named["title"]),
        action=url_for("forms.quick", entity=sheet.entity.name),
        form=sheet.draw(problems, quick_layout(sheet)),
        largest_file=files.LARGEST,
    )


# --- files -------------------------------------------------------------------------------------
@blueprint.get("/@file/<int:id>")
@login_required
def download(id: int) -> Response:
    """A stored file, for those who may read the field that holds it. Never shown in the page:
    scripts of our own origin may run."""
    with reading() as unit:
        found, path = files.open_file(unit, id)
    return send_file(
        path,
        mimetype="application/octet-stream",
        as_attachment=True,
        download_name=found.name,
        etag=found.sha256,
    )
