"""Expressions over records: what names mean at run time, and relations fetched when asked for.

Rules and formulas see everything, whoever acts: they are the definition's own words. What an actor
may see is decided where values leave, not where they are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.expressions import Env
from engine.expressions.tree import Path
from engine.records import facts, people
from engine.records.unit import Unit


class Relations:
    """Looks records up for expressions; remembers them for as long as it lives: one use case."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._records: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._lists: dict[tuple[str, int, str], Sequence[Mapping[str, Any]]] = {}
        self._below: dict[int, Collection[int]] = {}
        self._held: set[tuple[str, int]] = set()
        self.known: dict[str, set[int]] = {}  # ids found to be there for the actor, by target

    def env(self, names: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> Env:
        """The Env of one record, `old` being what it was before."""
        unit = self._unit
        actor = unit.actor
        mine = {
            "dept": actor.department,
            "departments": list(actor.departments),
            "above": actor.above,
        }
        return Env(
            names={"old": old, "me": unit.me(), "my": mine, **names},
            now=unit.now.astimezone(unit.company_zone),
            attribute=self.attribute,
            below=self.below,
            fact=self.fact,
        )

    def fact(self, what: str, entity: str, id: int, argument: str) -> bool:
        """What the platform knows of a record beside its fields, asked of the database."""
        unit = self._unit
        if entity not in unit.app.model.entities:
            return False
        found = facts.condition(what, argument, entity, sa.literal(id), self.env({}))
        return bool(unit.connection.scalar(sa.select(sa.literal(1)).where(found)))

    def below(self, department: int) -> Collection[int]:
        """A department and all below it."""
        if department not in self._below:
            self._below[department] = people.below(self._unit.connection, department)
        return self._below[department]

    def hold(self, entity: str, id: int) -> None:
        """Keep a record from being changed by others until this transaction ends, and see it as
        it is from now on. (On SQLite whoever writes writes alone.)"""
        unit, key = self._unit, (entity, id)
        if unit.writes and unit.app.database.kind != "sqlite" and key not in self._held:
            self._held.add(key)
            found = unit.app.reader.load(unit.connection, entity, id, removed=True, lock=True)
            self._records[key] = found or {}

    def forget(self) -> None:
        """After a write: what was read may not be true any longer."""
        self._records.clear()
        self._lists.clear()
        self.known.clear()

    def expect(
        self, entity: Entity, records: Sequence[Mapping[str, Any]], paths: Iterable[Path]
    ) -> None:
        """Fetch what `paths` of many records lead to at once, instead of one by one when asked."""
        app, connection = self._unit.app, self._unit.connection
        inverses = app.inverses(entity.name)
        ids = [record["id"] for record in records if record["id"]]
        for name in {path[0] for path in paths if len(path) > 1 or path[0] in inverses}:
            field = entity.fields.get(name)
            if field is not None and field.reference is not None:
                target = field.reference.to
                wanted = {id for record in records for id in _ids(record.get(name))}
                for found in app.reader.load_many(connection, target, sorted(wanted), removed=True):
                    self._records[(target, found["id"])] = found
            elif name in inverses:
                other, link = inverses[name]
                for id, many in app.reader.all_referrers(connection, other, link, ids).items():
                    self._lists[(entity.name, id, name)] = many

    def attribute(self, entity: str, id: int, name: str) -> Any:
        """One value of a record that is not at hand; None when there is no such record."""
        if name == "id":
            return id
        definition = self._unit.app.model.entities.get(entity)
        if definition is not None and name not in definition.fields:
            return self._pointing(definition, id, name)
        record = self._record(entity, id)
        if name not in record and definition is not None and name in definition.fields:
            return self._late(definition, definition.fields[name], record)
        return record.get(name)

    def _record(self, entity: str, id: int) -> Mapping[str, Any]:
        key = (entity, id)
        if key not in self._records:
            self._records[key] = self._fetch(entity, id) or {}
        return self._records[key]

    def _fetch(self, entity: str, id: int) -> Mapping[str, Any] | None:
        unit = self._unit
        if entity == "@user":
            return people.user_record(unit.connection, id)
        if entity == "@department":
            return people.department_record(unit.connection, id)
        if entity == "@file":
            return unit.app.reader.file(unit.connection, id)
        if entity in unit.app.model.entities:
            return unit.app.reader.load(unit.connection, entity, id, removed=True)
        return None

    def _late(self, entity: Entity, field: Field, record: Mapping[str, Any]) -> Any:
        """A field without a column: computed now."""
        if field.compute is None or not record:
            return None
        return self._unit.app.formula(entity, field)(self.env(record))

    def _pointing(self, entity: Entity, id: int, name: str) -> Sequence[Mapping[str, Any]]:
        """The records of a named relation that leads back here."""
        key = (entity.name, id, name)
        if not id:
            return []  # not saved yet: nothing can point at it
        if key not in self._lists:
            other, link = self._unit.app.inverses(entity.name)[name]
            found = self._unit.app.reader.referrers(self._unit.connection, other, link, id)
            self._lists[key] = list(found)
        return self._lists[key]


def _ids(value: Any) -> Collection[int]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


Formula = Callable[[Env], Any]
