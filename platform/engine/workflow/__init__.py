"""Workflows: a pure interpreter of statecharts with approvals, its linter and its views."""

from engine.workflow.admin import ACTIONS, administer
from engine.workflow.chart import Chart, Delay, compile_chart
from engine.workflow.commands import Command, Rights, commands_for, field_rights
from engine.workflow.env import (
    FLOW_TYPES,
    CannotEvaluate,
    Env,
    Event,
    Meta,
    called_types,
    plain_expression,
)
from engine.workflow.expressions import expressions_of, types_at
from engine.workflow.instance import (
    Call,
    Creation,
    Effect,
    EventRow,
    Instance,
    Outcome,
    Round,
    Task,
    Timer,
    event_from_json,
    instance_from_json,
    to_json,
)
from engine.workflow.lint import check_chart
from engine.workflow.lint_people import Known
from engine.workflow.migrate import migrate
from engine.workflow.step import begin, noticed, retime, step
from engine.workflow.views import Card, Step, approval_card, progress

__all__ = [
    "ACTIONS",
    "FLOW_TYPES",
    "Call",
    "CannotEvaluate",
    "Card",
    "Chart",
    "Command",
    "Creation",
    "Delay",
    "Effect",
    "Env",
    "Event",
    "EventRow",
    "Instance",
    "Known",
    "Meta",
    "Outcome",
    "Rights",
    "Round",
    "Step",
    "Task",
    "Timer",
    "administer",
    "approval_card",
    "begin",
    "called_types",
    "check_chart",
    "commands_for",
    "compile_chart",
    "event_from_json",
    "expressions_of",
    "field_rights",
    "instance_from_json",
    "migrate",
    "noticed",
    "plain_expression",
    "progress",
    "retime",
    "step",
    "to_json",
    "types_at",
]
