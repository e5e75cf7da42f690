"""Rounds of approval: who votes, who votes next, and when it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from engine.workflow.case import Case, Refused
from engine.workflow.chart import Policy, Quorum
from engine.workflow.instance import Round, Task

Verdict = Literal["", "approved", "rejected"]


@dataclass(frozen=True, slots=True)
class Seat:
    """A voter to be: a person, or a pool of people one of whom will claim the task."""

    person: int | None
    groups: tuple[str, ...]
    weight: int
    pool: tuple[int, ...] = ()


def tally(policy: Policy, voters: Sequence[Task], groups: Sequence[str] = ()) -> Verdict:
    """The verdict of a round as its votes stand. Whole numbers only."""
    undecided = any(task.pending for task in voters)
    if policy.close == "everyone" and undecided:
        return ""
    if policy.veto and any(task.status == "rejected" for task in voters):
        return "rejected"
    if _reached(policy.quorum, voters, groups, hopeful=False):
        return "approved"
    return "" if _reached(policy.quorum, voters, groups, hopeful=True) else "rejected"


def _reached(
    quorum: Quorum, voters: Sequence[Task], groups: Sequence[str], *, hopeful: bool
) -> bool:
    """Whether the approvals suffice; `hopeful` counts the undecided as approvals to come."""
    yes = [task for task in voters if task.status == "approved" or (hopeful and task.pending)]
    total = sum(task.weight for task in voters)
    match quorum.kind:
        case "any":
            return bool(yes)
        case "all":
            return bool(yes) and len(yes) == len(voters)
        case "percent":
            return total > 0 and sum(task.weight for task in yes) * 100 >= quorum.number * total
        case "count":
            return len(yes) >= quorum.number
        case "perGroup":
            return all(
                sum(group in task.groups for task in yes) >= quorum.number for group in groups
            )


def groups_of(policy: Policy) -> tuple[str, ...]:
    """The labels of the entries of `assignees`; an entry without one goes by its place."""
    return tuple(who.get("label") or str(place) for place, who in enumerate(policy.assignees))


def voters(case: Case, state: str) -> list[Task]:
    """The tasks that count in the latest round of a state."""
    return [
        task for task in case.tasks_of(state) if task.kind == "vote" and task.status != "cancelled"
    ]


# -- opening -------------------------------------------------------------------------------------


def open_round(case: Case, state: str) -> None:
    """A new round of an approval state: seats, the `empty` rule, tasks, automatic votes."""
    policy = policy_of(case, state)
    if case.restore == state:
        case.restore = ""
        return
    previous = case.round_of(state)
    number = previous.number + 1 if previous else 1
    case.rounds.append(Round(state, number, case.env.now, cycle=case.cycle))
    _copy_to(case, state, policy)
    seats = _without_starter(case, state, policy, _seats(case, state, policy))
    if _too_few(policy, seats):
        filled = _fill(case, state, policy)
        if isinstance(filled, str):
            close_round(case, state, filled, "empty")
            return
        seats = filled
    for position, seat in enumerate(seats):
        case.new_task(
            state,
            number,
            seat.person,
            status="waiting",
            hold="order",
            candidates=seat.pool,
            groups=seat.groups,
            weight=seat.weight,
            position=position,
        )
    settle(case, state)


def policy_of(case: Case, state: str) -> Policy:
    """The approval keys of a state."""
    policy = case.state(state).policy
    if policy is None:
        raise Refused("W126", state=state)
    return policy


def _seats(case: Case, state: str, policy: Policy) -> list[Seat]:
    if policy.claim:
        pools = [tuple(case.people(who, state)) for who in policy.assignees]
        named = zip(groups_of(policy), pools, strict=True)
        return [Seat(None, (group,), 1, pool) for group, pool in named if pool]
    found: dict[int, Seat] = {}
    for group, who in zip(groups_of(policy), policy.assignees, strict=True):
        for person in case.people(who, state):
            weight = policy.weights.get(group, 1)
            seat = found.get(person)
            found[person] = (
                replace(seat, groups=(*seat.groups, group), weight=max(seat.weight, weight))
                if seat
                else Seat(person, (group,), weight)
            )
    for key, weight in policy.weights.items():
        if key not in groups_of(policy):
            for person in case.people({"user": key}, state):
                if person in found:
                    found[person] = replace(found[person], weight=weight)
    return list(found.values())


def _without_starter(case: Case, state: str, policy: Policy, seats: list[Seat]) -> list[Seat]:
    """The rule for a starter who would approve the own request."""
    starter = case.start.starter
    if policy.starter == "self" or starter is None:
        return seats
    kept: list[Seat] = []
    for seat in seats:
        if seat.pool:
            pool = tuple(one for one in seat.pool if one != starter)
            kept += [replace(seat, pool=pool)] if pool else []
        elif seat.person != starter:
            kept.append(seat)
        elif policy.starter == "supervisor":
            taken = {one.person for one in seats}
            bosses = [one for one in case.people({"supervisor": 1}, state) if one not in taken]
            kept += [replace(seat, person=boss) for boss in bosses[:1]]
    return kept


def _too_few(policy: Policy, seats: list[Seat]) -> bool:
    """Whether these seats can never reach the quorum, even if all approve."""
    everyone = [
        Task(0, "", 0, seat.person, status="approved", groups=seat.groups, weight=seat.weight)
        for seat in seats
    ]
    return not _reached(policy.quorum, everyone, groups_of(policy), hopeful=False)


def _fill(case: Case, state: str, policy: Policy) -> list[Seat] | Literal["approved", "rejected"]:
    """The `empty` rule: other people, or the verdict it fixes. Never passes silently."""
    rule = policy.empty
    if rule == "approve":
        return "approved"
    if rule == "reject":
        return "rejected"
    if rule != "error":
        who = {"admin": True} if isinstance(rule, str) else rule
        others = [Seat(one, groups_of(policy), 1) for one in case.people(who, state)]
        others = [one for one in others if not barred(case, policy, one.person)]
        if not _too_few(policy, others):
            return others
    raise Refused("W108", state=case.state(state).title or state)


def barred(case: Case, policy: Policy, person: int | None) -> bool:
    """Whether a person must not vote because the request is theirs."""
    return policy.starter != "self" and person is not None and person == case.start.starter


def _copy_to(case: Case, state: str, policy: Policy) -> None:
    people = [one for who in policy.cc for one in case.people(who, state)]
    send_copies(case, state, people)


def send_copies(case: Case, state: str, people: Sequence[int]) -> None:
    """Notify people once per instance and let them read along."""
    fresh = [one for one in dict.fromkeys(people) if one not in case.cc]
    if fresh:
        case.cc += fresh
        case.effect("cc", state, fresh)


# -- deciding ------------------------------------------------------------------------------------


def settle(case: Case, state: str) -> None:
    """Open the tasks whose turn it is, and close the round when its verdict stands."""
    policy = policy_of(case, state)
    while True:
        round_ = case.round_of(state)
        if round_ is None or round_.outcome:
            return
        present = voters(case, state)
        if verdict := tally(policy, present, groups_of(policy)):
            close_round(case, state, verdict, "decided")
            return
        due = [task for task in present if task.hold == "order"]
        busy = any(task.pending and task.hold != "order" for task in present)
        if not due or (policy.order == "sequential" and busy):
            return
        activate(case, due[0], policy)


def activate(case: Case, task: Task, policy: Policy) -> None:
    """A task's turn: its agent stands in, a repeated approval is given by itself."""
    person = task.assignee
    agent = None if person is None else agent_of(case, policy, task, person)
    task = case.put(
        task,
        status="open",
        hold="",
        opened_at=case.env.now,
        assignee=agent or person,
        on_behalf_of=person if agent else task.on_behalf_of,
    )
    if person is not None and not agent and _approved_before(case, policy, person):
        case.put(task, status="approved", auto="repeat", decided_at=case.env.now)
    elif task.assignee is not None or task.candidates:
        to = task.candidates if task.assignee is None else (task.assignee,)
        case.effect("task", task.state, to, task=task.id)


