"""Every entity, person, record and action over HTTP, held against the oracle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.companies import Visitor
from tests.security.oracle import Oracle
from tests.security.world import World

EVERYBODY: Final = ("admin", "carol", "alice", "bob", "erin", "dave", "zoe", "gina")
TEXT: Final = {"customer": "name", "contact": "name", "note": "body"}  # else "title"


@dataclass
class Matrix:
    """Asks, compares, and keeps what differs."""

    world: World
    tenant: str = "t1"
    oracle: Oracle = field(init=False)
    cells: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.oracle = self.world.oracle(self.tenant)

    def person(self, login: str) -> Visitor:
        return self.world.served.visitor(self.tenant, login)

    def same(self, found: Any, said: Any, *about: Any) -> None:
        """One cell: what the product did against what the oracle says."""
        self.cells += 1
        if found != said:
            self.wrong.append(f"{' '.join(map(str, about))}: {found!r}, the oracle says {said!r}")

    def records(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        for entity, found in self.oracle.facts.records.items():
            for id, record in found.items():
                yield entity, id, record

    # --- reading -------------------------------------------------------------------------------
    def lists(self, login: str) -> None:
        """Which records a list shows, how many it counts, and what of each field."""
        person = self.person(login)
        for entity in self.oracle.entities:
            answer = person.get(f"/api/v1/{entity}?size=100&cols={','.join(self._fields(entity))}")
            if answer.status_code == 422:  # the columns he may not see at all
                answer = person.get(f"/api/v1/{entity}?size=100")
            there = answer.status_code == 200
            self.same(there, self.oracle.lists(login, entity), login, "list", entity)
            if not there:
                continue
            seen = self.oracle.visible(login, entity)
            self.same({row["id"] for row in answer.json["items"]}, seen, login, "list", entity)
            self.same(answer.json["count"], len(seen), login, "count", entity)
            page = person.get(f"/e/{entity}?size=100")
            linked = {int(id) for id in re.findall(rf'/e/{entity}/(\d+)"', page.text)}
            self.same(linked - self._removed(entity), seen, login, "page", entity)

    def _fields(self, entity: str) -> list[str]:
        return [
            name
            for name, said in self.oracle.entities[entity]["properties"].items()
            if said.get("x-type") != "lines"
        ]

    def _removed(self, entity: str) -> set[int]:
        return set(self.oracle.facts.removed[entity])

    def reads(self, login: str) -> None:
        """Each record by its id: there or not, on every page of it, and the level of each cell."""
        person = self.person(login)
        for entity, id, record in self.records():
            seen = self.oracle.row(login, "read", entity, record)
            for path in (
                f"/api/v1/{entity}/{id}", f"/api/v1/{entity}/{id}/history", f"/e/{entity}/{id}"
            ):  # fmt: skip
                answer = person.get(path)
                self.same(answer.status_code == 200, seen, login, "GET", path)
                if path == f"/api/v1/{entity}/{id}" and answer.status_code == 200:
                    self._cells(login, entity, record, answer.json)

    def _cells(self, login: str, entity: str, record: dict[str, Any], shown: Any) -> None:
        for name, said in self.oracle.entities[entity]["properties"].items():
            level = self.oracle.cell(login, entity, record, name)
            found = _shown(shown, name)
            masked_nothing = level == "masked" and record.get(name) in (None, "", [])
            expected = "read" if level == "write" or masked_nothing else level
            self.same(found, expected, login, "cell", entity, record["id"], name)
            if said.get("x-type") == "lines" and found == "read":
                for row in shown[name]:
                    for column in said["items"]["properties"]:
                        level = self.oracle.column(login, entity, name, column)
                        what = (login, "column", entity, name, column)
                        self.same(_shown(row, column), level, *what)

    def explains(self, login: str) -> None:
        """What somebody is told about his own rights is what he has; about what he does not see,
        nothing."""
        for entity, id, record in self.records():
            seen = self.oracle.row(login, "read", entity, record)
            for action in ("read", "write", "delete"):
                answer = self._why(login, entity, id, action)
                self.same(answer.status_code == 200, seen, login, "explain", entity, id, action)
                if seen and (action == "read" or self._free(login, entity, id, record)):
                    said = self.oracle.row(login, action, entity, record)
                    about = (login, "explain", entity, id, action)
                    self.same(answer.json["allowed"], said, *about)
            names = self.oracle.entities[entity]["properties"] if seen else {}
            for name in [n for n, said in names.items() if "x-access" in said]:
                level = self.oracle.cell(login, entity, record, name)
                answer = self._why(login, entity, id, "read", name)
                about = (login, "explain", entity, id, name)
                told = answer.status_code == 200 and answer.json["allowed"]
                self.same(told, level in ("read", "write"), *about)

    def _why(self, login: str, entity: str, id: int, action: str, name: str = "") -> Any:
        asked = {"entity": entity, "record": id, "action": action, "field": name}
        return self.person(login).get("/api/v1/explain", query_string=asked)

    # --- writing -------------------------------------------------------------------------------
    def reveals(self, login: str) -> None:
        """Uncover each masked cell of each record: those that the definition lets uncover."""
        for entity, id, record in self.records():
            for name, said in self.oracle.entities[entity]["properties"].items():
                if not any("mask" in one for one in said.get("x-access", {}).values()):
                    continue
                answer = self.person(login).api("POST", f"/{entity}/{id}/reveal/{name}", {})
                may = self.oracle.reveals(login, entity, record, name)
                level = self.oracle.cell(login, entity, record, name)
                if level in ("read", "write"):
                    continue  # nothing to uncover
                self.same(answer.status_code == 200, may, login, "reveal", entity, id, name)
                if may and answer.status_code == 200:
                    self.same(answer.json["value"], record[name], login, "uncovered", entity, id)

    def owns(self, login: str) -> None:
        """Share each record with somebody, take it from the pool, give it back."""
        person, me = self.person(login), self.oracle.facts.people[login]
        other = self.oracle.facts.people["gina" if login == "erin" else "erin"].id
        for entity, id, record in self.records():
            about = (login, entity, id)
            answer = person.api("POST", f"/{entity}/{id}/shares", {"user": other, "level": "read"})
            traits = self.oracle.entities[entity]["x-entity"].get("traits", ())
            may = "shared" in traits and self.oracle.row(login, "share", entity, record)
            self.same(answer.status_code not in (403, 404), may, *about, "share", answer.text[:90])
            version = {"version": record["version"]}
            seen = self.oracle.row(login, "read", entity, record)
            limited = bool(
                me.roles & self.oracle.entities[entity]["x-entity"].get("pool", {}).keys()
            )
            free = entity == "customer" and record["owner"] is None
            answer = person.api("POST", f"/{entity}/{id}/claim", version)
            self.same(answer.status_code == 200, seen and free and limited, *about, "claim")
            answer = person.api("POST", f"/{entity}/{id}/release", version)
            mine = limited and record.get("owner") == me.id
            may = mine or self.oracle.row(login, "write", entity, record)
            may = may and entity == "customer" and record["owner"] is not None
            self.same(answer.status_code == 200, may, *about, "release", answer.text[:90])

    def writes(self, login: str) -> None:
        """Change, remove, comment on and move each record."""
        person = self.person(login)
        for entity, id, record in self.records():
            about = (login, entity, id)
            version = record["version"]
            may = {
                a: self.oracle.row(login, a, entity, record) for a in ("read", "write", "delete")
            }
            remark = self.oracle.cell(login, entity, record, "remark") == "write"
            answer = person.api("PATCH", f"/{entity}/{id}", {"remark": "new", "version": version})
            self.same(answer.status_code == 200, remark, *about, "PATCH")
            if not may["read"]:
                self.same(answer.status_code, 404, *about, "PATCH of what is not there")
            answer = person.form(f"/e/{entity}/{id}/comment", [("comment", "seen")])
            self.same(answer.status_code == 303, may["read"], *about, "comment")
            answer = person.send(
                "DELETE", f"/api/v1/{entity}/{id}", headers={"If-Match": f'"{version}"'}
            )
            free = self._free(login, entity, id, record)
            self.same(_by_right(answer), may["delete"] and free, *about, "DELETE")
            self._events(login, entity, id, record)

    def _free(self, login: str, entity: str, id: int, record: dict[str, Any]) -> bool:
        """Whether a record may go at all: nothing points at it, its state does not hold it."""
        for other, definition in self.oracle.entities.items():
            for name, said in definition["properties"].items():
                link = said.get("x-ref", {})
                if link.get("to") == entity and link.get("on_delete") == "restrict":
                    records = self.oracle.facts.records[other].values()
                    if any(one.get(name) == id for one in records):
                        return False
        return not self.oracle.held(login, entity, record)

    def _events(self, login: str, entity: str, id: int, record: dict[str, Any]) -> None:
        if entity not in self.oracle.flows:
            return
        starter = next(
            one.login for one in self.oracle.facts.people.values() if one.id == record["owner"]
        )
        may = self.oracle.events(login, entity, record, starter)
        for event in ("submit", "archive"):
            answer = self.person(login).api("POST", f"/{entity}/{id}/events/{event}", {})
            self.same(answer.status_code == 200, event in may, login, entity, id, event)

    def fields(self, login: str) -> None:
        """Write each field of one record of each kind that the person may change."""
        for entity, definition in self.oracle.entities.items():
            found = self.oracle.facts.records[entity].values()
            mine = [one for one in found if self.oracle.row(login, "write", entity, one)]
            for record in mine[:1]:
                for name, said in definition["properties"].items():
                    value = _another(said, record.get(name))
                    if value is None:
                        continue
                    body = {name: value, "version": record["version"]}
                    answer = self.person(login).api("PATCH", f"/{entity}/{record['id']}", body)
                    may = self.oracle.cell(login, entity, record, name) == "write"
                    blind = self._blind(login, entity, record, name)
                    what = (login, "write", entity, record["id"], name, answer.text[:80])
                    self.same(_by_right(answer), may or blind, *what)

    def _blind(self, login: str, entity: str, record: dict[str, Any], name: str) -> bool:
        """A field that is written without being read: the definition has to say so."""
        return self.oracle._writes(self.oracle.facts.people[login], entity, record, name)

    def creates(self, login: str) -> None:
        """A new record of each kind, in each grade of secrecy."""
        customer = next(iter(self.oracle.visible(login, "customer")), 0)
        owed = next(iter(self.oracle.visible(login, "receivable")), 0)
        for entity in self.oracle.entities:
            for grade in ("open", "secret", "top") if entity == "note" else ("",):
                values: dict[str, Any] = {TEXT.get(entity, "title"): "A new one"}
                if entity in ("contact", "contract", "receivable"):
                    values["customer"] = customer
                if entity in ("receipt", "refund"):
                    values["receivable"] = owed
                if entity in ("receivable", "receipt", "refund"):
                    values["amount"] = "1.00"
                if grade:
                    values["secrecy"] = grade
                if 0 in values.values():
                    continue
                answer = self.person(login).api("POST", f"/{entity}", values)
                said = self.oracle.row(login, "create", entity, values)
                self.same(_by_right(answer), said, login, "create", entity, grade)


def _by_right(answer: Any) -> bool:
    """Whether nothing but a rule on the values stood in the way."""
    if answer.status_code != 422:
        return bool(answer.status_code in (200, 201, 204))
    return all(problem["code"].startswith("V") for problem in answer.json["problems"])


def _shown(record: Any, name: str) -> str:
    if name not in record:
        return "hidden"
    value = record[name]
    return "masked" if isinstance(value, dict) and "masked" in value else "read"


def _another(said: Any, value: Any) -> Any:
    """A value that is good and differs; None where it takes more than a value."""
    if "x-ref" in said or said.get("x-type") in ("file", "user", "lines"):
        return None
    if "oneOf" in said:
        return next(one["const"] for one in said["oneOf"] if one["const"] != value)
    if said.get("format") == "date":
        return "2026-12-24"
    if said.get("format") == "email":
        return "new@example.com"
    if said.get("x-type") == "phone":
        return "13800138000"
    kind = said["type"][0] if isinstance(said["type"], list) else said["type"]
    return {"string": "another", "number": "80000000.00", "integer": 7}[kind]
