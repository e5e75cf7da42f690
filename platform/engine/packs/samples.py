"""Sample data: an interpreter of ``sample.json``, pure and deterministic.

A specification names people, departments and groups of records; every value of a record is told by
a small generator such as ``{"choice": {"a": 3, "b": 1}}`` or ``{"date": [-90, 0]}``. The same
specification, seed and day give the same drafts on every machine. Each group draws from a source
of chance of its own, so that changing one group leaves the others as they were.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from string import Formatter
from typing import Any, Final

from engine.definitions.model import Entity, Model
from engine.expressions import Env, dependencies, parse, scope_of
from engine.expressions import compile as compile_expression
from engine.expressions.types import ANY
from engine.packs.checks import type_of
from engine.packs.numbers import bankcard, idcard, mobile, uscc
from engine.problems import Problem

Spec = Mapping[str, Any]
_TRIES: Final = 200  # to find a value that is not taken yet
_NOTE: Final = "note_"  # values of this name help to make others and are no fields


@dataclass(frozen=True, slots=True)
class Link:
    """A record that was drafted earlier, by its number."""

    draft: int


@dataclass(frozen=True, slots=True)
class Person:
    """A user, by login."""

    login: str


@dataclass(frozen=True, slots=True)
class Act:
    """What happens to a record after it was written.

    event: fired by `by`; "task.approve" and the like are decided by whoever holds an open task, at
    most `times` times. values: changed by the same person first.
    """

    event: str
    by: Person | None = None
    times: int = 1
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be: `values` hold Python values, with `Link` and `Person` where ids will be."""

    number: int
    group: str
    entity: str
    values: Mapping[str, Any]
    after: tuple[Act, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)  # for other drafts, never written

    @property
    def maker(self) -> Person | None:
        """Who enters the record: its owner, if it has one."""
        owner = self.values.get("owner")
        return owner if isinstance(owner, Person) else None


@dataclass(frozen=True, slots=True)
class Department:
    """A department of the sample company."""

    key: str
    title: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Employee:
    """A user of the sample company."""

    login: str
    name: str
    department: str = ""
    roles: tuple[str, ...] = ()
    manager: str = ""


def known(draft: Draft) -> dict[str, Any]:
    """Values and notes of a draft."""
    return {**draft.values, **draft.notes}


class SampleError(Exception):
    """A specification that cannot be followed; `problem` says where."""

    def __init__(self, where: str, detail: object) -> None:
        self.problem = Problem("D110", {"detail": f"{where}: {detail}"})
        super().__init__(f"{where}: {detail}")


def departments(spec: Spec) -> list[Department]:
    """The departments, parents first as they are written."""
    return [
        Department(key, said["title"], said.get("parent", ""))
        for key, said in spec.get("departments", {}).items()
    ]


def employees(spec: Spec) -> list[Employee]:
    """The people, managers first as they are written."""
    return [
        Employee(
            login,
            said["name"],
            said.get("department", ""),
            tuple(said.get("roles", ())),
            said.get("manager", ""),
        )
        for login, said in spec.get("users", {}).items()
    ]


def generate(spec: Spec, model: Model, seed: int, today: date) -> Iterator[Draft]:
    """All records of the specification, each after those it points at."""
    run = _Run(spec, model, seed, today)
    groups: Mapping[str, Spec] = spec.get("records", {})
    for name in sorted(groups, key=lambda one: groups[one].get("order", 100)):
        yield from run.group(name, groups[name])


@dataclass
class _Context:
    """What a generator may look at: chance, the values so far, and the record it belongs to."""

    entity: Entity
    chance: random.Random
    index: int
    values: dict[str, Any] = field(default_factory=dict)
    parent: Draft | None = None
    turn: int = 0  # among the records of one parent
    outer: _Context | None = None  # of the record around a row
    plan: Mapping[str, Any] = field(default_factory=dict)  # what is still to be made
    waiting: set[str] = field(default_factory=set)  # being made just now
    taken: dict[str, set[Any]] = field(default_factory=dict)
    orders: dict[str, list[Any]] = field(default_factory=dict)


