"""The company's rules for signing in: passwords, second factor, how long a session lasts."""

from __future__ import annotations

from collections.abc import Sequence

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

from dougong.i18n import language
from dougong.proving import proven
from dougong.routing import administrators_only, go, patient, reading, writing
from dougong.shell import shell
from engine.accounts import rules
from engine.accounts.policy import LEAST_MINIMUM, MOST_MINIMUM
from engine.accounts.rules import Rules
from engine.definitions.model import text_of
from engine.problems import Problem, text
from engine.records.failures import Invalid
from engine.records.sign_in import change_sign_in_rules, sign_in_rules
from engine.records.unit import Unit

blueprint = Blueprint("sign_in", __name__, url_prefix="/<company>/admin/sign-in")


@blueprint.get("")
@administrators_only
def index() -> str:
    """The rules as they are."""
    with reading() as unit:
        return _page(unit, sign_in_rules(unit))


@blueprint.post("")
@administrators_only
@proven
@patient
def save() -> Response:
    """Set them; they hold with the next request of everybody."""
    wanted = Rules(
        minimum=_number("minimum") or 0,
        factor_roles=frozenset(request.form.getlist("factor_roles")),
        idle=_number("idle") or 0,
        hours=_number("hours"),
    )
    try:
        with writing() as unit:
            change_sign_in_rules(unit, wanted, request.remote_addr or "")
    except Invalid as failure:
        with reading() as unit:
            return make_response(_page(unit, wanted, failure.problems), 422)
    flash(gettext("Saved."), "success")
    return go(url_for(".index"))


def _number(name: str) -> int | None:
    typed = request.form.get(name, "").strip()
    if not typed:
        return None
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else -1


def _page(unit: Unit, given: Rules, problems: Sequence[Problem] = ()) -> str:
    most = current_app.extensions["installation"].settings.session_hours
    roles = unit.app.model.roles.values()
    return render_template(
        "studio/sign_in.html",
        shell=shell(unit),
        title=gettext("Sign-in rules"),
        given=given,
        roles=[(one.name, text_of(one.title, language())) for one in roles],
        problems={one.field: text(one, language()) for one in problems},
        bounds={
            "minimum": (LEAST_MINIMUM, MOST_MINIMUM),
            "idle": (rules.LEAST_IDLE, rules.MOST_IDLE),
            "hours": (rules.LEAST_HOURS, rules.MOST_HOURS),
        },
        most=most,
    )
