"""What a person may do on a case now, and which fields they may touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.definitions.model import Label
from engine.problems import Problem
from engine.workflow import tasks
from engine.workflow.case import Case, Refused
from engine.workflow.chart import (
    CHANGED,
    CLIENT_FORBIDDEN,
    Chart,
    Policy,
    Right,
    State,
    Transition,
)
from engine.workflow.env import Env, Event
from engine.workflow.instance import Instance, Task
from engine.workflow.step import permitted

TITLES: Mapping[str, Label] = {
    "task.approve": {"zh-CN": "同意", "en": "Approve"},
    "task.reject": {"zh-CN": "驳回", "en": "Reject"},
    "task.transfer": {"zh-CN": "转办", "en": "Transfer"},
    "task.delegate": {"zh-CN": "委派", "en": "Delegate"},
    "task.addsign": {"zh-CN": "加签", "en": "Add signers"},
    "task.removesign": {"zh-CN": "减签", "en": "Remove signer"},
    "task.return": {"zh-CN": "退回", "en": "Send back"},
    "task.recall": {"zh-CN": "拿回", "en": "Take back"},
    "task.claim": {"zh-CN": "认领", "en": "Claim"},
    "task.remind": {"zh-CN": "催办", "en": "Remind"},
    "task.cc": {"zh-CN": "抄送", "en": "Copy to"},
    "task.reassign": {"zh-CN": "改派待办", "en": "Move the task"},
    "handed_over": {"zh-CN": "交接申请", "en": "Hand over the case"},
    "submit": {"zh-CN": "提交", "en": "Submit"},
    "withdraw": {"zh-CN": "撤回", "en": "Withdraw"},
    "cancel": {"zh-CN": "作废", "en": "Cancel"},
    "terminate": {"zh-CN": "终止", "en": "Terminate"},
    "accept": {"zh-CN": "受理", "en": "Accept"},
    "discard": {"zh-CN": "废弃", "en": "Discard"},
    "reply": {"zh-CN": "回复", "en": "Reply"},
    "reassign": {"zh-CN": "改派", "en": "Reassign"},
    "confirm": {"zh-CN": "确认", "en": "Confirm"},
    "close": {"zh-CN": "关闭", "en": "Close"},
    "reopen": {"zh-CN": "重新打开", "en": "Reopen"},
}
_STRENGTH: Mapping[Right, int] = {"hidden": 0, "read": 1, "write": 2, "required": 3}


@dataclass(frozen=True, slots=True)
class Command:
    """A button. `event` and `task` go into the `Event`; `why` says why it cannot be pressed yet.

    `asks` is what `event.data` must hold: "person" (``to``: an id), "people" (``to``: ids),
    "place" (``to``: one of `places`), "mode" (``mode``: before, after, parallel), "signature"
    (``signature``: the id of a file the person uploaded; with a mode, for "after" only).
    """

    event: str
    title: Label
    state: str
    task: int | None = None
    comment: Literal["optional", "required"] = "optional"
    asks: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    why: Problem | None = None


def commands_for(
    chart: Chart, instance: Instance, actor: int, env: Env
) -> tuple[Command, ...]:  # fmt: skip
    """What `actor` may do now, task commands first. `env.actor` must be `actor`.

    What is not this person's business at all is left out; what only waits for a condition stands
    there with `why`.
    """
    if instance.done or env.actor != actor:
        return ()
    case = Case(chart, instance, Event(""), env)
    return (*_task_commands(case), *_events(case))


_ASKS: Mapping[str, tuple[str, ...]] = {
    "transfer": ("person",),
    "delegate": ("person",),
    "addsign": ("people", "mode"),
    "return": ("place",),
    "cc": ("people",),
}


def _task_commands(case: Case) -> Iterator[Command]:
    for task in case.tasks.values():
        state = case.chart.states.get(task.state)  # gone with a version that was left behind
        policy = state.policy if state else None
        if policy is None:
            continue
        for name in tasks.COMMANDS:
            if tasks.offered(case, task, policy, name):
                yield _task_command(case, task, policy, name)


def _task_command(case: Case, task: Task, policy: Policy, name: str) -> Command:
    negative = name in ("reject", "return") and policy.comment == "on-reject"
    decides = name in ("approve", "reject", "return")
    why: Problem | None = None
    if name == "approve" and task.kind == "vote":
        try:
            tasks.demand_fields(case, task.state)
        except Refused as refused:
            why = refused.problem
    places = tuple(tasks.return_targets(case, task.state, policy)) if name == "return" else ()
    return Command(
        event=f"task.{name}",
        title=TITLES[f"task.{name}"],
        state=task.state,
        task=task.id,
        comment="required"
        if negative or (decides and policy.comment == "required")
        else "optional",
        asks=_ASKS.get(name, ()) + _signing(task, policy, name),
        places=places,
        why=why,
    )


def _signing(task: Task, policy: Policy, name: str) -> tuple[str, ...]:
    decides = name in ("approve", "reject", "addsign")
    return ("signature",) if decides and tasks.signs(policy, task) else ()


def _events(case: Case) -> Iterator[Command]:
    seen: set[str] = set()
    for leaf in case.leaves():
        for name in (leaf, *case.chart.ancestors(leaf)):
            state = case.state(name)
            for event in dict.fromkeys(one.event for one in state.transitions):
                if _sendable(event) and event not in seen:
                    arrows = [one for one in state.transitions if one.event == event]
                    if permitted(case, arrows[0]):
                        seen.add(event)
                        yield _event(case, state, event, arrows)


def _sendable(event: str) -> bool:
    return event not in ("", CHANGED) and not event.startswith((*CLIENT_FORBIDDEN, "task."))


def _event(case: Case, state: State, event: str, arrows: list[Transition]) -> Command:
    why: Problem | None = None
    conditions = [one.guard for one in arrows]
    # a guard over the event's own data can only be judged when it is sent
    if not any("event." in guard for guard in conditions):
        try:
            if not any(case.test(guard) for guard in conditions):
                why = Problem("W104", {"event": event, "conditions": conditions})
        except Refused as refused:
            why = refused.problem
    title = next((one.title for one in arrows if one.title), None) or TITLES.get(event)
    return Command(
        event=event,
        title=title or {"": event.replace("_", " ").replace(".", " ")},
        state=state.id,
        why=why,
    )


# -- field rights --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rights:
    """What the present states say about fields. None where they say nothing.

    A right only narrows what roles allow; "required" is "write" that must be filled to go on.
    """

    fields: Mapping[str, Right] = field(default_factory=dict)
    other: Right | None = None

    def of(self, name: str) -> Right | None:
        """The right to one field."""
        return self.fields.get(name, self.other)


def field_rights(chart: Chart, instance: Instance, actor: int | None) -> Rights:
    """The rights of `actor` in the present configuration.

    Inner states win over outer ones, a name over ``*``, the stronger right of parallel regions.
    Writing in an approval state belongs to those who have an open task there; others read. A
    locked record is read-only where no state says otherwise, as long as the case runs; a case that
    was terminated says nothing any more.
    """
    if instance.terminated:
        return Rights()
    merged: dict[str, Right] = {}
    for leaf in chart.leaves(instance.active):
        path: dict[str, Right] = {}
        for name in reversed([leaf, *chart.ancestors(leaf)]):
            path |= _rights_of(chart.states[name], instance, actor)
        for key, right in path.items():
            if key not in merged or _STRENGTH[right] > _STRENGTH[merged[key]]:
                merged[key] = right
    other = merged.pop("*", None)
    held = instance.locked or _locking(chart, instance)
    if other is None and held and not instance.done:
        other = "read"
    return Rights(merged, other)


def _rights_of(state: State, instance: Instance, actor: int | None) -> Mapping[str, Right]:
    if state.type != "approval" or any(
        task.state == state.id and task.status == "open" and task.assignee == actor
        for task in instance.tasks
    ):
        return state.fields
    weaker: dict[str, Right] = {
        name: "read" if right in ("write", "required") else right
        for name, right in state.fields.items()
    }
    return weaker


def _locking(chart: Chart, instance: Instance) -> bool:
    policies = (chart.states[name].policy for name in instance.active)
    return any(policy is not None and policy.lock for policy in policies)
