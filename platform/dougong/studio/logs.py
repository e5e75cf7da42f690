"""The logs: what touches security, in a chain that shows tampering, and who saw secrets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.moments import exact
from dougong.persons import Option, people_lookup, people_options
from dougong.routing import administrators_only, reading
from dougong.shell import shell
from dougong.studio.log_words import action_words, areas, bad, kind_words, told
from dougong.studio.user_words import Choice, device_words
from engine.definitions.model import text_of
from engine.fields import USER, Names
from engine.records.labels import names_of
from engine.records.people import departments
from engine.records.personnel import logs
from engine.records.personnel.logs import Asked, Event, Look
from engine.records.personnel.rules import PERSON, PLACE
from engine.records.reading import visible
from engine.records.unit import Unit

blueprint = Blueprint("logs", __name__, url_prefix="/<company>/admin/logs")

_DIGITS: Final = 16


@blueprint.get("/security")
@administrators_only
def security() -> str:
    """The security log, newest first."""
    with reading() as unit:
        asked = _asked(unit)
        kind = request.args.get("kind", "")[:60]
        wanted = replace(asked, kinds=(kind,) if kind else ())
        found = logs.events(unit, wanted, logs.SIZE + 1)
        shown = found[: logs.SIZE]
        names = _names(unit, shown)
        places = {one.id: one.name for one in departments(unit.connection)}
        return render_template(
            "studio/log_security.html",
            shell=shell(unit),
            title=gettext("Security log"),
            rows=[_event(unit, one, names, places) for one in shown],
            kinds=_kinds(unit, kind),
            chain=_chain(unit, whole=request.args.get("check") == "all"),
            whole_href=_href("logs.security", check="all"),
            **_around("logs.security", unit, asked, found, filtered=wanted != Asked()),
        )


@blueprint.get("/access")
@administrators_only
def access() -> str:
    """Who saw sensitive fields in the clear, newest first."""
    with reading() as unit:
        asked = _asked(unit)
        found = logs.looks(unit, asked, logs.SIZE + 1)
        shown = found[: logs.SIZE]
        names = _names(unit, shown)
        model = unit.app.model
        logged = [
            Choice(entity.name, text_of(entity.plural, language()))
            for entity in model.entities.values()
            if any("logged" in field.privacy for field in entity.fields.values())
        ]
        return render_template(
            "studio/log_access.html",
            shell=shell(unit),
            title=gettext("Access log"),
            rows=[_look(unit, one, names) for one in shown],
            entities=logged,
            about=_record(unit, asked.entity, asked.record, names) if asked.record else None,
            **_around("logs.access", unit, asked, found, filtered=asked != Asked()),
        )


# --- what is asked for -------------------------------------------------------------------------
def _asked(unit: Unit) -> Asked:
    given = request.args
    until = _day(given.get("until", ""))
    return Asked(
        person=_id(given.get("person", "")),
        address=given.get("address", "").strip()[:100],
        since=_midnight(unit, _day(given.get("since", ""))),
        until=_midnight(unit, until + timedelta(days=1) if until else None),
        entity=given.get("entity", "")[:100],
        record=_id(given.get("record", "")),
        before=_id(given.get("before", "")),
    )


def _day(given: str) -> date | None:
    try:
        found = date.fromisoformat(given)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def _midnight(unit: Unit, day: date | None) -> datetime | None:
    return datetime.combine(day, time(), unit.zone) if day else None


def _id(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < _DIGITS else None


def _href(place: str, **other: Any) -> str:
    """The page with something else."""
    names = ("kind", "person", "address", "since", "until", "entity", "record")
    values = {name: request.args.get(name, "") for name in names} | other
    return url_for(place, **{name: one for name, one in values.items() if one})


def _around(
    place: str, unit: Unit, asked: Asked, found: Sequence[Event | Look], *, filtered: bool
) -> dict[str, Any]:
    """What both pages need for their filters and pages."""
    more = len(found) > logs.SIZE
    return {
        "asked": asked,
        "given": request.args,
        "filtered": filtered,
        "options": _options(unit, asked),
        "lookup": people_lookup(),
        "here": url_for(place),
        "next_href": _href(place, before=found[logs.SIZE - 1].id) if more else "",
        "first_href": _href(place) if asked.before else "",
    }


def _options(unit: Unit, asked: Asked) -> list[Option]:
    return people_options(unit, [asked.person] if asked.person else (), closed=True)


# --- in words ----------------------------------------------------------------------------------
def _kinds(unit: Unit, chosen: str) -> list[dict[str, Any]]:
    """Areas with the kinds that there are in them."""
    known = logs.kinds(unit)
    if chosen and not chosen.endswith(".") and chosen not in known:
        known.append(chosen)
    return [
        {
            "value": area,
            "title": title,
            "kinds": [Choice(one, kind_words(one)) for one in known if one.startswith(area)],
        }
        for area, title in areas()
    ]


def _chain(unit: Unit, *, whole: bool) -> dict[str, Any]:
    found = logs.chain(unit, whole=whole)
    return {
        "entries": found.entries,
        "checked": found.checked,
        "whole": found.whole,
        "broken": found.broken,
        "since": exact(found.since.astimezone(unit.zone), language()) if found.since else "",
    }


def _names(unit: Unit, found: Iterable[Event | Look]) -> Names:
    """The names of people and of the records that the reader may see."""
    wanted: dict[str, set[int]] = {USER: set()}
    for one in found:
        wanted[USER] |= {id for id in (one.user, _by(one)) if id}
        if one.entity == PERSON and one.record:
            wanted[USER].add(one.record)
        elif one.entity in unit.app.model.entities and one.record:
            wanted.setdefault(one.entity, set()).add(one.record)
    seen = {
        entity: sorted(ids if entity == USER else visible(unit, entity, sorted(ids)))
        for entity, ids in wanted.items()
    }
    return names_of(unit, {entity: ids for entity, ids in seen.items() if ids})


def _by(one: Event | Look) -> int | None:
    found = one.details.get("by") if isinstance(one, Event) else None
    return found if isinstance(found, int) else None


def _event(unit: Unit, one: Event, names: Names, places: dict[int, str]) -> dict[str, Any]:
    def named(sort: str, id: int) -> str:
        found = places.get(id) if sort == PLACE else names.labels.get((USER, id))
        return found or f"#{id}"

    about = _record(unit, one.entity, one.record, names)
    if one.entity == PLACE and one.record in places:
        about = {
            "kind": gettext("Department"),
            "label": places[one.record],
            "href": url_for("departments.edit", department=one.record),
        }
    return {
        "id": one.id,
        "at": exact(one.at.astimezone(unit.zone), language()),
        "kind": kind_words(one.kind),
        "code": one.kind,
        "bad": bad(one.kind),
        "who": names.labels.get((USER, one.user), f"#{one.user}") if one.user else "",
        "who_href": url_for("users.person", user=one.user) if one.user else "",
        "address": one.address,
        "agent": device_words(one.agent),
        "about": about,
        "details": told(unit, one.kind, one.details, named),
    }


def _look(unit: Unit, one: Look, names: Names) -> dict[str, Any]:
    entity = unit.app.model.entities.get(one.entity)
    fields = entity.fields if entity else {}
    known = [(name, fields.get(name.partition(".")[0])) for name in one.fields]
    titles = [text_of(field.title, language()) if field else name for name, field in known]
    return {
        "id": one.id,
        "at": exact(one.at.astimezone(unit.zone), language()),
        "who": names.labels.get((USER, one.user), f"#{one.user}") if one.user else "",
        "who_href": url_for("users.person", user=one.user) if one.user else "",
        "action": action_words(one.action),
        "about": _record(unit, one.entity, one.record, names),
        "fields": gettext(", ").join(dict.fromkeys(titles)),
        "count": one.count,
        "address": one.address,
        "source": one.source,
        "note": one.note,
    }


def _record(unit: Unit, entity: str, record: int | None, names: Names) -> dict[str, str] | None:
    """What an entry is about: a person, or a record by its name if the reader may see it."""
    if not entity:
        return None
    if entity == PERSON:
        label = names.labels.get((USER, record), f"#{record}") if record else ""
        href = url_for("users.person", user=record) if record else ""
        return {"kind": gettext("Person"), "label": label, "href": href}
    known = unit.app.model.entities.get(entity)
    title = text_of(known.title, language()) if known else entity.lstrip("@")
    label = names.labels.get((entity, record), "") if record else ""
    href = url_for("records.show", entity=entity, id=record) if label else ""
    return {"kind": title, "label": label or (f"#{record}" if record else ""), "href": href}


__all__ = ["blueprint"]
