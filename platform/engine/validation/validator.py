"""The validator of an entity: structure first, then rules; compiled once per published version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Final

from engine.definitions.model import Entity, Model
from engine.expressions.values import Env
from engine.fields import BadValue, FieldType
from engine.problems import Problem, Severity
from engine.validation.conditions import Conditions, is_empty
from engine.validation.rules import Bind, Effect, Rules

_OWN_NAMES: Final = ("id", "version", "removed_at")
_MISSING: Final = "V001"
_REQUIRED: Final = "V091"
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of `Validator.check`: the settled record and all that is wrong with it."""

    record: dict[str, Any]
    hidden: frozenset[str]
    problems: tuple[Problem, ...]

    @property
    def good(self) -> bool:
        """Whether the record may be saved: warnings do not block."""
        return all(problem.severity is Severity.WARNING for problem in self.problems)


@dataclass(frozen=True, slots=True)
class _Slot:
    """What is checked about one field."""

    name: str
    kind: FieldType
    problems: Callable[[Any], Sequence[Problem]]
    required: bool
    rows: Validator | None


class Validator:
    """Everything a record of one entity must meet, for every door alike. Pure."""

    def __init__(self, model: Model, entity: Entity, bind: Bind) -> None:
        self.entity = entity
        self.types: Mapping[str, FieldType] = {
            name: bind(field) for name, field in entity.fields.items()
        }
        self._known = frozenset((*entity.fields, *_OWN_NAMES))
        self._slots = tuple(
            _slot(model, kind, bind)
            for kind in self.types.values()
            if not kind.field.system and kind.field.compute is None
        )
        self._rows = tuple(
            slot for slot in self._slots if slot.rows is not None and slot.rows.has_rules
        )
        self._conditions = Conditions(entity, self.types)
        self._rules = Rules(model, entity, self.types, bind)

    @property
    def has_rules(self) -> bool:
        """Whether there are rules, here or in rows."""
        return bool(self._rules) or bool(self._rows)

    # --- reading -------------------------------------------------------------------------------
    def read(
        self, raw: Mapping[str, object], zone: tzinfo | None = None
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Raw values (JSON, form, file) as values of the types, with every problem on the way.

        Only the given keys are read. With `zone`, times without offset are a person's input there.
        """
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, item in raw.items():
            kind = self.types.get(name)
            if kind is None:
                problems += () if name in _OWN_NAMES else (_unknown(name),)
                continue
            try:
                values[name] = kind.parse(item) if zone is None else kind.parse_local(item, zone)
            except BadValue as bad:
                problems += [problem.under(f"/{name}") for problem in bad.found(kind.field)]
        return values, problems

    # --- first phase ---------------------------------------------------------------------------
    def structure(
        self, record: Mapping[str, Any], hidden: frozenset[str] = _NOBODY
    ) -> list[Problem]:
        """What the plain keywords and the types object to in a whole (merged) record.

        Fields that rules hide are not required.
        """
        found: list[Problem] = []
        if not self._known.issuperset(record):
            found += [_unknown(name) for name in record if name not in self._known]
        for slot in self._slots:
            value: Any = record.get(slot.name)
            if is_empty(value):
                if slot.required and slot.name not in hidden:
                    found.append(slot.kind.problem(_MISSING, f"/{slot.name}"))
            elif bad := slot.problems(value):
                found += [problem.under(f"/{slot.name}") for problem in bad]
            elif slot.rows is not None:
                found += slot.rows._each(slot.name, value)
        if self._conditions:
            found += self._conditions.problems(record, hidden)
        return _once(found)

    def _each(self, field: str, rows: Sequence[Mapping[str, Any]]) -> list[Problem]:
        return [
            problem.under(f"/{field}/{at}")
            for at, row in enumerate(rows)
            for problem in self.structure(row)
        ]

    # --- second phase --------------------------------------------------------------------------
    def settle(self, record: Mapping[str, Any], env: Env) -> dict[str, Any]:
        """The record as it will be saved: `set` rules applied, values of hidden fields dropped.

        `env.names` holds `old` (None for a new record), `me`, `my` and what else is known; the
        record's own values are put in here.
        """
        return self._settle(record, env)[0]

    def rules(self, record: Mapping[str, Any], env: Env) -> list[Problem]:
        """What the rules object to in a settled record: errors and warnings."""
        found = self._rules.problems(record, env) if self._rules else []
        for slot in self._rows:
            for at, (row, inner, rows) in enumerate(_row_envs(slot, record, env)):
                found += [p.under(f"/{slot.name}/{at}") for p in rows.rules(row, inner)]
        return found

    def broken(self, record: Mapping[str, Any], env: Env, only: Collection[str]) -> list[Problem]:
        """The asserts among the rules `only` that do not hold of a record as it is."""
        return self._rules.broken(record, env, only)

    def effects(self, record: Mapping[str, Any], env: Env) -> dict[str, Effect]:
        """What the rules do to the form just now, by field; "" stands for the record as a whole."""
        return self._rules.effects(record, env) if self._rules else {}

    def check(self, record: Mapping[str, Any], env: Env) -> Checked:
        """Both phases in their order: settle, structure, rules.

        Rules run on sound values only: beside missing fields, but not beside wrong ones.
        """
        settled, hidden, problems = self._settle(record, env)
        problems += self.structure(settled, hidden)
        if all(problem.code == _MISSING for problem in problems):
            missing = {problem.pointer for problem in problems}
            told = self.rules(settled, env)
            problems += [p for p in told if p.code != _REQUIRED or p.pointer not in missing]
        return Checked(settled, hidden, tuple(problems))

    def _settle(
        self, record: Mapping[str, Any], env: Env
    ) -> tuple[dict[str, Any], frozenset[str], list[Problem]]:
        if not self._rules:
            settled, hidden, problems = dict(record), _NOBODY, list[Problem]()
        else:
            settled, hidden, problems = self._rules.settle(record, env)
        for slot in self._rows:
            outcomes = [
                rows._settle(row, inner) for row, inner, rows in _row_envs(slot, settled, env)
            ]
            if outcomes:
                settled[slot.name] = [row for row, _, _ in outcomes]
            for at, (_, _, bad) in enumerate(outcomes):
                problems += [problem.under(f"/{slot.name}/{at}") for problem in bad]
        return settled, hidden, problems


def compile_validator(model: Model, entity: Entity, bind: Bind) -> Validator:
    """The validator of `entity`; keep it as long as the model.

    Raises: ExpressionError for a rule that cannot be compiled (publishing checks that before).
    """
    return Validator(model, entity, bind)


def _slot(model: Model, kind: FieldType, bind: Bind) -> _Slot:
    field = kind.field
    rows = Validator(model, field.rows, bind) if field.rows is not None else None
    # what only the system writes is not asked of people
    return _Slot(field.name, kind, kind.problems, field.required and not field.read_only, rows)


def _row_envs(
    slot: _Slot, record: Mapping[str, Any], env: Env
) -> list[tuple[Mapping[str, Any], Env, Validator]]:
    """Each row with the Env its rules see: `old` is the row as it was, matched by its id."""
    old = env.names.get("old")
    before = {row.get("id"): row for row in (old or {}).get(slot.name) or ()}
    shared = {name: env.names[name] for name in ("me", "my") if name in env.names}
    rows = record.get(slot.name)
    if slot.rows is None or not isinstance(rows, list):
        return []
    return [
        (row, replace(env, names={**shared, "old": before.get(row.get("id"))}), slot.rows)
        for row in rows
        if isinstance(row, Mapping)
    ]


def _unknown(name: object) -> Problem:
    shown = str(name)[:64]
    return Problem("V002", {"name": shown}, f"/{shown}")


def _once(found: list[Problem]) -> list[Problem]:
    """Without repeats: `required` twice is one thing to mend."""
    if len(found) < 2:
        return found
    return list({(problem.code, problem.pointer): problem for problem in found}.values())
