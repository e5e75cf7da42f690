"""Erasing somebody who works, or worked, in the company: his account becomes a pseudonym, and what
he did stays its doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from engine.records.erased import ACTION, ERASED, pseudonym
from engine.records.history import note
from engine.records.leaving import LOG, close_account
from engine.records.personnel import rules
from engine.records.resealing import walk
from engine.records.unit import Unit
from engine.tables import system

_OWN: Final = {
    "sessions": system.SESSION,
    "tokens": system.TOKEN,
    "factors": system.FACTOR,
    "recovery codes": system.RECOVERY,
    "identities": system.IDENTITY,
    "links": system.ONCE_LINK,
    "roles": system.USER_ROLE,
    "groups": system.GROUP_MEMBER,
    "settings": system.USER_SETTING,
    "drafts": system.DRAFT,
    "saved views": system.SAVED_VIEW,
    "stars": system.STAR,
    "notices": system.NOTICE,
    "shares": system.SHARE,
}
"""What is his alone and goes with him."""


@dataclass(frozen=True, slots=True)
class ErasedAccount:
    """What went; `label` is what he was called."""

    label: str
    counts: Mapping[str, int]


def erase_account(unit: Unit, user: int) -> ErasedAccount:
    """Close an account for good and take from it whatever says who it was. Records he owns stay
    his pseudonym's until somebody hands them over.

    Raises: NotFound for who may not and for nobody; Invalid for one's own account; Conflict for the
    last administrator's, and for an operator's unless an operator asks.
    """
    row = rules.manageable(unit, user)
    rules.not_oneself(unit, user, "user")
    if row.disabled_at is None:
        close_account(unit, user)
    counts: Counter[str] = Counter()
    for name, table in _OWN.items():
        gone = unit.connection.execute(sa.delete(table).where(table.c.user_id == user))
        counts[name] += gone.rowcount
    looks = system.ACCESS
    unit.connection.execute(sa.update(looks).where(looks.c.user_id == user).values(address=""))
    failures = system.LOGIN_FAILURE
    unit.connection.execute(sa.delete(failures).where(failures.c.login == row.login.lower()))
    new = {
        "login": f"erased-{user}",
        "name": pseudonym(unit, user),
        "email": None,
        "phone": None,
        "password_hash": None,
        "is_operator": False,
        "timezone": "",
        "seen_at": None,
    }
    changed = [name for name, value in new.items() if getattr(row, name) != value]
    if changed:
        counts["fields"] = len(changed)
        unit.connection.execute(
            sa.update(system.USER)
            .where(system.USER.c.id == user)
            .values(**new, version=system.USER.c.version + 1)
        )
    counts["history"] += _history(unit, user)
    if any(counts.values()):
        note(unit, LOG, user, 1, ACTION, {})
    return ErasedAccount(row.name, {name: number for name, number in counts.items() if number})


def _history(unit: Unit, user: int) -> int:
    """His own lines in the history of accounts: what they said of him."""
    table = system.HISTORY
    told = ("login", "name", "email", "phone", "timezone")

    def turned(changes: Mapping[str, list[object]]) -> dict[str, list[object]]:
        return {
            name: [None if one is None else dict(ERASED) for one in pair] if name in told else pair
            for name, pair in (changes or {}).items()
        }

    where = sa.and_(table.c.entity == LOG, table.c.record_id == user)
    done, _ = walk(unit.connection, table, "changes", where, turned)
    return done
