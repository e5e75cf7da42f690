"""The record page: what is known of a record, what happened to it, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext

from dougong import present
from dougong.i18n import language
from dougong.present import Happening, Reader
from dougong.routing import go, login_required, reading, writing
from dougong.sheets import Sheet
from dougong.shell import shell
from engine.access import Level
from engine.definitions.model import Entity, Field, text_of
from engine.fields import Cell, bind
from engine.forms import form_layout
from engine.lists import Query, Sort, default_query, parse_query
from engine.problems import Severity, text
from engine.records import flows, reading as records, removing
from engine.records.comments import add_comment, comments
from engine.records.failures import Failure, NotFound
from engine.records.history import history, history_names
from engine.records.labels import label_of, names_for, names_of
from engine.records.unit import Unit

blueprint = Blueprint("records", __name__, url_prefix="/<company>/e/<entity>/<int:id>")

RELATED_ROWS: Final = 5
RELATED_COLUMNS: Final = 5
TIMELINE: Final = 30
BADGES: Final = 3


@blueprint.get("")
@login_required
def show(entity: str, id: int) -> str:
    """One record, also one in the recycle bin for those who may restore it."""
    with reading() as unit:
        try:
            page = _Page(unit, entity, id)
        except NotFound:
            page = _Page(unit, entity, id, removed=True)
        return render_template("record.html", shell=shell(unit), **page.context())


@blueprint.post("/fire")
@login_required
def fire(entity: str, id: int) -> Response:
    """Send an event to the record's workflow."""
    form = request.form
    return _done(
        lambda unit: flows.fire(
            unit, entity, id, form.get("event", ""), _version(), comment=form.get("comment", "")
        ),
        entity,
        id,
    )


@blueprint.post("/comment")
@login_required
def comment(entity: str, id: int) -> Response:
    """Say something about the record."""
    with writing() as unit:
        add_comment(unit, entity, id, request.form.get("comment", "")[:2000])
    return go(url_for(".show", entity=entity, id=id, _anchor="activity"))


@blueprint.post("/delete")
@login_required
def delete(entity: str, id: int) -> Response:
    """Put the record into the recycle bin."""
    try:
        with writing() as unit:
            title = label_of(unit, entity, records.read(unit, entity, id))
            removing.remove(unit, entity, id, _version())
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("%(title)s was removed.", title=title), "success")
    return go(url_for("lists.index", entity=entity))


@blueprint.post("/restore")
@login_required
def restore(entity: str, id: int) -> Response:
    """Take the record out of the recycle bin."""
    try:
        with writing() as unit:
            removing.restore(unit, entity, id)
    except Failure as failure:
        return _refused(failure, entity, id)
    flash(gettext("The record was restored."), "success")
    return go(url_for(".show", entity=entity, id=id))


@blueprint.post("/star")
@login_required
def star(entity: str, id: int) -> Response:
    """Keep the record at hand, or no longer."""
    with writing() as unit:
        toggle_star(unit, entity, id)
    return go(url_for(".show", entity=entity, id=id))
