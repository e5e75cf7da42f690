"""What a step may see of the world: the clock, the actor, the record, people. Given by the caller.

`step` does nothing else with the outside; the answers of `resolve` and `due` are stored in the
instance, so a replay of the same events with the same answers gives the same result.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

from engine.expressions.types import ANY, NUMBER, TEXT, USER, ListOf, RecordOf, Type
from engine.problems import Problem
from engine.workflow.chart import Delay, Who

# Names that guards and values may use beside the record's fields, `me`, `my`, `today()`, `now()`,
# with their types: `extra` of the expressions' scope.
FLOW_TYPES: Final[Mapping[str, Type]] = {
    "event": ANY,
    "starter": USER,
    "states": ListOf(TEXT),
    "decisions": NUMBER,
    "results": ListOf(ANY),
    "result": ANY,
}


def called_types(entity: str) -> Mapping[str, Type]:
    """`FLOW_TYPES` where the answer of a call is at hand: `results` are records of `entity`."""
    if not entity:
        return FLOW_TYPES
    return {**FLOW_TYPES, "results": ListOf(RecordOf(entity)), "result": RecordOf(entity)}


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to an instance.

    `type` is an author's event ("submit"), a task command ("task.approve", with the `task` id) or,
    from the timer runner only, the name of a due timer ("after.manager.nudge"). `source` says who
    speaks: "client" for people, "timer" for the runner, "system" for the platform itself, which is
    not asked for permission.
    """

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    task: int | None = None
    source: Literal["client", "timer", "system"] = "client"


@dataclass(frozen=True, slots=True)
class Meta:
    """What `Env.resolve` should know about the place that asks.

    `of`: whose supervisor is meant when the `who` names no field: the starter for approvers, the
    present approvers for an escalation.
    """

    starter: int | None
    state: str = ""
    of: tuple[int, ...] = ()


class Env(Protocol):
    """The outside of a step."""

    @property
    def now(self) -> datetime:
        """The present instant, aware."""

    @property
    def actor(self) -> int | None:
        """The person who acts; None is the platform itself."""

    @property
    def record(self) -> Mapping[str, Any]:
        """The record as it will be saved with this step."""

    def test(self, source: str, names: Mapping[str, Any]) -> bool:
        """A boolean expression over the record. `names` win over fields: `FLOW_TYPES` and fields
        this step has assigned. Raises `CannotEvaluate`."""

    def value(self, source: str, names: Mapping[str, Any]) -> Any:
        """The value of an expression, likewise."""

    def resolve(self, who: Who, names: Mapping[str, Any], meta: Meta) -> Sequence[int]:
        """The people a `who` names, able to act today, in a stable order, none twice.

        Keys: user (login, or an id as int), role, department, group, field, supervisor,
        supervisors, ofField, and ``{"admin": True}`` for the company's administrators.
        """

    def due(self, start: datetime, delay: Delay, clock: Literal["calendar", "work"]) -> datetime:
        """The instant `delay` after `start` on the calendar or the company's work clock."""

    def agent(self, user: int) -> int | None:
        """Who stands in for `user` at this moment, None when nobody does."""


class CannotEvaluate(Exception):
    """An expression could not be evaluated; `problem` says why. Undoes the whole step."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@lru_cache(maxsize=4096)
def plain_expression(source: str) -> str:
    """``In('state')`` written in the expression language: ``('state' in states)``."""
    if "In" not in source:
        return source
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return source  # the reader of expressions will say what is wrong
    pieces: list[tuple[int, int, str]] = []
    for name, opening, text, closing in zip(
        tokens, tokens[1:], tokens[2:], tokens[3:], strict=False
    ):
        kinds = (name.string, opening.string, text.type, closing.string)
        if kinds == ("In", "(", tokenize.STRING, ")"):
            pieces.append((name.start[1], closing.end[1], f"({text.string} in states)"))
    for begin, end, replacement in reversed(pieces):
        source = source[:begin] + replacement + source[end:]
    return source
