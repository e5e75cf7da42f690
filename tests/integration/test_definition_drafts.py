"""Drafts of the company's own layer underneath the pages, on both databases: shared, never stale,
never lost, published once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.integration.records_world import World, build

from engine.definitions.access_edit import path_of, set_grants
from engine.definitions.access_rights import Place
from engine.definitions.canonical import canonical
from engine.definitions.load import load
from engine.packs import check_sources
from engine.records import definition_drafts as drafts
from engine.records.failures import Busy, Conflict, Failure, Invalid, NotFound
from engine.records.publish import WHATEVER, publish
from engine.records.role_uses import role_uses
from engine.storage import Database

OWN, OTHER = path_of("customer"), path_of("contract")


def granted(
    world: World, who: str, role: str, seen: int = 0, entity: str = "customer", **values: Any
) -> int:
    """Somebody sets rights in the draft, on the version that he saw; the new version."""
    with world.read(who) as unit:
        since = drafts.stand(unit)
        wanted = set_grants(drafts.drafted(unit), "small", [(Place(entity, role), values)])
    with world.write(who) as unit:
        drafts.save(unit, wanted, {path_of(entity): seen}, since)
        kept = drafts.drafts(unit).get(path_of(entity))
        return kept.version if kept else 0


def body(world: World, path: str = OWN) -> Any:
    with world.read("root") as unit:
        return load(path, drafts.drafted(unit)[path])[0].data


def release(world: World, note: str = "Why not", **more: Any) -> drafts.Release:
    with world.read("root") as unit:
        sources, stand = drafts.drafted(unit), drafts.stand(unit)
    return drafts.Release(sources, "small", stand, note, **{"acknowledged": WHATEVER, **more})


def test_a_file_is_changed_by_whoever_saw_it_last(database: Database) -> None:
    world = build(database)
    first = granted(world, "root", "sales", delete=True)
    with pytest.raises(Conflict) as refused:
        granted(world, "root", "sales", delete=False)
    assert refused.value.code == "K001"
    assert refused.value.problems[0].params["by"] == "Root"
    second = granted(world, "root", "sales", first, export=True)
    assert second != first
    third = granted(world, "root", "sales", 0, "contract", delete=True)  # another file
    for who in ("alice", "carol"):
        with pytest.raises(NotFound):
            granted(world, who, "sales", second, delete=False)
    with world.write("root") as unit, pytest.raises(Busy):
        drafts.save(unit, {}, {OWN: second, OTHER: third}, "what was before")


def test_two_who_save_at_the_same_moment_do_not_lose_anything(database: Database) -> None:
    world = build(database)

    def one(action: str) -> str:
        try:
            granted(world, "root", "auditor", 0, "customer", **{action: True})
        except (Conflict, Busy) as failure:
            return type(failure).__name__
        return "kept"

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(one, ["write", "delete", "create", "export"]))
    assert told.count("kept") == 1, told
    assert len(body(world)["x-access"]["auditor"]) == 1


def test_what_others_publish_stays_and_drafts_are_published_once(database: Database) -> None:
    world = build(database)
    granted(world, "root", "auditor", delete=True)
    sources = {**world.company.current.sources, OWN: canonical({"description": "Who buys"})}
    publish(world.company, sources, "small", world.actors["root"], "elsewhere")
    assert body(world) == {"description": "Who buys", "x-access": {"auditor": {"delete": True}}}
    wanted, root = release(world), world.actors["root"]
    with pytest.raises(Invalid):
        drafts.publish(world.company, release(world, " "), root, check_sources)
    with pytest.raises(NotFound):
        drafts.publish(world.company, wanted, world.actors["alice"], check_sources)
    with pytest.raises(Conflict):
        drafts.publish(world.company, release(world, acknowledged=""), root, check_sources)

    def one(_: int) -> str:
        try:
            drafts.publish(world.company, wanted, root, check_sources)
        except Failure as failure:
            return failure.code
        return "published"

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(one, range(2)))
    assert told.count("published") == 1, told
    model = world.company.current.model
    assert model.entities["customer"].access["auditor"].delete is True
    assert model.entities["customer"].help
    with world.read("root") as unit:
        assert drafts.drafts(unit) == {}


def test_a_draft_that_says_what_is_in_force_is_none(database: Database) -> None:
    world = build(database)
    first = granted(world, "root", "auditor", delete=True)
    assert granted(world, "root", "auditor", first, delete=False) == 0
    with world.read("root") as unit:
        assert drafts.drafted(unit) == dict(unit.app.sources)
        assert {use.kind for use in role_uses(unit, "auditor", unit.app.sources)} == {"person"}


def test_wrong_definitions_are_never_published(database: Database) -> None:
    world = build(database)
    granted(world, "root", "auditor", delete="nothing == 1")  # as an older platform let it pass
    with pytest.raises(Invalid):
        drafts.publish(world.company, release(world), world.actors["root"], check_sources)
    with world.write("root") as unit:
        with pytest.raises(Conflict):
            drafts.discard(unit, [OWN], {})
        drafts.discard(unit, [OWN], {OWN: drafts.drafts(unit)[OWN].version})
        assert drafts.drafts(unit) == {}
