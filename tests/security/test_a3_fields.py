"""A3 A field that somebody may not see cannot be used for anything: every hidden field of the world
in every way there is to use a field."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.companies import Visitor, inputs
from tests.security.guards import state
from tests.security.world import World, tokens

HIDDEN: Final = (  # who, entity, a record of his, the field, a part of what it holds
    ("alice", "customer", "customer-c1", "cost_price", "7000000"),
    ("alice", "customer", "customer-c1", "credit_score", "7000000"),
    ("alice", "customer", "customer-c1", "id_card_no", "CNRY-t1-customer-c1-id_card_no"),
    ("alice", "customer", "customer-c1", "inside", "CNRY-t1-customer-c1-inside"),
    ("alice", "customer", "customer-c1", "scans", "CNRY-t1-customer-c1-scans"),
    ("alice", "customer", "customer-c1", "cost_words", "worth CNRY"),
    ("alice", "customer", "customer-c1", "margin_total", "7000000"),
    ("alice", "contract", "contract-k1", "margin", "7000000"),
    ("alice", "receivable", "receivable-v1", "received", "7000000"),
    ("alice", "receivable", "receivable-v1", "refunded", "350000"),
    ("alice", "contact", "contact-t1", "customer_inside", "CNRY-t1-customer-c1-inside"),
)
MASKED: Final = (
    ("carol", "customer", "customer-c1", "phone", "13970000001"),
    ("zoe", "customer", "customer-c1", "phone", "13970000001"),
    ("carol", "customer", "customer-c1", "id_card_no", "CNRY-t1-customer-c1-id_card_no"),
    ("zoe", "customer", "customer-c1", "id_card_no", "CNRY-t1-customer-c1-id_card_no"),
    ("zoe", "contact", "contact-t1", "mail", "cnry-t1-contact-t1-mail"),
    ("zoe", "receipt", "receipt-p1", "account", "CNRY-t1-receipt-p1-account"),
)
OPERATORS: Final = (
    "eq", "ne", "in", "gt", "ge", "lt", "le", "between", "contains", "startswith", "filled",
    "empty", "me", "today",
)  # fmt: skip

Way = Callable[[Visitor, str, int, str, str], Any]


def api(arguments: str) -> Way:
    """A list of the API with such arguments."""
    return lambda p, e, _, f, v: p.get(
        f"/api/v1/{e}", query_string=arguments.replace("{f}", f).replace("{v}", v)
    )


def page(path: str) -> Way:
    """A page."""
    return lambda p, e, id, f, v: p.get(
        path.replace("{e}", e).replace("{id}", str(id)).replace("{f}", f).replace("{v}", v)
    )


REFUSED: Final[dict[str, Way]] = {  # ways that say that there is no such field
    **{f"filter {op}": api(f"f.{{f}}.{op}={{v}}") for op in OPERATORS},
    "filter without an operator": api("f.{f}={v}"),
    "filter tree": lambda p, e, _, f, v: p.get(
        f"/api/v1/{e}", query_string={"where": json.dumps({"not": [[f, "eq", v]]})}
    ),
    "sort": api("sort={f}"),
    "sort downwards": api("sort=-{f}"),
    "sort behind another": api("sort=id,{f}"),
    "column": api("cols={f}"),
    "column with an alias": api("cols=id,{f} as x"),
    "column by path": api("cols=customer.{f}"),
    "filter by path": api("f.customer.{f}.eq={v}"),
    "sort by path": api("sort=customer.{f}"),
}
ABSENT: Final[dict[str, Way]] = {  # ways in whose answer nothing of it stands
    "search": api("q={v}"),
    "search everywhere": page("/search?q={v}"),
    "suggestions": page("/search/suggest?q={v}"),
    "the record": lambda p, e, id, f, v: p.get(f"/api/v1/{e}/{id}"),
    "its history": lambda p, e, id, f, v: p.get(f"/api/v1/{e}/{id}/history"),
    "its page": page("/e/{e}/{id}"),
    "its activity": page("/e/{e}/{id}?show=changes&lines=300"),
    "its form": page("/e/{e}/{id}/edit"),
    "a copy of it": page("/e/{e}/new?copy={id}"),
    "a new one": page("/e/{e}/new?{f}={v}"),
    "a new one by the form's name": page("/e/{e}/new?f_{f}={v}"),
    "the list": page("/e/{e}?cols={f}"),
    "the list sorted": page("/e/{e}?sort={f}"),
    "the board": page("/e/{e}?view=board"),
    "the calendar": page("/e/{e}?view=calendar"),
    "grouped": api("group_by={f}&agg=max({f})"),
    "summed up": page("/e/{e}?view=board&sum={f}"),
    "fields": api("fields={f}"),
    "expanded": api("expand=customer&depth=2"),
    "a lookup": page("/e/{e}/lookup/{f}?q={v}"),
    "a lookup of others": page("/e/contract/lookup/customer?q={v}"),
    "the quick form": page("/e/{e}/quick"),
    "moves": page("/e/{e}/{id}/moves"),
    "the bin": page("/e/{e}/removed?sort={f}"),
    "effects": lambda p, e, id, f, v: p.form(f"/e/{e}/effects", [("f_name", "x"), (f"f_{f}", v)]),
    "a draft": lambda p, e, id, f, v: p.form(f"/e/{e}/draft", [(f"f_{f}", v)]),
    "a saved view": lambda p, e, id, f, v: p.form(
        f"/e/{e}/views", [("name", "x"), ("query", f"sort={f}&f.{f}.eq={v}")]
    ),
    "case": page("/api/v1/{e}/{id}/flow"),
    "home": page("/"),
    "approvals": page("/approvals?tab=mine"),
    "tasks": page("/api/v1/tasks?tab=mine"),
    "notifications": page("/notifications"),
    "the label": page("/e/{e}?{f}={v}"),
}
WRITTEN: Final[dict[str, Way]] = {
    "PATCH": lambda p, e, id, f, v: p.api("PATCH", f"/{e}/{id}", {f: v, "version": 2}),
    "POST": lambda p, e, id, f, v: p.api("POST", f"/{e}", {"name": "x", "title": "x", f: v}),
    "form": lambda p, e, id, f, v: p.form(
        f"/e/{e}/{id}/edit", [(f"f_{f}", v), ("version", "2"), ("f_remark", "x")]
    ),
    "a new one": lambda p, e, id, f, v: p.form(f"/e/{e}/new", [(f"f_{f}", v), ("f_name", "x")]),
    "quick": lambda p, e, id, f, v: p.form(f"/e/{e}/quick", [(f"f_{f}", v), ("f_name", "x")]),
    "a file": lambda p, e, id, f, v: p.send(
        "POST",
        f"/e/{e}/{id}/edit",
        data={f"f_{f}-upload": (io.BytesIO(b"x"), "x.txt"), "version": "2"},
        content_type="multipart/form-data",
    ),
}


@pytest.mark.parametrize("way", REFUSED)
def test_a3_1_a_hidden_field_is_no_field(still: World, way: str) -> None:
    """The answer is, word for word, the one about a field that does not exist."""
    for who, entity, key, name, value in HIDDEN:
        person, none = still.served.visitor("t1", who), "x" * len(name)
        answer = REFUSED[way](person, entity, still.id(key), name, value)
        other = REFUSED[way](person, entity, still.id(key), none, value)
        assert answer.status_code == other.status_code == 422, (entity, name)
        assert answer.text.replace(name, "NAME") == other.text.replace(none, "NAME")


@pytest.mark.parametrize("way", ABSENT)
def test_a3_1_a_hidden_field_shows_nowhere(still: World, way: str) -> None:
    facts = still.oracle().facts
    for who, entity, key, name, value in HIDDEN:
        person = still.served.visitor("t1", who)
        answer = ABSENT[way](person, entity, still.id(key), name, value)
        assert answer.status_code < 500, (entity, name, answer.status_code)
        secret = tokens(str(facts.records[entity][still.id(key)].get(name)))
        found = tokens(answer.get_data(as_text=True)) - tokens(value)
        assert not secret & found, (entity, name)
        assert f'name="f_{name}"' not in answer.text, (entity, name)


@pytest.mark.parametrize("way", REFUSED)
def test_a3_4_a_masked_field_is_looked_for_by_nothing(still: World, way: str) -> None:
    """A column of masks may be shown; nothing may be asked of the values."""
    for who, entity, key, name, value in MASKED:
        person = still.served.visitor("t1", who)
        answer = REFUSED[way](person, entity, still.id(key), name, value)
        if way == "column":
            assert answer.status_code == 200
            assert value not in answer.text
        else:
            assert answer.status_code == 422, (who, entity, name)


@pytest.mark.parametrize("way", ABSENT)
def test_a3_4_a_masked_field_is_masked_everywhere(still: World, way: str) -> None:
    for who, entity, key, name, value in MASKED:
        person = still.served.visitor("t1", who)
        answer = ABSENT[way](person, entity, still.id(key), name, "CNRY")
        assert value not in answer.get_data(as_text=True).replace(",", ""), (who, entity, name)


def test_a3_4_who_may_look_for_masked_values_needs_the_whole_of_them(still: World) -> None:
    """`search`: sales find somebody's telephone number when they type all of it."""
    alice = still.served.visitor("t1", "alice")
    for asked in ("f.phone.contains=1397", "f.phone.startswith=139", "f.phone.gt=1"):
        found = alice.get(f"/api/v1/customer?{asked}")
        rows = found.json.get("items", []) if found.status_code == 200 else []
        assert still.id("customer-c6") not in {row["id"] for row in rows}, asked
    answer = alice.get("/api/v1/customer?sort=phone&size=100")
    assert "13970000006" not in answer.text


