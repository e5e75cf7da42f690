"""One published version of a company, compiled: all that a request runs was made here, once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from engine.access import EntityAccess, compile_access, full_access, narrowed
from engine.definitions.model import Entity, Field, Model, Workflow
from engine.expressions import Env, Scope, parse, scope_of
from engine.expressions import compile as compile_expression
from engine.fields import FieldType, bind
from engine.records.actor import Actor
from engine.records.graph import Graph, build_graph
from engine.records.reader import Reader
from engine.records.sealing import NOTHING, Sealer, sealer_of
from engine.records.sqlnames import SqlNames
from engine.storage import Database, Statement
from engine.tables import EntityTable, Layout, Tables, build_tables
from engine.validation import Validator, compile_validator

STATEMENTS = 2000  # compiled statements of one version: beyond that the oldest go


class Application:
    """A model with everything made from it. Shared by all threads; what is compiled on first use
    is compiled twice at worst, never half."""

    def __init__(
        self,
        database: Database,
        model: Model,
        layout: Layout,
        version: int,
        sources: Mapping[str, str],
    ) -> None:
        self.database, self.model, self.layout = database, model, layout
        self.version, self.sources = version, sources
        self._lock = threading.Lock()
        self.tables: Tables = build_tables(model, layout, bind, database.keys)
        self.note_key = False  # whether the active key is still to be noted in the database
        self.encrypted = any(_seals(part) for part in model.entities.values())
        self.graph: Graph = build_graph(model)
        self.reader = Reader(self.tables, self.statement)
        self._inverses: dict[str, Mapping[str, tuple[Entity, Field]]] = {}
        self._scopes: dict[str, Scope] = {}
        self._sealers: dict[str, Sealer] = {}
        self._validators: dict[str, Validator] = {}
        self._access: dict[tuple[str, frozenset[str] | None], EntityAccess] = {}
        self._formulas: dict[tuple[str, str], Callable[[Env], Any]] = {}
        self._statements: dict[Hashable, Any] = {}

    @property
    def dialect(self) -> str:
        """ "sqlite" or "postgresql"."""
        return self.database.kind

    def types(self, entity: Entity) -> Mapping[str, FieldType]:
        """The bound types of an entity's fields."""
        return self.validator(entity).types

    def validator(self, entity: Entity) -> Validator:
        """The validator of an entity."""
        found = self._validators.get(entity.name)
        if found is None:
            found = self._validators[entity.name] = compile_validator(self.model, entity, bind)
        return found

    def access(self, entity: str, actor: Actor) -> EntityAccess:
        """What the actor's roles may do with an entity, as far as his token goes."""
        if actor.scopes is not None and not actor.system:
            whole, scopes = self.access(entity, replace(actor, scopes=None)), actor.scopes
            key = ("narrowed", entity, whole.roles, scopes)
            less: EntityAccess = self.kept(key, lambda: narrowed(whole, scopes))
            return less
        held = (entity, None if actor.system else actor.roles)
        found = self._access.get(held)
        if found is None:
            definition = self.model.entities[entity]
            found = (
                full_access(definition)
                if actor.system
                else compile_access(self.model, definition, actor.roles)
            )
            self._access[held] = found
        return found

    def sealer(self, entity: str) -> Sealer:
        """What of an entity's changes is kept sealed."""
        found = self._sealers.get(entity)
        if found is None:
            definition = self.model.entities.get(entity)  # None: retired since
            found = sealer_of(definition, self.tables.of(entity)) if definition else NOTHING
            self._sealers[entity] = found
        return found

    def scope(self, entity: Entity) -> Scope:
        """The names of an entity's (or a row's) expressions and their types."""
        found = self._scopes.get(entity.name)
        if found is None:
            found = scope_of(self.model, entity, lambda field: bind(field).expression_type)
            self._scopes[entity.name] = found
        return found

    def formula(self, entity: Entity, field: Field) -> Callable[[Env], Any]:
        """The computation of a field, compiled."""
        assert field.compute is not None
        return self.expression(entity, field.compute.expr)

    def expression(self, entity: Entity, source: str) -> Callable[[Env], Any]:
        """An expression over an entity's records, compiled."""
        key = (entity.name, source)
        found = self._formulas.get(key)
        if found is None:
            found = self._formulas[key] = compile_expression(parse(source), self.scope(entity))
        return found

    def names(self, entity: str, env: Env, *, plain: bool = False) -> SqlNames:
        """The SQL names of an entity's table; of the table itself with `plain`, else of a fresh
        alias, for subqueries."""
        place = self.tables.of(entity)
        table = place.table if plain else place.table.alias()
        return SqlNames(self, self.model.entities[entity], place, table, env)

    def row_names(self, place: EntityTable, rows: Entity, env: Env) -> SqlNames:
        """The SQL names of the rows of a lines field."""
        return SqlNames(self, rows, place, place.table.alias(), env)

    def inverses(self, entity: str) -> Mapping[str, tuple[Entity, Field]]:
        """The named relations that lead back to an entity."""
        found = self._inverses.get(entity)
        if found is None:
            found = self._inverses[entity] = self.model.inverses(entity)
        return found

    def workflow(self, entity: str) -> Workflow | None:
        """The workflow that governs an entity."""
        return self.model.workflow_of(entity)

    def kept(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """What `build` makes, made once per key."""
        found = self._statements.get(key)
        if found is None:
            found = build()
            with self._lock:
                if len(self._statements) >= STATEMENTS:
                    for old in list(self._statements)[: STATEMENTS // 4]:
                        del self._statements[old]
                self._statements[key] = found
        return found

    def statement(self, key: Hashable, build: Callable[[], sa.Executable]) -> Statement:
        """The compiled statement of a key."""
        found: Statement = self.kept(key, lambda: self.database.prepare(build()))
        return found


def _seals(entity: Entity) -> bool:
    return any(
        "encrypted" in field.privacy or (field.rows is not None and _seals(field.rows))
        for field in entity.fields.values()
    )
