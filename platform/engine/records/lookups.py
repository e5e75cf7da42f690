"""Finding what to point at: records, people and departments for pickers, those used last first.

What is offered is what the actor may see and may choose; `duplicates` alone tells of more, and of
that only that it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Entity, Field
from engine.fields import DEPARTMENT, FILE, USER, bind
from engine.fields.masks import masked
from engine.fields.relations import RefsType, RefType
from engine.lists import Condition, Query
from engine.records import people
from engine.records.evaluation import Relations
from engine.records.failures import NotFound
from engine.records.labels import label_of, names_of, worded
from engine.records.reading import Also, find, read, visible
from engine.records.references import eligible, eligible_in_sql
from engine.records.sounds import sounds_like
from engine.records.unit import Unit
from engine.tables import system
from engine.tables.folded import fold, folded

MOST: Final = 20
PAGES: Final = 10  # of a hundred records each: so far a condition is looked for
PEOPLE: Final = 5_000
_LATELY: Final = 200  # entries of the actor's history that tell what he is working with


@dataclass(frozen=True, slots=True)
class Choice:
    """A record that may be pointed at."""

    id: int
    label: str
    note: str = ""  # a second line: login and department, the department above


def lookup(
    unit: Unit,
    entity: str,
    field: str,
    text: str = "",
    *,
    record: Mapping[str, Any] | None = None,
    size: int = MOST,
) -> list[Choice]:
    """What a field may point at: what the actor may see and contains `text`; without one, what he
    used last and then the newest. `field` is "customer", or "items.product" for a field of rows;
    `record` are the values of the form so far, for `x-ref.where`; without them the condition does
    not count: filters ask for what was chosen at any time.

    Raises: NotFound for a field that does not point anywhere, or that he may not know of.
    """
    definition = unit.entity(entity)
    found = _field(unit, definition, field)
    kind = bind(found)
    target = kind.target if isinstance(kind, RefType | RefsType) else FILE
    if target == FILE:
        raise NotFound
    text = " ".join(text.replace("\x00", "").split())[:100]
    lately = [] if text else _chosen(unit, definition, field)
    if target == USER:
        return users(unit, text, size, lately)
    if target == DEPARTMENT:
        return departments(unit, text, size, lately)
    where = found.reference.where if found.reference and record is not None else ""
    other = unit.app.model.entities[target]
    if not unit.access(target).may("read"):
        return []
    may: Judge = frozenset
    also = eligible_in_sql(unit, definition, other, where, record or {}) if where else None
    if where and also is None:
        may = _may_be_chosen(unit, definition, other, where, record or {})
    return _records(unit, other, text, size, lately, _Asked(may, also))


def _field(unit: Unit, entity: Entity, path: str) -> Field:
    name, _, inner = path.partition(".")
    field = entity.fields.get(name)
    access = unit.access(entity.name)
    if field is None or not (access.shown(name) or access.fields[name].create.ever):
        raise NotFound
    if not inner:
        return field
    if field.rows is None or inner not in field.rows.fields:
        raise NotFound
    return field.rows.fields[inner]


# --- people and departments: the whole company knows their names -------------------------------
def users(unit: Unit, text: str = "", size: int = MOST, lately: Sequence[int] = ()) -> list[Choice]:
    """People with an open account whose name or login contains the text, or whose name sounds
    like it."""
    user, department = system.USER, system.DEPARTMENT
    rows = unit.connection.execute(
        sa.select(user.c.id, user.c.name, user.c.login, department.c.name.label("department"))
        .outerjoin(department, department.c.id == user.c.department_id)
        .where(user.c.disabled_at.is_(None))
        .order_by(user.c.name, user.c.id)
        .limit(PEOPLE)
    )
    found = [
        (Choice(row.id, row.name, " · ".join(filter(None, (row.login, row.department)))), row.login)
        for row in rows
    ]
    return _best(found, text, size, lately)


def departments(
    unit: Unit, text: str = "", size: int = MOST, lately: Sequence[int] = ()
) -> list[Choice]:
    """Departments whose name contains the text or sounds like it, each below the one above."""
    known = people.departments(unit.connection)
    names = {each.id: each.name for each in known}
    found = [(Choice(each.id, each.name, names.get(each.parent or 0, "")), "") for each in known]
    return _best(found, text, size, lately)


def _best(
    found: Iterable[tuple[Choice, str]], text: str, size: int, lately: Sequence[int]
) -> list[Choice]:
    """Names and logins that begin with the text, then those that contain it, then the sounds."""
    wanted = text.casefold()
    ranks: list[tuple[int, Choice]] = []
    for choice, login in found:
        name = choice.label.casefold()
        if not wanted:
            rank = lately.index(choice.id) if choice.id in lately else len(lately)
        elif name.startswith(wanted) or login.casefold().startswith(wanted):
            rank = 0
        elif wanted in name or wanted in login.casefold():
            rank = 1
        elif sounds_like(wanted, choice.label):
            rank = 2
        else:
            continue
        ranks.append((rank, choice))
    ranks.sort(key=lambda one: one[0])
    return [choice for _, choice in ranks[:size]]


# --- records -----------------------------------------------------------------------------------
Judge = Callable[[Sequence[int]], frozenset[int]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """`x-ref.where`: as a part of the statement, or judged record by record where the database
    cannot tell."""

    judge: Judge
    also: Also | None


def _may_be_chosen(
    unit: Unit, entity: Entity, target: Entity, where: str, record: Mapping[str, Any]
) -> Judge:
    """Which of some records of `target` a record of `entity` may point at."""
    relations = Relations(unit)

    def judge(ids: Sequence[int]) -> frozenset[int]:
        whole = unit.app.reader.load_many(unit.connection, target.name, ids)
        return frozenset(
            values["id"]
            for values in whole
            if eligible(unit, entity, target, where, values, record, relations)
        )

    return judge


def _records(
    unit: Unit, target: Entity, text: str, size: int, lately: Sequence[int], may: _Asked
) -> list[Choice]:
    columns = tuple(name for name in target.label_fields if name in target.fields)
    query = Query(target.name, columns=columns, text=text, size=100)
    if text:
        found = list(_pages(unit, target, query, may, most=100))
        # a name that begins with what was typed is rather meant than one that contains it
        found.sort(key=lambda one: not one.label.casefold().startswith(text.casefold()))
        return found[:size]
    used = tuple(dict.fromkeys([*lately, *_lately(unit, target.name)]))[:100]
    known: dict[int, Choice] = {}
    if used:
        at_hand = replace(query, conditions=(Condition("id", "in", used, used),))
        known = {one.id: one for one in _pages(unit, target, at_hand, may, most=100)}
    first = [known[id] for id in used if id in known][:size]
    newest = _pages(unit, target, query, may, most=size + len(first))
    return [*first, *(one for one in newest if one not in first)][:size]


def _pages(unit: Unit, target: Entity, query: Query, may: _Asked, *, most: int) -> list[Choice]:
    """The first records of a list that may be chosen."""
    found: list[Choice] = []
    for _ in range(PAGES):
        page = find(unit, query, also=may.also)
        good = may.judge([row["id"] for row in page.rows])
        found += [
            Choice(row["id"], worded(target, row, unit.language, page.names))
            for row in page.rows
            if row["id"] in good
        ]
        if page.after is None or len(found) >= most:
            break
        query = replace(query, after=page.after)
    return found[:most]


# --- what the actor has been working with ------------------------------------------------------
def _lately(unit: Unit, entity: str) -> list[int]:
    """The records that the actor changed last, the latest first."""
    table = system.HISTORY
    rows = unit.connection.execute(
        sa.select(table.c.entity, table.c.record_id)
        .where(table.c.by_id == unit.actor.id)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(_LATELY)
    )
    return list(dict.fromkeys(row.record_id for row in rows if row.entity == entity))


def _chosen(unit: Unit, entity: Entity, path: str) -> list[int]:
    """What the records that the actor changed last have in a field, the latest first."""
    ids = _lately(unit, entity.name)[:50]
    place = unit.app.tables.of(entity.name)
    owner, (name, _, inner) = place.id, path.partition(".")
    if inner:
        place, name = place.lines[name], inner
        owner = place.table.c.parent_id
    if name in place.links and not inner:
        owner, value = place.links[name].c.left_id, place.links[name].c.right_id
    elif name in place.columns:
        value = place.columns[name]
    else:
        return []
    rows = unit.connection.execute(sa.select(owner, value).where(owner.in_(ids))).all()
    rows = sorted(rows, key=lambda row: ids.index(row[0]))
    return list(dict.fromkeys(id for row in rows for id in _ids(row[1])))


def _ids(value: Any) -> list[int]:
    return value if isinstance(value, list) else [] if value is None else [value]


# --- is there one already? ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record with the same values under a key of `x-keys.duplicate`. That it exists is told to
    everybody who may make one; what it is, only to those who may see it. To others `id` is None,
    `label` empty and `owner` the masked name of whom to ask."""

    fields: tuple[str, ...]
    id: int | None
    label: str
    owner: str


