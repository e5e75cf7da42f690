"""The company's people as actors, read at once, and those among them who are alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from engine.access.predicates import Term
from engine.expressions import dependencies
from engine.expressions.tree import Call, walk
from engine.records.actor import Actor, ids_of
from engine.tables.system import DEPARTMENT, USER, USER_ROLE

Roles = frozenset[str]
_PERSONAL = frozenset({"participant", "shared"})  # facts that are each person's own


@dataclass(frozen=True, slots=True)
class Alike:
    """People for whom the same predicates mean the same; `one` stands for all of them."""

    one: Actor
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.names)


def crowd(connection: sa.Connection) -> Mapping[Roles, Sequence[Actor]]:
    """Everybody with an open account, by the roles he holds."""
    held: dict[int, set[str]] = {}
    for user, role in connection.execute(sa.select(USER_ROLE.c.user_id, USER_ROLE.c.role)):
        held.setdefault(user, set()).add(role)
    places = {
        row.id: row.path
        for row in connection.execute(sa.select(DEPARTMENT.c.id, DEPARTMENT.c.path))
    }
    below: dict[int, list[int]] = {}
    for id, path in places.items():
        for above in ids_of(path):
            below.setdefault(above, []).append(id)
    found: dict[Roles, list[Actor]] = {}
    people = sa.select(USER).where(USER.c.disabled_at.is_(None)).order_by(USER.c.id)
    for row in connection.execute(people):
        roles, place = frozenset(held.get(row.id, ())), row.department_id
        actor = Actor(
            id=row.id,
            name=row.name,
            login=row.login,
            roles=roles,
            department=place,
            departments=tuple(sorted(below.get(place, [place]))) if place else (),
            above=ids_of(places.get(place, "")) if place else (),
            operator=row.is_operator,
        )
        found.setdefault(roles, []).append(actor)
    return found


def alike(people: Sequence[Actor], terms: Iterable[Term]) -> Iterator[Alike]:
    """People of the same roles, put together as far as `terms` cannot tell them apart."""
    personal, placed = _asks(terms)
    groups: dict[int | None, list[Actor]] = {}
    for one in people:
        key = one.id if personal else one.department if placed else None
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        yield Alike(group[0], tuple(one.name for one in group))


def _asks(terms: Iterable[Term]) -> tuple[bool, bool]:
    """Whether predicates look at who somebody is, and at where he belongs."""
    personal = placed = False
    for term in terms:
        if isinstance(term, bool):
            continue
        for path in dependencies(term):
            placed |= path[0] == "my" or path[:2] == ("me", "dept")
            personal |= path[0] == "me" and path[1:2] not in (("dept",), ("roles",))
        calls = {part.function for part in walk(term) if isinstance(part, Call)}
        personal |= bool(calls & _PERSONAL)
    return personal, placed
