"""What publishing would change about rights: who gains or loses which rows and fields, counted.

First the compiled rights are compared, for every set of roles that somebody really holds; where
nothing differs nothing is counted. Then the new predicates are asked of the present tables. One
that names what the tables do not have yet is told as such: its effect is never guessed. What is
new as a whole (an entity, a field) holds nothing yet, so nobody gains anything by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from engine.access import compile_access
from engine.access.differing import Changed, alike_for, changed, concerned
from engine.definitions.model import Entity, Label, Model
from engine.problems import Problem, text
from engine.records.application import Application
from engine.records.company import Company, NotPublished
from engine.records.explaining.counting import Counter
from engine.records.explaining.crowd import Alike, Roles, alike, crowd
from engine.records.unit import Actor

NAMED: Final = 5  # people of a line that are called by name


@dataclass(frozen=True, slots=True)
class Line:
    """One right of one entity that differs for some people. `sign` "+" is gained, "-" lost, "~"
    worded otherwise without an effect on any record of today.

    `least` and `most` are how many rows one of them gains or loses, None where there is nothing to
    count (`create`); `fields` are the titles of the fields it is about, none for the rows.
    """

    sign: str
    entity: str
    title: Label
    action: str
    people: int
    names: tuple[str, ...]
    fields: tuple[Label, ...] = ()
    keys: tuple[str, ...] = ()  # the fields' names
    least: int | None = None
    most: int | None = None

    @property
    def problem(self) -> Problem:
        """The line as a sentence of the catalogue."""
        kind = "field" if self.fields else "create" if self.most is None else "rows"
        params = {
            "people": self.people,
            "entity": self.title,
            "action": ACTIONS.get(self.action, self.action),
            "fields": self.fields,
            "rows": "" if self.most is None else _span(self.least or 0, self.most),
            "names": [*self.names, *(["…"] if self.people > len(self.names) else [])],
        }
        return Problem(_CODES[(kind, self.sign)], params)


ACTIONS: Final[Mapping[str, Label]] = {
    "read": {"zh-CN": "查看", "en": "see"},
    "write": {"zh-CN": "修改", "en": "change"},
    "create": {"zh-CN": "新建", "en": "create"},
    "delete": {"zh-CN": "删除", "en": "remove"},
    "export": {"zh-CN": "导出", "en": "export"},
    "share": {"zh-CN": "共享", "en": "share"},
    "masked": {"zh-CN": "以掩码查看", "en": "see masked"},
    "reveal": {"zh-CN": "显示掩码后的原值", "en": "uncover"},
}
_CODES: Final[Mapping[tuple[str, str], str]] = {
    ("rows", "+"): "G201",
    ("rows", "-"): "G202",
    ("rows", "~"): "G203",
    ("create", "+"): "G204",
    ("create", "-"): "G205",
    ("create", "~"): "G203",
    ("field", "+"): "G206",
    ("field", "-"): "G207",
    ("field", "~"): "G208",
}


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything about rights that publishing would change for people who are there. `hash` names
    the change itself (from which definitions to which), not the counts: records that come and go
    between looking and publishing do not spoil an acknowledgement."""

    lines: tuple[Line, ...] = ()
    remarks: tuple[Problem, ...] = ()  # what could not be counted, and that counting stopped
    hash: str = ""

    @property
    def empty(self) -> bool:
        """Whether nobody's rights change."""
        return not self.lines

    @property
    def people(self) -> int:
        """At least how many people are affected."""
        return max((line.people for line in self.lines), default=0)

    def sentences(self, language: str) -> list[str]:
        """One line each, beginning with its sign; remarks last."""
        told = [f"{line.sign} {text(line.problem, language)}" for line in self.lines]
        return [*told, *(f"! {text(one, language)}" for one in self.remarks)]


NOTHING: Final = Diff()


def permission_diff(company: Company, new_model: Model) -> Diff:
    """What publishing `new_model` to the company would change about rights."""
    with company.database.read() as connection:
        try:
            app = company.application(connection)
        except NotPublished:
            return NOTHING
        return rights_outlook(app, connection, new_model)


def rights_outlook(
    app: Application, connection: sa.Connection, new: Model, *, counted: bool = True
) -> Diff:
    """The same for a company that runs `app`. Without `counted` no record is looked at: the lines
    then tell only which rights differ for how many people."""
    wanted = concerned(app.model, new)
    if not wanted:
        return NOTHING
    counter = Counter(app, connection) if counted else None
    lines: list[Line] = []
    people = crowd(connection)
    for before, after in _pairs(app.model, new):
        if after.name in wanted:
            lines += _of_entity(counter, app.model, new, (before, after), people)
    if not lines:
        return NOTHING
    hash = hashlib.sha256(f"{app.model.hash} {new.hash}".encode()).hexdigest()[:16]
    remarks = counter.remarks() if counter else ()
    return Diff(tuple(_joined(lines)), tuple(remarks), hash)