def agent_of(case: Case, policy: Policy, task: Task, person: int) -> int | None:
    """The last of the chain of stand-ins, unless it bends back or leads to another voter."""
    seen, here = [person], person
    while (follower := case.env.agent(here)) is not None:
        if follower in seen or len(seen) > 10:
            return None
        seen.append(follower)
        here = follower
    taken = {one.assignee for one in case.tasks_of(task.state) if one.id != task.id}
    if here == person or here in taken or barred(case, policy, here):
        return None
    return here


def _approved_before(case: Case, policy: Policy, person: int) -> bool:
    """Whether `auto.repeat` spares this person. Only approvals by people count."""
    if policy.repeat == "none":
        return False
    past = [
        one
        for one in case.rounds
        if one.outcome == "approved" and one.cycle == case.cycle
    ]  # fmt: skip
    if policy.repeat == "consecutive":
        past = past[-1:]
    rounds = {(one.state, one.number) for one in past}
    return any(
        (one.state, one.round) in rounds
        and one.status == "approved"
        and not one.auto
        and one.decided_by == person
        for one in case.tasks.values()
    )


def vote(
    case: Case,
    task: Task,
    verdict: Literal["approved", "rejected"],
    comment: str,
    signature: int | None = None,
) -> None:
    """A person's decision, counted."""
    task = case.put(
        task,
        status=verdict,
        hold="",
        comment=comment,
        decided_by=case.env.actor,
        decided_at=case.env.now,
        decided_seq=case.sequence,
        cycle=case.cycle,
        signature=signature,
    )
    if task.parent is None:
        settle(case, task.state)
    else:
        answer(case, task)


