"""The worked example of the format becomes the model it describes."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.definitions.samples import CUSTOMER, FLOW, HOTEL, build, good, sources

from engine.definitions.model import MISSING, Grant, Option, Reference


def test_it_has_no_problems() -> None:
    model, problems = build()
    assert problems == []
    assert model is not None
    assert list(model.entities) == ["contract", "customer", "receipt"]


def test_fields_keep_their_order_and_end_with_the_system_fields() -> None:
    names = list(good().entities["customer"].fields)
    assert names[:3] == ["code", "name", "kind"]
    assert names[-4:] == ["created_at", "created_by", "updated_at", "updated_by"]


def test_types_come_from_x_type_or_from_plain_keywords() -> None:
    fields = good().entities["customer"].fields
    assert {name: found.type for name, found in fields.items() if not found.system} == {
        "code": "autonumber",
        "name": "text",
        "kind": "choice",
        "credit_code": "uscc",
        "level": "choice",
        "status": "choice",
        "lost_reason": "text",
        "phone": "phone",
        "region": "region",
        "parent": "ref",
        "owner": "user",
        "tags": "multichoice",
        "contacts": "lines",
        "credit_limit": "money",
        "owed": "money",
        "next_visit": "date",
    }


def test_a_field_says_everything_about_itself() -> None:
    fields = good().entities["customer"].fields
    name, kind, limit = fields["name"], fields["kind"], fields["credit_limit"]
    assert (name.title, name.was) == ({"zh-CN": "客户名称", "en": "Name"}, ("cust_name",))
    assert (name.required, name.nullable, name.default) == (True, False, MISSING)
    assert name.schema == {"type": "string", "title": "客户名称", "minLength": 2, "maxLength": 100}
    assert kind.options[0] == Option("company", {"zh-CN": "企业", "en": "Company"})
    assert fields["level"].options[0].color == "red"
    assert limit.schema["multipleOf"] == Decimal("0.01")
    assert limit.access["sales"] == Grant(write=False)
    assert fields["phone"].access["sales"] == Grant(read="owner == me", mask="phone")
    assert fields["parent"].reference == Reference("customer", "children", "restrict")
    assert fields["owed"].compute is not None
    assert fields["owed"].read_only
    assert fields["code"].read_only
    assert fields["tags"].multiple
    assert [option.value for option in fields["tags"].options][:2] == ["hotel", "school"]


def test_rows_are_an_entity_of_their_own() -> None:
    rows = good().entities["customer"].fields["contacts"].rows
    assert rows is not None
    assert rows.name == "customer.contacts"
    assert {name: found.type for name, found in rows.fields.items()} == {
        "name": "text",
        "email": "email",
        "main": "boolean",
    }
    assert rows.fields["name"].required


def test_entity_level_parts() -> None:
    customer = good().entities["customer"]
    assert (customer.title["en"], customer.plural["en"]) == ("Customer", "Customers")
    assert customer.label_fields == ("name",)
    assert customer.conditions.keys() == {"if", "then"}
    assert customer.keys.duplicate == (("name", "region"), ("phone",))
    assert customer.rules["visit_in_future"].level == "warn"
    assert customer.rules["limit_by_level"].check == "level == 'A' or credit_limit <= 500000"
    assert customer.form[2].when == "me.has_role('finance', 'manager')"
    assert customer.list.board == "status"
    assert customer.pack == "crm"
    assert customer.file == CUSTOMER


def test_shared_pieces_are_filled_in() -> None:
    amount = good().entities["contract"].fields["amount"]
    assert (amount.type, amount.title) == ("money", {"zh-CN": "金额"})
    assert "$ref" not in amount.schema
    assert amount.schema["minimum"] == 0
    assert good().entities["contract"].fields["discount_note"].type == "longtext"


def test_an_entity_without_form_and_list_gets_both() -> None:
    receipt = good().entities["receipt"]
    assert [row for part in receipt.form for row in part.rows] == [
        ("customer", "amount"),
        ("paid_on",),
    ]
    assert receipt.list.columns == ("customer", "amount", "paid_on")
    assert receipt.plural == {"zh-CN": "收款"}
    assert receipt.label == "{id}"


def test_words_for_scopes_are_written_out() -> None:
    access = {"x-access": {"sales": {"read": "department_tree", "write": "own"}}}
    sales = good({CUSTOMER: access}).entities["customer"].access["sales"]
    assert sales.read == "owner.dept within my.dept"
    assert sales.write == "owner == me"
    assert sales.create is True


def test_the_manifest_becomes_roles_menus_and_cards() -> None:
    model = good()
    assert model.roles["admin"].admin
    assert model.languages == ("zh-CN", "en")
    (group,) = model.menus
    assert [(item.entity, item.title["zh-CN"]) for item in group.items] == [
        ("customer", "客户"),
        ("contract", "合同"),
    ]
    assert [(card.entity, card.measure) for card in model.cards] == [
        ("customer", ""),
        ("contract", "sum:amount"),
    ]
    assert model.inverses("customer").keys() == {"children", "contracts", "receipts"}


def test_workflows_are_found_by_their_entity() -> None:
    flow = good().workflow_of("contract")
    assert flow is not None
    assert (flow.id, flow.version, flow.state_field) == ("contract_approval", 1, "approval_state")
    assert flow.title["en"] == "Contract approval"


def test_the_hash_of_a_workflow_is_that_of_its_logic() -> None:
    def hash_with(change: dict[str, object]) -> str:
        return good({FLOW: change}).workflows["contract_approval"].hash

    plain = hash_with({})
    assert hash_with({"title": "Other", "layout": {"draft": {"x": 1}}}) == plain
    assert hash_with({"states": {"draft": {"title": "Other"}}}) == plain
    assert hash_with({"states": {"draft": {"fields": {"title": "read"}}}}) != plain
    assert hash_with({"states": {"draft": {"on": {"cancel": "approved"}}}}) != plain


def test_the_overlay_changes_what_it_names_and_nothing_else() -> None:
    base, hotel = good().entities["customer"], good(pack="hotel").entities["customer"]
    assert hotel.fields["level"].title == {"zh-CN": "会员等级", "en": "ABC class"}
    assert hotel.fields["level"].options == base.fields["level"].options
    assert "region" not in hotel.fields
    assert hotel.fields["room_pref"].title["en"] == "Room preference"
    assert hotel.rules["limit_by_level"].check == "credit_limit <= 20000"
    assert hotel.rules["vip"].require == ("phone",)
    assert hotel.rules["lost_is_final"] == base.rules["lost_is_final"]
    assert hotel.pack == "crm"


def test_what_the_overlay_leaves_dangling_is_left_out_and_told() -> None:
    model, problems = build(pack="hotel")
    assert model is not None
    assert [(p.code, p.severity, p.file, p.line) for p in problems] == [
        ("D068", "warning", CUSTOMER, 50),
        ("D068", "warning", CUSTOMER, 64),
        ("D068", "warning", CUSTOMER, 69),
    ]
    hotel = model.entities["customer"]
    assert hotel.keys.duplicate == (("phone",),)
    assert "region" not in hotel.list.filters
    assert all("region" not in row for part in hotel.form for row in part.rows)


def test_a_field_that_an_overlay_adds_is_put_into_the_form() -> None:
    assert good(pack="hotel").entities["customer"].form[0].rows[-1] == ("room_pref",)
    after = {HOTEL: {"properties": {"room_pref": {"x-ui": {"after": "level"}}}}}
    rows = good(after, "hotel").entities["customer"].form[0].rows
    assert rows[rows.index(("level", "status")) + 1] == ("room_pref",)


def test_the_company_has_the_last_word() -> None:
    own = {"overlay/customer.json": {"title": "房客", "properties": {"vip_no": {"type": "string"}}},
           "overlay/visit.json": {"x-entity": {"name": "visit"}, "title": "来访", "type": "object",
                                  "properties": {"note": {"type": "string", "title": "记录"}}},
           "overlay/workflows/contract_approval.json": {"version": 2}}  # fmt: skip
    model = good(own, "hotel")
    assert model.entities["customer"].title["zh-CN"] == "房客"
    assert model.entities["visit"].pack == "overlay"
    assert model.workflows["contract_approval"].version == 2
    assert [pack.name for pack in model.packs] == ["crm", "hotel"]
    assert model.title["zh-CN"] == "酒店"


def test_the_hash_depends_on_content_and_not_on_layout() -> None:
    spaced = {path: text.replace("\n", "\n  ") for path, text in sources().items()}
    assert good(spaced).hash == good().hash
    assert good({CUSTOMER: {"title": "顾客"}}).hash != good().hash
