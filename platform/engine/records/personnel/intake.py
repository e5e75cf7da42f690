"""Many people at once: lines pasted from a spreadsheet, looked at first, taken all or none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import sqlalchemy as sa

from engine.problems import Problem
from engine.records.failures import Invalid
from engine.records.history import note_many, row_of
from engine.records.personnel import departments, users
from engine.records.personnel.rules import NOWHERE, PERSON, Origin, allowed, alone, log_all
from engine.records.unit import Unit
from engine.tables import system

_DEPT = system.DEPARTMENT
MOST: Final = 500
COLUMNS: Final = ("login", "name", "email", "department", "roles")
_HEADS: Final = frozenset({"login", "登录名", "账号", "用户名"})
_BETWEEN: Final = re.compile(r"[;；、|]")


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it was understood. `place` and `titles` are what its words were taken for."""

    number: int
    login: str
    name: str
    email: str
    department: int | None
    place: str
    roles: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Book:
    """What the words of a line may mean."""

    places: Mapping[str, list[tuple[int, str]]]
    roles: Mapping[str, list[str]]
    taken: set[str]
    seen: dict[str, int] = field(default_factory=dict)


def read(unit: Unit, text: str) -> list[Row]:
    """The lines of a text: login, name, e-mail, department, roles; by comma or tabulator. A first
    line of headings is passed over.

    Raises: NotFound, Invalid when there are none or too many, or the text cannot be read.
    """
    allowed(unit)
    lines = _lines(text)
    if not lines:
        raise Invalid([Problem("U130", pointer="/lines")])
    if len(lines) > MOST:
        raise Invalid([Problem("U131", {"most": MOST, "count": len(lines)}, "/lines")])
    book = _book(unit)
    return [_row(unit, book, number, cells) for number, cells in lines]


def take(unit: Unit, text: str, origin: Origin = NOWHERE) -> list[int]:
    """Make the accounts of all lines; the ids in their order.

    Raises: NotFound, Invalid, when anything is wrong with any line: then there is none.
    """
    alone(unit)
    rows = read(unit, text)
    if wrong := [problem for row in rows for problem in row.problems]:
        raise Invalid(wrong)
    ids = unit.app.database.ids
    made = [ids.next(unit.connection) for _ in rows]
    _write(unit, list(zip(made, rows, strict=True)))
    told = [
        ((PERSON, user), {"login": row.login, "roles": sorted(row.roles), "by": "import"})
        for user, row in zip(made, rows, strict=True)
    ]
    log_all(unit, "user.made", told, origin)
    return made


def _write(unit: Unit, made: Sequence[tuple[int, Row]]) -> None:
    """All of them in a few statements: on SQLite nobody else writes meanwhile."""
    accounts = [
        {
            "id": user,
            "login": row.login,
            "name": row.name,
            "email": row.email or None,
            "department_id": row.department,
            "created_at": unit.now,
            "is_operator": False,
        }
        for user, row in made
    ]
    unit.connection.execute(sa.insert(system.USER), accounts)
    if held := [{"user_id": user, "role": role} for user, row in made for role in row.roles]:
        unit.connection.execute(sa.insert(system.USER_ROLE), held)
    notes = [
        row_of(unit, PERSON, user, 1, "create", {"login": [None, row.login]}) for user, row in made
    ]
    note_many(unit, notes)


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Lines with their numbers, empty ones and the headings left out."""
    text = text.replace("\x00", "").removeprefix("﻿")
    first = text.lstrip().partition("\n")[0]
    mark = "\t" if "\t" in first else "," if "," in first or "，" not in first else "，"
    found = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        for cells in reader:
            cleaned = [" ".join(cell.split()) for cell in cells]
            if any(cleaned):
                found.append((reader.line_num, cleaned))
    except csv.Error:
        raise Invalid([Problem("U132", {"line": len(found) + 1}, "/lines")]) from None
    if found and found[0][1][0].casefold() in _HEADS:
        del found[0]
    return found


def _book(unit: Unit) -> _Book:
    """A department is named by its number, its key, its whole way from the top ("A / B") or, when
    only one is called so, by its name; a role by its name or its title."""
    places: dict[str, list[tuple[int, str]]] = {}
    named = unit.connection.execute(sa.select(_DEPT.c.id, _DEPT.c.key))
    keys = {row.id: row.key for row in named}
    for one in departments.tree(unit):
        meant = (one.id, " / ".join(one.trail))
        words = {str(one.id), keys.get(one.id, ""), _way(one.trail), _way(one.trail[-1:])}
        for word in words - {""}:
            places.setdefault(word.casefold(), []).append(meant)
    roles: dict[str, list[str]] = {}
    for role in unit.app.model.roles.values():
        for word in {role.name, *role.title.values()} - {""}:
            roles.setdefault(word.casefold(), []).append(role.name)
    logins = unit.connection.scalars(sa.select(system.USER.c.login))
    return _Book(places, roles, {login.casefold() for login in logins})


def _way(names: Sequence[str]) -> str:
    return "/".join(name.strip() for name in names)


def _row(unit: Unit, book: _Book, number: int, cells: list[str]) -> Row:
    login, name, email, place, roles = (*cells, "", "", "", "", "")[: len(COLUMNS)]
    found: list[Problem] = []
    if len(cells) > len(COLUMNS):
        found.append(Problem("U133", {"most": len(COLUMNS)}))
    found += users.mistakes_of(unit, login, {"name": name, "email": email})
    if login.casefold() in book.taken:
        found.append(Problem("R501", {"login": login}))
    elif (first := book.seen.setdefault(login.casefold(), number)) != number:
        found.append(Problem("U134", {"login": login, "line": first}))
    department, way = None, ""
    if place:
        meant = book.places.get(_way(re.split(r"[/>\\]", place)).casefold(), [])
        if len(meant) == 1:
            department, way = meant[0]
        else:
            found.append(Problem("U136" if meant else "U135", {"name": place}))
    held = []
    for word in filter(None, (part.strip() for part in _BETWEEN.split(roles))):
        names = book.roles.get(word.casefold(), [])
        if len(set(names)) == 1:
            held.append(names[0])
        else:
            known = [role.title for role in unit.app.model.roles.values()]
            found.append(Problem("U137", {"role": word, "known": known}))
    problems = tuple(_at(number, found))
    return Row(number, login, name, email, department, way, tuple(dict.fromkeys(held)), problems)


def _at(number: int, problems: Sequence[Problem]) -> list[Problem]:
    return [replace(one, pointer=f"/lines/{number}", line=number) for one in problems]
