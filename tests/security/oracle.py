"""The second opinion: who may do what, read from the definition files by other code.

Nothing of the engine is imported here. The files are plain JSON, expressions are read by Python's
own parser, and the rules of `docs/howto/permissions.md` are written down once more, as plainly as
they can be said. Where this and the product differ, one of them is wrong.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORDS = {
    "own": "owner == me",
    "department": "owner.dept == my.dept",
    "department_tree": "owner.dept within my.dept",
    "participant": "participant()",
}
STAMPS = ("created_at", "created_by", "updated_at", "updated_by")  # everybody who sees the record


@dataclass(frozen=True)
class Person:
    """Somebody of the company."""

    id: int
    login: str
    roles: frozenset[str] = frozenset()
    dept: int | None = None
    below: frozenset[int] = frozenset()  # own department and those below it
    above: frozenset[int] = frozenset()  # own department and those above it
    disabled: bool = False


@dataclass(frozen=True)
class Share:
    """One record shared by hand."""

    entity: str
    record: int
    user: int | None
    department: int | None
    level: str
    until: str | None


@dataclass
class Facts:
    """What is in the company: the values of its records as they are stored, and who is who."""

    people: dict[str, Person]
    records: dict[str, dict[int, dict[str, Any]]]
    removed: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    parts: set[tuple[str, int, int]] = field(default_factory=set)  # entity, record, person
    asked: set[tuple[str, int, int]] = field(default_factory=set)  # who has to decide now
    past: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)  # older values
    today: str = "2026-01-01"


@dataclass
class Oracle:
    """Says what each person may do in a company of these definitions with these facts."""

    folder: Path
    facts: Facts
    pack: dict[str, Any] = field(init=False)
    entities: dict[str, dict[str, Any]] = field(init=False)
    flows: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        found = {
            path.stem: json.loads(path.read_text("utf-8"))
            for path in sorted(self.folder.glob("entity_defs/*/*.json"))
        }
        self.pack = found.pop("pack")
        self.entities = found
        flows = [json.loads(p.read_text("utf-8")) for p in self.folder.glob("workflows/*/*.json")]
        self.flows = {flow["entity"]: flow for flow in flows}

    # --- rows ----------------------------------------------------------------------------------
    def row(self, login: str, action: str, entity: str, record: Mapping[str, Any]) -> bool:
        """Whether a person may do something with a record (or make it, action "create")."""
        who = self.facts.people[login]
        if who.disabled or not self.cleared(who, entity, record):
            return False
        return self._admin(who) or any(
            self._row(who, role, action, entity, record) for role in self._granted(who, entity)
        )

    def visible(self, login: str, entity: str) -> set[int]:
        """The ids of the records that a person sees."""
        all_ = self.facts.records[entity].items()
        return {id for id, record in all_ if self.row(login, "read", entity, record)}

    def lists(self, login: str, entity: str) -> bool:
        """Whether there is a list of the entity for him at all."""
        who = self.facts.people[login]
        grants = [self.entities[entity]["x-access"][r] for r in self._granted(who, entity)]
        return not who.disabled and (self._admin(who) or any(g.get("read") for g in grants))

    def cleared(self, who: Person, entity: str, record: Mapping[str, Any]) -> bool:
        """Whether the record's grade is within the person's clearance."""
        path = self.entities[entity]["x-entity"].get("grade")
        if not path:
            return True
        order = {name: one["order"] for name, one in self.pack["clearance"]["grades"].items()}
        held = [self.pack["clearance"]["everyone"]]
        held += [self.pack["roles"][role].get("clearance") for role in who.roles]
        highest = max(order[grade] for grade in held if grade)
        value = self._path(path.split("."), entity, record, who)
        return highest == max(order.values()) if value is None else order[value] <= highest

    def _row(
        self, who: Person, role: str, action: str, entity: str, record: Mapping[str, Any]
    ) -> bool:
        grant = self.entities[entity]["x-access"][role]
        said = self._said(who, grant, action, entity, record)
        if action in ("read", "create"):
            return said
        return said and self._said(who, grant, "read", entity, record)

    def _said(
        self,
        who: Person,
        grant: Mapping[str, Any],
        action: str,
        entity: str,
        record: Mapping[str, Any],
    ) -> bool:
        source = grant.get(action, False)
        if source is False:
            return False
        if self.holds(source, entity, record, who):
            return True
        return action in ("read", "write") and self._shared(who, action, entity, record)

    def _shared(self, who: Person, level: str, entity: str, record: Mapping[str, Any]) -> bool:
        if "shared" not in self.entities[entity]["x-entity"].get("traits", ()):
            return False
        return any(
            (one.entity, one.record) == (entity, record.get("id"))
            and (one.user == who.id or one.department in who.above)
            and (level == "read" or one.level == "write")
            and (one.until is None or one.until >= self.facts.today)
            for one in self.facts.shares
        )

    def _granted(self, who: Person, entity: str) -> list[str]:
        return [role for role in sorted(who.roles) if role in self.entities[entity]["x-access"]]

    def _admin(self, who: Person) -> bool:
        return any(self.pack["roles"][role].get("admin") for role in who.roles)

    # --- cells ---------------------------------------------------------------------------------
    def cell(self, login: str, entity: str, record: Mapping[str, Any], name: str) -> str:
        """What a person may do with one field of one record: hidden, masked, read or write."""
        who = self.facts.people[login]
        if not self.row(login, "read", entity, record):
            return "hidden"
        if self._admin(who):
            return "write" if self._settable(who, entity, name, record) else "read"
        levels = {"hidden"}
        for role in self._granted(who, entity):
            if self._row(who, role, "read", entity, record):
                levels.add(self._level(who, role, entity, record, name))
        if "read" not in levels:
            return "masked" if "masked" in levels else "hidden"
        return "write" if self._writes(who, entity, record, name) else "read"

    def column(self, login: str, entity: str, lines: str, column: str) -> str:
        """What a person may see of a column of rows; that depends on his roles alone."""
        who = self.facts.people[login]
        if self._admin(who):
            return "read"
        said = self.entities[entity]["properties"][lines]["items"]["properties"][column]
        best = {"hidden"}
        for role in self._granted(who, entity):
            own = said.get("x-access", {}).get(role, {})
            open_ = own.get("read", not own.get("mask"))
            best.add("read" if open_ is True else "masked" if own.get("mask") else "hidden")
        return "read" if "read" in best else "masked" if "masked" in best else "hidden"

    def usable(self, login: str, entity: str, name: str) -> bool:
        """Whether lists may be filtered, sorted or searched by a field: not if it is never seen."""
        who = self.facts.people[login]
        if self._admin(who) or name == "id":
            return True
        if name not in self.entities[entity]["properties"]:
            return name in STAMPS
        granted = self._granted(who, entity)
        return any(self._own(role, entity, name).get("read", True) for role in granted)

    def reveals(self, login: str, entity: str, record: Mapping[str, Any], name: str) -> bool:
        """Whether a person may uncover a masked value."""
        who = self.facts.people[login]
        if self.cell(login, entity, record, name) != "masked":
            return False
        return any(
            self.holds(self._own(role, entity, name).get("reveal", False), entity, record, who)
            for role in self._granted(who, entity)
            if self._row(who, role, "read", entity, record)
        )

    def _level(
        self, who: Person, role: str, entity: str, record: Mapping[str, Any], name: str
    ) -> str:
        if not self._out_of_pool(role, entity, record, name):
            return "hidden"
        own = self._own(role, entity, name)
        if self.holds(own.get("read", not own.get("mask")), entity, record, who):
            return "read"
        return "masked" if own.get("mask") else "hidden"

    def _writes(self, who: Person, entity: str, record: Mapping[str, Any], name: str) -> bool:
        if not self._settable(who, entity, name, record):
            return False
        for role in self._granted(who, entity):
            own = self._own(role, entity, name)
            said = own.get("write", own.get("read", not own.get("mask")))
            if (
                self._row(who, role, "write", entity, record)
                and self._out_of_pool(role, entity, record, name)
                and self.holds(said, entity, record, who)
            ):
                return True
        return False

    def _settable(self, who: Person, entity: str, name: str, record: Mapping[str, Any]) -> bool:
        """Whether anybody may set the field of the record as it is."""
        found = self.entities[entity]["properties"].get(name)
        if found is None or found.get("readOnly") or "x-compute" in found:
            return False
        flow = self.flows.get(entity)
        if flow is None or record.get(flow["stateField"]) is None:
            return True
        state = flow["states"][record[flow["stateField"]]]
        levels = state.get("fields", {})
        if state.get("lock") and (entity, record.get("id"), who.id) not in self.facts.asked:
            return False  # only who decides may still write, and only what is left open
        return bool(levels.get(name, levels.get("*", "write")) != "read")

    def _out_of_pool(self, role: str, entity: str, record: Mapping[str, Any], name: str) -> bool:
        limits = self.entities[entity]["x-entity"].get("pool", {}).get(role)
        if limits is None or "shows" not in limits or record.get("owner") is not None:
            return True
        return name in limits["shows"] or name == "owner" or name in STAMPS

    def _own(self, role: str, entity: str, name: str) -> Mapping[str, Any]:
        """What a field says to a role; a formula that says nothing is as hidden as its inputs."""
        said = self.entities[entity]["properties"].get(name, {})
        if role in said.get("x-access", {}) or "x-compute" not in said:
            found: Mapping[str, Any] = said.get("x-access", {}).get(role, {})
            return found
        open_ = all(self._open(role, *source) for source in self._inputs(entity, name))
        return {} if open_ else {"read": False}

    def _open(self, role: str, entity: str, said: Mapping[str, Any]) -> bool:
        grants = self.entities[entity]["x-access"]
        own = said.get("x-access", {}).get(role, {})
        may = bool(grants.get(role, {}).get("read", False))
        return may and own.get("read", not own.get("mask")) is True

    def _inputs(self, entity: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The fields that a formula is made of, through other formulas and other records too."""
        formula = self.entities[entity]["properties"][name]["x-compute"]["expr"]
        for path in re.findall(r"[a-z_]+(?:\.[a-z_]+)*(?!\w*\()", re.sub(r"'[^']*'", "", formula)):
            here, fields = entity, self.entities[entity]["properties"]
            for part in path.split("."):
                said = fields.get(part)
                if said is None:  # the way back of a reference
                    here = self._back(here, part)
                    if not here:
                        break
                    fields = self.entities[here]["properties"]
                    continue
                yield here, said
                if "x-compute" in said and fields is self.entities[here]["properties"]:
                    yield from self._inputs(here, part)
                if said.get("x-type") == "lines":
                    fields = said["items"]["properties"]
                elif "x-ref" in said:
                    here = said["x-ref"]["to"]
                    fields = self.entities[here]["properties"]

    def _back(self, entity: str, inverse: str) -> str:
        for name, other in self.entities.items():
            for said in other["properties"].values():
                link = said.get("x-ref", {})
                if (link.get("to"), link.get("inverse")) == (entity, inverse):
                    return name
        return ""

    def held(self, login: str, entity: str, record: Mapping[str, Any]) -> bool:
        """Whether its workflow keeps a record as it is."""
        definition = self.entities[entity]
        name = next(n for n, said in definition["properties"].items() if "x-type" not in said)
        return not self._settable(self.facts.people[login], entity, name, record)

    # --- the workflow --------------------------------------------------------------------------
    def events(self, login: str, entity: str, record: Mapping[str, Any], starter: str) -> set[str]:
        """The events of the author that a person may send now (not the decisions on tasks)."""
        flow, who = self.flows.get(entity), self.facts.people[login]
        if flow is None or not self.row(login, "read", entity, record):
            return set()
        state = flow["states"][record[flow["stateField"]]]
        found = set()
        for event, people in state.get("may", {}).items():
            for one in people if isinstance(people, list) else [people]:
                if one.get("role") in who.roles or (one.get("starter") and starter == login):
                    found.add(event)
        return found

    # --- expressions ---------------------------------------------------------------------------
    def holds(
        self, source: bool | str, entity: str, record: Mapping[str, Any], who: Person
    ) -> bool:
        """A predicate of a definition on one record; what is unknown is a no."""
        if isinstance(source, bool):
            return source
        text = WORDS.get(source, source).replace("null", "None")
        text = re.sub(r"([\w.]+) within ([\w.]+)", r"within(\1, \2)", text)
        return self._value(ast.parse(text, mode="eval").body, entity, record, who) is True

    def _value(self, node: ast.expr, entity: str, record: Mapping[str, Any], who: Person) -> Any:
        def value(one: ast.expr) -> Any:
            return self._value(one, entity, record, who)

        match node:
            case ast.Constant(value=found):
                return found
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(value(part) is True for part in parts)
            case ast.BoolOp(op=ast.Or(), values=parts):
                return any(value(part) is True for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return value(part) is not True
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _compare(op, value(left), value(right))
            case ast.Call(func=ast.Name(id="participant")):
                return (entity, record.get("id"), who.id) in self.facts.parts
            case ast.Call(func=ast.Name(id="within"), args=[inner, _]):
                return value(inner) in who.below
            case ast.Name() | ast.Attribute():
                return self._path(ast.unparse(node).split("."), entity, record, who)
        raise ValueError(ast.dump(node))

    def _path(
        self, names: Collection[str], entity: str, record: Mapping[str, Any], who: Person
    ) -> Any:
        first, *rest = names
        if first == "me":
            return who.id if not rest else getattr(who, rest[0])
        value, said = record.get(first), self.entities[entity]["properties"].get(first, {})
        if not rest or value is None:
            return value
        if said.get("x-type") == "user":
            person = next(p for p in self.facts.people.values() if p.id == value)
            return getattr(person, rest[0])
        target = said["x-ref"]["to"]
        other = self.facts.records[target].get(value)
        return None if other is None else self._path(rest, target, other, who)


def _compare(op: ast.cmpop, left: Any, right: Any) -> bool:
    simple: Mapping[type, Callable[[Any, Any], bool]] = {
        ast.Eq: lambda a, b: a == b,
        ast.NotEq: lambda a, b: a != b,
        ast.Is: lambda a, b: a is b,
        ast.IsNot: lambda a, b: a is not b,
    }
    if type(op) in simple:
        return simple[type(op)](left, right)
    if left is None or right is None:
        return False
    ordered: Mapping[type, Callable[[Any, Any], bool]] = {
        ast.Lt: lambda a, b: a < b,
        ast.LtE: lambda a, b: a <= b,
        ast.Gt: lambda a, b: a > b,
        ast.GtE: lambda a, b: a >= b,
    }
    return ordered[type(op)](left, right)
