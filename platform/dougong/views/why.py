"""Why can I not …? A person's own rights to a record that he sees, explained to himself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from dougong.explained import answer_of
from dougong.i18n import language
from dougong.pooled import opened
from dougong.present import Reader
from dougong.routing import login_required, reading
from dougong.shell import shell
from engine.access import Action
from engine.definitions.model import text_of
from engine.fields import Names
from engine.forms.build import may_fill
from engine.records import reading as records
from engine.records.explaining.explaining import explain
from engine.records.explaining.reasons import VERBS
from engine.records.failures import NotFound
from engine.records.labels import label_of
from engine.records.unit import Unit

blueprint = Blueprint("why", __name__, url_prefix="/<company>/e/<entity>/<int:id>/why")
ASKED: tuple[Action, ...] = ("write", "delete", "export", "share")


@blueprint.get("")
@login_required
def index(entity: str, id: int) -> str:
    """The explanation for the actor himself; only for a record that is there for him."""
    action = request.args.get("action", "write")[:64]
    field = request.args.get("field", "")[:130]
    opened(entity, id)
    with reading() as unit:
        definition = unit.entity(entity)
        removed = not records.visible(unit, entity, [id])
        record = records.read(unit, entity, id, removed=removed, told=False)
        if action not in (*ASKED, "read"):
            raise NotFound
        told = explain(unit, unit.actor.id, entity, id, action, field)
        return render_template(
            "why.html",
            shell=shell(unit),
            title=gettext("Why?"),
            record={
                "title": label_of(unit, entity, record),
                "href": url_for("records.show", entity=entity, id=id),
            },
            answer=answer_of(told),
            actions=[
                {
                    "title": text_of(VERBS[one], language()),
                    "href": url_for(".index", entity=entity, id=id, action=one),
                    "active": one == action and not field,
                }
                for one in ASKED
            ],
            fields=_fields(unit, entity, record),
            asked={"action": action, "field": field},
            entity={
                "plural": text_of(definition.plural or definition.title, language()),
                "href": url_for("lists.index", entity=entity),
            },
        )


def _fields(unit: Unit, entity: str, record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The fields one may ask about: those that can be filled in at all and that he may know of."""
    definition, access = unit.entity(entity), unit.access(entity)
    reader = Reader(language(), Names({}, unit.zone, unit.app.model.currency), unit.now)
    return [
        {"name": name, "title": reader.title(field)}
        for name, field in definition.fields.items()
        if may_fill(field) and access.shown(name) and name in record
    ]
