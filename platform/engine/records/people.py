"""Users, departments and the roles users hold: what the engine needs of them, and their upkeep.

Signing in is not here (see the shell); whoever calls the writing functions has been asked for the
right to do so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

import sqlalchemy as sa

from engine.definitions.model import Model
from engine.problems import Problem
from engine.records.actor import ids_of
from engine.records.failures import Conflict, Invalid, NotFound
from engine.records.unit import Actor, Unit
from engine.storage import Ids
from engine.tables import system

LOGIN: Final = re.compile(r"[A-Za-z0-9._@-]{2,64}\Z")
_USER, _ROLE, _DEPT = system.USER, system.USER_ROLE, system.DEPARTMENT


@dataclass(frozen=True, slots=True)
class Department:
    """A department; `path` lists the ids from the top down to itself: "/1/7/"."""

    id: int
    name: str
    parent: int | None
    path: str
    manager: int | None
    position: int = 0


def actor_of(connection: sa.Connection, user: int, model: Model | None = None) -> Actor | None:
    """The actor that a user is, None when there is no such user or the account is closed."""
    row = connection.execute(sa.select(_USER).where(_USER.c.id == user)).one_or_none()
    if row is None or row.disabled_at is not None:
        return None
    roles = connection.scalars(sa.select(_ROLE.c.role).where(_ROLE.c.user_id == user))
    department = row.department_id
    return Actor(
        id=row.id,
        name=row.name,
        login=row.login,
        roles=frozenset(roles),
        department=department,
        departments=tuple(sorted(below(connection, department))) if department else (),
        above=above(connection, department) if department else (),
        language=row.language or (model.default_language if model else ""),
        timezone=row.timezone or (model.timezone if model else ""),
        operator=row.is_operator,
    )


def below(connection: sa.Connection, department: int) -> frozenset[int]:
    """A department and all that are under it."""
    top = _DEPT.alias()
    inside = sa.func.substr(_DEPT.c.path, 1, sa.func.length(top.c.path)) == top.c.path
    found = connection.scalars(
        sa.select(_DEPT.c.id).where(top.c.id == department, inside, _DEPT.c.removed_at.is_(None))
    )
    return frozenset(found) | {department}


def above(connection: sa.Connection, department: int) -> tuple[int, ...]:
    """A department and all that it is under."""
    path = connection.scalar(sa.select(_DEPT.c.path).where(_DEPT.c.id == department))
    return ids_of(path or "")


def user_record(connection: sa.Connection, user: int) -> dict[str, Any] | None:
    """A user as expressions see him."""
    row = connection.execute(
        sa.select(
            _USER.c.id, _USER.c.name, _USER.c.login, _USER.c.department_id, _USER.c.manager_id
        ).where(_USER.c.id == user)
    ).one_or_none()
    if row is None:
        return None
    roles = connection.scalars(sa.select(_ROLE.c.role).where(_ROLE.c.user_id == user))
    return {
        "id": row.id,
        "name": row.name,
        "login": row.login,
        "dept": row.department_id,
        "manager": row.manager_id,
        "roles": sorted(roles),
    }


def department_record(connection: sa.Connection, department: int) -> dict[str, Any] | None:
    """A department as expressions see it."""
    row = connection.execute(sa.select(_DEPT).where(_DEPT.c.id == department)).one_or_none()
    if row is None:
        return None
    return {
        "id": row.id,
        "name": row.name,
        "parent": row.parent_id,
        "manager": row.manager_id,
    }


# --- users -------------------------------------------------------------------------------------
def create_user(
    unit: Unit,
    login: str,
    name: str,
    *,
    roles: Iterable[str] = (),
    department: int | None = None,
    manager: int | None = None,
    password_hash: str | None = None,
    **more: Any,
) -> int:
    """A new account; its id. `more`: email, phone, language, timezone, is_operator.

    Raises: Invalid for a bad login, name or role; Conflict when the login is taken.
    """
    if not LOGIN.match(login):
        raise Invalid([Problem("R502", pointer="/login")])
    _check_name(name)
    # one person, one account: "Lin" and "lin" look the same on a badge
    taken = sa.select(_USER.c.id).where(sa.func.lower(_USER.c.login) == login.lower())
    if unit.connection.execute(taken).first():
        raise Conflict([Problem("R501", {"login": login}, "/login")])
    user = _ids(unit).next(unit.connection)
    unit.connection.execute(
        sa.insert(_USER).values(
            id=user,
            login=login,
            name=name.strip(),
            department_id=department,
            manager_id=manager,
            password_hash=password_hash,
            created_at=unit.now,
            **{"is_operator": False, **more},
        )
    )
    set_roles(unit, user, roles)
    return user


def change_user(unit: Unit, user: int, **values: Any) -> None:
    """Set columns of `dg_user`: name, email, phone, department_id, manager_id, language, timezone,
    is_operator, password_hash, password_at, disabled_at, seen_at.

    Raises: NotFound, Invalid.
    """
    if "name" in values:
        _check_name(values["name"])
    statement = sa.update(_USER).where(_USER.c.id == user)
    values["version"] = _USER.c.version + 1
    if unit.connection.execute(statement.values(**values)).rowcount != 1:
        raise NotFound


def close_logins(connection: sa.Connection, login: str) -> list[str]:
    """The logins that were most likely meant: for the operator's eyes only."""
    found = list(connection.scalars(sa.select(_USER.c.login).order_by(_USER.c.login)))
    return get_close_matches(login, found, 3)


