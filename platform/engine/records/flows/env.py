"""The world a workflow step sees: expressions over the record, people, the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.expressions import ExpressionError, parse, scope_of
from engine.expressions import compile as compile_expression
from engine.fields import bind
from engine.records import people
from engine.records.evaluation import Relations
from engine.records.groups import members
from engine.records.unit import Unit
from engine.records.worktime import calendar_due, clock_of
from engine.tables import system
from engine.workflow import CannotEvaluate, Delay, Known, Meta, called_types

_USER, _DEPT, _AWAY = system.USER, system.DEPARTMENT, system.WF_DELEGATION
_GROUP: Final = system.GROUP
_HIGHEST: Final = 20  # levels of superiors anybody can have
BEYOND_IDS: Final = 2**53  # ids stay below, so that browsers keep them exact

Who = Mapping[str, Any]


class FlowEnv:
    """`engine.workflow.Env` over a unit of work, for one use case: what it looked up it keeps.

    `record` is as it will be saved. `actor`: who acts, when it is not the unit's own actor.
    `called`: the entity whose records the ``results`` of a call are. `old`: the record before it
    was changed, where that is what happened.
    """

    def __init__(
        self,
        unit: Unit,
        entity: Entity,
        record: Mapping[str, Any],
        *,
        workflow: str = "",
        actor: int | None = None,
        called: str = "",
        old: Mapping[str, Any] | None = None,
    ) -> None:
        self._unit, self._entity, self._record = unit, entity, record
        self._workflow, self._called = workflow, called
        self._old = record if old is None else old
        self._actor = actor or unit.actor.id or None
        self._relations = Relations(unit)
        self._people: dict[str, list[int]] = {}
        self._bosses: dict[int, int | None] = {}
        self._agents: dict[int, int | None] = {}

    @property
    def now(self) -> datetime:
        """The present instant, by the company's clocks: a date begins at their midnight."""
        return self._unit.now.astimezone(self._unit.company_zone)

    @property
    def actor(self) -> int | None:
        """Who acts; None is the platform itself."""
        return self._actor

    @property
    def record(self) -> Mapping[str, Any]:
        """The record."""
        return self._record

    def forget(self) -> None:
        """After a write: other records may not be what they were."""
        self._relations.forget()

    def test(self, source: str, names: Mapping[str, Any]) -> bool:
        """A condition; what is neither true nor false does not hold."""
        return self.value(source, names) is True

    def value(self, source: str, names: Mapping[str, Any]) -> Any:
        """The value of an expression."""
        app, entity = self._unit.app, self._entity
        try:
            evaluate = app.kept(
                ("flow", entity.name, self._called, source),
                lambda: compile_expression(
                    parse(source),
                    scope_of(
                        app.model,
                        entity,
                        lambda field: bind(field).expression_type,
                        called_types(self._called),
                    ),
                ),
            )
            return evaluate(self._relations.env({**self._record, **names}, self._old))
        except ExpressionError as error:
            raise CannotEvaluate(error.problem) from error

    # --- people --------------------------------------------------------------------------------
    def resolve(self, who: Who, names: Mapping[str, Any], meta: Meta) -> Sequence[int]:
        """The people a `who` names, able to act today."""
        fields = [names.get(name, self._record.get(name)) for name in _fields_of(who)]
        key = repr((sorted(who.items(), key=str), fields, meta.of, meta.starter))
        if key not in self._people:
            found = self._resolve(who, fields[0] if fields else None, meta)
            self._people[key] = list(dict.fromkeys(found))
        return self._people[key]

    def _resolve(self, who: Who, value: Any, meta: Meta) -> Iterable[int]:
        """Only those who are able to act."""
        connection = self._unit.connection
        match who:
            case {"user": int(user)}:
                return self._able([user])
            case {"user": user}:
                row = people.find_user(connection, str(user))
                return self._able([row["id"]]) if row else []
            case {"role": role}:
                return self._holders(str(role))
            case {"admin": True}:
                return self._administrators()
            case {"department": department}:
                return self._department(department)
            case {"group": group}:
                return members(connection, str(group))
            case {"starter": True}:
                return self._able([meta.starter]) if meta.starter else []
            case {"supervisor": int(level)}:
                of = _ids(value) if "ofField" in who else meta.of
                return [boss for user in of for boss in self._chain(user)[level - 1 : level]]
            case {"supervisors": dict(limits)}:
                of = _ids(value) if "ofField" in who else meta.of
                return self._supervisors(of, limits)
            case {"field": _}:
                return self._able(_ids(value))
        return []

    def _holders(self, role: str) -> list[int]:
        statement = self._unit.app.statement(("wf holders", role), lambda: people.holding([role]))
        return [row["id"] for row in statement.rows(self._unit.connection, {})]

    def _able(self, users: Sequence[int]) -> list[int]:
        """Those whose accounts are open, in their order. Ids may come from outside."""
        users = [user for user in dict.fromkeys(users) if 0 < user < BEYOND_IDS]
        if not users:
            return []
        statement = self._unit.app.statement(
            ("wf able", len(users)),
            lambda: sa.select(_USER.c.id).where(
                _USER.c.id.in_(_places(len(users))), _USER.c.disabled_at.is_(None)
            ),
        )
        rows = statement.rows(self._unit.connection, _placed(users))
        able = {row["id"] for row in rows}
        return [user for user in users if user in able]

    def _administrators(self) -> list[int]:
        """Whoever holds an administrator's role; the operators where nobody does."""
        connection = self._unit.connection
        roles = [role.name for role in self._unit.app.model.roles.values() if role.admin]
        found = people.holders(connection, roles) if roles else []
        if found:
            return found
        operators = sa.select(_USER.c.id).where(_USER.c.is_operator, _USER.c.disabled_at.is_(None))
        return list(connection.scalars(operators.order_by(_USER.c.id)))

    def _department(self, department: Any) -> list[int]:
        """Everybody in a department, named by key or name, or given as id."""
        same = (
            _DEPT.c.id == department
            if isinstance(department, int)
            else sa.or_(_DEPT.c.key == department, _DEPT.c.name == department)
        )
        statement = (
            sa.select(_USER.c.id)
            .join(_DEPT, _DEPT.c.id == _USER.c.department_id)
            .where(same, _DEPT.c.removed_at.is_(None), _USER.c.disabled_at.is_(None))
            .order_by(_USER.c.id)
        )
        return list(self._unit.connection.scalars(statement))

    # --- superiors -----------------------------------------------------------------------------
    def _boss(self, user: int) -> int | None:
        """A person's own manager, else the head of the department or of one above it."""
        if user not in self._bosses:
            self._bosses[user] = self._look_up(user)
        return self._bosses[user]

    def _look_up(self, user: int) -> int | None:
        connection = self._unit.connection
        row = connection.execute(
            sa.select(_USER.c.manager_id, _USER.c.department_id).where(_USER.c.id == user)
        ).first()
        if row is None:
            return None
        boss: int | None = row.manager_id
        department: int | None = row.department_id
        for _ in range(_HIGHEST):
            if boss is not None and boss != user:
                return boss
            place = people.department_record(connection, department) if department else None
            if place is None:
                return None
            boss, department = place["manager"], place["parent"]
        return None

    def _chain(self, user: int) -> list[int]:
        """The superiors of a person, nearest first; vacant posts do not count as a level."""
        found: list[int] = []
        here = self._boss(user)
        while here is not None and here not in found and len(found) < _HIGHEST:
            found.append(here)
            here = self._boss(here)
        return self._able([boss for boss in found if boss != user])

    def _supervisors(self, users: Sequence[int], limits: Mapping[str, Any]) -> list[int]:
        chain = self._chain(users[0]) if users else []
        if "untilRole" in limits:
            holders = set(people.holders(self._unit.connection, [str(limits["untilRole"])]))
            until = next((at for at, boss in enumerate(chain) if boss in holders), len(chain))
            chain = chain[: until + 1]
        return chain[: int(limits.get("upTo", _HIGHEST))]

    def agent(self, user: int) -> int | None:
        """Who stands in for `user` now: the latest arrangement counts."""
        if user not in self._agents:  # asked for everybody who may be next, at once
            known = {one for found in self._people.values() for one in found}
            asked = [user, *sorted(known - self._agents.keys() - {user})]
            self._agents |= dict.fromkeys(asked)
            for row in self._standing(asked):
                self._agents[row["user_id"]] = row["agent_id"]
        return self._agents[user]

    def _standing(self, users: Sequence[int]) -> list[dict[str, Any]]:
        """The arrangements that hold now, those that count last."""

        def build() -> sa.Select[Any]:
            now = sa.bindparam("now", type_=_AWAY.c.from_at.type)
            return (
                sa.select(_AWAY.c.user_id, _AWAY.c.agent_id)
                .join(_USER, _USER.c.id == _AWAY.c.agent_id)
                .where(
                    _AWAY.c.user_id.in_(_places(len(users))),
                    _AWAY.c.workflow.in_([sa.literal(""), sa.bindparam("flow", type_=sa.Text())]),
                    _AWAY.c.from_at <= now,
                    sa.or_(_AWAY.c.until_at.is_(None), _AWAY.c.until_at > now),
                    _USER.c.disabled_at.is_(None),
                )
                .order_by(_AWAY.c.workflow, _AWAY.c.id)  # its own goes before all
            )

        values = {**_placed(users), "now": self._unit.now, "flow": self._workflow}
        statement = self._unit.app.statement(("wf standing in", len(users)), build)
        return statement.rows(self._unit.connection, values)

    # --- time ----------------------------------------------------------------------------------
    def due(self, start: datetime, delay: Delay, clock: Literal["calendar", "work"]) -> datetime:
        """`delay` after `start`."""
        zone = self._unit.company_zone
        if clock == "work":
            return clock_of(self._unit).due(start, delay.days, delay.seconds)
        return calendar_due(zone, start, delay.days, delay.seconds)


