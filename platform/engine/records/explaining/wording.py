"""Conditions as sentences about a certain person and record, in every language at once.

What the asking person may not read himself is never put into words: its value is left out, and a
condition about it is "a condition that you cannot see".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.access.predicates import Term
from engine.definitions.model import Entity, Label, Option, text_of
from engine.expressions import Node, explain
from engine.expressions.tree import (
    Attribute,
    Call,
    Compare,
    Items,
    Literal,
    Logic,
    Name,
    Not,
    Path,
    path_of,
    paths,
)
from engine.fields import DEPARTMENT, USER, bind
from engine.problems.catalogue import LANGUAGES
from engine.records.evaluation import Relations
from engine.records.explaining.matter import Matter
from engine.records.failures import NotFound
from engine.records.labels import names_of
from engine.records.reading import read
from engine.records.views import Masked

_FLIPPED: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_SECRET: Final = frozenset({"encrypted", "logged"})
_DENIED: Final[Mapping[str, Mapping[str, str]]] = {
    "within": {"zh-CN": "{a}不在{b}之内（含下级）", "en": "{a} is not {b}, nor below it"},
    "shared": {"zh-CN": "未共享给{who}", "en": "it is not shared with {who}"},
    "participant": {
        "zh-CN": "{who}没有参与它的流程",
        "en": "{who} {have} no part in its workflow",
    },
    "is": {"zh-CN": "{a}为否", "en": "{a} is not set"},
    "not": {"zh-CN": "不满足：{a}", "en": "it does not hold that {a}"},
    "my.dept": {"zh-CN": "{who}的部门", "en": "{whose} department"},
    "my.departments": {"zh-CN": "{who}的部门及下级", "en": "{whose} departments"},
    "my.above": {"zh-CN": "{who}的部门及上级", "en": "{whose} department and those above"},
    "of": {"zh-CN": "{a}的{b}", "en": "{b} of {a}"},
    "dept": {"zh-CN": "部门", "en": "department"},
    "manager": {"zh-CN": "上级", "en": "manager"},
    "parent": {"zh-CN": "上级部门", "en": "department above"},
    "name": {"zh-CN": "名称", "en": "name"},
    "login": {"zh-CN": "登录名", "en": "login"},
    "unseen": {"zh-CN": "您看不到的一个条件", "en": "a condition that you cannot see"},
    "empty": {"zh-CN": "空", "en": "empty"},
}
YOU: Final[Label] = {"zh-CN": "您", "en": "you"}


@dataclass(frozen=True, slots=True)
class Wording:
    """Sentences for one matter. `own`: the person asks about himself, and is called "you"."""

    matter: Matter
    own: bool
    seen: Mapping[str, Any] | None  # the record as the asking person sees it

    @classmethod
    def of(cls, matter: Matter) -> Wording:
        """The words for who asks in the matter's unit."""
        unit = matter.unit
        seen: Mapping[str, Any] | None = None
        if matter.record is not None:
            try:
                seen = read(unit, matter.entity.name, matter.id, removed=matter.removed, told=False)
            except NotFound:
                seen = {}
        return cls(matter, matter.actor.id == unit.actor.id and not unit.actor.system, seen)

    @property
    def who(self) -> Label:
        """What the person is called."""
        return YOU if self.own else dict.fromkeys(LANGUAGES, self.matter.actor.name)

    @property
    def limited(self) -> bool:
        """Whether who asks is told only what concerns him: he is no administrator."""
        unit = self.matter.unit
        return not (unit.actor.system or unit.administers)

    # --- sentences -----------------------------------------------------------------------------
    def sentence(self, term: Term) -> Label:
        """A predicate in words."""
        if isinstance(term, bool):
            return {}
        if not self.open(term):
            return _DENIED["unseen"]
        return {tag: self._said(term, tag) for tag in LANGUAGES}

    def denial(self, node: Node) -> Label:
        """What is the case where a condition does not hold."""
        if not self.open(node):
            return _DENIED["unseen"]
        return {tag: self._denied(node, tag) for tag in LANGUAGES}

    def facts(self, node: Node) -> list[Label]:
        """What the record says to it, as far as the asking person may read that."""
        if self.matter.record is None or not self.open(node):
            return []
        return list(self._facts(node))

    def open(self, node: Node) -> bool:
        """Whether the asking person may read all fields that a condition looks at."""
        fields = self.matter.entity.fields
        access = self.matter.unit.access(self.matter.entity.name)
        for path in paths(node):
            cell = access.fields.get(path[0]) if path[0] in fields else None
            if cell is not None and not cell.read.ever:
                return False
            if cell is not None and self.seen is not None and path[0] not in self.seen:
                return fields[path[0]].compute is not None and cell.read.always
            if not self._beyond(path):
                return False
        return True

    def _beyond(self, path: Path) -> bool:
        """Whether the asking person may read what a path leads to in other records, in all of
        them: which one it is does not matter then."""
        unit = self.matter.unit
        model = unit.app.model
        entity: Entity | None = self.matter.entity
        for name in path:
            field = entity.fields.get(name) if entity else None
            if entity is None:
                break
            if entity is not self.matter.entity and field is not None:
                access = unit.access(entity.name)
                if not (access["read"].always and access.fields[name].read.always):
                    return unit.administers or unit.actor.system
            back = model.inverses(entity.name).get(name)
            if field is not None:
                entity = model.entities.get(field.reference.to) if field.reference else None
            else:
                entity = back[0] if back else None
        return True

    def _denied(self, node: Node, tag: str) -> str:
        def said(one: Node) -> str:
            return self._said(one, tag)

        match node:
            case Compare(op="within", left=left, right=right):
                return _DENIED["within"][tag].format(a=said(left), b=said(right))
            case Compare(op=op) if op in _FLIPPED:
                return said(replace(node, op=_FLIPPED[op]))
            case Compare(op="in"):
                return said(Not(node))
            case Call(function=name) if name in ("shared", "participant"):
                have = "have" if self.own else "has"
                return _DENIED[name][tag].format(who=text_of(self.who, tag), have=have)
            case Name() | Attribute():
                return _DENIED["is"][tag].format(a=said(node))
            case Not(operand=operand):
                return said(operand)
        return _DENIED["not"][tag].format(a=said(node))

    # --- names ---------------------------------------------------------------------------------
    def _said(self, node: Node, tag: str) -> str:
        """A condition, with the titles of options instead of their values."""
        return explain(self._titled(node, tag), tag, self._titles(tag))

    def _titled(self, node: Node, tag: str) -> Node:
        match node:
            case Compare(op=op, left=left, right=right) if options := self._options(left, right):
                words = {one.value: text_of(one.title, tag) for one in options}
                return Compare(op, _replaced(left, words), _replaced(right, words))
            case Logic(op=op, parts=parts):
                return Logic(op, tuple(self._titled(part, tag) for part in parts))
            case Not(operand=operand):
                return Not(self._titled(operand, tag))
        return node

    def _options(self, *sides: Node) -> Sequence[Option]:
        """The options of the field that one side of a comparison is."""
        model = self.matter.unit.app.model
        for side in sides:
            entity: Entity | None = self.matter.entity
            field = None
            for name in path_of(side) or ():
                field = entity.fields.get(name) if entity else None
                to = field.reference.to if field and field.reference else ""
                entity = model.entities.get(to)
            if field is not None and field.options:
                return field.options
        return ()

    def _titles(self, tag: str) -> Any:
        who = text_of(self.who, tag)
        whose = "your" if self.own else f"{who}’s"

        def title(path: Path) -> str:
            dotted = ".".join(path)
            if path == ("me",):
                return who
            if dotted in _DENIED:
                return _DENIED[dotted][tag].format(who=who, whose=whose)
            return self._path(path, tag)

        return title

    def _path(self, path: Path, tag: str) -> str:
        """The titles along a path that begins with a field."""
        model, here = self.matter.unit.app.model, self.matter.entity
        said = ""
        entity: Entity | None = here
        for name in path:
            field = entity.fields.get(name) if entity else None
            back = model.inverses(entity.name).get(name) if entity and not field else None
            if field is not None:
                word = text_of(field.title, tag)
                entity = model.entities.get(field.reference.to) if field.reference else None
            elif back is not None:
                entity = back[0]
                word = text_of(entity.plural or entity.title, tag)
            elif entity is None and name in _DENIED and said:
                word = _DENIED[name][tag]
            else:
                return ""
            said = _DENIED["of"][tag].format(a=said, b=word) if said else word
        return said

    # --- values --------------------------------------------------------------------------------
    def _facts(self, node: Node) -> Iterator[Label]:
        entity, record = self.matter.entity, self.seen or {}
        for path in dict.fromkeys(paths(node)):
            field = entity.fields.get(path[0])
            if field is None or _SECRET & field.privacy or field.rows is not None:
                continue
            value = record.get(path[0])
            if isinstance(value, Masked):
                continue
            kind = bind(field)
            names = names_of(self.matter.unit, _wanted(kind.references(value) if value else ()))
            yield {
                tag: _pair(text_of(field.title, tag), kind.format(value, tag, names), tag)
                for tag in LANGUAGES
            }
            if path[1:] == ("dept",) and isinstance(value, int):
                yield self._department(path, value)

    def _department(self, path: Path, user: int) -> Label:
        place = Relations(self.matter.unit).attribute("@user", user, "dept")
        name = self.place(place) if place else {}
        return {tag: _pair(self._path(path, tag), text_of(name, tag), tag) for tag in LANGUAGES}

    def place(self, department: int) -> Label:
        """A department's name."""
        names = names_of(self.matter.unit, {DEPARTMENT: [department]})
        return _everywhere(names.label(DEPARTMENT, department))

    def person(self, user: int) -> Label:
        """A person's name."""
        return _everywhere(names_of(self.matter.unit, {USER: [user]}).label(USER, user))

    def value(self, name: str, value: Any) -> Label:
        """A value of a field in words."""
        kind = bind(self.matter.entity.fields[name])
        names = names_of(self.matter.unit, _wanted(kind.references(value) if value else ()))
        found = {tag: kind.format(value, tag, names) for tag in LANGUAGES}
        return found if any(found.values()) else _DENIED["empty"]


def title_of(entity: Entity, field: str) -> Label:
    """A field's title, with the column's where it is one of rows."""
    head, _, column = field.partition(".")
    found = entity.fields.get(head)
    if found is None:
        return {"": field}
    inner = found.rows.fields.get(column) if found.rows is not None and column else None
    if inner is None:
        return found.title
    return {tag: f"{text_of(found.title, tag)} · {text_of(inner.title, tag)}" for tag in LANGUAGES}


def _replaced(node: Node, words: Mapping[str, str]) -> Node:
    match node:
        case Literal(value=str(value)):
            return Literal(words.get(value, value))
        case Items(parts=parts):
            return Items(tuple(_replaced(part, words) for part in parts))
    return node


def _wanted(pairs: Any) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for target, id in pairs:
        found.setdefault(target, set()).add(id)
    return found


def _pair(title: str, value: str, tag: str) -> str:
    colon = "：" if tag.startswith("zh") else ": "
    return f"{title}{colon}{value or _DENIED['empty'][tag]}"


def _everywhere(text: str) -> Label:
    return dict.fromkeys(LANGUAGES, text)
