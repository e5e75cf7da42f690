"""The standard test world: two companies of the same names and ids, people of every kind, and a
canary in every cell.

Every text of every record is a canary, `CNRY-<company>-<entity>-<record>-<field>`; numbers that
somebody may not see are unique and large, telephone numbers unique. Whatever an answer holds of
them can be traced to its cell, and the oracle says whether the reader may have it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from tests.companies import Served
from tests.security.oracle import Facts, Oracle, Person, Share

from dougong.installation import Installation, Listing
from dougong.settings import load_settings
from dougong.setup import create_company
from dougong.startup import start_plugins
from engine.packs import load_company
from engine.records import flows, people, removing, writing
from engine.records.comments import add_comment
from engine.records.company import Company
from engine.records.files import store_upload
from engine.records.unit import SYSTEM, Actor, Unit
from engine.tables import system

PACK: Final = Path(__file__).parent / "pack"
TENANTS: Final = ("t1", "t2")
LARGE: Final = 70_000_000  # numbers from here on are canaries
PEOPLE: Final = {  # login: roles, department
    "carol": (("manager",), "East"),
    "alice": (("sales",), "East"),
    "bob": (("sales",), "East"),
    "erin": (("sales",), "West"),
    "dave": (("finance",), "Finance"),
    "zoe": (("auditor",), None),
    "gina": (("sales", "auditor"), "West"),  # several roles of one person add up
    "mallory": (("sales",), "East"),  # disabled
}
READERS: Final = ("alice", "bob", "erin", "carol", "dave", "zoe", "gina")  # not administrators
TOKEN: Final = re.compile(r"CNRY-[a-z0-9]+-[a-z]+-[a-z0-9]+-[a-z_]+|\b139\d{8}\b|\b7\d{7}\b")

Cell = tuple[str, int, str]  # entity, id, field ("items.cost" for a column, "@comment" …)


@dataclass
class World:
    """A served copy of the world."""

    served: Served
    keys: dict[str, int] = field(default_factory=dict)  # "customer-c1" → id
    made: dict[str, str] = field(default_factory=dict)  # ids that came up later

    def turn(self, id: str) -> str:
        """What to call an id: the first one seen is NEW1."""
        return self.made.setdefault(id, f"NEW{len(self.made) + 1}")

    @classmethod
    def open(cls, data: Path) -> World:
        """What lies in `data`."""
        served = Served.open(data)
        found = cls(served)
        found.keys = _keys(served.company("t1"))
        return found

    def close(self) -> None:
        """Let go of the databases."""
        self.served.installation.close()

    def id(self, key: str) -> int:
        """The id of a record by its key, such as "customer-c1"."""
        return self.keys[key]

    def oracle(self, tenant: str = "t1") -> Oracle:
        """The second opinion on the company as it is now."""
        return Oracle(PACK, facts(self.served.company(tenant)))

    @contextmanager
    def unit(self, login: str = "@system", tenant: str = "t1") -> Iterator[Unit]:
        """A unit that writes."""
        actor = SYSTEM if login == "@system" else self.served.actor(tenant, login)
        with self.served.company(tenant).unit(actor, write=True) as unit:
            yield unit


# --- making it ---------------------------------------------------------------------------------
Vary = Callable[[str, str, dict[str, Any]], dict[str, Any]]  # entity, key, values → values


def _as_it_is(_entity: str, _key: str, values: dict[str, Any]) -> dict[str, Any]:
    return values


def prepare(
    data: Path,
    url: str = "",
    schema: str = "",
    tenants: Iterable[str] = TENANTS,
    vary: Vary = _as_it_is,
) -> None:
    """Both companies, in the folder `data` (their tables in schemas at `url` when it is given).
    `vary` may change what is written: the twin of a world."""
    start_plugins()
    installation = Installation(load_settings(data))
    model, sources, problems = load_company([PACK], "w1")
    assert model is not None, problems
    for tenant in tenants:
        listing = Listing(tenant, "", "w1", url, f"{schema}_{tenant}" if url else "")
        company = create_company(installation, listing, sources)
        _Maker(company, tenant, vary).run()
    installation.close()


@dataclass
class _Maker:
    """Writes one company's records."""

    company: Company
    tenant: str
    vary: Vary
    ids: dict[str, int] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    serial: int = 0

    def run(self) -> None:
        self._people()
        with self.company.unit(SYSTEM, write=True, source="command") as unit:
            self._customers(unit)
            self._notes(unit)
            self._shares(unit)
        self._contracts()
        with self.company.unit(SYSTEM, write=True, source="command") as unit:
            self._money(unit)
            self._spoken(unit)
            for key in ("c12", "c13"):
                removing.remove(unit, "customer", self.ids[f"customer-{key}"], 2)
            people.change_user(unit, self.actors["mallory"].id, disabled_at=unit.now)

    def _people(self) -> None:
        with self.company.unit(SYSTEM, write=True) as unit:
            head = people.create_department(unit, "Head")
            places = {n: people.create_department(unit, n, head) for n in ("East", "West")}
            places["Finance"] = people.create_department(unit, "Finance")
            for login, (roles, place) in PEOPLE.items():
                department = places[place] if place else None
                people.create_user(
                    unit,
                    login,
                    login.title(),
                    roles=roles,
                    department=department,
                    email=f"{login}@example.com",
                )
            self.ids |= {f"@{name}": id for name, id in places.items()}
        with self.company.database.read() as connection:
            for row in people.list_users(connection):
                actor = people.actor_of(connection, row["id"])
                assert actor is not None
                self.actors[row["login"]] = actor

    def text(self, entity: str, key: str, name: str) -> str:
        return f"CNRY-{self.tenant}-{entity}-{key}-{name}"

    def number(self) -> int:
        self.serial += 1
        return LARGE + self.serial + (500_000 if self.tenant == "t2" else 0)

    def make(self, unit: Unit, entity: str, key: str, **values: Any) -> int:
        record = writing.create(unit, entity, self.vary(entity, key, values))
        self.ids[f"{entity}-{key}"] = record["id"]
        return int(record["id"])

    def _file(self, unit: Unit, key: str, name: str) -> int:
        text = self.vary("customer", key, {name: self.text("customer", key, name)})[name]
        return store_upload(unit, f"{text}.txt", io.BytesIO(f"{text}\n".encode()))

    def _customers(self, unit: Unit) -> None:
        owners = ["alice", "alice", "bob", "bob", "erin", "erin", "erin", None, None, "erin"]
        owners += ["carol", "alice", "erin", "mallory"]
        for at, owner in enumerate(owners, 1):
            key = f"c{at}"
            words = {n: self.text("customer", key, n) for n in ("name", "region", "remark")}
            id = self.make(
                unit,
                "customer",
                key,
                **words,
                level="abc"[at % 3],
                owner=self.actors[owner].id if owner else None,
                phone=f"139{70_000_000 + at + (500 if self.tenant == 't2' else 0):08}",
                cost_price=self.number(),
                credit_score=self.number(),
                id_card_no=self.text("customer", key, "id_card_no"),
                inside=self.text("customer", key, "inside_before"),
                next_visit=f"2026-11-{at:02}",
                scans=[self._file(unit, key, "scans")],
                papers=[self._file(unit, key, "papers")],
            )
            changed = {"inside": self.text("customer", key, "inside"), "cost_price": self.number()}
            writing.change(unit, "customer", id, self.vary("customer", key, changed), 1)
        for at, customer in enumerate(("c1", "c3", "c5", "c8", "c11", "c6"), 1):
            key = f"t{at}"
            words = {n: self.text("contact", key, n) for n in ("name", "duty", "remark")}
            mail = f"{self.text('contact', key, 'mail')}@example.com".lower()
            link = self.ids[f"customer-{customer}"]
            self.make(unit, "contact", key, **words, customer=link, mail=mail)

    def _notes(self, unit: Unit) -> None:
        for at, (owner, grade, customer) in enumerate(
            (
                ("alice", "open", "c1"),
                ("bob", "internal", "c3"),
                ("carol", "secret", "c5"),
                ("carol", "top", "c1"),
                ("alice", "secret", "c1"),
                ("bob", "secret", "c3"),
                ("dave", "open", None),
                ("alice", "open", "c2"),
            ),
            1,
        ):
            key = f"n{at}"
            words = {n: self.text("note", key, n) for n in ("body", "remark")}
            link = self.ids[f"customer-{customer}"] if customer else None
            owner_ = self.actors[owner].id
            self.make(unit, "note", key, **words, owner=owner_, secrecy=grade, customer=link)

    def _shares(self, unit: Unit) -> None:
        """c6 is shared with alice to read, c7 with the East to write, c10 no longer with alice; a
        secret note with bob, who is not cleared for it, and an open one with dave."""
        alice, bob, dave = (self.actors[one].id for one in ("alice", "bob", "dave"))
        for entity, key, user, place, level, until in (
            ("customer", "c6", alice, None, "read", None),
            ("customer", "c7", None, self.ids["@East"], "write", "2999-12-31"),
            ("customer", "c10", alice, None, "write", "2020-01-01"),
            ("note", "n6", bob, None, "write", None),
            ("note", "n8", dave, None, "read", None),
        ):
            unit.connection.execute(
                sa.insert(system.SHARE).values(
                    id=unit.app.database.ids.next(unit.connection),
                    entity=entity,
                    record_id=self.ids[f"{entity}-{key}"],
                    user_id=user,
                    department_id=place,
                    level=level,
                    until=until,
                    by_id=None,
                    at=unit.now,
                )
            )

    def _contracts(self) -> None:
        for at, (who, customer, price, steps) in enumerate(CONTRACTS, 1):
            key = f"k{at}"
            line = {
                "what": self.text("contract", key, "what"),
                "quantity": 1,
                "price": price,
                "cost": self.number(),
                "supplier": self.text("contract", key, "supplier"),
            }
            words = {n: self.text("contract", key, n) for n in ("title", "remark")}
            link, owner = self.ids[f"customer-{customer}"], self.actors[who].id
            more = {"items": [line], "signed_on": f"2026-11-{at:02}"}
            with self.company.unit(self.actors[who], write=True, source="api") as unit:
                id = self.make(
                    unit, "contract", key, **words, customer=link, owner=owner,
                    items=[{n: v for n, v in line.items() if n not in ("cost", "supplier")}],
                    signed_on=more["signed_on"],
                )  # fmt: skip
            with self.company.unit(SYSTEM, write=True, source="command") as unit:
                hidden = {"margin": self.number(), "bonus": self.text("contract", key, "bonus")}
                varied = self.vary("contract", key, {**hidden, "items": [line]})
                writing.change(unit, "contract", id, varied, 1)
            for actor, event in steps:
                with self.company.unit(self.actors[actor], write=True, source="api") as unit:
                    flows.fire(unit, "contract", id, event, {})

    def _money(self, unit: Unit) -> None:
        for at, (customer, contract) in enumerate(
            (("c1", "k4"), ("c3", "k6"), ("c5", "k8"), ("c2", None)), 1
        ):
            key = f"v{at}"
            link = self.ids[f"contract-{contract}"] if contract else None
            words = {n: self.text("receivable", key, n) for n in ("title", "remark")}
            place = self.ids[f"customer-{customer}"]
            self.make(
                unit, "receivable", key, **words, customer=place, contract=link, amount=LARGE * 9
            )
        for at, owed in enumerate(("v1", "v3"), 1):
            key = f"p{at}"
            words = {n: self.text("receipt", key, n) for n in ("title", "account", "remark")}
            link = self.ids[f"receivable-{owed}"]
            self.make(unit, "receipt", key, **words, receivable=link, amount=self.number())
            words = {n: self.text("refund", f"f{at}", n) for n in ("title", "reason", "remark")}
            back = self.number() - LARGE // 2
            self.make(unit, "refund", f"f{at}", **words, receivable=link, amount=back)

    def _spoken(self, unit: Unit) -> None:
        for key, id in self.ids.items():
            entity = key.split("-", maxsplit=1)[0]
            if entity in ("customer", "contract", "note"):
                name = key.split("-")[1]
                said = {"@comment": self.text(entity, name, "comment")}
                add_comment(unit, entity, id, self.vary(entity, name, said)["@comment"])


