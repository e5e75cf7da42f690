"""One's own tokens for programs: what there is, a new one (shown once), revoking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, abort, flash, make_response, render_template, request
from flask import url_for as address_of
from flask_babel import format_date, gettext

from dougong.i18n import language
from dougong.moments import exact
from dougong.proving import proven
from dougong.routing import go, login_required, reading, writing
from dougong.shell import shell
from dougong.suggestions import in_order
from engine.access import RIGHTS, Scopes, kept
from engine.accounts import api_tokens
from engine.accounts.api_tokens import ApiToken
from engine.definitions.model import Entity, text_of
from engine.problems import Problem, hint, text
from engine.records.unit import Unit

blueprint = Blueprint("tokens", __name__, url_prefix="/<company>/account/tokens")
SPANS: Final = (7, 30, 90, 180, 366)  # days to choose from


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of rights: an entity, or all of them with the name "*"."""

    name: str
    title: str
    icon: str
    rights: frozenset[str]  # what there is to give


def right_titles() -> dict[str, str]:
    """What the rights of a token are called."""
    return {
        "read": gettext("Read"),
        "write": gettext("Change"),
        "create": gettext("Create"),
        "delete": gettext("Remove"),
        "export": gettext("Export"),
        "events": gettext("Workflow events"),
        "tasks": gettext("Decide"),
    }


@blueprint.get("")
@login_required
def index() -> str:
    """One's tokens."""
    with reading() as unit:
        found = api_tokens.tokens_of(unit.connection, unit.actor.id)
        return render_template(
            "account_tokens.html",
            shell=shell(unit),
            title=gettext("API tokens"),
            tokens=[_shown(unit, token) for token in found],
        )


@blueprint.get("/new")
@login_required
@proven
def new() -> str:
    """The form for a new token."""
    with reading() as unit:
        return _form(unit, {"days": api_tokens.DAYS, "scopes": frozenset()}, [])


@blueprint.post("/new")
@login_required
@proven
def make() -> Response:
    """Make a token; the answer is the only place where it is ever shown."""
    given = _given()
    with writing() as unit:
        name, days, chosen = given["name"], given["days"], kept(given["scopes"])
        problems = api_tokens.check(name, chosen, days, _known(unit))
        if not problems and api_tokens.too_many(unit.connection, unit.actor.id, unit.now):
            problems = [Problem("T015", {"most": api_tokens.MOST_TOKENS})]
        if problems:
            return make_response(_form(unit, given, problems), 422)
        wanted = api_tokens.new(unit.actor.id, name, chosen, days, unit.now)
        made = api_tokens.make(
            unit.app.database,
            unit.connection,
            unit.now,
            wanted,
            by=unit.actor.id,
            address=request.remote_addr or "",
        )
        page = render_template(
            "account_token_made.html",
            shell=shell(unit),
            title=gettext("The new token"),
            token=made,
            name=wanted.name,
            until=_day(wanted.expires_at),
            scopes=_in_words(unit, wanted.scopes),
            example=address_of("api.index", entity=_example(unit, wanted.scopes), _external=True),
        )
    return make_response(page)


@blueprint.post("/revoke")
@login_required
def revoke() -> Response:
    """Revoke one of one's own tokens."""
    number = request.form.get("id", "")
    with writing() as unit:
        done = number.isascii() and number.isdigit() and len(number) < 19
        if not done or not api_tokens.revoke(
            unit.connection,
            unit.now,
            int(number),
            user=unit.actor.id,
            by=unit.actor.id,
            address=request.remote_addr or "",
        ):
            abort(404)
    flash(gettext("The token is revoked."), "success")
    return go(address_of(".index"))


def _given() -> dict[str, Any]:
    days = request.form.get("days", "")
    pairs = (one.partition(":") for one in request.form.getlist("scope"))
    return {
        "name": request.form.get("name", "").strip(),
        "days": int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
        "scopes": frozenset((entity, right) for entity, _, right in pairs if right in RIGHTS),
    }


def _form(unit: Unit, given: Mapping[str, Any], problems: list[Problem]) -> str:
    return render_template(
        "account_token_new.html",
        shell=shell(unit),
        title=gettext("New token"),
        given=given,
        rights=right_titles(),
        rows=_rows(unit),
        spans=SPANS,
        problems={one.pointer.lstrip("/"): _told(one) for one in problems},
    )


def _told(problem: Problem) -> str:
    return f"{text(problem, language())} {hint(problem, language())}"


def _rows(unit: Unit) -> list[Row]:
    """What the actor may give away: for every entity what he may do himself."""
    rows = [Row("*", gettext("Everything that I may"), "shield-check", frozenset(RIGHTS))]
    for entity in in_order(unit):
        if rights := _own(unit, entity):
            title = text_of(entity.plural, language())
            rows.append(Row(entity.name, title, entity.icon, frozenset(rights)))
    return rows


def _own(unit: Unit, entity: Entity) -> set[str]:
    access = unit.access(entity.name)
    rights = {str(action) for action in access.actions if access.may(action)} & {*RIGHTS}
    if "read" in rights and unit.app.workflow(entity.name) is not None:
        rights |= {"events", "tasks"}
    return rights


def _known(unit: Unit) -> set[str]:
    return {entity.name for entity in unit.app.model.entities.values() if _own(unit, entity)}


def _example(unit: Unit, scopes: Scopes) -> str:
    """An entity that the token reads, for the line to try it with."""
    names = [entity.name for entity in in_order(unit) if "read" in _own(unit, entity)]
    return next((name for name in names if (name, "read") in scopes), (names or ["customer"])[0])


def _shown(unit: Unit, token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "start": token.start,
        "name": token.name,
        "scopes": _in_words(unit, token.scopes),
        "used": exact(token.used_at.astimezone(unit.zone), language()) if token.used_at else "",
        "from": token.used_from,
        "until": _day(token.expires_at),
        "holds": token.holds(unit.now),
    }


def _day(moment: datetime) -> str:
    return str(format_date(moment, "long"))


def _in_words(unit: Unit, scopes: Scopes) -> list[str]:
    """“Customers: read, change” for every entity of the scopes."""
    titles, entities = right_titles(), unit.app.model.entities
    found = []
    for entity, rights in kept(scopes).items():
        known = entities.get(entity)
        place = text_of(known.plural, language()) if known else entity
        told = gettext(", ").join(titles[right] for right in rights)
        place = gettext("Everything") if entity == "*" else place
        found.append(gettext("%(place)s: %(rights)s", place=place, rights=told))
    return found
