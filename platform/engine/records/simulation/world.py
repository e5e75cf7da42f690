"""The world a simulation takes place in: the real organisation and records under a false clock.

Everything is only read. People are asked for once per run and remembered: a run is one moment in
the life of the database, however much time passes in the simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.definitions.checking import check
from engine.definitions.document import Document, Findings, Merged
from engine.definitions.flows import parse_workflow
from engine.definitions.model import Entity, Workflow
from engine.expressions import ExpressionError, dependencies, parse
from engine.fields import BadValue, bind
from engine.problems import Problem, Severity
from engine.records import people
from engine.records.actor import SYSTEM, Actor
from engine.records.failures import Invalid, NotFound
from engine.records.flows.env import FlowEnv
from engine.records.flows.store import chart_of
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import (
    Chart,
    Delay,
    Meta,
    check_chart,
    compile_chart,
    expressions_of,
    plain_expression,
)
from engine.workflow.expressions import actions_of

Record = dict[str, Any]
Who = Mapping[str, Any]
_MENDED: Final = frozenset({"W013"})  # publishing gives the state field the options it lacks
_AWAY, _DEFINITION = system.WF_DELEGATION, system.WF_DEFINITION


def draft_workflow(unit: Unit, document: Mapping[str, Any]) -> Workflow:
    """A definition that nobody has published, checked as publishing would check it.

    Raises: Invalid with its mistakes; NotFound when the company has no such entity.
    """
    name = str(document.get("id") or "draft")
    merged = Merged(name, document, [Document(f"{name}.json", "", document)])
    findings = Findings(merged)
    checked = check("workflow", document, findings)
    wrong = [one for one in findings.problems if one.severity is Severity.ERROR]
    if checked is None or wrong:
        raise Invalid(wrong or [Problem("M101")])
    workflow = parse_workflow(merged, checked, unit.app.model.default_language)
    if workflow.entity not in unit.app.model.entities:
        raise NotFound
    wrong = [
        one
        for one in check_chart(workflow, unit.app.model)
        if one.severity is Severity.ERROR and one.code not in _MENDED
    ]
    if wrong:
        raise Invalid(wrong)
    return workflow


def published_workflow(unit: Unit, workflow: str) -> Workflow:
    """The definition in force. Raises: NotFound."""
    found = unit.app.model.workflows.get(workflow)
    if found is None:
        raise NotFound
    return found


def earlier_chart(unit: Unit, workflow: str, version: int) -> Chart:
    """The newest definition with that version number that a case was begun with.

    Raises: NotFound.
    """
    wanted = (
        sa.select(_DEFINITION.c.id, _DEFINITION.c.hash)
        .where(_DEFINITION.c.workflow == workflow, _DEFINITION.c.version == version)
        .order_by(_DEFINITION.c.id.desc())
        .limit(1)
    )
    row = unit.connection.execute(wanted).first()
    if row is None:
        raise NotFound
    return chart_of(unit, row.id, workflow, row.hash)


class World:
    """What steps of a chart see, at any instant, whoever acts."""

    def __init__(self, unit: Unit, chart: Chart, *, exact: bool = True) -> None:
        entity = unit.app.model.entities.get(chart.entity)
        if entity is None:
            raise NotFound
        self.unit: Unit = replace(unit, writes=False, touched=set(), seen={})
        self.chart, self.entity = chart, entity
        self.exact = exact  # formulas and rules after every step, not only after changes
        self.pins: Record = {}  # values of formulas that stay what somebody typed
        self._actors: dict[int, Actor | None] = {}
        self._people: dict[str, Sequence[int]] = {}
        self._away: frozenset[int] | None = None

    @classmethod
    def of(cls, unit: Unit, workflow: Workflow, *, exact: bool = True) -> World:
        """The world of a definition."""
        return cls(unit, compile_chart(workflow), exact=exact)

    def beside(self, chart: Chart) -> World:
        """The same world for another chart of the entity: what is known about people is shared."""
        other = World(self.unit, chart, exact=self.exact)
        other._actors, other._people = self._actors, self._people
        return other

    def actor(self, user: int | None) -> Actor | None:
        """The person as an actor; None when the account is closed, the platform for None."""
        if user is None:
            return SYSTEM
        if user not in self._actors:
            found = people.actor_of(self.unit.connection, user, self.unit.app.model)
            self._actors[user] = found
        return self._actors[user]

    def unit_of(self, user: int | None, now: datetime) -> Unit:
        """A unit of work as the person would have it then. It never writes."""
        return replace(self.unit, actor=self.actor(user) or SYSTEM, now=now)

    def env(self, record: Record, now: datetime, user: int | None) -> FalseEnv:
        """What a step sees."""
        return FalseEnv(self, record, now, user)

    def absent(self, user: int) -> bool:
        """Whether a person has ever arranged for a stand-in."""
        if self._away is None:
            rows = self.unit.connection.scalars(sa.select(_AWAY.c.user_id).distinct())
            self._away = frozenset(rows)
        return user in self._away

    @cached_property
    def looked_at(self) -> tuple[str, ...]:
        """The fields that decide where a case goes: those in conditions and instants, those that
        name people, and those that a state demands."""
        found: set[str] = set()
        for source, _, expected in expressions_of(self.chart):
            if expected in ("bool", "instant"):
                try:
                    found |= {path[0] for path in dependencies(parse(plain_expression(source)))}
                except ExpressionError:
                    continue
        for state in self.chart.states.values():
            found |= {name for name, right in state.fields.items() if right == "required"}
        found |= _names_in(_document(self.chart))
        return tuple(name for name in self.entity.fields if name in found)

    @cached_property
    def options(self) -> frozenset[str]:
        """The states that the state field knows."""
        field = self.entity.fields.get(self.chart.state_field)
        return frozenset(one.value for one in field.options) if field else frozenset()

    @property
    def known(self) -> dict[str, Sequence[int]]:
        """The people found so far, by what they were asked for."""
        return self._people


def _document(chart: Chart) -> Iterator[Who]:
    """Every `who` of a chart."""
    for state in chart.states.values():
        for whos in state.may.values():
            yield from whos
        if state.policy is not None:
            yield from (*state.policy.assignees, *state.policy.cc)
            if isinstance(state.policy.empty, Mapping):
                yield state.policy.empty
        for action, _ in actions_of(state):
            to = action.get("to")
            if isinstance(to, Mapping):
                yield to
            elif isinstance(to, list):
                yield from (one for one in to if isinstance(one, Mapping))


def _names_in(whos: Iterable[Who]) -> set[str]:
    """The fields that hold people."""
    return {str(who[key]) for who in whos for key in ("ofField", "field") if key in who}


class FalseEnv:
    """`engine.workflow.Env` at an instant of the simulation."""

    def __init__(self, world: World, record: Record, now: datetime, user: int | None) -> None:
        self._world, self._record, self._user = world, record, user
        self._real = FlowEnv(
            world.unit_of(user, now),
            world.entity,
            record,
            workflow=world.chart.id,
            actor=user,
        )

    @property
    def now(self) -> datetime:
        """The false instant, by the company's clocks as in earnest."""
        return self._real.now

    @property
    def actor(self) -> int | None:
        """Who acts; None is the platform itself."""
        return self._user

    @property
    def record(self) -> Mapping[str, Any]:
        """The copy of the record."""
        return self._record

    def test(self, source: str, names: Mapping[str, Any]) -> bool:
        """As in earnest."""
        return self._real.test(source, names)

    def value(self, source: str, names: Mapping[str, Any]) -> Any:
        """As in earnest."""
        return self._real.value(source, names)

    def resolve(self, who: Who, names: Mapping[str, Any], meta: Meta) -> Sequence[int]:
        """The people a `who` names today."""
        looked = [str(who[key]) for key in ("ofField", "field") if key in who]
        values = [names.get(name, self._record.get(name)) for name in looked]
        key = repr((sorted(who.items(), key=str), values, meta.of, meta.starter))
        known = self._world.known
        if key not in known:
            known[key] = self._real.resolve(who, names, meta)
        return known[key]

    def due(self, start: datetime, delay: Delay, clock: Literal["calendar", "work"]) -> datetime:
        """By the company's own calendar."""
        return self._real.due(start, delay, clock)

    def agent(self, user: int) -> int | None:
        """Who stands in at the false instant."""
        return self._real.agent(user) if self._world.absent(user) else None


def plausible(entity: Entity, name: str, now: datetime, starter: int | None) -> Any:
    """Something to fill a field with that the case asks for; None when there is nothing to guess
    (a record of another entity)."""
    field = entity.fields.get(name)
    if field is None or field.compute or field.rows is not None:
        return None
    if field.options:
        first = field.options[0].value
        return [first] if field.multiple else first
    if field.type == "user":
        return starter
    if field.reference is not None:
        return None
    kind = bind(field)
    smallest = field.schema.get("minimum", 1)
    for guess in (smallest, "…", True, now.date().isoformat(), now.isoformat()):
        try:
            return kind.from_json(guess)
        except (BadValue, TypeError, ValueError, AttributeError, ArithmeticError):
            continue
    return None
