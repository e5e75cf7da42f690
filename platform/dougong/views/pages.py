"""The pages around the records: one's own account, and the search in everything."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from flask import (
    Blueprint,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from flask_babel import format_datetime, gettext

from dougong.i18n import language
from dougong.routing import go, login_required, reading
from dougong.security import SESSION_COOKIE
from dougong.shell import shell
from dougong.suggestions import hits, in_order, suggestions
from engine.accounts import logins, passwords, sessions
from engine.accounts.tokens import digest
from engine.definitions.model import Entity, text_of
from engine.lists import Query
from engine.records import reading as records
from engine.records.unit import Unit
from engine.tables.system import DEPARTMENT, SESSION, USER

blueprint = Blueprint("pages", __name__, url_prefix="/<company>")
FOUND = 8


@blueprint.get("/search")
@login_required
def search() -> str:
    """Records of every kind that contain the words, as far as the person may see them."""
    words = _words()
    with reading() as unit:
        groups = [
            group for entity in in_order(unit) if words and (group := _group(unit, entity, words))
        ]
        return render_template(
            "search.html", shell=shell(unit), title=gettext("Search"), text=words, groups=groups
        )


@blueprint.get("/search/suggest")
@login_required
def suggest() -> Response:
    """What the search box offers for the words typed so far."""
    with reading() as unit:
        return jsonify(suggestions(unit, _words()))


def _words() -> str:
    return request.args.get("q", "").strip()[:100]


def _group(unit: Unit, entity: Entity, words: str) -> dict[str, object] | None:
    found = hits(unit, entity, words, FOUND)
    if not found:
        return None
    count = records.count(unit, Query(entity.name, text=words))
    return {
        "title": text_of(entity.plural, language()),
        "icon": entity.icon,
        "href": url_for("lists.index", entity=entity.name, q=words),
        "count": count.number,
        "capped": count.more,
        "items": [{"title": hit.label, "href": hit.href, "meta": hit.note} for hit in found],
    }


@blueprint.get("/account")
@login_required
def account() -> str:
    """One's own account and where one is logged in."""
    return _account_page()


@blueprint.post("/account/password")
@login_required
def change_password() -> str | Response:
    """Change one's own password; every other session ends."""
    form = request.form
    database, me = g.company.database, g.actor.id
    with database.read() as connection:
        hashed = connection.scalar(sa.select(USER.c.password_hash).where(USER.c.id == me))
    if hashed and not passwords.verify_password(hashed, form.get("current", "")):
        return make_response(_account_page(gettext("The current password is wrong.")), 422)
    if len(form.get("password", "")) < passwords.MINIMUM_LENGTH:
        return make_response(_account_page(gettext("The password is too short.")), 422)
    if form["password"] != form.get("repeated", ""):
        return make_response(_account_page(gettext("The two passwords differ.")), 422)
    logins.set_password(database, me, form["password"], datetime.now(UTC))
    with database.write() as connection:
        sessions.end_sessions_of(connection, me, but=request.cookies.get(SESSION_COOKIE, ""))
    return go(url_for(".account"))


@blueprint.post("/account/sessions")
@login_required
def end_session() -> Response:
    """End one of one's own sessions."""
    with g.company.database.write() as connection:
        own = sa.select(SESSION.c.user_id).where(SESSION.c.id_hash == request.form.get("id", ""))
        if connection.scalar(own) != g.actor.id:
            abort(404)
        sessions.end_session_hash(connection, request.form["id"])
    return go(url_for(".account"))


def _account_page(error: str = "") -> str:
    with reading() as unit:
        me = unit.actor
        person = unit.connection.execute(
            sa.select(USER.c.email, DEPARTMENT.c.name)
            .outerjoin(DEPARTMENT, DEPARTMENT.c.id == USER.c.department_id)
            .where(USER.c.id == me.id)
        ).one()
        mine = unit.connection.execute(
            sa.select(SESSION).where(SESSION.c.user_id == me.id).order_by(SESSION.c.seen_at.desc())
        ).all()
        current = digest(request.cookies.get(SESSION_COOKIE, ""))
        roles = [
            unit.app.model.roles[name] for name in sorted(me.roles) if name in unit.app.model.roles
        ]
        return render_template(
            "account.html",
            shell=shell(unit),
            title=gettext("My account"),
            person={
                "name": me.name,
                "login": me.login,
                "email": person.email,
                "department": person.name,
                "roles": [text_of(role.title, language()) for role in roles],
            },
            error=error,
            minimum=passwords.MINIMUM_LENGTH,
            sessions=[
                {
                    "id": row.id_hash,
                    "agent": row.agent,
                    "address": row.address,
                    "seen": format_datetime(row.seen_at, "medium"),
                    "current": row.id_hash == current,
                }
                for row in mine
            ],
        )
