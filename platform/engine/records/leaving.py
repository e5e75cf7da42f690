"""Closing an account: at once, and without losing anything that waits for the person."""

from __future__ import annotations

from dataclasses import dataclass

from engine.problems import Problem
from engine.records import delegation, people
from engine.records.failures import Invalid, NotFound
from engine.records.flows import moving
from engine.records.flows.moving import Moved
from engine.records.history import note
from engine.records.unit import Unit

LOG = "@user"  # its lines in the history


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing an account brought about."""

    moved: Moved
    delegations: int


def close_account(unit: Unit, user: int) -> Closed:
    """Close an account. Its open tasks go to the agent, back to their pools, or where the
    approvals' `empty` rules say; it stands in for nobody any more. Cases it started go on, and
    records stay its own until they are handed over. A task that nobody can take stays and is told.

    Raises: NotFound for who may not and for nobody, Invalid for one's own account.
    """
    if not unit.administers:
        raise NotFound
    if user == unit.actor.id:
        raise Invalid([Problem("H141", pointer="/user")])
    people.change_user(unit, user, disabled_at=unit.now)
    note(unit, LOG, user, 1, "change", {"disabled_at": [None, unit.now.isoformat()]})
    moved = moving.account_closed(unit, user)
    return Closed(moved, delegation.account_closed(unit, user))


def open_account(unit: Unit, user: int) -> None:
    """Open a closed account again; what went to others stays there.

    Raises: NotFound.
    """
    if not unit.administers:
        raise NotFound
    people.change_user(unit, user, disabled_at=None)
    note(unit, LOG, user, 1, "change", {"disabled_at": [unit.now.isoformat(), None]})
