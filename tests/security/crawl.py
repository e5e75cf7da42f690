"""Everything that an application gives to read, visited by somebody who may not know it all.

The seeds are the table of addresses, so that no door can be forgotten: each reading one for each
entity, with records that the person sees and records that he does not. From there every link and
form of every page is followed. Each canary in an answer is traced to its cell.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.inventory import Door, addresses
from tests.security.oracle import Oracle
from tests.security.scale import FULL, scaled
from tests.security.world import Canaries, World, allowed, tokens

from engine.tables import system

LINK: Final = re.compile(
    r'(?:href|action|src|hx-get|data-[a-z-]*(?:url|href|src))="(/[^"#]*)"', re.ASCII
)
PER_PLACE: Final = 4  # pages of one kind and entity that are followed
MOST_SEEN: Final = ("customer", "contract", "note")  # in the usual run, those with all the traits


@dataclass
class Crawl:
    """One person's way through one company."""

    world: World
    login: str
    tenant: str = "t1"
    links: int = scaled(40, 2_000)  # that are followed beyond the seeds
    oracle: Oracle = field(init=False)
    canaries: Canaries = field(init=False)
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    pages: int = 0
    found: int = 0  # canaries that were seen and that the person may know
    places: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.oracle = self.world.oracle(self.tenant)
        self.canaries = Canaries.of(self.oracle.facts)
        self._known: dict[str, bool] = {}

    @property
    def person(self) -> Visitor:
        """His browser."""
        return self.world.served.visitor(self.tenant, self.login)

    # --- judging -------------------------------------------------------------------------------
    def judge(self, text: str, about: str) -> None:
        """Every canary in a text has to be one that the person may know."""
        for token in tokens(text):
            if self.knows(token):
                self.found += 1
            else:
                self.leaks.append(f"{self.login}: {token} in {about}")

    def knows(self, token: str) -> bool:
        """Whether the person may know a canary."""
        if token not in self._known:
            self._known[token] = f"-{self.tenant}-" in token or not token.startswith("CNRY")
            self._known[token] &= allowed(self.oracle, self.login, self.canaries.where(token))
        return self._known[token]

    def visit(self, method: str, path: str, **more: Any) -> str:
        """One request, judged with its headers; the text of a page to go on from."""
        if method == "GET":
            answer = self.person.client.get(path, **more)
        else:
            answer = self.person.send(method, path.removeprefix(f"/{self.tenant}"), **more)
        self.pages += 1
        if answer.status_code >= 500:
            self.faults.append(f"{self.login}: {method} {path} → {answer.status_code}")
        text = answer.get_data(as_text=True) if answer.mimetype != "image/png" else ""
        self.judge(f"{text}\n{answer.headers}", f"{method} {path} → {answer.status_code}")
        return text if answer.mimetype == "text/html" else ""

    # --- going ---------------------------------------------------------------------------------
    def run(self) -> Crawl:
        """All of it."""
        waiting = list(dict.fromkeys([*self.seeds(), *self.queries()]))
        seen, most = set(waiting), len(waiting) + self.links
        while waiting and self.pages < most:
            path = waiting.pop(0)
            for link in LINK.findall(self.visit("GET", path)):
                target = html.unescape(link)
                if target not in seen and self._worth(target):
                    seen.add(target)
                    waiting.append(target)
        for method, path, more in self.refused():
            self.visit(method, path, **more)
        self.sent()
        return self

    def _worth(self, path: str) -> bool:
        """Pages of the same kind are alike: a few of each will do."""
        if not path.startswith(f"/{self.tenant}/"):
            return False
        bare, _, query = path.partition("?")
        kind = re.sub(r"/\d+", "/N", bare) + "?" + ",".join(re.findall(r"(?:^|&)([^=&]+)=", query))
        self.places[kind] += 1
        return self.places[kind] <= PER_PLACE

    def doors(self, *methods: str) -> Iterator[tuple[Door, str]]:
        """Every door of a person with each kind of record, seen and unseen."""
        app = self.world.served.app
        plain = [(d, p) for d, p in addresses(app, company=self.tenant) if d.method in methods]
        for door, path in plain:
            if door.who == "person" or (FULL and door.who != "operator"):
                yield door, path
        for entity in self.oracle.entities if FULL else MOST_SEEN:
            for id in self._some(entity):
                found = addresses(app, company=self.tenant, entity=entity, id=id)
                for door, path in found:
                    if f"/{entity}" in path and door.method in methods:
                        yield door, path

    def _some(self, entity: str) -> list[int]:
        """One record that the person sees and two that he does not, one of them removed."""
        seen = self.oracle.visible(self.login, entity)
        unseen = self.oracle.facts.records[entity].keys() - seen
        removed = self.oracle.facts.removed[entity]
        return [*sorted(seen)[:1], *sorted(unseen)[:1], *sorted(removed)[-1:]]

    def seeds(self) -> Iterator[str]:
        """Where to begin."""
        base = f"/{self.tenant}"
        yield f"{base}/"
        for _, path in self.doors("GET"):
            if "/static/" not in path and not path.endswith("/logout"):
                yield path
        for file in range(1, 4):
            yield f"{base}/e/@file/{file}"
        with self.world.served.company(self.tenant).database.read() as connection:
            for id in connection.scalars(sa.select(system.FILE.c.id)):
                yield f"{base}/e/@file/{id}"
            for id in connection.scalars(sa.select(system.WF_TASK.c.id)):
                yield f"{base}/approvals/{id}"
            for id in list(connection.scalars(sa.select(system.WF_INSTANCE.c.id)))[::3]:
                yield f"{base}/approvals/case/{id}"

    def queries(self) -> Iterator[str]:
        """Lists in every order, by every filter, in every shape, and every search."""
        base = f"/{self.tenant}"
        for entity, definition in self.oracle.entities.items():
            said = definition["properties"]
            names = list(said)
            for place in (f"{base}/api/v1/{entity}", f"{base}/e/{entity}"):
                yield f"{place}?{urlencode({'cols': ','.join(names)})}"
                yield f"{place}?q=CNRY"
            for name in names:
                if "x-ref" in said[name] or FULL:
                    yield f"{base}/e/{entity}/lookup/{name}?q=CNRY"
                if "x-access" in said[name] or "x-compute" in said[name] or FULL:
                    yield f"{base}/api/v1/{entity}?sort={name}"
                    yield f"{base}/api/v1/{entity}?f.{name}.filled=1&cols={name}"
            for view in ("board", "calendar") if entity in ("customer", "contract") else ():
                yield f"{base}/e/{entity}?view={view}"
        for words in ("CNRY", "worth", "139", "7000", "Alice", "inside"):
            yield f"{base}/search?q={words}"
            yield f"{base}/search/suggest?q={words}"
        for tab in ("todo", "claim", "done", "mine", "copies"):
            yield f"{base}/approvals?tab={tab}"
            yield f"{base}/api/v1/tasks?tab={tab}"

    def refused(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """What is answered to those who ask for what they may not do, or badly."""
        for door, path in self.doors("POST", "PATCH", "DELETE"):
            if door.who != "person" or door.kind not in ("reads", "writes"):
                continue
            body: dict[str, Any] = (
                {"json": {"version": 1}} if door.api else {"data": {"f_name": ""}}
            )
            yield door.method, path, body

    def sent(self) -> None:
        """What was written to the person: notices, mails, messages."""
        me = self.oracle.facts.people[self.login].id
        with self.world.served.company(self.tenant).database.read() as connection:
            for table in (system.NOTICE, system.OUTBOX):
                for row in connection.execute(sa.select(table).where(table.c.user_id == me)):
                    self.judge(repr(tuple(row)), f"{table.name} {row.id}")
