"""The tree of departments is what rights by department follow, with the next look of everybody."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.integration import records_world
from tests.integration.records_world import World
from tests.web import Browser, Site

from engine.accounts.security_log import broken_at
from engine.records import people, reading
from engine.records.company import Company
from engine.records.failures import Failure, Invalid, NotFound
from engine.records.personnel import departments
from engine.records.unit import Unit
from engine.storage import Database


@pytest.fixture
def world(sqlite_database: Database) -> World:
    return records_world.build(sqlite_database)


@pytest.fixture
def either(database: Database) -> World:
    """The company on SQLite and on PostgreSQL."""
    return records_world.build(database)


def names(world: World) -> list[str]:
    """The tree, each with its way from the top."""
    with world.read("root") as unit:
        return ["/".join(one.trail) for one in departments.tree(unit)]


def refused(world: World, act: Callable[[Unit], object]) -> str:
    before = world.digest()
    with pytest.raises(Failure) as caught, world.write("root") as unit:
        act(unit)
    assert world.digest() == before
    return caught.value.code


def may_see(world: World, who: str, id: int) -> bool:
    """Through a company opened anew, as another process has it, by whoever he is there now."""
    other = Company("small", world.company.database)
    with world.company.database.read() as connection:
        actor = people.actor_of(connection, world.actors[who].id)
    assert actor is not None
    with other.unit(actor) as unit:
        try:
            return bool(reading.read(unit, "customer", id))
        except NotFound:
            return False


def test_moving_a_department_changes_who_sees_what(either: World) -> None:
    """carol sees what people of the east own; when the west comes under the east, theirs too."""
    world = either
    mine = world.create("erin", "customer", name="Port", owner=world.actors["erin"].id)
    assert not may_see(world, "carol", mine["id"])
    with world.write("root") as unit:
        harbour = departments.add(unit, "Harbour", world.west)
        effect = departments.move(unit, world.west, world.east)
    assert (effect.people, effect.departments) == (1, 2)
    assert names(world) == ["East", "East/West", "East/West/Harbour"]
    assert may_see(world, "carol", mine["id"])
    with world.write("root") as unit:
        departments.move(unit, harbour, None)
        departments.move(unit, world.west, harbour)
    assert names(world) == ["East", "Harbour", "Harbour/West"]
    assert not may_see(world, "carol", mine["id"])


def test_removing_a_department_moves_its_people(either: World) -> None:
    world = either
    mine = world.create("erin", "customer", name="Port", owner=world.actors["erin"].id)
    with world.write("root") as unit:
        departments.add(unit, "Harbour", world.west)
    assert refused(world, lambda unit: departments.remove(unit, world.west, None)) == "U121"
    with world.write("root") as unit:
        done = departments.remove(unit, world.west, world.east)
    assert (done.people, done.departments) == (1, 1)
    assert names(world) == ["East", "East/Harbour"]
    assert may_see(world, "carol", mine["id"])
    with world.read("root") as unit:
        erin = people.find_user(unit.connection, "erin")
        assert erin is not None
        assert erin["department_id"] == world.east
        assert broken_at(unit.connection) is None


def test_nothing_comes_to_stand_below_itself(world: World) -> None:
    with world.write("root") as unit:
        harbour = departments.add(unit, "Harbour", world.east)
    assert refused(world, lambda unit: departments.move(unit, world.east, harbour)) == "R504"
    assert refused(world, lambda unit: departments.move(unit, world.east, world.east)) == "R504"
    assert refused(world, lambda unit: departments.remove(unit, world.east, harbour)) == "U122"


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda unit, world: departments.add(unit, " "), "U110"),
        (lambda unit, world: departments.add(unit, "A\nB\x1b[2J"), "U110"),
        (lambda unit, world: departments.add(unit, "EAST"), "U120"),
        (lambda unit, world: departments.change(unit, world.east, "West", None), "U120"),
        (lambda unit, world: departments.change(unit, world.east, "East", 999), "U115"),
        (lambda unit, world: departments.add(unit, "New", 999), "R001"),
        (lambda unit, world: departments.move(unit, 999, None), "R001"),
        (lambda unit, world: departments.move(unit, world.east, 999), "R001"),
        (lambda unit, world: departments.remove(unit, 999, None), "R001"),
        (lambda unit, world: departments.shift(unit, 999, "up"), "R001"),
    ],
)
def test_mistakes_change_nothing(
    world: World, act: Callable[[Unit, World], object], code: str
) -> None:
    assert refused(world, lambda unit: act(unit, world)) == code


def test_the_tree_has_a_bottom(world: World) -> None:
    with world.write("root") as unit:
        here = world.east
        for level in range(departments.DEEPEST - 1):
            here = departments.add(unit, f"Level {level}", here)
    assert refused(world, lambda unit: departments.add(unit, "Deeper", here)) == "U123"
    assert refused(world, lambda unit: departments.move(unit, world.west, here)) == "U123"


def test_siblings_change_places(world: World) -> None:
    with world.write("root") as unit:
        north = departments.add(unit, "North")
        departments.shift(unit, north, "up")
        departments.shift(unit, world.east, "up")  # the first stays the first
    assert names(world) == ["East", "North", "West"]
    with world.write("root") as unit:
        departments.shift(unit, world.east, "down")
    assert names(world) == ["North", "East", "West"]


def test_two_moves_at_once_make_no_circle(postgres_database: Database) -> None:
    """East goes below west while west goes below east: one of them is too late."""
    world = records_world.build(postgres_database)
    barrier, refusals = threading.Barrier(2), list[str]()

    def move(what: int, to: int) -> None:
        barrier.wait()
        try:
            with world.write("root") as unit:
                departments.move(unit, what, to)
        except Invalid as failure:
            refusals.append(failure.code)

    pairs = ((world.east, world.west), (world.west, world.east))
    threads = [threading.Thread(target=move, args=pair) for pair in pairs]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert refusals == ["R504"]
    assert sorted(map(len, (name.split("/") for name in names(world)))) == [1, 2]


# --- the pages -------------------------------------------------------------------------------


def page(browser: Browser, path: str) -> str:
    found = browser.get(path)
    assert found.status_code == 200, (path, found.status)
    return found.get_data(as_text=True)


def test_a_department_from_its_making_to_its_end(site: Site) -> None:
    admin = site.browser("admin", "en")
    with site.company.database.read() as connection:
        places = {one.name: one.id for one in people.departments(connection)}
    one, two = places["销售一部"], places["销售二部"]
    li = site.person("li")
    sent = {"name": "大客户组", "parent": str(one), "manager": str(li)}
    assert admin.post("/admin/departments/new", sent).status_code == 303
    tree = page(admin, "/admin/departments")
    assert "大客户组" in tree
    assert "李强" in tree
    again = admin.post("/admin/departments/new", sent)
    assert again.status_code == 422
    assert "already" in again.get_data(as_text=True)

    asked = page(admin, f"/admin/departments/{one}/move?to={two}")
    assert "2 people move with it" in asked
    assert "1 department below moves with it" in asked
    assert "销售一部" not in page(admin, f"/admin/departments/{two}").split("<main")[1]
    moved = admin.post(f"/admin/departments/{one}/move", {"to": str(two)})
    assert moved.status_code == 303
    assert "2 people moved" in page(admin, "/admin/departments")
    circle = admin.post(f"/admin/departments/{two}/move", {"to": str(one)})
    assert circle.status_code == 422
    assert "below itself" in circle.get_data(as_text=True)

    with site.company.database.read() as connection:
        group = next(each.id for each in people.departments(connection) if each.name == "大客户组")
    up = admin.post(f"/admin/departments/{two}/shift", {"where": "up"})
    assert up.status_code == 303
    assert "Who takes that over" in page(admin, f"/admin/departments/{one}/remove")
    assert admin.post(f"/admin/departments/{one}/remove", {}).status_code == 422
    assert admin.post(f"/admin/departments/{one}/remove", {"heir": str(two)}).status_code == 303
    assert admin.post(f"/admin/departments/{group}/remove", {}).status_code == 303
    with site.company.database.read() as connection:
        assert [each.name for each in people.departments(connection)] == [
            "总经理办公室", "销售二部",
        ]  # fmt: skip
    assert "Department changed" in page(admin, "/admin/logs/security?kind=department.")