class _Run:
    """One generation."""

    def __init__(self, spec: Spec, model: Model, seed: int, today: date) -> None:
        self.spec, self.model, self.seed, self.today = spec, model, seed, today
        self.lists: Mapping[str, Sequence[Any]] = spec.get("lists", {})
        self.people = employees(spec)
        self.drafts: dict[str, list[Draft]] = {}
        self.by_link: dict[tuple[str, str, Any], list[Draft]] = {}
        self.formulas: dict[tuple[str, str], Callable[[Env], Any]] = {}
        self.numbered: dict[int, Draft] = {}
        self.number = 0

    def group(self, name: str, said: Spec) -> Iterator[Draft]:
        """The drafts of one group."""
        entity = self.model.entities.get(said["entity"])
        if entity is None:
            raise SampleError(name, f"no entity {said['entity']!r}")
        chance = random.Random(f"{self.seed}/{name}")  # noqa: S311 - samples, not secrets
        parents = self._parents(name, said, chance)
        taken: dict[str, set[Any]] = {}
        orders: dict[str, list[Any]] = {}
        made = self.drafts.setdefault(name, [])
        turn = 0
        for index, parent in enumerate(parents):
            turn = turn + 1 if parent is not None and index and parent is parents[index - 1] else 0
            inside = _Context(entity, chance, index, {}, parent, turn, taken=taken, orders=orders)
            values, notes = self._values(said["values"], inside, name)
            self.number += 1
            after = tuple(self._acts(said.get("after"), inside, name))
            draft = Draft(self.number, name, entity.name, values, after, notes)
            made.append(draft)
            self.numbered[draft.number] = draft
            yield draft

    def _parents(self, name: str, said: Spec, chance: random.Random) -> list[Draft | None]:
        """One entry for each record to make: its parent, or None for records of their own."""
        if "for" not in said:
            return [None] * int(said.get("count", 1))
        found: list[Draft | None] = []
        share = float(said.get("share", 1))
        for parent in self._drafted(name, said["for"]):
            fits = all(
                known(parent).get(key) in many for key, many in said.get("where", {}).items()
            )
            if not fits or chance.random() >= share:
                continue
            inside = _Context(self.model.entities[parent.entity], chance, 0, known(parent), parent)
            found += [parent] * int(self.value(said.get("per", 1), inside, f"{name}/per") or 0)
        return found[: int(said.get("most", len(found)))]

    def _drafted(self, where: str, group: str) -> list[Draft]:
        if group not in self.drafts:
            raise SampleError(where, f"no earlier group {group!r}")
        return self.drafts[group]

    def _values(
        self, said: Spec, inside: _Context, where: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The record's values and the notes beside them."""
        inside.plan = said
        for name in said:
            self._look(inside, name, where)
        made = {name: inside.values[name] for name in said if inside.values[name] is not None}
        values = {name: value for name, value in made.items() if not name.startswith(_NOTE)}
        return values, {name: value for name, value in made.items() if name.startswith(_NOTE)}

    def _look(self, inside: _Context, name: str, where: str) -> Any:
        """A value of the record, made now if its turn has not come yet: the order in which a
        specification names its values is free."""
        if name not in inside.values and name in inside.plan:
            if name in inside.waiting:
                raise SampleError(where, f"{name} needs itself")
            inside.waiting.add(name)
            group = where.split("/", 1)[0] if inside.outer is None else where
            value = self.value(inside.plan[name], inside, f"{group}/{name}")
            inside.waiting.discard(name)
            inside.values[name] = value
        return inside.values.get(name)

    def _acts(self, said: Any, inside: _Context, where: str) -> Iterator[Act]:
        script = self.value(said, inside, f"{where}/after") if said else None
        if not script:
            return
        for step in self.spec.get("scripts", {})[script]:
            at = f"{where}/{step['event']}"
            by = inside.values.get(step["by"]) if "by" in step else None
            if "by" in step and not isinstance(by, Person):
                raise SampleError(at, f"nobody stands in {step['by']!r}")
            yield Act(
                step["event"],
                by,
                int(step.get("times", 1)),
                {name: self.value(told, inside, at) for name, told in step.get("set", {}).items()},
                {name: self.value(told, inside, at) for name, told in step.get("data", {}).items()},
            )

    # --- values --------------------------------------------------------------------------------
    def value(self, told: Any, inside: _Context, where: str) -> Any:
        """What a generator gives; anything that is no map stands for itself."""
        if not isinstance(told, Mapping):
            return told
        kind = next(iter(told))
        make = _GENERATORS.get(kind)
        if make is None:
            raise SampleError(where, f"unknown generator {kind!r}")
        unique = told.get("unique")
        if not unique:
            return make(self, told, inside, where)
        beside = self._look(inside, unique, where) if isinstance(unique, str) else None
        taken = inside.taken.setdefault(f"{where} {beside}", set())
        for _ in range(_TRIES):
            found = make(self, told, inside, where)
            if found is None or found not in taken:
                taken.add(found)
                return found
        raise SampleError(where, "no value is left that was not used before")

    def _choice(self, told: Spec, inside: _Context, where: str) -> Any:
        said = told["choice"]
        if isinstance(said, Mapping):
            found = inside.chance.choices(list(said), [float(one) for one in said.values()])[0]
            return found or None
        return self.value(inside.chance.choice(said), inside, where)

    def _pick(self, told: Spec, inside: _Context, where: str) -> Any:
        if told["pick"] not in self.lists:
            raise SampleError(where, f"no list {told['pick']!r}")
        return inside.chance.choice(self.lists[told["pick"]])

    def _next(self, told: Spec, inside: _Context, _: str) -> Any:
        """The list's entries one after the other, so that each occurs."""
        entries = self.lists[told["next"]]
        found = entries[inside.index % len(entries)]
        return found[told["item"]] if "item" in told else found

    def _quota(self, told: Spec, inside: _Context, where: str) -> Any:
        """Each value exactly as often as it says, in a mixed order."""
        if where not in inside.orders:
            order = [value for value, times in told["quota"].items() for _ in range(int(times))]
            random.Random(f"{self.seed}/{where}").shuffle(order)  # noqa: S311
            inside.orders[where] = order
        order = inside.orders[where]
        return order[inside.index % len(order)]

    def _text(self, told: Spec, inside: _Context, where: str) -> str:
        """A template: ``{name}`` is a value of this record, else an entry of the list of that name;
        ``{n}`` counts the group's records, ``{k}`` those of one parent or the rows."""
        found = []
        for plain, name, _, _ in Formatter().parse(told["text"]):
            found.append(plain)
            if name in ("n", "k"):
                found.append(str((inside.index if name == "n" else inside.turn) + 1))
            elif name:
                value = self._look(inside, name, where)
                found.append(str(value or self._pick({"pick": name}, inside, where)))
        return "".join(found)

    def _by(self, told: Spec, inside: _Context, where: str) -> Any:
        """Depends on another value of the record, or of the one around a row."""
        cases = told["cases"]
        value = self._of({"of": told["by"]}, inside, where)
        key = "" if value is None else str(value)
        return self.value(cases[key] if key in cases else cases.get("*"), inside, where)

    def _first(self, told: Spec, inside: _Context, where: str) -> Any:
        """The first of several generators that gives a value."""
        made = (self.value(one, inside, where) for one in told["first"])
        return next((value for value in made if value is not None), None)

    def _maybe(self, told: Spec, inside: _Context, where: str) -> Any:
        if inside.chance.random() >= float(told["maybe"]):
            return self.value(told.get("else"), inside, where)
        return self.value(told["value"], inside, where)

    def _bool(self, told: Spec, inside: _Context, _: str) -> bool:
        return inside.chance.random() < float(told["bool"])

    def _int(self, told: Spec, inside: _Context, _: str) -> int:
        low, high = told["int"]
        return inside.chance.randint(int(low), int(high))

    def _number(self, told: Spec, inside: _Context, _: str) -> Decimal:
        """Exact: a whole multiple of the step."""
        low, high = (Decimal(str(one)) for one in told["number"])
        step = Decimal(str(told.get("step", "0.01")))
        return low + step * inside.chance.randint(0, int((high - low) / step))

    def _date(self, told: Spec, inside: _Context, where: str) -> date:
        """Days from today, or from the date in the field `from`."""
        start = self._start(told, inside, where)
        if isinstance(start, datetime):
            start = start.date()
        first, last = told["date"]
        found = (start or self.today) + timedelta(days=inside.chance.randint(int(first), int(last)))
        latest = told.get("latest")
        return found if latest is None else min(found, self.today + timedelta(days=int(latest)))

    def _start(self, told: Spec, inside: _Context, where: str) -> Any:
        """The day or moment in the field `from`, of the record around when it is no row's."""
        return self._of({"of": told["from"]}, inside, where) if "from" in told else None

    def _moment(self, told: Spec, inside: _Context, where: str) -> datetime:
        """Minutes from now, or from the moment in the field `from`, on the full minute."""
        start = self._start(told, inside, where)
        begin = start or datetime.combine(self.today, time(2), UTC)
        first, last = told["moment"]
        return begin + timedelta(minutes=inside.chance.randint(int(first), int(last)))

    def _month(self, told: Spec, inside: _Context, where: str) -> str:
        """Months from this one: a range, or the number in a value of this record."""
        said = told["month"]
        first, last = said if isinstance(said, list) else [self._look(inside, said, where)] * 2
        months = self.today.year * 12 + self.today.month - 1
        months += inside.chance.randint(int(first), int(last))
        return f"{months // 12:04d}-{months % 12 + 1:02d}"

    def _monday(self, told: Spec, inside: _Context, where: str) -> date:
        """The Monday so many weeks from this one, after the number in a value of this record."""
        weeks = int(self._look(inside, told["monday"], where))
        return self.today + timedelta(days=7 * weeks - self.today.weekday())

    def _code(self, told: Spec, inside: _Context, where: str) -> str:
        """A number with a valid check digit."""
        kind = told["code"]
        if kind == "idcard":
            born = self._look(inside, told.get("born", "birth_date"), where)
            female = self._look(inside, "gender", where) == "female"
            return idcard(inside.chance, born or date(1985, 6, 15), female=female)
        return {"mobile": mobile, "uscc": uscc, "bankcard": bankcard}[kind](inside.chance)

    def _ref(self, told: Spec, inside: _Context, where: str) -> Link | None:
        """An earlier record; with `same`, one that agrees with this record in that field, or whose
        field has the value this record holds under the name `as`."""
        drafts: Sequence[Draft] = self._drafted(where, told["ref"])
        if same := told.get("same"):
            value = self._look(inside, told.get("as", same), where)
            drafts = self._agreeing(told["ref"], same, value)
        return Link(inside.chance.choice(drafts).number) if drafts else None

    def _agreeing(self, group: str, name: str, value: Any) -> Sequence[Draft]:
        if (group, name, None) not in self.by_link:
            self.by_link[group, name, None] = []
            for draft in self.drafts[group]:
                key = (group, name, draft.values.get(name))
                self.by_link.setdefault(key, []).append(draft)
        return self.by_link.get((group, name, value), ()) if value is not None else ()

    def _parent(self, told: Spec, inside: _Context, where: str) -> Any:
        """The record this one was made for, or one of its values."""
        parent = inside.parent
        if parent is None:
            raise SampleError(where, "the group is not made for another one")
        name = told["parent"]
        return Link(parent.number) if name == "id" else known(parent).get(name)

    def _linked(self, told: Spec, inside: _Context, where: str) -> Any:
        """A value of the record that another value of this one points at."""
        link = self._look(inside, told["linked"], where)
        return known(self.numbered[link.draft]).get(told["value"]) if link else None

    def _user(self, told: Spec, inside: _Context, where: str) -> Person:
        """Somebody with the role, one of the logins, or the login in a value of this record."""
        said = told["user"]
        if isinstance(said, str) and said.startswith(_NOTE):
            return Person(self._look(inside, said, where))
        if isinstance(said, list):
            return Person(inside.chance.choice(said))
        known = [one.login for one in self.people if said in one.roles]
        if not known:
            raise SampleError(where, f"nobody has the role {said!r}")
        return Person(inside.chance.choice(known))

    def _of(self, told: Spec, inside: _Context, where: str) -> Any:
        """A value of this record, or of the record around a row."""
        found = self._look(inside, told["of"], where)
        if found is None and inside.outer:
            return self._look(inside.outer, told["of"], where.split("/", 1)[0])
        return found

    def _expr(self, told: Spec, inside: _Context, where: str) -> Any:
        """A formula over the values so far."""
        source = told["expr"]
        if (where, source) not in self.formulas:
            notes = {name: ANY for name in inside.plan if name.startswith(_NOTE)}
            scope = scope_of(self.model, inside.entity, type_of, notes)
            self.formulas[where, source] = compile_expression(parse(source), scope)
        for path in dependencies(parse(source)):
            self._look(inside, path[0], where)
        empty = dict.fromkeys(inside.entity.fields)
        moment = datetime.combine(self.today, time(12), UTC)
        return self.formulas[where, source](Env(names={**empty, **inside.values}, now=moment))

    def _list(self, told: Spec, inside: _Context, where: str) -> list[Any]:
        """Several different values."""
        low, high = told["list"]
        wanted = inside.chance.randint(int(low), int(high))
        found: dict[Any, None] = {}
        for _ in range(_TRIES):
            if len(found) == wanted:
                break
            found[self.value(told["of"], inside, where)] = None
        return list(found)

    def _lines(self, told: Spec, inside: _Context, where: str) -> list[dict[str, Any]]:
        """Rows; with `split`, one of their fields shares out a total without losing a cent."""
        low, high = told["lines"]
        count = inside.chance.randint(int(low), int(high))
        shares = self._shares(told, inside, where, count)
        field = inside.entity.fields.get(where.rpartition("/")[2])
        entity = (field.rows if field else None) or inside.entity
        rows = []
        for index in range(count):
            row = _Context(
                entity, inside.chance, index, {}, inside.parent, index, inside, orders=inside.orders
            )
            rows.append(self._values(told["row"], row, where)[0])
            if shares:
                rows[-1][told["split"]["into"]] = shares[index]
        return rows

    def _shares(self, told: Spec, inside: _Context, where: str, count: int) -> list[Decimal]:
        if "split" not in told or not count:
            return []
        total = Decimal(self.value(told["split"]["total"], inside, where))
        each = (total / count).quantize(Decimal("0.01"))
        return [each] * (count - 1) + [total - each * (count - 1)]


_Generator = Callable[[_Run, Spec, _Context, str], Any]
_GENERATORS: Final[Mapping[str, _Generator]] = {
    "choice": _Run._choice,
    "pick": _Run._pick,
    "next": _Run._next,
    "quota": _Run._quota,
    "text": _Run._text,
    "by": _Run._by,
    "first": _Run._first,
    "maybe": _Run._maybe,
    "bool": _Run._bool,
    "int": _Run._int,
    "number": _Run._number,
    "date": _Run._date,
    "moment": _Run._moment,
    "month": _Run._month,
    "monday": _Run._monday,
    "code": _Run._code,
    "ref": _Run._ref,
    "parent": _Run._parent,
    "linked": _Run._linked,
    "user": _Run._user,
    "of": _Run._of,
    "expr": _Run._expr,
    "list": _Run._list,
    "lines": _Run._lines,
}
