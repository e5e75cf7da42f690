"""A link for somebody to get in: by mail when mail can be sent, else shown once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import sqlalchemy as sa
from flask import current_app, render_template, request, url_for
from flask_babel import gettext, ngettext

from dougong.channels import ChannelSender
from dougong.origin import origin
from dougong.routing import reading
from dougong.shell import shell
from engine.records.personnel import entrance
from engine.records.unit import Unit
from engine.tables.system import USER

KIND: Final = "email"


def mails() -> bool:
    """Whether this installation can send mail."""
    sender: ChannelSender = current_app.extensions["channels"]
    kind = sender.kinds.get(KIND)
    return kind is not None and getattr(kind, "trouble", None) is None


def invited(unit: Unit, users: Iterable[int]) -> dict[int, str]:
    """Give people links, by mail where that is possible; the tokens of those to be shown."""
    wanted = list(users)
    found = unit.connection.execute(sa.select(USER.c.id, USER.c.email).where(USER.c.id.in_(wanted)))
    address = {row.id: row.email for row in found} if mails() else {}
    shown = {}
    for user in wanted:
        if address.get(user):
            entrance.mail_link(unit, user, origin())
        else:
            shown[user], _ = entrance.make_link(unit, user, origin())
    return shown


def told(count: int) -> str:
    """What is said when links go out by mail."""
    return str(
        ngettext(
            "The link is on its way by mail.", "%(num)d links are on their way by mail.", count
        )
    )


def links_page(shown: dict[int, str], back: str) -> str:
    """The only page that ever shows these links."""
    with reading() as unit:
        rows = unit.connection.execute(
            sa.select(USER.c.id, USER.c.name, USER.c.login, USER.c.password_hash)
            .where(USER.c.id.in_(shown))
            .order_by(USER.c.id)
        ).all()
        one = rows[0].name if len(rows) == 1 else ""
        return render_template(
            "studio/user_link.html",
            shell=shell(unit),
            title=gettext("A link for %(name)s", name=one) if one else gettext("Links to hand out"),
            links=[(row.name, row.login, _address(shown[row.id])) for row in rows],
            week=all(row.password_hash is None for row in rows),
            back=back,
        )


def _address(token: str) -> str:
    """The host is the operator's setting; without one no mail is sent, and who made the link sees
    it under the host that he uses himself."""
    settings = current_app.extensions["installation"].settings
    base = settings.base_url or request.host_url.rstrip("/")
    return f"{base}{url_for('auth.once', token=token)}"
