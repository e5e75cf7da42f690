"""The people of the company: the list, a person's page, a new account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import gettext

from dougong.devices import device_of
from dougong.i18n import NAMES, language
from dougong.invitations import invited, links_page, mails, told
from dougong.moments import exact
from dougong.origin import origin
from dougong.persons import people_lookup, people_options, posted_person
from dougong.present import ago
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from dougong.studio.user_words import (
    Choice,
    department_choices,
    device_words,
    difference,
    lost_roles,
    role_choices,
    role_rows,
    role_title,
    scope_words,
    sentences,
    status_words,
)
from engine.problems import Problem, text
from engine.records.failures import Failure, NotFound
from engine.records.personnel import entrance, rules, users
from engine.records.personnel.users import Line, Status, Wanted
from engine.records.unit import Unit
from engine.tables import system

blueprint = Blueprint("users", __name__, url_prefix="/<company>/admin/users")

STATUSES: Final[tuple[Status, ...]] = ("active", "invited", "disabled")
LAST_PAGE: Final = 10_000
ROLES_SHOWN: Final = 2


# --- the list ----------------------------------------------------------------------------------
@blueprint.get("")
@administrators_only
def index() -> str:
    """Everybody, or those who are looked for."""
    wanted, page = _wanted(), _page()
    with reading() as unit:
        found = users.listing(unit, wanted, page=page)
        words = status_words()
        return render_template(
            "studio/users.html",
            shell=shell(unit),
            title=gettext("Users"),
            rows=[_row(unit, one, words) for one in found.lines],
            total=found.total,
            wanted=wanted,
            filtered=wanted != Wanted(),
            departments=department_choices(unit),
            roles=role_choices(unit),
            statuses=[Choice(one, words[one]) for one in STATUSES],
            prev_href=_href(wanted, page - 1) if page > 1 else "",
            next_href=_href(wanted, page + 1) if page * users.SIZE < found.total else "",
            first=(page - 1) * users.SIZE + 1,
            last=min(page * users.SIZE, found.total),
        )


def _wanted() -> Wanted:
    given = request.args
    status = given.get("status", "")
    return Wanted(
        given.get("q", "").strip()[:100],
        _id(given.get("department", "")),
        given.get("role", "")[:100],
        status if status in STATUSES else "",
    )


def _page() -> int:
    given = request.args.get("page", "")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 1
    return min(max(number, 1), LAST_PAGE)


def _href(wanted: Wanted, page: int) -> str:
    asked: dict[str, Any] = {
        "q": wanted.text,
        "department": wanted.department,
        "role": wanted.role,
        "status": wanted.status,
        "page": page if page > 1 else None,
    }
    return url_for(".index", **{key: one for key, one in asked.items() if one})


def _row(unit: Unit, one: Line, words: Mapping[Status, str]) -> dict[str, Any]:
    titles = [role_title(unit, name) for name in one.roles]
    return {
        "href": url_for(".person", user=one.id),
        "name": one.name,
        "login": one.login,
        "department": one.department,
        "roles": titles[:ROLES_SHOWN],
        "more": titles[ROLES_SHOWN:],
        "second": one.second,
        "seen": ago(one.seen_at, unit.now, language()) if one.seen_at else "",
        "status": one.status,
        "status_word": words[one.status],
        "operator": one.operator,
    }


# --- a person ----------------------------------------------------------------------------------
@blueprint.get("/<int:user>")
@administrators_only
@proven
def person(user: int) -> str:
    """Somebody's page."""
    with reading() as unit:
        return _person_page(unit, user)


@blueprint.post("/<int:user>")
@administrators_only
@proven
@patient
def save(user: int) -> str | Response:
    """Change somebody's profile."""
    given = _profile()
    try:
        with writing() as unit:
            if not rules.above_all(unit) or user == unit.actor.id:
                given.pop("is_operator")
            users.change(unit, user, given, origin())
    except NotFound:
        raise
    except Failure as failure:
        return _again(user, failure, given=given)
    flash(gettext("Saved."), "success")
    return go(url_for(".person", user=user))


@blueprint.post("/<int:user>/roles")
@administrators_only
@proven
@patient
def give(user: int) -> str | Response:
    """Set somebody's roles."""
    wanted = request.form.getlist("role")
    try:
        with writing() as unit:
            before = users.roles_of(unit, [user]).get(user, ())
            users.give_roles(unit, user, wanted, origin())
            words = difference(unit, before, wanted)
    except NotFound:
        raise
    except Failure as failure:
        return _again(user, failure, roles=wanted)
    flash(sentences(*words.split("\n")), "success")
    return go(url_for(".person", user=user) + "#roles")


@blueprint.get("/opens")
@administrators_only
def opens() -> Response:
    """What a choice of roles would open, in words: `?user=&role=&role=`."""
    user = request.args.get("user", type=int)
    with reading() as unit:
        before = users.roles_of(unit, [user]).get(user, ()) if user else ()
        known = _known(unit, request.args.getlist("role"))
        answer = make_response(difference(unit, before, known))
    answer.mimetype = "text/plain"
    return answer


def _known(unit: Unit, roles: Sequence[str]) -> list[str]:
    return [name for name in roles if name in unit.app.model.roles]


def _again(user: int, failure: Failure, **typed: Any) -> Response:
    with reading() as unit:
        return make_response(_person_page(unit, user, failure.problems, **typed), 422)


