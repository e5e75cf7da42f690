"""Drafts of workflows and what publishing one does, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.test_records_flows import World, inhabited

from engine.definitions import flow_edits as edits
from engine.definitions.canonical import canonical
from engine.packs import check_sources
from engine.problems import Problem, Severity
from engine.records import flow_drafts as drafts
from engine.records.failures import Conflict, Invalid, NotFound
from engine.storage import Database

FLOW = "contract_approval"


def document(world: World, who: str = "root") -> dict[str, Any]:
    with world.as_(who, write=False) as unit:
        return drafts.current(unit, FLOW).data


def errors(found: list[Problem]) -> list[Problem]:
    return [one for one in found if one.severity is Severity.ERROR]


def with_director(doc: dict[str, Any]) -> dict[str, Any]:
    """A second approval behind the manager's, by the general manager."""
    doc = edits.add_after(doc, "manager", "approval", title={"en": "Director"}).doc
    doc = edits.rename(doc, "approval", "director").doc
    at = "/states/in_review/states/director/assignees"
    return edits.set_value(doc, at, [{"role": "general_manager"}]).doc


def kept(world: World, doc: dict[str, Any], version: int = 0) -> drafts.Draft:
    with world.as_("root") as unit:
        return drafts.save(unit, FLOW, canonical(doc), version, "after")


def test_a_published_draft_is_live_for_new_cases_and_old_ones_end_as_they_began(
    database: Database,
) -> None:
    with inhabited(database) as world:
        first = world.company.current.model.workflows[FLOW].version
        old = world.submitted(1_000)
        draft = kept(world, with_director(document(world)))
        with world.as_("root", write=False) as unit:
            assert not errors(drafts.problems(unit, draft, check_sources))
            assert drafts.new_options(unit, draft) == ["director"]
            said = drafts.plan(unit, draft, check_sources).sentences("en")
        assert any("version 1" in one or "1" in one for one in said)
        root = world.actors["root"]
        drafts.publish(world.company, FLOW, draft.version, root, "four eyes", check_sources)
        assert world.company.current.model.workflows[FLOW].version == first + 1
        world.decide("manager", old, "approve")
        assert world.state(old) == "approved"
        new = world.submitted(1_000)
        world.decide("manager", new, "approve")
        assert world.state(new) == "director"
        world.decide("boss", new, "approve")
        assert world.state(new) == "approved"
        with world.as_("root", write=False) as unit:
            assert drafts.draft_of(unit, FLOW) is None
            text = unit.app.sources[drafts.path_of(FLOW)]
        assert text == canonical(json.loads(text))


def test_steps_are_undone_to_the_byte(database: Database) -> None:
    with inhabited(database) as world:
        doc = document(world)
        texts = [canonical(doc)]
        draft = None
        for number in range(3):
            doc = edits.add_after(doc, "manager", "approval").doc
            draft = kept(world, doc, number)
            texts.append(draft.body)
        for number in (2, 1, 0, 0):
            with world.as_("root") as unit:
                assert draft is not None
                draft = drafts.undo(unit, FLOW, draft.version)
            assert draft.body == texts[number]
        assert draft is not None
        assert draft.undoes is None
        assert draft.redoes == "after"
        for number in (1, 2, 3, 3):
            with world.as_("root") as unit:
                draft = drafts.undo(unit, FLOW, draft.version, 1)
            assert draft.body == texts[number]


def test_a_draft_is_nobodys_business_but_administrators(database: Database) -> None:
    with inhabited(database) as world:
        doc = document(world)
        for act in (
            lambda unit: drafts.save(unit, FLOW, canonical(doc), 0),
            lambda unit: drafts.undo(unit, FLOW, 0),
            lambda unit: drafts.discard(unit, FLOW),
        ):
            with pytest.raises(NotFound), world.as_("sales") as unit:
                act(unit)
        kept(world, with_director(doc))
        with pytest.raises(NotFound):
            drafts.publish(world.company, FLOW, 1, world.actors["sales"], "", check_sources)


def test_who_is_slower_is_told_and_loses_nothing_of_the_others(database: Database) -> None:
    with inhabited(database) as world:
        doc = document(world)
        first = kept(world, with_director(doc))
        with pytest.raises(Conflict) as told:
            kept(world, edits.rename(doc, "manager", "boss").doc)
        assert told.value.problems[0].code == "E120"
        assert told.value.problems[0].params["by"] == "Root"
        assert canonical(document(world)) == first.body
        with pytest.raises(Conflict):
            drafts.publish(world.company, FLOW, 7, world.actors["root"], "", check_sources)


def test_only_what_fits_the_format_is_kept_and_only_what_makes_sense_is_published(
    database: Database,
) -> None:
    with inhabited(database) as world:
        first = world.company.current.model.workflows[FLOW].version
        doc = document(world)
        for bad in ("{", "[]", canonical({**doc, "initial": 3}), canonical({**doc, "id": "other"})):
            with pytest.raises(Invalid), world.as_("root") as unit:
                drafts.save(unit, FLOW, bad, 0)
        many = isinstance(doc["states"]["draft"]["on"]["submit"], list)
        at = "/states/draft/on/submit" + ("/0" if many else "") + "/guard"
        draft = kept(world, edits.set_value(doc, at, "nothing_known > 3").doc)
        with world.as_("root", write=False) as unit:
            found = drafts.problems(unit, draft, check_sources)
            assert {one.pointer for one in errors(found)} == {at}
        with pytest.raises(Invalid):
            drafts.publish(world.company, FLOW, 1, world.actors["root"], "", check_sources)
        assert world.company.current.model.workflows[FLOW].version == first


def test_a_draft_knows_that_something_else_was_published_since(database: Database) -> None:
    with inhabited(database) as world:
        first = world.company.current.model.workflows[FLOW].version
        draft = kept(world, with_director(document(world)))
        root = world.actors["root"]
        drafts.publish(world.company, FLOW, draft.version, root, "", check_sources)
        later = kept(world, edits.set_value(document(world), "/title/en", "Contracts").doc)
        with world.as_("root", write=False) as unit:
            assert not drafts.outdated(unit, later)
        drafts.publish(world.company, FLOW, later.version, root, "", check_sources)
        flow = world.company.current.model.workflows[FLOW]
        # words raise no version
        assert (flow.version, flow.title["en"]) == (first + 1, "Contracts")
