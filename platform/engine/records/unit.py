"""The unit of work: one transaction of one actor, under one clock and one published version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine.access import EntityAccess
from engine.definitions.model import Entity
from engine.fields.base import Moment
from engine.records.actor import SYSTEM, Actor
from engine.records.application import Application
from engine.records.failures import NotFound

__all__ = ["SYSTEM", "Actor", "Seen", "Unit"]

Seen = tuple[str, str, int | None, frozenset[str]]
"""What somebody saw: how (open, list …), the entity, the record, the names of the fields."""


@dataclass(slots=True)
class Unit:
    """One transaction of one actor. Every use case takes it as its first argument."""

    app: Application
    connection: sa.Connection
    actor: Actor
    now: datetime
    source: str = "page"  # page, api, import, workflow, job, command: kept in the history
    files: Path | None = None  # where uploads are kept
    writes: bool = False
    touched: set[tuple[str, int]] = field(default_factory=set)  # records changed in this unit
    posted: bool = False  # work for later was written: its runner wakes with the commit
    depth: int = 0  # workflows whose actions brought us here, one inside the other
    address: str = ""  # where the actor sits, for the log of accesses
    seen: dict[Seen, int] = field(default_factory=dict)  # sensitive values that left in the clear

    def entity(self, name: str) -> Entity:
        """The entity, as far as the actor may know that it exists.

        Raises: NotFound.
        """
        found = self.app.model.entities.get(name)
        access = found and self.access(name)
        if not found or not access or not any(access.may(a) for a in ("read", "create")):
            raise NotFound
        return found

    def access(self, entity: str) -> EntityAccess:
        """What the actor may do with an entity."""
        return self.app.access(entity, self.actor)

    @property
    def administers(self) -> bool:
        """Whether the actor may shape the company: an operator, or a role that says so. By a token
        nobody does."""
        actor, roles = self.actor, self.app.model.roles
        if actor.scopes is not None and not actor.system:
            return False
        return (
            actor.system
            or actor.operator
            or any(roles[name].admin for name in actor.roles if name in roles)
        )

    @property
    def zone(self) -> ZoneInfo:
        """The calendar that counts for the actor."""
        return ZoneInfo(self.actor.timezone or self.app.model.timezone)

    @property
    def company_zone(self) -> ZoneInfo:
        """The calendar that counts for rules and formulas, whoever acts."""
        return ZoneInfo(self.app.model.timezone)

    @property
    def today(self) -> date:
        """The actor's date."""
        return self.now.astimezone(self.zone).date()

    @property
    def moment(self) -> Moment:
        """Who and when, as field types want it."""
        return Moment(
            self.now, self.actor.id, self.actor.department, self.actor.departments, self.zone
        )

    @property
    def language(self) -> str:
        """The language to speak."""
        return self.actor.language or self.app.model.default_language

    def me(self) -> dict[str, Any]:
        """The actor as the record `me` of expressions."""
        return {
            "id": self.actor.id,
            "name": self.actor.name,
            "login": self.actor.login,
            "dept": self.actor.department,
            "roles": sorted(self.actor.roles),
        }
