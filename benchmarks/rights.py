"""What rights cost: the same reader, the same rows, once without any and once with all kinds.

``python -m benchmarks.rights`` writes ``benchmarks/results/rights.md``. Two entities of one company
have the same fields, indexes and rows. On `open` a role may read everything. On `narrow` the same
role reads by department, by sharing and by taking part, under a grade of secrecy; two fields depend
on the record, two are masked, one is hidden. All rows are visible on both sides, so that both do
the same work beside. Requests are interleaved; figures are medians, the ratio is narrow / open.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from tests.databases import server

from dougong.app import create_app
from dougong.installation import Installation, Listing
from dougong.security import SESSION_COOKIE
from dougong.settings import load_settings
from dougong.setup import create_company
from engine.accounts.sessions import start_session
from engine.lists import parse_query
from engine.records import bulk, people, reading
from engine.records.actor import Actor
from engine.records.company import Company
from engine.records.unit import SYSTEM

KEY, ROWS, ROUNDS, WARM = "rights", 20_000, 300, 30
RESULTS = Path(__file__).parent / "results"
ROLE = "seller"
GRADES = {"open": 1, "inner": 2, "secret": 3}
NARROW = {
    "phone": {"read": "owner == me", "mask": "phone"},
    "wechat": {"read": False, "mask": "all"},
    "city": {"read": "level != 'A' or owner == me"},
    "margin": {"read": False},
}


def entity(name: str, *, narrow: bool) -> dict[str, Any]:
    """The definition of one side."""

    def text(title: str, **more: Any) -> dict[str, Any]:
        found = {"type": ["string", "null"], "title": title, **more}
        key = title.lower()
        return found | ({"x-access": {ROLE: NARROW[key]}} if narrow and key in NARROW else {})

    grades = [{"const": one, "title": one} for one in GRADES]
    about: dict[str, Any] = {"name": name, "plural": name, "label": "{name}"}
    about["traits"] = ["owned", "shared"]
    grant: dict[str, Any] = {"read": True}
    if narrow:
        about["grade"] = "grade"
        grant = {"read": "owner.dept within my.dept or participant()", "write": "own"}
    return {
        "$schema": "https://dougong.dev/schema/entity-1.json",
        "x-entity": about,
        "title": name.title(),
        "type": "object",
        "unevaluatedProperties": False,
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "title": "Name"},
            "level": {"title": "Level", "oneOf": [{"const": x, "title": x} for x in "ABC"]},
            "grade": {"title": "Grade", "default": "open", "oneOf": grades},
            "owner": text("Owner", **{"x-type": "user"}),
            "phone": text("Phone", **{"x-type": "phone"}),
            "wechat": text("Wechat"),
            "city": text("City"),
            "margin": text("Margin"),
            **{f"field{at}": text(f"Field {at}") for at in range(6)},
            "amount": {"type": ["number", "null"], "title": "Amount", "x-type": "money"},
        },
        "x-list": {"columns": ["name", "level", "owner", "phone", "wechat", "city", "amount"]},
        "x-keys": {"index": [["owner"], ["level"]]},
        "x-access": {ROLE: grant},
    }


def sources() -> dict[str, str]:
    """The definitions of the company."""
    pack = {
        "$schema": "https://dougong.dev/schema/pack-1.json",
        "name": "rights",
        "title": "Rights",
        "version": "1.0.0",
        "languages": ["en"],
        "roles": {"admin": {"title": "Admin", "admin": True}, ROLE: {"title": "Seller"}},
        "clearance": {
            "grades": {name: {"title": name, "order": at} for name, at in GRADES.items()},
            "everyone": "inner",
        },
    }
    bodies = {"pack": pack, "open": entity("open", narrow=False)}
    bodies["narrow"] = entity("narrow", narrow=True)
    return {f"entity_defs/rights/{name}.json": json.dumps(body) for name, body in bodies.items()}


def fill(company: Company) -> tuple[Actor, dict[str, list[int]]]:
    """People and rows; the reader, and the ids of either side."""
    with company.unit(SYSTEM, write=True) as unit:
        top = people.create_department(unit, "Sales")
        places = [people.create_department(unit, f"Team {at}", parent=top) for at in range(4)]
        owners = [
            people.create_user(unit, f"u{at}", f"U {at}", roles=[ROLE], department=places[at % 4])
            for at in range(20)
        ]
        reader = people.create_user(unit, "reader", "Reader", roles=[ROLE], department=top)
    ids: dict[str, list[int]] = {}
    for name in ("open", "narrow"):
        made: list[int] = []
        for start in range(0, ROWS, 2_000):
            with company.unit(SYSTEM, write=True) as unit:
                rows = [
                    {
                        "name": f"Row {at}",
                        "level": "ABC"[at % 3],
                        "grade": ("open", "inner")[at % 2],
                        "owner": str(owners[at % 20]),
                        "phone": f"138{at:08}",
                        "wechat": f"w{at}",
                        "city": f"City {at % 50}",
                        "margin": "12",
                        "field0": "text",
                        "amount": str(at),
                    }
                    for at in range(start, start + 2_000)
                ]
                outcomes = bulk.create_many(unit, name, rows)
                made += [one.id for one in outcomes if one.id]
        ids[name] = made
    with company.database.write() as connection:
        connection.exec_driver_sql("ANALYZE")
    with company.database.read() as connection:
        actor = people.actor_of(connection, reader)
    assert actor is not None
    return actor, ids


def works(
    client: FlaskClient, company: Company, actor: Actor, ids: dict[str, list[int]]
) -> dict[str, Callable[[str, int], int]]:
    """What is measured: (entity, round) -> how much was seen."""

    def listed(name: str, *pairs: tuple[str, str], counted: bool = False) -> int:
        with company.unit(actor) as unit:
            query, problems = parse_query([*pairs], unit.entity(name), unit.access(name))
            assert not problems, problems
            page = reading.find(unit, query)
            if counted:
                reading.count(unit, query)
            return len(page.rows)

    def one(name: str, at: int) -> int:
        with company.unit(actor) as unit:
            return int(bool(reading.read(unit, name, ids[name][(at * 37) % ROWS])))

    def asked(address: str) -> int:
        answer = client.get(f"/{KEY}/api/v1/{address}")
        assert answer.status_code == 200, answer.data
        return len(answer.get_json().get("items", "1"))

    return {
        "API: one record": lambda name, at: asked(f"{name}/{ids[name][(at * 37) % ROWS]}"),
        "API: list of 25, newest first": lambda name, _at: asked(name),
        "API: list of 25, filtered, sorted, counted": lambda name, at: asked(
            f"{name}?f.level.eq={'ABC'[at % 3]}&sort=-name"
        ),
        "query: one record": one,
        "query: list of 25, newest first": lambda name, _at: listed(name),
        "query: list of 25, filtered, sorted, counted": lambda name, at: listed(
            name, ("f.level.eq", "ABC"[at % 3]), ("sort", "-name"), counted=True
        ),
    }


def measure(installation: Installation, company: Company) -> Iterator[str]:
    """The lines of one database's table."""
    actor, ids = fill(company)
    client = create_app(installation).test_client()
    with company.database.write() as connection:
        token = start_session(connection, actor.id, datetime.now(UTC), hours=12)
    client.set_cookie(SESSION_COOKIE, token, path=f"/{KEY}/")
    for title, work in works(client, company, actor, ids).items():
        times: dict[str, list[float]] = {"open": [], "narrow": []}
        for at in range(WARM + ROUNDS):
            seen = set()
            for name in ("open", "narrow") if at % 2 else ("narrow", "open"):
                start = time.perf_counter()
                seen.add(work(name, at))
                if at >= WARM:
                    times[name].append(time.perf_counter() - start)
            assert len(seen) == 1, (title, seen)
        plain, narrow = (statistics.median(times[name]) * 1000 for name in ("open", "narrow"))
        yield f"| {title} | {plain:.2f} | {narrow:.2f} | {narrow / plain:.2f} |"


def main() -> None:
    """Measure both databases, print the tables and keep them."""
    lines = ["# What rights cost", ""]
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        for kind, place in (("SQLite", ""), ("PostgreSQL", url)):
            installation = Installation(load_settings(Path(folder) / kind))
            company = create_company(installation, Listing(KEY, "", "rights", place), sources())
            lines += [f"## {kind}", "", "| work | none, ms | with rights, ms | ratio |"]
            lines += ["|---|---|---|---|", *measure(installation, company), ""]
            installation.close()
    text = "\n".join(lines)
    print(text)
    (RESULTS / "rights.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
