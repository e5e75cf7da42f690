"""How people sign in to a company: what its administrators have set, with the house's limits.

Kept under one key of the settings and read with every request, in the statement that finds the
session: a change holds with the next request of every process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.policy import LEAST_MINIMUM, MINIMUM, MOST_MINIMUM
from engine.tables.system import SETTING

KEY: Final = "accounts"
IDLE: Final = 120  # minutes
LEAST_IDLE, MOST_IDLE = 5, 12 * 60
LEAST_HOURS, MOST_HOURS = 1, 24


@dataclass(frozen=True, slots=True)
class Rules:
    """`minimum`: characters of a password; `factor_roles`: who needs a second factor; `idle`:
    minutes after which a session ends that nobody uses; `hours`: after which it ends in any case,
    None for the installation's own limit."""

    minimum: int = MINIMUM
    factor_roles: frozenset[str] = frozenset()
    idle: int = IDLE
    hours: int | None = None

    @property
    def idle_time(self) -> timedelta:
        """`idle` as a span."""
        return timedelta(minutes=self.idle)

    def needs_factor(self, roles: Iterable[str], *, operator: bool) -> bool:
        """Whether somebody needs a second factor. Who operates the installation may do the most,
        and needs one as soon as any role does."""
        return bool(self.factor_roles) and (operator or not self.factor_roles.isdisjoint(roles))

    def session_hours(self, most: int) -> int:
        """How long a session lasts, where the installation allows `most`."""
        return min(self.hours or most, most)

    def stored(self) -> dict[str, Any]:
        """As the setting keeps it."""
        return {
            "minimum": self.minimum,
            "factor_roles": sorted(self.factor_roles),
            "idle": self.idle,
            "hours": self.hours,
        }


def rules_from(value: Mapping[str, Any] | None) -> Rules:
    """The rules as they are kept; what is missing or out of bounds is the house's."""
    found = value or {}
    hours = found.get("hours")
    return Rules(
        minimum=_between(found.get("minimum"), LEAST_MINIMUM, MOST_MINIMUM, MINIMUM),
        factor_roles=frozenset(map(str, found.get("factor_roles") or ())),
        idle=_between(found.get("idle"), LEAST_IDLE, MOST_IDLE, IDLE),
        hours=None if hours is None else _between(hours, LEAST_HOURS, MOST_HOURS, MOST_HOURS),
    )


def rules_of(connection: sa.Connection) -> Rules:
    """The rules of a company."""
    return rules_from(connection.scalar(sa.select(SETTING.c.value).where(SETTING.c.key == KEY)))


@lru_cache(maxsize=200)
def rules_read(text: str | None) -> Rules:
    """The rules from the setting's text, as a prepared statement finds it."""
    return rules_from(json.loads(text) if text else None)


def _between(value: Any, least: int, most: int, usual: int) -> int:
    fine = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, least), most) if fine else usual
