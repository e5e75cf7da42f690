"""Publishing: new definitions in force, for all workers, between two requests.

The change of the tables and the row that says which version holds are one transaction; whatever
goes wrong leaves both as they were. Only additions happen to tables: what a definition no longer
names is hidden at once, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import sqlalchemy as sa

from engine.definitions import build_model
from engine.definitions.model import Model
from engine.fields import TYPES, bind
from engine.problems import Problem, Severity
from engine.records.application import Application
from engine.records.company import Company, NotPublished
from engine.records.failures import Busy, Conflict, Invalid
from engine.records.unit import SYSTEM, Actor
from engine.storage import Ids, StorageBusy
from engine.tables import Layout, Plan, PlanRefused, apply, build_tables, plan, system

Check = Callable[[Mapping[str, str], str], tuple[Model | None, list[Problem]]]


def plan_publish(
    company: Company, sources: Mapping[str, str], pack: str, check: Check | None = None
) -> Plan:
    """What publishing would do to the tables; nothing is changed.

    Raises: Invalid for definitions with errors.
    """
    model = _model(sources, pack, check)
    try:
        app = company.current
    except NotPublished:
        return plan(None, None, model, bind)
    return plan(app.layout, app.model, model, bind)


def publish(
    company: Company,
    sources: Mapping[str, str],
    pack: str,
    actor: Actor = SYSTEM,
    note: str = "",
    *,
    check: Check | None = None,
) -> Application:
    """Put new definitions into force. `check` does more than reading them (`engine.packs` types
    the expressions); whoever has checked already leaves it out.

    Raises: Invalid for definitions with errors, Conflict when the data does not allow the change,
    Busy.
    """
    model = _model(sources, pack, check)

    def work(connection: sa.Connection) -> Application:
        system.ensure(connection)
        # the row is locked first: two administrators publish one after the other
        old = _newest(connection)
        if old is None:
            before: tuple[Layout | None, Model | None] = (None, None)
        else:
            app = company.application(connection)
            before = (app.layout, app.model)
        steps = plan(*before, model, bind)
        apply(connection, steps, build_tables(model, steps.layout, bind))
        version = _next(connection, company.database.ids, old)
        connection.execute(
            sa.insert(system.VERSION).values(
                id=version,
                hash=model.hash,
                pack=pack,
                sources=dict(sources),
                layout=steps.layout.to_json(),
                at=datetime.now(UTC),
                by_id=actor.id or None,
                note=note,
            )
        )
        return Application(company.database, model, steps.layout, version, sources)

    try:
        app = company.database.ddl(work)
    except PlanRefused as refusal:
        raise Conflict(refusal.problems) from refusal
    except StorageBusy as busy:
        raise Busy from busy
    company.adopt(app)
    return app


def _model(sources: Mapping[str, str], pack: str, check: Check | None) -> Model:
    if check is not None:
        model, problems = check(sources, pack)
    else:
        model, problems = build_model(sources, pack, types=TYPES)
    wrong = [problem for problem in problems if problem.severity is Severity.ERROR]
    if model is None or wrong:
        raise Invalid(wrong or problems)
    return model


def _newest(connection: sa.Connection) -> int | None:
    table = system.VERSION
    statement = sa.select(table.c.id).order_by(table.c.id.desc()).limit(1).with_for_update()
    return connection.scalar(statement)


def _next(connection: sa.Connection, ids: Ids, old: int | None) -> int:
    """A number above all earlier ones: the greatest is the one in force."""
    version = ids.next(connection)
    while old is not None and version <= old:
        version = ids.next(connection)
    return version
