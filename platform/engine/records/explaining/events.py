"""Why somebody may or may not send an event of a workflow, or decide in one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.access import Level
from engine.definitions.model import Label
from engine.fields import USER
from engine.problems import Problem
from engine.records.explaining.answer import SIZES, Explanation, Reason, Remedy
from engine.records.explaining.matter import AS_IS, Matter, Suppose, found, supposed_actor
from engine.records.explaining.wording import Wording, title_of
from engine.records.failures import NotFound
from engine.records.flows.cases import asked, copied, took_part
from engine.records.flows.env import FlowEnv
from engine.records.flows.store import Stored
from engine.records.flows.words import event_title, state_title, worded_problem
from engine.records.labels import names_of
from engine.workflow import Chart, Command, administer, commands_for

_MOST: Final = 6
Who = Mapping[str, Any]


class _Env(FlowEnv):
    """The world of a step, with one more holder of a role."""

    more: tuple[str, int] = ("", 0)

    def _holders(self, role: str) -> list[int]:
        held = super()._holders(role)
        name, user = self.more
        return [*held, user] if role == name and user not in held else held


@dataclass(frozen=True, slots=True)
class EventMatter:
    """A question about one event of the record's case."""

    matter: Matter
    wording: Wording
    event: str

    def explanation(self, head: Problem) -> Explanation:
        """The answer. Raises: NotFound for an event that the workflow does not know."""
        case = self.matter.case
        if case is None:
            reason = Reason("state", False, Problem("G150", self._about()))
            return Explanation(False, head, (reason,))
        if not self._known(case.chart):
            raise NotFound
        reasons = tuple(self._reasons(case))
        allowed = all(one.allows for one in reasons) and self._command(AS_IS) is not None
        told = () if allowed else tuple(self._remedies(case))
        return Explanation(allowed, head, reasons, told, level=Level.HIDDEN)

    def _known(self, chart: Chart) -> bool:
        if self.event.startswith("task."):
            return True
        arrows = (arrow for state in chart.states.values() for arrow in state.transitions)
        return any(arrow.event == self.event for arrow in arrows)

    # --- why -----------------------------------------------------------------------------------
    def _reasons(self, case: Stored) -> Iterator[Reason]:
        if self.matter.closed:
            yield Reason("account", False, Problem("G101", self._about()))
        if self.matter.removed:
            yield Reason("removed", False, Problem("G103", self._about()))
            return
        if not self._knows(AS_IS):
            yield Reason("row", False, Problem("G156", self._about()))
            return
        chart = case.chart
        here = state_title(chart, chart.reported(case.instance.active))
        about = {**self._about(), "state": here, "flow": chart.title}
        if case.instance.done:
            yield Reason("state", False, Problem("G151", about))
            return
        command = self._command(AS_IS)
        if command is not None:
            yield Reason("participant", True, Problem("G155", about))
            if command.why is not None:
                unit, entity = self.matter.unit, self.matter.entity
                told = worded_problem(unit, chart, entity, command.why)
                yield Reason("guard", False, told)
            return
        if self.event.startswith("task."):
            yield self._no_task(case, about)
            return
        places = [name for name in chart.states if self._sends(chart, name)]
        active = {*case.instance.active, ""}
        if not active.intersection(places):
            states = [state_title(chart, one) for one in places if one]
            yield Reason("state", False, Problem("G152", {**about, "states": states}))
            return
        whos = [who for name in places if name in active for who in self._may(chart, name)]
        people = [self._whom(who) for who in whos]
        yield Reason("participant", False, Problem("G153", {**about, "people": people}))

    def _no_task(self, case: Stored, about: Mapping[str, Any]) -> Reason:
        waiting = [
            task.assignee for task in case.instance.tasks if task.status == "open" and task.assignee
        ]
        names = names_of(self.matter.unit, {USER: set(waiting)})
        people = [names.label(USER, one) for one in dict.fromkeys(waiting)]
        return Reason("participant", False, Problem("G154", {**about, "people": people}))

    def _knows(self, suppose: Suppose) -> bool:
        """Whether the person may know of the case."""
        matter = self.matter
        plain = replace(matter, action="read", field="", closed=False)
        if found(plain, suppose).allowed or matter.actor.system:
            return True
        unit = replace(matter.unit, actor=matter.actor)
        name = matter.entity.name
        return any(ask(unit, name, matter.id) for ask in (asked, took_part, copied))

    def _command(self, suppose: Suppose, case: Stored | None = None) -> Command | None:
        """The command as it would be offered to him."""
        matter = self.matter
        case = suppose.case or case or matter.case
        if case is None or matter.record is None or matter.removed or not self._knows(suppose):
            return None
        actor = supposed_actor(matter, suppose)
        unit = replace(matter.unit, actor=actor)
        env = _Env(unit, matter.entity, matter.record, workflow=case.instance.workflow)
        env.more = (suppose.role, actor.id)
        offered = commands_for(case.chart, case.instance, actor.id, env)
        return next((one for one in offered if one.event == self.event), None)

    # --- what would do -------------------------------------------------------------------------
    def _remedies(self, case: Stored) -> Iterator[Remedy]:
        told = [*self._states(case), *self._roles(), *self._definition(case)]
        yield from sorted(told, key=lambda one: one.size)[:_MOST]

    def _works(self, suppose: Suppose) -> bool:
        command = self._command(suppose)
        return command is not None and command.why is None and not self.matter.closed

    def _states(self, case: Stored) -> Iterator[Remedy]:
        matter, chart = self.matter, case.chart
        if self.event.startswith("task.") or matter.record is None:
            return
        env = FlowEnv(matter.unit, matter.entity, matter.record, workflow=case.instance.workflow)
        awake = replace(case.instance, done=False)
        for state in chart.reportable():
            if state == chart.reported(case.instance.active):
                continue
            outcome = administer(chart, awake, "jump", env, target=state, reason="…")
            if outcome.problems or outcome.state != state:
                continue
            if self._works(Suppose(case=replace(case, instance=outcome.instance))):
                step = Problem("G162", {"state": state_title(chart, state), "event": {}})
                yield Remedy("state", (step,), SIZES["state"], {"state": state})

    def _roles(self) -> Iterator[Remedy]:
        if self.wording.limited and self.matter.record is None:
            return
        for role in self.matter.unit.app.model.roles.values():
            held = role.name in self.matter.actor.roles
            if not held and self._works(Suppose(role=role.name)):
                params = {"who": self.wording.who, "role": role.title}
                step = Problem("G171" if self.wording.own else "G166", params)
                yield Remedy("role", (step,), SIZES["role"], {"role": role.name})

    def _definition(self, case: Stored) -> Iterator[Remedy]:
        """One more who may, where the event can be sent now."""
        if self.wording.limited or self.event.startswith("task."):
            return
        chart = case.chart
        for name in ("", *case.instance.active):
            if not self._sends(chart, name):
                continue
            state = chart.states[name]
            who = {"user": self.matter.actor.login}
            may = {**state.may, self.event: (*state.may.get(self.event, ()), who)}
            changed = replace(chart, states={**chart.states, name: replace(state, may=may)})
            if self._works(Suppose(case=replace(case, chart=changed))):
                pointer = f"{state.pointer}/may/{self.event}"
                value = [dict(one) for one in may[self.event]]
                data = {"file": chart.file, "pointer": pointer, "value": value}
                step = Problem("G169", {**data, "value": json.dumps(value, ensure_ascii=False)})
                yield Remedy("definition", (step,), SIZES["definition"], data)

    # --- words ---------------------------------------------------------------------------------
    def _sends(self, chart: Chart, state: str) -> bool:
        return any(arrow.event == self.event for arrow in chart.states[state].transitions)

    def _may(self, chart: Chart, state: str) -> Sequence[Who]:
        """Who may send it from a state: the nearest that says so decides."""
        for name in (state, *chart.ancestors(state)):
            if whos := chart.states[name].may.get(self.event):
                return whos
        return ()

    def _whom(self, who: Who) -> Label:
        """A `who` of a workflow in words."""
        model = self.matter.unit.app.model
        match who:
            case {"role": str(role)}:
                title = model.roles[role].title if role in model.roles else {"": role}
                return {tag: _WHO["role"][tag].format(a=_of(title, tag)) for tag in _WHO["role"]}
            case {"field": name}:
                title = title_of(self.matter.entity, str(name))
                return {tag: _WHO["field"][tag].format(a=_of(title, tag)) for tag in _WHO["field"]}
            case {"user": user} | {"group": user} | {"department": user}:
                return {"": str(user)}
        key = next((name for name in ("starter", "admin", "supervisor") if name in who), "")
        return _WHO.get(key, {"": ", ".join(who)})

    def _about(self) -> dict[str, Any]:
        chart = self.matter.case.chart if self.matter.case else None
        title = event_title(chart, self.event) if chart else {"": self.event}
        return {"who": self.wording.who, "event": title, "entity": self.matter.entity.title}


_WHO: Final[Mapping[str, Label]] = {
    "role": {"zh-CN": "角色“{a}”", "en": "the role “{a}”"},
    "field": {"zh-CN": "字段“{a}”中的人", "en": "the person in “{a}”"},
    "starter": {"zh-CN": "发起人", "en": "who began it"},
    "admin": {"zh-CN": "管理员", "en": "administrators"},
    "supervisor": {"zh-CN": "上级", "en": "the superior"},
}


def _of(label: Label, tag: str) -> str:
    return label.get(tag) or next(iter(label.values()), "")
