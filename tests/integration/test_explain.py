"""Why somebody may or may not: the explanation says what the doors say, its remedies work when they
are applied for real, and it tells nobody what he may not know."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration import test_access_model as rich
from tests.integration.records_world import World, make, opened
from tests.worlds import settle

from engine.definitions.model import PoolLimits
from engine.records import flows, people, reading, removing, writing
from engine.records.actor import SYSTEM
from engine.records.administration.commands import jump
from engine.records.explaining.answer import Explanation, words
from engine.records.explaining.explaining import explain
from engine.records.failures import Failure, Forbidden, NotFound
from engine.records.unit import Unit
from engine.records.views import Masked
from engine.storage import Database
from engine.tables.system import SHARE

CLOSED = {"A001", "A002", "A003", "R001", "R201", "R202", "R208", "R215", "V091", "V090"}
VALUES: dict[
    str, dict[str, tuple[Any, Any]]
] = {  # two values of each field: one of them differs from what is there
    "customer": {
        "name": ("Northern", "Southern"),
        "tax_id": ("T-1", "T-2"),
        "phone": ("13800138000", "13900139000"),
        "cost": ("11", "12"),
        "tags": (["late"], ["new"]),
        "level": ("B", "C"),
        "signed": ("5", "6"),
        "code": ("X", "Y"),
        "secrecy": ("open", "secret"),
    },
    "contract": {"title": ("One", "Two"), "state": ("draft", "review"), "amount": ("1", "2")},
    "note": {"body": ("one", "two")},
}


Question = tuple[str, str, int, str, str]


class Undo(Exception):
    """Leaves a unit without a trace."""


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """The company of grades, shares, a pool and participants, with records of every kind."""
    settle(database, "explained", _fill)
    return opened(database, tmp_path / "files")


def _fill(database: Database) -> None:
    make(database)
    found = rich.enriched(opened(database))
    rich.give(found, "bob", "cleared")
    for owner, more in (
        ("alice", {"secrecy": "open", "phone": "13500135000"}),
        ("erin", {"secrecy": "open", "phone": "13600136000", "tags": ["vip"]}),
        ("bob", {"secrecy": "secret", "phone": "13700137000"}),
        (None, {"secrecy": "open", "phone": "13100131000"}),
    ):
        made = rich.customer(found, owner, **more)
        if owner == "erin":
            rich.share(found, made["id"], "read", user_id=found.actors["alice"].id)
            rich.share(found, made["id"], "write", department_id=found.east, until="2020-01-01")
    gone = rich.customer(found, "alice", secrecy="open", phone="13200132000")
    found.remove("@system", "customer", gone)
    own = rich.customer(found, "alice", secrecy="open", phone="13200132000")
    lines = [{"what": "a", "quantity": 1, "price": "10"}]
    for title in ("plain", "sent"):
        contract = found.create("alice", "contract", title=title, customer=own["id"], items=lines)
        if title == "sent":
            with found.write("alice") as unit:
                flows.fire(unit, "contract", contract["id"], "submit")
    found.create("@system", "note", body="said", customer=own["id"])


def ask(
    world: World,
    who: str,
    entity: str,
    record: int | None,
    action: str,
    field: str | None = None,
    by: str = "root",
) -> Explanation:
    """What `by` is told about `who`."""
    with world.read(by) as unit:
        return explain(unit, world.actors[who].id, entity, record, action, field)


# --- the doors -----------------------------------------------------------------------------------
def door(unit: Unit, entity: str, id: int, action: str, field: str) -> bool | None:
    """What the doors say to the unit's actor; None where something else stands in the way first."""
    if field and action == "read":
        try:
            found = reading.read(unit, entity, id)
        except NotFound:
            return False
        return field in found and not isinstance(found[field], Masked)
    if action in ("read", "export", "share"):
        return bool(reading.visible(unit, entity, [id], action=action))  # type: ignore[arg-type]
    try:
        if action == "delete":
            with unit.connection.begin_nested() as nested:
                row = unit.app.reader.load(unit.connection, entity, id)
                removing.remove(unit, entity, id, row["version"] if row else 0)
                nested.rollback()
            return True
        return _writes(unit, entity, id, field)
    except Failure as failure:
        return False if {one.code for one in failure.problems} & CLOSED else None


