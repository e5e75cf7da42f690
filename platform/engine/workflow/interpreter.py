"""Microsteps and macrosteps: the statechart at work on a `Case`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from engine.workflow import rounds, sets
from engine.workflow.case import Case, Refused
from engine.workflow.chart import ROOT, Action, TimerRule, Transition, many
from engine.workflow.env import Event
from engine.workflow.instance import Call, Detour

MAX_MICROSTEPS = 100
BUILT_IN = frozenset(
    {"escalate", "decide", "remind", "set_field", "lock_record", "unlock_record", "create_record"}
)

Permit = Callable[[Transition], bool]


def select(case: Case, event: str, permit: Permit | None = None) -> list[Transition]:
    """The transitions an event enables, inner states first, without conflicts."""
    chosen: list[Transition] = []
    for leaf in case.leaves():
        for state in (leaf, *case.chart.ancestors(leaf)):
            found = next(
                (
                    one
                    for one in case.state(state).transitions
                    if one.event == event and (permit is None or permit(one)) and _passes(case, one)
                ),
                None,
            )
            if found:
                if found not in chosen:
                    chosen.append(found)
                break
    return sets.without_conflicts(case.chart, chosen, case.active, case.history)


def _passes(case: Case, transition: Transition) -> bool:
    return case.test(transition.guard)


def begin(case: Case, at: str = "") -> None:
    """Enter the initial states, or the state `at`."""
    first = Transition(ROOT, "start", (at,) if at else case.state(ROOT).initial)
    microstep(case, [first], "start")
    macrostep(case)


def macrostep(case: Case) -> None:
    """Run on until nothing more happens by itself."""
    for _ in range(MAX_MICROSTEPS):
        if case.done:
            return
        if enabled := select(case, ""):
            microstep(case, enabled, "always")
        elif case.queue:
            event = case.queue.popleft()
            if enabled := select(case, event):
                microstep(case, enabled, event)
        else:
            return
    raise Refused("W106", states=list(case.leaves()), limit=MAX_MICROSTEPS)


def microstep(case: Case, transitions: Sequence[Transition], event: str) -> None:
    """Leave, act, enter; one line in the log."""
    before = case.leaves()
    transitions = [_redirected(case, one) for one in transitions]
    leaving: set[str] = set()
    for transition in transitions:
        leaving |= sets.exit_set(case.chart, transition, case.active, case.history)
    ordered = list(reversed(case.chart.in_order(leaving)))
    case.history |= sets.remembered(case.chart, ordered, case.active)
    for state in ordered:
        _leave(case, state)
    for transition in transitions:
        run(case, transition.actions, transition.source)
    entering = sets.entry_set(case.chart, transitions, case.active, case.history)
    # the log line comes first, so that votes given on entry follow it
    case.active |= set(entering)
    case.row(event, before)
    for state in entering:
        _enter(case, state)


def _redirected(case: Case, transition: Transition) -> Transition:
    """The way forward after a ``direct`` return leads back to the one who returned it."""
    detour: Detour | None = case.detour
    if detour is None or transition.source != detour.at or not transition.targets:
        return transition
    forward = transition.event == f"done.approved.{detour.at}" or any(
        case.state(state).type == "approval"
        for state in sets.entry_set(case.chart, [transition], set(), case.history)
    )
    if not forward or transition.event.startswith(f"done.rejected.{detour.at}"):
        return transition
    return replace(transition, targets=(detour.back,), reenter=True)


def _leave(case: Case, state: str) -> None:
    here = case.state(state)
    run(case, here.exit, state)
    for rule in here.timers:
        case.timers.pop(rule.name, None)
    if case.detour and case.detour.at == state:
        case.detour = None
    end_calls(case, state)
    round_ = case.round_of(state)
    if here.type == "approval" and round_:
        if not round_.outcome:
            rounds.end_round(case, round_, "left", "left")
        if round_.outcome != "approved":
            case.cycle += 1
    case.active.discard(state)


def _enter(case: Case, state: str) -> None:
    stands = case.state(state).type in ("atomic", "approval", "parallel", "call")
    if stands and state not in case.visits:  # a case that goes in circles must not grow with them
        case.visits.append(state)
    run(case, case.state(state).entry, state)
    settle_in(case, state)


def settle_in(case: Case, state: str) -> None:
    """What begins with being in a state: timers, a round, called cases, the end."""
    here = case.state(state)
    for rule in here.timers:
        arm(case, state, rule)
    if here.type == "approval":
        rounds.open_round(case, state)
    elif here.type == "call":
        _call(case, state)
    elif here.type == "final":
        _finish(case, state)


def _finish(case: Case, state: str) -> None:
    parent = case.state(state).parent
    if parent == ROOT:
        case.done = True
        case.timers.clear()
        return
    case.queue.append(f"done.state.{parent}")
    above = case.state(parent).parent if case.state(parent).type != "parallel" else parent
    if case.state(above).type == "parallel" and sets.complete(case.chart, above, case.active):
        name = f"done.state.{above}"
        if name not in case.queue:
            case.queue.append(name)


def terminate(case: Case) -> None:
    """End the case where it stands: nothing is left open, nothing runs on."""
    before = case.leaves()
    for state in case.chart.in_order(case.active):
        round_ = case.round_of(state)
        if round_ and not round_.outcome:
            rounds.end_round(case, round_, "left", "terminated")
        end_calls(case, state)
    case.timers.clear()
    case.queue.clear()
    case.detour = None
    case.done, case.terminated, case.locked = True, True, False
    case.row("terminated", before)
    case.acted = case.sequence


# -- cases that begin cases ----------------------------------------------------------------------


def _call(case: Case, state: str) -> None:
    """Ask for the cases of a ``call`` state; wait for them unless it says otherwise."""
    calling = case.state(state).calling
    if calling is None:
        return
    number = case.sequence
    each = [_id(one) for one in many(case.value(calling.each))] if calling.each else None
    given = {} if calling.each else {key: case.value(one) for key, one in calling.input.items()}
    if each is None or each:
        case.effect(
            "call",
            state,
            workflow=calling.workflow,
            number=number,
            each=each,
            input=given,
            wait=calling.wait,
        )
        if calling.wait:
            case.calls[state] = Call(state, number, case.env.now)
            return
    case.queue.append(f"done.call.{state}")


def _id(given: Any) -> int:
    found = given.get("id") if isinstance(given, Mapping) else given
    if not isinstance(found, int) or isinstance(found, bool):
        raise Refused("W311", value=str(given)[:100])
    return found


def end_calls(case: Case, state: str) -> None:
    """Nobody waits for the cases of a ``call`` state any more: they shall end as well."""
    if call := case.calls.pop(state, None):
        case.effect("uncall", state, number=call.number)


def answered(case: Case, event: Event) -> None:
    """What became of the cases of a ``call`` state: ``done.call.…`` with their `results`, or
    ``error.call.…`` with a `reason`. An answer nobody waits for any more is refused."""
    kind, _, state = event.type.partition(".call.")
    call = case.calls.get(state)
    calling = case.state(state).calling if call else None
    if call is None or calling is None or event.data.get("number") != call.number:
        raise Refused("W312", state=state)
    if kind == "done":
        del case.calls[state]
        for name, source in calling.output.items():
            case.changes[name] = case.value(source)
    enabled = select(case, event.type)
    if enabled:
        microstep(case, enabled, event.type)
        return
    if kind == "error":
        reason = event.data.get("reason")
        words = dict(reason) if isinstance(reason, Mapping) else {"": str(reason or "")}
        case.calls[state] = replace(call, reason=words)
    case.row(event.type, case.leaves())


# -- timers --------------------------------------------------------------------------------------


def arm(case: Case, state: str, rule: TimerRule) -> None:
    """Set a timer of a state, counted from now."""
    if rule.delay is not None:
        due = case.env.due(case.env.now, rule.delay, rule.clock)
    else:
        found = case.value(rule.at)
        if found is None:
            return
        due = _instant(case, found, rule.shift)
    case.arm(rule.name, state, due)


def retime(case: Case) -> None:
    """Set the timers of the active states that hang on a field anew; one that is gone because it
    fired comes back only for an instant yet to come."""
    for state in case.chart.in_order(case.active):
        for rule in case.state(state).timers:
            if rule.delay is not None or rule.every:
                continue
            known, found = case.timers.get(rule.name), case.value(rule.at)
            due = None if found is None else _instant(case, found, rule.shift)
            if due is None:
                case.timers.pop(rule.name, None)
            elif known is not None and known.due != due:
                case.arm(rule.name, state, due, known.fired)
            elif known is None and due > case.env.now:
                case.arm(rule.name, state, due)


def _instant(case: Case, found: Any, shift: int) -> datetime:
    if isinstance(found, datetime):
        aware = found if found.tzinfo else found.replace(tzinfo=case.env.now.tzinfo)
        return aware + timedelta(seconds=shift)
    if isinstance(found, date):
        return datetime.combine(found, time(), case.env.now.tzinfo) + timedelta(days=shift)
    raise Refused("W127", value=str(found))


def fire(case: Case, name: str) -> None:
    """A due timer: its transition, and its next turn when it repeats (missed ones are one)."""
    timer = case.timers.get(name)
    if timer is None or timer.due > case.env.now:
        raise Refused("W107", timer=name)
    del case.timers[name]
    rule = next(one for one in case.state(timer.state).timers if one.name == name)
    fired = timer.fired + 1
    if rule.every and (not rule.times or fired < rule.times):
        due = case.env.due(timer.due, rule.every, rule.clock)
        if due <= case.env.now:
            due = case.env.due(case.env.now, rule.every, rule.clock)
        case.arm(name, timer.state, due, fired)
    if enabled := select(case, name):
        microstep(case, enabled, name)
    else:
        case.row(name, case.leaves())


# -- actions -------------------------------------------------------------------------------------


def run(case: Case, actions: Sequence[Action], state: str) -> None:
    """Do what touches the instance; note down the rest for the outbox."""
    for action in actions:
        if "raise" in action:
            case.queue.append(action["raise"])
        elif "assign" in action:
            for name, source in action["assign"].items():
                case.changes[name] = case.value(source)
        elif action["type"] in BUILT_IN:
            _built_in(case, action, state)
        else:
            _note(case, action, state)


def _note(case: Case, action: Action, state: str) -> None:
    to = [one for who in _whos(action.get("to")) for one in case.people(who, state)]
    data = {key: value for key, value in action.items() if key not in ("type", "to")}
    case.effect(action["type"], state, to, **data)


def _whos(given: Any) -> list[Mapping[str, Any]]:
    if isinstance(given, Mapping):
        return [given]
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _built_in(case: Case, action: Action, state: str) -> None:
    match action["type"]:
        case "set_field":
            case.changes[action["field"]] = action.get("value")
        case "lock_record":
            case.locked = True
        case "unlock_record":
            case.locked = False
        case "create_record":
            into = str(action.get("into", ""))
            case.creation(action["entity"], action.get("values", {}), into, state)
        case "remind":
            remind(case, state)
        case "escalate":
            _escalate(case, action, state)
        case _:
            rounds.close_round(case, state, action["outcome"], "timer")


def remind(case: Case, state: str) -> None:
    """A notice to everybody a round waits for."""
    waiting = [task for task in case.tasks_of(state) if task.status == "open"]
    people = [one for task in waiting for one in ((task.assignee,) if task.assignee is not None
              else task.candidates)]  # fmt: skip
    if people:
        case.effect("remind", state, people, tasks=[task.id for task in waiting])


def _escalate(case: Case, action: Action, state: str) -> None:
    """Bring in other people: told (notify), as further voters (add), or instead (replace)."""
    waiting = [task for task in case.tasks_of(state) if task.status == "open"]
    present = [task.assignee for task in waiting if task.assignee is not None]
    people = [one for who in _whos(action.get("to")) for one in case.people(who, state, present)]
    mode = action.get("mode", "notify")
    case.effect("escalate", state, people, mode=mode, instead_of=present)
    votes = rounds.voters(case, state)
    voting = {one for task in votes for one in (task.assignee, task.on_behalf_of)}
    policy = case.state(state).policy
    fresh = [
        one
        for one in dict.fromkeys(people)
        if one not in voting and not (policy and rounds.barred(case, policy, one))
    ]
    if mode == "notify" or policy is None or not fresh:
        return
    votes = [task for task in waiting if task.kind == "vote"]
    if not votes:
        return
    groups = tuple(dict.fromkeys(group for task in votes for group in task.groups))
    for person in fresh:
        task = case.new_task(
            state,
            votes[0].round,
            person,
            status="waiting",
            hold="order",
            groups=groups,
            position=votes[0].position,
        )
        rounds.activate(case, task, policy)
    if mode == "replace":
        for task in votes:
            case.put(task, status="cancelled", note="escalated")
    rounds.settle(case, state)
