"""Who acts."""

from __future__ import annotations

from dataclasses import dataclass

from engine.access import Scopes


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever reads or writes. `departments` are the actor's own and all below it, `above` his own
    and all above it."""

    id: int
    name: str
    login: str = ""
    roles: frozenset[str] = frozenset()
    department: int | None = None
    departments: tuple[int, ...] = ()
    above: tuple[int, ...] = ()
    language: str = ""
    timezone: str = ""
    operator: bool = False
    system: bool = False  # the platform itself: timers, migrations, sample data
    scopes: Scopes | None = None  # of the token that he acts by; None: all that he may


def ids_of(path: str) -> tuple[int, ...]:
    """The departments of a path "/1/7/", from the top down."""
    return tuple(int(part) for part in path.split("/") if part)


SYSTEM = Actor(id=0, name="@system", system=True)
