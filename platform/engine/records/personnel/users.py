"""The people of the company: found, invited, changed, given roles, shut out and let in again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from engine.problems import Problem
from engine.problems.catalogue import LANGUAGES
from engine.records import people
from engine.records.actor import SYSTEM
from engine.records.failures import Invalid
from engine.records.history import note
from engine.records.personnel.rules import (
    NOWHERE,
    PERSON,
    Origin,
    above_all,
    administering,
    allowed,
    alone,
    keep_one,
    log,
    manageable,
    not_oneself,
)
from engine.records.unit import Unit
from engine.tables import system

_USER, _ROLE, _DEPT = system.USER, system.USER_ROLE, system.DEPARTMENT
_FACTOR = system.FACTOR
Status = Literal["active", "invited", "disabled"]
SIZE: Final = 50
_MAIL: Final = re.compile(r"[^\s@]{1,64}@[A-Za-z0-9.-]{1,190}")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()-]{2,28}")
PROFILE: Final = ("name", "email", "phone", "language", "department_id", "manager_id")


# --- finding -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for; "" and None ask for everything."""

    text: str = ""
    department: int | None = None  # with all below it
    role: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Somebody in the list."""

    id: int
    login: str
    name: str
    department: str
    roles: tuple[str, ...]
    second: bool
    seen_at: datetime | None
    status: Status
    operator: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list, and how many there are."""

    lines: Sequence[Line]
    total: int


def listing(unit: Unit, wanted: Wanted, *, page: int = 1, size: int = SIZE) -> Page:
    """People by name.

    Raises: NotFound for who is no administrator.
    """
    allowed(unit)
    where = _where(unit, wanted)
    total = unit.connection.scalar(sa.select(sa.func.count()).select_from(_USER).where(*where))
    confirmed = sa.exists().where(
        _FACTOR.c.user_id == _USER.c.id, _FACTOR.c.confirmed_at.is_not(None)
    )
    rows = unit.connection.execute(
        sa.select(_USER, _DEPT.c.name.label("place"), confirmed.label("second"))
        .outerjoin(_DEPT, _DEPT.c.id == _USER.c.department_id)
        .where(*where)
        .order_by(_USER.c.name, _USER.c.id)
        .limit(size)
        .offset((max(page, 1) - 1) * size)
    ).all()
    roles = roles_of(unit, [row.id for row in rows])
    lines = [
        Line(
            row.id,
            row.login,
            row.name,
            row.place or "",
            roles.get(row.id, ()),
            bool(row.second),
            row.seen_at,
            status_of(row),
            row.is_operator,
        )
        for row in rows
    ]
    return Page(lines, int(total or 0))


def status_of(row: Any) -> Status:
    """What an account is: who has no password and was never seen has not joined yet."""
    if row.disabled_at is not None:
        return "disabled"
    return "invited" if row.password_hash is None and row.seen_at is None else "active"