def answer(case: Case, child: Task) -> None:
    """What an asked person's decision, or removal, means for the one who waits for it."""
    parent = case.tasks[child.parent or 0]
    if parent.status != "waiting":
        return
    children = [
        one
        for one in case.tasks.values()
        if one.parent == parent.id and one.status != "cancelled" and one.kind == parent.hold_kind
    ]
    if child.status == "rejected" and child.kind != "opinion":
        for sister in children:
            if sister.pending:
                case.put(sister, status="cancelled", note="decided")
        case.put(
            parent,
            status="rejected",
            hold="",
            comment=parent.comment or child.comment,
            decided_by=child.decided_by,
            decided_at=case.env.now,
            decided_seq=case.sequence,
        )
    elif any(one.pending for one in children):
        return
    elif parent.hold == "after" and children:
        case.put(parent, status="approved", hold="")
    else:
        parent = case.put(
            parent,
            status="open",
            hold="",
            decided_by=None,
            decided_at=None,
            decided_seq=0,
            signature=None,
        )
        case.effect("task", parent.state, [parent.assignee or 0], task=parent.id)
    settle(case, parent.state)


def close_round(
    case: Case, state: str, outcome: Literal["approved", "rejected"], note: str
) -> None:
    """The verdict of a round: open tasks end, the state's ``onDone`` follows."""
    round_ = case.round_of(state)
    if round_ is None or round_.outcome:
        return
    end_round(case, round_, outcome, note)
    case.queue.append(f"done.{outcome}.{state}")


def end_round(
    case: Case,
    round_: Round,
    outcome: Literal["approved", "rejected", "returned", "left"],
    note: str,
) -> None:
    """Close the book of a round."""
    for task in case.tasks_of(round_.state):
        if task.pending:
            case.put(task, status="cancelled", note=note)
    case.put_round(round_, outcome=outcome, closed_at=case.env.now)
