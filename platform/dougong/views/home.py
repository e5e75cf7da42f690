"""The first page of a company, and the door to all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from flask import Blueprint, Response, current_app, redirect, render_template, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.inbox import inbox_item
from dougong.present import ago
from dougong.routing import login_required, reading
from dougong.shell import shell
from engine.definitions.model import Card, text_of
from engine.fields import Names, bind
from engine.lists import Query, parse_query
from engine.records.flows import count_tasks, my_tasks
from engine.records.history import Recent, recent
from engine.records.labels import label_of
from engine.records.reading import count, read, total
from engine.records.saved_views import starred_records
from engine.records.unit import Unit

blueprint = Blueprint("home", __name__)
TODOS = 6
CARDS = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """A number on the home page that leads to its list."""

    title: str
    value: str
    href: str
    icon: str = ""


@blueprint.get("/")
def companies() -> str | Response:
    """All companies of the installation; straight on when there is one."""
    installation = current_app.extensions["installation"]
    keys = installation.companies()
    if len(keys) == 1:
        return redirect(url_for("home.index", company=keys[0]))  # type: ignore[return-value]
    opened = [(key, installation.company(key)) for key in keys]
    return render_template(
        "companies.html",
        title="Dougong",
        company="",
        companies=[
            Figure(found.title(language()), key, url_for("home.index", company=key))
            for key, found in opened
        ],
    )


@blueprint.get("/<company>/")
@login_required
def index() -> str:
    """To-dos, numbers and what was open lately."""
    with reading() as unit:
        tasks = my_tasks(unit, size=TODOS)
        figures = filter(None, (_figure(unit, card) for card in unit.app.model.cards))
        return render_template(
            "home.html",
            shell=shell(unit),
            title=gettext("Home"),
            greeting=gettext("Hello, %(name)s", name=unit.actor.name),
            todos=[inbox_item(unit, task) for task in tasks],
            todo_more=max(0, count_tasks(unit) - len(tasks)),
            cards=list(islice(figures, CARDS)),
            recent=[_recent(unit, found) for found in recent(unit, 8)],
            starred=[_starred(unit, entity, id) for entity, id in starred_records(unit)],
        )


def _figure(unit: Unit, card: Card) -> Figure | None:
    """The card's number, None when it is not this person's business."""
    if card.roles and not unit.actor.operator and not unit.actor.roles & set(card.roles):
        return None
    access = unit.access(card.entity)
    if not access.may("read"):
        return None
    entity = unit.app.model.entities[card.entity]
    query, problems = parse_query(card.query, entity, access)
    added = card.measure.removeprefix("sum:")
    if problems or (added and not access.usable(added)):
        return None  # it asks for a field this person may not see
    value = _value(unit, card, query)
    href = url_for("lists.index", entity=card.entity)
    return Figure(
        text_of(card.title, language()), value, f"{href}?{card.query}" if card.query else href
    )


def _value(unit: Unit, card: Card, query: Query) -> str:
    """How many records the card's list has, or what a field of them adds up to."""
    if card.measure.startswith("sum:"):
        name = card.measure.removeprefix("sum:")
        kind = bind(unit.app.model.entities[card.entity].fields[name])
        names = Names(zone=unit.zone, currency=unit.app.model.currency)
        return kind.format(total(unit, query, name) or kind.parse(0), language(), names)
    found = count(unit, query)
    return f"{found.number:,}{'+' if found.more else ''}"


def _starred(unit: Unit, name: str, id: int) -> dict[str, str]:
    """A record the person keeps at hand."""
    entity = unit.app.model.entities[name]
    return {
        "title": label_of(unit, name, read(unit, name, id, told=False)),
        "entity": text_of(entity.title, language()),
        "icon": entity.icon,
        "href": f"{url_for('lists.index', entity=name)}/{id}",
    }


def _recent(unit: Unit, found: Recent) -> dict[str, str]:
    """A record the person changed lately."""
    entity = unit.app.model.entities[found.entity]
    return {
        "title": found.label,
        "entity": text_of(entity.title, language()),
        "icon": entity.icon,
        "href": f"{url_for('lists.index', entity=found.entity)}/{found.id}",
        "when": ago(found.at, unit.now, language()),
    }
