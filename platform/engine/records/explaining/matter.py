"""A question about rights with all its facts, and the answer under a supposition.

`found` asks what the doors ask, in their order, without doing anything. With a `Suppose` it asks
the same as if one thing were different: that is how a remedy is verified before it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from engine.access import Action, EntityAccess, Level, compile_access, full_access
from engine.access.explain import Aspect, Decision, Test, decide, judge, single
from engine.definitions.model import Entity, Model
from engine.expressions import ExpressionError, Node
from engine.expressions import compile as compile_expression
from engine.fields import bind
from engine.records.actor import Actor
from engine.records.evaluation import Relations
from engine.records.explaining.subject import placed, with_roles
from engine.records.flows.store import Stored
from engine.records.intake import kept_by_system
from engine.records.reading import visible
from engine.records.removing import links_to, referring
from engine.records.unit import Unit
from engine.validation import Effect, compile_validator
from engine.workflow.commands import field_rights

ACTIONS: Final[tuple[Action, ...]] = ("read", "write", "create", "delete", "export", "share")
ASPECTS: Final[Mapping[str, Aspect]] = {
    "read": "read",
    "write": "write",
    "create": "create",
    "reveal": "reveal",
    "export": "read",
}
WHOLE: Final = "created_at"  # nobody names it: its right is that of the record as a whole
Rights = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Suppose:
    """What is taken to be different. `entity` is the definition as it would read, `chart` and
    `case` the workflow's definition and the case as they would be."""

    role: str = ""
    department: int | None = None
    shared: str = ""
    participant: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    case: Stored | None = None
    entity: Entity | None = None
    model: Model | None = None
    opened: bool = False
    restored: bool = False

    def also(self, other: Suppose) -> Suppose:
        """Both together."""
        return Suppose(
            role=self.role or other.role,
            department=self.department or other.department,
            shared=self.shared or other.shared,
            participant=self.participant or other.participant,
            record={**self.record, **other.record},
            case=self.case or other.case,
            entity=self.entity or other.entity,
            model=self.model or other.model,
            opened=self.opened or other.opened,
            restored=self.restored or other.restored,
        )


AS_IS: Final = Suppose()


@dataclass(frozen=True, slots=True)
class Matter:
    """What is asked: may `actor` do `action` with `record` (None: with the list, or a new one).
    `unit` is the asking person's."""

    unit: Unit
    actor: Actor
    entity: Entity
    action: str
    field: str = ""
    record: Mapping[str, Any] | None = None
    closed: bool = False
    case: Stored | None = None

    @property
    def removed(self) -> bool:
        """Whether the record is in the recycle bin."""
        return self.record is not None and "removed_at" in self.record

    @property
    def id(self) -> int:
        """The record's id, 0 without one."""
        return int(self.record["id"]) if self.record else 0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold; `about` is what its sentence needs."""

    kind: str
    holds: bool
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer: allowed when every check holds."""

    checks: tuple[Check, ...]
    decision: Decision

    @property
    def allowed(self) -> bool:
        """Whether nothing stands in the way."""
        return all(check.holds for check in self.checks)

    @property
    def level(self) -> Level:
        """What a reader gets of the field."""
        return self.decision.level


class Supposing(Relations):
    """Looks up what is, but for what is supposed."""

    def __init__(self, unit: Unit, suppose: Suppose) -> None:
        super().__init__(unit)
        self._suppose = suppose
        self._about = unit

    def fact(self, what: str, entity: str, id: int, argument: str) -> bool:
        """See `Relations.fact`."""
        if what == "participant" and self._suppose.participant:
            return True
        if what == "shared" and self._suppose.shared in ("write", argument):
            return True
        return super().fact(what, entity, id, argument)

    def attribute(self, entity: str, id: int, name: str) -> Any:
        """See `Relations.attribute`."""
        actor = self._about.actor
        if (entity, id, name) == ("@user", actor.id, "dept") and self._suppose.department:
            return actor.department
        return super().attribute(entity, id, name)


