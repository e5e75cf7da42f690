"""Tables made of definitions: where records lie, and how that changes when definitions do."""

from engine.tables.apply import PlanRefused, apply
from engine.tables.layout import EMPTY, Layout
from engine.tables.plan import Operation, Plan, claims, plan
from engine.tables.schema import EntityTable, Tables, build_tables

__all__ = [
    "EMPTY",
    "EntityTable",
    "Layout",
    "Operation",
    "Plan",
    "PlanRefused",
    "Tables",
    "apply",
    "build_tables",
    "claims",
    "plan",
]
