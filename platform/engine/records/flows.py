"""Workflows on records: cases begin, events are sent, tasks are decided.

The instance, its log, its tasks and timers, the effects to come and the record itself change in
one transaction, or nothing does. The state field is written here and nowhere else.

Beside this module: `flow_store` (rows), `flow_cases` (which case a record has), `flow_env` (what a
step sees), `flow_inbox` (task lists), `flow_views` (a record's case for its page), `flow_timers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from engine.definitions.model import Entity
from engine.fields import USER, BadValue, bind
from engine.problems import Problem, Severity
from engine.records import flow_cases, flow_store
from engine.records.computing import compute, live_values
from engine.records.evaluation import Relations
from engine.records.failures import (
    Conflict,
    Failure,
    Forbidden,
    Invalid,
    NotFound,
    Stale,
)
from engine.records.flow_cases import Situation, situation
from engine.records.flow_inbox import (
    Fact,
    InboxItem,
    count_tasks,
    decided_tasks,
    my_tasks,
    started_cases,
)
from engine.records.flow_store import Stored
from engine.records.flow_timers import NoLongerDue
from engine.records.flow_views import Flow, Happened, card, commands, flow_events, flow_of, progress
from engine.records.labels import names_of
from engine.records.storing import Saving, stale, store_change
from engine.records.unit import Unit
from engine.tables import system
from engine.workflow import Event, Outcome, compile_chart, field_rights, retime, step

__all__ = [
    "Fact",
    "Fired",
    "Flow",
    "Happened",
    "InboxItem",
    "NotAllowed",
    "card",
    "changed",
    "commands",
    "count_tasks",
    "decide",
    "decided_tasks",
    "fire",
    "flow_events",
    "flow_of",
    "initial_values",
    "my_tasks",
    "progress",
    "removed",
    "restored",
    "rights",
    "started",
    "started_cases",
]