@pytest.mark.parametrize("way", WRITTEN)
def test_a3_2_a_hidden_field_is_not_written(kept: World, way: str) -> None:
    company = kept.served.company("t1")
    kept.served.visitor("t1", "alice").send("POST", "/search")
    before = state(company)
    for who, entity, key, name, value in HIDDEN:
        person = kept.served.visitor("t1", who)
        given = "123" if value.isdigit() else value
        answer = WRITTEN[way](person, entity, kept.id(key), name, given)
        assert answer.status_code in (400, 403, 404, 409, 422), (entity, name, answer.status_code)
        assert state(company) == before, (entity, name)


READ_ONLY: Final = (
    ("carol", "customer", "customer-c1", "credit_score"),
    ("carol", "customer", "customer-c1", "phone"),
    ("alice", "contract", "contract-k4", "bonus"), ("alice", "contract", "contract-k4", "title"),
    ("alice", "contract", "contract-k1", "state"), ("alice", "contract", "contract-k1", "amount"),
    ("zoe", "customer", "customer-c1", "remark"), ("carol", "contract", "contract-k5", "remark"),
)  # fmt: skip


@pytest.mark.parametrize(("who", "entity", "key", "name"), READ_ONLY)
def test_a3_2_what_may_only_be_read_is_not_written(
    kept: World, who: str, entity: str, key: str, name: str
) -> None:
    person, company = kept.served.visitor("t1", who), kept.served.company("t1")
    person.send("POST", "/search")
    version = kept.oracle().facts.records[entity][kept.id(key)]["version"]
    before = state(company)
    body = {name: "9", "version": version}
    answer = person.api("PATCH", f"/{entity}/{kept.id(key)}", body)
    assert answer.status_code in (403, 409, 422), (answer.status_code, answer.text)
    form = person.get(f"/e/{entity}/{kept.id(key)}/edit")
    if form.status_code == 200 and 'class="record-form"' in form.text:
        assert f"f_{name}" not in dict(inputs(form.text))
    assert state(company) == before


