"""Workflows: a pure interpreter of statecharts with approvals, its linter and its views."""

from engine.workflow.chart import Chart, Delay, compile_chart
from engine.workflow.commands import Command, Rights, commands_for, field_rights
from engine.workflow.env import FLOW_TYPES, CannotEvaluate, Env, Event, Meta, plain_expression
from engine.workflow.instance import (
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
from engine.workflow.lint import check_chart, expressions_of
from engine.workflow.step import begin, retime, step
from engine.workflow.views import Card, Step, approval_card, progress

__all__ = [
    "FLOW_TYPES",
    "CannotEvaluate",
    "Card",
    "Chart",
    "Command",
    "Delay",
    "Effect",
    "Env",
    "Event",
    "EventRow",
    "Instance",
    "Meta",
    "Outcome",
    "Rights",
    "Round",
    "Step",
    "Task",
    "Timer",
    "approval_card",
    "begin",
    "check_chart",
    "commands_for",
    "compile_chart",
    "event_from_json",
    "expressions_of",
    "field_rights",
    "instance_from_json",
    "plain_expression",
    "progress",
    "retime",
    "step",
    "to_json",
]
