"""What can be wrong with a workflow beyond its schema. All problems in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.definitions.model import Entity, Model, Workflow
from engine.expressions.dependencies import dependencies
from engine.expressions.errors import ExpressionError
from engine.expressions.parse import parse
from engine.problems import Problem, Severity
from engine.workflow import graph, lint_calls, lint_people, lint_records
from engine.workflow.chart import (
    CHANGED,
    CLIENT_FORBIDDEN,
    ROOT,
    State,
    Transition,
    Who,
    compile_chart,
    many,
)
from engine.workflow.env import FLOW_TYPES
from engine.workflow.expressions import actions_of, expressions_of, fields_set
from engine.workflow.lint_people import Known

_NAMES = frozenset({"id", "old", "me", "my", "In", *FLOW_TYPES})
_PEOPLE = frozenset(
    {"user", "role", "department", "group", "field", "starter", "supervisor", "supervisors"}
    | {"chosenBy"}
)


def check_chart(workflow: Workflow, model: Model, known: Known | None = None) -> list[Problem]:
    """Every problem of a definition, with its file and JSON pointer. `known`: the company's people
    and groups, where there is a company to ask."""
    return list(_Linter(workflow, model, known).run())


class _Linter:
    """Checks of one workflow."""

    def __init__(self, workflow: Workflow, model: Model, known: Known | None) -> None:
        self.model, self.known = model, known
        self.chart = compile_chart(workflow)
        self.states = self.chart.states
        self.entity: Entity | None = model.entities.get(workflow.entity)
        self.raised = {
            action["raise"]
            for state in self.states.values()
            for action, _ in actions_of(state)
            if "raise" in action
        }

    def run(self) -> Iterator[Problem]:
        """All checks."""
        if self.entity is None:
            yield self._problem("W018", "/entity", entity=self.chart.entity)
        for name, pointer in self.chart.repeated:
            yield self._problem("W020", pointer, state=name)
        for state in self.states.values():
            yield from self._structure(state)
            yield from self._transitions(state)
            yield from self._permissions(state)
            yield from self._actions(state)
            yield from self._people(state)
            yield from self._returns(state)
        yield from self._state_field()
        yield from self._names()
        yield from lint_people.check(self.chart, self._problem)
        yield from lint_records.check(self.chart, self.model, self.entity, self._problem)
        yield from lint_calls.check(self.chart, self.model, self._problem)
        if self.known is not None:
            yield from lint_people.check_known(self.chart, self.known, self._problem)
        targets = [one for state in self.states.values() for one in self._targets(state)]
        if all(target in self.states for target in targets):
            yield from self._paths()
            yield from self._circles()

    def _problem(self, code: str, pointer: str, *, warn: bool = False, **params: Any) -> Problem:
        severity = Severity.WARNING if warn else Severity.ERROR
        return Problem(code, params, pointer, severity, self.chart.file)

    # -- shape -------------------------------------------------------------------------------

    def _targets(self, state: State) -> list[str]:
        own = [target for one in state.transitions for target in one.targets]
        return [*own, *state.initial]

    def _structure(self, state: State) -> Iterator[Problem]:
        for target in state.initial:
            inside = target in self.states and self.chart.within(target, state.id)
            sister = state.type == "history" and target in self.states
            if not inside and not sister:
                yield self._problem(
                    "W002", f"{state.pointer}/initial", state=state.id, target=target
                )
        if state.type == "final":
            keys = ("transitions", "timers", "exit", "children")
            found = [key for key in keys if getattr(state, key)]
            if found:
                yield self._problem("W008", state.pointer, state=state.id, keys=found)
        if state.type == "parallel" and any(
            one.event.startswith("done.state.") for one in state.transitions
        ):
            for region in state.children:
                if not self._ends(region):
                    pointer = f"{state.pointer}/onDone"
                    yield self._problem("W015", pointer, state=state.id, region=region)

    def _ends(self, region: str) -> bool:
        state = self.states[region]
        if state.type == "parallel":
            return all(self._ends(child) for child in state.children)
        return state.type in ("final", "history") or any(
            self.states[child].type == "final" for child in state.children
        )

    def _transitions(self, state: State) -> Iterator[Problem]:
        for one in state.transitions:
            for target in one.targets:
                yield from self._target(state, one, target)
        events = dict.fromkeys(one.event for one in state.transitions)
        for event in events:
            group = [one for one in state.transitions if one.event == event]
            # a single guarded transition is a condition for the command, not a missing branch
            if event.startswith("done.") and group[-1].guard:
                yield self._problem("W211", group[-1].pointer, state=state.id)
            elif len(group) > 1 and event and group[-1].guard:
                yield self._problem(
                    "W005", group[-1].pointer, warn=True, state=state.id, event=event
                )

    def _target(self, state: State, one: Transition, target: str) -> Iterator[Problem]:
        pointer = f"{one.pointer}/target"
        if target not in self.states:
            yield self._problem("W001", pointer, state=state.id or self.chart.id, target=target)
            return
        parent = self.states[target].parent
        inside = self.chart.within(state.id, parent) if parent != ROOT else False
        if inside and self.states[parent].type == "parallel" and state.id != target:
            yield self._problem("W016", pointer, state=state.id, target=target)

    def _permissions(self, state: State) -> Iterator[Problem]:
        named = {event for one in (state.id, *self.chart.ancestors(state.id))
                 for event in self.states[one].may}  # fmt: skip
        events = dict.fromkeys(
            one.event
            for one in state.transitions
            if one.event and not one.event.startswith(CLIENT_FORBIDDEN)
        )
        for event in events:
            if event not in named and event not in self.raised and event != CHANGED:
                pointer = f"{state.pointer}/on/{event}"
                yield self._problem("W010", pointer, warn=True, state=state.id, event=event)
        inner = [one for one in self.states.values() if one.id == state.id
                 or self.chart.within(one.id, state.id)]  # fmt: skip
        answered = {one.event for inside in inner for one in inside.transitions}
        for event in state.may:
            if event not in answered:
                pointer = f"{state.pointer}/may/{event}"
                yield self._problem("W023", pointer, state=state.id, event=event)

    # -- people and actions ------------------------------------------------------------------

    def _actions(self, state: State) -> Iterator[Problem]:
        for action, pointer in actions_of(state):
            kind = action.get("type", "")
            if kind in ("escalate", "decide", "remind") and state.type != "approval":
                yield self._problem("W022", pointer, action=kind, state=state.id)
            for name, place in fields_set(action, pointer):
                yield from self._field(name, place)
            if isinstance(action.get("to"), Mapping | list | tuple):
                yield from self._whos(many(action["to"]), f"{pointer}/to")
        for name in state.fields:
            if name != "*":
                yield from self._field(name, f"{state.pointer}/fields/{name}")

    def _field(self, name: str, pointer: str) -> Iterator[Problem]:
        if self.entity is not None and name not in self.entity.fields:
            yield self._problem("W019", pointer, name=name, entity=self.entity.name)

    def _people(self, state: State) -> Iterator[Problem]:
        for event, whos in state.may.items():
            yield from self._whos(whos, f"{state.pointer}/may/{event}")
        policy = state.policy
        if policy is None:
            return
        yield from self._whos(policy.assignees, f"{state.pointer}/assignees")
        yield from self._whos(policy.cc, f"{state.pointer}/cc")
        if isinstance(policy.empty, Mapping):
            yield from self._whos([policy.empty], f"{state.pointer}/empty")
        for place, who in enumerate(policy.assignees):
            if "user" in who:
                pointer = f"{state.pointer}/assignees/{place}"
                yield self._problem("W017", pointer, warn=True, user=who["user"])

    def _whos(self, whos: Iterable[Who], pointer: str) -> Iterator[Problem]:
        for who in whos:
            if not isinstance(who, Mapping) or not _PEOPLE & who.keys():
                yield self._problem("W024", pointer, who=str(who))
                continue
            chain = who.get("supervisors")
            until = chain.get("untilRole") if isinstance(chain, Mapping) else None
            for role in (who.get("role"), until):
                if role is not None and role not in self.model.roles:
                    yield self._problem("W011", pointer, role=role)
            for name in (who.get("field"), who.get("ofField")):
                if name is not None:
                    yield from self._field(name, pointer)
            yield from self._whos(who.get("from", ()), f"{pointer}/from")

    def _returns(self, state: State) -> Iterator[Problem]:
        if state.policy is None:
            return
        for place, target in enumerate(state.policy.return_to):
            if target.startswith(("#", "*")):
                continue
            known = target in self.states and target != state.id
            if not known or not self._before(target, state.id) or self._beside(target, state.id):
                pointer = f"{state.pointer}/return/to/{place}"
                yield self._problem("W009", pointer, state=state.id, target=target)

    def _before(self, target: str, state: str) -> bool:
        """Whether a way leads from `target` to `state`."""
        seen: set[str] = set()
        pending = [target]
        while pending:
            name = pending.pop()
            if name == state:
                return True
            if name not in seen and name in self.states:
                seen.add(name)
                pending += graph.onward(self.chart, name)
        return False

    def _beside(self, one: str, other: str) -> bool:
        shared = next(
            name for name in self.chart.ancestors(one) if name in self.chart.ancestors(other)
        )  # fmt: skip
        return self.states[shared].type == "parallel"

    # -- the record --------------------------------------------------------------------------

    def _state_field(self) -> Iterator[Problem]:
        name = self.chart.state_field
        if self.entity is None or not name:
            return
        found = self.entity.fields.get(name)
        if found is None or found.type != "choice":
            yield self._problem("W012", "/stateField", field=name, entity=self.entity.name)
            return
        values = {option.value for option in found.options}
        if missing := [one for one in self.chart.reportable() if one not in values]:
            file = self.entity.file
            yield self._problem("W013", "/stateField", field=name, states=missing, file=file)

    def _names(self) -> Iterator[Problem]:
        if self.entity is None:
            return
        known = _NAMES | set(self.entity.fields) | set(self.model.inverses(self.entity.name))
        for source, pointer, _ in expressions_of(self.chart):
            try:
                paths = dependencies(parse(source))
            except ExpressionError as failure:
                yield self._problem("W014", pointer, expression=source)
                yield Problem(
                    failure.problem.code, failure.problem.params, pointer, file=self.chart.file
                )
                continue
            for name in sorted({path[0] for path in paths} - known):
                yield self._problem(
                    "W006", pointer, expression=source, name=name, entity=self.entity.name
                )

    # -- ways --------------------------------------------------------------------------------

    def _paths(self) -> Iterator[Problem]:
        reached = graph.reachable(self.chart)
        ending = graph.leads_to_end(self.chart)
        for state in self.states.values():
            if state.id == ROOT or state.type == "history":
                continue
            if state.id not in reached:
                yield self._problem("W003", state.pointer, warn=True, state=state.id)
            elif state.id not in ending and state.type != "final":
                yield self._problem("W004", state.pointer, warn=True, state=state.id)

    def _circles(self) -> Iterator[Problem]:
        edges: dict[str, set[str]] = {}
        for state in self.states.values():
            free = [one for one in state.transitions if not one.event and not one.guard]
            landed = {name for one in free for target in one.targets
                      for name in graph.entered(self.chart, target)}  # fmt: skip
            edges[state.id] = landed - set(self.chart.ancestors(state.id))
        for circle in graph.circles({name: to for name, to in edges.items() if to}):
            pointer = f"{self.states[circle[0]].pointer}/always"
            yield self._problem("W007", pointer, states=circle)
