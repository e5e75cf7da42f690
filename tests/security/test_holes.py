"""Does a harness fail when there is something to find? Each of these tears a hole into the product
and asks the harness that has to see it.

The docstring of a hole is its line on the proof page; the name of the harness stands in HOLES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.security import guards
from tests.security.crawl import Crawl
from tests.security.guards import Changed, Fault, guarded
from tests.security.inventory import differences
from tests.security.matrix import Matrix
from tests.security.replay import lost
from tests.security.strangers import open_to_people, open_to_strangers
from tests.security.twins import Ask, Twins
from tests.security.world import World

from dougong.security import SESSION_COOKIE
from engine.accounts.sessions import start_session
from engine.records.failures import Forbidden
from engine.records.unit import SYSTEM
from engine.storage import Database
from engine.storage.errors import translated
from engine.tables import system

Hole = Callable[[World, pytest.MonkeyPatch], list[str]]
HOLES: Final[list[tuple[str, Hole]]] = []


def caught_by(harness: str) -> Callable[[Hole], Hole]:
    """Register a hole with the harness that finds it."""

    def register(hole: Hole) -> Hole:
        HOLES.append((harness, hole))
        return hole

    return register


def everything(*_: object, **__: object) -> sa.ColumnElement[bool]:
    return sa.true()


def matrix(world: World, what: str, *logins: str) -> list[str]:
    found = Matrix(world)
    for login in logins:
        getattr(found, what)(login)
    return found.wrong


def crawl(world: World, login: str, *paths: str) -> list[str]:
    found = Crawl(world, login)
    for path in paths:
        found.visit("GET", f"/t1{path}")
    return found.leaks


# --- A0.1 the inventory --------------------------------------------------------------------------
@caught_by("A0.1")
def a_new_route(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """an address that nobody has entered in the table"""
    world.served.app.add_url_rule("/<company>/new", "new", lambda: "", methods=["GET"])
    return differences(world.served.app)


@caught_by("A0.1")
def a_page_for_strangers(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a page that forgets to ask who is there"""
    patch.setitem(world.served.app.view_functions, "notifications.index", lambda: "hello")
    return open_to_strangers(world.served, "t1")


