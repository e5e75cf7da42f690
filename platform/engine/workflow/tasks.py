"""The commands of people on their tasks: ``task.approve``, ``task.transfer`` and so on.

Each is refused as a whole or done as a whole. A command checks in this order: the task exists, is
open, is the actor's, the state allows it, and what it needs is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from engine.workflow import interpreter, rounds
from engine.workflow.case import Case, Refused
from engine.workflow.chart import Policy, Transition, many
from engine.workflow.env import Event
from engine.workflow.instance import Detour, Task

REMIND_EVERY = timedelta(hours=1)
EMPTY: tuple[object, ...] = (None, "", [], {})


def command(case: Case, event: Event) -> None:
    """Carry out a task command."""
    name = event.type.removeprefix("task.")
    handler = _HANDLERS.get(name)
    if handler is None:
        raise Refused("W126", command=name)
    task = case.tasks.get(event.task or 0)
    if task is None or task.state not in case.chart.states:
        raise Refused("W110", task=event.task)
    policy = case.state(task.state).policy
    if policy is None:
        raise Refused("W110", task=event.task)
    before = case.leaves()
    _check(case, task, policy, name)
    case.row(event.type, before, task=task)
    if name not in ("remind", "cc"):
        case.acted = case.sequence
    handler(case, task)


def _check(case: Case, task: Task, policy: Policy, name: str) -> None:
    """Whether this person may give this command on this task now."""
    if name == "recall":
        _check_recall(case, task, policy)
        return
    if not task.pending:
        raise Refused("W111", by=task.decided_by, at=task.decided_at, status=task.status)
    if name == "removesign":
        if task.added_by != case.env.actor or case.env.actor is None:
            raise Refused("W124")
    elif name == "remind":
        if not involved(case, task):
            raise Refused("W112")
    elif name == "claim":
        _check_claim(case, task, policy)
        return
    elif case.event.source != "system":
        _check_mine(case, task)
    if name not in policy.allow:
        raise Refused("W113", command=name)
    if task.status != "open" and name not in ("removesign", "remind"):
        raise Refused("W111", by=None, at=None, status=task.status)
    if task.kind == "opinion" and name not in ("approve", "reject", "removesign", "remind"):
        raise Refused("W113", command=name)


def _check_mine(case: Case, task: Task) -> None:
    actor = case.env.actor
    if actor is None or task.assignee != actor:
        if task.assignee is None and actor in task.candidates:
            raise Refused("W122")
        raise Refused("W112")


def _check_claim(case: Case, task: Task, policy: Policy) -> None:
    if case.env.actor is None or case.env.actor not in task.candidates:
        raise Refused("W112")
    if not policy.claim or task.assignee is not None:
        raise Refused("W123", by=task.assignee)
    # one person, one vote: also where several of the round's groups have him
    actor = case.env.actor
    if any(actor in (one.assignee, one.on_behalf_of) for one in _taking_part(case, task)):
        raise Refused("W117")


def offered(case: Case, task: Task, policy: Policy, name: str) -> bool:
    """Whether a command stands a chance: what the buttons of a page are made of."""
    try:
        _check(case, task, policy, name)
    except Refused:
        return False
    match name:
        case "addsign":
            return task.added_by is None
        case "return":
            return bool(return_targets(case, task.state, policy))
        case "remind":
            # one button for the round, not one for every open task
            first = next((one for one in case.tasks_of(task.state) if one.status == "open"), None)
            return first is not None and first.id == task.id
        case _:
            return True


def involved(case: Case, task: Task) -> bool:
    """Whether the actor takes part in the case: started it, or has a task in this round."""
    actor = case.env.actor
    if actor is None:
        return False
    return actor == case.start.starter or any(
        actor == one.assignee for one in case.tasks_of(task.state)
    )


# -- what commands need --------------------------------------------------------------------------


def _comment(case: Case, policy: Policy, *, negative: bool) -> str:
    comment = str(case.event.data.get("comment") or "").strip()
    if not comment and (
        policy.comment == "required" or (negative and policy.comment != "optional")
    ):
        raise Refused("W114", "/comment")
    return comment


def signs(policy: Policy, task: Task) -> bool:
    """Whether deciding this task takes a signature; an opinion decides nothing."""
    return policy.signature and task.kind != "opinion"


def _signature(case: Case, task: Task, policy: Policy) -> int | None:
    """The file of the signature. Whose it is, the keeper of files knows."""
    if not signs(policy, task) or case.event.source == "system":
        return None
    given = case.event.data.get("signature")
    if not isinstance(given, int) or isinstance(given, bool) or given <= 0:
        raise Refused("W300", "/signature")
    return given


def missing_fields(record: Mapping[str, object], fields: Mapping[str, str]) -> list[str]:
    """The fields a state requires that are empty."""
    return [
        name
        for name, right in fields.items()
        if right == "required" and name != "*" and record.get(name) in EMPTY
    ]


def demand_fields(case: Case, state: str) -> None:
    """Refuse while a field that the state requires is empty."""
    seen = {**case.env.record, **case.changes}
    if missing := missing_fields(seen, case.state(state).fields):
        raise Refused("W115", f"/{missing[0]}", fields=missing)


def _person(case: Case, task: Task, given: object) -> int:
    """Somebody who may get a task of this round."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise Refused("W116", "/to")
    policy = case.state(task.state).policy
    if policy is not None and rounds.barred(case, policy, given):
        raise Refused("W118", "/to")
    if given == case.env.actor:
        raise Refused("W117", "/to")
    if list(case.people({"user": given}, task.state)) != [given]:
        raise Refused("W116", "/to")
    if any(given in (one.assignee, one.on_behalf_of) for one in _taking_part(case, task)):
        raise Refused("W117", "/to")
    return given


