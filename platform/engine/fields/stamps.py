"""Who made and last changed a record, and when: kept by records, never written by people."""

# ruff: noqa: ARG002 - an override keeps the arguments of its base

from __future__ import annotations

from typing import Any

from engine.fields.base import HOME, Moment
from engine.fields.dates import DateTimeType
from engine.fields.relations import UserType


class CreatedAtType(DateTimeType):
    """When the record was made."""

    name = "created_at"
    widget = "readonly"

    def default(self, now: Any, actor: int, zone: Any = HOME) -> Any:
        return self._now(Moment(now, actor, zone=zone))


class UpdatedAtType(CreatedAtType):
    """When the record was changed last."""

    name = "updated_at"


class CreatedByType(UserType):
    """Who made the record."""

    name = "created_by"
    widget = "readonly"

    def default(self, now: Any, actor: int, zone: Any = HOME) -> Any:
        return actor or None


class UpdatedByType(CreatedByType):
    """Who changed the record last."""

    name = "updated_by"


TYPES = (CreatedAtType, CreatedByType, UpdatedAtType, UpdatedByType)
