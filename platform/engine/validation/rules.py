"""`x-rules`, the second phase: named rules over the whole record, with `old`, `me` and today.

Order: `set` rules in the order of the definition, each seeing what the earlier ones set; then
`hide` rules, each seeing what the earlier ones dropped; then everything else, on the result.
A rule that cannot be evaluated stops the save: failing closed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.definitions.model import MISSING, Entity, Field, Model, Rule
from engine.expressions.errors import ExpressionError
from engine.expressions.evaluate import compile as compile_expression
from engine.expressions.parse import parse
from engine.expressions.scope import Scope, scope_of
from engine.expressions.tree import Compare, Literal, Logic, Name, Node, walk
from engine.expressions.values import Env
from engine.fields import BadValue, FieldType
from engine.problems import Problem, Severity
from engine.validation.conditions import is_empty

Evaluate = Callable[[Env], Any]
Bind = Callable[[Field], FieldType]


@dataclass(frozen=True, slots=True)
class Effect:
    """What the rules make of one field of a form at this moment.

    value: what `set` gave it, MISSING when no rule did. options: the values still allowed, None
    when all are. messages: what the rules have to say about it, worded by ``problems.text``.
    """

    visible: bool = True
    required: bool = False
    readonly: bool = False
    value: Any = MISSING
    options: tuple[str, ...] | None = None
    messages: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One rule, ready to run."""

    rule: Rule
    when: Evaluate | None
    check: Evaluate | None
    set: Mapping[str, Evaluate]
    places: tuple[str, ...]  # the fields an assert is shown at, () for the whole record

    def applies(self, env: Env) -> bool:
        return self.when is None or self.when(env) is True

    def problem(self, code: str, pointer: str = "", /, **params: Any) -> Problem:
        severity = Severity.WARNING if self.rule.level == "warn" else Severity.ERROR
        found = {"rule": self.rule.id, **params}
        return Problem(code, found, pointer, severity, message=self.rule.message)

    def unmet(self) -> Problem:
        """The assert does not hold."""
        first, also = next(iter(self.places), ""), self.places[1:]
        return replace(self.problem("V090", first), also=also)

    def broken(self) -> Problem:
        return Problem("V094", {"rule": self.rule.id})