def _taking_part(case: Case, task: Task) -> list[Task]:
    return [one for one in case.tasks_of(task.state) if one.status not in ("cancelled", "returned")]


def _persons(case: Case, task: Task) -> list[int]:
    given = case.event.data.get("to")
    several = given if isinstance(given, list | tuple) else [given]
    found = [_person(case, task, one) for one in dict.fromkeys(several)]
    if not found:
        raise Refused("W116", "/to")
    return found


# -- the commands --------------------------------------------------------------------------------


def _approve(case: Case, task: Task) -> None:
    policy = rounds.policy_of(case, task.state)
    comment = _comment(case, policy, negative=False)
    if task.kind == "vote":
        demand_fields(case, task.state)
    rounds.vote(case, task, "approved", comment, _signature(case, task, policy))


def _reject(case: Case, task: Task) -> None:
    policy = rounds.policy_of(case, task.state)
    comment = _comment(case, policy, negative=True)
    rounds.vote(case, task, "rejected", comment, _signature(case, task, policy))


def _transfer(case: Case, task: Task) -> None:
    person = _person(case, task, case.event.data.get("to"))
    gone = () if task.assignee is None else (task.assignee,)
    case.put(task, assignee=person, passed_on=(*task.passed_on, *gone), on_behalf_of=None)
    case.effect("task", task.state, [person], task=task.id)


def _delegate(case: Case, task: Task) -> None:
    person = _person(case, task, case.event.data.get("to"))
    case.put(task, status="waiting", hold="delegate")
    _ask(case, task, person, "opinion")


def _ask(case: Case, task: Task, person: int, kind: Literal["before", "after", "opinion"]) -> None:
    child = case.new_task(
        task.state,
        task.round,
        person,
        kind=kind,
        parent=task.id,
        added_by=case.env.actor,
        position=task.position,
        opened_at=case.env.now,
    )
    case.effect("task", task.state, [person], task=child.id)


def _addsign(case: Case, task: Task) -> None:
    """More signers: before the actor decides, after, or as further voters of the round."""
    policy = rounds.policy_of(case, task.state)
    if task.added_by is not None:
        raise Refused("W125")
    mode = case.event.data.get("mode", "before")
    if mode not in ("before", "after", "parallel"):
        raise Refused("W128", "/mode", mode=str(mode))
    people = _persons(case, task)
    match mode:
        case "before":
            case.put(task, status="waiting", hold="before")
        case "after":
            comment = _comment(case, policy, negative=False)
            demand_fields(case, task.state)
            case.put(
                task,
                status="waiting",
                hold="after",
                signature=_signature(case, task, policy),
                comment=comment,
                decided_by=case.env.actor,
                decided_at=case.env.now,
                decided_seq=case.sequence,
            )
    for person in people:
        if mode == "parallel":
            _add_voter(case, task, person)
        else:
            _ask(case, task, person, "after" if mode == "after" else "before")


def _add_voter(case: Case, task: Task, person: int) -> None:
    added = case.new_task(
        task.state,
        task.round,
        person,
        groups=task.groups,
        added_by=case.env.actor,
        position=task.position,
        opened_at=case.env.now,
    )
    case.effect("task", task.state, [person], task=added.id)


def _removesign(case: Case, task: Task) -> None:
    case.put(task, status="cancelled", note="removed")
    for child in case.tasks_of(task.state):
        if child.parent == task.id and child.pending:
            case.put(child, status="cancelled", note="removed")
    if task.parent is None:
        rounds.settle(case, task.state)
    else:
        rounds.answer(case, case.tasks[task.id])


def _claim(case: Case, task: Task) -> None:
    case.put(task, assignee=case.env.actor)


def _remind(case: Case, task: Task) -> None:
    last = case.reminded.get(task.state)
    if last is not None and case.env.now - last < REMIND_EVERY:
        raise Refused("W121", at=last)
    case.reminded[task.state] = case.env.now
    interpreter.remind(case, task.state)


