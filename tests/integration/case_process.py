"""A process of its own that works on a company, asked line by line: see `test_case_processes`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from engine.records import flows, writing
from engine.records.company import Company
from engine.records.failures import Failure
from engine.records.people import actor_of, find_user
from engine.storage import Database


def answered(company: Company, ask: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request: a new paper, or an event on one."""
    with company.database.read() as connection:
        person = find_user(connection, ask["who"])
        assert person is not None
        actor = actor_of(connection, person["id"])
    assert actor is not None
    try:
        with company.unit(actor, write=True) as unit:
            if "id" not in ask:
                return {"id": writing.create(unit, "paper", {"title": "Paper"})["id"]}
            return {"state": flows.fire(unit, "paper", ask["id"], ask["event"]).state}
    except Failure as failure:
        return {"refused": failure.code}


def main() -> None:
    """Work until nobody asks any more. What it has once seen it may keep, as a server does."""
    kind, place, schema = sys.argv[1:]
    at = Database.sqlite(Path(place)) if kind == "sqlite" else Database.postgres(place, schema)
    company = Company("levels", at)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answered(company, json.loads(line))) + "\n")
        sys.stdout.flush()
    at.close()


if __name__ == "__main__":
    main()
