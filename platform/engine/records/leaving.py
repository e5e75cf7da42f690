"""Closing an account: at once, and without losing anything that waits for the person."""

from __future__ import annotations

from dataclasses import dataclass

from engine.problems import Problem
from engine.records import delegation, people
from engine.records.failures import Invalid
from engine.records.flows import moving
from engine.records.flows.moving import Moved
from engine.records.history import note
from engine.records.personnel import entrance, rules
from engine.records.personnel.rules import NOWHERE, Origin
from engine.records.unit import Unit

LOG = "@user"  # its lines in the history


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing an account brought about."""

    moved: Moved
    delegations: int


def close_account(unit: Unit, user: int, origin: Origin = NOWHERE) -> Closed:
    """Close an account. Its sessions, links and tokens open nothing any more. Its open tasks go to
    the agent, back to their pools, or where the approvals' `empty` rules say; it stands in for
    nobody any more. Cases it started go on, and records stay its own until they are handed over. A
    task that nobody can take stays and is told.

    Raises: NotFound for who may not and for nobody, Invalid for one's own account, Conflict for the
    last administrator's, and for an operator's unless an operator asks.
    """
    rules.alone(unit)
    rules.manageable(unit, user)
    if user == unit.actor.id:
        raise Invalid([Problem("H141", pointer="/user")])
    rules.keep_one(unit, user)
    people.change_user(unit, user, disabled_at=unit.now)
    note(unit, LOG, user, 1, "change", {"disabled_at": [None, unit.now.isoformat()]})
    entrance.shut(unit, user)
    moved = moving.account_closed(unit, user)
    rules.log(unit, "user.disabled", (rules.PERSON, user), {"tasks": moved.tasks}, origin)
    return Closed(moved, delegation.account_closed(unit, user))


def open_account(unit: Unit, user: int, origin: Origin = NOWHERE) -> None:
    """Open a closed account again; what went to others stays there.

    Raises: NotFound, Conflict for an operator's account unless an operator asks.
    """
    rules.manageable(unit, user)
    people.change_user(unit, user, disabled_at=None)
    note(unit, LOG, user, 1, "change", {"disabled_at": [unit.now.isoformat(), None]})
    rules.log(unit, "user.enabled", (rules.PERSON, user), {}, origin)