def _writes(unit: Unit, entity: str, id: int, field: str) -> bool:
    old = unit.app.reader.load(unit.connection, entity, id) or {"version": 0}
    values = VALUES[entity][field]
    value = next(one for one in values if one != old.get(field))
    with unit.connection.begin_nested() as nested:
        try:
            writing.change(unit, entity, id, {field: value}, old["version"])
        finally:
            nested.rollback()
    return True


def questions(world: World) -> Iterator[Question]:
    """Every person, record, action and field, in an order of chance."""
    found = []
    for entity, fields in VALUES.items():
        table = world.company.current.tables.of(entity).table
        with world.company.database.read() as connection:
            ids = list(connection.scalars(sa.select(table.c.id)))
        for who in ("alice", "bob", "carol", "erin", "zoe", "root"):
            for id in ids:
                found += [(who, entity, id, one, "") for one in ("read", "export", "delete")]
                found += [(who, entity, id, "share", "")]
                found += [(who, entity, id, one, f) for f in fields for one in ("read", "write")]
    random.Random(4).shuffle(found)
    yield from found[:70]


def test_the_explanation_says_what_the_doors_say(world: World) -> None:
    """Whoever it is, whatever it is: yes here is yes there. Those who are told how to get a role or
    a share get it in truth, and the door opens."""
    applied = dict.fromkeys(("role", "share", "department", "record", "state"), 0)
    compared = 0
    for question in questions(world):
        with suppress(Undo), world.company.unit(SYSTEM, write=True) as unit:
            compared += _compared(unit, world, question, applied)
            raise Undo
    assert compared > 45
    assert all(applied.values()), applied


def _compared(unit: Unit, world: World, question: Question, applied: dict[str, int]) -> int:
    who, entity, id, action, field = question
    actor = world.actors[who]
    told = explain(replace(unit, actor=SYSTEM), actor.id, entity, id, action, field)
    truth = door(replace(unit, actor=actor), entity, id, action, field)
    if truth is None:
        return 0
    about = (*question, words(told, "en"))
    if action == "read" and _in_bin(unit, entity, id):
        return 1  # what lies there is read there, by the same right
    assert told.allowed == truth, about
    for remedy in told.remedies:
        if remedy.kind not in applied or len(remedy.steps) > 1:
            continue
        nested = unit.connection.begin_nested()
        changed = apply(unit, world, who, entity, id, remedy.kind, remedy.data)
        if changed is not None:
            after = door(replace(unit, actor=changed), entity, id, action, field)
            assert after is not False, (*about, remedy)
            applied[remedy.kind] += 1
        nested.rollback()
    return 1


def _in_bin(unit: Unit, entity: str, id: int) -> bool:
    """Whether the record was removed."""
    return unit.app.reader.load(unit.connection, entity, id) is None


def apply(unit: Unit, world: World, who: str, entity: str, id: int, kind: str, data: Any) -> Any:
    """Carry a remedy out, and the person as he is then."""
    user = world.actors[who].id
    if kind == "role":
        people.set_roles(unit, user, [*world.actors[who].roles, data["role"]])
    elif kind == "department":
        people.change_user(unit, user, department_id=data["department"])
    elif kind == "state":
        jump(unit, _case(unit, entity, id), data["state"], "a test")
    elif kind == "share":
        number = unit.app.database.ids.next(unit.connection)
        row = {"entity": entity, "record_id": id, "level": data["level"], "user_id": user}
        unit.connection.execute(
            sa.delete(SHARE).where(SHARE.c.record_id == id, SHARE.c.user_id == user)
        )
        unit.connection.execute(sa.insert(SHARE).values(id=number, at=unit.now, **row))
    else:
        old = unit.app.reader.load(unit.connection, entity, id)
        if old is None or data["field"] != "owner" or str(data["value"]) != str(user):
            return None
        writing.change(unit, entity, id, {"owner": str(user)}, old["version"])
    return people.actor_of(unit.connection, user)


def _case(unit: Unit, entity: str, id: int) -> int:
    found = flows.flow_of(unit, entity, id, known=True)
    assert found is not None
    return found.instance


# --- what is said --------------------------------------------------------------------------------
def named(world: World, owner: str | None, **more: Any) -> int:
    return int(rich.customer(world, owner, secrecy="open", **more)["id"])


