"""Two worlds that differ in nothing that a person may see, asked the same questions.

The second world is written by the same hand with other values in every cell that the oracle says he
may not know, with other records that he does not see, more of them and fewer. If one answer
differs by one letter, he has learnt something. No list of leaks is needed: searching, filtering,
sorting, counting, caching and refusing are all judged by the same question.
"""

from __future__ import annotations

import random
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import sqlalchemy as sa
from tests.companies import Visitor
from tests.security.oracle import Oracle
from tests.security.world import World, prepare

from engine.records import removing, writing
from engine.storage.ids import ID_BLOCK

FRESH: Final = 1_000_000  # ids of what is made later
NEW: Final = re.compile(r"\b1\d{6}\b")
MASKS: Final = (
    (re.compile(r"\b[0-9a-f]{32,64}\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "MOMENT"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "MOMENT"),
    (re.compile(r"([A-Z][a-z]{2} \d{1,2}, \d{4},? )?\b\d{1,2}:\d\d(:\d\d)?(.[AP]M)?\b"), "MOMENT"),
    (re.compile(r"\b(just now|\d+ (second|minute|hour)s?( ago)?)\b"), "AGO"),
    (re.compile(r"waiting for [^<]*|just arrived"), "WAITS"),
    (re.compile(r'(name="(?:token|key)" value=")[^"]*'), r"\1TOKEN"),
    (re.compile(r"(session|dg_\w+)=[^;]*"), r"\1=COOKIE"),
)
SERVED: Final = ("ETag", "Location", "Content-Type", "Content-Disposition", "HX-Redirect")
ROLES: Final = ("alice", "erin", "carol", "dave", "zoe")


@dataclass(frozen=True)
class Ask:
    """One request of a session; `{customer-c1}` stands for an id."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    form: tuple[tuple[str, str], ...] = ()


@dataclass
class Twins:
    """The world as it is and the one that differs for somebody's eyes only."""

    one: World
    other: World
    login: str
    asked: int = 0

    @classmethod
    def open(cls, prepared: Path, folder: Path, login: str, url: str = "") -> Twins:
        """Both worlds in `folder`; the first a copy of `prepared`, or made anew at `url`."""
        if url:
            prepare(folder / "one", url, _schema(), ("t1",))
        else:
            shutil.copytree(prepared, folder / "one")
        one = World.open(folder / "one")
        hidden = _Hidden(one.oracle(), login, {id: key for key, id in one.keys.items()})
        prepare(folder / "other", url, _schema(), ("t1",), hidden.vary)
        worlds = [one, World.open(folder / "other")]
        _more_and_fewer(worlds[1], login)
        for world in worlds:
            with world.unit() as unit:
                unit.connection.execute(sa.update(ID_BLOCK).values(next=FRESH))
            world.served.company("t1").database.ids._free = range(0)
        return cls(worlds[0], worlds[1], login)

    def close(self) -> None:
        """Let go of both."""
        for world in (self.one, self.other):
            if world.served.company("t1").database.kind == "postgresql":
                world.served.company("t1").database.drop()
            world.close()

    def alike(self) -> list[str]:
        """What of the two worlds the person may see and still differs: then the twins are none."""
        said = [_seen(world.oracle(), self.login) for world in (self.one, self.other)]
        return [f"{key}: {said[0].get(key)} / {said[1].get(key)}"
                for key in said[0].keys() | said[1].keys()
                if said[0].get(key) != said[1].get(key)]  # fmt: skip

    def session(self, seed: int, length: int) -> list[str]:
        """Ask both the same at random; every difference with what was asked."""
        asks = questions(self.one, self.login, random.Random(seed), length)
        return [wrong for ask in asks for wrong in self.ask(ask)]

    def ask(self, ask: Ask) -> list[str]:
        """Ask both one thing."""
        self.asked += 1
        first, second = (answered(world, self.login, ask) for world in (self.one, self.other))
        if first == second:
            return []
        return [f"{ask.method} {ask.path} {ask.body}: {_where(first, second)}"]


def _schema() -> str:
    return f"twin_{uuid.uuid4().hex[:12]}"


# --- the other world ---------------------------------------------------------------------------
@dataclass
class _Hidden:
    """Changes what the oracle says that the person does not see."""

    oracle: Oracle
    login: str
    keys: Mapping[int, str]
    records: dict[str, tuple[str, dict[str, Any]]] = field(init=False)
    told: set[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        facts = self.oracle.facts
        self.records = {}
        for kept in (facts.records, facts.removed):
            for entity, records in kept.items():
                for id, record in records.items():
                    self.records[self.keys[id]] = (entity, record)
        self.told = set(self._told())

    def _told(self) -> Iterator[tuple[str, str]]:
        """What goes into formulas that he may see: a sum is of all records, by definition."""
        for entity, definition in self.oracle.entities.items():
            for name, said in definition["properties"].items():
                if "x-compute" in said and self.oracle.usable(self.login, entity, name):
                    for owner, source in self.oracle._inputs(entity, name):
                        properties = self.oracle.entities[owner]["properties"]
                        yield from ((owner, n) for n, one in properties.items() if one is source)

    def vary(self, entity: str, key: str, values: dict[str, Any]) -> dict[str, Any]:
        """The values of one record, in the other world."""
        _, record = self.records[f"{entity}-{key}"]
        seen = self.oracle.row(self.login, "read", entity, record)
        found = {}
        for name, value in values.items():
            shown = self._shown(seen, entity, record, name)
            rows = isinstance(value, list) and value and isinstance(value[0], dict)
            found[name] = value if shown and not rows else self._other(entity, name, value)
        return found

    def _shown(self, seen: bool, entity: str, record: dict[str, Any], name: str) -> bool:
        if (entity, name) in self.told:
            return True
        if not seen or name == "@comment":
            return seen
        return self.oracle.cell(self.login, entity, record, name) in ("read", "write")

    def _other(self, entity: str, name: str, value: Any) -> Any:
        said = self.oracle.entities[entity]["properties"].get(name, {})
        if name == "phone":  # what is left of a masked number stays the same
            return f"{value[:3]}{int(value[3:7]) + 1111:04}{value[7:]}"
        if name in ("mail", "account"):
            return value
        if "x-ref" in said or said.get("x-type") in ("user", "file") or "oneOf" in said:
            return value
        if said.get("x-type") == "lines":
            columns = said["items"]["properties"]
            hidden = {
                n for n in columns if self.oracle.column(self.login, entity, name, n) != "read"
            }
            return [{n: _another(v) if n in hidden else v for n, v in row.items()} for row in value]
        return _another(value)


def _another(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    mixed = zlib.crc32(str(value).encode())  # the order must not stay what it was
    if isinstance(value, int):
        return value + 3_000_017 + mixed % 4_000_000
    if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        return f"2027{value[4:]}"
    text = str(value)
    if text.startswith("CNRY") and "id_card_no" in text:  # its mask shows both ends
        return text.replace("-customer-", "-xcustomer")
    return text.replace("CNRY-", f"OTHER-{mixed:08x}-")


def _more_and_fewer(world: World, login: str) -> None:
    """Records beside those of the first world, and one less, all of them unseen."""
    oracle = world.oracle()
    owner = "erin" if login != "erin" else "bob"
    person = oracle.facts.people[owner].id
    with world.unit() as unit:
        for at in range(7):
            note = {"body": f"CNRY-t1-note-x{at}-body", "secrecy": "top", "owner": person}
            writing.create(unit, "note", note)
        if not oracle.row(login, "read", "customer", {"owner": person, "id": 0}):
            for at in range(5):
                words = {n: f"CNRY-t1-customer-x{at}-{n}" for n in ("name", "remark", "inside")}
                writing.create(unit, "customer", {**words, "owner": person, "level": "a"})
        unseen = set(oracle.facts.records["note"]) - oracle.visible(login, "note")
        for id in sorted(unseen)[:1]:
            removing.remove(unit, "note", id, oracle.facts.records["note"][id]["version"])


def _seen(oracle: Oracle, login: str) -> dict[str, Any]:
    """All that the person may see of a world."""
    found: dict[str, Any] = {}
    for entity, records in oracle.facts.records.items():
        for id, record in records.items():
            if not oracle.row(login, "read", entity, record):
                continue
            for name, said in oracle.entities[entity]["properties"].items():
                level = oracle.cell(login, entity, record, name)
                value: Any = record.get(name) if level in ("read", "write") else level
                if isinstance(value, list) and said.get("x-type") == "lines":
                    shown = {
                        column
                        for column in said["items"]["properties"]
                        if oracle.column(login, entity, name, column) == "read"
                    }
                    value = [{n: row[n] for n in shown} for row in value]
                found[f"{entity} {id} {name}"] = value
    return found


# --- the questions -----------------------------------------------------------------------------
def questions(world: World, login: str, chance: random.Random, length: int) -> Iterator[Ask]:
    """A session of somebody curious: most of it reading, some of it writing, some of it aimed at
    what is not his."""
    oracle = world.oracle()
    for _ in range(length):
        yield _KINDS[chance.choices(range(len(_KINDS)), _WEIGHTS)[0]](oracle, chance)


def _any_id(oracle: Oracle, chance: random.Random, entity: str) -> int:
    ids = sorted([*oracle.facts.records[entity], *oracle.facts.removed[entity]])
    return chance.choice([*ids, 999_999_999]) if ids else 999_999_999


def _entity(oracle: Oracle, chance: random.Random) -> str:
    return chance.choice([*sorted(oracle.entities), "customer", "contract"])


def _list(oracle: Oracle, chance: random.Random) -> Ask:
    entity = _entity(oracle, chance)
    names = [*sorted(oracle.entities[entity]["properties"]), "created_at", "id", "nothing"]
    args: list[tuple[str, str]] = []
    for _ in range(chance.randint(0, 3)):
        name = chance.choice(names)
        args.append(chance.choice((
            ("sort", chance.choice(("", "-")) + name),
            ("q", chance.choice(("CNRY", "OTHER", "139", "70000", "worth", "-c5-", "x"))),
            (f"f.{name}.{chance.choice(('filled', 'empty'))}", "1"),
            (f"f.{name}.{chance.choice(('eq', 'ne', 'gt', 'lt', 'ge', 'contains'))}",
             chance.choice(("70000005", "CNRY", "a", "1", "2026-11-03"))),
            ("cols", ",".join(chance.sample(names, 3))),
            ("size", "20"),
            ("view", chance.choice(("board", "calendar"))),
            ("where", f'{{"not":[["{name}","filled"]]}}'),
        )))  # fmt: skip
    place = chance.choice(("/api/v1", "/e"))
    return Ask("GET", f"{place}/{entity}?{urlencode(args)}")


def _one(oracle: Oracle, chance: random.Random) -> Ask:
    entity = _entity(oracle, chance)
    id = _any_id(oracle, chance, entity)
    return Ask("GET", chance.choice((
        f"/api/v1/{entity}/{id}", f"/api/v1/{entity}/{id}/history", f"/e/{entity}/{id}",
        f"/e/{entity}/{id}/edit", f"/api/v1/{entity}/{id}/flow", f"/e/{entity}/{id}/moves",
        f"/e/{entity}/removed", f"/e/{entity}/new?copy={id}", f"/e/{entity}/quick",
    )))  # fmt: skip


def _around(oracle: Oracle, chance: random.Random) -> Ask:
    entity = chance.choice(("contact", "contract", "note", "receipt"))
    link = {"receipt": "receivable"}.get(entity, "customer")
    word = chance.choice(("CNRY", "OTHER", "c5", "c1", "139", "worth", "70000", "nobody"))
    return Ask("GET", chance.choice((
        "/", "/approvals", "/approvals?tab=done", "/api/v1/tasks", "/api/v1/tasks?tab=mine",
        f"/api/v1/explain?entity={entity}&record={_case(chance)}", f"/api/v1/{entity}/17/shares",
        "/notifications", "/notifications/count", f"/search?q={word}", f"/search/suggest?q={word}",
        f"/e/{entity}/lookup/{link}?q={word}", f"/e/{entity}/new",
        f"/approvals/case/{_case(chance)}",
    )))  # fmt: skip


def _case(chance: random.Random) -> int:
    return chance.randint(100, 240)


def _write(oracle: Oracle, chance: random.Random) -> Ask:
    entity = _entity(oracle, chance)
    names = sorted(oracle.entities[entity]["properties"])
    id = _any_id(oracle, chance, entity)
    version = oracle.facts.records[entity].get(id, {}).get("version", 1)
    name = chance.choice(names)
    value = chance.choice(("new", "70000001", None, 5, "CNRY-t1-customer-c5-id_card_no"))
    body = {name: value, "version": chance.choice((version, version, 1))}
    event = chance.choice(("submit", "archive", "x"))
    return chance.choice((
        Ask("PATCH", f"/api/v1/{entity}/{id}", body),
        Ask("PATCH", f"/api/v1/{entity}/{id}", {"remark": "hello", "version": version}),
        Ask("POST", f"/api/v1/{entity}/{id}/events/{event}", {}),
        Ask("DELETE", f"/api/v1/{entity}/{id}", {}),
        Ask("POST", f"/api/v1/{entity}/{id}/claim", {"version": 1}),
        Ask("POST", f"/api/v1/{entity}/{id}/release", {"version": 1}),
        Ask("POST", f"/api/v1/{entity}/{id}/shares", {"user": 7, "level": "read"}),
        Ask("POST", f"/api/v1/{entity}/{id}/reveal/{name}", {}),
        Ask("POST", f"/api/v1/{entity}/{id}/restore", {}),
        Ask("POST", f"/e/{entity}/{id}/comment", form=(("comment", "hello"),)),
        Ask("POST", f"/e/{entity}/{id}/star", form=(("on", "1"),)),
        Ask("POST", f"/e/{entity}/effects", form=(("f_name", "Somebody"),)),
    ))  # fmt: skip


def _make(oracle: Oracle, chance: random.Random) -> Ask:
    entity = _entity(oracle, chance)
    title = {"customer": "name", "contact": "name", "note": "body"}.get(entity, "title")
    values: dict[str, Any] = {title: f"new {chance.randint(1, 9)}"}
    definition = oracle.entities[entity]["properties"]
    for name, said in definition.items():
        if "x-ref" in said and (
            name in oracle.entities[entity]["required"] or chance.random() < 0.5
        ):
            values[name] = _any_id(oracle, chance, said["x-ref"]["to"])
    if "amount" in definition and "x-compute" not in definition["amount"]:
        values["amount"] = "1.00"
    return Ask("POST", f"/api/v1/{entity}", values)


_KINDS = (_list, _one, _around, _write, _make)
_WEIGHTS = (7, 6, 4, 3, 2)


# --- the answers -------------------------------------------------------------------------------
def answered(world: World, login: str, ask: Ask) -> str:
    """An answer as text, without what two runs never have in common: moments, tokens, hashes."""
    person: Visitor = world.served.visitor("t1", login)
    more: dict[str, Any] = {}
    if ask.body is not None:
        version = ask.body.get("version")
        more = {"json": dict(ask.body)}
        if ask.method == "DELETE":
            more = {"headers": {"If-Match": f'"{version or 1}"'}}
    elif ask.method == "POST":
        more = {"data": list(ask.form) and dict(ask.form)}
    if ask.method == "GET":
        answer = person.get(ask.path)
    else:
        answer = person.send(ask.method, ask.path, **more)
    assert answer.status_code < 500, (ask, answer.status_code)
    kept = [f"{name}: {answer.headers[name]}" for name in SERVED if name in answer.headers]
    text = f"{answer.status_code}\n{kept}\n{answer.get_data(as_text=True)}"
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    # ids are given out one after the other, to the platform's own notes too: what is new is called
    # by its turn
    return NEW.sub(lambda found: world.turn(found[0]), text)


def _where(first: str, second: str) -> str:
    at = next((i for i, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]),
              min(len(first), len(second)))  # fmt: skip
    return f"{first[max(0, at - 60) : at + 60]!r} / {second[max(0, at - 60) : at + 60]!r}"