def test_a3_2_an_unchanged_value_may_be_sent_back(world: World) -> None:
    carol, id = world.served.visitor("t1", "carol"), world.id("customer-c1")
    record = carol.get(f"/api/v1/customer/{id}").json
    body = {"credit_score": record["credit_score"], "remark": "x", "version": record["version"]}
    assert carol.api("PATCH", f"/customer/{id}", body).status_code in (200, 422)
    alice = world.served.visitor("t1", "alice")
    version = alice.get(f"/api/v1/customer/{id}").json["version"]
    secret = world.oracle().facts.records["customer"][id]["credit_score"]
    answers = set()
    for guess in (secret, 5):
        body = {"credit_score": guess, "version": version}
        answer = alice.api("PATCH", f"/customer/{id}", body)
        answers.add(answer.text.replace(str(guess), "N"))
    assert len(answers) == 1, "a guess must not be confirmed"


def test_a3_3_what_is_made_of_hidden_fields_is_hidden(still: World) -> None:
    alice, carol = (still.served.visitor("t1", one) for one in ("alice", "carol"))
    id = still.id("customer-c1")
    assert not {"cost_words", "margin_total"} & alice.get(f"/api/v1/customer/{id}").json.keys()
    assert {"cost_words", "margin_total"} <= carol.get(f"/api/v1/customer/{id}").json.keys()
    assert "customer_inside" not in alice.get(f"/api/v1/contact/{still.id('contact-t1')}").json
    assert (
        not {"received", "open"}
        & alice.get(f"/api/v1/receivable/{still.id('receivable-v1')}").json.keys()
    )


