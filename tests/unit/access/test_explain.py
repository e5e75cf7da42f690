"""A decision taken apart says the same as the decision, and names what it failed on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from engine.access import Level, compile_access
from engine.access.differing import changed, concerned
from engine.access.explain import Decision, decide, judge, single
from engine.definitions.model import Entity, Field, Grade, Grant, Model, PoolLimits, Role
from engine.expressions import Node, parse

ROLES = {
    "a": Role("a", {}),
    "b": Role("b", {}, clearance="secret"),
    "c": Role("c", {}),
    "admin": Role("admin", {}, admin=True),
}
FIELDS = {
    "owner": Field("owner", "user", {}),
    "public": Field("public", "boolean", {}),
    "grade": Field("grade", "text", {}),
    "name": Field("name", "text", {}),
    "phone": Field("phone", "text", {}, access={"a": Grant(mask="phone"), "b": Grant(read=True)}),
    "cost": Field("cost", "money", {}, access={"b": Grant(read=False)}),
    "kept": Field("kept", "text", {}, read_only=True),
}
GRANTS = {
    "a": Grant(read="owner == me or public", write="owner == me", create=True),
    "b": Grant(read=True, export=True),
}


def company(grants: Mapping[str, Grant] = GRANTS, **more: object) -> tuple[Model, Entity]:
    entity = Entity("thing", {}, {}, "{name}", FIELDS, access=grants, **more)  # type: ignore[arg-type]
    model = Model(
        title={},
        packs=(),
        languages=("en",),
        entities={"thing": entity},
        workflows={},
        roles=ROLES,
        menus=(),
        cards=(),
        currency="CNY",
        timezone="UTC",
        hash="",
        grades=(Grade("open", {}), Grade("secret", {})),
        everyone="open",
    )
    return model, entity


def decided(holds: set[str], *roles: str, **asked: str) -> Decision:
    """The decision where the conditions `holds` are true and all others are not."""
    model, entity = company(grade=("grade",))
    true = {parse(one) for one in holds}

    def test(node: Node) -> bool:
        return node in true

    access = compile_access(model, entity, roles)
    field, aspect = asked.get("field", ""), asked.get("aspect", "read")
    action = asked.get("action", "read")
    alone = single(model, entity, roles)
    return decide(access, alone, action, test, field=field, aspect=aspect)  # type: ignore[arg-type]


OPEN = "grade in ['open']"


def test_what_fails_is_named() -> None:
    found = decided({OPEN}, "a")
    assert not found.allowed
    (said,) = found.roles
    assert said.row.failing() == (parse("owner == me"), parse("public"))


def test_one_of_two_is_enough_and_nothing_is_blamed() -> None:
    found = decided({OPEN, "public"}, "a")
    assert found.allowed
    assert found.roles[0].row.failing() == ()


def test_of_an_and_only_what_fails_is_blamed() -> None:
    judged = judge(parse("owner == me and public and name == 'x'"), {parse("public")}.__contains__)
    assert judged.failing() == (parse("owner == me"), parse("name == 'x'"))
    assert len(judged.conditions()) == 3


def test_the_gate_stands_above_all_roles() -> None:
    found = decided(set(), "a", "admin")
    assert not found.allowed
    assert not found.gate.holds
    assert found.roles[1].allows  # the role itself would do
    assert decided(set(), "b").allowed  # who is cleared for everything is asked nothing


def test_cells() -> None:
    assert decided({OPEN, "public"}, "a", field="phone").level is Level.MASKED
    assert decided({OPEN, "public"}, "a", "b", field="phone").allowed
    assert not decided(set(), "b", field="cost").allowed
    # reading all rows by one role and the field by another must not add up
    assert not decided(set(), "a", "b", field="cost").allowed
    assert decided({"owner == me"}, "a", "b", field="cost").allowed


def test_a_pool_hides_what_nobody_has_taken() -> None:
    limits = {"a": PoolLimits(shows=frozenset({"name"}))}
    model, entity = company(pool=limits)
    access, alone = compile_access(model, entity, ["a"]), single(model, entity, ["a"])
    taken = parse("not (owner == null)")
    for free in (True, False):
        true = {parse("public")} | (set() if free else {taken})
        for name in ("name", "grade"):
            found = decide(access, alone, "read", true.__contains__, field=name)
            assert found.allowed == (name == "name" or not free)


@pytest.mark.parametrize("roles", [("a",), ("b",), ("a", "b"), ("c",), ("a", "c", "admin"), ()])
def test_the_parts_say_what_the_whole_says(roles: tuple[str, ...]) -> None:
    """For every outcome of every condition: some role allows it, behind the gate, exactly when it
    is allowed."""
    conditions = [OPEN, "owner == me", "public"]
    for size in range(len(conditions) + 1):
        for holds in itertools.combinations(conditions, size):
            for field in ("", "name", "phone", "cost"):
                found = decided(set(holds), *roles, field=field)
                alone = found.gate.holds and any(said.allows for said in found.roles)
                assert found.allowed == alone, (holds, field)


# --- what differs --------------------------------------------------------------------------------
def differing(new: Mapping[str, Grant], *roles: str) -> list[tuple[str, str]]:
    (old_model, old), (new_model, now) = company(), company(new)
    before, after = compile_access(old_model, old, roles), compile_access(new_model, now, roles)
    return [(one.action, one.field) for one in changed(before, after, [(n, n) for n in FIELDS])]


def test_equal_rights_differ_in_nothing() -> None:
    assert differing(dict(GRANTS), "a", "b") == []
    assert concerned(company()[0], company(dict(GRANTS))[0]) == frozenset()
    assert concerned(company()[0], company({"a": Grant(read=True)})[0]) == {"thing"}


def test_only_who_is_concerned() -> None:
    more = {**GRANTS, "a": Grant(read=True, write="owner == me", create=True)}
    assert differing(more, "b") == []
    # writing asks for reading too: its condition is another one, with the same meaning
    assert [one for one in differing(more, "a") if not one[1]] == [("read", ""), ("write", "")]
    assert ("export", "") in differing({**GRANTS, "b": Grant(read=True)}, "b")