def found(matter: Matter, suppose: Suppose = AS_IS) -> Found:
    """What the doors would say."""
    return _Finding(matter, suppose).found()


def supposed_actor(matter: Matter, suppose: Suppose) -> Actor:
    """The person as he is supposed to be."""
    actor = matter.actor
    if suppose.department:
        actor = placed(matter.unit.connection, actor, suppose.department)
    return with_roles(actor, [suppose.role]) if suppose.role else actor


class _Finding:
    """One answer in the making."""

    def __init__(self, matter: Matter, suppose: Suppose) -> None:
        self.matter, self.suppose = matter, suppose
        self.actor = supposed_actor(matter, suppose)
        self.unit = replace(matter.unit, actor=self.actor)
        self.entity = suppose.entity or matter.entity
        self.record = _record(matter, suppose)
        self.case = suppose.case or matter.case
        self.relations = Supposing(self.unit, suppose)
        self.test = self._test()

    # --- what it needs -------------------------------------------------------------------------
    def _test(self) -> Test:
        if self.record is None:
            return lambda _node: True  # whether there may be such a record
        env, app, entity = self.relations.env(self.record), self.unit.app, self.matter.entity

        def test(node: Node) -> bool:
            try:
                evaluate: Callable[[Any], Any] = app.kept(
                    ("predicate", entity.name, node),
                    lambda: compile_expression(node, app.scope(entity)),
                )
                return evaluate(env) is True
            except ExpressionError:
                return False

        return test

    def _model(self) -> Model:
        model = self.suppose.model or self.unit.app.model
        if self.suppose.entity is None:
            return model
        return replace(model, entities={**model.entities, self.entity.name: self.entity})

    def _access(self) -> EntityAccess:
        if self.suppose.entity is None and self.suppose.model is None:
            return self.unit.app.access(self.entity.name, self.actor)
        if self.actor.system:
            return full_access(self.entity)
        return compile_access(self._model(), self.entity, self.actor.roles)

    # --- the answer ----------------------------------------------------------------------------
    def found(self) -> Found:
        """Every check in the order of the doors."""
        action, name = self.matter.action, self.matter.field
        alone = self._alone()
        decision = decide(
            self._access(),
            alone,
            _row(action),
            self.test,
            field=name,
            aspect=ASPECTS.get(action, "read"),
        )
        checks = [*self._before(), *self._scoped(_rights(decision, action, name), alone)]
        if action in ("write", "create") and name:
            checks += self._field(name)
        elif action == "write" and self.record is not None:
            open_ = all(check.holds for check in checks)
            checks += [one for one in self._anything() if open_ or one.kind == "state"]
        if action == "delete" and self.record is not None:
            checks += self._delete()
        if action == "export" and name:
            held = decide(self._access(), alone, "export", self.test)
            checks.append(Check("export", held.allowed))
        return Found(tuple(checks), decision)

    def _scoped(self, checks: list[Check], alone: Mapping[str, EntityAccess]) -> list[Check]:
        """A no that comes from the token alone is told as such."""
        if self.actor.scopes is None or all(check.holds for check in checks):
            return checks
        whole = self.unit.app.access(self.entity.name, replace(self.actor, scopes=None))
        action, name = self.matter.action, self.matter.field
        aspect = ASPECTS.get(action, "read")
        person = decide(whole, alone, _row(action), self.test, field=name, aspect=aspect)
        return [Check("scope", False)] if person.allowed else checks

    def _alone(self) -> Mapping[str, EntityAccess]:
        """What each of his roles would say alone."""
        roles, app, name = self._known_roles(), self.unit.app, self.entity.name
        if self.suppose.entity is not None or self.suppose.model is not None:
            return single(self._model(), self.entity, roles)
        found: dict[str, EntityAccess] = {}
        for role in sorted(roles):
            build = partial(single, app.model, self.entity, [role])
            found |= app.kept(("alone", name, role), build)
        return found

    def _known_roles(self) -> Collection[str]:
        return [role for role in self.actor.roles if role in self.unit.app.model.roles]

    def _before(self) -> list[Check]:
        """What stands before all rights."""
        checks = []
        if self.matter.closed:
            checks.append(Check("account", self.suppose.opened))
        if self.matter.removed:
            holds = self.suppose.restored or self.matter.action == "read"
            checks.append(Check("removed", holds))
        return checks

    def _field(self, name: str) -> list[Check]:
        """What else a field must meet to be written."""
        head = name.partition(".")[0]
        definition = self.entity.fields[head]
        checks = []
        if kept_by_system(self.unit, self.entity, definition):
            checks.append(Check("kept", False, {"field": head}))
        if self.record is None:
            return checks
        right = self.rights().get(head)
        if right in ("read", "hidden"):
            checks.append(Check("state", False, {"field": head, "right": right}))
        effect = self.effects().get(head)
        if effect is not None and (effect.readonly or not effect.visible):
            checks.append(Check("rule", False, {"field": head, "hides": not effect.visible}))
        return checks

    def _anything(self) -> list[Check]:
        """Whether there is a field that he may change now."""
        access, rights, effects = self._access(), self.rights(), self.effects()
        for name, one in self.entity.fields.items():
            effect = effects.get(name, Effect())
            if kept_by_system(self.unit, self.entity, one) or effect.readonly or not effect.visible:
                continue
            if rights.get(name) in ("read", "hidden"):
                continue
            node = access.fields[name].write.node
            if judge(node, self.test).holds:
                return []
        locked = rights.get(WHOLE) in ("read", "hidden")
        return [Check("state" if locked else "nothing", False, {"field": "", "right": "read"})]

    def _delete(self) -> list[Check]:
        checks = []
        if self.rights().get(WHOLE) in ("read", "hidden"):
            checks.append(Check("state", False, {"field": "", "right": "read"}))
        for link in links_to(self.unit.app.model, self.entity.name):
            rule = link.field.reference.on_delete if link.field.reference else ""
            ids = referring(self.unit, link, self.matter.id) if rule == "restrict" else []
            if ids:
                # who asks is told which, as far as he may know them: as the door does
                known = visible(self.matter.unit, link.entity.name, ids)
                title = link.entity.plural or link.entity.title if known else {}
                checks.append(Check("referred", False, {"entity": title}))
        return checks[:3]

    def rights(self) -> Rights:
        """What the workflow's present state says about fields."""
        if self.case is None or self.actor.system:
            return {}
        said = field_rights(self.case.chart, self.case.instance, self.actor.id)
        given = {name: said.of(name) for name in self.entity.fields}
        return {name: right for name, right in given.items() if right is not None}

    def effects(self) -> Mapping[str, Effect]:
        """What the rules make of the fields."""
        app, entity = self.unit.app, self.entity
        if not entity.rules and not entity.conditions:
            return {}
        if self.suppose.entity is None:
            validator = app.validator(entity)
        else:
            validator = compile_validator(self._model(), entity, bind)
        assert self.record is not None
        return validator.effects(dict(self.record), self.relations.env({}, self.record))


def _row(action: str) -> Action:
    if action == "reveal":
        return "read"
    return action  # type: ignore[return-value]


def _rights(decision: Decision, action: str, field: str) -> list[Check]:
    checks = []
    if not decision.gate.holds:
        checks.append(Check("gate", False))
    if decision.gate.holds or decision.row:
        checks.append(Check("row", decision.row))
    if field and action == "reveal":  # whoever reads it in the clear has nothing to uncover
        masked = decision.level is Level.MASKED and decision.cell
        checks.append(Check("cell", decision.level is Level.READ or masked))
    elif field:
        checks.append(Check("cell", decision.cell))
    return checks


def _record(matter: Matter, suppose: Suppose) -> Mapping[str, Any] | None:
    if matter.record is None:
        return None
    record = {**matter.record, **suppose.record}
    if suppose.case is not None and suppose.case.chart.state_field:
        chart = suppose.case.chart
        record[chart.state_field] = chart.reported(suppose.case.instance.active)
    return record
