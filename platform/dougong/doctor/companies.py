"""What can be said of one company: its database, its people, its logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from dougong.doctor.finding import Finding, advice, unsafe
from engine.accounts.security_log import broken_at
from engine.records.company import Company, NotPublished
from engine.records.failures import Failure
from engine.storage import StorageError
from engine.tables.system import (
    FACTOR,
    IDENTITY,
    ONCE_LINK,
    SHARE,
    TOKEN,
    USER,
    USER_ROLE,
)

SKEW: Final = timedelta(seconds=60)
NAMED: Final = 10  # logins in one sentence
_WANTED: Final = {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "trusted_schema": 0}


def company_findings(company: Company, now: datetime) -> Iterator[Finding]:
    """Everything about one company."""
    try:
        with company.database.read() as connection:
            yield from database_findings(company, connection)
            yield from _people(company, connection, now)
            yield from _logs(company, connection, now)
    except NotPublished:
        return
    except StorageError as error:
        yield Finding("unsafe", error.problem, company.key)
    except Failure as failure:
        yield Finding("unsafe", failure.problems[0], company.key)


def database_findings(company: Company, connection: sa.Connection) -> Iterator[Finding]:
    """Settings of the database that could lose data, or let somebody listen."""
    if company.database.kind == "sqlite":
        for name, wanted in _WANTED.items():
            found = connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            if found != wanted:
                yield unsafe("T111", company=company.key, setting=name, found=found, wanted=wanted)
        return
    for problem in company.database.check():
        yield replace(unsafe(problem.code, company=company.key), problem=problem)
    row = connection.exec_driver_sql(
        "SELECT clock_timestamp() AS now, rolsuper FROM pg_roles WHERE rolname = current_user"
    ).one()
    skew = abs(row.now - datetime.now(UTC))
    if skew > SKEW:
        yield advice("T120", company=company.key, seconds=int(skew.total_seconds()))
    if row.rolsuper:
        yield advice("T124", company=company.key)


def _people(company: Company, connection: sa.Connection, now: datetime) -> Iterator[Finding]:
    roles = [role.name for role in company.current.model.roles.values() if role.admin]
    held = sa.select(USER_ROLE.c.user_id).where(USER_ROLE.c.role.in_(roles))
    rules = sa.or_(USER.c.is_operator, USER.c.id.in_(held))
    active = sa.select(USER.c.id, USER.c.login).where(USER.c.disabled_at.is_(None))
    chiefs = connection.execute(active.where(rules).order_by(USER.c.login)).all()
    if not chiefs:
        yield advice("T114", company=company.key)
    proved = sa.select(FACTOR.c.user_id).where(FACTOR.c.confirmed_at.is_not(None))
    safe = set(connection.scalars(proved))
    bare = [row.login for row in chiefs if row.id not in safe]
    if bare:
        yield advice("T115", company=company.key, logins=_some(bare), count=len(bare))
    links = sa.select(ONCE_LINK.c.user_id).where(
        ONCE_LINK.c.used_at.is_(None), ONCE_LINK.c.expires_at > now
    )
    waiting = connection.execute(
        active.where(
            USER.c.password_hash.is_(None),
            USER.c.id.not_in(sa.select(IDENTITY.c.user_id)),
            USER.c.id.in_(links),
        ).order_by(USER.c.login)
    ).all()
    if waiting:
        logins = _some([row.login for row in waiting])
        yield advice("T116", company=company.key, logins=logins, count=len(waiting))


def _logs(company: Company, connection: sa.Connection, now: datetime) -> Iterator[Finding]:
    if (row := broken_at(connection)) is not None:
        yield unsafe("T118", company=company.key, stops=False, row=row)
    if company.current.encrypted and not company.database.keys:
        yield unsafe("T119", company=company.key, stops=False)
    endless = sa.select(sa.func.count()).select_from(SHARE).where(SHARE.c.until.is_(None))
    if shares := connection.scalar(endless):
        yield advice("T117", company=company.key, count=shares)
    over = sa.select(sa.func.count()).select_from(TOKEN)
    over = over.where(TOKEN.c.revoked_at.is_(None), TOKEN.c.expires_at <= now)
    if tokens := connection.scalar(over):
        yield advice("T127", company=company.key, count=tokens)


def _some(logins: list[str]) -> list[str]:
    return logins[:NAMED] + (["…"] if len(logins) > NAMED else [])
