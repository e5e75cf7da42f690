"""What every page behind the login shows around its content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flask import Flask, g, request, url_for
from flask_babel import gettext
from markupsafe import Markup

from dougong.i18n import language
from engine.definitions.model import MenuItem, text_of
from engine.records.flows import count_tasks
from engine.records.notices import unread
from engine.records.outbox.admin import dead_count
from engine.records.unit import Unit


@dataclass(frozen=True, slots=True)
class Entry:
    """A group or a link of the menu."""

    title: str
    icon: str
    href: str = ""
    active: bool = False
    items: list[Entry] = field(default_factory=list)
    count: int = 0  # what waits there for somebody


@dataclass(frozen=True, slots=True)
class Person:
    """Who is logged in."""

    name: str
    login: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Shell:
    """See ``layouts/base.html``."""

    base: str
    company: str
    user: Person
    menus: list[Entry]
    quick: list[Entry]
    todo: int
    unread: int
    studio: list[Entry]  # groups of administration pages; empty for everybody else


def init_shell(app: Flask) -> None:
    """Give templates `browser_texts()`: the sentences of the browser's modules, made once."""

    @cache
    def made(_language: str) -> str:
        module: Any = app.jinja_env.get_template("macros/ui.html").module
        return str(module.texts())

    def texts() -> Markup:
        return Markup(made(language()))  # noqa: S704 - a template of ours made it

    app.jinja_env.globals["browser_texts"] = texts


def shell(unit: Unit) -> Shell:
    """The shell of the page that is being made in `unit`."""
    actor = unit.actor
    return Shell(
        base=str(url_for("home.index")).rstrip("/"),
        company=g.company.title(language()),
        user=Person(actor.name, actor.login, actor.operator),
        menus=[entry for item in unit.app.model.menus if (entry := _entry(unit, item))],
        quick=_quick(unit),
        todo=count_tasks(unit),
        unread=unread(unit),
        studio=_studio(unit) if unit.administers else [],
    )


def _studio(unit: Unit) -> list[Entry]:
    """The pages on which the company is shaped and watched over, by what they are about."""
    counts = {"deliveries.index": dead_count(unit)}
    found = []
    for title, pages in _studio_pages():
        items = []
        for place, name, icon in pages:
            href = url_for(place)
            items.append(Entry(name, icon, href, _is_here(href), count=counts.get(place, 0)))
        found.append(Entry(title, "", "", any(one.active for one in items), items))
    return found


def _studio_pages() -> tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]:
    """(title of the group, its pages as (endpoint, title, icon))."""
    return (
        (
            gettext("People and rights"),
            (
                ("users.index", gettext("Users"), "users"),
                ("departments.index", gettext("Departments"), "hierarchy"),
                ("groups.index", gettext("Groups"), "users-group"),
                ("permissions.index", gettext("Permissions"), "key"),
                ("view_as.index", gettext("View as"), "eye"),
                ("handover.index", gettext("Handover"), "arrows-exchange"),
            ),
        ),
        (
            gettext("Processes"),
            (
                ("flows.index", gettext("Workflows"), "sitemap"),
                ("cases.index", gettext("Running cases"), "activity"),
                ("calendar.index", gettext("Working days"), "calendar-time"),
            ),
        ),
        (
            gettext("Connections"),
            (
                ("channels.index", gettext("Channels"), "plug"),
                ("deliveries.index", gettext("Deliveries"), "send"),
            ),
        ),
        (
            gettext("Safety"),
            (
                ("sign_in.index", gettext("Sign-in rules"), "shield-lock"),
                ("logs.security", gettext("Security log"), "shield-check"),
                ("logs.access", gettext("Access log"), "user-search"),
                ("privacy.index", gettext("Personal data"), "id"),
            ),
        ),
    )


def _is_here(href: str) -> bool:
    """Whether the page that is asked for is this one or lies below it."""
    return request.path == href or request.path.startswith(href + "/")


def _entry(unit: Unit, item: MenuItem) -> Entry | None:
    """A menu item as far as the actor may use it; a group without anything inside vanishes."""
    title = text_of(item.title, language())
    if item.entity:
        if not unit.access(item.entity).may("read"):
            return None
        entity = unit.app.model.entities[item.entity]
        href = url_for("lists.index", entity=item.entity)
        active = _is_here(href)
        if item.query:
            href = f"{href}?{item.query}"
            active = active and _asked() == item.query
        elif active:  # another item may stand for just these of its records
            active = _asked() not in _queries(unit.app.model.menus, item.entity)
        return Entry(
            title or text_of(entity.plural, language()), item.icon or entity.icon, href, active
        )
    items = [entry for inner in item.items if (entry := _entry(unit, inner))]
    if not items:
        return None
    return Entry(title, item.icon, "", any(found.active for found in items), items)


def _asked() -> str:
    return request.query_string.decode()


def _queries(items: Sequence[MenuItem], entity: str) -> Iterator[str]:
    """The filters with which the menu leads to lists of an entity."""
    for item in items:
        yield from _queries(item.items, entity)
        if item.entity == entity and item.query:
            yield item.query


def _quick(unit: Unit) -> list[Entry]:
    """What the actor may create, in the order of the menu."""
    found: dict[str, Entry] = {}

    def walk(items: tuple[MenuItem, ...]) -> None:
        for item in items:
            walk(item.items)
            name = item.entity
            if name and name not in found and unit.access(name).may("create"):
                entity = unit.app.model.entities[name]
                href = url_for("forms.new", entity=name)
                found[name] = Entry(text_of(entity.title, language()), entity.icon, href)

    walk(unit.app.model.menus)
    return list(found.values())[:12]
