"""The history is the company: from an empty page, its rows lead to what is in the tables now."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from tests.companies import Visitor, filled
from tests.security.oracle import Oracle
from tests.security.world import World

from engine.fields import FieldType, bind
from engine.records.company import Company
from engine.tables import system

ENDED = {"delete", "remove"}
BESIDE = {"comment"}  # what is told of a record without changing it


def lost(company: Company) -> list[str]:
    """What the tables hold and the history does not tell, or tells otherwise."""
    wrong: list[str] = []
    app = company.current
    table = system.HISTORY
    with company.database.read() as connection:
        told: dict[tuple[str, int], list[Any]] = {}
        for row in connection.execute(sa.select(table).order_by(table.c.id)):
            told.setdefault((row.entity, row.record_id), []).append(row)
        for entity, definition in app.model.entities.items():
            types = {n: bind(f) for n, f in definition.fields.items() if not f.compute}
            types = {n: k for n, k in types.items() if not definition.fields[n].system}
            ids = list(connection.scalars(sa.select(app.tables.of(entity).id)))
            for record in app.reader.load_many(connection, entity, ids, removed=True):
                rows = told.pop((entity, record["id"]), [])
                wrong += [f"{entity} {record['id']}: {one}" for one in _of(types, record, rows)]
    wrong += [f"{entity} {id}: a history without a record" for entity, id in told]
    return wrong


def _of(types: dict[str, FieldType], record: dict[str, Any], rows: list[Any]) -> list[str]:
    wrong = []
    changed = [row for row in rows if row.action not in BESIDE]
    versions = [row.version for row in changed]
    if versions != list(range(1, len(versions) + 1)):
        wrong.append(f"its versions are {versions}")
    if versions and versions[-1] != record["version"]:
        wrong.append(f"version {record['version']}, the history ends with {versions[-1]}")
    if any(not row.source or not row.at for row in rows):
        wrong.append("a row does not tell when or from where")
    values: dict[str, Any] = {}
    for row in changed:
        for name, (old, new) in (row.changes or {}).items():
            if name in types and not _same(types[name], values.get(name), old):
                wrong.append(f"{name} was {values.get(name)!r}, the history says {old!r}")
            values[name] = new
    for name, kind in types.items():
        now = record.get(name)
        wire = None if now is None else kind.to_json(now)
        if not _same(kind, values.get(name), wire):
            wrong.append(f"{name} is {wire!r}, the history leads to {values.get(name)!r}")
    gone = bool(changed) and changed[-1].action in ENDED
    if gone != ("removed_at" in record):
        wrong.append(f"removed: {not gone}, the history ends with {changed[-1].action}")
    return wrong


def _same(_kind: FieldType, one: Any, other: Any) -> bool:
    return _plain(one) == _plain(other)


def _plain(value: Any) -> Any:
    """Nothing is nothing, however it is written; formulas of rows are made anew."""
    if value in (None, "", [], {}):
        return None
    if isinstance(value, list):
        return [_row(one) if isinstance(one, dict) else one for one in value]
    return value


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell for name, cell in row.items() if cell is not None and name != "amount"}


@dataclass
class Writers:
    """People who write at random, through every door there is."""

    world: World
    seed: int
    done: dict[str, int] = field(default_factory=dict)

    def run(self, length: int) -> Writers:
        """So many tries; what comes of each is counted by its door."""
        chance = random.Random(self.seed)
        doors = [self._create, self._patch, self._form, self._fire, self._decide, self._remove,
                 self._comment, self._board, self._quick]  # fmt: skip
        for _ in range(length):
            login = chance.choice(("admin", "carol", "alice", "bob", "erin", "dave"))
            door = chance.choice(doors)
            oracle = self.world.oracle()
            answer = door(oracle, login, chance)
            if answer is not None and answer.status_code < 400:
                self.done[door.__name__] = self.done.get(door.__name__, 0) + 1
        return self

    def _person(self, login: str) -> Visitor:
        return self.world.served.visitor("t1", login)

    def _mine(self, oracle: Oracle, login: str, chance: random.Random) -> tuple[str, Any] | None:
        found = [
            (entity, record)
            for entity, records in oracle.facts.records.items()
            for record in records.values()
            if oracle.row(login, "write", entity, record)
        ]
        return chance.choice(found) if found else None

    def _create(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        customers = sorted(oracle.visible(login, "customer"))
        entity = chance.choice(("customer", "contact", "contract", "note"))
        title = {"contract": "title", "note": "body"}.get(entity, "name")
        values: dict[str, Any] = {title: f"made {chance.randint(0, 10**6)}"}
        if entity in ("contact", "contract"):
            values["customer"] = chance.choice(customers) if customers else 1
        if entity == "contract":
            price = chance.choice((500, 200_000))
            values["items"] = [{"what": "a", "quantity": 2, "price": price}, {"what": "b"}]
        return self._person(login).api("POST", f"/{entity}", values)

    def _patch(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        if (found := self._mine(oracle, login, chance)) is None:
            return None
        entity, record = found
        body: dict[str, Any] = {"remark": f"said {chance.randint(0, 9)}"}
        if entity == "contract" and chance.random() < 0.6:
            body["items"] = [*record["items"][:1], {"what": "more", "price": 3, "quantity": 1}]
            body["items"] = [
                {"what": row["what"], "price": str(row["price"] or 1)} for row in body["items"]
            ]
        if entity == "customer":
            body = {"level": chance.choice("abc"), "remark": body["remark"]}
        body["version"] = record["version"]
        return self._person(login).api("PATCH", f"/{entity}/{record['id']}", body)

    def _form(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        if (found := self._mine(oracle, login, chance)) is None:
            return None
        entity, record = found
        path = f"/e/{entity}/{record['id']}/edit"
        page = self._person(login).get(path)
        if page.status_code != 200 or 'class="record-form"' not in page.text:
            return None
        form = filled(page.text, {"remark": f"typed {chance.randint(0, 9)}"})
        return self._person(login).form(path, form)

    def _fire(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        ids = sorted(oracle.visible(login, "contract"))
        if not ids:
            return None
        event = chance.choice(("submit", "archive", "task.approve", "task.reject"))
        path = f"/contract/{chance.choice(ids)}/events/{event}"
        return self._person(login).api("POST", path, {"comment": "so"})

    def _decide(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        person = self._person(login)
        items = person.get("/api/v1/tasks").json["items"]
        if not items:
            return None
        task = chance.choice(items)
        body = {"comment": "so", "version": task["version"]}
        word = chance.choice(("approve", "reject"))
        return person.api("POST", f"/tasks/{task['task']}/{word}", body)

    def _remove(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        gone = sorted(oracle.facts.removed["customer"])
        if gone and chance.random() < 0.5:
            return self._person(login).api("POST", f"/customer/{chance.choice(gone)}/restore", {})
        if (found := self._mine(oracle, login, chance)) is None:
            return None
        entity, record = found
        headers = {"If-Match": f'"{record["version"]}"'}
        path = f"/api/v1/{entity}/{record['id']}"
        return self._person(login).send("DELETE", path, headers=headers)

    def _comment(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        if (found := self._mine(oracle, login, chance)) is None:
            return None
        path = f"/e/{found[0]}/{found[1]['id']}/comment"
        return self._person(login).form(path, [("comment", "hello")])

    def _board(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        if (found := self._mine(oracle, login, chance)) is None or found[0] != "customer":
            return None
        record = found[1]
        form = [("value", chance.choice("abc")), ("version", str(record["version"]))]
        return self._person(login).form(f"/e/customer/{record['id']}/move", form)

    def _quick(self, oracle: Oracle, login: str, chance: random.Random) -> Any:
        form = [("f_name", f"quick {chance.randint(0, 10**6)}"), ("f_level", "a")]
        return self._person(login).form("/e/customer/quick", form)
