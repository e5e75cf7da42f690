"""Another key for what is encrypted: every value opened with its own key and sealed with the active
one, a few at a time, while people work.

Nothing but the sealed text changes, and only where it is still the one that was read: whoever
writes meanwhile writes with the active key anyway. Begun again, it goes on with what is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from engine.accounts.security_log import log_event
from engine.records.application import Application
from engine.records.company import Company
from engine.records.keeping import write_keys
from engine.records.sealing import DRAFT, EVENT
from engine.records.unit import SYSTEM, Actor
from engine.storage import Keyring, StorageError
from engine.storage.keys import PREFIX, VARIABLE, key_of
from engine.tables import Layout, system
from engine.tables.sealed import place_of
from engine.tables.turning import shadow_of

BATCH: Final = 200
_BESIDE: Final = (
    (system.HISTORY, "changes"),
    (system.DRAFT, "body"),
    (system.WF_EVENT, "payload"),
)
"""What keeps sealed values inside of other things."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column with sealed texts; `whole`: each value is one, else they stand inside."""

    title: str
    table: sa.Table
    column: sa.ColumnElement[Any]
    whole: bool


@dataclass(frozen=True, slots=True)
class Status:
    """How many values each key has sealed, by place, and which key is the active one."""

    active: str
    counts: Mapping[str, Mapping[str, int]]  # key -> place -> how many

    def total(self, key: str) -> int:
        """All values of a key."""
        return sum(self.counts.get(key, {}).values())


