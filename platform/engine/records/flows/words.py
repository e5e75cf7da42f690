"""Refusals of the interpreter in the words of the people: titles instead of ids, conditions as
sentences, and the failure that fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from engine.definitions.model import Entity, Label, text_of
from engine.expressions import ExpressionError, explain, parse
from engine.fields import USER
from engine.problems import Problem
from engine.problems.catalogue import LANGUAGES
from engine.records.failures import Conflict, Failure, Forbidden, Invalid, NotFound
from engine.records.labels import names_of
from engine.records.unit import Unit
from engine.workflow import Chart, plain_expression
from engine.workflow.commands import TITLES

_FORBIDDEN: Final = frozenset({"W103", "W112", "W118", "W124"})
_TOO_LATE: Final = frozenset({"W100", "W101", "W107", "W111", "W123"})
_HELPED: Final[dict[str, Label]] = {  # what administrators do with a case
    "jumped": {"zh-CN": "将流程跳转到其他状态", "en": "Put the case elsewhere"},
    "terminated": {"zh-CN": "终止了流程", "en": "Terminated the case"},
    "woken": {"zh-CN": "恢复了流程", "en": "Woke the case up"},
    "migrated": {"zh-CN": "将流程迁移到新版本", "en": "Moved the case to another version"},
    "migration_undone": {"zh-CN": "将流程恢复到原版本", "en": "Put the case back to its version"},
    "reassigned": {"zh-CN": "转交了待办", "en": "Gave a task to somebody else"},
    "retried": {"zh-CN": "重试了失败的步骤", "en": "Tried again what had failed"},
}


class NotAllowed(Forbidden):
    """The event or the task is not the actor's business."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.action = "flow"
        Failure.__init__(self, problems)


def refusal(unit: Unit, chart: Chart, entity: Entity, problems: Sequence[Problem]) -> Failure:
    """The failure for what the interpreter objects to."""
    told = [worded_problem(unit, chart, entity, problem) for problem in problems]
    code = problems[0].code
    if code in _FORBIDDEN:
        return NotAllowed(told)
    if code == "W110":
        return NotFound()
    return Conflict(told) if code in _TOO_LATE else Invalid(told)


def worded_problem(unit: Unit, chart: Chart, entity: Entity, problem: Problem) -> Problem:
    """The problem with titles instead of ids and sentences instead of expressions."""
    params = dict(problem.params)
    if problem.code in {"W111", "W123"} and params.get("by"):
        name = names_of(unit, {USER: [params["by"]]}).label(USER, params["by"])
        at = params.get("at")
        when = at.astimezone(unit.zone).strftime("%Y-%m-%d %H:%M") if at else ""
        return Problem("R701", {"by": name, "at": when}, problem.pointer)
    if "event" in params:
        params["event"] = event_title(chart, str(params["event"]))
    if "conditions" in params:
        params["conditions"] = _explained(entity, params["conditions"])
    if isinstance(params.get("states"), list | tuple):
        params["states"] = [state_title(chart, one) for one in params["states"]]
    if isinstance(params.get("fields"), list | tuple):
        params["fields"] = [_field_title(entity, one) for one in params["fields"]]
    return replace(problem, params=params)


def event_title(chart: Chart, event: str) -> Label:
    """What an event is called on its button."""
    for state in chart.states.values():
        for arrow in state.transitions:
            if arrow.event == event and arrow.title:
                return arrow.title
    return (
        TITLES.get(event) or _HELPED.get(event) or {"": event.replace("_", " ").replace(".", " ")}
    )


def state_title(chart: Chart, state: str) -> Label:
    """What a state is called."""
    found = chart.states.get(state)
    return (found.title if found else {}) or {"": state}


def _field_title(entity: Entity, name: str) -> Label:
    field = entity.fields.get(name)
    return field.title if field else {"": name}


def _explained(entity: Entity, conditions: Iterable[str]) -> list[Label]:
    """The conditions as sentences, each language in its own words."""
    return [
        {language: _sentence(entity, one, language) for language in LANGUAGES}
        for one in dict.fromkeys(conditions)
        if one
    ]


def _sentence(entity: Entity, condition: str, language: str) -> str:
    try:
        node = parse(plain_expression(condition))
    except ExpressionError:
        return condition

    def title(path: tuple[str, ...]) -> str:
        field = entity.fields.get(path[0]) if len(path) == 1 else None
        return text_of(field.title, language) if field else ""

    return explain(node, language, title)
