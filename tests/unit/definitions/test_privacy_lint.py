"""Encrypted fields stay out of everything that asks the database."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.records_world import CONTRACT, CUSTOMER, PACK, PROJECT, sources, text

from engine.packs import check_sources

SECRET = {"x-privacy": ["encrypted"]}
Change = Callable[[dict[str, Any]], object]


def customer(change: Change) -> dict[str, Any]:
    found = copy.deepcopy(CUSTOMER)
    found["properties"]["account"] = {**text("Account"), **SECRET}
    change(found)
    return found


def told(**changes: Any) -> list[tuple[str, str]]:
    """The problems of the small pack with other entities, as (code, pointer)."""
    pack = changes.pop("pack", PACK)
    found = sources(**changes)
    found["entity_defs/small/pack.json"] = json.dumps(pack)
    _, problems = check_sources(found, "small")
    return [(one.code, one.pointer) for one in problems if one.code in ("D130", "D131")]


def test_a_field_that_is_only_shown_may_be_encrypted() -> None:
    assert told(customer=customer(lambda _: None)) == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        (lambda c: c["x-keys"].update(unique=[["account"]]), "/x-keys/unique/0"),
        (lambda c: c["x-keys"].update(duplicate=[["account"]]), "/x-keys/duplicate/0"),
        (lambda c: c["x-keys"].update(index=[["name", "account"]]), "/x-keys/index/0"),
        (lambda c: c["x-list"].update(sort=["-account"]), "/x-list/sort/0"),
        (lambda c: c["x-list"].update(filters=["account"]), "/x-list/filters/0"),
        (lambda c: c["x-entity"].update(label="{name} {account}"), "/x-entity/label"),
        (
            lambda c: c["x-access"]["sales"].update(read="account == 'x'"),
            "/x-access/sales/read",
        ),
        (
            lambda c: c["x-access"]["sales"].update(read="parent.account is null"),
            "/x-access/sales/read",
        ),
        (
            lambda c: c["properties"]["cost"]["x-access"]["sales"].update(read="len(account) > 3"),
            "/properties/cost/x-access/sales/read",
        ),
        (
            lambda c: c["properties"]["signed"]["x-compute"].update(expr="len(account)"),
            "/properties/signed/x-compute/expr",
        ),
    ],
)
def test_where_it_is_asked_about_it_may_not(change: Change, at: str) -> None:
    assert told(customer=customer(change)) == [("D131", at)]


def test_in_formulas_and_conditions_of_others_neither() -> None:
    secret = customer(lambda _: None)
    contract, project = copy.deepcopy(CONTRACT), copy.deepcopy(PROJECT)
    contract["properties"]["customer_level"]["x-compute"]["expr"] = "customer.account"
    project["properties"]["main"]["x-ref"]["where"] = "account == 'x'"
    found = told(customer=secret, contract=contract, project=project)
    assert sorted(found) == [
        ("D131", "/properties/customer_level/x-compute/expr"),
        ("D131", "/properties/main/x-ref/where"),
    ]


def test_sums_of_encrypted_columns_neither() -> None:
    contract = copy.deepcopy(CONTRACT)
    contract["properties"]["items"]["items"]["properties"]["price"] |= SECRET
    found = told(contract=contract)
    assert ("D131", "/properties/items/items/properties/amount/x-compute/expr") in found


def test_a_formula_that_is_not_kept_may() -> None:
    def change(found: dict[str, Any]) -> None:
        found["properties"]["initial"]["x-compute"]["expr"] = "upper(account)"

    assert told(customer=customer(change)) == []


@pytest.mark.parametrize("name", ["parent", "contacts", "code", "signed", "owner"])
def test_what_the_platform_has_to_follow_cannot_be_encrypted(name: str) -> None:
    def change(found: dict[str, Any]) -> None:
        found["properties"][name] |= SECRET

    found = told(customer=customer(change))
    assert ("D130", f"/properties/{name}/x-privacy") in found


def test_nor_the_state_of_a_workflow_nor_what_cards_count() -> None:
    contract, pack = copy.deepcopy(CONTRACT), copy.deepcopy(PACK)
    contract["properties"]["state"] |= SECRET
    pack["cards"] = {
        "first": {"title": "x", "entity": "customer", "query": "f.account.filled=1"},
        "second": {"title": "x", "entity": "customer", "query": "f.level.eq=A"},
    }
    found = told(customer=customer(lambda _: None), contract=contract, pack=pack)
    assert sorted(found) == [("D131", "/cards/first"), ("D131", "/stateField")]


def test_a_word_in_quotes_is_no_name() -> None:
    def change(found: dict[str, Any]) -> None:
        found["x-access"]["sales"]["read"] = "name == 'account'"

    assert told(customer=customer(change)) == []
