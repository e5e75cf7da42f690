"""From checks to sentences: what speaks for it and what against, role by role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from engine.access import Level
from engine.access.clearance import cleared
from engine.access.explain import Judged, Said
from engine.definitions.model import Label
from engine.expressions import Node, parse
from engine.expressions.errors import ExpressionError
from engine.problems import Problem
from engine.records import quotas
from engine.records.explaining.answer import Reason
from engine.records.explaining.matter import Check, Found, Matter
from engine.records.explaining.wording import Wording, title_of
from engine.records.flows.words import state_title
from engine.tables.system import SHARE

VERBS: Final[Mapping[str, Label]] = {
    "read": {"zh-CN": "查看", "en": "see"},
    "write": {"zh-CN": "修改", "en": "change"},
    "create": {"zh-CN": "新建", "en": "create"},
    "delete": {"zh-CN": "删除", "en": "remove"},
    "export": {"zh-CN": "导出", "en": "export"},
    "share": {"zh-CN": "共享", "en": "share"},
    "reveal": {"zh-CN": "显示掩码后的原值", "en": "uncover"},
}
LEVELS: Final[Mapping[str, Label]] = {
    "read": {"zh-CN": "可查看", "en": "to see it"},
    "write": {"zh-CN": "可修改", "en": "to change it"},
}


@dataclass(frozen=True, slots=True)
class Telling:
    """Reasons for one matter."""

    matter: Matter
    wording: Wording
    found: Found

    def reasons(self) -> Iterator[Reason]:
        """Everything, what stands above the roles first."""
        for check in self.found.checks:
            if check.kind in ("account", "removed", "scope", "gate"):
                yield from self._plain(check)
        yield from self._roles()
        yield from self._shares()
        yield from self._quota()
        for check in self.found.checks:
            if check.kind not in ("account", "removed", "scope", "gate", "row", "cell"):
                yield from self._plain(check)

    # --- the roles -----------------------------------------------------------------------------
    def _roles(self) -> Iterator[Reason]:
        roles = self.matter.unit.app.model.roles
        if not self.found.decision.roles:
            yield Reason("role", False, Problem("G108", {"who": self.wording.who}))
        for said in self.found.decision.roles:
            role = roles[said.role]
            about = {**self._about(), "role": role.title}
            if role.admin:
                yield Reason("admin", True, Problem("G109", about), said.role)
                continue
            yield from self._row(said, about)
            if said.cell is not None and said.row.holds:
                yield from self._cell(said, said.cell, about)

    def _row(self, said: Said, about: Mapping[str, Any]) -> Iterator[Reason]:
        term = said.row.term
        rule = self.wording.sentence(term)
        if term is False and self.found.allowed:
            return  # another role allows it: this one has nothing to do with it
        if term is False:
            yield Reason("role", False, Problem("G107", about), said.role)
        elif said.row.holds:
            code = "G105" if self.matter.record is not None or term is True else "G127"
            yield Reason("role", True, Problem(code, {**about, "rule": rule}), said.role)
        else:
            problem = Problem("G106", {**about, "rule": rule})
            yield Reason("role", False, problem, said.role, self._failing(said.row))

    def _cell(self, said: Said, cell: Judged, about: Mapping[str, Any]) -> Iterator[Reason]:
        field = self._field()
        about = {**about, "field": title_of(self.matter.entity, self.matter.field)}
        if cell.holds:
            rule = self.wording.sentence(cell.term)
            yield Reason("field", True, Problem("G110", {**about, "rule": rule}), said.role)
            return
        if field.write_only:
            yield Reason("field", False, Problem("G115", about), said.role)
        elif self._pooled(said, cell):
            yield Reason("pool", False, Problem("G114", about), said.role)
        elif cell.term is False:
            yield Reason("field", False, Problem("G112", about), said.role)
        else:
            rule = self.wording.sentence(cell.term)
            details = self._failing(cell)
            problem = Problem("G111", {**about, "rule": rule})
            yield Reason("field", False, problem, said.role, details)
        shown = self.matter.action == "read" and said.mask is not None and said.mask.holds
        if shown and self.found.level is Level.MASKED:
            yield Reason("mask", False, Problem("G113", about), said.role)

    def _pooled(self, said: Said, cell: Judged) -> bool:
        """Whether it is the pool that hides the field: nobody has taken the record yet."""
        limits = self.matter.entity.pool.get(said.role)
        record, head = self.matter.record or {}, self.matter.field.partition(".")[0]
        narrowed = limits is not None and limits.shows is not None and head not in limits.shows
        return narrowed and not record.get("owner") and not isinstance(cell.term, bool)

    def _failing(self, judged: Judged) -> tuple[Problem, ...]:
        return tuple(self._failed(node) for node in judged.failing()[:6])

    def _failed(self, node: Node) -> Problem:
        facts = self.wording.facts(node)
        return Problem("G130", {"what": self.wording.denial(node), "facts": facts})

    # --- what was shared -----------------------------------------------------------------------
    def _shares(self) -> Iterator[Reason]:
        """Who shared the record with him, for how long."""
        matter = self.matter
        if matter.record is None or "shared" not in matter.entity.traits:
            return
        whom = [SHARE.c.user_id == matter.actor.id]
        if matter.actor.above:
            whom.append(SHARE.c.department_id.in_(matter.actor.above))
        about = sa.and_(SHARE.c.entity == matter.entity.name, SHARE.c.record_id == matter.id)
        rows = matter.unit.connection.execute(
            sa.select(SHARE).where(about, sa.or_(*whom)).order_by(SHARE.c.id).limit(5)
        )
        today = matter.unit.now.astimezone(matter.unit.company_zone).date().isoformat()
        for row in rows:
            place, late = row.department_id, row.until is not None and row.until < today
            params = {
                "whom": self.wording.place(place) if place else self.wording.who,
                "by": self.wording.person(row.by_id) if row.by_id else "",
                "until": row.until or "",
                "level": LEVELS["write" if row.level == "write" else "read"],
            }
            yield Reason("shared", not late, Problem("G117" if late else "G116", params))

    def _quota(self) -> Iterator[Reason]:
        """How much of the pool he has opened today: beyond the limit its records stay closed."""
        matter, entity = self.matter, self.matter.entity
        free = matter.record is not None and not matter.record.get(quotas.OWNER)
        if not entity.pool or not free or matter.action != "read" or matter.field:
            return
        person = replace(matter.unit, actor=matter.actor)
        limits = quotas.limits_of(person, entity)
        if limits is None or limits.views is None:
            return
        opened = quotas.counted(person, "view", entity.name)
        again = quotas.known(person, "view", entity.name, matter.id)
        params = {**self._about(), "count": opened, "most": limits.views}
        yield Reason("quota", again or opened < limits.views, Problem("G129", params))

    # --- what stands beside the roles ----------------------------------------------------------
    def _plain(self, check: Check) -> Iterator[Reason]:
        about = self._about()
        match check.kind:
            case "account":
                yield Reason("account", False, Problem("G101", about))
            case "scope":
                yield Reason("scope", False, Problem("G102", about))
            case "removed":
                yield Reason("removed", check.holds, Problem("G103", about))
            case "gate":
                yield Reason("gate", False, Problem("G104", {**about, **self._gate()}))
            case "state":
                yield Reason("state", False, self._state(check))
            case "rule":
                yield from self._rules(check)
            case "kept":
                yield Reason("system", False, self._kept())
            case "nothing":
                yield Reason("nothing", False, Problem("G125", about))
            case "referred":
                yield Reason("referred", False, Problem("G126", {**about, **check.about}))
            case "export":
                yield Reason("role", False, Problem("G128", about))

    def _gate(self) -> dict[str, Any]:
        """The record's grade and the person's."""
        model, entity = self.matter.unit.app.model, self.matter.entity
        titles = {grade.name: grade.title for grade in model.grades}
        names = cleared(model, self.matter.actor.roles)
        node = self.found.decision.gate.term
        facts = [] if isinstance(node, bool) else self.wording.facts(node)
        own = self.matter.record.get(entity.grade[0]) if self.matter.record else None
        grade = titles.get(str(own), "") if len(entity.grade) == 1 else (facts[0] if facts else "")
        return {"grade": grade, "cleared": titles[names[-1]] if names else ""}

    def _state(self, check: Check) -> Problem:
        case = self.matter.case
        assert case is not None
        about = {
            **self._about(),
            "flow": case.chart.title,
            "state": state_title(case.chart, case.chart.reported(case.instance.active)),
            "field": title_of(self.matter.entity, check.about["field"])
            if check.about["field"]
            else {},
        }
        if not check.about["field"]:
            return Problem("G119", about)
        return Problem("G118" if check.about["right"] == "read" else "G120", about)

    def _rules(self, check: Check) -> Iterator[Reason]:
        """The rules that close the field, by their names and conditions."""
        name = check.about["field"]
        about = {**self._about(), "field": title_of(self.matter.entity, name)}
        code = "G122" if check.about["hides"] else "G121"
        told = False
        for rule in self.matter.entity.rules.values():
            if name in rule.readonly or name in rule.hide:
                told = True
                when = self._when(rule.when) if rule.when else {}
                params = {**about, "rule": rule.id, "when": when}
                yield Reason("rule", False, Problem(code, params))
        if not told:
            yield Reason("rule", False, Problem(code, {**about, "rule": "", "when": {}}))

    def _when(self, source: str) -> Label:
        try:
            return self.wording.sentence(parse(source))
        except ExpressionError:
            return {"": source}

    def _kept(self) -> Problem:
        field = self._field()
        about = {**self._about(), "field": field.title}
        if field.compute:
            rule = self._when(field.compute.expr)
            return Problem("G123", {**about, "formula": rule})
        return Problem("G124", about)

    def _field(self) -> Any:
        return self.matter.entity.fields[self.matter.field.partition(".")[0]]

    def _about(self) -> dict[str, Any]:
        entity = self.matter.entity
        return {
            "who": self.wording.who,
            "action": VERBS.get(self.matter.action, self.matter.action),
            "entity": entity.title if self.matter.record is not None else entity.plural,
        }
