"""What the platform knows of a record beside its fields: who takes part in its workflow, with whom
it is shared. The one place that says so in SQL, for permissions and expressions alike.

The conditions are `id IN (SELECT …)` over what the user has: few rows, found by an index on him,
instead of one look per record of a list.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa

from engine.expressions import Env
from engine.expressions.values import id_of
from engine.tables.system import SHARE, WF_CANDIDATE, WF_COPY, WF_INSTANCE, WF_TASK

LEVELS: Final = ("read", "write")


def condition(
    what: str, argument: str, entity: str, id: sa.ColumnElement[int], env: Env
) -> sa.ColumnElement[bool]:
    """Whether the fact `what` holds for the user of `env` and the record `id` of `entity`."""
    me = id_of(env.names.get("me"))
    if not me:
        return sa.false()
    if what == "participant":
        roles = env.names["me"].get("roles") or ()
        return id.in_(sa.union_all(*_cases(entity, me, roles)))
    above = env.names.get("my", {}).get("above") or ()
    return id.in_(_shares(entity, argument, me, above, env.now.date().isoformat()))


def received(entity: str, id: sa.ColumnElement[int], env: Env) -> sa.ColumnElement[bool]:
    """Whether somebody else shares the record `id` with the user of `env`, or with a department
    that he is in or below."""
    me = id_of(env.names.get("me"))
    if not me:
        return sa.false()
    above = env.names.get("my", {}).get("above") or ()
    found = _shares(entity, "read", me, above, env.now.date().isoformat())
    by = SHARE.c.by_id
    return id.in_(found.where(sa.or_(by.is_(None), by != me)))


def _cases(entity: str, me: int, roles: Collection[str]) -> list[sa.Select[Any]]:
    """The records in whose cases a person has a part: he began one, was asked, decided, was one of
    those who could take a task, or got a copy."""
    task, case = WF_TASK, WF_INSTANCE
    mine = sa.or_(task.c.assignee_id == me, task.c.decided_by_id == me, task.c.on_behalf_id == me)
    asked = sa.or_(
        WF_CANDIDATE.c.user_id == me,
        WF_CANDIDATE.c.role.in_(sorted(roles)) if roles else sa.false(),
    )
    return [
        sa.select(task.c.record_id).where(task.c.entity == entity, mine),
        sa.select(task.c.record_id)
        .join(WF_CANDIDATE, WF_CANDIDATE.c.task_id == task.c.id)
        .where(task.c.entity == entity, task.c.status == "open", asked),
        sa.select(case.c.record_id).where(case.c.entity == entity, case.c.starter_id == me),
        sa.select(case.c.record_id)
        .join(WF_COPY, WF_COPY.c.instance_id == case.c.id)
        .where(case.c.entity == entity, WF_COPY.c.user_id == me),
    ]


def _shares(entity: str, level: str, me: int, above: Collection[int], today: str) -> sa.Select[Any]:
    """The records shared with a person, or with a department that he is in or below."""
    share = SHARE
    whom: list[sa.ColumnElement[bool]] = [share.c.user_id == me]
    if above:
        whom.append(share.c.department_id.in_(sorted(above)))
    found = sa.select(share.c.record_id).where(
        share.c.entity == entity,
        sa.or_(*whom),
        sa.or_(share.c.until.is_(None), share.c.until >= today),
    )
    return found if level == "read" else found.where(share.c.level == "write")