def roles_of(unit: Unit, users: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The roles that people hold, in the order of the definitions; removed ones come last."""
    order = {name: at for at, name in enumerate(unit.app.model.roles)}
    held: dict[int, list[str]] = {}
    rows = sa.select(_ROLE.c.user_id, _ROLE.c.role).where(_ROLE.c.user_id.in_(list(users)))
    for user, role in unit.connection.execute(rows):
        held.setdefault(user, []).append(role)
    return {
        user: tuple(sorted(names, key=lambda name: (order.get(name, len(order)), name)))
        for user, names in held.items()
    }


def _where(unit: Unit, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    never = sa.and_(_USER.c.password_hash.is_(None), _USER.c.seen_at.is_(None))
    open_ = _USER.c.disabled_at.is_(None)
    found: list[sa.ColumnElement[bool]] = []
    if text := wanted.text.strip():
        columns = (_USER.c.name, _USER.c.login, _USER.c.email, _USER.c.phone)
        found.append(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
    if wanted.department is not None:
        inside = sorted(people.below(unit.connection, wanted.department))
        found.append(_USER.c.department_id.in_(inside))
    if wanted.role:
        held = sa.select(_ROLE.c.user_id).where(_ROLE.c.role == wanted.role)
        found.append(_USER.c.id.in_(held))
    match wanted.status:
        case "active":
            found += [open_, sa.not_(never)]
        case "invited":
            found += [open_, never]
        case "disabled":
            found.append(_USER.c.disabled_at.is_not(None))
    return found


# --- what roles open ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Opened:
    """Which entities a set of roles opens: to see anything of them, to change something."""

    seen: frozenset[str]
    changed: frozenset[str]


def opened(unit: Unit, roles: Iterable[str]) -> Opened:
    """What roles open together; which records of an entity is up to their conditions."""
    actor = replace(SYSTEM, system=False, name="", roles=frozenset(roles))
    access = {name: unit.app.access(name, actor) for name in unit.app.model.entities}
    return Opened(
        frozenset(name for name, one in access.items() if one.may("read")),
        frozenset(
            name
            for name, one in access.items()
            if one.may("write") or one.may("create") or one.may("delete")
        ),
    )


# --- changing ----------------------------------------------------------------------------------
def invite(unit: Unit, login: str, values: Mapping[str, Any], origin: Origin = NOWHERE) -> int:
    """A new account without a password; its id. `values`: those of a profile, `roles`, and
    `is_operator` when an operator asks.

    Raises: NotFound, Invalid, Conflict when the login is taken.
    """
    allowed(unit)
    profile: dict[str, Any] = {name: values[name] for name in PROFILE if name in values}
    name = str(profile.pop("name", "") or "")
    if problems := mistakes_of(unit, login.strip(), {**profile, "name": name}):
        raise Invalid(problems)
    roles = sorted(set(values.get("roles", ())))
    operator = bool(values.get("is_operator")) and above_all(unit)
    user = people.create_user(
        unit,
        login.strip(),
        name,
        roles=roles,
        department=profile.pop("department_id", None),
        manager=profile.pop("manager_id", None),
        is_operator=operator,
        **_kept({"language": "", **profile}),
    )
    details = {"login": login.strip(), "roles": roles, "operator": operator}
    log(unit, "user.made", (PERSON, user), details, origin)
    note(unit, PERSON, user, 1, "create", {"login": [None, login.strip()]})
    return user


def change(
    unit: Unit, user: int, values: Mapping[str, Any], origin: Origin = NOWHERE
) -> frozenset[str]:
    """Change somebody's profile: `values` of `PROFILE`, and `is_operator` when an operator asks.
    Which ones differ.

    Raises: NotFound, Invalid, Conflict.
    """
    alone(unit)
    row = manageable(unit, user)
    given = _kept({name: values[name] for name in PROFILE if name in values})
    if "is_operator" in values and above_all(unit):
        given["is_operator"] = bool(values["is_operator"])
    changed = {name: one for name, one in given.items() if one != getattr(row, name)}
    for name in ("department_id", "manager_id"):
        if name in changed:
            not_oneself(unit, user, name)
    if problems := _mistakes(unit, changed, user):
        raise Invalid(problems)
    if row.is_operator and not changed.get("is_operator", True):
        _step_down(unit, user, roles_of(unit, [user]).get(user, ()), False)
    if not changed:
        return frozenset()
    people.change_user(unit, user, **changed)
    said = {name: [getattr(row, name), one] for name, one in changed.items()}
    note(unit, PERSON, user, row.version + 1, "change", said)
    details: dict[str, Any] = {"fields": sorted(changed)}
    if "is_operator" in changed:
        details["operator"] = changed["is_operator"]
    log(unit, "user.changed", (PERSON, user), details, origin)
    return frozenset(changed)


def give_roles(
    unit: Unit, user: int, roles: Iterable[str], origin: Origin = NOWHERE
) -> tuple[list[str], list[str]]:
    """The roles somebody holds from his next request on; those he gained, those he lost.

    Raises: NotFound, Invalid for an unknown role or for raising oneself, Conflict for an operator's
    account and for the last administrator.
    """
    alone(unit)
    row = manageable(unit, user)
    before, after = set(roles_of(unit, [user]).get(user, ())), set(roles)
    gained, lost = sorted(after - before), sorted(before - after)
    if gained:
        not_oneself(unit, user, "roles")
    if lost and row.disabled_at is None:
        _step_down(unit, user, after, row.is_operator)
    if not gained and not lost:
        return [], []
    people.set_roles(unit, user, after)
    people.change_user(unit, user)
    said = {"roles": [sorted(before), sorted(after)]}
    note(unit, PERSON, user, row.version + 1, "change", said)
    for kind, names in (("role.given", gained), ("role.taken", lost)):
        if names:
            log(unit, kind, (PERSON, user), {"roles": names}, origin)
    return gained, lost


def _step_down(unit: Unit, user: int, roles: Iterable[str], operator: bool) -> None:
    if not operator and not administering(unit, roles):
        keep_one(unit, user)


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Texts without blanks around them, and nothing instead of empty ones."""
    texts = {name: one.strip() if isinstance(one, str) else one for name, one in values.items()}
    return {
        name: None if one == "" and name in {"email", "phone"} else one
        for name, one in texts.items()
    }


def mistakes_of(unit: Unit, login: str, values: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with an account that is to be made."""
    found = [] if people.LOGIN.match(login) else [Problem("R502", pointer="/login")]
    return found + _mistakes(unit, values, None)


def _mistakes(unit: Unit, values: Mapping[str, Any], user: int | None) -> list[Problem]:
    """What is wrong with a profile."""
    found = []
    name = values.get("name", "x")
    if not (1 <= len(name.strip()) <= 100 and name.isprintable()):
        found.append(Problem("U110", pointer="/name"))
    for field, form, code in (("email", _MAIL, "U111"), ("phone", _PHONE, "U112")):
        given = (values.get(field) or "").strip()
        if given and not form.fullmatch(given):
            found.append(Problem(code, pointer=f"/{field}"))
    if (values.get("language") or "") not in ("", *LANGUAGES):
        found.append(Problem("U113", {"known": list(LANGUAGES)}, "/language"))
    department, manager = values.get("department_id"), values.get("manager_id")
    if department is not None and not _department(unit, department):
        found.append(Problem("U114", pointer="/department_id"))
    if manager is not None:
        found += _wrong_manager(unit, user, manager)
    return found


def _department(unit: Unit, department: int) -> bool:
    open_ = sa.select(_DEPT.c.id).where(_DEPT.c.id == department, _DEPT.c.removed_at.is_(None))
    return unit.connection.scalar(open_) is not None


def _wrong_manager(unit: Unit, user: int | None, manager: int) -> list[Problem]:
    """A superior has an open account and does not stand below whom he leads."""
    rows = unit.connection.execute(sa.select(_USER.c.id, _USER.c.manager_id, _USER.c.disabled_at))
    known = {row.id: row for row in rows}
    if manager not in known or known[manager].disabled_at is not None:
        return [Problem("U115", pointer="/manager_id")]
    here: int | None = manager
    seen: set[int] = set()
    while here is not None and here in known and here not in seen:
        if here == user:
            return [Problem("U116", pointer="/manager_id")]
        seen.add(here)
        here = known[here].manager_id
    return []
