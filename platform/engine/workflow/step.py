"""The two entrances: `begin` a case, take one `step` in it. Pure; the world is `Env`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from engine.workflow import interpreter, tasks
from engine.workflow.case import Case, Refused
from engine.workflow.chart import CHANGED, CLIENT_FORBIDDEN, ROOT, Chart, Transition, many
from engine.workflow.env import Env, Event
from engine.workflow.instance import Instance, Outcome


def begin(chart: Chart, env: Env, event: Event | None = None, *, at: str = "") -> Outcome:
    """A new case, started by the actor, in its first stable configuration.

    `event.data` is what expressions see as ``event`` (for instance ``chosen``, see `step`). `at`
    begins in that state instead: for a record that was on its way before there was a case.
    """
    instance = Instance(chart.id, chart.version, chart.hash, env.actor)
    case = Case(chart, instance, event or Event("start"), env)
    return outcome_of(case, partial(interpreter.begin, at=at))


def step(chart: Chart, instance: Instance, event: Event, env: Env) -> Outcome:
    """What `event` makes of `instance`. All or nothing: with problems, nothing has happened.

    ``event.data["chosen"]``, {state: [ids]}, names the people that a ``chosenBy`` asks for.
    """
    return outcome_of(Case(chart, instance, event, env), _dispatch)


def retime(chart: Chart, instance: Instance, env: Env) -> Outcome:
    """The timers of a case whose record was changed: those that hang on a field move along."""
    return outcome_of(Case(chart, instance, Event(""), env), interpreter.retime)


def noticed(chart: Chart, instance: Instance, env: Env, fields: Sequence[str]) -> Outcome | None:
    """What the states make of a change of the record by somebody (``record.changed``, with the
    names of the `fields`; guards may compare with ``old``). None when none of them answers."""
    if instance.done or not any(
        one.event == CHANGED
        for state in (ROOT, *instance.active)
        for one in chart.states[state].transitions
    ):
        return None
    event = Event(CHANGED, {"fields": list(fields)}, source="system")
    outcome = step(chart, instance, event, env)
    nothing = {"W102", "W104"} & {problem.code for problem in outcome.problems}
    return None if nothing else outcome


def outcome_of(case: Case, action: Callable[[Case], None]) -> Outcome:
    """What an action makes of a case, or why it makes nothing."""
    try:
        _remember_choice(case)
        action(case)
    except Refused as refused:
        return Outcome(case.start, problems=(refused.problem,))
    return case.outcome()


def demand_version(chart: Chart, instance: Instance) -> None:
    """Refuse a chart that is not the one the case runs on."""
    own = (instance.workflow, instance.version, instance.hash)
    if own != (chart.id, chart.version, chart.hash):
        raise Refused("W100", version=instance.version)


def _dispatch(case: Case) -> None:
    event, instance, chart = case.event, case.start, case.chart
    demand_version(chart, instance)
    if case.done:
        raise Refused("W101")
    if event.source == "timer":
        interpreter.fire(case, event.type)
    elif event.source == "system" and event.type.startswith(("done.call.", "error.call.")):
        interpreter.answered(case, event)
    elif event.type.startswith(CLIENT_FORBIDDEN):
        raise Refused("W105", event=event.type)
    elif event.type.startswith("task."):
        tasks.command(case, event)
    else:
        _plain(case, event)
    interpreter.macrostep(case)


def _remember_choice(case: Case) -> None:
    chosen = case.event.data.get("chosen")
    if not isinstance(chosen, dict):
        return
    for state, people in chosen.items():
        if state in case.chart.states and _may_choose(case, state):
            picked = many(people)
            if all(isinstance(one, int) and not isinstance(one, bool) for one in picked):
                case.chosen[state] = tuple(picked)


def _may_choose(case: Case, state: str) -> bool:
    """Whether what comes with this event may name the people of a state. An approver picks for
    those that the one before them picks, and only by approving; the others are the starter's."""
    event, policy = case.event, case.state(state).policy
    if event.source == "system" or not event.type.startswith("task."):
        return True
    if event.type != "task.approve":
        return False
    by = {who.get("chosenBy") for who in policy.assignees} if policy else set()
    starter = case.start.starter
    return "starter" not in by or (starter is not None and case.env.actor == starter)


def _plain(case: Case, event: Event) -> None:
    """An author's event: it must lead somewhere from here, for this person, under a true guard."""
    arrows = [
        one
        for state in case.active | {""}
        for one in case.state(state).transitions
        if one.event == event.type
    ]
    if not arrows:
        raise Refused("W102", event=event.type, states=list(case.leaves()))
    if not any(permitted(case, one) for one in arrows):
        raise Refused("W103", event=event.type)
    chosen = interpreter.select(case, event.type, lambda one: permitted(case, one))
    if not chosen:
        guards = [one.guard for one in arrows if permitted(case, one)]
        raise Refused("W104", event=event.type, conditions=guards)
    for one in chosen:
        # what the platform notices cannot wait for a complete form
        if event.type != CHANGED and one.targets and not _ends(case, one):
            tasks.demand_fields(case, one.source)
    interpreter.microstep(case, chosen, event.type)
    case.acted = case.sequence


def _ends(case: Case, transition: Transition) -> bool:
    """Whether it leads to a final state: giving up must not ask for a complete form."""
    return all(case.state(target).type == "final" for target in transition.targets)


def permitted(case: Case, transition: Transition) -> bool:
    """Whether the actor may send this transition's event: the nearest ``may`` decides, no entry
    means nobody. The platform itself always may."""
    if case.event.source == "system":
        return True
    actor = case.env.actor
    for state in (transition.source, *case.chart.ancestors(transition.source)):
        if whos := case.state(state).may.get(transition.event):
            return actor is not None and any(actor in case.people(who, state) for who in whos)
    return False
