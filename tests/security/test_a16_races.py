"""A16 Several people at one moment: one of them gets it, the others are told, and nothing is left
in between. Each works through a company object of his own, as server processes do; all begin at a
barrier."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from shutil import copytree
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.security.scale import scaled
from tests.security.world import World, prepare

from engine.records import once, pool, removing, writing
from engine.records.company import Company
from engine.records.failures import Failure
from engine.records.numbers import take
from engine.records.reading import read
from engine.records.unit import SYSTEM, Actor, Unit
from engine.storage import Database
from engine.tables import system

TRIALS: Final = scaled(12, 300)
SELLERS: Final = ("alice", "bob", "erin", "gina")
Work = Callable[[Unit], Any]


@dataclass
class Arena:
    """One company, opened twice."""

    world: World
    sides: tuple[Company, Company]
    actors: dict[str, Actor] = field(default_factory=dict)

    def actor(self, login: str) -> Actor:
        """A person."""
        if login not in self.actors:
            self.actors[login] = self.world.served.actor("t1", login)
        return self.actors[login]

    def race(self, *works: tuple[str, Work]) -> list[str]:
        """All at the same moment; what became of each: "done" or the codes of the refusal. Anything
        else that is raised is a fault."""
        barrier, found = threading.Barrier(len(works)), [""] * len(works)

        def run(place: int, login: str, work: Work) -> None:
            actor = SYSTEM if login == "@system" else self.actors[login]
            barrier.wait(20)
            try:
                with self.sides[place % 2].unit(actor, write=True, source="api") as unit:
                    work(unit)
                found[place] = "done"
            except Failure as failure:
                found[place] = failure.code
            except Exception as error:
                found[place] = f"fault {type(error).__name__}: {error}"

        for login, _ in works:
            if login != "@system":
                self.actor(login)
        threads = [
            threading.Thread(target=run, args=(place, *each)) for place, each in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not [one for one in found if one.startswith("fault") or not one], found
        return found

    def make(self, entity: str, **values: Any) -> dict[str, Any]:
        """A record."""
        with self.sides[0].unit(SYSTEM, write=True) as unit:
            return dict(writing.create(unit, entity, values))

    def customer(self, owner: str | None = None, **more: Any) -> dict[str, Any]:
        """A customer, in the pool unless somebody owns it."""
        id = self.actor(owner).id if owner else None
        name = f"race {uuid.uuid4().hex}"
        return self.make("customer", name=name, level="a", owner=id, **more)

    def rows(self, statement: Any) -> Sequence[Any]:
        """What the database says."""
        with self.sides[0].database.read() as connection:
            return connection.execute(statement).all()

    def fresh_day(self) -> None:
        """Nobody has taken anything today, and nobody holds what he took before."""
        customers = self.sides[0].current.tables.of("customer")
        raced = customers.column("name").like("race %")
        with self.sides[0].database.write() as connection:
            connection.execute(sa.delete(system.QUOTA))
            hands = sa.update(customers.table).where(raced)
            connection.execute(hands.values({customers.column("owner"): None}))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def arena(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    """The standard world, one's own, on each database."""
    data = tmp_path_factory.mktemp("races") / "w1"
    if request.param == "sqlite":
        copytree(request.getfixturevalue("prepared_world"), data)
        world = World.open(data)
        path = world.served.company("t1").database.path
        assert path is not None
        other = Database.sqlite(path)
    else:
        url, schema = request.getfixturevalue("postgres_url"), f"races_{uuid.uuid4().hex[:10]}"
        prepare(data, url, schema, ("t1",))
        world = World.open(data)
        other = Database.postgres(url, f"{schema}_t1")
    one = world.served.company("t1")
    yield Arena(world, (one, Company("t1", other, one.files)))
    other.close()
    if request.param == "postgresql":
        one.database.drop()
    world.close()


def test_a16_1_one_of_several_takes_it_out_of_the_pool(arena: Arena) -> None:
    for _ in range(TRIALS):
        arena.fresh_day()
        made = arena.customer()

        def take_it(unit: Unit, made: dict[str, Any] = made) -> None:
            pool.claim(unit, "customer", made["id"], made["version"])

        came = Counter(arena.race(*((login, take_it) for login in SELLERS)))
        assert came["done"] == 1, came
        assert set(came) <= {"done", "J201", "R001", "R101", "R102", "R103"}, came
        table = arena.sides[0].current.tables.of("customer")
        [row] = arena.rows(sa.select(table.column("owner")).where(table.id == made["id"]))
        assert row[0] in [arena.actor(one).id for one in SELLERS]
        [taken] = arena.rows(sa.select(system.QUOTA.c.user_id))
        assert taken[0] == row[0], "who has it is who it counts for"