def set_roles(unit: Unit, user: int, roles: Iterable[str]) -> None:
    """The roles a user holds from now on.

    Raises: Invalid for a role that the published definitions do not know.
    """
    wanted = sorted(set(roles))
    for role in wanted:
        if role not in unit.app.model.roles:
            params = {"role": role, "known": [*unit.app.model.roles]}
            raise Invalid([Problem("R503", params, "/roles")])
    unit.connection.execute(sa.delete(_ROLE).where(_ROLE.c.user_id == user))
    if wanted:
        unit.connection.execute(
            sa.insert(_ROLE), [{"user_id": user, "role": role} for role in wanted]
        )


def find_user(connection: sa.Connection, login: str) -> Mapping[str, Any] | None:
    """The row of `dg_user` with that login, upper and lower case alike."""
    found = sa.select(_USER).where(sa.func.lower(_USER.c.login) == login.lower())
    row = connection.execute(found).mappings().first()
    return None if row is None else dict(row)


def list_users(
    connection: sa.Connection, text: str = "", *, closed: bool = False, limit: int = 200
) -> list[dict[str, Any]]:
    """Users with their roles, by name; `text` looks in name and login."""
    statement = sa.select(_USER).order_by(_USER.c.name, _USER.c.id).limit(limit)
    if text:
        statement = statement.where(
            sa.or_(
                _USER.c.name.contains(text, autoescape=True),
                _USER.c.login.contains(text, autoescape=True),
            )
        )
    if not closed:
        statement = statement.where(_USER.c.disabled_at.is_(None))
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    held: dict[int, list[str]] = {}
    for user, role in connection.execute(sa.select(_ROLE.c.user_id, _ROLE.c.role)):
        held.setdefault(user, []).append(role)
    for row in rows:
        del row["password_hash"]
        row["roles"] = sorted(held.get(row["id"], ()))
    return rows


def holders(connection: sa.Connection, roles: Collection[str]) -> list[int]:
    """The ids of the active users who hold one of the roles, ascending."""
    return list(connection.scalars(holding(roles)))


def holding(roles: Collection[str]) -> sa.Select[tuple[int]]:
    """The statement behind `holders`."""
    return (
        sa.select(_USER.c.id)
        .join(_ROLE, _ROLE.c.user_id == _USER.c.id)
        .where(_ROLE.c.role.in_(list(roles)), _USER.c.disabled_at.is_(None))
        .distinct()
        .order_by(_USER.c.id)
    )


# --- departments -------------------------------------------------------------------------------
def departments(connection: sa.Connection) -> list[Department]:
    """All departments, parents before children, siblings in their order."""
    rows = connection.execute(
        sa.select(_DEPT).where(_DEPT.c.removed_at.is_(None)).order_by(_DEPT.c.position, _DEPT.c.id)
    )
    found = [
        Department(row.id, row.name, row.parent_id, row.path, row.manager_id, row.position)
        for row in rows
    ]
    children: dict[int | None, list[Department]] = {}
    for department in found:
        children.setdefault(department.parent, []).append(department)

    def under(parent: int | None) -> list[Department]:
        return [each for child in children.get(parent, ()) for each in (child, *under(child.id))]

    return under(None)


def create_department(
    unit: Unit,
    name: str,
    parent: int | None = None,
    manager: int | None = None,
    *,
    key: str = "",
    position: int = 0,
) -> int:
    """A new department; its id."""
    _check_name(name)
    department = _ids(unit).next(unit.connection)
    unit.connection.execute(
        sa.insert(_DEPT).values(
            id=department,
            key=key,
            name=name.strip(),
            parent_id=parent,
            path=f"{_path(unit.connection, parent)}{department}/",
            manager_id=manager,
            position=position,
        )
    )
    return department


def change_department(
    unit: Unit,
    department: int,
    *,
    name: str,
    parent: int | None,
    manager: int | None,
    position: int = 0,
) -> None:
    """Rename, move (with all below it) or hand over a department.

    Raises: NotFound, Invalid when it would come to stand below itself.
    """
    _check_name(name)
    old = unit.connection.scalar(sa.select(_DEPT.c.path).where(_DEPT.c.id == department))
    if old is None:
        raise NotFound
    if parent is not None and parent in below(unit.connection, department):
        raise Invalid([Problem("R504", pointer="/parent")])
    new = f"{_path(unit.connection, parent)}{department}/"
    moved = sa.func.substr(_DEPT.c.path, 1, len(old)) == old
    unit.connection.execute(
        sa.update(_DEPT)
        .where(moved)
        .values(path=sa.literal(new).concat(sa.func.substr(_DEPT.c.path, len(old) + 1)))
    )
    unit.connection.execute(
        sa.update(_DEPT)
        .where(_DEPT.c.id == department)
        .values(name=name.strip(), parent_id=parent, manager_id=manager, position=position)
    )


def remove_department(unit: Unit, department: int, now: datetime | None = None) -> None:
    """Close an empty department.

    Raises: Conflict while people or departments are in it.
    """
    people = sa.select(_USER.c.id).where(_USER.c.department_id == department)
    inner = sa.select(_DEPT.c.id).where(
        _DEPT.c.parent_id == department, _DEPT.c.removed_at.is_(None)
    )
    if (
        unit.connection.execute(people.limit(1)).first()
        or unit.connection.execute(inner.limit(1)).first()
    ):
        raise Conflict([Problem("R505")])
    unit.connection.execute(
        sa.update(_DEPT).where(_DEPT.c.id == department).values(removed_at=now or unit.now)
    )


def _path(connection: sa.Connection, department: int | None) -> str:
    if department is None:
        return "/"
    found = connection.scalar(sa.select(_DEPT.c.path).where(_DEPT.c.id == department))
    if found is None:
        raise NotFound
    return str(found)


def _check_name(name: str) -> None:
    if not 1 <= len(name.strip()) <= 100:
        raise Invalid([Problem("R506", pointer="/name")])


def _ids(unit: Unit) -> Ids:
    return unit.app.database.ids
