"""What an administrator does with a case: another state, the end, a new beginning.

Pure steps like any other: all or nothing, with lines in the log that carry the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, Literal

from engine.workflow import interpreter
from engine.workflow.case import Case, Refused
from engine.workflow.chart import ROOT, Chart, Transition
from engine.workflow.env import Env, Event
from engine.workflow.instance import Instance, Outcome
from engine.workflow.step import demand_version, outcome_of

Action = Literal["jump", "terminate", "wake_up"]
ACTIONS: Final[Mapping[Action, str]] = {
    "jump": "jumped",
    "terminate": "terminated",
    "wake_up": "woken",
}


def administer(
    chart: Chart,
    instance: Instance,
    action: Action,
    env: Env,
    *,
    target: str = "",
    reason: str = "",
) -> Outcome:
    """Move a case to the state `target` (jump), end it where it stands (terminate), or let a
    finished one go on in `target` (wake_up). Always with a reason; whether `env.actor` may is for
    the caller to judge. The log's line is called as `ACTIONS` says.

    A jump inside an active parallel region leaves the other regions alone. It enters the target as
    any transition would, with entry actions, timers and rounds. Ending runs no actions; it lifts
    the lock.
    """
    case = Case(chart, instance, Event(ACTIONS[action], {"comment": reason, "to": target}), env)
    return outcome_of(case, partial(_administer, action=action, target=target, reason=reason))


def _administer(case: Case, action: Action, target: str, reason: str) -> None:
    demand_version(case.chart, case.start)
    if not reason.strip():
        raise Refused("W305", "/reason")
    if action == "wake_up":
        if not case.done:
            raise Refused("W306")
        case.done = case.terminated = False
    elif case.done:
        raise Refused("W101")
    if action == "terminate":
        interpreter.terminate(case)
        return
    if target == ROOT or target not in case.chart.states or _state_type(case, target) == "history":
        raise Refused("W307", "/to", state=target)
    case.detour = None
    jump = Transition(_region(case, target), "", (target,))
    interpreter.microstep(case, [jump], ACTIONS[action])
    case.acted = case.sequence
    interpreter.macrostep(case)


def _state_type(case: Case, state: str) -> str:
    return case.state(state).type


def _region(case: Case, target: str) -> str:
    """The innermost active region of a parallel state around `target`, else the whole chart."""
    for state in case.chart.ancestors(target):
        inside = state in case.active and case.state(state).type == "compound"
        if inside and state != ROOT and _state_type(case, case.state(state).parent) == "parallel":
            return state
    return ROOT