@pytest.mark.parametrize("column", ["cost", "supplier"])
def test_a3_1_a_hidden_column_of_rows(kept: World, column: str) -> None:
    """It is in no row, cannot be written, and survives the writing of its row by others."""
    alice, id = kept.served.visitor("t1", "alice"), kept.id("contract-k1")
    (row,) = alice.get(f"/api/v1/contract/{id}").json["items"]
    assert column not in row
    for path in (f"/e/contract/{id}", f"/e/contract/{id}/edit", f"/e/contract/new?copy={id}"):
        assert f"k1-{column}" not in alice.get(path).text
        assert f".{column}" not in str(inputs(alice.get(f"/e/contract/{id}/edit").text))
    before = state(kept.served.company("t1"))
    items = [{"what": "x", "price": "1", column: "5"}]
    answer = alice.api("PATCH", f"/contract/{id}", {"items": items, "version": 2})
    assert answer.status_code == 422
    assert state(kept.served.company("t1")) == before


def test_a3_6_what_may_be_seen_depends_on_the_state(world: World) -> None:
    """The bonus is told once the contract is approved, at every door."""
    alice, dave = (world.served.visitor("t1", one) for one in ("alice", "dave"))
    id, word = world.id("contract-k3"), "CNRY-t1-contract-k3-bonus"
    doors = (f"/api/v1/contract/{id}", f"/e/contract/{id}", "/api/v1/contract?cols=bonus,title")
    for path in doors:
        assert word not in alice.get(path).text
    found = alice.get("/api/v1/contract?f.bonus.contains=CNRY").json
    assert id not in {row["id"] for row in found.get("items", [])}
    assert dave.api("POST", f"/contract/{id}/events/task.approve", {}).status_code == 200
    for path in doors:
        assert word in alice.get(path).text


def test_a3_5_hiding_is_not_forbidding(still: World) -> None:
    """What a form does not show is judged all the same when it is sent."""
    alice = still.served.visitor("t1", "alice")
    form = [("f_name", "A new one"), ("f_level", "a"), ("f_cost_price", "1"), ("f_inside", "x")]
    answer = alice.form("/e/customer/new", form)
    assert answer.status_code == 422
