"""Workflows on records. What the rest of the platform uses of them is gathered here."""

from __future__ import annotations

from engine.records.flows.inbox import (
    Fact,
    InboxItem,
    Wanted,
    copied_cases,
    count_tasks,
    decided_tasks,
    my_tasks,
    started_cases,
)
from engine.records.flows.steps import (
    Fired,
    begin_case,
    changed,
    decide,
    fire,
    initial_values,
    removed,
    restored,
    rights,
    settled,
    started,
    take,
    written,
)
from engine.records.flows.views import (
    Flow,
    Happened,
    card,
    commands,
    flow_events,
    flow_of,
    progress,
    prospects,
)
from engine.records.flows.words import (
    NotAllowed,
)

__all__ = [
    "Fact",
    "Fired",
    "Flow",
    "Happened",
    "InboxItem",
    "NotAllowed",
    "Wanted",
    "begin_case",
    "card",
    "changed",
    "commands",
    "copied_cases",
    "count_tasks",
    "decide",
    "decided_tasks",
    "fire",
    "flow_events",
    "flow_of",
    "initial_values",
    "my_tasks",
    "progress",
    "prospects",
    "removed",
    "restored",
    "rights",
    "settled",
    "started",
    "started_cases",
    "take",
    "written",
]