@dataclass(slots=True)
class Rotated:
    """What a rotation did: values sealed anew, by place."""

    counts: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All values."""
        return sum(self.counts.values())


def status(company: Company) -> Status:
    """Which keys are in use where; looks at every sealed value once."""
    counts: dict[str, Counter[str]] = {}
    with company.unit(SYSTEM) as unit:
        for place in _places(unit.app):
            for key, many in _counted(unit.connection, place):
                counts.setdefault(key, Counter())[place.title] += many
        active = unit.app.tables.keys.active
    return Status(active, {key: dict(found) for key, found in counts.items()})


def rotate(
    company: Company,
    actor: Actor = SYSTEM,
    *,
    old: str = "",
    told: Callable[[str, int], None] = lambda _place, _done: None,
) -> Rotated:
    """Seal everything (or what the key `old` sealed) with the active key; `told` hears of progress.

    Raises: StorageError when there is no key, or `old` is the active one.
    """
    with company.unit(SYSTEM) as unit:
        keys, places = unit.app.tables.keys, list(_places(unit.app))
        abouts = [*_abouts(unit.app.layout), DRAFT, EVENT]
    if not keys:
        raise StorageError("Y002", variable=VARIABLE)
    if old == keys.active:
        raise StorageError("Y007", name=old)
    found = Rotated()
    for place in places:
        work = _Work(company, actor, keys, place, old, abouts)
        for done in work.batches():
            found.counts[place.title] = found.counts.get(place.title, 0) + done
            told(place.title, found.counts[place.title])
    _settle(company, actor, keys, found)
    return found


def _settle(company: Company, actor: Actor, keys: Keyring, found: Rotated) -> None:
    """Note which keys are still needed, and that it was done."""
    used = status(company)
    with company.unit(actor, write=True, source="command") as unit:
        names = {name for name in keys.names if name == keys.active or used.total(name)}
        write_keys(unit.connection, {name: keys.mark(name) for name in keys.names if name in names})
        log_event(
            unit.connection,
            unit.now,
            "key.rotated",
            user=unit.actor.id or None,
            details={"key": keys.active, "values": found.total},
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """One place on its way to the active key."""

    company: Company
    actor: Actor
    keys: Keyring
    place: Place
    old: str
    abouts: list[str]

    def batches(self) -> Iterator[int]:
        """How many values each transaction sealed anew."""
        last = 0
        while True:
            with self.company.unit(self.actor, write=True, source="command") as unit:
                rows = unit.connection.execute(self._next(last)).all()
                done = sum(self._row(unit.connection, *row) for row in rows)
            if not rows:
                return
            last = rows[-1][0]
            yield done

    def _next(self, last: int) -> sa.Select[Any]:
        id, column = self.place.table.c.id, self.place.column
        shown = sa.cast(column, sa.Text())
        if self.place.whole:
            done = f"{PREFIX}{self.keys.active}."
            wanted = shown.startswith(f"{PREFIX}{self.old}.", autoescape=True)
            where = wanted if self.old else sa.not_(shown.startswith(done, autoescape=True))
        else:
            where = shown.contains(f"{PREFIX}{self.old}." if self.old else PREFIX, autoescape=True)
        return sa.select(id, column).where(id > last, where).order_by(id).limit(BATCH)

    def _row(self, connection: sa.Connection, id: int, value: Any) -> int:
        if self.place.whole:
            now, done = self._sealed(value, [self._about]), 1
        else:
            now, done = self._inside(value)
        if now == value:
            return 0
        column = self.place.column
        same = column == sa.bindparam("was", value, type_=column.type)
        met = connection.execute(
            sa.update(self.place.table)
            .where(self.place.table.c.id == id, same)
            .values({column.name: sa.bindparam("now", now, type_=column.type)})
        )
        return done if met.rowcount else 0  # else somebody was faster, with the active key

    @property
    def _about(self) -> str:
        return place_of(self.place.table.name, self.place.column.name)

    def _sealed(self, token: str, abouts: list[str]) -> str:
        """The text under the active key; what opens nowhere is left alone: somebody typed it."""
        name = key_of(token)
        if name is None or name == self.keys.active or (self.old and name != self.old):
            return token
        for about in abouts:
            try:
                return self.keys.seal(self.keys.open(token, about), about)
            except StorageError as error:
                if error.problem.code != "Y004" or self.place.whole:
                    raise
        return token

    def _inside(self, value: Any) -> tuple[Any, int]:
        """A structure with every sealed text in it anew, and how many there were."""
        if isinstance(value, str):
            now = self._sealed(value, self.abouts)
            return now, int(now != value)
        if isinstance(value, list):
            found = [self._inside(one) for one in value]
            return [one for one, _ in found], sum(done for _, done in found)
        if isinstance(value, Mapping):
            named = {key: self._inside(one) for key, one in value.items()}
            return {key: one for key, (one, _) in named.items()}, sum(d for _, d in named.values())
        return value, 0


# --- where sealed texts are ----------------------------------------------------------------------
def _places(app: Application) -> Iterator[Place]:
    for table, column, title in _columns(app.layout):
        source = shadow_of(table, column, sa.Text())
        yield Place(title, source, source.c[column], whole=True)
    for kept, name in _BESIDE:
        yield Place(kept.name.removeprefix("dg_"), kept, kept.c[name], whole=False)


def _columns(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Every sealed column, those of removed fields too: their values wait to come back."""
    tables = [*layout.tables.items(), *((rest.key, rest.table) for rest in layout.retired)]
    for key, table in tables:
        for name, column in table.columns.items():
            if column.sealed:
                yield table.name, column.name, f"{key}.{name}"
        for rest in table.retired:
            if rest.column.sealed and not rest.emptied:
                yield table.name, rest.column.name, f"{key}.{rest.field}"


def _abouts(layout: Layout) -> list[str]:
    return [place_of(table, column) for table, column, _ in _columns(layout)]


def _counted(connection: sa.Connection, place: Place) -> Iterator[tuple[str, int]]:
    found: Counter[str] = Counter()
    shown = sa.cast(place.column, sa.Text())
    id, last = place.table.c.id, 0
    wanted = sa.select(id, place.column).where(shown.contains(PREFIX, autoescape=True))
    while rows := connection.execute(wanted.where(id > last).order_by(id).limit(1000)).all():
        last = rows[-1][0]
        for _, value in rows:
            found.update(_keys_in(value))
    yield from found.items()


def _keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if (name := key_of(value)) is not None:
            yield name
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _keys_in(one)


__all__ = ["Place", "Rotated", "Status", "rotate", "status"]
