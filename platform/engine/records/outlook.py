"""What a publish would do, told before it happens: to tables, to definitions, to the records.

Everything here only reads and counts. A warning stops nothing: records are checked again when
somebody saves them next, and until then they stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.changes import REWORDED, Change, changes
from engine.definitions.model import MISSING, Field, Model
from engine.fields import BadValue, bind
from engine.problems import Problem, Severity
from engine.records.administration import versions
from engine.records.administration.versions import FlowCases
from engine.records.application import Application
from engine.records.explaining.difference import NOTHING, Diff, rights_outlook
from engine.records.flows.env import known
from engine.records.meaning import refills
from engine.records.unit import SYSTEM, Unit
from engine.tables import EntityTable, Layout, Operation, Plan, plan
from engine.tables.turning import shadow_of
from engine.workflow import check_chart


@dataclass(frozen=True, slots=True)
class Outlook:
    """The steps on the tables, what else changes, and what there is to say against either."""

    steps: Plan
    changes: tuple[Change, ...] = ()
    warnings: tuple[Problem, ...] = ()
    refusals: tuple[Problem, ...] = ()  # running cases that do not allow it
    flows: tuple[FlowCases, ...] = ()  # of the workflows that change: their running cases
    rights: Diff = NOTHING  # who gains or loses which rows and fields

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The steps on the tables."""
        return self.steps.operations

    @property
    def layout(self) -> Layout:
        """Where records will lie."""
        return self.steps.layout

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Errors, for which the plan cannot be carried out, then warnings."""
        return (*self.steps.problems, *self.refusals, *self.warnings)

    def sentences(self, language: str) -> list[str]:
        """Everything as lines that begin with their sign; none when nothing differs at all."""
        more = [f"{one.sign} {one.sentence(language)}" for one in self.changes]
        return [*self.steps.sentences(language), *more]


def look_ahead(app: Application | None, connection: sa.Connection | None, new: Model) -> Outlook:
    """What publishing `new` would do to a company that runs `app` (None: to an empty one)."""
    if app is None or connection is None:
        return Outlook(plan(None, None, new, bind))
    steps = plan(app.layout, app.model, new, bind)
    flows = versions.affected(connection, app.model, new)
    found = [*changes(app.model, new), *versions.told(flows, new)]
    found += _recomputed(app, connection, new)
    found += _turned(connection, steps)
    if not found and not steps.operations and app.model.hash != new.hash:
        found.append(REWORDED)
    warned = [*_warnings(app, connection, new)]
    warned += versions.warnings(connection, app.model, new)
    warned += _nobody(app, connection, new)
    refused = versions.refusals(connection, new)
    rights = rights_outlook(app, connection, new)
    return Outlook(steps, tuple(found), tuple(warned), tuple(refused), tuple(flows), rights)


def _nobody(app: Application, connection: sa.Connection, new: Model) -> Iterator[Problem]:
    """Steps of changed workflows that nobody in the company could take today."""
    here = known(Unit(app, connection, SYSTEM, datetime.now(UTC), "publish"))
    for id, flow in new.workflows.items():
        before = app.model.workflows.get(id)
        if before is None or before.hash != flow.hash:
            of_itself = check_chart(flow, new)
            yield from (one for one in check_chart(flow, new, here) if one not in of_itself)


def _recomputed(app: Application, connection: sa.Connection, new: Model) -> Iterator[Change]:
    for one in refills(app.model, new):
        count = _count(connection, _old_place(app, one.entity.name, one.entity.was))
        for field in one.fields:
            about = {"entity": one.entity.title, "field": field.title, "count": count}
            yield Change("~", "P270", about)


def _turned(connection: sa.Connection, steps: Plan) -> Iterator[Change]:
    """How many values will be encrypted, or no longer are."""
    for one in steps.operations:
        if one.source:
            place = shadow_of(one.table, one.source, sa.Text())
            held = sa.select(sa.func.count(place.c.id)).where(place.c[one.source].is_not(None))
            yield Change("~", "Y110", {**one.titles, "count": connection.scalar(held) or 0})


def _old_place(app: Application, name: str, was: Iterable[str]) -> EntityTable | None:
    names = [one for one in (name, *was) if one in app.model.entities]
    return app.tables.of(names[0]) if names else None


def _count(connection: sa.Connection, place: EntityTable | None, *where: Any) -> int:
    if place is None:
        return 0
    query = sa.select(sa.func.count()).select_from(place.table).where(*where)
    if "removed_at" in place.table.c and where:
        query = query.where(place.removed_at.is_(None))
    return connection.scalar(query) or 0


# --- values that will not do any longer ----------------------------------------------------------
def _warnings(app: Application, connection: sa.Connection, new: Model) -> Iterator[Problem]:
    for entity in new.entities.values():
        place = _old_place(app, entity.name, entity.was)
        if place is None:
            continue
        before = app.model.entities[place.name]
        look = _Look(connection, entity.title, entity.file)
        yield from look.fields(place, before.fields, entity.fields, "")
        for field in entity.fields.values():
            old = before.fields.get(field.name)
            if field.rows is not None and old is not None and old.rows is not None:
                inner = _Look(connection, field.title, entity.file)
                pointer = f"/properties/{field.name}/items"
                yield from inner.fields(
                    place.lines[field.name], old.rows.fields, field.rows.fields, pointer
                )


_NARROWER: Final = {"maxLength": -1, "maximum": -1, "minLength": 1, "minimum": 1}
"""Keyword -> the direction in which it lets less through."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks for rows that the fields of one table will not take any longer."""

    connection: sa.Connection
    title: Mapping[str, str]
    file: str

    def fields(
        self,
        place: EntityTable,
        before: Mapping[str, Field],
        now: Mapping[str, Field],
        pointer: str,
    ) -> Iterator[Problem]:
        """One warning for each way in which a field becomes stricter than rows are."""
        for field in now.values():
            if field.system or field.compute:
                continue
            names = (field.name, *(name for name in field.was if name not in now))
            old = next((before[name] for name in names if name in before), None)
            at = f"{pointer}/properties/{field.name}"
            for code, count, more in self._stricter(place, old, field):
                if count:
                    about = {"entity": self.title, "field": field.title, "count": count, **more}
                    yield Problem(code, about, at, Severity.WARNING, self.file)

    def _stricter(
        self, place: EntityTable, old: Field | None, new: Field
    ) -> Iterator[tuple[str, int, dict[str, Any]]]:
        if new.required and not new.read_only and (old is None or not old.required):
            yield "P280", self._empty(place, old, new), {}
        if old is None or old.name not in place.columns:
            return
        column = place.columns[old.name]
        gone = {one.value: one.title for one in old.options}
        for option in new.options:
            gone.pop(option.value, None)
        if gone and new.options:
            held = sa.or_(*(_holds(column, old, value) for value in gone))
            yield "P281", _count(self.connection, place, held), {"options": [*gone.values()]}
        for keyword, direction in _NARROWER.items():
            limit = new.schema.get(keyword)
            if limit is None or limit == old.schema.get(keyword):
                continue
            beyond = _beyond(column, new, keyword, direction, limit)
            if beyond is not None:
                more = {"keyword": keyword, "limit": limit}
                yield "P282", _count(self.connection, place, beyond), more

    def _empty(self, place: EntityTable, old: Field | None, new: Field) -> int:
        """Rows without a value; what a default fills is not empty."""
        if old is None:
            everything = sa.true()
            return _count(self.connection, place, everything) if new.default is MISSING else 0
        if (inner := place.lines.get(old.name)) is not None:
            some = sa.exists().where(inner.parent_id == place.id)
            return _count(self.connection, place, sa.not_(some))
        if (pairs := place.links.get(old.name)) is not None:
            some = sa.exists().where(pairs.c.left_id == place.id)
            return _count(self.connection, place, sa.not_(some))
        if old.name not in place.columns:
            return 0
        column = place.columns[old.name]
        shown = sa.cast(column, sa.Text())
        return _count(self.connection, place, sa.or_(column.is_(None), shown.in_(("", "[]"))))


def _holds(column: sa.Column[Any], field: Field, value: str) -> sa.ColumnElement[bool]:
    if field.multiple:
        return sa.cast(column, sa.Text()).contains(f'"{value}"', autoescape=True)
    return column == value


def _beyond(
    column: sa.Column[Any], field: Field, keyword: str, direction: int, limit: Any
) -> sa.ColumnElement[bool] | None:
    """The rows on the wrong side of a limit."""
    if field.multiple:
        return None
    if keyword.endswith("Length"):
        if not isinstance(column.type, sa.String):
            return None
        size: sa.ColumnElement[int] = sa.func.length(column)
        return size > int(limit) if direction < 0 else size < int(limit)
    try:
        value = bind(field).parse(limit)
    except BadValue:
        return None
    beyond: sa.ColumnElement[bool] = column > value if direction < 0 else column < value
    return beyond
