"""Signing in: the company's rules, and the mail to who forgot his password.

The work of a request for a reset is the same whoever is asked for, so that its time tells nothing:
a row for later, which does something only when there is somebody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.accounts import rules
from engine.accounts.policy import LEAST_MINIMUM, MOST_MINIMUM
from engine.accounts.rules import Rules
from engine.accounts.security_log import log_event
from engine.problems import Problem
from engine.records import outbox
from engine.records.failures import Forbidden, Invalid
from engine.records.unit import Unit
from engine.tables.system import SETTING, USER

CHANNEL: Final = "@mail"
"""The channel of mails about accounts: the installation's own, whatever channels a company has."""

KIND: Final = "account.mail"
_ASKED: Final = "account.reset"


def sign_in_rules(unit: Unit) -> Rules:
    """The company's rules. Raises: Forbidden for whoever does not shape the company."""
    _administrator(unit)
    return rules.rules_of(unit.connection)


def change_sign_in_rules(unit: Unit, wanted: Rules, address: str = "") -> None:
    """Set the company's rules; they hold with the next request of everybody.

    Raises: Forbidden, Invalid with everything that is wrong.
    """
    _administrator(unit)
    if wrong := [*_wrong(unit, wanted)]:
        raise Invalid(wrong)
    before = rules.rules_of(unit.connection).stored()
    value = wanted.stored()
    insert = postgresql.insert if unit.app.database.kind == "postgresql" else sqlite.insert
    unit.connection.execute(
        insert(SETTING)
        .values(key=rules.KEY, value=value)
        .on_conflict_do_update(index_elements=["key"], set_={"value": value})
    )
    told = {key: str(value[key]) for key in value if value[key] != before[key]}
    if told:
        log_event(
            unit.connection,
            unit.now,
            "rules.changed",
            user=unit.actor.id,
            address=address,
            details=told,
        )


def _wrong(unit: Unit, wanted: Rules) -> Iterator[Problem]:
    bounds = {
        "minimum": ("L020", wanted.minimum, LEAST_MINIMUM, MOST_MINIMUM),
        "idle": ("L021", wanted.idle, rules.LEAST_IDLE, rules.MOST_IDLE),
        "hours": ("L022", wanted.hours, rules.LEAST_HOURS, rules.MOST_HOURS),
    }
    for name, (code, value, least, most) in bounds.items():
        if value is not None and not least <= value <= most:
            yield Problem(code, {"least": least, "most": most}, f"/{name}")
    for role in sorted(wanted.factor_roles - unit.app.model.roles.keys()):
        yield Problem("L023", {"role": role}, "/factor_roles")


def ask_for_reset(unit: Unit, asked: str) -> None:
    """Somebody forgot the password of the account `asked`, a login name or an e-mail address."""
    user = asked_for(unit.connection, asked.strip().lower())
    id = unit.app.database.ids.next(unit.connection)
    outbox.post(unit, f"{_ASKED}:{id}", _ASKED, {"user": user})


@outbox.handle(_ASKED)
def _answer(unit: Unit, row: Mapping[str, Any]) -> None:
    user = row["body"].get("user")
    email = unit.connection.scalar(sa.select(USER.c.email).where(USER.c.id == user))
    if email:  # else the form said it all the same: it tells nobody who is here
        body, key = {"purpose": "password"}, f"{KIND}:{row['id']}"
        outbox.post(unit, key, KIND, body, channel=CHANNEL, user=int(user))


def asked_for(connection: sa.Connection, asked: str) -> int | None:
    """The one open account of a login name or, when only one has it, of an e-mail address."""
    named = sa.func.lower(USER.c.login) == asked
    written = sa.func.lower(USER.c.email) == asked
    rows = connection.execute(
        sa.select(USER.c.id, named.label("named"))
        .where(sa.or_(named, written), USER.c.disabled_at.is_(None))
        .order_by(named.desc())
        .limit(2)
    ).all()
    if not rows or not (rows[0].named or len(rows) == 1):
        return None
    return int(rows[0].id)


def _administrator(unit: Unit) -> None:
    if not unit.administers:
        raise Forbidden("write")