def _person_page(
    unit: Unit,
    user: int,
    problems: Sequence[Problem] = (),
    given: Mapping[str, Any] | None = None,
    roles: Sequence[str] | None = None,
) -> str:
    row = unit.connection.execute(
        sa.select(system.USER).where(system.USER.c.id == user)
    ).one_or_none()
    if row is None:
        raise NotFound
    locked = row.is_operator and not rules.above_all(unit)
    held = users.roles_of(unit, [user]).get(user, ())
    values = {name: getattr(row, name) for name in (*users.PROFILE, "is_operator")}
    values |= given or {}
    wrong = {one.field: text(one, language()) for one in problems}
    status = users.status_of(row)
    known = {*users.PROFILE, "roles", "is_operator"}
    return render_template(
        "studio/user.html",
        shell=shell(unit),
        title=row.name,
        user=user,
        login=row.login,
        name=row.name,
        given=values,
        problems=wrong,
        others=[text(one, language()) for one in problems if one.field not in known],
        locked=locked,
        mine=user == unit.actor.id,
        operates=rules.above_all(unit),
        operator=row.is_operator,
        status=status,
        status_word=status_words()[status],
        facts=_facts(unit, row),
        departments=department_choices(unit),
        options=people_options(unit, [row.manager_id] if row.manager_id else ()),
        lookup=people_lookup(),
        languages=[Choice(tag, name) for tag, name in NAMES.items()],
        roles=role_rows(unit, held if roles is None else roles),
        lost=lost_roles(unit, held),
        summary=difference(unit, held, held),
        has_password=row.password_hash is not None,
        view_as=_view_as(user),
        **_ways_in(unit, user, locked),
    )


def _facts(unit: Unit, row: Any) -> list[tuple[str, str]]:
    def when(moment: Any) -> str:
        return exact(moment.astimezone(unit.zone), language()) if moment else "—"

    return [
        (gettext("Account made"), when(row.created_at)),
        (gettext("Last seen"), when(row.seen_at)),
        (gettext("Password set"), when(row.password_at)),
    ]


def _ways_in(unit: Unit, user: int, locked: bool) -> dict[str, Any]:
    """Sessions, second factor and tokens; of an operator only operators see them."""
    if locked:
        return {"factor": "", "sessions": [], "tokens": []}
    since = entrance.factor_since(unit, user)
    return {
        "factor": exact(since.astimezone(unit.zone), language()) if since else "",
        "sessions": [
            {
                "id": one.hash,
                "agent": one.agent,
                "device": device_words(one.agent),
                "small": device_of(one.agent).small,
                "address": one.address,
                "seen": ago(one.seen, unit.now, language()),
            }
            for one in entrance.sessions_of(unit, user)
        ],
        "tokens": [
            {
                "id": one.id,
                "name": one.name,
                "start": one.start,
                "scopes": scope_words(unit, one.scopes),
                "until": exact(one.expires_at.astimezone(unit.zone), language()),
                "over": one.expires_at <= unit.now,
                "used": ago(one.used_at, unit.now, language()) if one.used_at else "",
            }
            for one in entrance.tokens_of(unit, user)
        ],
    }


def _view_as(user: int) -> str:
    """The tester that shows the company as somebody sees it."""
    if "view_as.index" not in current_app.view_functions:
        return ""
    return str(url_for("view_as.index", user=user))


# --- somebody new ------------------------------------------------------------------------------
@blueprint.get("/new")
@administrators_only
@proven
def new() -> str:
    """The form for a new account."""
    with reading() as unit:
        department = _id(request.args.get("department", ""))
        return _new_page(unit, {"department_id": department}, [])


@blueprint.post("/new")
@administrators_only
@proven
@patient
def create() -> str | Response:
    """Make an account, and a link with which its owner sets a password."""
    login, roles = request.form.get("login", "").strip(), request.form.getlist("role")
    given = _profile()
    try:
        with writing() as unit:
            user = users.invite(unit, login, {**given, "roles": roles}, origin())
            shown = invited(unit, [user])
    except NotFound:
        raise
    except Failure as failure:
        with reading() as unit:
            page = _new_page(unit, {**given, "login": login}, roles, failure.problems)
        return make_response(page, 422)
    back = url_for(".person", user=user)
    if shown:
        return links_page(shown, back)
    flash(told(1), "success")
    return go(back)


def _new_page(
    unit: Unit, given: Mapping[str, Any], roles: Sequence[str], problems: Sequence[Problem] = ()
) -> str:
    return render_template(
        "studio/user_new.html",
        shell=shell(unit),
        title=gettext("Invite somebody"),
        given=given,
        problems={one.field: text(one, language()) for one in problems},
        operates=rules.above_all(unit),
        departments=department_choices(unit),
        options=people_options(unit),
        lookup=people_lookup(),
        languages=[Choice(tag, name) for tag, name in NAMES.items()],
        roles=role_rows(unit, roles),
        user=0,
        summary=difference(unit, (), known) if (known := _known(unit, roles)) else "",
        mails=mails(),
    )


def _profile() -> dict[str, Any]:
    form = request.form
    return {
        "name": form.get("name", ""),
        "email": form.get("email", ""),
        "phone": form.get("phone", ""),
        "language": form.get("language", ""),
        "department_id": _id(form.get("department_id", "")),
        "manager_id": posted_person("manager_id"),
        "is_operator": bool(form.get("is_operator")),
    }


def _id(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 16 else None


__all__ = ["blueprint"]