@caught_by("A0.1")
def administration_for_all(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a page of the administration that asks only for a login"""
    patch.setitem(world.served.app.view_functions, "groups.index", lambda: "hello")
    return open_to_people(world.served, "t1", "zoe")


# --- A0.2 the matrix -----------------------------------------------------------------------------
@caught_by("A0.2")
def a_list_without_its_row_filter(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """one door, the list, without the predicate on rows"""
    patch.setattr("engine.records.reading.row_filter", everything)
    return matrix(world, "lists", "alice")


@caught_by("A0.2")
def a_count_without_the_filter(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a count of all records beside a list of the visible ones"""
    from engine.records import reading

    def count(unit: Any, query: Any, **_: Any) -> Any:
        place = unit.app.tables.of(query.entity)
        whole = sa.select(sa.func.count()).where(place.removed_at.is_(None))
        return reading.Count(int(unit.connection.scalar(whole.select_from(place.table)) or 0))

    patch.setattr("dougong.api.records.records.count", count)
    return matrix(world, "lists", "alice")


@caught_by("A0.2")
def a_cache_without_the_reader(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """statements kept under a key that does not know for whom they were made"""
    patch.setattr("engine.records.reading.viewer_key", lambda unit, entity: "anybody")
    return matrix(world, "lists", "alice", "erin")


@caught_by("A0.2")
def raw_values_in_one_door(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a door that loads the record past the mask"""

    def read(unit: Any, entity: str, id: int) -> Any:
        return unit.app.reader.load(unit.connection, entity, id)

    patch.setattr("dougong.api.records.records.read", read)
    return matrix(world, "reads", "alice")


@caught_by("A0.2")
def a_write_without_its_predicate(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """whoever may read a record may change it"""
    from engine.records import reading

    def visible(unit: Any, entity: str, ids: Sequence[int], **more: Any) -> frozenset[int]:
        return reading.visible(unit, entity, ids, removed=more.get("removed", False))

    patch.setattr("engine.records.writing.visible", visible)
    return matrix(world, "writes", "bob")


@caught_by("A0.2")
def a_field_that_anybody_writes(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the level of a field is not asked when it is written"""
    patch.setattr("engine.records.intake.holds", lambda *_: True)
    return matrix(world, "fields", "carol", "alice")


@caught_by("A0.2")
def clearance_forgotten_for_one_role(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the gate of secrecy left out"""
    patch.setattr("engine.access.compiler.gate_of", lambda *_: True)
    return matrix(world, "lists", "alice", "admin")


@caught_by("A0.2")
def a_share_that_never_ends(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a share that counts after its last day"""
    from engine.records import facts

    real = facts._shares

    def shares(*given: Any) -> Any:
        entity, level, me, above, _ = given
        return real(entity, level, me, above, "1999-01-01")

    patch.setattr(facts, "_shares", shares)
    return matrix(world, "lists", "alice")


@caught_by("A0.2")
def forbidden_where_nothing_is(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """403 for what is not visible: it tells that it is there"""
    from dougong import failures
    from engine.records.failures import NotFound

    patch.setattr(failures, "STATUS", {**failures.STATUS, NotFound: 403})
    return matrix(world, "writes", "alice")


# --- A0.3 the crawl ------------------------------------------------------------------------------
@caught_by("A0.3")
def a_mask_that_is_skipped_in_the_history(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the history tells old and new values to everybody"""
    from engine.fields import bind
    from engine.records.history import Change

    def shown(unit: Any, entity: Any, access: Any, changes: Any) -> list[Change]:
        return [
            Change(entity.fields[n], bind(entity.fields[n]).from_json(old) if old else None, new)
            for n, (old, new) in changes.items()
            if n == "inside"
        ]

    patch.setattr("engine.records.history._shown", shown)
    return crawl(world, "alice", f"/api/v1/customer/{world.id('customer-c1')}/history")


@caught_by("A0.3")
def a_mask_that_masks_nothing(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """masked values come as they are"""
    patch.setattr("engine.records.views.masked", lambda field, value, access: value)
    return crawl(world, "carol", f"/e/customer/{world.id('customer-c1')}")


@caught_by("A0.3")
def the_name_of_an_unseen_neighbour(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a reference is shown by the name of a record that is not visible"""
    patch.setattr("engine.records.labels.row_filter", everything)
    return crawl(world, "alice", f"/e/note/{world.id('note-n2')}")


@caught_by("A0.3")
def suggestions_for_all(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the search box looks with the platform's own eyes"""
    from engine.records.reading import find

    def looked(unit: Any, query: Any, **more: Any) -> Any:
        return find(replace(unit, actor=SYSTEM), query, **more)

    patch.setattr("dougong.suggestions.find", looked)
    return crawl(world, "alice", "/search/suggest?q=CNRY")


@caught_by("A0.3")
def a_file_for_whoever_knows_its_number(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """files are handed out without asking for their record"""
    patch.setattr("engine.records.files._may_read", lambda *_: True)
    with world.served.company("t1").database.read() as connection:
        ids = list(connection.scalars(sa.select(system.FILE.c.id)))
    return crawl(world, "alice", *(f"/e/@file/{id}" for id in ids))


@caught_by("A0.3")
def a_picker_past_the_rights(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the picker of a form offers records that are not visible"""
    from engine.records.reading import find

    def looked(unit: Any, query: Any, **more: Any) -> Any:
        return find(replace(unit, actor=SYSTEM), query, **more)

    patch.setattr("engine.records.lookups.find", looked)
    return crawl(world, "alice", "/e/contract/lookup/customer?q=c5")


@caught_by("A0.3")
def a_notice_that_tells_too_much(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a notice with words from a record that its reader may not see"""
    with world.unit() as unit:
        values = {"title": "CNRY-t1-customer-c5-name", "key": "k", "kind": "system"}
        me = world.served.actor("t1", "alice").id
        id = unit.app.database.ids.next(unit.connection)
        unit.connection.execute(
            sa.insert(system.NOTICE).values(id=id, user_id=me, at=unit.now, **values)
        )
    found = Crawl(world, "alice")
    found.sent()
    return found.leaks


@caught_by("A0.3")
def the_other_companys_data(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """one company is served from the database of the other"""
    found, other = Crawl(world, "alice"), world.served.company("t2").database
    me = found.oracle.facts.people["alice"].id
    with other.write() as connection:
        token = start_session(connection, me, datetime.now(UTC), hours=1)
    found.person.client.set_cookie(SESSION_COOKIE, token, path="/t1/")
    patch.setattr(world.served.company("t1"), "database", other)
    found.visit("GET", "/t1/api/v1/customer")
    return found.leaks


# --- A0.4 the twins ------------------------------------------------------------------------------
TWINS: Final[list[tuple[Hole, Ask]]] = []


def told_apart_by(ask: Ask) -> Callable[[Hole], Hole]:
    """Register a hole that the twins find with one question."""

    def register(hole: Hole) -> Hole:
        TWINS.append((hole, ask))
        return hole

    return register


def past_the_mask(view: Any, name: str) -> Any:
    return view.names.table.c.id if name == "id" else view._usable(name)


@told_apart_by(Ask("GET", "/api/v1/customer?q=OTHER"))
def a_search_in_hidden_fields(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the search looks into fields that its reader may not see"""
    from engine.records import filters
    from engine.tables import search

    def search_of(view: Any, text: str) -> Any:
        index = view.names.place.search
        return search.match(index, text, list(index.fields)) if index else sa.false()

    patch.setattr(filters, "search_of", search_of)
    return []


@told_apart_by(Ask("GET", "/api/v1/customer?sort=inside&cols=name"))
def an_order_by_a_hidden_field(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a list is ordered by what its reader may not see"""
    from engine.lists import parsing
    from engine.records import views

    patch.setattr(parsing._Parser, "known", lambda self, name, argument: True)
    patch.setattr(parsing._Parser, "sortable", lambda self, name: True)
    patch.setattr(views.View, "readable", past_the_mask)
    return []


@told_apart_by(Ask("GET", "/api/v1/customer?f.cost_price.gt=72000000&cols=name"))
def a_filter_by_a_hidden_field(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a list is filtered by what its reader may not see: a number is found by halving"""
    from engine.lists import parsing
    from engine.records import views

    patch.setattr(parsing._Parser, "known", lambda self, name, argument: True)
    patch.setattr(views.View, "readable", past_the_mask)
    patch.setattr("engine.records.filters.row_filter", everything)
    return []


@told_apart_by(Ask("GET", "/api/v1/note"))
def a_count_of_the_unseen(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """the number above a list counts records that are not in it"""
    from engine.records import reading

    def count(unit: Any, query: Any, **_: Any) -> Any:
        place = unit.app.tables.of(query.entity)
        whole = sa.select(sa.func.count()).where(place.removed_at.is_(None))
        return reading.Count(int(unit.connection.scalar(whole.select_from(place.table)) or 0))

    patch.setattr("dougong.api.records.records.count", count)
    return []


@told_apart_by(Ask("POST", "/api/v1/customer", {"name": "A new one", "level": "a"}))
def a_number_that_counts_the_unseen(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """an answer to a write that tells how many there are"""
    from engine.records import writing

    real = writing.create

    def create(unit: Any, entity: str, values: Any, **more: Any) -> Any:
        record = real(unit, entity, values, **more)
        table = unit.app.tables.of(entity).table
        record["remark"] = (
            f"no. {unit.connection.scalar(sa.select(sa.func.count()).select_from(table))}"
        )
        return record

    patch.setattr("dougong.api.records.saving.create", create)
    return []


# --- A0.5 and A0.6 the guards --------------------------------------------------------------------
@caught_by("A0.5")
def a_refusal_that_has_written(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a write that is refused after it was done, in a transaction that is kept"""

    def remove(unit: Any, entity: str, id: int, version: int | None) -> None:
        table = unit.app.tables.of(entity)
        change = sa.update(table.table).values(version=table.version + 1).where(table.id == id)
        unit.connection.execute(change)
        raise Forbidden("delete", entity={"en": entity})

    @contextmanager
    def write(self: Database) -> Iterator[sa.Connection]:
        with translated(), self._writers.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
            finally:
                transaction.commit()
                self.ids.settle(connection, True)

    with guarded(world.served):
        alice = world.served.visitor("t1", "alice")
        alice.text("/account")
        patch.setattr("dougong.api.records.removing.remove", remove)
        patch.setattr(Database, "write", write)
        try:
            path = f"/api/v1/customer/{world.id('customer-c1')}"
            alice.send("DELETE", path, headers={"If-Match": '"2"'})
        except Changed as found:
            return [str(found)]
    return []


@caught_by("A0.6")
def a_fault_of_ours(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a page that ends in a fault"""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    patch.setattr("engine.records.reading.find", broken)
    with guarded(world.served):
        try:
            world.served.visitor("t1", "alice").get("/api/v1/customer")
        except Fault as found:
            return [str(found)]
    return []


# --- A0.7 the history ----------------------------------------------------------------------------
def change_one(world: World) -> None:
    alice, id = world.served.visitor("t1", "alice"), world.id("customer-c1")
    body = {"remark": "changed", "level": "a", "version": 2}
    assert alice.api("PATCH", f"/customer/{id}", body).status_code == 200


@caught_by("A0.7")
def a_change_without_its_row(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a change that leaves no row in the history"""
    patch.setattr("engine.records.storing.note", lambda *_, **__: None)
    change_one(world)
    return lost(world.served.company("t1"))


@caught_by("A0.7")
def a_row_that_tells_half(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a row of the history that leaves out a field"""
    from engine.records.history import changes_of

    def half(*given: Any) -> dict[str, Any]:
        return {name: pair for name, pair in changes_of(*given).items() if name != "level"}

    patch.setattr("engine.records.storing.changes_of", half)
    change_one(world)
    return lost(world.served.company("t1"))


@caught_by("A0.7")
def a_row_told_twice(world: World, patch: pytest.MonkeyPatch) -> list[str]:
    """a change that stands in the history twice"""
    from engine.records.history import note

    def twice(*given: Any, **more: Any) -> None:
        note(*given, **more)
        note(*given, **more)

    patch.setattr("engine.records.storing.note", twice)
    change_one(world)
    return lost(world.served.company("t1"))


# --- the tests -----------------------------------------------------------------------------------
def forget(world: World) -> None:
    """What was compiled before the hole was torn must not hide it."""
    for key in world.served.installation.companies():
        app = world.served.company(key).current
        app._access.clear()
        app._statements.clear()


def test_a0_1_without_a_hole_there_is_nothing_to_find(world: World) -> None:
    assert not open_to_strangers(world.served, "t1")
    assert not open_to_people(world.served, "t1", "zoe")
    assert not lost(world.served.company("t1"))


@pytest.mark.parametrize(
    ("harness", "hole"), HOLES, ids=[f"{harness}-{hole.__name__}" for harness, hole in HOLES]
)
@pytest.mark.expects_fault
def test_a0_a_hole_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, harness: str, hole: Hole
) -> None:
    forget(world)
    guards.Guarded.checked = 0
    assert hole(world, monkeypatch), f"{harness} has not seen it"


@pytest.fixture(scope="module")
def twins(prepared_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """Two worlds for alice."""
    found = Twins.open(prepared_world, tmp_path_factory.mktemp("twins"), "alice")
    assert not found.alike()
    yield found
    found.close()


@pytest.mark.parametrize(("hole", "ask"), TWINS, ids=[hole.__name__ for hole, _ in TWINS])
def test_a0_4_a_hole_is_found(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, hole: Hole, ask: Ask
) -> None:
    if ask.method == "GET":
        assert not twins.ask(ask), "before there is a hole"
    hole(twins.one, monkeypatch)
    for world in (twins.one, twins.other):
        forget(world)
    assert twins.ask(ask), "A0.4 has not seen it"
