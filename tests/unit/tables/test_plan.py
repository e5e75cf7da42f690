"""Plans between models, without a database."""

from __future__ import annotations

from dataclasses import replace

from tests.models import entity, field, lines, model

from engine.definitions.model import Model
from engine.fields.registry import bind
from engine.tables import EMPTY, Layout, Plan, plan
from engine.tables.layout import physical
from engine.tables.plan import claims

SHOP = model(
    entity(
        "customer",
        field("name"),
        field("code"),
        field("amount", "money"),
        field("partner", "ref", to="customer"),
        field("friends", "refs", to="customer"),
        lines("contacts", field("name"), field("phone", "phone"), owner="customer"),
        unique=(("code",),),
    )
)


def step(old: Plan | None, old_model: Model | None, new: Model) -> Plan:
    return plan(old.layout if old else None, old_model, new, bind)


def kinds(found: Plan) -> list[str]:
    return [operation.kind for operation in found.operations if not operation.quiet]


def test_a_new_company() -> None:
    found = step(None, None, SHOP)
    assert found.problems == ()
    assert kinds(found) == ["create_table"]
    assert {key: table.name for key, table in found.layout.tables.items()} == {
        "customer": "e1_customer",
        "customer.contacts": "e2_customer_contacts",
        "customer.friends": "e3_customer_friends",
    }
    assert found.layout.tables["customer"].columns["partner"].target == "e1_customer"
    assert found.sentences("zh-CN") == ["+ 新增 实体customer。"]


def test_nothing_changes_nothing() -> None:
    first = step(None, None, SHOP)
    again = step(first, SHOP, SHOP)
    assert again.operations == ()
    assert again.layout == first.layout


def test_a_layout_survives_json() -> None:
    layout = step(None, None, SHOP).layout
    assert Layout.from_json(layout.to_json()) == layout


def test_fields_come_go_and_come_back() -> None:
    first = step(None, None, SHOP)
    without = replace_fields(SHOP, "amount", "friends", "contacts")
    second = step(first, SHOP, without)
    assert second.sentences("en") == [
        "- Customer: field “Amount” is removed from view; its values are kept.",
        "- Contacts is removed from view; its data is kept.",
        "- Friends is removed from view; its data is kept.",
    ]
    third = step(second, without, SHOP)
    assert kinds(third) == ["restore_table", "restore_table", "restore_column"]
    assert third.layout.tables == first.layout.tables


def replace_fields(found: Model, *gone: str) -> Model:
    old = found.entities["customer"]
    fields = {name: one for name, one in old.fields.items() if name not in gone}
    return replace(found, entities={"customer": replace(old, fields=fields)})


def test_a_retired_column_of_another_type_stays_retired() -> None:
    first = step(None, None, SHOP)
    without = replace_fields(SHOP, "amount")
    second = step(first, SHOP, without)
    customer = without.entities["customer"]
    other = replace(
        without,
        entities={
            "customer": replace(customer, fields={**customer.fields, "amount": field("amount")})
        },
    )
    third = step(second, without, other)
    assert kinds(third) == ["add_column"]
    column = third.layout.tables["customer"].columns["amount"]
    assert column.name != first.layout.tables["customer"].columns["amount"].name


def test_renames_keep_the_data() -> None:
    first = step(None, None, SHOP)
    new = model(
        entity(
            "client",
            field("title", was=("name",)),
            field("code"),
            field("amount", "money"),
            field("partner", "ref", to="client"),
            field("mates", "refs", to="client", was=("friends",)),
            lines(
                "people", field("name"), field("phone", "phone"), owner="client", was=("contacts",)
            ),
            unique=(("code",),),
            was=("customer",),
        )
    )
    second = step(first, SHOP, new)
    assert second.problems == ()
    assert kinds(second) == ["rename_table", "rename_table", "rename_table", "rename_column"]
    names = [table.name for table in second.layout.tables.values()]
    assert names == [table.name for table in first.layout.tables.values()]
    assert second.layout.indexes == first.layout.indexes
    assert step(second, new, new).operations == ()


