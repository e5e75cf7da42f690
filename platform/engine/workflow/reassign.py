"""A person leaves, for good or to be replaced: what becomes of the tasks that wait for him.

Pure, and no command of anybody: the platform does it when an account is closed, an administrator
when work is handed over. A task goes to the successor; without one (or when four eyes forbid it)
to the agent, back to the pool it was claimed from, or it falls away where others decide anyway.
Where nobody would be left, the approval's `empty` rule says who; "error" means the administrators.
Nothing passes silently: no round is decided in favour because somebody left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from engine.workflow import interpreter, rounds
from engine.workflow.case import Case, Refused
from engine.workflow.chart import Chart, Policy, Who
from engine.workflow.env import Env, Event
from engine.workflow.instance import Instance, Outcome, Task
from engine.workflow.step import demand_version, outcome_of

EVENT: Final = "task.reassign"
STARTER: Final = "handed_over"
_TURNS: Final = 20  # a decided round may open the next, which may ask him again


def reassign(
    chart: Chart,
    instance: Instance,
    leaver: int,
    to: int | None,
    env: Env,
    *,
    reason: str = "",
    tasks: bool = True,
    starter: bool = False,
) -> Outcome:
    """The case without `leaver`: his pending `tasks` and his choice by others go to `to` (or where
    the rules say, for None), and with `starter` his own case becomes that of `to`, unless `to` has
    a say in it. Each move is a line in the log that carries the reason.

    An outcome without events: there was nothing to do.
    """
    data = {"from": leaver, "to": to, "comment": reason}
    case = Case(chart, instance, Event(EVENT, data, source="system"), env)
    return outcome_of(case, partial(_reassign, leaver=leaver, to=to, tasks=tasks, starter=starter))


def stand_in(
    chart: Chart, instance: Instance, person: int, agent: int, env: Env, *, reason: str = ""
) -> Outcome:
    """The case while `person` is away: `agent` decides his open tasks for him. What the agent may
    not decide (four eyes, a vote of his own) stays where it is, and so do pools."""
    data = {"from": person, "to": agent, "comment": reason}
    case = Case(chart, instance, Event(EVENT, data, source="system"), env)
    return outcome_of(case, partial(_stand_in, person=person, agent=agent))


def concerns(task: Task, person: int) -> bool:
    """Whether a task waits for a person, now or when its turn comes."""
    if not task.pending:
        return False
    return task.assignee == person or (task.assignee is None and person in task.candidates)


def takes_part(instance: Instance, person: int) -> bool:
    """Whether a person has decided in a case since its last fresh start, or may have to."""
    return any(
        concerns(task, person) or (task.decided_by == person and task.cycle == instance.cycle)
        for task in instance.tasks
    )


def _reassign(case: Case, leaver: int, to: int | None, tasks: bool, starter: bool) -> None:
    demand_version(case.chart, case.start)
    if case.done:
        return
    mine = starter and to is not None and case.start.starter == leaver
    if mine and not takes_part(case.start, to or 0):
        case.row(STARTER, case.leaves())
        case.start = replace(case.start, starter=to)
    if not tasks:
        return
    if to is not None:
        case.chosen = {
            state: tuple(dict.fromkeys(to if one == leaver else one for one in people))
            for state, people in case.chosen.items()
        }
    for _ in range(_TURNS):
        waiting = [task.id for task in case.tasks.values() if concerns(task, leaver)]
        if not waiting:
            break
        for number in waiting:
            if concerns(case.tasks[number], leaver):  # another move may have ended it
                _move(case, case.tasks[number], leaver, to)
        interpreter.macrostep(case)


def _stand_in(case: Case, person: int, agent: int) -> None:
    demand_version(case.chart, case.start)
    for task in case.start.tasks:
        if task.assignee != person or task.status != "open":
            continue
        if not _acceptable(case, rounds.policy_of(case, task.state), task, agent):
            continue
        case.row(EVENT, case.leaves(), task=task)
        case.put(task, assignee=agent, on_behalf_of=task.on_behalf_of or person)
        case.effect("task", task.state, [agent], task=task.id)


def _move(case: Case, task: Task, leaver: int, to: int | None) -> None:
    """One task, with its line in the log."""
    policy = rounds.policy_of(case, task.state)
    case.row(EVENT, case.leaves(), task=task)
    if _pooled(case, policy, task, leaver, to):
        return
    for person, instead_of in _followers(case, policy, task, leaver, to):
        if _acceptable(case, policy, task, person):
            _hand(case, task, person, leaver, instead_of)
            return
    if task.kind != "vote":  # whoever asked him gets the matter back
        child = case.put(task, status="cancelled", note="left")
        rounds.answer(case, child)
    elif not _dropped(case, policy, task, to):
        _by_rule(case, policy, task, leaver)


def _pooled(case: Case, policy: Policy, task: Task, leaver: int, to: int | None) -> bool:
    """A task of a pool stays one, or becomes one again when a claim is given back."""
    if not task.candidates or (task.assignee is not None and to is not None):
        return False
    heir = [to] if to is not None and _acceptable(case, policy, task, to) else []
    pool = tuple(
        dict.fromkeys(
            one
            for known in task.candidates
            for one in (heir if known == leaver else [known])
            if one == to or _able(case, task, one)
        )
    )
    if not pool:
        return False
    given_back = task.assignee is not None
    case.put(task, assignee=None, candidates=pool, on_behalf_of=None)
    told = pool if given_back else [one for one in pool if one not in task.candidates]
    if told and task.status == "open":
        case.effect("task", task.state, told, task=task.id)
    return True


def _followers(
    case: Case, policy: Policy, task: Task, leaver: int, to: int | None
) -> Iterator[tuple[int, int | None]]:
    """Who may take a task over by himself, each with the person he then stands in for."""
    if to is not None:
        yield to, task.on_behalf_of if task.on_behalf_of != to else None
        return
    if task.on_behalf_of is not None:  # he was a stand-in: back to the person himself
        yield task.on_behalf_of, None
    agent = rounds.agent_of(case, policy, task, leaver)
    if agent is not None:
        yield agent, leaver


def _hand(case: Case, task: Task, person: int, leaver: int, instead_of: int | None = None) -> None:
    gone = () if task.assignee is None else (leaver,)
    task = case.put(
        task,
        assignee=person,
        candidates=(),
        passed_on=(*task.passed_on, *gone),
        on_behalf_of=instead_of,
    )
    if task.status == "open":
        case.effect("task", task.state, [person], task=task.id)


def _acceptable(case: Case, policy: Policy, task: Task, person: int) -> bool:
    """Whether a person may get this task: able to act, not barred by four eyes, and without
    another task in the round."""
    if not _able(case, task, person) or rounds.barred(case, policy, person):
        return False
    others = [one for one in case.tasks_of(task.state) if one.id != task.id]
    gone = ("cancelled", "returned")
    return not any(
        person in (one.assignee, one.on_behalf_of) for one in others if one.status not in gone
    )


def _able(case: Case, task: Task, person: int) -> bool:
    return case.people({"user": person}, task.state) == [person]


def _dropped(case: Case, policy: Policy, task: Task, to: int | None) -> bool:
    """Let a vote fall away when the others go on without it: the round stays open, and every entry
    of `assignees` that must be heard is. A successor who votes already speaks for both."""
    rest = [one for one in rounds.voters(case, task.state) if one.id != task.id]
    heir = next((one for one in rest if to is not None and one.assignee == to), None)
    if heir is not None:
        groups = tuple(dict.fromkeys((*heir.groups, *task.groups)))
        merged = replace(heir, groups=groups, weight=max(heir.weight, task.weight))
        rest = [merged if one.id == heir.id else one for one in rest]
    else:
        merged = None
    heard = {group for one in rest for group in one.groups}
    if policy.quorum.kind != "any" and not set(task.groups) <= heard:
        return False
    if rounds.tally(policy, rest, rounds.groups_of(policy)):
        return False
    if merged is not None:
        case.put(merged)
    case.put(task, status="cancelled", note="left")
    rounds.settle(case, task.state)
    return True


def _by_rule(case: Case, policy: Policy, task: Task, leaver: int) -> None:
    """The approval's `empty` rule for a seat that became vacant."""
    rule = policy.empty
    if rule == "approve":
        case.put(task, status="approved", auto="empty", hold="", decided_at=case.env.now)
        rounds.settle(case, task.state)
        return
    if rule == "reject":
        case.put(task, status="rejected", auto="empty", hold="", decided_at=case.env.now)
        rounds.settle(case, task.state)
        return
    administrators: Who = {"admin": True}
    asked = [administrators] if isinstance(rule, str) else [rule, administrators]
    for who in asked:
        for person in case.people(who, task.state):
            if person != leaver and _acceptable(case, policy, task, person):
                _hand(case, task, person, leaver)
                return
    raise Refused("H140")
