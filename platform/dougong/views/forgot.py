"""Forgot the password: a mail with a link, and one answer whoever is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, Response, g, make_response, render_template, request, url_for
from flask_babel import gettext

from dougong.i18n import language
from dougong.invitations import mails
from engine.accounts import attempts
from engine.accounts.attempts import Brake
from engine.accounts.tokens import digest
from engine.records.sign_in import ask_for_reset
from engine.records.unit import SYSTEM

blueprint = Blueprint("forgot", __name__, url_prefix="/<company>/login/forgot")
PER_ACCOUNT: Final = Brake("reset", 3)
PER_ADDRESS: Final = Brake("reset-address", 20)
_LONGEST: Final = 200


@blueprint.get("")
def ask() -> str:
    """The form, or whom to ask where no mail can be sent."""
    return _page()


@blueprint.post("")
def send() -> Response:
    """Have a mail sent if there is such an account, and say the same in any case. Beyond the limits
    nothing is sent; the answer stays what it is."""
    if not mails():
        return make_response(_page(), 422)
    asked = request.form.get("asked", "").strip().lower()[:_LONGEST]
    now, address = datetime.now(UTC), request.remote_addr or ""
    with g.company.unit(SYSTEM, write=True, source="page") as unit:
        ids = unit.app.database.ids
        if attempts.take(unit.connection, ids, now, PER_ADDRESS, address) and attempts.take(
            unit.connection, ids, now, PER_ACCOUNT, digest(asked)
        ):
            ask_for_reset(unit, asked)
    return make_response(_page(done=True), 200)


def _page(*, done: bool = False) -> str:
    return render_template(
        "forgot.html",
        title=gettext("Forgot your password?"),
        company=g.company.title(language()),
        base=url_for("home.index").rstrip("/"),
        mails=mails(),
        done=done,
    )
