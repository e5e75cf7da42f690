"""The channels by which notices leave the company, as administrators have set them up.

A channel's secrets stay in its row: they are handed to the kind that sends, and to nobody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from engine.hooks import CHANNELS, ChannelKind, Transport
from engine.problems import Problem
from engine.records.failures import Conflict, Forbidden, Invalid, NotFound
from engine.records.unit import Unit
from engine.tables import system

_CHANNEL = system.CHANNEL
_NAME: Final = re.compile(r"[\w][\w \-]{0,59}")
ROLE: Final = "role"  # of channels that reach no single person: whose rights the text is made with
_NAME_TITLE: Final = {"zh-CN": "名称", "en": "Name"}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. `config` holds its secrets: not shown when it is printed."""

    id: int
    name: str
    kind: str
    enabled: bool
    config: Mapping[str, Any] = field(repr=False)

    @property
    def offered(self) -> ChannelKind | None:
        """Its kind; None when the plugin that brought it is gone."""
        return CHANNELS.get(self.kind)

    @property
    def role(self) -> str:
        """Whose rights the texts are made with, "" for nobody's."""
        return str(self.config.get(ROLE, ""))

    @property
    def personal(self) -> bool:
        """Whether it reaches single people."""
        return self.offered is not None and self.offered.personal


def channels(connection: sa.Connection) -> list[Channel]:
    """All channels by name."""
    rows = connection.execute(sa.select(_CHANNEL).order_by(_CHANNEL.c.name))
    return [_channel(row) for row in rows]


def channel_named(connection: sa.Connection, name: str) -> Channel | None:
    """The channel of a name."""
    row = connection.execute(sa.select(_CHANNEL).where(_CHANNEL.c.name == name)).first()
    return None if row is None else _channel(row)


def channel(connection: sa.Connection, id: int) -> Channel:
    """One channel. Raises: NotFound."""
    row = connection.execute(sa.select(_CHANNEL).where(_CHANNEL.c.id == id)).first()
    if row is None:
        raise NotFound
    return _channel(row)


def _channel(row: Any) -> Channel:
    return Channel(row.id, row.name, row.kind, row.disabled_at is None, row.config or {})


def add_channel(
    unit: Unit, kind: str, name: str, config: Mapping[str, str], transport: Transport
) -> int:
    """Set a channel up; its id.

    Raises: Forbidden, Invalid, Conflict when the name is taken.
    """
    _administrator(unit)
    offered = CHANNELS.get(kind)
    if offered is None:
        raise Invalid([Problem("N123", {"kind": kind}, "/kind")])
    kept = _checked(unit, offered, name, config, {}, transport)
    _free(unit, name, None)
    id = unit.app.database.ids.next(unit.connection)
    values = {"id": id, "name": name, "kind": kind, "config": kept, "created_at": unit.now}
    unit.connection.execute(sa.insert(_CHANNEL).values(values))
    return id


def change_channel(
    unit: Unit, id: int, name: str, config: Mapping[str, str], transport: Transport
) -> None:
    """Change a channel; a secret that is left empty stays what it was.

    Raises: Forbidden, NotFound, Invalid, Conflict when the name is taken.
    """
    _administrator(unit)
    found = channel(unit.connection, id)
    if found.offered is None:
        raise Invalid([Problem("N123", {"kind": found.kind}, "/kind")])
    kept = _checked(unit, found.offered, name, config, found.config, transport)
    _free(unit, name, id)
    unit.connection.execute(
        sa.update(_CHANNEL).where(_CHANNEL.c.id == id).values(name=name, config=kept)
    )
    if name != found.name:  # what waits goes the same way under its new name
        waiting = system.OUTBOX
        unit.connection.execute(
            sa.update(waiting)
            .where(waiting.c.channel == found.name, waiting.c.done_at.is_(None))
            .values(channel=name)
        )


def switch_channel(unit: Unit, id: int, *, on: bool) -> None:
    """Use a channel, or use it no more. Raises: Forbidden, NotFound."""
    _administrator(unit)
    statement = sa.update(_CHANNEL).where(_CHANNEL.c.id == id)
    at = None if on else unit.now
    if unit.connection.execute(statement.values(disabled_at=at)).rowcount != 1:
        raise NotFound


def remove_channel(unit: Unit, id: int) -> None:
    """Forget a channel with its secrets. Raises: Forbidden, NotFound."""
    _administrator(unit)
    gone = sa.delete(_CHANNEL).where(_CHANNEL.c.id == id)
    if unit.connection.execute(gone).rowcount != 1:
        raise NotFound


def _administrator(unit: Unit) -> None:
    if not unit.administers:
        raise Forbidden("write")


def _checked(
    unit: Unit,
    kind: ChannelKind,
    name: str,
    given: Mapping[str, str],
    before: Mapping[str, Any],
    transport: Transport,
) -> dict[str, Any]:
    """The settings to keep. Raises: Invalid with everything that is wrong."""
    wrong: list[Problem] = []
    if not _NAME.fullmatch(name):
        missing = Problem("N120", {"field": _NAME_TITLE}, "/name")
        wrong.append(Problem("N122", pointer="/name") if name else missing)
    kept: dict[str, Any] = {}
    for setting in kind.settings:
        value = given.get(setting.name, "").strip()
        if setting.secret and not value:
            value = before.get(setting.name, "")
        if value:
            kept[setting.name] = value
        elif setting.required:
            wrong.append(Problem("N120", {"field": setting.title}, f"/{setting.name}"))
    if not kind.personal and (role := given.get(ROLE, "")):
        kept[ROLE] = role
        if role not in unit.app.model.roles:
            wrong.append(Problem("N125", {"role": role}, f"/{ROLE}"))
    if not wrong:
        wrong = [*kind.validate(kept, transport)]
    if wrong:
        raise Invalid(wrong)
    return kept


def _free(unit: Unit, name: str, but: int | None) -> None:
    twin = channel_named(unit.connection, name)
    if twin is not None and twin.id != but:
        raise Conflict([Problem("N121", {"name": name}, "/name")])


def failures(unit: Unit, names: Sequence[str], most: int = 3) -> Mapping[str, list[Any]]:
    """The latest deliveries of each channel that did not work: rows with error, at, dead."""
    table = system.OUTBOX
    found: dict[str, list[Any]] = {}
    for name in names:
        rows = unit.connection.execute(
            sa.select(table.c.id, table.c.error, table.c.created_at, table.c.dead_at)
            .where(table.c.channel == name, table.c.error != "", table.c.done_at.is_(None))
            .order_by(table.c.id.desc())
            .limit(most)
        )
        found[name] = list(rows)
    return found