def test_the_failing_part_is_named_with_what_the_record_says(world: World) -> None:
    told = ask(world, "carol", "customer", named(world, "erin"), "read")
    lines = words(told, "zh-CN")
    assert lines[0] == "不可以：Carol不能查看Customer。"
    assert lines[2] == (
        "    此处不满足：Owner的部门不在Carol的部门之内（含下级）"
        "（Owner：Erin、Owner的部门：West）。"
    )
    kinds = [one.kind for one in told.remedies]
    assert kinds[0] == "share"
    assert kinds == sorted(kinds, key=["share", "record", "role", "department", "definition"].index)
    last = told.remedies[-1].data
    assert (last["file"], last["pointer"], last["value"]) == (
        "entity_defs/small/customer.json",
        "/x-access/manager/read",
        True,
    )


def test_what_was_shared_is_told_with_its_end(world: World) -> None:
    id = named(world, "erin")
    root = world.actors["root"].id
    rich.share(world, id, "read", user_id=world.actors["alice"].id, until="2999-12-31", by_id=root)
    rich.share(world, id, "write", department_id=world.east, until="2020-01-01", by_id=root)
    lines = words(ask(world, "alice", "customer", id, "read"), "en")
    assert lines[0] == "Yes: Alice may see Customer."
    assert "+ Shared with Alice by Root to see it, until 2999-12-31." in lines
    assert "- Was shared with East by Root to change it; that ended on 2020-01-01." in lines


def test_above_the_clearance_there_is_nothing_to_ask_about(world: World) -> None:
    """An administrator without clearance is told the same as about a record that is not there; the
    operator at the command line is told what it takes."""
    id = int(rich.customer(world, "alice", secrecy="secret")["id"])
    for record in (id, 999_999):
        with pytest.raises(NotFound):
            ask(world, "alice", "customer", record, "read")
    told = ask(world, "alice", "customer", id, "read", by="@system")
    assert not told.allowed
    assert "gate" in {one.kind for one in told.reasons}
    roles = [one.data["role"] for one in told.remedies if one.kind == "clearance"]
    assert roles[:2] == ["cleared", "officer"]
    assert told.remedies[0].kind == "record"  # the record graded lower is the smaller change


def test_the_pool_and_masks_and_what_the_system_keeps(world: World) -> None:
    free = named(world, None, phone="13500135000")
    pool = ask(world, "alice", "customer", free, "read", "phone")
    assert [one.kind for one in pool.reasons if not one.allows] == ["pool"]
    own = ask(world, "alice", "customer", free, "read", "phone", by="alice")
    assert own.remedies[0].kind == "claim"  # he can help himself
    masked = ask(world, "zoe", "customer", free, "read", "phone")
    assert masked.head.code == "G143"
    kept = ask(world, "root", "customer", free, "write", "signed")
    assert {one.kind for one in kept.reasons if not one.allows} == {"system"}
    assert kept.remedies == ()
    rule = ask(world, "root", "customer", free, "write", "joined")
    assert rule.allowed  # level is B
    world.change("root", "customer", world.get("root", "customer", free), level="C")
    hidden = ask(world, "root", "customer", free, "write", "joined")
    (reason,) = [one for one in hidden.reasons if not one.allows]
    assert (reason.kind, reason.problem.params["rule"]) == ("rule", "no_joined")
    assert [one.data["pointer"] for one in hidden.remedies if one.kind == "definition"] == [
        "/x-rules/no_joined/hide"
    ]


def test_a_closed_account_and_the_recycle_bin(world: World) -> None:
    id = named(world, "alice")
    with world.company.unit(SYSTEM, write=True) as unit:
        people.change_user(unit, world.actors["alice"].id, disabled_at=unit.now)
    told = ask(world, "alice", "customer", id, "write")
    assert [one.kind for one in told.remedies] == ["account"]
    world.remove("root", "customer", world.get("root", "customer", id))
    both = ask(world, "alice", "customer", id, "write")
    assert not both.allowed
    (remedy,) = both.remedies[:1]
    assert len(remedy.steps) == 2  # neither would do alone


def test_lists_and_new_records(world: World) -> None:
    assert ask(world, "zoe", "customer", None, "create").head.code == "G141"
    assert ask(world, "alice", "customer", None, "create").allowed
    seen = ask(world, "alice", "customer", None, "read")
    assert seen.conditional
    assert seen.head.code == "G142"
    export = ask(world, "alice", "customer", None, "export")
    assert not export.allowed
    assert next(one for one in export.remedies if one.kind == "role").data["role"] == "manager"