class Rules:
    """The rules of one entity, compiled. Nothing here changes after it was built."""

    def __init__(
        self, model: Model, entity: Entity, types: Mapping[str, FieldType], bind: Bind
    ) -> None:
        self._types = types
        self._rules: tuple[_Compiled, ...] = ()
        if entity.rules:
            scope = scope_of(model, entity, lambda field: bind(field).expression_type)
            self._rules = tuple(_compile(rule, scope, types) for rule in entity.rules.values())

    def __bool__(self) -> bool:
        return bool(self._rules)

    # --- what the rules do to a record ---------------------------------------------------------
    def settle(
        self, record: Mapping[str, Any], env: Env
    ) -> tuple[dict[str, Any], frozenset[str], list[Problem]]:
        """The record with `set` applied and hidden values dropped, the hidden fields' names, and
        what went wrong on the way."""
        now = dict(record)
        inner = seen(env, now)
        problems: list[Problem] = []
        for compiled in self._rules:
            if compiled.set:
                problems += self._set(compiled, now, inner)
        hidden: set[str] = set()
        for compiled in self._rules:
            if not compiled.rule.hide:
                continue
            try:
                applies = compiled.applies(inner)
            except ExpressionError:
                problems.append(compiled.broken())
                continue
            if applies:
                hidden.update(compiled.rule.hide)
                self._drop(compiled.rule.hide, now, inner)
        return now, frozenset(hidden), problems

    def _set(self, compiled: _Compiled, now: dict[str, Any], env: Env) -> Iterator[Problem]:
        """Applies one rule's `set`; `env` sees the change at once."""
        try:
            if not compiled.applies(env):
                return
            given = {name: evaluate(env) for name, evaluate in compiled.set.items()}
        except ExpressionError:
            yield compiled.broken()
            return
        for name, value in given.items():
            kind = self._types[name]
            try:
                _put(now, env, name, kind.from_expression(value))
            except BadValue:
                params = {"rule": compiled.rule.id, "field": kind.field.title}
                yield Problem("V095", params, f"/{name}")

    def _drop(self, names: Iterable[str], now: dict[str, Any], env: Env) -> None:
        for name in names:
            if name in now and not is_empty(now[name]):
                _put(now, env, name, [] if self._types[name].many else None)

    # --- what the rules say about a record -----------------------------------------------------
    def problems(self, record: Mapping[str, Any], env: Env) -> list[Problem]:
        """What the rules object to in a settled record; warnings do not block."""
        inner = seen(env, record)
        old = env.names.get("old")
        found: list[Problem] = []
        for compiled in self._rules:
            try:
                if not compiled.applies(inner):
                    continue
                if compiled.check is not None and compiled.check(inner) is not True:
                    found.append(compiled.unmet())
                found += self._require(compiled, record)
                found += self._readonly(compiled, record, old)
                found += self._options(compiled, record)
            except ExpressionError:
                found.append(compiled.broken())
        return found

    def broken(self, record: Mapping[str, Any], env: Env, only: Collection[str]) -> list[Problem]:
        """The asserts among the rules `only` that do not hold; nothing else is looked at."""
        inner = seen(env, record)
        found: list[Problem] = []
        for compiled in self._rules:
            if compiled.rule.id not in only or compiled.check is None:
                continue
            try:
                if compiled.applies(inner) and compiled.check(inner) is not True:
                    found.append(compiled.unmet())
            except ExpressionError:
                found.append(compiled.broken())
        return found

    def _require(self, compiled: _Compiled, record: Mapping[str, Any]) -> Iterator[Problem]:
        for name in compiled.rule.require:
            if is_empty(record.get(name)):
                yield compiled.problem("V091", f"/{name}", field=self._types[name].field.title)

    def _readonly(
        self, compiled: _Compiled, record: Mapping[str, Any], old: Any
    ) -> Iterator[Problem]:
        """A new record has nothing to keep."""
        if old is None:
            return
        for name in compiled.rule.readonly:
            kind = self._types[name]
            if kind.changed(old.get(name), record.get(name)):
                yield compiled.problem("V092", f"/{name}", field=kind.field.title)

    def _options(self, compiled: _Compiled, record: Mapping[str, Any]) -> Iterator[Problem]:
        for name, allowed in compiled.rule.options.items():
            value, field = record.get(name), self._types[name].field
            titles: dict[Any, Any] = {option.value: option.title for option in field.options}
            for member in value if isinstance(value, list) else [value]:
                if not is_empty(member) and member not in allowed:
                    yield compiled.problem(
                        "V093",
                        f"/{name}",
                        field=field.title,
                        value=titles.get(member, member),
                        allowed=[titles.get(option, option) for option in allowed],
                    )

    # --- what the rules mean for a form --------------------------------------------------------
    def effects(self, record: Mapping[str, Any], env: Env) -> dict[str, Effect]:
        """The fields the rules change just now; a field not named here is as it was defined."""
        settled, hidden, problems = self.settle(record, env)
        found: dict[str, Effect] = {name: Effect(visible=False) for name in hidden}
        inner = seen(env, settled)

        def note(name: str, **changes: Any) -> None:
            found[name] = replace(found.get(name, Effect()), **changes)

        for name, value in settled.items():
            if name in self._types and self._types[name].changed(record.get(name), value):
                note(name, value=value)
        for compiled in self._rules:
            try:
                if not compiled.applies(inner):
                    continue
            except ExpressionError:
                continue  # `problems` below reports it
            self._form(compiled, env.names.get("old") is not None, found, note)
        for problem in [*problems, *self.problems(settled, env)]:
            for name in problem.fields:
                note(name, messages=(*found.get(name, Effect()).messages, problem))
        return found

    def _form(
        self,
        compiled: _Compiled,
        saved: bool,
        found: Mapping[str, Effect],
        note: Callable[..., None],
    ) -> None:
        rule = compiled.rule
        for name in rule.require:
            if rule.level == "error":
                note(name, required=True)
        for name in rule.readonly:
            if saved:
                note(name, readonly=True)
        for name, allowed in rule.options.items():
            known = found.get(name, Effect()).options
            left = allowed if known is None else tuple(v for v in known if v in allowed)
            note(name, options=left)


def seen(env: Env, record: Mapping[str, Any]) -> Env:
    """`env` with the record's values among its names."""
    return replace(env, names={**env.names, **record})


def _put(now: dict[str, Any], env: Env, name: str, value: Any) -> None:
    now[name] = value
    env.names[name] = value  # type: ignore[index] # the dict `seen` made for this run


def _compile(rule: Rule, scope: Scope, types: Mapping[str, FieldType]) -> _Compiled:
    def ready(source: str) -> Evaluate | None:
        return compile_expression(parse(source), scope) if source else None

    setters = {name: compile_expression(parse(s), scope) for name, s in rule.set.items()}
    places = _places(parse(rule.check), types) if rule.check else ()
    return _Compiled(rule, ready(rule.when), ready(rule.check), setters, places)


def _places(node: Node, types: Mapping[str, FieldType]) -> tuple[str, ...]:
    """Where an assert is shown. "A or B" reads "unless A, B", so the first field of its last part
    that people can write; "name A or B", which asks the same of several, is shown at all of them.
    """
    parts: tuple[Node, ...] = (node,)
    while isinstance(parts[-1], Logic) and parts[-1].op == "or":
        parts = (*parts[:-1], *parts[-1].parts)
    asked = [_emptiness(part) for part in parts]
    if asked[-1] is not None:
        names = [one[0] for one in asked if one is not None and one[1] == asked[-1][1]]
    else:
        names = [part.name for part in walk(parts[-1]) if isinstance(part, Name)]
    own = (n for n in names if n in types and not types[n].field.read_only)
    found = tuple(dict.fromkeys(f"/{name}" for name in own))
    return found if asked[-1] is not None else found[:1]


def _emptiness(node: Node) -> tuple[str, str] | None:
    """The name and the operator of a part that only asks whether a field is empty."""
    match node:
        case Compare(op=("==" | "!=") as op, left=Name(name=name), right=Literal(value=value)):
            pass
        case Compare(op=("==" | "!=") as op, left=Literal(value=value), right=Name(name=name)):
            pass
        case _:
            return None
    return (name, op) if value is None else None