CONTRACTS: Final = (  # who, of which customer, price, what happened
    ("alice", "c1", 5_000, ()),
    ("alice", "c1", 5_000, (("alice", "submit"),)),
    ("alice", "c2", 150_000, (("alice", "submit"), ("carol", "task.approve"))),
    ("alice", "c1", 7_000, (("alice", "submit"), ("carol", "task.approve"))),
    ("bob", "c3", 8_000, (("bob", "submit"), ("carol", "task.approve"), ("carol", "archive"))),
    ("bob", "c3", 9_000, ()),
    ("bob", "c4", 9_000, (("bob", "submit"),)),
    ("erin", "c5", 6_000, ()),
    ("erin", "c6", 6_000, (("erin", "submit"),)),
    ("carol", "c11", 6_000, (("carol", "submit"),)),
)


# --- what is in it -----------------------------------------------------------------------------
def _keys(company: Company) -> dict[str, int]:
    found = {}
    living, removed = _records(company)
    for entity in living:
        for id, record in (living[entity] | removed[entity]).items():
            for value in record.values():
                match = re.match(r"CNRY-[a-z0-9]+-([a-z]+)-([a-z0-9]+)-", str(value))
                if match and match[1] == entity:
                    found[f"{entity}-{match[2]}"] = id
    return found