def known(unit: Unit) -> Known:
    """Who there is in the company, for the checks of a definition before it is published."""
    connection, roles = unit.connection, unit.app.model.roles
    places = connection.execute(
        sa.select(_DEPT.c.key, _DEPT.c.name).where(_DEPT.c.removed_at.is_(None))
    )
    logins = sa.select(_USER.c.login).where(_USER.c.disabled_at.is_(None))
    keys = sa.select(_GROUP.c.key).where(_GROUP.c.removed_at.is_(None))
    return Known(
        groups=frozenset(connection.scalars(keys)),
        departments=frozenset(name for row in places for name in row if name),
        logins=frozenset(connection.scalars(logins)),
        held=frozenset(name for name in roles if people.holders(connection, [name])),
    )


def _places(count: int) -> list[sa.BindParameter[int]]:
    """As many ids in a statement that is compiled once."""
    return [sa.bindparam(f"i{at}", type_=_USER.c.id.type) for at in range(count)]


def _placed(ids: Sequence[int]) -> dict[str, int]:
    return {f"i{at}": id for at, id in enumerate(ids)}


def _fields_of(who: Who) -> list[str]:
    """The record's field that a `who` looks at."""
    return [str(who[key]) for key in ("ofField", "field") if key in who]


def _ids(value: Any) -> list[int]:
    """The ids in a field's value, or in what an expression made of it."""
    values = value if isinstance(value, list | tuple) else [value]
    ids = [item.get("id") if isinstance(item, Mapping) else item for item in values]
    return [id for id in ids if isinstance(id, int) and not isinstance(id, bool)]