def _cc(case: Case, task: Task) -> None:
    given = case.event.data.get("to")
    people: list[Any] = many(given) or [None]
    for one in people:
        person = isinstance(one, int) and not isinstance(one, bool)
        if not person or not case.people({"user": one}, task.state):
            raise Refused("W116", "/to")
    rounds.send_copies(case, task.state, people)


def return_targets(case: Case, state: str, policy: Policy) -> list[str]:
    """Where a return from `state` may lead now: visited states that the definition allows."""
    approved = [one.state for one in case.rounds if one.outcome == "approved"]
    found: list[str] = []
    for given in policy.return_to:
        match given:
            case "#start":
                found += case.visits[:1]
            case "#previous":
                found += [one for one in reversed(approved) if one != state][:1]
            case "*":
                found += case.visits
            case _:
                found += [given] if given in case.visits else []
    known = (one for one in dict.fromkeys(found) if one in case.chart.states)
    return [one for one in known if one != state and _reachable(case, state, one)]


def _reachable(case: Case, state: str, target: str) -> bool:
    """Not into a sibling region of an active parallel state: that would restart all of it."""
    chart = case.chart
    shared = next(one for one in chart.ancestors(state) if one in chart.ancestors(target))
    return chart.states[shared].type != "parallel"


def _return(case: Case, task: Task) -> None:
    """Send the case back at once; no vote."""
    policy = rounds.policy_of(case, task.state)
    comment = _comment(case, policy, negative=True)
    target = _return_target(case, task.state, policy)
    case.put(
        task,
        status="returned",
        comment=comment,
        decided_by=case.env.actor,
        decided_at=case.env.now,
        decided_seq=case.sequence,
    )
    round_ = case.round_of(task.state)
    if round_ is not None:
        rounds.end_round(case, round_, "returned", "returned")
    case.detour = None
    jump = Transition(task.state, "", (target,), reenter=True)
    interpreter.microstep(case, [jump], f"returned.{task.state}")
    if policy.resubmit == "direct":
        case.detour = Detour(target, task.state)


def _return_target(case: Case, state: str, policy: Policy) -> str:
    """The state asked for, if a return may lead there; the only possible one needs no asking."""
    possible = return_targets(case, state, policy)
    wanted = case.event.data.get("to")
    if wanted in ("#start", "#previous") and wanted in policy.return_to:
        possible = return_targets(case, state, replace(policy, return_to=(str(wanted),)))
        wanted = None
    if wanted is None and len(possible) == 1:
        return possible[0]
    if wanted not in possible:
        raise Refused("W119", "/to", states=possible)
    return str(wanted)


def _check_recall(case: Case, task: Task, policy: Policy) -> None:
    if case.env.actor is None or task.decided_by != case.env.actor:
        raise Refused("W112")
    if not policy.recall:
        raise Refused("W113", command="recall")
    latest = case.round_of(task.state)
    children = any(one.parent == task.id for one in case.tasks.values())
    if (
        task.kind != "vote"
        or task.auto
        or children
        or task.status not in ("approved", "rejected")
        or task.decided_seq != case.acted
        or latest is None
        or latest.number != task.round
        or case.done
    ):
        raise Refused("W120")


def _recall(case: Case, task: Task) -> None:
    """Take the decision back: the round goes on as if it had not been given."""
    policy = rounds.policy_of(case, task.state)
    round_ = case.round_of(task.state)
    if round_ is not None and round_.outcome:
        _walk_back(case, task)
    for other in case.tasks_of(task.state):
        if other.kind != "vote" or other.id == task.id:
            continue
        later = other.status == "open" and other.position > task.position
        if other.note == "decided" or (policy.order == "sequential" and later):
            waits = policy.order == "sequential" and other.position > task.position
            case.put(
                other,
                status="waiting" if waits else "open",
                hold="order" if waits else "",
                note="",
            )
    case.put(
        task,
        status="open",
        comment="",
        decided_by=None,
        decided_at=None,
        decided_seq=0,
        signature=None,
    )


def _walk_back(case: Case, task: Task) -> None:
    """Enter the decided state again without a new round; what its decision opened is left."""
    round_ = case.round_of(task.state)
    leaf = next(
        (one for one in case.leaves() if case.state(one).type == "approval"), None
    )  # fmt: skip
    if round_ is None or leaf is None or not _reachable(case, leaf, task.state):
        raise Refused("W120")
    case.put_round(round_, outcome="", closed_at=None)
    cycle = case.cycle
    case.restore = task.state
    jump = Transition(leaf, "", (task.state,), reenter=True)
    interpreter.microstep(case, [jump], f"recalled.{task.state}")
    case.cycle = cycle


_HANDLERS: Mapping[str, Callable[[Case, Task], None]] = {
    "approve": _approve,
    "reject": _reject,
    "transfer": _transfer,
    "delegate": _delegate,
    "addsign": _addsign,
    "removesign": _removesign,
    "return": _return,
    "recall": _recall,
    "claim": _claim,
    "remind": _remind,
    "cc": _cc,
}
COMMANDS = tuple(_HANDLERS)