def _records(company: Company) -> tuple[dict[str, Any], dict[str, Any]]:
    """All that is stored, the living and the removed, by entity and id."""
    app = company.current
    living: dict[str, dict[int, dict[str, Any]]] = {}
    removed: dict[str, dict[int, dict[str, Any]]] = {}
    with company.database.read() as connection:
        for entity in app.model.entities:
            ids = list(connection.scalars(sa.select(app.tables.of(entity).id)))
            living[entity], removed[entity] = {}, {}
            for record in app.reader.load_many(connection, entity, ids, removed=True):
                place = removed if record.pop("removed_at", None) else living
                place[entity][record["id"]] = record
    return living, removed


def facts(company: Company) -> Facts:
    """What the oracle has to know, straight from the tables."""
    living, removed = _records(company)
    with company.database.read() as connection:
        known = people.departments(connection)
        everybody = people.list_users(connection, closed=True)
        shares = connection.execute(sa.select(system.SHARE)).all()
        asked = _asked(connection)
        told = connection.execute(sa.select(system.HISTORY)).all()
        parts = _parts(connection) | asked
    paths = {one.id: [int(part) for part in one.path.strip("/").split("/")] for one in known}
    persons = {}
    for row in everybody:
        dept = row["department_id"]
        below = frozenset(id for id, path in paths.items() if dept in path)
        above = frozenset(paths[dept] if dept else ())
        roles, closed = frozenset(row["roles"]), row["disabled_at"] is not None
        persons[row["login"]] = Person(row["id"], row["login"], roles, dept, below, above, closed)
    return Facts(
        persons,
        living,
        removed,
        [
            Share(one.entity, one.record_id, one.user_id, one.department_id, one.level, one.until)
            for one in shares
        ],
        parts,
        asked,
        [(one.entity, one.record_id, one.changes or {}) for one in told],
    )


