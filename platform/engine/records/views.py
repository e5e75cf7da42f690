"""What an actor sees of an entity: columns with their masks, and the predicate on rows, in SQL.

A view is compiled for a set of roles where the predicates allow it, else for one actor on one day
(`viewer_key`): the values of `me`, `my` and `today()` become constants of the statement.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.access import Action, Allowed, EntityAccess, FieldAccess, clocks_of
from engine.definitions.model import Entity, Field
from engine.expressions import Env, ExpressionError, Node
from engine.fields import BadValue, bind
from engine.records.accesses import note_records
from engine.records.evaluation import Relations
from engine.records.sqlnames import SqlNames
from engine.records.unit import Unit
from engine.storage.types import ScaledDecimal
from engine.tables.sealed import is_sealed

_NOBODY: Final = Env({}, datetime(1970, 1, 1, tzinfo=UTC))
_LEVEL: Final = "@"  # prefix of the columns that tell a cell's level; no field is called so


class Masked(str):
    """What is left of a value that the reader may not see in full: text to show, nothing else."""

    __slots__ = ()
    is_mask: Final = True


def viewer_key(unit: Unit, entity: str) -> Hashable:
    """Two units with the same key see `entity` through the same SQL."""
    access = unit.access(entity)
    if unit.actor.system:
        return "@system"
    conditional, clocks = unit.app.kept(
        ("seen", entity, access.holder), lambda: (access.conditional, access.clocks)
    )
    if not conditional:
        return access.holder
    return (access.holder, *_who(unit, clocks))


def acting_key(unit: Unit, entity: str, action: Action) -> Hashable:
    """The same for the predicate of one action, which may look at more than reading does."""
    allowed = unit.access(entity)[action]
    return None if isinstance(allowed.node, bool) else _who(unit, clocks_of(allowed))


def _who(unit: Unit, clocks: Collection[str]) -> tuple[Hashable, ...]:
    actor = unit.actor
    key = (actor.id, actor.department, actor.departments, actor.above)
    if not clocks:
        return key
    return (*key, unit.now if "now" in clocks else unit.now.astimezone(unit.company_zone).date())


def unit_env(unit: Unit) -> Env:
    """The Env of SQL: only what does not depend on a row."""
    return Relations(unit).env({})


def row_filter(names: SqlNames, allowed: Allowed) -> sa.ColumnElement[bool]:
    """A predicate as a condition. One that SQL cannot say denies."""
    if isinstance(allowed.node, bool):
        return sa.true() if allowed.node else sa.false()
    return _truth(names, allowed.node)


def _truth(names: SqlNames, node: Node) -> sa.ColumnElement[bool]:
    try:
        return names.truth(node)
    except ExpressionError:
        return sa.false()


@dataclass(slots=True)
class View:
    """The columns of a statement and what has to be done with its rows afterwards."""

    names: SqlNames
    access: EntityAccess
    columns: list[sa.ColumnElement[Any]] = field(default_factory=list)
    levels: list[tuple[str, str, FieldAccess]] = field(default_factory=list)
    masked: list[tuple[str, FieldAccess]] = field(default_factory=list)
    below: list[str] = field(default_factory=list)  # lines and lists, fetched after
    live: list[Field] = field(default_factory=list)  # computed in Python after
    many: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)  # who sees these in the clear is written down

    def add(self, name: str) -> None:
        """Show a field, if the actor may see anything of it."""
        access = self.access.fields[name]
        definition = self.names.entity.fields[name]
        if not access.read.ever and not access.masked.ever:
            return
        if access.read.ever:
            self.logged += logged_in(definition, access)
        if not access.read.always:
            self._level(name, access)
        if name in self.names.place.links or definition.rows is not None:
            self.below.append(name)
            return
        column = self._column(definition)
        if column is None:
            return
        if bind(definition).many:
            self.many.append(name)
        if not access.read.always and access.masked.node is not True:
            seen = sa.or_(
                row_filter(self.names, access.read), row_filter(self.names, access.masked)
            )
            column = sa.type_coerce(sa.case((seen, column)), column.type)
        self.columns.append(column.label(name))

    def _column(self, definition: Field) -> sa.ColumnElement[Any] | None:
        """The field as SQL; None when it has to be computed in Python."""
        if not definition.compute or definition.compute.store:
            if definition.name not in self.names.place.columns:
                return None
            return self.names.column(definition.name)
        column = live_column(self.names, definition)
        if column is None:
            self.live.append(definition)
        return column

    def _level(self, name: str, access: FieldAccess) -> None:
        if not access.read.ever and access.masked.always:
            self.masked.append((name, access))
            return
        level = sa.case(
            (row_filter(self.names, access.read), 2),
            (row_filter(self.names, access.masked), 1),
            else_=0,
        )
        self.columns.append(sa.type_coerce(level, sa.Integer()).label(_LEVEL + name))
        self.levels.append((name, _LEVEL + name, access))

    def readable(self, name: str) -> sa.ColumnElement[Any]:
        """A field to filter or sort by: null where the actor may not read it."""
        if name == "id":
            return self.names.table.c.id
        column = self._usable(name)
        access = self.access.fields[name]
        if access.read.always:
            return column
        return sa.type_coerce(sa.case((row_filter(self.names, access.read), column)), column.type)

    def _usable(self, name: str) -> sa.ColumnElement[Any]:
        definition = self.names.entity.fields[name]
        if definition.compute and not definition.compute.store:
            column = live_column(self.names, definition)
            return sa.null() if column is None else column
        column = self.names.column(name)
        return sa.null() if is_sealed(column) else column  # nobody asks what only reads as noise

    def sealed(self) -> View:
        """The view once its statement is made: without the unit of work it was made in."""
        self.names = replace(self.names, env=_NOBODY)
        return self

    def finish(self, unit: Unit, records: Sequence[dict[str, Any]], *, told: str = "list") -> None:
        """Complete the rows in place: lists, lines, live values, masks; hidden values go. `told`
        is how they are seen, for the log of accesses; "" when nobody gets to see them."""
        for name in self.many:
            for record in records:
                if record.get(name) is None:
                    record[name] = []
        if self.below:
            self._complete(unit, records)
        for definition in self.live:
            compute_live(unit, self.names.entity, definition, self.access, records)
        fields = self.names.entity.fields
        for name, access in self.masked:
            for record in records:
                record[name] = masked(fields[name], record.get(name), access)
        for name, level, access in self.levels:
            for record in records:
                seen = record.pop(level)
                if seen == 0:
                    record.pop(name, None)
                elif seen == 1:
                    record[name] = masked(fields[name], record.get(name), access)
        if self.logged and told:
            note_records(unit, told, self.names.entity.name, self.logged, records)

    def _complete(self, unit: Unit, records: Sequence[dict[str, Any]]) -> None:
        """Lists and lines, less the columns that are hidden."""
        unit.app.reader.complete(unit.connection, self.names.place, records, self.below)
        for name in self.below:
            access = self.access.fields[name]
            if access.columns:
                field = self.names.entity.fields[name]
                for record in records:
                    record[name] = shown_rows(field, record[name], access)


def logged_in(definition: Field, access: FieldAccess) -> list[str]:
    """The paths of what is sensitive in a field."""
    if definition.rows is None:
        return [definition.name] if "logged" in definition.privacy else []
    return [
        f"{definition.name}.{column.name}"
        for column in definition.rows.fields.values()
        if "logged" in column.privacy
        and (column.name not in access.columns or access.columns[column.name].read.ever)
    ]


def shown_rows(
    definition: Field, rows: Sequence[Mapping[str, Any]], access: FieldAccess
) -> list[dict[str, Any]]:
    """Rows without the columns that the actor may not see."""
    assert definition.rows is not None
    found = []
    for row in rows:
        seen = dict(row)
        for name, column in access.columns.items():
            if column.read.ever or name not in seen:
                continue
            value = seen.pop(name)
            if column.masked.ever:
                seen[name] = masked(definition.rows.fields[name], value, column)
        found.append(seen)
    return found


def masked(definition: Field, value: Any, access: FieldAccess) -> Masked | None:
    """The rough shape of a value."""
    found = bind(definition).mask(value, access.mask)
    return None if found is None else Masked(found)


def live_column(names: SqlNames, definition: Field) -> sa.ColumnElement[Any] | None:
    """A computed field without a column as SQL, in its own type; None when SQL cannot say it."""
    kind = bind(definition).column_type()
    try:
        value = names.name((definition.name,))
    except ExpressionError:
        return None
    element = value.element
    if isinstance(kind, ScaledDecimal) and names.dialect == "sqlite":
        if value.scale > kind.scale:
            return None  # rounding is the formula's business; here it would be a guess
        element = element * 10 ** (kind.scale - value.scale)
    return sa.type_coerce(element, kind)


def _whole(access: EntityAccess) -> frozenset[str]:
    """What a row holds as it is, for all who see the row."""
    return frozenset({"id", *(name for name, cell in access.fields.items() if cell.read.always)})


def compute_live(
    unit: Unit,
    entity: Entity,
    definition: Field,
    access: EntityAccess,
    records: Sequence[dict[str, Any]],
) -> None:
    """Compute a field in Python. Values of the selected row serve where they are whole; what was
    not selected, or may have been masked, is looked up."""
    relations = Relations(unit)
    evaluate = unit.app.formula(entity, definition)
    kind = bind(definition)
    whole = unit.app.kept(
        ("whole", entity.name, access.holder, access.admin), lambda: _whole(access)
    )
    for record in records:
        known = {name: value for name, value in record.items() if name in whole}
        try:
            record[definition.name] = kind.from_expression(evaluate(relations.env(known)))
        except (ExpressionError, BadValue):
            record[definition.name] = None  # the page must not fail for one bad formula
