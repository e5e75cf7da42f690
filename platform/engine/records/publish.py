"""Publishing: new definitions in force, for all workers, between two requests.

The change of the tables and the row that says which version holds are one transaction; whatever
goes wrong leaves both as they were. Only additions happen to tables: what a definition no longer
names is hidden at once, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from engine.accounts.security_log import log_event
from engine.definitions import build_model
from engine.definitions.model import Model
from engine.fields import TYPES, bind
from engine.problems import Problem, Severity, text
from engine.problems.catalogue import LANGUAGES
from engine.records.administration import versions
from engine.records.application import Application
from engine.records.company import Company, NotPublished
from engine.records.computing import Ripple
from engine.records.explaining.difference import Diff, permission_diff, rights_outlook
from engine.records.failures import Busy, Conflict, Invalid
from engine.records.keeping import check_keys, note_key
from engine.records.meaning import refills
from engine.records.outlook import Outlook, look_ahead
from engine.records.resealing import reseal
from engine.records.unit import SYSTEM, Actor, Unit
from engine.storage import Ids, StorageBusy, overwriting
from engine.tables import PlanRefused, apply, build_tables, plan, system

WHATEVER: Final = "*"  # acknowledges any change of rights: for programs that nobody watches
MOST_TOLD: Final = 20  # changes of rights in one line of the security log
Check = Callable[[Mapping[str, str], str], tuple[Model | None, list[Problem]]]


def plan_publish(
    company: Company, sources: Mapping[str, str], pack: str, check: Check | None = None
) -> Outlook:
    """What publishing would do; nothing is changed.

    Raises: Invalid for definitions with errors.
    """
    model = _model(sources, pack, check)
    with company.database.read() as connection:
        try:
            app = company.application(connection)
        except NotPublished:
            return look_ahead(None, None, model)
        return look_ahead(app, connection, model)


def publish(
    company: Company,
    sources: Mapping[str, str],
    pack: str,
    actor: Actor = SYSTEM,
    note: str = "",
    *,
    check: Check | None = None,
    after: int | None = None,
    acknowledged: str = "",
) -> Application:
    """Put new definitions into force. `check` does more than reading them (`engine.packs` types
    the expressions); whoever has checked already leaves it out. `after`: the version that the new
    sources were made from, when nobody may have published in between. `acknowledged`: the hash of
    the `permission_diff` that somebody has looked at (or `WHATEVER`); where nobody's rights change
    nobody need look.

    Raises: Invalid for definitions with errors, Conflict when the data does not allow the change,
    somebody else was faster or the change of rights was not acknowledged, Busy.
    """
    model = _model(sources, pack, check)
    publishing = _Publishing(company, model, sources, pack, actor, note, after, acknowledged)
    try:
        app = company.database.ddl(publishing.run)
    except _Unseen as unseen:
        raise Conflict([unacknowledged(permission_diff(company, model))]) from unseen
    except PlanRefused as refusal:
        raise Conflict(refusal.problems) from refusal
    except StorageBusy as busy:
        raise Busy from busy
    company.adopt(app)
    if app.encrypted:
        company.database.settle()  # what may just have become encrypted is in the journal still
    return app


def unacknowledged(diff: Diff) -> Problem:
    """What is said to who would change rights without having looked at it: the whole change."""
    told = {language: "\n".join(diff.sentences(language)) for language in LANGUAGES}
    return Problem("G220", {"changes": told, "hash": diff.hash})


class _Unseen(Exception):
    """Rights of people would change, and nobody has acknowledged it."""


@dataclass(frozen=True, slots=True)
class _Publishing:
    """One publication; `run` may be run again when a lock was not to be had."""

    company: Company
    model: Model
    sources: Mapping[str, str]
    pack: str
    actor: Actor
    note: str
    after: int | None
    acknowledged: str

    def run(self, connection: sa.Connection) -> Application:
        """Change the tables and put the version row in."""
        database = self.company.database
        system.ensure(connection)
        # the newest row is locked first: two administrators publish one after the other
        old = _newest(connection)
        if self.after is not None and self.after != old:
            raise Conflict([Problem("P299")])
        before = None if old is None else self.company.application(connection)
        layout, model = (before.layout, before.model) if before else (None, None)
        if before is not None:
            self._refuse(connection)
        rights = self._rights(connection, before)
        steps = plan(layout, model, self.model, bind)
        apply(connection, steps, build_tables(self.model, steps.layout, bind, database.keys))
        version = _next(connection, database.ids, old)
        connection.execute(
            sa.insert(system.VERSION).values(
                id=version,
                hash=self.model.hash,
                pack=self.pack,
                sources=dict(self.sources),
                layout=steps.layout.to_json(),
                at=datetime.now(UTC),
                by_id=self.actor.id or None,
                note=self.note,
            )
        )
        self._note(connection, version, rights)
        app = Application(database, self.model, steps.layout, version, self.sources)
        if check_keys(connection, app):
            note_key(connection, app.tables.keys)
        if before is not None:
            with overwriting(connection):
                reseal(connection, before, app)
            _recompute(app, connection, before.model)
        return app

    def _rights(self, connection: sa.Connection, before: Application | None) -> Diff:
        """Whose rights change; in this transaction, so that no publish comes between."""
        if before is None:
            return Diff()
        rights = rights_outlook(before, connection, self.model, counted=False)
        if not rights.empty and self.acknowledged not in (WHATEVER, rights.hash):
            raise _Unseen
        return rights

    def _note(self, connection: sa.Connection, version: int, rights: Diff) -> None:
        """Write down whose rights change with this version, and who has acknowledged it."""
        if rights.empty:
            return
        told = [text(line.problem, self.model.default_language) for line in rights.lines]
        details = {"version": version, "hash": rights.hash, "changes": told[:MOST_TOLD]}
        user = self.actor.id or None
        log_event(connection, datetime.now(UTC), "publish.rights", user=user, details=details)

    def _refuse(self, connection: sa.Connection) -> None:
        """Cases that run keep what carries them.

        Raises: Conflict.
        """
        if connection.dialect.name == "postgresql":
            # cases that begin in this moment are counted, or meet the new version
            table = _quoted(connection, system.WF_INSTANCE)
            connection.execute(sa.text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))
        if refused := versions.refusals(connection, self.model):
            raise Conflict(refused)


def _model(sources: Mapping[str, str], pack: str, check: Check | None) -> Model:
    if check is not None:
        model, problems = check(sources, pack)
    else:
        model, problems = build_model(sources, pack, types=TYPES)
    wrong = [problem for problem in problems if problem.severity is Severity.ERROR]
    if model is None or wrong:
        raise Invalid(wrong or problems)
    return model


def _recompute(app: Application, connection: sa.Connection, old: Model) -> None:
    """Give new and changed formulas their values on the records that are there."""
    wanted = refills(old, app.model)
    if connection.dialect.name == "postgresql":
        # who is writing with the old formulas comes to an end first, and nobody else begins
        for one in wanted:
            table = app.tables.of(one.entity.name).table
            mode = "SHARE ROW EXCLUSIVE"
            connection.execute(sa.text(f"LOCK TABLE {_quoted(connection, table)} IN {mode} MODE"))
    ripple = Ripple(Unit(app, connection, SYSTEM, datetime.now(UTC), "publish"))
    for one in wanted:
        ripple.refill(one.entity.name, lines=one.lines)
    ripple.run(guard=False)


def _quoted(connection: sa.Connection, table: sa.Table) -> str:
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    quote = connection.dialect.identifier_preparer.quote
    return f"{quote(schema)}.{quote(table.name)}" if schema else quote(table.name)


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