def _parts(connection: sa.Connection) -> set[tuple[str, int, int]]:
    """Who has a part in whose case: the starter, who was asked, who decided."""
    found: set[tuple[str, int, int]] = set()
    case = system.WF_INSTANCE.c
    for row in connection.execute(sa.select(case.entity, case.record_id, case.starter_id)):
        found.add((row[0], row[1], row[2]))
    for row in connection.execute(sa.select(system.WF_TASK)):
        for person in (row.assignee_id, row.decided_by_id):
            found.add((row.entity, row.record_id, person))
    return found


def _asked(connection: sa.Connection) -> set[tuple[str, int, int]]:
    """Who has to decide on what, now."""
    task, candidate = system.WF_TASK.c, system.WF_CANDIDATE.c
    one = sa.select(task.entity, task.record_id, task.assignee_id).where(task.status == "open")
    several = sa.select(task.entity, task.record_id, candidate.user_id).where(
        candidate.task_id == task.id, task.status == "open"
    )
    return {(r[0], r[1], r[2]) for query in (one, several) for r in connection.execute(query)}


# --- canaries ----------------------------------------------------------------------------------
@dataclass
class Canaries:
    """What may be found in an answer, and where it comes from."""

    cells: dict[str, set[Cell]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Facts) -> Canaries:
        """The canaries of all records."""
        made = cls()
        for entity, records in _both(found):
            for id, record in records.items():
                for name, value in record.items():
                    made._take(entity, id, name, value)
        for entity, id, changes in found.past:
            for name, values in changes.items():
                for value in values:
                    made._take(entity, id, name, value)
        return made

    def _take(self, entity: str, id: int, name: str, value: Any) -> None:
        if isinstance(value, list):
            for row in value:
                if isinstance(row, Mapping):
                    for column, cell in row.items():
                        self._take(entity, id, f"{name}.{column}", cell)
            return
        for token in tokens(str(value) if not isinstance(value, bool) else ""):
            self.cells.setdefault(token, set()).add((entity, id, name))

    def where(self, token: str) -> set[Cell]:
        """The cells that a token may come from."""
        if token in self.cells:
            return self.cells[token]
        match = re.match(r"CNRY-[a-z0-9]+-([a-z]+)-([a-z0-9]+)-([a-z_]+)", token)
        if match is None:
            return set()
        name = {"comment": "@comment", "inside_before": "inside"}.get(match[3], match[3])
        return {
            (match[1], id, name)
            for cells in list(self.cells.values())
            for entity, id, _ in cells
            if entity == match[1] and token.startswith(self._start(entity, id))
        }

    def _start(self, entity: str, id: int) -> str:
        for token, cells in self.cells.items():
            if token.startswith("CNRY") and any(c[:2] == (entity, id) for c in cells):
                parts = token.split("-")
                if parts[2] == entity:
                    return "-".join(parts[:4]) + "-"
        return "\0"


def _both(found: Facts) -> Iterable[tuple[str, dict[int, dict[str, Any]]]]:
    yield from found.records.items()
    yield from found.removed.items()


def tokens(text: str) -> set[str]:
    """The canaries in a text; digits are read without what groups them."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return set(TOKEN.findall(plain))


def allowed(oracle: Oracle, login: str, cells: Iterable[Cell]) -> bool:
    """Whether a person may know what one of the cells holds."""
    return any(_allowed(oracle, login, cell) for cell in cells)


def _allowed(oracle: Oracle, login: str, cell: Cell) -> bool:
    entity, id, name = cell
    found = oracle.facts
    record = found.records[entity].get(id) or found.removed[entity].get(id)
    if record is None or not oracle.row(login, "read", entity, record):
        return False
    if name == "@comment":
        return True
    name, _, column = name.partition(".")
    if oracle.cell(login, entity, record, name) not in ("read", "write"):
        return False
    return not column or oracle.column(login, entity, name, column) == "read"
