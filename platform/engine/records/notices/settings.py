"""How a person wants to be told: by which ways of which kinds, and when not to be disturbed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.notices.words import KINDS, QUIET_BY_DEFAULT, URGENT
from engine.records.unit import Unit
from engine.tables import system

_SETTING = system.USER_SETTING
KEY: Final = "notices"
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Quiet:
    """When not to disturb, on the person's own clock. `start` and `end` are times of day, None for
    no such hours; they may reach over midnight. `urgent`: what is overdue comes all the same."""

    start: time | None = None
    end: time | None = None
    weekends: bool = False
    urgent: bool = True

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet that reigns at `now` is over; None when there is none."""
        moment = now
        for _ in range(5):  # a night that ends on a Saturday leads on to the next one
            later = self._once(moment.astimezone(zone))
            if later is None:
                break
            moment = later.astimezone(UTC)
        return None if moment == now else moment

    def _once(self, local: datetime) -> datetime | None:
        """The end of the one quiet time that `local` lies in."""
        if self.weekends and local.weekday() >= _SATURDAY:
            monday = local.date() + timedelta(days=7 - local.weekday())
            return datetime.combine(monday, time(), local.tzinfo)
        if self.start is None or self.end is None or self.start == self.end:
            return None
        here = local.time()
        if self.start < self.end:
            inside, tomorrow = self.start <= here < self.end, False
        else:
            inside, tomorrow = here >= self.start or here < self.end, here >= self.start
        day = local.date() + timedelta(days=tomorrow)
        return datetime.combine(day, self.end, local.tzinfo) if inside else None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person has chosen. `channels` maps a channel's name to the kinds that come by it;
    where nothing was chosen all come but copies and notes of the platform."""

    channels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    quiet: Quiet = Quiet()

    def wants(self, kind: str, channel: str) -> bool:
        """Whether notices of a kind come by a channel."""
        chosen = self.channels.get(channel)
        return kind not in QUIET_BY_DEFAULT if chosen is None else kind in chosen

    def at(self, kind: str, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When to send; None for at once."""
        if kind in URGENT and self.quiet.urgent:
            return None
        return self.quiet.until(now, zone)


def preferences(connection: sa.Connection, user: int) -> Preferences:
    """What a person has chosen."""
    row = connection.execute(
        sa.select(_SETTING.c.value).where(_SETTING.c.user_id == user, _SETTING.c.key == KEY)
    ).first()
    said: Mapping[str, Any] = row.value if row is not None else {}
    quiet = said.get("quiet", {})
    return Preferences(
        {name: frozenset(kinds) for name, kinds in said.get("channels", {}).items()},
        Quiet(
            _time(quiet.get("from")),
            _time(quiet.get("to")),
            bool(quiet.get("weekends")),
            bool(quiet.get("urgent", True)),
        ),
    )


def save_preferences(
    unit: Unit,
    channels: Mapping[str, Sequence[str]],
    start: str = "",
    end: str = "",
    *,
    weekends: bool = False,
    urgent: bool = True,
) -> None:
    """Keep what the actor has chosen; `start` and `end` as "22:00", both empty for no quiet hours.

    Raises: Invalid.
    """
    wrong = [
        Problem("N130", {"value": value}, f"/{name}")
        for name, value in (("start", start), ("end", end))
        if value and _time(value) is None
    ]
    if not wrong and (bool(start) != bool(end) or (start and start == end)):
        wrong = [Problem("N131", pointer="/end")]
    if wrong:
        raise Invalid(wrong)
    value = {
        "channels": {
            name: [kind for kind in KINDS if kind in kinds] for name, kinds in channels.items()
        },
        "quiet": {"from": start, "to": end, "weekends": weekends, "urgent": urgent},
    }
    insert: Any = sqlite.insert if unit.app.dialect == "sqlite" else postgresql.insert
    unit.connection.execute(
        insert(_SETTING)
        .values(user_id=unit.actor.id, key=KEY, value=value)
        .on_conflict_do_update(index_elements=["user_id", "key"], set_={"value": value})
    )


def _time(text: Any) -> time | None:
    found = _TIME.fullmatch(str(text or ""))
    return time(int(found[1]), int(found[2])) if found else None
