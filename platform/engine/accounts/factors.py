"""The second factor: one-time codes of a telephone (RFC 6238) and recovery codes on paper.

A code works once: the step it belongs to is written down in the statement that accepts it, so of
two requests with the same code one is let in. The secret is sealed; of recovery codes only the
hash is kept.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final, Literal

import pyotp
import sqlalchemy as sa

from engine.accounts.attempts import Brake
from engine.accounts.sealing import Unsealable, seal, unseal
from engine.accounts.tokens import digest
from engine.tables.system import FACTOR, RECOVERY

SECOND: Final = Brake("second", 5)  # codes of a person at login
PROVE: Final = Brake("prove", 5)  # passwords and codes of a person who is in already
STEP: Final = 30  # seconds
AROUND: Final = (-1, 0, 1)  # steps: clocks differ, and people type slowly
HOW_MANY: Final = 10
UNFINISHED: Final = timedelta(hours=1)  # how long a secret waits for its first code
_LABEL: Final = "factor"
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for another
_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Enabled:
    """A person's second factor. `left`: recovery codes not yet used."""

    since: datetime
    left: int


def enabled(connection: sa.Connection, user: int) -> Enabled | None:
    """The second factor of a person, None without one."""
    since = connection.scalar(sa.select(FACTOR.c.confirmed_at).where(FACTOR.c.user_id == user))
    if since is None:
        return None
    unused = sa.select(sa.func.count()).where(
        RECOVERY.c.user_id == user, RECOVERY.c.used_at.is_(None)
    )
    return Enabled(since, int(connection.execute(unused).scalar_one()))


def begin(connection: sa.Connection, user: int, secret: bytes, now: datetime) -> None:
    """Make a secret that waits for its first code; one that is in use stays."""
    waiting = sa.and_(FACTOR.c.user_id == user, FACTOR.c.confirmed_at.is_(None))
    connection.execute(FACTOR.delete().where(waiting))
    if enabled(connection, user) is None:
        sealed = seal(secret, _LABEL, str(user), pyotp.random_base32())
        connection.execute(FACTOR.insert().values(user_id=user, secret=sealed, created_at=now))


def unfinished(connection: sa.Connection, user: int, secret: bytes, now: datetime) -> str | None:
    """The secret that waits for its first code."""
    row = connection.execute(
        sa.select(FACTOR.c.secret).where(
            FACTOR.c.user_id == user,
            FACTOR.c.confirmed_at.is_(None),
            FACTOR.c.created_at > now - UNFINISHED,
        )
    ).first()
    try:
        return None if row is None else unseal(secret, _LABEL, str(user), row.secret)
    except Unsealable:
        return None


def address_of(shared: str, login: str, issuer: str) -> str:
    """What an authenticator scans."""
    return pyotp.TOTP(shared).provisioning_uri(name=login, issuer_name=issuer)


def confirm(
    connection: sa.Connection, user: int, secret: bytes, code: str, now: datetime
) -> list[str] | None:
    """Take the waiting secret into use by its first code: the recovery codes, to be shown once.
    None when the code is wrong or no secret waits."""
    shared = unfinished(connection, user, secret, now)
    step = None if shared is None else next(_steps(shared, code, now), None)
    if step is None:
        return None
    done = connection.execute(
        FACTOR.update()
        .where(FACTOR.c.user_id == user, FACTOR.c.confirmed_at.is_(None))
        .values(confirmed_at=now, last_step=step)
    )
    return renew_recovery(connection, user, now) if done.rowcount == 1 else None


def check_code(
    connection: sa.Connection, user: int, secret: bytes, code: str, now: datetime
) -> Literal["totp", "recovery"] | None:
    """Whether `code` proves who somebody is: "totp" or "recovery" by what it was, else None. Uses
    it up."""
    code = "".join(code.split()).lower()
    if code.isascii() and code.isdigit():
        return "totp" if _use_step(connection, user, secret, code, now) else None
    return "recovery" if _use_recovery(connection, user, code, now) else None


def renew_recovery(connection: sa.Connection, user: int, now: datetime) -> list[str]:
    """New recovery codes; the old ones are worth nothing."""
    connection.execute(RECOVERY.delete().where(RECOVERY.c.user_id == user))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(HOW_MANY)]
    rows = [
        {"code_hash": _hashed(user, code), "user_id": user, "created_at": now} for code in codes
    ]
    connection.execute(RECOVERY.insert(), rows)
    return ["-".join(code[at : at + 4] for at in range(0, _LENGTH, 4)) for code in codes]


def remove(connection: sa.Connection, user: int) -> bool:
    """Take a person's second factor away; whether there was one."""
    connection.execute(RECOVERY.delete().where(RECOVERY.c.user_id == user))
    gone = connection.execute(FACTOR.delete().where(FACTOR.c.user_id == user))
    return gone.rowcount == 1


def _use_step(
    connection: sa.Connection, user: int, secret: bytes, code: str, now: datetime
) -> bool:
    sealed = connection.scalar(
        sa.select(FACTOR.c.secret).where(
            FACTOR.c.user_id == user, FACTOR.c.confirmed_at.is_not(None)
        )
    )
    if sealed is None:
        return False
    try:
        shared = unseal(secret, _LABEL, str(user), sealed)
    except Unsealable:
        return False
    for step in _steps(shared, code, now):
        unused = sa.or_(FACTOR.c.last_step.is_(None), FACTOR.c.last_step < step)
        mine = sa.and_(FACTOR.c.user_id == user, FACTOR.c.confirmed_at.is_not(None), unused)
        if connection.execute(FACTOR.update().where(mine).values(last_step=step)).rowcount == 1:
            return True
    return False


def _steps(shared: str, code: str, now: datetime) -> Iterator[int]:
    """The steps around now whose code this is."""
    clock = pyotp.TOTP(shared, interval=STEP)
    code = "".join(code.split())
    current = int(now.timestamp()) // STEP
    for step in (current + offset for offset in AROUND):
        if compare_digest(clock.generate_otp(step).encode(), code.encode("utf-8", "replace")):
            yield step


def _use_recovery(connection: sa.Connection, user: int, code: str, now: datetime) -> bool:
    plain = code.replace("-", "")
    mine = sa.and_(
        RECOVERY.c.code_hash == _hashed(user, plain),
        RECOVERY.c.user_id == user,
        RECOVERY.c.used_at.is_(None),
    )
    return connection.execute(RECOVERY.update().where(mine).values(used_at=now)).rowcount == 1


def _hashed(user: int, code: str) -> str:
    """80 random bits need no slow hash; the person's number keeps two of the same apart."""
    return digest(f"{user}:{code}")