def test_a16_7_nobody_takes_more_than_a_day_allows(arena: Arena) -> None:
    """Eight at one moment where five are allowed, through two processes."""
    for _ in range(max(TRIALS // 4, 2)):
        arena.fresh_day()
        works: list[tuple[str, Work]] = []
        for _ in range(8):
            made = arena.customer()
            works.append(
                (
                    "alice",
                    lambda unit, made=made: pool.claim(  # type: ignore[misc]
                        unit, "customer", made["id"], made["version"]
                    ),
                )
            )
        came = Counter(arena.race(*works))
        assert came == {"done": 5, "J202": 3}, came
        assert len(arena.rows(sa.select(system.QUOTA.c.record_id))) == 5


def test_a16_3_one_of_several_has_the_number(arena: Arena) -> None:
    """A unique value is one person's, by creating and by changing."""
    for number in range(TRIALS):
        code, old = f"ID {number} {uuid.uuid4().hex[:8]}", arena.customer()

        def create(unit: Unit, code: str = code) -> None:
            name = f"race {uuid.uuid4().hex}"
            writing.create(unit, "customer", {"name": name, "level": "a", "id_card_no": code})

        def change(unit: Unit, code: str = code, old: dict[str, Any] = old) -> None:
            writing.change(unit, "customer", old["id"], {"id_card_no": code}, old["version"])

        came = Counter(arena.race(*[("admin", create)] * 3, ("admin", change)))
        assert came == {"done": 1, "R206": 3}, came


def test_a16_6_numbers_are_given_once_and_without_gaps(arena: Arena) -> None:
    given: list[int] = []
    key = f"race {uuid.uuid4().hex}"
    for _ in range(TRIALS):
        arena.race(*[("@system", lambda unit: given.append(take(unit, key)))] * 4)
    # who had to begin anew took a number twice, and gave the first one back
    assert set(given) == set(range(1, 4 * TRIALS + 1))
    [last] = arena.rows(sa.select(system.COUNTER.c.value).where(system.COUNTER.c.key == key))
    assert last[0] == 4 * TRIALS


def test_a16_8_one_of_several_editors_saves(arena: Arena) -> None:
    for _ in range(TRIALS):
        made = arena.customer()
        works = [
            (
                "admin",
                lambda unit, made=made, at=at: writing.change(
                    unit, "customer", made["id"], {"remark": f"by {at}"}, made["version"]
                ),
            )
            for at in range(4)
        ]
        came = Counter(arena.race(*works))
        assert came["done"] == 1, came
        assert len(came) == 2, came
        history = system.HISTORY.c
        mine = sa.select(history.action).where(
            history.entity == "customer", history.record_id == made["id"]
        )
        assert len(arena.rows(mine)) == 2, "one line for each change that was made"


def test_a16_9_nothing_hangs_on_what_is_gone(arena: Arena) -> None:
    """Somebody removes a customer while others hang something on it and change it."""
    ends: Counter[str] = Counter()
    for _ in range(TRIALS):
        made = arena.customer()
        id, version = made["id"], made["version"]

        def remove(unit: Unit, id: int = id, version: int = version) -> None:
            removing.remove(unit, "customer", id, version)

        def contract(unit: Unit, id: int = id) -> None:
            writing.create(unit, "contract", {"title": "t", "customer": id})

        def contact(unit: Unit, id: int = id) -> None:
            writing.create(unit, "contact", {"name": "n", "customer": id})

        def change(unit: Unit, id: int = id, version: int = version) -> None:
            writing.change(unit, "customer", id, {"remark": "r"}, version)

        came = arena.race(*((("admin"), one) for one in (remove, contract, contact, change)))
        ends[came[0]] += 1
        gone = came[0] == "done"
        assert not (gone and came[3] == "done"), came
        for entity in ("contract", "contact"):
            table = arena.sides[0].current.tables.of(entity)
            living = arena.rows(
                sa.select(table.id).where(
                    table.column("customer") == id, table.removed_at.is_(None)
                )
            )
            assert not (gone and living), (entity, came)
    assert ends


def test_a16_12_what_is_sent_several_times_is_done_once(arena: Arena) -> None:
    for _ in range(TRIALS):
        key, made = uuid.uuid4().hex, list[int]()
        name = f"once {key}"

        def send(unit: Unit, key: str = key, name: str = name, made: list[int] = made) -> None:
            known = once.claim(unit, key, "customer")
            if known is None:
                known = int(writing.create(unit, "customer", {"name": name, "level": "a"})["id"])
                once.settle(unit, key, known)
            made.append(known)

        came = arena.race(*[("admin", send)] * 4)
        assert set(came) == {"done"}
        table = arena.sides[0].current.tables.of("customer")
        [row] = arena.rows(sa.select(table.id).where(table.column("name") == name))
        assert made[-1] == row[0]
        assert set(made[-3:]) == {row[0]}, "everybody is told the same"


def test_a16_2_never_more_is_received_than_owed(arena: Arena) -> None:
    """Receipts, a refund and a smaller amount at one moment: what is received lies between what was
    refunded and what is owed."""
    for _ in range(TRIALS):
        customer = arena.world.id("customer-c1")
        owed = arena.make("receivable", title="o", customer=customer, amount="100.00")
        link = owed["id"]
        arena.make("receipt", title="first", receivable=link, amount="60.00")
        with arena.sides[0].unit(SYSTEM) as unit:
            version = read(unit, "receivable", link)["version"]

        def receive(unit: Unit, link: int = link) -> None:
            values = {"title": "r", "receivable": link, "amount": "40.00"}
            writing.create(unit, "receipt", values)

        def refund(unit: Unit, link: int = link) -> None:
            values = {"title": "f", "receivable": link, "amount": "60.00"}
            writing.create(unit, "refund", values)

        def less(unit: Unit, link: int = link, version: int = version) -> None:
            writing.change(unit, "receivable", link, {"amount": "70.00"}, version)

        arena.race(("admin", receive), ("admin", receive), ("admin", refund), ("admin", less))
        with arena.sides[0].unit(SYSTEM) as unit:
            now = read(unit, "receivable", link)
        received, refunded = now["received"] or 0, now["refunded"] or 0
        assert refunded <= received <= now["amount"] + refunded, now
        table = arena.sides[0].current.tables.of("receipt")
        real = arena.rows(
            sa.select(table.column("amount")).where(table.column("receivable") == link)
        )
        assert sum(row[0] for row in real) == received, "the sum is that of the receipts"
