"""Cells are the OR over roles of (row AND field), and every doubt says no."""

from __future__ import annotations

from collections.abc import Mapping

from engine.access import EntityAccess, Level, compile_access
from engine.definitions.model import Computation, Entity, Field, Grant, Model, Role
from engine.expressions import parse


def field(name: str, access: Mapping[str, Grant] | None = None, **more: object) -> Field:
    return Field(name, "text", {"en": name}, access=access or {}, **more)  # type: ignore[arg-type]


def compiled(fields: list[Field], access: Mapping[str, Grant], *roles: str) -> EntityAccess:
    entity = Entity(
        "thing", {}, {}, "{name}", {found.name: found for found in fields}, access=access
    )
    model = Model(
        title={},
        packs=(),
        languages=("en",),
        entities={"thing": entity},
        workflows={},
        roles={name: Role(name, {}, admin=name == "admin") for name in ("a", "b", "c", "admin")},
        menus=(),
        cards=(),
        currency="CNY",
        timezone="Asia/Shanghai",
        hash="",
    )
    return compile_access(model, entity, roles)


def test_no_grant_no_access() -> None:
    access = compiled([field("name")], {"a": Grant(read=True)}, "b")
    assert not access.may("read")
    assert access.level("name") is Level.HIDDEN


def test_unknown_roles_add_nothing() -> None:
    access = compiled([field("name")], {"ghost": Grant(read=True)}, "ghost")
    assert not access.may("read")


def test_admins_may_everything_that_anybody_may() -> None:
    fields = [field("name"), field("code", read_only=True), field("secret", write_only=True)]
    access = compiled(fields, {}, "admin", "b")
    assert all(access.may(action) for action in ("read", "write", "create", "delete", "export"))
    assert access.level("name") is Level.WRITE
    assert access.level("code") is Level.READ
    assert not access.usable("secret")
    assert access.fields["secret"].write.always


def test_rows_are_joined_by_or() -> None:
    access = compiled(
        [field("name")], {"a": Grant(read="owner == me"), "b": Grant(read="public")}, "a", "b"
    )
    assert access["read"].node == parse("owner == me or public")


def test_a_role_that_sees_all_wins() -> None:
    access = compiled(
        [field("name")], {"a": Grant(read="owner == me"), "b": Grant(read=True)}, "a", "b"
    )
    assert access["read"].always


def test_a_cell_joins_the_row_of_the_same_role() -> None:
    """Reading all rows by one role and one field by another must not add up to all cells."""
    access = compiled(
        [field("cost", {"b": Grant(read=False)})],
        {"a": Grant(read="owner == me"), "b": Grant(read=True)},
        "a",
        "b",
    )
    assert access["read"].always
    assert access.fields["cost"].read.node == parse("owner == me")


def test_a_field_open_to_every_role_asks_nothing_more() -> None:
    access = compiled(
        [field("name")], {"a": Grant(read="owner == me"), "b": Grant(read="public")}, "a", "b"
    )
    assert access.fields["name"].read.always


def test_a_single_role_needs_only_the_field_predicate() -> None:
    access = compiled(
        [field("phone", {"a": Grant(read="public")})], {"a": Grant(read="owner == me")}, "a"
    )
    assert access.fields["phone"].read.node == parse("public")


def test_masks_are_seen_but_not_usable() -> None:
    access = compiled([field("phone", {"a": Grant(mask="phone")})], {"a": Grant(read=True)}, "a")
    assert access.level("phone") is Level.MASKED
    assert access.shown("phone")
    assert not access.usable("phone")
    assert access.fields["phone"].mask == "phone"


def test_what_is_hidden_cannot_be_written() -> None:
    access = compiled(
        [field("cost", {"a": Grant(read=False)})], {"a": Grant(read=True, write=True)}, "a"
    )
    assert not access.fields["cost"].write.ever


def test_field_grants_narrow_and_never_widen() -> None:
    access = compiled([field("limit", {"a": Grant(write=True)})], {"a": Grant(read=True)}, "a")
    assert access.level("limit") is Level.READ


def test_writing_needs_reading() -> None:
    access = compiled([field("name")], {"a": Grant(read="public", write="owner == me")}, "a")
    assert access["write"].node == parse("public and owner == me")
    assert not compiled([field("name")], {"a": Grant(delete=True)}, "a").may("delete")


def test_an_unreadable_predicate_denies() -> None:
    access = compiled([field("name")], {"a": Grant(read="owner ==")}, "a")
    assert not access.may("read")


def test_parts_tell_which_role_granted_what() -> None:
    access = compiled(
        [field("name")], {"a": Grant(read="owner == me"), "b": Grant(read=True)}, "a", "b"
    )
    assert access["read"].parts == (("a", parse("owner == me")), ("b", True))


def test_creating_does_not_need_reading() -> None:
    access = compiled([field("name")], {"a": Grant(create=True)}, "a")
    assert access.may("create")
    assert access.fields["name"].create.always
    assert not access.may("read")


def test_a_formula_is_as_hidden_as_what_it_is_made_of() -> None:
    fields = [
        field("cost", {"a": Grant(read=False)}),
        field("margin", compute=Computation("price - cost")),
        field("twice", compute=Computation("margin * 2")),
        field("told", {"a": Grant(read=True)}, compute=Computation("cost > 0")),
        field("price"),
    ]
    access = compiled(fields, {"a": Grant(read=True), "b": Grant(read=True)}, "a")
    assert [access.usable(name) for name in ("margin", "twice", "told", "price")] == [
        False,
        False,
        True,
        True,
    ]
    assert compiled(fields, {"b": Grant(read=True)}, "b").usable("margin")


def test_columns_of_rows_are_narrowed_by_role_only() -> None:
    rows = Entity(
        "thing.items",
        {},
        {},
        "",
        {
            found.name: found
            for found in (
                field("what"),
                field("cost", {"a": Grant(read=False)}),
                field("price", {"a": Grant(write=False)}),
                field("note", {"a": Grant(read="owner == me")}),
                field("margin", compute=Computation("price - cost")),
            )
        },
    )
    items = Field("items", "lines", {}, rows=rows)
    access = compiled([items], {"a": Grant(read=True, write=True, create=True)}, "a")
    columns = access.fields["items"].columns
    assert {name: column.level for name, column in columns.items()} == {
        "cost": Level.HIDDEN,
        "price": Level.READ,
        "note": Level.HIDDEN,
        "margin": Level.HIDDEN,
    }


def test_what_depends_on_the_actor_and_on_the_clock() -> None:
    plain = compiled([field("name")], {"a": Grant(read=True)}, "a")
    own = compiled([field("name")], {"a": Grant(read="owner == me")}, "a")
    timed = compiled([field("name")], {"a": Grant(read="until >= today()")}, "a")
    assert (plain.conditional, own.conditional, timed.conditional) == (False, True, True)
    assert not own.clocks
    assert timed.clocks == {"today"}


def test_a_masked_value_is_looked_for_where_the_role_that_may_sees_the_row() -> None:
    fields = [
        field("phone", {"a": Grant(mask="phone", search=True), "b": Grant(mask="phone")}),
    ]
    rows = {"a": Grant(read="owner == me"), "b": Grant(read=True)}
    assert compiled(fields, rows, "a").fields["phone"].search.always
    assert not compiled(fields, rows, "b").searchable("phone")
    both = compiled(fields, rows, "a", "b")
    assert both.fields["phone"].search.node == parse("owner == me")
    assert both.conditional
