"""Prepare and serve the generated application for the same work."""

from __future__ import annotations

import hmac
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.data import customers
from benchmarks.prepared import Prepared, free_port
from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.accounts.sessions import start_session
from engine.accounts.tokens import digest
from engine.packs import load_company
from engine.records.company import Company
from engine.records.people import create_department, create_user
from engine.records.unit import SYSTEM
from engine.tables import search

PACKS = Path(__file__).parent / "pack"
KEY = "bench"
SLICE = 5_000


def prepare(folder: Path, rows: int, users: int, url: str = "") -> Prepared:
    """A company with `rows` customers, in SQLite or in the PostgreSQL at `url`; how to start and
    ask it."""
    installation = Installation(load_settings(folder))
    model, sources, problems = load_company([PACKS], "bench")
    assert model is not None, problems
    company = create_company(installation, Listing(KEY, "", "bench", url), sources)
    people = _people(company, users)
    with company.database.write() as connection:
        ids = company.database.ids.take(connection, rows)
    for batch in _slices(rows, people):
        _insert(company, batch, ids[0] - 1)
    with company.database.write() as connection:
        connection.exec_driver_sql("ANALYZE")
        token = start_session(connection, people[0], datetime.now(UTC), hours=12)
    installation.close()
    port = free_port()
    base = f"/{KEY}"
    return Prepared(
        command=[
            sys.executable,
            "-m",
            "dougong",
            "serve",
            "--data",
            str(folder),
            "--port",
            str(port),
            *(["--dev"] if url else []),  # the run's PostgreSQL does not wait for the disk
        ],
        port=port,
        headers={"Cookie": f"dg_session={token}", "X-CSRF-Token": _csrf(folder, token)},
        probe=f"{base}/api/v1/customer/{ids[0]}",
        api=f"{base}/api/v1/customer",
        page=f"{base}/e/customer",
        style="f.{}.eq",
        first=ids[0],
        person=people[0],
    )


def _people(company: Company, count: int) -> list[int]:
    """Salespeople of one department."""
    with company.unit(SYSTEM, write=True, source="command") as unit:
        department = create_department(unit, "销售部")
        return [
            create_user(unit, f"user{n}", f"用户{n}", roles=["sales"], department=department)
            for n in range(1, count + 1)
        ]


def _slices(rows: int, people: list[int]) -> Any:
    batch = []
    for row in customers(rows, len(people)):
        batch.append(row | {"owner": people[row["owner"] - 1]})
        if len(batch) == SLICE:
            yield batch
            batch = []
    if batch:
        yield batch


def _insert(company: Company, batch: list[dict[str, Any]], before: int) -> None:
    """Rows and their search index, straight into the tables: only the requests are measured."""
    now = datetime.now(UTC)
    place = company.current.tables.of("customer")
    with company.database.write() as connection:
        connection.execute(
            place.table.insert(),
            [
                {
                    place.column(name).name: value
                    for name, value in (
                        row
                        | {
                            "created_at": now,
                            "updated_at": now,
                            "created_by": row["owner"],
                            "updated_by": row["owner"],
                        }
                    ).items()
                    if name != "id"
                }
                | {"id": before + row["id"], "version": 1}
                for row in batch
            ],
        )
        if place.search is not None:
            texts = [
                (before + row["id"], [row[name] for name in place.search.fields]) for row in batch
            ]
            search.index_many(connection, place.search, texts)


def _csrf(folder: Path, token: str) -> str:
    return hmac.new((folder / "secret").read_bytes(), digest(token).encode(), "sha256").hexdigest()
