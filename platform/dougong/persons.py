"""Choosing people in a form: what a picker offers, and what was posted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import request, url_for

from engine.records.lookups import PEOPLE
from engine.records.unit import Unit
from engine.tables import system

_USER = system.USER


@dataclass(frozen=True, slots=True)
class Option:
    """Somebody who may be chosen."""

    value: int
    label: str
    closed: bool = False


def people_options(unit: Unit, also: Iterable[int] = (), *, closed: bool = False) -> list[Option]:
    """Everybody with an open account, by name, and those of `also`; with `closed` everybody."""
    wanted = sa.or_(_USER.c.disabled_at.is_(None), _USER.c.id.in_(list(also)))
    statement = sa.select(_USER.c.id, _USER.c.name, _USER.c.login, _USER.c.disabled_at)
    if not closed:
        statement = statement.where(wanted)
    rows = unit.connection.execute(statement.order_by(_USER.c.name, _USER.c.id).limit(PEOPLE))
    return [
        Option(row.id, f"{row.name} ({row.login})", row.disabled_at is not None) for row in rows
    ]


def people_lookup() -> str:
    """Where a picker of people looks for more."""
    return str(url_for("forms.lookup", entity="people", field="@user"))


def posted_people(name: str) -> list[int]:
    """The ids that a picker posted; anything else in it is passed over."""
    return [int(one) for one in request.form.getlist(name) if one.isascii() and one.isdigit()]


def posted_person(name: str) -> int | None:
    """The one id that a picker posted."""
    return next(iter(posted_people(name)), None)