def test_events_of_a_workflow(world: World) -> None:
    own = named(world, "alice")
    lines = [{"what": "a", "quantity": 1, "price": "10"}]
    contract = world.create("alice", "contract", title="K", customer=own, items=lines)["id"]
    assert ask(world, "alice", "contract", contract, "submit").allowed
    with world.write("alice") as unit:
        flows.fire(unit, "contract", contract, "submit")
    late = ask(world, "alice", "contract", contract, "submit")
    assert [one.kind for one in late.reasons] == ["state"]
    assert late.remedies[0].data["state"] == "draft"
    nobody = ask(world, "alice", "contract", contract, "task.approve")
    assert "Carol" in words(nobody, "en")[1]
    locked = ask(world, "alice", "contract", contract, "write", "title")
    assert [one.kind for one in locked.reasons if not one.allows] == ["state"]
    assert locked.remedies[0].kind == "state"
    with pytest.raises(NotFound):
        ask(world, "alice", "contract", contract, "no_such_event")


# --- who may ask, and what he is told ------------------------------------------------------------
def test_everybody_asks_about_himself_only(world: World) -> None:
    with pytest.raises(Forbidden):
        ask(world, "bob", "customer", None, "read", by="alice")
    mine = ask(world, "alice", "customer", named(world, "alice"), "delete", by="alice")
    assert mine.allowed
    assert words(mine, "zh-CN")[0] == "可以：您可以删除Customer。"


def test_what_is_not_there_for_him_is_not_explained(world: World) -> None:
    """Neither the record nor the hidden field: the answer is that of what does not exist."""
    foreign = int(rich.customer(world, "erin", secrecy="secret")["id"])
    own = named(world, "alice")
    for record, field in ((foreign, ""), (999_999, ""), (own, "cost"), (own, "no_such_field")):
        with pytest.raises(NotFound) as gone:
            ask(world, "alice", "customer", record, "read", field, by="alice")
        assert gone.value.problems[0].code == "R001"


def test_an_explanation_gives_no_hidden_value_away(world: World) -> None:
    """A condition on a field that who asks cannot see is not put into words, and no change is
    named whose effect would tell what is in it."""
    own = named(world, "alice", cost="777")
    entity = world.company.current.model.entities["customer"]
    access = {**entity.access, "auditor": replace(entity.access["auditor"], write="cost == 777")}
    sales = replace(entity.access["sales"], export="cost == 778 or tax_id == 'x'")
    object.__setattr__(entity, "access", {**access, "sales": sales})
    told = ask(world, "alice", "customer", own, "export", by="alice")
    said = "\n".join(words(told, "en"))
    assert "777" not in said
    assert "778" not in said
    assert "a condition that you cannot see" in said
    assert [one.kind for one in told.remedies if one.kind in ("record", "definition")] == []


def test_a_token_that_is_too_narrow_is_told_as_such(world: World) -> None:
    own = named(world, "alice")
    program = replace(world.actors["alice"], scopes=frozenset({("customer", "read")}))
    with world.company.unit(program) as unit:
        told = explain(unit, program.id, "customer", own, "write")
        assert [one.kind for one in told.reasons if not one.allows] == ["scope"]
        assert explain(unit, program.id, "customer", own, "read").allowed
    assert ask(world, "alice", "customer", own, "write", by="alice").allowed


def test_uncovering_a_mask(world: World) -> None:
    own = named(world, "alice", phone="13500135000")
    with pytest.raises(NotFound):
        ask(world, "alice", "customer", own, "reveal")
    masked = ask(world, "zoe", "customer", own, "reveal", "phone")
    assert not masked.allowed
    assert [one.data["pointer"] for one in masked.remedies if one.kind == "definition"] == [
        "/properties/phone/x-access/auditor/reveal"
    ]
    assert ask(world, "alice", "customer", own, "reveal", "phone").allowed  # in the clear anyway


def test_what_the_pool_still_lets_somebody_open(world: World) -> None:
    free = named(world, None)
    entity = world.company.current.model.entities["customer"]
    object.__setattr__(entity, "pool", {"sales": PoolLimits(views=0)})
    told = ask(world, "alice", "customer", free, "read")
    (quota,) = [one for one in told.reasons if one.kind == "quota"]
    assert not quota.allows
    assert quota.problem.params["most"] == 0
