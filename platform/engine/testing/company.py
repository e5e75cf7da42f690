"""A company from a pack, with people in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.packs import load_company
from engine.problems import Severity, text
from engine.records.company import Company
from engine.records.failures import NotFound
from engine.records.people import actor_of, create_user, find_user
from engine.records.publish import publish
from engine.records.unit import SYSTEM, Actor
from engine.storage import Database


@contextmanager
def temporary_company(
    roots: Sequence[Path], pack: str, database: Database | None = None
) -> Iterator[Company]:
    """A company that runs `pack`; on an SQLite file of its own unless a `database` is given.

    Raises: AssertionError listing every error of the definitions.
    """
    model, sources, problems = load_company(roots, pack)
    errors = [found for found in problems if found.severity is Severity.ERROR]
    told = "\n".join(f"{e.file}:{e.line} {e.pointer} {e.code} {text(e, 'en')}" for e in errors)
    assert model is not None, told
    with tempfile.TemporaryDirectory() as folder:
        place = database or Database.sqlite(Path(folder) / "company.sqlite")
        try:
            company = Company(pack, place, Path(folder) / "files")
            publish(company, sources, pack)
            yield company
        finally:
            if database is None:
                place.close()


def acting(company: Company, login: str, *roles: str, department: int | None = None) -> Actor:
    """The person `login`, created with `roles` when the company does not know him yet."""
    with company.unit(SYSTEM, write=True, source="test") as unit:
        found = find_user(unit.connection, login)
        id = (
            found["id"]
            if found
            else create_user(unit, login, login.title(), roles=roles, department=department)
        )
        actor = actor_of(unit.connection, id, unit.app.model)
    if actor is None:
        raise NotFound
    return actor