def duplicates(
    unit: Unit, entity: str, values: Mapping[str, Any], id: int | None = None
) -> list[Duplicate]:
    """Existing records that are exactly the same in one of the duplicate keys as `values` (in
    Python form); `id` is the record itself, which does not count.

    A key with a field that the actor may neither read nor fill in is passed over, and so is
    everything for somebody who only reads: it would answer guesses.
    """
    definition = unit.entity(entity)
    access = unit.access(entity)
    found: dict[int, Duplicate] = {}
    if not (access.may("create") or access.may("write")):
        return []
    for key in definition.keys.duplicate:
        given = [values.get(name) for name in key]
        cells = [access.fields[name] for name in key]
        known = all(c.read.always or c.create.ever or c.write.ever for c in cells)
        if known and not any(value in (None, "", []) for value in given):
            for match in _same(unit, definition, key, given):
                if match not in found and match != id:
                    found[match] = _duplicate(unit, definition, key, match)
    return list(found.values())[:MOST]


def _same(unit: Unit, entity: Entity, key: Sequence[str], given: Sequence[Any]) -> list[int]:
    place = unit.app.tables.of(entity.name)
    if not all(name in place.columns for name in key):
        return []
    conditions: list[sa.ColumnElement[bool]] = [place.removed_at.is_(None)]
    for name, value in zip(key, given, strict=True):
        column = place.columns[name]
        text = isinstance(value, str) and isinstance(column.type, sa.String)
        conditions.append(folded(column) == fold(value) if text else column == value)
    statement = sa.select(place.id).where(*conditions).order_by(place.id).limit(3)
    return list(unit.connection.scalars(statement))


def _duplicate(unit: Unit, entity: Entity, key: tuple[str, ...], id: int) -> Duplicate:
    if visible(unit, entity.name, [id]):
        record = read(unit, entity.name, id, told=False)
        label = label_of(unit, entity.name, record)
        return Duplicate(key, id, label, _owner(unit, entity, record))
    whole = unit.app.reader.load(unit.connection, entity.name, id) or {}
    return Duplicate(key, None, "", masked(_owner(unit, entity, whole), "name"))


def _owner(unit: Unit, entity: Entity, record: Mapping[str, Any]) -> str:
    """The name of the record's owner, of those entities that have one."""
    owner = record.get("owner")
    if not isinstance(owner, int) or "owner" not in entity.fields:
        return ""
    target = next(iter(bind(entity.fields["owner"]).references(owner)), None)
    return names_of(unit, {target[0]: [owner]}).label(*target) if target else ""