def test_a_retired_table_follows_its_renamed_entity() -> None:
    first = step(None, None, SHOP)
    without = replace_fields(SHOP, "contacts")
    second = step(first, SHOP, without)
    old = without.entities["customer"]
    fields = {n: f for n, f in old.fields.items() if f.reference is None}
    renamed = model(replace(old, name="client", was=("customer",), fields=fields))
    third = step(second, without, renamed)
    client = renamed.entities["client"]
    rows = lines("contacts", field("name"), field("phone", "phone"), owner="client")
    back = model(replace(client, fields={**client.fields, "contacts": rows}))
    fourth = step(third, renamed, back)
    assert kinds(fourth) == ["restore_table"]


def test_lines_with_one_name_in_the_past_of_another() -> None:
    """The inner table of new lines is new, whatever its key was used for before."""
    refs = field("z", "refs", to="b")
    first_model = model(entity("b", field("n"), lines("r", refs, owner="b")))
    first = step(None, None, first_model)
    moved = lines("u", field("x"), owner="b", was=("r",))
    second_model = model(entity("b", field("n"), moved, lines("r", refs, owner="b")))
    second = step(first, first_model, second_model)
    assert second.layout.tables["b.r"] == first.layout.tables["b.r"]
    third_model = model(entity("b", field("n"), moved))
    third = step(second, second_model, third_model)
    fourth = step(third, third_model, second_model)
    assert fourth.layout.tables["b.r.z"] == first.layout.tables["b.r.z"]


def test_type_changes_are_refused_with_advice() -> None:
    first = step(None, None, SHOP)
    customer = SHOP.entities["customer"]
    for change in (
        field("amount", "text"),
        field("amount", "refs", to="customer"),
        lines("amount", field("x"), owner="customer"),
        field("name", "date"),
        field("partner", "user"),
        field("friends", "text"),
    ):
        new = model(replace(customer, fields={**customer.fields, change.name: change}))
        found = step(first, SHOP, new)
        assert [problem.code for problem in found.problems] == ["P001"], change
        assert found.operations == ()
        assert found.layout == first.layout
        assert found.problems[0].pointer == f"/properties/{change.name}"


def test_a_reference_cannot_point_elsewhere() -> None:
    people = entity("person", field("name"))
    first_model = model(people, *SHOP.entities.values())
    first = step(None, None, first_model)
    customer = SHOP.entities["customer"]
    for name, kind in (("partner", "ref"), ("friends", "refs")):
        fields = {**customer.fields, name: field(name, kind, to="person")}
        found = step(first, first_model, model(people, replace(customer, fields=fields)))
        assert [problem.code for problem in found.problems] == ["P004"]


def test_texts_may_take_another_form() -> None:
    first = step(None, None, SHOP)
    customer = SHOP.entities["customer"]
    new = model(replace(customer, fields={**customer.fields, "code": field("code", "longtext")}))
    found = step(first, SHOP, new)
    assert found.sentences("en") == [
        "~ Customer: “Code” is now longtext instead of text; its values stay."
    ]


def test_columns_are_counted() -> None:
    first_model = model(entity("wide", *(field(f"a{n}") for n in range(600))))
    first = step(None, None, first_model)
    second_model = model(entity("wide", *(field(f"b{n}") for n in range(600))))
    second = step(first, first_model, second_model)
    assert [problem.code for problem in second.problems] == ["P002"]


def test_names_are_short_ascii_and_never_end_like_a_shard() -> None:
    assert physical("e", 3, "sales_order") == "e3_sales_order"
    assert physical("e", 4, "客户") == "e4"
    assert physical("f", 5, "line_2") == "f5_line2"
    assert physical("f", 6, "2024") == "f6"
    assert len(physical("e", 100000, "x" * 200)) < 50
    assert physical("f", 1, "a_1_2") == "f1_a12"


def test_claims_prefer_the_own_name() -> None:
    assert claims({"b": ("b", "a"), "a": ("a",)}, ["a"]) == {"a": "a"}
    assert claims({"b": ("b", "a"), "c": ("c", "a")}, ["a"]) == {"b": "a"}
    assert claims({"a": ("a", "b"), "b": ("b", "a")}, ["a", "b"]) == {"a": "a", "b": "b"}


def test_an_empty_layout_is_the_start() -> None:
    assert plan(EMPTY, None, SHOP, bind) == plan(None, None, SHOP, bind)