def _of_entity(
    counter: Counter | None,
    old: Model,
    new: Model,
    pair: tuple[Entity, Entity],
    crowd: Mapping[Roles, Sequence[Actor]],
) -> Iterator[Line]:
    """The lines of one entity; its rights are compiled once for all roles that come to the same."""
    before, after = pair
    fields = list(_fields(before, after))
    known: dict[Any, Sequence[Changed]] = {}
    for roles, people in crowd.items():
        key = (alike_for(old, before, roles), alike_for(new, after, roles))
        found = known.get(key)
        if found is None:
            was, now = compile_access(old, before, roles), compile_access(new, after, roles)
            found = known[key] = changed(was, now, fields)
        if found:
            yield from _lines(counter, _Pair(before, after, roles), found, people)


def _pairs(old: Model, new: Model) -> Iterator[tuple[Entity, Entity]]:
    for name, after in new.entities.items():
        names = (name, *(one for one in after.was if one not in new.entities))
        before = next((old.entities[one] for one in names if one in old.entities), None)
        if before is not None:
            yield before, after


def _fields(before: Entity, after: Entity) -> Iterator[tuple[str, str]]:
    for name, field in after.fields.items():
        names = (name, *(one for one in field.was if one not in after.fields))
        if (was := next((one for one in names if one in before.fields), None)) is not None:
            yield was, name


@dataclass(frozen=True, slots=True)
class _Pair:
    """An entity as it is and as it will be, for holders of the same roles."""

    before: Entity
    after: Entity
    roles: Roles

    def reworded(self, one: Changed) -> bool:
        """Whether the definitions themselves say something else about the right; else it differs
        only because another right does that is part of it."""
        old, new = self.before.access, self.after.access
        if one.field:
            field = self.after.fields[one.field]
            was = next((n for n in (one.field, *field.was) if n in self.before.fields), "")
            old, new = self.before.fields[was].access, field.access
        said = [(old.get(role), new.get(role)) for role in self.roles]
        return any(getattr(a, one.action, a) != getattr(b, one.action, b) for a, b in said)


def _lines(
    counter: Counter | None,
    pair: _Pair,
    found: Sequence[Changed],
    people: Sequence[Actor],
) -> Iterator[Line]:
    """The lines of people who hold the same roles: one per right and sign and number of rows."""
    terms = [term for one in found for term in (one.before, one.after)]
    for group in alike(people, terms):
        counts = counter.counts(pair.before, pair.after, found, group.one) if counter else {}
        effects = {key for key, count in counts.items() if any(count)}
        for one in found:
            key = (one.action, one.field)
            if effects and key in counts and key not in effects and not pair.reworded(one):
                continue  # its cause is told already
            if one.action == "masked" and counts.get(key) == counts.get(("read", one.field)):
                continue  # whoever reads it in the clear need not be told of the mask
            yield from _line(pair.after, one, group, counts.get(key))


def _line(
    entity: Entity, one: Changed, group: Alike, count: tuple[int, int] | None
) -> Iterator[Line]:
    field = entity.fields.get(one.field)
    plain = Line(
        sign="~",
        entity=entity.name,
        title=entity.plural or entity.title,
        action=one.action,
        people=group.count,
        names=group.names,
        fields=(field.title,) if field else (),
        keys=(one.field,) if field else (),
    )
    if one.action == "create" or count is None:
        yield replace(plain, sign=_direction(one))
        return
    gained, lost = count
    for sign, rows in (("+", gained), ("-", lost)):
        if rows:
            yield replace(plain, sign=sign, least=rows, most=rows)
    if not gained and not lost:
        yield replace(plain, least=0, most=0)


def _direction(one: Changed) -> str:
    """Which way a right goes by itself, where that is plain."""
    if one.before is False or one.after is True:
        return "+"
    return "-" if one.after is False or one.before is True else "~"


# --- putting lines together ----------------------------------------------------------------------
def _joined(lines: Iterable[Line]) -> list[Line]:
    """People of one entity, action and sign on one line, then fields with the same people."""
    rights: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        key = (line.entity, line.keys, line.action, line.sign, line.most is None)
        before = rights.get(key)
        rights[key] = line if before is None else _more_people(before, line)
    fields: dict[tuple[Any, ...], Line] = {}
    for line in rights.values():
        alone = () if line.fields else (line.action,)
        same = (line.entity, line.action, line.sign, line.names, line.least, line.most)
        key = (*same, bool(line.fields), *alone)
        before = fields.get(key)
        if before is None:
            fields[key] = line
        else:
            more = before.fields + line.fields
            fields[key] = replace(before, fields=more, keys=before.keys + line.keys)
    found = [replace(line, names=line.names[:NAMED]) for line in fields.values()]
    return sorted(found, key=lambda line: ("+-~".index(line.sign), line.entity, bool(line.fields)))


def _more_people(one: Line, other: Line) -> Line:
    rows = [n for line in (one, other) for n in (line.least, line.most) if n is not None]
    return replace(
        one,
        people=one.people + other.people,
        names=one.names + other.names,
        least=min(rows, default=None),
        most=max(rows, default=None),
    )


def _span(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,}–{most:,}"
